# SPDX-License-Identifier: MIT
"""px-listen: objects into the packed tree, however they are called, whoever sends them, and whenever it is stopped."""
import configparser
import json
import os
import re
import select
import socket
import sqlite3
import subprocess
import threading

import pytest
from dimse import Association, Rejected
from listener import Listener
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, make_image
from part10 import read
from programs import BINARY, ENVIRONMENT, PATIENCE, Server, free_port, listening, run, wait_until
from test_durability import Sender
from test_px_query import Tools
from test_rows_disk import SIZE, small_disk

STUDY = "1.2.826.0.1.3680043.10.1499.11"


@pytest.fixture
def listener(tmp_path):
    listener = Listener(tmp_path / "base")
    yield listener
    if listener.server:
        listener.stop()


@pytest.fixture
def images(tmp_path):
    """One patient, two series of three and two images."""
    folder = tmp_path / "images"
    for number, count in ((1, 3), (2, 2)):
        for image in range(1, count + 1):
            make_image(folder / f"{number}-{image}.dcm", PatientID="P 1", PatientName="Doe^Jane", PatientBirthDate="19700102",
                       StudyDescription="Brain w/o", AccessionNumber="A1", SeriesDescription=f"series {number}", StudyInstanceUID=STUDY,
                       SeriesInstanceUID=f"{STUDY}.{number}", SOPInstanceUID=f"{STUDY}.{number}.{image}", SeriesNumber=number,
                       InstanceNumber=image)
    return folder


def expect(listener, series, count):
    """What --then retrieve writes before it asks for a series."""
    with sqlite3.connect(listener.log / "gantry.sqlite") as db:
        db.execute("insert into px_record (series, name, study, record) values (?, 'retrieve', null, ?)",
                   (series, json.dumps({"NumberOfSeriesRelatedInstances": str(count)})))


def send(listener, *what):
    run("dcmsend", "+sd", "-aec", "ANY", "127.0.0.1", listener.port, *what)


TREE = [f"P_1-Doe_Jane-19700102/Brain_w_o-A1-20260102/0000{series}-series_{series}/000{image}-{STUDY}.{series}.{image}.dcm"
        for series, image in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2))]


@pytest.mark.asan
def test_unasked_objects(listener, images):  # L01
    listener.start()
    send(listener, images)
    assert listener.files() == TREE
    assert sorted(listener.indexed().values()) == [str(listener.data / name) for name in TREE]
    for name in TREE:
        source = images / f"{name.split('/')[2][4]}-{int(name.rsplit('/', 1)[1][:4])}.dcm"
        assert read(listener.data / name).data == read(source).data
    wait_until(lambda: f"series {STUDY}.1: received 3, not asked for (3 came now)" in listener.output(), what="the log")
    assert f"series {STUDY}.2: received 2, not asked for" in listener.output()
    assert listener.record("pack", f"{STUDY}.1") == {"seriesPack": True}
    assert listener.unfinished() == []
    assert "Doe" not in listener.output() and "P 1" not in listener.output()


def test_completeness(listener, images):
    """A series of which something is missing, then nothing any more."""
    listener.start()
    expect(listener, f"{STUDY}.1", 3)
    send(listener, images / "1-1.dcm", images / "1-2.dcm")
    wait_until(lambda: f"series {STUDY}.1: received 2 of 3 (2 came now)" in listener.output(), what="the log")
    send(listener, images / "1-3.dcm")
    wait_until(lambda: f"series {STUDY}.1: received 3 of 3 (1 came now)" in listener.output(), what="the log")


