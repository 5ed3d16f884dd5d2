# SPDX-License-Identifier: MIT
"""px-echo, px-find, px-move and px-do beside the recorded runs of pypx, against Orthanc and dcmqrscp with the same files."""
import ast
import json
import re

import pytest
from archive import as_program
from golden import cases, difference
from lab import Lab, close, ordered
from programs import run

FOUND = [one for one in cases("px-find") if "--then" not in one.words and one.text("stdout.txt").startswith("{") and "DEADPORT" not in one.text("cmd.txt")]
TABLES = [one for one in cases("px-find") if "--then" not in one.words and "--json" not in one.words and "PORT@" in one.text("cmd.txt")
          and "JSONargs" not in one.text("cmd.txt")]
REPORTS = [one for one in cases("px-find", "px-do") if one.name in (
    "then-report-feedback", "then-report-feedback-2studies", "noseriesdesc-then-report", "do-report-feedback", "v3.11.22-do-broken",
    "dcmqrscp-then-report-feedback")]
LINES = [one for one in cases("px-echo", "px-move") if one.name not in ("move-ok", "dcmqrscp-move-ok")]  # those need someone who listens
# What pypx put into args while it worked, and what its 3.6 had no option for.
SCRATCH = ("StudyInstanceUID", "SeriesInstanceUID", "QueryRetrieveLevel", "StudyOnly", "QueryReturnTags", "JSONargString")

# Names that dcmqrscp gives in their own character sets, which pypx printed as they came.
RAW = ("dcmqrscp-find-charsets-json", "dcmqrscp-find-modalitiesinstudy-json")


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """The laboratories, each started when it is first needed."""
    started = {}

    def lab(kind):
        if kind not in started:
            started[kind] = Lab(tmp_path_factory.mktemp(kind), kind)
        return started[kind]

    yield lab
    for one in started.values():
        one.close()


def play(one, labs, tmp_path, *more):
    places = labs("dcmqrscp" if one.pacs == "dcmqrscp" else "orthanc").places(tmp_path / "base")
    everything = ["--all"] if "--StudyDate" in one.words and "" in one.words else []  # pypx asks for all without being told to
    done = run(as_program(tmp_path, one.tool), *one.command(places), *everything, *more, check=False, stdin=one.stdin(places))
    return done, places


def as_pypx(one, document):
    """Our document with what pypx got wrong: values cut at the first ']'."""
    for study in document["data"]:
        for record in (study, *study.get("series", [])):
            for member in record.values():
                if isinstance(member, dict) and isinstance(member["value"], str) and member["label"] != "command":
                    member["value"] = member["value"].split("]")[0].rstrip()
            if one.pacs == "dcmqrscp" and record is study:
                record.pop("SeriesInstanceUID", None)  # that of any series, as the PACS likes
    return document


def expected_of(one, places):
    document = json.loads(one.stdout(places).replace(" | strings \\\"", "\\\"").replace(" | strings \"", "\""))
    for study in document["data"]:
        if one.pacs == "dcmqrscp":
            study.pop("SeriesInstanceUID", None)
    return document


@pytest.mark.parametrize("one", [one for one in FOUND if "modality-json" not in one.name and "trap" not in one.name], ids=str)
def test_documents(one, labs, tmp_path):
    done, places = play(one, labs, tmp_path)
    assert done.returncode == 0, done.stderr
    expected, found = ordered(expected_of(one, places)), ordered(as_pypx(one, json.loads(done.stdout)))
    for document in (expected, found):
        document.pop("returncode", None)
        document.get("args", {}).pop("reportData", None)
        for name in SCRATCH:
            document.get("args", {}).pop(name, None)
        document["data"] = [undecoded(study) for study in document["data"]] if one.name in RAW else document["data"]
    if "--StudyOnly" in one.words:
        found.pop("args", None)
    assert not difference(expected, found)


def undecoded(study):
    """Without the names that pypx left in the PACS's character set."""
    study.pop("PatientName", None)
    for series in study["series"]:
        series.pop("PatientName", None)
    return study


def test_what_belongs_to_series_is_not_asked_of_studies(labs, tmp_path):
    """find-name-wildcard-modality-json: Orthanc finds no study with a Modality. Ours asks for it where series are asked for."""
    for one in FOUND:
        if "modality-json" in one.name:
            found = json.loads(play(one, labs, tmp_path)[0].stdout)
            assert {study["PatientID"]["value"] for study in found["data"]} == {"98890234"}
            assert all(series["Modality"]["value"] == "MR" for study in found["data"] for series in study["series"])


