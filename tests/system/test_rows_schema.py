# SPDX-License-Identifier: MIT
"""Tables, views, times and figures that other programs' SQL reads (spec rows DB-01 to DB-18, STG-01 to STG-05), on both databases."""
import datetime
import sqlite3
import threading

import pytest
from archive import Archive
from make_dicom import make, make_image, uid
from postgres import AVAILABLE, Postgres
from programs import ENVIRONMENT, run
from query import STUDY_ROOT, QueryClient
from test_rows_query import MODALITY, SERIES, store, text

FEW = "1.2.826.0.1.3680043.10.1499.7"
TOKYO = {"TZ": "Asia/Tokyo"}  # nine hours from UTC, all the year

TIMES = {"d8ins": "timestamp", "d8maj": "timestamp", "d8del": "timestamp"}
# {table: {column: type, with * where it may not be null}}
TABLES = {
    "patient": {**TIMES, "patient_uid": "varchar(64)*", "patient_name": "varchar(128)", "patient_sex": "varchar(64)",
                "patient_birth_date": "varchar(64)", "patient_id": "bigint*"},
    "study": {**TIMES, "study_uid": "varchar(64)*", "patient_uid": "varchar(64)*", "date_study": "varchar(10)", "institution_name": "varchar(256)",
              "accession_number": "varchar(256)", "protocol_name": "varchar(512)", "study_description": "varchar(512)", "study_id": "bigint*",
              "patient_id": "bigint"},
    "series": {**TIMES, "series_uid": "varchar(64)*", "study_uid": "varchar(64)*", "patient_uid": "varchar(64)*", "modality": "varchar(10)",
               "manufacturer": "varchar(256)", "manufacturer_model_name": "varchar(256)", "body_part_examined": "varchar(256)",
               "series_date": "varchar(256)", "station_name": "varchar(256)", "series_description": "varchar(512)",
               "dt_first_insertion": "timestamp", "dt_completion": "timestamp", "series_id": "bigint*", "study_id": "bigint", "patient_id": "bigint"},
    "file_storage_metadata_dicom": {**TIMES, "storage_method": "varchar(64)*", "file_path": "varchar(512)*", "filesize": "bigint*",
                                    "storage_status": "integer*", "dt_deb_storage": "timestamp", "dt_end_storage": "timestamp",
                                    "instance_uid": "varchar(64)*", "series_uid": "varchar(64)*", "study_uid": "varchar(64)*",
                                    "patient_uid": "varchar(64)*", "file_storage_metadata_dicom_id": "bigint*", "series_id": "bigint",
                                    "study_id": "bigint", "patient_id": "bigint"},
    "study_list": {**TIMES, "ids": "bigint*", "study_uid": "varchar(64)*", "id_list": "integer*", "d_load": "varchar(16)*"},
    "mapping_annotation": {**TIMES, "mapping_annotation_id": "bigint*", "uid_dicom_source": "varchar(64)*", "level_dicom_source": "varchar(16)*",
                           "uid_annotation": "varchar(64)*", "file_storage_metadata_dicom_id": "bigint"},
    "file_storage_metadata_annotation": {**TIMES, "uid_annotation": "varchar(64)*", "uid_dicom_source": "varchar(64)*", "storage_method": "varchar(64)*",
                                         "dt_deb_storage": "timestamp", "dt_end_storage": "timestamp", "storage_status": "integer*",
                                         "filesize": "bigint*", "file_path": "varchar(512)*"},
}
VIEWS = {"tools_modality": ["modality", "sum_patient", "sum_studies", "sum_series", "sum_instance", "size", "sum_error"],
         "tools_speed": ["time", "file", "size"]}
# Here links to parents are never null, and paths may be longer.
WIDER = {("study", "patient_id"): "bigint*", ("series", "study_id"): "bigint*", ("series", "patient_id"): "bigint*",
         ("file_storage_metadata_dicom", "series_id"): "bigint*", ("file_storage_metadata_dicom", "study_id"): "bigint*",
         ("file_storage_metadata_dicom", "patient_id"): "bigint*", ("file_storage_metadata_dicom", "file_path"): "varchar(4096)*",
         ("file_storage_metadata_annotation", "file_path"): "varchar(4096)*"}


