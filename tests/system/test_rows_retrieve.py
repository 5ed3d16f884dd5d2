# SPDX-License-Identifier: MIT
"""C-MOVE and C-GET by hand: selection, counters, failures, cancel, roles, refusals (spec rows DCM-12 to DCM-17, DCM-22)."""
import re
import socket
import struct
import threading

import pytest
from dimse import EXPLICIT, Aborted, Association, command, item, p_data, parse_command, pdu, sub_items
from make_dicom import CT, SECONDARY_CAPTURE, uid
from part10 import read_folder
from programs import free_port, run, wait_until
from query import C_GET, C_MOVE, CANCELLED, LEVEL, PATIENT_ROOT, QueryClient, decode, role
from test_rows_query import PATIENT, SERIES, STUDY, store, text

INSTANCE, FAILED_LIST = 0x00080018, 0x00080058


def fill(archive, count=4, study=1, **more):
    store(archive, *(dict(StudyInstanceUID=uid(4, study), SeriesInstanceUID=uid(4, study, 1), SOPInstanceUID=uid(4, study, 1, n), InstanceNumber=n,
                          PatientID="RETRIEVE", **more) for n in range(1, count + 1)))
    return [uid(4, study, 1, n) for n in range(1, count + 1)]


class Receiver:
    """A storage SCP of a few lines: answers each C-STORE as `statuses` says, keeps the commands, counts associations."""

    def __init__(self, statuses=(), accept=True):
        self.statuses, self.accept = dict(statuses), accept
        self.commands, self.associations, self.calling = [], 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                try:
                    self.serve(sock)
                except (OSError, struct.error):
                    pass

    def serve(self, sock):
        sock.settimeout(20)
        waiting = b""

        def read(n):
            data = b""
            while len(data) < n:
                piece = sock.recv(n - len(data))
                if not piece:
                    raise OSError("closed")
                data += piece
            return data

        fields = None
        while True:
            kind, length = struct.unpack(">BxI", read(6))
            body = read(length)
            if kind == 1:
                self.associations += 1
                self.calling.append(body[20:36].decode().strip())
                if not self.accept:
                    sock.sendall(pdu(3, bytes((0, 1, 1, 3))))
                    return
                sock.sendall(self.accepted(body))
            elif kind == 5:
                sock.sendall(pdu(6, bytes(4)))
                return
            elif kind == 4:
                at = 0
                while at < len(body):
                    size, context, control = struct.unpack_from(">IBB", body, at)
                    waiting += body[at + 6:at + 4 + size]
                    at += 4 + size
                    if control & 3 == 3:
                        fields, waiting = parse_command(waiting), b""
                    elif control & 2:
                        waiting = b""
                        self.commands.append(fields)
                        sock.sendall(p_data(context, command({
                            0x00000002: fields[0x00000002], 0x00000100: 0x8001, 0x00000120: fields[0x00000110], 0x00000800: 0x0101,
                            0x00000900: self.statuses.get(fields[0x00001000], 0), 0x00001000: fields[0x00001000]}), True))
            else:
                return

    @staticmethod
    def accepted(request):
        """A-ASSOCIATE-AC: every context, with the first of its syntaxes."""
        items = b""
        for kind, body in sub_items(request[68:]):
            if kind == 0x20:
                syntax = next(value for sub, value in sub_items(body[4:]) if sub == 0x40)
                items += item(0x21, struct.pack(">BxBx", body[0], 0) + item(0x40, syntax))
        user = item(0x50, item(0x51, struct.pack(">I", 65536)) + item(0x52, uid(1).encode()))
        return pdu(2, request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + items + user)

    def close(self):
        self.listener.close()


@pytest.fixture
def receiver(archive):
    one = Receiver()
    archive.allow("RECEIVER", one.port)
    yield one
    one.close()


def counters(response):
    return response.completed, response.failed, response.warning


def test_move_reports_its_progress_and_true_counters(archive, receiver):
    instances = fill(archive)
    client = QueryClient(archive.port)
    pending, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    client.release()
    assert final.status == 0
    assert counters(final) == (4, 0, 0)
    assert [(p.remaining, p.completed) for p in pending] == [(3, 1), (2, 2), (1, 3), (0, 4)]
    assert [fields[0x00001000] for fields in receiver.commands] == instances, "in the order of the series"
    assert final.data is None, "nothing failed, no list"


