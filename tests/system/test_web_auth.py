# SPDX-License-Identifier: MIT
"""Who may do what over HTTP: users, tokens, and tokens that others judge (spec row WEB-22)."""
import base64
import collections
import concurrent.futures
import hmac
import http.server
import json
import os
import pty
import select
import ssl
import stat
import subprocess
import threading
import time
import urllib.parse

import pytest
from programs import run, wait_until
from web import Web

PASSWORD = "correct horse: battery"


def basic(name, password=PASSWORD):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def add(archive, name, role, password=PASSWORD):
    archive.manage("users", "add", name, "--role", role, stdin=password + "\n")


@pytest.fixture
def web(stopped_archive):
    """Not running yet."""
    return Web(stopped_archive, dicomweb__allow_delete=True)


def logs(archive):
    return "".join(path.read_text(errors="replace") for path in (archive.folder / "log").rglob("*") if path.is_file())


# -- users --

def test_users_and_what_their_roles_may(web):
    for role in ("read", "write", "delete", "admin"):
        add(web.archive, f"the-{role}", role)
    web.archive.start()
    may = {"read": (True, False, False), "write": (True, True, False), "delete": (True, True, True), "admin": (True, True, True)}
    for role, expected in may.items():
        who = {"Authorization": basic(f"the-{role}")}
        got = (web.get("/dicom-web/studies", **who),
               web.ask("POST", "/dicom-web/studies", b"--b--\r\n", Content_Type='multipart/related; type="application/dicom"; boundary=b', **who),
               web.ask("DELETE", "/dicom-web/studies/1.2.3", **who))
        assert tuple(answer.status not in (401, 403) for answer in got) == expected, (role, [answer.status for answer in got])
        for answer, allowed in zip(got, expected):
            assert allowed or f"the-{role} has the role {role}" in answer.problem()
    assert "needs the role delete" in web.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization=basic("the-write")).problem()
    assert web.get("/metrics", Authorization=basic("the-read")).status == 200


def test_without_credentials_401_says_what_to_send(web):
    add(web.archive, "anna", "read")
    web.archive.start()
    answer = web.get("/dicom-web/studies")
    assert answer.status == 401 and "Authorization" in answer.problem()
    assert answer.headers.get_all("WWW-Authenticate") == ['Bearer realm="gantry"', 'Basic realm="gantry", charset="UTF-8"']
    for header in (basic("anna", "wrong"), basic("nobody"), "Basic", "Basic !!!", "Basic " + base64.b64encode(b"no colon").decode(),
                   "Basic " + base64.b64encode(b"anna:" + PASSWORD.encode() + b"\0").decode(), "Bearer", "Bearer gantry_x", "Bearer e.e.e",
                   "Digest username=anna", "x" * 100, basic("a" * 2000)):
        answer = web.get("/metrics", Authorization=header)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"], header
        answer.problem()
    for path in ("/", "/health", "/openapi.json"):
        assert web.get(path).status == 200


def test_on_loopback_nobody_is_asked_until_there_is_a_user(web):
    web.archive.start()
    assert web.get("/metrics").status == 200
    add(web.archive, "anna", "read")
    assert web.get("/metrics").status == 401
    assert web.get("/metrics", Authorization=basic("anna")).status == 200
    web.archive.manage("users", "remove", "anna")
    assert web.get("/metrics", Authorization=basic("anna")).status == 401  # the last user is gone: still nobody comes in unasked


def test_a_change_of_the_users_counts_at_once(web):
    archive = web.archive
    add(archive, "anna", "read")
    archive.start()
    assert web.get("/metrics", Authorization=basic("anna")).status == 200
    archive.manage("users", "passwd", "anna", stdin="another password\n")
    assert web.get("/metrics", Authorization=basic("anna")).status == 401
    assert web.get("/metrics", Authorization=basic("anna", "another password")).status == 200
    archive.manage("users", "role", "anna", "delete")
    assert web.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization=basic("anna", "another password")).status not in (401, 403)
    archive.manage("users", "role", "anna", "read")
    assert web.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization=basic("anna", "another password")).status == 403
    users = archive.folder / "app/users.yml"
    users.write_text(users.read_text() + "broken: [\n")
    assert web.get("/metrics", Authorization=basic("anna", "another password")).status == 200
    assert "the users are those of before" in logs(archive)


