# SPDX-License-Identifier: MIT
"""Every recorded run of pypx is compared or listed with the reason; every row of pypx's features has its tests."""
import csv
import fnmatch
import re
import sys

import pytest
from archive import as_program
from golden import FOLDER, cases
from programs import ROOT, run

PROMISED = {"E": 3, "G": 9, "F": 12, "T": 11, "D": 1, "M": 1, "R": 15, "S": 6, "P": 9, "N": 7, "K": 11, "B": 9, "O": 6, "L": 4, "Q": 7, "A": 1, "V": 1}
NAMES = [one.name for one in cases()]


def table(name):
    with open(FOLDER / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


TOOLS = sorted({row["tool"] for row in table("options.csv")})


def listed():
    """What stands in backquotes at the beginning of a row of tests/px/DIFFERENCES.md: names of cases, also with '*'."""
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "tests/px/DIFFERENCES.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_each_recorded_run_is_compared_or_listed():
    files = sorted((ROOT / "tests/system").glob("test_px_golden_*.py"))
    collected = run(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files, cwd=ROOT).stdout
    named = set(re.findall(r"\[([\w.-]+)\]", collected))
    for file in files:
        named.update(re.findall(r'"([\w.-]+)"', file.read_text(encoding="utf-8")))
    patterns = listed()
    forgotten = [name for name in NAMES if name not in named and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    assert not forgotten
    assert len(named & set(NAMES)) > 200  # compared, not only listed


def test_what_is_listed_exists():
    assert len(listed()) > 50
    assert not [pattern for pattern in listed() if not any(fnmatch.fnmatch(name, pattern) for name in NAMES)]


def test_each_promised_row_is_there():
    section = (ROOT / "tests/COVERAGE.md").read_text(encoding="utf-8").split("\n## The px tools\n")[1].split("\n## ")[0]
    rows = " ".join(line.split("|")[1] for line in section.splitlines() if re.search(r"^\| .*`(\w+/)?test_", line))
    assert not [row for prefix, last in PROMISED.items() for row in (f"{prefix}{n:02}" for n in range(1, last + 1)) if row not in rows]


@pytest.mark.parametrize("tool", TOOLS)
def test_each_option_of_each_release_is_there(tool, tmp_path):
    told = run(as_program(tmp_path, tool), "-h").stdout
    wanted = {option for row in table("options.csv") if row["tool"] == tool for option in row["option"].split("|")}
    assert not [option for option in sorted(wanted) if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", told)]
    assert len(TOOLS) == 12


@pytest.mark.parametrize("tool", TOOLS)
def test_versions_and_wrong_options(tool, tmp_path):
    """The words of pypx 3.12; exit codes are those of a success, and unknown options are passed over where pypx did so."""
    row, = (row for row in table("versions.csv") if row["tool"] == tool and row["release"] == "3.12.6")
    program = as_program(tmp_path, tool)
    said = run(program, "--version").stdout.strip()
    assert said == (row["version_output"] if row["version_stream"] == "stdout" else "Version: 3.2.12")  # that px-push died
    for option in ("-x", "-y"):
        assert run(program, option).stdout
    if row["exit_unknown_option"] == "2":
        assert run(program, "--nosuchoption", check=False, stdin="").returncode == 2
