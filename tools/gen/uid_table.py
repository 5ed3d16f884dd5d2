#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""uid_table.py uids.csv sop_classes.csv uid_table.c: UIDs in byte order, transfer syntaxes in table order, SOP classes."""
import sys
import tables

uids, sop_classes, target = sys.argv[1:4]
lines = ['#include "dicom/uid_table.h"', ""]

lines.append("const DcmUidName dcm_uid_names[] = {")
named = sorted((row for row in tables.rows(uids) if row["name"]), key=lambda row: row["uid"])
lines += [f"    {{{tables.c_string(row['uid'])}, {tables.c_string(row['name'])}}}," for row in named]
lines += ["};", f"const size_t dcm_uid_name_count = {len(named)};", ""]


def lossy(row):
    """"maybe" can be; the retired JPEG processes have no entry, and their names tell."""
    if row["ts_lossy"]:
        return row["ts_lossy"] != "N"
    return "Lossless" not in row["keyword"]


# Without a byte order it is no encoding of a data set (RFC 2557, XML, SMPTE, Papyrus).
syntaxes = [row for row in tables.rows(uids) if row["type"] == "Transfer Syntax" and row["ts_endian"]]
lines.append("const DcmTransferSyntax dcm_transfer_syntaxes[] = {")
for row in syntaxes:
    native = row["ts_codec"] == "none" and row["ts_encapsulated"] == "N"
    flags = [row["ts_endian"] == "big", row["ts_explicit"] == "Y", row["ts_deflated"] == "Y",
             row["ts_encapsulated"] == "Y", lossy(row), row["ts_video"] == "Y", row["retired"] == "Y", native]
    lines.append(f"    {{{tables.c_string(row['uid'])}, {tables.c_string(row['keyword'])}, "
                 f"{tables.c_string(row['name'])}, {', '.join(map(tables.c_bool, flags))}}},")
lines += ["};", f"const size_t dcm_transfer_syntax_total = {len(syntaxes)};", ""]

# A DICOMDIR is an object on media only: never sent, so no storage class here.
classes = sorted(tables.rows(sop_classes), key=lambda row: row["uid"])
lines.append("const DcmSopClass dcm_sop_classes[] = {")
storage = []
for i, row in enumerate(classes):
    stored = row["storage"] == "Y" and row["service"] != "Media Storage"
    if stored:
        storage.append(str(i))
    lines.append(f"    {{{tables.c_string(row['uid'])}, {tables.c_string(row['keyword'])}, "
                 f"{tables.c_string(row['name'])}, {tables.c_bool(row['retired'] == 'Y')}, {tables.c_bool(stored)}, "
                 f"{tables.c_bool(row['non_patient'] == 'Y')}}},")
lines += ["};", f"const size_t dcm_sop_class_total = {len(classes)};", "",
          "const uint16_t dcm_storage_classes[] = {", "    " + ", ".join(storage), "};",
          f"const size_t dcm_storage_class_total = {len(storage)};"]
tables.write(target, "uids.csv and sop_classes.csv", lines)