def test_tokens_of_programs(web):
    archive = web.archive
    archive.manage("users", "add", "ohif", "--role", "read", "--no_password")
    done = archive.manage("users", "token", "ohif", "-l", "viewer")
    token = done.stdout.strip()
    assert token.startswith("gantry_") and len(token) == 50 and "once" in done.stderr
    archive.start()
    assert web.get("/metrics", Authorization="Bearer " + token).status == 200
    assert web.get("/metrics", Authorization="bearer  " + token).status == 200
    assert web.get("/metrics", Authorization="Bearer " + token[:-1]).status == 401
    refused = web.get("/metrics", Authorization=basic("ohif", "anything"))
    assert refused.status == 401 and all("Basic" not in line for line in refused.headers.get_all("WWW-Authenticate"))
    assert archive.manage("users", "token", "ohif", "-l", "viewer", check=False).returncode == 1
    assert json.loads(archive.manage("users", "list", "--json").stdout) == [
        {"name": "ohif", "role": "read", "password": False, "tokens": ["viewer"]}]
    archive.manage("users", "token", "ohif", "-l", "viewer", "--remove")
    assert web.get("/metrics", Authorization="Bearer " + token).status == 401
    assert token[7:] not in logs(archive) + archive.manage("settings", "show").stdout + (archive.folder / "app/users.yml").read_text()


