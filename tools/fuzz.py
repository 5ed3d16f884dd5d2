#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fuzz.py BUILD SOURCE [--time SECONDS] [--jobs N] [--total] [TARGET...]: runs each fuzz target of BUILD for SECONDS, and for a quarter of that with memory that runs out.

Seeds are SOURCE/corpus/<name>/ (kept in git) and, for the targets that read whole objects, files of tests/data; what the fuzzer finds worth keeping goes to
BUILD/found/<name>/. SOURCE/dictionaries/<name>.dict has words that the format knows. A crash, leak or hang fails the run and leaves its input in BUILD/crashes/.
What was run is added up in BUILD/ledger.json; --total prints the sums and runs nothing.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

DATA = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
FROM_DATA = {"dataset", "part10", "transcode"}  # these take DICOM files as they are
WITH_THREADS = {"facade"}  # a thread that comes or goes has what looks like a leak; they are looked for at the end only, when all threads are gone
LARGEST_SEED = 20000
SHORT = ", short memory"
COLUMNS = ("target", "executions", "a second", "edges", "inputs kept", "findings")


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


def run_and_count(command, env, limit):
    """Runs a command to its end, or kills it after `limit` seconds: its exit status, the seconds it took, by the clock and of CPU, what it said."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=env)
        end = threading.Timer(limit, child.kill)
        end.start()
        _, status, used = os.wait4(child.pid, 0)
        end.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return child.returncode, time.monotonic() - began, used.ru_utime + used.ru_stime, said.read().decode(errors="replace")


def run(name, source, build, seconds, short):
    crashes = build / "crashes"
    crashes.mkdir(exist_ok=True)
    dictionary = source / "dictionaries" / f"{name}.dict"
    command = [str(build / f"fuzz_{name}"), f"-max_total_time={seconds}", "-timeout=120", "-rss_limit_mb=2048",
               "-max_len=65536", "-print_final_stats=1", f"-artifact_prefix={crashes}/{name}{'-memory' if short else ''}-",
               *(["-detect_leaks=0"] if name in WITH_THREADS else []), *([f"-dict={dictionary}"] if dictionary.exists() else []), *seeds(name, source, build)]
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    if short:
        env["FUZZ_SHORT_MEMORY"] = "1"
    status, took, cpu, text = run_and_count(command, env, seconds + 600)
    found = {key: [int(n) for n in re.findall(pattern, text)] for key, pattern in
             (("runs", r"stat::number_of_executed_units:\s*(\d+)"), ("edges", r" cov: (\d+)"), ("kept", r"stat::new_units_added:\s*(\d+)"))}
    figures = {key: values[-1] if values else 0 for key, values in found.items()}
    # A target that hardly ran has looked at nothing.
    figures["failed"] = status != 0 or figures["runs"] < 5
    return dict(figures, name=name + (SHORT if short else ""), seconds=round(took), cpu=round(cpu), text=text)


class Ledger:
    """Sums over all runs of this build folder, whoever ran them."""

    def __init__(self, build):
        self.path, self.lock = build / "ledger.json", threading.Lock()

    def read(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def add(self, one):
        with self.lock:
            sums = self.read()
            row = sums.setdefault(one["name"], {"runs": 0, "seconds": 0, "cpu": 0, "kept": 0, "edges": 0, "findings": 0})
            for key in ("runs", "seconds", "cpu", "kept"):
                row[key] = row.get(key, 0) + one[key]
            row["edges"] = max(row["edges"], one["edges"])
            row["findings"] += one["failed"]
            self.path.write_text(json.dumps(sums, indent=1, sort_keys=True))


def line(name, runs, seconds, edges, kept, findings):
    return f"{name:26} {runs:12,} {runs / max(seconds, 1):9,.0f} {edges:7,} {kept:12,} {findings:9}"


def total(build):
    rows = Ledger(build).read()
    print(f"{COLUMNS[0]:26} {COLUMNS[1]:>12} {COLUMNS[2]:>9} {COLUMNS[3]:>7} {COLUMNS[4]:>12} {COLUMNS[5]:>9}   minutes  of CPU")
    for name, row in sorted(rows.items()):
        print(line(name, row["runs"], row["seconds"], row["edges"], row["kept"], row["findings"]), f"  {row['seconds'] / 60:7.0f} {row.get('cpu', 0) / 60:7.0f}")
    print(f"{sum(row['runs'] for row in rows.values()):,} executions in {sum(row['seconds'] for row in rows.values()) / 3600:.1f} hours, {sum(row.get('cpu', 0) for row in rows.values()) / 3600:.1f} of CPU")


def main(args):
    build, source = args.build.resolve(), args.source.resolve()
    if args.total:
        return total(build)
    targets = sorted(p.name[5:] for p in build.glob("fuzz_*") if p.is_file() and os.access(p, os.X_OK))
    unknown = set(args.target) - set(targets)
    if unknown or not targets:
        sys.exit(f"no such fuzz target: {', '.join(sorted(unknown))}; there are: {', '.join(targets)}")
    ledger, bad, names = Ledger(build), 0, args.target or targets
    print(f"{COLUMNS[0]:26} {COLUMNS[1]:>12} {COLUMNS[2]:>9} {COLUMNS[3]:>7} {COLUMNS[4]:>12} {COLUMNS[5]:>9}")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(run, name, source, build, max(args.time // (4 if short else 1), 1), short) for name in names for short in (False, True)]
        for job in concurrent.futures.as_completed(jobs):
            one = job.result()
            bad += one["failed"]
            ledger.add(one)
            print(line(one["name"], one["runs"], one["seconds"], one["edges"], one["kept"], int(one["failed"])), flush=True)
            if one["failed"]:
                print(one["text"][-6000:])
    print(f"{len(jobs) - bad} passed, {bad} failed")
    return 1 if bad else 0


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("source", type=pathlib.Path)
parser.add_argument("--time", type=int, default=60, metavar="SECONDS")
parser.add_argument("--jobs", type=int, default=2, metavar="N")
parser.add_argument("--total", action="store_true")
parser.add_argument("target", nargs="*")
sys.exit(main(parser.parse_intermixed_args()))
