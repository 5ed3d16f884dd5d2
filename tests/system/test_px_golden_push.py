# SPDX-License-Identifier: MIT
"""px-push and pfstorage beside the recorded runs of pypx: what the object store is sent, what is printed, what is noted. tests/px/DIFFERENCES.md says
why some differ."""
import hashlib
import json
import sqlite3
import urllib.parse

import pytest
from archive import as_program
from fake_swift import StandIn, Store
from golden import INPUT, case, cases, difference
from programs import free_port, run

SERIES = "1.2.826.0.1.3680043.8.498.7777.1.1"
# The template of px-push 3.6; that of 3.11 also has a hash, and is the one here.
OF_3_6 = ["--seriesDirTemplate", "%_pad|5,0_SeriesNumber-%SeriesDescription"]
STUDY = "LAB_001_X-O_Neil_Mary_Jane_Dr-20100203/Brain_w_o_Contrast_x_1_2-ACC-100_7-20130308"
AXIAL = [f"00003-AX_T2_fs_x_more/000{number}-{SERIES}.{number}.dcm" for number in (1, 2)]
SAGITTAL = "00012-SAG_MPRAGE_220_FOV/0001-1.2.826.0.1.3680043.8.498.7777.1.2.1.dcm"
# What the cases before pfstorage-ls had put.
PUSHED = [f"SERVICES/PACS/{pacs}/{STUDY}-003Y-001129d/{name}" for pacs, names in
          (("ORT", AXIAL), ("ORT2", AXIAL), ("ORT4", [*AXIAL, SAGITTAL]), ("ORT5", [*AXIAL, SAGITTAL])) for name in names]
UPLOADS = ("chris/uploads/a.txt", "chris/uploads/sub/b.txt")


@pytest.fixture
def lab(tmp_path):
    """A BASEMOUNT with the two series of LAB 001 X, two other files, and an object store."""
    base = tmp_path / "base"
    for number in (17, 18, 19):
        name, = INPUT.glob(f"{number}-*.dcm")
        run(as_program(tmp_path, "px-repack"), "--xcrdirfile", name, "--logdir", base / "log", "--datadir", base / "data", "-v", 0)
    (base / "pf/sub").mkdir(parents=True)
    (base / "pf/a.txt").write_bytes(b"12345\n")
    (base / "pf/sub/b.txt").write_bytes(b"1234\n")
    store = StandIn(Store)
    (base / "services").mkdir(exist_ok=True)
    (base / "services/swift.json").write_text(json.dumps({"local": {"ip": "127.0.0.1", "port": str(store.port), "login": "chris:chris1234"}}))
    vars(store).update(base=base, folder=tmp_path, places={"BASE": base, "SWIFTPORT": store.port, "DEADPORT": free_port()})
    yield store
    store.stop()


def play(lab, one, *more, **options):
    return run(as_program(lab.folder, one.tool), *one.command(lab.places), *more, check=False, cwd=lab.base, **options)


def ordered(result):
    """Files come in the order of their paths here, in that of the folder there."""
    if not isinstance(result.get("localFileList"), list):
        return result
    pairs = sorted(zip(result["localFileList"], result["objectFileList"]))
    rest = {name: value for name, value in result.items() if isinstance(value, dict)}
    out = {name: value for name, value in result.items() if name not in rest}
    out["localFileList"], out["objectFileList"] = [one for one, _ in pairs], [other for _, other in pairs]
    return {**out, **{name: rest[name] for name in sorted(rest)}}


def asked(one, method):
    """{path: headers} of the requests that were recorded."""
    return {urllib.parse.unquote(path): headers for verb, path, headers, _, _ in one.requests() if verb == method}