class Sqlite:
    schema = ""

    def __init__(self, archive):
        self.archive = archive

    def sql(self, statement):
        with sqlite3.connect(self.archive.folder / "index.sqlite") as db:
            rows = db.execute(statement).fetchall()
        return ["|".join("" if value is None else str(value) for value in row) for row in rows]

    def columns(self, table):
        """INTEGER is what SQLite calls every whole number, and a key is never null."""
        out = {}
        for line in self.sql(f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')"):
            name, kind, never_null, key = line.split("|")
            kind = "bigint" if key != "0" else kind.lower()
            out[name] = kind + ("*" if never_null == "1" or key != "0" else "")
        return out


class PostgresSchema:
    schema = "my_schema."

    def __init__(self, server):
        self.server = server

    def sql(self, statement):
        return self.server.sql(f"SET search_path TO my_schema; {statement}")[1:]

    def columns(self, table):
        out = {}
        for line in self.sql("SELECT column_name, data_type, coalesce(character_maximum_length, 0), is_nullable FROM information_schema.columns "
                             f"WHERE table_schema = 'my_schema' AND table_name = '{table}'"):
            name, kind, length, nullable = line.split("|")
            kind = {"character varying": f"varchar({length})", "timestamp without time zone": "timestamp"}.get(kind, kind)
            out[name] = kind + ("" if nullable == "YES" else "*")
        return out


@pytest.fixture(scope="module")
def postgres():
    server = Postgres() if AVAILABLE else None
    yield server
    if server:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, postgres, stopped_archive):
    """The database of an archive, as one who has only its SQL sees it."""
    if request.param == "sqlite":
        return Sqlite(stopped_archive)
    if not AVAILABLE:
        pytest.skip("PostgreSQL's programs are not installed")
    postgres.sql("DROP SCHEMA IF EXISTS my_schema CASCADE")
    postgres.sql("CREATE SCHEMA my_schema")
    postgres.use(stopped_archive, "my_schema")
    return PostgresSchema(postgres)


def near(moment, other, seconds=300):
    return abs((datetime.datetime.fromisoformat(moment) - other).total_seconds()) < seconds


def utc():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


# -- tables and views --

@pytest.mark.parametrize("table", TABLES)
def test_columns_and_their_types(database, stopped_archive, table):  # DB-03 to DB-07
    stopped_archive.manage("database", "create")
    there = database.columns(table)
    for column, kind in TABLES[table].items():
        allowed = {kind, WIDER.get((table, column), kind)} | ({kind.replace("bigint", "integer")} if isinstance(database, Sqlite) else set())
        assert there.get(column) in allowed, f"{table}.{column}"


def test_keys(database, stopped_archive):  # DB-10
    stopped_archive.manage("database", "create")
    if isinstance(database, Sqlite):
        unique = database.sql("SELECT m.tbl_name, (SELECT group_concat(name) FROM pragma_index_info(l.name)) FROM sqlite_schema m "
                              "JOIN pragma_index_list(m.tbl_name) l WHERE m.type = 'table' AND l.\"unique\" AND l.origin <> 'pk'")
        foreign = database.sql("SELECT m.name, f.\"from\", f.\"table\" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f "
                               "WHERE m.type = 'table'")
    else:
        unique = database.sql("SELECT c.relname, string_agg(a.attname, ',' ORDER BY array_position(i.indkey::smallint[], a.attnum)) FROM pg_index i "
                              "JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
                              "WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'my_schema'::regnamespace GROUP BY i.indexrelid, c.relname")
        foreign = database.sql("SELECT c.conrelid::regclass, a.attname, c.confrelid::regclass FROM pg_constraint c JOIN pg_attribute a "
                               "ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f' "
                               "AND c.connamespace = 'my_schema'::regnamespace")
    assert {"patient|patient_uid", "study|study_uid,patient_id", "series|series_uid,study_id", "file_storage_metadata_dicom|instance_uid",
            "mapping_annotation|uid_annotation"} <= set(unique)
    assert {"study|patient_id|patient", "series|study_id|study", "file_storage_metadata_dicom|series_id|series",
            "mapping_annotation|file_storage_metadata_dicom_id|file_storage_metadata_dicom"} <= set(foreign)


def test_views(database, stopped_archive, few):  # DB-15, DB-16
    stopped_archive.manage("database", "create")
    for view, columns in VIEWS.items():
        assert database.sql(f"SELECT * FROM {database.schema}{view}") == [], "nothing is stored, and nothing is divided by it"
        if not isinstance(database, Sqlite):
            assert list(database.columns(view)) == columns
    stopped_archive.manage("data", "index", "-d", few)
    assert database.sql(f"SELECT {','.join(VIEWS['tools_modality'])} FROM {database.schema}tools_modality") == [
        f"OT|1|1|2|4|{sum(p.stat().st_size for p in few.iterdir())}|0"]
    assert len(database.sql(f"SELECT {','.join(VIEWS['tools_speed'])} FROM {database.schema}tools_speed")) == 1


