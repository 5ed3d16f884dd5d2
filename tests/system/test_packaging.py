# SPDX-License-Identifier: MIT
"""The Debian package, its man pages and its unit; `serve` and `alive`, which services and containers use."""
import os
import pathlib
import re
import shutil
import signal
import socket
import sys

import hardened
import pytest
from archive import as_program
from programs import BINARY, ROOT, Server, free_port, run

sys.path.insert(0, str(ROOT / "packaging"))
import manpage  # noqa: E402

needs = {name: pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed") for name in ("dh", "systemd-analyze", "man")}
VERSION = re.search(r"version: '([^']*)'", (ROOT / "meson.build").read_text())[1]
UNIT = ROOT / "packaging/debian/gantry@.service"


# -- the package --

@pytest.fixture(scope="module")
def package():
    """`./dev deb`, which builds it from a copy of the sources."""
    run(ROOT / "dev", "deb", timeout=900, cwd=ROOT)
    made = [path for path in (ROOT / "build/deb").glob("gantry_*.deb")]
    assert len(made) == 1, made
    return made[0]


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-x", package, folder)
    return folder


@needs["dh"]
def test_the_package_has_what_it_promises(package, unpacked):  # PKG-01
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    assert package.name == f"gantry_{VERSION}-1_{architecture}.deb"
    depends = run("dpkg-deb", "-f", package, "Depends").stdout
    for library in ("libc6", "libpq5", "libsqlite3-0", "libssl3", "libyaml-0-2"):
        assert f"{library} (>=" in depends or f"{library}," in depends, depends
    for name in ("usr/bin/gantry", "usr/share/man/man1/gantry.1.gz", "usr/share/man/man1/manage.1.gz", "usr/share/man/man1/sphere-admin.1.gz",
                 "usr/share/bash-completion/completions/manage", "usr/share/doc/gantry/copyright", "usr/share/doc/gantry/changelog.gz",
                 "usr/share/doc/gantry/changelog.Debian.gz", "usr/share/doc/gantry/README.md", "usr/share/doc/gantry/operations.md",
                 "usr/share/doc/gantry/examples/port-104.conf",
                 "usr/lib/sysusers.d/gantry.conf", "lib/systemd/system/gantry@.service"):
        assert (unpacked / name).is_file(), name
    for name in ("manage", "sphere-admin", "PACS_QR.sh", "px-do", "px-echo", "px-find", "px-listen", "px-move", "px-register", "px-report", "px-smdb", "px-status", "pfstorage", "px-push", "px-store"):
        assert os.readlink(unpacked / "usr/bin" / name) == "gantry"
    owners = {line.split()[1] for line in run("dpkg-deb", "-c", package).stdout.splitlines()}
    assert owners == {"root/root"}


@needs["dh"]
def test_the_program_of_the_package_works(unpacked, tmp_path):
    assert run(unpacked / "usr/bin/manage", "-v").stdout == f"sphere {VERSION}\n"
    assert "not found" not in run("ldd", unpacked / "usr/bin/gantry").stdout
    run(unpacked / "usr/bin/sphere-admin", tmp_path / "pacs")
    assert "no problem found" in run(tmp_path / "pacs/manage", "settings", "check").stdout


@needs["dh"]
def test_the_program_of_the_package_is_hardened(unpacked):
    hardened.linked(unpacked / "usr/bin/gantry")
    hardened.compiled(unpacked / "usr/bin/gantry")


@needs["dh"]
def test_completion_of_the_package(unpacked):
    words = 'COMP_WORDS=(manage "$1" "$2"); COMP_CWORD=$3; _gantry_manage; echo "${COMPREPLY[@]}"'
    script = f"source {unpacked}/usr/share/bash-completion/completions/manage; {words}"
    assert run("bash", "-c", script, "bash", "runs", "", "1").stdout == "runserver\n"
    assert "--ae_called" in run("bash", "-c", script, "bash", "store", "--ae", "2").stdout


@needs["dh"]
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a copy of the system to install into")
def test_installed_removed_and_purged(package, tmp_path):
    """In a copy of this machine's system that is thrown away (overlayfs); the user's data outlive the package."""
    layers = tmp_path / "layers"
    layers.mkdir()
    script = """set -e
        mount -t tmpfs none "$1"
        mkdir "$1/up" "$1/work" "$1/root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root" || exit 77
        mount --rbind /dev "$1/root/dev"; mount -t proc proc "$1/root/proc"; mount -t tmpfs none "$1/root/run"
        cp "$2" "$1/root/gantry.deb"
        chroot "$1/root" /bin/sh -e <<'INSIDE'
        cd /; export DEBIAN_FRONTEND=noninteractive
        dpkg -i /gantry.deb >/dev/null
        getent passwd gantry; stat -c '%U:%G %a %n' /var/lib/gantry
        setpriv --reuid gantry --regid gantry --clear-groups sphere-admin /var/lib/gantry/main
        stat -c '%U %n' /var/lib/gantry/main/app/settings.yml; readlink /var/lib/gantry/main/manage
        dpkg -i /gantry.deb >/dev/null; echo again
        dpkg -r gantry >/dev/null; [ ! -e /usr/bin/gantry ]
        dpkg -P gantry
        ls /var/lib/gantry/main/app/settings.yml; [ ! -e /lib/systemd/system/gantry@.service ]
INSIDE"""
    done = run("unshare", "-m", "bash", "-c", script, "bash", layers, package, timeout=120, check=False)
    if done.returncode == 77:
        pytest.skip("no overlay file system here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^gantry:x:\d+:\d+:Gantry PACS:/var/lib/gantry:.*nologin$", done.stdout, re.M)
    assert "gantry:gantry 750 /var/lib/gantry\n" in done.stdout
    assert "gantry /var/lib/gantry/main/app/settings.yml\n/usr/bin/gantry\nagain\n" in done.stdout
    assert "The archives in /var/lib/gantry were left as they are.\n/var/lib/gantry/main/app/settings.yml\n" in done.stdout


# -- man pages --

@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    manpage.main(BINARY, VERSION, folder)
    return folder


def test_the_man_pages_name_every_command_and_option(pages):
    def plain(name):
        return re.sub(r"\\(?:&|e|\(aq|fB|fR)", "", (pages / f"{name}.1").read_text().replace("\\-", "-"))

    def options(program, *words):
        text = run(program, *words, "-h").stdout
        yield " ".join(words), re.findall(r"^  (-\S+)", text, re.M)
        for command in re.findall(r"^  ([a-z_]+) ", text.partition("\ncommands:\n")[2], re.M):
            yield from options(program, *words, command)

    program = as_program(pages, "manage")
    page, seen = plain("manage"), 0
    for words, names in options(program):
        section = page.partition(f'.SH "{words.upper()}"\n' if words else ".SH SYNOPSIS\n")[2].partition("\n.SH")[0]
        for name in names:
            assert f"\n.B {name}" in section, f"manage {words}: {name}"
            seen += 1
    assert seen > 100
    assert ".B dirpath\n" in plain("sphere-admin")
    assert "\n.B --thenArgs" in plain("px-find") and "\n.B --csvPrettify" in plain("px-report")
    assert "READY" not in plain("gantry") and '.SH "SERVE"' in plain("gantry") and "\n.B --per_association" in plain("gantry")


@needs["man"]
def test_the_man_pages_are_well_formed(pages):
    for name in ("gantry", "manage", "sphere-admin", "px-find", "px-report"):
        done = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", pages / f"{name}.1", env={"MANWIDTH": "100"})
        assert not [line for line in done.stderr.splitlines() if "cannot adjust" not in line and "can't break" not in line], done.stderr
        assert "EXIT STATUS" in re.sub(".\b", "", done.stdout)


# -- the unit --

def test_the_unit_is_hardened():
    text = UNIT.read_text()
    for line in ("Type=notify", "User=gantry", "NoNewPrivileges=yes", "PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=yes", "CapabilityBoundingSet=",
                 "MemoryDenyWriteExecute=yes", "UMask=0027", "LimitCORE=0", "Restart=on-failure", "SystemCallFilter=@system-service",
                 "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp",
                 "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"):
        assert f"\n{line}\n" in text, line


@needs["systemd-analyze"]
def test_systemd_understands_the_unit(tmp_path):
    program = tmp_path / "gantry"
    program.symlink_to(BINARY)
    instance = tmp_path / "gantry@main.service"
    instance.write_text(UNIT.read_text().replace("/usr/bin/gantry", str(program)))
    for drop_in in ("port-104", "data-elsewhere"):
        folder = tmp_path / f"gantry@{drop_in}.service.d"
        folder.mkdir()
        shutil.copy(ROOT / f"packaging/examples/{drop_in}.conf", folder)
        shutil.copy(instance, tmp_path / f"gantry@{drop_in}.service")
        done = run("systemd-analyze", "verify", "--man=no", tmp_path / f"gantry@{drop_in}.service", check=False)
        assert "gantry" not in done.stderr, done.stderr  # other units of the machine are not our business
    done = run("systemd-analyze", "security", "--offline=yes", "--threshold=20", instance)
    print(done.stdout.splitlines()[-1])


# -- what service managers and containers start --

class Manager:
    """Listens as systemd does."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(30)

    def hears(self):
        return self.socket.recv(4096).decode()


@pytest.mark.asan
def test_serve_makes_the_archive_and_says_when_it_is_ready(tmp_path):
    gantry, folder, port = as_program(tmp_path, "gantry"), tmp_path / "deep/er/pacs", free_port()
    environment = {"DICOM_PORT": str(port), "DICOM_AET": "SERVED", "DICOM_LISTEN_ADDRESS": "127.0.0.1"}
    manager = Manager(tmp_path)
    for attempt in (1, 2):
        server = Server([gantry, "serve", "-v", "0", folder], port, tmp_path / f"out{attempt}", cwd="/",
                        env={**environment, "NOTIFY_SOCKET": str(manager.path)})
        assert manager.hears() == "READY=1"
        alive = run(folder / "manage", "alive", env=environment)
        assert alive.stdout.startswith(f"SERVED answers on port {port}")
        assert server.end(signal.SIGTERM) == 0
        assert manager.hears() == "STOPPING=1"
        assert ("A new archive was made in" in server.output()) == (attempt == 1)
    dead = run(folder / "manage", "alive", env=environment, check=False)
    assert dead.returncode == 1
    assert f"127.0.0.1:{port}" in dead.stderr


def test_serve_refuses_a_folder_of_somebody_else(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/precious").write_text("1")
    done = run(as_program(tmp_path, "gantry"), "serve", tmp_path / "home", check=False)
    assert done.returncode == 1
    assert "precious is in it" in done.stderr and "mounted" in done.stderr
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["precious"]


def test_alive_with_and_without_a_place_on_the_white_list(archive):
    assert archive.manage("alive").stdout == f"GANTRY answers on port {archive.port}\n"
    (archive.folder / "app/white_list/gantry.yml").unlink()
    assert archive.manage("alive").stdout == f"GANTRY answers on port {archive.port} (its white list does not name it)\n"
