# SPDX-License-Identifier: MIT
"""A disk that is full or may not be written: the sender hears A700, nothing is half there, and it goes on when there is room (DCM-21, STG-*).

The small disk is a tmpfs of its own, for which one must be root (or own a user namespace); else these tests are skipped.
"""
import contextlib
import copy
import os
import shutil
import subprocess

import pytest
from dimse import Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set
from part10 import read_folder
from programs import wait_until
from query import STUDY_ROOT, QueryClient

STUDY = 0x0020000D
MEGABYTE = 1 << 20
SIZE, BALLAST = 32, 8  # megabytes; the archive keeps 16 free for index and logs


@contextlib.contextmanager
def small_disk(folder, megabytes):
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", folder], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=20)


def send(association, megabytes=1):
    """(status, instance, data) of one object."""
    given = attributes()
    data = data_set({**given, 0x7FE00010: ("OB", os.urandom(megabytes * MEGABYTE))})
    return association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data), given["SOPInstanceUID"], data


def fill_up(archive):
    """Stores until it is refused: what was acknowledged."""
    association = Association(archive.port, timeout=60)
    kept = {}
    for _ in range(40):
        status, instance, data = send(association)
        if status:
            break
        kept[instance] = data
    assert status == 0xA700, f"{status:04X}"
    assert kept, "the disk was full from the start"
    assert send(association)[0] == 0xA700, "and again, on the same association"
    assert association.echo() == 0
    association.release()
    return kept


def in_index(archive):
    client = QueryClient(archive.port, STUDY_ROOT)
    answers, final = client.find("STUDY", {STUDY: ("UI", "")})
    client.release()
    assert final.status == 0
    return len(answers)


def assert_kept(archive, kept, data=None, temporary=None):
    stored = read_folder(data or archive.data)
    assert {instance: one.data for instance, one in stored.items()} == kept
    assert in_index(archive) == len(kept)
    temporary = temporary or archive.folder / ".tmp_data"
    wait_until(lambda: not [p for p in temporary.rglob("*") if p.is_file() and p.name not in ("lock", "claims")], 10, "temporary files go away")


def make_room(folder):
    """The ballast goes."""
    (folder / "ballast").unlink()


def test_objects_on_a_full_disk(stopped_archive, tmp_path):
    """Data and temporary files on a disk of their own; the index elsewhere."""
    with small_disk(tmp_path / "small", SIZE) as disk:
        (disk / "ballast").write_bytes(bytes(BALLAST * MEGABYTE))
        stopped_archive.set("fs.path", disk / "data")
        stopped_archive.set("tmp_path", disk / "tmp")
        archive = stopped_archive.start()
        kept = fill_up(archive)
        assert_kept(archive, kept, disk / "data", disk / "tmp")
        association = Association(archive.port, timeout=60)
        (disk / "ballast").write_bytes(bytes((BALLAST - 4) * MEGABYTE))
        assert send(association, SIZE - 8)[0] == 0xA700, "one that begins while there is room and does not fit"
        association.release()
        assert_kept(archive, kept, disk / "data", disk / "tmp")
        log = (archive.folder / "log/pacs.log").read_text()
        assert "A700" in log and str(disk) in log and "full" in log.lower()
        make_room(disk)
        association = Association(archive.port)
        status, instance, data = send(association)
        association.release()
        assert status == 0, "there is room again: no restart needed"
        kept[instance] = data
        assert_kept(archive, kept, disk / "data", disk / "tmp")
        archive.stop()
        archive.start()
        assert_kept(archive, kept, disk / "data", disk / "tmp")
        archive.stop()


def test_a_whole_archive_on_a_full_disk(stopped_archive, tmp_path):
    """Logs, index and objects on it: nothing that was acknowledged is lost, also over a restart on the full disk."""
    with small_disk(tmp_path / "small", SIZE) as disk:
        shutil.copytree(stopped_archive.folder, disk / "archive", symlinks=True)
        archive = copy.copy(stopped_archive)
        archive.folder = disk / "archive"
        (disk / "ballast").write_bytes(bytes(BALLAST * MEGABYTE))
        archive.start()
        try:
            kept = fill_up(archive)
            assert_kept(archive, kept)
            archive.kill()
            archive.start()
            assert_kept(archive, kept)
            make_room(disk)
            association = Association(archive.port)
            status, instance, data = send(association)
            association.release()
            assert status == 0
            kept[instance] = data
            assert_kept(archive, kept)
        finally:
            archive.stop()


