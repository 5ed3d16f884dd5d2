# SPDX-License-Identifier: MIT
"""DICOM over TLS, both ways, against DCMTK's tools: trust, names, certificates bound to AE titles, files that change, ports that are mistaken. DCM-23"""
import json
import shutil
import socket
import ssl
import time

import pytest
from archive import as_program
from certificates import Authority
from dimse import VERIFICATION, associate_rq
from peers import Storescp
from programs import Server, free_port, run, wait_until


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    one = Authority(folder / "own", "Test Authority")
    one.server, one.client = one.issue("archive"), one.issue("ct1.example.org", None)
    one.other = Authority(folder / "other", "Other Authority")
    one.stranger = one.other.issue("stranger")
    one.expired, one.elsewhere = one.issue("expired", days=(-9, -2)), one.issue("elsewhere", "DNS:elsewhere.example")
    yield one
    shutil.rmtree(folder, ignore_errors=True)


def with_tls(archive, authority, clients="require", **more):
    """Settings of TLS on a port of its own."""
    settings = {"port": free_port(), "certificate": authority.server.pem, "key": authority.server.key, "ca": authority.pem, "clients": clients, **more}
    for key, value in settings.items():
        archive.set(f"tls.{key}", value)
    archive.tls_port = settings["port"]
    return archive


def dcmtk(certificate, authority):
    return ["+tls", certificate.key, certificate.pem, "+cf", authority.pem]


def ours(certificate, authority, key="--cert-key"):
    return ["--tls", "--ca", authority.pem, *(["--cert", certificate.pem, key, certificate.key] if certificate else [])]


def log_of(archive):
    return (archive.folder / "log/pacs.log").read_text()


def echoscu(archive, *options, aet="ECHOSCU", port=None):
    done = run("echoscu", "-v", "-to", "5", "-aet", aet, "-aec", "GANTRY", *options, "127.0.0.1", port or archive.tls_port, check=False)
    return done.returncode == 0 and "Received Echo Response (Success)" in done.stdout + done.stderr


# -- DCMTK's clients and our server --

