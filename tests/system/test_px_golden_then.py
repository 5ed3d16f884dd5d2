# SPDX-License-Identifier: MIT
"""px-find --then … and px-do beside the recorded runs of pypx: Orthanc sends to DCMTK's storescp, which starts a px-repack for each image."""
import ast
import json
import re

import pytest
from archive import as_program
from cube import Cube
from golden import case, difference
from lab import Lab, close, ordered
from programs import Server, run, wait_until

SPACES = "1.2.826.0.1.3680043.8.498.7777.1"
RETRIEVES = ["then-retrieve-feedback", "then-retrieve-move", "then-retrieve-2studies", "then-retrieve-delay-dynamic", "noseriesdesc-then-retrieve",
             "japanese-then-retrieve", "v3.11.22-then-retrieve-feedback", "do-retrieve-feedback", "then-retrieve-nofeedback", "then-retrieve-nomatch"]
STATUSES = ["then-status-feedback", "then-status-2studies", "then-status-2studies-oneseries", "noseriesdesc-then-status", "japanese-then-status",
            "v3.11.22-then-status-feedback", "do-status-feedback"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("orthanc"), "orthanc")
    yield lab
    lab.close()


class Site:
    """A BASEMOUNT, and who listens for it, as pypx's storescp.sh does."""

    def __init__(self, folder, lab):
        self.folder, self.lab, self.base = folder, lab, folder / "base"
        lab.move_listener()
        self.places = lab.places(self.base)
        (folder / "incoming").mkdir()
        repack = f"{as_program(folder, 'px-repack')} --xcrdir #p --xcrfile #f --verbosity 0 --logdir {self.base}/log --datadir {self.base}/data --cleanup --tree"
        self.listener = Server(["storescp", "-od", folder / "incoming", "-pm", "-sp", "-xcr", repack, lab.listener], lab.listener, folder / "storescp.log")

    def play(self, one, *more, check=True):
        done = run(as_program(self.folder, one.tool), *one.command(self.places), *more, "--tree", check=False, stdin=one.stdin(self.places))
        assert not check or done.returncode == 0, done.stderr
        return done

    def retrieve(self, *names):
        for name in names or ("then-retrieve-feedback",):
            self.play(case(name))

    def services(self, name, content):
        folder = self.base / "services"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))

    def packed(self):
        return {str(path.relative_to(self.base)) for path in (self.base / "data").rglob("*.dcm") if ".tmp_data" not in path.parts}


@pytest.fixture
def site(tmp_path, lab):
    site = Site(tmp_path, lab)
    yield site
    site.listener.kill()


@pytest.mark.parametrize("name", RETRIEVES)
def test_retrieve(name, site):
    one = case(name)
    told = site.play(one).stdout
    expected = one.stdout(site.places)
    if "delay" in name:  # pypx wrote a line each second and moved the cursor back
        assert "[ Parsing incoming images 00:02 ]" in told
        told, expected = (re.sub(r" *(\x1b\[[0-9;]*m)*\[ Parsing incoming images \d\d:\d\d ](\x1b\[[0-9;]*m)*\n(\x1b\[2A\n)?", "", text) for text in (told, expected))
    assert close(expected, told, "ModalityCT" if "v3.11" in name else "")
    # The tree of packed files has the same names, where no character is lost on the way; those end in something of their own.
    wanted = {path for path in one.tree() if path.startswith("data/")}
    if "japanese" in name:  # recorded beside the files of another patient
        folder, rest = next(iter(site.packed())).removeprefix("data/2008-4-_").split("-", 1)
        assert re.fullmatch("[0-9a-f]{10}", folder) and f"data/2008-4-_-{rest}" in wanted
    elif wanted:
        assert wanted == site.packed()
    # What was asked for is on record, with what came of it.
    for path, record in one.files().items():
        if path.endswith("-retrieve.json") and ("japanese" not in name or "20080504" in path):
            ours = json.loads((site.base / path).read_text())
            assert ours["NumberOfSeriesRelatedInstances"] == record["NumberOfSeriesRelatedInstances"]
            outcome = ours["command"]
            wanted = json.loads(json.dumps(record["command"]).replace("@PORT@", str(site.lab.pacs.port)))
            assert {key: outcome[key] for key in wanted} == wanted
            assert outcome["received"] == outcome["expected"] == int(ours["NumberOfSeriesRelatedInstances"])


def test_retrieve_as_json(site):
    one = case("then-retrieve-json")
    expected, found = one.json(site.places), json.loads(site.play(one).stdout)
    theirs, ours = (document["then"]["00-retrieve"]["study"] for document in (expected, found))
    assert len(theirs) == len(ours) == 1
    by_command = {result["command"]: result for result in ours[0][SPACES]}
    for result in theirs[0][SPACES]:
        assert {key: by_command[result["command"]][key] for key in result} == result
    assert not {"reportData", "studyResponse"} & set(found["args"]) and found["args"]["SeriesInstanceUID"] == ""
    assert len(json.dumps(found)) < 0.6 * len(json.dumps(expected))