EXISTING = [  # SQL as a user of SPHERE has it; {s} is the schema
    ("SELECT study_uid FROM {s}study", [FEW]),
    ("SELECT count(*) FROM {s}patient WHERE patient_uid = 'FEW' AND patient_name LIKE 'Few%'", ["1"]),
    ("SELECT count(*) FROM {s}file_storage_metadata_dicom f JOIN {s}series s ON f.series_id = s.series_id WHERE s.modality = 'OT'", ["4"]),
    ("SELECT p.patient_uid, t.study_uid, count(f.instance_uid) FROM {s}patient p JOIN {s}study t ON t.patient_id = p.patient_id "
     "JOIN {s}series s ON s.study_id = t.study_id JOIN {s}file_storage_metadata_dicom f ON f.series_id = s.series_id "
     "GROUP BY p.patient_uid, t.study_uid", [f"FEW|{FEW}|4"]),
    ("SELECT count(*) FROM {s}file_storage_metadata_dicom WHERE storage_status = 0 AND patient_id IN (SELECT patient_id FROM {s}patient) "
     "AND study_id IN (SELECT study_id FROM {s}study)", ["4"]),
    ("SELECT study_uid, count(DISTINCT series_uid), sum(filesize) > 0 FROM {s}file_storage_metadata_dicom GROUP BY study_uid", [f"{FEW}|2|"]),
    ("SELECT study_uid FROM {s}study WHERE date_study >= '20260101' AND date_study < '20270101' AND d8del IS NULL", [FEW]),
    ("SELECT study_uid, id_list, d_load FROM {s}study_list WHERE id_list = (SELECT max(id_list) FROM {s}study_list)", [f"{FEW}|1|2026-02-28"]),
    ("SELECT modality, sum_instance FROM {s}tools_modality", ["OT|4"]),
]


def test_existing_sql(database, stopped_archive, few, tmp_path):
    stopped_archive.manage("data", "index", "-d", few)
    (tmp_path / "list").write_text(f"{FEW}\n")
    stopped_archive.manage("data", "index_study", tmp_path / "list", "2026-02-28")
    for statement, rows in EXISTING:
        found = database.sql(statement.format(s=database.schema))
        assert len(found) == len(rows) and all(got.startswith(want) for got, want in zip(found, rows)), statement
    whole = database.sql(f"SELECT * FROM {database.schema}study")
    assert len(whole) == 1 and FEW in whole[0]


# -- what is in the rows --

def test_times_of_rows(database, stopped_archive, few):  # DB-07, DB-09, STG-04
    """Times of rows are UTC; those of writing the file are local, as they always were."""
    env = {**ENVIRONMENT, **TOKYO}
    stopped_archive.manage("data", "index", "-d", few, "-rm", "yes", env=env)
    for table in ("patient", "study", "series", "file_storage_metadata_dicom"):
        for line in database.sql(f"SELECT d8ins, d8maj, d8del FROM {table}"):
            inserted, changed, deleted = line.split("|")
            assert near(inserted, utc()) and (changed, deleted) == ("", ""), table
    for line in database.sql("SELECT dt_first_insertion, dt_completion FROM series"):
        first, last = line.split("|")
        assert near(first, utc()) and first <= last
    for line in database.sql("SELECT dt_deb_storage, dt_end_storage FROM file_storage_metadata_dicom"):
        began, ended = line.split("|")
        assert near(ended, utc() + datetime.timedelta(hours=9)) and began <= ended
    before = database.sql("SELECT dt_first_insertion, dt_completion FROM series WHERE series_uid = '" + f"{FEW}.1'")[0].split("|")
    make_image(few / "13.dcm", PatientID="FEW", PatientName="Few^Images", StudyInstanceUID=FEW, SeriesInstanceUID=f"{FEW}.1",
               SOPInstanceUID=f"{FEW}.1.3", SeriesNumber=1, InstanceNumber=3)
    stopped_archive.manage("data", "index", "-d", few, env=env)
    after = database.sql("SELECT dt_first_insertion, dt_completion FROM series WHERE series_uid = '" + f"{FEW}.1'")[0].split("|")
    assert after[0] == before[0] and after[1] > before[1], "completion moves on with the last object"


