# SPDX-License-Identifier: MIT
"""`data verify`: what is stored, read again and held against the index, both ways; and what --repair makes of it."""
import json
import os
import re
import threading

import pytest
from programs import run, wait_until

FEW = "1.2.826.0.1.3680043.10.1499.7"


def send(archive, *files):
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, *files)


def verify(archive, *words, code=0):
    done = archive.manage("data", "verify", "--json", *words, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    return sorted((found["finding"], found["sop_instance"], found["repaired"]) for found in answer["findings"]), answer


def path_of(archive, uid):
    return next(path for path in archive.files() if path.name == uid)


def flip(path, at=-3):
    """Another byte, as a disk would have it: size and time stay."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def break_some(archive):
    path_of(archive, f"{FEW}.1.1").unlink()
    flip(path_of(archive, f"{FEW}.1.2"))
    moved = path_of(archive, f"{FEW}.2.1")
    moved.rename(archive.data / "moved.dcm")
    with path_of(archive, f"{FEW}.2.2").open("ab") as file:
        file.write(b"more")


def test_nothing_is_found(archive, few):
    send(archive, few)
    found, answer = verify(archive)
    assert not found and answer["summary"]["checked"] == answer["summary"]["files"] == 4
    assert answer["summary"]["bytes_read"] == sum(path.stat().st_size for path in archive.files())
    text = archive.manage("data", "verify", "--rate", "100", "--jobs", "1").stdout
    assert "4 objects checked" in text and "0 findings, 0 repaired" in text


def test_findings_and_their_repair(archive, few):
    send(archive, few)
    break_some(archive)
    expected = [("damaged", f"{FEW}.1.2"), ("missing", f"{FEW}.1.1"), ("wrong_place", f"{FEW}.2.1"), ("wrong_size", f"{FEW}.2.2")]
    before = {path: path.read_bytes() for path in archive.files()}
    found, _ = verify(archive, code=1)
    assert found == [(*one, False) for one in expected]
    assert {path: path.read_bytes() for path in archive.files()} == before, "only looked at"
    found, answer = verify(archive, "--repair", code=1)
    assert found == [(*one, True) for one in expected] and answer["summary"]["repaired"] == 4
    assert archive.manage("database", "find", "instance").stdout.split() == [f"{FEW}.2.1"]
    kept = sorted((archive.folder / "quarantine").glob("*.dcm"))
    assert sorted(path.read_bytes() for path in kept) == sorted(content for path, content in before.items() if path.name != "moved.dcm")
    reasons = [json.loads(path.with_suffix(".json").read_text()) for path in kept]
    assert sorted(reason["sop_instance"] for reason in reasons) == [f"{FEW}.1.2", f"{FEW}.2.2"]
    assert any("checksum" in reason["reason"] for reason in reasons)
    assert verify(archive)[0] == []
    send(archive, few)
    assert verify(archive)[0] == [] and len(archive.files()) == 4
    log = "".join(path.read_text() for path in (archive.folder / "log").glob("*index_data*"))
    assert "damaged" in log and "FEW/" not in log and "Few^Images" not in log


def test_a_selection(archive, few, tmp_path):
    send(archive, few)
    break_some(archive)
    assert verify(archive, "series", f"{FEW}.1", code=1)[0] == [("damaged", f"{FEW}.1.2", False), ("missing", f"{FEW}.1.1", False)]
    (tmp_path / "list").write_text(f"{FEW}.1.1\n")
    assert verify(archive, "instance", "-l", tmp_path / "list", code=1)[0] == [("missing", f"{FEW}.1.1", False)]
    assert "nothing in the archive" in archive.manage("data", "verify", "study", "1.2.3", check=False).stderr


def test_beside_senders(archive, few, tmp_path):
    """The same objects with other content again and again: none of it is a finding."""
    send(archive, few)
    other = tmp_path / "other"
    other.mkdir()
    for path in few.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
        run("dcmodify", "-nb", "-i", "(0008,103e)=other", other / path.name)
    over = threading.Event()

    def work():
        while not over.is_set():
            send(archive, other)
            send(archive, few)

    sender = threading.Thread(target=work)
    sender.start()
    try:
        for _ in range(3):
            assert verify(archive, "--repair")[0] == []
    finally:
        over.set()
        sender.join()
    assert not list((archive.folder / "quarantine").glob("*"))


def test_an_unreadable_file(archive, few):
    send(archive, few)
    path = path_of(archive, f"{FEW}.1.1")
    path.unlink()
    path.mkdir()
    found, answer = verify(archive, "--repair", "series", f"{FEW}.1", code=1)
    assert found == [("unreadable", f"{FEW}.1.1", False)] and "nothing was changed" in answer["findings"][0]["not_repaired"]
    assert len(archive.manage("database", "find", "instance").stdout.split()) == 4


def test_a_scrub_in_the_server(stopped_archive, few):
    archive = stopped_archive
    log = archive.folder / "log/pacs.log"
    archive.start()
    send(archive, few)
    archive.stop()
    assert "scrub:" not in log.read_text(), "off unless it is wanted"
    flip(path_of(archive, f"{FEW}.1.2"))
    archive.set("scrub_rate", 100)
    archive.start()
    wait_until(lambda: "scrub: done, 4 objects read, 1 findings" in log.read_text(), 30, "the scrub is done")
    assert f"scrub: damaged: object {FEW}.1.2" in log.read_text()
    assert len(archive.manage("database", "find", "instance").stdout.split()) == 4, "nothing is repaired"
    archive.stop()
    archive.set("scrub_interval", 0)
    archive.start()
    wait_until(lambda: log.read_text().count("scrub: done") >= 3, 30, "again and again")


@pytest.mark.parametrize("words", [["study"], ["-l", "list"], ["thing", "1.2"], ["--rate", "0"], ["--jobs", "0"], ["study", "1.2", "-l", "list"]])
def test_usage(stopped_archive, words):
    done = stopped_archive.manage("data", "verify", *words, check=False)
    assert done.returncode == 2 and re.search(r"usage|argument|needed|expected|invalid", done.stderr, re.I)
