# SPDX-License-Identifier: MIT
"""The HTTP server as others meet it: its own routes, the settings, and clients that misbehave."""
import json
import re
import socket
import ssl
import subprocess
import time

import pytest
from postgres import AVAILABLE, Postgres
from programs import PATIENCE, ROOT, SANITIZED, free_port, wait_until
from web import Web, read_all, status_of


@pytest.fixture
def web(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.start()
    return web


# -- its own routes --

def test_health_says_what_is_wrong_or_nothing(web):
    answer = web.get("/health")
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    health = answer.json()
    assert health["status"] == health["index"] == health["space"] == "ok"
    assert health["free_bytes"] > 0 and health["version"]
    assert str(web.archive.folder) not in answer.body.decode()


@pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
def test_health_fails_while_the_database_is_away(stopped_archive):
    postgres = Postgres()
    try:
        postgres.sql("CREATE SCHEMA health")
        postgres.use(stopped_archive, "health")
        web = Web(stopped_archive)
        stopped_archive.start()
        assert web.get("/health").status == 200
        postgres.stop()
        answer = web.get("/health")
        assert answer.status == 503
        health = answer.json()
        assert health["status"] == "failing" and "database" in health["index"] and health["space"] == "ok"
        assert "127.0.0.1" not in answer.body.decode() and str(postgres.port) not in answer.body.decode()
        postgres.start()
        wait_until(lambda: web.get("/health").status == 200, 60, "the database is back")
        stopped_archive.stop()
    finally:
        postgres.remove()


def test_metrics_count_requests_by_route_method_and_status(web):
    for _ in range(3):
        web.get("/health")
    web.get("/no/such/place")
    web.ask("BREW", "/health")
    text = web.get("/metrics").body.decode()
    assert 'gantry_http_requests_total{route="/health",method="GET",status="200"} 3' in text
    assert 'gantry_http_requests_total{route="none",method="GET",status="404"} 1' in text
    assert 'gantry_http_requests_total{route="none",method="other",status="405"} 1' in text
    assert 'gantry_http_request_seconds_count{route="/health"} 3' in text
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total", "gantry_http_connections"):
        assert re.search(rf"(?m)^{name} [0-9.e+]+$", text), name
    # The text format: each name once with its help and type, every line a sample or a comment.
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^{}]*(\{[^{}]*\}[^{}]*)*\})? [-+0-9.e]+", line), line
    types = re.findall(r"(?m)^# TYPE (\S+)", text)
    assert len(types) == len(set(types))


def test_the_openapi_document_has_the_routes_that_are_served_and_no_others(web):
    document = web.get("/openapi.json").json()
    assert document["openapi"].startswith("3.0") and document["servers"] == [{"url": f"http://127.0.0.1:{web.port}"}]
    paths = document["paths"]
    assert "/dicom-web/studies/{study}/series" in paths and "/qidors/studies" in paths and "/health" in paths
    operations = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(operations) == len(set(operations))
    for path, methods in paths.items():
        names = set(re.findall(r"\{(\w+)\}", path))
        known = web.ask("OPTIONS", re.sub(r"\{\w+\}", "1", path))
        assert known.status in (200, 204), path
        for method, operation in methods.items():
            assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == names, path
            assert operation["responses"] and operation["summary"], path
            if known.status == 204:
                assert method.upper() in known.headers["Allow"], path
    assert web.ask("OPTIONS", "/dicom-web/nothing/of/the/kind").status == 404
    assert web.get("/swagger.json").json() == document
    assert web.get("/swagger.yaml").headers["Content-Type"] == "application/yaml"


def test_the_front_page_names_every_route_and_needs_nothing_from_elsewhere(web):
    answer = web.get("/")
    page = answer.body.decode()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in page and "https://" not in page and "<script" not in page
    for path in web.get("/openapi.json").json()["paths"]:
        assert path in page.replace("+}", "}")
    assert 'href="./health"' in page
    assert web.get("/swagger/").status == web.get("/redoc/").status == 200


def test_refusals_are_problem_documents(web):
    assert "/nothing" in web.get("/nothing").problem()
    assert "GET, HEAD, OPTIONS" in web.ask("DELETE", "/health").problem()
    assert web.ask("DELETE", "/health").headers["Allow"] == "GET, HEAD, OPTIONS"
    assert web.ask("HEAD", "/nothing").status == 404


