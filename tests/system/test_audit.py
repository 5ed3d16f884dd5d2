# SPDX-License-Identifier: MIT
"""The audit trail: what is recorded of whom, that changes show, and what happens when it cannot be written."""
import base64
import contextlib
import http.client as http_client
import itertools
import json
import os
import re
import socket
import sqlite3
import ssl
import threading
from xml.etree import ElementTree

import pytest
from audit import Record, Trail
from dimse import VERIFICATION, Association, Rejected
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, make_image
from programs import free_port, run, wait_until
from query import QueryClient
from test_identity import NOT_ACCEPTED, PASSCODE, Archived, identity
from test_rows_disk import small_disk
from test_web_auth import PASSWORD

STUDY, PATIENT = "1.2.826.0.1.3680043.10.1499.7", "FEW"


@pytest.fixture
def trail(archive):
    return Trail(archive)


def send(archive, folder, calling="STORESCU"):
    return run("storescu", "-aet", calling, "-aec", "GANTRY", "127.0.0.1", archive.port, "+sd", folder)


def ask(archive, *keys):
    options = [word for key in ("QueryRetrieveLevel=STUDY", *keys) for word in ("-k", key)]
    return run("findscu", "-S", "-aet", "FINDSCU", "-aec", "GANTRY", *options, "127.0.0.1", archive.port)


# -- what is recorded --

def test_start_and_stop(archive, trail):
    start, = trail.wait("Application Activity", "Application Start")
    assert start.outcome == 0 and start.action == "E"
    archive.stop()
    assert [r.kind for r in trail.records("Application Activity")] == ["Application Start", "Application Stop"]
    trail.assert_chained()


def test_an_association_that_stores_is_two_records_of_a_study(archive, trail, few):
    make_image(few / "other.dcm", PatientID="OTHER", StudyInstanceUID="1.2.3")
    send(archive, few)
    begun = trail.wait("Begin Transferring DICOM Instances", count=2)
    done = trail.wait("DICOM Instances Transferred", count=2)
    assert [len(begun), len(done)] == [2, 2]
    one = next(r for r in done if r.studies == [STUDY])
    assert (one.who, one.action, one.outcome, one.patients, one.destination) == ("STORESCU@127.0.0.1", "C", 0, [PATIENT], "GANTRY")
    assert one.detail("Instances") == "4" and int(one.detail("Bytes")) > 1000
    assert one.things[0]["ParticipantObjectDescription"]["SOPClass"] == [{"UID": SECONDARY_CAPTURE, "NumberOfInstances": 4}]
    assert {(r.studies[0], r.patients[0]) for r in begun} == {(STUDY, PATIENT), ("1.2.3", "OTHER")}
    trail.assert_chained()


def test_what_could_not_be_stored(archive, trail):
    association = Association(archive.port)
    assert association.store(SECONDARY_CAPTURE, "1.2.3.4", b"no data set") != 0
    association.release()
    failed, = trail.wait("DICOM Instances Transferred")
    assert failed.outcome == 8 and failed.detail("Failed") == "1" and not failed.studies


def test_a_query_has_names_of_keys_and_no_values(archive, trail, few):
    send(archive, few)
    ask(archive, "PatientName=Few*", f"PatientID={PATIENT}", "StudyDate")
    query, = trail.wait("Query")
    assert (query.who, query.outcome, query.patients) == ("FINDSCU@127.0.0.1", 0, [PATIENT])
    assert query.detail("Keys") == "PatientName,PatientID" and query.detail("Matches") == "1"
    assert query.ids("10") == ["STUDY of Study Root"]
    assert b"Few" not in b"".join(trail.lines())


def test_a_retrieval_by_get_and_by_move(archive, trail, few, storescp):
    archive.allow(storescp.aet, storescp.port)
    send(archive, few)
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}")
    run("getscu", "-aet", "GETSCU", "-aec", "GANTRY", "-od", few, "-S", *keys, "127.0.0.1", archive.port)
    got = trail.wait("DICOM Instances Transferred", count=2)[-1]
    assert (got.who, got.action, got.destination, got.studies, got.detail("Instances")) == ("GETSCU@127.0.0.1", "R", "GETSCU", [STUDY], "4")
    run("movescu", "-aet", "MOVESCU", "-aec", "GANTRY", "-aem", storescp.aet, "-S", *keys, "127.0.0.1", archive.port)
    moved = trail.wait("DICOM Instances Transferred", count=3)[-1]
    assert (moved.who, moved.destination, moved.patients, moved.outcome) == ("MOVESCU@127.0.0.1", storescp.aet, [PATIENT], 0)
    assert len(trail.records("Begin Transferring DICOM Instances")) == 3
    run("movescu", "-aet", "MOVESCU", "-aec", "GANTRY", "-aem", "NOWHERE", "-S", *keys, "127.0.0.1", archive.port, check=False)
    refused = trail.wait("DICOM Instances Transferred", count=4)[-1]
    assert refused.outcome == 8 and "NOWHERE" in refused.why and refused.studies == [STUDY]
    trail.assert_chained()


