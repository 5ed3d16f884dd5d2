#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lint.py rules | longest | cppcheck BUILD: the house rules that no compiler knows (CONTRIBUTING.md)."""
import json
import os
import pathlib
import re
import subprocess
import sys

# function: what to use instead
BANNED = {
    "strcpy": "span_copy or arena_strdup",
    "strcat": "buf_printf",
    "sprintf": "snprintf or buf_printf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "atoi": "span_to_i64",
    "atol": "span_to_i64",
    "strtok": "span_split",
    "system": "nothing: no shell",
    "popen": "nothing: no shell",
    "execl": "nothing: no child programs",
    "execlp": "nothing: no child programs",
    "execle": "nothing: no child programs",
    "execv": "nothing: no child programs",
    "execvp": "nothing: no child programs",
    "execve": "nothing: no child programs",
    "rand": "getrandom",
    "random": "getrandom",
    "alloca": "an arena",
    "mktemp": "mkostemp or O_TMPFILE",
    "tmpnam": "mkostemp or O_TMPFILE",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "ctime": "strftime",
    "asctime": "strftime",
    "strerror": "err_errno",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
# Files whose format has no room for a line of ours.
NO_COMMENTS = ("LICENSE", ".clang-format", ".editorconfig", "format")
NEEDS_SPDX = {".c", ".h", ".py", ".sh", ".build"}


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], capture_output=True, text=True, check=True).stdout
    return [pathlib.Path(name) for name in names.splitlines() if os.path.isfile(name)]


def without_comments_and_text(source):
    """The source with comments and string literals blanked, line numbers kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source)


def rules():
    bad = []
    for path in tracked():
        if path.parts[0] == "tests" and path.parts[1:2] == ("data",):
            continue
        if path.suffix not in NEEDS_SPDX | {""} or path.name in NO_COMMENTS:
            continue
        if path.name.startswith(".git") or path.parts[0] == "fuzz" and "corpus" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        if "SPDX-License-Identifier: MIT" not in "\n".join(text.splitlines()[:3]):
            bad.append(f"{path}:1: no SPDX line")
        for number, line in enumerate(text.splitlines(), 1):
            if UNFINISHED.search(line):
                bad.append(f"{path}:{number}: unfinished: {line.strip()[:80]}")
        if path.suffix in (".c", ".h"):
            for number, line in enumerate(without_comments_and_text(text).splitlines(), 1):
                for name in BANNED_CALL.findall(line):
                    bad.append(f"{path}:{number}: {name}() is banned; use {BANNED[name]}")
    print("\n".join(bad) if bad else "house rules: SPDX lines, banned functions, nothing unfinished: clean")
    return 1 if bad else 0


def functions(path):
    """(lines, place) of each function definition: from its opening brace in column 0 to the closing one."""
    name, start = "?", None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield number - start + 1, f"{path}:{start} {name}"
            start = None
        elif not start and (found := re.match(r"[A-Za-z_].*?\b(\w+)\(", line)):
            name = found[1]


def longest():
    sources = tracked("src/*.c", "src/*.h")
    print("\nthe ten longest functions")
    for lines, place in sorted((f for path in sources for f in functions(path)), reverse=True)[:10]:
        print(f"{lines:6}  {place}")
    print("\nthe ten longest files")
    for lines, place in sorted(((len(p.read_text().splitlines()), str(p)) for p in sources), reverse=True)[:10]:
        print(f"{lines:6}  {place}")
    return 0


def cppcheck(build):
    """Only the product's own sources: generated tables and tests would cost minutes and say nothing."""
    build = pathlib.Path(build)
    commands = json.loads((build / "compile_commands.json").read_text())
    ours = [c for c in commands if re.match(r"(\.\./)+src/", c["file"])]
    seen = {c["file"]: c for c in ours}
    database = build / "cppcheck.json"
    database.write_text(json.dumps(list(seen.values())))
    cache = build / "cppcheck-cache"
    cache.mkdir(exist_ok=True)
    return subprocess.run([
        "cppcheck", f"--project={database}", f"--cppcheck-build-dir={cache}", "-j2", "--quiet", "--error-exitcode=1",
        "--enable=warning,performance,portability", "--inline-suppr", "--library=posix", f"--library={pathlib.Path(__file__).parent / 'jansson.cfg'}", "--max-ctu-depth=2",
        "--suppress=missingIncludeSystem", "--suppress=readdirCalled",  # readdir_r is the deprecated one
        "--suppress=preprocessorErrorDirective:/usr/include/*",  # it knows no CHAR_BIT, which libpng asks for
        # It takes `err ? err : &own` for a read, and a copy stored by a compound literal for lost; GCC, Clang and LSan do better.
        "--suppress=uninitvar", "--suppress=memleak",
    ], check=False).returncode


command = sys.argv[1] if len(sys.argv) > 1 else ""
if command == "cppcheck":
    sys.exit(cppcheck(sys.argv[2]))
if command not in ("rules", "longest"):
    sys.exit(__doc__)
sys.exit({"rules": rules, "longest": longest}[command]())
