# SPDX-License-Identifier: MIT
"""C-STORE SCP: everything in tests/data goes in and comes to lie in the archive as it was sent."""
import concurrent.futures
import shutil

import pytest
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, make_image, uid
from dimse import Association
from part10 import EXPLICIT, IMPLICIT, read, read_folder
from peers import Storescp
from programs import run

# What storescu calls each transfer syntax.
STORESCU = {
    EXPLICIT: "-xe", IMPLICIT: "-xi", "1.2.840.10008.1.2.2": "-xb", "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy", "1.2.840.10008.1.2.4.51": "-xx", "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt", "1.2.840.10008.1.2.4.81": "-xu", "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw", "1.2.840.10008.1.2.5": "-xr", "1.2.840.10008.1.2.4.100": "-xm",
    "1.2.840.10008.1.2.4.102": "-xn", "1.2.840.10008.1.2.4.107": "-x4",
}


def assert_same_objects(reference, stored):
    """Every object a plain receiver got is in the archive, byte for byte."""
    assert reference, "the reference received nothing"
    missing = [str(one.path.name) for instance, one in reference.items() if instance not in stored]
    assert not missing, f"{len(missing)} of {len(reference)} objects are not in the archive: {missing[:20]}"
    different = [instance for instance, one in reference.items()
                 if stored[instance].data != one.data or stored[instance].syntax != one.syntax]
    assert not different, f"{len(different)} objects were changed: {different[:20]}"


@pytest.mark.parametrize("syntax", STORESCU)
def test_storescu_in_each_syntax(archive, storescp, objects, syntax):
    files = [one.path for one in objects if one.syntax == syntax and one.has_meta]
    assert files
    for aet, port in ((storescp.aet, storescp.port), (archive.aet, archive.port)):
        run("storescu", "-nh", "-R", STORESCU[syntax], "-aec", aet, "127.0.0.1", port, *files, check=False, timeout=120)
    assert_same_objects(read_folder(storescp.folder), read_folder(archive.data))


@pytest.mark.asan
def test_dcmsend_of_everything(archive, storescp, objects):
    for aet, port in ((storescp.aet, storescp.port), (archive.aet, archive.port)):
        run("dcmsend", "-dn", "-nh", "-nip", "-nuc", "-pdu", "131072", "-aec", aet, "127.0.0.1", port,
            *(one.path for one in objects if one.has_meta), check=False, timeout=180)
    reference = read_folder(storescp.folder)
    assert len(reference) > 150
    assert_same_objects(reference, read_folder(archive.data))


@pytest.mark.asan
def test_manage_store_of_everything(archive, objects):
    """Our own client sends each file in its own syntax: what lies in the archive is what was in the file."""
    todo = archive.folder.parent / "todo"
    todo.mkdir()
    for number, one in enumerate(objects):
        shutil.copyfile(one.path, todo / str(number))
    done = archive.manage("store", "127.0.0.1", archive.port, "-aec", archive.aet, "-sp", "fs", "-pd", todo, "-v", "0", check=False,
                          timeout=180)
    stored = read_folder(archive.data)
    missing = [one.name for one in objects if one.instance not in stored]
    assert not missing, f"{missing}\n{done.stderr[-3000:]}"
    changed = [one.name for one in objects if stored[one.instance].data != one.read().data]
    assert not changed, changed
    assert done.returncode == 0


@pytest.mark.asan
def test_layout_of_clean_identifiers(archive, few):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    study = "1.2.826.0.1.3680043.10.1499.7"
    assert (archive.data / f"FEW/{study}/{study}.1/{study}.1.2").is_file()
    assert len(archive.files()) == 4


HOSTILE = ["../../etc", "/etc/passwd", "..", ".", "a/b", "a\\b", "", " ", "-rf", "$(touch x)", "'; DROP TABLE patient; --",
           "日本" * 75, "x" * 64, "\x01\x02", "con", "a\nb"]


@pytest.mark.asan
def test_hostile_patient_ids_are_stored_and_none_escapes(archive, tmp_path):
    before = set(p for p in tmp_path.iterdir())
    association = Association(archive.port)
    sent = []
    for patient in HOSTILE:
        given = attributes(PatientID=patient, SpecificCharacterSet="ISO_IR 192")
        data = data_set(given)
        assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data) == 0, repr(patient)
        sent.append((given["SOPInstanceUID"], data))
    association.release()
    stored = read_folder(archive.data)
    for instance, data in sent:
        assert stored[instance].data == data
    assert set(p for p in tmp_path.iterdir()) == before
    for path in archive.data.rglob("*"):
        assert not path.is_symlink()


