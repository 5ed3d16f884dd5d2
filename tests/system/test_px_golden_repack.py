# SPDX-License-Identifier: MIT
"""px-repack beside the recorded runs of pypx: the packed tree, what is left of the sources, the result document. tests/px/DIFFERENCES.md says where ours
differs, and why."""
import csv
import hashlib
import json
import re
import shutil

import golden
import pytest
from archive import as_program
from programs import run

CASES = golden.cases("px-repack")
# What pypx received before a run: the files it names, all for a folder.
CHARSETS = ["10-french.dcm", "11-japanese-h31.dcm", "12-japanese-birthdate.dcm", "13-chinese-utf8.dcm"]
SPACES = ["17-spaces-s1-i1.dcm", "18-spaces-s1-i2.dcm", "19-spaces-s2-i1.dcm"]
FOLDERS = {"repack-charsets": CHARSETS, "repack-dir": SPACES, "repack-dir-all": sorted(path.name for path in golden.INPUT.glob("*.dcm")),
           "v3.12.6-repack-default-templates": [SPACES[0], SPACES[2]],
           "v3.12.6-repack-missing-seriesdesc": ["15-mr-no-seriesdesc.dcm", "16-ot-missing-elements.dcm"]}
# pypx dies of these, or loses the file; ours packs it.
OURS = {
    "template-age-missing-birthdate": ["data/a83db7f7-0b26-49c2-a92f-484c5c06bc98-_PatientAge-_AgeInDays/_StudyDescription-_AccessionNumber-20230118/"
                                       "_SeriesNumber-_SeriesDescription/_InstanceNumber-1.2.276.0.7230010.3.1.4.2831156464.1.1674056925.390988.dcm"],
    "template-name": None, "template-name-seeded": None,
    "repack-jsonargs": ["data/LAB_001_X-O_Neil_Mary_Jane_Dr-20100203/Brain_w_o_Contrast_x_1_2-ACC-100_7-20130308/00003-AX_T2_fs_x_more/"
                        "0001-1.2.826.0.1.3680043.8.498.7777.1.1.1.dcm"],
}
# A function stays with its own attribute when another one is missing.
PAIRED = {"/_pad_5_0_SeriesNumber-": "/_SeriesNumber-", "-_md5_7_SeriesInstanceUID/": "-de68b38/",
          "20230118/_SeriesDescription-_seahash_7_SeriesInstanceUID/": "20230118/_SeriesDescription-bc7d6a9/",
          "20040826/_SeriesDescription-_seahash_7_SeriesInstanceUID/": "20040826/_SeriesDescription-5e8cbc4/"}


class Base:
    def __init__(self, folder):
        self.folder = folder
        self.places = {"BASE": folder, "INPUT": golden.INPUT}
        self.incoming = folder / "incoming"
        self.incoming.mkdir()

    def receive(self, case):
        if "notdicom" in case.name:
            (self.incoming / "junk.dcm").write_bytes(b"this is not a DICOM file\n")
        else:
            named = re.search(r"\d\d-[\w-]+\.dcm", " ".join(case.words))
            for name in FOLDERS.get(case.name) or [named[0]]:
                shutil.copy(golden.INPUT / name, self.incoming / name)

    def run(self, case, *more):
        if case.release == "3.12.6":
            more += ("--template-set", "newest")
        return run(as_program(self.folder, "px-repack"), *case.command(self.places), *more, check=False)

    def tree(self, part):
        return {path: size for path, size in golden.tree(self.folder).items() if path.startswith(part) and "/.tmp_data/" not in path}


@pytest.fixture
def base(tmp_path):
    return Base(tmp_path)


def with_pairs(path):
    for wrong, right in PAIRED.items():
        path = path.replace(wrong, right)
    return path


def without_hash(path):
    """What tells names of other alphabets apart is not in pypx's, whose own ends in '_' then, or in the letter before it."""
    return re.sub(r"_(?=[-/])", "", re.sub(r"_[0-9a-f]{10}(?=[-/])", "", path))


def packed(tree):
    return {path: size for path, size in tree.items() if path.startswith("data/") and not path.endswith("/")}


def sources(tree):
    return {path: size for path, size in tree.items() if path.startswith("incoming/")}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tree(base, case):
    base.receive(case)
    if case.name == "repack-one-again":
        assert base.run(case).returncode == 0
    done = base.run(case)
    assert done.returncode == (1 if "notdicom" in case.name else 0), done.stderr
    expected, actual = packed(case.tree()), packed(base.tree("data/"))
    if case.name in OURS:
        assert list(actual) == OURS[case.name] if OURS[case.name] else len(actual) == 1
    else:
        change = without_hash if "charsets" in case.name or case.name == "repack-dir-all" else str
        assert {change(path): size for path, size in actual.items()} == {change(with_pairs(path)): size for path, size in expected.items()}
    if sources(case.tree()) and case.name != "repack-notdicom-cleanup":
        assert base.tree("incoming/") == sources(case.tree())
    if "notdicom" in case.name:
        assert base.tree("incoming/") == {"incoming/junk.dcm": 25}
        assert re.search(r"junk\.dcm: not a DICOM file", done.stderr)


RECORDED = [case for case in CASES if case.name not in OURS and any(path.startswith("log/") and path.endswith(".json") for path in case.tree())]


