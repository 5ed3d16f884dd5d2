# SPDX-License-Identifier: MIT
"""px-register against a stand-in for CUBE that refuses what CUBE refuses: by image and by series, again, in parallel, and when things go wrong."""
import json
import os
import sqlite3
import ssl
import subprocess
import threading

import pytest
from archive import as_program
from cube import TYPE, Cube
from make_dicom import make_image
from programs import ENVIRONMENT, free_port, run

STUDY = "1.2.826.0.1.3680043.10.1499.9"
PASSWORD = "chris1234"
NAMES = {1: "Yamada^Tarou=山田^太郎", 2: "Test^Two"}


class Register:
    """px-register on a BASEMOUNT with two series of three images and of one."""

    def __init__(self, folder, cube):
        self.folder, self.cube = folder, cube
        self.log = folder / "base/log"
        for number, count in ((1, 3), (2, 1)):
            for image in range(count):
                make_image(folder / f"images/{number}-{image}.dcm", PatientID="LAB 001", PatientName=NAMES[number],
                           SpecificCharacterSet="ISO_IR 192", PatientBirthDate="20100203", PatientSex="F", StudyInstanceUID=STUDY,
                           SeriesInstanceUID=f"{STUDY}.{number}", SOPInstanceUID=f"{STUDY}.{number}.{image}", SeriesNumber=number,
                           InstanceNumber=image + 1, SeriesDescription=f"series {number}", StudyDescription="Study", StudyDate="20130308",
                           AccessionNumber="A1", Modality="MR", ProtocolName="SAG\u0007 [x] $(id)")
        self.tool("px-repack", "--xcrdir", folder / "images", "--parseAllFilesWithSubStr", "dcm", "--logdir", self.log,
                  "--datadir", self.log.parent / "data", "-v", 0)
        self.point_to(cube)

    def tool(self, name, *options, **more):
        return run(as_program(self.folder, name), *options, **more)

    def point_to(self, cube, **other):
        services = self.log.parent / "services"
        services.mkdir(exist_ok=True)
        record = {"url": cube.url, "username": "chris", "password": PASSWORD, **other}
        (services / "cube.json").write_text(json.dumps({"local": record}), encoding="utf-8")
        os.chmod(services / "cube.json", 0o600)

    def files(self, number=1):
        """The packed images of a series."""
        return sorted(path for path in (self.log.parent / "data").rglob("*.dcm") if f"-{STUDY}.{number}." in path.name)

    def __call__(self, *options, number=1, stdin="", check=True, **more):
        chosen = ["--xcrdir", self.files(number)[0].parent, "--parseAllFilesWithSubStr", "dcm"] if number else []
        done = self.tool("px-register", "--db", self.log, "--CUBE", "local", "--swiftServicesPACS", "ORT", *chosen, *options, check=check, stdin=stdin,
                         **more)
        assert PASSWORD not in done.stdout + done.stderr
        return done

    def said(self, *options, **more):
        """Exit code, outcomes, and for each image what CUBE shows of it or why not."""
        done = self(*options, check=False, **more)
        document = json.loads(done.stdout)
        assert document["status"] is (done.returncode == 0)
        inner = [next(iter(value for name, value in one.items() if name.startswith("d_"))) for one in document["run"]]
        assert [one["status"] for one in document["run"]] == [one["status"] for one in inner]
        return done.returncode, [one["outcome"] for one in document["run"]], [next(value for name, value in one.items() if name.startswith("d_CUBE")) for one in inner], done.stderr

    def record(self, number=1):
        with sqlite3.connect(f"file:{self.log / 'gantry.sqlite'}?mode=ro", uri=True) as db:
            rows = db.execute("select record from px_record where series = ? and name = 'register'", (f"{STUDY}.{number}",)).fetchall()
        return json.loads(rows[0][0]) if rows else None

    def registered(self, number=1):
        status = json.loads(self.tool("px-status", "--db", self.log, "--SeriesInstanceUID", f"{STUDY}.{number}", "--json", check=False).stdout)
        return status["images"]["registered"]["count"]

    def push(self, number=1, count=None):
        """Into a folder that is CUBE's storage; the names there."""
        files = self.files(number)[:count]
        for path in files:
            self.tool("px-push", "--db", self.log, "--storeBaseLocation", self.folder / "storage", "--swiftServicesPACS", "ORT",
                      "--swiftPackEachDICOM", "--xcrdir", path.parent, "--parseAllFilesWithSubStr", path.name)
        return sorted(str(path.relative_to(self.folder / "storage")) for path in (self.folder / "storage").rglob("*.dcm"))


