# SPDX-License-Identifier: MIT
"""The index heals itself: lost or emptied, it is filled again while the server works. Rows whose file is gone go when they are told to."""
import json

import pytest
from postgres import AVAILABLE, Postgres
from programs import run, wait_until

FEW = "1.2.826.0.1.3680043.10.1499.7"


def send(archive, *files):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, *files)


def found(archive):
    return archive.manage("database", "find", "instance").stdout.split()


def log(archive):
    return (archive.folder / "log/pacs.log").read_text(errors="replace")


def until_complete(archive, times):
    wait_until(lambda: log(archive).count("the index is complete") == times, 30, "the index is complete")


def fetched(archive, folder):
    archive.manage("get", "127.0.0.1", archive.port, "-aec", archive.aet, "-stUID", FEW, "-o", folder)
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_deleted_index_comes_again(stopped_archive, few, tmp_path):
    archive = stopped_archive.start()
    send(archive, few)
    archive.stop()
    for path in archive.folder.glob("index.sqlite*"):
        path.unlink()
    archive.start()
    until_complete(archive, 1)
    assert "4 files seen, 4 added" in log(archive)
    assert len(found(archive)) == 4
    assert len(fetched(archive, tmp_path / "out")) == 4
    archive.stop()
    archive.start()
    archive.stop()
    assert log(archive).count("is not known to have all objects") == 1, "once is enough"


@pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
def test_an_emptied_schema_is_filled_again(stopped_archive, few, tmp_path):
    postgres = Postgres()
    try:
        postgres.sql("CREATE SCHEMA heal")
        archive = postgres.use(stopped_archive, "heal").start()
        send(archive, few)
        archive.stop()
        postgres.sql("DROP SCHEMA heal CASCADE")
        postgres.sql("CREATE SCHEMA heal")
        archive.start()
        until_complete(archive, 1)
        assert len(fetched(archive, tmp_path / "out")) == 4
        archive.stop()
        postgres.sql("TRUNCATE heal.file_storage_metadata_dicom, heal.series, heal.study, heal.patient, heal.term CASCADE")
        archive.start()
        until_complete(archive, 2)
        assert len(found(archive)) == 4
        archive.stop()
    finally:
        postgres.remove()


def test_prune(archive, few):
    send(archive, few)
    gone = next(path for path in archive.files() if path.name.endswith(".1.2"))
    gone.unlink()
    plain = json.loads(archive.manage("data", "index", "--json").stdout)
    assert "gone" not in plain and len(found(archive)) == 4, "never without the flag"
    dry = archive.manage("data", "index", "--prune", "--dry-run").stdout
    assert f"{FEW}.1.2 {gone}" in dry and "1 rows of files that are gone, 0 taken" in dry
    assert len(found(archive)) == 4
    done = json.loads(archive.manage("data", "index", "--prune", "--json").stdout)
    assert (done["known"], done["gone"], done["pruned"], done["failed"]) == (3, 1, 1, 0)
    assert sorted(found(archive)) == [f"{FEW}.1.1", f"{FEW}.2.1", f"{FEW}.2.2"]


def test_prune_is_refused_where_it_makes_no_sense(archive, few):
    assert archive.manage("data", "index", "--dry-run", check=False).returncode == 2
    assert archive.manage("data", "index", "--prune", "-d", few, check=False).returncode == 1
    send(archive, few)
    archive.data.rename(archive.folder / "elsewhere")
    archive.data.mkdir()
    done = archive.manage("data", "index", "--prune", check=False)
    assert done.returncode == 1 and "mounted" in done.stderr
    assert len(found(archive)) == 4
