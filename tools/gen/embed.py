#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py TARGET.c NAME=FILE...: the files that sphere-admin writes, as C arrays (cli/cli.h: TemplateFile)."""
import sys

target, *pairs = sys.argv[1:]
with open(target, "w", encoding="ascii") as out:
    out.write('// SPDX-License-Identifier: MIT\n/* Made by tools/gen/embed.py; do not edit. */\n#include "cli/cli.h"\n\n')
    names = []
    for number, pair in enumerate(pairs):
        name, path = pair.split("=", 1)
        data = open(path, "rb").read()
        names.append((name, number, len(data)))
        out.write(f"static const unsigned char file_{number}[] = {{\n")
        for at in range(0, len(data), 24):
            out.write(",".join(str(byte) for byte in data[at:at + 24]) + ",\n")
        out.write("};\n")
    out.write("\nconst TemplateFile cli_templates[] = {\n")
    for name, number, size in names:
        out.write(f'    {{"{name}", file_{number}, {size}}},\n')
    out.write("};\nconst size_t cli_template_count = sizeof cli_templates / sizeof *cli_templates;\n")
