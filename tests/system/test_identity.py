# SPDX-License-Identifier: MIT
"""User identities of associations (PS3.7 D.3.3.7): the users of the archive, over DICOM as over HTTP. DCM-24"""
import re
import struct

import pytest
from dimse import VERIFICATION, Association, Rejected, item
from make_dicom import SECONDARY_CAPTURE, attributes, data_set
from peers import Storescp
from programs import run, wait_until
from query import STUDY_ROOT
from test_web_auth import PASSWORD, SECRET, add, claims_for, hs256

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = {1: (VERIFICATION, IMPLICIT), 3: (SECONDARY_CAPTURE, EXPLICIT), 5: (STUDY_ROOT + ".1", IMPLICIT)}
NAME, PASSCODE, KERBEROS, SAML, JWT = range(1, 6)
NOT_ACCEPTED, NOT_NOW = (1, 1, 1), (2, 3, 1)


def identity(kind, primary, secondary="", response=True):
    primary, secondary = primary.encode(), secondary.encode()
    return item(0x58, struct.pack(">BBH", kind, response, len(primary)) + primary + struct.pack(">H", len(secondary)) + secondary)


def log_of(archive):
    return (archive.folder / "log/pacs.log").read_text()


class Archived:
    """Runs with a setting of user_identity and three users."""

    def __init__(self, archive, how):
        self.archive = archive
        archive.set("user_identity", how)
        for name, role in (("reader", "read"), ("writer", "write")):
            add(archive, name, role)
        archive.start()

    def ask(self, *given, **more):
        """(contexts that were accepted, was it confirmed?); or how it was rejected."""
        try:
            association = Association(self.archive.port, contexts=CONTEXTS, more=identity(*given, **more) if given else b"")
        except Rejected as rejected:
            return rejected.reason
        association.release()
        answers = [body for kind, body in association.user_items if kind == 0x59]
        assert answers in ([], [b"\0\0"])
        return sorted(n for n, result in association.results.items() if result == 0), bool(answers)


ALL, READS = [1, 3, 5], [1, 5]


@pytest.mark.asan
@pytest.mark.parametrize("how", ["off", "accept", "require"])
def test_what_is_done_with_each_kind(stopped_archive, how):
    one = Archived(stopped_archive, how)
    judged, required = how != "off", how == "require"
    passed_over = NOT_ACCEPTED if required else (ALL, False)
    assert one.ask() == passed_over
    assert one.ask(NAME, "writer") == passed_over
    assert one.ask(KERBEROS, "ticket") == passed_over
    assert one.ask(SAML, "<saml/>") == passed_over
    assert one.ask(PASSCODE, "writer", PASSWORD) == (ALL, judged)
    assert one.ask(PASSCODE, "writer", PASSWORD, response=False) == (ALL, False)
    assert one.ask(PASSCODE, "reader", PASSWORD) == (READS if judged else ALL, judged)
    assert one.ask(PASSCODE, "writer", "guess") == (NOT_ACCEPTED if judged else (ALL, False))
    assert one.ask(PASSCODE, "nobody", PASSWORD) == (NOT_ACCEPTED if judged else (ALL, False))
    log = log_of(stopped_archive)
    assert PASSWORD not in log and "guess" not in log
    if judged:
        wait_until(lambda: re.search(r"association of RAW .* user writer$", log_of(stopped_archive), re.M), 5, "the line")
        assert "reader of RAW at 127.0.0.1 may not store here: the role of that user is read" in log
        assert "a wrong password client=127.0.0.1 user=writer by a user identity" in log
        assert "association refused: RAW at 127.0.0.1 calling GANTRY: the name or the password is wrong" in log
    if how == "accept":
        wait_until(lambda: "user writer (unproven)" in log_of(stopped_archive), 5, "the line")
    if required:
        assert "it gave no user identity; user_identity: require wants a name with a passcode, or a token" in log
        assert "answers on port" in stopped_archive.manage("alive").stdout


def test_a_reader_is_not_let_store_where_the_class_is_for_getting(stopped_archive):
    one = Archived(stopped_archive, "accept")
    get = {3: (SECONDARY_CAPTURE, EXPLICIT), 7: (STUDY_ROOT + ".3", IMPLICIT)}
    association = Association(one.archive.port, contexts=get, more=identity(PASSCODE, "reader", PASSWORD))
    given = attributes()
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0x0124
    association.release()
    assert not one.archive.files()


def test_odd_identities(stopped_archive):
    one = Archived(stopped_archive, "accept")
    for given in ((PASSCODE, "", ""), (PASSCODE, "a:b", PASSWORD), (PASSCODE, "w" * 2000, PASSWORD), (PASSCODE, "writer", "x" * 9000), (PASSCODE, "writer\0", PASSWORD),
                  (JWT, ""), (JWT, "a.b.c"), (JWT, "x" * 30000)):
        assert one.ask(*given) in (NOT_ACCEPTED, NOT_NOW), given[:1]
    assert one.ask(9, "what") == (ALL, False)
    assert one.ask(NAME, "Ada\nLovelace \x1b[31m") == (ALL, False)
    wait_until(lambda: "user Ada?Lovelace??[31m (unproven)" in log_of(one.archive), 5, "the line")


