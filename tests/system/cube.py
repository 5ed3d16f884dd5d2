# SPDX-License-Identifier: MIT
"""A stand-in for CUBE, the back end of ChRIS: its REST API in collection+json, as far as PACS files and series are registered by it.

It refuses what CUBE's serializers refuse, in CUBE's words, and notes in `problems` what CUBE would let pass although it is against its
documents (fields that the template does not have, searches that are not offered, wrong media types). `api` is "files" (one image at a
time, up to CUBE 4), "series" (a folder at a time, newer ones) or "both".
"""
import base64
import datetime
import http.server
import json
import re
import socket
import threading
import urllib.parse

TYPE = "application/vnd.collection+json"
DESCRIPTORS = ["PatientID", "PatientName", "PatientBirthDate", "PatientAge", "PatientSex", "StudyDate", "AccessionNumber", "Modality",
               "ProtocolName", "StudyInstanceUID", "StudyDescription", "SeriesInstanceUID", "SeriesDescription"]
# Longest text, may it be blank, must it be there.
TEXTS = {"path": (1024, False, True), "pacs_name": (20, False, True), "PatientID": (100, False, True), "PatientName": (150, True, False),
         "AccessionNumber": (100, True, False), "Modality": (15, True, False), "ProtocolName": (64, True, False),
         "StudyInstanceUID": (100, False, True), "StudyDescription": (400, True, False), "SeriesInstanceUID": (100, False, True),
         "SeriesDescription": (400, True, False)}
SEARCHES = {"pacsfiles": ["id", "min_creation_date", "max_creation_date", "fname", "fname_exact", "fname_icontains",
                          "fname_icontains_topdir_unique", "fname_nslashes", "PatientID", "PatientName", "PatientSex", "PatientAge",
                          "PatientBirthDate", "StudyDate", "AccessionNumber", "ProtocolName", "StudyInstanceUID", "StudyDescription",
                          "SeriesInstanceUID", "SeriesDescription", "pacs_identifier"],
            "pacsseries": ["id", "min_creation_date", "max_creation_date", "PatientID", "PatientName", "PatientSex", "PatientAge",
                           "PatientBirthDate", "StudyDate", "AccessionNumber", "ProtocolName", "StudyInstanceUID",
                           "StudyDescription", "SeriesInstanceUID", "SeriesDescription", "pacs_identifier"]}
NEW_FILE_SEARCHES = ["id", "min_creation_date", "max_creation_date", "fname", "fname_exact", "fname_icontains", "fname_icontains_topdir_unique"]
OTHER_LINKS = ["chrisinstance", "files", "compute_resources", "plugin_metas", "plugins", "plugin_instances", "pipelines",
               "pipeline_instances", "workflows", "tags", "uploadedfiles", "servicefiles", "filebrowser", "user"]


class Refused(Exception):
    def __init__(self, status, detail):
        super().__init__(status, detail)
        self.status, self.detail = status, detail