@pytest.mark.asan
def test_dcmtk_clients(stopped_archive, authority, few):
    archive = with_tls(stopped_archive, authority).start()
    port, options = archive.tls_port, dcmtk(authority.client, authority)
    assert echoscu(archive, *options)
    run("storescu", "-aec", "GANTRY", *options, "+sd", "127.0.0.1", port, few)
    assert len(archive.files()) == 4
    done = run("findscu", "-v", "-aec", "GANTRY", *options, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=FEW", "-k", "StudyInstanceUID", "127.0.0.1", port)
    assert "Find Response: 1" in done.stdout + done.stderr
    assert "open now, TLS with the certificate of ct1.example.org" in log_of(archive)
    assert f"# Port TLS : {port}" in archive.server.output()
    # The plain port is there as well.
    assert echoscu(archive, port=archive.port)


def test_an_archive_moves_over_tls_to_dcmtk(stopped_archive, authority, few, tmp_path):
    archive = with_tls(stopped_archive, authority).start()
    sink = Storescp(tmp_path, "SINK", *dcmtk(authority.client, authority))
    try:
        run("storescu", "-aec", "GANTRY", "+sd", "127.0.0.1", archive.port, few)
        entry = archive.folder / "app/white_list/sink.yml"

        def moved(rules):
            entry.write_text(f"SINK: {{ip: 127.0.0.1, port: {sink.port}{rules}}}\n")
            done = run("movescu", "-v", "-aec", "GANTRY", "-aem", "SINK", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=FEW", "127.0.0.1",
                       archive.port, check=False)
            return "Success" in done.stdout + done.stderr
        assert not moved("")
        assert not moved(", tls: yes"), "its certificate names another host"
        assert "the certificate of 127.0.0.1 is for ct1.example.org" in log_of(archive)
        assert not moved(", certificate: somebody.else")
        assert "which is not the one it must have" in log_of(archive)
        assert not list(sink.folder.iterdir())
        assert moved(", certificate: [somebody.else, CT1.example.org]")
        assert len(list(sink.folder.iterdir())) == 4
        assert moved(f", certificate: 'sha256:{authority.client.sha256()}'")
    finally:
        sink.kill()


# -- our clients and DCMTK's servers --

def test_our_clients_and_storescp(stopped_archive, authority, few, tmp_path):
    archive = stopped_archive
    peer = Storescp(tmp_path, "SINK", *dcmtk(authority.server, authority))
    try:
        at, options = ["127.0.0.1", peer.port, "-aec", peer.aet, "-v", "0"], ours(authority.client, authority)
        archive.manage("echo", *at, *options)
        archive.manage("store", *at, "-sp", "fs", "-pd", few, *options)
        assert len(list(peer.folder.iterdir())) == 4
        # Both halves in one file, and the settings in place of options.
        both = tmp_path / "both.pem"
        both.write_text(authority.client.pem.read_text() + authority.client.key.read_text())
        both.chmod(0o600)
        archive.manage("echo", *at, "--tls", "--ca", authority.pem, "--cert", both)
        for key, path in (("ca", authority.pem), ("certificate", authority.client.pem), ("key", authority.client.key)):
            archive.set(f"tls.{key}", path)
        archive.manage("echo", *at, "--tls")
        done = archive.manage("echo", *at, "--ca", authority.pem, check=False)
        assert done.returncode == 1 and "go with --tls" in done.stderr
    finally:
        peer.kill()


@pytest.mark.asan
def test_our_clients_and_our_server(stopped_archive, authority, few, tmp_path):
    archive = with_tls(stopped_archive, authority)
    (archive.folder / "app/white_list/gantry.yml").write_text(f"GANTRY: {{ip: 127.0.0.1, port: {archive.tls_port}, certificate: archive}}\n")
    archive.start()
    at = ["127.0.0.1", archive.tls_port, "-aec", "GANTRY", "--tls"]
    archive.manage("store", *at, "-sp", "fs", "-pd", few, "-v", "0")
    found = json.loads(archive.manage("find", *at, "-k", "PatientID=FEW", "--json").stdout)
    study = found[0]["0020000D"]["Value"][0]
    archive.manage("get", *at, "-stUID", study, "-o", tmp_path / "got")
    assert len([p for p in (tmp_path / "got").rglob("*") if p.is_file()]) == 4
    done = json.loads(archive.manage("move", *at, "-stUID", study, "-aes", "GANTRY", "--json").stdout)
    assert done["completed_objects"] == 4 and not done["failed"]
    archive.manage("move_existing", *at, "-aes", "GANTRY", "-rl", "yes", "--json")
    run(as_program(archive.bin, "gantry"), "load", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "-aet", "OTHER", "-m", "echo", "-n", "20", "-a", "2",
        *ours(authority.client, authority))
    assert "association refused: GANTRY" not in log_of(archive)
    assert archive.manage("echo", "127.0.0.1", archive.port, "-aec", "GANTRY", "-v", "0", check=False).returncode == 1, "its entry wants TLS"


def test_px_tools(stopped_archive, authority, few, tmp_path):
    archive = with_tls(stopped_archive, authority).start()
    at = ["--aet", "OTHER", "--aec", "GANTRY", "--serverIP", "localhost", "--serverPort", archive.tls_port, *ours(authority.client, authority, "--key")]

    def px(name, *words, **options):
        return run(as_program(tmp_path, name), *words, **options)
    assert json.loads(px("px-echo", *at).stdout)["status"] == "success"
    px("px-store", few, *at, "--db", tmp_path / "base/log")
    assert len(archive.files()) == 4
    found = px("px-find", *at, "--PatientID", "FEW", "--json", "--db", tmp_path / "base/log").stdout
    assert json.loads(found)["args"]["tls"] is True
    # px-do goes the way px-find went.
    done = px("px-do", "--then", "retrieve", "--get", "--json", "--db", tmp_path / "base/log", "--datadir", tmp_path / "base/data", stdin=found)
    assert json.loads(done.stdout)
    assert len([p for p in (tmp_path / "base/data").rglob("*.dcm")]) == 4
    done = px("px-echo", "--aec", "GANTRY", "--ca", authority.pem, check=False)
    assert done.returncode == 2 and "go with --tls" in done.stderr


def test_px_listen(authority, few, tmp_path):
    port = free_port()
    server = Server([as_program(tmp_path, "px-listen"), "--port", port, "--address", "127.0.0.1", "--logdir", tmp_path / "base/log", "--tls", "--cert",
                     authority.server.pem, "--key", authority.server.key, "--ca", authority.pem, "--clients", "require"], port, tmp_path / "listen.out")
    try:
        run("storescu", *dcmtk(authority.client, authority), "+sd", "127.0.0.1", port, few)
        assert len(list((tmp_path / "base/data").rglob("*.dcm"))) == 4
        assert run("storescu", "127.0.0.1", port, few / "11.dcm", check=False).returncode != 0
    finally:
        server.kill()


# -- who is not trusted --

def failure(archive, *options, port=None):
    done = archive.manage("echo", "127.0.0.1", port or archive.tls_port, "-aec", "GANTRY", "-v", "0", *options, check=False)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("name, says", [
    ("expired", "the certificate of 127.0.0.1 expired on 20"), ("elsewhere", "the certificate of 127.0.0.1 is for elsewhere, elsewhere.example; call it by that name"),
    ("stranger", "the certificate of 127.0.0.1 was issued by Other Authority, which is not trusted here"),
])
def test_servers_that_are_not_trusted(stopped_archive, authority, name, says):
    certificate = getattr(authority, name)
    archive = with_tls(stopped_archive, authority, "none", certificate=certificate.pem, key=certificate.key).start()
    trust = ["--tls", "--ca", authority.pem]
    assert says in failure(archive, *trust)
    if name == "elsewhere":
        archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", *trust, "--cert-of", "elsewhere.example")
        assert "which is not the one it must have" in failure(archive, *trust, "--cert-of", "another.example")
    archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", *trust, "--cert-of", "any")
    if name == "expired":
        assert f"the certificate {certificate.pem} expired on 20" in log_of(archive)


def test_clients_that_are_not_trusted(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority).start()
    # Its own certificate stands in the settings, and is shown when no other is given.
    archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "--tls", "--ca", authority.pem)
    plain = as_program(archive.bin, "px-echo")
    done = run(plain, "--aec", "GANTRY", "--serverIP", "127.0.0.1", "--serverPort", archive.tls_port, "--tls", "--ca", authority.pem, check=False)
    assert done.returncode == 1 and "127.0.0.1 wants a client certificate; give one (--cert" in done.stderr
    text = failure(archive, *ours(authority.stranger, authority))
    assert "127.0.0.1 does not trust our certificate: it does not know who issued it" in text
    text = failure(archive, *ours(authority.expired, authority))
    assert "127.0.0.1 says that our certificate has expired" in text
    assert not echoscu(archive, "+tla", "-ic"), "anonymous TLS"
    log = log_of(archive)
    for line in ("the peer showed no certificate", "the certificate of the peer was issued by Other Authority, which is not trusted here",
                 "the certificate of the peer expired on 20"):
        assert f"connection refused: TLS with 127.0.0.1: {line}" in log


