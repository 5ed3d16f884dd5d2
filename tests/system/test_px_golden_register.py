# SPDX-License-Identifier: MIT
"""px-register beside the recorded runs of pypx: what CUBE is sent, what is printed, what is noted. tests/px/DIFFERENCES.md says why some differ."""
import json
import os
import sqlite3

import pytest
from archive import as_program
from cube import Cube
from golden import INPUT, case, cases, difference
from programs import run

SERIES = "1.2.826.0.1.3680043.8.498.7777.1.1"
# px-register 3.6 had the templates of px-repack, which px-push did not use; what it sent is had with these.
OF_3_6 = ["--studyDirTemplate", "%StudyDescription-%AccessionNumber-%StudyDate", "--seriesDirTemplate", "%_pad|5,0_SeriesNumber-%SeriesDescription"]
DAYS = 1129  # from birth to study; pypx sent -1 where there is no PatientAge


@pytest.fixture
def lab(tmp_path):
    """A BASEMOUNT with the two series of LAB 001 X, and a CUBE."""
    base = tmp_path / "base"
    for number in (17, 18, 19):
        name, = INPUT.glob(f"{number}-*.dcm")
        run(as_program(tmp_path, "px-repack"), "--xcrdirfile", name, "--logdir", base / "log", "--datadir", base / "data", "-v", 0)
    cube = Cube()
    (base / "services").mkdir(exist_ok=True)
    (base / "services/cube.json").write_text(json.dumps({"local": {"url": cube.url, "username": "chris", "password": "chris1234"}}), encoding="utf-8")
    os.chmod(base / "services/cube.json", 0o600)
    cube.base, cube.folder, cube.places = base, tmp_path, {"BASE": base, "CUBEPORT": cube.port}
    yield cube
    cube.stop()
    assert not cube.problems


def play(lab, one, *more):
    return run(as_program(lab.folder, one.tool), *one.command(lab.places), *more, check=False, stdin="")


def templates(one, path="/api/v1/pacsfiles/"):
    """The bodies that pypx posted, as {name: value}, with the age that ours sends; by path."""
    posted = [{pair["name"]: pair["value"] for pair in json.loads(body)["template"]["data"]}
              for method, to, _, body, _ in one.requests() if method == "POST" and to == path]
    for fields in posted:
        fields["PatientAge"] = str(DAYS) if fields["PatientAge"] == "-1" else fields["PatientAge"]
        if fields["ProtocolName"] == "'ProtocolName'":
            fields["ProtocolName"] = ""
    return sorted(posted, key=lambda fields: fields["path"])


def by_name(document):
    """The runs in the order of their files, which pypx had in the order of the folder; members in one order."""
    document["run"].sort(key=lambda one: one["d_DICOMfile_register"]["d_DICOMfile_read"]["inputFileName"])
    return json.loads(json.dumps(document, sort_keys=True))


def ours(done):
    document = json.loads(done.stdout)
    words = [one.pop("outcome") for one in document["run"]]
    return by_name(document), words


def as_pypx_had_it(info):
    """What CUBE shows is a number where pypx's stub gave back the text that it was sent."""
    info["PatientAge"] = str(info["PatientAge"])
    return info


def expected_of(one, lab):
    document = by_name(one.json(lab.places))
    for entry in document["run"]:
        info = entry["d_DICOMfile_register"]["d_CUBE_register_pacs_file"]
        if "PatientAge" in info:
            info["PatientAge"] = str(DAYS)
    return document


def record(lab):
    with sqlite3.connect(f"file:{lab.base / 'log/gantry.sqlite'}?mode=ro", uri=True) as db:
        row, = db.execute("select record from px_record where series = ? and name = 'register'", (SERIES,)).fetchall()
    return json.loads(row[0])


@pytest.mark.parametrize("name", ["register-key", "register-explicit"])
def test_registering(name, lab):
    one = case(name)
    done = play(lab, one, *OF_3_6)
    assert done.returncode == 0, done.stderr
    assert sorted(lab.posts(), key=lambda fields: fields["path"]) == templates(one)
    assert [list(post) for post in lab.posts()] == [list(template) for template in templates(one)]
    for _, _, headers, _ in lab.requests:
        assert headers["authorization"] == one.requests()[0][2]["authorization"]
    document, words = ours(done)
    for entry in document["run"]:
        as_pypx_had_it(entry["d_DICOMfile_register"]["d_CUBE_register_pacs_file"])
    assert not difference(expected_of(one, lab), document) and words == ["registered"] * 2


def test_the_record(lab):
    one = case("register-key")
    play(lab, one, *OF_3_6)
    expected = one.files()[f"log/seriesData/{SERIES}-register.json"]
    expected["info"]["PatientAge"] = str(DAYS)
    del expected["CUBE"]["password"]
    expected["CUBE"]["url"] = lab.url
    found = record(lab)
    as_pypx_had_it(found["info"])
    assert not difference(json.loads(json.dumps(expected, sort_keys=True)), json.loads(json.dumps(found, sort_keys=True)))


def test_again(lab):
    """pypx posted again and called the refusals a success; CUBE is asked, and what is there is registered."""
    one = case("register-again-duplicate")
    play(lab, case("register-key"), *OF_3_6)
    before = len(lab.posts())
    done = play(lab, one, *OF_3_6)
    document, words = ours(done)
    assert done.returncode == one.exit == 0 and words == ["already registered"] * 2 and len(lab.posts()) == before
    for entry in document["run"]:
        as_pypx_had_it(entry["d_DICOMfile_register"]["d_CUBE_register_pacs_file"])
    assert not difference(expected_of(case("register-key"), lab), document)


def test_a_wrong_password(lab):
    """The message of CUBE is the same, the states are true, and CUBE is asked once."""
    one = case("register-badpassword")
    done = play(lab, one, *OF_3_6)
    document, words = ours(done)
    expected = expected_of(one, lab)
    expected["status"] = False
    for entry in expected["run"]:
        entry["status"] = entry["d_DICOMfile_register"]["status"] = False
    assert done.returncode == 1 and words == ["failed"] * 2 and len(lab.requests) == 1
    assert not difference(expected, document)


def test_no_files(lab):
    one = case("register-nofiles")
    done = play(lab, one)
    assert json.loads(done.stdout) == one.json(lab.places) and done.returncode == 1


def test_paths_since_3_11(lab):
    """The defaults are those of px-push 3.11, as px-register 3.11 had them."""
    expected = templates(case("v3.11.22-then-register-feedback"))
    for folder in sorted({path.parent for path in (lab.base / "data").rglob("*.dcm")}):
        run(as_program(lab.folder, "px-register"), "--db", lab.base / "log", "--CUBE", "local", "--swiftServicesPACS", "ORT11", "--xcrdir", folder,
            "--parseAllFilesWithSubStr", "dcm")
    assert sorted(lab.posts(), key=lambda fields: fields["path"]) == expected and len(expected) == 3


def test_each_case_is_compared():
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert [one.name for one in cases("px-register") if f'"{one.name}"' not in text] == []
