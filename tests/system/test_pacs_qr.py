# SPDX-License-Identifier: MIT
"""PACS_QR.sh: environments, what is given goes first, searches without a shell, records of services."""
import json
import stat

import pytest
from test_px_move import STUDY, tools  # noqa: F401 (a fixture)


@pytest.fixture
def site(tools, archive, tmp_path):  # noqa: F811
    """A BASEMOUNT with an environment `here` for the PACS of `tools`; PACS_QR.sh in it."""
    base = tmp_path / "dicom"
    (base / "services").mkdir(parents=True)
    (base / "services/environments.json").write_text(json.dumps({
        "here": {"AET": archive.aet, "AEC": tools.aec, "PACSIP": "127.0.0.1", "PACSport": tools.port, "SWIFTPACS": "HERE"}}))

    def command(*words, env=None, **more):
        return tools.plain("PACS_QR.sh", "--baseMount", base, *words, env={"HOME": str(tmp_path), **(env or {})}, **more)

    command.base = base
    return command


@pytest.mark.asan
def test_query_and_reports(site):
    table = site("--env", "here", "--PatientID FEW").stdout
    assert "Few^Images" in table and "\x1b[1;35m" in table
    csv = site("--env", "here", "--report", "csv", "--", "--PatientID FEW").stdout
    assert "PatientName" in csv and csv.count(f" {STUDY}.") == 2
    own = site("--env", "here", "--report", "--printReport json", "--", "--PatientID", "FEW").stdout
    assert json.loads(own)[0]["header"]["PatientID"] == "FEW"


@pytest.mark.asan
def test_several_verbs_in_one_run(site, archive):
    done = site("--env", "here", "--do", "retrieve,report", "-v", "--PatientID FEW")
    assert done.stdout.index("[ STUDY retrieve ]") < done.stdout.index("[ STUDY report ]")
    assert len(archive.files()) == 4
    command = done.stderr.splitlines()[0]
    assert command.startswith("px-find --aet=") and "--then=retrieve,report" in command and command.endswith("--PatientID FEW")
    assert f"{site.base}/data" in done.stderr


def test_what_is_given_goes_first(site, tools):  # noqa: F811
    shown = site("--env", "here", "--AET", "A", "--AEC", "B", "--PACSIP", "127.0.0.2", "--PACSport", "1", "--SWIFTKEY", "k", "--SWIFTPACS", "p",
                 "--do", "push", "-v", "--PatientID FEW", check=False).stderr
    assert "--aet=A --aec=B --serverIP=127.0.0.2 --serverPort=1" in shown
    assert '"swift": "k"' in shown and '"swiftServicesPACS": "p"' in shown and '"swiftPackEachDICOM": true' in shown
    shown = site("--env", "here", "--do", "register", "-v", "--PatientID FEW", check=False).stderr
    assert '"CUBE": "local"' in shown and '"swiftServicesPACS": "HERE"' in shown and f"--aec={tools.aec}" in shown


def test_environments_of_the_user_and_unknown_ones(site, tools, tmp_path):  # noqa: F811
    (tmp_path / ".config/gantry").mkdir(parents=True)
    (tmp_path / ".config/gantry/environments.json").write_text(json.dumps(
        {"mine": {"AET": "OTHER", "AEC": tools.aec, "PACSIP": "127.0.0.1", "PACSport": str(tools.port)}, "here": {"AEC": "WRONG"}}))
    assert "Few^Images" in site("--env", "mine", "--PatientID FEW").stdout
    assert "Few^Images" in site("--env", "here", "--PatientID FEW").stdout  # that of the BASEMOUNT goes first
    done = site("--env", "nowhere", "--PatientID FEW", check=False)
    assert done.returncode == 1 and all(name in done.stderr for name in ("nowhere", "orthanc", "mine", "here"))
    shown = site("-v", "--PatientID FEW", check=False).stderr
    assert "--aet=CHRISLOCAL --aec=ORTHANC --serverIP=127.0.0.1 --serverPort=4242" in shown
    for text in ("junk", "[]", '{"here": 5}', '{"here": {"AET": []}}'):
        (site.base / "services/environments.json").write_text(text)
        done = site("--env", "here", "--PatientID FEW", check=False)
        assert done.returncode == 1 and done.stderr and not done.stdout


@pytest.mark.parametrize("words", [("--PatientName 'Few^Images'",), ('--PatientName "Few^Images" --StudyDate ""',), ("--", "--PatientName", "Few^Images"),
                                   (r"--PatientName Few\^Images",), ("--", "--PatientID FEW", "--PatientName 'Few*'")])
def test_searches(site, words):
    assert "Few^Images" in site("--env", "here", *words).stdout


def test_no_shell_looks_at_a_search(site, tmp_path):
    site("--env", "here", f"--PatientID $(touch${{IFS}}{tmp_path}/x) --PatientName `touch {tmp_path}/y`;touch {tmp_path}/z", check=False)
    assert not any((tmp_path / name).exists() for name in "xyz")
    for wrong in ("--PatientID 'open", '--PatientID "open'):
        done = site("--env", "here", wrong, check=False)
        assert done.returncode == 2 and "quote" in done.stderr
    assert site("--env", "here", "--NoSuchOption x", check=False).returncode == 2
    done = site("--env", "here", check=False)  # everything: not without being told to
    assert done.returncode == 2 and "--all" in done.stderr
    assert site("--env", "here", "--do", "fly", "--PatientID FEW", check=False).returncode == 2


def test_services_are_set(site):
    done = site("--CUBEURL", "http://127.0.0.1:8000/api/v1/", "--CUBEuser", "chris", "--CUBEpassword", "secret-1")
    assert "secret-1" not in done.stdout + done.stderr
    file = site.base / "services/cube.json"
    assert json.loads(file.read_text())["local"] == {"url": "http://127.0.0.1:8000/api/v1/", "username": "chris", "password": "secret-1"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    site("--CUBEKEY", "local", "--CUBEuser", "other")
    assert json.loads(file.read_text())["local"] == {"url": "http://127.0.0.1:8000/api/v1/", "username": "other", "password": "secret-1"}
    done = site("--SWIFTKEY", "far", "--SWIFTHOST", "127.0.0.1", "--SWIFTPORT", "8080", "--SWIFTLOGIN", "chris:secret-2", "-F", "--container", "x", "--debug",
                "--non-interactive")
    record = json.loads((site.base / "services/storage.json").read_text())["far"]
    assert (record["ip"], record["port"], record["login"]) == ("127.0.0.1", "8080", "chris:secret-2") and "secret-2" not in done.stdout
    assert all(f"{name} has no effect" in done.stderr for name in ("-F", "--container", "--debug", "--non-interactive"))


def test_help(site):
    for option in ("-h", "--help", "-x", "-?"):
        done = site(option)
        assert done.returncode == 0 and "--SWIFTPACS" in done.stdout
