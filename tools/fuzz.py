#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fuzz.py BUILD SOURCE SECONDS [NAME...]: runs each fuzz target of BUILD for SECONDS, two at a time.

Seeds are SOURCE/corpus/<name>/ (kept in git) and, for the targets that read whole objects, files of tests/data; what the
fuzzer finds goes to BUILD/found/<name>/. A crash, leak or hang fails the run and leaves its input in BUILD/crashes/.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
FROM_DATA = {"dataset", "part10"}  # these take DICOM files as they are
LARGEST_SEED = 20000


def seeds(name, source, build):
    folder = build / "found" / name
    folder.mkdir(parents=True, exist_ok=True)
    given = [source / "corpus" / name]
    if name in FROM_DATA:
        pool = build / "data-seeds"
        if not pool.exists():
            pool.mkdir()
            for number, path in enumerate(sorted(DATA.rglob("*"))):
                if path.is_file() and path.stat().st_size <= LARGEST_SEED:
                    shutil.copyfile(path, pool / f"{number}-{path.name}")
        given.append(pool)
    return [str(folder)] + [str(g) for g in given if g.is_dir()]


def run(name, source, build, seconds):
    crashes = build / "crashes"
    crashes.mkdir(exist_ok=True)
    command = [str(build / f"fuzz_{name}"), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024",
               "-max_len=65536", "-print_final_stats=1", f"-artifact_prefix={crashes}/{name}-",
               *seeds(name, source, build)]
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env,
                          timeout=seconds + 600, check=False)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    return name, done.returncode, int(runs[1]) if runs else 0, done.stderr


def main(build, source, seconds, names):
    build, source = pathlib.Path(build).resolve(), pathlib.Path(source).resolve()
    targets = sorted(p.name[5:] for p in build.glob("fuzz_*") if p.is_file() and os.access(p, os.X_OK))
    unknown = set(names) - set(targets)
    if unknown or not targets:
        sys.exit(f"no such fuzz target: {', '.join(sorted(unknown))}; there are: {', '.join(targets)}")
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run, name, source, build, seconds) for name in names or targets]
        for job in concurrent.futures.as_completed(jobs):
            name, code, runs, text = job.result()
            # A target that hardly ran has looked at nothing.
            ok = code == 0 and runs >= 100
            bad += not ok
            print(f"{'ok  ' if ok else 'FAIL'} {name:14} {runs:10} inputs in {seconds} s", flush=True)
            if not ok:
                print(text[-6000:])
    print(f"{len(jobs) - bad} passed, {bad} failed")
    return 1 if bad else 0


sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