def test_a_destination_that_is_down(site):
    one = case("then-retrieve-dead-destination")
    done = site.play(one, check=False)
    assert done.returncode == 1 and "retrieve failed for 2 of 2 series" in done.stderr
    theirs, ours = ([line.strip() for line in squash_lines(text) if "Requesting" in line or '"status"' in line] for text in (one.stdout(site.places), done.stdout))
    assert sorted(theirs) == sorted(ours) and '"returncode": 69' in done.stdout


def squash_lines(text):
    return [line[:72] for line in re.sub(r"\x1b\[[0-9;]*m", "", text).replace("] & more", "      ").splitlines()]


def test_a_pacs_that_is_down(site):
    done = site.play(case("then-retrieve-pacsdown"), check=False)
    assert done.returncode == 1 and not done.stdout and "Connection refused" in done.stderr


def test_status_before(site):
    one = case("then-status-before")
    assert close(one.stdout(site.places), site.play(one).stdout)


@pytest.mark.parametrize("name", STATUSES)
def test_status(name, site):
    one = case(name)
    site.retrieve(*{"77654033": ["then-retrieve-2studies"], "4MR1": ["noseriesdesc-then-retrieve"], "2008-4": ["japanese-then-retrieve"]}.get(
        next((word for word in one.words if word in ("77654033", "4MR1", "2008-4")), "77654033" if "2studies" in name else ""), []))
    assert close(one.stdout(site.places), site.play(one).stdout, "ModalityCT" if "v3.11" in name else "")


@pytest.mark.parametrize("name", ["then-status-json", "do-status-json"])
def test_status_as_json(name, site):
    one = case(name)
    site.retrieve()
    expected, found = one.json(site.places), json.loads(site.play(one).stdout)
    theirs, ours = (by_series(document.get("then", document)["00-status"]["study"][0][SPACES]) for document in (expected, found))
    assert not difference(theirs, ours)


def by_series(statuses):
    for status in statuses:
        status["study"]["seriesListInStudy"]["seriesList"].sort()
    return sorted(statuses, key=lambda status: status["series"]["seriesTable"]["series-meta"]["name"])


def test_retrieve_and_status_in_one_run(site):
    """pypx asked for the status before the listener was done, and saw nothing. Ours waits for the listener."""
    done = site.play(case("then-retrieve-status-feedback"))
    lines = squash_lines(done.stdout)
    assert [line for line in lines if "PACS:" in line] == [line for line in squash_lines(case("then-status-feedback").stdout(site.places)) if "PACS:" in line]


def test_push_and_register(site):
    """Into a folder: what goes over the wire to an object store is compared in test_px_golden_push.py."""
    cube = Cube()
    try:
        site.services("storage.json", {name: {"storagetype": "fs", "storepath": str(site.folder / name)} for name in ("local", "nfs")})
        site.services("cube.json", {"local": {"url": cube.url, "username": "chris", "password": "chris1234"}})
        site.retrieve()
        for name in ("then-push-feedback", "v3.11.22-then-push-fs-feedback", "then-register-feedback"):
            one = case(name)
            assert close(one.stdout(site.places), site.play(one).stdout, "ModalityCT" if "v3.11" in name else ""), name
        # pypx registered one of the two series; ours counts what CUBE has.
        lines = squash_lines(site.play(case("then-status-registered")).stdout)
        assert [line[:47] for line in lines if "PACS:" in line] == [" [ PACS:002/JSON:002/DCM:002/PUSH:002/REG:002 ]", " [ PACS:001/JSON:001/DCM:001/PUSH:001/REG:001 ]"]

        one = case("then-push-register-json")
        theirs, ours = (document["then"] for document in (one.json(site.places), json.loads(site.play(one).stdout)))
        assert list(theirs) == list(ours) and [list(study) for study in theirs["00-push"]["study"]] == [list(study) for study in ours["00-push"]["study"]]
        names = sorted(name for result in theirs["00-push"]["study"][0][SPACES] for name in result["objectFileList"])
        stored = sorted(name.removeprefix(f"{site.folder}/local/") for result in ours["00-push"]["study"][0][SPACES] for name in result["objectFileList"])
        # 3.6 had no digest of the series in the name of its folder.
        assert [re.sub(r"-[0-9a-f]{7}/(?=[^/]*$)", "/", name) for name in stored] == names
        newer = case("v3.11.22-then-push-swift-json").json(site.places)["then"]["00-push"]["study"][0][SPACES]
        assert [name.replace("/ORT5/", "/ORT/") for name in stored] == sorted(name for result in newer for name in result["objectFileList"])
        assert all(result["status"] is True for verb in ours if verb != "do" for result in ours[verb]["study"][0][SPACES])
        one = case("then-push-not-retrieved")
        done = site.play(one, check=False)
        assert done.returncode == 1 and close(one.stdout(site.places), done.stdout.partition("{")[0]) and "No valid file list" in done.stdout
    finally:
        cube.stop()
    assert not cube.problems


def test_a_newer_status_needs_no_cube(site):
    """v3.12.6-then-status-nocubekey died with a KeyError behind the study."""
    site.retrieve()
    one = case("v3.12.6-then-status-nocubekey")
    assert one.exit == 1
    assert "[ PACS:002/JSON:002/DCM:002/PUSH:000/REG:000 ]" in site.play(one).stdout


