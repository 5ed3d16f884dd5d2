# SPDX-License-Identifier: MIT
"""Documents as transcripts: what stands in a ```console block is typed into a shell, and what comes out is compared.

    $ COMMAND       goes to the shell; lines that begin with "> " belong to it
    anything else   is what it prints, stdout and stderr; runs of blanks count as one, empty lines not at all

"…" stands for anything within a line, and alone on a line for any number of lines. Each command must succeed, except one
that is followed by `$ echo $?`. Words behind "console":

    norun (REASON)  is not typed
    terminal=NAME   is typed into another shell, and left running once what it prints is there. A block that begins with
                    the line ^C ends what runs there; what follows is the last that it prints.

Ports of the document are replaced by free ones, in commands and in what is expected.
"""
import os
import pathlib
import re
import signal
import subprocess
import time

from programs import ENVIRONMENT, PATIENCE, SANITIZER_REPORT, free_port

FENCE = re.compile(r"^```console(?: ([^\n]*))?\n(.*?)^```$", re.M | re.S)
INFO = re.compile(r"(?:(norun) \(.+\)|terminal=(\w+))?")
STEP_SECONDS = 20


class Mismatch(AssertionError):
    pass


class Step:
    def __init__(self, line, command):
        self.line, self.command, self.expected = line, command, []


class Block:
    """One fenced block of a document: its line, its terminal, its steps."""

    def __init__(self, name, line, info, text):
        words = INFO.fullmatch(info or "")
        if not words:
            raise Mismatch(f"{name}:{line}: 'console {info}' is not understood")
        self.norun, self.terminal, self.steps = bool(words[1]), words[2] or "main", []
        for number, row in enumerate(text.split("\n")[:-1], line + 1):
            if row.startswith("$ ") or row == "^C":
                self.steps.append(Step(number, row.removeprefix("$ ")))
            elif not self.steps:
                raise Mismatch(f"{name}:{number}: a console block begins with '$ '")
            elif row.startswith("> ") and not self.steps[-1].expected:
                self.steps[-1].command += "\n" + row[2:]
            else:
                self.steps[-1].expected.append(row)


def blocks_of(name, text):
    return [Block(name, text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in FENCE.finditer(text)]


def squeezed(line):
    return " ".join(line.split())


def pattern_of(expected):
    """A regular expression for lines, each with its newline."""
    out = ""
    for line in expected:
        line = squeezed(line)
        if not line:
            continue
        out += "(?:.*\n)*?" if line == "…" else ".*".join(re.escape(part) for part in line.split("…")) + "\n"
    return out


def lines_of(output):
    return "".join(squeezed(line) + "\n" for line in output.split("\n") if line.strip())


def matches(expected, output):
    return re.fullmatch(pattern_of(expected), lines_of(output)) is not None


class Terminal:
    """A shell that is fed one command after the other."""

    def __init__(self, folder, name, environment):
        self.file = pathlib.Path(folder) / f".terminal-{name}"
        self.log = self.file.with_suffix(".out")
        with open(self.log, "wb") as out:
            self.shell = subprocess.Popen(["/bin/bash", "--norc", "--noprofile"], stdin=subprocess.PIPE, stdout=out,
                                          stderr=subprocess.STDOUT, cwd=folder, env=environment, start_new_session=True)
        self.read, self.number, self.busy = 0, 0, False

    def output(self):
        return self.log.read_bytes()[self.read:].decode(errors="replace")

    def type(self, command):
        assert not self.busy, "a command still runs in this terminal"
        self.read, self.number, self.busy = self.log.stat().st_size, self.number + 1, True
        self.file.write_text(command + "\n")
        # Sourced from a file, so that it cannot read the shell's own input and $? is that of the command before.
        self.shell.stdin.write(f". {self.file} </dev/null; code=$?; printf '\\001%d %d\\001' {self.number} $code; (exit $code)\n".encode())
        self.shell.stdin.flush()

    def ended(self):
        """(exit code, output) once the command has ended, else None."""
        end = re.search(rf"\001{self.number} (\d+)\001", self.output())
        if not end:
            return None
        self.busy = False
        return int(end[1]), self.output()[:end.start()]

    def interrupt(self):
        children = pathlib.Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGINT)

    def wait(self, done, what):
        end = time.monotonic() + STEP_SECONDS * PATIENCE
        while not (result := done()):
            if time.monotonic() > end or self.shell.poll() is not None:
                raise Mismatch(f"{what}: not within {STEP_SECONDS * PATIENCE} s:\n{self.output()[-3000:]}")
            time.sleep(0.005)
        return result

    def close(self):
        """Ends what runs here; whether it ended within the time."""
        try:
            if self.busy:
                self.interrupt()
            self.shell.stdin.close()
            self.shell.wait(STEP_SECONDS * PATIENCE)
            return True
        except (subprocess.TimeoutExpired, OSError):
            return False
        finally:
            try:
                os.killpg(self.shell.pid, signal.SIGKILL)  # the session it leads: what is left of it
            except ProcessLookupError:
                pass
            self.shell.wait()
            report = SANITIZER_REPORT.search(self.log.read_text(errors="replace"))
            assert not report, self.log.read_text(errors="replace")[report.start():][:4000]


