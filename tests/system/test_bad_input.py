# SPDX-License-Identifier: MIT
"""What is not DICOM, or lies: refused or aborted, quarantined with a reason, and the server goes on with nothing else lost."""
import random
import socket
import struct
import time

import pytest
from dimse import VERIFICATION, Aborted, Association, Rejected, associate_rq, command, connect, implicit, item, p_data, pdu
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, encode, uid
from part10 import read_folder
from programs import run, wait_until

pytestmark = pytest.mark.asan


@pytest.fixture
def still_serving(archive):
    """After the test: one good object goes in and lies there, nothing half-made lies beside it."""
    yield archive
    assert archive.server.alive(), archive.server.output()[-3000:]
    given = attributes()
    association = Association(archive.port)
    assert association.echo() == 0
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    association.release()
    assert given["SOPInstanceUID"] in read_folder(archive.data)
    wait_until(lambda: not archive.unfinished(), 10, "temporary files go away")


def ends(sock, seconds=15):
    """Reads until the peer closes; what it said."""
    sock.settimeout(seconds)
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


RAW_STREAMS = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 200,
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(600),
    "zeros": bytes(1000),
    "ones": b"\xff" * 1000,
    "data before association": p_data(1, command({0x00000002: VERIFICATION, 0x00000100: 0x0030, 0x00000110: 1, 0x00000800: 0x0101}), True),
    "release before association": pdu(5, bytes(4)),
    "unknown PDU type": pdu(99, b"abc"),
    "PDU of 4 GB": struct.pack(">BBI", 1, 0, 0xFFFFFFFF) + b"x" * 100,
    "associate of no bytes": pdu(1, b""),
    "associate cut short": pdu(1, associate_rq("GANTRY", "RAW", {1: (VERIFICATION, "1.2.840.10008.1.2")})[6:60]),
    "item longer than its PDU": pdu(1, associate_rq("GANTRY", "RAW", {})[6:74] + struct.pack(">BBH", 0x10, 0, 60000) + b"x"),
    "user item longer than its parent": pdu(1, associate_rq("GANTRY", "RAW", {})[6:74] + item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x50, struct.pack(">BBHI", 0x51, 0, 4000, 1))),
}


@pytest.mark.parametrize("name", RAW_STREAMS)
def test_streams_that_are_no_association(still_serving, name):
    with connect(still_serving.port) as sock:
        sock.sendall(RAW_STREAMS[name])
        sock.shutdown(socket.SHUT_WR)
        answer = ends(sock)
    assert answer == b"" or answer[0] in (3, 7), answer[:40]


def test_random_bytes(still_serving):
    chance = random.Random(1499)
    for _ in range(60):
        with connect(still_serving.port) as sock:
            try:
                sock.sendall(chance.randbytes(chance.randrange(1, 4000)))
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                continue
            ends(sock)


def test_an_association_request_with_random_changes(still_serving):
    chance = random.Random(7)
    good = associate_rq("GANTRY", "RAW", {1: (VERIFICATION, "1.2.840.10008.1.2"), 3: (SECONDARY_CAPTURE, "1.2.840.10008.1.2.1")})
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            bad[chance.randrange(6, len(bad))] = chance.randrange(256)
        with connect(still_serving.port) as sock:
            sock.sendall(bytes(bad) + pdu(7, bytes(4)))
            sock.shutdown(socket.SHUT_WR)
            ends(sock)


def aborted(association, data):
    association.sock.sendall(data)
    association.sock.shutdown(socket.SHUT_WR)
    return ends(association.sock)


