# SPDX-License-Identifier: MIT
"""sphere-admin and manage as the spec of SPHERE has them, to the tab (spec rows ADM-*, CLI-*, RUN-*, ECH-*, STO-*, FND-*, MOV-01 to MOV-05)."""
import json
import os
import pty
import re
import runpy
import select
import signal
import sqlite3
import subprocess
import time

import pytest
from archive import as_program
from make_dicom import make_image, uid
from part10 import EXPLICIT, IMPLICIT, read_folder
from peers import Storescp
from programs import free_port, run, wait_until
from test_rows_retrieve import Receiver

STUDY = "1.2.826.0.1.3680043.10.1499.7"


@pytest.fixture
def filled(archive, few):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    return archive


@pytest.fixture
def receiver(archive):
    one = Receiver()
    yield one
    one.close()


def ours(archive, verb, *options, **more):
    return archive.manage(verb, "127.0.0.1", archive.port, "-aec", archive.aet, *options, **more)


def log_of(archive, name="pacs"):
    return (archive.folder / f"log/{name}.log").read_text()


# -- sphere-admin --

def test_the_whole_tree_and_nothing_else(tmp_path):  # ADM-01, ADM-02, ADM-07
    done = run(as_program(tmp_path, "sphere-admin"), tmp_path / "deep/er/pacs")
    assert done.stdout == done.stderr == ""
    folder = tmp_path / "deep/er/pacs"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()) == [
        "app/all_dicom_elements.csv", "app/associations.yml", "app/contexts.yml", "app/logging_config.yml", "app/main_extended_db.py",
        "app/settings.yml", "app/tags.yml", "app/white_list/example.yml", "manage", "manage.py", "version_pacs.py"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", runpy.run_path(str(folder / "version_pacs.py"))["__version__"])
    rows = (folder / "app/all_dicom_elements.csv").read_text().splitlines()
    assert rows[0] == "Tag,Keyword,Attribute name,VR,Field name of a table,Type,Size if settings"
    assert "00080005,SpecificCharacterSet,Specific Character Set,CS,specific_character_set,String,128" in rows
    example = (folder / "app/white_list/example.yml").read_text()
    assert "EXAMPLE:" in example and "4242" in example and "EXEMPLEIN:" in example


def test_the_version_of_the_creation_is_that_of_the_file(stopped_archive):  # ADM-07, CLI-03
    (stopped_archive.folder / "version_pacs.py").write_text("__version__ = '9.8.7'\n")
    assert stopped_archive.manage("-vp").stdout == "Version pacs : 9.8.7\n"
    (stopped_archive.folder / "version_pacs.py").unlink()
    done = stopped_archive.manage("-vp")
    assert "no record" in done.stdout and "Version pacs" not in done.stdout


@pytest.mark.parametrize("what", ["file", "folder", "dangling link"])
def test_force_needs_to_be_said(tmp_path, what):  # ADM-03, ADM-04
    admin, target = as_program(tmp_path, "sphere-admin"), tmp_path / "pacs"
    {"file": lambda: target.write_text("x"), "folder": target.mkdir, "dangling link": lambda: target.symlink_to("nowhere")}[what]()
    done = run(admin, target, check=False)
    assert done.returncode == 1 and str(target) in done.stderr and "-f" in done.stderr
    assert not (target / "manage").exists()


# -- manage, general --

def test_prefixes_of_long_options(archive):  # CLI-05
    ours(archive, "echo", "--verb", "0")
    archive.manage("echo", "127.0.0.1", archive.port, "--ae_c=" + archive.aet)
    done = archive.manage("move", "127.0.0.1", archive.port, "--ae_c", "X", check=False)  # --ae_called or --ae_cstore
    assert done.returncode == 2 and "ambiguous" in done.stderr


def test_the_settings_give_the_default_of_verbosity(archive):  # CLI-08
    for level, lines in ((0, 0), (1, 1), (2, 2)):
        archive.set("console_verbose_level", level)
        assert ours(archive, "echo").stdout.count("CURRENT SCU CECHO ASSOC") == lines
    assert ours(archive, "echo", "-v", "0").stdout == ""
    assert ours(archive, "echo", "-v1").stdout.count("CURRENT") == 1


def blocks(text):
    """The association blocks of a text, each as its lines."""
    out, current = [], None
    for line in text.splitlines():
        if re.fullmatch("#{25} CURRENT .* ASSOC #{25}", line):
            current = []
            out.append(current)
        if current is not None:
            current.append(line)
            if set(line) == {"#"}:
                current = None
    return out


WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"


def check_block(lines, service, action, status=None, uids=None, log=None, details=None, context=None, data_set=None):
    """Line by line as in section 2.2 of the spec: tabs, rulers, the blank behind the status."""
    header = "#" * 25 + f" CURRENT {service} {action} ASSOC " + "#" * 25
    ruler = "# " + "-" * len(header)  # H counts the two newlines around the header
    expected = [header, "# Server Association metadata", r"re:# update date \t\t: " + WHEN]
    expected += [r"re:# simultaneous assoc : \d+"] if service == "SCP" else []
    expected += [ruler, ruler, f"# action\t\t: {action}", f"# service\t\t: {service}"]
    expected += [f"# final_status\t\t: {status} "] if status else []
    expected += [f"# {label} UID\t\t: {value}" for label, value in zip(("Study", "Series", "Instance"), uids or ())]
    if details:
        peer, own, success = details
        expected += [r"re:# dt_exec\t\t: " + WHEN, f"# associate_ae\t\t: {peer}", f"# AE\t\t\t: {own:16}", f"# success\t\t: {success}", ruler]
        if context:
            expected += ["# CONTEXT", ruler, r"re:# context ID\t\t: \d+", f"# abstract Syntax\t: {context[0]}", f"# Transfer Syntax\t: {context[1]}", ruler]
        expected += ["# LOG", ruler, f"re:# last_log\t: {log}"]
        if data_set:
            expected += [ruler, "# DATASET DICOM", ruler, *data_set]
    elif log:
        expected += [ruler, "# LOG", ruler, f"re:# last_log\t: {log}"]
    expected += ["#" * (len(header) + 2)]
    assert len(lines) == len(expected), "\n".join(lines)
    for line, wanted in zip(lines, expected):
        assert re.fullmatch(wanted[3:], line) if wanted.startswith("re:") else line == wanted, (line, wanted)


COMPLETED = "0x0000 : Association Completed"
UIDS = (STUDY, f"{STUDY}.1", f"{STUDY}.1.1")
SC = "1.2.840.10008.5.1.4.1.1.7"


def test_blocks_of_verbosity_1(stopped_archive, few):  # CLI-09, CLI-11, ECH-02
    archive = stopped_archive.start()
    block, = blocks(ours(archive, "echo").stdout)
    check_block(block, "SCU", "CECHO", COMPLETED)
    block, = blocks(ours(archive, "store", "-sp", "fs", "-pd", few / "11.dcm").stdout)
    check_block(block, "SCU", "CSTORE", COMPLETED, UIDS)
    block, = blocks(ours(archive, "find").stdout)
    check_block(block, "SCU", "CFIND", log="Equal number of STUDY is 1")
    assert not blocks(ours(archive, "move", "-aes", archive.aet, "-stUID", STUDY).stdout)
    server = archive.server
    archive.stop()
    first, second, third = blocks(server.output())
    check_block(first, "SCP", "CECHO", COMPLETED)
    check_block(second, "SCP", "CSTORE", COMPLETED, UIDS)
    check_block(third, "SCP", "CSTORE", COMPLETED, UIDS)


def test_blocks_of_refusals_at_verbosity_1(stopped_archive):  # CLI-12, ECH-02, FND-08, DCM-11, DCM-15
    archive = stopped_archive.start()
    dead = free_port()
    done = archive.manage("echo", "127.0.0.1", dead, "-aec", "X", check=False)
    block, = blocks(done.stdout)
    check_block(block, "SCU", "CECHO", "0xa801 : Association aborted")
    assert f"127.0.0.1:{dead}" in done.stderr and "refused" in done.stderr
    done = archive.manage("find", "127.0.0.1", dead, "-aec", "X", check=False)
    block, = blocks(done.stdout)
    check_block(block, "SCU", "CFIND", log=r"Association rejected, aborted or never .*")
    run("findscu", "-S", "-k", "StudyInstanceUID", "-aec", archive.aet, "127.0.0.1", archive.port, check=False)
    ours(archive, "move", "-aes", "NOWHERE", "-stUID", STUDY, check=False)
    server = archive.server
    archive.stop()
    first, second = blocks(server.output())
    check_block(first, "SCP", "CFIND", "0xc000 : Unable to Process", log=".*missing")
    check_block(second, "SCP", "CMOVE", "0xa801 : Association aborted")


def test_blocks_of_verbosity_2(stopped_archive, few):  # CLI-10
    archive = stopped_archive
    archive.set("console_verbose_level", 2)
    archive.start()
    me = (archive.aet, archive.aet, True)
    check_block(blocks(ours(archive, "echo").stdout)[-1], "SCU", "CECHO", COMPLETED, log=".*", details=me)
    block = blocks(ours(archive, "store", "-sp", "fs", "-pd", few / "11.dcm").stdout)[-1]
    check_block(block, "SCU", "CSTORE", COMPLETED, UIDS, log=".*", details=me, context=(SC, EXPLICIT))
    keys = ["# (0008, 0005) Specific Character Set              CS: 'ISO_IR 192'", "# (0008, 0052) Query/Retrieve Level                CS: 'STUDY'",
            f"# (0020, 000d) Study Instance UID                  UI: {STUDY}"]
    block = blocks(ours(archive, "find", "-stUID", STUDY).stdout)[-1]
    check_block(block, "SCU", "CFIND", log="Equal number of STUDY is 1", details=me, data_set=keys)
    done = ours(archive, "move", "-aes", archive.aet, "-stUID", STUDY)
    assert [line for line in done.stdout.splitlines() if "last_log" in line][0] == "# last_log\t: 1 STUDY with 4 threads"
    assert "Execution time" in [line for line in done.stdout.splitlines() if "last_log" in line][-1]
    server = archive.server
    archive.stop()
    by_action = {block[0].split()[3]: block for block in blocks(server.output())}
    check_block(by_action["CECHO"], "SCP", "CECHO", COMPLETED, log=".*", details=me, context=("1.2.840.10008.1.1", r"1.2.840.10008.1.2.1"))
    check_block(by_action["CSTORE"], "SCP", "CSTORE", COMPLETED, UIDS, log=".*", details=me, context=(SC, EXPLICIT))
    check_block(by_action["CFIND"], "SCP", "CFIND", COMPLETED, log="Equal number of STUDY is 1", details=me,
                context=("1.2.840.10008.5.1.4.1.2.2.1", EXPLICIT), data_set=keys)


@pytest.mark.parametrize("status, text, good", [(0xA700, "0xa700 : ", False), (0xC211, "0xc211 : C-STORE SCP implementation error", False),
                                                (0xB000, "0xb000 : ", True)])
def test_a_text_for_every_status(archive, receiver, few, status, text, good):  # CLI-12, STO-13
    receiver.statuses = {UIDS[2]: status}
    done = archive.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "fs", "-pd", few, check=False)
    assert done.stdout.count(COMPLETED) == 3
    line, = (line for line in done.stdout.splitlines() if f"final_status\t\t: {text}" in line)
    assert re.search(r": 0x[0-9a-f]{4} : \S.* $", line), "words, not only a number"
    assert f"C-STORE request status: 0x{status:04x}" in done.stdout
    assert (done.returncode == 0) == good


