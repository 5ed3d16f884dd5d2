# SPDX-License-Identifier: MIT
"""C-FIND SCP at all levels against an archive whose content is known, asked by DCMTK's findscu."""
import datetime

import pytest
from archive import Archive
from make_dicom import data_set, make_image, meta, uid
from part10 import read
from programs import run

PATIENTS = [  # id, name, sex, birth date, character set
    ("P1", "Müller^Jürgen", "M", "19500102", "ISO_IR 192"),
    ("P2", "Smith^Anna", "F", "19800215", None),
    ("P3", "Smithers^Bob", "M", "20010101", None),
    ("P4", "Yamada^Tarou=山田^太郎=やまだ^たろう", "M", "19601231", "ISO_IR 192"),
]
MODALITIES = ("CT", "MR")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Each patient has two studies (2026-01-0p and 2026-02-0p) of one CT and one MR series with three images each."""
    folder = tmp_path_factory.mktemp("find")
    for p, (patient, name, sex, born, charset) in enumerate(PATIENTS, 1):
        for s in (1, 2):
            for e, modality in enumerate(MODALITIES, 1):
                for i in (1, 2, 3):
                    make_image(folder / f"in/{p}{s}{e}{i}.dcm", SpecificCharacterSet=charset, PatientID=patient, PatientName=name,
                               PatientSex=sex, PatientBirthDate=born, StudyInstanceUID=uid(5, p, s), SeriesInstanceUID=uid(5, p, s, e),
                               SOPInstanceUID=uid(5, p, s, e, i), StudyDate=f"2026{s:02}{p:02}", StudyTime=f"{8 + p:02}{s:02}00",
                               AccessionNumber=f"A{p}{s}", StudyID=f"S{s}", StudyDescription=f"Study {s} of {patient}",
                               SeriesNumber=e, InstanceNumber=i, Modality=modality,
                               SeriesDescription="long_%name" if e == 2 else "long name")
    archive = Archive(folder)
    archive.start()
    run("dcmsend", "+sd", "-aec", archive.aet, "127.0.0.1", archive.port, folder / "in")
    yield archive
    archive.stop()


@pytest.fixture
def find(filled, tmp_path):
    """find(level, key…, model="-S") -> the answers as {tag: text}."""
    def ask(level, *keys, model="-S", options=(), charset="utf-8"):
        for old in tmp_path.glob("rsp*.dcm"):
            old.unlink()
        pairs = [part for key in (f"QueryRetrieveLevel={level}", *keys) for part in ("-k", key)]
        run("findscu", "-X", "-od", tmp_path, model, *options, "-aec", filled.aet, *pairs, "127.0.0.1", filled.port)
        answers = []
        for path in sorted(tmp_path.glob("rsp*.dcm")):
            answers.append({tag: value.decode(charset).strip(" \0") for tag, value in read(path).elements().items() if value is not None})
        return answers
    return ask


def values(answers, tag):
    return sorted(answer[tag] for answer in answers)


STUDY, SERIES, INSTANCE, PATIENT, NAME = 0x0020000D, 0x0020000E, 0x00080018, 0x00100020, 0x00100010


@pytest.mark.parametrize("model, level, keys, tag, expected", [
    ("-P", "PATIENT", ["PatientID"], PATIENT, ["P1", "P2", "P3", "P4"]),
    ("-P", "STUDY", ["PatientID=P2", "StudyInstanceUID"], STUDY, [uid(5, 2, 1), uid(5, 2, 2)]),
    ("-P", "SERIES", ["PatientID=P2", f"StudyInstanceUID={uid(5, 2, 1)}", "SeriesInstanceUID"], SERIES, [uid(5, 2, 1, 1), uid(5, 2, 1, 2)]),
    ("-P", "IMAGE", ["PatientID=P2", f"StudyInstanceUID={uid(5, 2, 1)}", f"SeriesInstanceUID={uid(5, 2, 1, 2)}", "SOPInstanceUID"], INSTANCE,
     [uid(5, 2, 1, 2, i) for i in (1, 2, 3)]),
    ("-S", "STUDY", ["StudyInstanceUID"], STUDY, sorted(uid(5, p, s) for p in (1, 2, 3, 4) for s in (1, 2))),
    ("-S", "SERIES", [f"StudyInstanceUID={uid(5, 3, 2)}", "SeriesInstanceUID", "Modality=MR"], SERIES, [uid(5, 3, 2, 2)]),
    ("-S", "IMAGE", [f"StudyInstanceUID={uid(5, 3, 2)}", f"SeriesInstanceUID={uid(5, 3, 2, 1)}", "InstanceNumber=2", "SOPInstanceUID"], INSTANCE,
     [uid(5, 3, 2, 1, 2)]),
    ("-O", "PATIENT", ["PatientID"], PATIENT, ["P1", "P2", "P3", "P4"]),
    ("-O", "STUDY", ["PatientID=P1", "StudyInstanceUID"], STUDY, [uid(5, 1, 1), uid(5, 1, 2)]),
])
def test_levels_of_each_model(find, model, level, keys, tag, expected):
    assert values(find(level, *keys, model=model), tag) == expected


@pytest.mark.parametrize("key, expected", [
    ("PatientName=Smith^Anna", ["P2", "P2"]),
    ("PatientName=Smith*", ["P2", "P2", "P3", "P3"]),
    ("PatientName=*", ["P1", "P1", "P2", "P2", "P3", "P3", "P4", "P4"]),
    ("PatientName=S?ith^*", ["P2", "P2"]),
    ("PatientName=smith^anna", ["P2", "P2"]),  # names match without regard to case, by default
    ("PatientName=Nobody", []),
    ("PatientID=P?", ["P1", "P1", "P2", "P2", "P3", "P3", "P4", "P4"]),
    ("PatientID=p1", []),
    ("PatientSex=F", ["P2", "P2"]),
    ("PatientBirthDate=19500101-19601231", ["P1", "P1", "P4", "P4"]),
    ("StudyDate=20260103", ["P3"]),
    ("StudyDate=20260103-20260201", ["P1", "P3", "P4"]),
    ("StudyDate=20260103-20260231", ["P1", "P2", "P3", "P3", "P4", "P4"]),  # the end of any month, as many programs write it
    ("StudyDate=-20260101", ["P1"]),
    ("StudyDate=20260204-", ["P4"]),
    ("StudyTime=090000-0959", ["P1", "P1"]),
    ("AccessionNumber=A2?", ["P2", "P2"]),
    ("AccessionNumber=A[1-4]1", []),  # no character classes in DICOM
    ("StudyDescription=Study 1 of P3", ["P3"]),
    ("StudyDescription=*'; DROP TABLE study; --", []),
    ("StudyDescription=%", []),
    ("ModalitiesInStudy=MR", ["P1", "P1", "P2", "P2", "P3", "P3", "P4", "P4"]),
    ("ModalitiesInStudy=US", []),
    (f"StudyInstanceUID={uid(5, 1, 1)}\\{uid(5, 4, 2)}\\1.2.3", ["P1", "P4"]),
])
def test_matching_at_study_level(find, key, expected):
    assert values(find("STUDY", key, "PatientID" if not key.startswith("PatientID") else "StudyInstanceUID"), PATIENT) == expected


def test_wildcards_of_sql_are_plain_characters(find):
    study = f"StudyInstanceUID={uid(5, 1, 1)}"
    assert values(find("SERIES", study, "SeriesDescription=long_*", "SeriesInstanceUID"), SERIES) == [uid(5, 1, 1, 2)]
    assert values(find("SERIES", study, "SeriesDescription=*%*", "SeriesInstanceUID"), SERIES) == [uid(5, 1, 1, 2)]


def test_counters(find):
    patient, = find("PATIENT", "PatientID=P3", "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries",
                    "NumberOfPatientRelatedInstances", model="-P")
    assert (patient[0x00201200], patient[0x00201202], patient[0x00201204]) == ("2", "4", "12")
    study, = find("STUDY", f"StudyInstanceUID={uid(5, 3, 1)}", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy")
    assert (study[0x00201206], study[0x00201208]) == ("2", "6")
    assert sorted(study[0x00080061].split("\\")) == ["CT", "MR"]
    series, = find("SERIES", f"StudyInstanceUID={uid(5, 3, 1)}", f"SeriesInstanceUID={uid(5, 3, 1, 1)}", "NumberOfSeriesRelatedInstances")
    assert series[0x00201209] == "3"


def test_the_character_set_is_always_told_and_true(find):
    answer, = find("PATIENT", "PatientID=P4", "PatientName", model="-P")
    assert answer[0x00080005] == "ISO_IR 192"
    assert answer[NAME] == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    answer, = find("PATIENT", "PatientID=P2", "PatientName", model="-P")
    assert 0x00080005 in answer
    assert answer[NAME] == "Smith^Anna"


@pytest.mark.parametrize("charset, codec, key, expected", [
    ("ISO_IR 192", "utf-8", "Müller*", "P1"),
    ("ISO_IR 100", "latin-1", "Müller*", "P1"),
    ("ISO_IR 192", "utf-8", "muller^jurgen", "P1"),  # without regard to accents, by default
    ("ISO_IR 192", "utf-8", "*=山田*", "P4"),
])
def test_keys_in_other_character_sets(filled, tmp_path, charset, codec, key, expected):
    query = {"SpecificCharacterSet": charset, 0x00080052: ("CS", "PATIENT"), "PatientName": key.encode(codec), "PatientID": ""}
    path = tmp_path / "query.dcm"
    path.write_bytes(meta("1.2.840.10008.5.1.4.1.2.1.1", uid()) + data_set(query))
    run("findscu", "-X", "-od", tmp_path, "-P", "-aec", filled.aet, "127.0.0.1", filled.port, path)
    answers = [read(p).text(PATIENT) for p in tmp_path.glob("rsp*.dcm")]
    assert answers == [expected]


def test_answers_name_their_level_and_where_to_fetch(find, filled):
    for answer in find("STUDY", "StudyInstanceUID"):
        assert answer[0x00080052] == "STUDY"
        assert answer[0x00080054] == filled.aet


def test_keys_asked_for_come_back_even_when_empty(find):
    answer, = find("STUDY", f"StudyInstanceUID={uid(5, 1, 1)}", "ReferringPhysicianName", "StudyID")
    assert answer[0x00080090] == ""
    assert answer[0x00200010] == "S1"


def test_keys_of_lower_levels_do_not_narrow_above(find):
    """3D Slicer and others ask PATIENT on Study Root, and IMAGE without the UIDs above: tolerated."""
    assert len(find("PATIENT", "PatientID", model="-S")) == 4
    assert len(find("IMAGE", f"StudyInstanceUID={uid(5, 1, 1)}", "SOPInstanceUID")) == 6


def test_a_missing_level_is_refused(filled):
    done = run("findscu", "-v", "-S", "-k", "StudyInstanceUID", "-aec", filled.aet, "127.0.0.1", filled.port, check=False)
    assert "Received Final Find Response" in done.stdout + done.stderr
    assert "Success" not in [line for line in (done.stdout + done.stderr).splitlines() if "Final Find Response" in line][0]


def test_cancel(filled):
    done = run("findscu", "-v", "--cancel", "1", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-aec", filled.aet,
               "127.0.0.1", filled.port, check=False)
    final = [line for line in (done.stdout + done.stderr).splitlines() if "Final Find Response" in line]
    assert final and ("Cancel" in final[0] or "Success" in final[0])  # eight answers may be out before the cancel is in


def test_every_syntax_of_queries(find, filled):
    for syntax in ("-xe", "-xb", "-xd", "-xi"):
        assert len(find("STUDY", "StudyInstanceUID", "PatientName=Smith^Anna", options=(syntax,))) == 2


def test_our_find(filled, tmp_path):
    done = filled.manage("find", "127.0.0.1", filled.port, "-aec", filled.aet, "-l", "STUDY", "-paID", "P2", "-d", "true")
    assert "Equal number of STUDY is 2" in done.stdout
    assert uid(5, 2, 1) in done.stdout
    out = tmp_path / "out"
    filled.manage("find", "127.0.0.1", filled.port, "-aec", filled.aet, "-l", "PATIENT", "-o", out)
    assert sorted(out.read_text().split()) == ["P1", "P2", "P3", "P4"]


def test_no_patient_name_in_the_log(filled, find):
    assert find("STUDY", "PatientName=Smith^Anna")
    for path in (filled.folder / "log").glob("*.log"):
        for line in path.read_text(errors="replace").splitlines():
            assert "Smith" not in line or ":: DEBUG" in line, line
    assert datetime.date.today().isoformat() in filled.server.output() + "".join(
        p.read_text(errors="replace") for p in (filled.folder / "log").glob("*.log"))