def test_verify_lets_clients_without_certificate_in(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority, "verify").start()
    at = ["--aet", "OTHER", "--aec", "GANTRY", "--serverIP", "127.0.0.1", "--serverPort", archive.tls_port, "--tls", "--ca", authority.pem]
    echo = as_program(archive.bin, "px-echo")
    run(echo, *at)
    run(echo, *at, "--cert", authority.client.pem, "--key", authority.client.key)
    assert run(echo, *at, "--cert", authority.stranger.pem, "--key", authority.stranger.key, check=False).returncode == 1


# -- certificates that are revoked --

def logged(archive, text):
    """A server may write the reason when its peer knows already that it was refused."""
    wait_until(lambda: text in log_of(archive), 5, text)


def test_revoked_certificates(stopped_archive, authority, tmp_path):
    revoked = authority.revoke(tmp_path / "revoked.pem", authority.elsewhere)
    archive = with_tls(stopped_archive, authority, crl=revoked).start()
    own, other = dcmtk(authority.client, authority), dcmtk(authority.elsewhere, authority)
    assert echoscu(archive, *own)
    assert not echoscu(archive, *other)
    logged(archive, "connection refused: TLS with 127.0.0.1: the certificate of the peer was revoked by Test Authority")
    # The file is replaced, and the server goes on.
    authority.revoke(revoked, authority.client)
    assert not echoscu(archive, *own)
    assert echoscu(archive, *other)
    assert "127.0.0.1 says that our certificate was revoked" in failure(archive, *ours(authority.client, authority))
    # One that cannot be understood: that of before counts.
    revoked.write_text("no list")
    assert not echoscu(archive, *own)
    logged(archive, f"the certificates are those of before: TLS: there is no revocation list in {revoked}")
    revoked.unlink()
    assert not echoscu(archive, *own)
    authority.revoke(revoked)
    assert echoscu(archive, *own)


