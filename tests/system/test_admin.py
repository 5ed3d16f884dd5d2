# SPDX-License-Identifier: MIT
"""sphere-admin and the general habits of manage (spec rows ADM-01 to ADM-09, CLI-01 to CLI-15)."""
import re
import signal

import pytest
import sphere_folder
from archive import Archive, as_program
from programs import BINARY, Server, free_port, run, wait_until


@pytest.fixture
def admin(tmp_path):
    return as_program(tmp_path, "sphere-admin")


def test_an_archive_folder_is_made_with_parents(admin, tmp_path):  # ADM-01, ADM-02
    folder = tmp_path / "new/parent/archive"
    run(admin, folder)
    for name in ("manage", "manage.py", "app/settings.yml", "app/tags.yml", "app/logging_config.yml", "app/all_dicom_elements.csv",
                 "app/white_list/example.yml"):
        assert (folder / name).exists(), name
    assert (folder / "manage").stat().st_mode & 0o111


def test_an_existing_folder_is_refused_and_untouched(admin, tmp_path):  # ADM-03
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "precious").write_text("x")
    done = run(admin, folder, check=False)
    assert done.returncode == 1
    assert str(folder) in done.stderr
    assert [p.name for p in folder.iterdir()] == ["precious"]


def test_force_replaces_it(admin, tmp_path):  # ADM-04
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "old").write_text("x")
    run(admin, "-f", folder)
    assert not (folder / "old").exists()
    assert (folder / "manage").exists()
    run(admin, "--force", tmp_path / "not-there-yet")


def test_force_does_not_follow_links_out(admin, tmp_path):
    folder, outside = tmp_path / "archive", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "precious").write_text("x")
    (folder / "link").symlink_to(outside)
    run(admin, "-f", folder)
    assert (outside / "precious").exists()


def test_environment_link(admin, tmp_path):  # ADM-05
    environment = tmp_path / "some env; touch x"
    environment.mkdir()
    run(admin, "-env", environment, tmp_path / "archive")
    assert (tmp_path / "archive/env_sphere").resolve() == environment
    assert not (tmp_path / "x").exists()


def test_help_and_usage_errors(admin, tmp_path):  # ADM-06
    assert "dirpath" in run(admin, "-h").stdout.lower()
    for arguments in ((), ("--nonsense", tmp_path / "x"), (tmp_path / "x", tmp_path / "y")):
        done = run(admin, *arguments, check=False)
        assert done.returncode == 2
        assert "usage" in done.stderr.lower()
    assert not (tmp_path / "x").exists()


def test_version_at_creation_is_recorded(stopped_archive):  # ADM-07, CLI-02, CLI-03
    version = stopped_archive.manage("--version").stdout
    assert re.fullmatch(r"sphere \d+\.\d+\.\d+\n", version) or re.search(r"\d+\.\d+\.\d+", version)
    number = re.search(r"\d+\.\d+\.\d+", version)[0]
    assert stopped_archive.manage("-vp").stdout == f"Version pacs : {number}\n"
    assert stopped_archive.manage("--version_pacs").stdout == f"Version pacs : {number}\n"


def test_run_time_folders_come_with_the_first_run(stopped_archive):  # ADM-09
    assert not (stopped_archive.folder / "data").exists()
    stopped_archive.start()
    for name in ("data", "log", ".tmp_data"):
        assert (stopped_archive.folder / name).is_dir(), name


def test_the_shipped_settings_are_accepted_as_they_are(tmp_path):  # ADM-08
    run(as_program(tmp_path, "sphere-admin"), tmp_path / "a")
    done = run(tmp_path / "a/manage", "echo", "127.0.0.1", free_port(), "-aec", "X", check=False)
    assert "settings.yml" not in done.stderr


def test_help_at_every_level(stopped_archive):  # CLI-01
    top = stopped_archive.manage("-h").stdout
    for command in ("runserver", "echo", "store", "find", "move", "get"):
        assert command in top
        text = stopped_archive.manage(command, "-h").stdout
        assert "usage" in text.lower() and command in text
    assert not (stopped_archive.folder / "log").exists(), "help must have no side effects"


