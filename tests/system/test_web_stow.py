# SPDX-License-Identifier: MIT
"""Storing files over HTTP, and fetching large ones: nothing is lost, nothing is half there, memory stays flat."""
import concurrent.futures
import gzip
import http.client
import os
import urllib.parse

import pytest
from make_dicom import attributes, data_set, make_image, make_large, meta, uid
from part10 import parse, read, read_folder
from programs import SANITIZED, wait_until
from test_rows_disk import SIZE, small_disk
from web import Web, status_of

STORED, FAILED, OTHER = "00081199", "00081198", "0008119A"
DICOM = 'multipart/related; type="application/dicom"; boundary=%s'


@pytest.fixture
def web(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.start()
    return web


def file_of(more=None, **given):
    """(instance, the bytes of a file)."""
    given = attributes(**given)
    return given["SOPInstanceUID"], meta(given["SOPClassUID"], given["SOPInstanceUID"]) + data_set({**given, **(more or {})})


def body_of(files, boundary="X", headers="Content-Type: application/dicom"):
    return b"".join(f"--{boundary}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n" for data in files) + f"--{boundary}--\r\n".encode()


def stow(web, files, path="/dicom-web/studies", boundary="X", **headers):
    return web.ask("POST", path, body_of(files, boundary), Content_Type=DICOM % boundary, **headers)


def instances(answer, sequence):
    return [item["00081155"]["Value"][0] for item in answer.json().get(sequence, {}).get("Value", [])]


def reasons(answer, sequence=FAILED):
    return [item["00081197"]["Value"][0] for item in answer.json()[sequence]["Value"]]


def kept(archive):
    """What is in the store is whole, in the index, and nothing else is there."""
    wait_until(lambda: not archive.unfinished(), what="temporary files go away")
    stored = read_folder(archive.data)
    assert len(stored) == len(archive.files())
    return {instance: one.data for instance, one in stored.items()}


# -- every file --

def test_every_object_comes_back_as_it_was(web, data_web):
    objects = data_web.objects
    answers = [stow(web, [one.path.read_bytes() for one in objects[at:at + 80]]) for at in range(0, len(objects), 80)]
    stored = set(sum((instances(answer, STORED) for answer in answers), []))
    assert [answer.status for answer in answers] == [200] * len(answers), [instances(answer, FAILED) for answer in answers]
    assert stored == {one.instance for one in objects}
    kept(web.archive)
    for one in objects:
        part, = web.get(one.url, Accept='multipart/related; type="application/dicom"; transfer-syntax=*').parts("application/dicom")
        assert parse(part.body).data == read(one.path).data, one


def test_one_file_without_multipart(web):
    instance, data = file_of()
    answer = web.ask("POST", "/dicom-web/studies", data, Content_Type="application/dicom")
    assert answer.status == 200 and instances(answer, STORED) == [instance] and list(kept(web.archive)) == [instance]


@pytest.mark.parametrize("media, boundary", [
    ('multipart/related; type="application/dicom"; boundary=%s', "X"), ("multipart/related; type=application/dicom; boundary=%s", "X"),
    ('Multipart/Related; Boundary="%s"; Type="application/dicom"', "a b'c"), ("multipart/related;boundary=%s", "----WebKitFormBoundary7MA4YWxkTrZu0gW"),
])
def test_spellings_of_the_content_type(media, boundary, web):
    instance, data = file_of()
    answer = web.ask("POST", "/dicom-web/studies", b"preamble\r\n" + body_of([data], boundary) + b"epilogue", Content_Type=media % boundary)
    assert answer.status == 200 and instances(answer, STORED) == [instance]


def test_answers_in_xml(web):
    instance, data = file_of()
    answer = stow(web, [data], Accept="application/dicom+xml")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/dicom+xml" and instance in answer.body.decode()


# -- what fails --

def test_each_object_has_its_own_result(web):
    study = uid()
    good, right = file_of(StudyInstanceUID=study)
    bad, wrong = file_of()
    answer = stow(web, [right, wrong, b"This is no DICOM file", b""], f"/dicom-web/studies/{study}")
    assert answer.status == 202
    assert instances(answer, STORED) == [good] and instances(answer, FAILED) == [bad] and reasons(answer) == [0xA900]
    assert len(reasons(answer, OTHER)) == 2 and all(reason & 0xF000 == 0xC000 for reason in reasons(answer, OTHER))
    assert list(kept(web.archive)) == [good]
    assert answer.json()["00081190"]["Value"][0].endswith(f"/dicom-web/studies/{study}")
    none = stow(web, [wrong], f"/dicom-web/studies/{study}")
    assert none.status == 409 and reasons(none) == [0xA900] and STORED not in none.json()


def test_damaged_files(web):
    instance, data = file_of({0x7FE00010: ("OB", bytes(1000))})
    for piece in (data[:-500], data[:200], data[:140], data[:100], data + b"\x08\x00\x05\x00", data[:132] + os.urandom(500)):
        answer = stow(web, [piece])
        assert answer.status == 409, len(piece)
        assert kept(web.archive) == {}
    assert stow(web, [data]).status == 200 and list(kept(web.archive)) == [instance]


def test_the_same_object_again_and_another_of_its_uid(web):
    instance, data = file_of()
    assert stow(web, [data, data]).status == 200
    assert stow(web, [data]).status == 200
    other = file_of(SOPInstanceUID=instance, PatientID="Other")[1]
    assert stow(web, [other]).status in (200, 202, 409)
    assert list(kept(web.archive)) == [instance]


ONE = b"--X\r\nContent-Type: application/dicom\r\n\r\n"
GOOD_INSTANCE, GOOD = file_of()
BROKEN = {
    "nothing": b"", "no boundary at all": b"hello", "only the end": b"--X--\r\n", "another boundary": body_of([GOOD], "Y"),
    "not closed": ONE + GOOD, "ends in the head": b"--X\r\nContent-Type: appl", "a head without an end": b"--X\r\nContent-Type: application/dicom\r\n" + GOOD,
    "a head of a megabyte": b"--X\r\nA: " + b"a" * (1 << 20) + b"\r\n\r\n" + GOOD + b"\r\n--X--\r\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_multipart_body(what, web):
    answer = web.ask("POST", "/dicom-web/studies", BROKEN[what], Content_Type=DICOM % "X")
    assert answer.status in (400, 409, 413), answer.body
    assert answer.problem() if answer.headers["Content-Type"] == "application/problem+json" else answer.json()
    assert kept(web.archive) == {}
    assert stow(web, [GOOD]).status == 200


def test_a_body_that_breaks_after_whole_parts(web):
    """Those before are stored, and the answer says so."""
    instance, data = file_of()
    other, cut = file_of({0x7FE00010: ("OB", bytes(5000))})
    answer = web.ask("POST", "/dicom-web/studies", ONE + data + b"\r\n" + ONE + cut[:3000], Content_Type=DICOM % "X")
    assert answer.status == 202 and instances(answer, STORED) == [instance] and other not in instances(answer, STORED)
    assert list(kept(web.archive)) == [instance]


def test_what_looks_like_a_boundary_in_the_data(web):
    tricky = b"\r\n--" + b"\r\n--X"[:4] + b"\r\n-\r\n--Y--\r\n--" + b"--X--" + b"\n--X\n" + b"\r--X\r" + bytes(99)
    for pixels in (tricky, tricky * 3000 + b"\r\n--", b"\r\n-" * 40000):
        instance, data = file_of({0x7FE00010: ("OB", pixels + bytes(len(pixels) % 2))})
        answer = stow(web, [data], boundary="Xx")
        assert answer.status == 200, answer.body
        assert kept(web.archive)[instance] == parse(data).data


def test_addresses_of_objects_whose_uids_are_none(web, tmp_path):
    """They may hold anything; what is said of them leads to them and nowhere else."""
    uids = {"StudyInstanceUID": "1.2/../../x", "SeriesInstanceUID": 'a b%41#;=&+"', "SOPInstanceUID": "1<2>'"}
    make_image(tmp_path / "one.dcm", rows=64, columns=64, **uids)
    stored = stow(web, [(tmp_path / "one.dcm").read_bytes()]).json()
    urls = [stored["00081190"]["Value"][0], stored["00081199"]["Value"][0]["00081190"]["Value"][0]]
    row, = web.get("/dicom-web/instances").json()
    assert row["00081190"]["Value"] == urls[1:] and "/studies/1.2%2F..%2F..%2Fx/series/a%20b%2541%23%3B%3D%26%2B%22/instances/1%3C2%3E%27" in urls[1]
    assert urls[0].endswith("/studies/1.2%2F..%2F..%2Fx") and web.get(urllib.parse.urlsplit(urls[0]).path).status == 400  # no slash in a part
    make_image(tmp_path / "two.dcm", rows=64, columns=64, **{**uids, "StudyInstanceUID": "%2e%2e", "SOPInstanceUID": "1<2>''"})
    url = urllib.parse.urlsplit(stow(web, [(tmp_path / "two.dcm").read_bytes()]).json()["00081199"]["Value"][0]["00081190"]["Value"][0]).path
    row, = web.get(url + "/metadata").json()
    reference = urllib.parse.urljoin(url + "/metadata", row["7FE00010"]["BulkDataURI"])
    assert row["00080018"]["Value"] == ["1<2>''"] and web.get(reference, Accept="application/octet-stream").status == 200
    for level in (url, url.rsplit("/instances", 1)[0], url.rsplit("/series", 1)[0]):
        part, = web.get(level + "/bulkdata").parts("application/octet-stream")
        assert urllib.parse.urljoin(level + "/bulkdata", part.headers["Content-Location"]) == reference


def test_a_body_that_is_compressed_is_refused(web):
    raw = gzip.compress(b"x" * 1000000)
    for path in ("/dicom-web/studies", "/dicom-web/studies/1.2.3"):
        answer = web.ask("POST", path, raw, Content_Type="application/dicom", Content_Encoding="gzip")
        assert answer.status == 415 and "gzip" in answer.problem() and answer.headers["Accept-Encoding"] == "identity"
    for plain in ("", "Identity"):
        assert web.ask("POST", "/dicom-web/studies", file_of()[1], Content_Type="application/dicom", Content_Encoding=plain).status == 200


@pytest.mark.parametrize("media", [None, "text/plain", "multipart/form-data; boundary=X", "multipart/related; type=\"application/dicom\"", "application/dicom+json",
                                   'multipart/related; type="application/dicom"; boundary=' + "x" * 71, "multipart/related; boundary="])
def test_content_types_that_are_none(media, web):
    answer = web.ask("POST", "/dicom-web/studies", body_of([GOOD]), **({"Content_Type": media} if media else {}))
    assert answer.status in (400, 415) and answer.problem()
    assert kept(web.archive) == {}


# -- clients that go away --

HEAD = "POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/related; boundary=X\r\nContent-Length: %d\r\n\r\n"


def test_much_declared_and_little_sent(web):
    answer = web.raw((HEAD % (10 << 30)).encode(), b"--X\r\nConte")
    assert status_of(answer) in (None, 400)
    assert kept(web.archive) == {} and stow(web, [GOOD]).status == 200


def test_a_client_that_goes_away_in_the_middle_of_a_part(web):
    instance, data = file_of()
    _, large = file_of({0x7FE00010: ("OB", bytes(4 << 20))})
    for cut in (200, 1 << 20, 3 << 20):
        with web.connect() as sock:
            sock.sendall((HEAD % (64 << 20)).encode() + ONE + data + b"\r\n" + ONE + large[:cut])
        wait_until(lambda: not web.archive.unfinished(), what="nothing half")
    wait_until(lambda: len(web.archive.files()) == 1, what="the whole part is there")
    assert list(kept(web.archive)) == [instance]


def test_chunked_bodies(web):
    """As clients send what they do not know the length of; the pieces are cut anywhere."""
    instance, data = file_of({0x7FE00010: ("OB", bytes(range(256)) * 40)})
    body = body_of([data])
    for size in (1000, 37):
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[at:at + size]), body[at:at + size]) for at in range(0, len(body), size))
        answer = web.raw(b"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: " + (DICOM % "X").encode() + b"\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert status_of(answer) == 200 and instance.encode() in answer
    assert kept(web.archive)[instance] == parse(data).data


# -- a full disk --

def test_a_full_disk_is_507(stopped_archive, tmp_path):
    web = Web(stopped_archive)
    with small_disk(tmp_path / "small", SIZE) as disk:
        stopped_archive.set("fs.path", disk / "data")
        stopped_archive.set("tmp_path", disk / "tmp")
        stopped_archive.start()
        stored = []
        for _ in range(40):
            files = dict(file_of({0x7FE00010: ("OB", os.urandom(1 << 20))}) for _ in range(2))
            answer = stow(web, files.values())
            stored += instances(answer, STORED)
            if answer.status != 200:
                break
        assert answer.status in (202, 507) and 0xA700 in reasons(answer)
        full = stow(web, [file_of({0x7FE00010: ("OB", bytes(1 << 20))})[1]])
        assert full.status == 507 and reasons(full) == [0xA700]
        assert sorted(read_folder(disk / "data")) == sorted(stored)
        wait_until(lambda: not [p for p in (disk / "tmp").rglob("*") if p.is_file() and p.name not in ("lock", "claims")], what="temporary files go away")
        stopped_archive.stop()


# -- many, and large --

def test_eight_clients_at_once(web):
    requests = [dict(file_of({0x7FE00010: ("OB", os.urandom(20000))}, StudyInstanceUID=uid(7, number % 3)) for _ in range(25)) for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda files: stow(web, files.values()), requests))
    assert [answer.status for answer in answers] == [200] * 8
    for files, answer in zip(requests, answers):
        assert instances(answer, STORED) == list(files)
    everything = {instance: parse(data).data for files in requests for instance, data in files.items()}
    assert kept(web.archive) == everything


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own memory would be measured")
def test_memory_stays_flat_both_ways(web, tmp_path):
    """One large object in; a study of many megabytes out, as parts, as ZIP, decoded frame by frame."""
    study, series = uid(), uid()
    megabytes = 120
    given = make_large(tmp_path / "large.dcm", megabytes, StudyInstanceUID=study, SeriesInstanceUID=series)
    size = (tmp_path / "large.dcm").stat().st_size

    def whole():
        yield ONE
        with open(tmp_path / "large.dcm", "rb") as file:
            while piece := file.read(1 << 20):
                yield piece
        yield b"\r\n--X--\r\n"

    answer = web.ask("POST", "/dicom-web/studies", whole(), Content_Type=DICOM % "X", Content_Length=str(len(ONE) + size + 9))
    assert answer.status == 200, answer.body
    for n in range(90):
        make_image(tmp_path / f"more/{n}.dcm", rows=1000, columns=1000, StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=n)
    web.archive.manage("data", "index", "-d", tmp_path / "more")
    for path, accept in ((f"/dicom-web/studies/{study}", 'multipart/related; type="application/dicom"; transfer-syntax=*'),
                         (f"/dicom-web/studies/{study}", "application/zip"), (f"/wadors/studies/{study}/metadata", "*/*"),
                         (f"/dicom-web/studies/{study}/series/{series}/instances/{given['SOPInstanceUID']}/bulkdata/7FE00010", "application/octet-stream")):
        length = drain(web, path, accept)
        assert length > (200 << 20 if "bulkdata" not in path and "metadata" not in path else 1000), path
    assert web.archive.server.memory_kb("VmHWM") < 64 << 10


def drain(web, path, accept):
    """The length of the body."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    connection.request("GET", path, headers={"Accept": accept})
    response = connection.getresponse()
    assert response.status == 200
    length = 0
    while piece := response.read(1 << 20):
        length += len(piece)
    connection.close()
    return length
