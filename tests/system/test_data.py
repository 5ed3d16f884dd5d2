# SPDX-License-Identifier: MIT
"""`manage data` (DAT-01 to DAT-07, DB-08), `move -DbUID`, `-rl` (MOV-03, MOV-04), `move_existing` (MOV-06), `assoc` (ASS-01)."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import threading
import time

import pytest
from archive import Archive
from make_dicom import make_image, uid
from programs import Server, run, wait_until

FEW = "1.2.826.0.1.3680043.10.1499.7"


def index(archive, *words, **options):
    return json.loads(archive.manage("data", "index", "--json", *words, **options).stdout)


def instances(archive):
    out = archive.manage("database", "find", "instance").stdout
    return [] if out.startswith("No db") else sorted(out.split())


def row(archive, sql):
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        return db.execute(sql).fetchone()


def snapshot(folder):
    """{path: bytes} of all files below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()}


@pytest.fixture
def stored(stopped_archive, few):
    """An archive with the four images of `few` in its store."""
    index(stopped_archive, "-d", few, "-rm", "yes")
    assert len(stopped_archive.files()) == 4
    return stopped_archive


# -- index --

def test_index_another_folder_in_place(stopped_archive, few):  # DAT-02
    before = snapshot(few)
    done = index(stopped_archive, "-d", few)
    assert (done["seen"], done["added"], done["known"], done["junk"], done["failed"]) == (4, 4, 0, 0, 0)
    assert len(instances(stopped_archive)) == 4
    assert snapshot(few) == before and not stopped_archive.files()
    path, method, status = row(stopped_archive, "SELECT file_path, storage_method, storage_status FROM file_storage_metadata_dicom")
    assert pathlib.Path(path).parent == few and (method, status) == ("FS", 0)


def test_what_is_indexed_in_place_can_be_found_and_fetched(archive, few, tmp_path):
    index(archive, "-d", few)  # the server runs
    out = tmp_path / "got"
    out.mkdir()
    run("getscu", "-S", "-od", out, "-aec", archive.aet, "-aet", "GETSCU", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={FEW}",
        "127.0.0.1", archive.port)
    assert len(list(out.iterdir())) == 4


def test_the_summary(stopped_archive, few):  # DAT-01
    done = stopped_archive.manage("data", "index", "-d", few)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Execution time : 00:00:0") and "files/s" in lines[1]
    assert lines[2] == "---> 4 files added to the database, 0 were in it already"
    assert lines[3] == "---> 0 files not saved (0 not DICOM or damaged, 0 failed)"


def test_the_index_is_rebuilt_from_the_store(stored):  # DAT-01
    before = instances(stored)
    (stored.folder / "index.sqlite").unlink()
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        (stored.folder / name).unlink(missing_ok=True)
    assert index(stored)["added"] == 4
    assert instances(stored) == before
    assert row(stored, "SELECT instances, studies, series FROM totals") == (4, 1, 2)


def test_what_is_indexed_is_not_read_again(stored, few, tmp_path):
    done = index(stored)
    assert (done["added"], done["known"], done["bytes_read"]) == (0, 4, 0)
    assert index(stored, "--verify")["bytes_read"] > 0
    copies = tmp_path / "copies"
    shutil.copytree(stored.data, copies)
    done = index(stored, "-d", copies)
    assert (done["added"], done["known"]) == (0, 4)
    assert str(stored.data) in row(stored, "SELECT file_path FROM file_storage_metadata_dicom")[0]


def test_a_changed_file_is_indexed_again(stopped_archive, few):
    index(stopped_archive, "-d", few)
    make_image(few / "11.dcm", PatientID="FEW", PatientName="Few^Images", StudyInstanceUID=FEW, SeriesInstanceUID=f"{FEW}.1",
               SOPInstanceUID=f"{FEW}.1.1", SeriesNumber=1, InstanceNumber=17, SeriesDescription="longer than before")
    done = index(stopped_archive, "-d", few)
    assert (done["added"], done["known"]) == (1, 3)
    assert row(stopped_archive, f"SELECT instance_number FROM file_storage_metadata_dicom WHERE instance_uid = '{FEW}.1.1'") == (17,)