@pytest.mark.asan
def test_it_is_a_pacs(listener, images, tmp_path):
    """C-ECHO, C-FIND, C-GET and C-MOVE, with a white list of one file."""
    storescp_port = free_port()
    white_list = tmp_path / "peers.yml"
    white_list.write_text(f"TOOLS: {{ip: 127.0.0.1, port: {storescp_port}}}\nDCMSEND: {{ip: 127.0.0.1}}\n")
    listener.options = ("--white-list", white_list)
    listener.start()
    send(listener, images)
    tools = Tools(tmp_path, "CHRIS", listener.port)
    assert json.loads(tools("px-echo", "--aet", "TOOLS").stdout)["status"] == "success"
    found = tools.find("--aet", "TOOLS", "--PatientID", "P 1")
    assert [one["NumberOfSeriesRelatedInstances"]["value"] for one in found["data"][0]["series"]] == ["3", "2"]
    received = tmp_path / "received"
    received.mkdir()
    server = subprocess.Popen(["storescp", "-pm", "-od", received, str(storescp_port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        moved = json.loads(tools("px-move", "--aet", "TOOLS", "--StudyInstanceUID", STUDY, "--SeriesInstanceUID", f"{STUDY}.1").stdout)
        assert (moved["completed"], moved["failed"]) == (3, 0)
    finally:
        server.kill()
        server.wait(20)
    got = tools.find("--aet", "TOOLS", "--PatientID", "P 1", "--then", "retrieve", "--get", "--db", tmp_path / "own" / "log")
    assert [one["completed"] for one in got["then"]["00-retrieve"]["study"][0][STUDY]] == [3, 2]
    with pytest.raises(Rejected):
        Association(listener.port, calling="STRANGER")
    assert "STRANGER" in listener.output()


def test_everybody_may_speak_and_is_told(tmp_path, images):
    listener = Listener(tmp_path / "base", "--address", "0.0.0.0").start()
    try:
        send(listener, images)
        assert "everybody who reaches port" in listener.output()
        assert len(listener.files()) == 5
    finally:
        listener.stop()
    other = Listener(tmp_path / "other").start()
    other.stop()
    assert "everybody who" not in other.output()


def test_storescp_sh(tmp_path, images):  # L01
    listener = Listener(tmp_path / "base", "-t", tmp_path / "incoming", "-E", "/usr/local/bin", name="storescp.sh").start()
    try:
        send(listener, images)
        assert listener.files() == TREE
        again = run(*listener.command(), check=False)
        assert again.returncode == 1 and "in use" in again.stderr
        assert not (tmp_path / "incoming").exists()
    finally:
        listener.stop()


def test_service_port(tmp_path):  # L02
    port = free_port()
    listener = Listener(tmp_path / "base", "--servicePort", port).start()
    try:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as poke:
                poke.settimeout(10)
                assert poke.recv(1) == b""
        run("echoscu", "127.0.0.1", listener.port)
    finally:
        listener.stop()


# -- names --

HOSTILE = {"slash": "../../../../tmp/x", "dots": "..", "hidden": ".profile", "lines": "a\nb", "shell": "$(touch /tmp/px-listen-was-here)", "long": "L" * 64}


@pytest.mark.asan
def test_tag_values_are_no_paths(listener, tmp_path):
    for number, value in enumerate(HOSTILE.values()):
        make_image(tmp_path / "images" / f"{number}.dcm", PatientID=value, PatientName=value, StudyDescription=value, SeriesDescription=value,
                   AccessionNumber=value[:16], StudyInstanceUID=f"{STUDY}.{number}", SeriesInstanceUID=f"{STUDY}.{number}.1",
                   SOPInstanceUID=f"{STUDY}.{number}.1.1")
    listener.options = ("--template-set", "newest", "--imageTemplate", "%PatientID/%SOPInstanceUID.dcm")
    listener.start()
    send(listener, tmp_path / "images")
    inside = os.path.realpath(listener.data) + "/"
    paths = [os.path.realpath(path) for path in listener.indexed().values()]
    assert len(paths) == len(HOSTILE) and all(path.startswith(inside) for path in paths)
    assert len(listener.files()) == len(HOSTILE)
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", name) for name in listener.files())
    assert not os.path.exists("/tmp/px-listen-was-here")


def test_names_of_all_alphabets(listener, tmp_path):
    """Names that lose their letters stay apart; what is in them comes back whole."""
    people = {"ISO_IR 100": "Müller^Jürgen".encode("latin-1"), "ISO_IR 192": "山田^太郎".encode(), "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"),
              "ISO_IR 144": "Люкceмбypг".encode("iso-8859-5", "replace")}
    for number, (charset, name) in enumerate(people.items()):
        make_image(tmp_path / "images" / f"{number}.dcm", SpecificCharacterSet=charset, PatientID=f"SAME{number}", PatientName=name,
                   StudyInstanceUID=f"{STUDY}.{number}", SeriesInstanceUID=f"{STUDY}.{number}.1", SOPInstanceUID=f"{STUDY}.{number}.1.1")
    listener.start()
    send(listener, tmp_path / "images")
    assert len({name.split("/")[0].split("-", 1)[1] for name in listener.files()}) == len(people)
    found = Tools(tmp_path, "ANY", listener.port).find("--aet", "TOOLS", "--PatientID", "SAME*")
    names = {one["PatientName"]["value"] for one in found["data"]}
    assert {"Müller^Jürgen", "山田^太郎"} <= names


@pytest.mark.asan
def test_one_name_for_many(listener, images):
    """Templates that give all objects of a series one name: none is lost, and sending again changes nothing."""
    listener.options = ("--imageTemplate", "%Modality.dcm")
    listener.start()
    send(listener, images)
    names = listener.files()
    assert len(names) == 5 and sum(name.endswith("/OT.dcm") for name in names) == 2
    assert sum(re.search(r"/OT_[0-9a-f]{7}\.dcm$", name) is not None for name in names) == 3
    assert len(set(listener.indexed().values())) == 5
    send(listener, images)
    assert listener.files() == names


def test_missing_may_be_refused(listener, images, tmp_path):
    listener.options = ("--missing", "reject")
    listener.start()
    make_image(tmp_path / "lacks.dcm", PatientID="P", StudyDescription=None)
    done = run("storescu", "127.0.0.1", listener.port, tmp_path / "lacks.dcm", check=False)
    assert done.returncode != 0 or "Failed" in done.stderr + done.stdout or "error" in (done.stderr + done.stdout).lower()
    assert listener.files() == [] and listener.unfinished() == []
    send(listener, images)
    assert len(listener.files()) == 5


# -- stops of all kinds --

def test_killed_while_it_receives(listener):
    """What was acknowledged is there after the next start, indexed, under its name; nothing is half there."""
    for round_number in range(3):
        listener.start()
        senders = [Sender(listener.port, number, 500 + round_number) for number in range(4)]
        for sender in senders:
            sender.start()
        wait_until(lambda: sum(len(sender.acknowledged) for sender in senders) > 40, 30, "objects come")
        listener.kill()
        for sender in senders:
            sender.join(60)
        listener.start()
        acknowledged = {instance for sender in senders for instance in sender.acknowledged}
        assert acknowledged <= set(listener.indexed())
        wait_until(lambda: set(listener.indexed().values()) == {str(listener.data / name) for name in listener.files()}, 30, "all files are indexed")
        for sender in senders:
            for instance, data in sender.acknowledged.items():
                assert read(listener.indexed()[instance]).data == data
        listener.stop()
    assert listener.unfinished() == []


@pytest.mark.parametrize("make", [os.pipe, os.openpty])
def test_nobody_reads_what_it_says(listener, make):
    """Its output is a pipe that is full, or a terminal that nobody shows."""
    reader, writer = make()
    process = subprocess.Popen([str(word) for word in listener.command()], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, cwd="/", env=ENVIRONMENT)
    os.close(writer)
    try:
        wait_until(lambda: listening(listener.port), 20, "it listens")
        for _ in range(400):
            association = Association(listener.port)
            assert association.echo() == 0
            association.release()
        given = attributes()
        association = Association(listener.port)
        assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
        association.release()
        assert list(listener.indexed()) == [given["SOPInstanceUID"]]
        process.terminate()
        assert process.wait(30 * PATIENCE) == 0
        assert select.select([reader], [], [], 0)[0], "it said nothing: the test says nothing"
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def test_stop_lets_a_sender_finish(listener):
    listener.start()
    association = Association(listener.port)
    given = attributes()
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    stopper = threading.Thread(target=listener.stop)
    stopper.start()
    stopper.join(60 * PATIENCE)
    assert not stopper.is_alive()
    assert len(listener.files()) == 1 and "stops, 1 associations are open" in listener.output()


def test_disk_full(tmp_path):
    """A700, nothing half there, and the next object goes in when there is room again."""
    with small_disk(tmp_path / "small", SIZE) as disk:
        listener = Listener(disk / "base").start()
        try:
            association, status, kept = Association(listener.port, timeout=60), 0, 0
            while status == 0 and kept < 60:
                given = attributes()
                status = association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set({**given, 0x7FE00010: ("OB", os.urandom(1 << 20))}))
                kept += status == 0
            assert status == 0xA700 and kept
            assert len(listener.files()) == kept == len(listener.indexed()) and listener.unfinished() == []
            os.unlink(listener.data / listener.files()[0])
            os.unlink(listener.data / listener.files()[0])
            given = attributes()
            assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
            association.release()
        finally:
            listener.stop()


def test_two_listeners_of_one_place(tmp_path, images):
    """Also while it is being made."""
    one, two = Listener(tmp_path / "base"), Listener(tmp_path / "base")
    starts = [threading.Thread(target=listener.start) for listener in (one, two)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    try:
        senders = [threading.Thread(target=send, args=(listener, images)) for listener in (one, two)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
        assert one.files() == TREE and len(one.indexed()) == 5
    finally:
        for listener in (one, two):
            if listener.server:
                listener.stop()


def test_a_packed_tree_that_is_there(listener, images, tmp_path):
    """What pypx packed is indexed where it lies, also when px-repack came first."""
    for number, path in enumerate(sorted(images.iterdir())[:4]):
        (listener.data / "P_1-Doe_Jane" / "study").mkdir(parents=True, exist_ok=True)
        path.rename(listener.data / "P_1-Doe_Jane" / "study" / f"{number}.dcm")
    repack = listener.base / "px-repack"
    repack.symlink_to(BINARY)
    left = next(images.iterdir())
    run(repack, "--xcrdirfile", left, "--logdir", listener.log, "--datadir", listener.data)
    assert len(listener.indexed()) == 1
    listener.start()
    wait_until(lambda: len(listener.indexed()) == 5, 30, "all of it is indexed")
    assert sorted(listener.indexed().values()) == [str(listener.data / name) for name in listener.files()]


def test_ready(tmp_path):
    """The service manager is told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        listener = Listener(tmp_path / "base")
        listener.server = Server(listener.command(), listener.port, listener.base / "listen.out", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"READY=1"
        listener.stop()
        assert manager.recv(100) == b"STOPPING=1"


def test_asked_for(listener, archive, few, tmp_path):
    """px-find asks a PACS to send, and the listener knows how much that was."""
    archive.manage("store", "127.0.0.1", archive.port, "-aec", archive.aet, "-sp", "fs", "-pd", few)
    archive.allow("LISTEN", listener.port)
    listener.start()
    tools = Tools(tmp_path, archive.aet, archive.port)
    study = "1.2.826.0.1.3680043.10.1499.7"
    found = tools.find("--aet", "LISTEN", "--PatientID", "FEW", "--then", "retrieve", "--db", listener.log)
    assert [one["status"] for one in found["then"]["00-retrieve"]["study"][0][study]] == ["success", "success"]
    for number in (1, 2):
        assert listener.record("retrieve", f"{study}.{number}")["NumberOfSeriesRelatedInstances"] == "2"
        wait_until(lambda: f"series {study}.{number}: received 2 of 2 (2 came now)" in listener.output(), what="the log")


@pytest.mark.asan
def test_tree_of_records(listener, images):
    listener.options = ("--tree",)
    listener.start()
    send(listener, images)
    listener.stop()
    first = listener.log / "seriesData" / f"{STUDY}.1-img" / (TREE[0].rsplit("/", 1)[1] + ".json")
    assert json.loads(first.read_text())[f"{STUDY}.1"]["imageObj"][TREE[0].rsplit("/", 1)[1]]["FSlocation"] == str(listener.data / TREE[0])
    assert json.loads((listener.log / "seriesData" / f"{STUDY}.1-pack.json").read_text()) == {"seriesPack": True}


def test_wrong_options(tmp_path):
    listener = Listener(tmp_path / "base")
    for options in (("--aet", ""), ("--port", "70000"), ("--imageTemplate", ""), ("--imageTemplate", "%_nothing_PatientID"),
                    ("--template-set", "none"), ("--datadir", listener.log.parent), ("--white-list", "/proc/none/x"),
                    ("--white-list", tmp_path / "no-such.yml")):
        done = run(*listener.command(), *options, check=False)
        assert done.returncode in (1, 2) and done.stderr, options
    assert run(listener.program, "--version").stdout == "Version: 1.2.0\n"
    assert "--white-list" in run(listener.program, "-h").stdout


@pytest.mark.asan
def test_legacy_layout(listener, images, tmp_path):  # L03
    listener.options = ("--layout", "legacy")
    listener.start()
    send(listener, images)
    study = f"P.1-Doe.Jane/Brain.w.o-20260102-{STUDY}"
    folders = [f"{study}/series.{number}-no.value.provided-{STUDY}.{number}" for number in (1, 2)]
    wait_until(lambda: f"{folders[1]}/series.info" in listener.files(), what="the series is complete")
    assert listener.files() == sorted(
        ["P.1-Doe.Jane/patient.info", f"{study}/study.info", *(f"{folder}/series.info" for folder in folders)] +
        [f"{folders[series - 1]}/0000{image}-{STUDY}.{series}.{image}.dcm" for series, image in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2))])
    info = configparser.ConfigParser(interpolation=None)
    info.optionxform = str
    info.read([listener.data / "P.1-Doe.Jane/patient.info", listener.data / study / "study.info", listener.data / folders[0] / "series.info"])
    assert info["PATIENT"]["PatientName"] == "Doe^Jane" and info["PATIENT"]["PatientSex"] == "no value provided"
    assert info["STUDY"]["StudyInstanceUID"] == STUDY and info["SERIES"]["SeriesNumber"] == "1"
    assert json.loads((listener.log / "patient_map/P.1.json").read_text()) == {"P 1": str(listener.data / "P.1-Doe.Jane")}
    assert json.loads((listener.log / f"series_map/{STUDY}.2.json").read_text()) == {f"{STUDY}.2": str(listener.data / folders[1])}
    association = Association(listener.port, calling="SLOW")
    given = attributes(PatientID="../..", PatientName="a\n[PATIENT]", SeriesInstanceUID=f"{STUDY}.9")
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    folder = next((listener.data / name).parent for name in listener.files() if f"{STUDY}.9/" in name)
    wait_until(lambda: (folder / "receiving.series").exists(), what="the series is being received")
    association.release()
    wait_until(lambda: (folder / "series.info").exists(), what="the series is complete")
    assert (folder.parent.parent / "patient.info").read_text().count("[PATIENT]") == 2  # the name's is within its line
    assert folder.parent.parent.parent == listener.data
