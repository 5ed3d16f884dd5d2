# SPDX-License-Identifier: MIT
"""--then status of px-find and px-do beside the recorded runs of pypx: a PACS with the same files, and trees that pypx had left."""
import json
import re

import pytest
from golden import cases, difference
from lab import Lab
from mount import Mount
from programs import run
from archive import as_program
from test_px_golden_smdb import without_order

# On which tree each was asked; None: nothing was there yet.
TREES = {"then-status-before": None, "then-status-feedback": "then-retrieve-feedback", "then-status-json": "then-retrieve-feedback",
         "then-status-registered": "register-key", "do-status-feedback": "then-retrieve-feedback", "do-status-json": "then-retrieve-feedback",
         "noseriesdesc-then-status": "noseriesdesc-then-retrieve", "japanese-then-status": "japanese-then-retrieve",
         "v3.11.22-then-status-feedback": "v3.11.22-then-retrieve-feedback", "then-status-2studies": "repack-dir-all",
         "then-status-2studies-oneseries": "repack-dir-all"}
CASES = [one for one in cases("px-find", "px-do") if one.name in TREES]
LINE = re.compile(r"^(?:\x1b\[[0-9;]*m)* ?(?P<state>\[ PACS[^]]*\]|[^│[]{40,60}?) │ +(?P<about>.*?) *│ (?P<series>[0-9.]+)(?:\x1b.*)?$")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"), "orthanc")
    yield lab
    lab.close()


def adopt(folder, name):
    mount = Mount(folder)
    if name is None:
        return mount
    mount.adopt(name)
    if name == "repack-dir-all":  # what was asked for was not recorded there: as many as there are
        for series in mount.log.glob("seriesData/*-img"):
            record = {"NumberOfSeriesRelatedInstances": str(len(list(series.iterdir())))}
            (series.parent / f"{series.name.removesuffix('-img')}-retrieve.json").write_text(json.dumps(record))
    mount.smdb("import")
    return mount


def lines(text):
    """{series: (state or counters, description)}; pypx cut values at the first ']' and told of missing ones in words."""
    found = [match for line in text.splitlines() if (match := LINE.match(line))]
    return {one["series"]: (one["state"].strip(), re.sub(r"\].*|no value provided.*", "", one["about"])) for one in found}


@pytest.mark.parametrize("one", CASES, ids=str)
def test_then_status(one, lab, tmp_path):
    mount = adopt(tmp_path, TREES[one.name])
    places = {**mount.places, **lab.places(mount.base)}
    done = run(as_program(tmp_path, one.tool), *one.command(places), check=False, stdin=one.stdin(places) or None)
    assert done.returncode == 0, done.stderr
    if "--json" not in one.words:
        expected, found = lines(one.stdout(places)), lines(done.stdout)
        assert expected and found == expected
        assert all(len(line.split(" │ 1.")[0]) == 104 for line in done.stdout.splitlines() if "[ PACS:002" in line)
        return
    expected, found = one.json(places), json.loads(done.stdout)
    expected, found = expected.get("then", expected), found.get("then", found)
    by_series = [{entry["series"]["seriesTable"]["seriesBaseDir"]["name"]: without_order(entry)
                  for study in part["00-status"]["study"] for entries in study.values() for entry in entries} for part in (expected, found)]
    assert sorted(by_series[0]) == sorted(by_series[1])
    for name, entry in by_series[0].items():
        assert difference(entry, by_series[1][name]) is None
    assert [list(study) for study in expected["00-status"]["study"]] == [list(study) for study in found["00-status"]["study"]]
