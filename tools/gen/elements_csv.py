#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""elements_csv.py elements.csv all_dicom_elements.csv: the table of tags from which extended index columns are named.

Seven columns: tag, keyword, name, VR, column name, type (String, or Text without a size), size. File meta (0002) and
directory (0004) groups first, then the dictionary by tag. Names have at most 63 characters: PostgreSQL cuts longer ones there, so
that the columns of SPHERE, which did not know it, have just these names.
"""
import csv
import re
import sys

SIZES = {
    16: "SS US", 32: "AS AT FL SL UL", 64: "DA DL FD OB OD OL OV OW UC UN UR SV UV", 96: "IS",
    128: "AE CS DS OF SH SQ TM", 208: "DT", 512: "LO PN UI",
}
SIZE_OF = {vr: size for size, vrs in SIZES.items() for vr in vrs.split()}
TEXT = {"LT", "ST", "UT"}
LONGEST = 63
# Columns that the index has of its own; an element of that name gets "dcm" as its second word.
TAKEN = {"patient_id", "study_id", "series_id", "instance_id", "storage_status", "file_storage_metadata_dicom_id",
         "storage_method", "file_path", "filesize", "d8ins", "d8maj", "d8del"}


def column_name(name):
    text = name.lower().replace("(s)", "s")
    text = re.sub(r"[^a-z0-9]+", " ", text).replace("2d", "tow_d").replace("3d", "three_d")
    column = "_".join(text.split())
    if column in TAKEN:
        first, _, rest = column.partition("_")
        column = f"{first}_dcm_{rest}"
    return column


def order(row):
    group = row["group"].upper()
    return ({"0002": 0, "0004": 1}.get(group, 2), group, row["element"].upper())


def main(source, target):
    with open(source, newline="", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f) if r["group"] != "0000" and r["keyword"] and r["vr"] != "NONE"]
    seen = set()
    with open(target, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["Tag", "Keyword", "Attribute name", "VR", "Field name of a table", "Type", "Size if settings"])
        for row in sorted(rows, key=order):
            tag = (row["group"] + row["element"]).upper().replace("X", "x")
            column = column_name(row["name"])[:LONGEST]
            if column in seen:
                column = column[:LONGEST - 9] + "_" + tag.lower()
            seen.add(column)
            head = [tag, row["keyword"], row["name"], row["vr"], column]
            vr = row["vr"][:2]
            out.writerow(head + (["Text"] if vr in TEXT else ["String", SIZE_OF.get(vr, 64)]))


main(*sys.argv[1:])
