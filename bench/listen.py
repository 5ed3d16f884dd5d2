# SPDX-License-Identifier: MIT
"""`./dev bench listen`: C-STORE into px-listen, whose names are made by templates, beside the same into `manage runserver`.

The same sender (DCMTK's dcmsend without Nagle's algorithm, one process for each association, its files scanned before) gives the same made-up CT objects to one and the other,
each into an empty place, in turns. The figure that counts is the ratio of the two medians.
"""
import argparse
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from files import ct_file

PER_SERIES = 50


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def make_files(folder, count, size, associations):
    """A folder for each association, with whole series."""
    noise = os.urandom(size + 2 * count)
    for n in range(count):
        place = folder / str(n // PER_SERIES % associations)
        place.mkdir(parents=True, exist_ok=True)
        (place / f'{n:06}.dcm').write_bytes(ct_file(n, noise[2 * n:2 * n + size]))
    os.sync()
    return sorted(folder.iterdir())


class Server:
    def __init__(self, argv, port, cwd):
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)
        for _ in range(1000):
            try:
                socket.create_connection(('127.0.0.1', port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f'{argv[0]} does not listen')

    def stop(self):
        """The CPU seconds it took."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60):
            raise SystemExit(f'{self.process.args[0]} failed')
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def listener(gantry, folder, port):
    program = folder / 'px-listen'
    program.symlink_to(gantry)
    return [program, '--address', '127.0.0.1', '--port', port, '-l', folder / 'log']


def archive(gantry, folder, port):
    program = folder / 'sphere-admin'
    program.symlink_to(gantry)
    subprocess.run([program, folder / 'archive'], check=True, stdout=subprocess.DEVNULL)
    (folder / 'archive/app/white_list/bench.yml').write_text('DCMSEND: {ip: 127.0.0.1}\n')
    os.environ['DICOM_PORT'] = str(port)
    return [folder / 'archive/manage', 'runserver', '-v', '0']


def one_round(make, gantry, places, top, count):
    """(objects a second, CPU seconds of the server)"""
    folder = pathlib.Path(tempfile.mkdtemp(dir=top))
    port = free_port()
    server = Server(make(gantry, folder, port), port, '/')
    environment = dict(os.environ, TCP_NODELAY='1')
    start = time.monotonic()
    senders = [subprocess.Popen(['dcmsend', '+sd', '127.0.0.1', str(port), place], env=environment, stdout=subprocess.DEVNULL)
               for place in places]
    if any([sender.wait(600) for sender in senders]):
        raise SystemExit('dcmsend failed')
    wall = time.monotonic() - start
    cpu = server.stop()
    shutil.rmtree(folder)
    os.sync()
    return count / wall, cpu


def compare(args, size, top):
    gantry = pathlib.Path(args.gantry).resolve()
    files = pathlib.Path(tempfile.mkdtemp(dir=top))
    places = make_files(files, args.objects, size, args.associations)
    rates = {listener: [], archive: []}
    cpus = {listener: [], archive: []}
    for n in range(args.rounds + 1):
        for make in (listener, archive) if n % 2 else (archive, listener):
            rate, cpu = one_round(make, gantry, places, top, args.objects)
            if n:  # the first one warms up
                rates[make].append(rate)
                cpus[make].append(cpu / args.objects * 1000)
    shutil.rmtree(files)
    own, other = (statistics.median(rates[make]) for make in (listener, archive))
    print(f'| {(size + 800) // 1000:5} KB | {own:9.0f} | {other:9.0f} | {own / other:5.2f} | {statistics.median(cpus[listener]):6.2f} | '
          f'{statistics.median(cpus[archive]):6.2f} |', flush=True)


def main():
    parser = argparse.ArgumentParser(prog='./dev bench listen')
    parser.add_argument('--gantry', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--objects', type=int, default=1000)
    parser.add_argument('--associations', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--sizes', default='10000,526000', help='bytes of pixels, one table row for each')
    parser.add_argument('--folder', default='/tmp', help='where all of it lies for a while (default /tmp)')
    args = parser.parse_args()
    if not shutil.which('dcmsend'):
        sys.exit('dcmsend is needed (Debian package dcmtk)')
    top = tempfile.mkdtemp(prefix='gantry-bench-', dir=args.folder)
    print('| object   | px-listen | runserver | ratio | CPU ms | CPU ms |\n|---------:|----------:|----------:|------:|-------:|-------:|')
    try:
        for size in args.sizes.split(','):
            compare(args, int(size), top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


if __name__ == '__main__':
    main()
