# SPDX-License-Identifier: MIT
"""What `./dev bench` compares: Gantry, and Orthanc as Debian ships it, each started anew on an empty folder in every round, in turns; and the table of the medians."""
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


def listens(port):
    try:
        with socket.create_connection(('127.0.0.1', port), 1) as probe:
            return probe.getsockname() != probe.getpeername()  # where nobody listens, a connection may be given this very port, and meet itself
    except OSError:
        return False


class Server:
    """A server on an empty folder; `sink` is the port that AE title SINK stands for, 0 if nobody asks for it."""

    def __init__(self, args, folder, sink=0):
        self.args, self.folder, self.sink = args, folder, sink
        self.start()

    def environment(self):
        return {'TCP_NODELAY': '1', 'DICOM_PORT': str(self.port), 'DICOM_LISTEN_ADDRESS': '127.0.0.1'}

    def start(self):
        self.port, self.http_port = free_port(), free_port()
        argv = self.prepare()
        began = time.monotonic()
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/', env={**os.environ, **self.environment()})
        try:
            while not self.listens():
                if self.process.poll() is not None or time.monotonic() > began + 30:
                    sys.exit(f'{self.name} does not listen')
                time.sleep(0.001)
        except BaseException:
            self.stop()
            raise
        self.started = time.monotonic() - began

    def listens(self):
        return listens(self.port)

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
        argv = [self.args.gantry, 'load', '127.0.0.1', self.port, '-aec', self.aet, '--json', *words]
        done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, timeout=1800, check=False)
        report = json.loads(done.stdout)
        if done.returncode:
            sys.exit(f'{self.name}: {report["failed"]} operations failed: {report["errors"][:3]}')
        return report


class Gantry(Server):
    name, aet = 'Gantry', 'GANTRY'

    def prepare(self):
        admin, archive = self.folder / 'sphere-admin', self.folder / 'archive'
        if not archive.exists():
            admin.symlink_to(self.args.gantry)
            subprocess.run([admin, archive], check=True, stdout=subprocess.DEVNULL)
        (archive / 'app/white_list/bench.yml').write_text('GANTRYLOAD: {ip: 127.0.0.1}\n' + (f'SINK: {{ip: 127.0.0.1, port: {self.sink}}}\n' if self.sink else ''))
        return [archive / 'manage', 'runserver', '-v', '0']


class Orthanc(Server):
    name, aet = 'Orthanc', 'ORTHANC'

    def settings(self):
        return {'StorageDirectory': str(self.folder / 'storage'), 'IndexDirectory': str(self.folder / 'storage'), 'HttpPort': self.http_port,
                'DicomPort': self.port, 'DicomAet': self.aet, 'DicomAlwaysAllowFind': True, 'DicomAlwaysAllowGet': True, 'DicomAlwaysAllowMove': True,
                'DicomModalities': {'sink': ['SINK', '127.0.0.1', self.sink]} if self.sink else {}, 'Plugins': []}

    def prepare(self):
        config = self.folder / 'orthanc.json'
        config.write_text(json.dumps(self.settings()))
        return [self.args.orthanc, config]


def compared(own, other, *needed):
    """The columns of the table; the other one only where all that it needs is there."""
    missing = [path for path in needed if not os.path.exists(path)]
    if missing:
        print(f'Without a column for {other.name}: there is no {" and no ".join(missing)}.\n')
    return [own] if missing else [own, other]


# -- rounds and the table --

def one_round(kind, test, args, top, sink):
    """What it wrote stays until the last round is over: ext4 passes over the inodes of files deleted in the last seconds one by one, at the cost of who makes files next."""
    server = kind(args, pathlib.Path(tempfile.mkdtemp(dir=top)), sink)
    try:
        return list(test(server))
    finally:
        server.stop()
        os.sync()


def rounds(kinds, test, args, top, sink=0):
    """A test yields (row, figure, larger is better, or None where neither is)."""
    figures = {}
    for n in range(args.rounds):
        for kind in kinds if n % 2 == 0 else kinds[::-1]:
            for row, value, larger in one_round(kind, test, args, top, sink):
                figures.setdefault(row, [larger, *([] for _ in kinds)])[1 + kinds.index(kind)].append(value)
    return figures


def times_better(larger, medians):
    if larger is None:
        return ''
    own, other = medians if larger else reversed(medians)
    return f'{own / other:.2f}' if other else '-'


def print_table(kinds, figures):
    print('| ' + ' | '.join(['what', *(kind.name for kind in kinds), *(['times better'] if len(kinds) > 1 else [])]) + ' |')
    print('|---' * (1 + len(kinds) + (len(kinds) > 1)) + '|')
    for row, (larger, *values) in figures.items():
        medians = [statistics.median(of_kind) for of_kind in values]
        cells = [f'{value:,.0f}' if value >= 100 else f'{value:.3g}' for value in medians]
        if len(kinds) > 1:
            cells.append(times_better(larger, medians))
        print('| ' + ' | '.join([row, *cells]) + ' |')


# -- the command --

def arguments():
    parser = argparse.ArgumentParser(prog='./dev bench')
    parser.add_argument('--gantry', required=True, type=lambda path: pathlib.Path(path).resolve(), help=argparse.SUPPRESS)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--orthanc', default=ORTHANC, help=f"Orthanc's program (default {ORTHANC})")
    parser.add_argument('--folder', default='/tmp', help='where all of it lies for a while (default /tmp)')
    return parser


def in_a_folder(run, args):
    """SIGTERM ends it as an error does, so that the servers are stopped and the folder goes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended by SIGTERM'))
    top = tempfile.mkdtemp(prefix='gantry-bench-', dir=args.folder)
    try:
        run(args, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)
