# SPDX-License-Identifier: MIT
"""The container image and the compose files, without a container engine: what they say is what the program and PostgreSQL understand."""
import json
import re
import subprocess

import postgres as server
import pytest
import yaml
from archive import Archive
from programs import ENVIRONMENT, ROOT, run

DOCKER = ROOT / "packaging/docker"
LAYOUTS = ("sphere-only", "headless", "two-pacs")
LISTS = {"sphere-only": {"gantry": "archive"}, "headless": {"gantry": "archive"}, "two-pacs": {"pacs1": "pacs1", "pacs2": "pacs2"}}


def layout(name):
    return yaml.safe_load((DOCKER / f"{name}.yml").read_text())


def dockerfile():
    """(instruction, argument) of each line, continuations joined."""
    text = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text())
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def value(lines, instruction):
    return [argument for name, argument in lines if name == instruction][-1]


def test_the_image_runs_the_server_as_nobody_special(stopped_archive):  # PKG-02
    lines = dockerfile()
    assert value(lines, "USER") == "gantry"
    assert json.loads(value(lines, "ENTRYPOINT")) == ["gantry", "serve", value(lines, "VOLUME")]
    assert value(lines, "WORKDIR") == value(lines, "VOLUME")
    assert f"EXPOSE {re.search(r'^port: (.*)', (ROOT / 'src/cli/template/settings.yml').read_text(), re.M)[1]}" in (DOCKER / "Dockerfile").read_text()
    check = json.loads(value(lines, "HEALTHCHECK").partition("CMD ")[2])
    archive = stopped_archive.start()
    check[0] = archive.bin / "gantry"
    check[0].symlink_to((archive.folder / "manage").resolve())
    assert "answers" in run(*check, cwd=archive.folder).stdout
    archive.stop()
    assert run(*check, cwd=archive.folder, check=False).returncode == 1


def test_the_image_is_built_from_what_is_there():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert "build" in ignored and ".git" in ignored
    needed = {"dev", "meson.build", "meson_options.txt"} | {str(path.relative_to(ROOT)) for path in (ROOT / "packaging").rglob("*") if path.is_file()}
    assert not [name for name in needed if any(name.split("/")[0] == rule or name.startswith(rule + "/") for rule in ignored)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_says_what_the_program_understands(name, stopped_archive):  # PKG-03, PKG-04
    known = dict(re.findall(r'"([\w.]+)"[^{}]*?\.env = "(\w+)"', (ROOT / "src/cli/settings_table.c").read_text()))
    compose = layout(name)
    archives = {key: service for key, service in compose["services"].items() if service["image"] == "gantry"}
    assert list(archives) == list(LISTS[name])
    for key, service in archives.items():
        assert set(service["environment"]) <= set(known.values())
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKER / "Dockerfile"
        assert service["stop_grace_period"] == "60s"  # longer than the server's own grace
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] if not source.startswith(".") else (DOCKER / source).is_dir(), volume
        # What does not need another host is tried: the settings are accepted.
        environment = {k: re.sub(r"\$\{\w+:-?([^}]*)\}", r"\1", str(v)) for k, v in service["environment"].items()}
        environment["WHITELIST_PATH"] = str(DOCKER / "white_list" / LISTS[name][key])
        assert "no problem found" in stopped_archive.manage("settings", "check", env=environment).stdout
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(published) == len({port.rsplit(":", 1)[0] for port in published})
    assert all(port.startswith("127.0.0.1:") for port in compose["services"].get("pgadmin", {}).get("ports", []))
    assert not re.search(r"PASSWORD: (?!\$\{)\S", (DOCKER / f"{name}.yml").read_text())  # no published password


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_white_lists_name_who_is_there(name):
    compose = layout(name)
    gateway = compose["networks"]["dicom"]["ipam"]["config"][0]["gateway"]
    for folder in LISTS[name].values():
        peers = yaml.safe_load((DOCKER / f"white_list/{folder}/peers.yml").read_text())
        for entry in peers.values():
            assert entry["ip"] in {gateway, "127.0.0.1", *compose["services"]}
    for key, service in compose["services"].items():
        if key in LISTS[name]:
            assert service["environment"]["DICOM_AET"] in yaml.safe_load((DOCKER / f"white_list/{LISTS[name][key]}/peers.yml").read_text())


