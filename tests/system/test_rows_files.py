# SPDX-License-Identifier: MIT
"""Search and move without a database (spec rows DCM-09, DCM-14, STG-07): the files answer, or the request fails at once with the reason."""
import os
import shutil
import threading

import pytest
from make_dicom import make, make_image, uid
from part10 import read
from postgres import AVAILABLE, Postgres
from programs import free_port, run, wait_until
from query import C_FIND, C_MOVE, CANCELLED, CHARSET, LEVEL, PATIENT_ROOT, PENDING, STUDY_ROOT, QueryClient
from test_rows_query import INSTANCE, NAME, PATIENT, SERIES, STUDY, store, text, values
from web import Web

FEW = "1.2.826.0.1.3680043.10.1499.7"
SERIES_OF_STUDY, OBJECTS_OF_STUDY, MODALITIES = 0x00201206, 0x00201208, 0x00080061


def without_database(archive, search_in_file):
    """Its PostgreSQL is nowhere."""
    for key, value in (("engine", "postgresql"), ("params.ip", "127.0.0.1"), ("params.port", free_port()), ("params.schema", "pacs")):
        archive.set(f"db.{key}", value)
    archive.set("search_in_file", search_in_file)
    return archive


def put_by_hand(archive, patient, study, number, **given):
    """An object where the layout has it, without asking the server."""
    series, instance = f"{study}.1", f"{study}.1.{number}"
    make(archive.data / patient / study / series / instance, PatientID=patient, StudyInstanceUID=study, SeriesInstanceUID=series,
         SOPInstanceUID=instance, InstanceNumber=number, **given)


@pytest.fixture
def lone(stopped_archive):
    archive = without_database(stopped_archive, True)
    for n in range(1, 4):
        put_by_hand(archive, "ALONE", uid(1), n, PatientName="Alone^Anna", StudyDate="20260110", Modality="CT")
    put_by_hand(archive, "OTHER", uid(2), 1, PatientName="M\xfcller^Ute".encode("latin-1"), StudyDate="20250110", Modality="MR",
                SpecificCharacterSet="ISO_IR 100")
    return archive


def client_of(archive, model=STUDY_ROOT, **options):
    return QueryClient(archive.port, model, **options)


@pytest.mark.parametrize("level, keys, tag, found", [
    ("PATIENT", {PATIENT: ("LO", "")}, PATIENT, ["ALONE", "OTHER"]),
    ("PATIENT", {NAME: ("PN", "alone*"), PATIENT: ("LO", "")}, PATIENT, ["ALONE"]),
    ("STUDY", {STUDY: ("UI", ""), 0x00080020: ("DA", "20260101-")}, STUDY, [uid(1)]),
    ("STUDY", {STUDY: ("UI", f"{uid(1)}\\{uid(2)}\\1.2.3")}, STUDY, [uid(1), uid(2)]),
    ("STUDY", {STUDY: ("UI", ""), MODALITIES: ("CS", "MR")}, STUDY, [uid(2)]),
    ("STUDY", {STUDY: ("UI", ""), SERIES: ("UI", f"{uid(2)}.1")}, STUDY, [uid(2)]),  # relational
    ("STUDY", {STUDY: ("UI", ""), PATIENT: ("LO", "A?ONE")}, STUDY, [uid(1)]),
    ("SERIES", {STUDY: ("UI", uid(1)), SERIES: ("UI", "")}, SERIES, [f"{uid(1)}.1"]),
    ("IMAGE", {STUDY: ("UI", uid(1)), INSTANCE: ("UI", "")}, INSTANCE, [f"{uid(1)}.1.{n}" for n in (1, 2, 3)]),
    ("IMAGE", {INSTANCE: ("UI", ""), 0x00200013: ("IS", "2")}, INSTANCE, [f"{uid(1)}.1.2"]),
    ("STUDY", {STUDY: ("UI", ""), PATIENT: ("LO", "../ALONE")}, STUDY, []),
    ("STUDY", {STUDY: ("UI", "../../../../etc")}, STUDY, []),
])
def test_find_in_files(lone, level, keys, tag, found):
    lone.start()
    client = client_of(lone, PATIENT_ROOT if level == "PATIENT" else STUDY_ROOT)
    answers, final = client.find(level, keys)
    client.release()
    assert (values(answers, tag), final.status) == (sorted(found), 0)