def test_who_guesses_waits(web):
    add(web.archive, "anna", "read")
    add(web.archive, "berta", "read")
    web.archive.start()
    assert web.get("/metrics", Authorization=basic("berta")).status == 200
    statuses = [web.get("/metrics", Authorization=basic("anna", f"guess {n}")) for n in range(8)]
    assert [answer.status for answer in statuses[:5]] == [401] * 5
    late = next(answer for answer in statuses if answer.status == 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 60 and "wait" in late.problem()
    assert web.get("/metrics", Authorization=basic("berta")).status == 200  # known already: does not pay for others


def test_who_guesses_tokens_waits(web):
    web.archive.manage("users", "add", "ohif", "--role", "read", "--no_password")
    token = web.archive.manage("users", "token", "ohif", "-l", "viewer").stdout.strip()
    web.archive.start()
    assert web.get("/metrics", Authorization="Bearer " + token).status == 200
    statuses = [web.get("/metrics", Authorization=f"Bearer gantry_{n:043}") for n in range(8)]
    assert [answer.status for answer in statuses[:5]] == [401] * 5
    late = next(answer for answer in statuses if answer.status == 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 60 and "tokens" in late.problem()
    assert web.get("/metrics", Authorization="Bearer " + token).status == 200  # known already
    assert "a wrong token" in logs(web.archive) and f"{7:043}" not in logs(web.archive)


def test_the_log_names_the_user_and_no_secret(web):
    add(web.archive, "anna", "read")
    web.archive.start()
    web.get("/metrics", Authorization=basic("anna"))
    web.get("/metrics", Authorization=basic("anna", "Sesame-42"))
    web.get("/metrics", Authorization=basic("Sesame-43", "x"))
    wait_until(lambda: "a wrong password" in logs(web.archive) and "user=anna" in logs(web.archive))
    text = logs(web.archive)
    assert "user=anna" in text and "user=(unknown)" in text
    for secret in (PASSWORD, "Sesame", "$y$", basic("anna").split()[1]):
        assert secret not in text, secret


def test_many_at_once_are_let_in(web):
    add(web.archive, "anna", "read")
    web.archive.start()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert {answer.status for answer in pool.map(lambda _: web.get("/metrics", Authorization=basic("anna")), range(48))} == {200}


def test_preflights_need_no_credentials(web):
    web.archive.set("api.cors_origins", "['https://viewer.example']")
    add(web.archive, "anna", "read")
    web.archive.start()
    answer = web.ask("OPTIONS", "/dicom-web/studies", Origin="https://viewer.example", Access_Control_Request_Method="GET",
                     Access_Control_Request_Headers="authorization")
    assert answer.status == 204 and "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert web.get("/dicom-web/studies", Origin="https://viewer.example").headers["Access-Control-Allow-Origin"] == "https://viewer.example"


# -- the command --

def test_users_file_and_its_command(stopped_archive):
    users = stopped_archive.folder / "app/users.yml"
    assert "no users" in stopped_archive.manage("users", "list").stdout
    add(stopped_archive, "anna", "write")
    assert stat.S_IMODE(users.stat().st_mode) == 0o600 and "$y$" in users.read_text() and PASSWORD not in users.read_text()
    for arguments, word in ((("add", "anna", "-r", "read"), "already"), (("add", "-r", "read"), "required"), (("add", "b"), "role"),
                            (("add", "../b", "-r", "read"), "letters"), (("add", "b:c", "-r", "read"), "letters"),
                            (("add", "b", "-r", "king"), "choose from"), (("remove", "b"), "no user b"), (("passwd", "b"), "no user b"),
                            (("token", "b"), "no user b"), (("token", "anna", "--remove"), "no token"), (("role", "b", "read"), "no user b")):
        done = stopped_archive.manage("users", *arguments, stdin=PASSWORD + "\n", check=False)
        assert done.returncode and word in done.stderr, (arguments, done.stderr)
    for password, word in (("", "no password"), ("short", "8 to 256"), ("x" * 300, "longer")):
        done = stopped_archive.manage("users", "add", "b", "-r", "read", stdin=password + "\n", check=False)
        assert done.returncode == 1 and word in done.stderr
    assert "anna" in stopped_archive.manage("users", "list").stdout and len(users.read_text().splitlines()) == 4
    users.chmod(0o644)
    assert "chmod 600" in stopped_archive.manage("users", "list", check=False).stderr


def test_a_password_is_typed_without_echo(stopped_archive):
    def session(*typed):
        pid, terminal = pty.fork()
        if not pid:
            manage = str(stopped_archive.folder / "manage")
            os.execv(manage, [manage, "users", "add", "anna", "--role", "read"])
        shown = b""
        for text in typed:
            wait_until(lambda: select.select([terminal], [], [], 0.1)[0], 20, "a prompt")
            while b": " not in shown.rpartition(b"\n")[2]:
                shown += os.read(terminal, 1000)
            time.sleep(0.05)
            os.write(terminal, text)
        try:
            while piece := os.read(terminal, 1000):
                shown += piece
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()

    code, shown = session(b"typed-secret\n", b"another-secret\n")
    assert code == 1 and "two different" in shown and "secret" not in shown
    code, shown = session(b"typed-secret\n", b"typed-secret\n")
    assert code == 0 and "Password of anna" in shown and "secret" not in shown


# -- tokens that others judge --

class Validator:
    """Answers as `verdicts` says, by token; what was asked is kept. Hands out `keys` to who GETs them."""

    def __init__(self):
        self.verdicts, self.asked, self.wait = {}, [], 0
        self.keys, self.fetched = None, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.asked.append((self.path, self.headers["Content-Type"], body))
                token = urllib.parse.parse_qs(body)["token"][0]
                time.sleep(outer.wait)
                status, media, answer = outer.verdicts.get(token, (401, "application/json", b'{"detail": "no"}'))
                self.send_response(status)
                if media:
                    self.send_header("Content-Type", media)
                if status in (301, 302):
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self):
                outer.fetched += 1
                body = (outer.keys or "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/check"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def validator():
    validator = Validator()
    yield validator
    validator.stop()


@pytest.fixture
def judged(stopped_archive, validator):
    web = Web(stopped_archive, dicomweb__jwt_validate=True, dicomweb__jwt_validate_url=validator.url)
    web.archive.start()
    return web


PROTECTED = ("/qidors/studies", "/wadors/studies/1.2.3", "/dicom-web/studies", "/dicom-web/studies/1.2.3/metadata", "/metrics")


def test_jwt_without_a_bearer_token_is_403_in_plain_text(judged, validator):
    for path in PROTECTED:
        for headers in ({}, {"Authorization": basic("anna")}, {"Authorization": "Token x"}, {"Authorization": "x"}):
            answer = judged.get(path, **headers)
            assert answer.status == 403 and answer.headers["Content-Type"].startswith("text/plain"), (path, headers)
    assert not validator.asked
    assert judged.get("/health").status == judged.get("/swagger/").status == 200


def test_jwt_that_is_accepted_passes_and_is_remembered(judged, validator):
    validator.verdicts["good"] = (200, "text/plain", b"ok")
    for path in PROTECTED:
        assert judged.get(path, Authorization="Bearer good").status in (200, 204, 404)
    assert validator.asked == [("/check", "application/x-www-form-urlencoded", "token=good")]
    validator.verdicts["a+b/c=&d"] = (200, "text/plain", b"ok")
    assert judged.get("/metrics", Authorization="Bearer a+b/c=&d").status == 200
    assert judged.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization="Bearer good").status == 403  # the role is write


def test_jwt_refusals_are_passed_on(judged, validator):
    validator.verdicts = {"late": (401, "application/json; charset=utf-8", b'{"detail": "expired"}'), "forbidden": (403, "text/html", b"<p>no</p>"),
                          "elsewhere": (302, "text/plain", b"go"), "broken": (500, None, b"oops"), "empty": (204, None, b""),
                          "much": (418, "text/plain", b"x" * 200000)}
    for token, (status, media, body) in validator.verdicts.items():
        for _ in range(2):  # a refusal is not remembered
            answer = judged.get("/qidors/studies", Authorization="Bearer " + token)
            assert answer.status == status and answer.body == body[:65536], token
            assert media is None or answer.headers["Content-Type"] == media
    assert collections.Counter(body for _, _, body in validator.asked) == {f"token={token}": 2 for token in validator.verdicts}
    validator.verdicts["late"] = (200, "text/plain", b"")
    assert judged.get("/metrics", Authorization="Bearer late").status == 200


def test_jwt_is_asked_for_once_by_many(judged, validator):
    validator.verdicts["good"], validator.wait = (200, "text/plain", b""), 0.3
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert {a.status for a in pool.map(lambda _: judged.get("/metrics", Authorization="Bearer good"), range(12))} == {200}
    assert len(validator.asked) == 1


def test_jwt_without_memory_is_asked_for_each_time(stopped_archive, validator):
    web = Web(stopped_archive, dicomweb__jwt_validate=True, dicomweb__jwt_validate_url=validator.url, auth__remember=0,
              auth__validated_role="delete", dicomweb__allow_delete=True)
    web.archive.start()
    validator.verdicts["good"] = (200, "text/plain", b"")
    for _ in range(3):
        assert web.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization="Bearer good").status not in (401, 403)
    assert len(validator.asked) == 3


