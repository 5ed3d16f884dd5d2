# SPDX-License-Identifier: MIT
"""A disk that fails, fills up or is slow: the sender hears the right status, the server goes on, and what was acknowledged is there (STG-*, DCM-21).

The layer of tests/powercut makes system calls fail or late, of the archive's processes only. Volumes that are really small: test_rows_disk.py.
GANTRY_DISK_SECONDS sets how long the random tests send (`./dev torture disk`: 60).
"""
import errno
import json
import os
import random
import re
import threading
import time

import pytest
from dimse import Aborted, Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, meta, uid
from part10 import read
from powercut import Layer
from programs import wait_until
from query import STUDY_ROOT, QueryClient
from test_rows_disk import small_disk
from web import Web

SECONDS = float(os.environ.get("GANTRY_DISK_SECONDS", "3"))
NO_ROOM, OUR_FAULT = 0xA700, 0x0110
FAILED_SEQUENCE, REASON = "00081198", "00081197"
BOUNDARY = "disk"
STOW = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
SENDERS = 8


class Place:
    """An archive on the layer, and its two doors."""

    def __init__(self, archive, folder):
        self.archive, self.web = archive, Web(archive)
        self.layer = Layer(folder, archive.folder, record=False)
        archive.environment = self.layer.environment
        self.kept, self.lock = {}, threading.Lock()

    def store(self, size=20000, association=None, **given):
        own = association or Association(self.archive.port, timeout=60)
        instance, data = made(size, **given)
        status = own.store(SECONDARY_CAPTURE, instance, data)
        if not association:
            own.release()
        if status == 0:
            with self.lock:
                self.kept[instance] = data
        return status

    def stow(self, size=20000, **given):
        """(HTTP status, reason of failure)."""
        instance, data = made(size, **given)
        body = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + meta(SECONDARY_CAPTURE, instance) + data
        answer = self.web.ask("POST", "/dicom-web/studies", body + f"\r\n--{BOUNDARY}--\r\n".encode(), Content_Type=STOW)
        if answer.status == 200:
            with self.lock:
                self.kept[instance] = data
            return 200, 0
        return answer.status, answer.json()[FAILED_SEQUENCE]["Value"][0][REASON]["Value"][0]

    def heal(self):
        for number in range(16):
            self.layer.rule(number)

    def studies(self):
        client = QueryClient(self.archive.port, STUDY_ROOT)
        answers, final = client.find("STUDY", {0x0020000D: ("UI", "")})
        client.release()
        assert final.status == 0
        return len(answers)

    def judge(self, cleans=True):
        """What was acknowledged is there, whole and indexed, now and after a start; returns what is there, too. Temporary files that could not be
        removed (`cleans`) go at the start."""
        for start in (False, True):
            if start:
                self.archive.stop()
                self.archive.start()
            all_ = cleans or start
            wait_until(lambda all_=all_: not [path for path in self.archive.unfinished() if all_ or path.name.startswith("waiting")], 30,
                       "temporary files and journals go away")
            stored = {path.name: read(path).data for path in self.archive.files()}
            lost = set(self.kept) - set(stored)
            assert not lost, f"{len(lost)} of {len(self.kept)} are gone: {sorted(lost)[:3]}"
            assert all(stored[instance] == data for instance, data in self.kept.items())
            found = json.loads(self.archive.manage("data", "verify", "--json", check=False).stdout)["findings"]
            refused = [one for one in found if one["finding"] == "unindexed" and one["sop_instance"] not in self.kept]
            assert found == ([] if all_ else refused), "what could not be taken back is indexed at the next start"
        return set(stored) - set(self.kept)


def made(size, **given):
    given = attributes(**given)
    return given["SOPInstanceUID"], data_set({**given, 0x7FE00010: ("OB", bytes(size))})


@pytest.fixture
def place(stopped_archive, tmp_path):
    place = Place(stopped_archive, tmp_path / "layer")
    stopped_archive.start()
    yield place
    place.heal()


