# SPDX-License-Identifier: MIT
"""`manage database`: create, drop, clean, check, find, migrate (DBC-01 to DBC-12)."""
import csv
import json
import sqlite3

import pytest
from archive import Archive
from make_dicom import make_image, uid

S1, S2 = uid(21, 1), uid(21, 2)
NAME = 'Doe, "Jane"^A'


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Patient A: study 1 with a CT and an MR series of two images; patient B: study 2 with one CT image."""
    folder = tmp_path_factory.mktemp("database")
    for series, modality in ((1, "CT"), (2, "MR")):
        for image in (1, 2):
            make_image(folder / f"in{series}/{image}.dcm", PatientID="A", PatientName=NAME, PatientSex="F", PatientBirthDate="19700101",
                       StudyInstanceUID=S1, SeriesInstanceUID=uid(21, 1, series), SOPInstanceUID=uid(21, 1, series, image),
                       Modality=modality, SeriesNumber=series, InstanceNumber=image, StudyDate="20260102", InstitutionName="Spital")
    make_image(folder / "in3/2.dcm", PatientID="B", PatientName="Roe^Bob", StudyInstanceUID=S2, SeriesInstanceUID=uid(21, 2, 1),
               SOPInstanceUID=uid(21, 2, 1, 1), Modality="CT", StudyDate="20260103")
    archive = Archive(folder)
    for part in ("in1", "in2", "in3"):  # one after the other: rows come in order of storing
        archive.manage("data", "index", "-d", folder / part)
    return archive


@pytest.fixture
def find(filled):
    def ask(*arguments, **options):
        return filled.manage("database", "find", *arguments, **options).stdout
    return ask


def tables(archive):
    with sqlite3.connect(archive.folder / "index.sqlite") as db:
        return {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'")}


# -- create, drop, clean --

def test_create_makes_tables_and_views_and_says_nothing(stopped_archive):  # DBC-01
    for _ in range(2):
        done = stopped_archive.manage("database", "create")
        assert done.stdout == done.stderr == ""
    assert {"patient", "study", "series", "file_storage_metadata_dicom", "study_list", "tools_modality", "tools_speed"} <= tables(stopped_archive)


def test_create_keeps_what_is_there(stopped_archive, few):  # DBC-01
    stopped_archive.manage("data", "index", "-d", few)
    stopped_archive.manage("database", "create")
    assert len(stopped_archive.manage("database", "find", "instance").stdout.split()) == 4


@pytest.mark.parametrize("words, stdin, code, dropped", [
    ((), "perhaps\nYES\nyes\n", 0, True),  # asked until it is exactly yes or no
    ((), "no\n", 0, False),
    ((), "", 1, False),  # nobody there to answer
    (("-f", "true"), "", 0, True),
    (("--force", "no"), "yes\n", 0, False),
    (("-f", "maybe"), "", 2, False),
])
def test_drop_asks(stopped_archive, words, stdin, code, dropped):  # DBC-02
    stopped_archive.manage("database", "create")
    done = stopped_archive.manage("database", "drop", *words, stdin=stdin, check=False)
    assert done.returncode == code, done.stderr
    assert ("study" in tables(stopped_archive)) != dropped


def test_drop_leaves_what_is_not_ours(stopped_archive, few):  # DBC-02, B15
    stopped_archive.manage("data", "index", "-d", few, "-rm", "yes")
    with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:
        db.execute("CREATE TABLE invoices (amount INTEGER)")
        db.execute("INSERT INTO invoices VALUES (7)")
    files = stopped_archive.files()
    assert len(files) == 4
    stopped_archive.manage("database", "drop", "-f", "yes")
    assert tables(stopped_archive) == {"invoices"}
    assert sorted(stopped_archive.files()) == sorted(files)
    stopped_archive.manage("data", "index")
    assert len(stopped_archive.manage("database", "find", "instance").stdout.split()) == 4
    with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:
        assert db.execute("SELECT amount FROM invoices").fetchall() == [(7,)]


def test_drop_does_nothing_when_something_of_others_hangs_on_it(stopped_archive, few):
    stopped_archive.manage("data", "index", "-d", few)
    with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:
        db.execute("CREATE TABLE notes (study_id INTEGER REFERENCES study (study_id), text TEXT)")
        db.execute("INSERT INTO notes SELECT study_id, 'mine' FROM study")
    done = stopped_archive.manage("database", "drop", "-f", "yes", check=False)
    assert done.returncode == 1
    assert len(stopped_archive.manage("database", "find", "instance").stdout.split()) == 4


def test_clean_empties(stopped_archive, few):  # DBC-03
    stopped_archive.manage("data", "index", "-d", few)
    stopped_archive.manage("database", "clean", "-f", "yes")
    assert "study" in tables(stopped_archive)
    assert stopped_archive.manage("database", "find", "instance").stdout == "No db entries founded\n"


# -- check --

@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"1.2.3\n{S1}\n  {S2}\r\n\n{S1}\n")
    return path


@pytest.mark.parametrize("words, expected", [
    ((), ["1.2.3"]),  # DBC-04
    (("-m", "diff"), ["1.2.3"]),
    (("-m", "equal"), [S1, S2]),  # DBC-05
    (("-m", "detailled"), ["1.2.3,0", f"{S1},1", f"{S2},1"]),  # DBC-06
    (("-m", "equal", "-oc", "patient"), ["A", "B"]),
    (("-m", "equal", "-oc", "series"), [uid(21, 1, 1), uid(21, 1, 2), uid(21, 2, 1)]),
    (("-m", "detailled", "-oc", "patient"), ["1.2.3,0,", f"{S1},1,A", f"{S2},1,B"]),
])
def test_check(filled, keys, tmp_path, words, expected):
    assert filled.manage("database", "check", "study", keys, *words).stdout.splitlines() == expected
    out = tmp_path / "out"
    assert filled.manage("database", "check", "study", keys, out, *words).stdout == ""
    assert out.read_text() == "".join(line + "\n" for line in expected)


@pytest.mark.parametrize("concept, key", [("patient", "A"), ("series", uid(21, 2, 1)), ("fileStorageMetadataDicom", uid(21, 1, 2, 2))])
def test_check_of_each_concept(filled, tmp_path, concept, key):  # DBC-04
    (tmp_path / "keys").write_text(f"{key}\nnot there\n")
    assert filled.manage("database", "check", concept, tmp_path / "keys", "-m", "equal").stdout == f"{key}\n"
    assert filled.manage("database", "check", concept, tmp_path / "keys").stdout == "not there\n"


def test_check_fails_clearly(filled, tmp_path, keys):
    done = filled.manage("database", "check", "study", tmp_path / "absent", check=False)
    assert done.returncode == 1 and "absent" in done.stderr
    done = filled.manage("database", "check", "study", keys, tmp_path / "no/such/folder", check=False)
    assert done.returncode == 1 and "no/such/folder" in done.stderr
    assert filled.manage("database", "check", "study", keys, "-oc", "patient", check=False).returncode == 2


# -- find --

@pytest.mark.parametrize("words, expected", [
    (("patient",), ["A", "B"]),
    (("study", "-V", S1), [S1]),
    (("study", "-a", "patientID", "-V", "B"), [S2]),
    (("patient", "-V", S2), ["B"]),
    (("patient", "-a", "seriesUID", "-V", uid(21, 1, 2)), ["A"]),
    (("series", "-V", S1), [uid(21, 1, 1), uid(21, 1, 2)]),
    (("series", "-a", "modality", "-V", "CT"), [uid(21, 1, 1), uid(21, 2, 1)]),  # DBC-08
    (("study", "-a", "modality", "-V", "MR"), [S1]),
    (("patient", "-a", "modality", "-V", "CT"), ["A", "B"]),
    (("fileStorageMetadataDicom", "-a", "modality", "-V", "MR"), [uid(21, 1, 2, 1), uid(21, 1, 2, 2)]),
    (("instance", "-a", "patientID", "-V", "B"), [uid(21, 2, 1, 1)]),
    (("study", "-V", "*"), [S1, S2]),
    (("study", "-V", "?"), [S1, S2]),
    (("study", "-V", " "), [S1, S2]),
    (("study", "-V", ""), [S1, S2]),
    (("study", "-V", "1.2.3"), ["No db entries founded"]),  # DBC-12
    (("study", "-V", "' OR 1=1 --"), ["No db entries founded"]),
])
def test_find_keys(find, words, expected):  # DBC-07
    assert sorted(find(*words).splitlines()) == sorted(expected)


def test_find_by_a_list(find, tmp_path):  # DBC-11
    (tmp_path / "list").write_text(f"{S2}\n1.2.3\n{S1}\n{S2}\n")
    assert find("study", "-l", tmp_path / "list").split() == [S1, S2]
    (tmp_path / "one").write_text("MR\n")
    assert find("study", "-a", "modality", "-l", tmp_path / "one").split() == [S1]


def test_text_of_each_level(find):  # DBC-09
    ruler = "-" * 30
    assert find("patient", "-V", S1, "-d", "minimal") == (
        f"{ruler}\n- patientID\t\t: A\n- patientName\t\t: {NAME}\n- patientSex\t\t: F\n- patientBirthDate\t\t: 19700101\n")
    full = find("patient", "-V", S1, "-d", "full").splitlines()
    assert full[1].startswith("- id\t\t: ") and full[-3:] == ["- N study\t\t: 1", "- N series\t\t: 2", "- N instances\t\t: 4"]
    assert find("study", "-V", S1, "-d", "minimal") == (
        f"{ruler}\n{S1}\n- patientID\t\t: A\n- dateStudy\t\t: 20260102\n- institutionName\t\t: Spital\n")
    labels = [line.split("\t")[0] for line in find("study", "-V", S1, "-d", "full").splitlines()[1:]]
    assert labels == ["- id", "- studyUID", "- patientID", "- dateStudy", "- institutionName", "- patient_id", "- N series", "- N instances"]
    labels = [line.split("\t")[0] for line in find("series", "-V", S2, "-d", "full").splitlines()[1:]]
    assert labels == ["- id", "- seriesUID", "- studyUID", "- patientID", "- modality", "- manufacturerModelName", "- bodyPartExamined",
                      "- seriesDescription", "- seriesDate", "- patient_id", "- study_id", "- N instances"]
    lines = find("fileStorageMetadataDicom", "-V", S2, "-d", "full").splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == [
        "- id", "- instanceUID", "- patientID", "- studyUID", "- seriesUID", "- filePath", "- storageMethod", "- filesize", "- patient_id",
        "- study_id", "- series_id", "- storageStatus", "- dt_deb_storage", "- dt_end_storage"]
    assert lines[7].endswith((" octets", " Ko"))


def test_absent_values_in_text(find):
    assert "- patientBirthDate\t\t: None" in find("patient", "-V", S2, "-d", "minimal")


def test_csv(find, tmp_path):  # DBC-10, B49
    rows = list(csv.reader(find("patient", "-d", "minimal", "-e", "csv", "-H").splitlines()))
    assert rows == [["patientID", "patientName", "patientSex", "patientBirthDate"], ["A", NAME, "F", "19700101"],
                    ["B", "Roe^Bob", "", ""]]
    header = find("study", "-d", "full", "-e", "csv", "-H").splitlines()[0]
    assert header == '"id","studyUID","patientID","dateStudy","institutionName","patient_id","N series","N instances"'
    header = find("series", "-d", "key", "-e", "csv", "-H").splitlines()[0]
    assert header == '"seriesUID"'
    sizes = [int(row[6]) for row in csv.reader(find("fileStorageMetadataDicom", "-d", "minimal", "-e", "csv").splitlines())]
    assert len(sizes) == 5 and min(sizes) > 300


def test_output_file_and_append(find, tmp_path):  # DBC-10
    out = tmp_path / "out.csv"
    assert find("study", "-V", S1, "-e", "csv", "-H", "-o", out) == ""
    assert find("study", "-V", S2, "-e", "csv", "-H", "-A", "-o", out) == ""
    assert out.read_text() == f'"studyUID"\n{S1}\n{S2}\n'
    out.write_text("no newline")
    find("study", "-V", S2, "-e", "csv", "-A", "-o", out)
    assert out.read_text() == f"no newline\n{S2}\n"
    find("study", "-e", "csv", "-f", "-o", out)
    assert out.read_text() == f"{S1}\n{S2}\n"


def test_json(find):  # DBC-10
    studies = json.loads(find("study", "-e", "json"))["StorageMetadata"]
    assert [s["studyUID"] for s in studies] == [S1, S2]
    assert studies[0]["institutionName"] == "Spital" and "institutionName" not in studies[1]
    assert list(studies[0]) == sorted(studies[0])
    patient = json.loads(find("patient", "-V", S1, "-e", "json"))  # going up: one object, not a list
    assert patient["patientName"] == NAME and isinstance(patient["id"], int)
    files = json.loads(find("fileStorageMetadataDicom", "-V", S2, "-e", "json"))["StorageMetadata"]
    assert files[0]["storageMethod"] == "FS" and files[0]["storageStatus"] == 0 and files[0]["filePath"].endswith("2.dcm")
    assert json.loads(find("study", "-V", "1.2.3", "-e", "json")) == {"StorageMetadata": []}
    json.loads(find("study", "-e", "json", "-H"))


@pytest.mark.parametrize("words, code", [
    (("study", "-A"), 2), (("study", "-A", "-e", "json", "-o", "x"), 2), (("dragon",), 2), (("study", "-V", "1", "-l", "x"), 2),
    (("study", "-l", "/no/such/list"), 1), (("study", "-o", "/no/such/folder/out"), 1), (("study", "-o"), 2)])
def test_find_fails_clearly(filled, words, code):
    done = filled.manage("database", "find", *words, check=False)
    assert done.returncode == code and done.stderr


def test_a_full_disk_is_an_error(filled):
    done = filled.manage("database", "find", "study", "-o", "/dev/full", check=False)
    assert done.returncode == 1 and "No space left" in done.stderr


# -- migrate --

def test_migrate_fills_rows_from_their_files(stopped_archive, few):
    stopped_archive.manage("data", "index", "-d", few)
    with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:  # as if a column had been added
        db.execute("UPDATE series SET series_number = NULL, attributes = NULL")
        db.execute("UPDATE file_storage_metadata_dicom SET instance_number = NULL, attributes = NULL")
    assert "Nothing to do" in stopped_archive.manage("database", "migrate").stderr
    done = stopped_archive.manage("database", "migrate", "--again")
    assert "4 of 4 rows" in done.stderr
    with sqlite3.connect(stopped_archive.folder / "index.sqlite") as db:
        assert sorted(db.execute("SELECT instance_number FROM file_storage_metadata_dicom").fetchall()) == [(1,), (1,), (2,), (2,)]
        assert sorted(db.execute("SELECT series_number FROM series").fetchall()) == [(1,), (2,)]


def test_migrate_says_what_it_could_not_fill(stopped_archive, few):
    stopped_archive.manage("data", "index", "-d", few)
    (few / "11.dcm").rename(few / "away")
    done = stopped_archive.manage("database", "migrate", "--again", check=False)
    assert done.returncode == 1 and "3 of 4 rows" in done.stderr and "1 files could not be read" in done.stderr
    assert len(stopped_archive.manage("database", "find", "instance").stdout.split()) == 4