class Cube:
    """`storage` has the names of the objects that are there (None: any). `before(request number, method, path)` may answer in CUBE's
    place: a status, a pair of status and body, "close" (without an answer), "swallow" (does it, then no answer), or a number of seconds as
    float to wait first. A page has at most `page` items."""

    def __init__(self, api="files", storage=None, users=None, page=100, port=0):
        self.api, self.storage, self.page = api, storage, page
        self.users = users or {"chris": "chris1234"}
        self.files, self.series, self.requests, self.problems = [], [], [], []
        self.before = lambda number, method, path: None
        self.other_host = None  # links lead there
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.port = port
        self.server = None
        self.scheme = "http"
        self.start()

    def start(self):
        cube = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                cube.serve(self)

            do_POST = do_PUT = do_DELETE = do_GET

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                """Clients that go away are none of ours."""

        self.stopping.clear()
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        """Answers nobody any more; the port is free. start() brings it back with what it knows."""
        if self.server:
            self.stopping.set()
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/api/v1/"

    def posts(self):
        """The bodies that were sent, as {name: value}."""
        return [{pair["name"]: pair["value"] for pair in json.loads(body)["template"]["data"]}
                for method, _, _, body in self.requests if method == "POST"]

    def paths(self):
        return sorted(item["fname"] for item in self.files)

    # -- HTTP --

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        with self.lock:
            self.requests.append((handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()}, body))
            number = len(self.requests)
        instead = self.before(number, handler.command, handler.path)
        if isinstance(instead, float):
            self.stopping.wait(instead)
            instead = None
        if self.stopping.is_set() or instead == "close":
            return self.hang_up(handler)
        if isinstance(instead, int):
            instead = (instead, "<html><h1>out of order</h1></html>")
        if isinstance(instead, tuple):
            return self.answer(handler, instead[0], instead[1].encode() if isinstance(instead[1], str) else instead[1], "text/html")
        status, collection = self.judged(handler, body)
        if instead == "swallow":
            return self.hang_up(handler)
        document = {"collection": {"version": "1.0", "href": self.at(handler.path.removeprefix("/api/v1/")), **collection}}
        return self.answer(handler, status, json.dumps(document).encode(), TYPE)

    @staticmethod
    def hang_up(handler):
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def answer(handler, status, body, kind):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def at(self, path):
        return f"{self.scheme}://{self.other_host or f'127.0.0.1:{self.port}'}/api/v1/{path}"

    def judged(self, handler, body):
        try:
            return self.route(handler, body)
        except Refused as refused:
            return refused.status, {"error": {"message": json.dumps(refused.detail)}}

    def route(self, handler, body):
        url = urllib.parse.urlsplit(handler.path)
        parameters = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if handler.headers.get("Accept") != TYPE:
            self.problems.append(f"Accept: {handler.headers.get('Accept')}")
            raise Refused(406, {"detail": "Could not satisfy the request Accept header."})
        user = self.user_of(handler.headers.get("Authorization", ""))
        kinds = {"files": ["pacsfiles"], "series": ["pacsfiles", "pacsseries"], "both": ["pacsfiles", "pacsseries"]}[self.api]
        if url.path == "/api/v1/" and handler.command == "GET":
            names = OTHER_LINKS + kinds
            return 200, {"items": [], "links": [{"rel": name, "href": self.at(name + "/")} for name in names]}
        for kind in kinds:
            if url.path == f"/api/v1/{kind}/":
                if handler.command == "GET":
                    return 200, self.listed(kind, parameters, url.path)
                return self.post(kind, user, handler, body)
            if url.path == f"/api/v1/{kind}/search/" and handler.command == "GET":
                return 200, self.found(kind, parameters, url.path)
        raise Refused(404, {"detail": "Not found."})

    def user_of(self, header):
        kind, _, text = header.partition(" ")
        if kind != "Basic":
            raise Refused(401, {"detail": "Authentication credentials were not provided."})
        name, _, password = base64.b64decode(text).decode().partition(":")
        if self.users.get(name) != password:
            raise Refused(401, {"detail": "Invalid username/password."})
        return name

    # -- lists and searches --

    def searches(self, kind):
        return NEW_FILE_SEARCHES if kind == "pacsfiles" and self.api == "series" else SEARCHES[kind]

    def fields(self, kind):
        return ["path"] + (["ndicom"] if kind == "pacsseries" else []) + DESCRIPTORS + ["pacs_name"]

    def addable(self, kind):
        return kind == "pacsseries" or self.api != "series"

    def paged(self, items, parameters, path):
        limit, offset = min(int(parameters.get("limit", self.page)), self.page), int(parameters.get("offset", 0))
        links = []
        if offset + limit < len(items):
            query = urllib.parse.urlencode({**parameters, "limit": limit, "offset": offset + limit})
            links.append({"rel": "next", "href": self.at(f"{path.removeprefix('/api/v1/')}?{query}")})
        return {"total": len(items), "links": links,
                "items": [{"href": self.at(f"item/{item['id']}/"), "links": [], "data": [{"name": name, "value": value} for name, value in item.items()]}
                          for item in items[offset:offset + limit]]}

    def listed(self, kind, parameters, path):
        with self.lock:
            page = self.paged(list(getattr(self, kind.removeprefix("pacs"))), parameters, path)
        page["queries"] = [{"href": self.at(kind + "/search/"), "rel": "search",
                            "data": [{"name": name, "value": ""} for name in self.searches(kind)]}]
        if self.addable(kind):
            page["template"] = {"data": [{"name": name, "value": ""} for name in self.fields(kind)]}
        return page

    def found(self, kind, parameters, path):
        for name in parameters:
            if name not in self.searches(kind) + ["limit", "offset"]:
                self.problems.append(f"search of {kind} by {name}")

        def fits(item):
            for name, value in parameters.items():
                if name == "fname" and not item["fname"].startswith(value):
                    return False
                if name == "fname_exact" and item["fname"] != value:
                    return False
                if name in ("SeriesInstanceUID", "StudyInstanceUID", "PatientID", "pacs_identifier") and item.get(name) != value:
                    return False
            return True
        with self.lock:
            return self.paged([item for item in getattr(self, kind.removeprefix("pacs")) if fits(item)], parameters, path)

    # -- registering --

    def post(self, kind, user, handler, body):
        if not self.addable(kind) or handler.command != "POST":
            raise Refused(405, {"detail": f'Method "{handler.command}" not allowed.'})
        if user != "chris":
            raise Refused(403, {"detail": "You do not have permission to perform this action."})
        if handler.headers.get("Content-Type") != TYPE:
            raise Refused(415, {"detail": f'Unsupported media type "{handler.headers.get("Content-Type")}" in request.'})
        try:
            document = json.loads(body)
            data = {pair["name"]: pair["value"] for pair in document["template"]["data"]}
            if set(document) != {"template"} or set(document["template"]) != {"data"} or any(set(pair) != {"name", "value"} for pair in document["template"]["data"]):
                self.problems.append("members that a template does not have")
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, {"detail": f"{error} Valid format: {{template:{{data:[{{name: ,value: }},...]}}}}"}) from None
        self.problems.extend(f"field {name}" for name in data if name not in self.fields(kind))
        self.judge_fields(kind, data)
        with self.lock:
            item = self.register_series(data) if kind == "pacsseries" else self.register_file(data)
        return 201, {"items": [{"href": self.at(f"{kind}/{item['id']}/"), "links": [],
                                "data": [{"name": name, "value": value} for name, value in item.items()]}], "links": []}

    def judge_fields(self, kind, data):
        errors = {}
        for name in self.fields(kind):
            reason = self.wrong(name, data)
            if reason:
                errors[name] = [reason]
        if errors:
            raise Refused(400, errors)
        prefix = f"SERVICES/PACS/{data['pacs_name']}/"
        path = data["path"].strip().strip("/")
        if kind == "pacsseries" and "," in path:
            raise Refused(400, {"path": [f"Invalid path '{path}'. Cannot contain commas."]})
        if kind == "pacsseries" and ("/" in data["pacs_name"] or "," in data["pacs_name"]):
            raise Refused(400, {"pacs_name": [f"Invalid PACS name '{data['pacs_name']}'. Cannot contain commas or slashes."]})
        if not path.startswith(prefix):
            raise Refused(400, {"non_field_errors": [f"File path must start with '{prefix}'."]})
        if path != data["path"]:
            self.problems.append("a path with blanks or slashes around")

    @staticmethod
    def wrong(name, data):
        if name in TEXTS:
            longest, blank, needed = TEXTS[name]
            if name not in data:
                return "This field is required." if needed else None
            value = data[name]
            if value is None:
                return "This field may not be null."
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                return "Not a valid string."
            value = str(value).strip()
            if not value and not blank:
                return "This field may not be blank."
            if "\0" in value:
                return "Null characters are not allowed."
            return f"Ensure this field has no more than {longest} characters." if len(value) > longest else None
        if name in ("StudyDate", "PatientBirthDate"):
            value = data.get(name)
            if value is None:
                return "This field is required." if name == "StudyDate" else None
            try:
                datetime.datetime.strptime(value, "%Y-%m-%d")
                return None if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else "Date has wrong format."
            except (ValueError, TypeError):
                return "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
        if name in ("PatientAge", "ndicom"):
            value = data.get(name)
            if value is None:
                return "This field is required." if name == "ndicom" else None
            if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
                return "A valid integer is required."
            return "This field must be a postive integer." if name == "ndicom" and int(value) < 1 else None
        if name == "PatientSex" and data.get(name, "") not in ("", "M", "F", "O"):
            return f'"{data[name]}" is not a valid choice.'
        return None

    def described(self, data):
        item = {"id": len(self.files) + len(self.series) + 1, "creation_date": "2026-01-01T00:00:00.000000-05:00"}
        for name in DESCRIPTORS:
            value = data.get(name, "")
            if name == "PatientAge" and value not in (None, ""):
                value = int(value)
            item[name] = value.strip() if isinstance(value, str) else value
        return item

    def register_file(self, data):
        path = data["path"]
        if self.storage is not None and path not in self.storage:
            raise Refused(400, {"path": ["Could not find this path."]})
        if any(item["fname"] == path for item in self.files):
            raise Refused(400, {"path": ["File has already been registered."]})
        item = {**self.described(data), "fname": path, "fsize": 1234, "pacs_identifier": data["pacs_name"]}
        self.files.append(item)
        return item

    def register_series(self, data):
        path, number = data["path"], int(data["ndicom"])
        if self.storage is not None:
            names = [name for name in self.storage if name.startswith(path + "/")]
        else:
            names = [f"{path}/{n:04}.dcm" for n in range(number)]
        count = sum(name.endswith(".dcm") for name in names)
        if count != number:
            raise Refused(400, {"non_field_errors": [f"The number of DICOM files found under {path}({count}) was different from the ndicom({number}) field"]})
        if any((one["SeriesInstanceUID"], one["pacs_identifier"]) == (data["SeriesInstanceUID"], data["pacs_name"]) for one in self.series):
            raise Refused(400, [f"A DICOM series with SeriesInstanceUID={data['SeriesInstanceUID']} already registered for pacs {data['pacs_name']}"])
        item = {**self.described(data), "folder_path": path, "pacs_identifier": data["pacs_name"]}
        self.series.append(item)
        for name in names:
            self.files.append({"id": len(self.files) + 1000, "fname": name, "fsize": 1234, "owner_username": "chris"})
        return item
