# SPDX-License-Identifier: MIT
"""Fixtures of the system tests: whole programs, real peers, real files."""
import csv
import shutil
import signal

import pytest
from archive import Archive
from make_dicom import make_image
from part10 import read
from peers import Dcmqrscp, Orthanc, Storescp
from postgres import Postgres
from programs import BINARY, ROOT, free_port
from swift import Swift
from web import DataWeb


def pytest_configure():
    # A job in the background may be given to ignore it, and would hand that on to the programs that tests end by Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there; ./dev build makes it", returncode=2)


@pytest.fixture(scope="module")
def postgres():
    """A server of the module's own; tests that want it are skipped where it is not installed (postgres.AVAILABLE)."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def stopped_archive(tmp_path):
    """An archive that is not running. What still runs at the end is stopped and judged."""
    archive = Archive(tmp_path)
    yield archive
    if archive.server:
        archive.stop()
    shutil.rmtree(archive.folder, ignore_errors=True)


@pytest.fixture
def archive(stopped_archive):
    return stopped_archive.start()


@pytest.fixture(scope="session")
def data_web(tmp_path_factory, manifest):
    """tests/data in an archive, over HTTP: for all tests that only read."""
    folder = tmp_path_factory.mktemp("data_web")
    web = DataWeb(Archive(folder), manifest)
    yield web
    web.archive.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def storescp(tmp_path):
    server = Storescp(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def our_port():
    """A port on which a peer can reach an archive that a test starts later."""
    return free_port()


@pytest.fixture
def dcmqrscp(tmp_path, archive):
    folder = tmp_path / "dcmqrscp"
    folder.mkdir()
    server = Dcmqrscp(folder, {"GANTRY": archive.port})
    archive.allow(server.aet, server.port)
    yield server
    server.kill()


@pytest.fixture
def orthanc(tmp_path, archive):
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = Orthanc(folder, {"GANTRY": archive.port})
    archive.allow(server.aet, server.port)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def running_swift(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swift")
    server = Swift(folder)
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def swift(running_swift):
    """A real Swift with nothing in it."""
    running_swift.empty()
    return running_swift


@pytest.fixture
def few(tmp_path):
    """A folder with four small images of one study in two series."""
    folder = tmp_path / "few"
    study = "1.2.826.0.1.3680043.10.1499.7"
    for series in (1, 2):
        for number in (1, 2):
            make_image(folder / f"{series}{number}.dcm", PatientID="FEW", PatientName="Few^Images", StudyInstanceUID=study,
                       SeriesInstanceUID=f"{study}.{series}", SOPInstanceUID=f"{study}.{series}.{number}", SeriesNumber=series,
                       InstanceNumber=number)
    return folder


class TestFile:
    """A row of tests/data/manifest.csv."""
    __test__ = False

    def __init__(self, row):
        self.path = ROOT / "tests/data" / row["file"]
        self.name, self.instance, self.sop_class = row["file"], row["sop_instance_uid"], row["sop_class_uid"]
        self.syntax, self.special = row["transfer_syntax_uid"], row["special"]
        self.study, self.series, self.patient = row["study_uid"], row["series_uid"], row["patient_id"]
        self.has_meta = "no-meta;" not in self.special + ";" and bool(self.syntax)

    def read(self):
        return read(self.path)


@pytest.fixture(scope="session")
def manifest():
    with open(ROOT / "tests/data/manifest.csv", newline="", encoding="utf-8") as file:
        return [TestFile(row) for row in csv.DictReader(file)]


@pytest.fixture(scope="session")
def objects(manifest):
    """The files with SOP Class and Instance UIDs, each instance once."""
    seen = {}
    for one in manifest:
        if one.instance and one.sop_class and one.instance not in seen:
            seen[one.instance] = one
    return list(seen.values())
