# SPDX-License-Identifier: MIT
"""The other two toolkits: odil and GDCM's gdcmscu.

Debian's gdcmscu ends every association, with whatever peer, by "ProtocolStream as nullptr is invalid" and SIGABRT after its A-RELEASE; so it is
judged by what it has done by then; it prints nothing any more.
"""
import re

from part10 import read_folder
from programs import run

STUDY = "1.2.826.0.1.3680043.10.1499.7"


def test_odil(archive, few, tmp_path):
    host = ("127.0.0.1", archive.port, "ODIL", archive.aet)
    run("odil", "echo", *host)
    run("odil", "store", *host, *sorted(few.iterdir()))
    assert len(archive.files()) == 4
    found = run("odil", "find", *host, "study", "QueryRetrieveLevel=STUDY", "PatientID=FEW", "StudyInstanceUID=")
    assert STUDY in found.stdout
    run("odil", "get", "-d", tmp_path / "out", *host, "study", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={STUDY}")
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 4


def gdcmscu(verb, archive, *options):
    done = run("gdcmscu", verb, "--aetitle", "GDCMSCU", "--call", archive.aet, *options, check=False)
    assert done.returncode == 0 or "ProtocolStream as nullptr" in done.stderr, done.stderr[-2000:]
    return done.stdout


def test_gdcmscu_echo_store_find(archive, few):
    where = ("127.0.0.1", archive.port)
    gdcmscu("--echo", archive, *where)
    assert "CECHO" in archive.server.output()
    gdcmscu("--store", archive, *where, *sorted(few.iterdir()))
    assert set(read_folder(archive.data)) == set(read_folder(few))
    gdcmscu("--find", archive, "--patientroot", "--patient", "--key", "10,20=FEW", "--key", "10,10=", *where)
    gdcmscu("--find", archive, "--studyroot", "--study", "--key", "10,20=FEW", "--key", f"20,d={STUDY}", *where)
    gdcmscu("--find", archive, "--patientroot", "--patient", "--key", "10,20=NOBODY", "--key", "10,10=", *where)
    log = (archive.folder / "log/pacs.log").read_text()
    assert re.findall(r"C-FIND from GDCMSCU.*: (\d+) matches", log) == ["1", "1", "0"]


def test_gdcmscu_move(archive, few, tmp_path, our_port):
    archive.allow("GDCMSCU", our_port)
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    out = tmp_path / "out"
    out.mkdir()
    gdcmscu("--move", archive, "--port-scp", our_port, "-o", out, "--studyroot", "--study", "--key", f"20,d={STUDY}", "127.0.0.1", archive.port)
    assert len([path for path in out.rglob("*") if path.is_file()]) == 4


def test_what_gdcm_stores_can_be_read_by_dcmtk(archive, few, tmp_path):
    """Three toolkits in a row: GDCM sends, we keep, DCMTK fetches and checks."""
    gdcmscu("--store", archive, "127.0.0.1", archive.port, *sorted(few.iterdir()))
    (tmp_path / "out").mkdir()
    run("getscu", "+B", "-S", "-od", tmp_path / "out", "-aec", archive.aet, "-k", "QueryRetrieveLevel=STUDY", "-k",
        f"StudyInstanceUID={STUDY}", "127.0.0.1", archive.port)
    out = sorted((tmp_path / "out").iterdir())
    assert len(out) == 4
    for path in out:
        run("dcmdump", "-q", path)
