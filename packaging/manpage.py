#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""manpage.py PROGRAM VERSION FOLDER: man pages of gantry and its other names in FOLDER, made from what their -h prints.

The help comes from the tables that parse the options, so that the pages cannot say anything else than the program does.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

COLUMN = 32  # of explanations in the help (INDENT in src/cli/help.c)
PX = ("PACS_QR.sh", "px-do", "px-echo", "px-find", "px-listen", "px-move", "px-register", "px-repack", "px-report", "px-smdb", "px-status", "pfstorage", "px-push", "px-store")
EXIT_STATUS_OF_PX = """\
.SH EXIT STATUS
0 success; 1 failure, the reason is on standard error; 2 wrong usage.
"""
FILES = """\
.SH FILES
Below the folder of an archive:
.TP
.I app/settings.yml
the settings, each explained there; \\fBmanage settings show\\fR says what is in force
.TP
.I app/white_list/*.yml
the peers that may talk to the archive
.TP
.I data/
the objects: DICOM files, the truth
.TP
.I index.sqlite
the index over them, which \\fBmanage data index\\fR makes anew
.TP
.I quarantine/
what could not be understood, with the reason
.TP
.I log/
the log files
.SH "EXIT STATUS"
0 on success, 1 on failure, 2 when the command line is wrong, 255 when a list of UIDs is empty.
.SH "SEE ALSO"
.BR gantry (1),
.BR manage (1),
.BR sphere\\-admin (1),
.I /usr/share/doc/gantry/operations.md
"""


def roff(text):
    """Plain text as roff: no character of it is markup."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join("\\&" + line if line.startswith(".") else line for line in text.split("\n"))


class Help:
    """What `PROGRAM WORDS -h` says, in parts."""

    def __init__(self, program, *words):
        self.words = words
        text = subprocess.run([program, *words, "-h"], capture_output=True, text=True, check=True).stdout
        usage, *parts = re.split(r"\n\n", text.rstrip("\n"))
        self.usage = re.sub(r"\s+", " ", usage.removeprefix("usage: "))
        self.prose = [part for part in parts if not re.match(r"[a-z ]+:\n  ", part) and "COMMAND -h'" not in part]
        self.groups = [part.split(":\n", 1) for part in parts if re.match(r"[a-z ]+:\n  ", part)]

    @staticmethod
    def entries(body):
        """(what, explanation) of a group. Explanations begin in column COLUMN, beside what they explain or below it."""
        entries = []
        for line in body.split("\n"):
            if line[:COLUMN].strip() and line[COLUMN - 1:COLUMN] == " ":
                entries.append([line[:COLUMN].strip(), line[COLUMN:].strip()])
            elif line[:COLUMN].strip():
                entries.append([line.strip(), ""])
            else:
                entries[-1][1] = (entries[-1][1] + " " + line.strip()).strip()
        return entries

    def commands(self):
        return [name for title, body in self.groups if title == "commands" for name, _ in self.entries(body)]

    def body(self):
        """Usage, prose, options; the commands have sections of their own."""
        lines = [".nh", ".ad l", ".B " + roff(self.usage.split(" ", 1)[0]), roff(self.usage.partition(" ")[2]), ".ad b", ".hy"]
        for prose in self.prose:
            lines += [".PP", roff(prose)]
        for title, body in self.groups:
            if title != "commands":
                for what, explanation in self.entries(body):
                    lines += [".TP", ".B " + roff(what), roff(explanation)]
        return lines


def sections(program, *words):
    """A section for each command below `words`, depth first."""
    lines = []
    for name in Help(program, *words).commands():
        below = Help(program, *words, name)
        lines += [f'.SH "{roff(" ".join([*words, name]).upper())}"', *below.body(), *sections(program, *words, name)]
    return lines


def page(program, name, version, with_commands):
    top = Help(program)
    summary, *rest = top.prose
    top.prose = rest
    lines = [f'.TH {roff(name.upper())} 1 "" "Gantry {version}" "Gantry"', ".SH NAME",
             f"{roff(name)} \\- {roff(summary[0].lower() + summary[1:].rstrip('.'))}", ".SH SYNOPSIS", *top.body()]
    if with_commands:
        lines += sections(program)
    elif name in PX:
        return "\n".join(lines) + "\n" + EXIT_STATUS_OF_PX
    elif top.commands():
        lines += [".SH COMMANDS"]
        for title, body in top.groups:
            if title == "commands":
                for what, explanation in top.entries(body):
                    lines += [".TP", ".B " + roff(what), roff(explanation)]
        for command in ("serve", "load"):
            lines += [f'.SH "{command.upper()}"', *Help(program, command).body()]
    return "\n".join(lines) + "\n" + FILES


def main(program, version, folder):
    with tempfile.TemporaryDirectory() as names:
        for name in ("gantry", "sphere-admin", "manage", *PX):
            link = pathlib.Path(names) / name
            link.symlink_to(os.path.abspath(program))
            text = page(link, name, version, name == "manage")
            (pathlib.Path(folder) / f"{name}.1").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