def test_counters_and_character_sets_of_files(lone):
    lone.start()
    client = client_of(lone)
    [one], _ = client.find("STUDY", {STUDY: ("UI", uid(1)), SERIES_OF_STUDY: ("IS", ""), OBJECTS_OF_STUDY: ("IS", ""), MODALITIES: ("CS", "")})
    assert [text(one[tag]) for tag in (SERIES_OF_STUDY, OBJECTS_OF_STUDY, MODALITIES)] == ["1", "3", "CT"]
    [other], _ = client.find("STUDY", {STUDY: ("UI", uid(2)), NAME: ("PN", "")})
    client.release()
    assert text(other[CHARSET]) == "ISO_IR 100" and other[NAME].rstrip() == "M\xfcller^Ute".encode("latin-1")


def test_extended_tags_of_files(lone):
    """Keys and answers that only app/tags.yml knows."""
    thickness = 0x00180050
    (lone.folder / "app/tags.yml").write_text("series:\n  - '00180050'\n")
    put_by_hand(lone, "THIN", uid(6), 1, extra={thickness: ("DS", "0.625")})
    lone.set("send_extended_db_of_find", True)
    lone.start()
    client = client_of(lone)
    [one], final = client.find("SERIES", {SERIES: ("UI", ""), thickness: ("DS", "0.625")})
    assert (text(one[SERIES]), text(one[thickness]), final.status) == (f"{uid(6)}.1", "0.625", 0)
    [one], _ = client.find("SERIES", {STUDY: ("UI", uid(6)), SERIES: ("UI", "")})
    assert text(one[thickness]) == "0.625", "unasked, because the settings say so"
    client.release()


def test_junk_and_what_lies_elsewhere_is_no_answer(lone, tmp_path):
    (lone.data / "ALONE/notes.txt").write_text("no image")
    (lone.data / "ALONE" / uid(1) / "liar").write_bytes(b"\0" * 128 + b"DICM" + os.urandom(5000))
    make(tmp_path / "outside/secret", PatientID="SECRET")
    (lone.data / "link").symlink_to(tmp_path / "outside")
    (lone.data / "broken").symlink_to("/nowhere/at/all")
    lone.start()
    client = client_of(lone, PATIENT_ROOT)
    for key in ("", "SECRET", "link", "../*"):
        answers, final = client.find("PATIENT", {PATIENT: ("LO", key)})
        assert final.status == 0
        assert values(answers, PATIENT) == (["ALONE", "OTHER"] if not key else [])
    client.release()


def test_files_that_come_and_go_during_a_search(lone):
    """Each answer is of a file that was there at some moment; none is lost that was there all the time."""
    lone.start()
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            put_by_hand(lone, "FLEETING", uid(3), 1)
            shutil.rmtree(lone.data / "FLEETING", ignore_errors=True)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        client = client_of(lone, PATIENT_ROOT)
        for _ in range(20):
            answers, final = client.find("PATIENT", {PATIENT: ("LO", "")})
            assert final.status == 0 and {"ALONE", "OTHER"} <= set(values(answers, PATIENT)) <= {"ALONE", "OTHER", "FLEETING"}
        client.release()
    finally:
        stop.set()
        thread.join()


def test_move_and_get_from_files(lone, storescp, tmp_path):
    lone.allow("STORESCP", storescp.port)
    lone.start()
    client = client_of(lone)
    pending, final = client.move("STUDY", {STUDY: ("UI", uid(1))}, "STORESCP")
    assert (final.status, final.completed, final.failed) == (0, 3, 0)
    _, final = client.move("SERIES", {STUDY: ("UI", uid(1)), SERIES: ("UI", "1.2.3")}, "STORESCP")
    assert (final.status, final.completed) == (0, 0), "nothing is selected"
    client.release()
    wait_until(lambda: len(list(storescp.folder.iterdir())) == 3)
    (tmp_path / "got").mkdir()
    run("getscu", "-S", "+B", "-od", tmp_path / "got", "-aec", lone.aet, "-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={uid(1)}",
        "-k", f"SeriesInstanceUID={uid(1)}.1", "-k", f"SOPInstanceUID={uid(1)}.1.2", "127.0.0.1", lone.port)
    [got] = (tmp_path / "got").iterdir()
    assert read(got).instance == f"{uid(1)}.1.2"


