#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tags_h.py elements.csv tags.h: one DCM_<Keyword> for each element.

The x of repeating groups become 0, unless the table also has a first member of its own ((0028,0410) of (0028,04x0)).
"""
import tables

source, target = tables.arguments()
lines = ["#ifndef GANTRY_DICOM_TAGS_H", "#define GANTRY_DICOM_TAGS_H", ""]
rows = sorted(tables.rows(source), key=lambda row: "x" in row["group"] + row["element"])
seen = set()
for row in rows:
    if row["keyword"] and row["keyword"] not in seen:
        seen.add(row["keyword"])
        tag = (row["group"] + row["element"]).lower().replace("x", "0").upper()
        lines.append(f"#define DCM_{row['keyword']} 0x{tag}u")
lines += ["", "#endif"]
tables.write(target, "elements.csv", lines)
