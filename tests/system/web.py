# SPDX-License-Identifier: MIT
"""The archive over HTTP: requests with the standard library, and bytes as they are on a socket."""
import http.client
import json
import socket

from programs import PATIENCE, free_port


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

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
