#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""private_table.py private_dict.csv private_table.c: VRs of private elements, by creator, group and low byte of the element.

Elements come as xxEE, 00EE or 10EE: only EE counts, the block is what the creator reserved. A group with x stands for the odd
groups of the range.
"""
import tables

source, target = tables.arguments()


def groups_of(text):
    if "x" not in text.lower():
        return [int(text, 16)]
    first = int(text.lower().replace("x", "0"), 16)
    return range(first + 1, first + 0x100, 2)


creators = {}
for row in tables.rows(source):
    if "x" in row["element"][2:]:
        continue  # a creator element, (gggg,0010-00FF), written as if it lay in a block
    vr = row["vr"].replace("_", " ").split()[0]
    for group in groups_of(row["group"]):
        if group % 2 == 1:
            creators.setdefault(row["creator"], {}).setdefault((group, int(row["element"][2:], 16)), vr)

entries = []
lines = ['#include "dicom/dict_table.h"', "", "const DcmPrivateCreator dcm_private_creators[] = {"]
for name in sorted(creators, key=lambda text: text.encode()):
    lines.append(f"    {{{tables.c_string(name)}, {len(entries)}, {len(creators[name])}}},")
    entries += [(key, vr) for key, vr in sorted(creators[name].items())]
lines += ["};", f"const size_t dcm_private_creator_count = {len(creators)};", "",
          "const DcmPrivateEntry dcm_private_entries[] = {"]
lines += [f"    {{0x{group:04X}, 0x{element:02X}, {tables.c_vr(vr)}}}," for (group, element), vr in entries]
lines += ["};"]
tables.write(target, "private_dict.csv", lines)
