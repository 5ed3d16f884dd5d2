# SPDX-License-Identifier: MIT
"""C-ECHO from everybody's clients, the white list and the limits of associations."""
import socket

import pytest
from dimse import Association, Rejected
from programs import free_port, run, wait_until

pytestmark = pytest.mark.asan


def test_echoscu(archive):
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)


def test_fifty_echoes_on_one_association(archive):
    run("echoscu", "--repeat", "50", "-aec", archive.aet, "127.0.0.1", archive.port)


def test_every_uncompressed_syntax_is_offered(archive):
    run("echoscu", "--propose-ts", "4", "--propose-pc", "10", "-aec", archive.aet, "127.0.0.1", archive.port)


def test_an_unknown_peer_is_refused_and_the_log_says_why(archive):
    done = run("echoscu", "-aet", "STRANGER", "-aec", archive.aet, "127.0.0.1", archive.port, check=False)
    assert done.returncode != 0
    wait_until(lambda: "STRANGER" in all_logs(archive), 5, "a line about the refusal")


def test_a_peer_from_another_address_is_refused(archive):
    archive.allow("ECHOSCU", ip="192.0.2.1")
    assert run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port, check=False).returncode != 0
    archive.allow("ECHOSCU", ip="localhost")  # by name, and read again without a restart
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)


def test_a_broken_white_list_file_does_not_stop_the_others(archive):
    (archive.folder / "app/white_list/aaa.yml").write_text("BROKEN: [\n")
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)


def test_called_ae_title_matters_only_when_it_is_required(stopped_archive):
    stopped_archive.start()
    run("echoscu", "-aec", "WHOEVER", "127.0.0.1", stopped_archive.port)
    stopped_archive.stop()
    stopped_archive.set("ae_params.required_call_aet", "true")
    stopped_archive.start()
    run("echoscu", "-aec", stopped_archive.aet, "127.0.0.1", stopped_archive.port)
    with pytest.raises(Rejected) as rejected:
        Association(stopped_archive.port, called="WHOEVER")
    assert rejected.value.reason == (1, 1, 7)  # permanent, service user, called AE title not recognised


def test_one_association_too_many_is_a_transient_rejection(stopped_archive):
    stopped_archive.set("ae_params.max_assoc", 2)
    stopped_archive.start()
    first, second = Association(stopped_archive.port), Association(stopped_archive.port)
    with pytest.raises(Rejected) as rejected:
        Association(stopped_archive.port)
    assert rejected.value.reason == (2, 3, 2)  # transient, presentation, local limit exceeded
    first.release()
    wait_until(lambda: can_associate(stopped_archive.port), 5, "room again")
    second.release()


def test_services_can_be_switched_off(stopped_archive):
    text = stopped_archive.settings.read_text()
    start = text.index("scp_services:")
    end = text.index("\n", text.index("c-echo", start))
    rest = [line for line in text[end:].split("\n")]
    while rest and (not rest[0].strip() or rest[0].lstrip().startswith(("-", "#"))):
        rest.pop(0)
    stopped_archive.settings.write_text(text[:start] + "scp_services:\n  - c-echo\n" + "\n".join(rest))
    stopped_archive.start()
    run("echoscu", "-aec", stopped_archive.aet, "127.0.0.1", stopped_archive.port)
    done = run("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-aec", stopped_archive.aet, "127.0.0.1",
               stopped_archive.port, check=False)
    assert "No presentation context" in done.stdout + done.stderr or done.returncode != 0


def test_a_port_in_use_is_said_plainly(stopped_archive):
    with socket.socket() as other:
        other.bind(("127.0.0.1", stopped_archive.port))
        other.listen()
        done = stopped_archive.manage("runserver", check=False)
    assert done.returncode != 0
    assert str(stopped_archive.port) in done.stdout + done.stderr
    assert "in use" in done.stdout + done.stderr


def test_our_echo(archive):
    done = archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet)
    assert "CURRENT SCU CECHO ASSOC" in done.stdout
    assert "0x0000 : Association Completed" in done.stdout
    assert archive.manage("echo", "127.0.0.1", free_port(), "-aec", "X", check=False).returncode != 0


def can_associate(port):
    try:
        Association(port).release()
        return True
    except Rejected:
        return False


def all_logs(archive):
    texts = [path.read_text(errors="replace") for path in (archive.folder / "log").glob("*.log")]
    return archive.server.output() + "".join(texts)
