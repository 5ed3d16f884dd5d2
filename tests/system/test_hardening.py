# SPDX-License-Identifier: MIT
"""What docs/security.md says of the program itself: how it was built, and what a server that runs may still do."""
import re

import pytest
from programs import BINARY, SANITIZED, run

built_for_use = pytest.mark.skipif(SANITIZED, reason="sanitizers build it another way")


def readelf(*options):
    return run("readelf", "-W", *options, BINARY).stdout


# -- how it was built --

@built_for_use
def test_the_program_is_built_to_be_hard_to_use_against_us():
    head, dynamic, segments, notes = (readelf(option) for option in ("-h", "-d", "-l", "-n"))
    assert re.search(r"Type:\s+DYN", head) and re.search(r"FLAGS_1.*\bPIE\b", dynamic), "PIE"
    assert "GNU_RELRO" in segments and re.search(r"FLAGS_1.*\bNOW\b", dynamic), "full RELRO"
    assert re.search(r"GNU_STACK(\s+0x\w+)+\s+RW\s", segments), "a stack that is not executable"
    assert not re.search(r"\bTEXTREL\b|\bRPATH\b|\bRUNPATH\b", dynamic)
    writable = [line for line in segments.splitlines() if re.search(r"^\s+LOAD .*\bRWE\b", line)]
    assert not writable, writable
    if "X86-64" in head:
        assert "SHSTK" in notes, "shadow stacks"


@built_for_use
def test_the_compiler_was_told_to_check(tmp_path):
    imported = set(re.findall(r" UND (\w+)", readelf("--dyn-syms")))
    assert "__stack_chk_fail" in imported, "stack protector"
    fortified = {name for name in imported if name.endswith("_chk")}
    assert {"__memcpy_chk", "__snprintf_chk", "__vsnprintf_chk"} <= fortified, fortified
    if "X86-64" in readelf("-h"):
        code = run("objdump", "-d", "--no-show-raw-insn", BINARY, timeout=300).stdout
        functions = re.findall(r"^\w+ <(\w+)>:\n *\w+:\t(\w+)", code, re.M)
        begun = [first for name, first in functions if first == "endbr64"]
        assert len(begun) > 1000, "indirect branch tracking"
        assert re.search(r"\torq +\$0x0,\(%rsp\)", code), "stack clash protection touches each page"