def test_what_is_sent_again_updates_its_row(database, stopped_archive):  # DB-07, DB-14
    stopped_archive.start()
    one = dict(PatientID="AGAIN", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(2), SOPInstanceUID=uid(3))
    store(stopped_archive, dict(one, StudyDescription="first"))
    inserted = database.sql("SELECT d8ins, d8maj FROM study")[0].split("|")
    store(stopped_archive, dict(one, StudyDescription="second, and longer"))
    description, again, changed = database.sql("SELECT study_description, d8ins, d8maj FROM study")[0].split("|")
    assert (description, again) == ("second, and longer", inserted[0]) and inserted[1] == ""
    assert near(changed, utc()) and changed >= again
    [path] = stopped_archive.files()
    assert database.sql("SELECT count(*), min(filesize) FROM file_storage_metadata_dicom") == [f"1|{path.stat().st_size}"]
    stopped_archive.stop()


def test_where_an_object_is(database, stopped_archive):  # STG-01, STG-02, STG-04
    stopped_archive.start()
    store(stopped_archive, dict(PatientID="PLACE", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(2), SOPInstanceUID=uid(3)))
    [path] = stopped_archive.files()
    assert path == stopped_archive.data / "PLACE" / uid(1) / uid(2) / uid(3)
    assert stopped_archive.unfinished() == []
    assert database.sql("SELECT storage_method, storage_status, file_path, filesize, instance_uid, series_uid, study_uid, patient_uid "
                        "FROM file_storage_metadata_dicom") == [
        f"FS|0|{path}|{path.stat().st_size}|{uid(3)}|{uid(2)}|{uid(1)}|PLACE"]
    stopped_archive.stop()


def test_a_series_without_modality(database, stopped_archive, tmp_path):  # DB-18
    make(tmp_path / "in/1.dcm", PatientID="NONE", Modality=None)
    stopped_archive.manage("data", "index", "-d", tmp_path / "in")
    assert database.sql("SELECT modality FROM series") == ["Unknown"]
    assert database.sql("SELECT modality, sum_instance FROM tools_modality") == ["Unknown|1"]
    stopped_archive.start()
    client = QueryClient(stopped_archive.port, STUDY_ROOT)
    [answer], _ = client.find("SERIES", {SERIES: ("UI", ""), MODALITY: ("CS", "")})
    assert text(answer[MODALITY]) == "", "a peer is told what the object says"
    assert client.find("SERIES", {SERIES: ("UI", ""), MODALITY: ("CS", "Unknown")})[0] == []
    client.release()
    stopped_archive.stop()


# -- the pool --

@pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
@pytest.mark.parametrize("size, more", [(2, 2), (1, 0)])
def test_the_pool_settings_bound_the_connections(postgres, stopped_archive, few, size, more):  # DB-17
    postgres.sql("DROP SCHEMA IF EXISTS my_schema CASCADE")
    archive = postgres.use(stopped_archive, "my_schema")
    archive.set("db.engine_pool_size", size)
    archive.set("db.engine_pool_overflow", more)
    archive.set("db.engine_pool_timeout", 60)
    archive.manage("data", "index", "-d", few)
    archive.start()
    most, over = [0], threading.Event()

    def count():
        return int(postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'gantry' AND pid <> pg_backend_pid() "
                                "AND backend_type = 'client backend'")[0])

    def watch():
        while not over.is_set():
            most[0] = max(most[0], count())

    def ask(failures):
        client = QueryClient(archive.port, STUDY_ROOT)
        for _ in range(20):
            answers, final = client.find("SERIES", {SERIES: ("UI", "")})
            if (len(answers), final.status) != (2, 0):
                failures.append(final.status)
        client.release()
    failures = []
    watcher, askers = threading.Thread(target=watch), [threading.Thread(target=ask, args=(failures,)) for _ in range(8)]
    watcher.start()
    for one in askers:
        one.start()
    for one in askers:
        one.join()
    left = count()
    over.set()
    watcher.join()
    assert failures == []
    assert 1 <= most[0] <= size + more + 1, "the readers, and the one that writes"
    assert left <= size + 1, "only the pool's own are kept"
    archive.stop()


def test_two_servers_on_one_sqlite_index(stopped_archive, tmp_path, few):  # DB-02, DB-13
    """Each finds what the other stores."""
    other_folder = tmp_path / "second"
    other_folder.mkdir()
    other = Archive(other_folder, aet="SECOND")
    other.set("db.params.filepath", stopped_archive.folder / "index.sqlite")
    stopped_archive.start()
    other.start()
    try:
        run("dcmsend", "-aec", stopped_archive.aet, "127.0.0.1", stopped_archive.port, few / "11.dcm", few / "12.dcm")
        run("dcmsend", "-aec", "SECOND", "127.0.0.1", other.port, few / "21.dcm", few / "22.dcm")
        for one in (stopped_archive, other):
            client = QueryClient(one.port, STUDY_ROOT)
            assert len(client.find("SERIES", {SERIES: ("UI", "")})[0]) == 2
            client.release()
    finally:
        other.stop()
