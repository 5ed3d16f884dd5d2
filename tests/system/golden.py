# SPDX-License-Identifier: MIT
"""The recorded runs of pypx in tests/data/px/golden: commands to give to our tools, and what theirs said."""
import csv
import json
import pathlib
import re
import shlex

from programs import ROOT

FOLDER = ROOT / "tests/data/px/golden"
INPUT = FOLDER / "input"
PLACE = re.compile(r"@[A-Z]+@")
ANYTHING = {"@TIME@": r".+?", "@INT@": r"-?\d+(?:\.\d+)?", "@ADDR@": r"\S+?", "@PYPX@": r".*?"}


class Case:
    def __init__(self, row):
        self.name, self.release, self.pacs, self.exit = row["case"], row["release"], row["pacs"], int(row["exit"])
        self.words = shlex.split(self.text("cmd.txt"))
        self.tool = self.words[0]

    def __repr__(self):
        return self.name

    def text(self, name):
        """One of the case's files; "" when it has none of that name."""
        path = FOLDER / self.name / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def command(self, places):
        """Options for our tool of the same name; `places` gives placeholders their values: {"PORT": 4242, …}."""
        return [fill(word, places) for word in self.words[1:]]

    def stdin(self, places):
        return fill(self.text("stdin.json"), places)

    def stdout(self, places):
        return fill(self.text("stdout.txt"), places)

    def json(self, places):
        return json.loads(self.stdout(places))

    def tree(self):
        """Paths below the root: {"data/…/0001-….dcm": size or None}; folders that were empty end in '/'."""
        entries = {}
        for line in self.text("tree.txt").splitlines():
            path, _, size = line.partition(".dcm  ")
            entries[(path + ".dcm" if size else path).removeprefix("@BASE@/")] = int(size) if size else None
        return entries

    def files(self):
        """The JSON files that were left: {path below the root: parsed}."""
        folder = FOLDER / self.name / "files"
        return {str(path.relative_to(folder)): json.loads(path.read_text(encoding="utf-8"))
                for path in sorted(folder.rglob("*")) if path.suffix == ".json"}

    def requests(self):
        """HTTP requests in their order: [(method, path, {header: value}, body, status of the reply)]."""
        found = []
        for exchange in self.text("http.txt").split("\n===\n"):
            request, _, reply = exchange.partition("--- reply ")
            if not request.strip():
                continue
            head, _, body = request.strip("\n").partition("\n\n")
            first, *lines = head.splitlines()
            method, path, _ = first.split(" ", 2)
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            found.append((method, path, headers, body.strip(), int(reply.split()[0]) if reply.strip() else None))
        return found


def fill(text, places):
    for name, value in places.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def cases(*tools, release=None, pacs=None):
    """The cases of these tools, for pytest.mark.parametrize(…, ids=str)."""
    with open(FOLDER / "cases.csv", encoding="utf-8", newline="") as file:
        every = [Case(row) for row in csv.DictReader(file)]
    return [case for case in every if (not tools or case.tool in tools) and release in (None, case.release) and pacs in (None, case.pacs)]


def case(name):
    found, = (case for case in cases() if case.name == name)
    return found


def matches(expected, actual):
    """Is `actual` the text `expected`, whose placeholders stand for anything of their kind?"""
    parts = re.split(r"(@[A-Z]+@)", expected)
    return re.fullmatch("".join(ANYTHING.get(part) or re.escape(part) for part in parts), actual, re.DOTALL) is not None


def difference(expected, actual, at="$"):
    """The first place where two JSON values differ, or None. Texts of `expected` may hold placeholders; "@INT@" is any number."""
    if expected == "@INT@" and isinstance(actual, (int, float)) and not isinstance(actual, bool):
        return None
    if isinstance(expected, str) and isinstance(actual, str) and PLACE.search(expected):
        return None if matches(expected, actual) else f"{at}: {actual!r} is not like {expected!r}"
    if isinstance(expected, dict) and isinstance(actual, dict):
        if list(expected) != list(actual):
            return f"{at}: members {list(actual)} instead of {list(expected)}"
        steps = ((f"{at}.{key}", expected[key], actual[key]) for key in expected)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{at}: {len(actual)} items instead of {len(expected)}"
        steps = ((f"{at}[{i}]", *pair) for i, pair in enumerate(zip(expected, actual)))
    else:
        return None if expected == actual and isinstance(expected, bool) == isinstance(actual, bool) else f"{at}: {actual!r} instead of {expected!r}"
    return next((found for step in steps if (found := difference(step[1], step[2], step[0]))), None)


def tree(root):
    """What is below a root now, in the form of Case.tree."""
    root, entries = pathlib.Path(root), {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir():
            if not any(path.iterdir()):
                entries[name + "/"] = None
        else:
            entries[name] = path.stat().st_size if name.endswith(".dcm") else None
    return entries
