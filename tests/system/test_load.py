# SPDX-License-Identifier: MIT
"""`gantry load` against our archive, DCMTK's dcmqrscp and Orthanc: what it says it did is what the peer has; faults leave an archive well."""
import json
import re
import signal
import socket
import subprocess

import pytest
from archive import as_program
from part10 import read_folder
from programs import ENVIRONMENT, PATIENCE, run

SMALL = ("--object", "small", "--per_study", 6, "--per_series", 3)


@pytest.fixture
def load(archive, tmp_path):
    """load(peer, options…) → the report; with `code`, the exit code that is expected."""
    archive.allow("GANTRYLOAD")
    archive.stop()
    archive.start()
    gantry = as_program(tmp_path, "gantry")

    def go(peer, *options, code=0):
        done = run(gantry, "load", "127.0.0.1", peer.port, "-aec", peer.aet, "--json", *options, check=False, timeout=120)
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(done.stdout)
    go.program = gantry
    return go


@pytest.mark.asan
def test_what_was_acknowledged_is_there(archive, load):
    report = load(archive, "-a", 4, "-n", 60, *SMALL)
    store = report["verbs"]["store"]
    assert (report["succeeded"], report["failed"], store["succeeded"], report["errors"]) == (60, 0, 60, [])
    stored = read_folder(archive.data)
    assert len(stored) == 60
    assert report["associations"]["made"] == 4
    assert store["ms_from_sent"]["count"] == 60 == sum(count for _, count in store["ms_from_sent"]["histogram"])
    latency = store["ms_from_sent"]
    assert 0 < latency["median"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert report["generator"]["cpu_seconds"] > 0


@pytest.mark.parametrize("peer", ["archive", "dcmqrscp", "orthanc"])
def test_every_verb(request, archive, load, peer):
    """First studies are stored, then a run with the same seed asks for them: each is found, and comes whole."""
    peer = request.getfixturevalue(peer)
    load(peer, "-n", 30, "--seed", 42, *SMALL)
    report = load(peer, "-n", 40, "--seed", 42, "--studies", 5, "-m", "find=2,get=2,echo", *SMALL)
    assert report["failed"] == 0 and report["succeeded"] == 40
    find, get, echo = (report["verbs"][verb] for verb in ("find", "get", "echo"))
    assert find["succeeded"] and get["succeeded"] and echo["succeeded"]
    assert find["answers"] >= find["succeeded"]
    assert get["answers"] == 6 * get["succeeded"]
    assert get["bytes"] > get["answers"] * 64 * 64 * 2


@pytest.mark.parametrize("peer", ["dcmqrscp", "orthanc"])
def test_move(request, archive, load, peer):
    peer = request.getfixturevalue(peer)
    load(peer, "-n", 12, "--seed", 43, *SMALL)
    report = load(peer, "-n", 10, "--seed", 43, "--studies", 2, "-m", "move", "-aes", archive.aet, *SMALL)
    assert report["verbs"]["move"]["answers"] == 60
    assert len(read_folder(archive.data)) == 12


def test_the_same_seed_stores_the_same(archive, load):
    load(archive, "-n", 12, "--seed", 1, *SMALL)
    first = {path.name for path in archive.files()}
    load(archive, "-n", 12, "--seed", 1, *SMALL)
    assert {path.name for path in archive.files()} == first
    load(archive, "-n", 12, *SMALL)
    assert len(archive.files()) == 24
    report = load(archive, "-n", 6, "--seed", 1, "--studies", 2, *SMALL)
    assert report["seed"] == 1 and len(archive.files()) == 30


@pytest.mark.asan
def test_faults_leave_the_archive_well(archive, load):
    """Only what was acknowledged, or sent whole to one who did not listen, is there; nothing half, nothing open."""
    report = load(archive, "-a", 4, "-n", 300, "-m", "store=10,find=3,get=3,echo=2", "--seed", 9, "--drip", 1,
                  "--faults", "abort=8,drop=8,deaf=8,drip=2,status=40", *SMALL)
    faults = report["faults"]
    assert report["failed"] == 0 and all(faults[name] for name in ("abort", "drop", "deaf", "drip", "status")), report
    acknowledged = report["verbs"]["store"]["succeeded"]
    assert archive.server.alive()
    more = load(archive, "-n", 20, "-m", "echo=1,find=1", "--seed", 9, "--studies", 1, *SMALL)
    assert more["succeeded"] == 20
    archive.stop()
    assert acknowledged <= len(archive.files()) <= acknowledged + faults["deaf"] + faults["drip"]
    assert archive.unfinished() == []
    archive.start()
    assert load(archive, "-n", 6, *SMALL)["succeeded"] == 6


def test_faults_on_others(load, orthanc):
    report = load(orthanc, "-a", 2, "-n", 80, "-m", "store=4,find=1,get=1,echo=1", "--faults", "abort=10,drop=10,deaf=10", *SMALL)
    assert report["failed"] == 0 and sum(report["faults"].values()) > 5
    assert orthanc.alive()


def test_open_loop_counts_the_wait(archive, load):
    """One association cannot do what falls due at once: the wait is in the latency from when it was due, and only there."""
    report = load(archive, "-n", 200, "-r", 1000000, "-m", "echo")
    echo = report["verbs"]["echo"]
    assert report["loop"] == "open"
    assert echo["ms_from_due"]["median"] > 5 * echo["ms_from_sent"]["median"]
    assert report["latest_ms"] > echo["ms_from_sent"]["median"]


def test_associations_are_renewed(archive, load):
    report = load(archive, "-n", 20, "--per_association", 5, "-m", "echo")
    assert report["associations"]["made"] == 4
    assert load(archive, "-t", 1, "--think", 100, "-m", "echo")["succeeded"] <= 11


def test_files(load, orthanc, objects, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    some = [one for one in objects if one.has_meta and one.sop_class.startswith("1.2.840.10008.5.1.4.1.1.2")][:5]
    for number, one in enumerate(some):
        (folder / f"{number}.dcm").write_bytes(one.path.read_bytes())
    report = load(orthanc, "-f", folder, "-n", 2 * len(some))
    assert report["succeeded"] == 2 * len(some) >= 4


def test_failures_are_told(archive, load, tmp_path):
    """Refused, nobody there, a server that says nothing: an error by kind, exit code 1, and an end."""
    refused = load(archive, "-aet", "NOBODY", "-n", 5, "-m", "echo", code=1)
    assert refused["errors"][0]["kind"] == "association: refused" and refused["associations"]["given_up"] == 1
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()

        class Silent:
            port, aet = silent.getsockname()[1], "SILENT"
        assert load(Silent, "-n", 1, "-m", "echo", "--timeout", 1, code=1)["errors"][0]["kind"] == "association: timeout"
    assert load(Silent, "-n", 1, "-m", "echo", code=1)["succeeded"] == 0
    unknown = load(archive, "-n", 2, "-m", "move", "-aes", "UNKNOWN", code=1)
    assert unknown["errors"][0]["kind"] == "move: status A801"


def test_wrong_usage(load, tmp_path):
    for options in (["-m", "dance"], ["-m", "store=0"], ["-m", "move"], ["--faults", "abort=60,drop=60"], ["--faults", "status=5"],
                    ["--size", "5"], ["-f", "x", "-m", "get"], ["--faults", "none=5"], ["-m", "store=9999999"]):
        done = run(load.program, "load", "127.0.0.1", 104, "-aec", "X", *options, check=False)
        assert done.returncode == 2, options
    done = run(load.program, "load", "127.0.0.1", 104, "-aec", "X", "-f", tmp_path / "nothing", check=False)
    assert done.returncode == 1 and "nothing" in done.stderr


def test_interrupted_it_tells_what_it_has(archive, load):
    command = [str(part) for part in (load.program, "load", "127.0.0.1", archive.port, "-aec", archive.aet, "-t", 600, "-m", "echo", "--think", 10)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20 * PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert re.search(r"[1-9]\d* operations succeeded in", out) and "Closed loop" in out and process.returncode == 0


def test_memory_does_not_grow(archive, load):
    few = load(archive, "-a", 2, "-n", 50, *SMALL)["generator"]["peak_mib"]
    many = load(archive, "-a", 2, "-n", 3000, *SMALL)["generator"]["peak_mib"]
    assert many < few + 4
    large = load(archive, "-n", 2, "--size", "512x512x100")
    assert large["verbs"]["store"]["bytes"] > 100 << 20 and large["generator"]["peak_mib"] < few + 8
