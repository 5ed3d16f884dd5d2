# SPDX-License-Identifier: MIT
"""C-STORE SCP: every storage class and every transfer syntax of data/dicom, and what is refused with which status (DCM-01 to DCM-03, DCM-21)."""
import csv
import os
import struct
import zlib

import pytest
from archive import Archive
from dimse import Association, command, implicit, p_data
from make_dicom import LONG_VRS, SECONDARY_CAPTURE, attributes, data_set, uid
from part10 import read_folder
from programs import ROOT
from query import STUDY_ROOT, QueryClient, role
from test_rows_query import STUDY


def rows(name):
    with open(ROOT / "data/dicom" / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


DICOMDIR = "1.2.840.10008.1.3.10"  # lives on media only, PS3.10: no C-STORE
# Not encodings of a data set: e-mail, XML, live video and sound over RTP (PS3.22), and a vendor's file format of 1994.
NO_DATA_SETS = ("1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.2.7.1", "1.2.840.10008.1.2.7.2", "1.2.840.10008.1.2.7.3",
                "1.2.840.10008.1.20")
CLASSES = [row["uid"] for row in rows("sop_classes.csv") if row["storage"] == "Y" and row["uid"] != DICOMDIR]
SYNTAXES = {row["uid"]: row for row in rows("uids.csv") if row["type"] == "Transfer Syntax" and row["uid"] not in NO_DATA_SETS}
IN_128 = 128  # presentation contexts of an association


def test_the_tables_are_what_the_tests_think():
    assert len(CLASSES) > 150 and len(SYNTAXES) > 50
    assert "1.2.840.10008.5.1.4.1.1.2" in CLASSES and "1.2.840.10008.1.2.4.201" in SYNTAXES


def test_every_storage_class_is_stored(archive):
    stored = {}
    for at in range(0, len(CLASSES), IN_128):
        part = CLASSES[at:at + IN_128]
        association = Association(archive.port, contexts={2 * n + 1: (sop_class, "1.2.840.10008.1.2.1") for n, sop_class in enumerate(part)})
        refused = [part[number // 2] for number, result in association.results.items() if result]
        assert not refused
        for n, sop_class in enumerate(part):
            given = attributes(SOPClassUID=sop_class)
            stored[given["SOPInstanceUID"]] = data_set(given)
            assert association.store(sop_class, given["SOPInstanceUID"], stored[given["SOPInstanceUID"]], context=2 * n + 1) == 0, sop_class
        association.release()
    assert {instance: one.data for instance, one in read_folder(archive.data).items()} == stored


def in_syntax(given, row):
    """The data set as the syntax has it; encapsulated ones with two fragments that are no image at all."""
    endian = ">" if row["ts_endian"] == "big" else "<"
    plain = data_set(given)
    out, at = b"", 0
    while at < len(plain):
        group, element = struct.unpack_from("<HH", plain, at)
        vr = plain[at + 4:at + 6]
        long = vr.decode() in LONG_VRS
        length = struct.unpack_from("<I" if long else "<H", plain, at + (8 if long else 6))[0]
        start = at + (12 if long else 8)
        out += struct.pack(endian + "HH", group, element)
        if row["ts_explicit"] == "N":
            out += struct.pack("<I", length)
        else:
            out += vr + (struct.pack(endian + "HI", 0, length) if long else struct.pack(endian + "H", length))
        out += plain[start:start + length]
        at = start + length
    if row["ts_encapsulated"] == "Y":
        items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in (b"", os.urandom(64), os.urandom(10)))
        out += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    if row["ts_deflated"] == "Y":
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        out = deflate.compress(out) + deflate.flush()
        out += b"\0" * (len(out) % 2)
    return out


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("syntaxes")).start()
    yield archive
    archive.stop()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_syntax_is_stored_byte_for_byte_and_comes_out_so(shared, syntax):
    """What lies in the file is what came; and C-GET gives the same bytes to a peer that takes the syntax."""
    given = attributes()
    data = in_syntax(given, SYNTAXES[syntax])
    association = Association(shared.port, contexts={3: (SECONDARY_CAPTURE, syntax)})
    assert association.results == {3: 0}
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data) == 0
    association.release()
    one = read_folder(shared.data)[given["SOPInstanceUID"]]
    assert (one.syntax, one.data) == (syntax, data)
    client = GetClient(shared.port, syntax)
    _, objects, final = client.get("STUDY", {STUDY: ("UI", given["StudyInstanceUID"])})
    client.release()
    assert final.status == 0
    (_, received), = objects
    assert received == data


class GetClient(QueryClient):
    """A C-GET client that takes one syntax."""

    def __init__(self, port, syntax):
        self.model, self.waiting = STUDY_ROOT, b""
        Association.__init__(self, port, contexts={5: (STUDY_ROOT + ".3", "1.2.840.10008.1.2.1"), 7: (SECONDARY_CAPTURE, syntax)},
                             more=role(SECONDARY_CAPTURE, 0, 1))


def test_one_association_may_carry_many_syntaxes(archive):
    contexts = {1 + 2 * n: (SECONDARY_CAPTURE, syntax) for n, syntax in enumerate(SYNTAXES)}
    association = Association(archive.port, contexts=contexts)
    for number, (_, syntax) in contexts.items():
        given = attributes()
        assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], in_syntax(given, SYNTAXES[syntax]), context=number) == 0
    association.release()
    assert {one.syntax for one in read_folder(archive.data).values()} == set(SYNTAXES)


