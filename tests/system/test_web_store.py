# SPDX-License-Identifier: MIT
"""STOW-RS with metadata and bulk data: what is stored is what was sent, and what cannot be stored is said of each object."""
import copy
import json
import re
import uuid
import xml.etree.ElementTree as ET

import pydicom
import pytest
from make_dicom import make_image
from programs import ROOT, wait_until
from pydicom.encaps import generate_pixel_data_frame
from web import Web

DATA = ROOT / "tests/data"
EXPLICIT = "1.2.840.10008.1.2.1"
JSON, XML = "application/dicom+json", "application/dicom+xml"
MEDIA = {"1.2.840.10008.1.2.5": "image/dicom-rle", "1.2.840.10008.1.2.4.50": "image/jpeg", "1.2.840.10008.1.2.4.51": "image/jpeg",
         "1.2.840.10008.1.2.4.57": "image/jpeg", "1.2.840.10008.1.2.4.70": "image/jpeg", "1.2.840.10008.1.2.4.80": "image/jls",
         "1.2.840.10008.1.2.4.90": "image/jp2", "1.2.840.10008.1.2.4.91": "image/jp2", "1.2.840.10008.1.2.4.201": "image/jphc"}
STUDY = "1.2.826.0.1.3680043.10.1499.70"


@pytest.fixture
def web(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.start()
    return web


# -- requests --

def related(parts, kind=JSON):
    """The body and its type; a part is (headers, bytes)."""
    boundary = uuid.uuid4().hex
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), "\r\n".join(f"{k}: {v}" for k, v in headers.items()).encode(), data)
                    for headers, data in parts)
    return body + f"--{boundary}--\r\n".encode(), f'multipart/related; type="{kind}"; boundary={boundary}'


def metadata_part(metadata, kind=JSON):
    return {"Content-Type": kind}, metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()


def bulk_part(location, data, kind="application/octet-stream"):
    return {"Content-Type": kind, "Content-Location": location}, data


def store(web, parts, kind=JSON, path="/dicom-web/studies", **headers):
    body, content_type = related(parts, kind)
    return web.ask("POST", path, body, Content_Type=content_type, **headers)


def reasons(answer, sequence="00081198"):
    """{instance: failure reason} of the failed, or of the others."""
    return {item.get("00081155", {}).get("Value", [""])[0]: f'{item["00081197"]["Value"][0]:04X}'
            for item in answer.json().get(sequence, {}).get("Value", [])}


def image(number=1, **more):
    """Metadata of an image of 4 × 4 pixels."""
    out = {"00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]}, "00080018": {"vr": "UI", "Value": [f"{STUDY}.1.{number}"]},
           "00080060": {"vr": "CS", "Value": ["OT"]}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Änne"}]},
           "00100020": {"vr": "LO", "Value": ["META"]}, "0020000D": {"vr": "UI", "Value": [STUDY]},
           "0020000E": {"vr": "UI", "Value": [f"{STUDY}.1"]}, "00200013": {"vr": "IS", "Value": [number]},
           "00280002": {"vr": "US", "Value": [1]}, "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
           "00280010": {"vr": "US", "Value": [4]}, "00280011": {"vr": "US", "Value": [4]}, "00280100": {"vr": "US", "Value": [8]},
           "00280101": {"vr": "US", "Value": [8]}, "00280102": {"vr": "US", "Value": [7]}, "00280103": {"vr": "US", "Value": [0]},
           "7FE00010": {"vr": "OB", "BulkDataURI": f"pixels/{number}"}}
    out.update(more)
    return {tag: value for tag, value in out.items() if value is not None}


PIXELS = bytes(range(16))


def stored(web, instance):
    found = [path for path in web.archive.files() if path.name.startswith(instance)]
    assert len(found) == 1, found
    return pydicom.dcmread(found[0])


# -- there and back --

def elements(ds, path=()):
    """(path, element) of everything but group lengths, character sets and sequences themselves."""
    for element in ds:
        if element.tag.element == 0 or element.tag == 0x00080005:
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from elements(item, (*path, element.tag, number))
        else:
            yield (*path, element.tag), element