def test_two_archives_white_list_each_other(tmp_path):
    """With the lists of the layout (host names replaced by this machine), a study goes from one to the other."""
    for aet in ("PACS1", "PACS2"):
        (tmp_path / aet).mkdir()
    one, two = Archive(tmp_path / "PACS1", "PACS1"), Archive(tmp_path / "PACS2", "PACS2")
    ports = {"pacs1": one.port, "pacs2": two.port}
    for archive in (one, two):
        for path in (archive.folder / "app/white_list").iterdir():
            path.unlink()
        text = (DOCKER / f"white_list/{archive.aet.lower()}/peers.yml").read_text()
        text = re.sub(r"ip: (pacs\d)\n  port: \d+", lambda m: f"ip: 127.0.0.1\n  port: {ports[m[1]]}", text)
        (archive.folder / "app/white_list/peers.yml").write_text(text.replace("172.30.112.1", "127.0.0.1"))
    try:
        one.start()
        two.start()
        run("storescu", "-aec", "PACS1", "127.0.0.1", one.port, ROOT / "tests/data/pydicom/test_files/CT_small.dcm")
        two.manage("move", "-aec", "PACS1", "-aes", "PACS2", "-l", "PATIENT", "-paID", "1CT1", "127.0.0.1", one.port)
        assert len(two.files()) == 1
    finally:
        for archive in (one, two):
            if archive.server:
                archive.stop()


# -- the database --

@pytest.mark.skipif(not server.AVAILABLE, reason="PostgreSQL 15 is not installed")
def test_the_database_script_makes_what_an_archive_needs(stopped_archive):  # PKG-05
    pg = server.Postgres()
    try:
        password = "pa'ss \\word"
        run(DOCKER / "postgres/databases.sh", env={"PGHOST": "127.0.0.1", "PGPORT": str(pg.port), "PGPASSWORD": server.PASSWORD, "POSTGRES_USER": "gantry",
                                                   "GANTRY_DATABASES": "pacs1 pacs2", "GANTRY_PASSWORD": password})
        environment = {"DB_ENGINE": "postgresql", "POSTGRE_HOST": "127.0.0.1", "POSTGRE_PORT": str(pg.port), "POSTGRE_NAME": "pacs2", "POSTGRE_SCHEMA": "pacs",
                       "POSTGRE_LOGIN": "pacs2", "POSTGRE_PASSWORD": password}
        stopped_archive.manage("database", "create", env=environment)
        assert pg.sql("SELECT count(*) FROM pacs.study", "pacs2") == ["0"]
        other = stopped_archive.manage("database", "create", env={**environment, "POSTGRE_NAME": "pacs1"}, check=False)
        assert other.returncode == 1  # a role has its own database only
        # Without its password it does nothing.
        bare = subprocess.run([str(DOCKER / "postgres/databases.sh")], capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)
        assert bare.returncode == 1 and "password of the roles" in bare.stderr
    finally:
        pg.remove()


@pytest.mark.parametrize("name, file", [("headless", "gantry"), ("two-pacs", "two-pacs")])
def test_pgadmin_knows_the_databases(name, file):  # PKG-05
    compose = layout(name)
    servers = json.loads((DOCKER / f"pgadmin/{file}.json").read_text())["Servers"].values()
    assert {one["MaintenanceDB"] for one in servers} == set(compose["services"]["postgres"]["environment"]["GANTRY_DATABASES"].split())
    assert all(one["Host"] == "postgres" for one in servers)
    assert f"./pgadmin/{file}.json:/pgadmin4/servers.json:ro" in compose["services"]["pgadmin"]["volumes"]
