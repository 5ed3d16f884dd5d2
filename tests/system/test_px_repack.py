# SPDX-License-Identifier: MIT
"""px-repack: what storescp runs for each file, many at once; files that cannot be packed; what --cleanup may delete and what not."""
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from archive import as_program
from make_dicom import make_image, uid
from programs import Server, free_port, run, wait_until
from test_rows_disk import small_disk

STUDY = uid(81)


def files(folder):
    """Of a tree that others work on meanwhile; without hidden folders."""
    found = []
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(at, name) for name in names]
    return found


class Base:
    """A BASEMOUNT, and a folder of received files."""

    def __init__(self, folder):
        self.folder, self.incoming, self.data, self.log = folder, folder / "incoming", folder / "data", folder / "log"
        self.program = as_program(folder, "px-repack")

    def run(self, *options, **more):
        return run(self.program, "--logdir", self.log, *options, **more)

    def file(self, name, **more):
        return self.run("--xcrdir", self.incoming, "--xcrfile", name, **more)

    def all(self, *options, **more):
        return self.run("--xcrdir", self.incoming, "--parseAllFilesWithSubStr", "dcm", *options, **more)

    def packed(self):
        return sorted(os.path.relpath(path, self.data) for path in files(self.data) if path.endswith(".dcm"))

    def record(self, table, sql):
        with sqlite3.connect(self.log / "gantry.sqlite") as db:
            return db.execute(f"SELECT {sql} FROM {table}").fetchall()


@pytest.fixture
def base(tmp_path):
    return Base(tmp_path)


def image(folder, name, series=1, number=1, **given):
    given = {"PatientID": "P1", "PatientName": "Doe^Jane", "PatientBirthDate": "20100203", "StudyInstanceUID": STUDY, "StudyDescription": "Brain",
             "StudyDate": "20130308", "AccessionNumber": "A1", "SeriesInstanceUID": f"{STUDY}.{series}", "SeriesNumber": series,
             "SeriesDescription": f"S{series}", "SOPInstanceUID": f"{STUDY}.{series}.{number}", "InstanceNumber": number, **given}
    make_image(folder / name, **given)
    return folder / name


def series_of(folder, images, series):
    for number in range(images):
        image(folder, f"{number:03}.dcm", number % series + 1, number)


# -- as storescp's handler --

def test_as_the_handler_of_storescp(base, tmp_path):
    """storescp does not wait for what it starts: many at once. Each file ends in the tree and the database, nothing is left of what was received."""
    sent, port = tmp_path / "sent", free_port()
    base.incoming.mkdir()
    series_of(sent, 200, 4)
    command = f"{base.program} --xcrdir #p --xcrfile #f --verbosity 0 --logdir {base.log} --datadir {base.data} --cleanup"
    server = Server(["storescp", "-od", base.incoming, "-pm", "-sp", "-xcr", command, port], port, tmp_path / "storescp.log")
    try:
        run("dcmsend", "+sd", "127.0.0.1", port, sent)
        wait_until(lambda: len(base.packed()) == 200, 60, "200 packed files")
        wait_until(lambda: not files(base.incoming), 60, "no received files left")
    finally:
        server.kill()
    assert len({str(pathlib.Path(name).parent) for name in base.packed()}) == 4
    assert [(name, json.loads(record)) for name, record in base.record("px_record", "name, record")] == [("pack", {"seriesPack": True})] * 4


@pytest.mark.asan
@pytest.mark.parametrize("options", [(), ("--tree", "--debug")])
def test_sixteen_at_once_on_a_base_that_is_not_there_yet(base, options):
    series_of(base.incoming, 48, 4)
    names = sorted(path.name for path in base.incoming.iterdir())
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda name: base.run("--xcrdir", base.incoming, "--xcrfile", name, *options).stderr, names))
    assert len(base.packed()) == 48 and not any(said), set(said)
    if options:
        assert len(list((base.log / "seriesData").rglob("*.dcm.json"))) == 48
        assert len((base.log / "repack.log").read_text().splitlines()) == 48
        patient, = (base.log / "patientData").iterdir()
        assert json.loads(patient.read_text())["P1"]["StudyList"] == [STUDY]


# -- many in one process --

@pytest.mark.asan
def test_a_folder(base):
    series_of(base.incoming, 30, 3)
    (base.incoming / "notes.txt").write_text("passed over")
    (base.incoming / "sub.dcm").mkdir()
    document = json.loads(base.all().stdout)
    assert document["status"] is True and len(document["run"]) == 30
    assert {one["outcome"] for one in document["run"]} == {"stored"}
    assert len(base.packed()) == 30 and "P1-Doe_Jane-20100203/Brain-A1-20130308/00002-S2/0001-" + f"{STUDY}.2.1.dcm" in base.packed()
    again = json.loads(base.all("--jobs", 1).stdout)
    assert [one["outcome"] for one in again["run"]] == ["already there, identical"] * 30
    assert len(base.packed()) == 30