def test_who_guesses_waits_here_too(stopped_archive):
    one = Archived(stopped_archive, "require")
    answers = [one.ask(PASSCODE, "writer", f"guess {n}") for n in range(8)]
    assert answers[:5] == [NOT_ACCEPTED] * 5 and NOT_NOW in answers[5:]
    assert "too many wrong passwords or tokens came from this address" in log_of(one.archive)


def test_users_that_come_later(stopped_archive):
    one = Archived(stopped_archive, "require")
    assert one.ask(PASSCODE, "late", PASSWORD) == NOT_ACCEPTED
    add(one.archive, "late", "write")
    assert one.ask(PASSCODE, "late", PASSWORD) == (ALL, True)
    one.archive.manage("users", "remove", "late")
    assert one.ask(PASSCODE, "late", PASSWORD) == NOT_ACCEPTED


def test_require_without_users_does_not_start(stopped_archive):
    stopped_archive.set("user_identity", "require")
    done = stopped_archive.manage("runserver", check=False)
    assert done.returncode == 1 and "user_identity is require, but there is no user" in done.stderr


def test_tokens(stopped_archive, tmp_path):
    archive = stopped_archive
    archive.manage("users", "add", "robot", "--role", "write", "--no_password")
    token = re.search(r"gantry_[\w-]+", archive.manage("users", "token", "robot", "-l", "ct").stdout)[0]
    for key, value in (("secret", f"'{SECRET}'"), ("issuer", claims_for()["iss"]), ("audience", "pacs")):
        archive.set(f"api.auth.jwt_{key}", value)
    one = Archived(archive, "require")
    assert one.ask(JWT, token) == (ALL, True)
    assert one.ask(JWT, token[:-1] + "x") == NOT_ACCEPTED
    assert one.ask(JWT, hs256(claims_for(roles=["write"]))) == (ALL, True)
    assert one.ask(JWT, hs256(claims_for(roles=["read"]))) == (READS, True)
    assert one.ask(JWT, hs256(claims_for(roles=[]))) == NOT_ACCEPTED
    assert one.ask(JWT, hs256(claims_for(roles=["write"], exp=1))) == NOT_ACCEPTED
    assert one.ask(JWT, hs256(claims_for(roles=["write"]), "another secret of the length that is wanted")) == NOT_ACCEPTED
    assert token not in log_of(archive) and "has no role here" in log_of(archive)
    # Our own clients.
    at = ["127.0.0.1", archive.port, "-aec", "GANTRY", "-v", "0"]
    file = tmp_path / "token"
    file.write_text(token + "\n")
    archive.manage("echo", *at, "--user-jwt", file)
    assert archive.manage("echo", *at, check=False).returncode == 1


def test_our_clients_and_dcmtk(stopped_archive, few, tmp_path):
    one = Archived(stopped_archive, "require")
    archive, at = one.archive, ["127.0.0.1", one.archive.port, "-aec", "GANTRY", "-v", "0"]
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    writer, reader = (["--user", name, "--user-password", secret] for name in ("writer", "reader"))
    done = archive.manage("echo", *at, *writer)
    assert done.stderr == ""
    archive.manage("echo", *at, "--user", "writer", "--user-password", "-", stdin=PASSWORD + "\n")
    archive.manage("store", *at, "-sp", "fs", "-pd", few, *writer)
    assert len(archive.files()) == 4
    assert archive.manage("store", *at, "-sp", "fs", "-pd", few, *reader, check=False).returncode == 1
    archive.manage("find", *at, *reader)
    done = archive.manage("echo", *at, "--user", "writer", check=False)
    assert done.returncode == 1 and "rejected (permanent) by service user: no reason given; does it want another user identity" in done.stderr
    done = archive.manage("echo", *at, "--user-password", secret, check=False)
    assert done.returncode == 1 and "--user-password needs --user" in done.stderr
    done = archive.manage("echo", *at, "--user", "writer", "--user-password", tmp_path / "none", check=False)
    assert done.returncode == 1 and "No such file" in done.stderr
    # DCMTK's client says who uses it, …
    image = few / "11.dcm"
    run("storescu", "-aec", "GANTRY", "-usr", "writer", "-pwd", PASSWORD, "-rsp", "127.0.0.1", archive.port, image)
    assert run("storescu", "-aec", "GANTRY", "-usr", "writer", "-pwd", "guess", "127.0.0.1", archive.port, image, check=False).returncode != 0
    assert run("storescu", "-aec", "GANTRY", "-usr", "writer", "127.0.0.1", archive.port, image, check=False).returncode != 0
    # … and its server does not care, which is told.
    sink = Storescp(tmp_path, "SINK")
    try:
        done = archive.manage("echo", "127.0.0.1", sink.port, "-aec", "SINK", "-v", "0", *writer)
        assert "did not confirm the user identity" in done.stderr
    finally:
        sink.kill()
