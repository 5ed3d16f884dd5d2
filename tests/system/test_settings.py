# SPDX-License-Identifier: MIT
"""app/settings.yml: what is wrong is said with file, line, key and what is allowed (spec rows CFG-01 to CFG-03)."""
import json
import re

import pytest
from archive import Archive
from programs import ROOT, free_port, run


def refused(archive, *words, command=("echo", "127.0.0.1", "1", "-aec", "X")):
    done = archive.manage(*command, check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    for word in words:
        assert word in text, f"{word!r} is not in:\n{text}"
    return text


def line_of(archive, start):
    lines = archive.settings.read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.startswith(start))


def test_an_unknown_key(stopped_archive):
    archive = stopped_archive
    archive.settings.write_text(archive.settings.read_text() + "\nportt: 104\n")
    text = refused(archive, "settings.yml", "portt")
    assert re.search(rf"settings\.yml:{line_of(archive, 'portt')}\b", text), text


@pytest.mark.parametrize("key, value, words", [
    ("port", "eleven", ["port"]),
    ("port", "0", ["port", "1", "65535"]),
    ("port", "70000", ["port", "65535"]),
    ("AET", "THIS_TITLE_IS_TOO_LONG", ["AET", "16"]),
    ("storage_method", "TAPE", ["storage_method", "FS"]),
    ("duplicates", "sometimes", ["duplicates", "replace", "keep_first", "keep_both"]),
])
def test_a_wrong_value(stopped_archive, key, value, words):
    stopped_archive.set(key, value)
    text = refused(stopped_archive, "settings.yml", *words)
    assert re.search(rf"settings\.yml:{line_of(stopped_archive, key)}\b", text), text


def test_yaml_that_is_none(stopped_archive):
    lines = stopped_archive.settings.read_text().splitlines()
    lines.insert(3, "log: [unclosed")
    stopped_archive.settings.write_text("\n".join(lines))
    assert re.search(r"settings\.yml:\d+", refused(stopped_archive, "settings.yml"))


@pytest.mark.parametrize("key", ["port", "AET"])
def test_what_is_mandatory(stopped_archive, key):
    text = stopped_archive.settings.read_text()
    stopped_archive.settings.write_text(re.sub(rf"(?m)^{key}:.*\n", "", text))
    refused(stopped_archive, key)


def test_a_missing_settings_file(stopped_archive):
    stopped_archive.settings.unlink()
    refused(stopped_archive, "settings.yml")


def test_every_problem_is_listed_at_once(stopped_archive):
    stopped_archive.set("port", "eleven")
    stopped_archive.set("duplicates", "sometimes")
    refused(stopped_archive, "eleven", "sometimes")


def test_the_environment_overrides_the_file(stopped_archive):
    done = stopped_archive.manage("echo", "127.0.0.1", "1", "-aec", "X", check=False, env={"DICOM_PORT": "eleven"})
    assert done.returncode != 0
    assert "DICOM_PORT" in done.stdout + done.stderr


def test_no_secret_in_any_log(stopped_archive):
    stopped_archive.set("db.params.password", "very-secret-word")
    stopped_archive.start()
    run("echoscu", "-aec", stopped_archive.aet, "127.0.0.1", stopped_archive.port)
    stopped_archive.stop()
    for path in stopped_archive.folder.rglob("*"):
        if path.is_file() and path != stopped_archive.settings:
            assert b"very-secret-word" not in path.read_bytes(), path


def test_a_help_page_needs_no_settings(stopped_archive):
    stopped_archive.set("port", free_port())
    stopped_archive.settings.write_text("portt: 1\n")
    assert "usage" in stopped_archive.manage("--help").stdout.lower()


def test_two_servers_with_one_port(archive, tmp_path):
    """The second says which port is taken, and by its exit code that it did not start; the first goes on."""
    (tmp_path / "second").mkdir()
    second = Archive(tmp_path / "second", aet="SECOND")
    second.set("port", archive.port)
    done = second.manage("runserver", check=False, timeout=20)
    assert done.returncode == 1
    assert f"{archive.port}" in done.stderr and "in use" in done.stderr
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)


ECHO = ("echo", "127.0.0.1", "1", "-aec", "X")


@pytest.mark.parametrize("name, command, text", [
    ("logging_config.yml", ECHO, None), ("contexts.yml", ECHO, None), ("associations.yml", ("assoc", "myself", "studies"), None), ("settings.yml", ECHO, None),
    ("white_list/shapes.yml", ("peers",), "SHAPES:\n  ip: 127.0.0.1\n  port: 104\n"), ("tags.yml", ("database", "migrate"), "patient:\n  - '00101020'\n")])
def test_no_shape_of_a_file_ends_a_program(name, command, text, stopped_archive):
    """A list, a map or a text where each of the others belongs."""
    path = stopped_archive.folder / "app" / name
    lines = [line for line in (text or path.read_text()).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    shapes = ["[a, b]\n", "a\n", "", "[[a]]\n"]
    for i, line in enumerate(lines):
        key = re.match(r"(\s*)([^\s:][^:]*):", line)
        if key and (len(key[1]) == 0 or name != "settings.yml"):
            end = next((j for j in range(i + 1, len(lines)) if len(lines[j]) - len(lines[j].lstrip()) <= len(key[1])), len(lines))
            shapes += ["\n".join(lines[:i] + [f"{key[1]}{key[2]}: {value}"] + lines[end:]) + "\n" for value in ("[a, b]", "{a: [b]}", "x", "[{a: b}]")]
    for shape in shapes:
        path.write_text(shape)
        done = stopped_archive.manage(*command, check=False)
        assert done.returncode >= 0, f"signal {-done.returncode}:\n{shape}"


def test_texts_name_keys_that_exist(stopped_archive):
    keys = set(json.loads(stopped_archive.manage("settings", "show", "--json").stdout))
    named = set()
    for source in (ROOT / "src").rglob("*.c"):
        code = re.sub(r"^#include.*", "", source.read_text(), flags=re.MULTILINE)
        for text in re.findall(r'"(?:[^"\\\n]|\\.)*"', code):
            named |= {(key, source.name) for key in re.findall(r"\b(?:db|ae_params|api|tls|fs)\.[a-z_]+(?:\.[a-z_]+)*", text)}
    assert len(named) > 50
    assert not [(key, where) for key, where in sorted(named) if not any(k.startswith(key) for k in keys)]