@pytest.fixture
def cube():
    one = Cube()
    yield one
    one.stop()
    assert not one.problems


@pytest.fixture
def newer():
    """A CUBE that takes series."""
    one = Cube(api="series")
    yield one
    one.stop()
    assert not one.problems


@pytest.fixture
def register(tmp_path, cube):
    return Register(tmp_path, cube)


@pytest.fixture
def by_series(tmp_path, newer):
    return Register(tmp_path, newer)


# -- by image --

@pytest.mark.asan
def test_image_by_image(register, cube):
    code, outcomes, info, _ = register.said()
    assert (code, outcomes) == (0, ["registered"] * 3)
    posts = cube.posts()
    assert len(posts) == 3 and cube.paths() == sorted(post["path"] for post in posts)
    assert all(post["path"].startswith("SERVICES/PACS/ORT/LAB_001-") and post["pacs_name"] == "ORT" for post in posts)
    assert posts[0] | {"path": ""} == {
        "PatientID": "LAB 001", "PatientName": NAMES[1], "PatientBirthDate": "2010-02-03", "PatientAge": "1129", "PatientSex": "F",
        "ProtocolName": "SAG  [x] $(id)", "StudyDate": "2013-03-08", "StudyDescription": "Study", "StudyInstanceUID": STUDY, "Modality": "MR",
        "SeriesDescription": "series 1", "SeriesInstanceUID": f"{STUDY}.1", "AccessionNumber": "A1", "pacs_name": "ORT", "path": ""}
    assert info[0]["SeriesInstanceUID"] == f"{STUDY}.1" and "id" not in info[0] and "fname" not in info[0]
    for _, _, headers, _ in cube.requests:
        assert headers["accept"] == headers["content-type"] == TYPE


@pytest.mark.asan
def test_what_is_noted(register):
    register()
    record = register.record()
    assert record["objectCounter"] == {"current": 3, "total": 3}
    assert record["CUBE"] == {"url": register.cube.url, "username": "chris"} and record["info"]["PatientID"] == "LAB 001"
    assert len(record["timestamp"]) == len("2026-01-01, 10:00:00")
    assert (register.registered(1), register.registered(2)) == (3, 0)
    for path in register.log.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_what_was_changed_for_cube_is_said(register):
    changed = [one["d_DICOMfile_register"]["changed"] for one in json.loads(register().stdout)["run"]]
    assert changed == [["ProtocolName"]] * 3


@pytest.mark.asan
def test_a_second_run_asks_and_posts_nothing(register, cube):
    register()
    before = len(cube.requests)
    assert register.said()[:2] == (0, ["already registered"] * 3)
    assert len(cube.posts()) == 3 and all(method == "GET" for method, *_ in cube.requests[before:])
    assert register.record()["objectCounter"] == {"current": 3, "total": 3}


def test_all_pages_are_read(register, cube):
    cube.page = 1
    register()
    assert register.said()[:2] == (0, ["already registered"] * 3)


