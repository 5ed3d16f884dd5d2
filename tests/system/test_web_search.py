# SPDX-License-Identifier: MIT
"""Search over HTTP: the same as C-FIND at every relation, page by page, in JSON and XML, under the standard's paths and SPHERE's."""
import re
import urllib.parse
import xml.etree.ElementTree as tree

import pytest
from make_dicom import KNOWN, make_image, uid
from query import CHARSET, FIND, STUDY_ROOT, QueryClient, extended
from test_rows_query import store
from web import Web

STUDY, SERIES, INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
UNIQUE = {"STUDY": "0020000D", "SERIES": "0020000E", "IMAGE": "00080018"}
LEVELS = {"STUDY": "studies", "SERIES": "series", "IMAGE": "instances"}


def values(rows, tag):
    return [row[tag]["Value"][0] for row in rows]


def listed(web, path, **headers):
    """The rows of a search; none for 204."""
    answer = web.get(path, **headers)
    assert answer.status in (200, 204), answer.body
    return answer.json() if answer.status == 200 else []


# -- the same as C-FIND --

def number(keyword):
    return KNOWN[keyword][0] if keyword in KNOWN else {"ModalitiesInStudy": 0x00080061, "PatientSex": 0x00100040, "Manufacturer": 0x00080070}[keyword]


def vr(keyword):
    return KNOWN[keyword][1] if keyword in KNOWN else "CS"


