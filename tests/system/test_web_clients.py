# SPDX-License-Identifier: MIT
"""The requests that real clients send, in their own spelling, each against an archive with tests/data in it.

OHIF v3 with cornerstone3D and dicomweb-client, 3D Slicer's DICOMweb browser, Weasis, microscopy viewers. What they cannot do without is asserted; what they
read strictly is read strictly (web.Answer.parts).
"""
import concurrent.futures
import http.client
import re
import urllib.parse

import pydicom
import pytest
from make_dicom import ROOT, attributes, data_set, make, make_image, meta
from part10 import parse, read
from programs import PATIENCE
from pydicom.encaps import generate_pixel_data_frame
from web import Answer, Web

# cornerstone3D, dicomImageLoader/wadors/getPixelData; type without quotes.
PIXELS = "multipart/related; type=application/octet-stream; transfer-syntax=*"
# dicomweb-client's QIDO when it comes from the WADO client (OHIF#3726).
MIXED = 'application/dicom+json, multipart/related; type="application/octet-stream"; transfer-syntax=*'
JSON = "application/dicom+json"


def quoted(**parameters):
    """As URLSearchParams writes them."""
    return urllib.parse.urlencode({name.removeprefix("T"): value for name, value in parameters.items()}, safe="*")


def uids(rows, tag="0020000D"):
    return [row[tag]["Value"][0] for row in rows]


@pytest.fixture
def ohif(data_web):
    """A browser's connection: kept alive, with the headers that every request has."""
    connection = http.client.HTTPConnection("127.0.0.1", data_web.port, timeout=30 * PATIENCE)

    def get(path, accept=JSON, **headers):
        sent = {"Origin": "https://viewer.example", "Accept-Encoding": "gzip, deflate, br", "User-Agent": "Mozilla/5.0", "Accept": accept}
        connection.request("GET", path, headers={**sent, **{name.replace("_", "-"): value for name, value in headers.items()}})
        answer = Answer(connection.getresponse())
        assert answer.headers["Access-Control-Allow-Origin"] == "https://viewer.example"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        return answer

    yield get
    connection.close()


# -- OHIF: the study list --

STUDY_LIST = {"limit": "101", "offset": "0", "fuzzymatching": "false", "includefield": "00081030,00080060,00080090,00100030"}


def test_ohif_study_list(ohif):
    rows = ohif(f"/dicom-web/studies?{quoted(**STUDY_LIST)}").json()
    assert len(rows) == 101
    for row in rows:  # the columns of the list: none may be absent, empty ones have no Value
        assert {"00201208", "00201206", "00080061", "00081030", "00080050", "00100030", "00080090", "00100010", "00100020", "0020000D"} <= set(row)
        assert row["00201208"]["Value"][0] > 0 and isinstance(row["00201206"]["Value"][0], int)
    rest = ohif(f"/dicom-web/studies?{quoted(**dict(STUDY_LIST, offset='101'))}").json()
    assert rest and not set(uids(rows)) & set(uids(rest))


def test_ohif_study_list_filtered(ohif, data_web):
    """Keywords beside tags, parameters without a value, a list of UIDs with backslashes."""
    one = data_web.named("CT_small.dcm")
    asked = quoted(PatientName="*CompressedSamples*", T00100020="*1CT1*", AccessionNumber="", StudyDescription="", ModalitiesInStudy="",
                   StudyDate="20040101-20041231", StudyInstanceUID=f"{one.study}\\1.2.3", **STUDY_LIST)
    row, = ohif(f"/dicom-web/studies?{asked}").json()
    assert row["0020000D"]["Value"] == [one.study] and row["00100020"]["Value"] == ["1CT1"] and "CT" in row["00080061"]["Value"]
    asked = asked.replace("PatientName=*CompressedSamples*", "PatientName=*Nobody*")
    nobody = ohif(f"/dicom-web/studies?{asked}")
    assert nobody.status in (200, 204) and nobody.body in (b"", b"[]")
    for modality in ("CT", "CT\\MR", "CT,MR"):
        rows = ohif(f"/dicom-web/studies?{quoted(ModalitiesInStudy=modality, limit='101')}").json()
        assert rows and all(set(row["00080061"]["Value"]) & {"CT", "MR"} for row in rows), modality


