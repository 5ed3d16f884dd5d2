#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tally.py FOLDER: adds up the results of one `./dev test` and ends with the line "N passed, N failed".

FOLDER holds unit-<mode>.json (meson's testlog.json: one JSON object a line, one per test program) and *.xml (pytest's
junit files). A test program that ran no test, or a replay that read no input, is a failure: nothing it promises was looked at.
Exit code 0 only when something passed and nothing failed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def of_meson(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        output = (test.get("stdout") or "") + (test.get("stderr") or "")
        ran = sum(int(n) for n in re.findall(r"(?m)(?:Running |^)(\d+) (?:test|inputs$)", output))
        result = {"OK": "passed", "SKIP": "skipped"}.get(test["result"], "failed")
        reason = test["result"]
        if result == "passed" and ran == 0:
            result, reason = "failed", "ran 0 tests"
        yield result, f"{path.stem} {test['name']}", reason


def of_junit(path):
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{path.stem} {case.get('classname', '')}::{case.get('name')}"
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if bad is not None:
            yield "failed", name, (bad.get("message") or "error").splitlines()[0][:160]
        elif skipped is not None:
            yield "skipped", name, (skipped.get("message") or "")[:160]
        else:
            yield "passed", name, ""


def main(folder):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sorted(pathlib.Path(folder).iterdir()):
        count = dict.fromkeys(total, 0)
        for result, name, reason in of_meson(path) if path.suffix == ".json" else of_junit(path):
            count[result] += 1
            if result != "passed":
                print(f"{result.upper():8} {name}: {reason}")
        print(f"{path.stem:20} " + ", ".join(f"{n} {what}" for what, n in count.items()))
        for what, n in count.items():
            total[what] += n
    line = f"{total['passed']} passed, {total['failed']} failed"
    print(line + (f", {total['skipped']} skipped" if total["skipped"] else ""))
    return 0 if total["passed"] and not total["failed"] else 1


sys.exit(main(sys.argv[1]))
