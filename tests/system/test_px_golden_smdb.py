# SPDX-License-Identifier: MIT
"""px-smdb, px-status and the tree of JSON records beside the recorded runs of pypx: on the very trees that pypx had left."""
import copy
import json
import re
import stat

import pytest
from golden import FOLDER, case, cases, difference, fill
from mount import Mount, mounted

SMDB = [one for one in cases("px-smdb")]
SERVICES = [one for one in SMDB if re.search(r"swift|storage|CUBE|PACS", one.name)]
MAPS = [one for one in SMDB if "mapsUpdate" in one.name]
PLAIN = [one for one in SMDB if one not in SERVICES and one not in MAPS]
STATUS = [one for one in cases("px-status") if one.text("stdout.txt").startswith("{\n")]
# On which tree a question was asked, where that is not the one of repack-dir-all.
STATUS_TREES = {"status-received": "then-retrieve-feedback", "status-pushed": "push-key", "status-registered": "register-key",
                "v3.11.22-status": "v3.11.22-then-retrieve-feedback"}
# What had been set before a list was asked for.
SET_BEFORE = {"smdb-swift-set-second": "smdb-swift-set", "smdb-swift-list": "smdb-swift-set-second", "smdb-swift-badjson": "smdb-swift-set-second",
              "smdb-CUBE-list": "smdb-CUBE-set", "smdb-PACS-list": "smdb-PACS-set",
              "v3.11.22-smdb-storage-set-fs": "v3.11.22-smdb-storage-set-swift", "v3.11.22-smdb-storage-list": "v3.11.22-smdb-storage-set-fs",
              "v3.11.22-smdb-swift": "v3.11.22-smdb-storage-set-fs"}
