# SPDX-License-Identifier: MIT
"""px-listen on a BASEMOUNT of the test's, and what it has there."""
import json
import pathlib
import signal
import sqlite3

from programs import BINARY, SANITIZER_REPORT, Server, free_port


class Listener:
    def __init__(self, base, *options, name="px-listen"):
        self.base, self.options, self.server, self.name = pathlib.Path(base), options, None, name
        self.base.mkdir(parents=True, exist_ok=True)
        self.log, self.data, self.port = self.base / "log", self.base / "data", free_port()
        self.program = self.base / name
        if not self.program.is_symlink():
            self.program.symlink_to(BINARY)

    def command(self):
        if self.name == "storescp.sh":
            return [self.program, "-p", self.port, "-D", self.base, *self.options]
        return [self.program, "--port", self.port, "--address", "127.0.0.1", "-l", self.log, "-d", self.data, *self.options]

    def start(self):
        assert self.server is None
        self.server = Server(self.command(), self.port, self.base / "listen.out", cwd="/")
        return self

    def stop(self):
        server, self.server = self.server, None
        code = server.end(signal.SIGTERM)
        report = SANITIZER_REPORT.search(server.output())
        assert not report, server.output()[report.start():][:6000]
        assert code == 0, f"{self.name} ended with {code}:\n{server.output()[-3000:]}"

    def kill(self):
        server, self.server = self.server, None
        server.kill()

    def output(self):
        return (self.base / "listen.out").read_text(errors="replace")

    # -- what is there --

    def files(self):
        """Packed files, below the tree."""
        names = (path.relative_to(self.data) for path in self.data.rglob("*") if path.is_file())
        return sorted(str(name) for name in names if not name.parts[0].startswith("."))

    def unfinished(self):
        return [path for path in (self.data / ".tmp_data").rglob("*") if path.is_file() and path.name not in ("lock", "claims")]

    def rows(self, sql, *values):
        with sqlite3.connect(f"file:{self.log / 'gantry.sqlite'}?mode=ro", uri=True) as db:
            return db.execute(sql, values).fetchall()

    def indexed(self):
        """{SOP Instance UID: path}"""
        return dict(self.rows("select instance_uid, file_path from file_storage_metadata_dicom"))

    def record(self, name, series):
        found = self.rows("select record from px_record where series = ? and name = ?", series, name)
        return json.loads(found[0][0]) if found else None