def test_a_revocation_list_that_ended(stopped_archive, authority, tmp_path):
    revoked = authority.revoke(tmp_path / "revoked.pem", days=(-9, -2))
    archive = with_tls(stopped_archive, authority, crl=revoked).start()
    logged(archive, "TLS: the revocation list of Test Authority ended on 20")
    assert not echoscu(archive, *dcmtk(authority.client, authority))
    says = "the revocation list of Test Authority ended on 20"
    logged(archive, f"connection refused: TLS with 127.0.0.1: {says}")
    logged(archive, "put its next one into the file (--crl, tls.crl), which is read again when it changes")
    authority.revoke(revoked, days=(-9, -2))
    authority.revoke(revoked, days=(-1, 7), add=True)
    assert echoscu(archive, *dcmtk(authority.client, authority)), "the newer one counts, whatever lies beside it"
    authority.revoke(revoked, days=(2, 7))
    assert not echoscu(archive, *dcmtk(authority.client, authority))
    logged(archive, "the revocation list of Test Authority is not valid before 20")
    authority.other.revoke(revoked)
    assert not echoscu(archive, *dcmtk(authority.client, authority))
    logged(archive, "was issued by Test Authority, whose revocation list is missing; put it beside the others")


def test_servers_that_are_revoked(stopped_archive, authority, few, tmp_path):
    """Whom we call: by a command, and by C-MOVE."""
    revoked = authority.revoke(tmp_path / "revoked.pem", authority.client)
    archive = with_tls(stopped_archive, authority, crl=revoked).start()
    sink = Storescp(tmp_path, "SINK", *dcmtk(authority.client, authority))
    try:
        archive.manage("store", "127.0.0.1", archive.port, "-aec", "GANTRY", "-sp", "fs", "-pd", few, "-v", "0")
        (archive.folder / "app/white_list/sink.yml").write_text(f"SINK: {{ip: 127.0.0.1, port: {sink.port}, certificate: CT1.example.org}}\n")
        move = ["movescu", "-v", "-aec", "GANTRY", "-aem", "SINK", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=FEW", "127.0.0.1", archive.port]
        run(*move, check=False)
        assert not list(sink.folder.iterdir())
        logged(archive, "the certificate of 127.0.0.1 was revoked by Test Authority")
        at = ["echo", "127.0.0.1", sink.port, "-aec", "SINK", "-v", "0", "--cert-of", "ct1.example.org", *ours(authority.server, authority)]
        assert "was revoked by Test Authority" in archive.manage(*at, check=False).stderr
        assert archive.manage(*at, "--crl", authority.revoke(tmp_path / "nobody.pem")).returncode == 0
        assert "cannot be understood" in archive.manage(*at, "--crl", broken(revoked, tmp_path), check=False).stderr
        authority.revoke(revoked)
        run(*move)
        assert len(list(sink.folder.iterdir())) == 4
    finally:
        sink.kill()


def broken(source, folder):
    lines = source.read_text().splitlines(keepends=True)
    (folder / "broken.pem").write_text("".join(lines[:2] + lines[3:]))
    return folder / "broken.pem"


def test_intermediate_authorities_and_their_lists(stopped_archive, authority, tmp_path):
    """The list of each issuer is wanted, and an authority may be revoked itself; what is trusted without one needs no list."""
    between = Authority(tmp_path / "between", "Between", authority)
    leaf = between.issue("leaf")
    chain, revoked = tmp_path / "chain.pem", tmp_path / "revoked.pem"
    chain.write_text(leaf.pem.read_text() + between.pem.read_text())
    authority.revoke(revoked)
    archive = with_tls(stopped_archive, authority, crl=revoked).start()
    own = ["--tls", "--ca", authority.pem, "--cert", chain, "--cert-key", leaf.key]
    failure(archive, *own)
    logged(archive, "was issued by Between, whose revocation list is missing")
    between.revoke(revoked, add=True)
    archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "-v", "0", *own)
    authority.revoke(revoked, between)
    between.revoke(revoked, add=True)
    failure(archive, *own)
    logged(archive, "the authority of the certificate of the peer was revoked by Test Authority")
    # A single certificate that is trusted itself.
    alone = tmp_path / "alone.pem"
    alone.write_text(authority.stranger.pem.read_text() + authority.pem.read_text())
    archive.set("tls.ca", alone)
    archive.stop()
    archive.start()
    archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "-v", "0", *ours(authority.stranger, authority))