TREES = sorted({one.name for one in cases() if any(path.startswith("log/patientData") for path in one.files())})


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The tree of all inputs, adopted; only read."""
    return mounted(tmp_path_factory.mktemp("all"), "repack-dir-all")


def masked(value):
    """Ours shows no secrets."""
    if isinstance(value, dict):
        return {key: masked_text(key, one) for key, one in value.items()}
    return [masked(one) for one in value] if isinstance(value, list) else value


def masked_text(key, value):
    if key == "password":
        return "***"
    return re.sub(r":.*", ":***", value) if key == "login" else masked(value)


def without_order(value):
    """The order of series is that of a directory."""
    if isinstance(value, dict):
        return {key: without_order(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted((without_order(one) for one in value), key=json.dumps)
    return value


# -- questions --

def own_series(document):
    """pypx repeats one growing object for each series, with those of other studies; ours has one object for each."""
    document = copy.deepcopy(document)
    for study, items in document["d_series"].items():
        series = {uid: record for item in items for uid, record in item.items() if record["StudyInstanceUID"] == study}
        document["d_series"][study] = [{uid: record} for uid, record in series.items()]
    return document


@pytest.mark.parametrize("one", PLAIN, ids=str)
def test_questions(one, everything):
    done = everything.play(one)
    expected, found = one.json(everything.places), json.loads(done.stdout)
    if one.name == "smdb-seriesDirLocation_get":  # never worked there
        expected = {"status": True, "seriesDirLocation": one_folder(everything)}
    if "imageDirsPatientID" in one.name:
        expected, found = without_order(any_first(own_series(expected))), without_order(any_first(found))
    assert difference(expected, found) is None
    assert done.returncode == (0 if expected["status"] else 2 if "unknown-action" in one.name else 1)
    assert bool(done.stderr) == (not expected["status"])


def any_first(document):
    """Which image stands for a series is a matter of directories."""
    for items in document["d_series"].values():
        for item in items:
            for record in item.values():
                (name, entry), = record["imageObj"].items()
                assert record["outputFile"] == name and entry["FSlocation"].endswith("/" + name)
                record["outputFile"], record["imageObj"] = "", {"": dict(entry, FSlocation="", size=0)}
    return document


def one_folder(mount):
    series = "1.2.826.0.1.3680043.8.498.7777.1.1"
    return mount.smdb("imageDirsSeriesInstanceUID", "--actionArgs", series)[series]


def own_records(result):
    """Without what belongs to other studies, and with the status that is true."""
    result["mapsUpdateForFile"]["status"] = True
    maps = result["mapsUpdateForFile"]
    image, = maps["d_seriesData_process"]["update"]["image"].values()
    meta = maps["d_studyData_process"]["d_studyMeta"]
    maps["d_studyData_process"]["d_studyMeta"] = {image["StudyInstanceUID"]: meta[image["StudyInstanceUID"]]}
    return result


def first_is_another(maps):
    """What pypx keeps of the first file it saw, ours says of the file at hand."""
    maps["d_patientData_process"]["PatientAge"] = ""
    for series in maps["d_studyData_process"]["d_studySeries"].values():
        for name in ("InstanceNumber", "SOPInstanceUID", "PatientAge", "ImagePositionPatient", "SliceLocation"):
            series["DICOM"].pop(name, None)
    return maps


def test_maps_of_a_file(tmp_path):
    mount, one = Mount(tmp_path).adopt("repack-dir-all"), case("smdb-mapsUpdateForFile")
    done = mount.play(one)  # nothing was imported: the file is taken in
    expected, found = own_records(one.json(mount.places)), json.loads(done.stdout)
    expected["mapsUpdateForFile"]["d_seriesData_process"]["update"]["updatesMade"] = True
    for result in (expected, found):
        first_is_another(result["mapsUpdateForFile"])
    assert difference(expected, found) is None
    again = json.loads(mount.play(one).stdout)
    assert again["mapsUpdateForFile"]["d_seriesData_process"]["update"]["updatesMade"] is False


def test_maps_of_a_patient(tmp_path):
    mount, one = mounted(tmp_path, "repack-dir-all"), case("smdb-mapsUpdateForPatient")
    expected, found = one.json(mount.places), json.loads(mount.play(one).stdout)
    info = without_order(own_series(expected.pop("d_imageInfo")))
    assert difference(info, without_order(found.pop("d_imageInfo"))) is None
    paths = [path for path in expected if path != "status"]
    patient = max((expected[path]["mapsUpdateForFile"]["d_patientData_process"] for path in paths), key=len)
    assert sorted(expected) == sorted(found)
    for path in paths:
        own_records(expected[path])["mapsUpdateForFile"]["d_patientData_process"] = dict(patient)  # empty there, but for the last
        for result in (expected[path], found[path]):
            first_is_another(result["mapsUpdateForFile"])
            series, = result["mapsUpdateForFile"]["d_studyData_process"]["d_studySeries"].values()
            assert list(series) == ["SeriesInstanceUID", "SeriesBaseDir", "DICOM"]
            image, = result["mapsUpdateForFile"]["d_seriesData_process"]["update"]["image"].values()
            if result is found[path]:
                assert [one["FSlocation"] for one in image["imageObj"].values()] == [path]
            series.clear()  # pypx tells of the series before
            result["mapsUpdateForFile"]["d_seriesData_process"]["update"]["image"] = {}
        assert difference(expected[path], found[path]) is None


# -- services --

@pytest.mark.parametrize("one", SERVICES, ids=str)
def test_services(one, tmp_path):
    mount = Mount(tmp_path)
    before = SET_BEFORE.get(one.name)
    if before:
        mount.adopt(before)
    done = mount.play(one)
    expected, found = masked(one.json(mount.places)), json.loads(done.stdout)
    if one.name == "smdb-swift-list-empty":  # an empty list is no error
        expected = {"status": True, "swift": {}}
    if one.name == "v3.11.22-smdb-swift":  # both words are understood
        expected = {"status": True, "swift": masked(case("v3.11.22-smdb-storage-list").json(mount.places))["storage"]}
    assert difference(expected, found) is None
    assert done.returncode == (0 if expected["status"] else 1)
    assert "chris1234" not in done.stdout + done.stderr
    for path, content in one.files().items():
        if path.startswith("services/") and "--actionArgs" in one.words and one.words[-3].lower() in path.replace("storage", "storage swift"):
            assert json.loads((mount.base / path).read_text()) == json.loads(fill(json.dumps(content), mount.places))
            assert stat.S_IMODE((mount.base / path).stat().st_mode) == 0o600
    assert not mount.log.exists()  # services are no database


# -- status --

@pytest.mark.parametrize("one", STATUS, ids=str)
def test_status(one, tmp_path, everything):
    tree = STATUS_TREES.get(one.name)
    mount = mounted(tmp_path, tree) if tree else everything
    done = mount.play(one)
    assert difference(without_order(one.json(mount.places)), without_order(json.loads(done.stdout))) is None
    assert done.returncode == (1 if one.name == "status-unknown" else 0)


def test_status_says_something_without_json(everything):
    assert everything.play(case("status-nojson")).stdout == (
        " [ PACS:-01/JSON:002/DCM:002/PUSH:000/REG:000 ] │  AX T2 (fs) [x] & more"
        "                                 │ 1.2.826.0.1.3680043.8.498.7777.1.1\n")


def test_status_of_3_12_works(everything):
    found = json.loads(everything.play(case("v3.12.6-status-broken"), "--json", "--dialect", "newest").stdout)
    assert found["state"] == {"study": "StudyOK", "series": "SeriesOK", "images": "ImagesPulledOK"}
    assert {name: one["count"] for name, one in found["images"].items()} == {
        "received": 2, "requested": -1, "packed": 2, "pushed": 0, "registered": 0}


@pytest.mark.parametrize("one", [one for one in cases("px-report") if "seriesstatus" in one.name], ids=str)
def test_reports_on_status(one, tmp_path):
    """Layout and missing values are the matter of the golden tests of px-report: here are the lines."""
    mount = Mount(tmp_path)
    done = mount.play(one)
    assert done.returncode == 0
    lines = re.findall(r" ?\[ PACS[^]]*\] (?:│|\\u2502)  [^\x1b\"\n│]*", one.text("stdout.txt"))
    assert len(lines) == (0 if "nothen" in one.name else 2)
    assert done.stdout.count("[ PACS:") == len(lines) and "seriesStatus" in done.stdout
    for line in lines:
        assert line.strip() in done.stdout
    if "json" in one.name:
        theirs, ours = json.loads(one.text("stdout.txt")), json.loads(done.stdout)
        assert [study["bodySeriesUID"] for study in ours] == [study["bodySeriesUID"] for study in theirs]


# -- the tree --

def as_ours(path, value, mount):
    """A file of pypx's tree without its defects, as tests/px/DIFFERENCES.md lists them."""
    name = path.rsplit("/", 1)[1].removesuffix(".json")
    if path.startswith("patientData/"):
        value = {name: value[name]}
    elif path.startswith("studyData/") and "-series/" not in path:
        value = {name.removesuffix("-meta"): value[name.removesuffix("-meta")]}
    elif path.startswith("studyData/"):
        study = path.split("/")[1].removesuffix("-series")
        value = {study: value[study]}
    elif path.endswith(("-push.json", "-register.json")):
        value = masked(value)
    elif "-img/" in path:
        for image in value.values():
            for entry in image["imageObj"].values():
                entry["size"] = "@INT@"  # the PACS wrote the file meta information anew
    return json.loads(fill(json.dumps(value), mount.places))


