# SPDX-License-Identifier: MIT
"""`./dev bench files`: `manage data index` over CT files, beside what the disk and one core allow.

Made-up CT images of 512 x 512 x 16 bit with a noise that does not compress are written into a folder; then in turns, cold (the
files dropped from the page cache) and warm: reading them with cat, their SHA-256 with openssl, and indexing them in place. The last
figure is an index that knows them all.

With --tiny the images are of 8 x 8 pixels, so that reading costs next to nothing and the index counts: they are indexed on SQLite and on a
PostgreSQL of the bench's own (Debian's settings, fsync).
"""
import argparse
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

CT = '1.2.840.10008.5.1.4.1.1.2'
EXPLICIT = '1.2.840.10008.1.2.1'
PIXELS = 512 * 512 * 2
PIXELS_TINY = 8 * 8 * 2
PER_SERIES = 50


def element(tag, vr, value):
    if isinstance(value, str):
        value = value.encode()
    if len(value) % 2:
        value += b'\0' if vr == 'UI' else b' '
    head = struct.pack('<HH2s', tag >> 16, tag & 0xffff, vr.encode())
    if vr in ('OB', 'OW'):
        return head + struct.pack('<HI', 0, len(value)) + value
    return head + struct.pack('<H', len(value)) + value


def ct_file(n, pixels):
    study, series = n // PER_SERIES // 2, n // PER_SERIES
    uid = f'1.2.826.0.1.3680043.10.1.{study}.{series}.{n}'
    meta = (element(0x00020001, 'OB', b'\0\1') + element(0x00020002, 'UI', CT) + element(0x00020003, 'UI', uid) +
            element(0x00020010, 'UI', EXPLICIT) + element(0x00020012, 'UI', '1.2.826.0.1.3680043.10.1'))
    data = [(0x00080005, 'CS', 'ISO_IR 100'), (0x00080008, 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'), (0x00080016, 'UI', CT),
            (0x00080018, 'UI', uid), (0x00080020, 'DA', f'20{study % 25:02}0115'), (0x00080030, 'TM', '101500'),
            (0x00080050, 'SH', f'ACC{study}'), (0x00080060, 'CS', 'CT'), (0x00080070, 'LO', 'MAKER'),
            (0x00080080, 'LO', 'HOSPITAL'), (0x00081030, 'LO', 'CT THORAX'), (0x0008103e, 'LO', f'THORAX {series % 2}'),
            (0x00100010, 'PN', f'DOE{study}^JANE'), (0x00100020, 'LO', f'P{study:06}'), (0x00100030, 'DA', '19600102'),
            (0x00100040, 'CS', 'F'), (0x0020000d, 'UI', f'1.2.826.0.1.3680043.10.1.{study}'),
            (0x0020000e, 'UI', f'1.2.826.0.1.3680043.10.1.{study}.{series}'), (0x00200010, 'SH', str(study)),
            (0x00200011, 'IS', str(series % 2 + 1)), (0x00200013, 'IS', str(n % PER_SERIES + 1)),
            (0x00280002, 'US', struct.pack('<H', 1)), (0x00280004, 'CS', 'MONOCHROME2'),
            (0x00280010, 'US', struct.pack('<H', 512)), (0x00280011, 'US', struct.pack('<H', 512)),
            (0x00280100, 'US', struct.pack('<H', 16)), (0x00280101, 'US', struct.pack('<H', 12)),
            (0x00280102, 'US', struct.pack('<H', 11)), (0x00280103, 'US', struct.pack('<H', 0))]
    return (bytes(128) + b'DICM' + element(0x00020000, 'UL', struct.pack('<I', len(meta))) + meta +
            b''.join(element(*e) for e in data) + element(0x7fe00010, 'OW', pixels))


def make_files(folder, count, pixels):
    noise = os.urandom(pixels + 2 * count)
    paths = []
    for n in range(count):
        series = folder / f'{n // PER_SERIES:05}'
        series.mkdir(exist_ok=True)
        paths.append(series / f'{n:06}.dcm')
        paths[-1].write_bytes(ct_file(n, noise[2 * n:2 * n + pixels]))
    os.sync()
    return paths


def forget(paths):
    """Takes the files out of the page cache."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def timed(argv, **kwargs):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, **kwargs)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_of(server):
    """Seconds of processor time of a PostgreSQL and its connections, also of those that ended."""
    ticks = 0
    for pid in server.processes():
        try:
            fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        except FileNotFoundError:
            continue  # a connection that has just ended
        ticks += sum(int(n) for n in fields[11:15 if pid == server.process.pid else 13])
    return ticks / os.sysconf('SC_CLK_TCK')


class Bench:
    def __init__(self, gantry, folder, count, pixels):
        self.gantry, self.folder, self.count = gantry, folder, count
        self.data = folder / 'files'
        self.data.mkdir()
        self.paths = make_files(self.data, count, pixels)
        self.bytes = sum(p.stat().st_size for p in self.paths)
        self.archives = 0

    def archive(self):
        self.archives += 1
        home = self.folder / f'archive{self.archives}'
        subprocess.run([self.gantry, 'sphere-admin', home], check=True, stdout=subprocess.DEVNULL)
        return home

    def row(self, what, cost, servers=None):
        wall, cpu = cost
        more = '' if servers is None else f' {servers / self.count * 1e6:9.0f} |'
        print(f'| {what:32} | {self.count / wall:8.0f} | {self.bytes / wall / 1e6:7.0f} | {cpu:6.1f} | '
              f'{cpu / self.count * 1e6:9.0f} |{more}', flush=True)
        return self.count / wall

    def reading(self, what, argv):
        """cat or openssl, a hundred files at a time as xargs gives them."""
        names = b'\0'.join(os.fsencode(p) for p in self.paths)
        return self.row(what, timed(['xargs', '-0', '-n', '100', *argv], input=names))

    def indexing(self, what, home, server=None):
        before = cpu_of(server) if server else 0
        cost = timed([home / 'manage', 'data', 'index', '-d', self.data])
        return self.row(what, cost, cpu_of(server) - before if server else None)

    def run(self):
        print(f'{self.count} files, {self.bytes / 1e9:.2f} GB\n\n| what                             |  files/s |    MB/s |  CPU s | '
              'us a file |\n|----------------------------------|---------:|--------:|-------:|----------:|')
        for state in ('cold', 'warm'):
            if state == 'cold':
                forget(self.paths)
            read = self.reading(f'cat, {state}', ['cat'])
            if state == 'cold':
                forget(self.paths)
            self.reading(f'openssl sha256, {state}', ['openssl', 'dgst', '-sha256', '-r'])
            home = self.archive()
            if state == 'cold':
                forget(self.paths)
            rate = self.indexing(f'data index, {state}', home)
            print(f'  {rate / read:.2f} of the rate of cat', file=sys.stderr)
        self.indexing('data index, everything known', home)

    def run_tiny(self, rounds):
        """Each database in turns, on a fresh index each time."""
        print(f'{self.count} files, {self.bytes / 1e6:.0f} MB\n\n| what                             |  files/s |    MB/s |  CPU s | '
              'us a file | server us |\n|----------------------------------|---------:|--------:|-------:|----------:|----------:|')
        os.environ['GANTRY_BIN'] = self.gantry
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tests/system'))
        from archive import Archive
        from postgres import Postgres
        server = Postgres(fsync='on')
        try:
            for number in range(rounds):
                for engine in ('SQLite', 'PostgreSQL'):
                    home = self.folder / f'{engine}{number}'
                    home.mkdir()
                    one = Archive(home)
                    if engine == 'PostgreSQL':
                        server.use(one, f'bench{number}')
                    self.indexing(f'data index, {engine}', one.folder, server)
                    self.indexing('again, everything known', one.folder, server)
        finally:
            server.remove()


def main():
    parser = argparse.ArgumentParser(prog='./dev bench files')
    parser.add_argument('--gantry', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--files', type=int, default=5000, help='how many (default 5000, 2.6 GB)')
    parser.add_argument('--tiny', action='store_true', help='images of 1 KB, on both databases; takes --files 20000 well')
    parser.add_argument('--rounds', type=int, default=3, help='how often each database, with --tiny (default 3)')
    parser.add_argument('--folder', default='/tmp', help='where they are written for a while (default /tmp)')
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix='gantry-bench-', dir=args.folder))
    try:
        if args.tiny:
            Bench(os.path.abspath(args.gantry), folder, args.files, PIXELS_TINY).run_tiny(args.rounds)
        else:
            Bench(os.path.abspath(args.gantry), folder, args.files, PIXELS).run()
    finally:
        shutil.rmtree(folder)


if __name__ == '__main__':
    main()
