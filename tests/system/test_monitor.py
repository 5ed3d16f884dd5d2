# SPDX-License-Identifier: MIT
"""`manage monitor` (MON-01 to MON-03)."""
import json
import re
import sqlite3

import pytest
from make_dicom import make_image, uid


@pytest.fixture
def mixed(stopped_archive, tmp_path):
    """Three CT images in two series of one patient, one MR image of another."""
    for i, (patient, series, modality) in enumerate([("A", 1, "CT"), ("A", 1, "CT"), ("A", 2, "CT"), ("B", 3, "MR")]):
        make_image(tmp_path / f"in/{i}.dcm", rows=64, columns=64, PatientID=patient, StudyInstanceUID=uid(22, patient == "B"),
                   SeriesInstanceUID=uid(22, 0, series), SOPInstanceUID=uid(22, 0, series, i), Modality=modality)
    stopped_archive.manage("data", "index", "-d", tmp_path / "in", "-rm", "yes")
    stopped_archive.bytes = sum(p.stat().st_size for p in stopped_archive.files())
    return stopped_archive


def test_modality(mixed):  # MON-01
    lines = mixed.manage("monitor", "modality").stdout.splitlines()
    assert re.fullmatch(r"CT\t3\t \d+\.\d\d Ko", lines[0]) and re.fullmatch(r"MR\t1\t \d+\.\d\d Ko", lines[1])
    assert mixed.manage("monitor", "modality", "-d").stdout.splitlines() == lines
    lines = mixed.manage("monitor", "modality", "-d", "minimal").stdout.splitlines()
    assert re.fullmatch(r"CT\t3\t0\.0%\t \d+\.\d\d Ko", lines[0])
    lines = mixed.manage("monitor", "modality", "-d", "full").stdout.splitlines()
    assert re.fullmatch(r"CT\t\(1\|1\|2\|3\)\t0\.0% \(0\)\t \d+\.\d\d Ko", lines[0])


def test_modality_as_json(mixed):
    rows = json.loads(mixed.manage("monitor", "modality", "--json").stdout)
    assert [(r["modality"], r["patients"], r["studies"], r["series"], r["instances"], r["errors"]) for r in rows] == [
        ("CT", 1, 1, 2, 3, 0), ("MR", 1, 1, 1, 1, 0)]
    assert sum(r["bytes"] for r in rows) == mixed.bytes


def set_times(archive, *seconds):
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        ids = [row[0] for row in db.execute("SELECT file_storage_metadata_dicom_id FROM file_storage_metadata_dicom ORDER BY 1")]
        for one, second in zip(ids, seconds):
            db.execute("UPDATE file_storage_metadata_dicom SET end_us = ? WHERE file_storage_metadata_dicom_id = ?", (second * 1000000, one))


def test_speed(mixed):  # MON-02, MON-03
    set_times(mixed, 100, 101, 103, 108)
    per_second = f"{mixed.bytes / 8 / 1024:.2f} Ko"
    assert mixed.manage("monitor", "speed").stdout == f"{per_second}/s\n"
    assert mixed.manage("monitor", "speed", "-d", "minimal").stdout == f"file/s \t: 0.50\nsize/s \t: {per_second}\n"
    assert mixed.manage("monitor", "speed", "-d", "full").stdout == f"file/s \t: 0.50\nsize/s \t: {per_second}\ntime\t: 8.00 s\n"
    assert json.loads(mixed.manage("monitor", "speed", "--json").stdout) == {
        "seconds": 8, "files_per_second": 0.5, "bytes_per_second": mixed.bytes / 8}


def test_speed_without_time_is_no_division_by_zero(mixed):  # B65
    set_times(mixed, 100, 100, 100, 100)
    assert mixed.manage("monitor", "speed").stdout == "n/a\n"
    assert mixed.manage("monitor", "speed", "-d", "full").stdout == "file/s \t: n/a\nsize/s \t: n/a\ntime\t: 0.00 s\n"
    assert json.loads(mixed.manage("monitor", "speed", "--json").stdout)["files_per_second"] is None


def test_nothing_stored(stopped_archive):
    for what in ("modality", "speed"):
        assert stopped_archive.manage("monitor", what).stdout == "No db entries founded\n"
    assert json.loads(stopped_archive.manage("monitor", "modality", "--json").stdout) == []


def test_usage(stopped_archive):
    assert stopped_archive.manage("monitor", check=False).returncode == 2
    assert stopped_archive.manage("monitor", "speed", "-d", "everything", check=False).returncode == 2
