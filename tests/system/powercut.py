# SPDX-License-Identifier: MIT
"""Power cuts: what tests/powercut/ has recorded of a program, and the folders that a cut at any point of it might have left.

What POSIX promises, and nothing more: what was written to a file before an fsync of it began is there once that fsync has ended; the names of a folder
likewise once the folder was synced. Of everything else each sector of 512 bytes is there or is not, in any order, a file may be longer without its bytes
(zeros), and each change of names is there whole or not at all. A change of a name stands on the earlier ones of the same name.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import stat
import struct
import tempfile
from dataclasses import dataclass, field

from programs import BINARY, ROOT

LAYER = next((path for path in (BINARY.parents[2] / "tests/powercut/powercut.so", ROOT / "build/release/tests/powercut/powercut.so") if path.exists()),
             None)
EVENT = struct.Struct("<II6QIIII")
MAGIC, SECTOR = 0x54554350, 512
CREATE, NAMELESS, SIZE, WRITE, ALLOCATE, LINK, UNLINK, RENAME, MKDIR, RMDIR, SYNC_BEGIN, SYNC_END, TIME, REFUSED = range(1, 15)
MARK = 100
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
EXCHANGE = 2
OPS = {"write": 1, "sync": 2, "sync_folder": 4, "name": 8, "create": 16, "allocate": 32}
RULE = struct.Struct("<IiII112s")
RULES_AT, CONTROL_SIZE, SPOILED_AT = 512, 4096, 264


def fast_folder():
    """In memory where there is room: thousands of folders come and go."""
    shm = pathlib.Path("/dev/shm")
    folder = None
    with contextlib.suppress(OSError):
        room = os.statvfs(shm)
        if room.f_bavail * room.f_frsize > 2 << 30 and os.access(shm, os.W_OK):
            folder = shm
    made = pathlib.Path(tempfile.mkdtemp(prefix="gantry-cut-", dir=folder))
    made.chmod(0o755)
    return made


class Layer:
    """The layer below a program: its environment, its record, its rules."""

    def __init__(self, folder, *roots, record=True):
        assert LAYER, "tests/powercut/powercut.so is not built; ./dev torture powercut does that"
        self.folder, self.roots = pathlib.Path(folder), [pathlib.Path(root) for root in roots]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log, self.control = self.folder / "record", self.folder / "control"
        library = shutil.copy(LAYER, self.folder)  # where any user may read it
        self.control.write_bytes(bytes(CONTROL_SIZE))
        self.control.chmod(0o666)
        self.environment = {"LD_PRELOAD": library, "POWERCUT_ROOTS": ":".join(map(str, self.roots)), "POWERCUT_CONTROL": str(self.control)}
        if record:
            self.log.touch()
            self.log.chmod(0o666)
            self.environment["POWERCUT_LOG"] = str(self.log)
        self.marks = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def rule(self, at, ops="", error=0, delay_us=0, one_in=0, path=""):
        """Rule number `at`: calls of `ops` on paths with `path` in them are late or fail with `error`, each or one in so many; none without ops."""
        bits = sum(OPS[op] for op in ops.split())
        with open(self.control, "r+b") as control:
            control.seek(RULES_AT + at * RULE.size)
            control.write(RULE.pack(bits, error, delay_us, one_in, path.encode()))

    def spoiled(self):
        """Calls that a rule has failed."""
        return struct.unpack_from("<Q", self.control.read_bytes(), SPOILED_AT)[0]

    def mark(self, **said):
        """Into the record, in order with what the program does."""
        data = json.dumps(said).encode()
        os.write(self.marks, EVENT.pack(MAGIC, MARK, 0, 0, 0, 0, 0, 0, 0, 0, 0, len(data)) + data)

    def close(self):
        os.close(self.marks)


@dataclass
class Event:
    type: int
    time: int
    ino: int
    dir1: int
    dir2: int
    at: int
    length: int
    flags: int
    name1: str
    name2: str
    data: bytes


def read_events(path, deaths=0):
    """Of the record. Who is killed may be writing to it: what has come of his last event counts, so that as many as `deaths` may be cut short."""
    raw, at, magic_bytes = pathlib.Path(path).read_bytes(), 0, struct.pack("<I", MAGIC)
    while at + EVENT.size <= len(raw):
        magic, kind, time, ino, dir1, dir2, offset, length, flags, n1, n2, n = EVENT.unpack_from(raw, at)
        assert magic == MAGIC, "the record is damaged"
        names, end = at + EVENT.size, at + EVENT.size + n1 + n2 + n
        if end != len(raw) and not raw.startswith(magic_bytes, end):
            end, deaths = raw.find(magic_bytes, at + 1), deaths - 1
            assert deaths >= 0, "the record is damaged"
            end = len(raw) if end < 0 else end
        at = end
        if end < names + n1 + n2:
            continue
        name1, name2 = raw[names:names + n1].decode(errors="surrogateescape"), raw[names + n1:names + n1 + n2].decode(errors="surrogateescape")
        assert kind != REFUSED, f"the layer cannot follow what the program does: {name1}"
        yield Event(kind, time, ino, dir1, dir2, offset, length, flags, name1, name2, raw[names + n1 + n2:end])


class Node:
    """A file or a folder: what is on disk for certain, and for a file what came since."""

    def __init__(self, folder, mode, time, name):
        self.folder, self.mode, self.time, self.name = folder, mode, time, name
        self.solid = {} if folder else bytearray()  # name: Node, or bytes
        self.pending = []  # of a file: (number, Event)


@dataclass(eq=False)
class Change:
    """Of names, atomic: what each place holds afterwards."""
    number: int
    time: int
    places: dict  # (folder, name): Node or None
    needs: list = field(default_factory=list)  # earlier ones of the same places that are not on disk for certain
    solid: bool = False


def put(data, event):
    """Does to bytes what was done to the file."""
    if event.type == WRITE:
        if len(data) < event.at:
            data.extend(bytes(event.at - len(data)))
        data[event.at:event.at + len(event.data)] = event.data
    elif event.type == SIZE:
        if event.at < len(data):
            del data[event.at:]
        else:
            data.extend(bytes(event.at - len(data)))
    elif event.type == ALLOCATE:
        end = event.at + event.length
        if event.flags & (PUNCH_HOLE | ZERO_RANGE):
            stop = min(end, len(data))
            data[event.at:stop] = bytes(max(stop - event.at, 0))
        if not event.flags & KEEP_SIZE and len(data) < end:
            data.extend(bytes(end - len(data)))


class Choice:
    """What of the uncertain a cut leaves."""
    KINDS = ("random", "nothing", "everything", "names", "data")

    def __init__(self, seed, kind=None):
        self.random = random.Random(seed)
        draw = self.random.random()
        self.kind = kind or ("random" if draw < 0.6 else self.random.choice(self.KINDS[1:]))
        self.names = {"nothing": 0, "data": 0, "everything": 1, "names": 1}.get(self.kind, self.random.choice((0.1, 0.5, 0.9)))
        self.sectors = {"nothing": 0, "names": 0, "everything": 1, "data": 1}.get(self.kind, self.random.choice((0.1, 0.5, 0.9)))
        self.sizes = {"nothing": 0, "names": 1, "everything": 1, "data": 1}.get(self.kind)

    def keeps(self, chance):
        return chance >= 1 or self.random.random() < chance

    def content(self, node):
        """A file's bytes, and its time."""
        if not node.pending or self.kind == "nothing":
            return node.solid, node.time
        live, out, time, longest = bytearray(node.solid), bytearray(node.solid), node.time, None
        sizes = len(node.pending) if self.sizes else self.random.randint(0, len(node.pending))
        for number, (_, event) in enumerate(node.pending):
            before = len(live)
            put(live, event)
            if event.type == TIME:
                time = event.at if self.keeps(self.names) else time
                continue
            if number >= sizes and len(live) != before:
                if event.type == SIZE:
                    break  # what came behind it lies in blocks that nothing leads to
                longest = before if longest is None else longest
            time = max(time, event.time)
            end = len(live) if longest is None else min(len(live), longest)
            if event.type == SIZE or len(out) < end:
                put(out, Event(SIZE, 0, 0, 0, 0, end, 0, 0, "", "", b""))
            if event.type != SIZE:
                self.add_sectors(out, live, event, end)
        return out, time


    def add_sectors(self, out, live, event, end):
        length = len(event.data) if event.type == WRITE else event.length
        for sector in range(event.at // SECTOR, -(-min(event.at + length, end) // SECTOR)):
            if self.keeps(self.sectors):
                begin, stop = sector * SECTOR, min((sector + 1) * SECTOR, end)
                out[begin:stop] = live[begin:stop]


class History:
    """A record from its beginning, event by event; `ignore` has syncs of "folders", "files" or "index" mean nothing, as in a program without them."""

    def __init__(self, roots, ignore=()):
        self.roots = {pathlib.Path(root): None for root in roots}
        self.nodes, self.changes, self.touching, self.last, self.syncs = {}, [], {}, {}, {}
        self.number, self.said, self.ignore = 0, [], ignore
        for root in self.roots:
            self.roots[root] = self.read(root, root.stat(), root.name)

    def read(self, path, st, name):
        """What is there before the record begins is on disk for certain."""
        node = self.nodes.get(st.st_ino) or Node(stat.S_ISDIR(st.st_mode), st.st_mode, st.st_mtime_ns, name)
        self.nodes[st.st_ino] = node
        if not node.folder:
            node.solid = bytearray(path.read_bytes())
            return node
        for entry in os.scandir(path):
            if entry.is_symlink():
                node.solid[entry.name] = os.readlink(entry.path)
            elif entry.is_dir() or entry.is_file():
                if not entry.name.endswith("-shm"):
                    node.solid[entry.name] = self.read(pathlib.Path(entry.path), entry.stat(), entry.name)
        return node

    # -- names --

    def now(self, folder, name):
        """What the program sees under a name."""
        change = self.last.get((folder, name))
        return change.places[folder, name] if change else folder.solid.get(name)

    def add_change(self, event, places):
        change = Change(self.number, event.time, places)
        for place in places:
            before = self.last.get(place)
            if before and not before.solid:
                change.needs.append(before)
            self.last[place] = change
            self.touching.setdefault(place[0], []).append(change)
        self.changes.append(change)

    def harden(self, change):
        """It is on disk, and with it what it stands on."""
        stack = [change]
        while stack:
            one = stack.pop()
            if one.solid:
                continue
            one.solid = True
            stack.extend(one.needs)

    def settle(self):
        """Changes that are certain leave the list, in order."""
        rest = []
        for change in self.changes:
            if not change.solid:
                rest.append(change)
                continue
            for (folder, name), node in change.places.items():
                if node is None:
                    folder.solid.pop(name, None)
                else:
                    folder.solid[name] = node
                folder.time = max(folder.time, change.time)
                if self.last.get((folder, name)) is change:
                    del self.last[folder, name]
        self.changes = rest

    # -- syncs --

    def is_ignored(self, node):
        kind = "folders" if node.folder else "index" if node.name.startswith("index.sqlite") else "files"
        return kind in self.ignore

    def synced(self, node, number):
        """Everything before `number`."""
        if self.is_ignored(node):
            return
        if node.folder:
            for change in self.touching.pop(node, []):
                if change.number < number:
                    self.harden(change)
                else:
                    self.touching.setdefault(node, []).append(change)
            self.settle()
            return
        while node.pending and node.pending[0][0] < number:
            _, event = node.pending.pop(0)
            put(node.solid, event)
            node.time = event.at if event.type == TIME else max(node.time, event.time)

    # -- event by event --

    def step(self, event):
        self.number += 1
        if event.type == MARK:
            self.said.append(json.loads(event.data))
        elif event.type in (CREATE, MKDIR, NAMELESS):
            node = self.nodes[event.ino] = Node(event.type == MKDIR, event.flags, event.time, event.name1)
            if event.type != NAMELESS:
                self.add_change(event, {(self.nodes[event.dir1], event.name1): node})
        elif event.type in (SIZE, WRITE, ALLOCATE, TIME):
            node = self.nodes.get(event.ino)
            if node and not node.folder:
                node.pending.append((self.number, event))
        elif event.type == LINK:
            self.add_change(event, {(self.nodes[event.dir2], event.name2): self.nodes[event.ino]})
        elif event.type in (UNLINK, RMDIR):
            self.add_change(event, {(self.nodes[event.dir1], event.name1): None})
        elif event.type == RENAME:
            old, new = (self.nodes[event.dir1], event.name1), (self.nodes[event.dir2], event.name2)
            other = self.now(*new) if event.flags & EXCHANGE else None
            self.add_change(event, {old: other, new: self.now(*old)})
        elif event.type == SYNC_BEGIN:
            self.syncs[event.at] = (self.nodes.get(event.ino) if event.ino else "all", self.number)
        elif event.type == SYNC_END:
            what, number = self.syncs.pop(event.at)
            for node in set(self.nodes.values()) if what == "all" else [what] if what else []:
                self.synced(node, number)

    # -- what a cut leaves --

    def left(self, choice):
        """{folder: ({name: Node}, time)} where it is not what is certain."""
        kept, out = set(), {}
        for change in self.changes:
            if choice.keeps(choice.names):
                stack = [change]
                while stack:
                    one = stack.pop()
                    if not one.solid and one.number not in kept:
                        kept.add(one.number)
                        stack.extend(one.needs)
        for change in self.changes:
            if change.number not in kept:
                continue
            for (folder, name), node in change.places.items():
                names, time = out.get(folder) or (dict(folder.solid), folder.time)
                if node is None:
                    names.pop(name, None)
                else:
                    names[name] = node
                out[folder] = names, max(time, change.time)
        return out

    def materialise(self, choice):
        """The folders at their places, as a cut now might leave them. Whatever lies there is removed."""
        names, written = self.left(choice), {}
        for root, node in self.roots.items():
            owner = root.stat() if root.exists() else root.parent.stat()
            shutil.rmtree(root, ignore_errors=True)
            self.write(root, node, names, written, choice, (owner.st_uid, owner.st_gid))

    def write(self, path, node, names, written, choice, owner):
        if isinstance(node, str):
            os.symlink(node, path)
            return
        if node in written:
            os.link(written[node], path)
            return
        if node.folder:
            entries, time = names.get(node) or (node.solid, node.time)
            os.mkdir(path)
            for name, child in entries.items():
                self.write(os.path.join(path, name), child, names, written, choice, owner)
        else:
            written[node] = path
            content, time = choice.content(node)
            with open(path, "wb", buffering=0) as file:
                file.write(content)
        os.chmod(path, stat.S_IMODE(node.mode))
        if os.geteuid() == 0:
            os.chown(path, *owner)
        os.utime(path, ns=(time, time))


def tree(root):
    """{path: content, None for a folder} without what SQLite shares."""
    root = pathlib.Path(root)
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
            for path in root.rglob("*") if not path.name.endswith("-shm") and not path.is_symlink()}


__all__ = ["Choice", "History", "LAYER", "Layer", "fast_folder", "read_events", "tree"]