def test_lists_of_who_is_above_those_that_are_trusted(stopped_archive, authority, tmp_path):
    """An authority that another one vouches for may be all that is trusted: it needs no list, and may have one."""
    between = Authority(tmp_path / "between", "Between", authority)
    leaf, other = between.issue("leaf"), between.issue("other")
    trusted, revoked = tmp_path / "trusted.pem", tmp_path / "revoked.pem"
    trusted.write_text(between.pem.read_text())
    authority.revoke(revoked)
    between.revoke(revoked, other, add=True)
    archive = with_tls(stopped_archive, authority, crl=revoked)
    archive.set("tls.ca", trusted)
    archive.start()
    archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "-v", "0", *ours(leaf, authority))
    failure(archive, *ours(other, authority))
    logged(archive, "the certificate of the peer was revoked by Between")
    authority.revoke(revoked, between)
    between.revoke(revoked, add=True)
    failure(archive, *ours(leaf, authority))
    logged(archive, "the authority of the certificate of the peer was revoked by Test Authority")
    authority.revoke(revoked, days=(-9, -2))
    between.revoke(revoked, add=True)
    archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "-v", "0", *ours(leaf, authority), "--crl", authority.revoke(tmp_path / "now.pem"))
    authority.revoke(revoked)
    between.revoke(revoked, days=(-9, -2), add=True)
    failure(archive, *ours(leaf, authority))
    logged(archive, "the revocation list of Between ended on 20")


# -- certificates and AE titles --

