#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the character set table of src/dicom/charset.c from data/dicom/character_sets.csv.

usage: charsets.py character_sets.csv out.c

A row is one defined term of Specific Character Set. Single-byte sets carry the code points of their upper half, taken
from Python's codecs; multi-byte sets name the iconv codecs that read and write them (the reader may be a superset).
"""
import csv
import re
import sys

# Multi-byte sets: kind, codec that reads, codec that writes.
MULTI = {
    "87": ("SET_DOUBLE_G0", "CODEC_EUC_JP", "CODEC_EUC_JP"),
    "159": ("SET_DOUBLE_G0", "CODEC_EUC_JP", "CODEC_EUC_JP"),
    "149": ("SET_DOUBLE_G1", "CODEC_UHC", "CODEC_EUC_KR"),
    "58": ("SET_DOUBLE_G1", "CODEC_EUC_CN", "CODEC_EUC_CN"),
}


def escapes(text):
    """The G0 and G1 escape sequences as hex: by intermediate byte, ESC 02/13 and 02/09 designate to G1."""
    g0 = g1 = ""
    for code in re.findall(r"1B[0-9A-F]+", text):
        body = bytes.fromhex(code)[1:]
        if body[:1] in b"-)" or body[:2] == b"$)":
            g1 = code
        else:
            g0 = code
    return g0, g1


def c_bytes(code):
    return '"' + "".join("\\x" + code[i:i + 2] for i in range(0, len(code), 2)) + '"'


def upper_half(codec):
    points = []
    for byte in range(0x80, 0x100):
        # Latin-1 is what senders call windows-1252; its extra characters sit where Latin-1 has none.
        name = "cp1252" if codec == "latin_1" and byte < 0xA0 else codec
        text = bytes([byte]).decode(name, "ignore")
        points.append(ord(text) if text and ord(text) >= 0xA0 else 0)
    return points


def row(term, fields):
    number = re.search(r"IR[ _](\d+)$", term)
    ir = number.group(1) if number else "6" if term == "" else "0"
    kind, reads, writes, table = "SET_SINGLE", "CODEC_NONE", "CODEC_NONE", "NULL"
    if ir == "6":
        kind = "SET_ASCII"
    elif ir == "13":
        kind, reads = "SET_JIS_X_0201", "CODEC_CP932"
    elif ir == "192":
        kind = "SET_UTF8"
    elif term in ("GB18030", "GBK"):
        kind, reads, writes = "SET_GB", "CODEC_GB18030", "CODEC_" + term
    elif ir in MULTI:
        kind, reads, writes = MULTI[ir]
    else:
        table = "upper_" + fields["python"]
    g0, g1 = escapes(fields["escape_sequence_hex"])
    extension = "true" if fields["code_extensions"] == "Y" else "false"
    return '    {"%s", %s, %s, %s, %s, %s, %s, %s, %s},' % (
        term, ir, extension, kind, reads, writes, c_bytes(g0), c_bytes(g1), table)


def main(source, target):
    with open(source, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tables, out = {}, []
    for fields in rows:
        text = row(fields["defined_term"], fields)
        if "upper_" in text:
            tables[fields["python"]] = upper_half(fields["python"])
        out.append(text)
    with open(target, "w", encoding="ascii") as file:
        file.write("/* Made by tools/gen/charsets.py from data/dicom/character_sets.csv. */\n")
        file.write('#include "dicom/charset_internal.h"\n\n')
        for name, points in sorted(tables.items()):
            numbers = ", ".join("0x%04X" % p for p in points)
            file.write("static const uint16_t upper_%s[128] = {%s};\n" % (name, numbers))
        file.write("\nconst CharSet charset_rows[] = {\n" + "\n".join(out) + "\n};\n")
        file.write("const size_t charset_row_count = %d;\n" % len(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