def test_then_report_as_json(site):
    one = case("then-report-nofeedback-json")
    expected, found = one.json(site.places), json.loads(site.play(one).stdout)
    assert found["then"] == expected["then"]
    assert list(ordered(found)) == list(ordered(expected))


@pytest.mark.asan
def test_get_needs_no_listener(tmp_path, lab):
    """C-GET from Orthanc: the same files under the same names as C-MOVE to a listener gives."""
    one = case("then-retrieve-2studies")
    done = run(as_program(tmp_path, "px-find"), *one.command(lab.places(tmp_path / "base")), "--get")
    assert close(one.stdout(lab.places(tmp_path / "base")), done.stdout)
    data = tmp_path / "base/data"
    packed = {str(path.relative_to(tmp_path / "base")) for path in data.rglob("*.dcm") if ".tmp_data" not in path.parts}
    assert packed == {path for path in one.tree() if path.startswith("data/") and "77654033" in path} and len(packed) == 5


def test_move_one_series(site):
    one = case("move-ok")
    outcome, expected = (ast.literal_eval(text) for text in (run(as_program(site.folder, "px-move"), *one.command(site.places)).stdout, one.stdout(site.places)))
    assert {key: outcome[key] for key in expected} == expected and outcome["completed"] == 2
    wait_until(lambda: len(site.packed()) == 2, what="px-repack files what storescp took")


def test_a_listener_by_another_name(site):
    """pfdcm's record of a PACS says where it is to send (aet_listener); we call it under another title."""
    site.services("pacs.json", {"services": {"lab": {"info": {"aet": "CALLER", "aet_listener": "LABAET", "aec": "LABPACS", "serverIP": "127.0.0.1",
                                                              "serverPort": str(site.lab.pacs.port)}}}})
    find = ("--PACS", "lab", "--db", site.base / "log", "--PatientID", "LAB 001 X", "--json")
    found = json.loads(run(as_program(site.folder, "px-find"), *find, "--then", "retrieve").stdout)
    commands = [result["command"] for result in found["then"]["00-retrieve"]["study"][0][SPACES]]
    assert len(site.packed()) == 3 and all("--move LABAET" in command and "-aet CALLER" in command for command in commands)
    later = json.loads(run(as_program(site.folder, "px-do"), "--then", "retrieve", "--json", stdin=run(as_program(site.folder, "px-find"), *find).stdout).stdout)
    assert [result["command"] for result in later["00-retrieve"]["study"][0][SPACES]] == commands


def test_a_receiver_that_lags(tmp_path, lab):
    """px-repack is started late, one image after the other: the next series is asked for when the last one is filed."""
    slow = tmp_path / "slow"
    (tmp_path / "incoming").mkdir()
    slow.write_text(f"#!/bin/sh\nsleep 0.7\nexec {as_program(tmp_path, 'px-repack')} --xcrdir \"$1\" --xcrfile \"$2\" --verbosity 0 --logdir {tmp_path}/base/log "
                    f"--datadir {tmp_path}/base/data --cleanup\n")
    slow.chmod(0o755)
    lab.move_listener()
    listener = Server(["storescp", "-od", tmp_path / "incoming", "-pm", "-sp", "-xcr", f"{slow} #p #f", lab.listener], lab.listener, tmp_path / "storescp.log")
    try:
        find = ("--aet", "LABAET", "--aec", "LABPACS", "--serverIP", "127.0.0.1", "--serverPort", lab.pacs.port, "--db", tmp_path / "base/log")
        found = json.loads(run(as_program(tmp_path, "px-find"), *find, "--PatientID", "77654033", "--then", "retrieve", "--json").stdout)
        results = [result for study in found["then"]["00-retrieve"]["study"] for series in study.values() for result in series]
        assert len(results) == 4 and all(result["received"] == result["expected"] for result in results)
    finally:
        listener.kill()


def test_a_receiver_that_loses_images(tmp_path, lab):
    """storescp takes them, nobody files them: that is a failure, once it is known that others were filed."""
    site = Site(tmp_path, lab)
    try:
        site.retrieve("noseriesdesc-then-retrieve")
        site.listener.kill()
        lab.move_listener()
        receiver = Server(["storescp", "-od", tmp_path / "incoming", "-pm", "--ignore", lab.listener], lab.listener, tmp_path / "ignoring.log")
        find = ("--aet", "LABAET", "--aec", "LABPACS", "--serverIP", "127.0.0.1", "--serverPort", lab.pacs.port, "--db", tmp_path / "base/log")
        done = run(as_program(tmp_path, "px-find"), *find, "--PatientID", "LAB 001 X", "--then", "retrieve", "--json", check=False)
        receiver.kill()
        assert done.returncode == 0  # nothing came in this run: the images may be meant for another place
        assert all("received" not in result for result in json.loads(done.stdout)["then"]["00-retrieve"]["study"][0][SPACES])
    finally:
        site.listener.kill()