def test_what_is_there_otherwise_is_an_error_that_says_how(register, cube):
    register()
    cube.files[1]["PatientName"] = "Somebody^Else"
    cube.files[1]["PatientAge"] = -1
    code, outcomes, info, message = register.said()
    assert code == 1 and sorted(outcomes) == ["already registered", "already registered", "failed"]
    differing = info[outcomes.index("failed")]
    assert differing["differences"] == [{"field": "PatientName", "here": NAMES[1], "CUBE": "Somebody^Else"},
                                        {"field": "PatientAge", "here": "1129", "CUBE": -1}]
    assert "another PatientName, PatientAge" in message and "Somebody" not in message and "山田" not in message
    assert register.record()["objectCounter"] == {"current": 2, "total": 3}


def test_what_is_not_in_the_storage(register, cube):
    cube.storage = set()
    register.said()
    cube.storage = {sorted(post["path"] for post in cube.posts())[0]}
    code, outcomes, info, message = register.said()
    assert code == 1 and outcomes == ["registered", "failed", "failed"]
    assert json.loads(info[1]["msg"]) == {"path": ["Could not find this path."]} and info[1]["path"].startswith("SERVICES/PACS/ORT/")
    assert "2 of 3 images not registered" in message and "Could not find this path" in message
    assert register.record()["objectCounter"] == {"current": 1, "total": 3} and register.registered() == 1


def test_several_requests_at_a_time(register, cube):
    """Two workers meet: each POST waits until the other one is there."""
    meeting, most, lock = threading.Barrier(2), [0, 0], threading.Lock()

    def before(_, method, __):
        if method != "POST":
            return None
        with lock:
            most[0] += 1
            most[1] = max(most)
        try:
            meeting.wait(2)
        except threading.BrokenBarrierError:
            pass
        with lock:
            most[0] -= 1
        return None

    cube.before = before
    register("--jobs", 2)
    assert most[1] == 2 and len(cube.files) == 3
    most[1] = 0
    cube.files.clear()
    meeting.abort()
    register("--jobs", 1)
    assert most[1] == 1


def test_progress_is_seen_while_it_goes_on(register, cube):
    """Marks are written some at a time, not at the end: px-status sees them, and a run that is killed has noted them."""
    for number in range(3, 40):
        make_image(register.folder / f"more/{number}.dcm", PatientID="LAB 001", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.3",
                   SOPInstanceUID=f"{STUDY}.3.{number}", InstanceNumber=number, StudyDate="20130308")
    register.tool("px-repack", "--xcrdir", register.folder / "more", "--parseAllFilesWithSubStr", "dcm", "--logdir", register.log, "--datadir",
                  register.log.parent / "data", "-v", 0)
    seen = []
    cube.before = lambda number, method, path: seen.append(register.registered(3)) if len(cube.files) == 35 and method == "POST" else None
    assert register.said("--jobs", 1, number=3)[0] == 0
    assert seen == [32] and register.registered(3) == 37


# -- by series --

@pytest.mark.asan
def test_a_series_at_once(by_series, newer):
    newer.storage = set(by_series.push())
    code, outcomes, info, message = by_series.said()
    assert (code, outcomes, message) == (0, ["registered"], "")
    post, = newer.posts()
    assert (post["ndicom"], post["PatientAge"], post["path"]) == (3, 1129, min(newer.storage).rsplit("/", 1)[0])
    assert info[0]["folder_path"] == post["path"] and by_series.registered() == 3
    assert by_series.record()["objectCounter"] == {"current": 3, "total": 3}
    assert by_series.said()[:2] == (0, ["already registered"]) and len(newer.posts()) == 1


def test_a_real_swift_is_the_storage(by_series, newer, swift):
    """What px-push put there is what CUBE finds; the key of the storage and of CUBE are all that is told."""
    (by_series.log.parent / "services/storage.json").write_text(json.dumps({"local": swift.record}), encoding="utf-8")
    by_series.tool("px-push", "--db", by_series.log, "--swift", "local", "--swiftServicesPACS", "ORT", "--swiftPackEachDICOM", "--xcrdir",
                   by_series.log.parent / "data", "--parseAllFilesWithSubStr", "dcm")
    newer.storage = set(swift.names())
    assert len(newer.storage) == 4
    for number in (1, 2):
        assert by_series.said(number=number)[:2] == (0, ["registered"])
    assert [post["ndicom"] for post in newer.posts()] == [3, 1] and (by_series.registered(1), by_series.registered(2)) == (3, 1)