@pytest.mark.asan
def test_lines(base):
    image(base.incoming, "a.dcm")
    (base.incoming / "b.dcm").write_text("junk")
    lines = [json.loads(line) for line in base.all("--log-ndjson", check=False).stdout.splitlines()]
    good, bad = sorted(lines, key=lambda line: line["src"])
    assert good["err"] is None and good["dst"] == str(base.data / base.packed()[0]) and good["SeriesInstanceUID"] == f"{STUDY}.1"
    assert bad["dst"] is None and "not a DICOM file" in bad["err"]


def test_interrupted(base):
    """After a stop in the middle, a second run completes the first: each file is in one of two places, at last in one."""
    series_of(base.incoming, 300, 4)
    options = ("--xcrdir", base.incoming, "--parseAllFilesWithSubStr", "dcm", "--logdir", base.log, "--cleanup", "-v", "0", "--jobs", "2")
    with subprocess.Popen([base.program, *map(str, options)]) as process:
        wait_until(lambda: base.data.exists() and base.packed(), 20, "a packed file", step=0.001)
        process.kill()
    left = len(list(base.incoming.iterdir()))
    assert left + len(base.packed()) >= 300
    base.all("--cleanup")
    assert len(base.packed()) == 300 and not list(base.incoming.iterdir())


def test_stopped(base):
    """Ctrl-C: what was begun is finished, the rest is named."""
    series_of(base.incoming, 300, 4)
    options = ("--xcrdir", base.incoming, "--parseAllFilesWithSubStr", "dcm", "--logdir", base.log, "--cleanup", "-v", "0", "--jobs", "1")
    with subprocess.Popen([base.program, *map(str, options)], stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: base.data.exists() and base.packed(), 20, "a packed file", step=0.001)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[1]
    left = len(list(base.incoming.iterdir()))
    assert process.returncode == 1 and left and left + len(base.packed()) == 300
    assert f"stopped; {left} files were not begun" in told


# -- what is wrong with files --

@pytest.mark.asan
def test_files_that_cannot_be_packed(base):
    good = image(base.incoming, "good.dcm")
    whole = good.read_bytes()
    bad = {"junk.dcm": b"no image", "empty.dcm": b"", "cut.dcm": whole[:-100], "head.dcm": whole[:200],
           "no-uids.dcm": image(base.incoming, "x", SOPInstanceUID="").read_bytes()}
    (base.incoming / "x").unlink()
    for name, content in bad.items():
        (base.incoming / name).write_bytes(content)
    os.mkfifo(base.incoming / "pipe.dcm")
    os.symlink("nowhere", base.incoming / "link.dcm")
    done = base.all("--cleanup", check=False)
    document = json.loads(done.stdout)
    assert done.returncode == 1 and document["status"] is False and len(base.packed()) == 1
    assert not good.exists() and sorted(path.name for path in base.incoming.iterdir()) == sorted([*bad, "pipe.dcm", "link.dcm"])
    for name in bad:
        assert re.search(rf"{name}: \w", done.stderr), name
        assert (base.incoming / name).read_bytes() == bad[name]
    failed = [one for one in document["run"] if not one["status"]]
    assert len(failed) == len(bad) and all(one["error"] and one["cleanup"]["status"] is False for one in failed)
    for name in ("pipe.dcm", "link.dcm", "absent.dcm", ".."):
        done = base.run("--xcrdir", base.incoming, "--xcrfile", name, "--cleanup", check=False)
        assert done.returncode == 1 and json.loads(done.stdout)["status"] is False, name
    assert (base.incoming / "pipe.dcm").exists()


@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="as root everything can be read")
def test_no_permission():
    """As somebody else when we are root, who may read everything; in a folder that others may enter."""
    with tempfile.TemporaryDirectory() as folder:
        base = Base(pathlib.Path(folder))
        secret = image(base.incoming, "secret.dcm")
        image(base.incoming, "open.dcm", number=2)
        secret.chmod(0)
        command = [base.program, "--xcrdir", base.incoming, "--parseAllFilesWithSubStr", "dcm", "--logdir", base.log, "--cleanup"]
        if os.getuid() == 0:
            for path in (base.folder, base.incoming, base.incoming / "open.dcm"):
                os.chown(path, 65534, 65534)
            command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
        done = run(*command, check=False)
        assert done.returncode == 1 and "secret.dcm: it cannot be opened: Permission denied" in done.stderr
        assert secret.exists() and len(base.packed()) == 1


