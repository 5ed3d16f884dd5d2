# SPDX-License-Identifier: MIT
"""Who may speak to the archive, and how many: white list, AE titles, limits, start (spec rows WHL-*, DCM-19, DCM-20, RUN-01 to RUN-04)."""
import os
import re
import signal
import socket

import pytest
from dimse import VERIFICATION, Association, Rejected, associate_rq, command, connect, p_data, pdu
from make_dicom import SECONDARY_CAPTURE, attributes, data_set
from programs import free_port, listening, run, wait_until
from query import PATIENT_ROOT, STUDY_ROOT


def admitted(archive, calling="VISITOR", host="127.0.0.1"):
    try:
        association = Association(archive.port, calling=calling, host=host)
    except Rejected as rejected:
        assert rejected.reason == (1, 1, 3), "permanent, service user, calling AE title not recognised"
        return False
    assert association.echo() == 0
    association.release()
    return True


def white_list(archive, name, content):
    (archive.folder / "app/white_list" / name).write_text(content)


def log_of(archive):
    return (archive.folder / "log/pacs.log").read_text()


# -- the list (WHL-01 to WHL-05) --

MATRIX = [  # file content, is VISITOR at 127.0.0.1 admitted?
    ("VISITOR: {ip: 127.0.0.1}\n", True), ("VISITOR:\n  ip: 127.0.0.1\n  port: 104\n", True), ("VISITOR: {ip: localhost}\n", True),
    ("VISITOR: {ip: '::1'}\n", True), ("VISITOR: {ip: '::ffff:127.0.0.1'}\n", True), ("VISITOR: {ip: 127.0.0.0/8}\n", True),
    ("VISITOR: {ip: 192.0.2.1}\n", False), ("VISITOR: {ip: 192.0.2.0/24}\n", False), ("VISITOR: {ip: no-such-host.invalid}\n", False),
    ("visitor: {ip: 127.0.0.1}\n", False), ("VISITORS: {ip: 127.0.0.1}\n", False), ("", False), ("# nothing\n", False), ("- VISITOR\n", False),
    ("VISITOR: 127.0.0.1\n", False), ("VISITOR: {port: 104}\n", False), ("VISITOR: {ip: [\n", False), ("VISITOR: {ip: 127.0.0.1, port: 0}\n", False),
    ("OTHER: {ip: 127.0.0.1}\nVISITOR: {ip: 127.0.0.1}\n", True), ("\xff\xfe\x00", False),
]


@pytest.mark.parametrize("content, expected", MATRIX)
def test_the_list_is_read_again_and_decides(archive, content, expected):
    assert not admitted(archive)
    white_list(archive, "visitor.yml", content)
    assert admitted(archive) == expected
    assert admitted(archive, "OTHER"), "and the other files count on"
    (archive.folder / "app/white_list/visitor.yml").unlink()
    assert not admitted(archive)


def test_a_title_may_stand_in_several_files(archive):
    white_list(archive, "a.yml", "VISITOR: {ip: 192.0.2.1}\n")
    assert not admitted(archive)
    white_list(archive, "b.yml", "VISITOR: {ip: 127.0.0.1}\n")
    assert admitted(archive)


def test_a_title_of_digits(archive):
    """The seed never admitted one: YAML made it a number."""
    white_list(archive, "n.yml", "12345: {ip: 127.0.0.1}\n")
    assert admitted(archive, "12345")


def test_an_empty_folder_admits_nobody(archive):
    for path in (archive.folder / "app/white_list").iterdir():
        path.unlink()
    assert not admitted(archive)
    assert not admitted(archive, "RAW")


