#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""status_table.py status_codes.csv status_table.c: meanings by service, narrow code ranges before wide ones.

Rows of PS3.4 ("Storage (PS3.4)") add to those of the service itself; a row without a meaning says nothing and is left out.
"""
import tables

source, target = tables.arguments()


def codes(text):
    if "-" in text:
        first, last = text.split("-")
        return int(first, 16), int(last, 16)
    return int(text.replace("x", "0"), 16), int(text.replace("x", "F"), 16)


meanings = {}
for row in tables.rows(source):
    if row["meaning"]:
        service = row["service"].removesuffix(" (PS3.4)")
        meanings.setdefault((service,) + codes(row["code"]), row)

lines = ['#include "dicom/status_table.h"', "", "const DcmStatusRow dcm_status_rows[] = {"]
for (service, first, last), row in sorted(meanings.items(), key=lambda m: (m[0][0], m[0][2] - m[0][1], m[0][1])):
    lines.append(f"    {{{tables.c_string(service)}, 0x{first:04X}, 0x{last:04X}, {tables.c_string(row['meaning'])}}},")
lines += ["};", f"const size_t dcm_status_row_count = {len(meanings)};"]
tables.write(target, "status_codes.csv", lines)