def test_an_index_on_a_full_disk(stopped_archive, tmp_path):
    """The index cannot grow: A700, no file of it is left, and it goes on when there is room."""
    with small_disk(tmp_path / "small", 3) as disk:
        (disk / "ballast").write_bytes(bytes(MEGABYTE))
        stopped_archive.set("db.params.filepath", disk / "index.sqlite")
        archive = stopped_archive.start()
        association = Association(archive.port, timeout=60)
        kept = {}
        for _ in range(3000):
            given = attributes()
            data = data_set({**given, 0x00081030: ("LO", "x" * 60)})
            status = association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data)
            if status:
                break
            kept[given["SOPInstanceUID"]] = data
        assert status == 0xA700, f"{status:04X} after {len(kept)}"
        assert {instance: one.data for instance, one in read_folder(archive.data).items()} == kept
        make_room(disk)
        status, instance, data = send(association)
        assert status == 0, "there is room again: no restart needed"
        kept[instance] = data
        association.release()
        assert_kept(archive, kept)
        archive.stop()


def test_logs_on_a_full_disk(stopped_archive, tmp_path):
    """What cannot be logged stops nothing."""
    with small_disk(tmp_path / "small", 1) as disk:
        stopped_archive.set("log.path_folder", disk / "log")
        archive = stopped_archive.start()
        with open(disk / "ballast", "wb", buffering=0) as ballast:
            with contextlib.suppress(OSError):
                while ballast.write(bytes(4096)):
                    pass
        association = Association(archive.port, timeout=60)
        kept = {}
        for _ in range(50):
            status, instance, data = send(association)
            assert status == 0
            kept[instance] = data
        association.release()
        assert_kept(archive, kept)
        make_room(disk)
        association = Association(archive.port)
        assert send(association)[0] == 0
        association.release()
        archive.stop()
        assert any(path.stat().st_size for path in (disk / "log").glob("*.log")), "and it is logged again"


def test_get_onto_a_full_disk_fails_and_says_so(archive, tmp_path):
    """Our own client: objects that cannot be written are counted as failed, the exit code is not 0."""
    association = Association(archive.port)
    for _ in range(4):
        assert send(association)[0] == 0
    association.release()
    uids = "\\".join(sorted(one.text(STUDY) for one in read_folder(archive.data).values()))
    with small_disk(tmp_path / "small", 2) as disk:
        done = archive.manage("get", "127.0.0.1", archive.port, "-aec", archive.aet, "-stUID", uids, "-o", disk / "out", check=False)
        assert done.returncode == 1, done.stdout
        assert "space" in done.stderr.lower() or "full" in done.stderr.lower(), done.stderr
        left = list((disk / "out").rglob("*"))
        assert 1 <= len(left) < 4
        assert all(path.stat().st_size > MEGABYTE for path in left), "no half files"


def set_writable(disk, writable):
    subprocess.run(["mount", "-o", "remount,rw" if writable else "remount,ro", disk], check=True, timeout=20)


@contextlib.contextmanager
def read_only(folder):
    """Also for root, to whom modes are nothing: a read-only mount of the folder over itself."""
    if os.geteuid():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    done = subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        pytest.skip(f"no bind mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=20)


def test_a_start_on_a_read_only_disk_is_refused_with_the_reason(stopped_archive, tmp_path):
    """As a disk comes up after an error; and when it may be written again, all is there."""
    with small_disk(tmp_path / "small", SIZE) as disk:
        stopped_archive.set("fs.path", disk / "data")
        stopped_archive.set("tmp_path", disk / "tmp")
        archive = stopped_archive.start()
        association = Association(archive.port)
        status, instance, data = send(association)
        assert status == 0
        association.release()
        archive.stop()
        set_writable(disk, False)
        done = archive.manage("runserver", check=False, timeout=20)
        assert done.returncode == 1
        assert str(disk) in done.stderr and "ead-only" in done.stderr
        set_writable(disk, True)
        archive.start()
        assert_kept(archive, {instance: data}, disk / "data", disk / "tmp")
        archive.stop()


def test_an_archive_folder_that_may_not_be_written(stopped_archive):
    """Read-only as a whole: commands say which file cannot be written, and why; `-h` and `-v` work."""
    with read_only(stopped_archive.folder):
        assert "usage" in stopped_archive.manage("-h").stdout
        assert "sphere" in stopped_archive.manage("-v").stdout
        done = stopped_archive.manage("runserver", check=False, timeout=20)
        assert done.returncode == 1
        assert str(stopped_archive.folder) in done.stderr and ("ead-only" in done.stderr or "ermission" in done.stderr)