# -- OHIF: a study --

def largest_study(web):
    """The study with the most series."""
    series = {}
    for one in web.objects:
        series.setdefault(one.study, {}).setdefault(one.series, []).append(one)
    return max(series.items(), key=lambda item: len(item[1]))


def test_ohif_series_panel(ohif, data_web):
    study, series = largest_study(data_web)
    for accept in (JSON, MIXED, "application/json", "*/*"):
        answer = ohif(f"/dicom-web/studies/{study}/series?includefield=0008103E,00080021", accept)
        assert answer.status == 200 and answer.headers["Content-Type"].split(";")[0] in (JSON, "application/json"), accept
        rows = answer.json()
        assert sorted(uids(rows, "0020000E")) == sorted(series)
        for row in rows:
            assert {"0008103E", "00080021", "00201209", "00080060", "00200011"} <= set(row)
            assert row["00201209"]["Value"] == [len(series[row["0020000E"]["Value"][0]])]


def test_ohif_metadata_of_all_series_at_once(data_web):
    study, series = largest_study(data_web)

    def fetch(uid):
        return data_web.get(f"/dicom-web/studies/{study}/series/{uid}/metadata", Accept=MIXED)

    with concurrent.futures.ThreadPoolExecutor(6) as browser:
        answers = dict(zip(series, browser.map(fetch, series)))
    for uid, answer in answers.items():
        assert answer.status == 200 and answer.headers["Content-Type"] == JSON
        rows = answer.json()
        assert sorted(uids(rows, "00080018")) == sorted(one.instance for one in series[uid])
        assert all("00080016" in row and row["0020000E"]["Value"] == [uid] for row in rows)
    whole = data_web.get(f"/dicom-web/studies/{study}/metadata", Accept=JSON).json()
    assert sorted(uids(whole, "00080018")) == sorted(row["00080018"]["Value"][0] for answer in answers.values() for row in answer.json())


# -- OHIF: pixels --

FRAMED = ["emri_small.dcm", "emri_small_RLE.dcm", "emri_small_jpeg_2k_lossless.dcm", "sm_image_jpegls.dcm", "SC_rgb_rle_2frame.dcm", "sm_image.dcm",
          "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"]


@pytest.mark.parametrize("name", FRAMED)
def test_ohif_frames_one_by_one(name, ohif, data_web):
    one = data_web.named(name)
    row, = data_web.get(one.url + "/metadata").json()
    count = row["00280008"]["Value"][0]
    singles = []
    for number in range(1, count + 1):
        part, = ohif(f"{one.url}/frames/{number}", PIXELS).parts("application/octet-stream")
        assert part.syntax == one.syntax and "transfer-syntax=" in part.headers["Content-Type"]
        assert part.body
        singles.append(part.body)
    assert len(set(singles)) > 1 or count == 1 or name.startswith("SC_")
    everything = ohif(f"{one.url}/frames/{','.join(map(str, range(1, count + 1)))}", PIXELS).parts("application/octet-stream")
    assert [part.body for part in everything] == singles
    last, first = ohif(f"{one.url}/frames/{count}%2C1", PIXELS).parts("application/octet-stream")
    assert [last.body, first.body] == [singles[-1], singles[0]]


