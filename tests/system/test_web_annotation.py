# SPDX-License-Identifier: MIT
"""The annotation API (spec rows ANN-01 to ANN-07): files that belong to instances, series and studies, SPHERE's way and ours."""
import base64
import contextlib
import hashlib
import http.server
import json
import os
import re
import sqlite3
import threading

import pytest
from make_dicom import make_image
from postgres import AVAILABLE, Postgres
from programs import wait_until
from test_rows_disk import MEGABYTE, small_disk
from web import Web

PATIENT, STUDY, SERIES, INSTANCE = "ANN", "1.2.826.1", "1.2.826.1.1", "1.2.826.1.1.1"
JSON = {"Content_Type": "application/json"}


def fill(archive, folder):
    make_image(folder / "one.dcm", PatientID=PATIENT, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, SOPInstanceUID=INSTANCE)
    archive.manage("data", "index", "-d", folder)


class Annotations(Web):
    """An archive with one instance, and a folder of which files may be taken."""

    def __init__(self, archive, folder, **settings):
        super().__init__(archive, annotation__start=True, **settings)
        self.inbox, self.kept = archive.folder / "data_annotation_in", archive.folder / "data_annotation"
        self.inbox.mkdir(exist_ok=True)
        (self.inbox / "note.txt").write_text("what was seen\n")
        fill(archive, folder)

    def save(self, body, **headers):
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.ask("POST", "/save_annotation/", body, **{**JSON, **headers})

    def saved(self, **changes):
        return self.save({"file_path": "note.txt", "uid": INSTANCE, "level": "instance", **changes})

    def upload(self, body, query=f"uid={INSTANCE}", **headers):
        return self.ask("POST", f"/annotations?{query}", body, **headers)

    def listed(self, query=""):
        answer = self.get(f"/annotations?{query}")
        assert answer.status == 200, answer.body
        return answer.json()["annotations"]

    def files(self):
        """Everything in the folder: two names for each annotation, nothing unfinished."""
        return sorted(path.name for path in self.kept.iterdir()) if self.kept.exists() else []


@pytest.fixture
def web(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path)
    stopped_archive.start()
    return web


def rows(archive, sql):
    with contextlib.closing(sqlite3.connect(archive.folder / "index.sqlite")) as db:
        return db.execute(sql).fetchall()


# -- SPHERE's way --

def test_a_file_of_the_server_is_attached(web):  # ANN-02, ANN-04, ANN-07
    sent = {"file_path": str(web.inbox / "note.txt"), "uid": INSTANCE, "level": "Instance", "more": [1, None]}
    answer = web.save(sent)
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body["received data"] == sent
    one = body["annotation uid"]
    assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", one) and len(one) <= 64
    assert (web.kept / one).read_text() == "what was seen\n" and web.files() == [one, f"{one}.json"]
    assert rows(web.archive, "SELECT m.uid_dicom_source, m.level_dicom_source, m.uid_annotation, i.instance_uid FROM mapping_annotation m JOIN "
                "file_storage_metadata_dicom i USING (file_storage_metadata_dicom_id)") == [(INSTANCE, "instance", one, INSTANCE)]
    assert rows(web.archive, "SELECT uid_annotation, uid_dicom_source, storage_method, storage_status, filesize, file_path, "
                "dt_end_storage >= dt_deb_storage FROM file_storage_metadata_annotation") == \
        [(one, INSTANCE, "api_annotation", 0, 14, str(web.kept / one), 1)]
    known = web.get(f"/annotations/{one}/metadata").json()
    assert known == body["annotation"]
    assert known["uid"] == INSTANCE and known["level"] == "instance" and known["name"] == "note.txt" and known["size"] == 14
    assert known["sha256"] == hashlib.sha256(b"what was seen\n").hexdigest() and known["url"].endswith(f"/annotations/{one}")


@pytest.mark.parametrize("level, uid", [("SERIES", SERIES), ("study", STUDY), ("iNSTANCE", INSTANCE)])
def test_every_level(web, level, uid):  # ANN-04, ANN-06
    answer = web.saved(level=level, uid=uid)
    assert answer.status == 200
    assert [one["level"] for one in web.listed(f"uid={uid}")] == [level.lower()]


