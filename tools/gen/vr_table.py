#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vr_table.py vrs.csv vr_table.c: the properties of the value representations, in the order of the enum (alphabetical)."""
import re
import tables

source, target = tables.arguments()


def unit_of(row):
    """Bytes of one value: "4 bytes fixed" of a binary VR, "binary64 stream", "16-bit words"; else 1."""
    if row["vr"] == "SQ":
        return 0
    if row["pad_byte"]:
        return 1
    fixed = re.match(r"(\d+) bytes fixed", row["length"])
    if fixed:
        return int(fixed[1])
    bits = re.search(r"binary(\d+)|(\d+)-bit", row["content"])
    return int(bits[1] or bits[2]) // 8 if bits else 1


def max_length_of(row):
    number = re.match(r"(\d+) ", row["length"])
    return int(number[1]) if number else 0


lines = ['#include "dicom/vr.h"', '#include "dicom/vr_table.h"', "",
         "const DcmVrInfo dcm_vr_table[DCM_VR_COUNT] = {", '    [DCM_VR_NONE] = {.name = "??"},']
names = []
for row in tables.rows(source):
    text = row["pad_byte"] == "0x20" or row["vr"] == "UI"
    names.append(row["vr"])
    lines.append(
        f"    [{tables.c_vr(row['vr'])}] = {{\"{row['vr']}\", {unit_of(row)}, {max_length_of(row)}, "
        f"{tables.c_bool(row['explicit_length_bits'] == '32')}, "
        f"{tables.c_bool(row['affected_by_specific_character_set'] == 'Y')}, {tables.c_bool(text)}, "
        f"{tables.c_bool(row['multi_valued_with_backslash'] == 'Y')}, {int(row['pad_byte'] or '0', 16)}}},")
assert names == sorted(names), "the enum of vr.h is alphabetical"
lines += ["};", "", "const uint8_t dcm_vr_by_letters[26][26] = {"]
lines += [f"    [{ord(name[0]) - 65}][{ord(name[1]) - 65}] = {tables.c_vr(name)}," for name in names]
lines.append("};")
tables.write(target, "vrs.csv", lines)