def test_who_is_refused(archive, trail):
    for _ in range(5):
        with pytest.raises(Rejected):
            Association(archive.port, calling="STRANGER")
    (archive.folder / "app/white_list/visitor.yml").write_text("VISITOR: {ip: 127.0.0.1, services: [echo, find]}\n")
    association = Association(archive.port, calling="VISITOR", contexts={1: (VERIFICATION, "1.2.840.10008.1.2")})
    (archive.folder / "app/white_list/visitor.yml").write_text("VISITOR: {ip: 127.0.0.1, services: [find]}\n")
    wait_until(lambda: association.echo() == 0x0124, 10, "the rule")
    association.release()
    alert, = trail.wait("Security Alert", "Node Authentication")
    assert alert.who == "STRANGER@127.0.0.1" and alert.outcome == 4 and "no entry for it in the white list" in alert.why
    denied, = trail.wait("Security Alert", "Use of Restricted Function")
    assert denied.who == "VISITOR@127.0.0.1" and "echo" in denied.why
    archive.stop()
    counted = trail.records("Security Alert", "Node Authentication")
    assert [r.again for r in counted] == [0, 4], "a flood is counted, not written"


def test_settings_that_were_changed(archive, trail):
    archive.stop()
    archive.set("find_limit", 7)
    archive.start()
    changed, = trail.wait("Security Alert", "Software Configuration")
    assert changed.details("Changed") == ["find_limit"]
    archive.stop()
    archive.set("db.save_delay", "0.1")
    archive.start()
    assert trail.wait("Security Alert", "Software Configuration", 2)[-1].details("Changed") == ["db.save_delay"]
    archive.allow("LATECOMER")
    found = trail.wait("Security Alert", "Software Configuration", 3)[-1]
    assert found.details("New") == ["white_list/latecomer.yml"]


def test_identifiers_as_hashes(stopped_archive, few):
    stopped_archive.set("audit.identifiers", "hash")
    archive = stopped_archive.start()
    trail = Trail(archive)
    send(archive, few)
    done, = trail.wait("DICOM Instances Transferred")
    assert re.fullmatch("hmac:[0-9a-f]{32}", done.patients[0]) and re.fullmatch("hmac:[0-9a-f]{32}", done.studies[0])
    assert PATIENT.encode() not in b"".join(trail.lines()) and STUDY.encode() not in b"".join(trail.lines())
    assert "Transferred" in archive.manage("audit", "show", "--patient", PATIENT).stdout
    assert "Transferred" not in archive.manage("audit", "show", "--patient", "NOBODY").stdout


def test_switched_off(stopped_archive, few):
    stopped_archive.set("audit.start", False)
    archive = stopped_archive.start()
    send(archive, few)
    archive.stop()
    assert not (archive.folder / "log/audit").exists()
    shown = archive.manage("audit", "show", check=False)
    assert shown.returncode == 1 and "cannot read" in shown.stderr


# -- over HTTP --

@pytest.fixture
def web_archive(stopped_archive, few):
    """An archive with four images, over HTTP, that anna may read and delete from."""
    stopped_archive.set("api.start", True)
    stopped_archive.set("api.port", free_port())
    stopped_archive.set("api.dicomweb.start", True)
    stopped_archive.set("api.dicomweb.allow_delete", True)
    stopped_archive.set("api.annotation.start", True)
    stopped_archive.manage("users", "add", "anna", "--role", "delete", stdin="a long password\n")
    stopped_archive.manage("users", "add", "bob", "--role", "read", stdin="another password\n")
    archive = stopped_archive.start()
    send(archive, few)
    return archive


