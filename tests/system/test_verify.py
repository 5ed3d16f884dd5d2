# SPDX-License-Identifier: MIT
"""`data verify`: what is stored, read again and held against the index, both ways; and what --repair makes of it."""
import contextlib
import hashlib
import json
import os
import re
import sqlite3
import threading
import time

import pytest
from dimse import Aborted, Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, uid
from part10 import read
from programs import run, wait_until

FEW = "1.2.826.0.1.3680043.10.1499.7"


def send(archive, *files):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, *files)


def verify(archive, *words, code=0):
    done = archive.manage("data", "verify", "--json", *words, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    return sorted((found["finding"], found["sop_instance"], found["repaired"]) for found in answer["findings"]), answer


def path_of(archive, uid):
    return next(path for path in archive.files() if path.name == uid)


def flip(path, at=-3):
    """Another byte, as a disk would have it: size and time stay."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def break_some(archive):
    path_of(archive, f"{FEW}.1.1").unlink()
    flip(path_of(archive, f"{FEW}.1.2"))
    moved = path_of(archive, f"{FEW}.2.1")
    moved.rename(archive.data / "moved.dcm")
    with path_of(archive, f"{FEW}.2.2").open("ab") as file:
        file.write(b"more")


def test_nothing_is_found(archive, few):
    send(archive, few)
    found, answer = verify(archive)
    assert not found and answer["summary"]["checked"] == answer["summary"]["files"] == 4
    assert answer["summary"]["bytes_read"] == sum(path.stat().st_size for path in archive.files())
    text = archive.manage("data", "verify", "--rate", "100", "--jobs", "1").stdout
    assert "4 objects checked" in text and "0 findings, 0 repaired" in text


def test_findings_and_their_repair(archive, few):
    send(archive, few)
    break_some(archive)
    expected = [("damaged", f"{FEW}.1.2"), ("missing", f"{FEW}.1.1"), ("wrong_place", f"{FEW}.2.1"), ("wrong_size", f"{FEW}.2.2")]
    before = {path: path.read_bytes() for path in archive.files()}
    found, _ = verify(archive, code=1)
    assert found == [(*one, False) for one in expected]
    assert {path: path.read_bytes() for path in archive.files()} == before, "only looked at"
    found, answer = verify(archive, "--repair", code=1)
    assert found == [(*one, True) for one in expected] and answer["summary"]["repaired"] == 4
    assert archive.manage("database", "find", "instance").stdout.split() == [f"{FEW}.2.1"]
    kept = sorted((archive.folder / "quarantine").glob("*.dcm"))
    assert sorted(path.read_bytes() for path in kept) == sorted(content for path, content in before.items() if path.name != "moved.dcm")
    reasons = [json.loads(path.with_suffix(".json").read_text()) for path in kept]
    assert sorted(reason["sop_instance"] for reason in reasons) == [f"{FEW}.1.2", f"{FEW}.2.2"]
    assert any("checksum" in reason["reason"] for reason in reasons)
    assert verify(archive)[0] == []
    send(archive, few)
    assert verify(archive)[0] == [] and len(archive.files()) == 4
    log = "".join(path.read_text() for path in (archive.folder / "log").glob("*index_data*"))
    assert "damaged" in log and "FEW/" not in log and "Few^Images" not in log


def test_a_selection(archive, few, tmp_path):
    send(archive, few)
    break_some(archive)
    assert verify(archive, "series", f"{FEW}.1", code=1)[0] == [("damaged", f"{FEW}.1.2", False), ("missing", f"{FEW}.1.1", False)]
    (tmp_path / "list").write_text(f"{FEW}.1.1\n")
    assert verify(archive, "instance", "-l", tmp_path / "list", code=1)[0] == [("missing", f"{FEW}.1.1", False)]
    assert "nothing in the archive" in archive.manage("data", "verify", "study", "1.2.3", check=False).stderr


def test_beside_senders(archive, few, tmp_path):
    """The same objects with other content again and again: none of it is a finding."""
    send(archive, few)
    other = tmp_path / "other"
    other.mkdir()
    for path in few.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
        run("dcmodify", "-nb", "-i", "(0008,103e)=other", other / path.name)
    over = threading.Event()

    def work():
        while not over.is_set():
            send(archive, other)
            send(archive, few)

    sender = threading.Thread(target=work)
    sender.start()
    try:
        for _ in range(3):
            assert verify(archive, "--repair")[0] == []
    finally:
        over.set()
        sender.join()
    assert not list((archive.folder / "quarantine").glob("*"))


def test_an_unreadable_file(archive, few):
    send(archive, few)
    path = path_of(archive, f"{FEW}.1.1")
    path.unlink()
    path.mkdir()
    found, answer = verify(archive, "--repair", "series", f"{FEW}.1", code=1)
    assert found == [("unreadable", f"{FEW}.1.1", False)] and "nothing was changed" in answer["findings"][0]["not_repaired"]
    assert len(archive.manage("database", "find", "instance").stdout.split()) == 4


def test_a_scrub_in_the_server(stopped_archive, few):
    archive = stopped_archive
    log = archive.folder / "log/pacs.log"
    archive.start()
    send(archive, few)
    archive.stop()
    assert "scrub:" not in log.read_text(), "off unless it is wanted"
    flip(path_of(archive, f"{FEW}.1.2"))
    archive.set("scrub_rate", 100)
    archive.start()
    wait_until(lambda: "scrub: done, 4 objects read, 1 findings" in log.read_text(), 30, "the scrub is done")
    assert f"scrub: damaged: object {FEW}.1.2" in log.read_text()
    assert len(archive.manage("database", "find", "instance").stdout.split()) == 4, "nothing is repaired"
    archive.stop()
    archive.set("scrub_interval", 0)
    archive.start()
    wait_until(lambda: log.read_text().count("scrub: done") >= 3, 30, "again and again")


def checksums(archive):
    """Of each file: SHA-256 as the index has it, and as it is."""
    with contextlib.closing(sqlite3.connect(archive.folder / "index.sqlite", timeout=10)) as index:
        rows = index.execute("SELECT file_path, sha256 FROM file_storage_metadata_dicom").fetchall()
    return [(sha256, hashlib.sha256(open(path, "rb").read()).digest()) for path, sha256 in rows]


def test_sealed_when_it_is_quiet(stopped_archive, few):
    archive = stopped_archive
    archive.set("seal_after", 0.2)
    archive.start()
    send(archive, few)
    wait_until(lambda: all(there == real for there, real in checksums(archive)), 30, "the objects are sealed")
    assert len(checksums(archive)) == 4 and verify(archive)[0] == []
    archive.stop()
    assert "seal:" not in (archive.folder / "log/pacs.log").read_text()


def test_never_sealed(stopped_archive, few):
    archive = stopped_archive
    archive.set("seal_after", 0)
    archive.start()
    send(archive, few)
    time.sleep(1)
    assert [there for there, _ in checksums(archive)] == [bytes(32)] * 4
    assert verify(archive)[0] == []
    flip(path_of(archive, f"{FEW}.1.2"))
    assert verify(archive, code=1)[0] == [("damaged", f"{FEW}.1.2", False)]
    archive.stop()
    archive.set("seal_after", 0.2)
    archive.start()
    log = archive.folder / "log/pacs.log"
    wait_until(lambda: f"seal: damaged: object {FEW}.1.2" in log.read_text(), 30, "it is found when it is read back")
    wait_until(lambda: sum(there == real for there, real in checksums(archive)) == 3, 30, "the others are sealed")


@pytest.mark.parametrize("words", [["study"], ["-l", "list"], ["thing", "1.2"], ["--rate", "0"], ["--jobs", "0"], ["study", "1.2", "-l", "list"]])
def test_usage(stopped_archive, words):
    done = stopped_archive.manage("data", "verify", *words, check=False)
    assert done.returncode == 2 and re.search(r"usage|argument|needed|expected|invalid", done.stderr, re.I)


class Replacing:
    """An object that is replaced beside `data verify --repair`, while the index's lock is somebody else's, so that its row does not come."""

    def __init__(self, archive):
        self.archive, self.instance, self.status, self.answer = archive, uid(9, 2), None, None
        self.filler, self.old, self.new = self.made(uid(9, 1), b"\0" * 4000000), *(self.made(self.instance, fill * 2000) for fill in (b"\1", b"\2"))
        self.send(uid(9, 1), self.filler)
        self.send(self.instance, self.old)
        assert self.status == 0
        self.path, self.threads = path_of(archive, self.instance), []
        self.lock = sqlite3.connect(archive.folder / "index.sqlite", isolation_level=None, timeout=30, check_same_thread=False)

    @staticmethod
    def made(instance, pixels):
        given = attributes(PatientID="REPLACED", StudyInstanceUID=instance, SeriesInstanceUID=f"{instance}.0", SOPInstanceUID=instance)
        return data_set({**given, 0x7FE00010: ("OB", pixels)})

    def send(self, instance, data):
        with contextlib.suppress(Aborted, OSError):
            association = Association(self.archive.port, timeout=60)
            self.status = association.store(SECONDARY_CAPTURE, instance, data)
            association.release()

    def beside(self, work, *given):
        self.threads.append(threading.Thread(target=work, args=given, daemon=True))
        self.threads[-1].start()

    def verify(self):
        """Reads the filler for some seconds first."""
        self.answer = self.archive.manage("data", "verify", "--json", "--repair", "--jobs", "1", "--rate", "1", check=False)

    def begin(self):
        """The new file has its name, the row is the old one, and verification has come to it."""
        before, folders = self.path.stat().st_ino, len(list((self.archive.folder / ".tmp_data").iterdir()))
        self.beside(self.verify)
        wait_until(lambda: len(list((self.archive.folder / ".tmp_data").iterdir())) > folders, 30, "verification has begun")
        time.sleep(0.5)  # until it has opened the index
        self.lock.execute("BEGIN IMMEDIATE")
        self.status = None
        self.beside(self.send, self.instance, self.new)
        wait_until(lambda: self.path.stat().st_ino != before, 30, "the new file has its name", 0.001)
        wait_until(self.quarantine, 30, "it looks like damage", 0.001)

    def end(self):
        self.lock.execute("ROLLBACK")
        for thread in self.threads:
            thread.join(60)
        self.lock.close()

    def quarantine(self):
        return list((self.archive.folder / "quarantine").glob("*"))

    def is_there(self, data):
        assert read(self.path).data == data and not self.quarantine()
        assert self.instance in self.archive.manage("database", "find", "instance").stdout.split()


def test_repair_beside_a_commit_that_hangs(archive):
    """The file of a replacement and the row of what it replaces, for some seconds: no damage."""
    one = Replacing(archive)
    one.begin()
    time.sleep(1)  # it could be on its way out by now
    one.end()
    assert one.status == 0
    assert one.answer.returncode == 0 and not json.loads(one.answer.stdout)["findings"], one.answer.stdout
    one.is_there(one.new)


def test_repair_beside_a_server_that_dies(archive):
    """The same, and the server dies then: what it left is for the next start to judge."""
    one = Replacing(archive)
    one.begin()
    archive.kill()
    one.end()
    found = json.loads(one.answer.stdout)["findings"]
    assert [one["repaired"] for one in found] == [False] and "has died" in found[0]["not_repaired"]
    assert read(one.path).data == one.new and not one.quarantine()
    archive.start()
    wait_until(lambda: "indexed after the unclean stop" in (archive.folder / "log/pacs.log").read_text(), 30, "what it left is looked at")
    assert not verify(archive)[0]
    one.is_there(one.new)


def test_what_waits_for_the_database_is_no_damage(archive, few):
    """An acknowledged replacement whose row is still the old one has a line in a journal."""
    send(archive, few)
    archive.stop()
    path = path_of(archive, f"{FEW}.1.1")
    flip(path)
    journal = archive.folder / ".tmp_data/waiting-1"
    journal.write_text(f"gantry waiting 1 {32:014}\n{path.relative_to(archive.data)}\n")
    found, answer = verify(archive, "--repair")
    assert not found and answer["summary"]["waiting"] == 1 and path.exists()
    journal.unlink()
    assert verify(archive, code=1)[0] == [("damaged", f"{FEW}.1.1", False)]
