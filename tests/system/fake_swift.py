# SPDX-License-Identifier: MIT
"""What a real Swift cannot be made to do on demand: an object store in memory that notes what it is asked and fails as a test wants. And a Keystone v3
that checks a login by the rules of its API before it sends the client on to a real Swift."""
import hashlib
import http.server
import json
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.connection.settimeout(30)

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        path, _, query = self.path.partition("?")
        asked = (self.command, urllib.parse.unquote(path), urllib.parse.unquote(query), dict(self.headers.items()))
        with self.server.lock:
            fault = self.server.fault(*asked[:2]) if self.server.fault else None
        if fault == "die":  # in the middle of the body
            self.rfile.read(length // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(length)
        with self.server.lock:
            self.server.asked.append((*asked, body))
            if fault:
                self.answer(fault)
            else:
                self.do(asked[1], urllib.parse.parse_qs(query, keep_blank_values=True), body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = serve


class Store(Handler):
    def do(self, path, query, body):
        server = self.server
        if path == "/auth/v1.0":
            self.answer(200, X_Storage_Url=f"{server.scheme}://127.0.0.1:{server.server_port}/v1/AUTH_chris", X_Auth_Token=f"token{server.logins}")
            server.logins += 1
            return
        if self.headers.get("X-Auth-Token") in server.stale or not path.startswith("/v1/AUTH_chris/"):
            self.answer(401 if path != "/info" else 404)
            return
        container, _, name = path.removeprefix("/v1/AUTH_chris/").partition("/")
        if self.command == "PUT" and not name:
            server.containers.setdefault(container, {})
            self.answer(201)
        elif container not in server.containers:
            self.answer(404)
        elif name:
            self.object(server.containers[container], name, body)
        else:
            self.list(server.containers[container], query)

    def object(self, objects, name, body):
        if self.command == "PUT":
            etag = hashlib.md5(body).hexdigest()
            objects[name] = body
            self.answer(201, Etag=self.server.wrong_etag or etag)
        elif name not in objects:
            self.answer(404)
        elif self.command == "DELETE":
            del objects[name]
            self.answer(204)
        else:
            self.answer(200, objects[name], Etag=hashlib.md5(objects[name]).hexdigest())

    def list(self, objects, query):
        prefix, marker = query.get("prefix", [""])[0], query.get("marker", [""])[0]
        names = [name for name in sorted(objects, key=str.encode) if name.startswith(prefix) and name.encode() > marker.encode()]
        page = [{"name": name, "bytes": len(objects[name]), "hash": hashlib.md5(objects[name]).hexdigest(),
                 "last_modified": "2026-01-01T00:00:00.000000", "content_type": "application/octet-stream"}
                for name in names[:self.server.page]]
        self.answer(200, json.dumps(page).encode(), Content_Type="application/json")


class Keystone(Handler):
    """Of POST /v3/auth/tokens each member is checked; what does not follow the API is 400, a wrong password 401."""

    def do(self, path, query, body):
        if self.command != "POST" or path != "/v3/auth/tokens" or self.headers.get("Content-Type") != "application/json":
            self.answer(404)
            return
        try:
            auth = json.loads(body)["auth"]
            assert set(auth) == {"identity", "scope"} and auth["identity"]["methods"] == ["password"]
            user = auth["identity"]["password"]["user"]
            project = auth["scope"]["project"]
            assert set(user) == {"name", "domain", "password"} and set(project) == {"name", "domain"}
            known = (user["name"], user["domain"], project["name"], project["domain"]) == ("demo", {"name": "Home"}, "images", {"name": "Default"})
        except (ValueError, KeyError, AssertionError, TypeError):
            self.answer(400)
            return
        if not known or user["password"] != "se:cret":
            self.answer(401)
            return
        token, url = self.server.swift.login()
        endpoints = [{"interface": interface, "region_id": region, "region": region, "url": address}
                     for interface, region, address in (("admin", "north", "http://127.0.0.1:1/v1/x"), ("public", "south", "http://127.0.0.1:1/v1/x"),
                                                        ("public", "north", url))]
        catalog = [{"type": "identity", "endpoints": []}, {"type": "object-store", "name": "swift", "endpoints": endpoints}]
        self.answer(201, json.dumps({"token": {"methods": ["password"], "catalog": catalog}}).encode(), X_Subject_Token=token)


class StandIn:
    def __init__(self, handler, **more):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.lock = threading.RLock()
        self.server.asked, self.server.fault, self.server.logins, self.server.stale = [], None, 0, set()
        self.server.scheme = "http"
        self.server.containers, self.server.page, self.server.wrong_etag = {"users": {}}, 10000, None
        vars(self.server).update(more)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def __getattr__(self, name):
        return getattr(self.__dict__["server"], name)

    @property
    def port(self):
        return self.server.server_port

    @property
    def options(self):
        return ["--swiftIP", "127.0.0.1", "--swiftPort", self.port, "--swiftLogin", "chris:chris1234"]

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def count(self, method, part=""):
        return sum(asked[0] == method and part in asked[1] for asked in self.server.asked)
