# SPDX-License-Identifier: MIT
"""The database goes away while objects come in: what was acknowledged is kept, indexed when it is back, and neither lost nor counted twice."""
import threading
import time

import pytest
from dimse import Aborted, Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, uid
from part10 import read_folder
from postgres import AVAILABLE, Postgres
from programs import run, wait_until
from query import STUDY_ROOT, QueryClient
from test_rows_disk import BALLAST, MEGABYTE, SIZE, assert_kept, fill_up, make_room, send, small_disk
from web import Web

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
SENDERS = 8
SCHEMA = "outage"


@pytest.fixture
def postgres():
    server = Postgres()
    server.sql(f"CREATE SCHEMA {SCHEMA}")
    yield server
    server.remove()


@pytest.fixture
def pg(postgres, stopped_archive):
    stopped_archive.set("console_verbose_level", 2)
    stopped_archive.set("db.save_delay", 0.2)
    return postgres.use(stopped_archive, SCHEMA)


def made(number, i):
    given = attributes(PatientID=f"S{number}", StudyInstanceUID=uid(6, number), SeriesInstanceUID=uid(6, number, 1),
                       SOPInstanceUID=uid(6, number, 1, i), InstanceNumber=i)
    return given["SOPInstanceUID"], data_set({**given, 0x7FE00010: ("OB", bytes([i & 0xFF]) * 20000)})


class Sender(threading.Thread):
    """Stores until told to stop, or until the connection breaks; every tenth object twice."""

    def __init__(self, port, number, stop):
        super().__init__(daemon=True)
        self.port, self.number, self.stop, self.acknowledged, self.refused, self.slowest = port, number, stop, {}, [], 0

    def run(self):
        try:
            association = Association(self.port, timeout=120)
            for i in range(100000):
                if self.stop.is_set():
                    return
                instance, data = made(self.number, i)
                for _ in range(2 if i % 10 == 9 else 1):
                    began = time.monotonic()
                    status = association.store(SECONDARY_CAPTURE, instance, data)
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    if status:
                        self.refused.append(f"{instance}: {status:04X}")
                    else:
                        self.acknowledged[instance] = data
        except (Aborted, OSError):
            pass