def assert_same_uploads(lab, one):
    """What was put, and under which names; pypx logged in for each file and did not look what is there."""
    base = str(lab.base)
    expected = {path.replace("@BASE@", base).replace(base + "/", base + "/") for path in asked(one, "PUT")}
    put = {path: (headers, body) for method, path, _, headers, body in lab.asked if method == "PUT"}
    assert set(put) == expected and put
    for headers, body in put.values():
        assert int(headers["Content-Length"]) == len(body) and headers["ETag"] == hashlib.md5(body).hexdigest()
        assert headers["X-Auth-Token"] == "token0"
    logins = [headers for method, path, _, headers, _ in lab.asked if path == "/auth/v1.0"]
    theirs, = {headers["x-auth-user"] for path, headers in asked(one, "GET").items() if path == "/auth/v1.0"}
    assert [headers["X-Auth-User"] for headers in logins] == [theirs] and logins[0]["X-Auth-Key"] == "chris1234"
    sources = {path.read_bytes() for path in lab.base.rglob("*") if path.is_file()}
    assert {body for _, body in put.values()} <= sources


@pytest.mark.parametrize("name", ["push-key", "push-explicit"])
def test_push(lab, name):
    one = case(name)
    done = play(lab, one, *OF_3_6)
    assert done.returncode == 0
    assert difference(ordered(one.json(lab.places)), ordered(json.loads(done.stdout))) is None
    assert_same_uploads(lab, one)
    if name == "push-key":
        check_record(lab, one)


def check_record(lab, one):
    with sqlite3.connect(lab.base / "log/gantry.sqlite") as database:
        text, = database.execute("SELECT record FROM px_record WHERE name = 'push' AND series = ?", (SERIES,)).fetchone()
    expected = one.files()[f"log/seriesData/{SERIES}-push.json"]
    expected["swift"]["login"] = "chris:***"
    # Which of the files pypx came to last was chance.
    expected = json.loads(json.dumps(expected).replace(f"0001-{SERIES}.1.dcm", f"0002-{SERIES}.2.dcm")
                          .replace("@BASE@", str(lab.base)).replace("@SWIFTPORT@", str(lab.port)))
    assert difference(expected, json.loads(text)) is None


def test_push_without_json(lab):
    one = case("push-nojson")
    done = play(lab, one, *OF_3_6)
    assert (done.returncode, done.stdout) == (0, one.stdout(lab.places)) == (0, "")
    assert_same_uploads(lab, one)


def test_push_of_nothing(lab):
    one = case("push-nofiles")
    done = play(lab, one)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {**one.json(lab.places), "msg": "No valid file list generated"}
    assert not lab.asked


def test_push_without_names_of_their_own(lab):
    """It crashed."""
    done = play(lab, case("push-nopackeach"), *OF_3_6)
    result = json.loads(done.stdout)
    assert done.returncode == 0 and result["status"] is True
    assert [f"SERVICES/PACS/ORT/{name.split('/', 3)[3]}" for name in result["objectFileList"]] == PUSHED[:2]


def test_push_of_3_11(lab):
    """It crashed."""
    one = case("v3.11.22-push-broken")
    (lab.base / "services/swift.json").rename(lab.base / "services/storage.json")
    result = json.loads(play(lab, one).stdout)
    folder = "SERVICES/PACS/ORT/LAB_001_X-O_Neil_Mary_Jane_Dr-20100203/Brain_w_o_Contrast_x_1_2-ACC-100_7-20130308-003Y-001129d/"
    assert result["objectFileList"] == [folder + name for name in (
        f"00003-AX_T2_fs_x_more-0cabc7c/0001-{SERIES}.1.dcm", f"00003-AX_T2_fs_x_more-0cabc7c/0002-{SERIES}.2.dcm",
        "00012-SAG_MPRAGE_220_FOV-ac55ad1/0001-1.2.826.0.1.3680043.8.498.7777.1.2.1.dcm")]


# -- pfstorage --

def fill(lab):
    """What the recorded store had from earlier cases."""
    objects = lab.containers["users"]
    for name in PUSHED:
        objects[name] = next(lab.base.rglob(name.rsplit("/", 1)[1])).read_bytes()
    objects[UPLOADS[0]], objects[UPLOADS[1]] = b"12345\n", b"1234\n"
    return objects


