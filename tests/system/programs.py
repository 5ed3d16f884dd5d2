# SPDX-License-Identifier: MIT
"""Running programs in tests: with a time-out always, stopped by process id, servers on loopback ports that were free."""
import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GANTRY_BIN") or ROOT / "build/bin/gantry").resolve()
SANITIZED = bool(re.search("[at]san|coverage", str(BINARY)))  # or it counts lines: slower, larger, and not to be confined
PATIENCE = 3 if SANITIZED else 1  # how much slower everything may be
# DCMTK leaves Nagle's algorithm on, which costs 40 ms an object; this variable turns it off.
ENVIRONMENT = dict(os.environ, TCP_NODELAY="1", LC_ALL="C.UTF-8", ASAN_OPTIONS="detect_leaks=1",
                   UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1", TSAN_OPTIONS="second_deadlock_stack=1 " + os.environ.get("TSAN_OPTIONS", ""))
for name in ("DICOM_PORT", "DICOM_AET"):
    ENVIRONMENT.pop(name, None)
SANITIZER_REPORT = re.compile(r"==\d+==ERROR: |runtime error:|WARNING: ThreadSanitizer")


def run(*command, timeout=60, check=True, cwd="/tmp", stdin=None, env=None):
    """Runs a program to its end; with `check`, an exit code other than 0 fails the test with its output."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout * PATIENCE, cwd=cwd,
                          input=stdin, env={**ENVIRONMENT, **(env or {})}, check=False)
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr[-4000:]
    if check:
        assert done.returncode == 0, f"{' '.join(command)[:300]}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def free_port():
    """Below those that the system gives to connections out: one of them could be somebody's again before it is listened on."""
    end = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10240, max(end, 20480)), 1000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def wait_until(condition, seconds=10, what="condition", step=0.02):
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds * PATIENCE} s"
        time.sleep(step)


class Server:
    """A program in the background, its output in a file."""

    def __init__(self, command, port, log, cwd=None, env=None):
        self.port, self.log = port, pathlib.Path(log)
        self.out = open(self.log, "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen([str(part) for part in command], stdout=self.out, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, cwd=cwd, env={**ENVIRONMENT, **(env or {})})
        try:
            wait_until(lambda: listening(port) or self.process.poll() is not None, 20, f"{command[0]} listens", 0.005)
            assert self.process.poll() is None, f"{command[0]} ended at once:\n{self.output()}"
        except BaseException:
            self.kill()
            raise
        self.seconds_to_listen = time.monotonic() - self.started

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def end(self, sig, seconds=30):
        """Sends a signal and waits; the exit code."""
        if self.alive():
            self.process.send_signal(sig)
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {seconds} s of signal {sig}:\n{self.output()[-3000:]}") from None
        finally:
            self.out.close()

    def kill(self):
        return self.end(signal.SIGKILL)

    def memory_kb(self, what="VmRSS"):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(what + r":\s+(\d+) kB", status)[1])