def test_sub_operations_name_their_originator_and_share_one_association(archive, receiver):
    """PS3.7 9.1.1: Move Originator AE title and message id; and one association per destination, used again by the next C-MOVE."""
    fill(archive)
    client = QueryClient(archive.port)
    for _ in range(3):
        client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    assert {fields[0x00001030] for fields in receiver.commands} == {"RAW"}
    assert [fields[0x00001031] for fields in receiver.commands] == [1] * 4 + [2] * 4 + [3] * 4
    assert receiver.associations == 1
    assert receiver.calling == ["GANTRY"]
    client.release()


def test_the_failed_and_the_warned(archive, receiver):
    """B000 with the UIDs of what was not taken (PS3.4 C.4.2.1.4.2)."""
    instances = fill(archive)
    receiver.statuses = {instances[1]: 0xA700, instances[2]: 0xB000}
    client = QueryClient(archive.port)
    pending, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    assert final.status == 0xB000
    assert counters(final) == (2, 1, 1)
    assert text(final.identifier[FAILED_LIST]).split("\\") == [instances[1]]
    assert counters(pending[-1]) == (2, 1, 1)
    receiver.statuses = dict.fromkeys(instances, 0xA900)
    _, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    assert final.status == 0xA702
    assert counters(final) == (0, 4, 0)
    assert text(final.identifier[FAILED_LIST]).split("\\") == instances
    client.release()


@pytest.mark.parametrize("why", ["nobody listens", "rejects"])
def test_a_destination_that_cannot_be_had(archive, receiver, why):
    instances = fill(archive)
    receiver.accept = False
    archive.allow("RECEIVER", free_port() if why == "nobody listens" else receiver.port)
    client = QueryClient(archive.port)
    _, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    assert final.status == 0xA702
    assert counters(final) == (0, 4, 0)
    assert sorted(text(final.identifier[FAILED_LIST]).split("\\")) == instances
    assert final.comment.startswith("RECEIVER at 127.0.0.1:" if why == "nobody listens" else "")
    assert not final.comment.endswith((":", ";")) and len(final.comment) > 40, "whole clauses, or words and dots"
    client.release()


def test_an_unknown_destination(archive):
    """A801, with the title in the comment; a peer without a port is no destination either. And the log says what to add where."""
    fill(archive)
    client = QueryClient(archive.port)
    for destination in ("NOWHERE", "RAW"):
        pending, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, destination)
        assert (pending, final.status) == ([], 0xA801)
        assert final.comment == {"NOWHERE": "unknown move destination NOWHERE: not in the white list",
                                 "RAW": "move destination RAW has no port in the white list"}[destination]
    client.release()
    log = (archive.folder / "log/pacs.log").read_text()
    assert "add `NOWHERE: {ip: ADDRESS, port: NUMBER}` to a file in" in log and "RAW has no port" in log


def test_the_white_list_adds_a_destination_without_a_restart(archive):
    fill(archive)
    late = Receiver()
    client = QueryClient(archive.port)
    assert client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "LATE")[1].status == 0xA801
    archive.allow("LATE", late.port, ip="localhost")
    assert client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "LATE")[1].status == 0
    assert len(late.commands) == 4
    client.release()
    late.close()


SELECTIONS = [  # level, keys, how many of study 1 (two series of 2) and study 2 (one series of 3)
    ("PATIENT", {PATIENT: "RETRIEVE"}, 7), ("STUDY", {PATIENT: "RETRIEVE", STUDY: uid(4, 1)}, 4),
    ("STUDY", {STUDY: f"{uid(4, 1)}\\{uid(4, 2)}"}, 7), ("SERIES", {STUDY: uid(4, 1), SERIES: uid(4, 1, 2)}, 2),
    ("SERIES", {SERIES: f"{uid(4, 1, 2)}\\{uid(4, 2, 1)}"}, 5), ("SERIES", {STUDY: uid(4, 2), SERIES: uid(4, 1, 2)}, 0),
    ("IMAGE", {STUDY: uid(4, 1), SERIES: uid(4, 1, 1), INSTANCE: uid(4, 1, 1, 2)}, 1), ("STUDY", {PATIENT: "OTHER", STUDY: uid(4, 1)}, 0),
    ("STUDY", {STUDY: "1.2.3"}, 0),
]