def test_one_file_stands_for_its_series(by_series, newer):
    """All that was pushed of it is counted, because CUBE counts the folder."""
    newer.storage = set(by_series.push())
    assert by_series.said("--xcrdirfile", by_series.files()[1], number=None)[:2] == (0, ["registered"])
    assert newer.posts()[0]["ndicom"] == 3 and by_series.registered() == 3


def test_a_series_that_is_pushed_by_half(by_series, newer):
    newer.storage = set(by_series.push(count=2))
    code, outcomes, info, message = by_series.said()
    assert (code, outcomes) == (1, ["failed"]) and not newer.posts()
    assert "2 of its 3 images are pushed; push the others too" in message and "2 of its 3" in info[0]["msg"]
    newer.storage = set(by_series.push())
    assert by_series.said()[:2] == (0, ["registered"])


def test_a_series_that_cube_counts_otherwise(by_series, newer):
    names = by_series.push()
    newer.storage = set(names[:2])
    code, outcomes, info, message = by_series.said()
    assert (code, outcomes) == (1, ["failed"]) and "was different from the ndicom(3) field" in info[0]["msg"]
    assert "(the path)" in message and "LAB" not in message
    assert by_series.registered() == 0


def test_a_series_that_grew(by_series, newer):
    names = by_series.push()
    newer.storage = set(names)
    by_series()
    newer.files.pop()
    code, outcomes, _, message = by_series.said()
    assert (code, outcomes) == (1, ["failed"]) and "with 2 of 3 images" in message


def test_a_series_in_several_folders(by_series):
    code, outcomes, _, message = by_series.said("--seriesDirTemplate", "%_pad|4,0_InstanceNumber")
    assert (code, outcomes) == (1, ["failed"]) and "several folders" in message
    assert by_series.said("--imageTemplate", "%SOPInstanceUID.img")[3].count(".dcm only") == 1


def test_several_series(by_series, newer):
    names = by_series.push(1) and by_series.push(2)
    newer.storage = set(names)
    lists = {"localFileList": [str(path) for number in (1, 2) for path in by_series.files(number)]}
    done = by_series("--localFileList", json.dumps(lists["localFileList"]), "--objectFileList", json.dumps(names), number=None)
    assert [one["outcome"] for one in json.loads(done.stdout)["run"]] == ["registered"] * 2
    assert sorted(post["ndicom"] for post in newer.posts()) == [1, 3]


def test_what_cube_offers_decides(register, cube, newer):
    done = register("--perSeries", check=False)
    assert done.returncode == 1 and "takes no series; use --perFile" in done.stderr
    register.point_to(newer)
    done = register("--perFile", check=False)
    assert done.returncode == 1 and "takes no single images; use --perSeries" in done.stderr
    assert not cube.posts() and not newer.posts()
    cube.api = "both"
    register.point_to(cube)
    register()
    assert [len(cube.series), len(cube.posts())] == [1, 1]
    assert register("--perFile", "--perSeries", check=False).returncode == 2


# -- where the paths come from --

def test_paths_as_they_were_pushed(register, cube):
    """Pushed with other templates than px-register's: the px database knows."""
    for path in register.files():
        register.tool("px-push", "--db", register.log, "--storeBaseLocation", register.folder / "storage", "--swiftServicesPACS", "ORT", "--swiftPackEachDICOM",
                      "--xcrdir", path.parent, "--parseAllFilesWithSubStr", path.name, "--imageTemplate", "x%SOPInstanceUID.dcm")
    code, _, _, message = register.said()
    assert code == 0 and not message
    assert [path.rsplit("/", 1)[1] for path in cube.paths()] == [f"x{STUDY}.1.{n}.dcm" for n in range(3)]


