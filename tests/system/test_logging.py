# SPDX-License-Identifier: MIT
"""The log: logging_config.yml, what stands in for it, rotation, the parts of the program, secrets (spec rows CFG-05 to CFG-09)."""
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import threading

import pytest
from dimse import Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, make_image
from programs import ENVIRONMENT, PATIENCE, run, wait_until

PARTS = ("access_list", "event_sphere", "transaction_dicom", "file_dicom", "database", "code_python")

# A document as an operator of SPHERE has it: Python's classes, colours in files, stdout, everything propagates.
OLD = """
version: 1
disable_existing_loggers: False
formatters:
  extended_color:
    (): colorlog.ColoredFormatter
    format: '%(log_color)s%(asctime)s :: %(name)-20s :: %(levelname)-8s :: %(filename)-18s :: line: %(lineno)d :: %(message)s'
    log_colors: {DEBUG: cyan, INFO: green, WARNING: yellow, ERROR: red, CRITICAL: bold_red}
handlers:
  console: {class: logging.StreamHandler, stream: 'ext://sys.stdout', level: WARNING, formatter: extended_color}
  pacs_handler:
    class: logging.handlers.RotatingFileHandler
    filename: log/pacs.log
    level: INFO
    formatter: extended_color
    maxBytes: 10485760
    backupCount: 20
    encoding: utf8
loggers:
  command_event: {level: DEBUG, handlers: [pacs_handler]}
  pacs: {level: DEBUG, handlers: [pacs_handler]}
root: {level: DEBUG, handlers: [console]}
"""


def config(archive):
    return archive.folder / "app/logging_config.yml"


def change(archive, old, new, count=1):
    text = config(archive).read_text()
    assert old in text
    config(archive).write_text(text.replace(old, new, count))


def log(archive, name):
    return (archive.folder / "log" / name).read_text(errors="replace")


def echo(archive, title="ECHOSCU"):
    return run("echoscu", "-aet", title, "-aec", archive.aet, "127.0.0.1", archive.port, check=False).returncode


def store(archive, folder):
    return run("dcmsend", "+sd", "-aet", "DCMSEND", "-aec", archive.aet, "127.0.0.1", archive.port, folder, check=False)


# -- the document --

def test_the_file_means_what_it_says(stopped_archive):  # CFG-05
    """Layout, date, level, name of the file, and which logger goes where."""
    change(stopped_archive, "    format: '%(asctime)s", "    datefmt: '%d/%m/%Y'\n    format: '<%(asctime)s")
    change(stopped_archive, "log/pacs.log", "elsewhere/main.txt")
    change(stopped_archive, "    level: INFO\n", "    level: DEBUG\n")
    stopped_archive.start()
    assert echo(stopped_archive) == 0
    stopped_archive.stop()
    lines = (stopped_archive.folder / "elsewhere/main.txt").read_text().splitlines()
    assert any(re.fullmatch(r"<\d\d/\d\d/20\d\d :: pacs.transaction_dicom :: INFO     :: assoc=\d+ C-ECHO from ECHOSCU", line) for line in lines), lines
    assert not (stopped_archive.folder / "log/pacs.log").exists()


def test_a_document_of_sphere(stopped_archive):
    """Carried over as it is. Colours are for terminals, and what a command prints stays data alone."""
    config(stopped_archive).write_text(OLD)
    stopped_archive.start()
    assert echo(stopped_archive) == 0
    assert echo(stopped_archive, "STRANGER") != 0
    done = stopped_archive.manage("find", "127.0.0.1", stopped_archive.port, "-aec", stopped_archive.aet, "--json")
    json.loads(done.stdout)
    failed = stopped_archive.manage("echo", "127.0.0.1", 1, "-aec", "X", check=False)
    assert ":: command_event" not in failed.stdout + failed.stderr, "the reason is said once, by the command itself"
    assert failed.stderr.count("Connection refused") == 1
    stopped_archive.stop()
    text = log(stopped_archive, "pacs.log")
    assert "\033" not in text
    assert re.search(r" :: pacs.transaction_dicom :: INFO     :: echo.c +:: line: \d+ :: assoc=\d+ C-ECHO", text)
    assert re.search(r"WARNING +:: .*STRANGER", (stopped_archive.folder / "server.out").read_text()), "stdout of the server"


