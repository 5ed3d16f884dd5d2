# SPDX-License-Identifier: MIT
"""px-move and px-find --then retrieve: from dcmqrscp into our archive, which is the destination."""
import json

import pytest
from programs import free_port
from test_px_query import Tools

STUDY = "1.2.826.0.1.3680043.10.1499.7"


@pytest.fixture
def tools(archive, dcmqrscp, few, tmp_path):
    """A PACS with two series of two images; what is retrieved goes to the archive."""
    archive.manage("store", "127.0.0.1", dcmqrscp.port, "-aec", dcmqrscp.aet, "-sp", "fs", "-pd", few, "-ma", "no")
    return Tools(tmp_path, dcmqrscp.aet, dcmqrscp.port)


@pytest.mark.asan
def test_move_one_series(tools, archive):
    outcome = json.loads(tools("px-move", "--aet", archive.aet, "--StudyInstanceUID", STUDY, "--SeriesInstanceUID", f"{STUDY}.2").stdout)
    assert outcome["status"] == "success" and outcome["data"] == [] and outcome["returncode"] == 0
    assert (outcome["completed"], outcome["failed"]) == (2, 0)
    assert f"--move {archive.aet} --timeout 5 -k QueryRetrieveLevel=SERIES -k StudyInstanceUID={STUDY} " in outcome["command"]
    assert len(archive.files()) == 2


def test_moves_that_fail(tools, archive):
    uids = ("--StudyInstanceUID", STUDY, "--SeriesInstanceUID", f"{STUDY}.1")
    done = tools("px-move", "--aet", "UNKNOWN", *uids, check=False)
    outcome = json.loads(done.stdout)
    assert done.returncode == 1 and outcome["status"] == "error" and outcome["returncode"] == 69
    assert outcome["data"].startswith("W: ")
    tools.port = free_port()
    done = tools("px-move", "--aet", archive.aet, *uids, check=False)
    assert done.returncode == 1 and json.loads(done.stdout)["returncode"] == 61
    assert tools("px-move", "--aet", archive.aet, "--StudyInstanceUID", STUDY, check=False).returncode == 2


@pytest.mark.asan
def test_retrieve_what_was_found(tools, archive):
    found = tools.find("--aet", archive.aet, "--PatientID", "FEW", "--then", "report,retrieve")
    assert found["then"]["do"] is True
    assert found["then"]["00-report"] == {"study": [{STUDY: [{}, {}]}]}
    results = found["then"]["01-retrieve"]["study"][0][STUDY]
    assert [sorted(one) for one in results] == [["command", "completed", "data", "failed", "returncode", "status", "warning"]] * 2
    assert all(one["status"] == "success" for one in results)
    assert "reportData" not in found["args"] and found["args"]["SeriesInstanceUID"] == ""
    assert len(archive.files()) == 4


def test_feedback(tools, archive):
    done = tools("px-find", "--aet", archive.aet, "--PatientID", "FEW", "--then", "retrieve", "--withFeedBack", "--json")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["", "[ STUDY retrieve ]"] and "[ SERIES retrieve ]" in lines
    # dcmqrscp does not count the images of a series.
    assert [line.rstrip() for line in lines[-2:]] == ["     Requesting ??? images for"] * 2
    assert len(archive.files()) == 4


def test_retrieve_nothing(tools, archive):
    found = tools.find("--aet", archive.aet, "--PatientID", "NOBODY", "--then", "retrieve")
    assert found["then"] == {"do": False} and found["data"] == []


def test_a_series_that_fails_does_not_hold_up_the_others(tools):
    done = tools("px-find", "--aet", "UNKNOWN", "--PatientID", "FEW", "--then", "retrieve", "--json", check=False)
    assert done.returncode == 1 and "retrieve failed for 2 of 2 series" in done.stderr
    results = json.loads(done.stdout)["then"]["00-retrieve"]["study"][0][STUDY]
    assert [one["status"] for one in results] == ["error", "error"]


def test_a_pause_behind_each_series(archive, few, tmp_path):
    """Our archive counts the images of a series; it knows itself as a destination."""
    archive.manage("store", "127.0.0.1", archive.port, "-aec", archive.aet, "-sp", "fs", "-pd", few)
    tools = Tools(tmp_path, archive.aet, archive.port)
    done = tools("px-find", "--aet", archive.aet, "--PatientID", "FEW", "--then", "retrieve", "--withFeedBack",
                 "--intraSeriesRetrieveDelay", "dynamic:2")
    assert done.stdout.count("Requesting 002 images for") == 2
    assert done.stdout.count("[ Parsing incoming images 00:01 ]") == 2
    assert "\x1b" not in done.stdout