def test_jwt_and_nobody_who_judges(judged, validator):
    validator.server.socket.close()
    answer = judged.get("/qidors/studies", Authorization="Bearer good")
    assert answer.status == 502 and "does not answer" in answer.problem() and "127.0.0.1" not in answer.problem()
    assert "Bearer" not in logs(judged.archive) and "good" not in logs(judged.archive)


def test_jwt_is_not_shown_to_a_judge_whom_nobody_vouches_for(stopped_archive, tmp_path, validator):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", tmp_path / "k.pem", "-out",
        tmp_path / "c.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    validator.server.socket = context.wrap_socket(validator.server.socket, server_side=True)
    validator.verdicts["good"] = (200, "text/plain", b"")
    web = Web(stopped_archive, dicomweb__jwt_validate=True, dicomweb__jwt_validate_url=validator.url.replace("http://127.0.0.1", "https://localhost"))
    web.archive.start()
    assert web.get("/metrics", Authorization="Bearer good").status == 502
    assert not validator.asked and "certificate" in logs(web.archive)


def test_users_beside_jwt(judged, validator):
    add(judged.archive, "anna", "read")
    validator.verdicts["good"] = (200, "text/plain", b"")
    assert judged.get("/metrics", Authorization=basic("anna")).status == judged.get("/metrics", Authorization="Bearer good").status == 200
    assert judged.get("/metrics").status == 401
    assert judged.get("/metrics", Authorization="Bearer gantry_" + "x" * 43).status == 401
    assert len(validator.asked) == 1  # what may be a token of ours goes nowhere else


# -- tokens that are verified here --

ISSUER = "https://issuer.example/realms/hospital"
SECRET = "a secret that two servers share, and nobody else"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_for(**more):
    return {"iss": ISSUER, "aud": ["pacs", "other"], "exp": int(time.time()) + 300, "sub": "anna", **more}


def signed_part(header, claims):
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"


def hs256(claims, secret=SECRET):
    text = signed_part({"alg": "HS256", "typ": "JWT"}, claims)
    return f"{text}.{b64(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"