def test_a_full_disk(base, tmp_path):
    """What has no room stays where it is, and is packed when there is room."""
    with small_disk(tmp_path / "small", 32) as disk:
        for number in range(3):
            image(base.incoming, f"{number}.dcm", number=number)
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * (30 << 20))
        options = ("--datadir", disk / "data", "--cleanup", "-v", "0")
        done = base.all(*options, check=False)
        assert done.returncode == 1 and re.search(r"full|No space", done.stderr)
        assert len(list(base.incoming.iterdir())) == 3 and not list(disk.rglob("*.dcm"))
        ballast.unlink()
        base.all(*options)
        assert not list(base.incoming.iterdir()) and len(list(disk.rglob("*.dcm"))) == 3


@pytest.mark.asan
def test_one_path_for_two_objects(base):
    """Templates that name two objects alike: both stay, one beside the other, and it is said."""
    for number in (1, 2, 3):
        image(base.incoming, f"{number}.dcm", number=number)
    done = base.all("--imageTemplate", "%SeriesNumber.dcm")
    assert len(base.packed()) == 3 and len({pathlib.Path(name).parent for name in base.packed()}) == 1
    assert [one["beside"] for one in sorted(json.loads(done.stdout)["run"], key=lambda one: one["beside"])] == [False, True, True]
    assert done.stderr.count("another object has the name") == 2
    names = sorted(pathlib.Path(name).name for name in base.packed())
    assert names[0] == "1.dcm" and all(re.fullmatch(r"1_[0-9a-f]{7}\.dcm", name) for name in names[1:])


def test_other_content_under_one_uid(base):
    """The later one, as pypx has it; that the earlier one was replaced is said."""
    image(base.incoming, "a.dcm", SeriesDescription="one")
    base.file("a.dcm")
    image(base.incoming, "a.dcm", SeriesDescription="two")
    document = json.loads(base.file("a.dcm").stdout)
    assert document["run"][0]["outcome"].startswith("stored, replacing") and len(base.packed()) == 1 and "00001-two" in base.packed()[0]


HOSTILE = ["../../../etc/cron.d/x", "a/b/c", "..", ".", "", "x]y[z", "line\nbreak\rtab\t", "$(touch pwned)", "`id`;rm -rf /", "%PatientName %_md5_PatientID", "a" * 64,
           "'; DROP TABLE px_record; --", "nul\0byte"]


@pytest.mark.asan
def test_hostile_values(base):
    for number, text in enumerate(HOSTILE):
        image(base.incoming, f"{number}.dcm", number=number, PatientID=text, PatientName="Secret", StudyDescription=text, SeriesDescription=text)
    document = json.loads(base.all("--cleanup", "--tree").stdout)
    assert document["status"] is True and len(base.packed()) == len(HOSTILE)
    for name in base.packed():
        assert re.fullmatch(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/){3}[A-Za-z0-9._-]+", name), name
    assert sorted(path.name for path in base.folder.iterdir()) == ["data", "incoming", "log", "px-repack"]
    assert not list(base.incoming.iterdir())


def test_hostile_names_of_files(base):
    base.incoming.mkdir(exist_ok=True)
    (base.incoming / "a\n\x1b[31mred.dcm").write_bytes(b"no object")
    (base.incoming / os.fsdecode(b"\xff.dcm")).write_bytes(b"no object")
    done = base.all("--log-ndjson", check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2 and "\x1b" not in done.stderr and "a??[31mred.dcm" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all("not a DICOM file" in line["err"] for line in lines)
    assert sorted(line["src"].rpartition("/")[2] for line in lines) == ["a\n\x1b[31mred.dcm", "\ufffd.dcm"]


def test_japanese_names_stay_apart(base):
    for number, name in enumerate(("山田^太郎", "鈴木^一郎")):
        image(base.incoming, f"{number}.dcm", number=number, PatientID=name, PatientName=name, SpecificCharacterSet="ISO_IR 192")
    base.all()
    assert len({name.split("/")[0] for name in base.packed()}) == 2


# -- what may be deleted --

@pytest.mark.asan
def test_cleanup(base):
    first = image(base.incoming, "a.dcm")
    kept = first.read_bytes()
    document = json.loads(base.file("a.dcm").stdout)
    assert first.exists() and "cleanup" not in document["run"][0]
    document = json.loads(base.run("--xcrdirfile", first, "--cleanup").stdout)
    assert not first.exists() and document["run"][0]["cleanup"]["status"] is True
    copy = base.data / base.packed()[0]
    assert copy.read_bytes() == kept


def test_a_packed_file_does_not_delete_itself(base):
    image(base.incoming, "a.dcm")
    base.file("a.dcm")
    copy = base.data / base.packed()[0]
    done = base.run("--xcrdirfile", copy, "--cleanup", check=False)
    assert done.returncode == 1 and "packed file itself" in done.stderr and copy.exists()
    os.symlink(copy, base.incoming / "link.dcm")
    done = base.run("--xcrdirfile", base.incoming / "link.dcm", "--cleanup", check=False)
    assert done.returncode == 1 and copy.exists()


def spoil(copy, later):
    """Some bits become others, `later` seconds after the copy was written."""
    before, damaged = copy.stat(), bytearray(copy.read_bytes())
    damaged[-20] ^= 0xFF
    copy.write_bytes(damaged)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns + later * 10**9))


