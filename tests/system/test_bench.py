# SPDX-License-Identifier: MIT
"""`./dev bench`: that it runs and prints its table, with tiny numbers; nothing runs or lies about afterwards, also when it fails or is ended."""
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from programs import BINARY, ENVIRONMENT, PATIENCE, ROOT, run, wait_until

TINY = ("--rounds", 1, "--requests", 2, "--seconds", 0.1, "--object", "small", "--studies", 100)
PLUGIN = pathlib.Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def bench(program, test, folder, *options):
    return [sys.executable, ROOT / f"bench/{program}.py", test, "--gantry", BINARY, "--folder", folder, *options]


def of_it(folder):
    """Processes that have the folder in their command line, and not only in their parent's."""
    found = []
    for one in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(folder) in one.read_bytes():
                found.append(one.parent.name)
        except OSError:
            continue
    return found


def nothing_is_left(folder):
    assert not of_it(folder)
    assert not list(folder.iterdir())


def table(text):
    """{row: cells}, its first line under 'what'."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row: [cell.strip() for cell in cells] for row, *cells in lines}


@pytest.mark.parametrize("plugin", [PLUGIN, pathlib.Path("/nowhere/libOrthancDicomWeb.so")])
def test_web(tmp_path, plugin):
    printed = run(*bench("web", "web", tmp_path, *TINY, "--plugin", plugin), timeout=120).stdout
    rows = table(printed)
    names = ["Gantry", "Orthanc"] if plugin.exists() else ["Gantry"]
    assert rows.pop("what") == (["Gantry", "Orthanc", "times better"] if plugin.exists() else ["Gantry"])
    assert (f"Without a column for Orthanc: there is no {plugin}" in printed) == (not plugin.exists())
    for what in ("STOW-RS", "WADO-RS", "metadata", "a frame", "QIDO-RS, lists", "QIDO-RS, a study by PatientID", "QIDO-RS, the series"):
        for clients in (1, 8):
            assert [row for row in rows if re.match(rf"{what}.*, {clients} at a time: (objects|requests)/s", row)], what
    assert len(rows) == 2 * 7 * 3
    for row, cells in rows.items():
        assert all(float(cell.replace(",", "")) > 0 for cell in cells[:len(names)] if row.endswith("/s")), (row, cells)
    nothing_is_left(tmp_path)


def test_start(tmp_path):
    printed = run(*bench("beside", "start", tmp_path, "--rounds", 1, "--orthanc", "/nowhere/Orthanc"), timeout=120).stdout
    rows = table(printed)
    assert "Without a column for Orthanc: there is no /nowhere/Orthanc." in printed
    assert rows.pop("what") == ["Gantry"] and len(rows) == 3
    assert all(float(cells[0].replace(",", "")) > 0 for cells in rows.values()), rows
    nothing_is_left(tmp_path)


def test_an_answer_that_is_wrong_ends_it(tmp_path):
    """An Orthanc whose plugin is not the one of DICOMweb."""
    other = PLUGIN.with_name("libServeFolders.so")
    done = run(*bench("web", "web", tmp_path, *TINY, "--plugin", other), timeout=120, check=False)
    assert done.returncode == 1 and re.search(r"^Orthanc: POST /dicom-web/studies: status 40\d where 200 is due", done.stderr, re.M), done.stderr
    assert "Traceback" not in done.stderr and not table(done.stdout)
    nothing_is_left(tmp_path)


def test_a_server_that_does_not_start_ends_it(tmp_path):
    done = run(*bench("web", "web", tmp_path, *TINY, "--plugin", "/dev/null"), timeout=120, check=False)
    assert done.returncode == 1 and done.stderr == "Orthanc does not listen\n"
    nothing_is_left(tmp_path)


def test_sigterm_ends_it_and_its_servers(tmp_path):
    argv = [str(word) for word in bench("web", "web", tmp_path, *TINY, "--seconds", 30)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/tmp", env=ENVIRONMENT) as program:
        try:
            wait_until(lambda: len(of_it(tmp_path)) == 3, 60, "a server and a client run")  # and the bench itself
            program.send_signal(signal.SIGTERM)
            assert program.wait(60 * PATIENCE) == 1 and program.stderr.read() == "ended by SIGTERM\n"
        finally:
            program.kill()
    nothing_is_left(tmp_path)
