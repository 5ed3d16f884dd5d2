# SPDX-License-Identifier: MIT
"""The documents are true: their examples print what they say, their links lead somewhere, their tables are complete. DOC-01"""
import json
import re
import shlex

import pytest
import sphere_folder
from archive import Archive
from postgres import AVAILABLE, PASSWORD, Postgres
from programs import BINARY, ROOT, run
from transcript import Mismatch, Session, blocks_of

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
PLAYED = [name for name, text in TEXTS.items() if any(not block.norun for block in blocks_of(name, text))]
# 11112, 11113: archives and receivers of the examples; 11119: nobody; 5432: PostgreSQL; 5555: HTTP.
PORTS = (11112, 11113, 11119, 5432, 5555)


# -- the examples --

@pytest.fixture
def reader(tmp_path):
    """What a reader has: a home folder with the source in ~/gantry, the programs installed, and maybe a PostgreSQL."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (home / "gantry").symlink_to(ROOT)
    for name in ("gantry", *re.search(r'^NAMES="(.*)"', (ROOT / "dev").read_text(), re.M)[1].split()):
        (programs / name).symlink_to(BINARY)
    session = Session(home, PORTS, {"PATH": f"{programs}:/usr/bin:/bin", "DICOM_LISTEN_ADDRESS": "127.0.0.1"})
    session.environment["API_SERVER_LISTENING_PORT"] = session.ports["5555"]  # settings.yml as it is shipped has 5555
    session.programs = programs
    yield session
    session.close()


@pytest.fixture
def database(reader):
    """Starts a PostgreSQL when it is asked for one: `sudo -u postgres` is its administrator, 127.0.0.1:5432 its address."""
    started = []

    def start():
        if not AVAILABLE:
            pytest.skip("PostgreSQL 15 is not installed")
        postgres = Postgres()
        started.append(postgres)
        sudo = reader.programs / "sudo"
        sudo.write_text(f'#!/bin/sh\n[ "$1 $2" = "-u postgres" ] || exit 9\nshift 2\n'
                        f'PGUSER=gantry PGDATABASE="${{PGDATABASE-postgres}}" PGPASSWORD={shlex.quote(PASSWORD)} exec "$@"\n')
        sudo.chmod(0o755)
        reader.ports["5432"] = str(postgres.port)
        # psql's default port, and that of a settings.yml as it is shipped.
        reader.environment.update(PGHOST="127.0.0.1", PGPORT=str(postgres.port), POSTGRE_PORT=str(postgres.port))
        return postgres

    yield start
    for postgres in started:
        postgres.remove()


def demo(reader):
    """The demo archive as `./dev run` leaves it, for README.md, which is read in the source folder."""
    (reader.home / "build").mkdir()
    (reader.home / "build/bin").symlink_to(reader.programs)
    (reader.home / "tests").symlink_to(ROOT / "tests")
    script = (ROOT / "dev").read_text()
    body = re.search(r"^    build/bin/sphere-admin \$demo\n.*?(?=^  fi$)", script, re.M | re.S)[0]
    port = reader.with_ports("11112")
    run("bash", "-ec", f"demo=build/demo\n{body}\nsed -i 's/^port:.*/port: {port}/' $demo/app/settings.yml\n"
        f"sed -i 's/11112/{port}/' $demo/app/white_list/demo.yml", cwd=reader.home, env=reader.environment)
    terminal = reader.terminal("demo")
    terminal.type("build/demo/manage runserver")
    terminal.wait(lambda: "Api Annotation" in terminal.output(), "the demo archive starts")


def former(reader, postgres):
    """~/sphere as SPHERE leaves it, for docs/coming-from-sphere.md."""
    folder = sphere_folder.make_folder(reader.home / "sphere", reader.ports["11112"], postgres.port, api=True)
    images = ROOT / "tests/data/pydicom/test_files/dicomdirtests/77654033"
    sphere_folder.fill(folder, postgres, sorted(path for path in images.rglob("*") if path.is_file()))


@pytest.mark.asan
@pytest.mark.parametrize("name", PLAYED)
def test_the_examples_print_what_they_say(name, reader, database):
    if name == "README.md":
        demo(reader)
    elif name == "docs/coming-from-sphere.md":
        former(reader, database())
    elif "sudo -u postgres" in TEXTS[name]:
        database()
    reader.play(name, TEXTS[name])


def test_nothing_that_looks_like_an_example_is_left_out():
    for name, text in TEXTS.items():
        fences = re.findall(r"^ *```(\S*).*\n((?:(?! *```).*\n)*) *```", text, re.M)
        assert text.count("```") == 2 * len(fences), name
        for language, body in fences:
            assert language == "console" or not re.search(r"^\s*\$ ", body, re.M), f"{name}: use ```console for\n{body}"
        assert len(blocks_of(name, text)) == sum(language == "console" for language, _ in fences), f"{name}: an indented console block"


ASIDE = """$ bash -c 'trap "echo down; exit 0" INT; echo up; while sleep 0.05; do true; done'"""


def fenced(*lines, info=""):
    return "```console" + info + "\n" + "\n".join(lines) + "\n```\n"


@pytest.mark.parametrize("text", [
    fenced("$ echo one; echo two", "one", "two"), fenced("$ printf 'a\\tb  c \\n'", "a b c"), fenced("$ echo one two three", "one … three"),
    fenced("$ seq 9", "1", "…", "9"), fenced("$ seq 2", "1", "…", "2"), fenced("$ seq 2", "…"), fenced("$ true", "…"), fenced("$ cd /; pwd", "/", "$ pwd", "/"),
    fenced("$ x=5", "$ echo $x", "5"), fenced("$ false", "$ echo $?", "1"), fenced("$ cat <<'END'", "> two", "> words", "> END", "two", "words"),
    fenced("$ rm -rf /nothing/to/see; exit 7", info=" norun (it would be a pity)"), fenced("$ read x", "$ echo $?", "1"), fenced("$ echo 11112 1.11112 411112", "11112 1.11112 411112"),
    fenced(ASIDE, "up", info=" terminal=two") + fenced("$ echo beside", "beside")
    + fenced("^C", "down", info=" terminal=two"),
])
def test_a_true_example_passes(text, reader):
    reader.play("true.md", text)


@pytest.mark.parametrize("text, why", [
    (fenced("$ echo one", "two"), "one"), (fenced("$ echo one"), "one"), (fenced("$ echo one", "one", "two"), "two"), (fenced("$ echo one; echo two", "two", "one"), "two"),
    (fenced("$ seq 9", "1", "…", "8"), "9"), (fenced("$ echo x.y", "x…z"), "x.y"), (fenced("$ echo aXb", "a.b"), "aXb"), (fenced("$ false"), "exit 1"),
    (fenced("$ no-such-program"), "not found"), (fenced("$ true", "$ echo $?", "1"), "0"), (fenced("one"), "begins with"), (fenced("$ true", info=" norun"), "not understood"),
    (fenced("$ echo up", "up", info=" terminal=two"), "ended"), (fenced("$ echo down; sleep 60", "up", info=" terminal=two"), "expected"),
    (fenced(ASIDE, "up", info=" terminal=two") + fenced("^C", "gone", info=" terminal=two"), "down"),
])
def test_a_broken_example_is_found(text, why, reader, monkeypatch):
    monkeypatch.setattr("transcript.STEP_SECONDS", 1)
    with pytest.raises(Mismatch, match=re.escape(why)) as caught:
        reader.play("broken.md", text)
    assert re.match(r"broken\.md:\d+: ", str(caught.value))


# -- links --

def slug(heading):
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    prose = re.sub(r"^```.*?^```$", "", TEXTS[name], flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)]*))?\)", prose):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), f"{name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), f"{name}: {target}#{anchor}"


# -- the table of settings --

def test_the_table_of_settings_is_that_of_the_program(tmp_path):
    """Keys, fallbacks and environment variables of the user guide, against `manage settings show` of a file without any."""
    archive = Archive(tmp_path)
    archive.settings.write_text("port: 11112\nAET: PExport\n")
    rows = {key: (fallback, variable.strip("`")) for key, fallback, variable
            in re.findall(r"^\| `([\w.]+)` \| (.*?) \| (.*?) \|", TEXTS["docs/user-guide.md"], re.M)}
    shown = json.loads(archive.manage("settings", "show", "--json").stdout)
    for key in [*shown, *rows]:
        assert key in rows, f"docs/user-guide.md, All settings, lacks a row | `{key}` | `{shown[key]['value']}` | VARIABLE | MEANING |"
        assert key in shown, f"docs/user-guide.md, All settings: {key} is no key of the program"
    for key, (fallback, _) in rows.items():
        value = shown[key]["value"].replace(str(archive.folder), ".").rstrip("/")
        told = "" if fallback == "none" else fallback.strip("`").rstrip("/")
        assert told in (value, value.removeprefix("./"), "mandatory"), key
    overrides = {variable: key for key, (_, variable) in rows.items() if variable}
    assert sorted(overrides) == sorted(re.findall(r'\.env = "(\w+)"', (ROOT / "src/cli/settings_table.c").read_text()))
    shown = json.loads(archive.manage("settings", "show", "--json", env={name: shown[key]["value"] for name, key in overrides.items()}).stdout)
    for variable, key in overrides.items():
        assert variable in shown[key]["origin"], key
