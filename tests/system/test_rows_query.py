# SPDX-License-Identifier: MIT
"""C-FIND beyond the single key: negotiation, hierarchy, cancel, limit, character sets (spec rows DCM-04 to DCM-11)."""
import re

import pytest
from archive import Archive
from dimse import EXPLICIT, Association
from make_dicom import KNOWN, SECONDARY_CAPTURE, attributes, uid
from programs import run, wait_until
from query import (C_FIND, CANCELLED, CHARSET, FIND, LEVEL, PATIENT_ROOT, PATIENT_STUDY_ONLY, PENDING, STUDY_ROOT, QueryClient, encode,
                   extended)

NAME, PATIENT, STUDY, SERIES, INSTANCE = 0x00100010, 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
DATE, TIME, MODALITY = 0x00080020, 0x00080030, 0x00080060


def store(archive, *objects):
    """Each object: keyword arguments of make_dicom.attributes; bytes are sent as they are."""
    association = Association(archive.port, contexts={3: (SECONDARY_CAPTURE, EXPLICIT)})
    for given in objects:
        given = attributes(**given)
        data = encode({KNOWN[key][0]: (KNOWN[key][1], value) for key, value in given.items()})
        assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data) == 0
    association.release()


def text(raw):
    return raw.decode("utf-8").rstrip(" \0")


def values(answers, tag):
    return sorted(text(answer[tag]) for answer in answers)


# -- hierarchy, relational queries, combined date and time --

STUDIES = [  # patient, number, date, time, modality of its one series
    ("R1", 1, "20260110", "230000", "CT"), ("R1", 2, "20260111", "010000", "MR"), ("R1", 3, "20260112", "120000", "CT"),
    ("R2", 4, "20260111", "120000", "CT"), ("R2", 5, "20260113", "020000", "US"),
]


@pytest.fixture(scope="module")
def dated(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("dated")).start()
    store(archive, *(dict(PatientID=patient, PatientName=f"Relation^{patient}", StudyInstanceUID=uid(1, n), SeriesInstanceUID=uid(1, n, 1),
                          SOPInstanceUID=uid(1, n, 1, 1), StudyDate=date, StudyTime=time, Modality=modality)
                     for patient, n, date, time, modality in STUDIES))
    yield archive
    archive.stop()


def ask(archive, level, keys, *flags, model=STUDY_ROOT):
    client = QueryClient(archive.port, model, more=extended(model + FIND, *flags) if flags else b"")
    answers, final = client.find(level, keys)
    client.release()
    return answers, final, client


def test_extended_negotiation_is_answered_byte_for_byte(dated):
    """What is supported comes back as 1: relational, combined date-time, fuzzy names; the rest as 0 (PS3.4 C.5.1.1)."""
    for model in (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY):
        client = QueryClient(dated.port, model, more=extended(model + FIND, 1, 1, 1, 0, 0))
        answers = [body[2 + len(model + FIND):] for kind, body in client.user_items if kind == 0x56]
        client.release()
        assert answers == [bytes((1, 1, 1, 0, 0))]
    client = QueryClient(dated.port, STUDY_ROOT, more=extended(STUDY_ROOT + FIND, 0, 1))
    assert [body[-2:] for kind, body in client.user_items if kind == 0x56] == [bytes((0, 1))]
    client.release()
    client = QueryClient(dated.port)
    assert 0x56 not in dict(client.user_items), "nothing proposed, nothing answered"
    client.release()


def test_a_relational_query_matches_keys_of_every_level(dated):
    """Series of all patients by name, modality and date, with no unique key of the levels above (PS3.4 C.4.1.2.2.2)."""
    keys = {NAME: ("PN", "Relation*"), MODALITY: ("CS", "CT"), DATE: ("DA", "20260111-"), SERIES: ("UI", ""), PATIENT: ("LO", "")}
    answers, final, _ = ask(dated, "SERIES", keys, 1)
    assert final.status == 0
    assert values(answers, SERIES) == [uid(1, 3, 1), uid(1, 4, 1)]
    assert values(answers, PATIENT) == ["R1", "R2"]
    keys = {PATIENT: ("LO", "R2"), MODALITY: ("CS", "US"), INSTANCE: ("UI", "")}
    answers, final, _ = ask(dated, "IMAGE", keys, 1, model=PATIENT_ROOT)
    assert values(answers, INSTANCE) == [uid(1, 5, 1, 1)]