def test_returned_keys_do_not_drop_constraints(labs, tmp_path):
    """v3.11.22-find-queryreturntags-trap-json: pypx gave all eleven studies."""
    one, = (one for one in FOUND if "trap" in one.name)
    assert len(one.json({})["data"]) == 11
    assert [study["PatientName"]["value"] for study in json.loads(play(one, labs, tmp_path)[0].stdout)["data"]] == ["O'Neil^Mary Jane^^Dr"]


@pytest.mark.parametrize("one", TABLES, ids=str)
def test_tables(one, labs, tmp_path):
    """3.6 printed nothing without --json, the later ones a table: so does ours. Where the PACS is down it says so."""
    done, _ = play(one, labs, tmp_path)
    if "DEADPORT" in one.text("cmd.txt"):
        assert done.returncode == 1 and "Connection refused" in done.stderr and not done.stdout
    elif "nomatch" in one.name:
        assert done.returncode == 0 and not done.stdout
    elif one.text("stdout.txt"):
        assert close(one.text("stdout.txt"), done.stdout, "ModalityCT")  # those of 3.11 and later lost it
    else:
        assert done.returncode == 0 and "SeriesDescription" in done.stdout


@pytest.mark.parametrize("one", REPORTS, ids=str)
def test_what_report_tells(one, labs, tmp_path):
    done, places = play(one, labs, tmp_path)
    assert done.returncode == 0
    expected = one.stdout(places)
    if "broken" in one.name:  # 3.11's px-do did nothing; what it should have said is what 3.6 said
        expected = next(two for two in REPORTS if two.name == "do-report-feedback").stdout(places)
    if one.exit:  # 3.6 died on a series without a description, behind the study
        assert close(expected, done.stdout.partition("[ SERIES report ]")[0] + "[ SERIES report ]")
    else:
        assert close(expected, done.stdout)


@pytest.mark.parametrize("one", LINES, ids=str)
def test_echo_and_move(one, labs, tmp_path):
    """The outcome is what pypx printed, except that its `data` are the words of DCMTK; exit codes are true, and so is a rejected echo."""
    done, places = play(one, labs, tmp_path)
    expected = ast.literal_eval(re.sub("\x1b.*?m", "", one.stdout(places)).strip().splitlines()[-1])
    outcome = ast.literal_eval(done.stdout)
    assert outcome["command"] == expected["command"]
    status = "error" if expected["returncode"] else expected["status"]
    assert (outcome["status"], done.returncode) == (status, int(status == "error"))
    # DCMTK's movescu ends with 62 where the connection is refused, ours with 61 wherever no association comes about.
    assert outcome["returncode"] == {62: 61}.get(expected["returncode"], expected["returncode"])
    if one.tool == "px-move":
        assert outcome["data"][:2] == expected["data"][:2]
    if "verbosity5" in one.name:
        assert outcome["command"] in done.stderr


def test_a_pacs_that_is_down(labs, tmp_path):
    for one in cases("px-find"):
        if "DEADPORT" in one.text("cmd.txt") and "--json" in one.words:
            done, places = play(one, labs, tmp_path)
            outcome, expected = json.loads(done.stdout), one.json(places)
            assert done.returncode == 1 and list(outcome) == list(expected)
            assert outcome["data"].startswith("E: ") and "Connection refused" in outcome["data"]
            assert (outcome["status"], outcome["command"], outcome["returncode"]) == (expected["status"], expected["command"], expected["returncode"])
        elif "DEADPORT" in one.text("cmd.txt"):
            done, _ = play(one, labs, tmp_path)
            assert done.returncode == 1 and not done.stdout and "Connection refused" in done.stderr


def test_silent_and_wrong_options(labs, tmp_path):
    silent, = cases_named("verbosity0-find-json")
    assert play(silent, labs, tmp_path)[0].stdout == silent.text("stdout.txt") == ""
    wrong, = cases_named("find-badoption")
    done, _ = play(wrong, labs, tmp_path)
    assert done.returncode == wrong.exit == 2 and done.stderr.startswith("usage: px-find")
    unknown, = cases_named("then-unknown-verb")  # pypx did nothing, study by study
    done, _ = play(unknown, labs, tmp_path)
    assert done.returncode == 2 and "nosuchverb" in done.stderr


def cases_named(*names):
    return [one for one in cases() if one.name in names]
