# SPDX-License-Identifier: MIT
"""What can be read from a program of how it was built (docs/security.md). It may be stripped."""
import re

from programs import run


def readelf(program, *options):
    return run("readelf", "-W", *options, program).stdout


def linked(program):
    head, dynamic, segments, notes = (readelf(program, option) for option in ("-h", "-d", "-l", "-n"))
    assert re.search(r"Type:\s+DYN", head) and re.search(r"FLAGS_1.*\bPIE\b", dynamic), "PIE"
    assert "GNU_RELRO" in segments and re.search(r"FLAGS_1.*\bNOW\b", dynamic), "full RELRO"
    assert re.search(r"GNU_STACK(\s+0x\w+)+\s+RW\s", segments), "a stack that is not executable"
    assert not re.search(r"\bTEXTREL\b|\bRPATH\b|\bRUNPATH\b", dynamic)
    writable = [line for line in segments.splitlines() if re.search(r"^\s+LOAD .*\bRWE\b", line)]
    assert not writable, writable
    if "X86-64" in head:
        assert "SHSTK" in notes, "shadow stacks"


def compiled(program):
    imported = set(re.findall(r" UND (\w+)", readelf(program, "--dyn-syms")))
    assert "__stack_chk_fail" in imported, "stack protector"
    fortified = {name for name in imported if name.endswith("_chk")}
    assert {"__memcpy_chk", "__snprintf_chk", "__vsnprintf_chk"} <= fortified, fortified
    if "X86-64" in readelf(program, "-h"):
        code = run("objdump", "-d", "--no-show-raw-insn", program, timeout=300).stdout
        assert len(re.findall(r":\tendbr64", code)) > 1000, "indirect branch tracking"
        assert re.search(r"\torq +\$0x0,\(%rsp\)", code), "stack clash protection touches each page"
