#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""coverage.py BUILD [--missing ROOM|SOURCE]: which lines of src/ the tests have run, by room, from what GCC's gcov counted in BUILD (meson -Db_coverage=true).

With --missing the lines that nothing ran, source by source, the emptiest first.
"""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = "base dicom auth net pixel index store archive scu scp web px cli".split()


def lines_of(build, notes):
    """{(source, line): count} of one object file; what never ran has notes but no counts."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", str(notes)], cwd=build, capture_output=True, text=True, check=False)
    counts = collections.Counter()
    for text in done.stdout.splitlines():
        if text.startswith("{"):
            for file in json.loads(text)["files"]:
                source = (build / file["file"]).resolve()
                if source.is_relative_to(ROOT / "src") and source.suffix == ".c":
                    for line in file["lines"]:
                        counts[(str(source.relative_to(ROOT)), line["line_number"])] += line["count"]
    return counts


def ranges(numbers):
    """"3-5, 9" """
    out = []
    for n in sorted(numbers):
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def main(args):
    build = args.build.resolve()
    counts = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for some in pool.map(lambda notes: lines_of(build, notes), sorted((build / "src").rglob("*.gcno"))):
            for key, n in some.items():
                counts[key] += n
    sources = collections.defaultdict(lambda: ([], []))  # ran, did not
    for (source, line), n in counts.items():
        sources[source][n == 0].append(line)
    if args.missing:
        chosen = {s: v for s, v in sources.items() if s.startswith((f"src/{args.missing}/", args.missing))}
        for source, (ran, not_run) in sorted(chosen.items(), key=lambda item: -len(item[1][1])):
            if not_run:
                print(f"{source}  {100 * len(ran) / (len(ran) + len(not_run)):.1f} %: {ranges(not_run)}")
        return
    print(f"{'room':10} {'lines':>7} {'run':>7} {'%':>6}")
    total = [0, 0]
    for room in ROOMS:
        ran = sum(len(v[0]) for s, v in sources.items() if s.startswith(f"src/{room}/"))
        lines = ran + sum(len(v[1]) for s, v in sources.items() if s.startswith(f"src/{room}/"))
        total[0] += ran
        total[1] += lines
        if lines:
            print(f"{room:10} {lines:7} {ran:7} {100 * ran / lines:6.1f}")
    print(f"{'all':10} {total[1]:7} {total[0]:7} {100 * total[0] / max(total[1], 1):6.1f}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--missing", metavar="ROOM")
main(parser.parse_args())
