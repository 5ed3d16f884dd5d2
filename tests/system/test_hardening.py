# SPDX-License-Identifier: MIT
"""What docs/security.md says of the program itself: how it was built, and what a server that runs may still do."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import sys
import tempfile

import hardened
import pytest
from archive import Archive
from listener import Listener
from programs import BINARY, SANITIZED, Server, run, wait_until
from web import Web

built_for_use = pytest.mark.skipif(SANITIZED, reason="it was built another way")


# -- how it was built --

@built_for_use
def test_the_program_is_built_to_be_hard_to_use_against_us():
    hardened.linked(BINARY)


@built_for_use
def test_the_compiler_was_told_to_check():
    hardened.compiled(BINARY)


# -- what others find --

@pytest.fixture
def no_umask():
    """Whoever starts it lets everybody read everything."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.asan
def test_closed_streams_are_no_files_of_ours(stopped_archive):
    """What is printed goes nowhere then, and not into the file that was opened first."""
    for closed in ("<&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"):
        done = run("/bin/sh", "-c", f'"$0" settings show {closed}; "$0" monitor modality {closed}', stopped_archive.folder / "manage")
        assert closed == "<&-" or not done.stdout
    texts = ("No db entries founded", "console_verbose_level   ")
    for path in (path for path in stopped_archive.folder.rglob("*") if path.is_file() and not path.is_symlink()):
        assert not [text for text in texts if text.encode() in path.read_bytes()], path
    full = run("/bin/sh", "-c", '"$0" settings show >/dev/full', stopped_archive.folder / "manage", check=False)
    assert full.returncode == 1 and "cannot write the output" in full.stderr


def test_files_are_private_whatever_the_umask(no_umask, tmp_path, few):
    archive = Archive(tmp_path)
    web = Web(archive, annotation__start=True)
    archive.set("log.create_file_uid", True)
    archive.start()
    try:
        archive.manage("store", "127.0.0.1", archive.port, "-aec", archive.aet, "-sp", "fs", "-pd", few)
        web.get("/dicom-web/studies")
        archive.manage("users", "add", "anna", "--role", "read", stdin="correct horse battery\n")
        archive.manage("backup", tmp_path / "backups")
        archive.manage("database", "find", "study", "-o", tmp_path / "studies.txt")
        archive.manage("data", "delete", "-paID", "FEW", "-y", check=False)
    finally:
        archive.stop()
    found = [path for top in (archive.folder, tmp_path / "backups") for path in [top, *top.rglob("*")]] + [tmp_path / "studies.txt"]
    ours = {path for path in found if not path.is_symlink() and (path.is_dir() or path.parent.name != "white_list")} - {archive.folder / "server.out"}
    assert len(ours) > 30
    assert not [(oct(path.stat().st_mode), str(path)) for path in sorted(ours) if path.stat().st_mode & 0o007]


@pytest.mark.asan
def test_secrets_that_everybody_can_read_are_refused(stopped_archive):
    place = pathlib.Path(tempfile.mkdtemp(prefix="gantry-open-"))  # folders of pytest keep others out
    try:
        place.chmod(0o755)
        shutil.copytree(stopped_archive.folder, place / "archive", symlinks=True)
        stopped_archive.folder = place / "archive"
        stopped_archive.set("api.auth.jwt_secret", "0123456789abcdef0123456789abcdef")
        for folder in (stopped_archive.folder, stopped_archive.folder / "app"):
            folder.chmod(0o755)
        stopped_archive.settings.chmod(0o644)
        done = stopped_archive.manage("settings", "check", check=False)
        assert done.returncode == 1 and f"chmod 640 {stopped_archive.settings}, or take it out and set API_JWT_SECRET" in done.stdout + done.stderr
        assert "0123456789abcdef" not in done.stdout + done.stderr
        stopped_archive.settings.chmod(0o640)
        stopped_archive.manage("settings", "check")
    finally:
        shutil.rmtree(place)


# -- what a server that runs may still do --

confined = pytest.mark.skipif(SANITIZED, reason="this build needs what would be taken")