@pytest.mark.parametrize("old, new, words", [
    ("level: WARNING", "level: LOUD", ["handlers.console.level", "'LOUD'", "NOTSET, DEBUG, INFO, WARNING, ERROR, CRITICAL"]),
    ("class: logging.StreamHandler", "class: logging.CarrierPigeon", ["handlers.console.class", "logging.StreamHandler"]),
    ("formatter: simple_color", "formatter: pretty", ["handlers.console.formatter", "'pretty'", "simple, extended"]),
    ("  pacs:\n    level", "  pacs:\n    levle", ["loggers.pacs.levle", "level, handlers, propagate"]),
    ("handlers: [console]", "handlers: [consul]", ["root.handlers", "'consul'", "console, command_event_handler"]),
    ("version: 1", "version: 1\nformaters: {}", ["formaters", "formatters, handlers"]),
    ("%(asctime)s", "%(asktime)s", ["formatters.simple", "%(asktime)", "asctime"]),
])
def test_what_is_wrong_is_told_in_one_line_and_defaults_stand_in(stopped_archive, old, new, words):  # CFG-05, CFG-06
    change(stopped_archive, old, new)
    done = stopped_archive.manage("echo", "127.0.0.1", "1", "-aec", "X", check=False)
    told = [line for line in done.stderr.splitlines() if "logging_config.yml" in line]
    assert len(told) == 1 and re.search(r"app/logging_config\.yml:\d+: ", told[0]), done.stderr
    for word in [*words, "log/main.log"]:
        assert word in told[0], told[0]
    line = int(re.search(r"yml:(\d+)", told[0])[1])
    assert new.splitlines()[-1].strip() in config(stopped_archive).read_text().splitlines()[line - 1] or "formatters" in words[0]
    assert words[0] in log(stopped_archive, "config_logging.log")
    assert "command echo" in log(stopped_archive, "main.log")
    checked = stopped_archive.manage("settings", "check", check=False)
    assert checked.returncode == 1 and words[0] in checked.stderr


def test_the_defaults_are_those_of_the_settings(stopped_archive):  # CFG-06
    """Levels with their variables, file, layout, rotation."""
    config(stopped_archive).unlink()
    for key, value in (("file_log_main", "all.log"), ("formatter", "'[%(levelname)s] %(message)s'"), ("max_bytes", 200), ("backup_count", 3)):
        stopped_archive.set(f"log.{key}", value)
    stopped_archive.manage("echo", "127.0.0.1", "1", "-aec", "X", check=False)
    files = sorted(p.name for p in (stopped_archive.folder / "log").glob("all.log*"))
    assert files[:2] == ["all.log", "all.log.1"] and len(files) <= 4, files
    text = "".join(log(stopped_archive, name) for name in files)
    assert "[INFO] command echo\n" in text and "[DEBUG] " in text and "[ERROR] " in text
    assert all((stopped_archive.folder / "log" / name).stat().st_size <= 200 for name in files)
    for path in (stopped_archive.folder / "log").glob("all.log*"):
        path.unlink()
    done = stopped_archive.manage("data", "index", "-d", stopped_archive.folder / "app", check=False,
                                  env={"LOG_FILE_LEVEL": "ERROR", "LOG_STREAM_LEVEL": "DEBUG"})
    assert "INFO" not in log(stopped_archive, "all.log")
    assert ":: index_data" in done.stderr
    wrong = stopped_archive.manage("settings", "check", check=False, env={"LOG_STREAM_LEVEL": "LOUD"})
    assert wrong.returncode == 1 and "LOG_STREAM_LEVEL" in wrong.stderr and "LOUD" in wrong.stderr


def test_no_default_log(stopped_archive):  # CFG-06
    config(stopped_archive).write_text("version: 7\n")
    stopped_archive.set("log.default_log", "no")
    done = stopped_archive.manage("echo", "127.0.0.1", "1", "-aec", "X", check=False)
    assert "logging_config.yml:1: version" in done.stderr and "nothing is logged" in done.stderr
    assert {p.name for p in (stopped_archive.folder / "log").iterdir()} == {"config_logging.log"}


