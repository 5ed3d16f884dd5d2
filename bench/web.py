# SPDX-License-Identifier: MIT
"""`./dev bench web`: DICOMweb of Gantry beside that of Orthanc with its plugin (Debian's packages with their defaults; if they are there).

Each round starts each server anew on an empty folder, in turns. STOW-RS stores series of made-up objects, a request each; what is asked for afterwards is asked for once before it is
measured, to see that the answer is right, and so that both servers find their files in memory. The clients are processes with one connection and one buffer each; they share the machine
with the server, and their own CPU time has a row because it is what bounds the rates of a fast server.
"""
import contextlib
import http.client
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket
import sys
import tempfile
import time
import typing
import urllib.parse

import peers

PLUGIN = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so'
ROOT = '/dicom-web'
JSON = 'application/dicom+json'
FILES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
PIXELS = 'multipart/related; type="application/octet-stream"'
BOUNDARY = 'gantry-bench'
OBJECTS = {'ct': '527 KB', 'small': '9 KB'}
PER_SERIES, PER_STUDY = 25, 50
CLIENTS = (1, 8)
LISTED, ASKED = 100, 50  # studies of a list; how many different ones are asked for in turn
WAIT, LIMIT = 60, 600    # seconds for one answer, and for all that clients store at once
BUFFER = 1 << 20


class Web:
    def listens(self):
        return super().listens() and peers.listens(self.http_port)


class Gantry(Web, peers.Gantry):
    """On loopback nobody is asked who they are."""

    def environment(self):
        return {**super().environment(), 'API_SERVER_ENABLED': 'True', 'API_DICOMWEB_ENABLED': 'True', 'API_SERVER_LISTENING_PORT': str(self.http_port)}


class Orthanc(Web, peers.Orthanc):
    def settings(self):
        return {**super().settings(), 'RemoteAccessAllowed': False, 'AuthenticationEnabled': False, 'Plugins': [self.args.plugin],
                'DicomWeb': {'Enable': True, 'Root': ROOT + '/'}}


# -- requests --

class Series(typing.NamedTuple):
    """A series, the file with the request that stores it, and one instance of it."""
    study: str
    uid: str
    instance: str
    body: pathlib.Path


class Request(typing.NamedTuple):
    """`counts` is what its answer brings, in what the rate is counted in, and `least` the bytes that such an answer has."""
    method: str
    path: str
    accept: str
    counts: int = 1
    body: typing.Optional[pathlib.Path] = None
    least: int = 0

    def head(self):
        lines = [f'{self.method} {ROOT}{self.path} HTTP/1.1', 'Host: 127.0.0.1', f'Accept: {self.accept}']
        if self.body:
            lines += [f'Content-Type: multipart/related; type="application/dicom"; boundary={BOUNDARY}', f'Content-Length: {self.body.stat().st_size}']
        return ('\r\n'.join(lines) + '\r\n\r\n').encode()


class Answer(http.client.HTTPResponse):
    """http.client reads headers as those of a mail, and looks for its parts; that would be half of what a small answer costs."""

    def begin(self):
        words = self.fp.readline(BUFFER).split(maxsplit=2)
        if len(words) < 2 or not words[1].isdigit():
            raise http.client.HTTPException('the connection was closed, or what came is no HTTP')
        self.status, self.headers = int(words[1]), {}
        while line := self.fp.readline(BUFFER).strip():
            name, _, value = line.partition(b':')
            self.headers[name.lower()] = value.strip()
        self.chunked, self.chunk_left = self.headers.get(b'transfer-encoding') == b'chunked', None
        self.length = None if self.chunked or b'content-length' not in self.headers else int(self.headers[b'content-length'])
        self.will_close = self.headers.get(b'connection') == b'close' or not self.chunked and self.length is None


def unpaced():
    """Where the system's congestion control paces what is sent (BBR), its timers would be measured; within a machine nothing needs it. It has to be given up before connecting."""
    connection = socket.socket()
    if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).startswith(b'bbr'):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'reno')
    return connection