def forget_first(path, value):
    """Which object was the first is a matter of directories."""
    for one in value.values():
        if path.startswith("patientData/"):
            one["PatientAge"], one["StudyList"] = "", sorted(one["StudyList"])
        elif "-series/" in path:
            for name in ("InstanceNumber", "SOPInstanceUID", "PatientAge", "SmallestImagePixelValue", "LargestImagePixelValue", "SOPInstanceUID",
                         "ImagePositionPatient", "SliceLocation", "ContentTime", "InstanceCreationTime", "AcquisitionTime"):
                one["DICOM"].pop(name, None)
    return value


@pytest.mark.parametrize("name", TREES)
def test_trees(name, tmp_path):
    """Adopted, exported, adopted again: the same files, and they say what pypx's say."""
    mount = mounted(tmp_path, name)
    done = mount.smdb("export", "--tree", tmp_path / "out")["export"]
    assert done["failed"] == 0 and done["passedOver"] == []
    theirs = {path.removeprefix("log/"): value for path, value in case(name).files().items() if path.startswith("log/")}
    ours = mount.tree(tmp_path / "out")
    assert sorted(ours) == sorted(theirs)
    for path, value in theirs.items():
        expected = forget_first(path, as_ours(path, value, mount))
        assert difference(expected, forget_first(path, copy.deepcopy(ours[path]))) is None, path

    second = Mount(tmp_path / "second")
    second.base.mkdir(parents=True)
    (tmp_path / "out").rename(second.log)
    done = second.smdb("import", "--datadir", mount.data)["import"]
    assert done["damaged"] == done["missing"] == done["failed"] == 0 and done["objects"] == len(list(mount.locations()))
    second.smdb("export", "--datadir", mount.data, "--tree", tmp_path / "again")
    again = mount.tree(tmp_path / "again")
    assert again == ours
    text = "".join(path.read_text() for path in sorted((tmp_path / "again").rglob("*.json")))
    assert "chris1234" not in text and text.isascii()


def test_text_of_files(tmp_path):
    """To the byte: indents, escapes, no newline at the end."""
    mount = mounted(tmp_path, "repack-charsets")
    mount.smdb("export", "--tree", tmp_path / "out")
    path = "patientData/X1EXAMPLE.json"
    expected = (FOLDER / "repack-charsets/files/log" / path).read_text().replace('    "2008-4": {},\n', "")
    assert (tmp_path / "out" / path).read_text() == expected