COMMANDS = {
    "not a command set": b"\xde\xad\xbe\xef" * 20,
    "group length lies": implicit(0, struct.pack("<I", 4000)) + implicit(0x00000100, b"\x30\0"),
    "element longer than the set": implicit(0, struct.pack("<I", 12)) + struct.pack("<HHI", 0, 2, 0xFFFFFFF0) + b"1.2",
    "no command field": command({0x00000002: VERIFICATION, 0x00000110: 1, 0x00000800: 0x0101}),
    "unknown command": command({0x00000002: VERIFICATION, 0x00000100: 0x0999, 0x00000110: 1, 0x00000800: 0x0101}),
    "a response nobody asked for": command({0x00000002: VERIFICATION, 0x00000100: 0x8030, 0x00000120: 1, 0x00000800: 0x0101, 0x00000900: 0}),
    "empty": b"",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_are_none(still_serving, name):
    aborted(Association(still_serving.port), p_data(1, COMMANDS[name], True))


PDVS = {
    "context nobody proposed": p_data(77, b"x" * 10, True),
    "PDV longer than its PDU": pdu(4, struct.pack(">IBB", 5000, 1, 3) + b"x" * 10),
    "PDV of no bytes": pdu(4, struct.pack(">I", 0)),
    "PDV of one byte": pdu(4, struct.pack(">IB", 1, 1)),
    "data without a command": p_data(3, b"x" * 10, False),
    "PDU larger than agreed": struct.pack(">BBI", 4, 0, 0x7FFFFFFF) + b"x" * 100,
    "second association request": associate_rq("GANTRY", "RAW", {1: (VERIFICATION, "1.2.840.10008.1.2")}),
}


@pytest.mark.parametrize("name", PDVS)
def test_pdus_that_break_the_protocol_are_aborted(still_serving, name):
    answer = aborted(Association(still_serving.port), PDVS[name])
    assert answer[:1] == b"\x07", answer[:20]


def bad_data_sets():
    given = attributes()
    good = data_set(given)
    yield "ends in a header", good + b"\x28\x00\x10"
    yield "ends in a value", good + encode(0x7FE00010, "OB", b"x" * 1000)[:500]
    yield "value of 4 GB", good + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFF0) + b"x" * 50
    yield "nested 10,000 deep", good + (struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * 10000
    yield "unknown VR", good + b"\x28\x00\x10\x00??\x02\x00\x01\x00"
    yield "not DICOM", b"this is not DICOM at all, not even nearly" * 10
    yield "empty", b""


@pytest.mark.parametrize("name, data", list(bad_data_sets()), ids=[name for name, _ in bad_data_sets()])
def test_data_sets_that_are_broken(still_serving, name, data):
    """Refused, or (where only the end is missing) kept as it came; never half there, never the end of the server."""
    association = Association(still_serving.port)
    before = set(read_folder(still_serving.data))
    try:
        status = association.store(SECONDARY_CAPTURE, uid(), data)
        association.release()
    except (Aborted, BrokenPipeError, ConnectionResetError):
        return
    if status != 0:
        assert status & 0xF000 in (0xA000, 0xC000, 0x0000), hex(status)
        assert set(read_folder(still_serving.data)) == before
    if name in ("not DICOM", "empty"):
        assert status != 0


def test_what_cannot_be_understood_is_in_quarantine_with_a_reason(still_serving):
    association = Association(still_serving.port)
    assert association.store(SECONDARY_CAPTURE, uid(), b"this is not DICOM at all" * 50) != 0
    association.release()
    quarantine = [p for p in (still_serving.folder / "quarantine").rglob("*") if p.is_file()]
    assert any(b"this is not DICOM at all" in p.read_bytes() for p in quarantine), quarantine
    logs = still_serving.server.output() + "".join(p.read_text(errors="replace") for p in (still_serving.folder / "log").glob("*.log"))
    assert "quarantine" in logs


@pytest.mark.parametrize("how", ["close", "abort", "reset"])
def test_a_sender_that_goes_away_in_the_middle(still_serving, how):
    association = Association(still_serving.port)
    given = attributes()
    association.begin_store(SECONDARY_CAPTURE, given["SOPInstanceUID"])
    association.sock.sendall(p_data(3, data_set(given), False, last=False))
    if how == "abort":
        association.abort()
    elif how == "reset":
        association.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        association.sock.close()
    else:
        association.sock.close()
    time.sleep(0.3)
    assert given["SOPInstanceUID"] not in read_folder(still_serving.data)


def test_a_file_cut_in_half(still_serving, objects, tmp_path):
    """Half a file by our own client: an error that names the file, the others arrive."""
    whole = next(one for one in objects if one.name.endswith("CT_small.dcm"))
    folder = tmp_path / "half"
    folder.mkdir()
    raw = whole.path.read_bytes()
    (folder / "half.dcm").write_bytes(raw[:400])
    (folder / "whole.dcm").write_bytes(raw)
    (folder / "text.txt").write_text("not DICOM")
    done = still_serving.manage("store", "127.0.0.1", still_serving.port, "-aec", still_serving.aet, "-sp", "fs", "-pd", folder, check=False)
    assert whole.instance in read_folder(still_serving.data)
    assert done.returncode != 0
    assert "half.dcm" in done.stdout + done.stderr


def test_a_flood_of_connections(still_serving):
    socks = []
    for _ in range(300):
        try:
            socks.append(connect(still_serving.port, 2))
        except OSError:
            break
    assert len(socks) > 50
    for sock in socks:
        sock.close()
    wait_until(lambda: echo_works(still_serving), 10, "an echo after the flood")


def test_associations_that_say_nothing_are_ended(stopped_archive):
    stopped_archive.set("ae_params.acse_timeout", 1)
    stopped_archive.set("ae_params.dimse_timeout", 1)
    stopped_archive.set("ae_params.network_timeout", 1)
    stopped_archive.start()
    silent, idle, slow = connect(stopped_archive.port), Association(stopped_archive.port), Association(stopped_archive.port)
    slow.begin_store(SECONDARY_CAPTURE, uid())  # and then no data
    start = time.monotonic()
    for sock in (silent, idle.sock, slow.sock):
        ends(sock, 20)
    assert time.monotonic() - start < 20
    run("echoscu", "-aec", stopped_archive.aet, "127.0.0.1", stopped_archive.port)


def echo_works(archive):
    try:
        association = Association(archive.port)
    except (Rejected, Aborted, OSError):
        return False
    return association.echo() == 0


def test_an_instance_uid_behind_its_place_is_held_against_the_announced_one(archive):
    """It comes, in pieces, when what was announced stands in the file already."""
    given = attributes()
    uid_value = given["SOPInstanceUID"].encode()
    uid_value += b"\0" * (len(uid_value) % 2)
    element = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", len(uid_value)) + uid_value
    rest = data_set(given).replace(element, b"")
    at = rest.index(b"\x10\0\x20\0LO")
    assert len(rest) < len(data_set(given))
    odd = rest[:at] + element + rest[at:]
    association = Association(archive.port)
    assert association.store(SECONDARY_CAPTURE, "1.2.3.99", odd, piece=60) == 0xA900
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], odd, piece=60) == 0
    association.release()
    archive.manage("data", "verify")