def status(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def said(archive):
    return (archive.folder / "log/pacs.log").read_text()


@confined
def test_a_running_server_is_confined(archive, few):
    archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet)
    for task in pathlib.Path(f"/proc/{archive.server.pid}/task").iterdir():
        one = status(f"{archive.server.pid}/task/{task.name}")
        assert one["Seccomp"] == "2" and one["NoNewPrivs"] == "1", one["Name"]
    assert "confined: writes below its own folders only" in said(archive)


@confined
def test_no_memory_is_writable_and_executable(archive, few):
    archive.manage("store", "127.0.0.1", archive.port, "-aec", archive.aet, "-sp", "fs", "-pd", few)
    maps = pathlib.Path(f"/proc/{archive.server.pid}/maps").read_text().splitlines()
    assert len(maps) > 50
    assert not [line for line in maps if re.match(r"\S+ .w.x", line) or re.match(r"\S+ rwx", line)]


@confined
@pytest.mark.parametrize("value", ["off", "auto"])
def test_it_writes_below_its_folders_only(stopped_archive, tmp_path, value):
    """Its log folder becomes a link that leads out: who is not confined follows it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    stopped_archive.set("confine", value)
    stopped_archive.start()
    (stopped_archive.folder / "log").rename(tmp_path / "moved")
    (stopped_archive.folder / "log").symlink_to(outside)
    stopped_archive.server.process.send_signal(signal.SIGHUP)
    for _ in range(5):
        stopped_archive.manage("alive")
        if value == "off":
            wait_until((outside / "pacs.log").exists, 10, "a log outside")
    assert status(stopped_archive.server.pid)["State"].startswith("S")
    # What `manage alive` itself logs is not confined.
    text = (outside / "pacs.log").read_text() if (outside / "pacs.log").exists() else ""
    assert ("opened again" in text) == (value == "off"), text
    stopped_archive.stop()
    (stopped_archive.folder / "log").unlink()


@confined
@pytest.mark.parametrize("value, code", [("off", 0), ("require", 0), ("perhaps", 1)])
def test_the_setting(stopped_archive, value, code):
    stopped_archive.set("confine", value)
    if code:
        done = stopped_archive.manage("runserver", check=False)
        assert done.returncode == code and "one of auto, off, require" in done.stderr
        return
    stopped_archive.start()
    assert status(stopped_archive.server.pid)["Seccomp"] == ("0" if value == "off" else "2")
    assert ("the server is not confined: confine: off" in said(stopped_archive)) == (value == "off")


OLD_KERNEL = """
import ctypes, os, sys
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
filter = ctypes.c_void_p(seccomp.seccomp_init(0x7FFF0000))
call = seccomp.seccomp_syscall_resolve_name(b"landlock_create_ruleset")
assert seccomp.seccomp_rule_add(filter, ctypes.c_uint32(0x00050000 | 38), call, 0) == 0 and seccomp.seccomp_load(filter) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@confined
def test_a_machine_that_lacks_something(stopped_archive):
    """A kernel without Landlock, or a container that does not let it through (ENOSYS): told once, or the end of the start."""
    command = [sys.executable, "-c", OLD_KERNEL, stopped_archive.folder / "manage", "runserver"]
    server = Server(command, stopped_archive.port, stopped_archive.folder / "server.out", cwd="/")
    try:
        assert status(server.pid)["Seccomp"] == "2" and status(server.pid)["NoNewPrivs"] == "1"
        stopped_archive.manage("alive")
        assert said(stopped_archive).count("it lacks rules on files (Landlock, Linux 5.19)") == 1
    finally:
        assert server.end(signal.SIGTERM) == 0
    stopped_archive.set("confine", "require")
    done = run(*command, check=False)
    assert done.returncode == 1 and "confine: require, but this machine lacks rules on files" in done.stderr


@pytest.mark.skipif(not SANITIZED, reason="of builds with sanitizers, or that count lines")
@pytest.mark.asan
def test_what_cannot_be_required_is_refused(stopped_archive):
    stopped_archive.set("confine", "require")
    done = stopped_archive.manage("runserver", check=False)
    assert done.returncode == 1 and "confine: require, but this program was built " in done.stderr


