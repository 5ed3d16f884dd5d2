# SPDX-License-Identifier: MIT
"""What the generators share: reading data/dicom/*.csv, C literals, the frame of a generated file."""
import csv
import sys


def rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def c_string(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    assert quoted.isascii() and quoted.isprintable(), text
    return f'"{quoted}"'


def c_bool(condition):
    return "true" if condition else "false"


def c_vr(name):
    return "DCM_VR_" + name


def write(path, source, lines):
    with open(path, "w", encoding="utf-8") as f:
        f.write("// SPDX-License-Identifier: MIT\n")
        f.write(f"/* Made by tools/gen from data/dicom/{source}; do not edit. */\n")
        f.write("\n".join(lines) + "\n")


def arguments():
    """CSV file and output file, as the build gives them."""
    return sys.argv[1], sys.argv[2]
