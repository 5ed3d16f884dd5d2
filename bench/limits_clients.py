# SPDX-License-Identifier: MIT
"""The last rows of `./dev bench limits`: associations with one C-ECHO each, and C-GET of CT images, `gantry load` against servers that answer with ready-made
bytes (limits_echo.c, limits_serve.c)."""
import argparse
import json
import socket
import subprocess
import sys
import time

from listen import free_port

ECHOES, GETS, WAIT = 8000, 200, 10


def await_listener(port):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            return socket.create_connection(('127.0.0.1', port), 1).close()
        except OSError:
            time.sleep(0.01)
    sys.exit('the server with ready-made answers does not listen')


def load(given, port, associations, *options):
    argv = [given.gantry, 'load', '127.0.0.1', port, '-aec', 'ANY', '-a', associations, *options, '--json']
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def echo(given, port, associations):
    report = load(given, port, associations, '-n', ECHOES, '--per_association', 1, '-m', 'echo')
    print(f'| association, echo, release, {associations} at a time | {report["verbs"]["echo"]["per_second"]:.0f} | | |')


def get(given, port, associations):
    report = load(given, port, associations, '-n', GETS, '--seed', 7, '--studies', GETS, '-m', 'get')
    print(f'| C-GET of CT 527 KB, {associations} at a time | {report["verbs"]["get"]["answers"] / report["seconds"]:.0f} | | |')


def beside(argv, port, rows):
    server = subprocess.Popen([str(a) for a in argv])
    try:
        await_listener(port)
        rows()
    finally:
        server.terminate()
        server.wait(WAIT)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--echo', required=True)
    parser.add_argument('--serve', required=True)
    parser.add_argument('--gantry', required=True)
    given = parser.parse_args()
    port = free_port()
    beside([given.echo, port, 8], port, lambda: [echo(given, port, associations) for associations in (1, 8)])
    port = free_port()
    beside([given.serve, port, free_port()], port, lambda: [get(given, port, associations) for associations in (1, 8)])


main()
