# SPDX-License-Identifier: MIT
"""Trees of JSON records that are damaged, moved, written by others or by several at once; what is kept up to date; px-status while images come."""
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from archive import as_program
from make_dicom import make_image
from mount import Mount, inputs, mounted
from programs import ENVIRONMENT, wait_until

STUDY = "1.2.826.0.1.3680043.8.498.7777.1"
SERIES = f"{STUDY}.1"


def status(mount, *options, **more):
    return json.loads(mount("px-status", "--db", mount.log, "--SeriesInstanceUID", SERIES, "--json", *options, **more).stdout)


def counts(mount):
    return {name: one["count"] for name, one in status(mount)["images"].items() if isinstance(one, dict)}


# -- in --

@pytest.mark.asan
def test_damage_is_told_and_passed_over(tmp_path):
    mount = Mount(tmp_path).adopt("push-key")
    files = {path.name: path for path in mount.log.glob("seriesData/**/*.json")}
    files[f"{SERIES}-retrieve.json"].write_text('{"NumberOfSeriesRelatedInstances": "2"')
    files[f"{SERIES}-push.json"].write_bytes(b"\xff\xfe\x00")
    files[f"0001-{SERIES}.1.dcm.json"].write_text("")
    files[f"0002-{SERIES}.2.dcm.json"].write_text('{"1.2": {"imageObj": 7}, "x": []}')
    (mount.log / f"seriesData/{STUDY}.2-register.json").write_text("[" * 100000)
    (mount.log / f"seriesData/{STUDY}.2-push.json").write_text("[1, 2]")
    os.mkfifo(mount.log / "seriesData/pipe-retrieve.json")
    done = mount.smdb("import")["import"]
    assert (done["objects"], done["damaged"], done["images"]) == (3, 7, 1)
    told = {entry["path"].rsplit("/", 1)[1]: entry["why"] for entry in done["passedOver"]}
    assert len(told) == 7 and "damaged" in told[f"{SERIES}-push.json"]
    assert counts(mount) == {"received": 2, "requested": -1, "packed": 2, "pushed": 0, "registered": 0}
    # What the damaged files said can be written again.
    mount.smdb("export")
    assert json.loads(files[f"0001-{SERIES}.1.dcm.json"].read_text())[SERIES]["outputFile"] == f"0001-{SERIES}.1.dcm"


def test_a_folder_that_was_mistyped_stays_what_it_is(tmp_path):
    mount = Mount(tmp_path).adopt("push-key")
    (tmp_path / "empty").mkdir()
    for log in (tmp_path / "empty", tmp_path / "nowhere"):
        done = mount("px-smdb", "--logdir", log, "--action", "import", check=False)
        assert done.returncode != 0 and str(log) in done.stderr, done.stderr
        done = mount("px-smdb", "--logdir", log, "--action", "import", "--tree", tmp_path / "missing", check=False)
        assert done.returncode != 0 and "missing" in done.stderr
    assert not (tmp_path / "nowhere").exists() and not list((tmp_path / "empty").iterdir())
    mount("px-smdb", "--logdir", tmp_path / "new/log", "--action", "import", "--tree", mount.log)  # elsewhere may be made
    assert (tmp_path / "new/log/gantry.sqlite").exists()


def test_locks_that_were_left_are_nothing(tmp_path):
    mount = Mount(tmp_path).adopt("register-key")
    for table in ("meta", "retrieve", "pack", "push", "register", "image"):
        (mount.log / f"seriesData/{SERIES}-{table}.lock").touch()
    started = time.monotonic()
    mount.smdb("import")
    mount.smdb("export")
    assert time.monotonic() - started < 20  # pypx: 31 s for each
    assert counts(mount) == {"received": 2, "requested": 2, "packed": 2, "pushed": 2, "registered": 2}


def test_a_tree_that_was_moved(tmp_path):
    """Out of a container: the locations are those of another machine."""
    mount = Mount(tmp_path).adopt("repack-dir-all")
    for path in mount.log.rglob("*.json"):
        path.write_text(path.read_text().replace(str(mount.base), "/home/dicom"))
    done = mount.smdb("import")["import"]
    assert (done["objects"], done["missing"], done["damaged"]) == (19, 0, 0)
    assert counts(mount)["packed"] == 2