def test_a_title_is_bound_to_a_certificate(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority).start()
    entry = archive.folder / "app/white_list/echoscu.yml"
    own, other = dcmtk(authority.client, authority), dcmtk(authority.server, authority)
    entry.write_text("ECHOSCU: {ip: 127.0.0.1, certificate: ct1.example.org}\n")
    assert echoscu(archive, *own)
    assert not echoscu(archive, *other)
    assert f"its certificate, that of archive, 127.0.0.1, localhost, is not the one it must have; to take it, add `sha256:{authority.server.sha256().replace(':', '').lower()}`" in log_of(archive)
    assert not echoscu(archive, port=archive.port)
    assert "association refused: ECHOSCU at 127.0.0.1 calling GANTRY: it must come over TLS (`tls`, `certificate` in" in log_of(archive)
    entry.write_text(f"ECHOSCU: {{ip: 127.0.0.1, certificate: [nobody, 'sha256:{authority.server.sha256()}']}}\n")
    assert echoscu(archive, *other) and not echoscu(archive, *own)
    entry.write_text("ECHOSCU: {ip: 127.0.0.1, tls: yes}\n")
    assert echoscu(archive, *own) and not echoscu(archive, port=archive.port)
    shown = archive.manage("peers", "ECHOSCU").stdout
    assert "only over TLS (tls)" in shown
    entry.write_text("ECHOSCU: {ip: 127.0.0.1, port: 104, certificate: [a, b]}\n")
    shown = archive.manage("peers", "ECHOSCU").stdout
    assert "only over TLS, with a certificate of a,b (certificate)" in shown and "C-MOVE reaches it at port 104 over TLS" in shown
    found = json.loads(archive.manage("peers", "ECHOSCU", "--json").stdout)[0]
    assert found["tls"] is True and found["certificate"] == "a,b"


def test_nobody_looks_at_certificates(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority, "none").start()
    (archive.folder / "app/white_list/echoscu.yml").write_text("ECHOSCU: {ip: 127.0.0.1, certificate: ct1.example.org}\n")
    assert not echoscu(archive, *dcmtk(authority.client, authority))
    assert "it showed no certificate, or nobody looks at it (tls.clients)" in log_of(archive)


# -- files that change --

def names_shown(port, authority):
    """The common name of the server's certificate."""
    context = ssl.create_default_context(cafile=str(authority.pem))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
        return dict(pair for part in secure.getpeercert()["subject"] for pair in part)["commonName"]


def test_certificates_are_renewed_without_a_restart(stopped_archive, authority, tmp_path):
    pem, key = tmp_path / "live.pem", tmp_path / "live.key"
    for source, to in ((authority.server.pem, pem), (authority.server.key, key)):
        shutil.copy(source, to)
    archive = with_tls(stopped_archive, authority, "none", certificate=pem, key=key).start()
    assert names_shown(archive.tls_port, authority) == "archive"
    renewed = authority.issue("renewed")
    shutil.copy(renewed.pem, pem)
    assert names_shown(archive.tls_port, authority) == "archive", "the key does not fit yet"
    shutil.copy(renewed.key, key)
    assert names_shown(archive.tls_port, authority) == "renewed"
    log = log_of(archive)
    assert "TLS: the certificates are those of before: TLS: key" in log and "TLS: the certificates were read again" in log


# -- ports that are mistaken, peers that are slow, versions --

def test_plain_and_tls_mistaken(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority, "none").start()
    assert not echoscu(archive)
    wait_until(lambda: "TLS with 127.0.0.1: the peer does not speak TLS here" in log_of(archive), 5, "the line")
    done = archive.manage("echo", "127.0.0.1", archive.tls_port, "-aec", "GANTRY", "-v", "0", check=False)
    assert done.returncode == 1 and "TLS" in done.stderr
    assert "127.0.0.1 does not speak TLS here" in failure(archive, "--tls", "--ca", authority.pem, port=archive.port)
    assert any("16 03: this is TLS" in path.read_text() for path in (archive.folder / "log").glob("*.log"))
    assert not echoscu(archive, *dcmtk(authority.client, authority), port=archive.port)
    with socket.create_connection(("127.0.0.1", archive.tls_port), 5) as web:
        web.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while web.recv(100):
            pass
    wait_until(lambda: "does not speak TLS here (this is HTTP)" in log_of(archive), 5, "the line")
    assert archive.server.alive()