def test_a_layout_of_the_settings_that_is_none(stopped_archive):
    stopped_archive.set("log.formatter", "'%(nmae)s'")
    done = stopped_archive.manage("settings", "check", check=False)
    assert done.returncode == 1 and re.search(r"settings\.yml:\d+: log\.formatter: '%\(nmae\)'", done.stderr)


# -- the parts of the program --

def several_files(archive):
    """What the shipped file says to do: the '#' off the lines that begin with '#  '."""
    text = config(archive).read_text()
    config(archive).write_text(re.sub(r"(?m)^#  ", "  ", text))


@pytest.mark.parametrize("several", [False, True])
def test_one_file_or_one_for_each_part(stopped_archive, few, several):  # CFG-07
    if several:
        several_files(stopped_archive)
    assert "no problem found" in stopped_archive.manage("settings", "check").stdout
    stopped_archive.start()
    assert echo(stopped_archive) == 0
    assert echo(stopped_archive, "STRANGER") != 0
    assert store(stopped_archive, few).returncode == 0
    stopped_archive.stop()
    files = {part: log(stopped_archive, f"{part}.log") if several else log(stopped_archive, "pacs.log") for part in PARTS}
    for part, word in (("access_list", "STRANGER"), ("event_sphere", "server started"), ("transaction_dicom", "C-ECHO from ECHOSCU"),
                       ("file_dicom", "C-STORE from DCMSEND"), ("database", "the index is open: engine=sqlite")):
        found = [line for line in files[part].splitlines() if word in line]
        assert found and all(f":: pacs.{part} " in line for line in found), part
    if several:
        assert not log(stopped_archive, "pacs.log")
        for part in PARTS:
            assert all(f":: pacs.{part} " in line for line in files[part].splitlines()), part
    assert "STRANGER" in (stopped_archive.folder / "server.out").read_text(), "warnings are on the console in both"


def test_the_command_and_the_indexing_have_files_of_their_own(stopped_archive, few):
    stopped_archive.manage("data", "index", "-d", few)
    assert "command index" in log(stopped_archive, "command_event.log")
    assert ":: index_data " in log(stopped_archive, "index_data.log")


# -- rotation --

def numbered(archive, name):
    return sorted((archive.folder / "log").glob(f"{name}*"), key=lambda p: int(p.suffix[1:]) if p.suffix[1:].isdigit() else 0, reverse=True)


def test_several_processes_rotate_one_file_and_lose_nothing(stopped_archive):
    """Commands beside a server, all writing to files that are put aside every few lines."""
    change(stopped_archive, "maxBytes: 10485760\n    backupCount: 5", "maxBytes: 3000\n    backupCount: 900")
    change(stopped_archive, "maxBytes: 10485760\n    backupCount: 20", "maxBytes: 2000\n    backupCount: 900")
    change(stopped_archive, "handlers: [command_event_handler]", "handlers: [command_event_handler, pacs_handler]")
    stopped_archive.start()
    workers, rounds = 3, 8

    def work():
        for _ in range(rounds):
            assert stopped_archive.manage("echo", "127.0.0.1", stopped_archive.port, "-aec", stopped_archive.aet).returncode == 0

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * PATIENCE)
    stopped_archive.stop()
    for name, word in (("command_event.log", "command echo"), ("pacs.log", "command echo"), ("pacs.log", "C-ECHO from")):
        files = numbered(stopped_archive, name)
        lines = [line for path in files for line in path.read_text().splitlines()]
        assert sum(word in line for line in lines) == workers * rounds, word
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} :: ", line) for line in lines)
        assert len(files) > 3, name


def test_a_file_that_was_moved_is_made_again(archive):
    """logrotate moves, then sends SIGHUP; a person moves and sends nothing."""
    assert echo(archive) == 0
    path, moved = archive.folder / "log/pacs.log", archive.folder / "log/pacs.log-20260101"
    path.rename(moved)
    archive.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: path.exists() and "SIGHUP" in path.read_text(), 10, "the log file is made again")
    before = moved.read_text()
    assert echo(archive) == 0
    assert moved.read_text() == before
    path.unlink()
    assert echo(archive) == 0
    wait_until(lambda: path.exists() and "C-ECHO" in path.read_text(), 10, "the log file is made again")
    assert archive.server.alive()


