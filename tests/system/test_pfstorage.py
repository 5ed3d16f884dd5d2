# SPDX-License-Identifier: MIT
"""pfstorage: list, put, pull and delete in a real Swift and in a folder; what a store could do to us, and what we do not do to it."""
import json
import os
import pathlib

import pytest
from archive import as_program
from fake_swift import StandIn, Store
from make_dicom import make_image
from programs import free_port, run
from test_rows_disk import small_disk

NAMES = ("a.txt", "blank in it/b%20c.txt", "山/本.bin", "q?&=#+.txt", "deep/er/and/deeper", ".hidden/.x")


class Storage:
    """pfstorage on one storage."""

    def __init__(self, folder, *options):
        self.folder, self.options = folder, options

    def __call__(self, action, *options, check=True, **args):
        done = run(as_program(self.folder, "pfstorage"), *self.options, "--do", json.dumps({"action": action, "args": args}), "--json", *options,
                   check=check)
        return json.loads(done.stdout), done

    def refused(self, action, *options, code=1, **args):
        result, done = self(action, *options, check=False, **args)
        assert done.returncode == code and result["status"] is False and done.stderr, (done.returncode, done.stderr, result)
        return result, done.stderr


@pytest.fixture(params=["swift", "folder"])
def storage(request, tmp_path):
    """The same, whatever the storage."""
    if request.param == "folder":
        return Storage(tmp_path, "--type", "fs", "--storeBaseLocation", tmp_path / "store")
    swift = request.getfixturevalue("swift")
    swift.put("", b"")
    return Storage(tmp_path, *swift.options)


@pytest.fixture
def fake():
    server = StandIn(Store)
    yield server
    server.stop()


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * number * 1000)
    return folder


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in pathlib.Path(folder).rglob("*") if path.is_file()}


@pytest.mark.asan
def test_there_and_back(storage, files, tmp_path):
    put, _ = storage("objPut", localpath=str(files), toLocation="chris/uploads", mapLocationOver=str(files))
    names = [name.removeprefix(storage.options[-1].__str__() + "/") for name in put["objectFileList"]]
    assert put["status"] is True and sorted(put["localFileList"]) == sorted(str(files / name) for name in NAMES)
    assert sorted(names) == sorted(f"chris/uploads/{name}" for name in NAMES) and put["localpath"] == str(files)
    ls, _ = storage("ls", path="chris")
    assert sorted(one["name"] for one in ls["ls"]) == sorted(names) and set(ls["ls"][0]) == {"name", "bytes", "hash", "last_modified"}
    assert {one["name"]: one["bytes"] for one in ls["ls"]} == {f"chris/uploads/{name}": (files / name).stat().st_size for name in NAMES}
    pull, _ = storage("objPull", fromLocation="chris/uploads", toLocation=str(tmp_path / "back"))
    assert content(tmp_path / "back") == content(files) and len(pull["localFileList"]) == len(NAMES) == len(pull["objectFileList"])
    assert pull["localpath"] == str(tmp_path / "back") and pull["currentWorkingDir"] == os.path.realpath("/tmp")
    # What is there is not fetched again, what is not the same is.
    kept = (tmp_path / "back/a.txt").stat()
    (tmp_path / "back" / NAMES[1]).write_bytes(b"other")
    storage("objPull", fromLocation="chris/uploads", toLocation=str(tmp_path / "back"))
    assert content(tmp_path / "back") == content(files) and (tmp_path / "back/a.txt").stat() == kept


def test_ls(storage, files):
    storage("objPut", localpath=str(files), toLocation="one", mapLocationOver=str(files))
    ls, _ = storage("ls", path="./one", substr="deep", retSpec=["name", "bytes"])
    assert ls == {"status": True, "ls": [{"name": "one/deep/er/and/deeper", "bytes": (files / NAMES[4]).stat().st_size}]}
    assert len(storage("ls", path="one", retSpec=[])[0]["ls"][0]) == 4
    assert len(storage("ls", path="")[0]["ls"]) == len(NAMES)
    result, told = storage.refused("ls", path="nosuch")
    assert result == {"status": False, "ls": []} and "nothing there" in told
    storage.refused("ls", code=2, path=["one"])
    storage.refused("ls", code=2, path="one", retSpec="name")