def test_a_slow_handshake_is_cut_off(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority, "none")
    archive.set("ae_params.request_timeout", 2)
    archive.start()
    slow = [socket.create_connection(("127.0.0.1", archive.tls_port), 20) for _ in range(5)]
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    begun = time.monotonic()
    open_still = list(slow)
    at = 0
    while open_still and time.monotonic() - begun < 15:
        for one in list(open_still):
            try:
                one.sendall(hello[at % len(hello):at % len(hello) + 1] if at < len(hello) else b"\0")
                one.settimeout(0.01)
                if one.recv(100) == b"":
                    open_still.remove(one)
            except TimeoutError:
                pass
            except OSError:
                open_still.remove(one)
        at += 1
        if at == 5:
            assert echoscu(archive, "+tla", "-ic") or echoscu(archive, *dcmtk(authority.client, authority)), "others are served meanwhile"
        time.sleep(0.1)
    for one in slow:
        one.close()
    assert not open_still, "a handshake that drips is not cut off"
    wait_until(lambda: "the peer did not finish the handshake in time" in log_of(archive), 5, "the line")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version, good", [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions(stopped_archive, authority, version, good):
    archive = with_tls(stopped_archive, authority, "none").start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.pem)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", archive.tls_port), 10) as plain:
        if not good:
            with pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(plain, server_hostname="127.0.0.1")
            return
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            assert "GCM" in secure.cipher()[0] or "CHACHA20" in secure.cipher()[0]
            secure.sendall(associate_rq("GANTRY", "RAW", {1: (VERIFICATION, "1.2.840.10008.1.2")}))
            assert secure.recv(1) == b"\x02"


def test_weak_ciphers_are_refused(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority, "none").start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for weak in ("AES128-SHA:@SECLEVEL=0", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0", "AES256-GCM-SHA384"):
        context.set_ciphers(weak)
        with socket.create_connection(("127.0.0.1", archive.tls_port), 10) as plain, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
    context.set_ciphers("DHE-RSA-AES256-GCM-SHA384")
    with socket.create_connection(("127.0.0.1", archive.tls_port), 10) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        assert secure.cipher()[0] == "DHE-RSA-AES256-GCM-SHA384"


# -- settings --

@pytest.mark.asan
def test_tls_instead_of_the_plain_port(stopped_archive, authority):
    archive = with_tls(stopped_archive, authority, port=stopped_archive.port).start()
    assert echoscu(archive, *dcmtk(authority.client, authority))
    assert not echoscu(archive)
    assert "answers on port" in archive.manage("alive").stdout
    assert archive.manage("settings", "check").stdout.endswith("no problem found\n")


@pytest.mark.parametrize("change, says", [
    ({"certificate": "''"}, "tls.port is set, but tls.certificate is not"), ({"ca": "''"}, "tls.clients is require, but nothing says which authorities"),
    ({"certificate": "/no/such.pem"}, "TLS: certificate /no/such.pem: No such file"), ({"key": "''"}, "TLS: key"),
    ({"ca": "/no/such.pem"}, "TLS: authorities /no/such.pem"), ({"clients": "perhaps"}, "tls.clients: 'perhaps'; allowed is one of none, verify, require"),
    ({"port": "70000"}, "tls.port: '70000'"),
])
def test_settings_that_are_wrong(stopped_archive, authority, change, says):
    archive = with_tls(stopped_archive, authority, **change)
    for command in (["settings", "check"], ["runserver"]):
        done = archive.manage(*command, check=False)
        assert done.returncode == 1 and says in done.stderr, done.stderr


def test_a_key_for_everybody_is_refused(stopped_archive, authority, tmp_path):
    key = tmp_path / "open.key"
    shutil.copy(authority.server.key, key)
    key.chmod(0o644)
    archive = with_tls(stopped_archive, authority, key=key)
    done = archive.manage("settings", "check", check=False)
    assert done.returncode == 1 and f"can be read by every account of this machine; say: chmod 600 {key}" in done.stderr