def http(archive, method, path, user="anna:a long password", body=None, **headers):
    port = next(line.split(":")[1].split()[0] for line in archive.settings.read_text().split("\napi:")[1].splitlines() if line.startswith("  port:"))
    connection = http_client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def instances_of(archive, series):
    with contextlib.closing(sqlite3.connect(f"file:{archive.folder}/index.sqlite?mode=ro", uri=True)) as db:
        rows = db.execute("select i.instance_uid from file_storage_metadata_dicom i join series e on e.series_id = i.series_id where e.series_uid = ?", [series])
        return sorted(uid.decode() if isinstance(uid, bytes) else uid for uid, in rows)


def post(archive, path, body):
    """Status and body, as anna."""
    port = re.search(r"\napi:.*?\n  port: *(\d+)", archive.settings.read_text(), re.DOTALL)[1]
    connection = http_client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    connection.request("POST", path, body=body, headers={"Content-Type": "text/plain", "Authorization": "Basic " + base64.b64encode(b"anna:a long password").decode()})
    answer = connection.getresponse()
    out = answer.status, answer.read()
    connection.close()
    return out


def test_searches_and_retrievals_over_http(web_archive):
    trail = Trail(web_archive)
    assert http(web_archive, "GET", f"/dicom-web/studies?PatientID={PATIENT}&PatientName=Few*") == 200
    query, = trail.wait("Query")
    assert (query.who, query.patients, query.outcome) == ("anna@127.0.0.1", [PATIENT], 0)
    assert query.detail("Keys") == "PatientID,PatientName" and query.ids("10") == ["STUDY by QIDO-RS"]
    for _ in range(5):
        assert http(web_archive, "GET", f"/dicom-web/studies/{STUDY}/metadata") == 200
    assert http(web_archive, "GET", f"/dicom-web/studies/{STUDY}", "bob:another password") == 200
    assert http(web_archive, "GET", "/dicom-web/studies/1.2.3.4") == 404
    seen, = trail.wait("DICOM Instances Accessed")
    assert (seen.who, seen.action, seen.studies, seen.patients) == ("anna@127.0.0.1", "R", [STUDY], [PATIENT])
    got = [r for r in trail.wait("DICOM Instances Transferred", count=3) if r.action == "R"]
    assert sorted((r.who, r.studies, r.outcome) for r in got) == [("anna@127.0.0.1", ["1.2.3.4"], 4), ("bob@127.0.0.1", [STUDY], 0)]
    web_archive.stop()
    assert [r.again for r in trail.records("DICOM Instances Accessed")] == [0, 4], "frames and the like are counted"
    assert b"Few" not in b"".join(trail.lines())
    trail.assert_chained()


def test_each_patient_who_is_searched_for_is_a_record(web_archive):
    """However the key is spelt; the pages of one search are one record."""
    trail = Trail(web_archive)
    for query in ("00100020=FIRST", "00100020=SECOND", "PatientID=THIRD&offset=0", "PatientID=THIRD&offset=100", "0020000D=1.2.3&0020000D=1.2.3"):
        http(web_archive, "GET", f"/dicom-web/studies?{query}")
    http(web_archive, "GET", "/dicom-web/studies?00100020=FOURTH")
    trail.wait("Query", count=4)
    web_archive.stop()
    first = [r for r in trail.records("Query") if not r.again]
    assert [r.patients for r in first if r.patients] == [["FIRST"], ["SECOND"], ["THIRD"], ["FOURTH"]]
    assert [(r.patients, r.again) for r in trail.records("Query") if r.again] == [(["THIRD"], 1)]


def test_storing_and_deleting_over_http(web_archive, tmp_path):
    trail = Trail(web_archive)
    make_image(tmp_path / "one.dcm", PatientID="STOWED", StudyInstanceUID="1.2.3.9")
    body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + (tmp_path / "one.dcm").read_bytes() + b"\r\n--B--\r\n"
    media = 'multipart/related; type="application/dicom"; boundary=B'
    assert http(web_archive, "POST", "/dicom-web/studies", body=body, Content_Type=media) == 200
    stored = [r for r in trail.wait("DICOM Instances Transferred", count=2) if r.studies == ["1.2.3.9"]]
    assert [(r.who, r.action, r.patients, r.detail("Instances")) for r in stored] == [("anna@127.0.0.1", "C", ["STOWED"], "1")]
    assert http(web_archive, "DELETE", f"/dicom-web/studies/{STUDY}/series/{STUDY}.1") == 204
    assert http(web_archive, "DELETE", "/dicom-web/studies/1.2.3.9") == 204
    part, = [r for r in trail.wait("DICOM Instances Accessed") if r.action == "D"]
    assert (part.who, part.studies, part.patients, part.detail("Series")) == ("anna@127.0.0.1", [STUDY], [PATIENT], f"{STUDY}.1")
    gone, = trail.wait("DICOM Study Deleted")
    assert (gone.who, gone.studies, gone.patients) == ("anna@127.0.0.1", ["1.2.3.9"], ["STOWED"])
    assert http(web_archive, "DELETE", f"/dicom-web/studies/{STUDY}", "bob:another password") == 403
    denied, = trail.wait("Security Alert", "Use of Restricted Function")
    assert denied.who == "bob@127.0.0.1" and "DELETE" in denied.why