def test_objects_elsewhere_and_nowhere(tmp_path):
    """Files outside the packed tree stay where they are; those that are gone are told."""
    mount = Mount(tmp_path).adopt("repack-dir-all")
    locations = sorted(mount.locations())
    locations[0].unlink()
    elsewhere = tmp_path / "elsewhere"
    shutil.move(locations[-1].parent, elsewhere)
    for path in mount.log.rglob("*-img/*.json"):
        path.write_text(path.read_text().replace(str(locations[-1].parent), str(elsewhere)))
    (mount.data / "notes.txt").write_text("no object")
    before = sorted((str(path), path.stat().st_mtime_ns) for path in mount.data.rglob("*.dcm"))
    done = mount.smdb("import")["import"]
    assert (done["objects"], done["missing"], done["foreign"]) == (18, 1, 1)
    assert sorted((str(path), path.stat().st_mtime_ns) for path in mount.data.rglob("*.dcm")) == before
    assert len(list(elsewhere.glob("*.dcm"))) == 1
    again = mount.smdb("import")["import"]
    assert (again["objects"], again["known"], again["records"]) == (0, 18, 0)


def test_what_pypx_had_failed_to_note_is_taken_in(tmp_path):
    """Its locks made files invisible: the files are the truth."""
    mount = Mount(tmp_path).adopt("repack-dir-all")
    shutil.rmtree(mount.log / f"seriesData/{SERIES}-img")
    assert mount.smdb("import")["import"]["objects"] == 19
    assert counts(mount)["received"] == 2


def test_records_of_other_programs(tmp_path):
    """Members missing, numbers as texts, texts as numbers, no models: where the file is, is enough."""
    mount = Mount(tmp_path).adopt("repack-one")
    location, = mount.locations()
    shutil.rmtree(mount.log)
    folder = mount.log / f"seriesData/{SERIES}-img"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text(json.dumps({SERIES: {"imageObj": {location.name: {"FSlocation": str(location)}}}}))
    (folder / "notes.txt").write_text("{")
    (folder / "rx-1.json").write_text(json.dumps({"PatientID": "LAB 001 X", "SeriesInstanceUID": SERIES, "outputFile": location.name}))
    (folder / "rx-2.json").write_text(json.dumps({SERIES: {"outputFile": location.name}}))
    (folder.parent / f"{SERIES}-retrieve.json").write_text('{"NumberOfSeriesRelatedInstances": 1, "password": "secret"}\n\n')
    done = mount.smdb("import")["import"]
    assert (done["objects"], done["images"], done["damaged"], done["records"]) == (1, 3, 0, 1)
    assert counts(mount)["requested"] == 1
    mount.smdb("export", "--tree", tmp_path / "out")
    assert "secret" not in (tmp_path / f"out/seriesData/{SERIES}-retrieve.json").read_text()


def test_what_is_here_is_not_undone(tmp_path):
    """A record of a push that is older than ours does not come back; a newer one does."""
    mount = mounted(tmp_path, "push-key")
    path = mount.log / f"seriesData/{SERIES}-push.json"
    record = json.loads(path.read_text())
    assert record["swift"]["login"] == "chris:chris1234"  # the file is pypx's, and stays
    for stamp, taken in (("2001-01-01, 00:00:00", 0), ("2999-01-01, 00:00:00", 1)):
        path.write_text(json.dumps(dict(record, timestamp=stamp, status=False)))
        assert mount.smdb("import")["import"]["records"] == taken
    mount.smdb("export", "--tree", tmp_path / "out")
    found = json.loads((tmp_path / f"out/seriesData/{SERIES}-push.json").read_text())
    assert found["timestamp"].startswith("2999") and found["swift"]["login"] == "chris:***"


@pytest.mark.parametrize("when, pushed", [(time.time() + 3600, 2), (time.time() - 86400, 0)])
def test_a_push_is_of_what_was_there(tmp_path, when, pushed):
    mount = mounted(tmp_path, "push-key", when=when)
    assert counts(mount)["pushed"] == pushed


def test_refusals_of_cube_are_no_registrations(tmp_path):
    """pypx counts attempts; its record of the last one says that CUBE refused."""
    mount = mounted(tmp_path, "register-again-duplicate")
    assert counts(mount)["registered"] == 0


@pytest.mark.asan
def test_what_is_no_tree(tmp_path):
    mount = Mount(tmp_path)
    mount.log.mkdir(parents=True)
    (mount.log / "keep").touch()
    done = mount("px-smdb", "--logdir", mount.log, "--action", "import", check=False)
    assert done.returncode == 1 and "no folder seriesData" in done.stderr
    done = mount("px-smdb", "--logdir", tmp_path / "nowhere", "--action", "export", check=False)
    assert done.returncode == 1 and "no px database" in done.stderr and not (tmp_path / "nowhere").exists()
    done = mount("px-smdb", "--logdir", mount.log, "--action", "import", "--tree", tmp_path / "nowhere", check=False)
    assert done.returncode == 1 and "nowhere" in done.stderr