def value_of(element):
    value = element.value
    if isinstance(value, bytes):
        return value + b"\0" * (len(value) % 2)
    if element.VR in ("DS", "FL", "FD"):
        return [float(one) for one in (value if element.VM > 1 else [value] if element.VM else [])]
    if element.VR == "PN":
        return [str(one).rstrip("=").rstrip("^") for one in (value if element.VM > 1 else [value])]
    if isinstance(value, str) or value is None:
        return (value or "").rstrip(" \0\r\n") if element.VR in ("LT", "ST", "UT") else (value or "").strip(" \0")
    return [str(one).strip(" ") for one in value] if element.VM > 1 else value


def is_compressed(ds):
    return ds.file_meta.TransferSyntaxUID not in (EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")


def frames_of(ds):
    return [frame.rstrip(b"\0") for frame in generate_pixel_data_frame(ds.PixelData, int(ds.get("NumberOfFrames", 1) or 1))]


def check_same(original, copy_):
    first, second = dict(elements(original)), dict(elements(copy_))
    assert list(first) == list(second)
    for path, element in first.items():
        if path == (0x7FE00010,) and is_compressed(original):
            assert frames_of(original) == frames_of(copy_)
        else:
            assert value_of(element) == value_of(second[path]), (path, element.VR)


def raw_value(ds, path):
    """The bytes of the element that a BulkDataURI leads to."""
    *outer, last = re.search(r"bulkdata/(.+)$", path)[1].split("/")
    for tag, number in zip(outer[::2], outer[1::2]):
        ds = ds[int(tag, 16)].value[int(number)]
    value = ds[int(last, 16)].value
    return value if isinstance(value, bytes) else value.encode()


def bulk_parts(original, uris, says_syntax):
    syntax = original.file_meta.TransferSyntaxUID
    for uri in uris:
        if uri.endswith("/7FE00010") and is_compressed(original):
            kind = MEDIA[syntax] + (f"; transfer-syntax={syntax}" if says_syntax else "")
            for frame in generate_pixel_data_frame(original.PixelData, int(original.get("NumberOfFrames", 1) or 1)):
                yield bulk_part(uri, frame, kind)
        else:
            yield bulk_part(uri, raw_value(original, uri))


def uris_of(metadata):
    for value in metadata.values():
        if "BulkDataURI" in value:
            yield value["BulkDataURI"]
        for item in value.get("Value", []) if value["vr"] == "SQ" else []:
            yield from uris_of(item)


def only_part(answer):
    boundary = re.search(r"boundary=\"?([^\";]+)", answer.headers["Content-Type"])[1]
    return answer.body.split(f"--{boundary}".encode())[1].split(b"\r\n\r\n", 1)[1][:-2]


FILES = ("pydicom/test_files/CT_small.dcm", "pydicom/test_files/MR_small.dcm", "pydicom/test_files/rtplan.dcm", "pydicom/test_files/test-SR.dcm",
         "pydicom/charset_files/chrH31.dcm", "pydicom-data/OBXXXX1A_rle_2frame.dcm", "highdicom/sm_image_jpegls.dcm",
         "pydicom-data/JPGLosslessP14SV1_1s_1f_8b.dcm", "pydicom-data/MR2_J2KI.dcm", "pydicom-data/HTJ2KLossless_08_RGB.dcm",
         "pydicom-data/SC_rgb_2frame.dcm", "pydicom-data/emri_small_jpeg_2k_lossless.dcm", "highdicom/seg_image_ct_binary.dcm",
         "cornerstone3d/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm")


@pytest.mark.asan
@pytest.mark.parametrize("kind", [JSON, XML])
def test_metadata_and_bulk_data_make_the_same_object(web, kind):
    for name in FILES:
        original = pydicom.dcmread(DATA / name)
        web.ask("POST", "/dicom-web/studies", (DATA / name).read_bytes(), Content_Type="application/dicom")
        study, series = (original.get(uid, original.SOPInstanceUID) for uid in ("StudyInstanceUID", "SeriesInstanceUID"))
        address = f"/dicom-web/studies/{study}/series/{series}/instances/{original.SOPInstanceUID}"
        if kind == JSON:
            metadata = web.get(address + "/metadata", Accept=JSON).json()
            uris = list(uris_of(metadata[0]))
        else:
            metadata = only_part(web.get(address + "/metadata", Accept=f'multipart/related; type="{XML}"'))
            uris = [e.get("uri") for e in ET.fromstring(metadata).iter() if e.tag.endswith("BulkData")]
        lossy = original.file_meta.TransferSyntaxUID in ("1.2.840.10008.1.2.4.91",)
        answer = store(web, [metadata_part(metadata, kind), *bulk_parts(original, uris, lossy)], kind)
        assert answer.status == 200, (name, answer.body, web.archive.server.output()[-500:])
        copy_ = stored(web, original.SOPInstanceUID)
        syntax = original.file_meta.TransferSyntaxUID
        assert copy_.file_meta.TransferSyntaxUID == (syntax if is_compressed(original) else EXPLICIT), name
        assert copy_.SpecificCharacterSet == "ISO_IR 192"
        check_same(original, copy_)


def test_several_instances_in_one_request(web):
    metadata = [image(1), image(2, **{"00280010": {"vr": "US", "Value": [8]}}), image(3, **{"7FE00010": {"vr": "OB", "InlineBinary": "AAECAwQFBgcICQoLDA0ODw=="}})]
    answer = store(web, [metadata_part(metadata), bulk_part("pixels/2", PIXELS * 2), bulk_part("pixels/1", PIXELS)])
    assert answer.status == 200 and answer.headers["Content-Type"] == JSON
    assert [item["00081155"]["Value"][0] for item in answer.json()["00081199"]["Value"]] == [f"{STUDY}.1.{n}" for n in (1, 2, 3)]
    assert answer.json()["00081190"]["Value"][0].endswith(f"/dicom-web/studies/{STUDY}")
    first = stored(web, f"{STUDY}.1.1")
    assert first.PixelData == PIXELS and str(first.PatientName) == "Müller^Änne"
    assert stored(web, f"{STUDY}.1.2").PixelData == PIXELS * 2 and stored(web, f"{STUDY}.1.3").PixelData == PIXELS
    found = web.get(f"/dicom-web/studies/{STUDY}/instances").json()
    assert len(found) == 3 and not web.archive.unfinished()


def test_xml_is_a_part_for_each_instance(web):
    def document(number, more=""):
        uids = {"00080016": "1.2.840.10008.5.1.4.1.1.7", "00080018": f"{STUDY}.1.{number}", "0020000D": STUDY, "0020000E": f"{STUDY}.1"}
        body = "".join(f'<DicomAttribute tag="{tag}" vr="UI"><Value number="1">{uid}</Value></DicomAttribute>' for tag, uid in uids.items())
        return f'<NativeDicomModel>{body}<DicomAttribute tag="7FE00010" vr="OB"><BulkData uri="cid:{number}@x"/></DicomAttribute>{more}</NativeDicomModel>'.encode()
    parts = [metadata_part(document(1), XML), metadata_part(document(2), XML)]
    parts += [({"Content-Type": "application/octet-stream", "Content-ID": f"<{n}@x>"}, PIXELS) for n in (1, 2)]
    answer = store(web, parts, XML, Accept=XML)
    assert answer.status == 200 and answer.headers["Content-Type"] == XML
    assert stored(web, f"{STUDY}.1.2").PixelData == PIXELS
    bomb = b'<!DOCTYPE n [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><NativeDicomModel>&b;</NativeDicomModel>'
    assert store(web, [metadata_part(bomb, XML)], XML).status == 409
    assert store(web, [metadata_part(document(3, "<Value>1</Value>"), XML), *parts[2:]], XML).status == 409
    assert len(web.archive.files()) == 2


def test_metadata_alone_and_without_a_named_type(web):
    plain = image(1, **{"7FE00010": None})
    assert web.ask("POST", "/dicom-web/studies", json.dumps([plain]).encode(), Content_Type=JSON).status == 200
    boundary = b"--b\r\nContent-Type: application/dicom+json\r\n\r\n" + json.dumps(image(2)).encode()
    boundary += b"\r\n--b\r\nContent-Location: pixels/2\r\n\r\n" + PIXELS + b"\r\n--b--\r\n"
    assert web.ask("POST", f"/dicom-web/studies/{STUDY}", boundary, Content_Type="multipart/related; boundary=b").status == 200
    assert stored(web, f"{STUDY}.1.2").PixelData == PIXELS


# -- transfer syntaxes --

def jpeg_frames():
    ds = pydicom.dcmread(DATA / "cornerstone3d/CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm")
    return frames_of(ds)[0]


@pytest.mark.parametrize("kind, said, syntax", [
    ("image/jpeg", None, "1.2.840.10008.1.2.4.50"),
    ("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.51", None, "1.2.840.10008.1.2.4.51"),
    ("image/jpeg", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.51"),
    ("image/jpeg", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"),
    ('application/octet-stream; transfer-syntax="1.2.840.10008.1.2.4.50"', None, "1.2.840.10008.1.2.4.50"),
    ("application/octet-stream", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.50"),
])
@pytest.mark.parametrize("tag", ["00020010", "00083002"])
def test_the_transfer_syntax_of_compressed_pixel_data(web, kind, said, syntax, tag):
    frame = jpeg_frames()
    metadata = image(1, **{"00280008": {"vr": "IS", "Value": [3]}, "7FE00001": {"vr": "OV", "InlineBinary": "AAAAAAAAAAA="}})
    if said:
        metadata[tag] = {"vr": "UI", "Value": [said]}
    answer = store(web, [metadata_part([metadata]), *[bulk_part("pixels/1", frame + bytes(n), kind) for n in range(3)]])
    assert answer.status == 200, answer.body
    ds = stored(web, f"{STUDY}.1.1")
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert 0x00083002 not in ds and 0x7FE00001 not in ds and 0x00020010 not in ds
    assert frames_of(ds) == [frame.rstrip(b"\0")] * 3 and len(ds.PixelData) > 3 * len(frame)
    got = web.get(f"/dicom-web/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1/frames/2",
                  Accept="multipart/related; type=\"application/octet-stream\"; transfer-syntax=*")
    assert got.status == 200 and frame.rstrip(b"\0") in got.body


def test_decoded_pixel_data_of_a_compressed_object_is_stored_as_it_comes(web):
    metadata = image(1, **{"00083002": {"vr": "UI", "Value": ["1.2.840.10008.1.2.4.90"]}})
    assert store(web, [metadata_part([metadata]), bulk_part("pixels/1", PIXELS)]).status == 200
    ds = stored(web, f"{STUDY}.1.1")
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT and ds.PixelData == PIXELS


@pytest.mark.parametrize("kind, data, reason", [
    ("image/jpeg", PIXELS, "C000"),
    ("image/png", b"\x89PNG", "C122"),
    ("application/pdf", PIXELS, "C122"),
    ("application/octet-stream; transfer-syntax=1.2.3", PIXELS, "C122"),
    ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.94", PIXELS, "C122"),
    ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.2", PIXELS, "C122"),
    ("image/jpeg; transfer-syntax=1.2.840.10008.1.2.1", b"\xff\xd8", "C122"),
    ("image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90", b"\0\0\0\x0cjP  ", "C000"),
    ("application/octet-stream", PIXELS[:15], "C000"),
    ("application/octet-stream", b"", "C000"),
])
def test_pixel_data_that_cannot_be(web, kind, data, reason):
    answer = store(web, [metadata_part([image(1)]), bulk_part("pixels/1", data, kind)])
    assert answer.status == 409 and reasons(answer) == {f"{STUDY}.1.1": reason}
    assert not web.archive.files() and not web.archive.unfinished()


# -- what is wrong with one object --

def test_each_object_has_a_result_of_its_own(web):
    def uid(text):
        return {"vr": "UI", "Value": [text]}
    nested = {"vr": "SQ", "Value": [{"00091010": {"vr": "OB", "BulkDataURI": "nested"}}]}
    metadata = [
        image(1, **{"00081140": nested}),
        image(2, **{"7FE00010": {"vr": "OB", "BulkDataURI": "missing"}}),
        image(3, **{"0020000D": uid(STUDY + ".9")}),
        image(4, **{"00080016": None}),
        image(5, **{"00080018": None}),
        image(6, **{"00081140": {"vr": "SQ", "BulkDataURI": "nested"}}),
        image(7, **{"00091001": {"vr": "OB", "BulkDataURI": "twice"}}),
        image(8, **{"7FE00010": {"vr": "OB", "BulkDataURI": "http://127.0.0.1:1/pixels"}}),
        image(9, **{"00280008": {"vr": "IS", "Value": [2]}, "7FE00010": {"vr": "OB", "BulkDataURI": "pixels/9"}}),
    ]
    parts = [metadata_part(metadata), bulk_part("nested", b"odd"), *[bulk_part(f"pixels/{n}", PIXELS) for n in (1, 3, 4, 5, 6, 7)],
             bulk_part("twice", b"1"), bulk_part("twice", b"2"), bulk_part("pixels/9", jpeg_frames(), "image/jpeg"),
             bulk_part("of/nobody", b"1"), bulk_part("of/nobody/else", b"1")]
    answer = store(web, parts, path=f"/dicom-web/studies/{STUDY}")
    assert answer.status == 202
    assert [item["00081155"]["Value"][0] for item in answer.json()["00081199"]["Value"]] == [f"{STUDY}.1.1"]
    assert reasons(answer) == {f"{STUDY}.1.{n}": reason for n, reason in ((2, "C000"), (3, "A900"), (4, "C000"), (6, "C000"), (7, "C000"), (8, "C000"), (9, "C000"))}
    others = [item["00081197"]["Value"][0] for item in answer.json()["0008119A"]["Value"]]
    assert others == [0xC000] * 2  # without UID, parts of nobody
    assert stored(web, f"{STUDY}.1.1")[0x00081140][0][0x00091010].value == b"odd\0"
    assert len(web.archive.files()) == 1 and not web.archive.unfinished()
    log = (web.archive.folder / "log").rglob("*.log")
    text = "".join(path.read_text() for path in log)
    assert "refers to none of 2 of the 12 parts" in text and "Müller" not in text


def test_metadata_that_cannot_be_read_is_a_matter_of_its_object(web):
    metadata = [image(1, **{"00280010": {"vr": "US", "Value": ["four"]}}), 7, image(2)]
    answer = store(web, [metadata_part(metadata), bulk_part("pixels/1", PIXELS), bulk_part("pixels/2", PIXELS)])
    assert answer.status == 202 and reasons(answer) == {f"{STUDY}.1.1": "C000"}
    assert reasons(answer, "0008119A") == {"": "C000"}
    assert stored(web, f"{STUDY}.1.2").PixelData == PIXELS


@pytest.mark.parametrize("parts, status, says", [
    ([bulk_part("pixels/1", PIXELS), metadata_part([image(1)])], 400, "first part must be the metadata"),
    ([metadata_part([image(1)]), metadata_part([image(2)])], 400, "second part with metadata"),
    ([metadata_part(b"[{")], 400, "ends early"),
    ([metadata_part(b"{" * 1000)], 413, "nested"),
    ([metadata_part([])], 400, "no object"),
    ([metadata_part([image(1)]), ({"Content-Location": "pixels/1", "Content-Transfer-Encoding": "base64"}, b"AAAA")], 400, "encoded"),
    ([metadata_part(b"[" + b" " * (17 << 20) + b"]")], 413, "larger than 16 MiB"),
])
def test_requests_that_are_refused_as_a_whole(web, parts, status, says):
    answer = store(web, parts)
    assert answer.status == status and says in answer.problem()
    assert not web.archive.files() and not web.archive.unfinished()


def test_a_body_that_breaks_off_stores_nothing(web):
    body, content_type = related([metadata_part([image(1)]), bulk_part("pixels/1", PIXELS)])
    answer = web.ask("POST", "/dicom-web/studies", body[:-20], Content_Type=content_type)
    assert answer.status == 400 and "closing boundary" in answer.problem()
    with web.connect() as sock:
        sock.sendall(b"POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: " + content_type.encode()
                     + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-30])
    assert not web.archive.files()
    wait_until(lambda: not web.archive.unfinished(), what="nothing is left")
    assert web.get("/health").status == 200


def test_a_large_request_is_not_held_in_memory(web):
    rows = {"vr": "US", "Value": [8192]}
    metadata = [image(n, **{"00280010": rows, "00280011": rows}) for n in (1, 2)]
    pixels = bytes(8192 * 8192)
    before = web.resident()
    assert store(web, [metadata_part(metadata), bulk_part("pixels/1", pixels), bulk_part("pixels/2", pixels)]).status == 200
    assert web.resident() - before < 64 << 20
    assert len(web.archive.files()) == 2


# -- what else is said --

def test_unknown_parameters_are_ignored_with_a_warning(web):
    answer = store(web, [metadata_part([image(1)]), bulk_part("pixels/1", PIXELS)], path="/dicom-web/studies?colour=blue")
    assert answer.status == 200 and "ignored" in answer.headers["Warning"]
    assert "Warning" not in store(web, [metadata_part([image(1)]), bulk_part("pixels/1", PIXELS)]).headers


def test_types_that_are_no_store_request(web):
    for kind in ('multipart/related; type="text/plain"; boundary=b', "text/plain", f'multipart/related; type="{JSON}"', "application/json"):
        answer = web.ask("POST", "/dicom-web/studies", b"x", Content_Type=kind)
        assert answer.status == 415 and JSON in answer.headers["Accept-Post"], kind


def test_another_object_that_stays_is_a_warning(stopped_archive, tmp_path):
    stopped_archive.set("duplicates", "keep_first")
    web = Web(stopped_archive)
    stopped_archive.start()
    parts = [metadata_part([image(1)]), bulk_part("pixels/1", PIXELS)]
    assert [store(web, parts).status for _ in range(2)] == [200, 200]
    other = copy.deepcopy(parts)
    other[1] = bulk_part("pixels/1", PIXELS[::-1])
    answer = store(web, other)
    assert answer.status == 202
    item = answer.json()["00081199"]["Value"][0]
    assert item["00081196"]["Value"] == [0xB000] and item["00081155"]["Value"] == [f"{STUDY}.1.1"]
    assert stored(web, f"{STUDY}.1.1").PixelData == PIXELS


def test_the_journal_the_console_and_the_figures_know_what_came(stopped_archive, tmp_path):
    stopped_archive.set("log.create_file_uid", True)
    web = Web(stopped_archive)
    stopped_archive.start()
    make_image(tmp_path / "one.dcm", PatientID="F", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.2", SOPInstanceUID=f"{STUDY}.2.1")
    assert web.ask("POST", "/dicom-web/studies", (tmp_path / "one.dcm").read_bytes(), Content_Type="application/dicom").status == 200
    assert store(web, [metadata_part([image(1), image(2)]), bulk_part("pixels/1", PIXELS)]).status == 202
    figures = web.get("/metrics").body.decode()
    assert 'gantry_ingest_objects_total{outcome="stored"} 2' in figures
    journal = "".join(path.read_text() for path in (stopped_archive.folder / "log").iterdir() if "uid" in path.name.lower())
    assert f"{STUDY} | {STUDY}.1 | {STUDY}.1.1\n" in journal and f"{STUDY} | {STUDY}.2 | {STUDY}.2.1\n" in journal
    assert f"{STUDY}.1.2" not in journal
    wait_until(lambda: stopped_archive.server.output().count("CURRENT SCP STOW ASSOC") == 3, what="the rest is shown a second later")
    assert "final_status\t\t: 0xc000" in stopped_archive.server.output()