def test_logins_over_http(web_archive):
    trail = Trail(web_archive)
    for _ in range(3):
        assert http(web_archive, "GET", "/dicom-web/studies") == 200
    assert http(web_archive, "GET", "/dicom-web/studies", "anna:wrong") == 401
    assert http(web_archive, "GET", "/dicom-web/studies", "a password in the wrong field:x") == 401
    assert http(web_archive, "GET", "/dicom-web/studies", None) == 401
    login, failed, unknown = trail.wait("User Authentication", "Login", 3)
    assert (login.who, login.outcome) == ("anna@127.0.0.1", 0)
    assert (failed.who, failed.outcome, failed.why) == ("anna@127.0.0.1", 4, "the name or the password is wrong")
    assert (unknown.who, unknown.outcome) == ("(unknown)@127.0.0.1", 4)
    assert b"wrong field" not in b"".join(trail.lines())


def test_what_was_accessed_over_http(web_archive):
    """Each series is a record, with the instance or how many there are; not each frame: how many different instances there were is told with the count."""
    trail = Trail(web_archive)
    series = f"/dicom-web/studies/{STUDY}/series/{STUDY}.1"
    instances = instances_of(web_archive, f"{STUDY}.1")
    for _ in range(3):
        for instance in instances:
            assert http(web_archive, "GET", f"{series}/instances/{instance}/rendered") == 200
    for path in (f"{series}/metadata", f"/dicom-web/studies/{STUDY}/metadata", f"{series}/pixeldata"):
        assert http(web_archive, "GET", path) == 200
    assert http(web_archive, "GET", f"{series}/instances/{instances[0]}/bulkdata") == 404  # all of it is in the metadata
    query = f"requestType=WADO&studyUID={STUDY}&seriesUID={STUDY}.1&objectUID={instances[0]}"
    assert http(web_archive, "GET", f"/wado?{query}") == 200
    records = trail.wait("DICOM Instances Accessed", count=5)
    pixels, bulk = (next(r for r in records if r.detail("Route").endswith(end)) for end in ("/pixeldata", "/bulkdata"))
    assert (pixels.detail("Series"), pixels.detail("Instances"), bulk.detail("Instance")) == (f"{STUDY}.1", str(len(instances)), instances[0])
    first, of_series, of_study = (next(r for r in records if r.detail("Route").endswith(end)) for end in ("/rendered", "{series}/metadata", "{study}/metadata"))
    assert (first.studies, first.detail("Series")) == ([STUDY], f"{STUDY}.1") and first.detail("Instance") in instances
    assert (of_series.detail("Series"), of_series.detail("Instance"), of_series.detail("Instances")) == (f"{STUDY}.1", None, str(len(instances)))
    assert (of_study.detail("Series"), of_study.detail("Instances")) == (None, "4")
    uri, = [r for r in trail.wait("DICOM Instances Transferred", count=2) if r.action == "R"]
    assert (uri.studies, uri.detail("Series"), uri.detail("Instance")) == ([STUDY], f"{STUDY}.1", instances[0])
    web_archive.stop()
    repeated, = [r for r in trail.records("DICOM Instances Accessed") if r.again]
    assert (repeated.again, repeated.content["RepeatedInstances"]) == (3 * len(instances) - 1, len(instances))
    shown = web_archive.manage("audit", "show").stdout
    assert f"{3 * len(instances) - 1} more times within a minute, {len(instances)} instances in all" in shown


