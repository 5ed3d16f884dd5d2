# SPDX-License-Identifier: MIT
"""--then retrieve with a BASEMOUNT: C-GET into it, records, completeness, services by key."""
import json
import sqlite3

import pytest
from cube import Cube
from make_dicom import make_image
from peers import Dcmqrscp
from programs import run
from test_px_query import Tools

STUDY = "1.2.826.0.1.3680043.10.1499.8"


@pytest.fixture
def series(tmp_path):
    """One patient, two series of two and three images."""
    folder = tmp_path / "images"
    for number, count in ((1, 2), (2, 3)):
        for image in range(count):
            make_image(folder / f"{number}-{image}.dcm", PatientID="GET", PatientName="Get^It", StudyInstanceUID=STUDY,
                       SeriesInstanceUID=f"{STUDY}.{number}", SOPInstanceUID=f"{STUDY}.{number}.{image}", SeriesNumber=number,
                       InstanceNumber=image + 1, SeriesDescription=f"series {number}", StudyDescription="Study", AccessionNumber="A1")
    return folder


@pytest.fixture
def ours(archive, series, tmp_path):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, series)
    return Tools(tmp_path, archive.aet, archive.port)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "base" / "log"


def packed(log):
    data = log.parent / "data"
    return sorted(name for name in (path.relative_to(data) for path in data.rglob("*") if path.is_file()) if name.parts[0][0] != ".")


def retrieve_records(log):
    with sqlite3.connect(f"file:{log / 'gantry.sqlite'}?mode=ro", uri=True) as db:
        tables = {row[0] for row in db.execute("select name from sqlite_master")}
        assert "px_record" in tables
        names = [row[1] for row in db.execute("pragma table_info(px_record)")]
        rows = [dict(zip(names, row)) for row in db.execute("select * from px_record")]
    return rows


def results_of(found, position=0):
    return found["then"][f"{position:02}-retrieve"]["study"][0][STUDY]


@pytest.mark.asan
def test_get_into_an_empty_place(ours, log):
    found = ours.find("--PatientID", "GET", "--then", "retrieve", "--get", "--db", log)
    assert [(one["status"], one["expected"], one["received"], one["completed"]) for one in results_of(found)] == [("success", 2, 2, 2), ("success", 3, 3, 3)]
    assert all("getscu -S" in one["command"] for one in results_of(found))
    assert len(packed(log)) == 5
    again = ours.find("--PatientID", "GET", "--then", "retrieve", "--get", "--db", log)
    assert [one["received"] for one in results_of(again)] == [2, 3] and len(packed(log)) == 5


def test_names_by_templates(ours, log):
    ours.find("--PatientID", "GET", "--then", "retrieve", "--get", "--db", log, "--template-set", "push", "--rootDirTemplate", "%_md5|8_PatientID")
    assert all(len(name.parts[0]) == 8 and "-1.2.826" not in str(name.parts[2]) for name in packed(log)) and len(packed(log)) == 5
    assert ours("px-find", "--PatientID", "GET", "--then", "retrieve", "--get", "--db", log, "--imageTemplate", "%_nosuch|_", check=False).returncode == 2


def test_one_association_for_all_series(ours, archive, log):
    ours.find("--PatientID", "GET", "--then", "retrieve", "--get", "--db", log)
    shown = ours("px-find", "--PatientID", "GET", "--then", "retrieve", "--get", "--db", log, "-v", 5, "--json").stderr
    assert shown.count("getscu") == 2


def test_missing_only(ours, archive, series, log):
    ours.find("--SeriesInstanceUID", f"{STUDY}.1", "--then", "retrieve", "--get", "--db", log)
    done = ours("px-find", "--PatientID", "GET", "--then", "retrieve", "--get", "--missing-only", "--db", log, "--withFeedBack").stdout
    assert "All here: 002 images for series 1" in done and "Requesting 003 images for series 2" in done
    found = ours.find("--PatientID", "GET", "--then", "retrieve", "--get", "--missing-only", "--db", log)
    assert [one.get("complete") for one in results_of(found)] == [True, True] and len(packed(log)) == 5


