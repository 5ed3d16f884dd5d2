# SPDX-License-Identifier: MIT
"""An archive of the product under test: a folder made by sphere-admin, a server started by its `manage runserver`."""
import os
import pathlib
import re
import signal

from programs import BINARY, SANITIZER_REPORT, Server, free_port, run

CLIENTS = ("ECHOSCU", "STORESCU", "DCMSEND", "FINDSCU", "MOVESCU", "GETSCU", "GDCMSCU", "ODIL", "RAW", "OTHER")


def as_program(folder, name):
    """The binary under one of its names."""
    link = pathlib.Path(folder) / name
    if not link.exists():
        link.symlink_to(BINARY)
    return link


class Archive:
    def __init__(self, folder, aet="GANTRY"):
        self.folder, self.aet, self.port = pathlib.Path(folder) / "archive", aet, free_port()
        self.bin = pathlib.Path(folder)
        self.server, self.environment = None, {}
        run(as_program(folder, "sphere-admin"), self.folder)
        self.set("port", self.port)
        self.set("AET", aet)
        self.set("ae_params.listen_address", "127.0.0.1")
        for client in CLIENTS:
            self.allow(client)
        self.allow(aet, self.port)

    # -- settings --

    @property
    def settings(self):
        return self.folder / "app/settings.yml"

    def set(self, key, value):
        """Sets a key of settings.yml, dotted for a key inside a section."""
        lines = self.settings.read_text().splitlines()
        at, indent = 0, ""
        *sections, last = key.split(".")
        for section in sections:
            at = next(i for i in range(at, len(lines)) if re.match(rf"{indent}{re.escape(section)}:", lines[i])) + 1
            indent = re.match(r"\s+", next(line for line in lines[at:] if line.strip() and not line.lstrip().startswith("#")))[0]
        at = next(i for i in range(at, len(lines)) if re.match(rf"{indent}{re.escape(last)}:", lines[i]))
        lines[at] = f"{indent}{last}: {value}"
        self.settings.write_text("\n".join(lines) + "\n")

    def allow(self, aet, port=None, ip="127.0.0.1"):
        """A line of the white list; with a port, a destination of C-MOVE."""
        text = f"{aet}:\n  ip: {ip}\n" + (f"  port: {port}\n" if port else "")
        (self.folder / f"app/white_list/{aet.lower()}.yml").write_text(text)

    # -- the server --

    def start(self):
        assert self.server is None
        self.server = Server([self.folder / "manage", "runserver"], self.port, self.folder / "server.out", cwd="/", env=self.environment)
        return self

    def stop(self):
        server, self.server = self.server, None
        code = server.end(signal.SIGTERM)
        report = SANITIZER_REPORT.search(server.output())
        assert not report, server.output()[report.start():][:6000]
        assert code == 0, f"runserver ended with {code}:\n{server.output()[-3000:]}"

    def kill(self):
        server, self.server = self.server, None
        server.kill()

    # -- the command line --

    def manage(self, *arguments, **options):
        return run(self.folder / "manage", *arguments, **{"env": self.environment, **options})

    # -- what is in it --

    @property
    def data(self):
        return self.folder / "data"

    def files(self):
        """Of objects; folders may go meanwhile."""
        there = [pathlib.Path(folder, name) for folder, _, names in os.walk(self.data) for name in names]
        return [p for p in there if p.is_file() and not any(part.startswith(".") for part in p.relative_to(self.data).parts)]

    def unfinished(self):
        """Temporary files of objects: there are none while nobody sends."""
        return [p for p in (self.folder / ".tmp_data").rglob("*") if p.is_file() and p.name not in ("lock", "claims")]