def test_annotations(web_archive):
    """What an annotation belongs to, and each one that is stored or deleted."""
    trail = Trail(web_archive)
    instance = instances_of(web_archive, f"{STUDY}.1")[0]
    stored = []
    for level, source in (("instance", instance), ("series", f"{STUDY}.1"), ("study", STUDY)):
        for _ in range(2):
            status, body = post(web_archive, f"/annotations?uid={source}&level={level}", b"text")
            assert status == 201
            stored.append((level, source, json.loads(body)["annotation"]))
    for _, _, uid in stored:
        for _ in range(2):
            assert http(web_archive, "GET", f"/annotations/{uid}") == 200
    for _, _, uid in stored:
        assert http(web_archive, "DELETE", f"/annotations/{uid}") == 204
    records = trail.wait("DICOM Instances Accessed", count=3 * len(stored))
    told = {(r.action, r.detail("Annotation")): r for r in records}
    assert set(told) == {(action, uid) for action in "CRD" for _, _, uid in stored} and len(told) == len(records)
    for action, (level, source, uid) in itertools.product("CRD", stored):
        record = told[action, uid]
        assert (record.studies, record.patients) == ([STUDY], [PATIENT]), level
        assert source in {"instance": [record.detail("Instance")], "series": [record.detail("Series")], "study": record.studies}[level]
        assert record.detail("Series") == (None if level == "study" else f"{STUDY}.1")
    http(web_archive, "GET", f"/annotations?uid={STUDY}.1&level=series")
    http(web_archive, "DELETE", "/annotations/1.2.3")
    rest = trail.wait("DICOM Instances Accessed", count=3 * len(stored) + 2)[-2:]
    listed, missing = sorted(rest, key=lambda r: r.outcome)
    assert (listed.action, listed.studies, listed.detail("Series"), listed.detail("Route")) == ("R", [STUDY], f"{STUDY}.1", "/annotations")
    assert (missing.action, missing.outcome, missing.detail("Annotation"), missing.studies) == ("D", 4, "1.2.3", [])
    # A level that is not said is that of what was found.
    post(web_archive, f"/annotations?uid={instance}&level=instance", b"text")
    http(web_archive, "GET", f"/annotations?uid={instance}")
    listed = trail.wait("DICOM Instances Accessed", count=3 * len(stored) + 4)[-1]
    assert (listed.detail("Route"), listed.studies, listed.patients, listed.detail("Instance")) == ("/annotations", [STUDY], [PATIENT], instance)


def test_user_identities_of_associations(stopped_archive):
    """PS3.7 D.3.3.7: who uses the peer is who did it."""
    trail, one = Trail(stopped_archive), Archived(stopped_archive, "accept")
    assert one.ask(PASSCODE, "reader", PASSWORD)[1] is True
    assert one.ask(PASSCODE, "reader", "wrong") == NOT_ACCEPTED
    login, failed = trail.wait("User Authentication", "Login", 2)
    assert (login.who, login.outcome, failed.outcome) == ("reader@127.0.0.1", 0, 4)
    association = QueryClient(stopped_archive.port, more=identity(PASSCODE, "reader", PASSWORD))
    association.find("STUDY", {0x00100020: ("LO", "SOMEBODY")})
    association.release()
    query, = trail.wait("Query")
    assert query.who == "reader@127.0.0.1" and query.people[0]["AlternativeUserID"] == "AETITLES=RAW"