class Issuer:
    """A key pair made with openssl."""

    def __init__(self, folder, kid):
        self.key, self.kid = folder / f"{kid}.pem", kid
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        modulus = run("openssl", "rsa", "-in", self.key, "-noout", "-modulus").stdout.strip().split("=")[1]
        self.jwk = {"kty": "RSA", "use": "sig", "kid": kid, "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}

    def token(self, **more):
        text = signed_part({"alg": "RS256", "kid": self.kid}, claims_for(**more))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), capture_output=True, timeout=60, check=True)
        return f"{text}.{b64(done.stdout)}"


def verifying(archive, **settings):
    return Web(archive, auth__jwt_issuer=ISSUER, auth__jwt_audience="pacs", dicomweb__allow_delete=True, **settings)


def test_jwt_with_a_shared_secret(stopped_archive):
    web = verifying(stopped_archive, auth__jwt_secret=f"'{SECRET}'")
    web.archive.start()
    for claims, word in ((claims_for(roles=["read"]), None), (claims_for(roles="other read"), None), (claims_for(roles="read", exp=1), "expired"),
                         (claims_for(roles="read", aud="x"), "another audience"), (claims_for(roles="read", iss="x"), "another issuer"),
                         (claims_for(roles="read", nbf=time.time() + 1000), "not valid yet")):
        answer = web.get("/metrics", Authorization="Bearer " + hs256(claims))
        assert answer.status == (401 if word else 200), (claims, answer.body)
        if word:
            assert word in answer.problem() and 'error="invalid_token", error_description="' in answer.headers["WWW-Authenticate"]
            assert word in answer.headers["WWW-Authenticate"]
    none = signed_part({"alg": "none"}, claims_for(roles="admin"))
    for token in (hs256(claims_for(roles="read"), "another secret of thirty-two letters"), none + ".", none + ".AAAA", "x", "a.b.c"):
        answer = web.get("/metrics", Authorization="Bearer " + token)
        assert answer.status == 401 and "oken" in answer.problem(), token
    for roles in ([], None, {"read": True}, "reader", ["READ"], 7):
        answer = web.get("/metrics", Authorization="Bearer " + hs256(claims_for(roles=roles)))
        assert answer.status == 403 and "anna has none" in answer.problem(), roles
    assert web.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization="Bearer " + hs256(claims_for(roles=["read", "delete"]))).status not in (401, 403)
    assert "write" in web.ask("DELETE", "/dicom-web/studies/1.2.3", Authorization="Bearer " + hs256(claims_for(roles="write"))).problem()
    assert web.get("/metrics").status == 401 and web.get("/metrics", Authorization=basic("anna")).status == 401
    web.get("/health?end")
    wait_until(lambda: "user=anna" in logs(web.archive))
    assert SECRET not in logs(web.archive) + web.archive.manage("settings", "show").stdout


def test_who_guesses_json_web_tokens_waits(stopped_archive):
    """Not who comes with one that has expired, and nobody pays for others; who tries passwords from there does."""
    web = verifying(stopped_archive, auth__jwt_secret=f"'{SECRET}'")
    add(stopped_archive, "anna", "read")
    stopped_archive.start()
    expired, good = hs256(claims_for(roles="read", exp=1)), hs256(claims_for(roles="read"))
    assert {web.get("/metrics", Authorization="Bearer " + expired).status for _ in range(12)} == {401}
    answers = [web.get("/metrics", Authorization="Bearer " + hs256(claims_for(roles="read", jti=str(n)), "another secret of thirty-two letters")) for n in range(8)]
    assert [answer.status for answer in answers[:5]] == [401] * 5
    late = next(answer for answer in answers if answer.status == 429)
    assert 1 <= int(late.headers["Retry-After"]) <= 60 and "tokens" in late.problem()
    assert web.get("/metrics", Authorization="Bearer " + good).status == 200
    assert web.get("/metrics", Authorization=basic("anna")).status == 429
    assert web.get("/metrics", Authorization="Bearer " + expired).status == 401


