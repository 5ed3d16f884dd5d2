#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""floors.py SOURCE BUILD: make the include path of every room, BUILD/floors/ROOM, out of links to the rooms below.

ROOMS is the one place that says who may include whom (docs/architecture.md draws it). `floors.py SOURCE --check`
looks at every #include of src/ instead and names the arrows that go up or sideways.
"""
import os
import re
import sys

ROOMS = {
    "base": [],
    "dicom": ["base"],
    "auth": ["base", "dicom"],
    "net": ["base", "dicom"],
    "pixel": ["base", "dicom"],
    "index": ["base", "dicom"],
    "store": ["base", "dicom"],
    "archive": ["base", "dicom", "net", "pixel", "index", "store"],
    "scu": ["base", "dicom", "net", "pixel", "index", "store", "archive"],
    "scp": ["base", "dicom", "auth", "net", "pixel", "index", "store", "archive", "scu"],
    "web": ["base", "dicom", "auth", "net", "pixel", "index", "store", "archive"],
    "px": ["base", "dicom", "net", "pixel", "index", "store", "archive", "scu"],
    "cli": ["base", "dicom", "auth", "net", "pixel", "index", "store", "archive", "scu", "scp", "web", "px"],
}


def link(source, build):
    # Generated headers (dicom/tags.h) are built in BUILD/src/dicom; only they are reached through BUILD/generated.
    generated = os.path.join(build, "generated")
    os.makedirs(generated, exist_ok=True)
    os.makedirs(os.path.join(build, "src", "dicom"), exist_ok=True)
    if not os.path.islink(os.path.join(generated, "dicom")):
        os.symlink(os.path.join(build, "src", "dicom"), os.path.join(generated, "dicom"))
    for room, below in ROOMS.items():
        path = os.path.join(build, "floors", room)
        os.makedirs(path, exist_ok=True)
        wanted = set(below + [room])
        for name in os.listdir(path):
            if name not in wanted:
                os.unlink(os.path.join(path, name))
        for name in wanted:
            target = os.path.join(path, name)
            if not os.path.islink(target):
                os.symlink(os.path.join(source, "src", name), target)


def check(source):
    bad = []
    for room, below in ROOMS.items():
        for folder, _, names in os.walk(os.path.join(source, "src", room)):
            for name in names:
                path = os.path.join(folder, name)
                if not name.endswith((".c", ".h")):
                    continue
                for number, line in enumerate(open(path, encoding="utf-8"), 1):
                    found = re.match(r'#include "([a-z]+)/', line)
                    if found and found[1] not in below + [room]:
                        bad.append(f"{path}:{number}: {room}/ may not include {found[1]}/")
    print("\n".join(bad) if bad else "include direction: every arrow goes down")
    return 1 if bad else 0


if sys.argv[2] == "--check":
    sys.exit(check(sys.argv[1]))
link(sys.argv[1], sys.argv[2])
