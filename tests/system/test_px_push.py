# SPDX-License-Identifier: MIT
"""px-push and px-store: to a real Swift, to folders and to PACSs; what is noted, what is sent again, what goes wrong."""
import json
import os
import pathlib
import ssl
import stat
import subprocess
import threading

import pytest
from archive import as_program
from fake_swift import Keystone, StandIn, Store
from make_dicom import make_image
from programs import free_port, run
from swift import KEY

STUDY = "1.2.826.0.1.3680043.10.1499.70"


@pytest.fixture
def fake():
    server = StandIn(Store)
    yield server
    server.stop()


@pytest.fixture
def images(tmp_path):
    """Two series with two images each of one patient."""
    folder = tmp_path / "images"
    for series in (1, 2):
        for number in (1, 2):
            make_image(folder / f"s{series}/{number}.dcm", PatientID="LAB 001", PatientName="山田^太郎", SpecificCharacterSet="ISO_IR 192",
                       PatientBirthDate="20100203", StudyDate="20130308", StudyDescription="Brain w/o", AccessionNumber="A 1",
                       StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.{series}", SOPInstanceUID=f"{STUDY}.{series}.{number}",
                       SeriesNumber=series, InstanceNumber=number, SeriesDescription="AX [T2]")
    return folder


class Base:
    """A BASEMOUNT, and px tools on it."""

    def __init__(self, folder):
        self.folder, self.log = pathlib.Path(folder), pathlib.Path(folder) / "log"

    def __call__(self, name, *options, **more):
        return run(as_program(self.folder, name), "--db", self.log, *options, **more)

    def push(self, *options, **more):
        done = self("px-push", "--swiftServicesPACS", "ORT", "--json", *options, **more)
        return json.loads(done.stdout), done

    def fill(self, images):
        for folder in sorted({path.parent for path in images.rglob("*.dcm")}):
            run(as_program(self.folder, "px-repack"), "--logdir", self.log, "--datadir", self.folder / "data", "--xcrdir", folder,
                "--parseAllFilesWithSubStr", "dcm", "-v", "0")

    def services(self, **records):
        (self.folder / "services").mkdir(exist_ok=True)
        (self.folder / "services/storage.json").write_text(json.dumps(records))

    def status(self, series):
        return json.loads(self("px-status", "--StudyInstanceUID", STUDY, "--SeriesInstanceUID", series, "--json").stdout)["images"]


@pytest.fixture
def base(tmp_path):
    return Base(tmp_path)


EACH = "--swiftPackEachDICOM"


def local_and_remote(result):
    assert len(result["localFileList"]) == len(result["objectFileList"])
    return dict(zip(result["localFileList"], result["objectFileList"]))


# -- Swift --

@pytest.mark.asan
def test_to_swift(base, swift, images):
    result, _ = base.push(*swift.options, EACH, "--xcrdir", images)
    pairs = local_and_remote(result)
    assert result["status"] is True and len(pairs) == 4
    for local, remote in pairs.items():
        assert swift.read(remote) == pathlib.Path(local).read_bytes()
        assert result[local] == {"status": True, "localFileList": [local], "objectFileList": [remote], "localpath": os.path.dirname(local)}
    name = pairs[str(images / "s2/1.dcm")]
    assert name.startswith("SERVICES/PACS/ORT/LAB_001-") and "/Brain_w_o-A_1-20130308-003Y-001129d/00002-AX_T2_-" in name
    assert name.endswith(f"/0001-{STUDY}.2.1.dcm")
    assert not base.log.exists() and not (base.folder / "services").exists()  # nothing is made for a database that is not there
    there = swift.names()  # with the times they came
    again, done = base.push(*swift.options, EACH, "--xcrdir", images, "-v", "5")
    assert local_and_remote(again) == pairs and done.stderr.count("is there ") == 4 and "pushed " not in done.stderr
    assert swift.names() == there and len(there) == 4


def test_what_changed_is_sent_again(base, swift, images):
    result, _ = base.push(*swift.options, EACH, "--xcrdir", images)
    name = result["objectFileList"][0]
    swift.put(name, b"x" * len(swift.read(name)))
    _, done = base.push(*swift.options, EACH, "--xcrdir", images, "-v", "5")
    assert done.stderr.count("is there ") == 3 and done.stderr.count("pushed ") == 1
    assert swift.read(name) == (images / "s1/1.dcm").read_bytes()