def test_jwt_with_the_keys_of_a_file(stopped_archive, tmp_path):
    first, second = Issuer(tmp_path, "first"), Issuer(tmp_path, "second")
    keys = stopped_archive.folder / "app/keys.json"
    keys.write_text(json.dumps({"keys": [first.jwk]}))
    web = verifying(stopped_archive, auth__jwt_keys_file="app/keys.json", auth__jwt_role_claim="realm_access.roles", auth__jwt_user_claim="name",
                    auth__jwt_roles="['radiologists=write', 'a=b=admin']")
    web.archive.start()

    def status(method, path, issuer, **more):
        return web.ask(method, path, Authorization="Bearer " + issuer.token(**more)).status

    doctor = {"realm_access": {"roles": ["offline", "radiologists"]}, "name": "Dr. A\nuser=root"}
    assert status("GET", "/metrics", first, **doctor) == 200
    assert status("DELETE", "/dicom-web/studies/1.2.3", first, **doctor) == 403
    assert status("DELETE", "/dicom-web/studies/1.2.3", first, realm_access={"roles": ["a=b"]}) not in (401, 403)
    assert status("GET", "/metrics", first, roles="admin", realm_access={"roles": ["admin", "write"]}) == 403
    assert status("GET", "/metrics", second, **doctor) == 401
    # What everybody knows is no secret of an HMAC.
    for secret in (json.dumps(first.jwk), first.jwk["n"], run("openssl", "pkey", "-in", first.key, "-pubout").stdout):
        assert web.get("/metrics", Authorization="Bearer " + hs256(claims_for(**doctor), secret)).status == 401
    keys.write_text(json.dumps({"keys": [second.jwk]}))
    assert status("GET", "/metrics", second, **doctor) == 200 and status("GET", "/metrics", first, **doctor) == 401
    keys.write_text("{")
    assert status("GET", "/metrics", second, **doctor) == 200
    text = logs(web.archive)
    assert "are those of before" in text and "user=Dr.?A?user=root" in text


def test_jwt_with_the_keys_of_an_address(stopped_archive, tmp_path, validator):
    first, second = Issuer(tmp_path, "first"), Issuer(tmp_path, "second")
    web = verifying(stopped_archive, auth__jwt_keys_url=validator.url)
    web.archive.start()
    validator.keys = json.dumps({"keys": [first.jwk]})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: web.get("/metrics", Authorization="Bearer " + first.token(roles="read")).status, range(8)))
    assert answers == [200] * 8 and validator.fetched == 1
    # A key that is not there is looked for, but not as often as somebody likes.
    for _ in range(5):
        assert web.get("/metrics", Authorization="Bearer " + second.token(roles="read")).status == 401
    assert validator.fetched == 1
    assert web.get("/metrics", Authorization="Bearer " + first.token(roles="read")).status == 200


def test_jwt_while_the_keys_are_not_there(stopped_archive, tmp_path, validator):
    web = verifying(stopped_archive, auth__jwt_keys_url=validator.url)
    web.archive.start()
    answer = web.get("/metrics", Authorization="Bearer " + Issuer(tmp_path, "first").token(roles="admin"))
    assert answer.status == 503 and answer.headers["Retry-After"] and "keys" in answer.problem()
    assert "cannot be fetched: the answer has status 404" in logs(web.archive)


@pytest.mark.parametrize("settings, word", [
    ({"auth__jwt_secret": "short"}, "32 bytes"),
    ({"auth__jwt_keys_file": "no/such.json"}, "such.json"),
    ({"auth__jwt_keys_file": "app/settings.yml"}, "no set of keys"),
    ({"auth__jwt_keys_url": "http://issuer.example/keys"}, "https://"),
    ({"auth__jwt_keys_url": "http://localhost@issuer.example/keys"}, "https://"),
    ({"auth__jwt_secret": "x" * 40, "auth__jwt_keys_file": "x"}, "keep one"),
    ({"auth__jwt_secret": "x" * 40, "auth__jwt_audience": "''"}, "jwt_audience"),
    ({"auth__jwt_secret": "x" * 40, "dicomweb__jwt_validate": True}, "take one of them away"),
    ({"auth__jwt_secret": "x" * 40, "auth__jwt_roles": "[doctors]"}, "VALUE=ROLE"),
])
def test_jwt_settings_that_cannot_work(stopped_archive, settings, word):
    verifying(stopped_archive)
    Web(stopped_archive, **settings)
    done = stopped_archive.manage("runserver", check=False, timeout=20)
    assert done.returncode == 1 and word in done.stderr and "x" * 40 not in done.stderr, done.stderr