def test_keys_below_the_level_select_what_contains_a_match(dated):
    answers, _, _ = ask(dated, "STUDY", {MODALITY: ("CS", "MR"), STUDY: ("UI", "")}, 1)
    assert values(answers, STUDY) == [uid(1, 2)]
    answers, _, _ = ask(dated, "PATIENT", {MODALITY: ("CS", "US"), PATIENT: ("LO", "")}, 1, model=PATIENT_ROOT)
    assert values(answers, PATIENT) == ["R2"]
    answers, _, _ = ask(dated, "PATIENT", {STUDY: ("UI", uid(1, 3)), PATIENT: ("LO", "")}, 1, model=PATIENT_ROOT)
    assert values(answers, PATIENT) == ["R1"]


def test_the_keys_that_the_seed_lost(dated):
    """Study UID beside Patient ID, series UID beside study UID, a study by its series (faults B20 and B21)."""
    answers, _, _ = ask(dated, "STUDY", {PATIENT: ("LO", "R1"), STUDY: ("UI", uid(1, 2))})
    assert values(answers, STUDY) == [uid(1, 2)]
    assert not ask(dated, "STUDY", {PATIENT: ("LO", "R2"), STUDY: ("UI", uid(1, 2))})[0]
    assert not ask(dated, "SERIES", {STUDY: ("UI", uid(1, 1)), SERIES: ("UI", uid(1, 2, 1))})[0]
    answers, _, _ = ask(dated, "STUDY", {SERIES: ("UI", uid(1, 4, 1)), STUDY: ("UI", "")})
    assert values(answers, STUDY) == [uid(1, 4)]


# From the evening of the 10th to the noon of the 12th: as one range it has studies 1, 2, 3, 4; as two it has those between 12:00 and 22:00.
RANGE = {DATE: ("DA", "20260110-20260112"), TIME: ("TM", "120000-220000"), STUDY: ("UI", "")}


def test_date_and_time_are_two_ranges(dated):
    answers, _, _ = ask(dated, "STUDY", RANGE)
    assert values(answers, STUDY) == [uid(1, 3), uid(1, 4)]


def test_date_and_time_are_one_range_when_negotiated(dated):
    """PS3.4 C.2.2.2.5: from 12:00 on the 10th to 22:00 on the 12th."""
    answers, _, _ = ask(dated, "STUDY", RANGE, 0, 1)
    assert values(answers, STUDY) == [uid(1, 1), uid(1, 2), uid(1, 3), uid(1, 4)]
    night = {DATE: ("DA", "20260110-20260111"), TIME: ("TM", "2200-0200"), STUDY: ("UI", "")}
    answers, _, _ = ask(dated, "STUDY", night, 0, 1)
    assert values(answers, STUDY) == [uid(1, 1), uid(1, 2)]


def test_ranges_that_are_half_open_combine(dated):
    answers, _, _ = ask(dated, "STUDY", {DATE: ("DA", "20260112-"), TIME: ("TM", "130000-"), STUDY: ("UI", "")}, 0, 1)
    assert values(answers, STUDY) == [uid(1, 5)]
    answers, _, _ = ask(dated, "STUDY", {DATE: ("DA", "-20260111"), TIME: ("TM", "-000000"), STUDY: ("UI", "")}, 0, 1)
    assert values(answers, STUDY) == [uid(1, 1)]


# -- what cannot be asked --

def test_queries_that_are_refused(dated):
    client = QueryClient(dated.port)
    client.ask(C_FIND, {STUDY: ("UI", "")})
    assert client.receive().status in (0xA900, 0xC000)  # no level
    answers, final = client.find("GALAXY", {STUDY: ("UI", "")})
    assert (answers, final.status & 0xF000) in (([], 0xA000), ([], 0xC000))
    assert final.comment
    answers, final = client.find("", {}, raw=b"\xde\xad\xbe\xef" * 9)
    assert (answers, final.status & 0xF000) in (([], 0xA000), ([], 0xC000))
    answers, final = client.find("STUDY", {STUDY: ("UI", "")})
    assert len(answers) == 5, "and the association goes on"
    client.release()
    answers, final, _ = ask(dated, "SERIES", {SERIES: ("UI", "")}, model=PATIENT_STUDY_ONLY)
    assert (answers, final.status) == ([], 0xA900)