def test_a_log_that_cannot_be_written_does_not_stop_a_command(stopped_archive):
    """It says so once, does its work, and its exit code is that of the work."""
    change(stopped_archive, "filename: log/command_event.log", "filename: /dev/full")
    done = stopped_archive.manage("settings", "show")
    assert "AET" in done.stdout
    assert done.stderr.count("/dev/full") == 1 and "No space left" in done.stderr


def test_a_full_disk_under_the_log_of_a_server(stopped_archive):
    change(stopped_archive, "filename: log/pacs.log", "filename: /dev/full")
    stopped_archive.start()
    for _ in range(3):
        assert echo(stopped_archive) == 0
    assert stopped_archive.server.output().count("cannot write /dev/full") == 1
    stopped_archive.stop()


def test_a_command_whose_log_may_not_be_written_works(stopped_archive):
    """Another user's archive: the command tells of it and goes on with the console alone."""
    stopped_archive.manage("settings", "check")
    for path in (stopped_archive.folder / "log").iterdir():
        path.unlink()
        path.mkdir()
    (stopped_archive.folder / "log/main.log").mkdir()
    done = stopped_archive.manage("settings", "show")
    assert "AET" in done.stdout and "warnings go to the console alone" in done.stderr


@contextlib.contextmanager
def with_a_reader(archive, stream, kind="pipe"):
    """The server serves, and "stdout" or "stderr" is a pipe or a terminal, whose other end is given to the block. Whatever is in it then, the server's stop is no failure."""
    reader, writer = {"pipe": os.pipe, "terminal": os.openpty}[kind]()
    with open(reader, "rb", buffering=0) as end, open(archive.folder / "server.out", "ab") as other:
        process = subprocess.Popen([archive.folder / "manage", "runserver"], stdin=subprocess.DEVNULL, cwd="/", env=ENVIRONMENT,
                                   **{"stdout": other, "stderr": other, stream: writer})
        os.close(writer)
        try:
            wait_until(lambda: echo(archive) == 0, 20, "the server answers")
            yield end
            process.terminate()
            assert process.wait(30 * PATIENCE) == 0, (archive.folder / "server.out").read_text()
        finally:
            process.kill()
            process.wait()


def read_all(end):
    """What waits there."""
    text = b""
    while select.select([end], [], [], 0)[0]:
        text += end.read(1 << 20)
    return text


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_console_that_nobody_reads_does_not_stop_the_server(stopped_archive, kind):
    """Its output is a pipe that is full, or a terminal that nobody shows: warnings there are dropped, the services go on, the files have all."""
    config(stopped_archive).write_text(OLD.replace("ext://sys.stdout", "ext://sys.stderr"))
    stopped_archive.set("console_verbose_level", 0)
    with with_a_reader(stopped_archive, "stderr", kind):
        association = Association(stopped_archive.port)
        for _ in range(600):
            given = attributes()
            assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)[:-1]) == 0xC000
        association.release()
        assert echo(stopped_archive) == 0
        assert log(stopped_archive, "pacs.log").count("went to quarantine") == 600


def test_who_looks_at_the_console_may_go(stopped_archive):
    """The server serves on, and its stop is no failure."""
    stopped_archive.set("console_verbose_level", 2)
    with with_a_reader(stopped_archive, "stdout") as end:
        end.close()
        assert echo(stopped_archive) == 0


@pytest.mark.parametrize("kind, room", [("pipe", 100), ("terminal", 3)])
def test_blocks_that_nobody_reads_do_not_stop_the_server(stopped_archive, kind, room):
    """A pager, or a terminal after Ctrl-S: associations go on, and so does the stop."""
    stopped_archive.set("console_verbose_level", 1)

    def more_than_it_holds():
        for _ in range(400):
            association = Association(stopped_archive.port)
            assert association.echo() == 0
            association.release()

    def told():
        assert echo(stopped_archive) == 0
        return b"lines are missing here" in read_all(end)
    with with_a_reader(stopped_archive, "stdout", kind) as end:
        more_than_it_holds()
        assert read_all(end).count(b"CURRENT SCP") > room
        wait_until(told, 20, "blocks are shown again")
        more_than_it_holds()