def test_store_from_files(lone, storescp, tmp_path):
    def send(*options, **more):
        return lone.manage("store", "127.0.0.1", storescp.port, "-aec", "STORESCP", "-sp", "db", *options, **more)
    assert send("-mn", "study", "-UID", uid(1)).stdout.count("0x0000") == 3
    assert send("-mn", "patient", "-UID", "OTHER").stdout.count("0x0000") == 1
    assert send("-UID", "*").stdout.count("0x0000") == 4
    (tmp_path / "list").write_text(f"{uid(2)}\n1.2.3\n")
    done = send("-mn", "study", "-fUID", tmp_path / "list", check=False)
    assert done.returncode == 1 and "1.2.3" in done.stdout + done.stderr and done.stdout.count("0x0000") == 1
    lone.set("search_in_file", False)
    done = send("-UID", "*", check=False)
    assert done.returncode == 1 and "cannot reach" in done.stderr and "0x0000" not in done.stdout


def test_over_http_from_files(lone, tmp_path):
    """What C-MOVE finds without the database is found by WADO, too; switched off, it is 502 with the reason."""
    web, image = Web(lone), "1.2.826.0.1.3680043.10.1499.8"
    make_image(lone.data / "ALONE" / image / f"{image}.1" / f"{image}.1.1", PatientID="ALONE", StudyInstanceUID=image, SeriesInstanceUID=f"{image}.1",
               SOPInstanceUID=f"{image}.1.1")
    url, parts = f"/dicom-web/studies/{image}/series/{image}.1/instances/{image}.1.1", 'multipart/related; type="application/dicom"; transfer-syntax=*'
    other = f"/dicom-web/studies/{image}/series/{image}.1/instances/1.2.3"
    lone.start()
    part, = web.get(url, Accept=parts).parts("application/dicom")
    assert part.body == (lone.data / "ALONE" / image / f"{image}.1" / f"{image}.1.1").read_bytes()
    assert web.get(url + "/frames/1", Accept="application/octet-stream").body == bytes(range(256))
    assert web.get(url + "/bulkdata/7FE00010", Accept="application/octet-stream").body == bytes(range(256))
    assert web.get(url + "/rendered", Accept="image/png").body[:4] == b"\x89PNG"
    row, = web.get(url + "/metadata").json()
    assert row["00080018"]["Value"] == [f"{image}.1.1"]
    assert web.get(f"/wado?requestType=WADO&studyUID={image}&seriesUID={image}.1&objectUID={image}.1.1&transferSyntax=*").body == part.body
    assert web.get(other, Accept=parts).status == web.get(other + "/frames/1").status == 404
    lone.stop()
    lone.set("search_in_file", False)
    lone.start()
    assert web.get(url + "/frames/1").status == web.get(url, Accept=parts).status == 502


def test_switched_off_the_request_fails_with_the_reason(lone):
    """Never an empty success: A700 for a query, A701 for a retrieval."""
    lone.set("search_in_file", False)
    lone.start()
    client = client_of(lone)
    answers, final = client.find("STUDY", {STUDY: ("UI", "")})
    assert (answers, final.status) == ([], 0xA700) and "database" in final.comment
    pending, final = client.move("STUDY", {STUDY: ("UI", uid(1))}, lone.aet)
    assert (pending, final.status) == ([], 0xA701) and "database" in final.comment
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(1))})
    assert (objects, final.status) == ([], 0xA701)
    client.release()


