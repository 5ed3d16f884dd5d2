# SPDX-License-Identifier: MIT
"""Large studies and large indexes over HTTP, by hand: -m by_hand. What is printed stands in docs/performance.md; only what must hold is asserted."""
import concurrent.futures
import hashlib
import http.client
import os
import random
import shutil
import sqlite3
import statistics
import struct
import time
import zipfile

import pytest
from make_dicom import attributes, data_set, make_image, meta, uid
from programs import SANITIZED
from web import BOUNDARY, Web

pytestmark = pytest.mark.by_hand
RESIDENT_KB = 64 * 1024

# -- 5,000 CT images of 520 KB: stored, and fetched back --

IMAGES, IN_A_REQUEST, SENDERS, CT = 5000, 25, 8, "1.2.840.10008.5.1.4.1.1.2"
STUDY, SERIES = uid(31), uid(31, 1)
NOISE = random.Random(1).randbytes(1 << 20)


def image(number):
    """The UID, head and data set of one; no two have the same pixels."""
    given = attributes(SOPClassUID=CT, SOPInstanceUID=f"{SERIES}.{number}", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, Modality="CT",
                       InstanceNumber=number, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", Rows=512, Columns=512,
                       BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=0)
    start = number * 97
    given[0x7FE00010] = ("OW", NOISE[start:start + 524288])
    return given["SOPInstanceUID"], meta(CT, given["SOPInstanceUID"]), data_set(given)


def store(port, numbers):
    body = bytearray()
    for number in numbers:
        _, head, data = image(number)
        body += b"--X\r\nContent-Type: application/dicom\r\n\r\n" + head + data + b"\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", "/dicom-web/studies", bytes(body + b"--X--\r\n"),
                       {"Content-Type": 'multipart/related; type="application/dicom"; boundary=X'})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def digest(data):
    return hashlib.blake2b(data, digest_size=16).digest()


def data_set_of(part10):
    """What is behind the file meta information, which begins with its own length."""
    assert part10[128:132] == b"DICM" and part10[132:138] == struct.pack("<HH2s", 2, 0, b"UL")
    return part10[144 + struct.unpack_from("<I", part10, 140)[0]:]


def parts_of(answer):
    """The bodies of the parts, one in memory at a time."""
    delimiter = b"\r\n--" + next(filter(None, BOUNDARY.search(answer.headers["Content-Type"]).groups())).encode()
    buffer, begun = bytearray(b"\r\n"), False
    while True:
        piece = answer.read(1 << 20)
        looked = max(0, len(buffer) - len(delimiter))
        buffer += piece
        while (at := buffer.find(delimiter, looked)) >= 0:
            if begun:
                yield bytes(buffer[buffer.index(b"\r\n\r\n") + 4:at])
            begun, looked = True, 0
            del buffer[:at + len(delimiter)]
        if not piece:
            assert bytes(buffer) == b"--\r\n"
            return


@pytest.fixture(scope="module")
def large_study(tmp_path_factory):
    from archive import Archive
    folder = tmp_path_factory.mktemp("large")
    if shutil.disk_usage(folder).free < 9 << 30:
        pytest.skip("needs 9 GB of disk")
    archive = Archive(folder)
    web = Web(archive)
    archive.start()
    began = time.monotonic()
    requests = [range(first, first + IN_A_REQUEST) for first in range(1, IMAGES + 1, IN_A_REQUEST)]
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        assert set(pool.map(lambda numbers: store(web.port, numbers), requests)) == {200}
    seconds = time.monotonic() - began
    print(f"STOW of {IMAGES} images with {SENDERS} clients: {seconds:.1f} s, peak memory {archive.server.memory_kb('VmHWM') >> 10} MiB")
    archive.stop()
    archive.start()  # its memory is that of what follows
    yield web
    archive.stop()
    shutil.rmtree(folder, ignore_errors=True)