@pytest.mark.parametrize("level, keys, count", SELECTIONS)
def test_selection(archive, receiver, level, keys, count):
    """Each level selects what it says: not more, as the seed did (fault B22). C-MOVE and C-GET alike."""
    fill(archive, 2)
    store(archive, *(dict(StudyInstanceUID=uid(4, 1), SeriesInstanceUID=uid(4, 1, 2), SOPInstanceUID=uid(4, 1, 2, n), PatientID="RETRIEVE") for n in (1, 2)))
    fill(archive, 3, study=2)
    keys = {tag: ("LO" if tag == PATIENT else "UI", value) for tag, value in keys.items()}
    client = QueryClient(archive.port, PATIENT_ROOT, storage=[SECONDARY_CAPTURE], more=role(SECONDARY_CAPTURE, 0, 1))
    _, final = client.move(level, keys, "RECEIVER")
    assert (final.status, final.completed, len(receiver.commands)) == (0, count, count)
    _, objects, final = client.get(level, keys)
    assert (final.status, final.completed, len(objects)) == (0, count, count)
    client.release()


@pytest.mark.parametrize("level, keys", [("STUDY", {}), ("STUDY", {STUDY: ""}), ("STUDY", {STUDY: "*"}), ("SERIES", {STUDY: uid(4, 1)}),
                                         ("PATIENT", {}), ("GALAXY", {STUDY: uid(4, 1)})])
def test_a_retrieve_without_its_key_is_refused_not_everything_sent(archive, receiver, level, keys):
    fill(archive, 2)
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE])
    keys = {tag: ("UI", value) for tag, value in keys.items()}
    _, final = client.move(level, keys, "RECEIVER")
    assert final.status & 0xF000 in (0xA000, 0xC000)
    assert final.comment
    _, objects, final = client.get(level, keys)
    assert final.status & 0xF000 in (0xA000, 0xC000)
    assert not objects and not receiver.commands
    client.release()


def test_cancel_of_a_move(archive, receiver):
    fill(archive, 60)
    client = QueryClient(archive.port)
    pending, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER", on_pending=lambda n: n == 2 and client.cancel(C_MOVE))
    assert final.status == CANCELLED
    assert final.remaining and final.completed == len(receiver.commands)
    assert final.remaining + final.completed == 60
    assert 2 <= len(pending) < 60
    _, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    assert (final.status, final.completed) == (0, 60), "and the association goes on"
    client.release()


def test_cancel_of_a_get(archive):
    fill(archive, 60)
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE], more=role(SECONDARY_CAPTURE, 0, 1))
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))}, on_object=lambda n: n == 3 and client.cancel(C_GET))
    assert final.status == CANCELLED
    assert final.remaining + final.completed == 60
    assert len(objects) == final.completed < 60
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))})
    assert (final.status, len(objects)) == (0, 60)
    client.release()


def test_a_release_in_the_middle_of_a_get_is_told_once(archive):
    fill(archive, 60)
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE], more=role(SECONDARY_CAPTURE, 0, 1))
    with pytest.raises((AssertionError, Aborted, OSError)):
        client.get("STUDY", {STUDY: ("UI", uid(4, 1))}, on_object=lambda n: n == 3 and client.sock.sendall(pdu(5, b"\0" * 4)))
    client.sock.close()

    def ends():  # of the association that stored, and of this one
        return re.findall(r"association of RAW (released|broke off) after", (archive.folder / "log/pacs.log").read_text())
    wait_until(lambda: "broke off" in ends(), 20, "the end is in the log")
    archive.stop()
    assert ends() == ["released", "broke off"]


