# SPDX-License-Identifier: MIT
"""The commands and the services of an archive whose index is a real PostgreSQL."""
import json

import pytest
from archive import Archive
from postgres import AVAILABLE, PASSWORD
from programs import run

FEW = "1.2.826.0.1.3680043.10.1499.7"
pytestmark = pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")


@pytest.fixture
def pg(postgres, stopped_archive):
    """An archive on a schema of its own that has a table of somebody else's, too."""
    postgres.sql("DROP SCHEMA IF EXISTS my_schema CASCADE")
    postgres.sql("CREATE SCHEMA my_schema")
    postgres.sql("CREATE TABLE my_schema.invoices (amount integer)")
    postgres.sql("INSERT INTO my_schema.invoices VALUES (7)")
    return postgres.use(stopped_archive, "my_schema")


def test_create_drop_and_what_is_not_ours(pg, postgres, few):  # DBC-01, DBC-02, B15
    pg.manage("database", "create")
    assert "study" in postgres.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'my_schema'")
    pg.manage("data", "index", "-d", few)
    assert postgres.sql("SELECT study_uid FROM my_schema.study") == [FEW]
    pg.manage("database", "drop", "-f", "yes")
    assert postgres.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'my_schema'") == ["invoices"]
    assert postgres.sql("SELECT amount FROM my_schema.invoices") == ["7"]
    pg.manage("database", "clean", "-f", "yes")
    assert postgres.sql("SELECT count(*) FROM my_schema.study") == ["0"]


def test_index_find_check_and_monitor(pg, few, tmp_path):
    done = json.loads(pg.manage("data", "index", "-d", few, "--json").stdout)
    assert (done["added"], done["failed"]) == (4, 0)
    assert json.loads(pg.manage("data", "index", "-d", few, "--json").stdout)["known"] == 4
    assert pg.manage("database", "find", "study").stdout == f"{FEW}\n"
    assert sorted(pg.manage("database", "find", "series", "-a", "modality", "-V", "OT").stdout.split()) == [f"{FEW}.1", f"{FEW}.2"]
    assert len(pg.manage("database", "find", "instance", "-a", "patientID", "-V", "FEW").stdout.split()) == 4
    assert "- N instances\t\t: 4" in pg.manage("database", "find", "patient", "-V", FEW, "-d", "full").stdout
    (tmp_path / "keys").write_text(f"{FEW}\n1.2.3\n")
    assert pg.manage("database", "check", "study", tmp_path / "keys", "-m", "detailled").stdout == f"{FEW},1\n1.2.3,0\n"
    rows = json.loads(pg.manage("monitor", "modality", "--json").stdout)
    assert rows[0]["instances"] == 4
    pg.manage("monitor", "speed", "-d", "full")
    assert "4 of 4 rows" in pg.manage("database", "migrate", "--again").stderr


def test_store_query_delete_undo(pg, few):
    pg.start()
    run("dcmsend", "+sd", "-aec", pg.aet, "127.0.0.1", pg.port, few)

    def found():
        return "is 1" in pg.manage("find", "127.0.0.1", pg.port, "-aec", pg.aet, "-stUID", FEW).stdout
    assert found()
    batch = json.loads(pg.manage("data", "delete", "study", FEW, "-f", "yes", "--json").stdout)["batch"]
    assert not found() and not pg.files()
    pg.manage("data", "undelete", batch)
    assert found() and len(pg.files()) == 4


def test_lists_of_studies(pg, postgres, tmp_path):
    (tmp_path / "list").write_text(f"{FEW}\n")
    pg.manage("data", "index_study", tmp_path / "list", "2026-02-28")
    assert postgres.sql("SELECT study_uid, id_list, d_load FROM my_schema.study_list") == [f"{FEW}|1|2026-02-28"]


def test_a_database_that_is_away_is_told_without_the_password(pg, postgres):
    pg.set("db.params.port", 1)
    done = pg.manage("database", "find", "study", check=False)
    assert done.returncode == 1 and "127.0.0.1" in done.stderr
    logs = "".join(p.read_text(errors="replace") for p in (pg.folder / "log").glob("*.log"))
    assert PASSWORD not in done.stderr + logs and "Se'cret" not in done.stderr + logs


def test_two_servers_on_one_schema(pg, postgres, few, tmp_path):  # DB-13
    (tmp_path / "second").mkdir()
    other = postgres.use(Archive(tmp_path / "second", aet="SECOND"), "my_schema")
    pg.start()
    other.start()
    try:
        run("dcmsend", "+sd", "-aec", pg.aet, "127.0.0.1", pg.port, few / "11.dcm", few / "12.dcm")
        run("dcmsend", "+sd", "-aec", "SECOND", "127.0.0.1", other.port, few / "21.dcm", few / "22.dcm")
        for one in (pg, other):
            assert len(one.manage("database", "find", "instance").stdout.split()) == 4
        assert postgres.sql("SELECT count(*) FROM my_schema.study") == ["1"]
    finally:
        other.stop()