def test_a_moved_folder_is_followed(stopped_archive, few, tmp_path):
    index(stopped_archive, "-d", few)
    few.rename(tmp_path / "elsewhere")
    assert index(stopped_archive, "-d", tmp_path / "elsewhere")["added"] == 4
    assert "elsewhere" in row(stopped_archive, "SELECT file_path FROM file_storage_metadata_dicom")[0]
    assert len(instances(stopped_archive)) == 4


def test_junk_is_counted(stopped_archive, few):  # DAT-04
    (few / "notes.txt").write_text("buy milk")
    (few / "empty").write_bytes(b"")
    (few / ".hidden").mkdir()
    make_image(few / ".hidden/image", SOPInstanceUID=uid(23, 1))  # dot-names are looked into
    (few / "cut.dcm").write_bytes((few / "11.dcm").read_bytes()[:-100])
    (few / "noise").write_bytes(os.urandom(100000))
    (few / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (few / "loop").symlink_to(few)
    (few / "dangling").symlink_to("/no/such/file")
    os.mkfifo(few / "pipe")
    done = index(stopped_archive, "-d", few)
    assert (done["added"], done["junk"], done["failed"]) == (5, 5, 0)
    log = (stopped_archive.folder / "log/index_data.log").read_text()
    assert "notes.txt" in log and "cut.dcm" in log


def test_folders_that_are_not_there(stopped_archive, tmp_path):
    done = stopped_archive.manage("data", "index", "-d", tmp_path / "nowhere", check=False)
    assert done.returncode == 1 and "nowhere" in done.stderr and "No such file" in done.stderr


@pytest.fixture
def many(tmp_path):
    folder = tmp_path / "many"
    for i in range(300):
        make_image(folder / f"{i // 50}/{i}.dcm", rows=32, columns=32, StudyInstanceUID=uid(24, i // 50), SeriesInstanceUID=uid(24, i // 50, 1),
                   SOPInstanceUID=uid(24, i // 50, 1, i), PatientID=f"M{i // 50}")
    return folder


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_group_and_the_next_run_goes_on(stopped_archive, many, sig):  # DAT-05
    stopped_archive.set("thread.number", 1)
    process = __import__("subprocess").Popen([stopped_archive.folder / "manage", "data", "index", "-d", many, "--json", "--verify"],
                                             stdout=-1, stderr=-1, text=True)
    wait_until(lambda: (stopped_archive.folder / "index.sqlite").exists() or process.poll() is not None, 10, "it begins", 0.001)
    process.send_signal(sig)
    out, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("it was quicker than the signal")
    assert process.returncode in (1, -sig), err
    if process.returncode == 1:
        first = json.loads(out)
        assert first["added"] == len(instances(stopped_archive)) and "stopped before the end" in err
    done = index(stopped_archive, "-d", many)
    assert done["added"] + done["known"] == 300
    assert len(instances(stopped_archive)) == 300
    assert row(stopped_archive, "SELECT instances, studies FROM totals") == (300, 6)


def test_killed_it_goes_on_too(stopped_archive, many):
    process = __import__("subprocess").Popen([stopped_archive.folder / "manage", "data", "index", "-d", many], stdout=-1, stderr=-1)
    time.sleep(0.1)
    process.kill()
    process.communicate(timeout=60)
    done = index(stopped_archive, "-d", many)
    assert done["added"] + done["known"] == 300
    assert row(stopped_archive, "SELECT instances, studies FROM totals") == (300, 6)


def test_index_beside_a_server_that_stores(archive, many, few):
    """Neither blocks the other for long, and both are complete."""
    result = {}
    thread = threading.Thread(target=lambda: result.update(index(archive, "-d", many)))
    thread.start()
    began = time.monotonic()
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    took = time.monotonic() - began
    thread.join(60)
    assert result["added"] == 300 and result["failed"] == 0
    assert len(instances(archive)) == 304
    assert took < 20


def test_the_index_of_a_running_archive_is_not_opened_as_a_file(archive, few):
    """Closing it would drop SQLite's locks, and with them what others have written."""
    shutil.copytree(few, archive.folder / "incoming")
    done = index(archive, "-d", archive.folder)
    assert done["added"] == 4
    log = (archive.folder / "log/index_data.log").read_text()
    assert "settings.yml" in log and "index.sqlite" not in log


def test_the_index_may_not_lie_among_the_data(stopped_archive):
    stopped_archive.set("db.params.filepath", "./data/index.sqlite")
    done = stopped_archive.manage("data", "index", check=False)
    assert done.returncode == 1 and "db.params.filepath" in done.stderr


# -- index -rm --

def test_rm_moves_files_into_the_archive(stopped_archive, few):  # DAT-03
    originals = snapshot(few)
    done = index(stopped_archive, "-d", few, "-rm", "true")
    assert (done["deleted"], done["kept"]) == (4, 0) and not snapshot(few)
    stored = [p.read_bytes() for p in stopped_archive.files()]
    assert sorted(b[-256:] for b in stored) == sorted(b[-256:] for b in originals.values())
    path = row(stopped_archive, "SELECT file_path FROM file_storage_metadata_dicom")[0]
    assert path.startswith(str(stopped_archive.data))


def test_rm_never_deletes_the_only_copy(stopped_archive, few, tmp_path):  # B14
    index(stopped_archive, "-d", few)  # in place: these files are what the archive has
    done = index(stopped_archive, "-d", few, "-rm", "yes")
    assert (done["deleted"], done["kept"]) == (0, 4) and len(snapshot(few)) == 4
    done = stopped_archive.manage("data", "index", "-rm", "yes", check=False)
    assert done.returncode == 2 and "needs -d" in done.stderr
    done = stopped_archive.manage("data", "index", "-rm", "yes", "-d", stopped_archive.data, check=False)
    assert done.returncode == 1 and "own store" in done.stderr


def test_rm_of_the_store_by_another_way_in(stored, tmp_path):
    (tmp_path / "link").symlink_to(stored.data)
    done = stored.manage("data", "index", "-rm", "yes", "-d", tmp_path / "link", check=False)
    assert done.returncode == 1
    done = stored.manage("data", "index", "-rm", "yes", "-d", stored.folder, check=False)  # the folder around the store
    assert done.returncode == 1 and "is an archive" in done.stderr and len(stored.files()) == 4


def test_rm_empties_no_archive_and_no_machine(stopped_archive, few, tmp_path):
    everything = tmp_path / "all"
    shutil.copytree(few, everything / "few")
    shutil.copytree(few, everything / "other/data")
    shutil.copytree(stopped_archive.folder / "app", everything / "other/app")
    before = snapshot(everything)
    (tmp_path / "home").symlink_to(everything / "few")
    for home in (everything / "few", tmp_path / "home"):  # a folder that holds it is everybody's
        done = stopped_archive.manage("data", "index", "-rm", "yes", "-d", everything, env={"HOME": str(home)}, check=False)
        assert done.returncode == 1 and "name the folder" in done.stderr and snapshot(everything) == before
    shutil.copytree(few, everything / "mine")
    stopped_archive.manage("data", "index", "-rm", "yes", "-d", everything / "mine", env={"HOME": f"{everything}/mine/"})
    assert not snapshot(everything / "mine")
    done = index(stopped_archive, "-rm", "yes", "-d", everything)
    assert (done["deleted"], done["kept"]) == (4, 1) and not snapshot(everything / "few")
    assert snapshot(everything / "other") == {k[6:]: v for k, v in before.items() if k.startswith("other/")}
    assert f"{everything}/other: it is an archive" in (stopped_archive.folder / "log/index_data.log").read_text()


def test_rm_leaves_junk_and_what_the_archive_refused(stopped_archive, few):
    stopped_archive.set("duplicates", "keep_first")
    index(stopped_archive, "-d", few, "-rm", "yes")
    make_image(few / "other.dcm", SOPInstanceUID=f"{FEW}.1.1", StudyInstanceUID=FEW, SeriesInstanceUID=f"{FEW}.1", PatientID="FEW",
               SeriesDescription="other content")
    (few / "notes.txt").write_text("buy milk")
    done = index(stopped_archive, "-d", few, "-rm", "yes")
    assert (done["deleted"], done["kept"], done["junk"]) == (0, 1, 1)
    assert sorted(snapshot(few)) == ["notes.txt", "other.dcm"]


# -- export --

def test_export_mirrors_the_store(stored, tmp_path):  # DAT-06
    target = tmp_path / "new/target"
    assert "---> 4 files copied" in stored.manage("data", "export", target).stdout
    assert snapshot(target) == snapshot(stored.data)
    (target / "mine.txt").write_text("stays")
    again = json.loads(stored.manage("data", "export", target, "--json").stdout)
    assert (again["copied"], again["same"]) == (0, 4)
    assert (target / "mine.txt").read_text() == "stays"


def test_export_repairs_and_goes_on(stored, tmp_path):
    target = tmp_path / "target"
    stored.manage("data", "export", target)
    files = sorted(p for p in target.rglob("*") if p.is_file())
    good = files[0].read_bytes()
    files[0].write_bytes(good[:100])  # a copy that another program cut short, long ago
    os.utime(files[0], (1, 1))
    os.utime(files[1], (1, 1))  # same content, other time
    files[2].unlink()
    (target / ".export-1-1.part").write_bytes(b"left over")
    done = json.loads(stored.manage("data", "export", target, "--json").stdout)
    assert (done["copied"], done["same"]) == (2, 2)
    assert snapshot(target) == snapshot(stored.data)
    assert abs(files[1].stat().st_mtime - time.time()) < 3600


def test_export_leaves_what_is_newer(stored, tmp_path):
    target = tmp_path / "target"
    stored.manage("data", "export", target)
    changed = next(p for p in target.rglob("*") if p.is_file())
    changed.write_bytes(b"somebody's later work")
    os.utime(changed, (time.time() + 100, time.time() + 100))
    done = json.loads(stored.manage("data", "export", target, "--json").stdout)
    assert (done["newer"], done["copied"]) == (1, 0)
    assert changed.read_bytes() == b"somebody's later work"


def test_export_fails_clearly(stored, tmp_path):
    (tmp_path / "file").write_text("")
    for target, words in ((tmp_path / "file/below", "target"), (stored.data / "below", "lie in one another"), (stored.folder, "lie in one another")):
        done = stored.manage("data", "export", target, check=False)
        assert done.returncode == 1 and words in done.stderr, done.stderr
    assert len(stored.files()) == 4


def test_export_to_a_read_only_target(stored, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    mounted = run("mount", "-t", "tmpfs", "-o", "ro", "none", target, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = stored.manage("data", "export", target, check=False)
        assert done.returncode == 1 and "Read-only file system" in done.stderr and str(target) in done.stderr
    finally:
        run("umount", target)


def test_export_to_a_full_target(stored, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    if run("mount", "-t", "tmpfs", "-o", "size=4k", "none", target, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = stored.manage("data", "export", target, check=False)
        assert done.returncode == 1 and "No space left" in done.stderr
        assert not list(target.rglob("*.part"))
    finally:
        run("umount", target)


# -- index_study, move --

@pytest.fixture
def pair(tmp_path, stopped_archive, few):
    """Two archives that know each other: `near`, running, and `far`, which has the study of `few` and another one."""
    near = stopped_archive
    (tmp_path / "far").mkdir()
    far = Archive(tmp_path / "far", aet="FAR")
    make_image(few / "other.dcm", PatientID="OTHER", StudyInstanceUID=uid(25), SeriesInstanceUID=uid(25, 1), SOPInstanceUID=uid(25, 1, 1))
    index(far, "-d", few, "-rm", "yes")
    far.allow(near.aet, near.port)
    near.allow("FAR", far.port)
    far.start()
    near.start()
    near.peer = ["127.0.0.1", far.port, "-aec", "FAR", "-aes", near.aet]
    yield near, far
    far.stop()


def test_lists_of_studies(stopped_archive, tmp_path):  # DAT-07
    (tmp_path / "list").write_text(f"{FEW}\n\n{uid(25)}\n")
    stopped_archive.manage("data", "index_study", tmp_path / "list", "2026-02-28")
    stopped_archive.manage("data", "index_study", tmp_path / "list")
    with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:
        rows = db.execute("SELECT study_uid, id_list, d_load FROM study_list ORDER BY ids").fetchall()
    today = time.strftime("%Y-%m-%d")
    assert rows == [(FEW, 1, "2026-02-28"), (uid(25), 1, "2026-02-28"), (FEW, 2, today), (uid(25), 2, today)]


@pytest.mark.parametrize("content, day, code", [("1.2.3\n", "2026-02-30", 2), ("1.2.3\n", "yesterday", 2), ("1.2.3\n", "2026-1-2", 2), ("", None, 1),
                                                ("1.2.3\nnot a uid\n", None, 1), (None, None, 1)])
def test_bad_lists_load_nothing(stopped_archive, tmp_path, content, day, code):
    if content is not None:
        (tmp_path / "list").write_text(content)
    done = stopped_archive.manage("data", "index_study", tmp_path / "list", *([day] if day else []), check=False)
    assert done.returncode == code and done.stderr
    stopped_archive.manage("database", "create")
    assert row(stopped_archive, "SELECT count(*) FROM study_list") == (0,)


def test_move_a_list_of_the_database(pair, tmp_path):  # MOV-03
    near, _ = pair
    (tmp_path / "one").write_text(f"{FEW}\n")
    (tmp_path / "two").write_text(f"{uid(25)}\n")
    near.manage("data", "index_study", tmp_path / "one")
    near.manage("data", "index_study", tmp_path / "two")
    near.manage("move", *near.peer, "-DbUID")  # the last one
    assert instances(near) == [uid(25, 1, 1)]
    near.manage("move", *near.peer, "-DbUID", "1")
    assert len(instances(near)) == 5
    done = near.manage("move", *near.peer, "-DbUID", "last", "-rl", "false")
    assert "here already" in done.stdout
    done = near.manage("move", *near.peer, "-DbUID", "9", check=False)
    assert done.returncode == 1 and "number 9" in done.stderr
    for words in (("-DbUID", "first"), ("-DbUID", "1", "-l", "SERIES")):
        assert near.manage("move", *near.peer, *words, check=False).returncode == 2


@pytest.mark.parametrize("level, keys, missing", [
    ("PATIENT", ["FEW", "OTHER"], [uid(25, 1, 1)]), ("STUDY", [FEW, uid(25)], [uid(25, 1, 1)]),
    ("SERIES", [f"{FEW}.1", f"{FEW}.2", uid(25, 1)], [uid(25, 1, 1)])])
def test_rl_leaves_out_what_is_here(pair, tmp_path, few, level, keys, missing):  # MOV-04
    near, _ = pair
    near.manage("move", *near.peer, "-stUID", FEW)
    (tmp_path / "keys").write_text("\n".join(keys))
    for bare in ([], ["false"]):
        done = near.manage("move", *near.peer, "-l", level, "-fUID", tmp_path / "keys", "--json", "-rl", *bare)
        requests = json.loads(done.stdout)["requests"]
        assert [r["key"] for r in requests] == (keys[-1:] if not bare else [])
    assert set(missing) <= set(instances(near)) and len(instances(near)) == 5


@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
def test_move_existing_moves_what_is_missing(pair, tmp_path, level):  # MOV-06
    near, _ = pair
    near.manage("move", *near.peer, "-l", "SERIES", "-stUID", FEW, "-seUID", f"{FEW}.1")
    out = tmp_path / "missing"
    done = near.manage("move_existing", *near.peer, "-l", level, "-o", out, "--json")
    expected = {"PATIENT": {"FEW", "OTHER"}, "STUDY": {FEW, uid(25)}, "SERIES": {f"{FEW}.2", uid(25, 1)},
                "IMAGE": {f"{FEW}.2.1", f"{FEW}.2.2", uid(25, 1, 1)}}[level]
    assert {r["key"] for r in json.loads(done.stdout)["requests"]} == expected == set(out.read_text().split())
    assert len(instances(near)) == 5
    done = near.manage("move_existing", *near.peer, "-l", level)
    assert "Nothing to move" in done.stdout


def test_move_existing_takes_keys(pair, tmp_path):
    near, _ = pair
    near.manage("move_existing", *near.peer, "-paID", "OTHER")
    assert instances(near) == [uid(25, 1, 1)]
    (tmp_path / "there").write_text("old")
    done = near.manage("move_existing", *near.peer, "-o", tmp_path / "there", check=False)
    assert done.returncode == 1 and "-ow" in done.stderr and len(instances(near)) == 1
    near.manage("move_existing", *near.peer, "-o", tmp_path / "there", "-ow", "yes")
    assert (tmp_path / "there").read_text() == f"{FEW}\n" and len(instances(near)) == 5


def test_move_existing_without_a_peer(stopped_archive, our_port):
    done = stopped_archive.manage("move_existing", "127.0.0.1", our_port, "-aec", "X", "-aes", "Y", check=False)
    assert done.returncode == 1 and "refused" in done.stderr


# -- assoc --

def test_assoc(pair, few):  # ASS-01
    near, far = pair
    (near.folder / "app/associations.yml").write_text(
        f"far:\n  ip: 127.0.0.1\n  port: {far.port}\n  aet: FAR\n  requests:\n    hello:\n      action: scu_cecho\n"
        f"    all:\n      action: scu_cfind\n      QRLevel: PATIENT\n      json: yes\n      key: [PatientSex, PatientName=*]\n"
        f"    fetch:\n      action: scu_cmove\n      ae_cstore: {near.aet}\n      studyUID: {FEW}\n"
        "    wrong:\n      action: scu_cfind\n      colour: blue\n    nothing:\n      action: dance\n"
        "    bad:\n      action: scu_cfind\n      QRLevel: PLANET\n")
    assert "0x0000" in near.manage("assoc", "far.hello").stdout
    answers = json.loads(near.manage("assoc", "far.all").stdout)
    assert {a["00100020"]["Value"][0] for a in answers} == {"FEW", "OTHER"}
    near.manage("assoc", "far.fetch")
    assert len(instances(near)) == 4
    for request, words in (("far.wrong", "'colour' is no option of 'manage find'"), ("far.nothing", "action is expected"),
                           ("far.bad", "PLANET"), ("far.missing", "no request 'missing'"), ("away.hello", "no target 'away'")):
        done = near.manage("assoc", request, check=False)
        assert done.returncode == 1 and words in done.stderr, done.stderr
    assert near.manage("assoc", "far", check=False).returncode == 2


def test_the_shipped_associations_work(stopped_archive):
    text = (stopped_archive.folder / "app/associations.yml").read_text()
    assert "TARGET.REQUEST" in text
    text = text.replace("11112", str(stopped_archive.port)).replace("aet: PExport", f"aet: {stopped_archive.aet}")
    (stopped_archive.folder / "app/associations.yml").write_text(text)
    stopped_archive.start()
    assert "0x0000" in stopped_archive.manage("assoc", "myself.hello").stdout
    stopped_archive.manage("assoc", "myself.studies")


# -- delete, undelete --

def delete(archive, *words, **options):
    return json.loads(archive.manage("data", "delete", "--json", "-f", "yes", *words, **options).stdout)


@pytest.mark.parametrize("concept, key, gone", [("patient", "FEW", 4), ("study", FEW, 4), ("series", f"{FEW}.1", 2), ("instance", f"{FEW}.1.1", 1)])
def test_delete_and_undo_at_each_level(stored, concept, key, gone):  # DB-08
    before, files = instances(stored), snapshot(stored.data)
    sums = row(stored, "SELECT patients, studies, series, instances, size FROM totals")
    assert f"{gone} objects" in stored.manage("data", "delete", concept, key, "--dry-run").stdout
    assert snapshot(stored.data) == files
    done = delete(stored, concept, key)
    assert (done["deleted"], done["left"]) == (gone, 0)
    assert len(instances(stored)) == 4 - gone == len(stored.files())
    back = json.loads(stored.manage("data", "undelete", done["batch"], "--json").stdout)
    assert back["restored"] == gone
    assert instances(stored) == before and snapshot(stored.data) == files
    assert row(stored, "SELECT patients, studies, series, instances, size FROM totals") == sums
    assert stored.manage("data", "trash").stdout == "The trash is empty.\n"


def test_deleted_is_gone_for_peers_and_comes_back(archive, few):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)

    def studies():
        return archive.manage("find", "127.0.0.1", archive.port, "-aec", archive.aet).stdout.count("Equal number of STUDY is 1")
    assert studies() == 1
    batch = delete(archive, "study", FEW)["batch"]
    assert studies() == 0
    archive.manage("data", "undelete", batch)
    assert studies() == 1
    delete(archive, "study", FEW)
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)  # sent again, it is there again
    assert studies() == 1 and len(archive.files()) == 4


def test_delete_asks(stored):
    for stdin, code, left in (("", 1, 4), ("no\n", 0, 4), ("y\n" * 10 + "yes\n", 1, 4), ("perhaps\nyes\n", 0, 0)):
        done = stored.manage("data", "delete", "study", FEW, stdin=stdin, check=False)
        assert done.returncode == code and len(instances(stored)) == left


def test_delete_leaves_an_audit_line_without_patient_data(stored):
    done = stored.manage("data", "delete", "patient", "FEW", "-f", "yes", "--reason", "sent\nby mistake", check=False)
    assert done.returncode == 2 and "one line" in done.stderr
    stored.manage("data", "delete", "patient", "FEW", "-f", "yes", "--reason", "sent by mistake")
    line = next(l for l in (stored.folder / "log/pacs.log").read_text().splitlines() if "pacs.audit" in l)
    assert "objects=4" in line and "user=" in line and "FEW" not in line
    entry = json.loads(stored.manage("data", "trash", "--json").stdout)[0]
    assert "patient FEW" in entry["what"] and "sent by mistake" in entry["what"] and entry["objects"] == 4


def test_delete_what_was_indexed_in_place(stopped_archive, few):
    index(stopped_archive, "-d", few)
    before = snapshot(few)
    done = delete(stopped_archive, "study", FEW)
    assert (done["deleted"], done["outside"]) == (4, 4)
    assert snapshot(few) == before and not instances(stopped_archive)
    stopped_archive.manage("data", "undelete", done["batch"])
    assert len(instances(stopped_archive)) == 4


def test_undo_keeps_what_came_meanwhile(stored, few):
    batch = delete(stored, "instance", f"{FEW}.1.1")["batch"]
    make_image(few / "new.dcm", SOPInstanceUID=f"{FEW}.1.1", StudyInstanceUID=FEW, SeriesInstanceUID=f"{FEW}.1", PatientID="FEW",
               SeriesDescription="other content")
    index(stored, "-d", few, "-rm", "yes")
    now = snapshot(stored.data)
    done = stored.manage("data", "undelete", batch, check=False)
    assert done.returncode == 1 and "in the archive again" in done.stderr
    assert snapshot(stored.data) == now
    assert batch in stored.manage("data", "trash").stdout


def test_purge(stored):
    batch = delete(stored, "study", FEW)["batch"]
    assert stored.manage("data", "trash", "--purge", batch, check=False, stdin="").returncode == 1
    stored.manage("data", "trash", "--purge", "all", "-f", "yes")
    assert not list((stored.folder / "trash").iterdir())
    assert stored.manage("data", "undelete", batch, check=False).returncode == 1


@pytest.mark.parametrize("words, code", [
    (("study", "1.2.3"), 1), (("study", "*"), 1), (("study",), 2), (("planet", "X"), 2), (("study", "1", "-l", "x"), 2), (("study", "-l", "/none"), 1)])
def test_delete_fails_clearly(stored, words, code):
    done = stored.manage("data", "delete", "-f", "yes", *words, check=False)
    assert done.returncode == code and done.stderr
    assert len(instances(stored)) == 4


@pytest.mark.parametrize("batch", ["../data", "20200101-000000-000000", ".", "/etc"])
def test_undelete_of_what_is_no_batch(stored, batch):
    done = stored.manage("data", "undelete", batch, check=False)
    assert done.returncode == 1 and "no batch" in done.stderr
    done = stored.manage("data", "trash", "--purge", batch, "-f", "yes", check=False)
    assert done.returncode == 1 and len(stored.files()) == 4


def test_a_damaged_copy_in_the_trash_is_not_brought_back(stored):
    batch = delete(stored, "instance", f"{FEW}.1.1")["batch"]
    copy = stored.folder / "trash" / batch / "1"
    copy.write_bytes(copy.read_bytes()[:-2] + b"!!")
    done = stored.manage("data", "undelete", batch, check=False)
    assert done.returncode == 1 and "not what was deleted" in done.stderr and len(stored.files()) == 3