def test_paths_of_what_is_put(storage, files):
    put, _ = storage("objPut", localpath=str(files / "deep"), toLocation="raw")
    assert put["objectFileList"][0].endswith(f"raw{files}/deep/er/and/deeper")
    put, _ = storage("objPut", fileList=[str(files / "a.txt")], remoteFileList=["x/y"])
    assert put["objectFileList"][0].endswith("x/y") and storage("ls", path="x/")[0]["ls"][0]["name"] == "x/y"
    storage.refused("objPut", code=2, fileList=[str(files / "a.txt")], remoteFileList=[])
    storage.refused("objPut", localpath=str(files), toLocation="../../out", mapLocationOver=str(files))
    storage.refused("objPut", localpath=str(files / "nosuch"), toLocation="x")
    storage.refused("objPut", code=2, toLocation="x")


def test_packed(storage, tmp_path):
    """%pack is the folder that px-repack would choose, of each image or of the first."""
    for number in (1, 2):
        make_image(tmp_path / f"images/s{number}/i.dcm", PatientID="P", SeriesNumber=number, SeriesDescription="D")
    (tmp_path / "images/note.txt").write_text("no image")
    args = {"localpath": str(tmp_path / "images"), "toLocation": "SERVICES/%pack", "mapLocationOver": str(tmp_path / "images"), "DICOMsubstr": "dcm"}
    put, _ = storage("objPut", packEachDICOM=True, **args)
    assert [name.split("/")[-3:] for name in put["objectFileList"]] == [["00001-D", "s1", "i.dcm"], ["00002-D", "s2", "i.dcm"]]
    assert put[str(tmp_path / "images/s1/i.dcm")]["status"] is True
    put, _ = storage("objPut", **args)
    assert [name.split("/")[-3:] for name in put["objectFileList"]] == [["00001-D", "s1", "i.dcm"], ["00001-D", "s2", "i.dcm"]]


def test_rmtree_wants_to_be_confirmed(storage, files):
    storage("objPut", localpath=str(files), toLocation="tree/up", mapLocationOver=str(files))
    storage("objPut", localpath=str(files), toLocation="other", mapLocationOver=str(files))
    result, told = storage.refused("rmtree", code=2, path="tree")
    assert result["dellist"] == [] and f"{len(NAMES)} objects would be deleted" in told
    assert len(storage("ls", path="tree")[0]["ls"]) == len(NAMES)
    gone, _ = storage("rmtree", path="tree", substr="deep", confirm=True)
    assert gone == {"status": True, "dellist": ["tree/up/deep/er/and/deeper"]}
    gone, _ = storage("rmtree", "--yes", path="tree")
    assert len(gone["dellist"]) == len(NAMES) - 1
    storage.refused("ls", path="tree")
    storage.refused("rmtree", "--yes", path="tree")
    storage.refused("rmtree", "--yes", code=2, path="")
    assert len(storage("ls", path="other")[0]["ls"]) == len(NAMES)


def test_rmtree_is_of_a_folder(storage, files):
    """A name that only begins like it stays."""
    for place in ("NORTH", "NORTH2"):
        storage("objPut", localpath=str(files / "a.txt"), toLocation=f"{place}/a.txt", mapLocationOver=str(files / "a.txt"))
    assert storage("rmtree", "--yes", path="NORTH")[0]["dellist"] == ["NORTH/a.txt"]
    assert [one["name"] for one in storage("ls", path="NORTH")[0]["ls"]] == ["NORTH2/a.txt"]
    assert storage("rmtree", "--yes", path="NORTH2/a.txt")[0]["dellist"] == ["NORTH2/a.txt"]