def test_without_names_of_their_own(base, swift, images):
    """All go into the folder of the first file, by their paths."""
    result, _ = base.push(*swift.options, "--xcrdir", images)
    assert sorted(result) == ["localFileList", "localpath", "objectFileList", "status"] and result["localpath"] == str(images)
    folder = result["objectFileList"][0].removesuffix("/s1/1.dcm")
    assert "/00001-AX_T2_-" in folder and result["objectFileList"][3] == folder + "/s2/2.dcm"
    assert len(swift.names()) == 4


def test_templates_and_what_is_missing(base, swift, images):
    options = ("--rootDirTemplate", "%PatientSex-%_md5|4_PatientID", "--studyDirTemplate", "S", "--seriesDirTemplate", "%_pad|5,0_SeriesNumber",
               "--imageTemplate", "%_nospc|-_ProtocolName-%InstanceNumber.dcm")
    result, _ = base.push(*swift.options, EACH, "--xcrdir", images / "s1", *options)
    assert len(set(result["objectFileList"])) == 2 and all(name.startswith("SERVICES/PACS/ORT/") for name in result["objectFileList"])
    result, done = base.push(*swift.options, EACH, "--xcrdir", images / "s1", *options, "--missing", "reject", check=False)
    assert done.returncode == 1 and result["localFileList"] == [] and len(result["failed"]) == 2