@pytest.mark.parametrize("accept", [
    PIXELS, 'multipart/related; type="application/octet-stream"; transfer-syntax=*', 'multipart/related;type="application/octet-stream";transfer-syntax="*"',
    "Multipart/Related; Type=application/octet-stream; Transfer-Syntax=*", 'multipart/related; transfer-syntax=*; type="application/octet-stream"',
    'multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.90', "multipart/related; transfer-syntax=*",
    'multipart/related; type="image/jp2"; transfer-syntax=1.2.840.10008.1.2.4.90', "multipart/related; type=image/jp2; transfer-syntax=*",
    'multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80, multipart/related; type="image/jp2"; transfer-syntax=1.2.840.10008.1.2.4.90',
    "multipart/related; type=image/jpeg, multipart/related; type=application/octet-stream; transfer-syntax=*; q=0.5",
])
def test_frames_with_every_spelling_of_accept(accept, data_web):
    """Quoted or not, in any order and case: microscopy viewers and dicomweb-client have sent them all."""
    one = data_web.named("emri_small_jpeg_2k_lossless.dcm")
    expected = pixel_fragments(one)[0]
    root = "image/jp2" if "image/jp2" in accept else "application/octet-stream"
    part, = data_web.get(f"{one.url}/frames/1", Accept=accept).parts(root)
    assert part.syntax == one.syntax and part.body == expected
    part, = data_web.get(f"{one.url}/frames/1?accept={urllib.parse.quote(accept)}", Accept="text/html").parts(root)
    assert part.body == expected


def pixel_fragments(one):
    ds = pydicom.dcmread(one.path)
    return list(generate_pixel_data_frame(ds.PixelData, int(ds.get("NumberOfFrames", 1))))


@pytest.mark.parametrize("name", ["emri_small.dcm", "emri_small_jpeg_2k_lossless.dcm"])
def test_cornerstone_reads_a_frame_progressively(name, ohif, data_web):
    """Single part with ranges, as for HTJ2K in RPCL order."""
    url = data_web.named(name).url + "/frames/2"
    accept = "application/octet-stream; transfer-syntax=*"
    whole = ohif(url, accept)
    assert whole.status == 200 and whole.headers["Content-Type"].startswith("application/octet-stream")
    first = ohif(url, accept, Range="bytes=0-1023")
    assert first.status == 206 and first.headers["Content-Range"] == f"bytes 0-1023/{len(whole.body)}"
    assert "Content-Range" in first.headers["Access-Control-Expose-Headers"]
    rest = ohif(url, accept, Range="bytes=1024-")
    assert rest.status == 206 and first.body + rest.body == whole.body
    more = ohif(url, accept, Range="bytes=0-99999999")
    assert more.status == 206 and more.body == whole.body
    assert ohif(url, accept, Range=f"bytes={len(whole.body)}-").status == 416


def test_ohif_bulk_data(ohif, data_web):
    """OHIF resolves a relative BulkDataURI against the series, whatever was asked for its metadata."""
    one = data_web.named("liver.dcm")
    row = next(row for row in ohif(one.series_url + "/metadata").json() if row["00080018"]["Value"] == [one.instance])
    uri = row["7FE00010"]["BulkDataURI"]
    assert not re.match(r"\w+:|/", uri)
    resolved = urllib.parse.urljoin(f"http://x{one.series_url}/", uri).removeprefix("http://x")
    answer = ohif(resolved, 'multipart/related; type="application/octet-stream"')
    part, = answer.parts("application/octet-stream")
    plain = ohif(resolved, "application/octet-stream, */*")
    assert part.body == plain.body == pydicom.dcmread(one.path).PixelData


# -- OHIF: what it asks before --

@pytest.mark.parametrize("path, method, headers", [
    ("/dicom-web/studies?limit=101", "GET", "authorization"), ("/dicom-web/studies/1.2/series/1.2/metadata", "GET", "accept,authorization"),
    ("/dicom-web/studies/1.2/series/1.2/instances/1.2/frames/1", "GET", "accept,range"), ("/dicom-web/studies", "POST", "authorization,content-type"),
    ("/wado?requestType=WADO", "GET", "authorization"),
])
def test_preflights(path, method, headers, data_web):
    answer = data_web.ask("OPTIONS", path, Origin="https://viewer.example", Access_Control_Request_Method=method, Access_Control_Request_Headers=headers)
    assert answer.status in (200, 204) and not answer.body
    assert method in re.split(r",\s*", answer.headers["Access-Control-Allow-Methods"])
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in re.split(r",\s*", allowed) for name in headers.split(","))


