# SPDX-License-Identifier: MIT
"""px-report beside the recorded runs of pypx: what a report says, in its order. How it is laid out to the byte is px/test_report.c's matter.

What is missing is a sentence there and nothing here; an age that is not given is reckoned here (NaN where it cannot be).
"""
import json
import re

import pytest
from archive import as_program
from golden import case, cases, difference
from lab import squash
from programs import run

RECKONED = re.compile(r"\b\d{2,3}Y-\d\dM-\d\dD\b|\bNaN\b")
MISSING = re.compile(r"no value provided for [0-9a-f]{4},[0-9a-f]{4}")
OURS = [one for one in cases("px-report") if "seriesstatus" not in one.name]  # those are px-status' matter
CRASHED = [one for one in OURS if one.exit == 1 and one.name.startswith("dcmqrscp")]
NEWER = [one for one in OURS if one.release != "3.6.2" and "-csv" in one.name]
JSON = [one for one in OURS if one.text("stdout.txt").startswith("[")]
OTHER = ["report-badjson", "report-emptystdin", "report-error-payload", "report-nomatch", "report-none"]
TEXT = [one for one in OURS if one not in CRASHED + NEWER + JSON and one.name not in OTHER]


def play(one, tmp_path):
    places = {"BASE": tmp_path, "PORT": 4242, "DEADPORT": 4243}
    if "--reportDataFile" in one.words:
        (tmp_path / "find.json").write_text(case("report-rawtext-dark").stdin(places), encoding="utf-8")
    return run(as_program(tmp_path, "px-report"), *one.command(places), check=False, stdin=one.stdin(places)), places


def said(text):
    """In the order of the report: no layout, no reckoned ages, no escapes of ISO 2022."""
    return squash(RECKONED.sub("", re.sub(r"\x1b\[[0-9;]*m", "", text))).replace("\x1b", "")


@pytest.mark.parametrize("one", TEXT, ids=str)
def test_what_a_report_says(one, tmp_path):
    done, _ = play(one, tmp_path)
    lost = "ModalityCT" if one.release != "3.6.2" else ""  # 3.11 no longer said it
    assert done.returncode == one.exit == 0
    assert said(done.stdout).replace(lost, "") == said(one.text("stdout.txt"))
    assert MISSING.search(done.stdout) is None


def plain(document, lost=()):
    """Without what is missing, and without what is reckoned."""
    document = json.loads(RECKONED.sub("", MISSING.sub("", json.dumps(document, ensure_ascii=False))).replace("\\u001b", ""))
    for study in document:
        for name in lost:
            study["header"].pop(name, None)
    return document


@pytest.mark.parametrize("one", JSON, ids=str)
def test_reports_as_json(one, tmp_path):
    done, places = play(one, tmp_path)
    assert done.returncode == one.exit == 0
    assert not difference(plain(one.json(places)), plain(json.loads(done.stdout), ["Modality"] if one.release != "3.6.2" else []))


def rows(text):
    """The cells of each row, without frames."""
    found = [[cell.strip() for cell in re.split(r"[|│]", MISSING.sub("", line))] for line in text.splitlines() if line.strip() and not line.startswith("─")]
    return [["" if RECKONED.fullmatch(cell) else cell for cell in row] for row in found]


@pytest.mark.parametrize("one", NEWER, ids=str)
def test_csv_of_the_newer_ones(one, tmp_path):
    """They have no Modality, no names for the series' columns by default, and a row too many for each study, without series."""
    theirs = [row for row in rows(one.text("stdout.txt")) if "PatientName" not in row and row[-1]]
    done, _ = play(one, tmp_path)
    ours = [[cell for cell in row if cell != "CT"] for row in rows(done.stdout) if "PatientName" not in row]
    short = [[re.sub(r"^0000(?=\d$)", "", cell) for cell in row] for row in ours]  # counts are padded where it is pretty
    assert done.returncode == 0 and theirs == short and len(theirs) == 2


@pytest.mark.parametrize("one", CRASHED, ids=str)
def test_where_pypx_crashed(one, tmp_path):
    """dcmqrscp counts no images: pypx ended in a traceback."""
    done, places = play(one, tmp_path)
    studies = json.loads(one.stdin(places))["data"]
    expected = len(studies) if "--csvSummarize" in one.words else sum(len(study["series"]) for study in studies)
    assert done.returncode == 0 and not one.text("stdout.txt")
    assert len([row for row in rows(done.stdout) if "PatientName" not in row]) == expected


@pytest.mark.parametrize("name, words", [("report-badjson", "not JSON"), ("report-emptystdin", "the input is empty")])
def test_what_is_no_document(name, words, tmp_path):
    """A message, no traceback."""
    one = case(name)
    done, _ = play(one, tmp_path)
    assert done.returncode == one.exit == 1 and words in done.stderr and "Traceback" not in done.stderr and not done.stdout


def test_a_query_that_had_failed(tmp_path):
    """The same text, without colours when it is no terminal; the exit code tells."""
    one = case("report-error-payload")
    done, places = play(one, tmp_path)
    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", one.stdout(places))
    assert done.returncode == 1 and squash(done.stdout) == squash(plain_text) and "\x1b" not in done.stdout


@pytest.mark.parametrize("name", ["report-nomatch", "report-none"])
def test_nothing_to_say(name, tmp_path):
    one = case(name)
    done, _ = play(one, tmp_path)
    assert done.returncode == one.exit == 0 and not done.stdout.strip() and not squash(one.text("stdout.txt"))
