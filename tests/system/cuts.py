# SPDX-License-Identifier: MIT
"""Loads to record an archive under, and what has to hold of whatever a power cut leaves of it."""
import contextlib
import copy
import hashlib
import json
import os
import pathlib
import random
import sqlite3
import threading
import time
from collections import Counter, defaultdict

from archive import Archive
from dimse import Aborted, Association
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, meta, uid
from part10 import read
from powercut import MARK, Choice, History, Layer, read_events, tree
from programs import PATIENCE
from web import Web

BOUNDARY = "cut"
TAGS = "study:\n  - '00080030'\nseries:\n  - '00180050'\ninstance:\n  - '00280010'\n  - '00200013'\n"
STOW = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def key(data):
    return hashlib.sha256(data).hexdigest()[:16]


def made(instance, study, number, size, patient="CUT", fill=None):
    """A data set; `fill` makes other content of the same size."""
    given = attributes(PatientID=patient, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.{number % 3}", SOPInstanceUID=instance,
                       InstanceNumber=number)
    return data_set({**given, 0x7FE00010: ("OB", bytes([(number if fill is None else fill) & 0xFF]) * size)})


class Recorded:
    """An archive whose life is recorded, and then cut."""

    def __init__(self, folder, load, database=None, fresh=False, tags=False, **settings):
        self.archive, self.load, self.database = Archive(folder), load, database
        self.chance = random.Random(str(load))
        self.web = Web(self.archive)
        self.archive.set("console_verbose_level", 2)
        for name, value in settings.items():
            self.archive.set(name.replace("__", "."), value)
        if tags:
            (self.archive.folder / "app/tags.yml").write_text(TAGS)
        if database:
            database.sql("CREATE SCHEMA cuts")
            database.use(self.archive, "cuts")
            self.archive.set("db.save_delay", 0.2)
        if not fresh:
            self.archive.start()
            self.send_some(Association(self.archive.port), "before", 5, lambda *_: None)
            self.archive.stop()
            (self.archive.folder / "server.out").unlink()
        self.incoming = self.archive.folder / "incoming"
        self.incoming.mkdir()
        self.deaths, self.kinds, self.most, self.patience = 0, Counter(), 0, (60 if database else 20) * PATIENCE

    # -- the record --

    def roots(self):
        return [self.archive.folder, *([self.database.folder / "data"] if self.database else [])]

    def record(self, folder):
        prepare = getattr(self.load, "prepare", None)
        if prepare:
            prepare(self)
        if self.database:
            self.database.stop()
        self.layer = Layer(folder, *self.roots())
        self.layer.rule(0, "sync sync_folder", delay_us=2000, one_in=2)
        self.base = History(self.roots())
        self.archive.environment = self.layer.environment
        if self.database:
            self.database.environment = self.layer.environment
            self.database.start()
        self.archive.start()
        try:
            self.load(self)
        finally:
            self.archive.stop()
            if self.database:
                self.database.stop()
                self.database.environment = {}
        self.archive.environment = {}
        self.layer.close()
        self.events = list(read_events(self.layer.log, self.deaths))
        self.here = [tree(root) for root in self.roots()]
        (self.archive.folder / "server.out").unlink()

    def replayed(self):
        """What the record says is there at its end, beside what is there: both are the same, or the layer has missed something."""
        history = copy.deepcopy(self.base)
        for event in self.events:
            history.step(event)
        history.materialise(Choice(0, "everything"))
        there = [tree(root) for root in self.roots()]
        for one in self.here:
            one.pop("server.out", None)
        return there, self.here

    def mark(self, instance, **said):
        self.layer.mark(uid=instance, **said)

    def store(self, association, instance, data, done=True):
        """By C-STORE; `done` = what is there when it is acknowledged is this."""
        self.mark(instance, begin=key(data))
        assert association.store(SECONDARY_CAPTURE, instance, data) == 0
        if done:
            self.mark(instance, done=key(data))

    def stow(self, objects):
        for instance, data in objects:
            self.mark(instance, begin=key(data))
        body = b"".join(f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + meta(SECONDARY_CAPTURE, instance) + data + b"\r\n"
                        for instance, data in objects)
        answer = self.web.ask("POST", "/dicom-web/studies", body + f"--{BOUNDARY}--\r\n".encode(), Content_Type=STOW)
        assert answer.status == 200, answer.status
        for instance, data in objects:
            self.mark(instance, done=key(data))

    def send_some(self, association, name, count, store=None):
        """New objects of two studies."""
        chance = random.Random(name)
        for number in range(count):
            study = uid(8, int(key(name.encode()), 16) % 10**9, number % 2)
            instance = f"{study}.{number % 3}.{number}"
            size = chance.choice((0, 40, 500, 3000, 20000, 20000, 300000))
            (store or self.store)(association, instance, made(instance, study, number, size, f"P{number % 2}"))

    def side_by_side(self, *works):
        """Each in a thread; the first that fails fails all."""
        failed = []

        def run(work):
            try:
                work()
            except BaseException as reason:  # pylint: disable=broad-except
                failed.append(reason)

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120 * PATIENCE)
        if failed:
            raise failed[0]

    # -- cuts --

    def cut(self, count, seed=0, ignore=(), kind=None, enough=3):
        """Cuts at `count` points, in order, each judged: [(point, kind, what is wrong)], `enough` at most."""
        first = next(number for number, event in enumerate(self.events) if event.type == MARK)
        draw = random.Random(f"{seed}")
        points = sorted(draw.randrange(first, len(self.events) + 1) for _ in range(count))
        history, at, wrong = copy.deepcopy(self.base), 0, []
        history.ignore = ignore
        for number, point in enumerate(points):
            while at < point:
                history.step(self.events[at])
                at += 1
            choice = Choice(f"{seed}/{number}", kind)
            history.materialise(choice)
            self.kinds[choice.kind] += 1
            problem = self.judge(Said(history.said))
            if problem:
                wrong.append((point, choice.kind, problem))
            if len(wrong) == enough:
                break
        return wrong

    def judge(self, said):
        """Starts what a cut has left, and says what is wrong with it."""
        if self.database:
            (self.database.folder / "data/postmaster.pid").unlink(missing_ok=True)  # no process outlives a power cut
            self.database.start()
        try:
            self.archive.start()
            try:
                problem = self.await_right(said) or self.judge_more(said)
            finally:
                self.archive.stop()
            return problem or self.judge_stopped()
        except AssertionError as reason:
            return str(reason)[:1000]
        finally:
            if self.database:
                self.database.stop()

    def await_right(self, said):
        """Repair runs beside the server: some seconds until all is right, or what is not."""
        end = time.monotonic() + self.patience
        while True:
            problem = self.is_repaired() or self.compare(said)
            if not problem or time.monotonic() > end:
                break
            time.sleep(0.01)
        if problem:
            return problem
        done = self.archive.manage("data", "verify", "--json", check=False)
        found = json.loads(done.stdout or "{}").get("findings", ["no answer"])
        return f"data verify: {found[:3]}" if found else None

    def judge_more(self, said):
        """What else the load has left."""
        more = getattr(self.load, "judge", None)
        return more(self, said) if more else None

    def is_repaired(self):
        folders = [path for path in (self.archive.folder / ".tmp_data").iterdir() if path.is_dir()]
        return f"{len(folders)} folders of processes, one lives" if len(folders) != 1 else None

    def judge_stopped(self):
        """Stopped, nothing is left over; started again, there is nothing to do."""
        left = self.archive.unfinished()
        if left:
            return f"temporary files stay: {left[:3]}"
        logs = {path: path.stat().st_size for path in (self.archive.folder / "log").glob("*.log")}
        self.archive.start()
        self.archive.stop()
        for path in (self.archive.folder / "log").glob("*.log"):
            if b"not closed properly" in path.read_bytes()[logs.get(path, 0):]:
                return "the second start repairs, too"
        return None

    # -- what has to hold --

    def rows(self):
        """{SOP Instance UID: path} of the index."""
        columns = "SELECT instance_uid, file_path FROM"
        if self.database:
            return dict(line.split("|") for line in self.database.sql(f"{columns} cuts.file_storage_metadata_dicom"))
        with contextlib.closing(sqlite3.connect(f"file:{self.archive.folder}/index.sqlite?mode=ro", uri=True, timeout=30)) as db:
            return dict(db.execute(f"{columns} file_storage_metadata_dicom"))

    def files(self, folder):
        """{path: (SOP Instance UID, key)} of the objects in a folder, without those that go meanwhile."""
        out = {}
        for path in (pathlib.Path(inner, name) for inner, _, names in os.walk(folder) for name in names):
            if path.is_file() and not path.name.startswith(".") and path.suffix != ".json" and path.name != "manifest.jsonl":
                with contextlib.suppress(FileNotFoundError):
                    one = read(path)
                    out[str(path)] = (one.instance if 0x00020003 in one.meta else path.name, key(one.data))
        return out

    def compare(self, said):
        rows, stored = self.rows(), self.files(self.archive.data)
        elsewhere = self.files(self.incoming)
        trash = set(self.files(self.archive.folder / "trash").values())
        everywhere = {**stored, **elsewhere}
        for path, (instance, content) in stored.items():
            if content not in said.ever[instance]:
                return f"{instance}: a file nobody has sent: {path}"
        for instance, path in rows.items():
            if everywhere.get(path, ("",))[0] != instance:
                return f"{instance}: a row whose file is not there: {path}"
        for instance, may in said.may.items():
            now = everywhere[rows[instance]][1] if instance in rows else None
            if now not in may:
                return f"{instance}: {'acknowledged' if instance in said.acknowledged else 'unfinished'}, is {now}, may be {may}"
            if now is None and said.kept.get(instance) and (instance, said.kept[instance]) not in trash | set(everywhere.values()):
                return f"{instance}: gone, and its content is neither in the trash nor where it came from"
        for instance, contents in said.beside.items():
            for content in contents:
                if (instance, content) not in stored.values():
                    return f"{instance}: acknowledged beside the first, and not there"
        unindexed = [path for path, (instance, _) in stored.items() if instance not in rows]
        if unindexed:
            return f"{len(unindexed)} files are in no row: {unindexed[:2]}"
        left = [path for path in stored if path != rows[stored[path][0]] and stored[path][1] not in said.second[stored[path][0]]]
        if left:
            return f"{len(left)} files stay that were replaced by others: {left[:2]}"
        self.most = max(self.most, len(said.acknowledged))
        return None


