# SPDX-License-Identifier: MIT
"""A PostgreSQL of a test's own: a cluster in a folder, on 127.0.0.1, stopped by process id."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from programs import ENVIRONMENT, free_port, listening, wait_until

BIN = pathlib.Path(os.environ.get("GANTRY_TEST_PG_BIN") or "/usr/lib/postgresql/15/bin")
PASSWORD = "Se'cret \\word"
AVAILABLE = (BIN / "initdb").exists()


class Postgres:
    def __init__(self, fsync="off", folder=None):
        self.fsync, self.environment = fsync, {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gantry-pg-", dir=folder))
        self.port = free_port()
        # It refuses to run as root.
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.as_user = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        (self.folder / "password").write_text(PASSWORD)
        self.folder.chmod(0o755)
        if self.user:
            for path in (self.folder, self.folder / "password"):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-D", self.folder / "data", "-U", "gantry", "-A", "scram-sha-256", "--pwfile", self.folder / "password", "-E", "UTF8",
                 "--no-sync")
        self.process, self.paused = None, []
        self.start()

    def run(self, program, *arguments):
        subprocess.run([str(BIN / program), *map(str, arguments)], check=True, capture_output=True, timeout=120, cwd="/", env=ENVIRONMENT,
                       **self.as_user)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BIN / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k",
                 str(self.folder), "-c", f"fsync={self.fsync}"], stdout=log, stderr=log, cwd="/", env={**ENVIRONMENT, **self.environment},
                **self.as_user)
        wait_until(lambda: listening(self.port) and self.answers(), 30, "PostgreSQL answers")

    def answers(self):
        return subprocess.run([str(BIN / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)], capture_output=True, timeout=30,
                              check=False).returncode == 0

    def sql(self, text, database="postgres"):
        done = subprocess.run([str(BIN / "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gantry",
                               "-d", database, "-c", text], capture_output=True, text=True, timeout=60, check=False,
                              env={**ENVIRONMENT, "PGPASSWORD": PASSWORD})
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\n")[:-1]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def crash(self):
        """As if its power failed."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def processes(self):
        """The server's and those of its connections."""
        def parent(stat):
            return int(stat.read_text().rpartition(")")[2].split()[1])
        found = [self.process.pid]
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if parent(stat) == self.process.pid:
                    found.append(int(stat.parent.name))
        return found

    def pause(self):
        """It hangs: connections stand, nothing is answered."""
        self.paused = self.processes()
        for pid in self.paused:
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self.paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.paused = []

    def remove(self):
        self.resume()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def use(self, archive, schema):
        """Points an archive's settings here."""
        for key, value in (("engine", "postgresql"), ("params.ip", "127.0.0.1"), ("params.port", self.port), ("params.database", "postgres"),
                           ("params.schema", schema), ("params.login", "gantry"), ("params.password", '"' + PASSWORD.replace("\\", "\\\\") + '"')):
            archive.set(f"db.{key}", value)
        return archive