@pytest.mark.parametrize("content, words", [
    ("VISITOR: {ip: [\n", ["visitor.yml", "line 1|:1|:2"]), ("VISITOR: {port: 104}\n", ["visitor.yml:1", "ip"]),
    ("A_TITLE_THAT_IS_TOO_LONG: {ip: 127.0.0.1}\n", ["visitor.yml:1", "16"]), ("OK: {ip: 127.0.0.1}\nVISITOR: {ip: 127.0.0.1, port: x}\n", ["visitor.yml:2", "port"]),
])
def test_what_is_wrong_in_a_file_is_logged_with_its_place(archive, content, words):
    white_list(archive, "visitor.yml", content)
    admitted(archive)
    wait_until(lambda: "visitor.yml" in log_of(archive), 5, "a line about the file")
    line = next(line for line in log_of(archive).splitlines() if "visitor.yml" in line)
    assert line.count("visitor.yml") == 1, line
    for word in words:
        assert re.search(word, line), line
    admitted(archive)
    assert log_of(archive).count(line[30:]) == 1, "said once, not for each request"


def test_a_refusal_says_who_where_why_and_what_to_do(archive):
    assert not admitted(archive, "STRANGER")
    line = next(line for line in log_of(archive).splitlines() if "STRANGER" in line)
    for word in ("WARNING", "assoc=", "127.0.0.1", "no entry", "add `STRANGER: {ip: 127.0.0.1}` to a file in", "app/white_list"):
        assert word in line, line
    white_list(archive, "s.yml", "STRANGER: {ip: 192.0.2.7}\n")
    assert not admitted(archive, "STRANGER")
    line = [line for line in log_of(archive).splitlines() if "STRANGER" in line][-1]
    assert "knows it at 192.0.2.7, not at 127.0.0.1" in line


def test_a_dual_stack_listener_sees_ipv4_peers_as_what_they_are(stopped_archive):
    """Without listen_address: IPv6 with IPv4 mapped into it; the white list goes on saying 127.0.0.1."""
    stopped_archive.set("ae_params.listen_address", "''")
    archive = stopped_archive.start()
    white_list(archive, "v.yml", "VISITOR: {ip: 127.0.0.1}\n")
    assert admitted(archive)
    wait_until(lambda: "VISITOR at 127.0.0.1 " in log_of(archive), 5, "the line")
    if os.path.exists("/proc/net/if_inet6"):
        assert admitted(archive, host="::1")


@pytest.mark.parametrize("service", ["echo", "store", "find", "move", "get"])
def test_who_is_removed_during_an_association_is_refused_by_each_service(archive, service):
    """0124 not authorised, in each service alike (WHL-04); the journal has no line of it."""
    white_list(archive, "v.yml", "VISITOR: {ip: 127.0.0.1}\n")
    contexts = {1: (VERIFICATION, "1.2.840.10008.1.2"), 3: (SECONDARY_CAPTURE, "1.2.840.10008.1.2.1"),
                5: (STUDY_ROOT + ".1", "1.2.840.10008.1.2"), 7: (PATIENT_ROOT + ".2", "1.2.840.10008.1.2"), 9: (PATIENT_ROOT + ".3", "1.2.840.10008.1.2")}
    association = Association(archive.port, calling="VISITOR", contexts=contexts)
    assert association.echo() == 0
    (archive.folder / "app/white_list/v.yml").unlink()
    wait_until(lambda: association.echo() == 0x0124, 5, "refusal")
    given = attributes()
    context, field = {"echo": (1, 0x30), "store": (3, 1), "find": (5, 0x20), "move": (7, 0x21), "get": (9, 0x10)}[service]
    if service == "store":
        status = association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given))
    else:
        fields = {0x00000002: contexts[context][0], 0x00000100: field, 0x00000110: 77, 0x00000800: 0x0101 if service == "echo" else 1}
        if service == "move":
            fields[0x00000600] = "GANTRY"
        association.sock.sendall(p_data(context, command(fields), True))
        if service != "echo":
            association.sock.sendall(p_data(context, b"", False))
        status = association.read_response()[0x00000900]
    assert status == 0x0124
    assert given["SOPInstanceUID"] not in (archive.folder / "log/study_series_instances.uid").read_text()
    assert not archive.files()
    association.release()