# -- the journal of received objects --

def test_the_journal_of_uids_is_bounded_and_follows_its_name(archive, few):  # CFG-08
    """Put aside at 100 MB; a sparse file stands for those that came before."""
    journal = archive.folder / "log/study_series_instances.uid"
    assert store(archive, few).returncode == 0
    assert len(journal.read_text().splitlines()) == 4
    with open(journal, "r+b") as file:
        file.truncate(100_000_000)
    make_image(few / "more.dcm", PatientID="FEW", StudyInstanceUID="1.2.3.4", SeriesInstanceUID="1.2.3.4.5", SOPInstanceUID="1.2.3.4.5.6")
    assert store(archive, few / "more.dcm").returncode == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \| 1\.2\.3\.4 \| 1\.2\.3\.4\.5 \| 1\.2\.3\.4\.5\.6\n", journal.read_text())
    aside = pathlib.Path(f"{journal}.1")
    assert aside.stat().st_size == 100_000_000
    aside.unlink()
    journal.rename(aside)
    archive.server.process.send_signal(signal.SIGHUP)
    wait_until(journal.exists, 10, "the journal is made again")


def test_no_uid_writes_a_line_of_its_own(archive, few):
    make_image(few / "odd.dcm", PatientID="FEW", StudyInstanceUID="1.2\x1b[2K9", SeriesInstanceUID="1.2\x1b[31m3", SOPInstanceUID="1.2.3.4.5.6")
    assert store(archive, few / "odd.dcm").returncode == 0
    journal = (archive.folder / "log/study_series_instances.uid").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \| 1\.2\?\[2K9 \| 1\.2\?\[31m3 \| 1\.2\.3\.4\.5\.6\n", journal)
    assert "\x1b" not in archive.server.output()


def test_who_is_refused_writes_nothing_into_the_journal(archive, few):  # B6
    journal = archive.folder / "log/study_series_instances.uid"
    refused = run("dcmsend", "+sd", "-aet", "STRANGER", "-aec", archive.aet, "127.0.0.1", archive.port, few, check=False)
    assert refused.returncode != 0
    assert journal.read_text() == ""


# -- settings.log --

def test_the_settings_are_logged_without_secrets(stopped_archive):  # CFG-09, B3
    stopped_archive.set("db.params.password", "very-secret-word")
    stopped_archive.set("api.dicomweb.jwt_validate_url", "http://user:other-secret@auth.example/check")
    stopped_archive.start()
    command_line = pathlib.Path(f"/proc/{stopped_archive.server.pid}/cmdline").read_bytes()
    for one in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command_line += one.read_bytes()
        except OSError:
            continue
    stopped_archive.stop()
    text = log(stopped_archive, "settings.log")
    assert re.search(rf":: settings +:: DEBUG +:: port = {stopped_archive.port}\n", text)
    assert "db.params.password = ********\n" in text
    assert "api.dicomweb.jwt_validate_url = http://********@auth.example/check\n" in text
    shown = stopped_archive.manage("settings", "show").stdout + stopped_archive.manage("settings", "show", "--json").stdout
    for secret in (b"very-secret-word", b"other-secret"):
        assert secret not in command_line
        assert secret.decode() not in shown
        for path in stopped_archive.folder.rglob("*"):
            assert not path.is_file() or path == stopped_archive.settings or secret not in path.read_bytes(), path


def test_a_wrong_secret_is_not_repeated(stopped_archive):
    done = stopped_archive.manage("settings", "check", check=False, env={"POSTGRE_PASSWORD": "from-the-environment"})
    assert "from-the-environment" not in done.stdout + done.stderr
    shown = stopped_archive.manage("settings", "show", env={"POSTGRE_PASSWORD": "from-the-environment"}).stdout
    assert re.search(r"db\.params\.password +\*{8} +\(environment POSTGRE_PASSWORD\)", shown)