@pytest.mark.parametrize("case", RECORDED, ids=str)
def test_records(base, case):
    """With --tree, the JSON files that pypx leaves."""
    base.receive(case)
    base.run(case, "--tree")
    expected = {path for path in case.tree() if path.endswith(".json")}
    actual = {path for path in base.tree("log/") if path.endswith(".json")}
    assert expected <= actual if case.name.startswith("template-") else expected == actual
    files = case.files()
    for path, content in files.items():
        if "-pack.json" in path or "-meta.json" in path and "seriesData" in path:
            assert golden.difference(content, json.loads((base.folder / path).read_text())) is None, path


def test_copies_are_the_bytes(base):
    case = golden.case("repack-dir-all")
    base.receive(case)
    base.run(case)
    digests = [sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.dcm"))
               for folder in (golden.INPUT, base.folder / "data")]
    assert digests[0] == digests[1] and len(digests[0]) == 19


# -- the result --

TEXTS_OF_TAGS = ("dcm", "d_dcm", "str_raw", "l_tagRaw", "str_json", "d_dicom", "l_tagsUsed")


def ours_of(one, with_cleanup):
    """pypx's member of `run` as ours says it: statuses that are true, each tag once, the models always there."""
    read = one["d_DICOMfile_save"]["d_DICOMfile_read"]
    for name in TEXTS_OF_TAGS:
        del read["d_DICOM"][name]
    del read["d_DICOMprocess"]["prior"]
    one["d_DICOMfile_save"]["errorDir"] = ""  # "File exists" for each folder that was there
    read["d_DICOM"]["d_dicomSimple"] = dict(sorted(read["d_DICOM"]["d_dicomSimple"].items()))
    if one["status"]:
        maps = one["d_mapsUpdate"]
        maps["status"] = True
        maps.pop("d_patientData_process")
        maps["d_studyData_process"].pop("d_studySeries")
    if with_cleanup:
        one["cleanup"] = None
    return one


def comparable(one):
    """Ours without what pypx does not have, or has only for the first file."""
    for name in ("outcome", "beside", "error"):
        del one[name]
    maps = one["d_mapsUpdate"]
    if maps:
        patient = maps.pop("d_patientData_process")
        assert patient["StudyList"] == list(maps["d_studyData_process"]["d_studyMeta"])
        maps["d_studyData_process"].pop("d_studySeries")
    if "cleanup" in one:
        one["cleanup"] = None
    if not one["status"]:
        assert one["d_DICOMfile_save"].pop("errorCopy")
        assert one["d_DICOMfile_save"]["d_DICOMfile_read"]["d_DICOMprocess"].pop("error")
        one["d_DICOMfile_save"] = {name: one["d_DICOMfile_save"].get(name, "") for name in SAVE}
        one["d_DICOMfile_save"]["d_DICOMfile_read"]["d_DICOMprocess"]["error"] = ""
    return one


SAVE = ("method", "outputDir", "outputFile", "shutilpath", "status", "errorDir", "errorCopy", "d_DICOMfile_read")


@pytest.mark.parametrize("case", [case for case in CASES if case.text("stdout.txt").strip()], ids=str)
def test_result(base, case):
    base.receive(case)
    expected = case.json(base.places)
    document = json.loads(base.run(case).stdout)
    assert list(document) == ["status", "run"] and document["status"] == expected["status"]
    cleanup = "--cleanup" in case.words
    theirs = [ours_of(one, cleanup) for one in expected["run"]]
    ours = [comparable(one) for one in document["run"]]
    for run_of in (theirs, ours):
        run_of.sort(key=lambda one: one["d_DICOMfile_save"]["d_DICOMfile_read"]["inputFileName"])
    if len(theirs) > 1:  # pypx shows the image of the last file in all of them
        for one in theirs + ours:
            del one["d_mapsUpdate"]["d_seriesData_process"]["update"]["image"]
    text = json.dumps(theirs).replace("_pad_5_0_SeriesNumber", "_SeriesNumber")
    assert golden.difference(json.loads(text), ours) is None


def test_every_option_of_every_release(base):
    shutil.copy(golden.INPUT / SPACES[0], base.incoming)
    values = {"--xcrdir": base.incoming, "--xcrfile": SPACES[0], "--parseAllFilesWithSubStr": "dcm", "--logdir": base.folder / "log",
              "--datadir": base.folder / "data", "--verbosity": "0"}
    with open(golden.FOLDER / "options.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["tool"] == "px-repack" and row["option"] != "--JSONargs"]
    assert len(rows) == 51
    for row in rows:
        for spelling in row["option"].split("|"):
            words = [spelling] if row["type"] == "flag" else [spelling, values.get(row["option"].split("|")[-1]) or row["default"] or "x"]
            done = run(as_program(base.folder, "px-repack"), *words, "--version", check=False)
            assert done.returncode == 0 and not done.stderr, (spelling, done.stderr)


def test_debug_logs(base):
    case = golden.case("repack-debug")
    base.receive(case)
    base.run(case)
    line = (base.folder / "log/repack.log").read_text()
    assert "19-spaces-s2-i1.dcm -> " in line and line.rstrip().endswith("(stored)")
    assert "packed 1 (0 were there), failed 0" in (base.folder / "log/incoming-pulse.log").read_text()