# -- OHIF: WADO-URI --

def test_ohif_wado_uri(data_web):
    for name in ("CT_small.dcm", "emri_small_RLE.dcm"):
        one = data_web.named(name)
        asked = f"requestType=WADO&studyUID={one.study}&seriesUID={one.series}&objectUID={one.instance}&contentType=application%2Fdicom&transferSyntax=*"
        for root in ("", "/dicom-web"):
            answer = data_web.get(f"{root}/wado?{asked}", Accept="*/*")
            assert answer.status == 200 and answer.headers["Content-Type"] == "application/dicom" and answer.body == one.path.read_bytes()


# -- OHIF and dicomweb-client: STOW --

def stow(web, files, path="/dicom-web/studies", boundary="dicomweb-client-0123", accept=JSON):
    """As dicomweb-client's multipartEncode writes it: a CRLF before each boundary, none after the last."""
    body = b"".join(b"\r\n--" + boundary.encode() + b"\r\nContent-Type: application/dicom\r\n\r\n" + data for data in files)
    body += b"\r\n--" + boundary.encode() + b"--"
    return web.ask("POST", path, body, Accept=accept, Content_Type=f'multipart/related; type="application/dicom"; boundary="{boundary}"')


REPORTS = ["reportsi.dcm", "seg_image_ct_binary.dcm", "rtstruct.dcm", "mf.dcm", "rtplan.dcm"]


def test_ohif_stores_reports_and_segmentations(stopped_archive, data_web):
    web = Web(stopped_archive)
    stopped_archive.start()
    wanted = [data_web.named(name) for name in REPORTS]
    for one in wanted:
        answer = stow(web, [one.path.read_bytes()])
        assert answer.status == 200, answer.body
        item, = answer.json()["00081199"]["Value"]
        assert item["00081155"]["Value"] == [one.instance] and item["00081190"]["Value"][0].endswith(one.url)
        assert "00081198" not in answer.json()
        part, = web.get(one.url, Accept='multipart/related; type="application/dicom"; transfer-syntax=*').parts("application/dicom")
        assert parse(part.body).data == read(one.path).data
    again = stow(web, [one.path.read_bytes() for one in wanted])
    assert again.status == 200 and len(again.json()["00081199"]["Value"]) == len(wanted)


def test_a_browser_sees_why_nothing_was_stored(stopped_archive):
    web = Web(stopped_archive, cors_origins='["*"]')
    stopped_archive.start()
    file = meta("1.2.840.10008.5.1.4.1.1.7", f"{ROOT}.8") + data_set(attributes(SOPInstanceUID=f"{ROOT}.8"))
    answer = stow(web, [file], path="/dicom-web/studies/1.2.3.4")
    assert answer.status == 409
    failed, = answer.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [f"{ROOT}.8"] and failed["00081197"]["Value"] == [0xA900]


# -- 3D Slicer --

def test_slicer_pages_until_nothing_comes(data_web):
    seen, offset = [], 0
    while True:
        answer = data_web.get(f"/dicom-web/studies?limit=17&offset={offset}", Accept=JSON)
        if answer.status == 204 or answer.json() == []:
            break
        seen += uids(answer.json())
        offset += 17
        assert offset < 10000, "the pages have no end"
    assert sorted(seen) == sorted({one.study for one in data_web.objects})


def test_slicer_fetches_a_series(data_web):
    """dicomweb_client of Python, as Slicer's browser uses it."""
    study, series = largest_study(data_web)
    for uid, objects in series.items():
        rows = data_web.get(f"/dicom-web/studies/{study}/series/{uid}/instances", Accept="application/dicom+json, application/json").json()
        assert sorted(uids(rows, "00080018")) == sorted(one.instance for one in objects)
        for one in objects:
            part, = data_web.get(one.url, Accept='multipart/related; type="application/dicom"; transfer-syntax="*"').parts("application/dicom")
            assert part.body == one.path.read_bytes()