def test_the_access_log_has_no_values(web):
    web.get("/dicom-web/studies?PatientName=Secret%5EName&limit=5")
    web.get("/dicom-web/studies/1.2.3/series", X_Forwarded_For="6.6.6.6")
    web.get("/forged%20line")
    log = web.archive.folder / "log/api_dicomweb.log"
    wait_until(lambda: log.exists() and log.read_text().count("request=") == 3, what="the log")
    text = log.read_text()
    assert "forged" in text
    assert "Secret" not in text and "GET /dicom-web/studies parameters=PatientName,limit status=204" in text
    assert "6.6.6.6" not in text and "/dicom-web/studies/1.2.3/series status=" in text and "client=127.0.0.1" in text


# -- settings --

def test_the_banner_says_on_only_when_it_answers(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.start()
    wait_until(lambda: "Api Sphere DicomWeb" in stopped_archive.server.output(), what="the banner")
    assert re.search(r"Api Sphere DicomWeb \tON", stopped_archive.server.output())
    assert web.get("/dicom-web/studies").status == 204
    stopped_archive.stop()
    stopped_archive.set("api.dicomweb.start", False)
    (stopped_archive.folder / "server.out").unlink(missing_ok=True)
    stopped_archive.start()
    assert web.get("/dicom-web/studies").status == 404 and web.get("/health").status == 200


def test_environment_overrides(stopped_archive):
    port = free_port()
    done = stopped_archive.manage("settings", "show", "--json",
                                  env={"API_SERVER_ENABLED": "yes", "API_SERVER_LISTENING_PORT": str(port), "API_DICOMWEB_ENABLED": "1",
                                       "ALLOWED_HOSTS": "a.example, b.example", "API_SERVER_LISTENING_IP": "127.0.0.2"})
    shown = {key: one["value"] for key, one in json.loads(done.stdout).items()}
    assert shown["api.start"] == "true" and shown["api.port"] == str(port) and shown["api.ip"] == "127.0.0.2"
    assert shown["api.allowed_hosts"] == "a.example, b.example" and shown["api.dicomweb.start"] == "true"


@pytest.mark.parametrize("settings, word", [
    ({"ip": "0.0.0.0"}, "api.authentication: none"),
    ({"tls__certificate": "no/such.pem"}, "such.pem"),
    ({"tls__key": "no/such.pem"}, "api.tls.certificate"),
    ({"dicomweb__root": "no-slash"}, "api.dicomweb.root"),
    ({"dicomweb__jwt_validate": True, "authentication": "none"}, "jwt_validate"),
    ({"dicomweb__jwt_validate": True, "dicomweb__jwt_validate_url": "ftp://a.example"}, "jwt_validate_url"),
])
def test_what_cannot_be_served_is_said_at_the_start(stopped_archive, settings, word):
    Web(stopped_archive, **settings)
    done = stopped_archive.manage("runserver", check=False, timeout=20)
    assert done.returncode == 1 and word in done.stderr, done.stderr


def test_a_taken_port_is_an_error_at_the_start(stopped_archive):
    web = Web(stopped_archive)
    with socket.socket() as other:
        other.bind(("127.0.0.1", web.port))
        other.listen()
        done = stopped_archive.manage("runserver", check=False, timeout=20)
    assert done.returncode == 1 and f"127.0.0.1:{web.port}" in done.stderr and "in use" in done.stderr


def test_anybody_may_come_when_that_is_said(stopped_archive):
    web = Web(stopped_archive, ip="0.0.0.0", authentication="none")
    stopped_archive.start()
    assert web.get("/health").status == 200


def test_hosts_that_are_not_allowed_get_400(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.set("api.allowed_hosts", "[.example.org]")
    stopped_archive.start()
    assert "api.allowed_hosts" in web.get("/health").problem()
    assert web.get("/health", Host="pacs.example.org:8443").status == 200
    assert web.get("/health", Host="example.org.evil").status == 400


def test_on_loopback_only_names_of_this_machine_are_hosts(stopped_archive):
    """As it is shipped, a page that made its own name lead here (DNS rebinding) is refused; who wants other names says so."""
    web = Web(stopped_archive)
    stopped_archive.start()
    for host in (f"127.0.0.1:{web.port}", "localhost", "pacs.localhost:80", "[::1]:5555"):
        assert web.get("/dicom-web/studies", Host=host).status == 204, host
    for host in ("evil.example", f"evil.example:{web.port}", "localhost.evil.example", "127.0.0.1.evil.example"):
        assert "api.allowed_hosts" in web.get("/dicom-web/studies", Host=host).problem(), host
    stopped_archive.stop()
    stopped_archive.set("api.allowed_hosts", "['*']")
    stopped_archive.start()
    assert web.get("/dicom-web/studies", Host="pacs.example.org").status == 204


def test_cors_for_the_origins_of_the_settings_only(stopped_archive):
    web = Web(stopped_archive, cors_origins="[https://viewer.example]")
    stopped_archive.start()
    asked = {"Origin": "https://viewer.example", "Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "authorization"}
    preflight = web.ask("OPTIONS", "/dicom-web/studies", **asked)
    assert preflight.status == 204 and preflight.headers["Access-Control-Allow-Origin"] == "https://viewer.example"
    allowed = preflight.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Accept", "Content-Type", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "Cache-Control", "Pragma", "X-Requested-With"} <= set(allowed)
    answer = web.get("/dicom-web/studies", Origin="https://viewer.example")
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Content-Length", "Content-Type", "Content-Range", "ETag", "Location", "Warning", "Accept-Ranges", "Content-Disposition", "Content-Location", "Retry-After"} <= set(exposed)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin" and "Origin" in answer.headers["Vary"]
    assert not any(name.lower().startswith("access-control") for name in web.get("/health", Origin="https://evil.example").headers)


def test_no_cors_without_the_setting(web):
    answer = web.get("/health", Origin="https://viewer.example")
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


def test_a_proxy_is_believed_when_it_is_trusted(stopped_archive):
    web = Web(stopped_archive, trusted_proxies="[127.0.0.0/8]", root="/pacs")
    stopped_archive.start()
    document = web.get("/openapi.json", X_Forwarded_Proto="https", X_Forwarded_Host="pacs.example.org", X_Forwarded_For="192.0.2.9").json()
    assert document["servers"] == [{"url": "https://pacs.example.org/pacs"}]
    log = stopped_archive.folder / "log/api_dicomweb.log"
    wait_until(lambda: log.exists() and "client=192.0.2.9" in log.read_text(), what="the client in the log")


def test_tls(stopped_archive, tmp_path):
    pem = tmp_path / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", pem],
                   check=True, capture_output=True, timeout=60)
    pem.write_text(pem.read_text() + (tmp_path / "key.pem").read_text())
    web = Web(stopped_archive, tls__certificate=pem)
    stopped_archive.start()
    context = ssl.create_default_context(cafile=pem)
    with context.wrap_socket(web.connect(), server_hostname="127.0.0.1") as sock:
        sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 200") and b'"url":"https://127.0.0.1"' in answer
    assert status_of(web.raw(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) is None


# -- clients that misbehave --

TRAVERSALS = ["/../etc/passwd", "/%2e%2e/etc/passwd", "/dicom-web/studies/%2E%2E", "/dicom-web/studies/..%2f..%2fetc", "/dicom-web/studies/1/series/%2e%2e/instances/1",
              "/dicom-web/studies/%2fetc%2fpasswd", "/dicom-web/studies/a%5c..%5cb", "/dicom-web/studies/%00", "/dicom-web/studies/1%00.dcm",
              "/dicom-web//studies", "/wadors/studies/./metadata", "/wadors/studies/1/series/%", "/qidors/studies/%c0%ae%c0%ae/series"]


def test_no_path_leads_anywhere_else(web):
    for path in TRAVERSALS:
        answer = web.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert status_of(answer) == 400, (path, answer)
        assert b"application/problem+json" in answer and b"root:" not in answer, path


BAD_HEADS = {
    "two hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "a host that is none": b"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "length and chunked": b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "a length of letters": b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n",
    "a length beyond numbers": b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999999999999999\r\n\r\n",
    "two lengths": b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "chunks of garbage": b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "a chunk that is too large": b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n",
    "an unknown coding": b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: rot13\r\n\r\nabc",
    "200 headers": b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n",
    "a header of 60 KB": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 60000 + b"\r\n\r\n",
    "an address of 60 KB": b"GET /" + b"y" * 60000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "headers without end": b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 1000000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "zeros": bytes(5000),
    "an old version": b"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_bad_heads_are_refused(web, name):
    answer = web.raw(BAD_HEADS[name])
    assert status_of(answer) is None or 400 <= status_of(answer) < 600, answer[:300]
    assert b" 200 " not in answer[:20]
    assert web.get("/health").status == 200


def test_a_coding_that_is_unknown_is_refused_at_once(web):
    """Its end would be that of the connection: the answer must not wait for it."""
    for coding in (b"rot13", b"gzip, chunked"):
        with web.connect() as sock:
            sock.sendall(b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n")
            assert status_of(read_all(sock)) == 501


def test_much_declared_and_little_sent(stopped_archive):
    web = Web(stopped_archive, max_body=1 << 40)
    stopped_archive.start()
    before = web.resident()
    socks = []
    for _ in range(40):
        sock = web.connect()
        sock.sendall(b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\nContent-Length: 10737418240\r\n\r\n0123456789")
        socks.append(sock)
    assert web.get("/health").status == 200
    assert SANITIZED or web.resident() - before < 40 << 20
    for sock in socks:
        sock.close()
    wait_until(lambda: b"\ngantry_http_connections 1\n" in web.get("/metrics").body, what="the connections are gone")


def test_a_body_beyond_the_limit_is_413(stopped_archive):
    web = Web(stopped_archive, max_body=20000)
    stopped_archive.start()
    body = (ROOT / "tests/data/pydicom/test_files/CT_small.dcm").read_bytes()
    assert len(body) > 30000
    answer = web.ask("POST", "/dicom-web/studies", body=body, Content_Type="application/dicom")
    assert "api.max_body" in answer.problem() and answer.status == 413
    head = b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/dicom\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = web.raw(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
    assert status_of(answer) == 413, answer[:200]
    assert not stopped_archive.files() and not stopped_archive.unfinished()


def test_one_peer_cannot_take_every_connection(stopped_archive):
    web = Web(stopped_archive, max_connections_per_peer=5)
    stopped_archive.start()
    kept = [web.connect() for _ in range(5)]
    for sock in kept:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert web.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    for sock in kept:
        sock.close()

    def served():
        try:
            return web.get("/health").status == 200
        except OSError:
            return False
    wait_until(served, what="room for another")
    assert "api.max_connections_per_peer" in (stopped_archive.folder / "log/api_dicomweb.log").read_text()


def test_slow_clients_are_cut_and_others_are_served(web):
    """A head that drips, a body that drips, one that says nothing at all between."""
    head, body = web.connect(), web.connect()
    head.sendall(b"GET /health HTTP/1.1\r\n")
    body.sendall(b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
    ended = {}
    begin = time.monotonic()
    while len(ended) < 2:
        assert time.monotonic() - begin < 60 * PATIENCE, f"only {list(ended)} were cut"
        for name, sock in (("head", head), ("body", body)):
            if name in ended:
                continue
            sock.settimeout(0.01)
            try:
                answer = sock.recv(1000)
                ended[name] = answer
            except TimeoutError:
                sock.settimeout(5)
                try:
                    sock.sendall(b"x")
                except OSError:
                    ended[name] = b""
        assert web.get("/health").status == 200
        time.sleep(0.5)
    assert all(answer == b"" or answer.startswith(b"HTTP/1.1 408") for answer in ended.values()), ended


def test_clients_that_go_away_in_mid_answer_leave_nothing(web):
    def files():
        return int(re.search(rb"\nprocess_open_fds (\d+)", web.get("/metrics").body)[1])
    before, memory = files(), web.resident()
    for _ in range(200):
        sock = web.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
        sock.recv(10)
        sock.close()
    # The server may have opened a few for itself meanwhile.
    wait_until(lambda: files() < before + 10, what="descriptors are closed")
    assert SANITIZED or web.resident() - memory < 30 << 20


def test_pipelined_requests_are_answered_in_order(web):
    request = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    paths = [b"health", b"nothing", b"metrics", b"openapi.json"]
    answer = web.raw(b"".join(request % path for path in paths) + b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"404", b"200", b"200", b"200"]


def test_a_stop_lets_answers_finish_and_closes_what_idles(web):
    idle = web.connect()
    idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle.recv(65536).startswith(b"HTTP/1.1 200")
    begin = time.monotonic()
    web.archive.stop()
    assert time.monotonic() - begin < 10 * PATIENCE
    assert read_all(idle) == b""


def test_metrics_count_what_comes_over_dicom(web, few):
    web.archive.manage("store", "127.0.0.1", web.archive.port, "-aec", web.archive.aet, "-sp", "fs", "-pd", few)
    web.archive.manage("store", "127.0.0.1", web.archive.port, "-aec", web.archive.aet, "-sp", "fs", "-pd", few)
    text = web.get("/metrics").body.decode()
    assert 'gantry_ingest_objects_total{outcome="stored"} 4' in text and 'gantry_ingest_objects_total{outcome="same"} 4' in text
    assert re.search(r'(?m)^gantry_associations_total\{result="accepted"\} [1-9]', text) and re.search(r"(?m)^gantry_associations \d+$", text)
    for stage in ("sync", "commit", "publish", "index"):
        assert re.search(rf'(?m)^gantry_ingest_seconds_count{{stage="{stage}"}} [1-9]', text), stage
    assert web.get("/dicom-web/studies?limit=1").status == 200
    assert re.search(r"(?m)^gantry_index_query_seconds_count [1-9]", web.get("/metrics").body.decode())