def test_two_files_for_one_name(base, swift, images):
    """Nothing is lost: another object gets a name of its own, the same bytes count as pushed."""
    (images / "s1/copy.dcm").write_bytes((images / "s1/1.dcm").read_bytes())
    result, _ = base.push(*swift.options, EACH, "--xcrdir", images, "--imageTemplate", "image.dcm")
    pairs = local_and_remote(result)
    assert len(pairs) == 5 and len(set(pairs.values())) == 4 == len(swift.names())
    for local, remote in pairs.items():
        assert swift.read(remote) == pathlib.Path(local).read_bytes()
    make_image(images / "s1/liar.dcm", PatientID="OTHER", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1", SOPInstanceUID=f"{STUDY}.1.1")
    result, done = base.push(*swift.options, EACH, "--xcrdir", images, "--rootDirTemplate", "r", "--studyDirTemplate", "s", "--seriesDirTemplate",
                             "t", "--imageTemplate", "%SOPInstanceUID.dcm", check=False)
    assert done.returncode == 1 and result["failed"] == [str(images / "s1/liar.dcm")]
    assert "other content" in result[str(images / "s1/liar.dcm")]["error"]


@pytest.mark.asan
def test_what_is_noted(base, swift, images):
    base.fill(images)
    base.services(local=swift.record)
    result, _ = base.push("--swift", "local", EACH, "--xcrdir", base.folder / "data", "--parseAllFilesWithSubStr", "dcm")
    assert result["status"] is True and len(result["localFileList"]) == 4
    for series in (1, 2):
        assert base.status(f"{STUDY}.{series}")["pushed"]["count"] == 2
    # What is noted is not read again, but it must still be there.
    again, done = base.push("--swift", "local", EACH, "--xcrdir", base.folder / "data", "-v", "5")
    assert local_and_remote(again) == local_and_remote(result) and done.stderr.count("is there ") == 4
    swift.empty()
    _, done = base.push("--swift", "local", EACH, "--xcrdir", base.folder / "data", "-v", "5")
    assert done.stderr.count("pushed ") == 4 and len(swift.names()) == 4
    _, done = base.push("--swift", "local", EACH, "--xcrdir", base.folder / "data", "-v", "5", "--again")
    assert done.stderr.count("is there ") == 4


def test_what_was_taken_away_is_pushed_again(base, images, tmp_path):
    base.fill(images)
    to = ("--storeBaseLocation", tmp_path / "cubefs", EACH, "--StudyInstanceUID", STUDY, "-v", "5")
    result, _ = base.push(*to)
    os.remove(result["objectFileList"][0])
    pathlib.Path(result["objectFileList"][1]).write_bytes(b"cut")
    again, done = base.push(*to)
    assert done.stderr.count("is there ") == 2 and done.stderr.count("pushed ") == 2 and again["objectFileList"] == result["objectFileList"]
    assert local_and_remote(again) == local_and_remote(result) and os.path.getsize(result["objectFileList"][1]) > 3


def test_from_the_database(base, swift, images):
    base.fill(images)
    result, _ = base.push(*swift.options, EACH, "--SeriesInstanceUID", f"{STUDY}.2")
    assert len(result["localFileList"]) == 2 and all("00002-" in name for name in result["objectFileList"])
    result, done = base.push(*swift.options, EACH, "--StudyInstanceUID", "1.2.3.4", check=False)
    assert done.returncode == 1 and result["msg"] == "No valid file list generated"
    assert base.status(f"{STUDY}.1")["pushed"]["count"] < 1


def test_large_objects(base, swift, tmp_path):
    """In segments, which come back as one, are not sent twice, and go away with it."""
    make_image(tmp_path / "large/1.dcm", rows=1600, columns=2200, SOPInstanceUID=f"{STUDY}.9.1", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.9")
    base.services(local=dict(swift.record, segment=1 << 20))
    result, _ = base.push("--swift", "local", EACH, "--xcrdir", tmp_path / "large")
    name, = result["objectFileList"]
    content = (tmp_path / "large/1.dcm").read_bytes()
    segments = swift.names("users_segments")
    assert swift.read(name) == content and len(segments) == 4
    _, done = base.push("--swift", "local", EACH, "--xcrdir", tmp_path / "large", "-v", "5")
    assert done.stderr.count("is there ") == 1
    swift.request("DELETE", f"/users/{name}")
    base.push("--swift", "local", EACH, "--xcrdir", tmp_path / "large")
    assert swift.names("users_segments") == segments  # not sent again: their times are the same
    base("pfstorage", "--swift", "local", "--yes", "--do", json.dumps({"action": "rmtree", "args": {"path": name}}))
    assert not swift.names() and not swift.names("users_segments")


def test_large_objects_without_static_manifests(base, swift, tmp_path):
    """A store that does not say what it can do gets a dynamic manifest, and its objects are deleted one by one."""
    make_image(tmp_path / "large/1.dcm", rows=1600, columns=2200, SOPInstanceUID=f"{STUDY}.9.1", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.9")
    base.services(local=dict(swift.record, port=swift.quiet_proxy(), segment=1 << 20))
    result, _ = base.push("--swift", "local", EACH, "--xcrdir", tmp_path / "large")
    name, = result["objectFileList"]
    assert swift.read(name) == (tmp_path / "large/1.dcm").read_bytes() and swift.names()[name]["bytes"] == 0
    assert "X-Object-Manifest" in swift.request("HEAD", f"/users/{name}")[1] and len(swift.names("users_segments")) == 4
    _, done = base.push("--swift", "local", EACH, "--xcrdir", tmp_path / "large", "-v", "5")
    assert done.stderr.count("is there ") == 1
    swift.put("other/manifest", b"", X_Object_Manifest="users/SERVICES")
    swift.put("other/more", b"x")
    base("pfstorage", "--swift", "local", "--yes", "--do", json.dumps({"action": "rmtree", "args": {"path": "other"}}))
    assert list(swift.names()) == [name]  # what somebody else's manifest names stays
    base("pfstorage", "--swift", "local", "--yes", "--do", json.dumps({"action": "rmtree", "args": {"path": name}}))
    assert not swift.names() and not swift.names("users_segments")


@pytest.mark.asan
def test_keystone(base, swift, images):
    keystone = StandIn(Keystone, swift=swift)
    try:
        record = {"url": f"http://127.0.0.1:{keystone.port}/v3", "user": "demo", "password": "se:cret", "project": "images",
                  "user_domain": "Home", "region": "north"}
        base.services(local=record, wrong=dict(record, password="other"), nowhere=dict(record, region="east"))
        result, _ = base.push("--swift", "local", EACH, "--xcrdir", images)
        assert result["status"] is True and len(swift.names()) == 4 and keystone.count("POST") == 1
        for key, says in (("wrong", "was refused"), ("nowhere", "in region east")):
            result, done = base.push("--swift", key, EACH, "--xcrdir", images, check=False)
            assert done.returncode == 1 and says in done.stderr and says in result["error"] and "se:cret" not in done.stderr + done.stdout
    finally:
        keystone.stop()


def test_over_tls(base, fake, images, tmp_path):
    """The server must be vouched for, and its store must not be less private than its login."""
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    fake.server.socket = context.wrap_socket(fake.server.socket, server_side=True)
    record = {"url": f"https://127.0.0.1:{fake.port}/auth/v1.0", "login": "chris:chris1234"}
    base.services(local=dict(record, ca=str(tmp_path / "cert.pem")), strange=record)
    _, done = base.push("--swift", "local", EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and "encrypted" in done.stderr and fake.count("PUT") == 0
    fake.server.scheme = "https"
    _, done = base.push("--swift", "strange", EACH, "--xcrdir", images, "--tries", "1", check=False)
    assert done.returncode == 1 and "ertificate" in done.stderr
    result, _ = base.push("--swift", "local", EACH, "--xcrdir", images)
    assert result["status"] is True and len(fake.containers["users"]) == 4


def test_no_proxy_to_this_machine(base, fake, images):
    away = {"http_proxy": f"http://127.0.0.1:{free_port()}", "all_proxy": f"http://127.0.0.1:{free_port()}"}
    assert base.push(*fake.options, EACH, "--xcrdir", images, env=away)[0]["status"] is True
    _, done = base.push("--swiftIP", "store.invalid", "--swiftPort", "80", "--swiftLogin", "a:b", "--tries", "1", EACH, "--xcrdir", images, env=away,
                        check=False)
    assert done.returncode == 1 and "onnect" in done.stderr


# -- Swift that fails --

def test_a_wrong_key(base, swift, images):
    options = [*swift.options[:-1], "chris:chris1234:se.cret"]
    result, done = base.push(*options, EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and result["status"] is False and result["localFileList"] == [] and len(result["failed"]) == 4
    assert "401" in done.stderr and "testing" in done.stderr and "se.cret" not in done.stdout + done.stderr
    # pypx sent its login whole, and a key of its own.
    result, _ = base.push(*options[:-1], "chris:chris1234", "--swiftKey", KEY, EACH, "--xcrdir", images)
    assert result["status"] is True


def test_no_container(base, swift, images):
    base.services(local=dict(swift.record, container="mine", create=False), free=dict(swift.record, container="mine"))
    result, done = base.push("--swift", "local", EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and "no container 'mine'" in done.stderr and result["status"] is False
    result, _ = base.push("--swift", "free", EACH, "--xcrdir", images)
    assert result["status"] is True and len(swift.names("mine")) == 4


def test_no_server(base, images):
    result, done = base.push("--swiftIP", "127.0.0.1", "--swiftPort", free_port(), "--swiftLogin", "a:b", "--tries", "2", EACH, "--xcrdir", images,
                             check=False)
    assert done.returncode == 1 and result["status"] is False and "4 of 4 files were not pushed" in done.stderr and "(2 tries)" in done.stderr


@pytest.mark.asan
def test_a_server_that_is_ill_for_a_while(base, fake, images):
    faults = iter([503, 500, "die", 502])
    fake.server.fault = lambda method, path: next(faults, None) if method == "PUT" else None
    result, _ = base.push(*fake.options, EACH, "--xcrdir", images, "--parallel", "1")
    assert result["status"] is True
    assert sorted(fake.containers["users"].values()) == sorted(path.read_bytes() for path in images.rglob("*.dcm"))


def test_a_server_that_stays_ill(base, fake, images):
    """What was pushed before is in the result, what was not says why; a rerun completes it."""
    base.fill(images)
    fake.server.fault = lambda method, path: 500 if method == "PUT" and "/00002-" in path else None
    push = (*fake.options, EACH, "--xcrdir", base.folder / "data", "--tries", "2", "--parallel", "1")
    result, done = base.push(*push, check=False)
    assert done.returncode == 1 and "answered 500" in done.stderr and len(result["localFileList"]) == 2 and len(result["failed"]) == 2
    assert "not tried" in result[result["failed"][1]]["error"]
    assert fake.count("PUT", "/00002-") == 2
    assert base.status(f"{STUDY}.1")["pushed"]["count"] == 2
    fake.server.fault = None
    before = fake.count("PUT")
    result, _ = base.push(*push)
    assert result["status"] is True and len(result["localFileList"]) == 4 and fake.count("PUT") == before + 2
    assert base.status(f"{STUDY}.2")["pushed"]["count"] == 2


def test_killed_in_the_middle(base, fake, images):
    """What was marked before is not sent again."""
    for number in range(3, 40):
        make_image(images / f"s1/{number}.dcm", PatientID="LAB 001", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1",
                   SOPInstanceUID=f"{STUDY}.1.{number}", SeriesNumber=1, InstanceNumber=number)
    base.fill(images)
    puts, stuck, go_on = [], threading.Event(), threading.Event()

    def fault(method, path):
        if method == "PUT" and "/ORT/" in path:
            puts.append(path)
            if len(puts) == 25:
                stuck.set()
                go_on.wait(20)

    fake.server.fault = fault
    push = [as_program(base.folder, "px-push"), "--db", base.log, *fake.options, "--swiftServicesPACS", "ORT", EACH, "--xcrdir", base.folder / "data",
            "--parallel", "1"]
    with subprocess.Popen([str(word) for word in push], stdin=subprocess.DEVNULL) as process:
        assert stuck.wait(30)
        process.kill()
    go_on.set()
    marked = base.status(f"{STUDY}.1")["pushed"]["count"]
    assert 10 <= marked < 25
    before = len(puts)
    run(*push)
    assert len(puts) - before <= 41 - marked and len(set(puts)) == 41 == len(fake.containers["users"])
    assert base.status(f"{STUDY}.1")["pushed"]["count"] == 39


def test_dying_in_mid_upload(base, fake, images):
    fake.server.fault = lambda method, path: "die" if method == "PUT" else None
    result, done = base.push(*fake.options, EACH, "--xcrdir", images, "--tries", "2", check=False)
    assert done.returncode == 1 and result["localFileList"] == [] and not fake.containers["users"]


def test_a_checksum_that_is_not_ours(base, fake, images):
    fake.server.wrong_etag = "0" * 32
    result, done = base.push(*fake.options, EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and "checksum" in done.stderr and result["localFileList"] == [] and len(result["failed"]) == 4


def test_a_token_that_runs_out(base, fake, images):
    """One login serves all; when its token is refused there is one more."""
    base.push(*fake.options, EACH, "--xcrdir", images)
    assert fake.logins == 1
    fake.containers["users"].clear()
    fake.server.stale = {"token1"}
    result, _ = base.push(*fake.options, EACH, "--xcrdir", images)
    assert result["status"] is True and fake.logins == 3
    fake.server.stale = {f"token{n}" for n in range(99)}
    result, done = base.push(*fake.options, EACH, "--xcrdir", images, "--again", check=False)
    assert done.returncode == 1 and "401" in done.stderr and fake.logins < 10


def test_files_that_are_no_objects(base, fake, images):
    (images / "note.txt").write_text("hello")
    (images / "empty.dcm").touch()
    (images / "cut.dcm").write_bytes((images / "s1/1.dcm").read_bytes()[:420])
    result, done = base.push(*fake.options, EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and len(result["localFileList"]) == 4 and len(result["failed"]) == 3
    assert all(result[path]["error"] for path in result["failed"])


# -- folders --

@pytest.mark.asan
def test_to_a_folder(base, images, tmp_path):
    target = tmp_path / "cube fs"
    result, _ = base.push("--storeBaseLocation", target, EACH, "--xcrdir", images)
    pairs = local_and_remote(result)
    assert len(pairs) == 4
    for local, remote in pairs.items():
        assert remote.startswith(f"{target}/SERVICES/PACS/ORT/LAB_001-")
        assert pathlib.Path(remote).read_bytes() == pathlib.Path(local).read_bytes()
    mode = pathlib.Path(remote).stat()
    assert stat.S_IMODE(mode.st_mode) == 0o666 & ~current_umask() and mode.st_nlink == 1
    assert not [path for path in target.rglob(".*")]
    pathlib.Path(remote).write_bytes(b"other")
    _, done = base.push("--storeBaseLocation", target, EACH, "--xcrdir", images, "-v", "5")
    assert done.stderr.count("is there ") == 3 and done.stderr.count("pushed ") == 1
    assert pathlib.Path(remote).read_bytes() == pathlib.Path(local).read_bytes()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_links_instead_of_copies(base, images, tmp_path):
    base.services(nfs={"storagetype": "fs", "storepath": str(tmp_path / "cubefs")})
    result, _ = base.push("--swift", "nfs", "--link", EACH, "--xcrdir", images)
    for local, remote in local_and_remote(result).items():
        assert os.path.samefile(local, remote)
    result, _ = base.push("--swift", "nfs", "--link", EACH, "--xcrdir", images)
    assert result["status"] is True and not [path for path in (tmp_path / "cubefs").rglob(".*")]


def test_links_to_what_a_link_leads_to(base, images, tmp_path):
    """A file that is itself a symbolic link: the storage gets the image, not the link."""
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen/1.dcm").symlink_to("../images/s1/1.dcm")
    result, _ = base.push("--storeBaseLocation", tmp_path / "cubefs", "--link", "--xcrdirfile", tmp_path / "chosen/1.dcm")
    (remote,) = result["objectFileList"]
    assert not os.path.islink(remote) and os.path.samefile(remote, images / "s1/1.dcm")


def test_a_folder_that_cannot_be_had(base, images, tmp_path):
    (tmp_path / "file").touch()
    done = base("px-push", "--storeBaseLocation", tmp_path / "file", "--swiftServicesPACS", "ORT", EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr
    target = tmp_path / "target"
    (target / "SERVICES").mkdir(parents=True)
    (target / "SERVICES/PACS").symlink_to(tmp_path)  # does not lead out
    result, done = base.push("--storeBaseLocation", target, EACH, "--xcrdir", images, check=False)
    assert done.returncode == 1 and result["localFileList"] == [] and not (tmp_path / "ORT").exists()


def test_a_full_disk(base, images, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False, timeout=20).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        make_image(images / "s0/large.dcm", rows=500, columns=500, StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.0",
                   SOPInstanceUID=f"{STUDY}.0.1")
        result, done = base.push("--storeBaseLocation", disk, EACH, "--xcrdir", images, "--parallel", "1", check=False)
        assert done.returncode == 1 and "No space left" in done.stderr and str(images / "s0/large.dcm") in result["failed"]
        assert not [path for path in disk.rglob(".px*")]
    finally:
        run("umount", disk)


# -- PACS --

@pytest.mark.asan
def test_to_a_pacs(base, images, archive):
    base.fill(images)
    base.services(pacs={"storagetype": "pacs", "aet": "OTHER", "aec": archive.aet, "ip": "127.0.0.1", "port": archive.port})
    done = base("px-push", "--swift", "pacs", "--StudyInstanceUID", STUDY, "--json")
    result = json.loads(done.stdout)
    assert result["status"] is True and sorted(result["objectFileList"]) == [f"{STUDY}.{s}.{n}" for s in (1, 2) for n in (1, 2)]
    assert len(archive.files()) == 4 and base.status(f"{STUDY}.1")["pushed"]["count"] == 2


@pytest.mark.asan
def test_store(base, images, archive):
    where = ("--aet", "OTHER", "--aec", archive.aet, "--serverIP", "127.0.0.1", "--serverPort", archive.port)
    result = json.loads(base("px-store", *where, images / "s1", "--json").stdout)
    assert result["status"] is True and result["objectFileList"] == [f"{STUDY}.1.1", f"{STUDY}.1.2"] and len(archive.files()) == 2
    base("px-store", *where, images / "s2/1.dcm")
    assert len(archive.files()) == 3
    base.fill(images)
    (base.folder / "services").mkdir(exist_ok=True)
    (base.folder / "services/pacs.json").write_text(json.dumps({"services": {"ours": {"info": {
        "aet": "OTHER", "aec": archive.aet, "serverIP": "127.0.0.1", "serverPort": str(archive.port), "aet_listener": "X"}}}}))
    done = base("px-store", "--PACS", "ours", "--SeriesInstanceUID", f"{STUDY}.2", "-v", "5")
    assert done.stdout == "" and done.stderr.count("pushed ") == 2 and len(archive.files()) == 4
    assert base("px-store", "--PACS", "ours", "--SeriesInstanceUID", f"{STUDY}.2", "-v", "5").stderr.count("is there ") == 2


def test_store_to_dcmtk(base, images, storescp):
    base("px-store", "--aet", "US", "--aec", storescp.aet, "--serverIP", "127.0.0.1", "--serverPort", storescp.port, "--xcrdir", images)
    assert len([path for path in storescp.folder.rglob("*") if path.is_file()]) == 4


def test_store_that_fails(base, images, archive):
    (images / "note.txt").write_text("no image")
    where = ("--aet", "OTHER", "--aec", archive.aet, "--serverIP", "127.0.0.1", "--serverPort")
    done = base("px-store", *where, archive.port, images, "--json", check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 1 and len(result["localFileList"]) == 4 and result["failed"] == [str(images / "note.txt")]
    done = base("px-store", *where, free_port(), images, "--json", check=False)
    assert done.returncode == 1 and len(json.loads(done.stdout)["failed"]) == 5 and "5 of 5 files were not pushed" in done.stderr
    assert base("px-store", *where, archive.port, check=False).returncode == 2


# -- what is asked --

def test_names_that_say_more_than_a_name(base, images, tmp_path):
    """Files called like a member of the result, with what talks to a terminal, with bytes that are no text."""
    odd = tmp_path / "odd"
    odd.mkdir()
    (images / "s1/1.dcm").rename(odd / "status")
    (images / "s1/2.dcm").rename(odd / "x\x1b[31m\nred.dcm")
    (odd / "x\x1b[31m\nred.dcm").write_bytes(b"no image")
    with open(os.fsencode(odd) + b"/\xff.dcm", "wb") as file:
        file.write(b"no image")
    result, done = base.push("--storeBaseLocation", tmp_path / "to", EACH, "--xcrdir", ".", "-v", "5", cwd=odd, check=False)
    assert done.returncode == 1 and result["status"] is False and result["localFileList"] == ["./status"]
    assert result["failed"] == ["./x\x1b[31m\nred.dcm", "./\ufffd.dcm"] and result["./\ufffd.dcm"]["error"]
    assert "red.dcm: this cannot be read" in done.stderr
    assert "\x1b" not in done.stderr
    result, _ = base.push("--storeBaseLocation", tmp_path / "to", EACH, "--xcrdirfile", "status", cwd=odd)
    assert result["status"] is True and result["localFileList"] == ["status"]


def test_usage(base, images):
    to = ("--storeBaseLocation", base.folder / "x")
    for options, says in (((*to, EACH), "which files?"), ((*to, "--xcrdir", images, "--swiftServicesPACS", "a/b"), "without /"),
                          ((*to, "--xcrdir", images, "--swiftServicesPACS", "a\nb"), "control character"),
                          (("--xcrdir", images), "where to?"), ((*to, "--xcrdir", images, "--swiftServicesPACS", "O", "--imageTemplate", "%_nosuch_PatientID"), "template of the image"),
                          (("--JSONargs", "[]"), "--JSONargs"), (("--nosuch",), "nosuch"), (("--swiftIP", "h", "--xcrdir", images), "port")):
        done = base("px-push", *options, check=False)
        assert done.returncode in (1, 2) and says in done.stderr, (options, done.stderr)
    done = base("px-push", "--swift", "nosuch", "--swiftServicesPACS", "ORT", "--xcrdir", images, check=False)
    assert done.returncode == 1 and "there is no service 'nosuch'" in done.stderr
    for name, version in (("px-push", "3.2.12"), ("pfstorage", "3.2.7"), ("px-store", "1.0.0")):
        assert run(as_program(base.folder, name), "--version").stdout == f"Version: {version}\n"


def test_json_args(base, fake, images):
    options = {"db": str(base.log), "swiftIP": "127.0.0.1", "swiftPort": str(fake.port), "swiftLogin": "chris:chris1234", "swiftServicesPACS": "ORT",
               "swiftPackEachDICOM": True, "xcrdir": str(images), "parseAllFilesWithSubStr": "images/s1", "json": True}
    result = json.loads(run(as_program(base.folder, "px-push"), "--JSONargs", json.dumps(options)).stdout)
    assert len(result["localFileList"]) == 2
