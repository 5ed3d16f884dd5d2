# SPDX-License-Identifier: MIT
"""The last rows of `./dev bench limits`: associations with one C-ECHO each, `gantry load` against a server that answers with ready-made bytes (limits_echo.c)."""
import argparse
import json
import socket
import subprocess
import sys
import time

from listen import free_port

COUNT, WAIT = 8000, 10


def await_listener(port):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            return socket.create_connection(('127.0.0.1', port), 1).close()
        except OSError:
            time.sleep(0.01)
    sys.exit('the server of limits_echo.c does not listen')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--server', required=True)
    parser.add_argument('--gantry', required=True)
    given = parser.parse_args()
    port = free_port()
    server = subprocess.Popen([given.server, str(port), '8'])
    try:
        await_listener(port)
        for associations in (1, 8):
            argv = [given.gantry, 'load', '127.0.0.1', port, '-aec', 'ANY', '-a', associations, '-n', COUNT, '--per_association', 1, '-m', 'echo', '--json']
            done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=True)
            print(f'| association, echo, release, {associations} at a time | {json.loads(done.stdout)["verbs"]["echo"]["per_second"]:.0f} | | |')
    finally:
        server.terminate()
        server.wait(WAIT)


main()