def test_c_cancel_ends_a_search_in_files(lone):
    for n in range(6000):
        put_by_hand(lone, f"M{n}", uid(5, n), 1)
    lone.start()
    client = client_of(lone, PATIENT_ROOT)
    client.ask(C_FIND, {LEVEL: ("CS", "PATIENT"), PATIENT: ("LO", "")})
    assert client.receive().status == PENDING
    client.cancel()
    answers = 1
    while (response := client.receive()).status == PENDING:
        answers += 1
    assert response.status == CANCELLED and answers < 6000
    client.ask(C_FIND, {LEVEL: ("CS", "PATIENT"), PATIENT: ("LO", "NOBODY*")})
    client.cancel()
    assert client.receive().status == CANCELLED, "also while nothing is found"
    client.ask(C_MOVE, {LEVEL: ("CS", "IMAGE"), INSTANCE: ("UI", "1.2.3")}, lone.aet)
    client.cancel(C_MOVE)
    assert client.receive().status == CANCELLED, "and before a retrieval has found its objects"
    answers, final = client.find("PATIENT", {PATIENT: ("LO", "M7")})
    assert (values(answers, PATIENT), final.status) == (["M7"], 0)
    client.release()


def test_nothing_is_left_behind(lone):
    lone.start()
    client = client_of(lone)
    assert len(client.find("STUDY", {STUDY: ("UI", "")})[0]) == 2
    client.release()
    lone.kill()
    left = [p.name for p in (lone.folder / ".tmp_data").rglob("*") if p.name.startswith("scan-")]
    assert left == []


@pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
def test_a_database_that_goes_and_comes_back(stopped_archive, storescp, few, tmp_path):
    """The same answers by both ways; what is stored meanwhile is found too."""
    postgres = Postgres()
    try:
        postgres.sql("CREATE SCHEMA my_schema")
        archive = postgres.use(stopped_archive, "my_schema")
        archive.set("search_in_file", True)
        archive.allow("STORESCP", storescp.port)
        archive.start()
        run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
        keys = {STUDY: ("UI", FEW), NAME: ("PN", ""), PATIENT: ("LO", ""), SERIES_OF_STUDY: ("IS", ""), OBJECTS_OF_STUDY: ("IS", ""),
                MODALITIES: ("CS", ""), 0x00080062: ("UI", ""), 0x00080050: ("SH", "")}

        def ask():
            client = client_of(archive)
            out = [client.find("STUDY", keys)[0], client.find("SERIES", {STUDY: ("UI", FEW), SERIES: ("UI", "")})[0],
                   client.find("IMAGE", {STUDY: ("UI", FEW), INSTANCE: ("UI", "")})[0]]
            client.release()
            return out
        with_database = ask()
        assert [len(answers) for answers in with_database] == [1, 2, 4]
        postgres.stop()
        assert ask() == with_database
        run("findscu", "-S", "-aec", archive.aet, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={FEW}", "127.0.0.1", archive.port)
        run("movescu", "-S", "-aec", archive.aet, "-aem", "STORESCP", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={FEW}",
            "127.0.0.1", archive.port)
        assert len(list(storescp.folder.iterdir())) == 4
        store(archive, dict(StudyInstanceUID=uid(8), PatientID="MEANWHILE"))
        client = client_of(archive)
        assert values(client.find("STUDY", {STUDY: ("UI", uid(8)), PATIENT: ("LO", "")})[0], PATIENT) == ["MEANWHILE"]
        postgres.start()
        make_image(archive.data / "BY_HAND/1/1/1", PatientID="BY_HAND")

        def from_database():
            return "BY_HAND" not in values(client.find("STUDY", {STUDY: ("UI", ""), PATIENT: ("LO", "")})[0], PATIENT)
        wait_until(from_database, 60, "the database answers again")
        wait_until(lambda: values(client.find("STUDY", {STUDY: ("UI", uid(8)), PATIENT: ("LO", "")})[0], PATIENT) == ["MEANWHILE"], 60,
                   "what was stored meanwhile is in the index")
        client.release()
        assert ask() == with_database
    finally:
        if stopped_archive.server:
            stopped_archive.stop()
        postgres.remove()


def test_an_index_that_lacks_objects_is_still_the_one_that_answers(stopped_archive):
    archive = stopped_archive
    archive.set("search_in_file", True)
    archive.start()
    store(archive, dict(StudyInstanceUID=uid(8)))
    put_by_hand(archive, "UNKNOWN", uid(1), 1)
    client = client_of(archive)
    assert values(client.find("STUDY", {STUDY: ("UI", "")})[0], STUDY) == [uid(8)]
    client.release()