def test_a_peer_that_is_taken_off_the_white_list_is_refused_not_answered_empty(dated):
    """Status 0124, where the seed answered "no match" (rows WHL-01 and WHL-04)."""
    dated.allow("LEAVING")
    client = QueryClient(dated.port, calling="LEAVING")
    assert len(client.find("STUDY", {STUDY: ("UI", "")})[0]) == 5
    (dated.folder / "app/white_list/leaving.yml").unlink()
    wait_until(lambda: client.find("STUDY", {STUDY: ("UI", "")})[1].status == 0x0124, 5, "refusal")
    client.abort()


# -- cancel and limit --

@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """3000 patients with one object each: more answers than the socket buffers hold."""
    archive = Archive(tmp_path_factory.mktemp("many")).start()
    store(archive, *(dict(PatientID=f"M{n}", StudyDescription="d" * 60, StudyInstanceUID=uid(2, n)) for n in range(3000)))
    yield archive
    archive.stop()


def test_c_cancel_ends_a_query(many):
    client = QueryClient(many.port)
    client.ask(C_FIND, {LEVEL: ("CS", "STUDY"), STUDY: ("UI", ""), **{tag: ("LO", "") for tag in (0x00081030, 0x00080080)}})
    assert client.receive().status == PENDING
    client.cancel()
    answers = 1
    while (response := client.receive()).status == PENDING:
        answers += 1
    assert response.status == CANCELLED
    assert answers < 3000
    answers, final = client.find("STUDY", {PATIENT: ("LO", "M7"), STUDY: ("UI", "")})
    assert (len(answers), final.status) == (1, 0), "and the association goes on"
    client.cancel()  # too late: nothing happens
    assert len(client.find("STUDY", {PATIENT: ("LO", "M8"), STUDY: ("UI", "")})[0]) == 1
    client.release()


def test_all_answers_come_without_a_limit(many):
    client = QueryClient(many.port)
    answers, final = client.find("PATIENT", {PATIENT: ("LO", "")})
    assert (len(answers), final.status) == (3000, 0)
    assert len({text(answer[PATIENT]) for answer in answers}) == 3000
    client.release()


def test_a_limit_on_results(stopped_archive):
    stopped_archive.set("find_limit", 3)
    archive = stopped_archive.start()
    store(archive, *(dict(PatientID=f"L{n}", PatientName="Long^List" if n < 3 else "Other") for n in range(5)))
    client = QueryClient(archive.port)
    answers, final = client.find("STUDY", {STUDY: ("UI", "")})
    assert len(answers) == 3
    assert final.status not in (0, PENDING) and "3" in final.comment
    for _ in range(2):  # exactly as many as the limit allows is no excess
        answers, final = client.find("STUDY", {NAME: ("PN", "Long*"), STUDY: ("UI", "")})
        assert (len(answers), final.status) == (3, 0)
    client.release()


def test_names_match_literally_when_the_setting_says_so(stopped_archive):
    """find_fold_names: False; unless the peer negotiates fuzzy matching of names (PS3.4 C.5.1.1)."""
    stopped_archive.set("find_fold_names", "False")
    archive = stopped_archive.start()
    store(archive, dict(PatientID="F", PatientName="Müller^Jürgen", SpecificCharacterSet="ISO_IR 192"))
    utf8 = {CHARSET: ("CS", "ISO_IR 192"), PATIENT: ("LO", "")}
    for name, literally in (("Müller^Jürgen", 1), ("Müller*", 1), ("müller^jürgen", 0), ("MULLER^JURGEN", 0), ("muller*", 0)):
        answers, _, _ = ask(archive, "STUDY", {NAME: ("PN", name), **utf8})
        assert len(answers) == literally, name
        answers, _, _ = ask(archive, "STUDY", {NAME: ("PN", name), **utf8}, 0, 0, 1)
        assert len(answers) == 1, f"{name}, fuzzy"