class Client:
    """One connection. A request goes out ready-made, its body straight from the file; an answer is read into one buffer, piece by piece."""

    def __init__(self, server):
        self.server, self.buffer, self.socket = server, memoryview(bytearray(BUFFER)), None

    def connect(self):
        self.socket = unpaced()
        self.socket.settimeout(WAIT)
        self.socket.connect(('127.0.0.1', self.server.http_port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request, head):
        """The response, whose body is still to be read."""
        if not self.socket:
            self.connect()
        self.socket.sendall(head)
        if request.body:
            with open(request.body, 'rb') as body:
                self.socket.sendfile(body)
        response = Answer(self.socket, method=request.method)
        response.begin()
        if response.status != 200:
            raise http.client.HTTPException(f'status {response.status} where 200 is due: {response.read(300)!r}')
        return response

    def finish(self, response):
        response.close()
        if response.will_close:
            self.close()

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def spend(self, request, head):
        response, size = self.ask(request, head), 0
        while piece := response.readinto(self.buffer):
            size += piece
        self.finish(response)
        if size < request.least:
            raise http.client.HTTPException(f'an answer of {size} bytes where {request.least} and more are due')


@contextlib.contextmanager
def told(server, request):
    """Whatever goes wrong ends the run, with the server and the request in the message."""
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.exit(f'{server.name}: {request.method} {ROOT}{request.path}: {error or type(error).__name__}')


def pieces(response, data):
    """How many items or parts an answer has, and the items if it is JSON."""
    kind = response.headers.get(b'content-type', b'')
    if kind.startswith(b'multipart/related') and (boundary := re.search(rb'boundary="?([^";]+)', kind)):
        return data.count(b'--' + boundary[1]) - 1, None
    items = json.loads(data)
    return len(items), items


def checked(server, request, count=None):
    """Asks once and looks at the answer, which has to have `count` items or parts, or some; (the request, which now knows how long its answers are, the items)."""
    client = Client(server)
    with told(server, request):
        response = client.ask(request, request.head())
        data = response.read()
        found, items = pieces(response, data)
        client.finish(response)
        if found != count and (count or not found):
            raise ValueError(f'{found} items or parts where {count or "some"} are due')
    client.close()
    return request._replace(least=len(data) * 9 // 10), items


# -- clients at the same time --

def client_process(server, requests, seconds, pipe):
    """Sends (counted, began, ended, CPU seconds), or a message about what went wrong. With `seconds`, it asks again and again for so long."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        client, counted = Client(server), 0
        ready = [(request, request.head()) for request in requests]
        began, cpu = time.monotonic(), time.process_time()
        for request, head in itertools.cycle(ready) if seconds else ready:
            with told(server, request):
                client.spend(request, head)
            counted += request.counts
            if seconds and time.monotonic() - began >= seconds:
                break
        pipe.send((counted, began, time.monotonic(), time.process_time() - cpu))
    except SystemExit as message:
        pipe.send(str(message))


def shares(requests, clients, again):
    """Of requests that go out once each client has its part; else each begins with another one."""
    for n in range(clients):
        first, end = n * len(requests) // clients, (n + 1) * len(requests) // clients
        yield requests[first:] + requests[:first] if again else requests[first:end]


def at_once(server, requests, clients, seconds):
    """What each client reports. They are processes, so that they do not wait for each other."""
    fork = multiprocessing.get_context('fork')
    end = time.monotonic() + (seconds + WAIT if seconds else LIMIT)
    running = []
    try:
        for share in shares(requests, clients, bool(seconds)):
            mine, theirs = fork.Pipe(duplex=False)
            running.append((fork.Process(target=client_process, args=(server, share, seconds, theirs), daemon=True), mine))
            running[-1][0].start()
            theirs.close()
        for process, pipe in running:
            try:
                report = pipe.recv() if pipe.poll(max(0, end - time.monotonic())) else f'{server.name}: a client did not end in time'
            except EOFError:
                report = f'{server.name}: a client ended without a word'
            if isinstance(report, str):
                sys.exit(report)
            yield report
    finally:
        for process, _ in running:
            process.terminate()
            process.join()


def rates(server, name, what, requests, seconds=None):
    """`what` is counted: objects or requests."""
    for clients in CLIENTS:
        yield from rate(server, f'{name}, {clients} at a time', what, requests if seconds else requests[clients], clients, seconds)


def rate(server, name, what, requests, clients, seconds):
    cpu = server.cpu()
    reports = list(at_once(server, requests, clients, seconds))
    cpu = server.cpu() - cpu
    counted, began, ended, of_clients = zip(*reports)
    each = 1000 / sum(counted)
    yield f'{name}: {what}/s', sum(counted) / (max(ended) - min(began)), True
    yield f'{name}: server CPU, ms each', cpu * each, False
    yield f'{name}: clients\' CPU, ms each', sum(of_clients) * each, None


# -- what is measured: each yields (row, figure, larger is better or None) --

def stow(server):
    size = OBJECTS[server.args.object]
    requests = {clients: [Request('POST', '/studies', JSON, PER_SERIES, series.body) for series in server.args.series[clients]] for clients in CLIENTS}
    yield from rates(server, f'STOW-RS, {PER_SERIES} objects of {size} a request', 'objects', requests)


def wado(server):
    studies = list({series.study: series for of_clients in server.args.series.values() for series in of_clients})[:10]
    requests = [checked(server, Request('GET', f'/studies/{study}', FILES, PER_STUDY), PER_STUDY)[0] for study in studies]
    yield from rates(server, f'WADO-RS, studies of {PER_STUDY} objects of {OBJECTS[server.args.object]}', 'objects', requests, server.args.seconds)


def parts(server):
    size = OBJECTS[server.args.object]
    some = server.args.series[CLIENTS[-1]][:10]
    requests = [Request('GET', f'/studies/{one.study}/series/{one.uid}/metadata', JSON) for one in some]
    requests = [checked(server, request, PER_SERIES)[0] for request in requests]
    yield from rates(server, f'metadata of a series of {PER_SERIES}', 'requests', requests, server.args.seconds)
    requests = [Request('GET', f'/studies/{one.study}/series/{one.uid}/instances/{one.instance}/frames/1', PIXELS) for one in some]
    requests = [checked(server, request, 1)[0] for request in requests]
    yield from rates(server, f'a frame of an object of {size}', 'requests', requests, server.args.seconds)


def qido(server):
    """Its studies come by C-STORE, which is sooner. Some of the made-up patients have more than one; they are not asked for."""
    server.load('-a', 8, '-n', 5 * server.args.studies, '--object', 'small', '--per_study', 5)
    listing, studies = checked(server, Request('GET', f'/studies?limit={LISTED}', JSON), LISTED)
    yield from rates(server, f'QIDO-RS, lists of {LISTED} studies', 'requests', [listing], server.args.seconds)
    patients = dict.fromkeys(study['00100020']['Value'][0] for study in studies)
    answers = [checked(server, Request('GET', '/studies?PatientID=' + urllib.parse.quote(patient), JSON)) for patient in patients]
    requests = [request for request, items in answers if len(items) == 1][:ASKED]
    yield from rates(server, 'QIDO-RS, a study by PatientID', 'requests', requests, server.args.seconds)
    uids = [study['0020000D']['Value'][0] for study in studies[:ASKED]]
    requests = [checked(server, Request('GET', f'/studies/{uid}/series', JSON))[0] for uid in uids]
    yield from rates(server, 'QIDO-RS, the series of a study', 'requests', requests, server.args.seconds)


def web(server):
    for test in (stow, wado, parts, qido):
        yield from test(server)


# -- what is stored --

def made_up(args, top, count):
    """The folders of so many series, a study's next to each other, in an archive of our own. Several associations would leave studies unfinished."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=top))
    server = peers.Gantry(args, folder)
    try:
        server.load('-a', 1, '-n', count * PER_SERIES, '--object', args.object, '--per_series', PER_SERIES, '--per_study', PER_STUDY)
    finally:
        server.stop()
    return sorted((folder / 'archive/data').glob('*/*/*'))


def request_body(path, files):
    with open(path, 'wb') as body:
        for file in files:
            body.write(f'--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n'.encode())
            body.write(file.read_bytes())
            body.write(b'\r\n')
        body.write(f'--{BOUNDARY}--\r\n'.encode())


def make_series(args, top):
    """For each number of clients the series that they store, in whole studies: the same for every server."""
    few, many = CLIENTS
    counts = {few: args.requests, many: max(many, 2 * args.requests)}
    folder = pathlib.Path(tempfile.mkdtemp(dir=top))
    found = []
    for place in made_up(args, top, sum(counts.values())):
        files = sorted(place.iterdir())
        found.append(Series(place.parent.name, place.name, files[0].name, folder / f'{len(found)}.body'))
        request_body(found[-1].body, files)
    os.sync()
    return {few: found[:counts[few]], many: found[counts[few]:]}


def run(args, top):
    kinds = peers.compared(Gantry, Orthanc, args.orthanc, args.plugin)
    args.series = make_series(args, top)
    peers.print_table(kinds, peers.rounds(kinds, web, args, top))


def main():
    parser = peers.arguments()
    parser.add_argument('test', choices=['web'])
    parser.add_argument('--seconds', type=float, default=2, help='how long each figure of what is asked for is measured (default 2)')
    parser.add_argument('--requests', type=int, default=40,
                        help=f'an even number: series of {PER_SERIES} objects that one client stores, a request each; eight store twice as many (default 40)')
    parser.add_argument('--object', choices=OBJECTS, default='ct', help='what is stored by STOW-RS: CT of 527 KB, or small ones of 9 KB (default ct)')
    parser.add_argument('--studies', type=int, default=1000, help=f'studies that are searched, {LISTED} and more (default 1000)')
    parser.add_argument('--plugin', default=PLUGIN, help=f"Orthanc's DICOMweb plugin (default {PLUGIN})")
    args = parser.parse_args()
    if args.requests < 2 or args.requests % 2 or args.studies < LISTED or args.seconds <= 0 or args.rounds < 1:
        parser.error(f'an even number of requests, {LISTED} studies, a moment and one round at least')
    peers.in_a_folder(run, args)


if __name__ == '__main__':
    main()
