# SPDX-License-Identifier: MIT
"""The audit trail: what is recorded of whom, that changes show, and what happens when it cannot be written."""
import json
import os
import re

import pytest
from audit import Trail
from dimse import VERIFICATION, Association, Rejected
from make_dicom import SECONDARY_CAPTURE, attributes, data_set, make_image
from programs import run, wait_until
from test_rows_disk import small_disk

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