def push_output(register, **other):
    """As px-push --json prints it."""
    files = [str(path) for path in register.files()]
    return json.dumps({"status": True, "localFileList": files,
                       "objectFileList": [f"SERVICES/PACS/NORTH/p/{number}.dcm" for number in range(len(files))], **other})


@pytest.mark.asan
def test_a_pipe_from_px_push(register, cube):
    done = register.tool("px-register", "--db", register.log, "--CUBE", "local", stdin=push_output(register))
    assert json.loads(done.stdout)["status"] is True and not done.stderr
    assert cube.paths() == [f"SERVICES/PACS/NORTH/p/{number}.dcm" for number in range(3)]
    assert {post["pacs_name"] for post in cube.posts()} == {"NORTH"}


def test_the_real_px_push_in_front(register, cube):
    pushed = register.tool("px-push", "--db", register.log, "--storeBaseLocation", register.folder / "storage", "--swiftServicesPACS", "ORT",
                           "--swiftPackEachDICOM", "--xcrdir", register.files()[0].parent, "--json")
    cube.storage = {str(path.relative_to(register.folder / "storage")) for path in (register.folder / "storage").rglob("*.dcm")}
    done = register.tool("px-register", "--db", register.log, "--CUBE", "local", stdin=pushed.stdout)
    assert not done.stderr and cube.paths() == sorted(cube.storage) and len(cube.storage) == 3
    assert register.registered() == 3


def test_other_ways_to_say_the_same(register, cube, tmp_path):
    (tmp_path / "pushed.json").write_text(push_output(register), encoding="utf-8")
    document = json.loads(push_output(register))
    for options in (["--upstreamFile", tmp_path / "pushed.json"], ["--upstream", push_output(register)],
                    ["--localFileList", json.dumps(document["localFileList"]), "--objectFileList", json.dumps(document["objectFileList"])]):
        cube.files.clear()
        register.tool("px-register", "--db", register.log, "--CUBE", "local", *options)
        assert cube.paths() == document["objectFileList"]
    cube.files.clear()
    register.tool("px-register", "--db", register.log, "--CUBE", "local", "--upstreamFile", tmp_path / "pushed.json", "--xcrdirfile",
                  register.files()[2], "--swiftServicesPACS", "NORTH")
    assert cube.paths() == ["SERVICES/PACS/NORTH/p/2.dcm"]


def test_a_storage_folder_is_no_part_of_the_path(register, cube):
    document = json.loads(push_output(register))
    document["objectFileList"] = ["/mnt/cube/" + path for path in document["objectFileList"]]
    register.tool("px-register", "--db", register.log, "--CUBE", "local", "--upstream", json.dumps(document))
    assert cube.paths()[0] == "SERVICES/PACS/NORTH/p/0.dcm"


def test_what_px_find_had_been_told_counts(register, cube):
    """A document of px-find --then push has its options under args, by pypx's names."""
    document = {"args": {"dblogbasepath": str(register.log), "CUBE": "local", "str_swiftServicesPACS": "NORTH"},
                "then": {"00-push": {"study": [{STUDY: [json.loads(push_output(register))]}]}}}
    done = register.tool("px-register", stdin=json.dumps(document))
    assert json.loads(done.stdout)["status"] is True and len(cube.files) == 3 and register.registered() == 3


def test_what_px_push_could_not_push_is_told(register):
    done = register.tool("px-register", "--db", register.log, "--CUBE", "local", stdin=push_output(register, status=False))
    assert "3 of 3 images are not known to be pushed as SERVICES/PACS/NORTH/" in done.stderr