def test_a_copy_that_was_damaged_is_no_reason_to_delete(base):
    """As by a disk that rots, which no time tells of."""
    source = image(base.incoming, "a.dcm")
    base.file("a.dcm")
    spoil(base.data / base.packed()[0], later=0)
    done = base.run("--xcrdirfile", source, "--cleanup", check=False)
    assert done.returncode == 1 and "is not the same" in done.stderr and source.exists()


def test_a_copy_that_was_written_to_is_packed_anew(base):
    source = image(base.incoming, "a.dcm")
    base.file("a.dcm")
    copy = base.data / base.packed()[0]
    sound = copy.read_bytes()
    spoil(copy, later=1)
    base.run("--xcrdirfile", source, "--cleanup")
    assert copy.read_bytes() == sound and len(base.packed()) == 1 and not source.exists()


# -- the command line --

def test_unknown_options_are_passed_over(base):
    image(base.incoming, "a.dcm")
    done = base.run("--xcrdir", base.incoming, "--xcrfile", "a.dcm", "--debugToDir", "/x", "--verbosity", "0", "stray")
    assert "warning" in done.stderr and "--debugToDir" in done.stderr and "stray" in done.stderr and not done.stdout
    assert len(base.packed()) == 1


def test_json_args(base):
    image(base.incoming, "a.dcm")
    options = {"xcrdir": str(base.incoming), "xcrfile": "a.dcm", "logdir": str(base.log), "cleanup": False, "verbosity": 0}
    done = run(base.program, "--JSONargs", json.dumps(options))
    assert not done.stdout and len(base.packed()) == 1 and (base.incoming / "a.dcm").exists()
    for bad in ("{", "[]", '{"jobs": 0}', '{"JSONargs": "{}"}'):
        assert run(base.program, "--JSONargs", bad, check=False).returncode in (1, 2), bad


@pytest.mark.parametrize("options, expected", [
    (("--template-set", "push"), "P1-Doe_Jane-20100203/Brain-A1-20130308-003Y-001129d/00001-S1-"),
    (("--template-set", "newest"), "P1-Doe_Jane-20100203/Brain-A1-20130308/S1-"),
    (("--template-set", "oxidicom", "--rootDirTemplate", "%PatientComments"), "PatientComments/Brain-A1-20130308/00001-S1-"),
    (("--rootDirTemplate", "%PatientComments", "--missing", "bare"), "PatientComments/"),
    (("--rootDirTemplate", "%PatientComments"), "_PatientComments/"),
    (("--imageFileTemplate", "%InstanceNumber.x.dcm"), "P1-Doe_Jane-20100203/Brain-A1-20130308/00001-S1/1.x.dcm"),
])
def test_templates(base, options, expected):
    image(base.incoming, "a.dcm")
    base.all(*options)
    assert len(base.packed()) == 1 and base.packed()[0].startswith(expected)


def test_reject(base):
    source = image(base.incoming, "a.dcm")
    done = base.all("--rootDirTemplate", "%PatientComments", "--missing", "reject", "--cleanup", check=False)
    assert done.returncode == 1 and "the object has no PatientComments" in done.stderr and source.exists() and not base.packed()


def test_usage(base):
    for options in ((), ("--xcrfile", "a", "--imageTemplate", "%_nosuch_PatientID"), ("--xcrfile", "a", "--jobs", "0"), ("--xcrfile", "a", "--missing", "x")):
        assert base.run(*options, check=False).returncode == 2, options
    assert not base.log.exists()
    assert base.run("--version").stdout == "Version: 3.2.4\n"
    assert base.run("--xcrdir", "/nonexistent", "--parseAllFilesWithSubStr", "dcm", check=False).returncode == 1
    base.incoming.mkdir()
    done = base.all(check=False)
    assert done.returncode == 1 and json.loads(done.stdout) == {"status": False, "run": []} and "no file" in done.stderr
    assert not base.log.exists()