def test_looking_makes_no_folder(tmp_path):
    storage = Storage(tmp_path, "--storeBaseLocation", tmp_path / "typo/in it")
    for action, more in (("ls", {}), ("rmtree", {"path": "x", "confirm": True}), ("objPull", {"fromLocation": "x", "toLocation": str(tmp_path / "to")})):
        _, told = storage.refused(action, **more)
        assert "typo/in it" in told and "No such file" in told
    assert not (tmp_path / "typo").exists() and not (tmp_path / "to").exists()


def test_where_pulled_files_go(storage, files, tmp_path):
    storage("objPut", localpath=str(files), toLocation="up", mapLocationOver=str(files))
    storage("objPut", localpath=str(files / "a.txt"), toLocation="up2/a.txt", mapLocationOver=str(files / "a.txt"))
    storage("objPull", fromLocation="up", toLocation=str(tmp_path / "part"))
    assert (tmp_path / "part/a.txt").exists() and (tmp_path / "part/up2/a.txt").exists() and not (tmp_path / "part2").exists()
    storage("objPull", fromLocation="up/a.txt", toLocation=str(tmp_path / "one.txt"))
    assert (tmp_path / "one.txt").read_bytes() == (files / "a.txt").read_bytes()
    storage("objPull", fromLocation="up/a.txt", toLocation=str(tmp_path / "part"))
    assert (tmp_path / "part/a.txt").exists()
    storage.refused("objPull", fromLocation="nosuch", toLocation=str(tmp_path / "part"))
    storage.refused("objPull", code=2, fromLocation="up")


# -- a store that means harm, or fails --

@pytest.mark.asan
def test_names_that_lead_out(fake, tmp_path):
    fake.containers["users"].update({"in/good": b"1", "in/../../../../../tmp/evil-px": b"2", "in/./a": b"3", "in//etc/x": b"4", "in/link/x": b"5",
                                     "in/" + "n" * 300: b"6"})
    (tmp_path / "to").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "to/link").symlink_to(tmp_path / "elsewhere")
    storage = Storage(tmp_path, *fake.options)
    result, told = storage.refused("objPull", fromLocation="in", toLocation=str(tmp_path / "to"))
    assert content(tmp_path / "to") == {"good": b"1", "etc/x": b"4"} and sorted(result["objectFileList"]) == ["in//etc/x", "in/good"]
    assert len(result["failed"]) == 4 and not os.listdir(tmp_path / "elsewhere") and not os.path.exists("/tmp/evil-px")
    assert "4 of 6" in told


def test_a_long_list_comes_in_pages(fake, tmp_path):
    fake.server.page = 7
    fake.containers["users"].update({f"many/{number:03}": b"x" for number in range(50)})
    storage = Storage(tmp_path, *fake.options)
    assert len(storage("ls", path="many")[0]["ls"]) == 50 and fake.count("GET", "/users") == 9
    assert len(storage("rmtree", "--yes", path="many")[0]["dellist"]) == 50 and not fake.containers["users"]


def test_a_list_without_end(fake, tmp_path):
    """The same page again and again."""
    fake.containers["users"]["x"] = b"x"
    storage = Storage(tmp_path, *fake.options)
    real, fake.server.RequestHandlerClass = Store.list, type("Same", (Store,), {"list": lambda self, objects, query: real(self, objects, {})})
    result, told = storage.refused("ls", path="x")
    assert "not in order" in told and "not in order" in result["lsError"]


@pytest.mark.asan
@pytest.mark.parametrize("name", ["a", "in", "zzz/not/asked/for"])
def test_a_list_of_what_was_not_asked_for(fake, tmp_path, name):
    """A store that does not look at the prefix, or means harm: nothing comes, nothing is deleted."""
    fake.containers["users"][name] = b"x"
    storage = Storage(tmp_path, *fake.options)
    real = Store.list
    fake.server.RequestHandlerClass = type("All", (Store,), {"list": lambda self, objects, query: real(self, objects, {**query, "prefix": [""]})})
    _, told = storage.refused("objPull", fromLocation="in/a/long/folder", toLocation=str(tmp_path / "to"))
    assert "not asked for" in told and not (tmp_path / "to").exists()
    storage.refused("rmtree", "--yes", path="in/a/long/folder")
    assert fake.containers["users"] == {name: b"x"}