def test_the_validation_table(web):  # ANN-01
    good = {"file_path": "note.txt", "uid": INSTANCE, "level": "instance"}
    (web.inbox / "folder").mkdir()

    def refused(body, word, key="detail"):
        answer = web.save(body)
        assert answer.status == 400 and answer.headers["Content-Type"] == "application/problem+json"
        assert word in answer.json()[key], answer.body
        return answer.json()

    for no_object in ([], [good], '"text"', 5, None, True):
        assert set(refused(no_object, "object")["example data"]) == set(good)
    for text in ("{", "", "[1", '{"a":1,"a":2}', "{'uid': 1}", b"\xff\xfe", '{"file_path": "a\\u0000b"}', "[" * 20000):
        refused(text, "JSON parse error")
    # One after the other, in this order.
    refused({}, "level")
    refused({"level": "", "file_path": ""}, "uid")
    refused({"level": "", "uid": ""}, "file_path")
    refused({"level": "", "uid": "", "file_path": ""}, "level")
    refused({**good, "level": "patient", "uid": "", "file_path": ""}, "uid")
    refused({**good, "level": "patient", "file_path": ""}, "file_path")
    for level in ("patient", "image", "instances", "series "):
        assert "detail" in refused({**good, "level": level, "file_path": "folder/"}, "instance, series or study", "level")
    for key in good:
        for value in (5, [], {}, None, False):
            refused({**good, key: value}, key)
    refused({**good, "file_path": "folder/"}, "slash")
    refused({**good, "file_path": "folder"}, "directory")
    refused({**good, "file_path": "none"}, "does not exist")
    refused({**good, "file_path": "none/note.txt"}, "does not exist")
    assert web.files() == [] and web.listed() == []


def test_other_media_types_and_methods(web):  # ANN-01
    good = json.dumps({"file_path": "note.txt", "uid": INSTANCE, "level": "instance"})
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp"):
        assert "media type" in web.save(good, Content_Type=media).problem() and web.save(good, Content_Type=media).status == 415
    assert web.save(good, Content_Type="application/json; charset=utf-8").status == 200
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = web.ask(method, "/save_annotation/")
        assert answer.status == 405 and answer.problem() and "POST" in answer.headers["Allow"]
    assert web.save(json.dumps({"file_path": "x" * 70000})).status == 413


