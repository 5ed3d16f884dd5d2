# SPDX-License-Identifier: MIT
"""`data verify`, the scrub, `backup` and `restore` of an archive whose index is a real PostgreSQL; and such a server, confined, over a Unix socket."""
import hashlib
import shutil
import time

import pytest
from postgres import AVAILABLE
from programs import SANITIZED, run, wait_until
from test_backup import backup, content, instances, manage, restore
from test_hardening import said, status
from test_verify import FEW, break_some, flip, path_of, send, verify

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")


@pytest.fixture
def pg(postgres, stopped_archive, few):
    """A running archive with four objects, its index in a schema of its own."""
    postgres.sql("DROP SCHEMA IF EXISTS care CASCADE")
    postgres.sql("CREATE SCHEMA care")
    archive = postgres.use(stopped_archive, "care").start()
    send(archive, few)
    return archive


def test_findings_and_their_repair(pg, few):
    assert verify(pg)[0] == []
    break_some(pg)
    expected = [("damaged", f"{FEW}.1.2"), ("missing", f"{FEW}.1.1"), ("wrong_place", f"{FEW}.2.1"), ("wrong_size", f"{FEW}.2.2")]
    assert verify(pg, code=1)[0] == [(*one, False) for one in expected]
    assert verify(pg, "series", f"{FEW}.1", code=1)[0] == [("damaged", f"{FEW}.1.2", False), ("missing", f"{FEW}.1.1", False)]
    assert verify(pg, "--repair", code=1)[0] == [(*one, True) for one in expected]
    assert instances(pg.folder) == [f"{FEW}.2.1"] and verify(pg)[0] == []
    send(pg, few)
    assert verify(pg)[0] == [] and len(pg.files()) == 4


def test_files_without_rows_and_rows_without_files(pg, postgres):
    postgres.sql(f"DELETE FROM care.file_storage_metadata_dicom WHERE instance_uid = '{FEW}.1.1'")
    path_of(pg, f"{FEW}.2.1").unlink()
    found, _ = verify(pg, code=1)
    assert [(kind, uid) for kind, uid, _ in found if uid == f"{FEW}.2.1"] == [("missing", f"{FEW}.2.1")] and len(found) == 2
    verify(pg, "--repair", code=1)
    assert verify(pg)[0] == [] and instances(pg.folder) == [f"{FEW}.1.1", f"{FEW}.1.2", f"{FEW}.2.2"]


def test_a_scrub_in_the_server(pg):
    pg.stop()
    flip(path_of(pg, f"{FEW}.1.2"))
    pg.set("scrub_rate", 100)
    pg.start()
    wait_until(lambda: "scrub: done, 4 objects read, 1 findings" in said(pg), 30, "the scrub is done")
    assert f"scrub: damaged: object {FEW}.1.2" in said(pg) and len(instances(pg.folder)) == 4


def test_sealed_when_it_is_quiet(pg, postgres):
    pg.stop()
    pg.set("seal_after", 0.2)
    pg.start()
    real = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in pg.files())
    rows = "SELECT encode(sha256, 'hex') FROM care.file_storage_metadata_dicom"
    wait_until(lambda: sorted(postgres.sql(rows)) == real, 30, "the objects are sealed")
    assert verify(pg)[0] == []
    pg.stop()
    postgres.sql("UPDATE care.file_storage_metadata_dicom SET sha256 = decode(repeat('00', 32), 'hex')")
    gone = pg.files()[0]
    gone.rename(pg.folder / "gone")
    pg.start()
    wait_until(lambda: len([row for row in postgres.sql(rows) if row.strip("0")]) == len(real) - 1, 30, "the others are sealed")
    time.sleep(4)  # what looks wrong is looked at again after two seconds
    assert "seal:" not in said(pg), "it may be another server's"
    (pg.folder / "gone").rename(gone)


def test_backup_there_and_back(pg, postgres, few, tmp_path):
    """The files, each with its checksum; the schema is copied by PostgreSQL's own tools, or made again from them."""
    first = backup(pg, tmp_path / "backups")
    second = backup(pg, tmp_path / "backups")
    assert second["files"] == first["files"] and second["copied"] == 0, "nothing is new"
    copy = tmp_path / "backups" / first["backup"]
    assert not list(copy.glob("index*"))
    pg.stop()
    kept = content(pg.folder)
    shutil.rmtree(pg.folder)
    back = tmp_path / "back"
    assert restore(pg_of(back, pg), tmp_path / "backups", back)["files"] == first["files"]
    assert content(back) == kept
    manage(back, "data", "index")
    assert instances(back) == [f"{FEW}.{series}.{number}" for series in (1, 2) for number in (1, 2)]
    assert "0 findings" in manage(back, "data", "verify").stdout, "rows lead to where the files are now"
    shutil.rmtree(back)
    broken = next((tmp_path / "backups" / second["backup"]).rglob(f"{FEW}.1.1"))
    flip(broken)
    assert restore(pg_of(back, pg), tmp_path / "backups", back, code=1)["failed"] == 1
    shutil.rmtree(back)


class pg_of:
    """`manage` of an archive that is gone is gone, too: restoring is done by the program itself."""

    def __init__(self, folder, archive):
        self.program = archive.bin / "manage"
        if not self.program.exists():
            self.program.symlink_to((archive.bin / "sphere-admin").resolve())

    def manage(self, *words, **options):
        return run(self.program, *words, **options)


@pytest.mark.skipif(SANITIZED, reason="sanitizers need what would be taken")
def test_a_confined_server_reaches_it_by_its_socket(pg, postgres, few):
    pg.stop()
    pg.set("db.params.ip", postgres.folder)
    pg.set("confine", "require")
    pg.start()
    assert status(pg.server.pid)["Seccomp"] == "2"
    pg.manage("find", "127.0.0.1", pg.port, "-aec", pg.aet, "-l", "STUDY", "-stUID", FEW)
    send(pg, few)
    postgres.crash()
    send(pg, few)
    postgres.start()
    wait_until(lambda: pg.manage("find", "127.0.0.1", pg.port, "-aec", pg.aet, "-l", "STUDY", "-stUID", FEW, check=False).returncode == 0, 60,
               "the database is there again")
    assert len(instances(pg.folder)) == 4 and "confined: writes below its own folders only" in said(pg)