@confined
@pytest.mark.parametrize("name, options, filtered", [("px-listen", [], "2"), ("px-listen", ["--confine", "require"], "2"), ("px-listen", ["--confine", "off"], "0"),
                                                     ("px-listen", ["--layout", "legacy", "--tree"], "2"), ("storescp.sh", [], "2")])
def test_the_listener_of_the_px_tools(tmp_path, few, name, options, filtered):
    listener = Listener(tmp_path / "base", *options, name=name)
    listener.start()
    try:
        one = status(listener.server.pid)
        assert (one["Seccomp"], one["NoNewPrivs"]) == (filtered, "1" if filtered == "2" else "0")
        run("dcmsend", "+sd", "-aec", "ANY", "127.0.0.1", listener.port, few)
        wait_until(lambda: len(listener.indexed()) == 4, 10, "four objects")
    finally:
        listener.stop()
    assert "denied" not in listener.output() and "not permitted" not in listener.output(), listener.output()


@confined
def test_logs_rotate_and_are_opened_again(stopped_archive):
    """Also a log file elsewhere, which logging_config.yml names."""
    elsewhere = stopped_archive.folder.parent / "elsewhere/deep"
    config = stopped_archive.folder / "app/logging_config.yml"
    elsewhere.mkdir(parents=True)
    text = config.read_text()
    name = re.search(r"filename: (\S*pacs\.log\S*)", text)[1]
    config.write_text(text.replace(f"filename: {name}", f"filename: {elsewhere}/pacs.log").replace("10485760", "2000"))
    stopped_archive.start()
    for _ in range(20):
        stopped_archive.manage("echo", "127.0.0.1", stopped_archive.port, "-aec", stopped_archive.aet)
    wait_until(lambda: len(list(elsewhere.glob("pacs.log*"))) > 1, 10, "a log that was put aside")
    (elsewhere / "pacs.log").rename(elsewhere / "moved")
    stopped_archive.server.process.send_signal(signal.SIGHUP)
    wait_until((elsewhere / "pacs.log").exists, 10, "the log again")


@confined
def test_it_may_be_kept_from_reading(stopped_archive, few, tmp_path):
    """What was indexed in place is read, unless confine_read names folders and it lies in none of them."""
    stopped_archive.manage("data", "index", "-d", few)
    for read, come in (("[]", 4), (f"['{tmp_path / 'another'}']", 0), (f"['{few}']", 4)):
        stopped_archive.set("confine_read", read)
        stopped_archive.start()
        to = tmp_path / f"got{come}"
        stopped_archive.manage("get", "127.0.0.1", stopped_archive.port, "-aec", stopped_archive.aet, "-l", "PATIENT", "-paID", "FEW", "-o", to, check=False)
        assert len(list(to.glob("*.dcm"))) == come
        shutil.rmtree(to)
        stopped_archive.stop()


@confined
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_user_of_the_settings(stopped_archive, few):
    # The folders above belong to pytest, which keeps others out.
    place = pathlib.Path(tempfile.mkdtemp(prefix="gantry-user-"))
    try:
        place.chmod(0o755)
        shutil.copytree(stopped_archive.folder, place / "archive", symlinks=True)
        run("chown", "-R", "nobody", place / "archive")
        stopped_archive.folder = place / "archive"
        stopped_archive.set("user", "nobody")
        stopped_archive.start()
        uid = pwd.getpwnam("nobody").pw_uid
        one = status(stopped_archive.server.pid)
        assert one["Uid"].split() == [str(uid)] * 4 and int(one["CapEff"], 16) == 0 and int(one["CapPrm"], 16) == 0
        stopped_archive.manage("store", "127.0.0.1", stopped_archive.port, "-aec", stopped_archive.aet, "-sp", "fs", "-pd", few)
        files = stopped_archive.files()
        assert len(files) == 4 and {path.stat().st_uid for path in files} == {uid}
        assert (stopped_archive.folder / "log/pacs.log").stat().st_uid == uid and "runs as root" not in said(stopped_archive)
        stopped_archive.stop()
        stopped_archive.set("user", "no-such-user")
        done = stopped_archive.manage("runserver", check=False)
        assert done.returncode == 1 and "user: there is no user no-such-user on this machine" in done.stderr
    finally:
        shutil.rmtree(place, ignore_errors=True)