@pytest.mark.parametrize("roles", ["proposed", "absent"])
def test_get_with_role_selection_and_without(archive, roles):
    """Horos and OsiriX leave the role out: they get their objects all the same."""
    instances = fill(archive)
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE], more=role(SECONDARY_CAPTURE, 0, 1) if roles == "proposed" else b"")
    answered = [body for kind, body in client.user_items if kind == 0x54]
    assert len(answered) == (roles == "proposed")
    if answered:
        assert answered[0][-1] == 1, "the SCP role is granted"
    pending, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))})
    assert final.status == 0
    assert counters(final) == (4, 0, 0)
    assert [fields[0x00001000] for fields, _ in objects] == instances
    assert len(pending) == 4
    stored = read_folder(archive.data)
    assert all(data == stored[fields[0x00001000]].data for fields, data in objects)
    client.release()


def test_get_of_a_class_that_was_not_proposed_fails_and_is_listed(archive):
    instances = fill(archive, 2)
    client = QueryClient(archive.port, storage=[CT], more=role(CT, 0, 1))
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))})
    assert (objects, final.status) == ([], 0xA702)
    assert text(final.identifier[FAILED_LIST]).split("\\") == instances
    client.release()


def test_get_when_the_client_refuses_what_it_gets(archive):
    instances = fill(archive, 2)
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE], more=role(SECONDARY_CAPTURE, 0, 1))
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))}, answer=0xA700)
    assert (len(objects), final.status) == (2, 0xA702)
    assert counters(final) == (0, 2, 0)
    assert text(final.identifier[FAILED_LIST]).split("\\") == instances
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))}, answer=0xB000)
    assert final.status == 0xB000
    assert counters(final) == (0, 0, 2)
    client.release()


def test_an_object_whose_file_is_gone_is_reported_not_passed_over(archive, receiver):
    instances = fill(archive, 3)
    next(path for path in archive.files() if path.name == instances[1]).unlink()
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE])
    _, final = client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, "RECEIVER")
    assert (final.status, counters(final)) == (0xB000, (2, 1, 0))
    assert text(final.identifier[FAILED_LIST]) == instances[1]
    _, objects, final = client.get("STUDY", {STUDY: ("UI", uid(4, 1))})
    assert (len(objects), final.status) == (2, 0xB000)
    client.release()


def test_a_client_that_goes_away_during_a_get(archive):
    fill(archive, 60)
    client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE])
    client.ask(C_GET, {LEVEL: ("CS", "STUDY"), STUDY: ("UI", uid(4, 1))})
    client.next_message()
    client.sock.close()
    goodbye = re.compile(r"association of RAW \S+.* after [\d.]+ s")  # the second one: the first was the sender's
    wait_until(lambda: len(goodbye.findall((archive.folder / "log/pacs.log").read_text())) == 2, 10, "the end of the association in the log")
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)


def test_parallel_moves(archive):
    """Thirty at once (field B21): each gets its answer, none a rejection."""
    fill(archive, 5)
    receivers = [Receiver() for _ in range(6)]
    for n, one in enumerate(receivers):
        archive.allow(f"MANY{n}", one.port)
    results = []

    def work(n):
        client = QueryClient(archive.port)
        results.append(client.move("STUDY", {STUDY: ("UI", uid(4, 1))}, f"MANY{n % 6}")[1].status)
        client.release()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [0] * 30
    assert sum(len(one.commands) for one in receivers) == 150
    for one in receivers:
        one.close()


def test_services_that_a_context_has_not_are_refused(archive):
    """C-FIND on the context of C-MOVE: 0211, and the association goes on."""
    client = QueryClient(archive.port)
    client.sock.sendall(p_data(3, command({0x00000002: client.model + ".1", 0x00000100: 0x0020, 0x00000110: 9, 0x00000700: 0, 0x00000800: 1}), True) +
                        p_data(3, b"", False))
    assert client.receive().status == 0x0211
    assert client.find("STUDY", {STUDY: ("UI", "")})[1].status == 0
    client.release()


def test_the_data_set_of_an_answer_is_what_decode_reads(archive):
    """The helper itself: a list of failed UIDs is decoded as it stands."""
    assert decode(bytes.fromhex("08005800") + b"UI" + struct.pack("<H", 4) + b"1.2\0") == {FAILED_LIST: b"1.2\0"}
    with pytest.raises((Aborted, AssertionError)):
        bad = Association(archive.port, contexts={1: (SECONDARY_CAPTURE, EXPLICIT)})
        bad.sock.sendall(pdu(4, b"\0"))
        bad.read_response()