def test_no_database_is_made_by_a_plain_move(archive, ours, tmp_path, log):
    tools = Tools(tmp_path, archive.aet, archive.port)
    tools("px-find", "--aet", archive.aet, "--PatientID", "GET", "--then", "report", "--db", log)
    assert not log.exists()


def test_images_that_go_elsewhere(archive, ours, log):
    """The archive sends to itself: --db never gets any."""
    done = ours("px-find", "--aet", archive.aet, "--PatientID", "GET", "--then", "retrieve", "--withFeedBack", "--db", log).stdout
    assert done.count("Nothing came into") == 1
    found = ours.find("--aet", archive.aet, "--PatientID", "GET", "--then", "retrieve", "--db", log)
    assert all("received" not in one and one["completed"] for one in results_of(found))
    assert len(retrieve_records(log)) == 2


def test_get_auto_moves_where_there_is_no_get(archive, series, tmp_path, log):
    (tmp_path / "qr").mkdir()
    dcmqrscp = Dcmqrscp(tmp_path / "qr", {archive.aet: archive.port}, "DCMQRSCP", "--disable-get")
    archive.allow(dcmqrscp.aet, dcmqrscp.port)
    run("storescu", "+sd", "-R", "-aec", dcmqrscp.aet, "127.0.0.1", dcmqrscp.port, series)
    tools = Tools(tmp_path, dcmqrscp.aet, dcmqrscp.port)
    try:
        found = tools.find("--aet", archive.aet, "--PatientID", "GET", "--then", "retrieve", "--get", "auto", "--db", log)
        done = tools("px-find", "--aet", archive.aet, "--PatientID", "GET", "--then", "retrieve", "--get", "--db", log, check=False)
    finally:
        dcmqrscp.kill()
    assert [one["status"] for one in results_of(found)] == ["success", "success"] and len(archive.files()) == 5
    assert all("movescu" in one["command"] for one in results_of(found))
    assert done.returncode == 1 and "does not offer the service" in done.stderr


def test_get_from_dcmqrscp(dcmqrscp, series, tmp_path, log):
    run("storescu", "+sd", "-R", "-aec", dcmqrscp.aet, "127.0.0.1", dcmqrscp.port, series)
    found = Tools(tmp_path, dcmqrscp.aet, dcmqrscp.port).find("--PatientID", "GET", "--then", "retrieve", "--get", "--db", log)
    assert [one["status"] for one in results_of(found)] == ["success", "success"] and len(packed(log)) == 5


def test_a_database_that_cannot_be_made(ours, tmp_path):
    (tmp_path / "file").write_text("")
    done = ours("px-find", "--PatientID", "GET", "--then", "retrieve", "--get", "--db", tmp_path / "file" / "log", "--json", check=False)
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr and not done.stdout


def test_move_and_get_exclude_each_other(ours, log):
    assert ours("px-find", "--PatientID", "GET", "--then", "retrieve", "--get", "--move", "--db", log, check=False).returncode == 2


@pytest.mark.asan
def test_the_pacs_by_its_key(archive, ours, log, tmp_path):
    (log.parent / "services").mkdir(parents=True)
    (log.parent / "services/pacs.json").write_text(json.dumps({"here": {"aet": "OTHER", "aec": archive.aet, "ip": "127.0.0.1", "port": str(archive.port)}}))
    found = json.loads(ours.plain("px-find", "--PACS", "here", "--db", log, "--PatientID", "GET", "--json").stdout)
    assert len(found["data"]) == 1 and found["args"]["aec"] == archive.aet and found["args"]["PACS"] == "here"
    done = ours.plain("px-find", "--PACS", "nowhere", "--db", log, "--PatientID", "GET", "--json", check=False)
    assert done.returncode == 1 and "nowhere" in done.stderr and "here" in done.stderr
    done = ours.plain("px-find", "--PACS", "here", "--aec", "STRANGER", "--db", log, "--PatientID", "GET", "-v", 5, check=False)
    assert "-aec STRANGER -aet OTHER 127.0.0.1" in done.stderr