def test_options_as_one_json_object(register, cube):
    options = {"db": str(register.log), "CUBE": "local", "swiftServicesPACS": "ORT", "xcrdirfile": str(register.files()[0]), "debug": False}
    done = register.tool("px-register", "--JSONargs", json.dumps(options))
    assert json.loads(done.stdout)["status"] is True and len(cube.files) == 1


def test_what_the_database_has(register, cube):
    ours = ["--SeriesInstanceUID", f"{STUDY}.2"], ["--StudyInstanceUID", STUDY], ["--PatientID", "LAB 001", "--parseAllFilesWithSubStr", f"{STUDY}.1"]
    for options, count in zip(ours, (1, 4, 3)):
        cube.files.clear()
        assert register.said(*options, number=None)[:2] == (0, ["registered"] * count)
    done = register("--SeriesInstanceUID", "1.2.3", number=None, check=False)
    assert done.returncode == 1 and "has no images of series 1.2.3; retrieve it first" in done.stderr


# -- when things go wrong --

def test_wrong_usage(register):
    cases = [(["--db", register.log, "--CUBE", "local"], 1, "the input is empty"),
             (["--db", register.log, "--CUBE", "local", "--xcrdirfile", register.files()[0]], 2, "--swiftServicesPACS NAME is required"),
             (["--db", register.log, "--CUBE", "other", "--swiftServicesPACS", "ORT", "--xcrdirfile", register.files()[0]], 1, "local"),
             (["--db", register.log, "--swiftServicesPACS", "ORT", "--xcrdirfile", register.files()[0]], 2, "which CUBE?"),
             (["--db", register.log, "--CUBE", "local", "--swiftServicesPACS", "x" * 21, "--xcrdirfile", register.files()[0]], 2, "1 to 20 characters"),
             (["--db", register.log, "--CUBE", "local", "--swiftServicesPACS", "ORT", "--parseAllFilesWithSubStr", "dcm"], 2, "needs --xcrdir"),
             (["--db", register.log, "--CUBEURL", "http://a:b@c/", "--CUBEuserpasswd", "p", "--swiftServicesPACS", "ORT", "--xcrdirfile", register.files()[0]], 2, "without user and password"),
             (["--db", register.folder / "nowhere", "--CUBEURL", "http://127.0.0.1:9/", "--CUBEuserpasswd", "p", "--swiftServicesPACS", "ORT", "--xcrdirfile",
               register.files()[0]], 1, "nowhere"), (["--nonsense"], 2, "nonsense")]
    for options, code, words in cases:
        done = register.tool("px-register", *options, check=False, stdin="")
        assert (done.returncode, words in done.stderr) == (code, True), (options, done.returncode, done.stderr)
    assert not (register.folder / "nowhere").exists()


def test_no_file_is_chosen(register, cube):
    done = register("--parseAllFilesWithSubStr", "nosuch", check=False)
    assert done.returncode == 1 and json.loads(done.stdout) == {"status": False, "run": []}
    assert register("-v", 0).stdout == "" and len(cube.files) == 3


def test_a_wrong_password(register, cube):
    register.point_to(cube, password="wrong")
    code, outcomes, info, message = register.said()
    assert (code, outcomes) == (1, ["failed"] * 3) and len(cube.requests) == 1
    assert [one["msg"] for one in info] == ['{"detail": "Invalid username/password."}'] * 3
    assert "does not accept user chris" in message and register.record() is None


def test_a_user_without_the_right(register, cube):
    cube.users["other"] = "pass"
    register.point_to(cube, username="other", password="pass")
    code, outcomes, _, message = register.said("--jobs", 1)
    assert (code, outcomes) == (1, ["failed"] * 3) and "does not let user other do this" in message
    assert len(cube.posts()) == 1  # the others are not tried


def test_a_cube_that_only_shows(by_series, newer):
    """Between the two APIs there were versions that list series and take none."""
    refusal = json.dumps({"collection": {"error": {"message": 'Method "POST" not allowed.'}}})
    newer.before = lambda number, method, path: (405, refusal) if method == "POST" else None
    newer.storage = set(by_series.push())
    code, outcomes, info, message = by_series.said()
    assert (code, outcomes) == (1, ["failed"]) and "takes no images over its API" in message and "not allowed" in info[0]["msg"]