@pytest.mark.asan
def test_the_same_object_twice_is_one_object(archive, few):
    for _ in range(2):
        run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    assert len(archive.files()) == 4


def test_other_bytes_under_one_uid_follow_the_setting(stopped_archive, tmp_path):
    instance, study, series = uid(), uid(), uid()
    fixed = dict(SOPInstanceUID=instance, StudyInstanceUID=study, SeriesInstanceUID=series)
    first, second = tmp_path / "first.dcm", tmp_path / "second.dcm"
    make_image(first, SeriesDescription="first", **fixed)
    make_image(second, SeriesDescription="second", **fixed)
    for policy, kept in (("replace", "second"), ("keep_first", "first"), ("keep_both", "first")):
        stopped_archive.set("duplicates", policy)
        stopped_archive.start()
        for path in (first, second):
            run("storescu", "-R", "-aec", stopped_archive.aet, "127.0.0.1", stopped_archive.port, path)
        stopped_archive.stop()
        stored = [read(path).text(0x0008103E) for path in stopped_archive.files()]
        assert kept in stored, policy
        assert len(stored) == (2 if policy == "keep_both" else 1), policy
        for name in ("data", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
            path = stopped_archive.folder / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.mark.asan
@pytest.mark.parametrize("direct", ["true", "false"])
def test_past_the_cache_or_through_it(stopped_archive, direct):
    """Objects around the size from which `direct_io` counts, of odd lengths; what is large is in memory afterwards, but for its last bytes, only when it went through the cache."""
    stopped_archive.set("direct_io", direct)
    stopped_archive.start()
    association = Association(stopped_archive.port)
    sent = {}
    for size in (1000, (128 << 10) - 1000, (128 << 10) + 1001, 2_000_001):
        given = attributes()
        sent[given["SOPInstanceUID"]] = data_set({**given, 0x7FE00010: ("OB", bytes(range(256)) * (size // 256) + bytes(size % 256))})
        assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], sent[given["SOPInstanceUID"]]) == 0
    association.release()
    if run("stat", "-f", "-c", "%T", stopped_archive.data).stdout.strip() not in ("tmpfs", "ramfs"):
        cached = {path.name: int(run("fincore", "-n", "-b", "-o", "RES", path).stdout) for path in stopped_archive.files()}
        assert {instance: cached[instance] > len(data) / 2 for instance, data in sent.items()} == \
            {instance: direct == "false" or len(data) < 128 << 10 for instance, data in sent.items()}
    assert {instance: one.data for instance, one in read_folder(stopped_archive.data).items()} == sent


def test_unknown_classes_only_when_a_setting_says_so(stopped_archive):
    private = uid(77)
    given = attributes(SOPClassUID=private)
    contexts = {3: (private, EXPLICIT)}
    stopped_archive.start()
    association = Association(stopped_archive.port, contexts=contexts)
    assert association.results == {3: 3}  # abstract syntax not supported
    association.release()
    stopped_archive.stop()
    stopped_archive.set("accept_unknown_classes", "true")
    stopped_archive.start()
    association = Association(stopped_archive.port, contexts=contexts)
    assert association.store(private, given["SOPInstanceUID"], data_set(given)) == 0
    association.release()
    assert given["SOPInstanceUID"] in read_folder(stopped_archive.data)


@pytest.mark.asan
def test_command_and_data_set_must_agree(archive):
    association = Association(archive.port)
    given = attributes()
    assert association.store(SECONDARY_CAPTURE, uid(), data_set(given)) == 0xA900
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set({**given, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"})) == 0xA900
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    association.release()
    assert len(archive.files()) == 1


def test_eight_senders_at_once(archive, tmp_path):
    folders = []
    for sender in range(8):
        folder = tmp_path / f"sender{sender}"
        for number in range(40):
            make_image(folder / f"{number}.dcm", PatientID=f"S{sender}", StudyInstanceUID=uid(8, sender), SeriesInstanceUID=uid(8, sender, 1),
                       SOPInstanceUID=uid(8, sender, 1, number), InstanceNumber=number)
        folders.append(folder)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in pool.map(lambda f: run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, f), folders):
            assert done.returncode == 0
    assert len(archive.files()) == 320


def test_storescp_is_a_fair_reference(storescp, few):
    """The reference receiver itself keeps bytes: otherwise the comparisons above say nothing."""
    assert isinstance(storescp, Storescp)
    run("storescu", "-R", "-aec", storescp.aet, "127.0.0.1", storescp.port, *sorted(few.iterdir()))
    received = read_folder(storescp.folder)
    assert {instance: one.data for instance, one in received.items()} == {
        (one := read(path)).instance: one.data for path in few.iterdir()}