@pytest.mark.asan
def test_status_before_and_after(ours, log):
    before = ours("px-find", "--PatientID", "GET", "--then", "status", "--withFeedBack", "--db", log).stdout.splitlines()
    assert before[-2].startswith("  StudyNotFound :   NoSeriesFound :   NoImagesFound │ series 1") and before[-2].endswith(f" │ {STUDY}.1")
    assert not log.exists()
    found = ours.find("--PatientID", "GET", "--then", "retrieve,status", "--get", "--db", log)
    states = [one["state"] for one in found["then"]["01-status"]["study"][0][STUDY]]
    assert states == [{"study": "StudyContainsSeriesOK", "series": "SeriesMapMetaOK", "images": "ImagesAllReceivedOK"}] * 2
    after = ours("px-find", "--PatientID", "GET", "--then", "status", "--withFeedBack", "--db", log).stdout.splitlines()
    assert after[-1] == " [ PACS:003/JSON:003/DCM:003/PUSH:000/REG:000 ] │  series 2".ljust(104) + f" │ {STUDY}.2"
    newest = ours("px-find", "--PatientID", "GET", "--then", "status", "--withFeedBack", "--db", log, "--thenArgs", '{"dialect": "newest"}').stdout.splitlines()
    assert [line[:28] for line in newest[-2:]] == ["0001 │   PACS:0002     OXIDC", "0002 │   PACS:0003     OXIDC"]
    for wrong in ('{"dialect": "oldest"}', '{"dialect": 3}', '{"x": 1}'):
        assert ours("px-find", "--PatientID", "GET", "--then", "status", "--db", log, "--thenArgs", wrong, check=False).returncode == 2
    piped = ours.plain("px-do", "--then", "status", "--json", stdin=json.dumps(found)).stdout
    assert json.loads(piped)["00-status"] == found["then"]["01-status"]


@pytest.mark.asan
def test_register_what_was_retrieved(ours, log):
    cube = Cube()
    try:
        (log.parent / "services").mkdir(parents=True)
        (log.parent / "services/cube.json").write_text(json.dumps({"local": {"url": cube.url, "username": "chris", "password": "chris1234"}}))
        arguments = [{}, {"db": str(log), "CUBE": "local", "swiftServicesPACS": "ORT", "parseAllFilesWithSubStr": "dcm"}]
        done = ours("px-find", "--PatientID", "GET", "--then", "retrieve,register", "--get", "--db", log, "--thenArgs", json.dumps(arguments), "--withFeedBack")
        lines = done.stdout.splitlines()
        assert f"Registering [ 003 ]: {'series 2':50}{STUDY}.2" in lines and len(cube.posts()) == 5
        found = ours.find("--PatientID", "GET", "--then", "register,status", "--thenArgs", json.dumps(arguments[1]) + ";{}", "--CUBE", "local")
        assert list(found["then"]) == ["do", "00-register", "01-status"]
        assert [one["status"] for one in found["then"]["00-register"]["study"][0][STUDY]] == [True, True]
        assert [one["images"]["registered"]["count"] for one in found["then"]["01-status"]["study"][0][STUDY]] == [2, 3]
        done = ours("px-find", "--PatientID", "GET", "--then", "register", "--db", log, "--thenArgs", '{"CUBE": "other", "swiftServicesPACS": "ORT"}', "--json", check=False)
        assert done.returncode == 1 and "register failed for 2 of 2 series" in done.stderr
    finally:
        cube.stop()
    assert not cube.problems


def test_passwords_are_not_passed_on(ours, log):
    arguments = json.dumps({"CUBEURL": "http://127.0.0.1:1/", "CUBEuserpasswd": "secret-word", "swiftServicesPACS": "ORT"})
    done = ours("px-find", "--PatientID", "GET", "--then", "register", "--db", log, "--thenArgs", arguments, "--json", check=False)
    assert "secret-word" not in done.stdout and "***" in json.loads(done.stdout)["args"]["thenArgs"]
    wish = {"aec": ours.aec, "serverIP": "127.0.0.1", "serverPort": ours.port, "PatientID": "GET", "then": "register", "thenArgs": arguments, "json": True}
    done = ours("px-find", "--JSONargs", json.dumps(wish | {"aet": "OTHER", "db": str(log)}), check=False)
    assert "secret-word" not in done.stdout and "***" in json.loads(done.stdout)["args"]["JSONargString"]