class Said:
    """What the senders had been told when the power went: what each object may be now."""

    def __init__(self, said):
        self.may, self.ever, self.acknowledged, self.kept, self.beside = {}, defaultdict(set), set(), {}, defaultdict(set)
        self.second = defaultdict(set)  # contents that may lie beside the first
        self.backups = []  # that have ended well
        for one in said:
            if "backup" in one:
                self.backups.append(one["backup"])
                continue
            instance = one["uid"]
            self.may.setdefault(instance, {None})
            if "keep" in one:
                self.kept[instance] = one["keep"]
                self.ever[instance].add(one["keep"])
            if "begin" in one:
                self.may[instance].add(one["begin"])
                self.ever[instance].add(one["begin"])
            elif "tried" in one:
                self.ever[instance].add(one["tried"])
                self.second[instance].add(one["tried"])
            elif "beside" in one:
                self.beside[instance].add(one["beside"])
            elif "done" in one:
                self.may[instance] = {one["done"]}
                self.acknowledged.add(instance)


# -- loads --

def new_objects(run):
    """Eight senders by C-STORE, two by STOW-RS."""
    def send(number):
        association = Association(run.archive.port, timeout=60)
        run.send_some(association, f"new {number}", 14)
        association.release()

    def stow(number):
        for part in range(3):
            study = uid(8, 77, number, part)
            run.stow([(f"{study}.{i}.{i}", made(f"{study}.{i}.{i}", study, i, 2000 * i)) for i in range(4)])

    run.side_by_side(*(lambda n=n: send(n) for n in range(8)), *(lambda n=n: stow(n) for n in range(2)))