@pytest.mark.parametrize("arguments", [
    (), ("nonsense",), ("echo",), ("echo", "127.0.0.1", "104"), ("echo", "127.0.0.1", "port", "-aec", "X"),
    ("echo", "127.0.0.1", "104", "-aec", "X", "-v", "3"), ("find", "127.0.0.1", "104", "-aec", "X", "-d", "maybe"),
    ("find", "127.0.0.1", "104", "-aec", "X", "-l", "FRAME"), ("store", "127.0.0.1", "104", "-aec", "X"),
    ("store", "127.0.0.1", "104", "-aec", "X", "-sp", "fs"), ("store", "127.0.0.1", "104", "-aec", "X", "-sp", "db"),
    ("store", "127.0.0.1", "104", "-aec", "X", "-sp", "db", "-UID", "1", "-fUID", "f"), ("move", "127.0.0.1", "104", "-aec", "X"),
    ("echo", "127.0.0.1", "104", "-aec", "X", "--frobnicate"), ("echo", "127.0.0.1", "104", "extra", "-aec", "X"),
])
def test_usage_errors_exit_2(stopped_archive, arguments):  # CLI-06
    done = stopped_archive.manage(*arguments, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "usage" in done.stderr.lower() or "manage" in done.stderr.lower()


@pytest.mark.parametrize("word, meaning", [("yes", True), ("TRUE", True), ("t", True), ("y", True), ("1", True),
                                           ("no", False), ("False", False), ("f", False), ("N", False), ("0", False)])
def test_boolean_words(archive, few, word, meaning):  # CLI-04
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, few)
    done = archive.manage("find", "127.0.0.1", archive.port, "-aec", archive.aet, "-d", word)
    assert ("1.2.826.0.1.3680043.10.1499.7" in done.stdout) == meaning


def test_option_spellings(archive):  # CLI-05
    for option in (["-aec", archive.aet], ["--ae_called", archive.aet], [f"--ae_called={archive.aet}"]):
        archive.manage("echo", "127.0.0.1", archive.port, *option)


def test_exit_codes_tell_the_outcome(archive, tmp_path):  # CLI-07
    dead = free_port()
    archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet)
    for arguments in (("echo",), ("find",), ("move", "-aes", "X", "-stUID", "1.2.3"), ("get", "-stUID", "1.2.3")):
        done = archive.manage(arguments[0], "127.0.0.1", dead, "-aec", "X", *arguments[1:], check=False, cwd=tmp_path)
        assert done.returncode not in (0, 2), arguments
    archive.allow("GANTRY", ip="192.0.2.1")
    assert archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet, check=False).returncode not in (0, 2)


def test_association_blocks_by_verbosity(archive):  # CLI-08, CLI-09, CLI-10
    where = ("echo", "127.0.0.1", archive.port, "-aec", archive.aet)
    assert archive.manage(*where, "-v", "0").stdout.strip() == ""
    block = archive.manage(*where, "-v", "1").stdout
    header = "#" * 25 + " CURRENT SCU CECHO ASSOC " + "#" * 25
    lines = block.splitlines()
    assert header in lines
    at = lines.index(header)
    width = len(header) + 2
    assert lines[at + 1] == "# Server Association metadata"
    assert re.fullmatch(r"# update date \t\t: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", lines[at + 2]), repr(lines[at + 2])
    assert lines[at + 3] == "# " + "-" * (width - 2)
    assert "# action\t\t: CECHO" in lines
    assert "# service\t\t: SCU" in lines
    assert "# final_status\t\t: 0x0000 : Association Completed " in lines
    assert "#" * width in lines
    more = archive.manage(*where, "-v", "2").stdout
    for part in ("# dt_exec\t\t: ", f"# associate_ae\t\t: {archive.aet}", "# success\t\t: True", "# LOG", "# last_log\t: "):
        assert part in more, part


