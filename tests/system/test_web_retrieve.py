# SPDX-License-Identifier: MIT
"""Every object of tests/data fetched over HTTP: files, ZIP archives, metadata, frames and bulk data are what the files are.

pydicom, DCMTK and GDCM are the judges.
"""
import base64
import concurrent.futures
import http.client
import io
import logging
import math
import struct
import types
import urllib.parse
import warnings
import xml.etree.ElementTree as tree
import zipfile

import pydicom
import pytest
from make_dicom import make, make_image, uid
from part10 import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, parse, read
from programs import run
from pydicom.encaps import encapsulate, generate_pixel_data_frame
from web import Web

RLE, BASELINE, LOSSLESS_JPEG, JPEG_LS, JPEG_2000 = ("1.2.840.10008.1.2." + tail for tail in ("5", "4.50", "4.70", "4.80", "4.90"))
VIDEO = "1.2.840.10008.1.2.4.10"
PARTS = 'multipart/related; type="application/dicom"; transfer-syntax=%s'
FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=%s'

logging.getLogger("pydicom").setLevel(logging.CRITICAL)
pytestmark = pytest.mark.filterwarnings("ignore")


def open_file(source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(source, force=True)


def by_level(web, level):
    groups = {}
    for one in web.objects:
        groups.setdefault(getattr(one, level), []).append(one)
    return groups


# -- files --

def test_every_object_as_it_is_stored(data_web):
    assert len(data_web.objects) > 300
    for one in data_web.objects:
        part, = data_web.get(one.url, Accept=PARTS % "*").parts("application/dicom")
        assert part.syntax == one.syntax and part.headers["Content-Type"].startswith("application/dicom;")
        assert parse(part.body).data == read(one.path).data, one
        single = data_web.get(one.url, Accept="application/dicom; transfer-syntax=*")
        assert single.headers["Content-Type"].startswith("application/dicom") and single.body == part.body, one


@pytest.mark.parametrize("level", ["study_url", "series_url"])
def test_every_study_and_series_as_it_is_stored(level, data_web):
    for url, objects in by_level(data_web, level).items():
        parts = data_web.get(url, Accept=PARTS % "*").parts("application/dicom")
        assert sorted(parse(part.body).data for part in parts) == sorted(read(one.path).data for one in objects), url


@pytest.mark.parametrize("root", ["/dicom-web", "/wadors"])
def test_zip_archives(root, data_web):
    """Of each level. What was asked for is in it once, under its UIDs, and intact."""
    for study, objects in by_level(data_web, "study").items():
        answer = data_web.get(f"{root}/studies/{study}", Accept="application/zip")
        assert answer.headers["Content-Type"] == "application/zip" and 'filename="' in answer.headers["Content-Disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            assert archive.testzip() is None
            assert sorted(archive.namelist()) == sorted(f"{one.study}/{one.series}/{one.instance}.dcm" for one in objects)
            for one in objects:
                assert parse(archive.read(f"{one.study}/{one.series}/{one.instance}.dcm")).data == read(one.path).data, one
    one = data_web.objects[0]
    for url in (one.series_url, one.url):
        with zipfile.ZipFile(io.BytesIO(data_web.get(url + "?accept=application/zip").body)) as archive:
            assert any(one.instance in name for name in archive.namelist())


# -- conversions --

JPEGS = [f"1.2.840.10008.1.2.4.{tail}" for tail in (50, 51, 57, 70)]
TOOLS = {IMPLICIT: ["dcmconv", "+te"], BIG_ENDIAN: ["dcmconv", "+te"], DEFLATED: ["dcmconv", "+te"], RLE: ["dcmdrle", "+te"],
         JPEG_LS: ["dcmdjpls", "+te"], "1.2.840.10008.1.2.4.81": ["dcmdjpls", "+te"], **{syntax: ["dcmdjpeg", "+te"] for syntax in JPEGS},
         JPEG_2000: ["gdcmconv", "--raw"], "1.2.840.10008.1.2.4.91": ["gdcmconv", "--raw"]}
# The lossy process of 12 bits: decoders may round differently.
ROUNDED = {"1.2.840.10008.1.2.4.51"}
# The stream says YCbCr, the attribute RGB: DCMTK believes the attribute.
COLOURS = {"example.dcm", "example2.dcm", "example-mg.dcm"}
# One bit for a pixel, which those tools do not take; and files that they cannot read.
NO_REFERENCE = {"example3.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "liver_j2k.dcm", "liver_nonbyte_aligned_j2k.dcm", "liver_rle.dcm", "liver_nonbyte_aligned_rle.dcm", "SC_rgb_jpeg.dcm", "JLSL_08_07_0_1F.dcm"}


def converted(one, folder):
    """The object in explicit VR little endian, by somebody else's hand."""
    if one.syntax == EXPLICIT:
        return open_file(one.path)
    target = folder / f"{abs(hash(one.path))}.dcm"
    run(*TOOLS[one.syntax], one.path, target)
    ds = open_file(target)
    target.unlink()
    return ds


def test_conversions_are_those_of_other_tools(data_web, tmp_path):
    known = [one for one in data_web.objects if one.path.name not in NO_REFERENCE]
    wanted = [one for syntax in TOOLS for one in [one for one in known if one.syntax == syntax][:9]]
    compared = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for one, reference in zip(wanted, pool.map(lambda one: converted(one, tmp_path), wanted)):
            answer = data_web.get(one.url, Accept=PARTS % EXPLICIT)
            part, = answer.parts("application/dicom")
            ours = open_file(io.BytesIO(part.body))
            assert part.syntax == EXPLICIT and ours.file_meta.TransferSyntaxUID == EXPLICIT
            assert ours.SOPInstanceUID == one.instance and ours.get("StudyInstanceUID", "") == reference.get("StudyInstanceUID", "")
            if "PixelData" in reference and one.path.name not in COLOURS:
                same_pixels(ours, reference, one)
                compared += 1
    assert compared > 60, compared


def same_pixels(ours, reference, one):
    if one.syntax in ROUNDED:
        size = ours.BitsAllocated // 8
        pairs = zip(struct.iter_unpack("<BH"[0] + "BH"[size - 1], ours.PixelData), struct.iter_unpack("<" + "BH"[size - 1], reference.PixelData))
        assert len(ours.PixelData) == len(reference.PixelData) and all(abs(a - b) <= 1 for (a,), (b,) in pairs), one
    else:
        assert ours.PixelData == reference.PixelData, one


def store_all(web, files):
    body = b"".join(b"--X\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files) + b"--X--\r\n"
    answer = web.ask("POST", "/dicom-web/studies", body, Content_Type='multipart/related; type="application/dicom"; boundary=X')
    assert answer.status == 200, answer.body


def test_what_cannot_be_had_is_206_or_406(stopped_archive, tmp_path, data_web):
    """A video beside an image in one series; explicit VR little endian is wanted."""
    video = next(one for one in data_web.objects if one.path.name == "video_mpeg2_mpml.dcm")
    image = make_image(tmp_path / "image.dcm", StudyInstanceUID=video.study, SeriesInstanceUID=video.series)
    web = Web(stopped_archive)
    stopped_archive.start()
    store_all(web, [video.path.read_bytes(), (tmp_path / "image.dcm").read_bytes()])
    for url in (video.study_url, video.series_url):
        answer = web.get(url, Accept=PARTS % EXPLICIT)
        part, = answer.parts("application/dicom")
        assert answer.status == 206 and open_file(io.BytesIO(part.body)).SOPInstanceUID == image["SOPInstanceUID"]
        answer = web.get(url, Accept=PARTS % "*")
        assert answer.status == 200 and len(answer.parts("application/dicom")) == 2
        mixed = web.get(url, Accept=f"{PARTS % EXPLICIT}, {PARTS % video.syntax}; q=0.5")
        assert mixed.status == 200 and {part.syntax for part in mixed.parts("application/dicom")} == {EXPLICIT, video.syntax}
    refused = web.get(video.url, Accept=PARTS % EXPLICIT)
    assert refused.status == 406 and "transfer-syntax=*" in refused.problem()
    # Nothing said of the syntax: explicit VR little endian, or as stored where it cannot be decoded.
    for accept in ('multipart/related; type="application/dicom"', "multipart/related", "*/*", 'multipart/related; type="application/dicom", */*; q=0.1'):
        assert len(web.get(video.study_url, Accept=accept).parts("application/dicom")) == 2, accept
    refused = web.get(f"{video.url}/frames/1", Accept=FRAMES % EXPLICIT)
    assert refused.status == 406 and video.syntax in refused.problem()


def test_damaged_pixel_data_is_no_fault_of_the_request(data_web):
    """It cannot be decoded, but it can be had as it is."""
    for name in ("example3.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"):
        one = data_web.named(name)
        for url, accept in ((one.url, PARTS), (one.url + "/frames/1", FRAMES)):
            refused = data_web.get(url, Accept=accept % EXPLICIT)
            assert refused.status == 406 and "frame 1" in refused.problem(), (name, refused.body)
            assert data_web.get(url, Accept=accept % "*").status == 200


def test_a_file_that_is_not_what_the_index_says_is_never_handed_out(stopped_archive, tmp_path):
    """Cut short or gone behind the archive's back: 500 with the reason at every door, and no shorter object."""
    make_image(tmp_path / "image.dcm")
    web = Web(stopped_archive)
    stopped_archive.start()
    store_all(web, [(tmp_path / "image.dcm").read_bytes()])
    path, = (path for path in (stopped_archive.folder / "data").rglob("*") if path.is_file())
    study, series, instance = path.relative_to(stopped_archive.folder / "data").parts[-3:]
    url = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
    doors = [f"/dicom-web/studies/{study}", url, url + "/metadata", url + "/frames/1", url + "/bulkdata/7FE00010", url + "/rendered",
             f"/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}&transferSyntax=*"]
    whole = path.read_bytes()
    for door in doors:  # so that what is remembered of the object is there, too
        assert web.get(door).status == 200, door
    for spoil in (lambda: path.write_bytes(whole[:-2]), path.unlink):
        spoil()
        for door in doors:
            if "/rendered" not in door and "/metadata" not in door:  # made once, and remembered
                assert web.get(door).status == 500, door


@pytest.mark.parametrize("path, status", [
    ("/studies/1.2.3", 404), ("/studies/1.2.3/series/1.2", 404), ("/studies/1.2.3/metadata", 404), ("/studies/1.2.3/series/1.2/instances/1.2/metadata", 404),
    ("/studies/1.2.3/series/1.2/instances/1.2", 404), ("/studies/1.2.3/series/1.2/instances/1.2/frames/1", 404),
    ("/studies/1.2.3/series/1.2/instances/1.2/bulkdata/7FE00010", 404), ("/studies/*/series/1.2", 400), ("/studies/1.2%5C1.3", 400),
    ("/studies/" + "1." * 40, 400),
])
@pytest.mark.parametrize("root", ["/dicom-web", "/wadors"])
def test_what_is_not_there(root, path, status, data_web):
    answer = data_web.get(root + path)
    assert answer.status == status and answer.problem()


def test_an_instance_under_the_wrong_study_or_series_is_not_there(data_web):
    one, other = data_web.objects[0], next(other for other in data_web.objects if other.study != data_web.objects[0].study)
    assert data_web.get(one.url + "/metadata").status == 200  # and it is remembered now
    for tail in ("", "/metadata", "/frames/1", "/bulkdata/7FE00010"):
        for url in (f"{other.series_url}/instances/{one.instance}", f"{one.study_url}/series/{other.series}/instances/{one.instance}"):
            answer = data_web.get(url + tail)
            assert answer.status == 404 and answer.problem(), url + tail


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/dicom+json", 'multipart/related; type="application/dicom+json"',
                                    PARTS % EXPLICIT + "; q=0", "application/zip; q=0"])
def test_media_types_that_files_have_not(accept, data_web):
    answer = data_web.get(data_web.objects[0].study_url, Accept=accept)
    assert answer.status == 406 and "application/zip" in answer.problem(), accept


# -- metadata --

# pydicom cannot read these to the end.
UNREADABLE = {"xa_minimal.dcm", "badVR.dcm"}
# Implicit VR in spite of its transfer syntax, which leaves it open what the pixel data is.
IMPLICIT_JPEG = {"SC_rgb_jpeg.dcm"}


def single(number):
    """A number as it comes through a float of 32 bits."""
    return struct.unpack("<f", struct.pack("<f", number))[0] if math.isfinite(number) else number


GB2312 = "\x1b$)A"


def without_empty_tail(name):
    """{component group: value} without delimiters that nothing follows (PS3.5 6.2), and without groups that are empty then."""
    stripped = {group: "=".join(text.replace(GB2312, "").rstrip("^ ") for text in str(value).split("=")) for group, value in (name or {}).items()}
    return {group: value for group, value in stripped.items() if value}


def swapped(data):
    return b"".join(bytes(reversed(data[at:at + 2])) for at in range(0, len(data), 2))


def same_values(vr, ours, theirs):
    """Value lists; pydicom writes an empty value among others as "", the standard null (PS3.18 F.2.5), and keeps the blanks that pad one of several."""
    theirs = [value.rstrip(" ") or None if isinstance(value, str) else value for value in theirs]
    if vr == "PN":
        ours, theirs = ([without_empty_tail(name) for name in names] for names in (ours, theirs))
        return [name for name in ours if name] == [name for name in theirs if name]
    if vr == "FL":
        return len(ours) == len(theirs) and all(single(a) == single(b) for a, b in zip(ours, theirs))
    return ours == theirs


class Judge:
    """Compares one instance, element by element. Where Gantry differs from pydicom, and why:

    * (0008,0005) says ISO_IR 192, because JSON is UTF-8 (PS3.18 F.2): all text is compared as it is decoded.
    * Group lengths are left out: they are of an encoding that JSON has not.
    * FL has the shortest digits that mean the float of 32 bits; pydicom prints it as one of 64.
    * An empty value among others is null (F.2.5); pydicom writes "".
    * A name loses delimiters that nothing follows; of "^^^^" nothing is left.
    * OW of big endian files is little endian, as F.2.7 has it; pydicom leaves the bytes as they are.
    * Escape sequences of ISO 2022 end with a component of a name (PS3.5 6.1.2.5.3); pydicom 2.3 leaves some of them in it.
    * Large values are at a BulkDataURI.
    """

    def __init__(self, web, one):
        self.web, self.one, self.big_endian, self.bulk = web, one, one.syntax == BIG_ENDIAN, 0

    def compare(self, ours, theirs, raw, where=""):
        lacking = {tag for tag in set(theirs) - set(ours) if not tag.endswith("0000")}
        assert not lacking and not set(ours) - set(theirs), (self.one, where, lacking, set(ours) - set(theirs))
        for tag, mine in ours.items():
            if tag == "00080005":
                assert mine == {"vr": "CS", "Value": ["ISO_IR 192"]}
            else:
                self.element(mine, theirs[tag], raw, int(tag, 16), f"{where}/{tag}")

    def element(self, mine, theirs, raw, tag, where):
        found = raw.get_item(tag)
        if mine["vr"] == "UN":
            assert theirs["vr"] == "UN", (self.one, where, mine, theirs)
            assert not found.value or getattr(found, "VR", None) in (None, "UN"), (self.one, where, mine, found)
            assert self.content(mine, where) == (found.value or b""), (self.one, where)
        elif mine["vr"] == "SQ":
            assert theirs["vr"] == "SQ" and len(mine.get("Value", [])) == len(theirs.get("Value", [])), (self.one, where)
            for number, (item, other) in enumerate(zip(mine.get("Value", []), theirs.get("Value", []))):
                self.compare(item, other, raw[tag].value[number], f"{where}/{number}")
        else:
            vr = str(getattr(theirs["vr"], "value", theirs["vr"]))
            assert mine["vr"] == vr or {mine["vr"], vr} == {"OB", "OW"} and self.one.path.name in IMPLICIT_JPEG, (self.one, where, mine, theirs)
            self.value(mine, theirs, where)

    def value(self, mine, theirs, where):
        if "InlineBinary" in theirs and not (tag_of(where) == 0x7FE00010 and self.one.syntax not in (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)):
            wanted = base64.b64decode(theirs["InlineBinary"])
            got = self.content(mine, where)
            assert got == (swapped(wanted) if self.big_endian and mine["vr"] == "OW" else wanted), (self.one, where)
        elif "InlineBinary" not in theirs:
            assert "InlineBinary" not in mine and "BulkDataURI" not in mine, (self.one, where, mine)
            values, others = mine.get("Value", []), theirs.get("Value", [])
            assert same_values(mine["vr"], values, others), (self.one, where, values, others)

    def content(self, mine, where):
        """The bytes of an element, wherever they are."""
        if "BulkDataURI" not in mine:
            return base64.b64decode(mine.get("InlineBinary", ""))
        self.bulk += 1
        assert mine["BulkDataURI"].startswith(f"../{self.one.instance}/bulkdata/"), mine
        url = self.one.series_url + "/instances/" + mine["BulkDataURI"].removeprefix("../")
        answer = self.web.get(url, Accept="application/octet-stream")
        assert answer.status == 200, (where, answer.body)
        part, = self.web.get(url, Accept='multipart/related; type="application/octet-stream"').parts("application/octet-stream")
        assert part.body == answer.body
        return answer.body


def tag_of(where):
    return int(where.rsplit("/", 1)[1], 16)


def test_metadata_is_that_of_pydicom(data_web):
    compared = bulk = 0
    for one in data_web.objects:
        if one.path.name in UNREADABLE:
            continue
        answer = data_web.get(one.url + "/metadata", Accept="application/dicom+json")
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/dicom+json", one
        ours, = answer.json()
        judge = Judge(data_web, one)
        judge.compare(ours, open_file(one.path).to_json_dict(), open_file(one.path))
        compared, bulk = compared + 1, bulk + judge.bulk
    assert compared > 300 and bulk > 100, (compared, bulk)


def implicit(tag, value):
    value += b" " * (len(value) % 2)
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def stored_with(archive, tmp_path, extra):
    """An object with these elements, as what `Judge` asks for."""
    given = make(tmp_path / "one.dcm", extra, SpecificCharacterSet="ISO_IR 100")
    web = Web(archive)
    archive.start()
    store_all(web, [(tmp_path / "one.dcm").read_bytes()])
    series = f"/dicom-web/studies/{given['StudyInstanceUID']}/series/{given['SeriesInstanceUID']}"
    return web, types.SimpleNamespace(path=tmp_path / "one.dcm", instance=given["SOPInstanceUID"], series_url=series, syntax=EXPLICIT,
                                      url=f"{series}/instances/{given['SOPInstanceUID']}")


def test_what_says_un_is_what_the_dictionary_says(stopped_archive, tmp_path):
    """PS3.5 6.2.2, CP-246, as pydicom reads it: also private, nested, and in another character set; not what is too long for its VR, or no value of it."""
    item = b"".join([implicit(0x00080005, b"ISO_IR 192"), implicit(0x0009_0010, b"SOMEBODY"), implicit(0x0009_1010, bytes(range(250)) * 12),
                     implicit(0x0040_0007, "Schädel".encode()), implicit(0x0040_0008, struct.pack("<HHI", 0xFFFE, 0xE000, 16) + implicit(0x0008_0100, b"CODE 123")),
                     implicit(0x0040_1001, b"R1\\R2")])
    items = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    web, one = stored_with(stopped_archive, tmp_path, {
        0x00081030: ("UN", "Schädel".encode("latin-1")), 0x00081115: ("UN", b""), 0x0009_0010: ("UN", b"GEMS_IDEN_01"), 0x0009_1027: ("UN", struct.pack("<i", -5)),
        0x0010_1030: ("UN", b"70.5"), 0x0010_2160: ("UN", b"x" * 65534), 0x0010_21B0: ("UN", b"y" * 65536), 0x0010_9431: ("UN", struct.pack("<f", 0.5)),
        0x0018_9999: ("UN", b"unknown."), 0x0028_0106: ("UN", struct.pack("<H", 65535)), 0x0040_0275: ("UN", items)})
    ours, = web.get(one.url + "/metadata").json()
    judge = Judge(web, one)
    judge.compare(ours, open_file(one.path).to_json_dict(), open_file(one.path))
    assert judge.bulk == 2
    assert ours["00081030"] == {"vr": "LO", "Value": ["Schädel"]} and ours["00091027"] == {"vr": "SL", "Value": [-5]}
    assert len(ours["00102160"]["Value"][0]) == 65534 and ours["001021B0"]["vr"] == ours["00189999"]["vr"] == "UN"
    first, second = ours["00400275"]["Value"]
    assert first["00400007"]["Value"] == ["Schädel"] and first["00401001"]["Value"] == ["R1", "R2"] and second == {}
    assert first["00400008"]["Value"][0]["00080100"]["Value"] == ["CODE 123"]
    part, = web.get(one.url + "/metadata", Accept='multipart/related; type="application/dicom+xml"').parts("application/dicom+xml")
    assert tree.fromstring(part.body).find("./*[@tag='00400275']/*[@number='1']/*[@tag='00400007']/").text == "Schädel"


@pytest.mark.parametrize("value", [b"no items", struct.pack("<HHI", 0xFFFE, 0xE000, 100), struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) * 2,
                                   struct.pack("<HHI", 0xFFFE, 0xE000, 8) + struct.pack("<HHI", 0x0010, 0x0020, 100)])
def test_what_says_un_and_is_no_sequence_is_bytes(value, stopped_archive, tmp_path):
    web, one = stored_with(stopped_archive, tmp_path, {0x00081030: ("UN", b"Brain "), 0x0040_0275: ("UN", value)})
    ours, = web.get(one.url + "/metadata").json()
    assert ours["00100020"]["Value"] == ["TEST"]
    found = ours["00400275"]
    assert found == {"vr": "UN", "InlineBinary": base64.b64encode(value).decode()} or (found["vr"] == "SQ" and not any(found["Value"]))


@pytest.mark.parametrize("level", ["study_url", "series_url"])
def test_metadata_of_a_study_is_that_of_its_instances(level, data_web):
    for url, objects in by_level(data_web, level).items():
        answered = data_web.get(url + "/metadata").json()
        assert len(answered) == len(objects)
        rows = {row["00080018"].get("Value", [None])[0]: row for row in answered}  # one of them calls its UIDs UN
        if len(objects) > 1:
            for one in objects:
                row, = data_web.get(one.url + "/metadata").json()
                if rows.get(one.instance):
                    assert without_references(rows[one.instance]) == without_references(row)


def test_metadata_of_a_long_series(stopped_archive, tmp_path):
    """Several threads write it, in order. When a file is gone, the answer breaks off and does not look whole."""
    web, study, series = Web(stopped_archive), uid(), uid()
    (tmp_path / "in").mkdir()
    for n in range(300):
        make_image(tmp_path / f"in/{n}.dcm", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=f"{series}.{n + 1}", InstanceNumber=n + 1,
                   StudyDescription="#" * (n % 60))
    stopped_archive.manage("data", "index", "-d", tmp_path / "in")
    stopped_archive.start()
    url = f"/dicom-web/studies/{study}/series/{series}"
    rows = web.get(url + "/metadata").json()
    assert [row["00080018"]["Value"][0] for row in rows] == [f"{series}.{n + 1}" for n in range(300)]
    for n in (0, 7, 8, 31, 32, 150, 299):
        alone, = web.get(f"{url}/instances/{series}.{n + 1}/metadata").json()
        assert without_references(rows[n]) == without_references(alone)
    parts = web.get(url + "/metadata", Accept='multipart/related; type="application/dicom+xml"').parts("application/dicom+xml")
    numbers = [tree.fromstring(part.body).find("{*}DicomAttribute[@tag='00200013']/{*}Value").text for part in parts]
    assert numbers == [str(n + 1) for n in range(300)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(rows == answer.json() for answer in pool.map(lambda _: web.get(url + "/metadata"), range(16)))
    (tmp_path / "in/290.dcm").unlink()
    with pytest.raises((http.client.HTTPException, AssertionError)):
        assert web.get(url + "/metadata").status == 200
    assert web.get(url + f"/instances/{series}.1/metadata").status == 200


def without_references(row):
    """Relative to another address, a reference is another one."""
    if isinstance(row, list):
        return [without_references(one) for one in row]
    if isinstance(row, dict):
        return {key: "elsewhere" if key == "BulkDataURI" else without_references(value) for key, value in row.items()}
    return row


def test_metadata_that_is_known_already(data_web):
    url = data_web.objects[0].series_url + "/metadata"
    first = data_web.get(url)
    tag = first.headers["ETag"]
    again = data_web.get(url, If_None_Match=tag)
    assert again.status == 304 and not again.body and again.headers["ETag"] == tag
    assert data_web.get(url, If_None_Match='"other"').status == 200
    assert data_web.get(url + "?accept=application/json", If_None_Match=tag).headers["Content-Type"] == "application/json"
    assert data_web.get(data_web.objects[-1].series_url + "/metadata").headers["ETag"] != tag


def test_metadata_in_xml_is_that_in_json(data_web):
    namespace = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    for one in data_web.objects[::7]:
        parts = data_web.get(one.url + "/metadata", Accept='multipart/related; type="application/dicom+xml"').parts("application/dicom+xml")
        row, = data_web.get(one.url + "/metadata").json()
        attributes = tree.fromstring(parts[0].body).findall(f"{namespace}DicomAttribute")
        assert [element.get("tag") for element in attributes] == [xml_tag(tag) for tag in sorted(row)], one
        for element, tag in zip(attributes, sorted(row)):
            mine = row[tag]
            assert element.get("vr") == mine["vr"]
            if mine["vr"] in ("UI", "CS", "DA", "LO") and mine.get("Value"):
                assert [value.text for value in element.findall(f"{namespace}Value")] == mine["Value"], (one, element.get("tag"))


def xml_tag(tag):
    """Private elements are named without the block that their creator has got (PS3.19 A.1.6)."""
    private = int(tag[3], 16) % 2 and int(tag[4:], 16) >= 0x1000
    return f"{tag[:4]}00{tag[6:]}" if private else tag


# -- frames --

def reference_frames(one, ds):
    """The frames as they lie in the file; None when that needs another tool."""
    count = int(ds.get("NumberOfFrames") or 1)
    if one.syntax in (IMPLICIT, EXPLICIT):
        bits = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated
        if ds.PhotometricInterpretation == "YBR_FULL_422":
            bits = bits * 2 // 3
        return [cut_bits(ds.PixelData, bits * number, bits) for number in range(count)]
    if one.syntax in (BIG_ENDIAN, DEFLATED):
        return None
    return list(generate_pixel_data_frame(ds.PixelData, 1 if one.syntax.startswith(VIDEO) else count))


def cut_bits(data, start, count):
    """Frames of single bits follow each other without padding (PS3.5 8.1.1)."""
    if start % 8 == 0 and count % 8 == 0:
        return data[start // 8:(start + count) // 8]
    number = int.from_bytes(data[start // 8:(start + count + 7) // 8], "little") >> start % 8 & ((1 << count) - 1)
    return number.to_bytes((count + 7) // 8, "little")


def test_frames_are_those_of_the_pixel_data(data_web, tmp_path):
    compared = 0
    for one in data_web.objects:
        ds = open_file(one.path)
        if one.path.name in UNREADABLE or "PixelData" not in ds or "Rows" not in ds:
            continue
        wanted = reference_frames(one, ds)
        if wanted is None:
            native = converted(one, tmp_path)
            size = native.Rows * native.Columns * native.SamplesPerPixel * native.BitsAllocated
            wanted = [cut_bits(native.PixelData, size * number, size) for number in range(int(native.get("NumberOfFrames") or 1))]
        if not wanted or any(len(frame) == 0 for frame in wanted):
            continue
        numbers = range(1, len(wanted) + 1) if len(wanted) < 30 else [1, 2, 3, 4, 5, 11, len(wanted) - 1, len(wanted)]
        answer = data_web.get(f"{one.url}/frames/{','.join(map(str, numbers))}", Accept=FRAMES % "*")
        if answer.status != 200:
            assert one.path.name in FRAMELESS, (one, answer.body)
            continue
        parts = answer.parts("application/octet-stream")
        assert [part.body for part in parts] == [wanted[number - 1] for number in numbers], one
        compared += 1
    assert compared > 190, compared


# Fewer bytes than rows, columns and frames promise.
FRAMELESS = set()


@pytest.mark.parametrize("name", ["emri_small_RLE.dcm", "sm_image_jpegls.dcm", "emri_small_jpeg_2k_lossless.dcm", "emri_small_big_endian.dcm", "liver_nonbyte_aligned.dcm"])
def test_frames_are_decoded_when_that_is_wanted(name, data_web, tmp_path):
    one = data_web.named(name)
    native = converted(one, tmp_path)
    size = native.Rows * native.Columns * native.SamplesPerPixel * native.BitsAllocated
    count = int(native.NumberOfFrames)
    parts = data_web.get(f"{one.url}/frames/{','.join(map(str, range(1, count + 1)))}", Accept=FRAMES % EXPLICIT).parts("application/octet-stream")
    assert {part.syntax for part in parts} == {EXPLICIT}
    assert [part.body for part in parts] == [cut_bits(native.PixelData, size * number, size) for number in range(count)]
    unsaid, = data_web.get(f"{one.url}/frames/2", Accept='multipart/related; type="application/octet-stream"').parts("application/octet-stream")
    assert unsaid.body == parts[1].body and unsaid.syntax == EXPLICIT
    plain = data_web.get(f"{one.url}/frames/2", Accept="application/octet-stream")
    assert plain.body == parts[1].body and plain.headers["Content-Type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"


def test_decompress_pixels(stopped_archive, data_web, tmp_path):
    """SPHERE's setting: frames under /wadors are decoded where nothing else is wanted; those under /dicom-web are not."""
    one = data_web.named("emri_small_RLE.dcm")
    web = Web(stopped_archive, dicomweb__decompress_pixels=True)
    stopped_archive.start()
    store_all(web, [one.path.read_bytes()])
    native = converted(one, tmp_path)
    size = native.Rows * native.Columns * native.BitsAllocated // 8
    decoded, = web.get(one.url.replace("/dicom-web", "/wadors") + "/frames/3").parts("application/octet-stream")
    assert decoded.body == native.PixelData[2 * size:3 * size] and decoded.syntax == EXPLICIT
    stored, = web.get(one.url + "/frames/3").parts("application/octet-stream")
    assert stored.syntax == RLE and stored.body != decoded.body


@pytest.mark.parametrize("frames, status", [("0", 400), ("-1", 400), ("a", 400), ("1,", 400), ("1,,2", 400), ("1;2", 400), ("99999999999", 400), ("11", 404), ("1,11", 404)])
def test_frames_that_are_not_there(frames, status, data_web):
    answer = data_web.get(f"{data_web.named('emri_small.dcm').url}/frames/{frames}")
    assert answer.status == status and answer.problem()


def test_no_frames_in_a_report(data_web):
    answer = data_web.get(data_web.named("reportsi.dcm").url + "/frames/1")
    assert answer.status == 404 and "no pixel data" in answer.problem()


# -- bulk data --

def test_ranges_of_bulk_data(data_web):
    one = data_web.named("CT_small.dcm")
    url, pixels = one.url + "/bulkdata/7FE00010", open_file(one.path).PixelData
    assert data_web.get(url, Accept="application/octet-stream").body == pixels
    part = data_web.get(url, Accept="application/octet-stream", Range="bytes=100-199")
    assert part.status == 206 and part.body == pixels[100:200] and part.headers["Content-Range"] == f"bytes 100-199/{len(pixels)}"
    assert data_web.get(url, Accept="application/octet-stream", Range="bytes=-10").body == pixels[-10:]


@pytest.mark.parametrize("path", ["/frames/1,2", "/frames/2", "/bulkdata/7FE00010", "/pixeldata", "/metadata", ""])
def test_no_ranges_of_multipart_bodies(path, data_web):
    """Each answer has a boundary of its own: what was cut out of two would not fit together."""
    kind = {"/metadata": "application/dicom+xml", "": "application/dicom"}.get(path, "application/octet-stream")
    for name in ("emri_small.dcm", "emri_small_RLE.dcm"):
        answer = data_web.get(data_web.named(name).url + path, Accept=f'multipart/related; type="{kind}"', Range="bytes=10-19")
        assert answer.status == 200 and "Accept-Ranges" not in answer.headers and answer.parts(kind)


@pytest.mark.parametrize("path", ["7FE00011", "00081140", "0008", "00080008/1", "00081140/9/00081150", "00081140/x/00081150", "00081140/0", "PixelData"])
def test_bulk_data_that_is_not_there(path, data_web):
    answer = data_web.get(data_web.named("CT_small.dcm").url + "/bulkdata/" + path)
    assert answer.status == 404 and answer.problem()


def test_compressed_pixel_data_in_bulk_is_its_frames(data_web):
    one = data_web.named("emri_small_RLE.dcm")
    parts = data_web.get(one.url + "/bulkdata/7FE00010", Accept=FRAMES % "*").parts("application/octet-stream")
    assert [part.body for part in parts] == reference_frames(one, open_file(one.path))


def references(row):
    """Every BulkDataURI, in order."""
    if isinstance(row, list):
        return [found for one in row for found in references(one)]
    if isinstance(row, dict):
        return [row["BulkDataURI"]] if "BulkDataURI" in row else [found for value in row.values() for found in references(value)]
    return []


@pytest.mark.parametrize("level", ["study_url", "series_url", "url"])
def test_bulk_data_of_a_selection_is_what_its_metadata_refers_to(level, data_web):
    """Each part says by which reference; what that one leads to is the same bytes."""
    compared = 0
    for url in list(by_level(data_web, level))[::3 if level == "url" else 1]:
        wanted = references(data_web.get(url + "/metadata").json())
        answer = data_web.get(url + "/bulkdata", Accept=FRAMES % "*")
        if answer.status != 200:
            assert answer.status == 404 and not wanted or answer.status == 406 and "object" in answer.problem(), (url, answer.body, wanted)
            continue
        bodies = {}
        for part in answer.parts("application/octet-stream"):
            bodies.setdefault(part.headers["Content-Location"], []).append(part.body)
        assert list(bodies) == [reference for reference in wanted if reference in bodies], url
        for reference in wanted:
            alone = data_web.get(urllib.parse.urljoin(url + "/bulkdata", reference), Accept=FRAMES % "*")
            if reference not in bodies:
                assert alone.status == 404, reference
                continue
            assert [part.body for part in alone.parts("application/octet-stream")] == bodies[reference], (url, reference)
            compared += 1
    assert compared > 50, compared


def pixels(ds):
    return ds.get("PixelData") or ds.get("FloatPixelData") or ds.get("DoubleFloatPixelData")


@pytest.mark.parametrize("root, level", [("/dicom-web", "study_url"), ("/wadors", "series_url"), ("/dicom-web", "url")])
def test_pixel_data_of_a_selection(root, level, data_web):
    compared = 0
    for url, objects in by_level(data_web, level).items():
        files = [(one, open_file(one.path)) for one in objects]
        if any(one.path.name in UNREADABLE or one.syntax in (BIG_ENDIAN, DEFLATED) or "PixelData" in ds and "Rows" not in ds for one, ds in files):
            continue
        wanted = []
        for one, ds in files:
            if pixels(ds):
                wanted += [pixels(ds)] if one.syntax in (IMPLICIT, EXPLICIT) else reference_frames(one, ds)
        answer = data_web.get(url.replace("/dicom-web", root) + "/pixeldata", Accept=FRAMES % "*")
        if answer.status != 200:
            assert answer.status == 404 and not wanted or answer.status == 406 and any(one.path.name in FRAMELESS for one, _ in files), (url, answer.body)
            continue
        parts = answer.parts("application/octet-stream")
        assert sorted(part.body for part in parts) == sorted(wanted), url
        assert {part.syntax for part in parts} == {EXPLICIT if one.syntax == IMPLICIT else one.syntax for one, ds in files if pixels(ds)}
        compared += len(wanted)
    assert compared > 150, compared


def test_pixel_data_that_is_decoded(data_web, tmp_path):
    one = data_web.named("emri_small_RLE.dcm")
    native = converted(one, tmp_path)
    parts = data_web.get(one.url + "/pixeldata", Accept='multipart/related; type="application/octet-stream"').parts("application/octet-stream")
    assert {part.syntax for part in parts} == {EXPLICIT} and b"".join(part.body for part in parts) == native.PixelData
    big = data_web.named("emri_small_big_endian.dcm")
    part, = data_web.get(big.url + "/pixeldata").parts("application/octet-stream")
    assert part.body == converted(big, tmp_path).PixelData


def test_what_has_no_bulk_data_as_it_is_wanted(data_web):
    report, compressed = data_web.named("reportsi.dcm"), data_web.named("emri_small_RLE.dcm")
    assert "no pixel data" in data_web.get(report.url + "/pixeldata").problem() and data_web.get(report.study_url + "/bulkdata").status == 404
    for what in ("bulkdata", "pixeldata"):
        assert data_web.get(f"/dicom-web/studies/1.2.3/{what}").status == 404
        assert data_web.get(f"/dicom-web/studies/1*/{what}").status == 400
        assert "octet-stream" in data_web.get(f"{compressed.url}/{what}", Accept="image/png").problem()
        assert data_web.get(f"{compressed.url}/{what}", Accept=FRAMES % JPEG_LS).status == 406


def test_bulk_data_of_some_objects_of_a_study_is_206(data_web):
    mixed = {url: objects for url, objects in by_level(data_web, "study_url").items() if {RLE, EXPLICIT} <= {one.syntax for one in objects}}
    assert mixed
    for url, objects in mixed.items():
        answer = data_web.get(url + "/pixeldata", Accept=FRAMES % RLE)
        assert answer.status == 206 and {part.syntax for part in answer.parts("application/octet-stream")} == {RLE}


def test_a_compressed_icon_is_not_the_image(stopped_archive, data_web, tmp_path):
    """Its frames are no value that could be handed out, and those of the image are another element's."""
    ds = open_file(data_web.named("SC_rgb_rle.dcm").path)
    icon = pydicom.Dataset()
    icon.Rows = icon.Columns = 8
    icon.add_new("PixelData", "OB", encapsulate([b"\1" * 5000]))
    icon["PixelData"].is_undefined_length = True
    ds.IconImageSequence = [icon]
    ds.save_as(tmp_path / "one.dcm")
    web = Web(stopped_archive)
    stopped_archive.start()
    store_all(web, [(tmp_path / "one.dcm").read_bytes()])
    url = f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/bulkdata"
    assert web.get(url + "/00880200/0/7FE00010").status == 404 and web.get(url + "/7FE00010", Accept=FRAMES % "*").status == 200
    assert [part.headers["Content-Location"].rsplit("/")[-1] for part in web.get(url, Accept=FRAMES % "*").parts("application/octet-stream")] == ["7FE00010"]


# -- what comes later --

def test_a_series_that_grows_has_new_metadata(stopped_archive, tmp_path):
    web = Web(stopped_archive)
    stopped_archive.start()
    study, series = uid(), uid()
    make_image(tmp_path / "one.dcm", StudyInstanceUID=study, SeriesInstanceUID=series)
    store_all(web, [(tmp_path / "one.dcm").read_bytes()])
    url = f"/dicom-web/studies/{study}/series/{series}"
    first = web.get(url + "/metadata")
    make_image(tmp_path / "two.dcm", StudyInstanceUID=study, SeriesInstanceUID=series)
    store_all(web, [(tmp_path / "two.dcm").read_bytes()])
    second = web.get(url + "/metadata", If_None_Match=first.headers["ETag"])
    assert second.status == 200 and len(second.json()) == 2 and second.headers["ETag"] != first.headers["ETag"]
