# SPDX-License-Identifier: MIT
"""The power goes, at any moment: what was acknowledged is there, whole and indexed; the rest is whole or not there; and the next start puts it right by itself.

An archive's life is recorded once for each load, then cut at many points (powercut.py says what a cut leaves, cuts.py what has to hold).
GANTRY_CUTS and GANTRY_POSTGRES_CUTS set how many (`./dev torture powercut`: 1,000 and 100).
"""
import os
import shutil

import cuts
import programs
import pytest
from postgres import AVAILABLE, Postgres
from powercut import Choice, History, Layer, fast_folder, read_events, tree

CUTS = int(os.environ.get("GANTRY_CUTS", "27"))
POSTGRES_CUTS = int(os.environ.get("GANTRY_POSTGRES_CUTS", "4"))
SEED = os.environ.get("GANTRY_CUT_SEED", "1")
LOADS = {
    "new": (cuts.new_objects, {}),
    "first start": (cuts.new_objects, {"fresh": True}),
    "replaced": (cuts.replacements, {}),
    "first kept": (cuts.second_contents, {"duplicates": "keep_first"}),
    "both kept": (cuts.second_contents, {"duplicates": "keep_both"}),
    "deleted": (cuts.removals, {}),
    "folders": (cuts.folders_taken_in, {}),
    "killed": (cuts.killed, {}),
    "backed up": (cuts.backed_up, {}),
    "tags": (cuts.new_objects, {"tags": True}),
}


@pytest.fixture
def folder():
    folder = fast_folder()
    yield folder
    shutil.rmtree(folder)


def tell(run, wanted):
    """For those who run it by hand (-s): the figures of docs/reliability.md."""
    done = sum(run.kinds.values())
    print(f"\n{run.load.__name__}: {done} cuts of {len(run.events)} events, up to {run.most} objects acknowledged: {dict(run.kinds)}")
    assert done == wanted


@pytest.mark.parametrize("name", LOADS)
def test_what_is_left_of_sqlite_and_a_folder(name, folder):
    load, more = LOADS[name]
    run = cuts.Recorded(folder, load, **more)
    run.record(folder / "layer")
    wanted = -(-CUTS // len(LOADS))
    assert not run.cut(wanted, f"{SEED} {name}")
    tell(run, wanted)


@pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
@pytest.mark.parametrize("load", [cuts.everything, cuts.database_away])
def test_what_is_left_of_postgresql_and_a_folder(load, folder):
    """PostgreSQL's own files are cut at the same moment, by the same rules."""
    database = Postgres("on", folder)
    try:
        run = cuts.Recorded(folder, load, database)
        run.record(folder / "layer")
        wanted = -(-POSTGRES_CUTS // 2)
        assert not run.cut(wanted, SEED)
        tell(run, wanted)
    finally:
        database.remove()


def test_the_layer_misses_nothing(folder):
    """What the record says is what is there, to the byte, when all of it has reached the disk."""
    run = cuts.Recorded(folder, cuts.everything)
    run.record(folder / "layer")
    recorded, there = run.replayed()
    for one, other in zip(recorded, there):
        assert sorted(one) == sorted(other)
        assert [path for path in one if one[path] != other[path]] == []


def test_the_layer_follows_children(folder):
    """Programs that a program executes, and whatever way they take into the kernel."""
    (folder / "root").mkdir()
    layer, before = Layer(folder / "layer", folder / "root"), History([folder / "root"])
    programs.run("sh", "-c", "echo one > a && mv a b && ln b c && mkdir d && cp b d/e && rm b && rmdir d || sed -i s/one/two/ c", cwd=folder / "root",
        env=layer.environment)
    layer.close()
    there = tree(folder / "root")
    assert there == {"c": b"two\n", "d": None, "d/e": b"one\n"}
    for event in read_events(layer.log):
        before.step(event)
    before.materialise(Choice(0, "everything"))
    assert tree(folder / "root") == there


@pytest.mark.parametrize("what", ["files", "folders"])
def test_without_its_syncs_objects_are_lost(what, folder):
    """The test can fail: as soon as syncs of files, or of folders, do nothing, it does."""
    run = cuts.Recorded(folder, cuts.new_objects)
    run.patience = 1
    run.record(folder / "layer")
    wrong = run.cut(20, SEED, ignore=[what], enough=1)
    assert wrong, f"20 cuts without syncs of {what}, and nothing is lost: the test says nothing"
    assert "acknowledged" in wrong[0][2] or "file" in wrong[0][2], wrong