def replacements(run):
    """Objects that come again with other content: of the same size, of another, of another patient, so that they move; and unchanged."""
    def send(number):
        association = Association(run.archive.port, timeout=60)
        study, chance = uid(8, 78, number), random.Random(number)
        for turn in range(24):
            i = chance.randrange(4)
            data = made(f"{study}.{i}", study, i, chance.choice((3000, 3000, 3000, 5000)), f"P{chance.choice((0, 0, 0, 1))}", fill=turn)
            for _ in range(chance.choice((1, 1, 2))):
                run.store(association, f"{study}.{i}", data)
        association.release()

    run.side_by_side(*(lambda n=n: send(n) for n in range(6)))


def second_contents(run):
    """As `replacements`, where the first stays (keep_first), or both do (keep_both)."""
    both = "duplicates: keep_both" in run.archive.settings.read_text()

    def send(number):
        association = Association(run.archive.port, timeout=60)
        study = uid(8, 79, number)
        for i in range(6):
            run.store(association, f"{study}.{i}", made(f"{study}.{i}", study, i, 3000))
            for fill in (100, 101):
                data = made(f"{study}.{i}", study, i, 3000, fill=fill)
                run.mark(f"{study}.{i}", tried=key(data))
                assert association.store(SECONDARY_CAPTURE, f"{study}.{i}", data) == 0
                if both:
                    run.mark(f"{study}.{i}", beside=key(data))
        association.release()

    run.side_by_side(*(lambda n=n: send(n) for n in range(4)))


def removals(run):
    """Objects go into the trash and come back, while others come in."""
    def send(number):
        association = Association(run.archive.port, timeout=60)
        run.send_some(association, f"beside removals {number}", 12)
        association.release()

    def delete(number):
        association = Association(run.archive.port, timeout=60)
        study = uid(8, 80, number)
        for turn in range(3):
            objects = {f"{study}.{turn}.{i}": made(f"{study}.{turn}.{i}", f"{study}.{turn}", i, 4000, f"D{number}") for i in range(5)}
            for instance, data in objects.items():
                run.store(association, instance, data)
            for instance, data in objects.items():
                run.mark(instance, keep=key(data), begin=None)
            done = json.loads(run.archive.manage("data", "delete", "study", f"{study}.{turn}", "-f", "--json").stdout)
            for instance in objects:
                run.mark(instance, done=None)
            if turn == 1:
                for instance, data in objects.items():
                    run.mark(instance, begin=key(data))
                run.archive.manage("data", "undelete", done["batch"])
                for instance, data in objects.items():
                    run.mark(instance, done=key(data))
        association.release()

    run.side_by_side(lambda: send(0), lambda: send(1), *(lambda n=n: delete(n) for n in range(3)))


