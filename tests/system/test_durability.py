# SPDX-License-Identifier: MIT
"""SIGKILL while eight senders store, by C-STORE and STOW-RS: no object whose sender saw success is lost, none is half there.

GANTRY_KILL_ROUNDS sets the rounds (`./dev torture kill`: 200).
"""
import http.client
import os
import random
import threading
import time

import pytest
from dimse import Aborted, Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, meta, uid
from part10 import read, read_folder
from programs import PATIENCE, wait_until
from query import STUDY_ROOT, QueryClient
from web import Web

ROUNDS = int(os.environ.get("GANTRY_KILL_ROUNDS", "3"))
SENDERS, OVER_HTTP, AT_ONCE, ALL_EVERY = 8, 3, 4, 20
BOUNDARY = "kill"
STOW = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


class Sender(threading.Thread):
    """Stores objects until the connection breaks; remembers what was acknowledged."""

    def __init__(self, port, number, round_number, web=None):
        super().__init__(daemon=True)
        self.port, self.number, self.round, self.web, self.acknowledged, self.sent = port, number, round_number, web, {}, {}
        self.study = uid(4, round_number, number)

    def object(self, i):
        given = attributes(PatientID=f"S{self.number}", StudyInstanceUID=self.study, SeriesInstanceUID=f"{self.study}.1",
                           SOPInstanceUID=f"{self.study}.1.{i}", InstanceNumber=i)
        instance, data = given["SOPInstanceUID"], data_set({**given, 0x7FE00010: ("OB", bytes([i & 0xFF]) * 20000)})
        self.sent[instance] = data
        return instance, data

    def run(self):
        try:
            if self.web:
                self.stow()
            else:
                self.store()
        except (Aborted, OSError, http.client.HTTPException):
            pass

    def store(self):
        association = Association(self.port)
        for i in range(100000):
            instance, data = self.object(i)
            if association.store(SECONDARY_CAPTURE, instance, data) == 0:
                self.acknowledged[instance] = data

    def stow(self):
        for i in range(0, 100000, AT_ONCE):
            objects = dict(self.object(i + n) for n in range(AT_ONCE))
            body = b"".join(f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + meta(SECONDARY_CAPTURE, instance) + data + b"\r\n"
                            for instance, data in objects.items())
            answer = self.web.ask("POST", "/dicom-web/studies", body + f"--{BOUNDARY}--\r\n".encode(), Content_Type=STOW)
            if answer.status == 200:
                self.acknowledged.update(objects)


def start_senders(archive, web, number):
    senders = [Sender(archive.port, n, number, web if n < OVER_HTTP else None) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    return senders


def join(senders):
    for sender in senders:
        sender.join(60 * PATIENCE)
        assert not sender.is_alive()


def found_by_query(archive, study):
    """SOP Instance UIDs that C-FIND knows of a study."""
    client = QueryClient(archive.port, STUDY_ROOT)
    answers, final = client.find("IMAGE", {0x0020000D: ("UI", study), 0x0020000E: ("UI", f"{study}.1"), 0x00080018: ("UI", "")})
    client.release()
    assert final.status == 0
    return {answer[0x00080018].rstrip(b"\0 ").decode() for answer in answers}


def judge(archive, senders, number):
    """Each object that is there is whole and in the index; each that was acknowledged is there."""
    for sender in senders:
        there = {path.name: path for path in (archive.data / f"S{sender.number}" / sender.study).rglob("*") if path.is_file()}
        lost = set(sender.acknowledged) - set(there)
        assert not lost, f"round {number}: {len(lost)} of {len(sender.acknowledged)} acknowledged objects are gone: {sorted(lost)[:5]}"
        changed = [name for name, path in there.items() if read(path).data != sender.sent[name]]
        assert not changed, f"round {number}: {len(changed)} objects are damaged: {changed[:5]}"
        wait_until(lambda one=sender, files=there: found_by_query(archive, one.study) == set(files), 20,
                   f"round {number}: the index has what is there, and nothing else")


@pytest.mark.asan
def test_sigkill_loses_nothing_that_was_acknowledged(stopped_archive):
    chance, archive, web, everyone = random.Random(), stopped_archive, Web(stopped_archive), []
    for number in range(ROUNDS):
        archive.start()
        senders = start_senders(archive, web, number)
        if number < 3:  # so that something was stored; later at any moment, also in the start and in the repair of the round before
            wait_until(lambda all_=senders: all(sender.acknowledged for sender in all_), 30, "each has stored something")
        time.sleep(chance.uniform(0, 1.0))
        archive.kill()
        join(senders)
        everyone += senders
        archive.start()
        judge(archive, everyone if number % ALL_EVERY == ALL_EVERY - 1 else senders, number)
        if chance.random() < 0.5:
            archive.kill()
        else:
            archive.stop()
    archive.start()
    judge(archive, everyone, "last")
    archive.stop()
    assert archive.unfinished() == []
    print(f"\n{ROUNDS} rounds, {sum(len(sender.acknowledged) for sender in everyone)} objects acknowledged, none lost")
    assert not archive.manage("data", "verify").stderr


def folders_of(archive, path):
    while path != archive.data:
        path = path.parent
        yield path


def test_the_start_after_a_kill_looks_where_something_changed(stopped_archive):
    """Folders say by their times when a name came: a file in one that is older than the last moment noted is not even looked at."""
    archive = stopped_archive.start()
    association = Association(archive.port)
    old, new = (Sender(archive.port, number, 5) for number in range(2))
    for sender in (old, new):
        instance, data = sender.object(0)
        assert association.store(SECONDARY_CAPTURE, instance, data) == 0
    association.release()
    archive.kill()
    for sender in (old, new):
        folder = archive.data / f"S{sender.number}" / sender.study / f"{sender.study}.1"
        instance, data = sender.object(1)
        (folder / instance).write_bytes(meta(SECONDARY_CAPTURE, instance) + data)
    for path in folders_of(archive, next(archive.data.glob("S0/*/*/*.1"))):
        os.utime(path, (time.time() - 1000,) * 2)
    archive.start()
    wait_until(lambda: "after the unclean stop" in (archive.folder / "log/pacs.log").read_text(), 20, "it is put right")
    assert found_by_query(archive, new.study) == set(new.sent)
    assert found_by_query(archive, old.study) == {next(iter(old.sent))}
    assert "1 objects were indexed after the unclean stop, 0 files could not be" in (archive.folder / "log/pacs.log").read_text()
    archive.stop()


def test_sigterm_finishes_what_was_accepted(stopped_archive):
    web = Web(stopped_archive)
    archive = stopped_archive.start()
    senders = start_senders(archive, web, 99)
    time.sleep(1)
    archive.stop()
    join(senders)
    stored = read_folder(archive.data)
    for sender in senders:
        assert sender.acknowledged
        assert set(sender.acknowledged) <= set(stored)