def test_the_command_journal(archive):  # CLI-15
    ours(archive, "echo", "-v", "0")
    lines = log_of(archive, "command_event").splitlines()
    at = max(n for n, line in enumerate(lines) if "INFO" in line and "echo" in line)
    texts = [line.split(" :: ", 3)[3] for line in lines[at + 1:]]
    assert texts[0] == "*" * 70 + " OUTGOING kwargs" and texts[-1] == "*" * 70 + " END kwargs"
    assert "ip = 127.0.0.1" in texts and f"port = {archive.port}" in texts and f"ae_called = {archive.aet}" in texts
    assert all(" :: DEBUG " in line for line in lines[at + 1:])


def on_a_terminal(command, until, seconds=20, env=None):
    """What a program prints to a terminal until a text appears; then it gets SIGINT."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ.update(env or {})
        os.execv(str(command[0]), [str(part) for part in command])
    out, end = b"", time.monotonic() + seconds
    try:
        while until not in out and time.monotonic() < end:
            if select.select([fd], [], [], 0.2)[0]:
                out += os.read(fd, 65536)
    except OSError:
        pass
    finally:
        os.kill(pid, signal.SIGINT)
        os.waitpid(pid, 0)
        os.close(fd)
    return out.decode()


def test_colours_on_a_terminal_only(stopped_archive):  # CLI-14, RUN-02
    text = on_a_terminal([stopped_archive.folder / "manage", "runserver"], b"Api Annotation")
    assert re.search(r"C-ECHO\t\033\[92m(\033\[01m)?ON\033\[0m", text) and re.search(r"database\t\033\[91m(\033\[01m)?OFF\033\[0m", text)
    assert f"\033[01m{stopped_archive.aet:16}\033[0m" in text
    plain = on_a_terminal([stopped_archive.folder / "manage", "runserver"], b"Api Annotation", env={"NO_COLOR": "1"})
    assert "\033[" not in plain
    stopped_archive.start()
    assert "\033[" not in stopped_archive.server.output()


def test_the_banner_to_the_tab(archive):  # RUN-02
    ruler = "#+++++++++++++++++++++++++++"
    wait_until(lambda: "Api Annotation" in archive.server.output(), 5, "the banner")
    text = archive.server.output()
    banner = text[text.index(ruler):].splitlines()
    assert banner[:4] == [ruler, f"# DICOM Server {archive.aet:16}", f"# Port : {archive.port}", "# (SCP)C-ECHO\tON"]
    for line in ("# (SCP)C-STORE\tON", "# (SCP)C-FIND\tON", "# (SCP)C-MOVE\tON", "# Thread database save\tON", "# Extended database\tOFF",
                 "# Api Sphere DicomWeb \tOFF", "# Api Annotation \tOFF"):
        assert line in banner
    assert text.startswith("Starting thread_db_save\n")


def test_the_queue_is_shown_at_verbosity_2_only(stopped_archive):  # RUN-05, RUN-09
    stopped_archive.set("db.save_delay", "0.1")
    stopped_archive.start()
    time.sleep(0.5)
    assert "SIZE QUEUE" not in stopped_archive.server.output()
    stopped_archive.stop()
    (stopped_archive.folder / "server.out").unlink(missing_ok=True)
    stopped_archive.set("console_verbose_level", 2)
    stopped_archive.start()
    line = f"=========== SIZE QUEUE {stopped_archive.aet} : 0\n"
    wait_until(lambda: line in stopped_archive.server.output(), 5, "the line about the queue")
    time.sleep(0.5)
    assert stopped_archive.server.output().count(line) == 1, "not again while nothing changes"


def test_the_uid_journal(filled):  # CFG-08, with CFG-01
    lines = (filled.folder / "log/study_series_instances.uid").read_text().splitlines()
    today = time.strftime("%Y-%m-%d")
    assert sorted(lines) == sorted(f"{today} | {STUDY} | {STUDY}.{e} | {STUDY}.{e}.{i}" for e in (1, 2) for i in (1, 2))


def test_no_name_in_the_log_above_debug(filled):
    """Names, also when they are asked for, refused, or part of a broken object."""
    run("findscu", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientName=Few^Images", "-aec", filled.aet, "127.0.0.1", filled.port)
    run("findscu", "-P", "-k", "PatientName=Few^Images", "-aec", filled.aet, "127.0.0.1", filled.port, check=False)
    ours(filled, "find", "-k", "PatientName=Few^Images", "-d", "yes")
    ours(filled, "move", "-aes", "NOWHERE", "-stUID", STUDY, check=False)
    for path in [*(path for path in (filled.folder / "log").rglob("*") if path.is_file()), filled.folder / "server.out"]:
        for line in path.read_text(errors="replace").splitlines():
            assert "Few^Images" not in line or ":: DEBUG " in line, f"{path.name}: {line}"


# -- store --

def test_a_folder_is_walked_and_hidden_names_are_not(archive, receiver, few):  # STO-02, STO-03
    (few / "sub/deeper").mkdir(parents=True)
    (few / "11.dcm").rename(few / "sub/deeper/11.dcm")
    (few / ".hidden").mkdir()
    make_image(few / ".hidden/x.dcm", SOPInstanceUID=uid(9, 9))
    make_image(few / ".y.dcm", SOPInstanceUID=uid(9, 8))
    (few / "notes.txt").write_text("no DICOM")
    (few / "empty.dcm").write_bytes(b"")
    done = archive.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "fs", "-pd", few)
    assert {fields[0x00001000] for fields in receiver.commands} == {f"{STUDY}.{e}.{i}" for e in (1, 2) for i in (1, 2)}
    assert f"{few}/notes.txt is not a DICOM regular file" in done.stderr
    assert re.search(r"(?m)^Total store time: Execution time : \d\d:\d\d:\d\d$", done.stdout)  # CLI-13


def test_a_damaged_file_is_a_failure_and_junk_is_none(archive, receiver, few):  # STO-03, CLI-07
    (few / "notes.txt").write_text("no DICOM")
    (few / "DICOMDIR").write_bytes(b"")
    archive.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "fs", "-pd", few)
    whole = (few / "11.dcm").read_bytes()
    for length in (132, 140, 200):  # within the meta group; where the cut is further on, the receiver sees it
        (few / "11.dcm").write_bytes(whole[:length])
        done = archive.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "fs", "-pd", few, check=False)
        assert done.returncode == 1, length
        assert f"{few}/11.dcm cannot be sent" in done.stderr or "11.dcm was not sent" in done.stderr


def test_one_association_or_a_few(archive, receiver, tmp_path):  # STO-10, STO-11
    for n in range(12):
        make_image(tmp_path / f"in/{n}.dcm", SOPInstanceUID=uid(6, n))
    archive.set("thread.number", 3)
    for many, most in (("no", 1), ("yes", 3)):
        receiver.associations = 0
        archive.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "fs", "-pd", tmp_path / "in", "-ma", many)
        assert 1 <= receiver.associations <= most
    assert len(receiver.commands) == 24
    assert set(receiver.calling) == {archive.aet}


def test_context_sets(archive, receiver, few):  # STO-09, CFG-04
    send = ("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "fs", "-pd", few)
    done = archive.manage(*send, "-context", "no_such_set")
    assert re.search(r"(?m)^Info: .*'no_such_set'.*default", done.stdout)
    done = archive.manage(*send, "-context", "onco_dermato", check=False)
    assert done.returncode == 1 and SC in done.stderr
    assert len(receiver.commands) == 4
    archive.set("context", "onco_dermato")
    assert archive.manage(*send, check=False).returncode == 1, "the set of the settings is in force"
    archive.manage(*send, "-context", "default")
    assert len(receiver.commands) == 8


def test_a_pause_between_two_uids(filled, receiver, tmp_path):  # STO-12
    filled.set("sleep_in_store", "0.01")  # minutes
    uids = tmp_path / "uids"
    uids.write_text(f"{STUDY}.1\n1.2.3.4\n{STUDY}.2\n")
    began = time.monotonic()
    done = filled.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "db", "-mn", "series", "-fUID", uids, check=False)
    assert 0.6 <= time.monotonic() - began < 10
    assert len(receiver.commands) == 4
    assert done.returncode == 1 and "1.2.3.4" in done.stderr, "what is unknown is told, and the rest is sent"  # STO-08
    assert done.stdout.count("Execution time :") == 2
    filled.manage("store", "127.0.0.1", receiver.port, "-aec", "X", "-sp", "db", "-UID", "*")
    assert len(receiver.commands) == 8


def test_an_empty_list_is_exit_code_255(archive, tmp_path):  # STO-07
    for content in ("", "\n \n\r\n"):
        (tmp_path / "uids").write_text(content)
        done = ours(archive, "store", "-sp", "db", "-fUID", tmp_path / "uids", check=False)
        assert done.returncode == 255
        assert str(tmp_path / "uids") in done.stderr


def pixels(path):
    """The values of PixelData as DCMTK shows them, without VR and length."""
    return re.search(r"\(7fe0,0010\) \w\w (.*?)\s*#", run("dcmdump", "+L", "+P", "7fe0,0010", path).stdout)[1]


@pytest.mark.parametrize("option, syntax", [("+xi", IMPLICIT), ("+xe", EXPLICIT)])
def test_compressed_objects_for_a_peer_that_takes_none(archive, manifest, tmp_path, option, syntax):  # STO-14
    """Their own syntax is proposed first; where it is refused, they are brought to one that is taken."""
    rle = next(one for one in manifest if one.name.endswith("emri_small_RLE.dcm"))
    peer = Storescp(tmp_path, "PLAIN", option)
    try:
        archive.manage("store", "127.0.0.1", peer.port, "-aec", "PLAIN", "-sp", "fs", "-pd", rle.path)
    finally:
        peer.kill()
    received, = read_folder(peer.folder).values()
    assert received.instance == rle.instance
    assert received.syntax == syntax
    run("dcmdrle", rle.path, tmp_path / "reference.dcm")
    assert pixels(received.path) == pixels(tmp_path / "reference.dcm")


# -- find --

SUMMARIES = [  # options, lines of the summary
    (["-l", "PATIENT", "-paID", "FEW"], ["qr_level     :PATIENT", "patient_id   :FEW"]),
    (["-l", "PATIENT"], ["qr_level     :PATIENT", "patient_id   :*"]),
    (["-l", "STUDY", "-stUID", STUDY, "-paID", "FEW"], ["qr_level     :STUDY", f"study_uid    :{STUDY}", "patient_id   :FEW"]),
    (["-l", "STUDY", "-seUID", f"{STUDY}.1"], ["qr_level     :STUDY", "study_uid    :*", f"SeriesInstanceUID  :{STUDY}.1"]),
    ([], ["qr_level     :STUDY", "study_uid    :*"]),
    (["-l", "SERIES", "-stUID", STUDY], ["qr_level     :SERIES", f"study_uid    :{STUDY}", "SeriesInstanceUID  :*"]),
    (["-l", "series", "-seUID", f"{STUDY}.2", "-paID", "FEW"], ["qr_level     :SERIES", "patient_id   :FEW", f"SeriesInstanceUID  :{STUDY}.2"]),
]


@pytest.mark.parametrize("options, lines", SUMMARIES)
def test_the_summary_of_a_request(filled, options, lines):  # FND-01, FND-02, FND-03
    out = ours(filled, "find", *options, "-v", "0").stdout
    assert out == "\n" + "\n".join(lines) + "\n" + "*" * 40 + "\n\n\n"


COUNTS = [(["-l", "PATIENT", "-paID", "FEW"], 1), (["-l", "PATIENT", "-paID", "F*"], 1), (["-l", "PATIENT", "-stUID", STUDY], 1),
          (["-l", "PATIENT", "-seUID", "1.2"], 0), (["-l", "STUDY", "-seUID", f"{STUDY}.1"], 1), (["-l", "STUDY", "-stUID", "*"], 1),
          (["-l", "STUDY", "-paID", "NOBODY"], 0), (["-l", "SERIES"], 2), (["-l", "SERIES", "-stUID", STUDY, "-seUID", f"{STUDY}.2"], 1),
          (["-l", "SERIES", "-paID", "FEW"], 2), (["-l", "IMAGE", "-seUID", f"{STUDY}.2"], 2)]


@pytest.mark.parametrize("options, count", COUNTS)
def test_the_count_of_results(filled, options, count):  # FND-02, FND-04
    level = options[1]
    assert f"# last_log\t: Equal number of {level} is {count}\n" in ours(filled, "find", *options).stdout


def test_results_are_displayed(filled):  # FND-05
    out = ours(filled, "find", "-d", "true", "-l", "SERIES", "-k", "Modality").stdout
    assert out.count("*" * 100 + "\n") == 2
    assert f"(0020, 000e) Series Instance UID                 UI: {STUDY}.1\n" in out
    assert "(0008, 0060) Modality                            CS: 'OT'\n" in out


def test_keys_are_written_to_a_file(filled, tmp_path):  # FND-06, FND-07
    out = tmp_path / "keys"
    ours(filled, "find", "-l", "SERIES", "-o", out)
    assert out.read_text() == f"{STUDY}.1\n{STUDY}.2\n"
    out.write_text("precious")
    done = ours(filled, "find", "-o", out, stdin="keys\nother\n")
    assert done.stderr.count("The new file name:") == 2, "a name that is taken is asked again"
    assert (out.read_text(), (tmp_path / "other").read_text()) == ("precious", f"{STUDY}\n"), "in the folder of -o"
    done = ours(filled, "find", "-o", out, stdin="", check=False)
    assert done.returncode == 1 and out.read_text() == "precious", "no terminal, no name: an error, not a loop"
    for answer in ("no", "0"):
        assert ours(filled, "find", "-o", out, "-ow", answer, stdin="", check=False).returncode == 1
    ours(filled, "find", "-o", out, "-ow", "yes")
    assert out.read_text() == f"{STUDY}\n"
    done = ours(filled, "find", "-o", tmp_path / "no/such/folder", check=False)
    assert done.returncode == 1 and f"cannot write {tmp_path}/no/such/folder: No such" in done.stderr
    done = ours(filled, "find", "-paID", "NOBODY", "-o", tmp_path / "nothing", check=False)
    assert done.returncode == 1 and not (tmp_path / "nothing").exists()


# -- move and get --

def test_moves_of_each_level(filled, receiver):  # MOV-01
    filled.allow("RECEIVER", receiver.port)
    for options, count in ((["-l", "PATIENT", "-paID", "FEW"], 4), (["-stUID", STUDY], 4), (["-l", "SERIES", "-seUID", f"{STUDY}.2"], 2),
                           (["-l", "SERIES", "-stUID", STUDY, "-seUID", f"{STUDY}.1"], 2), (["-l", "IMAGE", "-inUID", f"{STUDY}.1.2"], 1)):
        receiver.commands.clear()
        began = time.monotonic()
        done = ours(filled, "move", "-aes", "RECEIVER", *options)
        assert time.monotonic() - began < 20, "no waiting for an idle association"  # MOV-05
        assert len(receiver.commands) == count
        assert done.stdout.count("C-MOVE query status: 0xff00") == count
        assert done.stdout.count("C-MOVE query status: 0x0000") == 1
        assert re.search(r"(?m)^Execution time : \d\d:\d\d:\d\d$", done.stdout)


def test_moves_from_a_file_and_what_is_local_left_out(filled, receiver, tmp_path):  # MOV-02, MOV-04
    filled.allow("RECEIVER", receiver.port)
    uids = tmp_path / "uids"
    uids.write_text(f"{STUDY}.1\r\n\n{STUDY}.2\n1.2.3.4\n")
    done = ours(filled, "move", "-aes", "RECEIVER", "-l", "SERIES", "-fUID", uids, check=False)
    assert done.returncode == 1 and "1 of 3 requests matched nothing" in done.stderr
    assert done.stdout.count("qr_level     :SERIES") == 3
    assert len(receiver.commands) == 4
    receiver.commands.clear()
    for option in (["-rl", "false"], ["-rl"]):
        done = ours(filled, "move", "-aes", "RECEIVER", "-l", "SERIES", "-fUID", uids, *option, check=False)
        assert done.stdout.count("qr_level") == 1 and "1.2.3.4" in done.stdout
    assert not receiver.commands
    uids.write_text("")
    assert ours(filled, "move", "-aes", "RECEIVER", "-fUID", uids, check=False).returncode == 1


def test_moves_of_a_list_in_the_index(filled, receiver):  # MOV-03
    filled.allow("RECEIVER", receiver.port)
    done = ours(filled, "move", "-aes", "RECEIVER", "-DbUID", "last", check=False)
    assert done.returncode == 1 and "no list of studies" in done.stderr
    with sqlite3.connect(filled.folder / "index.sqlite") as index:
        index.executemany("INSERT INTO study_list (study_uid, id_list, d_load) VALUES (?, ?, '2026-01-01')", [("1.2.3", 1), (STUDY, 2), (STUDY, 2)])
    for option in (["-DbUID", "last"], ["-DbUID"], ["-DbUID", "2"], ["--databaseUID=2", "-stUID", "1.9"]):
        receiver.commands.clear()
        done = ours(filled, "move", "-aes", "RECEIVER", *option)
        assert len(receiver.commands) == 4, option
        assert done.stdout.count("qr_level") == 1, "each study once"
    receiver.commands.clear()
    assert "1.2.3" in ours(filled, "move", "-aes", "RECEIVER", "-DbUID", "1", check=False).stdout
    assert not receiver.commands
    for wrong in (["-DbUID", "7"], ["-DbUID", "0"], ["-DbUID", "newest"], ["-DbUID", "1", "-l", "SERIES"]):
        done = ours(filled, "move", "-aes", "RECEIVER", *wrong, check=False)
        assert done.returncode in (1, 2), wrong


def test_failures_of_moves_are_failures_of_the_command(filled, receiver):  # CLI-07, MOV-05
    filled.allow("RECEIVER", receiver.port)
    receiver.statuses = {f"{STUDY}.1.1": 0xA700}
    done = ours(filled, "move", "-aes", "RECEIVER", "-stUID", STUDY, "--json", check=False)
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    request, = answer["requests"]
    assert (request["status"], request["completed"], request["failed"], request["failed_sop_instances"]) == (0xB000, 3, 1, f"{STUDY}.1.1")
    done = ours(filled, "move", "-aes", "NOWHERE", "-stUID", STUDY, check=False)
    assert "C-MOVE query status: 0xa801" in done.stdout and done.returncode == 1
    assert "unknown move destination NOWHERE" in done.stderr


def test_get_into_a_folder_and_into_the_archive(filled, tmp_path):
    out = tmp_path / "out"
    ours(filled, "get", "-stUID", STUDY, "-o", out)
    stored = read_folder(filled.data)
    assert {i: one.data for i, one in read_folder(out).items()} == {i: one.data for i, one in stored.items()}
    before = {p: p.stat().st_mtime_ns for p in filled.files()}
    ours(filled, "get", "-stUID", STUDY)
    assert set(filled.files()) == set(before), "the same objects again are no new objects"


def test_what_a_peer_has_not_is_told(filled):
    """Success by DICOM, but not what was asked for: a warning for people, and of move an exit code."""
    for verb, options, code in (("get", [], 0), ("move", ["-aes", filled.aet], 1)):
        done = ours(filled, verb, "-stUID", "1.2.3.4", *options, check=False)
        assert done.returncode == code
        assert f"{verb}: {filled.aet} has no STUDY 1.2.3.4" in done.stderr
        assert "has no" not in ours(filled, verb, "-stUID", STUDY, *options).stderr


def test_progress_goes_to_stderr_and_json_alone_to_stdout(filled, receiver):
    """Data on stdout, text for people on stderr (with --json), also on a terminal."""
    filled.allow("RECEIVER", receiver.port)
    for verb, options in (("store", ["-sp", "db", "-UID", "*"]), ("find", []), ("move", ["-aes", "RECEIVER", "-stUID", STUDY]), ("get", ["-stUID", STUDY])):
        done = ours(filled, verb, *options, "--json")
        json.loads(done.stdout)
    shown = on_a_terminal([filled.folder / "manage", "store", "127.0.0.1", filled.port, "-aec", filled.aet, "-sp", "db", "-UID", "*", "-v", "0"],
                          b"Total store time")
    assert "4" in shown and "sent" in shown.lower()


def test_completion_script_is_bash(stopped_archive):
    script = stopped_archive.manage("completion").stdout
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "-aec" in script and "runserver" in script
    for program, word, found in (("px-find", "--PatientI", "--PatientID"), ("PACS_QR.sh", "--en", "--env"), ("/usr/bin/px-do", "--thenA", "--thenArgs")):
        words = f'COMP_WORDS=({program} {word}); COMP_CWORD=1; _gantry_plain; echo "${{COMPREPLY[@]}}"'
        assert subprocess.run(["bash", "-c", f"{script}\n{words}"], text=True, capture_output=True, check=True, timeout=20).stdout == f"{found}\n"