def with_our_bytes(result, objects):
    """The PACS of the recording wrote the files' meta information anew, so that sizes and hashes there are others."""
    for one in result["ls"]:
        content = objects[one["name"]]
        for member, value in (("bytes", len(content)), ("hash", hashlib.md5(content).hexdigest())):
            if member in one:
                one[member] = value
    return result


@pytest.mark.parametrize("name", ["pfstorage-ls", "pfstorage-ls-retspec", "pfstorage-ls-substr", "pfstorage-ls-empty"])
def test_ls(lab, name):
    one, objects = case(name), fill(lab)
    expected = one.json(lab.places)
    for entry in expected["ls"]:
        assert entry["name"] in objects, entry["name"]
    done = play(lab, one)
    result = json.loads(done.stdout)
    known = {entry["name"] for entry in expected["ls"]}
    result["ls"] = [entry for entry in result["ls"] if entry["name"] in known]
    assert difference(with_our_bytes(expected, objects), result) is None
    assert done.returncode == (0 if expected["status"] else 1)
    recorded = [path for method, path, *_ in one.requests() if path.startswith("/v1")]
    ours = [(path, query) for method, path, query, *_ in lab.asked if path.startswith("/v1")]
    assert ours[0] == tuple(urllib.parse.unquote(recorded[0]).split("?")) and len(ours) == len(recorded)


@pytest.mark.parametrize("name", ["pfstorage-objPut-map", "pfstorage-objPut-nomap", "pfstorage-objPut-pack"])
def test_put(lab, name):
    one = case(name)
    done = play(lab, one)
    assert done.returncode == 0
    assert difference(ordered(one.json(lab.places)), ordered(json.loads(done.stdout))) is None
    assert_same_uploads(lab, one)


def test_pull(lab):
    one, objects = case("pfstorage-objPull"), fill(lab)
    done = play(lab, one)
    assert difference(one.json(lab.places), json.loads(done.stdout)) is None and done.returncode == 0
    assert (lab.base / "pull/a.txt").read_bytes() == objects[UPLOADS[0]] and (lab.base / "pull/sub/b.txt").read_bytes() == objects[UPLOADS[1]]
    assert {path for path in asked(one, "GET") if "/uploads/" in path and "?" not in path} == {path for method, path, *_ in lab.asked if "/uploads/" in path}


def test_rmtree(lab):
    one, objects = case("pfstorage-rmtree"), fill(lab)
    done = play(lab, one)
    assert done.returncode == 2 and "2 objects would be deleted" in done.stderr and UPLOADS[0] in objects
    done = play(lab, one, "--yes")
    assert json.loads(done.stdout) == one.json(lab.places) and done.returncode == 0
    assert sorted(objects) == sorted(PUSHED)
    assert set(asked(one, "DELETE")) == {path for method, path, *_ in lab.asked if method == "DELETE"}


def test_unknown_and_down(lab):
    one = case("pfstorage-unknown")
    done = play(lab, one)
    assert json.loads(done.stdout) == one.json(lab.places) and done.returncode == 2
    one = case("pfstorage-down")
    done = play(lab, one, "--tries", "1")
    assert list(json.loads(done.stdout)) == list(one.json(lab.places)) and done.returncode == 1


def test_every_case_is_compared():
    named = {"push-key", "push-explicit", "push-nojson", "push-nofiles", "push-nopackeach", "v3.11.22-push-broken", "pfstorage-ls",
             "pfstorage-ls-retspec", "pfstorage-ls-substr", "pfstorage-ls-empty", "pfstorage-objPut-map", "pfstorage-objPut-nomap",
             "pfstorage-objPut-pack", "pfstorage-objPull", "pfstorage-rmtree", "pfstorage-unknown", "pfstorage-down"}
    assert {one.name for one in cases("px-push", "pfstorage")} == named