def test_what_cannot_be_registered(ours, log):
    arguments = '{"CUBE": "local", "swiftServicesPACS": "ORT"}'
    done = ours("px-find", "--PatientID", "GET", "--then", "register", "--db", log, "--thenArgs", arguments, "--json", check=False)
    assert done.returncode == 1 and "has no px database" in done.stderr and not log.exists()
    outcomes = json.loads(done.stdout)["then"]["00-register"]["study"][0][STUDY]
    assert [one["status"] for one in outcomes] == [False, False]
    ours.find("--SeriesInstanceUID", f"{STUDY}.1", "--then", "retrieve", "--get", "--db", log)
    done = ours("px-find", "--PatientID", "GET", "--then", "register", "--db", log, "--thenArgs", arguments, "--json", check=False)
    outcomes = json.loads(done.stdout)["then"]["00-register"]["study"][0][STUDY]
    assert "retrieve it first" in outcomes[1]["msg"] and "local" in outcomes[0]["msg"]
    for wrong in ('{"NoSuchOption": 1}', '{"jobs": "many"}'):
        done = ours("px-find", "--PatientID", "GET", "--then", "register", "--db", log, "--thenArgs", wrong, check=False)
        assert done.returncode == 2 and "--thenArgs for register" in done.stderr
    done = ours("px-find", "--PatientID", "GET", "--then", "report", "--thenArgs", '{"x": 1}', check=False)
    assert done.returncode == 2 and "report takes no x" in done.stderr


@pytest.mark.asan
def test_push_what_was_retrieved(ours, log, tmp_path):
    (log.parent / "services").mkdir(parents=True)
    (log.parent / "services/storage.json").write_text(json.dumps({"nfs": {"storagetype": "fs", "storepath": str(tmp_path / "store")}}))
    push = {"db": str(log), "swift": "nfs", "swiftServicesPACS": "ORT", "swiftPackEachDICOM": True, "parseAllFilesWithSubStr": "dcm"}
    done = ours("px-find", "--PatientID", "GET", "--then", "retrieve,push", "--get", "--db", log, "--thenArgs", "{};" + json.dumps(push), "--withFeedBack")
    assert f"Pushing [ 002 ]: {'series 1':50}{STUDY}.1" in done.stdout.splitlines()
    stored = sorted((tmp_path / "store/SERVICES/PACS/ORT").rglob("*.dcm"))
    assert len(stored) == 5
    found = ours.find("--PatientID", "GET", "--then", "push,status", "--swift", "nfs", "--db", log, "--thenArgs", '[{"swiftServicesPACS": "ORT"}, {}]')
    assert sorted((tmp_path / "store/SERVICES/PACS/ORT").rglob("*.dcm")) == stored
    assert [one["status"] for one in found["then"]["00-push"]["study"][0][STUDY]] == [True, True]
    assert [one["images"]["pushed"]["count"] for one in found["then"]["01-status"]["study"][0][STUDY]] == [2, 3]
    done = ours("px-find", "--PatientID", "GET", "--then", "push,report", "--swift", "nowhere", "--db", log, "--json", check=False)
    assert done.returncode == 1 and "push could not begin" in done.stderr and "nfs" in done.stderr
    assert list(json.loads(done.stdout)["then"]) == ["do", "00-push", "01-report"]


def test_what_cannot_be_pushed(ours, log, tmp_path):
    push = json.dumps({"storeBaseLocation": str(tmp_path / "store"), "swiftServicesPACS": "ORT"})
    ours.find("--SeriesInstanceUID", f"{STUDY}.1", "--then", "retrieve", "--get", "--db", log)
    done = ours("px-find", "--PatientID", "GET", "--then", "push", "--db", log, "--thenArgs", push, "--json", check=False)
    outcomes = json.loads(done.stdout)["then"]["00-push"]["study"][0][STUDY]
    assert done.returncode == 1 and [one["status"] for one in outcomes] == [True, False] and "push failed for 1 of 2 series" in done.stderr