def fetch(web, accept):
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=600)
    connection.request("GET", f"/dicom-web/studies/{STUDY}", headers={"Accept": accept})
    answer = connection.getresponse()
    assert answer.status == 200
    return answer


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own memory would be measured")
def test_all_come_back_as_they_were(large_study):
    expected = {digest(image(number)[2]) for number in range(1, IMAGES + 1)}
    began = time.monotonic()
    found = [digest(data_set_of(part)) for part in parts_of(fetch(large_study, 'multipart/related; type="application/dicom"; transfer-syntax=*'))]
    seconds, peak = time.monotonic() - began, large_study.archive.server.memory_kb("VmHWM")
    print(f"WADO-RS of {IMAGES} images, 2.6 GB in one answer: {seconds:.1f} s, peak memory {peak >> 10} MiB")
    assert len(found) == IMAGES and set(found) == expected
    assert peak < RESIDENT_KB


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own memory would be measured")
def test_all_come_back_in_a_zip_archive(large_study, tmp_path):
    path, began = tmp_path / "study.zip", time.monotonic()
    with open(path, "wb") as out:
        answer = fetch(large_study, "application/zip")
        while piece := answer.read(1 << 20):
            out.write(piece)
    seconds, peak = time.monotonic() - began, large_study.archive.server.memory_kb("VmHWM")
    print(f"the same as a ZIP archive: {seconds:.1f} s, peak memory {peak >> 10} MiB")
    with zipfile.ZipFile(path) as archive:
        found = {name.rsplit("/", 1)[1][:-4]: digest(data_set_of(archive.read(name))) for name in archive.namelist()}
    path.unlink()
    assert found == {instance: digest(data) for instance, _, data in map(image, range(1, IMAGES + 1))}
    assert peak < RESIDENT_KB


# -- searches among 1,000 and 1,000,000 studies --

BASE, COPIES = 1000, 1000


def made_up(number):
    """Names, days and numbers as uneven as those of people."""
    chance = random.Random(number)
    name = "".join(chance.choices("ABCDEFGHIKLMNOPRSTUVW", k=6)) + "^" + "".join(chance.choices("ABEILMNORST", k=5))
    day = f"{chance.randrange(2004, 2024)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    return {"PatientID": f"P{number:05}", "PatientName": name, "PatientBirthDate": f"19{chance.randrange(30, 99)}0101", "StudyDate": day,
            "StudyTime": f"{chance.randrange(7, 20):02}1500", "AccessionNumber": f"A{number:05}", "StudyDescription": chance.choice(["CT Thorax", "MR Knee", "CR Hand"]),
            "Modality": chance.choice(["CT", "CT", "MR", "CR", "US"]), "StudyInstanceUID": uid(41, number), "SeriesInstanceUID": uid(41, number, 1),
            "SOPInstanceUID": uid(41, number, 1, 1)}


def multiply(path):
    """Each row of the index COPIES times: other identifiers and names, other days."""
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000; PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY;")
    db.execute(f"CREATE TEMP TABLE copy AS WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {COPIES - 1}) SELECT k FROM n")
    keys = {"patient_id", "study_id", "series_id", "file_storage_metadata_dicom_id"}
    named = {"patient_uid", "study_uid", "series_uid", "instance_uid", "file_path", "accession_number"}
    days = {"date_study", "newest_study", "series_date"}
    # A day of the same twenty years, by the number of the row and of the copy.
    other_day = "strftime('%Y%m%d', '2004-01-01', '+' || ((CAST(substr({}, 5, 4) AS INTEGER) * 7 + k * 6827) % 7300) || ' days')"
    for table in ("patient", "study", "series", "file_storage_metadata_dicom"):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        values = [f"{c} + k * {BASE}" if c in keys else f"{c} || '.' || k" if c in named else f"{c} || 'X' || k" if c == "patient_name" else other_day.format(c) if c in days else c for c in columns]
        db.execute(f"INSERT INTO {table} ({','.join(columns)}) SELECT {','.join(values)} FROM copy, {table} ORDER BY k")
    own = f"CASE WHEN attribute IN ({0x00080050}, {0x00100020}) THEN value || '.' || k WHEN attribute = {0x00100010} THEN value || 'x' || k ELSE value END"
    db.execute(f"INSERT INTO term (attribute, value, id) SELECT attribute, {own}, id + k * {BASE} FROM copy, term ORDER BY 1, 2, 3")
    db.execute("UPDATE totals SET patients = ?, studies = ?, series = ?, instances = ?, size = size * ?", [BASE * COPIES] * 4 + [COPIES])
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def made_archive(folder):
    from archive import Archive
    folder.mkdir()
    for number in range(1, BASE + 1):
        make_image(folder / f"in/{number}.dcm", rows=2, columns=2, **made_up(number))
    archive = Archive(folder)
    web = Web(archive)
    archive.manage("data", "index", "-d", folder / "in", timeout=600)
    return web


