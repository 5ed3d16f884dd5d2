# SPDX-License-Identifier: MIT
"""The archive over HTTP: requests with the standard library, and bytes as they are on a socket."""
import gzip
import http.client
import json
import pathlib
import re
import socket
import sqlite3

from programs import PATIENCE, free_port


# A boundary without quotes is a token; with them it may have more (RFC 2046 5.1.1).
BOUNDARY = re.compile(r';\s*boundary=(?:"([\w\'()+,./:=? -]{1,70})"|([\w\'+.-]{1,70}))')


class Part:
    """A part of a multipart body; header names as they were sent."""

    def __init__(self, raw):
        head, self.body = raw.split(b"\r\n\r\n", 1)
        self.headers = dict(line.split(": ", 1) for line in head.decode("ascii").split("\r\n"))
        assert "Content-Type" in self.headers, head

    @property
    def type(self):
        return self.headers["Content-Type"].split(";")[0]

    @property
    def syntax(self):
        """transfer-syntax= of the part; None when it does not say."""
        found = re.search(r";\s*transfer-syntax=([0-9.]+)", self.headers["Content-Type"])
        return found and found[1]


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        if self.headers["Content-Encoding"] == "gzip":
            self.body = gzip.decompress(self.body)

    def parts(self, root):
        """The parts of multipart/related, read as strictly as the strictest client: `root` is the type parameter."""
        media = self.headers["Content-Type"]
        assert self.status in (200, 206), (self.status, self.body[:500])
        assert media.startswith("multipart/related;") and f'type="{root}"' in media, media
        boundary = next(filter(None, BOUNDARY.search(media).groups())).encode()
        begin, close = b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--"
        assert self.body.startswith(begin) and self.body.rstrip(b"\r\n").endswith(close), (self.body[:100], self.body[-100:])
        inside = self.body.rstrip(b"\r\n")[len(begin):-len(close)]
        return [Part(raw) for raw in inside.split(b"\r\n" + begin)]

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The problem document, which every refusal has."""
        assert self.status >= 400, self.body
        assert self.headers["Content-Type"] == "application/problem+json", self.headers
        document = self.json()
        assert document["status"] == self.status and document["title"] and document["detail"]
        return document["detail"]


class Web:
    def __init__(self, archive, **settings):
        self.archive, self.port = archive, free_port()
        archive.set("api.start", True)
        archive.set("api.port", self.port)
        archive.set("api.dicomweb.start", True)
        for key, value in settings.items():
            archive.set("api." + key.replace("__", "."), value)

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * PATIENCE)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE)

    def raw(self, *pieces):
        """Sends bytes, says that no more come, and reads until the server closes."""
        with self.connect() as sock:
            try:
                for piece in pieces:
                    sock.sendall(piece)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server has answered and closed; what it said is still to be read
            return read_all(sock)

    def resident(self):
        with open(f"/proc/{self.archive.server.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


class Stored:
    """An object of the index: its UIDs, syntax, and the file it came from."""

    def __init__(self, path, syntax, instance, series, study):
        self.path, self.syntax, self.instance, self.series, self.study = pathlib.Path(path), syntax, instance, series, study
        self.study_url = f"/dicom-web/studies/{study}"
        self.series_url = f"{self.study_url}/series/{series}"
        self.url = f"{self.series_url}/instances/{instance}"

    def __repr__(self):  # in the names of tests
        return self.path.name


class DataWeb(Web):
    """tests/data, indexed from a copy in which no two objects have one UID: the same image in another transfer syntax gets another one of the same length."""

    def __init__(self, archive, manifest, **settings):
        super().__init__(archive, cors_origins="[https://viewer.example]", **settings)
        folder = archive.bin / "copy"
        self.copy(manifest, folder)
        archive.manage("data", "index", "-d", folder)
        db = sqlite3.connect(archive.folder / "index.sqlite")
        rows = db.execute("SELECT file_path, transfer_syntax_uid, instance_uid, series_uid, study_uid FROM file_storage_metadata_dicom ORDER BY 1").fetchall()
        db.close()
        self.objects = [Stored(*row) for row in rows]
        archive.start()

    @staticmethod
    def copy(manifest, folder):
        seen = {}
        for one in manifest:
            raw, uid = one.path.read_bytes(), one.instance
            if uid and raw in seen.get(uid, ()):
                continue
            digits = 2 if uid[-2:].isdigit() else 1
            others = (uid[:-digits] + str(number) for number in range(10 ** digits - 1, 10 ** (digits - 1), -1))
            while uid and uid in seen:
                uid = next(others)
            seen.setdefault(one.instance, []).append(raw)
            seen.setdefault(uid, [])
            target = folder / one.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw.replace(one.instance.encode(), uid.encode()) if uid else raw)

    def named(self, name):
        """The object that came from the file of this name."""
        return next(one for one in self.objects if one.path.name == name)


def read_all(sock):
    out = b""
    try:
        while piece := sock.recv(65536):
            out += piece
    except ConnectionResetError:
        pass
    return out


def status_of(answer):
    """The status of raw bytes; None when the server closed without a word."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None