# -- titles and limits (DCM-19, DCM-20) --

def test_titles_with_blanks_around_them_are_the_same(archive):
    for calling in ("RAW", "  RAW", "RAW             "):
        association = Association(archive.port, calling=calling)
        assert association.echo() == 0
        association.release()


def test_an_empty_or_odd_calling_title_is_refused(archive):
    for calling in ("", "A\x01B", "A\\B"):
        with pytest.raises(Rejected):
            Association(archive.port, calling=calling)


def test_a_wrong_protocol_version_and_application_context_are_rejected(archive):
    """PS3.8 9.3.4: (1,2,2) for the version, (1,1,2) for the context name."""
    good = associate_rq("GANTRY", "RAW", {1: (VERIFICATION, "1.2.840.10008.1.2")})
    for bad, reason in ((good[:6] + b"\0\2" + good[8:], (1, 2, 2)), (good.replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.9"), (1, 1, 2))):
        with connect(archive.port) as sock:
            sock.sendall(bad)
            answer = sock.recv(100)
        assert (answer[0], tuple(answer[7:10])) == (3, reason)


def test_required_called_title(stopped_archive):
    stopped_archive.set("ae_params.required_call_aet", "yes")
    archive = stopped_archive.start()
    with pytest.raises(Rejected) as rejected:
        Association(archive.port, called="gantry")
    assert rejected.value.reason == (1, 1, 7)
    assert "required_call_aet" in log_of(archive)
    Association(archive.port, called="GANTRY").release()


def test_the_pdu_size_of_the_settings_is_offered_and_the_peers_is_kept(stopped_archive):
    stopped_archive.set("ae_params.pdu_size", 32768)
    archive = stopped_archive.start()
    association = Association(archive.port)
    assert int.from_bytes(dict(association.user_items)[0x51], "big") == 32768
    association.sock.sendall(pdu(4, bytes(40000)))
    kind, _ = association.read_exactly(1), None
    assert kind == b"\x07", "a larger PDU than offered is an abort"
    association.sock.close()


def test_max_associations(stopped_archive):
    stopped_archive.set("ae_params.max_assoc", 3)
    archive = stopped_archive.start()
    held = [Association(archive.port) for _ in range(3)]
    with pytest.raises(Rejected) as rejected:
        Association(archive.port)
    assert rejected.value.reason == (2, 3, 2)
    assert "max_assoc" in log_of(archive)
    assert all(one.echo() == 0 for one in held), "those that are open go on"
    for one in held:
        one.abort()
    wait_until(lambda: admitted(archive, "RAW"), 5, "room again")


def test_our_clients_say_why_they_were_rejected_and_what_to_do(stopped_archive):
    archive = stopped_archive
    archive.set("ae_params.required_call_aet", "yes")
    archive.start()
    done = archive.manage("echo", "127.0.0.1", archive.port, "-aec", "WRONG", check=False)
    assert "called AE title not recognised; call it by its own AE title" in done.stderr
    (archive.folder / "app/white_list/gantry.yml").unlink()
    done = archive.manage("echo", "127.0.0.1", archive.port, "-aec", "GANTRY", check=False)
    assert "association of GANTRY with GANTRY rejected (permanent)" in done.stderr
    assert "calling AE title not recognised; have it admit our AE title and address" in done.stderr


def test_our_clients_say_that_a_title_is_too_long(archive):
    done = archive.manage("echo", "127.0.0.1", archive.port, "-aec", "SEVENTEEN_LETTERS", check=False)
    assert done.returncode == 1
    assert "1 to 16 characters" in done.stderr
    done = archive.manage("move", "127.0.0.1", archive.port, "-aec", "GANTRY", "-aes", "SEVENTEEN_LETTERS", "-stUID", "1.2", check=False)
    assert done.returncode == 1
    assert '"SEVENTEEN_LETTERS" must have 1 to 16 characters' in done.stderr, "not cut to another title"


# -- starting and stopping --

def test_the_server_listens_on_all_interfaces_by_default(stopped_archive):
    stopped_archive.set("ae_params.listen_address", "''")
    archive = stopped_archive.start()
    own = socket.gethostbyname(socket.gethostname())
    archive.allow("RAW", ip=own)
    socket.create_connection((own, archive.port), 5).close()


def test_a_port_in_use_is_said_with_what_to_do(stopped_archive):
    with socket.create_server(("127.0.0.1", stopped_archive.port)):
        done = stopped_archive.manage("runserver", check=False)
    assert done.returncode == 1
    assert f"{stopped_archive.port}" in done.stderr and "in use" in done.stderr
    stopped_archive.start()


def test_an_address_that_is_not_ours(stopped_archive):
    stopped_archive.set("ae_params.listen_address", "192.0.2.1")
    done = stopped_archive.manage("runserver", check=False)
    assert done.returncode == 1
    assert "192.0.2.1" in done.stderr


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_stop_in_order(stopped_archive, sig):
    """RUN-07 and RUN-08: what was accepted is in the index, the farewell is printed, the exit code is 0."""
    archive = stopped_archive.start()
    association = Association(archive.port)
    given = attributes()
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    association.release()
    server, archive.server = archive.server, None
    assert server.end(sig) == 0
    assert f"\nDICOM Server {archive.aet} has been stopped\n" in server.output()
    assert server.output().endswith("Exiting thread_db_save\n")
    assert not listening(archive.port)
    archive.start()
    found = archive.manage("find", "127.0.0.1", archive.port, "-aec", archive.aet)
    assert "Equal number of STUDY is 1" in found.stdout


def test_an_open_association_does_not_hold_the_stop_up(stopped_archive):
    archive = stopped_archive.start()
    idle = Association(archive.port)
    server, archive.server = archive.server, None
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    server.out.close()
    idle.sock.close()


def test_services_are_switched_by_the_settings(stopped_archive):
    """RUN-03: the banner says what is off; what is off is not negotiated."""
    text = stopped_archive.settings.read_text()
    stopped_archive.settings.write_text(text.replace("  - c-move\n", "").replace("  - c-get\n", "").replace("  - c-store\n", ""))
    archive = stopped_archive.start()
    wait_until(lambda: "Api Annotation" in archive.server.output(), 5, "the banner")
    for service, state in (("ECHO", "ON"), ("STORE", "OFF"), ("FIND", "ON"), ("MOVE", "OFF")):
        assert f"# (SCP)C-{service}\t{state}" in archive.server.output()
    association = Association(archive.port, contexts={1: (STUDY_ROOT + ".1", "1.2.840.10008.1.2"), 3: (STUDY_ROOT + ".2", "1.2.840.10008.1.2"),
                                                     5: (SECONDARY_CAPTURE, "1.2.840.10008.1.2"), 7: (STUDY_ROOT + ".3", "1.2.840.10008.1.2")})
    assert association.results == {1: 0, 3: 3, 5: 3, 7: 3}
    association.release()


def test_an_unusable_index_stops_the_start_with_the_reason(stopped_archive):
    """RUN-04, the other way round: no server without an index, instead of one that loses what it acknowledges."""
    (stopped_archive.folder / "index.sqlite").write_bytes(b"this is no database" * 100)
    done = stopped_archive.manage("runserver", check=False, timeout=20)
    assert done.returncode == 1
    assert "index.sqlite" in done.stderr


def test_the_port_of_the_settings_is_used_when_the_environment_says_nothing(stopped_archive):
    other = free_port()
    stopped_archive.start()
    stopped_archive.stop()
    stopped_archive.port = other
    stopped_archive.set("port", other)
    stopped_archive.start()
    run("echoscu", "-aec", stopped_archive.aet, "127.0.0.1", other)
