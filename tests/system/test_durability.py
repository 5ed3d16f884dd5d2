# SPDX-License-Identifier: MIT
"""SIGKILL while eight senders store: no object whose sender saw success is lost. GANTRY_KILL_ROUNDS sets the rounds (20 by hand)."""
import os
import random
import threading
import time

import pytest
from dimse import Aborted, Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, uid
from part10 import read_folder
from programs import run

ROUNDS = int(os.environ.get("GANTRY_KILL_ROUNDS", "3"))
SENDERS = 8


class Sender(threading.Thread):
    """Stores objects until the connection breaks; remembers what was acknowledged."""

    def __init__(self, port, number, round_number):
        super().__init__(daemon=True)
        self.port, self.number, self.round, self.acknowledged = port, number, round_number, {}

    def run(self):
        try:
            association = Association(self.port)
            for i in range(100000):
                given = attributes(PatientID=f"S{self.number}", StudyInstanceUID=uid(4, self.round, self.number),
                                   SeriesInstanceUID=uid(4, self.round, self.number, 1),
                                   SOPInstanceUID=uid(4, self.round, self.number, 1, i), InstanceNumber=i)
                data = data_set({**given, 0x7FE00010: ("OB", bytes([i & 0xFF]) * 20000)})
                if association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data) == 0:
                    self.acknowledged[given["SOPInstanceUID"]] = data
        except (Aborted, OSError):
            pass


def found_by_query(archive, tmp_path, study):
    """SOP Instance UIDs that C-FIND knows of a study."""
    folder = tmp_path / "rsp"
    folder.mkdir(exist_ok=True)
    done = run("findscu", "-v", "-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={study}", "-k", f"SeriesInstanceUID={study}.1",
               "-k", "SOPInstanceUID", "-aec", archive.aet, "127.0.0.1", archive.port)
    text = done.stdout + done.stderr
    return {line.split("[")[1].split("]")[0].strip("\0 ") for line in text.splitlines() if "(0008,0018)" in line and "[" in line}


@pytest.mark.asan
def test_sigkill_loses_nothing_that_was_acknowledged(stopped_archive, tmp_path):
    chance = random.Random()
    archive = stopped_archive
    everything = {}
    for number in range(ROUNDS):
        archive.start()
        senders = [Sender(archive.port, n, number) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(chance.uniform(0.5, 2.0))
        archive.kill()
        for sender in senders:
            sender.join(30)
            assert not sender.is_alive()
        acknowledged = {uid_: data for sender in senders for uid_, data in sender.acknowledged.items()}
        assert acknowledged, "nothing was stored before the kill: the test says nothing"
        everything.update(acknowledged)

        archive.start()
        stored = read_folder(archive.data)
        lost = [instance for instance in everything if instance not in stored]
        assert not lost, f"round {number}: {len(lost)} of {len(everything)} acknowledged objects are gone: {lost[:5]}"
        changed = [instance for instance, data in everything.items() if stored[instance].data != data]
        assert not changed, f"round {number}: {len(changed)} objects are damaged: {changed[:5]}"
        for sender in senders:
            known = found_by_query(archive, tmp_path, uid(4, number, sender.number))
            unknown = set(sender.acknowledged) - known
            assert not unknown, f"round {number}: {len(unknown)} acknowledged objects are not in the index: {sorted(unknown)[:5]}"
        archive.stop()
    archive.start()
    assert archive.unfinished() == []


def test_sigterm_finishes_what_was_accepted(stopped_archive):
    archive = stopped_archive.start()
    senders = [Sender(archive.port, n, 99) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    archive.stop()
    stored = read_folder(archive.data)
    for sender in senders:
        sender.join(30)
        assert sender.acknowledged
        assert set(sender.acknowledged) <= set(stored)
