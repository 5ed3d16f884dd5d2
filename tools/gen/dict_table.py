#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dict_table.py elements.csv dict_table.c: the dictionary in tag order, an index by keyword, a list of repeating groups."""
import tables

source, target = tables.arguments()


def tag_of(row):
    text = (row["group"] + row["element"]).lower()
    return int(text.replace("x", "0"), 16), int("".join("0" if c == "x" else "F" for c in text), 16)


def vrs_of(row):
    """First and last of "US or SS or OW"; an element without VR (items, delimiters) has none."""
    names = row["vr"].split(" or ")
    return names[0], names[-1] if len(names) > 1 else "NONE"


entries = sorted((tag_of(row) + (row,) for row in tables.rows(source)), key=lambda e: (e[0], e[1] != 0xFFFFFFFF))
lines = ['#include "dicom/dict_table.h"', "", "const DcmDictEntry dcm_dict_table[] = {"]
for tag, mask, row in entries:
    vr, alternative = vrs_of(row)
    lines.append(
        f"    {{0x{tag:08X}, 0x{mask:08X}, {tables.c_string(row['keyword'])}, {tables.c_string(row['name'])}, "
        f"{tables.c_string(row['vm'])}, {tables.c_vr(vr)}, {tables.c_vr(alternative)}, "
        f"{tables.c_bool(row['retired'] == 'Y')}}},")
lines += ["};", f"const size_t dcm_dict_table_count = {len(entries)};", ""]

by_keyword = {}
for i, (_, mask, row) in enumerate(entries):
    if row["keyword"] and (mask == 0xFFFFFFFF or row["keyword"] not in by_keyword):
        by_keyword[row["keyword"]] = i
named = sorted(by_keyword.items())
lines += ["const uint16_t dcm_dict_by_keyword[] = {", "    " + ", ".join(str(i) for _, i in named), "};",
          f"const size_t dcm_dict_by_keyword_count = {len(named)};", ""]
repeating = [str(i) for i, (_, mask, _) in enumerate(entries) if mask != 0xFFFFFFFF]
lines += ["const uint16_t dcm_dict_repeating[] = {", "    " + ", ".join(repeating), "};",
          f"const size_t dcm_dict_repeating_count = {len(repeating)};"]
tables.write(target, "elements.csv", lines)