FAULTS = {
    "no room for the bytes": ("write", errno.ENOSPC, ".tmp_data/", NO_ROOM, 507),
    "no room for another file": ("create", errno.ENOSPC, ".tmp_data/", NO_ROOM, 507),
    "over the quota": ("write", errno.EDQUOT, ".tmp_data/", NO_ROOM, 507),
    "no room when it is synced": ("sync", errno.ENOSPC, ".tmp_data/", NO_ROOM, 507),
    "no room for a name": ("name", errno.ENOSPC, "/data/", NO_ROOM, 507),
    "bytes that cannot be written": ("write", errno.EIO, ".tmp_data/", OUR_FAULT, 409),
    "bytes that cannot be synced": ("sync", errno.EIO, ".tmp_data/", OUR_FAULT, 409),
    "a folder that cannot be synced": ("sync_folder", errno.EIO, "/data", OUR_FAULT, 409),
    "a name that cannot be given": ("name", errno.EIO, "/data/", OUR_FAULT, 409),
    "a disk that is read-only now": ("create write name", errno.EROFS, ".tmp_data/", OUR_FAULT, 409),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_passes(place, fault):
    ops, number, path, dimse, http = FAULTS[fault]
    assert place.store() == 0
    place.layer.rule(0, ops, number, path=path)
    assert place.store() == dimse
    status, reason = place.stow()
    assert (status, reason) == (http, dimse)
    association = Association(place.archive.port)
    assert place.store(association=association) == dimse
    assert association.echo() == 0 and place.studies() == 1, "everything else goes on, on the same association, too"
    place.heal()
    assert place.store(association=association) == 0, "it is as if nothing had been: no restart"
    association.release()
    assert place.stow() == (200, 0)
    assert place.layer.spoiled() >= 3
    assert place.judge() == set()


class Again:
    """One object that comes again and again: of one patient, or of another, so that it moves."""

    def __init__(self, place):
        self.place, self.instance = place, uid(6, 1)
        self.given = {"StudyInstanceUID": uid(6), "SeriesInstanceUID": uid(6, 0), "SOPInstanceUID": self.instance}

    def send(self, patient, fill):
        data = data_set({**attributes(PatientID=patient, **self.given), 0x7FE00010: ("OB", bytes([fill]) * 20000)})
        association = Association(self.place.archive.port, timeout=60)
        status = association.store(SECONDARY_CAPTURE, self.instance, data)
        association.release()
        if status == 0:
            self.place.kept[self.instance] = data
        return status

    def is_one(self):
        files = self.place.archive.files()
        return len(files) == 1 and read(files[0]).data == self.place.kept[self.instance]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_replacement_that_fails_leaves_what_was(place, fault):
    ops, number, path, dimse, _ = FAULTS[fault]
    one = Again(place)
    assert one.send("A", 1) == 0
    place.layer.rule(0, ops, number, path=path)
    for patient in ("A", "B"):
        assert one.send(patient, 2) == dimse and one.is_one()
    place.heal()
    assert one.is_one()
    for patient in ("A", "B"):
        assert one.send(patient, 3) == 0 and one.is_one()
    assert place.judge() == set() and one.is_one()


def test_what_was_replaced_cannot_be_removed(place):
    """The old file stays, nobody finds it, and the next start removes it."""
    one = Again(place)
    assert one.send("A", 1) == 0
    place.layer.rule(0, "name", errno.EIO, path="/data/A/")
    assert one.send("B", 2) == 0
    assert len(place.archive.files()) == 2 and place.studies() == 1
    place.heal()
    place.archive.stop()
    place.archive.start()
    wait_until(one.is_one, 30, "the old file goes")
    assert place.judge() == set()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("ops", ["write", "sync"])
def test_an_index_that_cannot_be_written(place, ops, number):
    """The objects are refused, or wait for it: both are true."""
    assert place.store() == 0
    place.layer.rule(0, ops, number, path="index.sqlite")
    statuses = [place.store() for _ in range(3)] + [place.stow()[1] for _ in range(3)]
    assert set(statuses) <= {0, OUR_FAULT, NO_ROOM if number == errno.ENOSPC else OUR_FAULT}
    place.heal()
    assert place.store() == 0
    wait_until(lambda: place.studies() == len(place.kept), 30, "what waited is indexed")
    assert place.judge() == set()


@pytest.mark.parametrize("key, value", [("min_free_space", 40), ("min_free_percent", 60)])
def test_what_is_kept_free(stopped_archive, tmp_path, key, value):
    """Objects are refused before the reserve is touched, also in the middle; it is told, and what needs little room goes on."""
    with small_disk(tmp_path / "small", 64) as disk:
        (disk / "ballast").write_bytes(bytes(8 << 20))
        stopped_archive.set("fs.path", disk / "data")
        stopped_archive.set("tmp_path", disk / "tmp")
        stopped_archive.set("trash_path", disk / "trash")
        stopped_archive.set(key, value)
        web = Web(stopped_archive, authentication="none")
        archive = stopped_archive.start()

        def free():
            room = os.statvfs(disk)
            return room.f_bavail * room.f_frsize

        def metric(name):
            return int(float(re.search(rf"^{name} (.*)$", web.get("/metrics").body.decode(), re.M)[1]))

        limit = metric("gantry_free_bytes_limit")
        assert 38 << 20 <= limit <= 40 << 20
        association = Association(archive.port, timeout=60)
        assert association.store(SECONDARY_CAPTURE, *made(30 << 20)) == NO_ROOM, "one that does not fit is refused in the middle"
        wait_until(lambda: free() > limit, 10, "nothing is left of it")
        first = made(1 << 20)
        kept = [first[0]]
        assert association.store(SECONDARY_CAPTURE, *first) == 0
        assert association.store(SECONDARY_CAPTURE, first[0], made(30 << 20, SOPInstanceUID=first[0])[1]) == NO_ROOM, "nor one that replaces another"
        assert [read(path).data for path in (disk / "data").rglob("*") if path.name == first[0]] == [first[1]]
        wait_until(lambda: free() > limit, 10, "nothing is left of it")
        while (status := association.store(SECONDARY_CAPTURE, *(one := made(1 << 20)))) == 0:
            kept.append(one[0])
            assert len(kept) < 30
        assert status == NO_ROOM and limit - (3 << 20) < free() < limit
        assert metric("gantry_ingest_no_room_total") >= 2 and metric("gantry_free_bytes") == free()
        assert web.get("/health").status == 503
        archive.manage("data", "delete", "instance", kept.pop(), "-f")
        assert len(archive.manage("database", "find", "instance").stdout.split()) == len(kept)
        (disk / "ballast").unlink()
        assert association.store(SECONDARY_CAPTURE, *made(1 << 20)) == 0
        association.release()
        log = (archive.folder / "log/pacs.log").read_text()
        assert log.count("objects are refused until there is room") == 3 and log.count("there is room again") == 3
        archive.stop()


def send_until(place, over, number, told):
    chance = random.Random(number)
    while not over.is_set():
        try:
            association = Association(place.archive.port, timeout=120)
            while not over.is_set():
                size = chance.choice((100, 20000, 20000, 600000))
                study = uid(5, number, chance.randrange(4))
                if number % 3:
                    told.add(place.store(size, association, StudyInstanceUID=study, PatientID=f"P{number}"))
                else:
                    told.add(place.stow(size, StudyInstanceUID=study, PatientID=f"P{number}")[1])
        except (Aborted, OSError):
            time.sleep(0.05)


@pytest.mark.parametrize("kind", ["EIO", "ENOSPC", "both, and slow"])
def test_faults_at_random_with_eight_senders(place, kind):
    """One call in some fails, wherever: what was acknowledged is there when it is over, and nothing is half there."""
    numbers = {"EIO": [errno.EIO], "ENOSPC": [errno.ENOSPC]}.get(kind, [errno.EIO, errno.ENOSPC])
    over, told = threading.Event(), set()
    place.store()
    senders = [threading.Thread(target=send_until, args=(place, over, n, told), daemon=True) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    for number, error in enumerate(numbers):
        for at, ops in enumerate(("write", "sync", "sync_folder", "name create", "allocate")):
            place.layer.rule(8 * number + at, ops, error, one_in=40, delay_us=20000 if "slow" in kind else 0)
    time.sleep(SECONDS)
    place.heal()
    time.sleep(0.5)
    over.set()
    for sender in senders:
        sender.join(120)
        assert not sender.is_alive()
    assert place.layer.spoiled() > 10 and told <= {0, NO_ROOM, OUR_FAULT} and 0 in told
    beside = place.judge(cleans=False)
    print(f"\n{kind}: {place.layer.spoiled()} calls failed, {len(place.kept)} objects acknowledged, none lost; {len(beside)} whole ones nobody was told of")


def test_a_slow_disk_holds_nobody_up(place):
    """Each write and sync takes up to a quarter of a second: stores are slow, and all come; who only asks waits for nobody."""
    place.layer.rule(0, "write sync sync_folder name", delay_us=250000, path="/data")
    place.layer.rule(1, "write sync", delay_us=250000, path=".tmp_data")
    over, told = threading.Event(), set()
    senders = [threading.Thread(target=send_until, args=(place, over, n, told), daemon=True) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(place.kept) >= SENDERS, 60, "objects come")
    for _ in range(10):
        began = time.monotonic()
        assert Association(place.archive.port).echo() == 0
        place.studies()
        assert time.monotonic() - began < 20
    over.set()
    for sender in senders:
        sender.join(120)
        assert not sender.is_alive()
    assert told == {0}
    place.heal()
    assert place.judge() == set()