def test_what_is_no_encoding_of_a_data_set_is_not_accepted(archive):
    contexts = {1 + 2 * n: (SECONDARY_CAPTURE, syntax) for n, syntax in enumerate(NO_DATA_SETS)}
    association = Association(archive.port, contexts={**contexts, 99: (DICOMDIR, "1.2.840.10008.1.2.1")})
    assert association.results == {**dict.fromkeys(contexts, 4), 99: 3}
    association.release()


def test_a_syntax_nobody_knows_is_not_accepted_alone(archive):
    association = Association(archive.port, contexts={1: (SECONDARY_CAPTURE, "1.2.3.4"), 3: (SECONDARY_CAPTURE, "1.2.3.4", "1.2.840.10008.1.2"),
                                                     5: ("1.2.3.4.5", "1.2.840.10008.1.2"), 7: ("1.2.840.10008.5.1.1.9", "1.2.840.10008.1.2")})
    assert association.results == {1: 4, 3: 0, 5: 3, 7: 3}
    association.release()


MISSING = [  # left out, the status
    ("SOPInstanceUID", (0xA900, 0xC000)), ("SOPClassUID", (0x0000, 0xA900, 0xC000)), ("StudyInstanceUID", (0x0000, 0xC000, 0xA900)),
    ("SeriesInstanceUID", (0x0000, 0xC000, 0xA900)), ("PatientID", (0x0000,)),
]


@pytest.mark.parametrize("left_out, statuses", MISSING)
def test_objects_without_an_identifier(archive, left_out, statuses):
    """Each has one true answer: stored and to be fetched, or refused and not there (fault B7; PS3.4 B.2.3)."""
    given = attributes(**{left_out: None})
    instance = given.get("SOPInstanceUID", uid(8, 1))
    association = Association(archive.port)
    status = association.store(SECONDARY_CAPTURE, instance, data_set(given))
    assert status in statuses, hex(status)
    assert len(archive.files()) == (status == 0)
    if status == 0:
        client = QueryClient(archive.port, storage=[SECONDARY_CAPTURE])
        answers, _ = client.find("IMAGE", {0x00080018: ("UI", instance)})
        assert len(answers) == 1
        client.release()
    association.release()
    assert not archive.unfinished()


def test_a_refusal_says_why(archive):
    """The error comment of the response, for the sender's log (PS3.7 C.4)."""
    association = Association(archive.port)
    association.begin_store(SECONDARY_CAPTURE, uid(8, 2))
    association.sock.sendall(p_data(3, data_set(attributes()), False))
    response = association.read_response()
    assert response[0x00000900] == 0xA900
    assert "SOP Instance UID" in response[0x00000902] or "instance" in response[0x00000902].lower()
    association.release()


def test_requests_one_after_the_other_without_waiting(archive):
    """A peer that asks for a window of operations may send several before the first response (PS3.7 D.3.3.3)."""
    window = struct.pack(">BBHHH", 0x53, 0, 4, 8, 8)
    association = Association(archive.port, more=window)
    answered = dict(association.user_items)[0x53]
    invoked, performed = struct.unpack(">HH", answered)
    assert 1 <= invoked <= 8 and performed >= 1
    sent = []
    for n in range(min(invoked, 4)):
        given = attributes()
        sent.append(given["SOPInstanceUID"])
        association.begin_store(SECONDARY_CAPTURE, sent[-1])
        association.sock.sendall(p_data(3, data_set(given), False))
    responses = [association.read_response() for _ in sent]
    assert [(r[0x00000120], r[0x00000900]) for r in responses] == [(n + 1, 0) for n in range(len(sent))]
    association.release()
    assert set(read_folder(archive.data)) == set(sent)


def test_operations_that_no_service_has(archive):
    """N-GET and the like: 0211 unrecognised operation; the association goes on (DCM-22)."""
    association = Association(archive.port)
    association.sock.sendall(p_data(1, command({0x00000003: "1.2.840.10008.1.1", 0x00000100: 0x0110, 0x00000110: 5, 0x00000800: 0x0101,
                                                0x00001001: "1.2.3"}), True))
    assert association.read_response()[0x00000900] == 0x0211
    assert association.echo() == 0
    association.release()
    assert implicit(0x00000900, b"\0\0")


def test_long_and_odd_values_lose_nothing(archive):
    """Fault B9: one value too long for its column lost a batch of up to 10,000 objects."""
    given = attributes(Modality="MODALITY_TOO_LONG_FOR_CS", StudyDescription="x" * 5000, StudyDate="yesterday", SeriesNumber="99999999999999",
                       InstanceNumber="one", PatientName="N" * 500, PatientSex="unknown to all of us")
    association = Association(archive.port)
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0
    other = attributes()
    assert association.store(SECONDARY_CAPTURE, other["SOPInstanceUID"], data_set(other)) == 0
    association.release()
    client = QueryClient(archive.port)
    assert len(client.find("STUDY", {STUDY: ("UI", "")})[0]) == 2
    client.release()
