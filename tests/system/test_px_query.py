# SPDX-License-Identifier: MIT
"""px-echo, px-find and px-report against DCMTK's dcmqrscp and our own archive."""
import ast
import json

import pytest
from archive import as_program
from make_dicom import make_image, uid
from programs import ROOT, free_port, run, wait_until

STUDY, OTHER = uid(60), uid(61)
SERIES_KEYS = {"label", "command", "status"}
ARGS = """JSONargString dblogbasepath PACS CUBE swift aet aec serverIP serverPort findscu movescu StudyOnly QueryReturnTags
AccessionNumber PatientID PatientName PatientSex StudyDate ModalitiesInStudy Modality PerformedStationAETitle StudyDescription
SeriesDescription SeriesInstanceUID StudyInstanceUID ProtocolName AcquisitionProtocolName AcquisitionProtocolDescription
withFeedBack then thenArgs intraSeriesRetrieveDelay move json verbosity desc synopsis b_version b_waitForUserTerminate
QueryRetrieveLevel""".split()


class Tools:
    """px tools by name, aimed at a PACS as the client OTHER."""

    def __init__(self, folder, aec, port):
        self.folder, self.aec, self.port = folder, aec, port

    def plain(self, name, *options, **more):
        return run(as_program(self.folder, name), *options, **more)

    def __call__(self, name, *options, **more):
        return self.plain(name, "--aet", "OTHER", "--aec", self.aec, "--serverIP", "127.0.0.1", "--serverPort", self.port,
                          *options, **more)

    def find(self, *options, **more):
        return json.loads(self("px-find", *options, "--json", **more).stdout)


def images(folder):
    """A study with two series and one with one, of two patients whose names need character sets."""
    for series, modality, text in ((1, "MR", "SAG [a]b"), (2, "CT", "$(touch /tmp/x) 'q'")):
        for number in range(series):
            make_image(folder / f"{series}-{number}.dcm", PatientID="LAB 001", PatientName="山田^太郎", SpecificCharacterSet="ISO_IR 192",
                       StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.{series}", SOPInstanceUID=f"{STUDY}.{series}.{number}",
                       Modality=modality, SeriesDescription=text, PatientBirthDate="20100203", StudyDate="20130308",
                       StudyDescription="Brain")
    make_image(folder / "other.dcm", PatientID="LAB 002", PatientName="Jérôme".encode("latin-1"), SpecificCharacterSet="ISO_IR 100",
               StudyInstanceUID=OTHER, SeriesInstanceUID=f"{OTHER}.1", Modality="MR", StudyDate="20140101")
    return folder


@pytest.fixture
def ours(archive, tmp_path):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, images(tmp_path / "images"))
    return Tools(tmp_path, archive.aet, archive.port)


@pytest.fixture
def theirs(dcmqrscp, tmp_path):
    run("storescu", "+sd", "-R", "-aec", dcmqrscp.aet, "127.0.0.1", dcmqrscp.port, images(tmp_path / "images"))
    return Tools(tmp_path, dcmqrscp.aet, dcmqrscp.port)


@pytest.fixture
def nobody(tmp_path):
    return Tools(tmp_path, "NOBODY", free_port())


def value(record, keyword):
    return record[keyword]["value"]


@pytest.mark.asan
def test_echo(ours):
    outcome = json.loads(ours("px-echo").stdout)
    assert list(outcome) == ["status", "data", "command", "returncode"]
    assert outcome["status"] == "success" and outcome["returncode"] == 0
    assert ast.literal_eval(ours("px-echo").stdout) == outcome  # as scripts written for pypx read it
    assert f"-aec {ours.aec} -aet OTHER 127.0.0.1 {ours.port}" in outcome["command"]
    assert ours("px-echo", "-v", 0).stdout == ""


def test_a_refused_echo_is_an_error(ours, nobody):
    for tools in (ours, nobody):
        done = tools("px-echo", "--aet", "STRANGER", check=False)
        outcome = json.loads(done.stdout)
        assert done.returncode == 1 and outcome["status"] == "error" and outcome["returncode"] == 1
        assert outcome["data"].startswith("I: Requesting Association\nF: ")


@pytest.mark.asan
def test_a_document_has_the_keys_of_pypx(ours):
    found = ours.find("--PatientID", "LAB 001")
    assert list(found) == ["status", "command", "data", "args"]
    assert list(found["args"]) == ARGS
    assert found["args"]["serverPort"] == str(ours.port) and found["args"]["json"] is True
    assert '-k "PatientID=LAB 001" -k PatientName' in found["command"]
    study, = found["data"]
    assert study["uid"] == {"tag": 0, "value": 0, "label": "uid"}
    assert study["PatientName"] == {"tag": "0010,0010", "value": "山田^太郎", "label": "PatientName"}
    assert value(study, "NumberOfStudyRelatedInstances") == "3"
    assert list(study)[-1] == "series"
    assert [value(series, "uid") for series in study["series"]] == [0, 1]
    assert {value(series, "SeriesDescription") for series in study["series"]} == {"SAG [a]b", "$(touch /tmp/x) 'q'"}
    for series in study["series"]:
        assert SERIES_KEYS <= set(series) and value(series, "label") == "SERIES" and value(series, "status") == "success"
        assert f'-k "StudyInstanceUID={STUDY}"' in value(series, "command")


