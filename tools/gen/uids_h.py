#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""uids_h.py uids.csv uids.h: one string constant DCM_UID_<Keyword> for each UID of PS3.6 A."""
import tables

source, target = tables.arguments()
lines = ["#ifndef GANTRY_DICOM_UIDS_H", "#define GANTRY_DICOM_UIDS_H", ""]
for row in tables.rows(source):
    if row["keyword"]:
        lines.append(f"#define DCM_UID_{row['keyword']} {tables.c_string(row['uid'])}")
lines += ["", "#endif"]
tables.write(target, "uids.csv", lines)