# -- character sets --

ESC = b"\x1b"
CHARSETS = [  # id, (0008,0005), the bytes of the name, the name
    ("R-russian", "ISO_IR 144", "Иванов^Пётр".encode("iso8859-5"), "Иванов^Пётр"),
    ("R-greek", "ISO_IR 126", "Διονυσίου^Μαρία".encode("iso8859-7"), "Διονυσίου^Μαρία"),
    ("R-latin2", "ISO_IR 101", "Dvořák^Antonín".encode("iso8859-2"), "Dvořák^Antonín"),
    ("R-arabic", "ISO_IR 127", "قباني^لنزار".encode("iso8859-6"), "قباني^لنزار"),
    ("R-hebrew", "ISO_IR 138", "שרון^דבורה".encode("iso8859-8"), "שרון^דבורה"),
    ("R-thai", "ISO_IR 166", "นามสกุล^ชื่อ".encode("tis-620"), "นามสกุล^ชื่อ"),
    # PS3.5 H.3.1, H.3.2, I.2, K.2, J.1 and J.2
    ("J-87", "\\ISO 2022 IR 87", b"Yamada^Tarou=" + ESC + b"$B;3ED" + ESC + b"(B^" + ESC + b"$BB@O:" + ESC + b"(B=" + ESC + b"$B$d$^$@" + ESC +
     b"(B^" + ESC + b"$B$?$m$&" + ESC + b"(B", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("J-13", "ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=" + ESC + b"$B;3ED" + ESC + b"(J^" + ESC + b"$BB@O:" + ESC + b"(J=" +
     ESC + b"$B$d$^$@" + ESC + b"(J^" + ESC + b"$B$?$m$&" + ESC + b"(J", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("K-149", "\\ISO 2022 IR 149", b"Hong^Gildong=" + ESC + b"$)C" + "洪".encode("euc-kr") + b"^" + ESC + b"$)C" + "吉洞".encode("euc-kr") + b"=" +
     ESC + b"$)C" + "홍".encode("euc-kr") + b"^" + ESC + b"$)C" + "길동".encode("euc-kr"), "Hong^Gildong=洪^吉洞=홍^길동"),
    ("C-58", "\\ISO 2022 IR 58", b"Zhang^XiaoDong=" + ESC + b"$)A" + "张".encode("gb2312") + b"^" + ESC + b"$)A" + "小东".encode("gb2312"),
     "Zhang^XiaoDong=张^小东"),
    ("C-18030", "GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    ("C-gbk", "GBK", "Wang^XiaoMing=王^小明".encode("gbk"), "Wang^XiaoMing=王^小明"),
    ("U-192", "ISO_IR 192", "Müller^Jürgen=山田=홍".encode(), "Müller^Jürgen=山田=홍"),
    ("L-100", "ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
]
CODECS = {"ISO_IR 144": "iso8859-5", "ISO_IR 126": "iso8859-7", "ISO_IR 101": "iso8859-2", "ISO_IR 127": "iso8859-6", "ISO_IR 138": "iso8859-8",
          "ISO_IR 166": "tis-620", "GB18030": "gb18030", "GBK": "gbk", "ISO_IR 192": "utf-8", "ISO_IR 100": "latin-1", "ISO_IR 6": "ascii",
          "": "ascii"}


def decode_name(raw, terms):
    """By nothing of the product: Python's codecs, with the escape sequences of ISO 2022 taken apart where they have none."""
    raw = raw.rstrip(b" ")
    if terms in CODECS:
        return raw.decode(CODECS[terms])
    if "ISO 2022 IR 149" in terms:
        return raw.replace(ESC + b"$)C", b"").decode("euc-kr")
    if "ISO 2022 IR 58" in terms:
        return raw.replace(ESC + b"$)A", b"").decode("gb2312")
    assert "ISO 2022 IR 87" in terms or "ISO 2022 IR 13" in terms, terms
    return decode_iso_2022_jp(raw)


def decode_iso_2022_jp(raw):
    """JIS X 0208 between ESC $ B and the next ESC (, else JIS X 0201; any byte value may stand within the former."""
    out = ""
    for part in re.split(rb"(?=\x1b)", raw):
        if part.startswith(ESC + b"$B"):
            out += (part + ESC + b"(B").decode("iso2022_jp")
        else:
            out += (part[3:] if part.startswith(ESC) else part).decode("shift_jis")
    return out


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("world")).start()
    store(archive, *(dict(PatientID=key, SpecificCharacterSet=terms, PatientName=raw) for key, terms, raw, _ in CHARSETS))
    yield archive
    archive.stop()


@pytest.fixture(scope="module")
def speaker(world):
    client = QueryClient(world.port, PATIENT_ROOT)
    yield client
    client.abort()


@pytest.mark.parametrize("key, terms, raw, name", CHARSETS, ids=[row[0] for row in CHARSETS])
class TestCharacterSets:
    def one(self, speaker, keys):
        answers, final = speaker.find("PATIENT", {PATIENT: ("LO", ""), NAME: ("PN", ""), **keys})
        assert final.status == 0, final.comment
        answer, = answers
        return text(answer[CHARSET]), answer[NAME], text(answer[PATIENT])

    def test_without_asking_for_one(self, speaker, key, terms, raw, name):
        """(0008,0005) comes unasked and is true; the stored set is kept."""
        answered, bytes_, _ = self.one(speaker, {PATIENT: ("LO", key)})
        assert decode_name(bytes_, answered) == name
        assert answered in (terms, "ISO_IR 192") or decode_name(raw, terms) == name

    def test_asked_for_utf_8(self, speaker, key, terms, raw, name):
        answered, bytes_, _ = self.one(speaker, {PATIENT: ("LO", key), CHARSET: ("CS", "ISO_IR 192")})
        assert (answered, text(bytes_)) == ("ISO_IR 192", name)

    def test_asked_for_the_stored_one(self, speaker, key, terms, raw, name):
        answered, bytes_, _ = self.one(speaker, {PATIENT: ("LO", key), CHARSET: ("CS", terms)})
        assert answered == terms
        assert decode_name(bytes_, answered) == name

    def test_asked_for_one_that_cannot_say_it(self, speaker, key, terms, raw, name):
        """Never a wrong character: another set is taken, and told."""
        answered, bytes_, _ = self.one(speaker, {PATIENT: ("LO", key), CHARSET: ("CS", "ISO_IR 100")})
        assert decode_name(bytes_, answered) == name
        assert (answered == "ISO_IR 100") == (name.encode("latin-1", "ignore").decode("latin-1") == name)

    def test_asked_with_an_empty_one(self, speaker, key, terms, raw, name):
        answered, bytes_, _ = self.one(speaker, {PATIENT: ("LO", key), CHARSET: ("CS", "")})
        assert decode_name(bytes_, answered) == name

    def test_the_name_in_its_own_bytes_is_a_key(self, speaker, key, terms, raw, name):
        _, _, found = self.one(speaker, {NAME: ("PN", raw), CHARSET: ("CS", terms)})
        assert found == key

    def test_the_name_in_utf_8_is_a_key(self, speaker, key, terms, raw, name):
        """Also by a wildcard in each group of components (PS3.4 C.2.2.2.4)."""
        utf8 = {CHARSET: ("CS", "ISO_IR 192")}
        assert self.one(speaker, {NAME: ("PN", name), **utf8})[2] == key
        groups = name.split("=")
        for n, group in enumerate(groups):
            pattern = "=" * n + group[:-1] + "*"
            answers, _ = speaker.find("PATIENT", {NAME: ("PN", pattern), PATIENT: ("LO", ""), **utf8})
            assert key in values(answers, PATIENT), pattern


def test_findscu_shows_them(world, tmp_path):
    """DCMTK converts by what (0008,0005) says: its own opinion of our answers."""
    for key, _, _, name in CHARSETS:
        done = run("findscu", "-P", "-X", "-od", tmp_path, "-aec", world.aet, "-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={key}", "-k",
                   "PatientName", "127.0.0.1", world.port)
        assert done.returncode == 0
        answer = tmp_path / "rsp0001.dcm"
        shown = run("dcmdump", "+U8", "+P", "PatientName", answer, check=False)
        assert name in shown.stdout or "is not supported by the utilized" in shown.stderr, shown.stdout + shown.stderr
        answer.unlink()
