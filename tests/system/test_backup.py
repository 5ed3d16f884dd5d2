# SPDX-License-Identifier: MIT
"""`manage backup` and `manage restore`: states of an archive, whole and checked; what a stop, a full disk and a damaged backup make of it."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading

import pytest
from programs import run
from test_rows_disk import read_only, small_disk

FEW = "1.2.826.0.1.3680043.10.1499.7"


def send(archive, *files):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, *files)


def backup(archive, target):
    return json.loads(archive.manage("backup", target, "--json").stdout)


def restore(archive, source, folder, code=0):
    done = archive.manage("restore", source, folder, "--json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and not path.relative_to(folder).as_posix().startswith(("log/", ".", "index.sqlite", "quarantine/", "trash/", "server.out"))}


def manage(folder, *words, **options):
    return run(folder / "manage", *words, **options)


def instances(folder):
    return sorted(manage(folder, "database", "find", "instance").stdout.split())


def test_there_and_back(archive, few, tmp_path):
    (archive.folder / "app/settings.yml").chmod(0o600)
    send(archive, few)
    done = backup(archive, tmp_path / "backups")
    copy = tmp_path / "backups" / done["backup"]
    lines = [json.loads(line) for line in (copy / "manifest.json").read_text().splitlines()]
    assert lines[0]["archive"] == str(archive.folder) and lines[-1] == {"end": True, "files": done["files"], "bytes": done["bytes"]}
    assert {line["path"] for line in lines[1:-1]} == {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()} - {"manifest.json"}
    assert done["copied"] == done["files"] and (copy / "app/settings.yml").stat().st_mode & 0o777 == 0o600
    archive.stop()
    back = tmp_path / "elsewhere/back"
    assert restore(archive, tmp_path / "backups", back)["files"] == done["files"]
    assert content(back) == content(archive.folder)
    assert instances(back) == instances(archive.folder) and len(instances(back)) == 4
    shutil.rmtree(archive.folder)
    assert json.loads(manage(back, "data", "verify", "--json").stdout)["summary"]["checked"] == 4, "nothing leads to where it was"
    back.rename(archive.folder)
    shutil.rmtree(tmp_path / "backups")
    manage(archive.folder, "data", "index")
    archive.start()
    run("getscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={FEW}", "-od", tmp_path, "-aec", archive.aet, "127.0.0.1", archive.port)


def test_only_what_is_new_is_copied(archive, few, tmp_path):
    send(archive, few / "11.dcm")
    first = backup(archive, tmp_path / "backups")
    send(archive, few)
    second = backup(archive, tmp_path / "backups")
    assert second["files"] == first["files"] + 3 and second["copied"] == 4, "three objects and the index"
    one, two = (next((tmp_path / "backups" / done["backup"]).rglob(f"{FEW}.1.1")) for done in (first, second))
    assert one.stat().st_ino == two.stat().st_ino
    archive.manage("data", "delete", "instance", f"{FEW}.1.1", "-f", "yes")
    third = backup(archive, tmp_path / "backups")
    assert third["files"] == second["files"] - 1 and one.exists()
    archive.stop()
    restore(archive, tmp_path / "backups" / first["backup"], tmp_path / "back")
    assert instances(tmp_path / "back") == [f"{FEW}.1.1"]
    restore(archive, tmp_path / "backups", tmp_path / "newest")
    assert f"{FEW}.1.1" not in instances(tmp_path / "newest") and len(instances(tmp_path / "newest")) == 3


def test_beside_senders(archive, few, tmp_path):
    send(archive, few)
    over = threading.Event()

    def work():
        while not over.is_set():
            send(archive, few)
            archive.manage("data", "delete", "series", f"{FEW}.2", "-f", "yes", check=False)

    sender = threading.Thread(target=work)
    sender.start()
    try:
        for _ in range(3):
            backup(archive, tmp_path / "backups")
    finally:
        over.set()
        sender.join()
    archive.stop()
    for copy in (tmp_path / "backups").iterdir():
        back = tmp_path / ("back" + copy.name)
        restore(archive, copy, back)
        assert manage(back, "data", "verify").returncode == 0
        assert {f"{FEW}.1.1", f"{FEW}.1.2"} <= set(instances(back))


def test_a_damaged_backup_is_found(archive, few, tmp_path):
    send(archive, few)
    copy = tmp_path / "backups" / backup(archive, tmp_path / "backups")["backup"]
    broken, lost = (next(copy.rglob(f"{FEW}.1.{i}")) for i in (1, 2))
    data = bytearray(broken.read_bytes())
    data[-5] ^= 1
    broken.write_bytes(data)
    lost.unlink()
    archive.stop()
    back = restore(archive, copy, tmp_path / "back", code=1)
    assert back["failed"] == 2
    assert instances(tmp_path / "back") == [f"{FEW}.2.1", f"{FEW}.2.2"]
    manage(tmp_path / "back", "data", "verify")
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text[:-30])
    done = archive.manage("restore", copy, tmp_path / "other", check=False)
    assert done.returncode == 1 and "no whole backup" in done.stderr and not (tmp_path / "other").exists()


def test_what_was_written_to_in_a_backup_is_copied_anew(archive, few, tmp_path):
    send(archive, few)
    first = tmp_path / "backups" / backup(archive, tmp_path / "backups")["backup"]
    broken = next(first.rglob(f"{FEW}.1.1"))
    with broken.open("r+b") as file:  # by accident, long ago: the same size, the same inode
        file.write(b"x")
    os.utime(broken, (10**9, 10**9))
    second = tmp_path / "backups" / backup(archive, tmp_path / "backups")["backup"]
    archive.stop()
    assert restore(archive, second, tmp_path / "back")["failed"] == 0
    assert restore(archive, first, tmp_path / "first", code=1)["failed"] == 1


def test_a_backup_without_an_index_is_indexed(archive, few, tmp_path):
    send(archive, few)
    copy = tmp_path / "backups" / backup(archive, tmp_path / "backups")["backup"]
    (copy / "index.sqlite").write_bytes(b"no index")
    archive.stop()
    assert restore(archive, copy, tmp_path / "back", code=1)["failed"] == 1
    assert len(instances(tmp_path / "back")) == 4


def test_what_is_there_stays(archive, few, tmp_path):
    send(archive, few)
    backup(archive, tmp_path / "backups")
    for folder in (archive.folder, few):
        before = content(folder)
        done = archive.manage("restore", tmp_path / "backups", folder, check=False)
        assert done.returncode == 1 and "not empty" in done.stderr
        assert content(folder) == before
    outside = tmp_path / "outside"
    archive.stop()
    archive.data.rename(outside)
    archive.set("fs.path", outside)
    archive.manage("data", "index", "--prune")
    shutil.rmtree(tmp_path / "backups")
    backup(archive, tmp_path / "backups")
    done = archive.manage("restore", tmp_path / "backups", tmp_path / "back", check=False)
    assert done.returncode == 1 and f"{outside} is not empty" in done.stderr


def test_a_target_in_the_archive_is_refused(stopped_archive):
    (stopped_archive.folder / "data").mkdir(exist_ok=True)
    done = stopped_archive.manage("backup", stopped_archive.folder / "data/backups", check=False)
    assert done.returncode == 1 and "in one another" in done.stderr
    assert stopped_archive.manage("restore", "/nothing/here", stopped_archive.folder / "x", check=False).returncode == 1


def test_a_full_disk_and_the_next_run(archive, few, tmp_path):
    send(archive, few)
    with small_disk(tmp_path / "small", 1) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 700000)
        done = archive.manage("backup", disk / "backups", check=False)
        assert done.returncode == 1 and "No space left" in done.stderr and str(disk) in done.stderr
        assert [path.name for path in (disk / "backups").iterdir()] == [".unfinished"]
        assert archive.manage("restore", disk / "backups", tmp_path / "back", check=False).returncode == 1
        done = archive.manage("restore", disk / "backups", tmp_path / "back", check=False)
        assert "there is no backup" in done.stderr
    with small_disk(tmp_path / "small", 8) as disk:
        (disk / "ballast").write_bytes(b"x" * 7900000)
        assert archive.manage("backup", disk / "backups", check=False).returncode == 1
        (disk / "ballast").unlink()
        backup(archive, disk / "backups")
        assert not (disk / "backups/.unfinished").exists()
        shutil.copytree(disk / "backups", tmp_path / "backups")
    archive.stop()
    with small_disk(tmp_path / "small", 8) as disk:
        (disk / "ballast").write_bytes(b"x" * 7900000)
        back = disk / "back"
        done = archive.manage("restore", tmp_path / "backups", back, check=False)
        assert done.returncode == 1 and "No space left" in done.stderr
        (disk / "ballast").unlink()
        assert (back / ".restoring").exists()
        restore(archive, tmp_path / "backups", back)
        assert len(instances(back)) == 4 and not (back / ".restoring").exists()


def test_a_target_that_may_not_be_written(archive, tmp_path):
    (tmp_path / "ro").mkdir()
    with read_only(tmp_path / "ro"):
        for target in (tmp_path / "ro", tmp_path / "ro/backups"):
            done = archive.manage("backup", target, check=False)
            assert done.returncode == 1 and "ead-only" in done.stderr and str(tmp_path / "ro") in done.stderr


def test_killed_it_goes_on(archive, few, tmp_path):
    send(archive, few)
    for wait in (0.005, 0.02, 0.04):
        process = subprocess.Popen([archive.folder / "manage", "backup", tmp_path / "backups"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(30)
    for path in (tmp_path / "backups/.unfinished").rglob(f"{FEW}.*"):
        if path.is_file():
            path.write_bytes(b"\0" * path.stat().st_size)  # as after a power cut
    backup(archive, tmp_path / "backups")
    archive.stop()
    restore(archive, tmp_path / "backups", tmp_path / "back")
    assert content(tmp_path / "back") == content(archive.folder)
    with sqlite3.connect(tmp_path / "back/index.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("words", [["backup"], ["restore", "x"], ["restore"]])
def test_usage(stopped_archive, words):
    assert stopped_archive.manage(*words, check=False).returncode == 2
