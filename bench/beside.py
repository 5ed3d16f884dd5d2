# SPDX-License-Identifier: MIT
"""`./dev bench store|echo|find|get|move|start|memory`: Gantry beside Orthanc (Debian's package with its defaults, without plugins; if it is there), by `gantry load`.

Each round starts each server anew on an empty folder, in turns; what stands in the table are medians of the rounds. The load generator, both servers and the disk share
the machine: rates are for the ratio between the columns, and CPU time says more than rates when other programs run.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from listen import free_port

ORTHANC = '/usr/sbin/Orthanc'
TICKS = os.sysconf('SC_CLK_TCK')
SETTLE = 1.0


class Server:
    """A server on an empty folder; `sink` is the port that AE title SINK stands for."""

    def __init__(self, gantry, folder, sink):
        self.gantry, self.folder, self.sink = gantry, folder, sink
        self.start()

    def start(self):
        self.port = free_port()
        argv = self.prepare()
        began = time.monotonic()
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/',
                                        env=dict(os.environ, TCP_NODELAY='1', DICOM_PORT=str(self.port), DICOM_LISTEN_ADDRESS='127.0.0.1'))
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > began + 30:
                sys.exit(f'{self.name} does not listen')
            time.sleep(0.001)
        self.started = time.monotonic() - began

    def listens(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            return False

    def cpu(self):
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, what):
        for line in pathlib.Path(f'/proc/{self.process.pid}/status').read_text().splitlines():
            if line.startswith(what + ':'):
                return int(line.split()[1]) / 1024
        return 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def load(self, *words):
        argv = [self.gantry, 'load', '127.0.0.1', self.port, '-aec', self.aet, '--json', *words]
        done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=False)
        report = json.loads(done.stdout)
        if done.returncode:
            sys.exit(f'{self.name}: {report["failed"]} operations failed: {report["errors"][:3]}')
        return report


class Gantry(Server):
    name, aet = 'Gantry', 'GANTRY'

    def prepare(self):
        admin, archive = self.folder / 'sphere-admin', self.folder / 'archive'
        if not archive.exists():
            admin.symlink_to(self.gantry)
            subprocess.run([admin, archive], check=True, stdout=subprocess.DEVNULL)
        (archive / 'app/white_list/bench.yml').write_text(f'GANTRYLOAD: {{ip: 127.0.0.1}}\nSINK: {{ip: 127.0.0.1, port: {self.sink}}}\n')
        return [archive / 'manage', 'runserver', '-v', '0']


class Orthanc(Server):
    name, aet = 'Orthanc', 'ORTHANC'

    def prepare(self):
        config = self.folder / 'orthanc.json'
        config.write_text(json.dumps({
            'StorageDirectory': str(self.folder / 'storage'), 'IndexDirectory': str(self.folder / 'storage'), 'HttpPort': free_port(),
            'DicomPort': self.port, 'DicomAet': self.aet, 'DicomAlwaysAllowFind': True, 'DicomAlwaysAllowGet': True, 'DicomAlwaysAllowMove': True,
            'DicomModalities': {'sink': ['SINK', '127.0.0.1', self.sink]}, 'Plugins': []}))
        return [ORTHANC, config]


# -- what is measured: each yields (row, figure, larger is better) --

def storing(server, name, associations, count, *words):
    cpu = server.cpu()
    store = server.load('-a', associations, '-n', count, *words)['verbs']['store']
    yield f'{name}, {associations} at a time: objects/s', store['per_second'], True
    yield f'{name}, {associations} at a time: MB/s', store['megabytes_per_second'], True
    yield f'{name}, {associations} at a time: server CPU, s/GB', (server.cpu() - cpu) / (store['bytes'] / 1e9), False


def by_storescu(server, name, count, environment):
    """DCMTK's tool leaves Nagle's algorithm on unless TCP_NODELAY=1 says otherwise; each object it sends is a new one."""
    argv = ['storescu', '-aec', server.aet, '-aet', 'GANTRYLOAD', '--repeat', count, '--invent-instance', '127.0.0.1', server.port, server.sample]
    began = time.monotonic()
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, env=dict(environment))
    yield f'{name}: objects/s', count / (time.monotonic() - began), True


def store(server):
    yield from storing(server, 'CT 527 KB', 1, 400)
    yield from storing(server, 'CT 527 KB', 8, 800)
    yield from storing(server, '9 KB', 8, 3000, '--object', 'small')
    yield from storing(server, 'cine 18 MB', 4, 24, '--object', 'multi-frame', '--per_study', 2)
    yield from storing(server, '210 MB', 4, 8, '--size', '1024x1024x100', '--per_study', 2)
    if shutil.which('storescu'):
        plain = {name: value for name, value in os.environ.items() if name != 'TCP_NODELAY'}
        yield from by_storescu(server, 'CT by storescu as it comes', 100, plain)
        yield from by_storescu(server, 'CT by storescu, TCP_NODELAY=1', 200, dict(plain, TCP_NODELAY='1'))


def echo(server):
    for associations in (1, 8):
        cpu = server.cpu()
        report = server.load('-a', associations, '-n', 4000, '--per_association', 1, '-m', 'echo')
        yield f'association, echo, release, {associations} at a time: a second', report['verbs']['echo']['per_second'], True
        yield f'association, echo, release, {associations} at a time: server CPU, ms each', (server.cpu() - cpu) / 4, False
    yield 'echo on an open association: a second', server.load('-n', 4000, '-m', 'echo')['verbs']['echo']['per_second'], True


def find(server):
    words = ('--object', 'small', '--per_study', 5, '--seed', 1)
    server.load('-a', 8, '-n', 5000, *words)
    for associations in (1, 8):
        report = server.load('-a', associations, '-m', 'find', '--studies', 990, '-n', 1000, *words)['verbs']['find']
        yield f'{associations} at a time: queries/s', report['per_second'], True
        yield f'{associations} at a time: median, ms', report['ms_from_sent']['median'], False
        yield f'{associations} at a time: 95th percentile, ms', report['ms_from_sent']['p95'], False


def retrieve(server, verb, *words):
    words = ('--seed', 1, *words)
    server.load('-a', 1, '-n', 500, *words)
    for associations in (1, 4):
        cpu = server.cpu()
        report = server.load('-a', associations, '-m', verb, '--studies', 10, '-n', 20, *words)
        objects = report['verbs'][verb]['answers']
        yield f'CT 527 KB, {associations} at a time: objects/s', objects / report['seconds'], True
        yield f'CT 527 KB, {associations} at a time: server CPU, ms an object', (server.cpu() - cpu) / max(objects, 1) * 1000, False


def get(server):
    yield from retrieve(server, 'get')


def move(server):
    yield from retrieve(server, 'move', '-aes', 'SINK')


def start(server):
    server.load('-a', 4, '-n', 2000, '--object', 'small')
    server.stop()
    server.start()
    yield 'start to listening, 2,000 objects: ms', server.started * 1000, False
    echo = server.load('-n', 1, '-m', 'echo')
    yield 'first echo with its association: ms', echo['seconds'] * 1000, False
    time.sleep(SETTLE)
    yield 'idle, resident: MiB', server.memory('VmRSS'), False


def memory(server):
    time.sleep(SETTLE)
    yield 'idle, empty, resident: MiB', server.memory('VmRSS'), False
    server.load('-a', 16, '-n', 640)
    yield 'peak with 16 associations that store CT: MiB', server.memory('VmHWM'), False
    server.load('-a', 4, '-n', 4, '--size', '1024x1024x100')
    yield 'peak with four objects of 210 MB at once besides: MiB', server.memory('VmHWM'), False


TESTS = {test.__name__: test for test in (store, echo, find, get, move, start, memory)}


# -- rounds and the table --

def one_round(kind, test, args, top, sink):
    """What it wrote stays until the last round is over: ext4 passes over the inodes of files deleted in the last seconds one by one, at the cost of who makes files next."""
    server = kind(args.gantry, pathlib.Path(tempfile.mkdtemp(dir=top)), sink)
    server.sample = args.sample
    try:
        return list(test(server))
    finally:
        server.stop()
        os.sync()


def make_sample(args, top):
    """A CT file, for tools that send files."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=top))
    server = Gantry(args.gantry, folder, 0)
    try:
        server.load('-n', 1)
        return next(path for path in (folder / 'archive/data').rglob('*') if path.is_file() and path.stat().st_size > 500_000)
    finally:
        server.stop()


