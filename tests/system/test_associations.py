# SPDX-License-Identifier: MIT
"""Conversations as no client has them, by tests/torture/associations.c; `./dev torture associations` has more of them."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from archive import Archive
from programs import BINARY

pytestmark = pytest.mark.asan
COUNT = int(os.environ.get("ASSOCIATIONS_COUNT", "3000"))
SEED = os.environ.get("ASSOCIATIONS_SEED", "1")
PROGRAM = BINARY.parents[2] / "tests/torture/associations"
MEMORY = pathlib.Path("/dev/shm")  # where syncing costs nothing


@pytest.fixture
def archive_in_memory():
    folder = tempfile.mkdtemp(prefix="gantry-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
    archive = Archive(folder)
    yield archive
    if archive.server:
        archive.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_conversations_that_go_wrong(archive_in_memory, monkeypatch):
    """The server answers an echo between them and at the end, ends every connection that its peer has ended, keeps nothing, and stops without a report of a sanitizer."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not there: ninja -C {BINARY.parents[2]} tests/torture/associations")
    archive = archive_in_memory
    for title in ("RAW", "PROBE", "SIXTEENCHARACTER"):
        archive.allow(title, ip="127.0.0.0/8")
    archive.allow("NOWHERE", port=9, ip="127.0.0.1")
    archive.set("accept_unknown_classes", "True")
    archive.set("console_verbose_level", 0)
    monkeypatch.setitem(os.environ, "ASAN_OPTIONS", "detect_leaks=1:quarantine_size_mb=16")
    archive.start()
    done = subprocess.run([PROGRAM, str(archive.port), str(archive.server.pid), str(COUNT), "0", SEED], timeout=60 + COUNT, check=False,
                          stdout=None if COUNT > 3000 else subprocess.PIPE, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{archive.server.output()[-6000:]}"
    archive.stop()
    assert not archive.unfinished()
    assert archive.manage("data", "verify", timeout=600).returncode == 0


