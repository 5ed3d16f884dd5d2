#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""analyze.py gcc|tidy BUILD [SOURCE...]: GCC's -fanalyzer, or clang-tidy by .clang-tidy, over the product's own sources, two at a time.

A finding that is none is answered in tools/analyzed.txt: the tool, the rule, the source, and why. What is found and not answered fails; so does an answer that nothing asks for.
"""
import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANSWERS = ROOT / "tools" / "analyzed.txt"
FINDING = re.compile(r"^(\S+?):(\d+):(?:\d+:)? warning: (.*) \[([\w.,=+-]+)\]$", re.MULTILINE)


def commands(build, wanted):
    """(source, compiler arguments) of each source of src/, once."""
    seen = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (build / entry["file"]).resolve()
        if source.is_relative_to(ROOT / "src") and (not wanted or str(source.relative_to(ROOT)) in wanted):
            seen[source] = compiler_arguments(shlex.split(entry["command"]))
    # The largest first: the last one to end is then a small one.
    return sorted(seen.items(), key=lambda item: -item[0].stat().st_size)


def compiler_arguments(words):
    """Without the compiler's name, what it writes, and -Werror."""
    words, out = iter(words[words[0] == "ccache":][1:]), []
    for word in words:
        if word in ("-o", "-MQ", "-MF"):
            next(words)
        elif word != "-MD" and not word.startswith("-Werror"):
            out.append(word)
    return out


def known(source):
    """What is told about functions of other sources; not where they are defined."""
    return [] if source == ROOT / "src/base/err.c" else ["-include", str(ROOT / "tools/analyzed.h")]


def gcc(build, source, arguments):
    return ["/usr/bin/gcc", *known(source), *arguments, "-o", "/dev/null", "-fanalyzer", "-fdiagnostics-plain-output", "-fdiagnostics-path-format=none"]


def tidy(build, source, arguments):
    return ["clang-tidy", "--quiet", "-p", str(build), *(f"--extra-arg-before={word}" for word in known(source)), str(source)]


def look(tool, build, source, arguments):
    made = {"gcc": gcc, "tidy": tidy}[tool](build, source, arguments)
    done = subprocess.run(made, cwd=build, capture_output=True, text=True, errors="replace", check=False)
    found = {}
    for path, line, text, rules in FINDING.findall(done.stdout + done.stderr):
        place = (build / path).resolve()
        if place.is_relative_to(ROOT / "src"):
            for rule in rules.split(","):
                found.setdefault((tool, rule, str(place.relative_to(ROOT))), []).append(f"{place.relative_to(ROOT)}:{line}: {text} [{rule}]")
    if done.returncode and not found:
        found[(tool, "failed", str(source.relative_to(ROOT)))] = [(done.stdout + done.stderr)[-2000:]]
    return found


def answers(tool):
    out = {}
    for line in ANSWERS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            by, rule, source, why = line.split(None, 3)
            if by == tool:
                out[(by, rule, source)] = why
    return out


def main(tool, build, *wanted):
    build, found = pathlib.Path(build).resolve(), {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(look, tool, build, *one) for one in commands(build, wanted)]
        for job in concurrent.futures.as_completed(jobs):
            for key, places in job.result().items():
                for place in dict.fromkeys(places):
                    if place not in found.setdefault(key, []):
                        found[key].append(place)
                        if key not in answers(tool):
                            print(place, flush=True)
    answered = answers(tool)
    bad = [place for key, places in found.items() if key not in answered for place in places]
    gone = [f"{ANSWERS.relative_to(ROOT)}: nothing asks for this any more: {' '.join(key)}" for key in answered if key not in found and not wanted]
    for line in gone:
        print(line)
    print(f"{tool}: {len(jobs)} sources, {len(bad)} findings without an answer, {len(set(found) & set(answered))} answered")
    return 1 if bad or gone else 0


sys.exit(main(*sys.argv[1:]))