def files_of_a_folder(run, name):
    folder = run.incoming / name
    study = uid(8, 81, len(name))
    for i in range(30):
        instance = f"{study}.{i}"
        data = made(instance, study, i, 3000, name.upper())
        path = folder / str(i % 3) / f"{i}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(meta(SECONDARY_CAPTURE, instance) + data)
        yield instance, data


def folders_taken_in(run):
    """`data index -d`, in place and with -rm, beside a sender."""
    def send():
        association = Association(run.archive.port, timeout=60)
        run.send_some(association, "beside folders", 30)
        association.release()

    def index(name, *options):
        for instance, data in run.prepared[name]:
            run.mark(instance, begin=key(data))
            run.mark(instance, keep=key(data))
        run.archive.manage("data", "index", "-d", run.incoming / name, *options, timeout=120)
        for instance, data in run.prepared[name]:
            run.mark(instance, done=key(data))

    run.side_by_side(send, lambda: index("inplace"), lambda: index("moved", "-rm", "yes"))


def prepare_folders(run):
    run.prepared = {name: list(files_of_a_folder(run, name)) for name in ("inplace", "moved")}


folders_taken_in.prepare = prepare_folders


def sending(run, name, over):
    """New objects until `over`, or until nobody answers."""
    try:
        association = Association(run.archive.port, timeout=60)
        for turn in range(1000):
            if over.is_set():
                break
            run.send_some(association, f"{name} {turn}", 1)
        association.release()
    except (Aborted, OSError):
        pass


@contextlib.contextmanager
def four_senders(run, name):
    over = threading.Event()
    senders = [threading.Thread(target=sending, args=(run, f"{name} {n}", over)) for n in range(4)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        over.set()
        for sender in senders:
            sender.join(60 * PATIENCE)


def killed(run):
    """Four senders, SIGKILL, and the start that repairs, while the senders go on."""
    for turn in range(3):
        with four_senders(run, f"killed {turn}"):
            time.sleep(0.3)
            if turn < 2:
                run.archive.kill()
                run.deaths += 1
                run.archive.start()


def database_away(run):
    """PostgreSQL dies and comes back while objects come: some have a line in the journal and no row."""
    with four_senders(run, "away"):
        for _ in range(2):
            time.sleep(0.5)
            run.database.crash()
            time.sleep(0.7)
            run.database.start()
        time.sleep(1)


def backed_up(run):
    """`manage backup`, three times, beside four senders."""
    with four_senders(run, "backed up"):
        for _ in range(3):
            done = json.loads(run.archive.manage("backup", run.archive.folder / "backups", "--json", timeout=120).stdout)
            run.mark("", backup=done["backup"])


def is_whole(backup):
    """Every file is there as the manifest says, and no other."""
    lines = [json.loads(line) for line in (backup / "manifest.json").read_text().splitlines()]
    if not lines[-1].get("end") or lines[-1]["files"] != len(lines) - 2:
        return False
    there = {path.relative_to(backup).as_posix(): path for path in backup.rglob("*") if path.is_file()}
    return set(there) == {"manifest.json"} | {line["path"] for line in lines[1:-1]} and all(
        hashlib.sha256(there[line["path"]].read_bytes()).hexdigest() == line["sha256"] for line in lines[1:-1])


def judge_backups(run, said):
    """What has the name of a backup is one; the next goes on where the cut came, and has all that was acknowledged."""
    backups = run.archive.folder / "backups"
    for turn in range(2):
        names = {path.name for path in backups.iterdir() if not path.name.startswith(".")} if backups.exists() else set()
        if not set(said.backups) <= names:
            return f"backups that had ended well are gone: {set(said.backups) - names}"
        for name in names:
            if not is_whole(backups / name):
                return f"the backup {name} is not whole, {'after' if turn else 'before'} the next one"
        if turn == 0:
            run.archive.manage("backup", backups, timeout=120)
    back = run.archive.folder / "back"
    run.archive.manage("restore", backups, back, timeout=120)
    stored = set(run.files(back / "data").values())
    lost = [instance for instance in said.acknowledged if not any((instance, content) in stored for content in said.may[instance])]
    return f"acknowledged, and not in the next backup: {lost[:3]}" if lost else None


backed_up.judge = judge_backups


def everything(run):
    """A little of each."""
    for load in (new_objects, replacements, removals):
        load(run)
