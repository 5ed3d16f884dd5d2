# SPDX-License-Identifier: MIT
"""Extended tags end to end: tags.yml, extended_db.yml, columns, C-FIND, migrate (EXT-01 to EXT-11)."""
import csv
import json
import re
import sqlite3

import pytest
from dimse import EXPLICIT, Association
from make_dicom import KNOWN, SECONDARY_CAPTURE, attributes, uid
from postgres import AVAILABLE
from programs import run, wait_until
from query import PENDING, STUDY_ROOT, QueryClient, encode

IMAGE_TYPE, ROWS, REFERENCED, INSTANCE_OF, CLASS_OF = 0x00080008, 0x00280010, 0x00081140, 0x00081155, 0x00081150
THICKNESS, SPACING, WEIGHT, REQUEST, STEP, LOCATION = 0x00180050, 0x00280030, 0x00101030, 0x00400275, 0x00400007, 0x00201041
STUDY, SERIES, INSTANCE, NAME, BIRTH = 0x0020000D, 0x0020000E, 0x00080018, 0x00100010, 0x00100030

TAGS = """
patient:
  - '00101030'
study:
  - '00080030'
  - '00200010'
series:
  - '00180050'   # Slice Thickness
  - '00400275,00400007'
instance:
  - '00280010'
  - '00080008'
  - '00280030'
  - '00081140,00081155'
  - '00081115,00081155'
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(not AVAILABLE, reason="no PostgreSQL"))])
def place(request, stopped_archive):
    """A stopped archive on either database; `sql` looks at it beside."""
    if request.param == "sqlite":
        def sql(text):
            with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:
                return [row[0] if len(row) == 1 else "|".join("" if v is None else str(v) for v in row) for row in db.execute(text)]
        stopped_archive.sql, stopped_archive.prefix = sql, ""
        return stopped_archive
    server = request.getfixturevalue("postgres")
    server.sql("DROP SCHEMA IF EXISTS tags CASCADE")
    archive = server.use(stopped_archive, "tags")
    archive.sql, archive.prefix = server.sql, "tags."
    return archive


def set_tags(archive, text):
    (archive.folder / "app/tags.yml").write_text(text)


def send(archive, *objects):
    """Keyword arguments of make_dicom.attributes, and {tag: (vr, value)} as `more`."""
    association = Association(archive.port, contexts={3: (SECONDARY_CAPTURE, EXPLICIT)})
    for one in objects:
        given = attributes(**{key: value for key, value in one.items() if key != "more"})
        keys = {KNOWN[key][0]: (KNOWN[key][1], value) for key, value in given.items()}
        assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], encode({**keys, **one.get("more", {})})) == 0
    association.release()


def reference(*instances):
    return "SQ", [{CLASS_OF: ("UI", SECONDARY_CAPTURE), INSTANCE_OF: ("UI", one)} for one in instances]


def number(n, **more):
    """Object n of a study in two series."""
    series = 1 + n % 2
    return dict(PatientID="EXT", PatientName="Ext^Tags", PatientBirthDate="19700102", StudyInstanceUID=uid(7), StudyID="S7",
                SeriesInstanceUID=uid(7, series), SOPInstanceUID=uid(7, series, n), SeriesNumber=series, InstanceNumber=n, StudyTime="081500",
                Rows=100 + n, more={WEIGHT: ("DS", "71.5"), THICKNESS: ("DS", "0.5" if series == 1 else "3"),
                                    IMAGE_TYPE: ("CS", f"ORIGINAL\\PRIMARY\\N{n}"), SPACING: ("DS", "0.5\\0.25"),
                                    REQUEST: ("SQ", [{STEP: ("LO", f"Step {series}")}, {STEP: ("LO", "Other")}]),
                                    REFERENCED: reference(f"1.2.{n}", f"1.3.{n}"), **more})


def find(archive, level, keys):
    client = QueryClient(archive.port, STUDY_ROOT)
    answers, final = client.find(level, keys)
    client.release()
    assert final.status == 0
    return answers


def texts(answers, tag):
    return sorted(answer[tag].decode().rstrip(" \0") for answer in answers)


def columns(archive, table):
    if archive.prefix:
        return archive.sql(f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'tags' AND table_name = '{table}'")
    return archive.sql(f"SELECT name FROM pragma_table_info('{table}')")


# -- the columns and what is in them --

def test_tags_of_four_levels_are_columns_keys_and_return_keys(place):  # EXT-01, EXT-02, EXT-05, EXT-06
    set_tags(place, TAGS)
    place.start()
    wait_until(lambda: "Api Annotation" in place.server.output(), 5, "the banner")
    assert "# Extended database\tON" in place.server.output()
    send(place, *map(number, range(4)))
    assert place.sql(f"SELECT patient_s_weight FROM {place.prefix}patient") == ["71.5"]
    assert sorted(place.sql(f"SELECT slice_thickness FROM {place.prefix}series")) == ["0.5", "3"]
    assert sorted(place.sql(f"SELECT scheduled_procedure_step_description FROM {place.prefix}series")) == ["Step 1", "Step 2"]
    table = f"{place.prefix}file_storage_metadata_dicom"
    assert sorted(place.sql(f'SELECT "rows" FROM {table}')) == ["100", "101", "102", "103"]
    assert set(place.sql(f"SELECT pixel_spacing FROM {table}")) == {"0.5\\0.25"}
    assert sorted(place.sql(f"SELECT referenced_sop_instance_uid FROM {table}")) == [f"1.2.{n}" for n in range(4)]
    assert len(place.sql(f"SELECT instance_uid FROM {table} WHERE referenced_series_sequence_referenced_sop_instance_uid IS NULL")) == 4

    def instances(keys):
        return texts(find(place, "IMAGE", {INSTANCE: ("UI", ""), **keys}), INSTANCE)
    assert instances({ROWS: ("US", 102)}) == [uid(7, 1, 2)]
    assert instances({IMAGE_TYPE: ("CS", "N3")}) == [uid(7, 2, 3)]
    assert instances({IMAGE_TYPE: ("CS", "*IMARY")}) == sorted(uid(7, 1 + n % 2, n) for n in range(4))
    assert instances({INSTANCE_OF: ("UI", "1.2.1\\1.2.2")}) == [uid(7, 1, 2), uid(7, 2, 1)]
    assert instances({INSTANCE_OF: ("UI", "1.3.1")}) == []  # the key alone is about the first item
    assert instances({REFERENCED: ("SQ", [{INSTANCE_OF: ("UI", "1.3.1")}])}) == [uid(7, 2, 1)]  # the sequence about any
    assert texts(find(place, "SERIES", {SERIES: ("UI", ""), THICKNESS: ("DS", "0.50")}), SERIES) == [uid(7, 1)]
    assert texts(find(place, "SERIES", {SERIES: ("UI", ""), STEP: ("LO", "Step ?")}), SERIES) == [uid(7, 1), uid(7, 2)]
    assert texts(find(place, "STUDY", {STUDY: ("UI", ""), THICKNESS: ("DS", "3")}), STUDY) == [uid(7)]
    assert find(place, "STUDY", {STUDY: ("UI", ""), THICKNESS: ("DS", "4")}) == []

    answer, = find(place, "IMAGE", {INSTANCE: ("UI", uid(7, 1, 2)), ROWS: ("US", ""), IMAGE_TYPE: ("CS", ""), INSTANCE_OF: ("UI", ""),
                                    SPACING: ("DS", ""), REFERENCED: ("SQ", [])})
    assert answer[ROWS] == (102).to_bytes(2, "little")
    assert (texts([answer], IMAGE_TYPE), texts([answer], SPACING), texts([answer], INSTANCE_OF)) == (
        ["ORIGINAL\\PRIMARY\\N2"], ["0.5\\0.25"], ["1.2.2"])
    assert [one[INSTANCE_OF].rstrip(b"\0") for one in answer[REFERENCED]] == [b"1.2.2", b"1.3.2"]
    assert all(CLASS_OF not in one for one in answer[REFERENCED])  # trimmed to what was listed
    full = place.manage("database", "find", "instance", "-a", "seriesUID", "-V", uid(7, 2), "-d", "full").stdout
    assert "- rows\t\t: 101" in full and "- image_type\t\t: ORIGINAL\\PRIMARY\\N3" in full
    row = json.loads(place.manage("database", "find", "patient", "-e", "json").stdout)
    assert row["StorageMetadata"][0]["patient_s_weight"] == "71.5"
    assert "\"rows\"" in place.manage("database", "find", "instance", "-d", "full", "-e", "csv", "-H").stdout.splitlines()[0]


def test_findscu_asks_by_extended_key(archive):  # EXT-06
    archive.stop()
    set_tags(archive, TAGS)
    archive.start()
    send(archive, number(0), number(1))
    done = run("findscu", "-v", "-S", "-aec", archive.aet, "127.0.0.1", archive.port, "-k", "QueryRetrieveLevel=IMAGE", "-k",
               "ImageType=N1", "-k", "SOPInstanceUID", "-k", "Rows", "-k", "ReferencedSOPInstanceUID")
    text = done.stdout + done.stderr
    assert uid(7, 2, 1) in text and uid(7, 1, 0) not in text and "US 101" in text and "[1.2.1" in text


def test_every_answer_has_them_when_it_shall(archive):  # EXT-07
    archive.stop()
    set_tags(archive, TAGS)
    archive.set("send_extended_db_of_find", "true")
    archive.start()
    send(archive, number(0), dict(number(1), more={}))
    study, = find(archive, "STUDY", {STUDY: ("UI", "")})
    assert (texts([study], NAME), texts([study], BIRTH), texts([study], 0x00080030), texts([study], 0x00200010)) == (
        ["Ext^Tags"], ["19700102"], ["081500"], ["S7"])
    images = {text: answer for answer in find(archive, "IMAGE", {INSTANCE: ("UI", "")}) for text in texts([answer], INSTANCE)}
    assert images[uid(7, 1, 0)][ROWS] == (100).to_bytes(2, "little") and texts([images[uid(7, 1, 0)]], INSTANCE_OF) == ["1.2.0"]
    assert images[uid(7, 2, 1)][INSTANCE_OF] == images[uid(7, 2, 1)][SPACING] == b""
    assert REFERENCED not in images[uid(7, 1, 0)] and THICKNESS not in images[uid(7, 1, 0)]
    archive.stop()
    archive.set("send_extended_db_of_find", "false")
    archive.start()
    study, = find(archive, "STUDY", {STUDY: ("UI", "")})
    assert NAME not in study and 0x00080030 not in study


def test_values_that_are_odd(place):  # EXT-06, B9, B31
    set_tags(place, "instance:\n  - '00280010'\n  - '00080008'\n  - '00204000'\n  - '00189073'\n  - '00201041'\nseries:\n  - '00180020'\n")
    (place.folder / "app/all_dicom_elements.csv").write_text(
        "Tag,Keyword,Attribute name,VR,Field name of a table,Type,Size if settings\n"
        "00280010,Rows,Rows,US,rows,String,16\n00080008,ImageType,Image Type,CS,image_type,String,12\n"
        "00204000,ImageComments,Image Comments,LT,image_comments,Text\n00189073,AcquisitionDuration,Acquisition Duration,FD,acquisition_duration,String,64\n"
        "00201041,SliceLocation,Slice Location,DS,slice_location,String,16\n00180020,ScanningSequence,Scanning Sequence,CS,scanning_sequence,String,128\n")
    place.start()
    long = "VERY LONG\\AND LONGER\\X"
    send(place, dict(SOPInstanceUID="1.5.1", more={IMAGE_TYPE: ("CS", long), 0x00204000: ("LT", "a\\b 'c' \"d\";--"), LOCATION: ("DS", ""),
                                                   0x00189073: ("FD", b"\x9a\x99\x99\x99\x99\x99\xb9\x3f")}),
         dict(SOPInstanceUID="1.5.2", SpecificCharacterSet="ISO_IR 192", more={0x00204000: ("LT", "ä" * 5000)}))
    table = f"{place.prefix}file_storage_metadata_dicom"
    assert place.sql(f"SELECT image_type FROM {table} WHERE instance_uid = '1.5.1'") == [long[:12]]
    assert place.sql(f"SELECT image_comments FROM {table} WHERE instance_uid = '1.5.1'") == ["a\\b 'c' \"d\";--"]
    assert place.sql(f"SELECT acquisition_duration FROM {table} WHERE instance_uid = '1.5.1'") == ["0.1"]
    assert place.sql(f"SELECT count(*) FROM {table} WHERE slice_location = ''") in (["1"], [1])
    assert place.sql(f"SELECT count(*) FROM {table} WHERE slice_location IS NULL") in (["1"], [1])
    answer, = find(place, "IMAGE", {INSTANCE: ("UI", ""), IMAGE_TYPE: ("CS", "X"), 0x00189073: ("FD", "")})
    assert texts([answer], IMAGE_TYPE) == [long] and answer[0x00189073] == b"\x9a\x99\x99\x99\x99\x99\xb9\x3f"
    answer, = find(place, "IMAGE", {0x00080005: ("CS", "ISO_IR 192"), INSTANCE: ("UI", "1.5.2"), 0x00204000: ("LT", "")})
    assert texts([answer], 0x00204000) == ["ä" * 5000]


def test_what_lies_in_functional_groups(archive):  # EXT-02
    shared, measures, per_frame, plane, position = 0x52009229, 0x00289110, 0x52009230, 0x00209113, 0x00200032
    archive.stop()
    set_tags(archive, "instance:\n  - '52009229,00289110,00280030'\n  - '52009230,00209113,00200032'\n")
    archive.start()
    send(archive, dict(SOPInstanceUID="1.6.1", more={
        shared: ("SQ", [{measures: ("SQ", [{SPACING: ("DS", "0.7\\0.7"), THICKNESS: ("DS", "4")}])}]),
        per_frame: ("SQ", [{plane: ("SQ", [{position: ("DS", f"0\\0\\{n}")}])} for n in range(40)])}))
    table = "file_storage_metadata_dicom"
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        assert db.execute(f"SELECT pixel_spacing, image_position_patient FROM {table}").fetchall() == [("0.7\\0.7", "0\\0\\0")]
    assert texts(find(archive, "IMAGE", {INSTANCE: ("UI", ""), SPACING: ("DS", "0.70")}), INSTANCE) == ["1.6.1"]
    key = {INSTANCE: ("UI", ""), shared: ("SQ", [{measures: ("SQ", [{SPACING: ("DS", "0.7")}])}])}
    answer, = find(archive, "IMAGE", key)
    assert answer[shared][0][measures][0] == {SPACING: b"0.7\\0.7 "}
    frames = {INSTANCE: ("UI", ""), per_frame: ("SQ", [{plane: ("SQ", [{position: ("DS", "39")}])}])}
    assert len(find(archive, "IMAGE", frames)) == 1
    archive.manage("database", "migrate", "--again")
    assert len(find(archive, "IMAGE", frames)) == 1


# -- migration --

def test_columns_come_to_an_archive_that_is_in_use(place):  # EXT-05, "database migrate"
    place.start()
    send(place, *map(number, range(6)))
    place.stop()
    assert "Nothing to do" in place.manage("database", "migrate").stderr
    set_tags(place, TAGS)
    place.start()
    wait_until(lambda: "manage database migrate" in place.server.output(), 5, "what waits is told")
    assert "8 of 10 extended tags" in place.server.output()
    send(place, number(6))
    table = f"{place.prefix}file_storage_metadata_dicom"
    assert place.sql(f'SELECT "rows" FROM {table} WHERE "rows" IS NOT NULL') == ["106"]
    found = texts(find(place, "IMAGE", {INSTANCE: ("UI", ""), ROWS: ("US", 103)}), INSTANCE)
    assert found == [uid(7, 2, 3)]  # the base schema has it without a column
    assert find(place, "IMAGE", {INSTANCE: ("UI", ""), INSTANCE_OF: ("UI", "1.2.1")}) == []
    done = place.manage("database", "migrate")
    assert "8 of 10 extended tags wait" in done.stderr and "7 of 7 rows" in done.stderr
    assert sorted(place.sql(f'SELECT "rows" FROM {table}')) == [str(100 + n) for n in range(7)]
    assert sorted(place.sql(f"SELECT scheduled_procedure_step_description FROM {place.prefix}series")) == ["Step 1", "Step 2"]
    assert place.sql(f"SELECT patient_s_weight FROM {place.prefix}patient") == ["71.5"]
    assert len(find(place, "IMAGE", {INSTANCE: ("UI", ""), INSTANCE_OF: ("UI", "1.2.1")})) == 1
    assert "Nothing to do" in place.manage("database", "migrate").stderr
    assert "7 of 7 rows" in place.manage("database", "migrate", "--again").stderr


def test_a_tag_that_is_removed_keeps_its_column(place):
    set_tags(place, "instance:\n  - '00280010'\n  - '00201041'\n")
    place.start()
    send(place, dict(number(0), more={LOCATION: ("DS", "1.5")}))
    place.stop()
    set_tags(place, "instance:\n  - '00280010'\n")
    place.start()
    send(place, dict(number(1), more={LOCATION: ("DS", "2.5")}))
    table = f"{place.prefix}file_storage_metadata_dicom"
    assert place.sql(f"SELECT slice_location FROM {table} ORDER BY instance_number") in (["1.5", None], ["1.5", ""])
    answers = find(place, "IMAGE", {INSTANCE: ("UI", ""), LOCATION: ("DS", "")})
    assert texts(answers, LOCATION) == ["", ""]
    assert "slice_location" not in place.manage("database", "find", "instance", "-d", "full").stdout
    place.stop()
    set_tags(place, "instance:\n  - '00280010'\n  - '00201041'\n")
    assert "1 of 2 extended tags wait" in place.manage("database", "migrate").stderr  # others have written without it
    assert place.sql(f"SELECT slice_location FROM {table} ORDER BY instance_number") == ["1.5", "2.5"]


def test_a_fill_goes_on_where_it_was(stopped_archive, few):
    stopped_archive.manage("data", "index", "-d", few)
    set_tags(stopped_archive, TAGS)
    (few / "11.dcm").rename(few / "away")
    done = stopped_archive.manage("database", "migrate", check=False)
    assert done.returncode == 1 and "3 of 4 rows" in done.stderr
    (few / "away").rename(few / "11.dcm")
    done = stopped_archive.manage("database", "migrate")
    assert "a run that was stopped goes on" in done.stderr and "1 of 1 rows" in done.stderr
    assert "Nothing to do" in stopped_archive.manage("database", "migrate").stderr


@pytest.mark.skipif(not AVAILABLE, reason="no PostgreSQL")
def test_two_archives_with_different_tags_share_a_schema(postgres, tmp_path, stopped_archive):
    from archive import Archive
    postgres.sql("DROP SCHEMA IF EXISTS tags CASCADE")
    one = postgres.use(stopped_archive, "tags")
    (tmp_path / "second").mkdir()
    other = postgres.use(Archive(tmp_path / "second", "SECOND"), "tags")
    set_tags(one, "instance:\n  - '00280010'\n  - '00080008'\n")
    set_tags(other, "instance:\n  - '00201041'\n")
    one.start()
    other.start()
    try:
        for n in range(4):
            send(one if n % 2 else other, dict(number(n), more={LOCATION: ("DS", str(n)), IMAGE_TYPE: ("CS", f"N{n}")}))
        rows = postgres.sql('SELECT "rows", image_type, slice_location FROM tags.file_storage_metadata_dicom ORDER BY instance_number')
        assert rows == ["||0", "101|N1|", "||2", "103|N3|"]
        assert texts(find(one, "IMAGE", {INSTANCE: ("UI", ""), ROWS: ("US", 102)}), INSTANCE) == [uid(7, 1, 2)]
        assert texts(find(one, "IMAGE", {INSTANCE: ("UI", ""), IMAGE_TYPE: ("CS", "N2")}), INSTANCE) == [uid(7, 1, 2)]
        assert "4 of 4 rows" in one.manage("database", "migrate").stderr
        assert postgres.sql('SELECT "rows" FROM tags.file_storage_metadata_dicom ORDER BY instance_number') == ["100", "101", "102", "103"]
    finally:
        other.stop()


# -- the files --

def test_wrong_tags_are_named_and_the_others_work(archive):  # EXT-01, EXT-03
    archive.stop()
    set_tags(archive, "instance:\n  - '00280010'\n  - '0028FFFF'\n  - '00081140'\n  - 'rows'\n  - '00280010'\n  - '00020010'\n  - '00091001'\n"
                      "  - '00280010,00081155'\n  - '7FE00010'\nseries:\n  - '00100020'\nfloor:\n  - '00280010'\n")
    archive.start()
    wait_until(lambda: "Api Annotation" in archive.server.output(), 5, "the banner")
    told = archive.server.output()
    for line, words in ((3, "0028FFFF: is not in all_dicom_elements.csv"), (4, "00081140: it is a sequence"), (5, "rows: 'rows' is no tag"),
                        (6, "00280010: it is listed twice"), (7, "00020010: it is no attribute"), (8, "00091001: private tags"),
                        (9, "00280010,00081155: 00280010 is no sequence"), (10, "7FE00010: it is pixel data"),
                        (12, "00100020: it is the key of the table patient"), (14, "floor: is no level")):
        assert re.search(rf"app/tags.yml:{line}: {re.escape(words)}", told), (words, told)
    send(archive, number(0))
    assert texts(find(archive, "IMAGE", {INSTANCE: ("UI", ""), ROWS: ("US", 100)}), INSTANCE) == [uid(7, 1, 0)]
    assert "app/tags.yml:3: 0028FFFF: is not in" in archive.manage("settings", "check").stdout
    done = archive.manage("database", "extend", check=False)
    assert done.returncode == 1 and "10 entries" in done.stderr and "00280010" in (archive.folder / "app/extended_db.yml").read_text()


def test_a_file_that_is_no_yaml_stops_the_start(stopped_archive):
    set_tags(stopped_archive, "instance:\n  - '00280010',\n")
    for command in (("database", "find", "study"), ("settings", "check")):
        done = stopped_archive.manage(*command, check=False)
        assert done.returncode == 1 and "tags.yml:2" in done.stderr


def test_the_generator_asks_before_it_overwrites(stopped_archive):  # EXT-03
    yaml, copy = stopped_archive.folder / "app/extended_db.yml", stopped_archive.folder / "app/.copy_extended.json"
    done = stopped_archive.manage("database", "extend")
    assert "lists no tags" in done.stderr and not yaml.exists()
    set_tags(stopped_archive, TAGS)
    generator = stopped_archive.folder / "app/main_extended_db.py"
    assert "10 tags" in run("./main_extended_db.py", cwd=stopped_archive.folder / "app").stdout
    first = yaml.read_text()
    assert json.loads(copy.read_text())["series"]["00400007"] == {
        "parents": "00400275", "keyword": "ScheduledProcedureStepDescription", "value_representations": "LO",
        "field_name": "scheduled_procedure_step_description", "type": "String", "size": 512}
    assert "  '00081115,00081155':\n    parents: '00081115'\n" in first and "    field_name: patient_s_weight\n    type: String\n    size: 128\n" in first
    set_tags(stopped_archive, "study:\n  - '00102180'\n")
    done = run(generator, stdin="", check=False)
    assert done.returncode == 1 and "no answer" in done.stderr and yaml.read_text() == first
    assert "not overwritten" in run(generator, stdin="maybe\nno\n").stderr and yaml.read_text() == first
    run(generator, stdin="yes\n")
    assert "00102180" in yaml.read_text() and "00102180" in copy.read_text()
    run("/usr/bin/python3", generator, "-f")


def test_what_is_edited_by_hand_counts_at_once(place):  # EXT-04, B31
    set_tags(place, "instance:\n  - '00280010'\n")
    place.manage("database", "extend")
    (place.folder / "app/extended_db.yml").write_text("""
