# SPDX-License-Identifier: MIT
"""Our clients against other people's servers: DCMTK's dcmqrscp and Orthanc (spec rows ECH-*, STO-*, FND-*, MOV-*)."""
import json

import pytest
from make_dicom import make_image, uid
from part10 import read_folder
from programs import run

STUDY = "1.2.826.0.1.3680043.10.1499.7"


@pytest.fixture(params=["dcmqrscp", "orthanc"])
def peer(request):
    return request.getfixturevalue(request.param)


def client(archive, peer):
    """manage(verb, options…) of the archive, aimed at the peer."""
    def manage(verb, *options, **more):
        # dcmqrscp loses objects that it receives on several associations in the same moment (it answers success all the same).
        if verb == "store" and type(peer).__name__ == "Dcmqrscp" and "-ma" not in options:
            options = (*options, "-ma", "no")
        return archive.manage(verb, "127.0.0.1", peer.port, "-aec", peer.aet, *options, **more)
    return manage


@pytest.mark.asan
def test_echo(archive, peer):
    done = client(archive, peer)("echo")
    assert "0x0000 : Association Completed" in done.stdout


@pytest.mark.asan
def test_store_find_get_move(archive, peer, few, tmp_path):
    manage = client(archive, peer)
    done = manage("store", "-sp", "fs", "-pd", few)
    assert done.stdout.count("0x0000 : Association Completed") == 4
    assert "Execution time :" in done.stdout

    for level, expected in (("PATIENT", "FEW"), ("STUDY", STUDY), ("SERIES", f"{STUDY}.1")):
        out = tmp_path / f"keys-{level}"
        done = manage("find", "-l", level, "-paID", "FEW", *(["-stUID", STUDY] if level == "SERIES" else []), "-o", out)
        assert expected in out.read_text().split()
    assert "Equal number of SERIES is 2" in done.stdout

    manage("get", "-l", "STUDY", "-stUID", STUDY)
    assert set(read_folder(archive.data)) == set(read_folder(few))

    for path in archive.files():
        path.unlink()
    manage("move", "-aes", archive.aet, "-l", "SERIES", "-stUID", STUDY, "-seUID", f"{STUDY}.2")
    assert set(read_folder(archive.data)) == {f"{STUDY}.2.1", f"{STUDY}.2.2"}


def test_get_at_every_level(archive, peer, few):
    manage = client(archive, peer)
    manage("store", "-sp", "fs", "-pd", few)
    manage("get", "-l", "SERIES", "-stUID", STUDY, "-seUID", f"{STUDY}.1")
    assert len(archive.files()) == 2
    manage("get", "-l", "PATIENT", "-paID", "FEW")
    assert len(archive.files()) == 4


def test_store_from_the_archive(archive, peer, few, tmp_path):
    """store -sp db at each level, with lists, with everything, and what is unknown."""
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    manage = client(archive, peer)
    assert manage("store", "-sp", "db", "-mn", "instance", "-UID", f"{STUDY}.1.1").stdout.count("0x0000") == 1
    assert manage("store", "-sp", "db", "-mn", "series", "-UID", f"{STUDY}.2").stdout.count("0x0000") == 2
    assert manage("store", "-sp", "db", "-mn", "study", "-UID", STUDY).stdout.count("0x0000") == 4
    assert manage("store", "-sp", "db", "-mn", "patient", "-UID", "FEW").stdout.count("0x0000") == 4
    assert manage("store", "-sp", "db", "-UID", "*").stdout.count("0x0000") == 4
    uids = tmp_path / "uids"
    uids.write_text(f"{STUDY}.1.1\n{STUDY}.2.2\n")
    assert manage("store", "-sp", "db", "-mn", "instance", "-fUID", uids).stdout.count("0x0000") == 2
    uids.write_text(f"1.2.3.4\n{STUDY}.2.2\n")
    done = manage("store", "-sp", "db", "-mn", "instance", "-fUID", uids, check=False)
    assert "1.2.3.4" in done.stdout + done.stderr
    assert done.stdout.count("0x0000") == 1
    assert done.returncode != 0
    uids.write_text("")
    assert manage("store", "-sp", "db", "-fUID", uids, check=False).returncode == 255


def test_one_association_or_many(archive, orthanc, tmp_path):
    """Not dcmqrscp: it loses its own index when several associations store at once."""
    for number in range(30):
        make_image(tmp_path / f"in/{number}.dcm", SOPInstanceUID=uid(6, 1, number), StudyInstanceUID=uid(6), SeriesInstanceUID=uid(6, 1))
    manage = client(archive, orthanc)
    for many in ("true", "false"):
        done = manage("store", "-sp", "fs", "-pd", tmp_path / "in", "-ma", many)
        assert done.stdout.count("0x0000 : Association Completed") == 30, many


def test_compressed_files_are_sent_as_they_are(archive, orthanc, objects):
    compressed = [one for one in objects if one.syntax == "1.2.840.10008.1.2.4.70" and one.has_meta]
    for one in compressed:
        client(archive, orthanc)("store", "-sp", "fs", "-pd", one.path)
    studies = {one.study for one in compressed}
    for study in studies:
        client(archive, orthanc)("get", "-stUID", study)
    stored = read_folder(archive.data)
    assert {one.instance for one in compressed} <= set(stored)


def test_what_is_not_dicom_is_named_and_skipped(archive, peer, few):
    (few / "notes.txt").write_text("no DICOM")
    (few / ".hidden.dcm").write_bytes((few / "11.dcm").read_bytes())
    done = client(archive, peer)("store", "-sp", "fs", "-pd", few, check=False)
    assert "notes.txt" in done.stdout + done.stderr
    assert ".hidden" not in done.stdout
    assert done.stdout.count("0x0000") == 4
    done = client(archive, peer)("store", "-sp", "fs", "-pd", few / "nothing-there", check=False)
    assert done.returncode not in (0, 2)


def test_output_file_is_not_overwritten_unasked(archive, peer, few, tmp_path):
    manage = client(archive, peer)
    manage("store", "-sp", "fs", "-pd", few)
    out = tmp_path / "keys"
    out.write_text("old")
    done = manage("find", "-o", out, stdin="other\n", check=False)
    assert out.read_text() == "old"
    assert "The new file name:" in done.stdout + done.stderr
    manage("find", "-o", out, "-ow", "true")
    assert out.read_text().split() == [STUDY]


def test_moves_from_a_list(archive, peer, few, tmp_path):
    manage = client(archive, peer)
    manage("store", "-sp", "fs", "-pd", few)
    uids = tmp_path / "uids"
    uids.write_text(f"{STUDY}\n")
    done = manage("move", "-aes", archive.aet, "-fUID", uids)
    assert "C-MOVE query status: 0x0000" in done.stdout
    assert "Execution time :" in done.stdout
    assert len(archive.files()) == 4
    assert manage("move", "-aes", "NOWHERE", "-stUID", STUDY, check=False).returncode not in (0, 2)


@pytest.mark.asan
def test_json(archive, peer, few):
    manage = client(archive, peer)

    assert json.loads(manage("store", "-sp", "fs", "-pd", few, "--json").stdout)
    found = json.loads(manage("find", "-paID", "FEW", "--json").stdout)
    assert STUDY in json.dumps(found)
    assert json.loads(manage("move", "-aes", archive.aet, "-stUID", STUDY, "--json").stdout)
    assert json.loads(manage("get", "-stUID", STUDY, "--json").stdout)