def test_required_http_is_refused_while_it_cannot_be_written(stopped_archive, few, tmp_path):
    with small_disk(tmp_path / "small", 1) as disk:
        stopped_archive.set("api.start", True)
        stopped_archive.set("api.port", free_port())
        stopped_archive.set("api.dicomweb.start", True)
        stopped_archive.set("audit.path_folder", disk / "audit")
        stopped_archive.set("audit.required", True)
        archive = stopped_archive.start()
        assert http(archive, "GET", "/dicom-web/studies", None) == 204
        with open(disk / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(b"x" * 4096)
        wait_until(lambda: http(archive, "GET", f"/dicom-web/studies?PatientID={os.urandom(4).hex()}", None) == 503, 20, "the refusal")
        (disk / "ballast").unlink()
        wait_until(lambda: http(archive, "GET", "/dicom-web/studies", None) == 204, 20, "service again")
        archive.stop()
        Trail(archive, disk / "audit").assert_chained()


# -- commands --

def test_commands_that_touch_what_is_stored(archive, few, tmp_path):
    trail = Trail(archive)
    send(archive, few)
    archive.stop()
    who = archive.manage("audit", "show", "--event", "Start", "--json").stdout
    who = Record(json.loads(who)).who
    archive.manage("data", "delete", "study", STUDY, "--dry-run")
    archive.manage("data", "delete", "study", STUDY, "-f", "--reason", "by mistake")
    gone, = trail.records("DICOM Study Deleted")
    assert (gone.who, gone.studies, gone.detail("Instances"), gone.detail("Reason"), gone.outcome) == (who, [STUDY], "4", "by mistake", 0)
    archive.manage("data", "undelete", gone.detail("Batch"))
    back, = trail.records("DICOM Instances Accessed")
    assert back.action == "C" and back.ids("12") == [f"batch {gone.detail('Batch')}"]
    archive.manage("data", "export", tmp_path / "copy")
    exported, = trail.records("Export")
    assert exported.ids("12") == [str(tmp_path / "copy")] and exported.detail("Files") == "4"
    archive.manage("data", "index", "-d", few)
    assert trail.records("Import")[0].action == "C"
    archive.manage("database", "find", "study", "-a", "patientID", "-V", PATIENT)
    asked, = trail.records("Query")
    assert (asked.who, asked.patients, asked.detail("Matches")) == (who, [PATIENT], "1")
    archive.manage("users", "add", "anna", "--role", "read", "--no_password")
    user, = trail.records("Security Alert", "User Security Attributes Changed")
    assert (user.who, user.ids("110182"), user.detail("Role")) == (who, ["anna"], "read")
    failed = archive.manage("data", "delete", "study", "1.2.3", "-f", check=False)
    assert failed.returncode == 1 and trail.records("DICOM Instances Accessed")[-1].outcome == 8
    trail.assert_chained()


# -- syslog --

class Collector:
    """A syslog server: messages as they come, over UDP, TCP or TLS."""

    def __init__(self, way, context=None, port=0):
        self.way, self.context, self.messages = way, context, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if way == "udp" else socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        if way != "udp":
            self.socket.listen()
        self.socket.settimeout(0.2)
        self.port, self.ending = self.socket.getsockname()[1], False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.ending:
            try:
                if self.way == "udp":
                    self.messages.append(self.socket.recv(65536))
                else:
                    self.serve_stream(self.socket.accept()[0])
            except TimeoutError:
                pass

    def serve_stream(self, peer):
        if self.context:
            peer = self.context.wrap_socket(peer, server_side=True)
        peer.settimeout(0.2)
        data = b""
        while not self.ending:
            try:
                got = peer.recv(65536)
                if not got:
                    break
                data += got
            except TimeoutError:
                continue
            while b" " in data and len(data) > data.index(b" ") + int(data.split(b" ", 1)[0]):
                length, data = data.split(b" ", 1)
                self.messages.append(data[:int(length)])
                data = data[int(length):]
        peer.close()

    def close(self):
        self.ending = True
        self.thread.join()
        self.socket.close()

    def events(self):
        """(header, XML) of each."""
        out = []
        for message in self.messages:
            header, text = message.split(b"\xef\xbb\xbf", 1)
            out.append((header.decode(), ElementTree.fromstring(text)))
        return out


@pytest.fixture
def certificate(tmp_path):
    """CA and server in one: a file with certificate and key for 127.0.0.1."""
    path = tmp_path / "syslog.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=collector",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", tmp_path / "syslog.crt")
    path.write_text(path.read_text() + (tmp_path / "syslog.crt").read_text())
    return path


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
def test_syslog(stopped_archive, few, way, certificate):
    context = None
    if way == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        stopped_archive.set("audit.syslog.ca", certificate)
    collector = Collector(way, context)
    try:
        stopped_archive.set("audit.syslog.address", f"{way}://127.0.0.1:{collector.port}")
        archive = stopped_archive.start()
        send(archive, few)
        Trail(archive).wait("DICOM Instances Transferred")
        archive.stop()
        wait_until(lambda: len(collector.messages) == len(Trail(archive).lines()), 10, "all records")
        header, first = collector.events()[0]
        assert re.fullmatch(r"<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+ gantry \d+ DICOM\+RFC3881 - ", header), header
        assert first.tag == "AuditMessage" and first.find("EventIdentification/EventID").get("csd-code") == "110100"
        events = {m.find("EventIdentification/EventID").get("originalText"): m for _, m in collector.events()}
        moved = events["DICOM Instances Transferred"]
        assert [child.tag for child in moved] == ["EventIdentification", "ActiveParticipant", "ActiveParticipant", "AuditSourceIdentification",
                                                  "ParticipantObjectIdentification", "ParticipantObjectIdentification"]
        assert moved.find("EventIdentification").get("EventActionCode") == "C"
        assert moved.find("ActiveParticipant").get("UserIsRequestor") == "true"
        study = moved.find("ParticipantObjectIdentification")
        assert study.get("ParticipantObjectID") == STUDY
        assert base64.b64decode(study.find("ParticipantObjectDetail").get("value")) == b"4"
        assert study.find("ParticipantObjectDescription/SOPClass").get("NumberOfInstances") == "4"
    finally:
        collector.close()


def test_a_syslog_server_that_is_away_gets_all_later(stopped_archive, few):
    port = free_port()
    stopped_archive.set("audit.syslog.address", f"tcp://127.0.0.1:{port}")
    stopped_archive.set("audit.syslog.format", "json")
    stopped_archive.set("audit.file_bytes", 1500)
    archive = stopped_archive.start()
    trail = Trail(archive)
    send(archive, few)
    trail.wait("DICOM Instances Transferred")
    archive.stop()
    assert "wait for the syslog server 127.0.0.1" in (archive.folder / "log/pacs.log").read_text()
    collector = Collector("tcp", port=port)
    try:
        archive.start()
        archive.stop()
        wait_until(lambda: len(collector.messages) >= len(trail.lines()), 10, "all records")
        assert [m.split(b"\xef\xbb\xbf", 1)[1] for m in collector.messages] == trail.lines(), "in order, as they stand in the files"
    finally:
        collector.close()


def test_an_address_that_is_none(stopped_archive):
    for address in ("10.0.0.1", "udp://", "tcp://host:port", "tls://[::1", "http://host"):
        stopped_archive.set("audit.syslog.address", f"'{address}'")
        failed = stopped_archive.manage("runserver", check=False)
        assert failed.returncode == 1 and "is no address of a syslog server" in failed.stderr, address


# -- looking at it --

def test_show(archive, trail, few):
    send(archive, few)
    ask(archive, "PatientID=ELSE")
    trail.wait("Query")
    trail.wait("DICOM Instances Transferred")

    def shown(*arguments):
        return archive.manage("audit", "show", *arguments).stdout.splitlines()
    assert len(shown("--patient", PATIENT)) == 2 and len(shown("--study", STUDY)) == 2
    assert all("STORESCU@127.0.0.1" in line for line in shown("--user", "STORESCU"))
    assert len(shown("--user", "127.0.0.1", "--event", "query")) == 1
    assert shown("--since", "2h", "--event", "Application Start") and not shown("--until", "2h")
    assert not shown("--since", "2099-01-01") and shown("--since", "2020-01-01 12:00")
    assert not shown("--failures") and len(shown("--last", 2)) == 2
    line, = shown("--event", "transferred", "--json")
    assert json.loads(line)["EventIdentification"]["EventID"]["csd-code"] == "110104"
    used = trail.records("Audit Log Used")
    assert len(used) == 11 and used[0].patients == [PATIENT], "whoever looks is recorded, too"
    bad = archive.manage("audit", "show", "--since", "yesterday", check=False)
    assert bad.returncode == 2 and "90m, 12h, 7d" in bad.stderr
    trail.assert_chained()


# -- is it whole --

def test_verify_finds_what_was_changed_and_what_is_missing(archive, trail, few):
    send(archive, few)
    trail.wait("DICOM Instances Transferred")
    head = trail.verify().stdout.splitlines()[-1]
    archive.stop()
    assert "0 problems" in trail.verify("--head", head).stdout
    whole = trail.file.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damage, text in ((whole.replace(b"STORESCU", b"STORESCV", 1), ": what is before this line is not what it was"),
                         (b"".join(lines[:2] + lines[3:]), "records 3 to 3 are missing before this one"),
                         (b"".join(lines[:-1]), f"records {len(lines)} to {len(lines)} were cut off the end"),
                         (b"".join(lines[1:]), "records 1 to 1 are missing before this one"),
                         (whole[:-20] + b"-" * 19 + b"\n", "the line was changed"), (b"", "were cut off the end")):
        trail.file.write_bytes(damage)
        found = trail.verify(check=False)
        assert found.returncode == 1 and text in found.stdout, (text, found.stdout)
        assert json.loads(trail.verify("--json", check=False).stdout)["problems"] > 0
    # The server that comes next goes on, and the gap stays to be seen.
    trail.file.write_bytes(b"".join(lines[:-1]))
    archive.start()
    archive.stop()
    assert any("missing or were changed" in (r.why or "") for r in trail.records("Security Alert", "Audit Recording Stopped"))
    assert trail.verify(check=False).returncode == 1


def test_rotation(stopped_archive, few):
    stopped_archive.set("audit.file_bytes", 2000)
    archive = stopped_archive.start()
    trail = Trail(archive)
    for number in range(4):
        send(archive, few)
        trail.wait("DICOM Instances Transferred", count=number + 1)
    assert len(trail.files()) >= 3
    trail.assert_chained()
    assert "0 problems" in trail.verify().stdout


def test_server_and_commands_write_one_trail(archive, trail, few):
    """While the server records, commands do."""
    for number in range(6):
        send(archive, few)
        archive.manage("audit", "show", "--last", 1)
    trail.wait("DICOM Instances Transferred", count=6)
    assert len(trail.records("Audit Log Used")) == 6
    trail.assert_chained()
    assert "0 problems" in trail.verify().stdout


def test_a_server_that_is_killed(archive, trail, few):
    send(archive, few)
    trail.wait("DICOM Instances Transferred")
    archive.kill()
    with open(trail.file, "ab") as file:
        file.write(b'{"seq":99,"pr')  # as a crash may leave it
    archive.start()
    archive.stop()
    found = trail.verify()
    assert "0 problems" in found.stdout and "was cut short" in found.stdout


# -- when it cannot be written --

def test_a_full_disk_costs_records_and_no_service(stopped_archive, few, tmp_path):
    with small_disk(tmp_path / "small", 1) as disk:
        stopped_archive.set("audit.path_folder", disk / "audit")
        archive = stopped_archive.start()
        trail = Trail(archive, disk / "audit")
        trail.wait("Application Activity")
        (disk / "ballast").write_bytes(b"x" * 4096)
        with open(disk / "ballast", "ab", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(b"x" * 4096)
        send(archive, few)
        wait_until(lambda: "the audit trail cannot be written" in (archive.folder / "log/pacs.log").read_text(), 10, "the warning")
        send(archive, few)
        (disk / "ballast").unlink()
        trail.wait("DICOM Instances Transferred", count=2)
        archive.stop()
        trail.assert_chained()
        assert "0 problems" in trail.verify().stdout


def test_required_it_refuses_service_while_it_cannot_be_written(stopped_archive, few, tmp_path):
    with small_disk(tmp_path / "small", 1) as disk:
        stopped_archive.set("audit.path_folder", disk / "audit")
        stopped_archive.set("audit.required", True)
        archive = stopped_archive.start()
        trail = Trail(archive, disk / "audit")
        send(archive, few)
        with open(disk / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(b"x" * 4096)
        # What is left of the last page of the file may hold a few records more.
        statuses = []
        for number in range(40):
            given = attributes(StudyInstanceUID=f"1.2.3.{number}")
            association = Association(archive.port)
            statuses.append(association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)))
            association.release()
            if statuses[-1]:
                break
        assert statuses[-1] == 0xA700, statuses
        (disk / "ballast").unlink()

        def served():
            association = Association(archive.port)
            given = attributes(StudyInstanceUID="1.2.4")
            status = association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given))
            association.release()
            return status == 0
        wait_until(served, 15, "service again", step=0.2)
        archive.stop()
        trail.assert_chained()


def test_required_it_does_not_start_without(stopped_archive):
    (stopped_archive.folder / "log").mkdir(exist_ok=True)
    (stopped_archive.folder / "log/audit").write_text("in the way")
    failed = stopped_archive.manage("audit", "show", check=False)
    assert failed.returncode == 1
    stopped_archive.set("audit.required", True)
    failed = stopped_archive.manage("runserver", check=False)
    assert failed.returncode == 1 and "audit.required is on" in failed.stderr
    stopped_archive.set("audit.required", False)
    archive = stopped_archive.start()
    assert "nothing is recorded" in archive.server.output()
    assert os.path.isfile(archive.folder / "log/audit")
