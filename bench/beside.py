# SPDX-License-Identifier: MIT
"""`./dev bench store|echo|find|get|move|start|memory`: Gantry beside Orthanc (Debian's package with its defaults, without plugins; if it is there), by `gantry load`.

Each round starts each server anew on an empty folder, in turns; what stands in the table are medians of the rounds. The load generator, both servers and the disk share
the machine: rates are for the ratio between the columns, and CPU time says more than rates when other programs run.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import peers
from listen import free_port

SETTLE = 1.0


# -- what is measured: each yields (row, figure, larger is better) --

def storing(server, name, associations, count, *words):
    cpu = server.cpu()
    store = server.load('-a', associations, '-n', count, *words)['verbs']['store']
    yield f'{name}, {associations} at a time: objects/s', store['per_second'], True
    yield f'{name}, {associations} at a time: MB/s', store['megabytes_per_second'], True
    yield f'{name}, {associations} at a time: server CPU, s/GB', (server.cpu() - cpu) / (store['bytes'] / 1e9), False


def by_storescu(server, name, count, environment):
    """DCMTK's tool leaves Nagle's algorithm on unless TCP_NODELAY=1 says otherwise; each object it sends is a new one."""
    argv = ['storescu', '-aec', server.aet, '-aet', 'GANTRYLOAD', '--repeat', count, '--invent-instance', '127.0.0.1', server.port, server.args.sample]
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


def make_sample(args, top):
    """A CT file, for tools that send files."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=top))
    server = peers.Gantry(args, folder)
    try:
        server.load('-n', 1)
        return next(path for path in (folder / 'archive/data').rglob('*') if path.is_file() and path.stat().st_size > 500_000)
    finally:
        server.stop()


def run(args, top):
    kinds = peers.compared(peers.Gantry, peers.Orthanc, args.orthanc)
    sink = free_port()
    dropping = args.test == 'move' and subprocess.Popen(['storescp', '--ignore', '--fork', '-aet', 'SINK', '--max-pdu', '131072', str(sink)], stdout=subprocess.DEVNULL,
                                                       stderr=subprocess.DEVNULL, env=dict(os.environ, TCP_NODELAY='1'))
    try:
        args.sample = make_sample(args, top) if args.test == 'store' else None
        figures = peers.rounds(kinds, TESTS[args.test], args, top, sink)
    finally:
        if dropping:
            dropping.terminate()
            dropping.wait()
    peers.print_table(kinds, figures)


def main():
    parser = peers.arguments()
    parser.add_argument('test', choices=TESTS)
    args = parser.parse_args()
    if args.test == 'move' and not shutil.which('storescp'):
        sys.exit('storescp is needed (Debian package dcmtk)')
    peers.in_a_folder(run, args)


if __name__ == '__main__':
    main()