@pytest.mark.asan
def test_nobody_there(register, cube):
    cube.stop()
    code, outcomes, info, message = register.said()
    assert (code, outcomes) == (1, ["failed"] * 3) and "onnect" in message and "onnect" in info[0]["msg"]


@pytest.mark.parametrize("get, post", [(503, 500), (429, 502), (500, 429)])
def test_an_outage_that_passes(register, cube, get, post):
    """Each kind of request fails once; another try helps."""
    failed = set()

    def before(_, method, path):
        kind = (method, path.split("?")[0])
        if kind in failed:
            return None
        failed.add(kind)
        return {"GET": get, "POST": post}[method]

    cube.before = before
    assert register.said()[:2] == (0, ["registered"] * 3) and len(cube.files) == 3


@pytest.mark.parametrize("answer, words", [((200, "<!DOCTYPE html><html>login</html>"), "a web page"), ((200, '{"items": []}'), "no collection+json"),
                                           ((200, b"\xff\xfe{"), "not JSON"), ((404, "<html>"), "404"),
                                           ((200, " " * (33 << 20)), "longer than")])
def test_answers_that_are_none(register, cube, answer, words):
    cube.before = lambda number, method, path: answer
    code, outcomes, _, message = register.said()
    assert (code, outcomes) == (1, ["failed"] * 3) and words in message
    assert "login" not in message


def test_silence(register, cube):
    cube.before = lambda number, method, path: 30.0
    code, _, _, message = register.said("--timeout", 1, "--jobs", 1)
    assert code == 1 and ("timed out" in message.lower() or "time" in message.lower())


def test_the_password_goes_to_one_host_only(register, cube):
    with_ours = Cube()
    try:
        cube.other_host = f"localhost:{with_ours.port}"
        code, _, _, message = register.said()
        assert code == 1 and "links to another address" in message and not with_ours.requests
    finally:
        with_ours.stop()


def test_over_tls(register, cube, tmp_path):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    cube.server.socket = context.wrap_socket(cube.server.socket, server_side=True)
    cube.scheme = "https"
    register.point_to(cube)
    done = register(check=False)
    assert done.returncode == 1 and "ertificate" in done.stderr and not cube.files
    register("--CUBEca", tmp_path / "cert.pem", number=2)
    register.point_to(cube, ca=str(tmp_path / "cert.pem"))
    register()
    assert len(cube.files) == 4


def test_others_do_not_see_the_password(register, cube):
    """In the list of processes, however it was given, and not at all when the environment has it."""
    chosen = ["--db", register.log, "--swiftServicesPACS", "ORT", "--xcrdir", register.files(2)[0].parent]
    given = [["--CUBEURL", cube.url, "--CUBEuserpasswd", PASSWORD], ["--CUBEURL", cube.url, f"--CUBEuserpasswd={PASSWORD}"],
             ["--JSONargs", json.dumps({"CUBEURL": cube.url, "CUBEuserpasswd": PASSWORD, "db": str(register.log), "swiftServicesPACS": "ORT",
                                        "xcrdir": str(register.files(2)[0].parent)})], ["--CUBEURL", cube.url]]
    for options in given:
        asked = threading.Event()
        go_on = threading.Event()
        cube.before = lambda number, method, path, asked=asked, go_on=go_on: (asked.set(), go_on.wait(30), None)[2]
        words = [str(word) for word in [as_program(register.folder, "px-register"), *(chosen if options[0] != "--JSONargs" else []), *options]]
        program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**ENVIRONMENT, "CUBE_PASSWORD": PASSWORD if options is given[-1] else "wrong"})
        try:
            assert asked.wait(30), program.communicate(timeout=30)
            with open(f"/proc/{program.pid}/cmdline", encoding="utf-8") as file:
                seen = file.read()
            assert PASSWORD not in seen and ("***" in seen) == (options is not given[-1]), seen
        finally:
            go_on.set()
            out, err = program.communicate(timeout=60)
        assert program.returncode == 0, out + err
        assert PASSWORD not in out + err