def test_an_import_goes_on_where_it_was_stopped(tmp_path):
    mount = Mount(tmp_path).adopt("repack-dir-all")
    for number in range(600):
        make_image(mount.data / f"many/{number}.dcm", PatientID="MANY", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1",
                   SOPInstanceUID=f"1.9.1.{number + 1}")
    for wait in (0.02, 0.1):
        process = subprocess.Popen([as_program(tmp_path, "px-smdb"), "--logdir", mount.log, "--action", "import"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        time.sleep(wait)
        process.send_signal(signal.SIGINT if wait > 0.05 else signal.SIGKILL)
        process.communicate(timeout=60)
    done = mount.smdb("import")["import"]
    assert done["objects"] + done["known"] == 619 and done["failed"] == 0
    assert counts(mount)["received"] == 2


# -- out --

@pytest.mark.asan
def test_what_has_no_file_is_told(tmp_path):
    mount = mounted(tmp_path, "repack-dir-all")
    sorted(mount.data.rglob("*.dcm"))[0].unlink()
    result = mount.smdb("export", "--tree", tmp_path / "out", code=1)
    assert result["status"] is False and result["export"]["failed"] == 1 and len(result["export"]["passedOver"]) == 1
    assert result["export"]["objects"] == 18


def test_a_tree_in_a_place_that_cannot_be_written(tmp_path):
    mount = mounted(tmp_path, "repack-one")
    (tmp_path / "file").touch()
    done = mount("px-smdb", "--logdir", mount.log, "--action", "export", "--tree", tmp_path / "file/tree", check=False)
    assert done.returncode == 1 and "file" in done.stderr


def test_identifiers_that_leave_a_folder(tmp_path):
    mount = mounted(tmp_path, "repack-one")
    for number, patient in enumerate(("../../escaped", "..", "a/b", "x" * 64, "")):
        make_image(mount.data / f"odd/{number}.dcm", PatientID=patient, StudyInstanceUID=f"1.9.{number}", SeriesInstanceUID=f"1.9.{number}.1",
                   SOPInstanceUID=f"1.9.{number}.1.1")
    mount.smdb("import")
    mount.smdb("export", "--tree", tmp_path / "out/tree")
    names = sorted(path.name for path in (tmp_path / "out/tree/patientData").iterdir())
    assert names == sorted(["LAB 001 X.json", "..%2F..%2Fescaped.json", "%2E%2E.json", "a%2Fb.json", "x" * 64 + ".json", ".json"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tree"] and not (tmp_path / "escaped.json").exists()


def test_two_writers_at_once(tmp_path):
    """Two exports and an import of the same, over and over: each file is whole at any time."""
    mount = mounted(tmp_path, "repack-dir-all")
    out, bad, stop = tmp_path / "out", [], threading.Event()

    def read():
        while not stop.is_set():
            for path in out.rglob("*.json"):
                try:
                    json.loads(path.read_text())
                except ValueError:
                    bad.append(path)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(4):
            writers = [subprocess.Popen([as_program(tmp_path, "px-smdb"), "--logdir", mount.log, "--action", "export", "--tree", out],
                                        stdout=subprocess.DEVNULL, env=ENVIRONMENT) for _ in range(3)]
            assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    finally:
        stop.set()
        reader.join()
    assert not bad
    assert sorted(path.name for path in out.iterdir()) == ["patientData", "seriesData", "studyData"]
    assert len(list(out.rglob("*.json"))) == 85


# -- kept up to date --

@pytest.mark.asan
def test_kept_up_to_date_by_px_repack(tmp_path):
    """Sixteen at a time, into an empty BASEMOUNT: the tree says what an export says."""
    mount = Mount(tmp_path)
    incoming = mount.base / "incoming"
    incoming.mkdir(parents=True)
    for path in inputs().values():
        shutil.copyfile(path, incoming / path.name)
    processes = [subprocess.Popen([as_program(tmp_path, "px-repack"), "--xcrdir", incoming, "--xcrfile", path.name, "--logdir", mount.log,
                                   "--datadir", mount.data, "--verbosity", "0", "--tree"], env=ENVIRONMENT)
                 for path in inputs().values()]
    assert [process.wait(120) for process in processes] == [0] * 19
    kept = mount.tree()
    mount.smdb("export", "--tree", tmp_path / "out")
    exported = mount.tree(tmp_path / "out")
    assert sorted(kept) == sorted(exported) and len(kept) == 85
    for path, value in exported.items():
        if "-img/" in path or path.endswith("-pack.json"):
            assert kept[path] == value
    assert not [path for path in mount.log.rglob(".tree-*")]


# -- px-status --

def images(folder, count, start=0):
    for number in range(start, count):
        make_image(folder / f"{number}.dcm", PatientID="P", StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", SOPInstanceUID=f"1.9.1.{number + 1}",
                   SeriesDescription="coming in")
    return folder


def test_all_series_of_a_study(tmp_path):
    mount = mounted(tmp_path, "repack-dir-all")
    done = mount("px-status", "--db", mount.log, "--StudyInstanceUID", STUDY)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[0].endswith(f"│ {STUDY}.1") and lines[1].endswith(f"│ {STUDY}.2")
    assert "JSON:002" in lines[0] and "JSON:001" in lines[1]
    found = json.loads(mount("px-status", "--db", mount.log, "--StudyInstanceUID", STUDY, "--json").stdout)
    assert [one["images"]["received"]["count"] for one in found] == [2, 1]
    for options in (("--StudyInstanceUID", "1.2.3"), ("--SeriesInstanceUID", "1.2.3")):
        done = mount("px-status", "--db", mount.log, *options, check=False)
        assert done.returncode == 1 and "nothing of" in done.stderr
    assert mount("px-status", "--db", mount.log, check=False).returncode == 2


def watch(mount, *options):
    return subprocess.Popen([as_program(mount.folder, "px-status"), "--db", mount.log, "--SeriesInstanceUID", "1.9.1", "--watch", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def test_watching_a_series_come_in(tmp_path):
    mount = mounted(tmp_path, "repack-one")
    (mount.log / "seriesData/1.9.1-retrieve.json").write_text('{"NumberOfSeriesRelatedInstances": "4"}')
    images(mount.data / "some", 2)
    mount.smdb("import")
    watcher = watch(mount, "60")
    first = watcher.stdout.readline()
    assert "StudyContainsSeriesOK : SeriesMapMetaOK :  ImagesInFlight │ coming in" in first
    images(mount.data / "some", 4, start=2)
    mount.smdb("import")
    out, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, err
    assert "PACS:004/JSON:004/DCM:004" in out.splitlines()[-1]


def test_watching_ends(tmp_path):
    mount = mounted(tmp_path, "repack-one")
    (mount.log / "seriesData/1.9.1-retrieve.json").write_text('{"NumberOfSeriesRelatedInstances": "4"}')
    mount.smdb("import")
    watcher = watch(mount, "1")
    _, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 1 and "not all images came within 1 s" in err
    watcher = watch(mount)
    first = watcher.stdout.readline()
    assert "NoSeriesFound" in first
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 1 and "interrupted" in err


# -- the end of a study --

def test_the_end_of_a_study(tmp_path):
    mount = mounted(tmp_path, "then-retrieve-feedback")
    result = mount.smdb("endOfStudy", "--StudyInstanceUID", STUDY)
    event = result["endOfStudy"]
    assert event["complete"] is True and (event["series"], event["requested"], event["received"], event["packed"]) == (2, 3, 3, 3)
    assert json.loads((mount.log / "endOfStudy.log").read_text()) == event
    next(mount.locations()).unlink()
    assert mount.smdb("endOfStudy", "--actionArgs", STUDY, code=1)["endOfStudy"]["complete"] is False
    assert mount.smdb("endOfStudy", "--actionArgs", "1.2.3", code=1)["endOfStudy"]["series"] == 0
    assert len((mount.log / "endOfStudy.log").read_text().splitlines()) == 1


# -- odd questions --

@pytest.mark.parametrize("text", ["*", "LAB*", "1.2\\1.3", "' OR 1=1 --", "\udcff", "$(touch /tmp/x)", "x" * 5000])
def test_odd_subjects_find_nothing(tmp_path_factory, text):
    mount = mounted(tmp_path_factory.mktemp("odd"), "repack-one")
    for action in ("imageDirsPatientID", "imageDirsSeriesInstanceUID", "mapsUpdateForPatient", "seriesDirLocation_get"):
        done = mount("px-smdb", "--logdir", mount.log, "--action", action, "--actionArgs", text, check=False)
        assert done.returncode == 1 and json.loads(done.stdout)["status"] is False


def test_options_of_old_scripts(tmp_path):
    mount = mounted(tmp_path, "repack-one")
    done = mount("px-smdb", "--JSONargs", json.dumps({"logdir": str(mount.log), "action": "imageDirsSeriesInstanceUID", "actionArgs": SERIES,
                                                      "cleanup": True, "debug": False, "PatientName": "x"}))
    assert json.loads(done.stdout)["status"] is True
    assert mount("px-smdb", "--logdir", mount.log, "--action", "PACS", "-v", "0").stdout == ""


def test_watch_sees_changes_of_others(tmp_path):
    """What a watcher tells is what the database says, not what it was at the start."""
    mount = mounted(tmp_path, "repack-one")
    images(mount.data / "some", 1)
    (mount.log / "seriesData/1.9.1-retrieve.json").write_text('{"NumberOfSeriesRelatedInstances": "2"}')
    mount.smdb("import")
    watcher = watch(mount, "--json")
    time.sleep(0.3)
    assert watcher.poll() is None
    images(mount.data / "some", 2, start=1)
    mount.smdb("import")
    wait_until(lambda: watcher.poll() is not None, 30, "the watcher ends")
    assert watcher.returncode == 0 and json.loads(watcher.stdout.read())["images"]["received"]["count"] == 2
