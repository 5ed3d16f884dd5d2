# SPDX-License-Identifier: MIT
"""A BASEMOUNT as pypx had left it: the JSON files of a recorded run, and the objects where they say they are."""
import csv
import json
import pathlib
import shutil
import time

from archive import as_program
from golden import FOLDER, INPUT, case, fill
from programs import run


def inputs():
    """{SOP Instance UID: the recorded input file}"""
    with open(INPUT / "manifest.csv", encoding="utf-8", newline="") as file:
        return {row["sop_instance_uid"]: INPUT / row["input"] for row in csv.DictReader(file)}


class Mount:
    def __init__(self, folder):
        self.folder, self.base = pathlib.Path(folder), pathlib.Path(folder) / "base"
        self.log, self.data = self.base / "log", self.base / "data"
        self.places = {"BASE": self.base, "CUBEPORT": 8000, "SWIFTPORT": 8080, "PORT": 4242}

    def adopt(self, name, when=None):
        """What the run `name` left; times in records of pushes become `when` (default: soon, so that they come after the files)."""
        told = time.strftime("%Y-%m-%d, %H:%M:%S", time.localtime(when or time.time() + 60))
        for path in sorted((FOLDER / name / "files").rglob("*")):
            if not path.is_file():
                continue
            to = self.base / path.relative_to(FOLDER / name / "files")
            to.parent.mkdir(parents=True, exist_ok=True)
            text = fill(path.read_text(encoding="utf-8"), {**self.places, "TIME": told})
            to.write_text(text.replace('"@INT@"', "1"), encoding="utf-8")
        for location in self.locations():
            location.parent.mkdir(parents=True, exist_ok=True)
            uid = location.name.split("-", 1)[1].removesuffix(".dcm")
            shutil.copyfile(inputs()[uid], location)
        return self

    def locations(self):
        """Where the records of images say that objects are."""
        for path in sorted(self.log.glob("seriesData/*-img/*.json")):
            for image in json.loads(path.read_text(encoding="utf-8")).values():
                for entry in image.get("imageObj", {}).values():
                    yield pathlib.Path(entry["FSlocation"])

    def __call__(self, tool, *options, check=True, **more):
        return run(as_program(self.folder, tool), *options, check=check, **more)

    def smdb(self, action, *options, code=0):
        done = self("px-smdb", "--logdir", self.log, "--action", action, *options, check=False)
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)

    def play(self, one, *more):
        return self(one.tool, *one.command(self.places), *more, check=False, stdin=one.stdin(self.places) or None)

    def tree(self, root=None):
        """{path: parsed} of all JSON files of a tree."""
        root = pathlib.Path(root or self.log)
        return {str(path.relative_to(root)): json.loads(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.json"))}


def mounted(folder, name, **more):
    """Adopted and imported."""
    mount = Mount(folder).adopt(name, **more)
    mount.smdb("import")
    return mount


__all__ = ["Mount", "case", "inputs", "mounted"]