def test_an_answer_that_was_lost(register, cube):
    """CUBE took it, then the connection broke: the second try is refused, and that is no error."""
    lost = []

    def before(_, method, __):
        if method == "POST" and not lost:
            lost.append(1)
            return "swallow"
        return None

    cube.before = before
    code, outcomes, _, _ = register.said("--jobs", 1)
    assert code == 0 and sorted(outcomes) == ["already registered", "registered", "registered"]
    assert len(cube.posts()) == 4 and len(cube.files) == 3


def test_another_image_is_not_the_one(register, cube):
    """CUBE refused an image, and its search finds another one of the series: the one that was refused is not registered."""
    found = cube.found
    cube.found = lambda kind, parameters, path: found(kind, {name: value for name, value in parameters.items() if name != "fname_exact"}, path)
    cube.before = lambda _, method, __: ((400, json.dumps({"collection": {"error": {"message": "no such file"}}}))
                                         if method == "POST" and len(cube.files) == 2 else None)
    code, outcomes, answers, told = register.said("--jobs", 1)
    assert code == 1 and sorted(outcomes) == ["failed", "registered", "registered"] and "no such file" in told
    assert register.registered() == 2 and len(cube.files) == 2


def test_a_page_that_follows_itself(register, cube):
    cube.before = lambda _, method, path: ((200, json.dumps({"collection": {"items": [{"data": []}], "links": [{"rel": "next", "href": path}]}}))
                                           if method == "GET" and "search" in path else None)
    code, outcomes, _, told = register.said()
    assert code == 1 and set(outcomes) == {"failed"} and "follows itself" in told


@pytest.mark.asan
def test_cube_dies_in_the_midst_and_a_rerun_completes(register, cube):
    cube.before = lambda number, method, path: "close" if cube.files else None
    code, outcomes, info, message = register.said("--jobs", 1, "--timeout", 5)
    assert code == 1 and outcomes == ["registered", "failed", "failed"] and "2 of 3 images not registered" in message
    assert "not tried" in info[2]["msg"]
    assert register.record()["objectCounter"] == {"current": 1, "total": 3} and register.registered() == 1
    cube.before = lambda number, method, path: None
    assert register.said()[:2] == (0, ["already registered", "registered", "registered"])
    assert register.registered() == 3 and len(cube.files) == 3


def test_what_cannot_be_registered_does_not_hold_up_the_others(register, cube, tmp_path):
    folder = tmp_path / "mixed"
    make_image(folder / "1.dcm", PatientID="M", StudyDate=None)
    make_image(folder / "2.dcm", PatientID="M", StudyDate="20130308", PatientSex="X", PatientName="a" * 200)
    make_image(folder / "3.dcm", PatientID="", StudyDate="20130308")
    (folder / "4.dcm").write_bytes(b"no image")
    code, outcomes, info, message = register.said("--xcrdir", folder, number=None)
    assert (code, outcomes) == (1, ["failed", "registered", "failed", "failed"])
    assert "StudyDate is missing" in info[0]["msg"] and "PatientID is missing" in info[2]["msg"] and "not a DICOM file" in info[3]["msg"]
    assert cube.posts()[0]["PatientName"] == "a" * 150 and cube.posts()[0]["PatientSex"] == ""
    assert "3 of 4 images not registered" in message


def test_requests_can_be_watched(register):
    shown = [line for line in register("-v", 5).stderr.splitlines() if line.startswith(("GET ", "POST "))]
    assert shown[0] == f"GET {register.cube.url}" and sum(line.startswith("POST ") for line in shown) == 3