class Session:
    """The terminals of one document, in one home folder."""

    def __init__(self, home, ports=(), environment=None):
        self.home, self.terminals = pathlib.Path(home), {}
        self.ports = {str(port): str(free_port()) for port in ports}
        self.environment = {**ENVIRONMENT, "HOME": str(home), "NO_COLOR": "1", "PS1": "", **(environment or {})}

    def with_ports(self, text):
        return re.sub(r"(?<![\d.])\d+(?![\d])", lambda m: self.ports.get(m[0], m[0]), text)

    def terminal(self, name):
        if name not in self.terminals:
            self.terminals[name] = Terminal(self.home, name, self.environment)
        return self.terminals[name]

    def play(self, name, text):
        """Types every block of a document; raises Mismatch at the first that prints something else."""
        for block in blocks_of(name, text):
            for at, step in enumerate(block.steps if not block.norun else []):
                where = f"{name}:{step.line}: {step.command.splitlines()[0]}"
                expected = [self.with_ports(line) for line in step.expected]
                if block.terminal == "main":
                    following = block.steps[at + 1].command if at + 1 < len(block.steps) else ""
                    self.step(self.terminal("main"), where, step.command, expected, following == "echo $?")
                else:
                    self.step_aside(self.terminal(block.terminal), where, step.command, expected)

    def step(self, terminal, where, command, expected, may_fail):
        terminal.type(self.with_ports(command))
        code, output = terminal.wait(terminal.ended, where)
        if not matches(expected, output):
            raise Mismatch(f"{where}\n--- expected ---\n" + "\n".join(expected) + f"\n--- printed (exit {code}) ---\n{output}")
        if code and not may_fail:
            raise Mismatch(f"{where}: exit {code}\n{output}")

    def step_aside(self, terminal, where, command, expected):
        if command != "^C":
            terminal.type(self.with_ports(command))
            try:
                terminal.wait(lambda: matches(expected, terminal.output()) or terminal.ended(), where)
            except Mismatch as error:
                raise Mismatch(f"{error}\n--- expected ---\n" + "\n".join(expected)) from None
            if terminal.busy:
                return
            raise Mismatch(f"{where}: ended:\n{terminal.output()}")
        terminal.interrupt()
        code, output = terminal.wait(terminal.ended, where)
        if not re.search("(?:^|\n)" + pattern_of(expected) + r"\Z", lines_of(output)) or code:
            raise Mismatch(f"{where}\n--- expected last ---\n" + "\n".join(expected) + f"\n--- printed (exit {code}) ---\n{output[-3000:]}")

    def close(self):
        """Ends everything that was started."""
        ended = [(name, terminal.close()) for name, terminal in self.terminals.items()]
        stuck = [name for name, well in ended if not well]
        assert not stuck, f"had to be killed: {stuck}"