def test_files_outside_of_the_folders_are_not_taken(web, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (web.inbox / "link").symlink_to(secret)
    (web.inbox / "folder").symlink_to(tmp_path)
    (web.inbox / "near").symlink_to("note.txt")
    os.mkfifo(web.inbox / "fifo")
    neighbour = web.archive.folder / "data_annotation_in2"
    neighbour.mkdir()
    (neighbour / "note.txt").write_text("another")
    for path in (secret, "/etc/passwd", "/no/such/file", "../app/settings.yml", "a/../../app/settings.yml", f"{web.inbox}/../index.sqlite",
                 neighbour / "note.txt", f"{web.inbox}2/note.txt", "./note.txt", "//etc/passwd", f"{web.inbox}//etc/passwd", ".", "..", "/",
                 "/dev/zero", "/proc/self/environ", web.inbox):
        answer = web.saved(file_path=str(path))
        assert answer.status == (400 if str(path) == "/" else 403), path
        assert str(web.archive.folder) not in answer.problem() and "exist" not in answer.problem()
    for path in ("link", "folder/secret", "near", "fifo", str(web.inbox / "link")):
        answer = web.saved(file_path=path)
        assert answer.status == 400 and answer.problem(), path
    assert web.files() == []


def test_true_statuses_where_sphere_said_200(web):  # ANN-07
    for uid, level in (("1.2.3", "instance"), (INSTANCE, "series"), (SERIES, "study"), (STUDY, "instance"), ("' OR 1=1 --", "study"), ("x" * 500, "series")):
        assert web.saved(uid=uid, level=level).status == 404
    unreadable = web.inbox / "unreadable"
    unreadable.write_text("x")
    unreadable.chmod(0)
    assert web.saved(file_path="unreadable").status == (400 if os.geteuid() else 200)
    assert len(web.files()) == (0 if os.geteuid() else 2)


def test_a_file_that_is_too_large(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path, annotation__max_size=1000)
    stopped_archive.start()
    (web.inbox / "large").write_bytes(b"x" * 1001)
    (web.inbox / "fits").write_bytes(b"x" * 1000)
    assert web.saved(file_path="large").status == 413 and web.saved(file_path="fits").status == 200
    assert web.upload(b"x" * 1001).status == 413 and web.upload(b"x" * 1000).status == 201
    chunked = web.raw(f"POST /annotations?uid={INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
                      b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
    assert chunked.startswith(b"HTTP/1.1 413 ")
    assert len(web.files()) == 4 and all("annotation" in one for one in web.listed())


# -- in the body of a request --

def test_a_file_is_uploaded_and_comes_back(web):
    content = os.urandom(3_000_000)
    answer = web.upload(content, f"uid={SERIES}&level=series&name=..%2F%C3%BCber%22Blick%22.nii.gz", Content_Type="application/gzip; a=b")
    assert answer.status == 201
    one = answer.json()
    assert answer.headers["Location"] == one["url"] and one["level"] == "series" and one["name"] == 'über"Blick".nii.gz'
    back = web.get(f"/annotations/{one['annotation']}")
    assert back.status == 200 and back.body == content
    assert back.headers["Content-Type"] == "application/gzip; a=b" and back.headers["X-Content-Type-Options"] == "nosniff"
    assert back.headers["Content-Disposition"] == "attachment; filename=\"__ber_Blick_.nii.gz\"; filename*=UTF-8''%C3%BCber%22Blick%22.nii.gz"
    assert "sandbox" in back.headers["Content-Security-Policy"]
    assert web.get(f"/annotations/{one['annotation']}", If_None_Match=back.headers["ETag"]).status == 304
    part = web.get(f"/annotations/{one['annotation']}", Range="bytes=10-19")
    assert part.status == 206 and part.body == content[10:20]
    assert web.ask("HEAD", f"/annotations/{one['annotation']}").headers["Content-Length"] == str(len(content))


def test_the_level_is_found_when_none_is_said(web):
    for uid, level in ((INSTANCE, "instance"), (SERIES, "series"), (STUDY, "study")):
        assert web.upload(b"x", f"uid={uid}").json()["level"] == level


@pytest.mark.parametrize("media", ["text/html\x7f", "nonsense", "a/b/c", "/", "text/", "text/html, text/plain", "x" * 300 + "/y", "tex t/plain"])
def test_media_types_that_are_none(web, media):
    one = web.upload(b"x", Content_Type=media).json()
    assert one["media_type"] == "application/octet-stream"
    assert web.get(f"/annotations/{one['annotation']}").headers["Content-Type"] == "application/octet-stream"


def test_uploads_that_are_refused(web):
    for query, status in (("", 400), ("uid=", 400), (f"uid={INSTANCE}&level=patient", 400), ("uid=1.2.3", 404), (f"uid={INSTANCE}&level=study", 404),
                          ("uid=%00", 400), ("uid=..%2F..", 404)):
        answer = web.upload(b"x", query)
        assert answer.status == status and answer.problem(), query
    assert web.upload(b"").status == 400
    assert web.raw(f"POST /annotations?uid={INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()) \
        .startswith(b"HTTP/1.1 400 ")
    assert web.files() == []


def test_an_upload_that_breaks_off_leaves_nothing(web):
    web.raw(f"POST /annotations?uid={INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000000000\r\n\r\n".encode(), b"x" * 10)
    with web.connect() as sock:
        sock.sendall(f"POST /annotations?uid={INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * 50000)
        wait_until(lambda: len(web.files()) == 1, 5, "the file that comes")
    wait_until(lambda: web.files() == [], 10, "nothing is left")
    assert web.listed() == []


# -- lists, deleting --

def test_lists_page_by_page(web):
    made = [web.upload(b"%d" % i, f"uid={uid}").json()["annotation"] for i in range(3) for uid in (INSTANCE, STUDY)]
    assert [one["annotation"] for one in web.listed()] == made
    assert [one["annotation"] for one in web.listed(f"uid={STUDY}")] == made[1::2]
    assert [one["annotation"] for one in web.listed("level=Instance")] == made[::2]
    assert web.listed(f"uid={STUDY}&level=instance") == web.listed("uid=9.9") == []
    assert [one["annotation"] for one in web.listed("limit=2&offset=3")] == made[3:5]
    assert web.get("/annotations?limit=2").json()["more"] is True and web.get("/annotations?limit=6").json()["more"] is False
    for query in ("limit=0", "limit=1001", "limit=x", "offset=-1", "level=image", f"study={STUDY}", "=", "uid=9.9&uid=9.9", "ui=9.9"):
        assert web.get(f"/annotations?{query}").status == 400, query
    assert "twice" in web.upload(b"x", f"uid={INSTANCE}&uid={STUDY}").problem() and web.upload(b"x", f"uid={INSTANCE}&label=x").status == 400
    assert len(web.listed()) == 6


def test_deleting(web):
    one, other = (web.upload(b"x").json()["annotation"] for _ in range(2))
    tag = web.get(f"/annotations/{one}").headers["ETag"]
    assert web.ask("DELETE", f"/annotations/{one}", If_Match='"another"').status == 412 and len(web.listed()) == 2
    assert web.ask("DELETE", f"/annotations/{one}", If_Match=tag).status == 204
    assert web.ask("DELETE", f"/annotations/{one}").status == 404
    for path in (f"/annotations/{one}", f"/annotations/{one}/metadata", "/annotations/2.25.1"):
        assert web.get(path).status == 404 and web.get(path).problem()
    for path in ("/annotations/note.txt", "/annotations/.in-1", f"/annotations/{other}.json", "/annotations/1..2", "/annotations/" + "1" * 65):
        assert web.get(path).status == web.ask("DELETE", path).status == 400
    assert web.files() == [other, f"{other}.json"] and [row["annotation"] for row in web.listed()] == [other]


def test_a_file_that_was_changed_is_not_given_out(web):
    one = web.upload(b"x").json()["annotation"]
    (web.kept / one).write_bytes(b"longer than it was")
    assert web.get(f"/annotations/{one}").status == 500
    (web.kept / one).unlink()
    assert web.get(f"/annotations/{one}").status == 500 and str(web.kept) not in web.get(f"/annotations/{one}").problem()
    assert web.ask("DELETE", f"/annotations/{one}").status == 204 and web.listed() == []


def test_an_annotation_outlives_its_instance(web, tmp_path):
    one, other = web.upload(b"x").json()["annotation"], web.upload(b"y", f"uid={STUDY}").json()["annotation"]
    web.archive.manage("data", "delete", "study", STUDY, "-f")
    assert web.get(f"/dicom-web/studies/{STUDY}/metadata").status == 404
    assert web.get(f"/annotations/{one}").body == b"x" and web.get(f"/annotations/{other}").body == b"y"
    assert web.upload(b"z").status == 404
    fill(web.archive, tmp_path)
    assert web.upload(b"z").status == 201 and len(web.listed(f"uid={INSTANCE}")) == 2


def test_roles(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path)
    for role in ("read", "write", "delete"):
        stopped_archive.manage("users", "add", role, "--role", role, stdin="correct horse: battery\n")
    stopped_archive.start()

    def as_(role):
        return {"Authorization": "Basic " + base64.b64encode(f"{role}:correct horse: battery".encode()).decode()}

    assert web.upload(b"x").status == web.saved().status == web.get("/annotations").status == 401
    assert web.upload(b"x", **as_("read")).status == 403
    answer = web.upload(b"x", **as_("write"))
    assert answer.status == 201 and answer.json()["author"] == "write"
    path = f"/annotations/{answer.json()['annotation']}"
    assert web.get(path, **as_("read")).status == 200
    assert web.ask("DELETE", path, **as_("write")).status == 403 and web.ask("DELETE", path, **as_("delete")).status == 204
    good = {"file_path": "note.txt", "uid": INSTANCE, "level": "instance"}
    assert web.save(good, **as_("read")).status == 403 and web.save(good, **as_("write")).status == 200


# -- who makes the UIDs --

class Generator:
    """Another server that makes UIDs."""

    def __init__(self):
        self.status, self.body = 200, b""
        generator = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(generator.status)
                self.send_header("Location", self.path)
                self.send_header("Content-Length", str(len(generator.body)))
                self.end_headers()
                self.wfile.write(generator.body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/generate_uuid"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def generator():
    generator = Generator()
    yield generator
    generator.stop()


def test_uids_of_another_server(stopped_archive, tmp_path, generator):  # ANN-03
    web = Annotations(stopped_archive, tmp_path, annotation__type_uuid_generator="EXTERNAL", annotation__url_uuid_generator=generator.url)
    stopped_archive.start()
    for body, uid in ((b"{'uuid': '1.2.3'}", "1.2.3"), (b'{"uuid": "2.25.7"}\n', "2.25.7"),
                      (b"{'uuid': 311973204578214312345678901234567890123, 'ok': True}", "311973204578214312345678901234567890123"),
                      (b'{"uuid": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}', "2.25.329800735698586629295641978511506172918")):
        generator.body = body
        assert web.saved().json()["annotation uid"] == uid
    # The same again is never used again, and what it was used for stays.
    (web.inbox / "other.txt").write_text("other")
    for status, body, answered in ((200, b"{'uuid': '1.2.3'}", 409), (200, b"", 502), (200, b"{'uuid': '../../x'}", 502), (200, b"{'uuid': ''}", 502),
                                   (200, b"{'id': '1.2.4'}", 502), (200, b"1.2.4", 502), (200, b"{'uuid': {'uuid': '1.2.4'}}", 502),
                                   (200, b"{'uuid': '1.2.4'", 502), (200, b"{'uuid': '1." + b"2" * 64 + b"'}", 502),
                                   (404, b"{'uuid': '1.2.4'}", 502), (302, b"{'uuid': '1.2.4'}", 502), (200, b" " * 70000 + b"{'uuid': '1.2.4'}", 502)):
        generator.status, generator.body = status, body
        assert web.saved(file_path="other.txt").status == answered, body
    generator.stop()
    assert web.saved().status == 502 and web.upload(b"x").status == 502
    generator.stop = lambda: None
    assert (web.kept / "1.2.3").read_text() == "what was seen\n" and len(web.files()) == 8 and len(web.listed()) == 4


def test_uids_of_two_makers(stopped_archive, tmp_path, generator):  # ANN-03
    web = Annotations(stopped_archive, tmp_path, annotation__type_uuid_generator="MIXED", annotation__url_uuid_generator=generator.url)
    stopped_archive.start()
    generator.body = b"{'uuid': '1.2.3'}"
    assert web.saved().json()["annotation uid"] == "1.2.3"
    own = [web.saved().json()["annotation uid"]]  # it was taken
    generator.status = 500
    own.append(web.saved().json()["annotation uid"])
    generator.stop()
    generator.stop = lambda: None
    own.append(web.saved().json()["annotation uid"])
    assert all(uid.startswith("2.25.") for uid in own) and len(set(own)) == 3


@pytest.mark.parametrize("url", ['""', "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_generator_that_cannot_be_asked_is_said_at_the_start(stopped_archive, url):
    Web(stopped_archive, annotation__start=True, annotation__type_uuid_generator="EXTERNAL", annotation__url_uuid_generator=url)
    done = stopped_archive.manage("runserver", check=False, timeout=20)
    assert done.returncode == 1 and "api.annotation.url_uuid_generator" in done.stderr


# -- on, off, and when things fail --

def test_off_there_is_nothing(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.start()
    wait_until(lambda: "Api Annotation" in stopped_archive.server.output(), 5, "the banner")
    assert "# Api Annotation \tOFF" in stopped_archive.server.output()
    assert web.get("/annotations").status == web.ask("POST", "/save_annotation/", "{}", **JSON).status == 404
    assert "/annotations" not in web.get("/openapi.json").json()["paths"] and not (stopped_archive.folder / "data_annotation").exists()


def test_on_without_dicomweb(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path, dicomweb__start=False)
    stopped_archive.start()
    wait_until(lambda: "Api Annotation" in stopped_archive.server.output(), 5, "the banner")
    assert "# Api Annotation \tON" in stopped_archive.server.output() and "DicomWeb \tOFF" in stopped_archive.server.output()
    assert web.saved().status == 200 and web.get("/dicom-web/studies").status == 404
    assert {"/annotations", "/annotations/{annotation}", "/save_annotation/"} <= set(web.get("/openapi.json").json()["paths"])
    wait_until(lambda: "stored annotation=" in (stopped_archive.folder / "log/api_annotation.log").read_text(), 5, "the log")


def test_a_disk_that_is_full(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path)
    (web.inbox / "large").write_bytes(b"x" * 3 * MEGABYTE)
    with small_disk(web.kept, 4):
        stopped_archive.start()
        assert web.upload(b"x" * 3 * MEGABYTE).status == 201
        for answer in (web.upload(b"x" * 3 * MEGABYTE), web.saved(file_path="large")):
            assert answer.status == 507 and "full" in answer.problem()
        wait_until(lambda: len(web.files()) == 2, 10, "what was begun is taken away, maybe a moment after the answer")
        assert len(web.listed()) == 1 and web.upload(b"x").status == 201
        stopped_archive.stop()


def test_killed_in_the_middle(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path)
    stopped_archive.start()
    one = web.upload(b"x").json()["annotation"]
    with web.connect() as sock:
        sock.sendall(f"POST /annotations?uid={INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * 50000)
        wait_until(lambda: len(web.files()) == 3, 5, "the file that comes")
        stopped_archive.kill()
    # A second name that was left after the rows were written goes, and nothing with it; files without rows go.
    os.link(web.kept / one, web.kept / f".in-{one}")
    (web.kept / ".in-2.25.5").write_bytes(b"half")
    os.link(web.kept / ".in-2.25.5", web.kept / "2.25.5")
    (web.kept / "2.25.5.json").write_text("{}")
    stopped_archive.start()
    assert web.files() == [one, f"{one}.json"] and web.get(f"/annotations/{one}").body == b"x"


def test_an_index_that_is_lost_comes_again(stopped_archive, tmp_path):
    web = Annotations(stopped_archive, tmp_path)
    stopped_archive.start()
    known = [web.upload(b"%d" % i, f"uid={STUDY}&name=n%C3%B6te%20{i}", Content_Type="text/plain").json() for i in range(5)]
    web.ask("DELETE", f"/annotations/{known.pop()['annotation']}")
    stopped_archive.stop()
    for path in stopped_archive.folder.glob("index.sqlite*"):
        path.unlink()
    (web.kept / "2.25.1.json").write_text("{}")
    (web.kept / "2.25.2").write_text("no note")
    (web.kept / f"{known[0]['annotation']}5.json").write_text((web.kept / f"{known[0]['annotation']}.json").read_text())
    stopped_archive.start()
    assert sorted(web.listed(), key=lambda one: one["name"]) == known
    assert web.get(f"/annotations/{known[0]['annotation']}").body == b"0"


@pytest.mark.skipif(not AVAILABLE, reason="PostgreSQL's programs are not installed")
def test_while_the_database_is_away(stopped_archive, tmp_path):
    postgres = Postgres()
    try:
        postgres.sql("CREATE SCHEMA notes")
        postgres.use(stopped_archive, "notes")
        web = Annotations(stopped_archive, tmp_path)
        stopped_archive.start()
        one = web.saved().json()["annotation uid"]
        assert postgres.sql("SELECT uid_annotation, uid_dicom_source FROM notes.file_storage_metadata_annotation") == [f"{one}|{INSTANCE}"]
        postgres.stop()
        for answer in (web.saved(), web.upload(b"x"), web.get("/annotations"), web.get(f"/annotations/{one}"), web.ask("DELETE", f"/annotations/{one}")):
            assert answer.status == 503 and answer.headers["Retry-After"] and answer.problem()
        assert web.files() == [one, f"{one}.json"]
        postgres.start()
        wait_until(lambda: web.get(f"/annotations/{one}").status == 200, 60, "the database is back")
        assert web.upload(b"x").status == 201 and web.ask("DELETE", f"/annotations/{one}").status == 204
        assert len(web.files()) == 2
        stopped_archive.stop()
    finally:
        postgres.remove()