def searches(number, suffix, month):
    """By name: a path for each of many turns. `month` days answer as many studies in both."""
    one = made_up(number)
    viewer = "includefield=00081030,00080060,00080061,00201206,00201208&fuzzymatching=false"
    return {
        "list of 100": "/studies?limit=100",
        "list of 101 as viewers ask for it": f"/studies?limit=101&offset=0&{viewer}",
        "PatientID": f"/studies?PatientID={one['PatientID']}{suffix}",
        "AccessionNumber": f"/studies?AccessionNumber={one['AccessionNumber']}{suffix}&{viewer}",
        "StudyInstanceUID": f"/studies?StudyInstanceUID={one['StudyInstanceUID']}{suffix}&{viewer}",
        "series of a study": f"/studies/{one['StudyInstanceUID']}{suffix}/series",
        "StudyDate, a range with 100": f"/studies?StudyDate={month}&limit=100&{viewer}",
        "StudyDate and ModalitiesInStudy": f"/studies?StudyDate={month}&ModalitiesInStudy=MR&limit=100&{viewer}",
        "ModalitiesInStudy": f"/studies?ModalitiesInStudy=CT&limit=100&{viewer}",
        "PatientName": f"/studies?PatientName={one['PatientName'] + suffix.replace('.', 'X')}*&limit=100&{viewer}",
    }


class Asker:
    def __init__(self, web):
        self.connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=120)

    def ask(self, path):
        began = time.perf_counter()
        self.connection.request("GET", "/dicom-web" + path, headers={"Accept": "application/json"})
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 204), (path, body[:300])
        return time.perf_counter() - began, body.count(b'"0020000D"')


@pytest.mark.skipif(SANITIZED, reason="times of a sanitizer mean nothing")
def test_searches_among_a_million_studies(tmp_path):
    small, large = made_archive(tmp_path / "small"), made_archive(tmp_path / "large")
    began = time.monotonic()
    multiply(large.archive.folder / "index.sqlite")
    print(f"\nfilled in {time.monotonic() - began:.0f} s")
    times, counts = {}, {}
    try:
        askers = [(Asker(web), suffix, month) for web, suffix, month in
                  ((small.archive.start() and small, "", "20040101-20231231"), (large.archive.start() and large, f".{COPIES // 2}", "20150301-20150331"))]
        for turn in range(60):
            for which, (asker, suffix, month) in enumerate(askers):
                for name, path in searches(turn * 13 % BASE + 1, suffix, month).items():
                    seconds, count = asker.ask(path)
                    if turn >= 5:
                        times.setdefault(name, ([], []))[which].append(seconds * 1000)
                        counts.setdefault(name, [0, 0])[which] = count
    finally:
        for web in (small, large):
            web.archive.stop()
    slower = {}
    for name, (few, many) in times.items():
        ratio = statistics.median(many) / statistics.median(few)
        print(f"| {name} | {statistics.median(few):.2f} | {statistics.median(many):.2f} | {ratio:.2f} | {counts[name][0]}, {counts[name][1]} |")
        if ratio > 2:
            slower[name] = ratio
    shutil.rmtree(tmp_path / "large", ignore_errors=True)
    if os.environ.get("GANTRY_ASSERT_TIMES"):
        assert not slower