def start_senders(archive, stop, first=0):
    senders = [Sender(archive.port, first + n, stop) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    return senders


def end_senders(senders, stop):
    stop.set()
    everything = {}
    for sender in senders:
        sender.join(150)
        assert not sender.is_alive()
        assert not sender.refused, sender.refused[:5]
        everything.update(sender.acknowledged)
    return everything


def progress(senders):
    return [len(sender.acknowledged) for sender in senders]


def until_all_go_on(senders, more=3, seconds=90):
    before = progress(senders)
    wait_until(lambda: all(now >= was + more for now, was in zip(progress(senders), before)), seconds, "senders go on")


def log(archive):
    return (archive.folder / "log/pacs.log").read_text(errors="replace")


def assert_all_there(archive, postgres, everything):
    """In the tables once, found by C-FIND, fetched by C-GET, byte for byte."""
    wait_until(lambda: postgres.sql(f"SELECT count(*) FROM {SCHEMA}.file_storage_metadata_dicom") == [str(len(everything))], 60,
               "all objects are in the index")
    assert postgres.sql(f"SELECT instances FROM {SCHEMA}.totals") == [str(len(everything))]
    assert postgres.sql(f"SELECT count(*), count(DISTINCT instance_uid) FROM {SCHEMA}.file_storage_metadata_dicom") \
        == [f"{len(everything)}|{len(everything)}"]
    client = QueryClient(archive.port, STUDY_ROOT)
    answers, final = client.find("STUDY", {0x0020000D: ("UI", "")})
    client.release()
    assert final.status == 0
    studies = sorted(answer[0x0020000D].rstrip(b"\0 ").decode() for answer in answers)
    fetched = archive.folder.parent / "fetched"
    archive.manage("get", "127.0.0.1", archive.port, "-aec", archive.aet, "-stUID", "\\".join(studies), "-o", fetched, timeout=120)
    got = read_folder(fetched)
    assert {instance: one.data for instance, one in got.items()} == everything
    assert len(archive.files()) == len(everything)
    wait_until(lambda: archive.unfinished() == [], 10, "the journal goes away")


def test_database_killed_and_started_while_eight_senders_store(pg, postgres):  # RUN-04, STG-07, DB-11
    archive, stop = pg.start(), threading.Event()
    senders = start_senders(archive, stop)
    until_all_go_on(senders)
    for _ in range(2):
        postgres.crash()
        until_all_go_on(senders)
        assert archive.unfinished(), "nothing waits: the test says nothing"
        postgres.start()
        until_all_go_on(senders)
    everything = end_senders(senders, stop)
    assert_all_there(archive, postgres, everything)
    text = log(archive)
    assert "the database is away" in text and "the database is back" in text
    assert "that waited are indexed" in text
    assert "SIZE QUEUE GANTRY : " in archive.server.output()


def test_login_refused_while_eight_senders_store(pg, postgres):  # DB-11
    postgres.sql(f"CREATE ROLE pacs LOGIN PASSWORD 'first'; GRANT ALL ON SCHEMA {SCHEMA} TO pacs")
    pg.set("db.params.login", "pacs")
    pg.set("db.params.password", "first")
    archive, stop = pg.start(), threading.Event()
    senders = start_senders(archive, stop)
    until_all_go_on(senders)
    postgres.sql("ALTER ROLE pacs PASSWORD 'second'")
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pacs'")
    until_all_go_on(senders)
    wait_until(lambda: "refuses the login 'pacs'" in log(archive), 30, "it is said")
    assert archive.unfinished(), "nothing waits: the test says nothing"
    postgres.sql("ALTER ROLE pacs PASSWORD 'first'")
    until_all_go_on(senders)
    everything = end_senders(senders, stop)
    assert_all_there(archive, postgres, everything)
    assert log(archive).count("refuses the login 'pacs'") == 1
    archive.stop()
    postgres.sql("ALTER ROLE pacs PASSWORD 'second'")
    refused = run(archive.folder / "manage", "runserver", check=False)
    assert refused.returncode != 0 and "refuses the login 'pacs'" in refused.stderr and "db.params.password" in refused.stderr


BROKEN = {"a table is gone": ("ALTER TABLE file_storage_metadata_dicom RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO file_storage_metadata_dicom"),
          "rights are gone": ("REVOKE ALL ON ALL TABLES IN SCHEMA outage FROM pacs", "GRANT ALL ON ALL TABLES IN SCHEMA outage TO pacs")}


@pytest.mark.parametrize("how", BROKEN)
def test_what_the_database_cannot_tell_is_not_missing(pg, postgres, how):  # DB-11
    postgres.sql(f"CREATE ROLE pacs LOGIN PASSWORD 'first'; GRANT ALL ON SCHEMA {SCHEMA} TO pacs")
    pg.set("db.params.login", "pacs")
    pg.set("db.params.password", "first")
    web, archive = Web(pg), pg.start()
    association = Association(archive.port)
    (one, data), (other, more) = made(1, 1), made(1, 2)
    assert association.store(SECONDARY_CAPTURE, one, data) == 0
    paths = [f"/dicom-web/studies?StudyInstanceUID={uid(6, 1)}&includefield=NumberOfStudyRelatedInstances",
             f"/dicom-web/studies/{uid(6, 1)}/instances", f"/dicom-web/studies/{uid(6, 1)}/metadata", f"/dicom-web/studies/{uid(6, 1)}"]
    broken, mended = (f"SET search_path TO {SCHEMA}; {statement}" for statement in BROKEN[how])
    postgres.sql(broken)
    for path in paths[1:] if how == "a table is gone" else paths:
        answer = web.get(path)
        assert answer.status == 503, (path, answer.status, answer.body)
        assert answer.problem() == "the archive failed; the server's log says why"
    assert association.store(SECONDARY_CAPTURE, other, more) == 0x0110
    assert "file_storage_metadata_dicom" in log(archive)
    postgres.sql(mended)
    assert [web.get(path).status for path in paths] == [200] * 4
    assert association.store(SECONDARY_CAPTURE, other, more) == 0
    association.release()
    assert_all_there(archive, postgres, {one: data, other: more})


@pytest.mark.parametrize("killed", (False, True))
def test_index_that_may_be_read_but_not_written_is_filled_later(pg, postgres, killed):  # DB-11
    """The server looks through its files, to fill an index that lost its rows or after it was killed; nothing counts as done before it is."""
    postgres.sql(f"CREATE ROLE pacs LOGIN PASSWORD 'first'; GRANT ALL ON SCHEMA {SCHEMA} TO pacs")
    pg.set("db.params.login", "pacs")
    pg.set("db.params.password", "first")
    archive = pg.start()
    objects = dict(made(1, i) for i in range(5))
    association = Association(archive.port)
    assert [association.store(SECONDARY_CAPTURE, one, data) for one, data in objects.items()] == [0] * 5
    association.release()
    if killed:
        archive.kill()
    else:
        archive.stop()
    postgres.sql(f"SET search_path TO {SCHEMA}; TRUNCATE patient, study, series, file_storage_metadata_dicom, term CASCADE; "
                 "UPDATE totals SET patients = 0, studies = 0, series = 0, instances = 0, size = 0; "
                 "REVOKE INSERT ON file_storage_metadata_dicom FROM pacs")
    archive.start()
    said = "the index takes nothing now; the objects in the data folder wait for it."
    wait_until(lambda: log(archive).count(said) == 1 + killed, 60, "it is said")
    time.sleep(3)
    assert log(archive).count(said) == 1 + killed and "GRANT it" in log(archive) and "the index is complete" not in log(archive)
    postgres.sql(f"SET search_path TO {SCHEMA}; GRANT INSERT ON file_storage_metadata_dicom TO pacs")
    wait_until(lambda: "the index is complete" in log(archive), 90, "it is filled")
    assert_all_there(archive, postgres, objects)


def test_hanging_database_blocks_nobody_for_ever(pg, postgres):  # DB-11
    archive, stop = pg.start(), threading.Event()
    senders = start_senders(archive, stop)
    until_all_go_on(senders)
    postgres.pause()
    until_all_go_on(senders)
    postgres.resume()
    until_all_go_on(senders)
    everything = end_senders(senders, stop)
    assert_all_there(archive, postgres, everything)


def test_stop_while_the_database_hangs(pg, postgres):
    archive, stop = pg.start(), threading.Event()
    senders = start_senders(archive, stop)
    until_all_go_on(senders)
    postgres.pause()
    until_all_go_on(senders)
    stop.set()
    archive.stop()
    everything = end_senders(senders, stop)
    postgres.resume()
    archive.start()
    assert_all_there(archive, postgres, everything)


def test_killed_while_the_database_is_away(pg, postgres):  # RUN-04, STG-07
    """SIGKILL of the server in the outage, a start without the database, more objects; then the database comes."""
    archive, stop = pg.start(), threading.Event()
    senders = start_senders(archive, stop)
    until_all_go_on(senders)
    postgres.crash()
    until_all_go_on(senders)
    archive.kill()
    everything = end_senders(senders, stop)
    archive.start()
    assert "# Thread database save\tOFF" in archive.server.output()
    assert "is PostgreSQL running?" in archive.server.output()
    stop = threading.Event()
    senders = start_senders(archive, stop, SENDERS)
    until_all_go_on(senders)
    everything.update(end_senders(senders, stop))
    client = QueryClient(archive.port, STUDY_ROOT)
    assert client.find("STUDY", {0x0020000D: ("UI", "")})[1].status not in (0, 0xFF00), "a query cannot be answered, and says so"
    client.release()
    done = archive.manage("database", "find", "study", check=False)
    assert done.returncode == 1 and "cannot reach" in done.stderr
    postgres.start()
    wait_until(lambda: "that waited are indexed" in log(archive), 60, "catching up")
    wait_until(lambda: "indexed after the unclean stop" in log(archive), 60, "looking through what the dead process left")
    assert set(read_folder(archive.data)) >= set(everything)
    stored = {instance: one.data for instance, one in read_folder(archive.data).items()}
    assert_all_there(archive, postgres, {**stored, **everything})
    archive.stop()
    archive.start()
    assert "# Thread database save\tON" in archive.server.output()


def test_start_before_the_database_and_stop(pg, postgres):  # RUN-04
    postgres.crash()
    archive = pg.start()
    association = Association(archive.port)
    instance, data = made(1, 1)
    assert association.store(SECONDARY_CAPTURE, instance, data) == 0
    association.release()
    archive.stop()
    archive.start()
    archive.stop()
    postgres.start()
    (archive.folder / "keys").write_text(f"{uid(6, 1)}\n")
    check = ("database", "check", "study", archive.folder / "keys", "-m", "detailled")
    done = archive.manage(*check)
    assert done.stdout == f"{uid(6, 1)},0\n" and "1 object waits to be indexed" in done.stderr
    archive.start()
    assert_all_there(archive, postgres, {instance: data})
    done = archive.manage(*check)
    assert done.stdout == f"{uid(6, 1)},1\n" and not done.stderr


def test_disk_full_while_they_wait(pg, postgres, tmp_path):  # DB-11
    """Nothing more is taken, what was taken is kept; and it goes on when there is room."""
    with small_disk(tmp_path / "small", SIZE) as disk:
        (disk / "ballast").write_bytes(bytes(BALLAST * MEGABYTE))
        pg.set("fs.path", disk / "data")
        pg.set("tmp_path", disk / "tmp")
        archive = pg.start()
        postgres.crash()
        kept = fill_up(archive)
        make_room(disk)
        association = Association(archive.port)
        status, instance, data = send(association)
        association.release()
        assert status == 0
        kept[instance] = data
        postgres.start()
        wait_until(lambda: "that waited are indexed" in log(archive), 60, "catching up")
        assert_kept(archive, kept, disk / "data", disk / "tmp")
        archive.stop()


def test_killed_while_it_catches_up(pg, postgres):  # DB-11
    archive, stop = pg.start(), threading.Event()
    senders = start_senders(archive, stop)
    until_all_go_on(senders)
    postgres.crash()
    until_all_go_on(senders, more=20)
    everything = end_senders(senders, stop)
    for times in range(1, 4):
        postgres.start()
        wait_until(lambda: log(archive).count("the database is back") == times, 30, "the database is back", 0.001)
        archive.kill()
        postgres.crash()
        archive.start()
    postgres.start()
    assert_all_there(archive, postgres, everything)