# What is returned and compared, of each level and those above.
RETURNED = {
    "STUDY": ["StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDescription", "StudyInstanceUID"],
    "SERIES": ["Modality", "SeriesNumber", "SeriesDescription", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"],
    "IMAGE": ["SOPInstanceUID", "InstanceNumber", "SeriesInstanceUID", "StudyInstanceUID"],
}


def found(archive, level, keys):
    """C-FIND, relational: one {keyword: text} for each answer, in order."""
    asked = {CHARSET: ("CS", "ISO_IR 192"), **{number(name): (vr(name), "") for name in RETURNED[level]},
             **{number(name): (vr(name), value.replace(",", "\\") if vr(name) in ("UI", "CS") else value) for name, value in keys.items()}}
    client = QueryClient(archive.port, more=extended(STUDY_ROOT + FIND, 1))
    answers, final = client.find(level, asked)
    client.release()
    assert final.status == 0, final.comment
    return [{name: tidy(name, answer[number(name)].decode("utf-8")) for name in RETURNED[level]} for answer in answers]


def tidy(name, text):
    text = text.rstrip(" \0")
    return text.rstrip("^=") if vr(name) == "PN" else text


def from_json(row, name):
    field = row.get(f"{number(name):08X}", {})
    parts = [value if not isinstance(value, dict) else "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
             for value in field.get("Value", [])]
    return tidy(name, "\\".join("" if part is None else str(part) for part in parts))


KEYS = [
    {}, {"PatientID": "1CT1"}, {"PatientID": "*1*"}, {"PatientID": "?CT1"}, {"PatientName": "*a*"}, {"PatientName": "CompressedSamples^CT1"}, {"PatientName": "*^*"},
    {"StudyDate": "20040101-20041231"}, {"StudyDate": "-20000101"}, {"StudyDate": "20150101-"}, {"StudyDate": "20040119"}, {"StudyTime": "070000-120000"},
    {"Modality": "CT"}, {"Modality": "CT,MR"}, {"ModalitiesInStudy": "MR"}, {"AccessionNumber": "*"}, {"StudyDescription": "*e*"}, {"SeriesNumber": "1"},
    {"Modality": "CT", "StudyDate": "20040101-20041231"}, {"PatientID": "Nobody"}, {"PatientSex": "F"}, {"PatientName": "*", "Modality": "SEG"}, {"InstanceNumber": "1"},
    {"PatientName": "山田*"}, {"PatientName": "*Люк*"}, {"SOPInstanceUID": "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"},
]


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_every_search_is_the_same_as_c_find(level, data_web):
    hits = 0
    for keys in KEYS:
        rows = listed(data_web, f"/dicom-web/{LEVELS[level]}?{urllib.parse.urlencode(keys)}")
        wanted = found(data_web.archive, level, keys)
        got = [{name: from_json(row, name) for name in RETURNED[level]} for row in rows]
        assert [row[RETURNED[level][-1]] for row in got] == [row[RETURNED[level][-1]] for row in wanted], (level, keys)
        for mine, theirs in zip(got, wanted):
            assert {name: same(value) for name, value in mine.items()} == {name: same(value) for name, value in theirs.items()}, keys
        hits += len(rows)
    assert hits > 300


def same(text):
    """IS is a number in JSON; each of several values may be padded in DICOM."""
    return "\\".join(part.strip().lstrip("0+") if part.strip().isdigit() else part.strip() for part in text.split("\\"))


def test_below_a_study_and_a_series(data_web):
    studies = {}
    for one in data_web.objects:
        studies.setdefault(one.study, {}).setdefault(one.series, []).append(one.instance)
    for study, series in studies.items():
        keys = {"StudyInstanceUID": study}
        assert values(listed(data_web, f"/dicom-web/studies/{study}/series"), "0020000E") == [row["SeriesInstanceUID"] for row in found(data_web.archive, "SERIES", keys)]
        if len(series) > 1:
            rows = listed(data_web, f"/dicom-web/studies/{study}/instances")
            assert sorted(values(rows, "00080018")) == sorted(sum(series.values(), []))
            for uid_, instances in series.items():
                rows = listed(data_web, f"/dicom-web/studies/{study}/series/{uid_}/instances")
                assert sorted(values(rows, "00080018")) == sorted(instances)
    study, series = max(studies.items(), key=lambda item: len(item[1]))
    by_modality = listed(data_web, f"/dicom-web/studies/{study}/series?Modality=CT")
    assert values(by_modality, "0020000E") == [row["SeriesInstanceUID"] for row in found(data_web.archive, "SERIES", {"StudyInstanceUID": study, "Modality": "CT"})]
    assert listed(data_web, f"/dicom-web/studies/{study}/series/1.2.3/instances") == [] == listed(data_web, "/dicom-web/studies/1.2.3/series")


def test_keyword_and_tag_are_the_same_key(data_web):
    for keyword, tag, value in [("PatientID", "00100020", "1CT1"), ("StudyDate", "00080020", "20040101-20041231"), ("ModalitiesInStudy", "00080061", "MR")]:
        assert listed(data_web, f"/dicom-web/studies?{keyword}={value}") == listed(data_web, f"/dicom-web/studies?{tag}={value}") != []


def test_counts_and_computed_attributes(data_web):
    rows = listed(data_web, "/dicom-web/studies?includefield=SOPClassesInStudy,ModalitiesInStudy")
    for row in rows:
        mine = [one for one in data_web.objects if one.study == row["0020000D"]["Value"][0]]
        assert row["00201208"]["Value"] == [len(mine)] and row["00201206"]["Value"] == [len({one.series for one in mine})]
        assert row["00081190"]["Value"] == [f"http://127.0.0.1:{data_web.port}{mine[0].study_url}"]
        assert row["00080056"]["Value"] == ["ONLINE"] and row["00080054"]["Value"] == ["GANTRY"] and "00080062" in row
    for row in listed(data_web, "/dicom-web/series"):
        mine = [one for one in data_web.objects if one.series == row["0020000E"]["Value"][0]]
        assert row["00201209"]["Value"] == [len(mine)] and row["00081190"]["Value"][0].endswith(mine[0].series_url)
        assert row["0020000D"]["Value"] == [mine[0].study]


# -- includefield --

def test_includefield(data_web):
    url = "/dicom-web/studies?PatientID=1CT1"
    usual, = listed(data_web, url)
    more, = listed(data_web, url + "&includefield=PatientAge,00101030&includefield=InstitutionName")
    assert set(more) >= set(usual) | {"00101010", "00101030", "00080080"}
    everything, = listed(data_web, url + "&includefield=all")
    assert set(everything) >= set(usual)
    series = listed(data_web, "/dicom-web/series?includefield=RequestAttributesSequence,00081250")
    assert all("00400275" in row and row["00400275"]["vr"] == "SQ" for row in series)
    assert listed(data_web, url + "&includefield=") == [usual]


# -- names --

def test_fuzzy_matching(stopped_archive):
    web = Web(stopped_archive)
    stopped_archive.start()
    store(stopped_archive, dict(PatientName="Müller^Jürgen", PatientID="F1", SpecificCharacterSet="ISO_IR 192"), dict(PatientName="MULLER^EVA", PatientID="F2"))

    def ids(name, fuzzy):
        return sorted(values(listed(web, f"/dicom-web/studies?PatientName={urllib.parse.quote(name)}&fuzzymatching={fuzzy}"), "00100020"))

    assert ids("muller*", "true") == ["F1", "F2"] and ids("MÜLLER^Jurgen", "true") == ["F1"]
    assert ids("MULLER*", "false") in (["F2"], ["F1", "F2"]) and ids("Müller*", "false")[0] == "F1"
    assert web.get("/dicom-web/studies?fuzzymatching=maybe").status == 400


# -- limit and offset --

@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
@pytest.mark.parametrize("keys", ["", "Modality=CT", "StudyDate=20000101-20201231", "PatientName=*a*"])
def test_pages_partition_the_whole(level, keys, data_web):
    url, tag = f"/dicom-web/{LEVELS[level]}?{keys}", UNIQUE[level]
    whole = values(listed(data_web, url), tag)
    assert len(set(whole)) == len(whole) > 10
    for size in (1, 7, len(whole) - 1, len(whole), len(whole) + 1):
        offsets = range(0, len(whole) + 1, size) if size > 1 else [0, 1, len(whole) // 2, len(whole) - 1]
        for offset in offsets:
            answer = data_web.get(f"{url}&limit={size}&offset={offset}")
            rows = answer.json() if answer.status == 200 else []
            assert values(rows, tag) == whole[offset:offset + size], (size, offset)
            assert (answer.status == 204) == (offset >= len(whole))
            assert ("Warning" in answer.headers) == (offset + size < len(whole)), (size, offset)
            if "Warning" in answer.headers:
                assert answer.headers["Warning"].startswith("299 ")
    assert data_web.get(f"{url}&limit=0").status in (200, 204)


def test_pages_stay_while_studies_arrive(stopped_archive):
    """The newest study is the first: without a memory of where the list was begun each new one would push a study onto the next page."""
    web = Web(stopped_archive)
    stopped_archive.start()
    first = [dict(PatientID=f"P{n}", StudyInstanceUID=uid(4, n), StudyDate=f"202601{n:02}") for n in range(1, 13)]
    store(stopped_archive, *first)
    for level, tag in (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018")):
        whole = values(listed(web, f"/dicom-web/{level}"), tag)
        seen = []
        for offset in range(0, len(whole) + 5, 5):
            seen += values(listed(web, f"/dicom-web/{level}?limit=5&offset={offset}"), tag)
            store(stopped_archive, dict(PatientID="New", StudyDate="20270101"))
        assert seen == whole, level
        again = values(listed(web, f"/dicom-web/{level}?limit=5&offset=0"), tag)
        assert again[0] not in whole  # who begins again sees what is new
    assert len(listed(web, "/dicom-web/studies?limit=5&offset=3&PatientID=P*")) == 5  # a page that nobody was led to


# -- JSON and XML --

def test_xml_has_the_rows_of_json(data_web):
    namespace = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    for path in ("/dicom-web/studies?limit=20", "/qidors/series?limit=20", "/dicom-web/instances?limit=1"):
        rows = listed(data_web, path)
        parts = data_web.get(path, Accept='multipart/related; type="application/dicom+xml"').parts("application/dicom+xml")
        assert len(parts) == len(rows)
        for part, row in zip(parts, rows):
            attributes = tree.fromstring(part.body).findall(f"{namespace}DicomAttribute")
            assert [element.get("tag") for element in attributes] == sorted(row)
            for element in attributes:
                mine = row[element.get("tag")]
                if mine["vr"] not in ("PN", "SQ", "IS", "US"):
                    assert [value.text for value in element.findall(f"{namespace}Value")] == mine.get("Value", [])


@pytest.mark.parametrize("accept, status", [
    (None, 200), ("*/*", 200), ("application/*", 200), ("application/dicom+json", 200), ("application/json", 200), ("APPLICATION/DICOM+JSON; charset=utf-8", 200),
    ("text/html, application/dicom+json;q=0.5", 200), ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", 200),
    ("text/html", 406), ("application/dicom", 406), ("application/dicom+json;q=0", 406), ("image/png", 406),
])
@pytest.mark.parametrize("path", ["/dicom-web/studies?limit=1", "/qidors/instances?limit=1"])
def test_media_types(path, accept, status, data_web):
    answer = data_web.get(path, **({"Accept": accept} if accept else {}))
    assert answer.status == status and "Accept" in re.split(", *", answer.headers["Vary"])
    if status == 406:
        assert "application/dicom+json" in answer.problem()
    else:
        assert answer.headers["Content-Type"] == ("application/json" if accept == "application/json" else "application/dicom+json")


# -- what is wrong --

@pytest.mark.parametrize("query, word", [
    ("NoSuchKey=1", "NoSuchKey"), ("PatientID=1&PatientID=2", "twice"), ("PatientID=1&00100020=2", "twice"), ("limit=x", "limit"), ("limit=-1", "limit"), ("limit=1&limit=2", "twice"), ("offset=1&offset=1", "twice"),
    ("fuzzymatching=true&fuzzymatching=false", "twice"), ("offset=1.5", "offset"),
    ("offset=99999999999999999999", "offset"), ("includefield=NoSuchField", "NoSuchField"), ("fuzzymatching=perhaps", "fuzzymatching"), ("00100020.00100010=x", "sequence"),
    ("PixelData=x", "PixelData"), ("RequestAttributesSequence=x", "RequestAttributesSequence"), ("Rows=many", "Rows"), ("1=2", "1"), ("StudyDate=yesterday", "StudyDate"), ("StudyTime=noon-", "StudyTime"),
])
def test_wrong_parameters_are_named(query, word, data_web):
    for path in ("/dicom-web/studies", "/qidors/series"):
        answer = data_web.get(f"{path}?{query}")
        assert answer.status == 400 and word in answer.problem(), answer.body


def test_a_key_that_is_not_indexed_is_never_ignored(data_web):
    for more in ("", "&PatientID=Nobody"):
        answer = data_web.get("/dicom-web/studies?KVP=120" + more)
        assert answer.status == 400 and "KVP" in answer.problem() and "tags.yml" in answer.problem()
    assert data_web.get("/dicom-web/studies?KVP=").status == 200
    answer = data_web.get("/dicom-web/studies/1.2.3/series?StudyInstanceUID=1.2.4")
    assert answer.status == 400 and "path" in answer.problem()


# -- SPHERE's paths --

def test_spheres_paths(stopped_archive, tmp_path):
    """Default limit 100; nothing found is an empty list; results can be fetched below /wadors."""
    web = Web(stopped_archive)
    for n in range(103):
        make_image(tmp_path / f"in/{n}.dcm", rows=1, columns=2, PatientID=f"S{n}", StudyInstanceUID=uid(5, n), SeriesInstanceUID=uid(5, n, 1))
    stopped_archive.manage("data", "index", "-d", tmp_path / "in")
    stopped_archive.start()
    for level, tag in (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018")):
        answer = web.get(f"/qidors/{level}")
        rows = answer.json()
        assert len(rows) == 100 and answer.headers["Warning"].startswith("299")
        rest = web.get(f"/qidors/{level}?offset=100").json()
        assert len(rest) == 3 and not set(values(rows, tag)) & set(values(rest, tag))
        assert len(web.get(f"/qidors/{level}?limit=103").json()) == 103 == len(web.get(f"/dicom-web/{level}").json())
        for path in (f"/qidors/{level}?PatientID=Nobody", f"/qidors/{level}?offset=1000"):
            nothing = web.get(path)
            assert nothing.status == 200 and nothing.json() == [] and nothing.headers["Content-Type"] == "application/dicom+json"
        assert re.search(r"/wadors/studies/[\d.]+", rows[0]["00081190"]["Value"][0])
        assert web.get(urllib.parse.urlsplit(rows[0]["00081190"]["Value"][0]).path + "/metadata").status == 200
    study = uid(5, 7)
    assert values(web.get(f"/qidors/studies/{study}/series").json(), "0020000E") == [f"{study}.1"]
    assert len(web.get(f"/qidors/studies/{study}/instances").json()) == len(web.get(f"/qidors/studies/{study}/series/{study}.1/instances").json()) == 1


def test_filters_select_rows_not_patients(stopped_archive):
    """SPHERE answers with everything of the patients that have a match; here what matches is what comes."""
    web = Web(stopped_archive)
    stopped_archive.start()
    store(stopped_archive, *(dict(PatientID="Same", StudyInstanceUID=uid(6, n), SeriesInstanceUID=uid(6, n, 1), Modality=modality, StudyDate=date, SeriesDate=date)
                             for n, (modality, date) in enumerate([("PT", "20260101"), ("CT", "20260202"), ("MR", "20260303")])))
    assert values(web.get("/qidors/series?Modality=PT").json(), "0020000E") == [uid(6, 0, 1)]
    assert values(web.get(f"/qidors/instances?SeriesInstanceUID={uid(6, 1, 1)}").json(), "0020000E") == [uid(6, 1, 1)]
    assert values(web.get("/qidors/studies?PatientID=Sam*&StudyDate=20260202-").json(), "0020000D") == [uid(6, 2), uid(6, 1)]
    assert values(web.get("/qidors/series?SeriesDate=-20260101").json(), "0020000E") == [uid(6, 0, 1)]
    assert values(web.get("/qidors/studies?00080061=MR&00100020=Same").json(), "0020000D") == [uid(6, 2)]
