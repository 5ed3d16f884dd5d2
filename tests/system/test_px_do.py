# SPDX-License-Identifier: MIT
"""px-do: the verbs on what px-find --json had found, through pipes and files."""
import json

import pytest
from programs import free_port
from test_px_move import STUDY, tools  # noqa: F401 (a fixture)


@pytest.fixture
def found(tools, archive):  # noqa: F811
    return tools("px-find", "--aet", archive.aet, "--PatientID", "FEW", "--json").stdout


@pytest.mark.asan
def test_the_pacs_comes_with_the_document(tools, archive, found):  # noqa: F811
    done = json.loads(tools.plain("px-do", "--then", "report,retrieve", "--json", stdin=found).stdout)
    assert list(done) == ["do", "00-report", "01-retrieve"] and done["do"] is True
    assert done["00-report"] == {"study": [{STUDY: [{}, {}]}]}
    assert all(one["status"] == "success" for one in done["01-retrieve"]["study"][0][STUDY])
    assert len(archive.files()) == 4


def test_from_a_file_or_an_argument(tools, found, tmp_path):  # noqa: F811
    (tmp_path / "found.json").write_text(found)
    from_file = tools.plain("px-do", "--then", "report", "--withFeedBack", "--reportDataFile", tmp_path / "found.json").stdout
    assert from_file.startswith("\n[ STUDY report ]\n") and from_file.count(f"│ {STUDY}.") == 2
    assert tools.plain("px-do", "--then", "report", "--withFeedBack", "--reportData", found).stdout == from_file


def test_what_is_given_goes_first(tools, found):  # noqa: F811
    done = tools.plain("px-do", "--then", "retrieve", "--serverPort", free_port(), "--json", stdin=found, check=False)
    assert done.returncode == 1 and "retrieve failed for 2 of 2 series" in done.stderr
    assert json.loads(done.stdout)["00-retrieve"]["study"][0][STUDY][0]["returncode"] == 61


def test_verbs_that_px_find_had_been_told(tools, archive):  # noqa: F811
    found = tools("px-find", "--aet", archive.aet, "--PatientID", "FEW", "--then", "report", "--json").stdout
    assert list(json.loads(tools.plain("px-do", "--json", stdin=found).stdout)) == ["do", "00-report"]
    assert list(json.loads(tools.plain("px-do", "--then", "report,report", "--json", stdin=found).stdout)) == ["do", "00-report", "01-report"]


def test_nothing_to_do(tools, archive):  # noqa: F811
    found = tools("px-find", "--aet", archive.aet, "--PatientID", "NOBODY", "--json").stdout
    assert json.loads(tools.plain("px-do", "--then", "retrieve", "--json", stdin=found).stdout) == {"do": False}
    assert tools.plain("px-do", "--then", "retrieve", stdin=found).stdout == ""


@pytest.mark.parametrize("text", ["", "junk", "[]", '{"status": "error", "data": "E: no"}', '{"status": "success", "data": 5}',
                                  '{"status": "success", "data": [], "args": {"serverPort": "x"}}', '{"status": true, "data": [], "args": {"aet": "seventeen letters"}}'])
def test_what_is_no_document(tmp_path, text):
    from test_px_query import Tools
    done = Tools(tmp_path, "X", 1).plain("px-do", "--then", "report", "--json", stdin=text, check=False)
    assert done.returncode in (1, 2) and done.stderr and not done.stdout


@pytest.mark.parametrize("document", [
    {"status": "success", "data": [{}, {"series": 5}, 7, {"series": [{}, 1, None]}]},
    {"status": "success", "data": [{"StudyInstanceUID": {"value": "1.2"}, "series": [{"SeriesInstanceUID": {"value": 3}}]}], "args": 4},
])
def test_documents_from_elsewhere(tmp_path, document):
    from test_px_query import Tools
    done = Tools(tmp_path, "X", 1).plain("px-do", "--then", "report", "--json", "--withFeedBack", stdin=json.dumps(document), check=False)
    assert done.returncode == 1 and "without its UIDs" in done.stderr


def test_arguments_that_do_not_fit_their_verbs(tools, found):  # noqa: F811
    for arguments in ('{}', '{},{}', '[{}]', '{};{};{}', '{'):
        done = tools.plain("px-do", "--then", "report,retrieve", "--thenArgs", arguments, stdin=found, check=False)
        assert done.returncode == 2 and "--thenArgs" in done.stderr and not done.stdout
    for arguments in ('{};{}', '[{}, {}]', ''):
        assert tools.plain("px-do", "--then", "report,report", "--thenArgs", arguments, stdin=found).stdout == ""


def test_waiting_for_the_user(tools, found, tmp_path):  # noqa: F811
    (tmp_path / "found.json").write_text(found)
    done = tools.plain("px-do", "--then", "report", "--reportDataFile", tmp_path / "found.json", "--waitForUserTerminate", stdin="\n")
    assert "Hit ENTER now to exit." in done.stderr and done.stdout == ""
    assert tools.plain("px-do", "--then", "report", "--reportDataFile", tmp_path / "found.json", "--waitForUserTerminate", stdin="").returncode == 0