def test_every_command_works_from_any_folder(archive, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet, cwd=elsewhere)
    run(archive.folder / "manage.py", "echo", "127.0.0.1", archive.port, "-aec", archive.aet, cwd=elsewhere)
    assert list(elsewhere.iterdir()) == []


def test_the_old_launcher_with_and_without_python(stopped_archive, tmp_path):
    launcher = stopped_archive.folder / "manage.py"
    for command in ([launcher], ["/usr/bin/python3", launcher], ["/bin/sh", launcher]):
        assert run(*command, "-v", cwd=tmp_path).stdout.startswith("sphere ")
        done = run(*command, "find", "a b", "99999", "-aec", "X Y", check=False)
        assert done.returncode == 2 and "port" in done.stderr
    assert run("/usr/bin/python3", "manage.py", "settings", "check", cwd=stopped_archive.folder).stdout.startswith(str(stopped_archive.settings))


def test_a_failure_is_said_once_whatever_the_logging_is(tmp_path):
    """SPHERE's logging_config.yml sends every logger to the console; the journal has the failure, the console not twice."""
    folder = sphere_folder.make_folder(tmp_path / "sphere", free_port(), 5432)
    (folder / "manage").symlink_to(BINARY)
    for logging in (None, "version: 1\nhandlers: {h: {class: logging.StreamHandler}}\nroot: {level: DEBUG, handlers: [h]}\n", "version: [\n"):
        if logging:
            (folder / "app/logging_config.yml").write_text(logging)
        done = run(folder / "manage", "echo", "127.0.0.1", free_port(), "-aec", "NOBODY", "-v", "0", check=False)
        assert done.returncode == 1
        assert done.stderr.count("Connection refused") == 1, done.stderr
    assert "Connection refused" in (folder / "log/command_event.log").read_text()


def test_commands_are_journalled(archive):  # CLI-15
    archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet)
    assert "echo" in (archive.folder / "log/command_event.log").read_text()


def test_the_banner(archive):  # RUN-02
    wait_until(lambda: "Api Annotation" in archive.server.output(), 5, "the banner, which comes after the listening")
    text = re.sub(r"\033\[\d+m", "", archive.server.output())
    assert f"# DICOM Server {archive.aet}" in text
    assert f"# Port : {archive.port}" in text
    for service in ("C-ECHO", "C-STORE", "C-FIND", "C-MOVE"):
        assert f"# (SCP){service}\tON" in text


def test_stopping_says_so(stopped_archive):  # RUN-07, RUN-08
    stopped_archive.start()
    server = stopped_archive.server
    stopped_archive.stop()
    assert f"DICOM Server {stopped_archive.aet} has been stopped" in server.output()


def test_two_servers_on_one_archive_lose_nothing(archive, few, tmp_path):
    """Refused would be fine too; but if both run, both store, and both find everything."""
    port = free_port()
    second = Server([archive.folder / "manage", "runserver"], port, tmp_path / "second.out", env={"DICOM_PORT": str(port)})
    try:
        files = sorted(few.iterdir())
        run("storescu", "-R", "-aec", archive.aet, "127.0.0.1", archive.port, *files[:2])
        run("storescu", "-R", "-aec", archive.aet, "127.0.0.1", port, *files[2:])
        for one in (archive.port, port):
            done = run("findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "NumberOfStudyRelatedInstances", "-k", "PatientID=FEW",
                       "-aec", archive.aet, "127.0.0.1", one)
            assert re.search(r"\(0020,1208\) IS \[4 ?\]", done.stdout + done.stderr)
    finally:
        assert second.end(signal.SIGTERM) == 0


def test_archive_class_edits_settings(stopped_archive):
    """The harness itself: a nested key is set where it stands."""
    assert isinstance(stopped_archive, Archive)
    stopped_archive.set("ae_params.max_assoc", 7)
    assert re.search(r"(?m)^\s+max_assoc: 7$", stopped_archive.settings.read_text())