def test_segments_that_stay(fake, tmp_path):
    """The store answers 200 to the deletion of a large object, and says in the body that it failed."""
    fake.containers["users"]["in/large"] = b"x"

    class Large(Store):
        def list(self, objects, query):
            self.answer(200, json.dumps([{"name": "in/large", "bytes": 5, "hash": "", "slo_etag": "x"}] if not query.get("marker") else []).encode())

        def object(self, objects, name, body):
            self.answer(200, json.dumps({"Response Status": "400 Bad Request", "Number Deleted": 0,
                                         "Errors": [["/users_segments/in/large/1", "403 Forbidden"]]}).encode())

    fake.server.RequestHandlerClass = Large
    result, told = Storage(tmp_path, *fake.options).refused("rmtree", "--yes", path="in")
    assert result["dellist"] == [] and "did not delete" in told


def test_objects_that_break_off_or_lie(fake, tmp_path):
    fake.containers["users"].update({"in/a": b"x" * 1000, "in/b": b"y" * 1000})
    storage = Storage(tmp_path, *fake.options, "--tries", "2")

    class Cut(Store):
        def object(self, objects, name, body):
            if name == "in/a" and self.command == "GET":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x" * 400)
                self.close_connection = True
            elif self.command == "GET":
                self.answer(200, b"y" * 999 + b"z", Etag="415290769594460e2e485922904f345d")
            else:
                super().object(objects, name, body)

    fake.server.RequestHandlerClass = Cut
    result, told = storage.refused("objPull", "--parallel", "1", fromLocation="in", toLocation=str(tmp_path / "to"))
    assert result["localFileList"] == [] and content(tmp_path / "to") == {} and told


def test_a_full_disk_leaves_nothing_half(fake, tmp_path):
    fake.containers["users"].update({f"in/{number}": bytes(400_000) for number in range(5)})
    with small_disk(tmp_path / "disk", 1):
        storage = Storage(tmp_path, *fake.options)
        result, told = storage.refused("objPull", "--parallel", "1", fromLocation="in", toLocation=str(tmp_path / "disk/to"))
        assert "No space left" in told and len(result["localFileList"]) == 2 and sorted(content(tmp_path / "disk/to")) == ["0", "1"]


def test_stores_that_do_not_answer_as_they_should(fake, tmp_path):
    storage = Storage(tmp_path, "--swiftIP", "127.0.0.1", "--swiftPort", free_port(), "--swiftLogin", "a:b", "--tries", "1")
    result, told = storage.refused("ls", path="x")
    assert "127.0.0.1:" in result["lsError"] and result["lsError"] in told
    storage = Storage(tmp_path, *fake.options, "--tries", "2")
    fake.containers.clear()
    assert "no container 'users'" in storage.refused("ls", path="x")[1]
    for status, says in ((401, "401"), (403, "may not"), (500, "answered 500"), (302, "answered 302")):
        fake.server.fault = lambda method, path, status=status: None if path == "/auth/v1.0" else status
        assert says in storage.refused("ls", path="x")[1]
    fake.server.fault = lambda method, path: 401
    assert "login" in storage.refused("ls", path="x")[1]


def test_directives_that_are_none(storage, tmp_path):
    result, told = storage.refused("noSuch", code=2, path="x")
    kind = "fileStorage" if "fs" in storage.options else "swiftStorage"
    assert result["msg"] == f"Class '{kind}' does not implement method 'noSuch_process'" and "ls, objPut" in told
    for text in ("", "[]", "{", '{"action": 5}', '{"action": "ls", "args": 5}'):
        done = run(as_program(tmp_path, "pfstorage"), *storage.options, "--do", text, check=False)
        assert done.returncode in (1, 2) and done.stderr and not done.stdout
    assert run(as_program(tmp_path, "pfstorage"), "--type", "tape", "--do", "{}", check=False).returncode == 2