# -- Weasis --

def test_weasis_fetches_a_series(data_web):
    study, series = largest_study(data_web)
    for uid, objects in series.items():
        answer = data_web.get(f"/dicom-web/studies/{study}/series/{uid}", Accept='multipart/related; type="application/dicom"; transfer-syntax=*')
        parts = answer.parts("application/dicom")
        assert sorted(part.body for part in parts) == sorted(one.path.read_bytes() for one in objects)
        assert {part.syntax for part in parts} == {one.syntax for one in objects}


def test_weasis_pages_over_instances(data_web):
    study, series = largest_study(data_web)
    uid, objects = max(series.items(), key=lambda item: len(item[1]))
    seen, offset = [], 0
    while True:
        answer = data_web.get(f"/dicom-web/studies/{study}/series/{uid}/instances?includefield=00080016,00080018,00200013&limit=3&offset={offset}", Accept=JSON)
        if answer.status == 204:
            break
        assert all({"00080016", "00080018", "00200013"} <= set(row) for row in answer.json())
        seen += uids(answer.json(), "00080018")
        offset += 3
        assert offset < 1000
    assert sorted(seen) == sorted(one.instance for one in objects)


# -- pictures --

@pytest.mark.parametrize("level, tail", [("url", "/rendered"), ("url", "/thumbnail"), ("series_url", "/thumbnail"), ("study_url", "/thumbnail")])
def test_pictures_of_every_level(level, tail, data_web):
    """OHIF's thumbnails, and those of Weasis with a viewport."""
    if not any(path.endswith("/thumbnail") for path in data_web.get("/openapi.json").json()["paths"]):
        pytest.skip("pictures are not served yet")
    one = data_web.named("CT_small.dcm")
    for more in ("", "?viewport=64,64", "?viewport=64%2C64"):
        answer = data_web.get(getattr(one, level) + tail + more, Accept="image/jpeg")
        assert answer.status == 200 and answer.headers["Content-Type"] == "image/jpeg" and answer.body.startswith(b"\xff\xd8"), (more, answer.body[:200])


# -- the rest of OHIF's paths --

def test_ohif_rejects_a_series(stopped_archive, tmp_path):
    """The form that viewers know from dcm4chee; it answers 403 until the settings allow it."""
    web = Web(stopped_archive)
    stopped_archive.start()
    given = make_image(tmp_path / "one.dcm")
    assert stow(web, [(tmp_path / "one.dcm").read_bytes()]).status == 200
    path = f"/dicom-web/studies/{given['StudyInstanceUID']}/series/{given['SeriesInstanceUID']}"
    assert web.ask("POST", f"{path}/reject/113001%5EDCM").status == 403
    stopped_archive.stop()
    stopped_archive.set("api.dicomweb.allow_delete", True)
    stopped_archive.start()
    assert web.ask("POST", f"{path}/reject/113001%5EDCM").status == 204
    assert web.get(path + "/metadata").status == 404


def test_a_delete_under_a_condition_that_does_not_hold(stopped_archive, tmp_path):
    web = Web(stopped_archive, dicomweb__allow_delete=True)
    stopped_archive.start()
    given = make_image(tmp_path / "one.dcm")
    assert stow(web, [(tmp_path / "one.dcm").read_bytes()]).status == 200
    path = f"/dicom-web/studies/{given['StudyInstanceUID']}"
    for condition in ({"If-Match": '"x"'}, {"If-Match": 'W/"x", "y"'}, {"If-None-Match": "*"}):
        assert "If-Match" in web.ask("DELETE", path, **condition).problem()
        assert web.ask("POST", f"{path}/reject/113001%5EDCM", **condition).status == 412
        assert web.get(path + "/metadata").status == 200
    assert web.ask("DELETE", path, If_Match="*").status == 204 and web.get(path + "/metadata").status == 404