def print_table(kinds, figures):
    print('| ' + ' | '.join(['what', *(kind.name for kind in kinds), *(['times better'] if len(kinds) > 1 else [])]) + ' |')
    print('|---' * (1 + len(kinds) + (len(kinds) > 1)) + '|')
    for row, (larger, *values) in figures.items():
        medians = [statistics.median(of_kind) for of_kind in values]
        cells = [f'{value:,.0f}' if value >= 100 else f'{value:.3g}' for value in medians]
        if len(kinds) > 1:
            own, other = medians if larger else reversed(medians)
            cells.append(f'{own / other:.2f}' if other else '-')
        print('| ' + ' | '.join([row, *cells]) + ' |')


def run(args, top):
    kinds = [Gantry] + ([Orthanc] if os.access(ORTHANC, os.X_OK) else [])
    sink = free_port()
    dropping = args.test == 'move' and subprocess.Popen(['storescp', '--ignore', '--fork', '-aet', 'SINK', '--max-pdu', '131072', str(sink)], stdout=subprocess.DEVNULL,
                                                       stderr=subprocess.DEVNULL, env=dict(os.environ, TCP_NODELAY='1'))
    figures = {}
    args.sample = make_sample(args, top) if args.test == 'store' else None
    try:
        for n in range(args.rounds):
            for kind in kinds if n % 2 == 0 else kinds[::-1]:
                for row, value, larger in one_round(kind, TESTS[args.test], args, top, sink):
                    figures.setdefault(row, [larger, *([] for _ in kinds)])[1 + kinds.index(kind)].append(value)
    finally:
        if dropping:
            dropping.terminate()
            dropping.wait()
    print_table(kinds, figures)


def main():
    parser = argparse.ArgumentParser(prog='./dev bench')
    parser.add_argument('test', choices=TESTS)
    parser.add_argument('--gantry', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--folder', default='/tmp', help='where all of it lies for a while (default /tmp)')
    args = parser.parse_args()
    args.gantry = pathlib.Path(args.gantry).resolve()
    if args.test == 'move' and not shutil.which('storescp'):
        sys.exit('storescp is needed (Debian package dcmtk)')
    top = tempfile.mkdtemp(prefix='gantry-bench-', dir=args.folder)
    try:
        run(args, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


if __name__ == '__main__':
    main()