def test_dcmqrscp_answers_too(theirs):
    found = theirs.find("--StudyInstanceUID", STUDY)
    study, = found["data"]
    assert {value(series, "SeriesInstanceUID") for series in study["series"]} == {f"{STUDY}.1", f"{STUDY}.2"}
    assert value(study, "PatientID") == "LAB 001"


def test_all_studies_on_one_association_or_several(ours):
    assert len(ours.find("--all", "--parallel", 1)["data"]) == len(ours.find("--all", "--parallel", 16)["data"]) == 2
    done = ours("px-find", "--json", check=False)
    assert done.returncode == 2 and "--all" in done.stderr and not done.stdout


def test_a_pacs_that_grants_one_association(stopped_archive, tmp_path):
    archive = stopped_archive
    archive.set("ae_params.max_assoc", 1)
    archive.start()
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, images(tmp_path / "images"))
    wait_until(lambda: len(archive.files()) == 4, what="the images are there")
    found = Tools(tmp_path, archive.aet, archive.port).find("--all", "--parallel", 8)
    assert sorted(len(study["series"]) for study in found["data"]) == [1, 2]


def test_a_refused_query_is_an_error(ours, theirs):
    done = ours("px-find", "--aet", "STRANGER", "--PatientID", "x", "--json", check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["status"] == "error"
    theirs.aec = "WRONG"
    done = theirs("px-find", "--PatientID", "x", "--json", check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["status"] == "error" and "WRONG" in done.stderr


def test_constraints_of_series_drop_studies(ours):
    found = ours.find("--PatientID", "LAB*", "--Modality", "CT")
    study, = found["data"]
    assert [value(series, "Modality") for series in study["series"]] == ["CT"]
    assert ours.find("--PatientID", "LAB*", "--SeriesInstanceUID", f"{OTHER}.1")["data"][0]["StudyInstanceUID"]["value"] == OTHER
    assert ours.find("--PatientName", "山田*")["data"][0]["PatientID"]["value"] == "LAB 001"
    assert [value(one, "PatientName") for one in ours.find("--StudyDate", "20140101-20141231")["data"]] == ["Jérôme"]


def test_study_only_and_return_tags(ours):
    found = ours.find("--PatientID", "LAB 001", "--StudyOnly")
    assert list(found) == ["status", "data", "command", "returncode"]
    assert "series" not in found["data"][0]
    # A constraint holds although its keyword is not to be returned.
    found = ours.find("--PatientID", "LAB 001", "--QueryReturnTags", "PatientName")
    assert len(found["data"]) == 1
    assert "StudyDescription" not in found["data"][0]
    assert ours("px-find", "--PatientID", "x", "--QueryReturnTags", "NoSuchThing", check=False).returncode == 2


def test_no_match_is_a_success(ours):
    found = ours.find("--PatientID", "NOBODY")
    assert found["status"] == "success" and found["data"] == []
    assert ours("px-find", "--PatientID", "NOBODY").stdout == ""


def test_json_args_stand_for_the_command_line(ours):
    options = {"aet": "OTHER", "aec": ours.aec, "serverIP": "127.0.0.1", "serverPort": ours.port, "PatientID": "LAB 001",
               "json": True, "StudyOnly": False}
    found = json.loads(ours.plain("px-find", "--JSONargs", json.dumps(options)).stdout)
    assert len(found["data"]) == 1 and "series" in found["data"][0]
    for bad in ("{", "[1]", '{"nosuch": 1}', '{"JSONargs": "{}"}'):
        assert ours.plain("px-find", "--JSONargs", bad, check=False).returncode in (1, 2)


def test_a_pacs_that_is_not_there(nobody):
    done = nobody("px-find", "--PatientID", "x", "--json", check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 1 and list(found) == ["status", "data", "command", "returncode"]
    assert found["status"] == "error" and found["data"].startswith("E: ")
    report = nobody.plain("px-report", "--printReport", "tabular", stdin=done.stdout, check=False)
    assert report.returncode == 1 and "error has been flagged" in report.stdout
    done = nobody("px-find", "--PatientID", "x", check=False)
    assert done.returncode == 1 and done.stdout == "" and str(nobody.port) in done.stderr



@pytest.mark.parametrize("options", [("--then", "nosuch"), ("--then", "report", "--thenArgs", "{};{}"), ("--aet", "A" * 17), ("--nosuch",),
                                     ("--intraSeriesRetrieveDelay", "soon"), ("--StudyOnly", "--then", "report"), ("--parallel", 0)])
def test_usage_errors(nobody, options):
    assert nobody("px-find", "--PatientID", "x", *options, check=False).returncode == 2


def test_find_into_report(ours):
    found = ours("px-find", "--PatientID", "LAB 001", "--json").stdout
    table = ours.plain("px-report", "--printReport", "csv", "--csvPrintHeaders", "--reportHeaderStudyTags", "PatientName,PatientAge",
                       "--reportBodySeriesTags", "SeriesDescription,NumberOfSeriesRelatedInstances", stdin=found).stdout.splitlines()
    assert table[0] == "PatientName|PatientAge|Modality|SeriesDescription|NumberOfSeriesRelatedInstances"
    assert len(table) == 3 and all(line.startswith("山田^太郎|03Y-01M-05D|") for line in table[1:])
    assert {tuple(line.split("|")[3:]) for line in table[1:]} == {("SAG [a]b", "1"), ("$(touch /tmp/x) 'q'", "2")}
    assert ours.plain("px-report", stdin=found).stdout == ""
    assert json.loads(ours.plain("px-report", "--json", stdin=found).stdout) == json.loads(found)
    report = json.loads(ours.plain("px-report", "--printReport", "json", "--reportData", found).stdout)
    assert [sorted(part) for part in report] == [["body", "bodySeriesUID", "header"]]


def test_no_colours_and_frames_unless_told(ours):
    plain = ours("px-find", "--PatientID", "LAB 001").stdout
    assert "SeriesDescription" in plain and "\x1b" not in plain and "│" not in plain
    coloured = ours("px-find", "--PatientID", "LAB 001", "--colorize", "dark").stdout
    assert "\x1b[1;35m" in coloured and "│" in coloured


@pytest.mark.parametrize("text", ["", "junk", "[]", "{}", '{"status": "success"}', '{"status": "success", "data": 5}', "[" * 100000])
def test_junk_on_stdin(nobody, text):
    done = nobody.plain("px-report", "--printReport", "tabular", stdin=text, check=False)
    assert done.returncode == 1 and done.stderr


def test_reports_from_files(nobody, tmp_path):
    assert nobody.plain("px-report", "--reportDataFile", tmp_path / "none", check=False).returncode == 1
    assert nobody.plain("px-report", "--seriesSpecial", "seriesMood", stdin="{}", check=False).returncode == 2
    assert nobody.plain("px-report", "--printReport", "html", stdin="{}", check=False).returncode == 2


@pytest.mark.parametrize("name, version", [("px-echo", "3.0.0"), ("px-find", "3.6.0"), ("px-move", "3.0.0"), ("px-report", "3.2.34"),
                                           ("px-smdb", "3.2.34"), ("px-status", "3.0.2")])
def test_version_help_and_synopsis(nobody, name, version):
    assert nobody.plain(name, "--version").stdout == f"Version: {version}\n"
    assert nobody.plain(name, "-y").stdout.startswith(f"usage: {name}")
    assert "--version" in nobody.plain(name, "-x").stdout and "--version" in nobody.plain(name, "-h").stdout


def test_requests_are_shown_at_verbosity_5(ours):
    shown = ours("px-find", "--PatientID", "LAB 001", "-v", 5, "--json").stderr
    assert shown.count("findscu -xi -S") == 2 and "QueryRetrieveLevel=SERIES" in shown
    assert ours("px-find", "--PatientID", "LAB 001", "-v", 0, "--json").stdout == ""


def test_orthanc_gets_the_document_of_pypx(orthanc, tmp_path):
    """tests/data/px/two-studies.json is what pypx made of the same five files in another Orthanc, which answered in UTF-8."""
    files = ROOT / "tests/data/pydicom/test_files/dicomdirtests/77654033"
    run("storescu", "-R", "-aec", orthanc.aet, "127.0.0.1", orthanc.port,
        *(files / name for name in ("CR1/6154", "CR2/6247", "CR3/6278", "CT2/17106", "CT2/17136")))
    found = Tools(tmp_path, orthanc.aet, orthanc.port).find("--db", "@BASE@/log", "--PatientID", "77654033")
    text = (ROOT / "tests/data/px/two-studies.json").read_text()
    for old, new in (("ISO_IR 192", "ISO_IR 100"), ("LABPACS", orthanc.aet), ("LABAET", "OTHER"), ("@PORT@", str(orthanc.port))):
        text = text.replace(old, new)
    expected = json.loads(text)

    def ordered(document):
        for study in document["data"]:
            study["series"].sort(key=lambda series: value(series, "SeriesInstanceUID"))
            for series in study["series"]:
                del series["uid"]
            del study["uid"]
        document["data"].sort(key=lambda study: value(study, "StudyInstanceUID"))
        # Otherwise: options of pypx 3.11 are there too; what was asked stays as it was asked.
        for name in ("StudyOnly", "QueryReturnTags", "StudyInstanceUID"):
            document["args"].pop(name, None)
        return document

    assert ordered(found) == ordered(expected)
    assert found["command"] == expected["command"]


def test_failures_are_0_for_scripts_of_pypx(nobody):
    """Only when it is asked for, and never for wrong usage."""
    as_pypx = {"PX_EXIT": "pypx"}
    assert nobody("px-echo", check=False).returncode == 1
    done = nobody("px-echo", check=False, env=as_pypx)
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "error"
    assert nobody("px-echo", check=False, env={"PX_EXIT": "yes"}).returncode == 1
    assert nobody("px-echo", "--no-such-option", check=False, env=as_pypx).returncode == 2
