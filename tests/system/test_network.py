# SPDX-License-Identifier: MIT
"""Peers that are many, silent, slow or gone: nobody takes what is everybody's, and every wait ends."""
import re
import resource
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from archive import as_program
from audit import Trail
from dimse import CONTEXTS, VERIFICATION, Aborted, Association, Rejected, associate_rq, command, connect, p_data, pdu
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, uid
from part10 import read_folder
from programs import free_port, listening, wait_until
from query import STUDY_ROOT
from test_identity import PASSCODE, identity
from test_web_auth import add

pytestmark = pytest.mark.asan
OTHER_PLACE = "127.0.0.2"


def log_of(archive):
    return (archive.folder / "log/pacs.log").read_text()


def works(archive, calling="RAW", **given):
    try:
        association = Association(archive.port, calling=calling, **given)
    except (Rejected, Aborted, OSError):
        return False
    good = association.echo() == 0
    association.release()
    return good


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- many --

@pytest.mark.parametrize("idle, busy", [(150, 30), pytest.param(1000, 200, marks=pytest.mark.by_hand)])
def test_idle_and_busy_associations_at_once(stopped_archive, many_files, idle, busy):
    stopped_archive.set("ae_params.max_assoc", (idle + busy) * 2)
    stopped_archive.set("ae_params.network_timeout", 600)
    archive = stopped_archive.start()
    silent = [Association(archive.port, timeout=120) for _ in range(idle)]
    stored, failures = [], []

    def send():
        try:
            association = Association(archive.port, calling="OTHER", timeout=120)
            for _ in range(3):
                given = attributes()
                assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
                assert association.echo() == 0
                stored.append(given["SOPInstanceUID"])
            association.release()
        except Exception as problem:  # told below, from the test's own thread
            failures.append(problem)
    threads = [threading.Thread(target=send) for _ in range(busy)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failures, failures[:3]
    assert len(stored) == busy * 3 and set(stored) == set(read_folder(archive.data))
    assert all(one.echo() == 0 for one in silent), "those that were idle are still there"
    for one in silent:
        one.abort()


def begun(archive, **given):
    """A connection that has begun to ask for an association; the kernel keeps those that say nothing at all for a second before the server has to know."""
    sock = connect(archive.port, **given)
    sock.sendall(b"\x01")
    return sock


def test_a_flood_of_silent_connections_takes_nothing_from_others(archive, many_files):
    """They hold no place, and the oldest of the address with most of them go when there are too many."""
    archive.allow("VISITOR", ip=OTHER_PLACE)
    flood = []
    for round_number in range(5):
        flood += [connect(archive.port) for _ in range(20)] + [begun(archive) for _ in range(80)]
        assert works(archive, "VISITOR", source=OTHER_PLACE), round_number
    quiet = connect(archive.port, source=OTHER_PLACE)
    flood += [begun(archive) for _ in range(200)]
    quiet.sendall(associate_rq("GANTRY", "VISITOR", CONTEXTS))
    assert quiet.recv(1) == b"\x02", "one that was silent for a while, from an address that floods nothing, is still there"
    for sock in [*flood, quiet]:
        sock.close()
    wait_until(lambda: works(archive), 20, "an association of the address that flooded")


def test_an_association_gets_in_past_its_own_address_flood(archive, many_files):
    flood = [begun(archive) for _ in range(400)]
    assert works(archive)
    for sock in flood:
        sock.close()


def test_a_flood_of_refusals_fills_neither_log_nor_audit_trail(archive):
    """Of each address the first are told, whatever titles they take."""
    archive.allow("VISITOR", ip=OTHER_PLACE)
    for number in range(100):
        assert not works(archive, f"STRANGER{number}")
    for _ in range(30):
        with connect(archive.port, source="127.0.0.3") as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while sock.recv(100):
                pass
    assert not works(archive, "NOBODY", source=OTHER_PLACE)
    log = log_of(archive)
    assert log.count("association refused: STRANGER") == 20
    assert "20 connections of 127.0.0.1 were turned away within 60 s; more are only counted until these are over" in log
    assert f"association refused: NOBODY at {OTHER_PLACE}" in log, "others are still told"
    wait_until(lambda: "of 127.0.0.3 were turned away" in log_of(archive), 5, "the line")
    assert sum(path.read_text().count("that is no DICOM PDU") for path in (archive.folder / "log").glob("*.log")) == 20
    trail = archive.folder / "log/audit/audit.jsonl"
    wait_until(lambda: "(several)" in trail.read_text() and "NOBODY" in trail.read_text(), 10, "the records")
    assert trail.read_text().count("no entry for it in the white list") <= 21
    assert works(archive, "VISITOR", source=OTHER_PLACE) and works(archive)


def test_a_flood_of_false_users_and_of_many_addresses_fills_no_audit_trail(stopped_archive):
    """Whatever titles they take; those for whom there is no room share one record."""
    stopped_archive.set("user_identity", "accept")
    stopped_archive.set("ae_params.required_call_aet", True)
    add(stopped_archive, "writer", "write")
    for number in range(60):
        stopped_archive.allow(f"T{number}")
    archive = stopped_archive.start()
    for number in range(60):
        with pytest.raises(Rejected):
            Association(archive.port, calling=f"T{number}", more=identity(PASSCODE, "writer", f"guess {number}"))
    for number in range(160):
        with pytest.raises(Rejected):
            Association(archive.port, called="WRONG", source=f"127.0.{1 + number // 100}.{1 + number % 100}")
    assert works(archive)
    archive.stop()
    records = Trail(archive).records()
    logins = [r.people[0]["AlternativeUserID"] for r in Trail(archive).records("User Authentication", "Login") if not r.again]
    assert logins == [f"AETITLES=T{number}" for number in range(20)] + ["AETITLES=(several)"]
    assert len([record for record in records if re.match(r"T\d+@", record.who or "")]) == 20, "nodes that were refused"
    several = [record for record in records if (record.who or "").startswith("(several)")]
    assert {record.who for record in several} == {"(several)@127.0.0.1", "(several)@other addresses"}
    assert len({record.who for record in records if re.search(r"@127\.0\.[12]\.", record.who or "")}) < 100


def test_what_is_said_of_who_comes_in_is_not_said_of_who_was_there_before(archive):
    """Those threads that served somebody let the next ones in."""
    for _ in range(5):
        assert works(archive)
    limits = resource.prlimit(archive.server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(archive.server.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with begun(archive):
        wait_until(lambda: "cannot accept a connection" in log_of(archive), 20, "the line")
        resource.prlimit(archive.server.pid, resource.RLIMIT_NOFILE, limits)
    wait_until(lambda: works(archive), 20, "an association")
    told = [line for line in log_of(archive).splitlines() if "cannot accept a connection" in line]
    assert told and not [line for line in told if "assoc=" in line]


def test_an_association_is_heard_of_while_it_does_nothing_but_echo(archive):
    """The log of one that is over in a moment waits until then; not that of a peer that goes on asking."""
    association = Association(archive.port)
    for _ in range(4):
        time.sleep(0.1)
        assert association.echo() == 0
    assert "association of RAW at 127.0.0.1" in log_of(archive)
    association.release()


def test_peers_that_reset_at_once(archive):
    """Whether they have asked for an association or not: it is told as what it is."""
    request = associate_rq("GANTRY", "RAW", CONTEXTS)
    for sent in (b"", request[:20], request):
        for _ in range(20):
            sock = connect(archive.port)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(sent)
            sock.close()
    assert works(archive)
    log = log_of(archive)
    assert "refused" not in log and " local" not in log
    for line in log.splitlines():
        assert "broke off" not in line or "the peer closed the connection" in line, line


# -- shares --

def test_one_peer_cannot_take_all_places(stopped_archive):
    stopped_archive.set("ae_params.max_assoc", 20)
    archive = stopped_archive.start()
    held = [Association(archive.port) for _ in range(18)]
    with pytest.raises(Rejected) as rejected:
        Association(archive.port)
    assert rejected.value.reason == (2, 3, 2)
    assert "the last 2 of 20 are for peers that have none (ae_params.max_assoc)" in log_of(archive)
    assert works(archive, "OTHER")
    for one in held:
        one.abort()


def test_who_sends_little_has_its_share_beside_who_sends_much(stopped_archive):
    """One association beside sixteen that never pause: it gets on as each of them does, give or take."""
    greedy, own = 16, 12
    archive = stopped_archive.start()
    archive.allow("GREEDY")
    load = subprocess.Popen([str(as_program(archive.bin, "gantry")), "load", "127.0.0.1", str(archive.port), "-aec", archive.aet, "-aet", "GREEDY",
                             "-a", str(greedy), "-n", "1000000", "--object", "small"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(archive.files()) > 4 * greedy, 60, "the greedy one is at work")
        other = Association(archive.port, calling="OTHER", timeout=120)
        before = len(archive.files())
        for _ in range(own):
            given = attributes()
            assert other.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
        of_greedy = len(archive.files()) - before - own
        assert other.echo() == 0 and load.poll() is None
        other.release()
    finally:
        load.kill()
        load.wait()
    assert 0 < of_greedy < 8 * greedy * own, of_greedy


@pytest.mark.parametrize("key, second", [("address", "OTHER"), ("title", "RAW")])
def test_limits_of_an_address_and_of_a_title(stopped_archive, key, second):
    stopped_archive.set(f"ae_params.max_assoc_per_{key}", 2)
    archive = stopped_archive.start()
    archive.allow("VISITOR", ip="127.0.0.0/8")
    held = [Association(archive.port), Association(archive.port, calling=second)]
    with pytest.raises(Rejected):
        Association(archive.port)
    assert f"(ae_params.max_assoc_per_{key})" in log_of(archive)
    assert works(archive, "VISITOR", source=OTHER_PLACE)
    for one in held:
        one.abort()


def test_the_longest_idle_makes_room_for_a_peer_that_has_none(stopped_archive):
    stopped_archive.set("ae_params.max_assoc", 3)
    stopped_archive.set("ae_params.max_assoc_idle_second", 1)
    archive = stopped_archive.start()
    held = [Association(archive.port) for _ in range(3)]
    with pytest.raises(Rejected):
        Association(archive.port)
    newcomer = []

    def enters():
        try:
            newcomer.append(Association(archive.port, calling="OTHER"))
        except Rejected:
            return False
        return True
    assert all(one.echo() == 0 for one in held)
    wait_until(enters, 20, "room for who has none")
    assert "makes room" in log_of(archive)
    with pytest.raises((Aborted, OSError)):
        held[0].echo()
    assert held[1].echo() == 0 and newcomer[0].echo() == 0
    for one in (held[1], held[2], newcomer[0]):
        one.abort()


def test_nobody_makes_room_before_time(stopped_archive):
    stopped_archive.set("ae_params.max_assoc", 1)
    archive = stopped_archive.start()
    held = Association(archive.port)
    assert not works(archive, "OTHER")
    assert held.echo() == 0
    held.release()


# -- silent and slow --

def ends(sock, seconds=30):
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass


def test_half_open_connections_and_requests_that_drip_are_ended(stopped_archive):
    """The time-out of the request is its own: that of associations is a minute."""
    stopped_archive.set("ae_params.request_timeout", 1)
    archive = stopped_archive.start()
    half, drip = connect(archive.port), connect(archive.port)
    request = associate_rq("GANTRY", "RAW", CONTEXTS)
    half.sendall(request[:40])
    stop = threading.Event()

    def one_byte_at_a_time():
        for at in range(len(request) - 1):
            if stop.wait(0.2):
                return
            try:
                drip.sendall(request[at:at + 1])
            except OSError:
                return
    thread = threading.Thread(target=one_byte_at_a_time)
    thread.start()
    ends(half)
    ends(drip)
    stop.set()
    thread.join()
    assert works(archive)


def test_an_object_that_drips_is_cut_off(stopped_archive):
    """The window of the rate is its own: every other time-out is a minute."""
    stopped_archive.set("ae_params.min_rate", 1000)
    stopped_archive.set("ae_params.rate_window", 1)
    archive = stopped_archive.start()
    association = Association(archive.port)
    given = attributes()
    association.begin_store(SECONDARY_CAPTURE, given["SOPInstanceUID"])
    stop = threading.Event()

    def few_bytes_at_a_time():
        while not stop.wait(0.1):
            try:
                association.sock.sendall(p_data(3, b"\x08\x00", False, last=False))
            except OSError:
                return
    thread = threading.Thread(target=few_bytes_at_a_time)
    thread.start()
    ends(association.sock, 20)
    stop.set()
    thread.join()
    assert "the peer sends too slowly" in log_of(archive) and works(archive)


# -- gone, in each state --

ECHO = command({0x00000002: VERIFICATION, 0x00000100: 0x0030, 0x00000110: 1, 0x00000800: 0x0101})
FIND = command({0x00000002: STUDY_ROOT + ".1", 0x00000100: 0x0020, 0x00000110: 1, 0x00000700: 0, 0x00000800: 1})
WITH_FIND = {**CONTEXTS, 5: (STUDY_ROOT + ".1", "1.2.840.10008.1.2")}


def associated(archive):
    return Association(archive.port, contexts=WITH_FIND).sock


def said(archive, data):
    sock = associated(archive)
    sock.sendall(data)
    return sock


def in_a_data_set(archive):
    association = Association(archive.port)
    association.begin_store(SECONDARY_CAPTURE, uid())
    association.sock.sendall(p_data(3, bytes(1000), False, False))
    return association.sock


def unsaid(archive, data):
    sock = connect(archive.port)
    sock.sendall(data)
    return sock


STATES = {
    "connected": lambda archive: connect(archive.port),
    "in the request": lambda archive: unsaid(archive, associate_rq("GANTRY", "RAW", CONTEXTS)[:70]),
    "request sent": lambda archive: unsaid(archive, associate_rq("GANTRY", "RAW", CONTEXTS)),
    "request of a stranger sent": lambda archive: unsaid(archive, associate_rq("GANTRY", "STRANGER", CONTEXTS)),
    "established": associated,
    "in a PDU header": lambda archive: said(archive, b"\x04\x00\x00"),
    "in a command": lambda archive: said(archive, p_data(1, ECHO[:20], True, False)),
    "in a data set": in_a_data_set,
    "before the data set": lambda archive: said(archive, p_data(5, FIND, True)),
    "answer awaited": lambda archive: said(archive, p_data(1, ECHO, True) * 8),
    "query awaited": lambda archive: said(archive, p_data(5, FIND, True) + p_data(5, b"", False)),
    "release asked for": lambda archive: said(archive, pdu(5, bytes(4))),
    "release asked for twice": lambda archive: said(archive, pdu(5, bytes(4)) * 2),
    "release answered unasked": lambda archive: said(archive, pdu(6, bytes(4))),
}


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def abort(sock):
    try:
        sock.sendall(pdu(7, bytes(4)))
    except OSError:
        pass
    sock.close()


@pytest.mark.parametrize("leave", [reset, abort, socket.socket.close], ids=["reset", "abort", "close"])
@pytest.mark.parametrize("state", STATES)
def test_a_peer_that_goes_away_gives_its_place_back(two_places, state, leave):
    for _ in range(4):
        reached = []
        wait_until(lambda: reach(two_places, state, reached), 20, "a place")
        leave(reached[0])
    wait_until(lambda: works(two_places), 20, "a place")
    held = []
    wait_until(lambda: enter(two_places, held) and enter(two_places, held), 20, "both places")
    for one in held:
        one.abort()
    assert two_places.server.alive() and not two_places.unfinished()


def reach(archive, state, reached):
    """The place of who went before may not be free at once."""
    try:
        reached.append(STATES[state](archive))
    except Rejected:
        return False
    return True


def enter(archive, held):
    if len(held) < 2:
        try:
            held.append(Association(archive.port))
        except (Rejected, Aborted):
            return False
    return True


@pytest.fixture(scope="module")
def two_places(tmp_path_factory):
    from archive import Archive
    archive = Archive(tmp_path_factory.mktemp("two_places"))
    archive.set("ae_params.max_assoc", 2)
    yield archive.start()
    archive.stop()


# -- stopping --

@pytest.fixture
def deaf():
    """Something that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_stop_does_not_wait_for_a_destination_that_hangs(stopped_archive, deaf):
    """While it waits it refuses who comes; when its time is up, it cuts what hangs."""
    for key in ("acse_timeout", "dimse_timeout", "network_timeout"):
        stopped_archive.set(f"ae_params.{key}", 0)
    stopped_archive.set("stop_grace", 3)
    archive = stopped_archive.start()
    archive.allow("DEAF", deaf.getsockname()[1])
    given = attributes()
    association = Association(archive.port)
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    association.release()
    mover = threading.Thread(target=lambda: archive.manage("move", "127.0.0.1", archive.port, "-aec", archive.aet, "-aes", "DEAF",
                                                           "-stUID", given["StudyInstanceUID"], check=False, timeout=120))
    mover.start()
    deaf.settimeout(30)
    taken, _ = deaf.accept()
    server, archive.server = archive.server, None
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not listening(archive.port), 20, "no new connections")
    assert server.alive(), "what goes on has its time"
    assert server.process.wait(60) == 0, "though every time-out is switched off"
    server.out.close()
    mover.join(60)
    taken.close()


# -- asking what is no DICOM server --

def test_echo_to_something_that_says_nothing(stopped_archive, deaf):
    done = stopped_archive.manage("echo", "127.0.0.1", deaf.getsockname()[1], "-aec", "ANY", check=False, timeout=30)
    assert done.returncode == 1
    assert "the association request not answered within 5 s; is a DICOM server listening there" in done.stderr


@pytest.mark.parametrize("answer, words", [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "this is HTTP"), (b"SSH-2.0-OpenSSH\r\n", "this is SSH"),
                                           (b"\x15\x03\x01\0\2\2\x46", "this is TLS"), (b"", "closed without an answer")])
def test_echo_to_something_that_is_no_dicom_server(stopped_archive, deaf, answer, words):
    def speak():
        sock, _ = deaf.accept()
        sock.recv(10000)
        sock.sendall(answer)
        sock.close()
    thread = threading.Thread(target=speak)
    thread.start()
    done = stopped_archive.manage("echo", "127.0.0.1", deaf.getsockname()[1], "-aec", "ANY", check=False, timeout=30)
    thread.join(10)
    assert done.returncode == 1 and words in done.stderr, done.stderr


def test_echo_where_nobody_listens(stopped_archive):
    done = stopped_archive.manage("echo", "127.0.0.1", free_port(), "-aec", "ANY", check=False, timeout=30)
    assert done.returncode == 1 and "is a DICOM server listening there" in done.stderr