instance:
  '00280010': {keyword: Rows, value_representations: US, field_name: HowManyRows, type: String, size: 2}
  '00091001': {value_representations: LO, field_name: select, type: Text}
  '00091002': {field_name: no_vr}
  '00080008': {type: Blob}
file_storage_metadata_dicom:
  '00081155': {parents: '00081140', field_name: file_path}
  '00201041': {size: 20}
""")
    place.start()
    wait_until(lambda: "Api Annotation" in place.server.output(), 5, "the banner")
    told = place.server.output()
    assert "00091002: it has no known value representation" in told and "type: Blob is neither String nor Text" in told
    assert "00081155: the table file_storage_metadata_dicom has a column file_path of something else" in told
    send(place, dict(number(0), more={0x00090010: ("LO", "MAKER"), 0x00091001: ("LO", "private"), LOCATION: ("DS", "7")}))
    row = place.sql(f'SELECT "HowManyRows", "select", slice_location FROM {place.prefix}file_storage_metadata_dicom')
    assert row == ["10|private|7"]
    answer, = find(place, "IMAGE", {INSTANCE: ("UI", ""), 0x00090010: ("LO", "MAKER"), 0x00091001: ("LO", "priv*"), ROWS: ("US", 100)})
    assert texts([answer], 0x00091001) == ["private"] and texts([answer], 0x00090010) == ["MAKER"]


def test_the_shipped_list_is_empty_and_has_the_set_of_sphere(stopped_archive):  # EXT-10
    shipped = (stopped_archive.folder / "app/tags.yml").read_text()
    assert all(line.startswith("#") for line in shipped.splitlines())
    marked = shipped[shipped.index("The set EXTENDED"):].splitlines()[1:]
    set_tags(stopped_archive, "\n".join(line[2:] for line in marked) + "\n")
    assert "42 tags" in stopped_archive.manage("database", "extend").stdout
    names = set(columns_of(stopped_archive))
    assert {"slice_thickness", "image_position_patient", "echo_numbers", "contrast_bolus_agent"} <= names


def columns_of(archive):
    archive.manage("database", "create")
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        return [row[0] for table in ("series", "file_storage_metadata_dicom") for row in db.execute(f"SELECT name FROM pragma_table_info('{table}')")]


def test_the_dictionary_is_made_anew_without_a_network(stopped_archive):  # EXT-08, EXT-09, EXT-11
    path = stopped_archive.folder / "app/all_dicom_elements.csv"
    shipped = path.read_bytes()
    path.write_text("broken")
    done = stopped_archive.manage("database", "dictionary", stdin="", check=False)
    assert done.returncode == 1 and path.read_text() == "broken"
    stopped_archive.manage("database", "dictionary", "-f")
    assert path.read_bytes() == shipped
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert len(head) == 7 and len(rows) > 4823 and {len(row) for row in rows} == {6, 7}
    names = [row[4] for row in rows]
    assert len(set(names)) == len(names) and max(map(len, names)) == 63 and all(re.fullmatch("[a-z0-9_]+", name) for name in names)
    by_tag = {row[0]: row for row in rows}
    assert by_tag["00101020"][4:] == ["patient_s_size", "String", "128"]
    assert (by_tag["00100020"][4], by_tag["00200010"][4]) == ("patient_dcm_id", "study_dcm_id")
    assert by_tag["00204000"][5:] == ["Text"] and by_tag["00280010"][6] == "16" and by_tag["0040A120"][6] == "208"
