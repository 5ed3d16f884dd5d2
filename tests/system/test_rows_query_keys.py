# SPDX-License-Identifier: MIT
"""Every key of data/dicom/query_keys.csv at its model and level: each way of matching it, and its return (spec rows DCM-04 to DCM-08).

Five objects make two candidates under the same parents at each level, "A" and "B"; every attribute of a level has one value in A and
another in B. What a query must answer is computed here from those values, by nothing of the product.
"""
import csv
from dataclasses import dataclass, field

import pytest
from archive import Archive
from dimse import EXPLICIT, Association
from make_dicom import CT, SECONDARY_CAPTURE, uid
from programs import ROOT
from query import C_FIND, CHARSET, LEVEL, PATIENT_ROOT, PATIENT_STUDY_ONLY, STUDY_ROOT, QueryClient, encode

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
UNIQUE = {"PATIENT": 0x00100020, "STUDY": 0x0020000D, "SERIES": 0x0020000E, "IMAGE": 0x00080018}
MODELS = {"Patient Root": PATIENT_ROOT, "Study Root": STUDY_ROOT, "Patient/Study Only": PATIENT_STUDY_ONLY}
MODEL_LEVELS = {"Patient Root": LEVELS, "Study Root": LEVELS[1:], "Patient/Study Only": LEVELS[:2]}  # the last is retired since 2004
OBJECTS = ("AAAA", "BAAA", "ABAA", "AABA", "AAAB")  # the variant of patient, study, series, image
# Keys that the archive works out; what it must answer is in COMPUTED.
COMPUTED = {
    0x00201200: {"A": "2", "B": "1"}, 0x00201202: {"A": "3", "B": "1"}, 0x00201204: {"A": "4", "B": "1"},
    0x00201206: {"AA": "2", "AB": "1", "BA": "1"}, 0x00201208: {"AA": "3", "AB": "1", "BA": "1"},
    0x00201209: {"AAA": "2", "AAB": "1", "ABA": "1", "BAA": "1"},
    0x00080061: {"AA": "CT\\MR", "AB": "CT", "BA": "CT"},
    0x00080062: {"AA": f"{CT}\\{SECONDARY_CAPTURE}", "AB": SECONDARY_CAPTURE, "BA": SECONDARY_CAPTURE},
}
FIXED = {0x00080060: ("CT", "MR"), 0x00080016: (SECONDARY_CAPTURE, CT), 0x00100040: ("M", "F"), 0x00200011: ("1", "2"), 0x00200013: ("1", "2")}
# Rows "all other attributes": a selection of what objects carry and people ask for.
OTHERS = {
    "PATIENT": [(0x00101005, "PN"), (0x00101060, "PN"), (0x00102201, "LO"), (0x00102297, "PN"), (0x00120062, "CS")],
    "STUDY": [(0x00080080, "LO"), (0x00081048, "PN"), (0x00102000, "LO"), (0x00321032, "PN"), (0x00321060, "LO"), (0x00380010, "LO")],
    "SERIES": [(0x00080021, "DA"), (0x00080031, "TM"), (0x00080070, "LO"), (0x00081010, "SH"), (0x0008103E, "LO"), (0x00081040, "LO"),
               (0x00081050, "PN"), (0x00081070, "PN"), (0x00081090, "LO"), (0x00180015, "CS"), (0x00181000, "LO"), (0x00181030, "LO"),
               (0x00185100, "CS"), (0x00200052, "UI"), (0x00200060, "CS"), (0x00400244, "DA"), (0x00400245, "TM"), (0x00400254, "LO")],
    "IMAGE": [(0x00080008, "CS"), (0x00080012, "DA"), (0x00080023, "DA"), (0x00080033, "TM"), (0x0008002A, "DT"), (0x00200012, "IS"),
              (0x00204000, "LT"), (0x00280008, "IS"), (0x00280010, "US"), (0x00280011, "US"), (0x00280004, "CS"), (0x00280100, "US"),
              (0x0040A491, "CS"), (0x0040A493, "CS"), (0x00420010, "ST")],
}


@dataclass
class Key:
    model: str
    level: str
    path: tuple  # of tags; one, or the sequences above it first
    vr: str
    matching: str
    keyword: str
    owner: str = ""  # the level whose rows have it
    children: list = field(default_factory=list)

    @property
    def tag(self):
        return self.path[0]

    @property
    def id(self):
        return f"{self.model}-{self.level}-{'.'.join(f'{tag:08x}' for tag in self.path)}-{self.keyword.lstrip('>')}"


def read_keys():
    """The rows of the table; a row whose keyword begins with '>' lies in the sequence before it."""
    rows, above = [], []
    with open(ROOT / "data/dicom/query_keys.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row["tag"] or row["level"] == "(all)":
                continue
            depth = len(row["keyword"]) - len(row["keyword"].lstrip(">"))
            above = [*above[:depth], int(row["tag"], 16)]
            for model in MODELS:
                applies = row["model"] in ("both", model) or (row["model"], model) == ("Patient Root", "Patient/Study Only")
                if applies and row["level"] in MODEL_LEVELS[model]:
                    rows.append(Key(model, row["level"], tuple(above), row["vr"], row["matching"], row["keyword"]))
    for level, attributes in OTHERS.items():
        for model in MODELS:
            if level in MODEL_LEVELS[model]:
                rows += [Key(model, level, (tag,), vr, "single value; universal", "other") for tag, vr in attributes]
    patient_tags = {key.tag for key in rows if key.level == "PATIENT"}
    for key in rows:
        key.owner = "PATIENT" if key.level == "STUDY" and key.tag in patient_tags else key.level
    return list({key.id: key for key in rows}.values())


KEYS = read_keys()
PLAIN = [key for key in KEYS if key.tag not in COMPUTED and key.vr != "SQ"]
SEQUENCES = [key for key in KEYS if key.vr == "SQ" and len(key.path) == 1]


def variant_of(key_owner, node):
    """'A' or 'B' of the object (or node) at the level of the attribute."""
    return node[LEVELS.index(key_owner)]


def value_of(path, vr, node, owner):
    tag, which = path[-1], variant_of(owner, node)
    number = "AB".index(which)
    if path[0] in FIXED:
        return FIXED[path[0]][number]
    if path[0] == UNIQUE.get(owner):
        return f"{which}ID" if owner == "PATIENT" else uid(3, *("AB".index(v) + 1 for v in node[:LEVELS.index(owner) + 1]))
    if vr == "PN":
        return f"{which}lpha{tag:x}^Name{which}"
    return {"DA": ("19610203", "19740506"), "TM": ("081500", "213000"), "DT": ("19610203081500", "19740506213000"), "AS": ("045Y", "060Y"),
            "DS": ("1.75", "82.5"), "IS": ("11", "22"), "US": ("16", "512"), "UI": (uid(2, tag, 1), uid(2, tag, 2)),
            }.get(vr, (f"{which}V{tag:08X}X",) * 2)[number]


def put(target, path, vr, node, owner):
    for tag in path[:-1]:
        target = target.setdefault(tag, ("SQ", [{}]))[1][0]
    if vr == "SQ":
        target.setdefault(path[-1], ("SQ", [{}]))
    else:
        target[path[-1]] = (vr, value_of(path, vr, node, owner))


def make_object(node):
    given = {}
    for key in KEYS:
        if key.tag not in COMPUTED:
            put(given, key.path, key.vr, node, key.owner)
    return given


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("keys")).start()
    association = Association(archive.port, contexts={1: (SECONDARY_CAPTURE, EXPLICIT), 3: (CT, EXPLICIT)})
    for node in OBJECTS:
        given = make_object(node)
        sop_class = given[0x00080016][1]
        assert association.store(sop_class, given[0x00080018][1], encode(given), context=3 if sop_class == CT else 1) == 0
    association.release()
    clients = {model: QueryClient(archive.port, number) for model, number in MODELS.items()}
    yield lambda key: clients[key.model]
    for one in clients.values():
        one.abort()  # a test that failed may have left answers unread
    archive.stop()


def candidates(key):
    """The nodes of the key's level below the parents that the query names."""
    depth = LEVELS.index(key.level) + 1
    nodes = sorted({node[:depth] for node in OBJECTS})
    if key.model == "Study Root" and key.level == "STUDY":
        return nodes
    return [node for node in nodes if node[:-1] == "A" * (depth - 1)]


def parents(key):
    """The unique keys of the levels above, which the model asks for (PS3.4 C.4.1.3.1)."""
    first = LEVELS.index(MODEL_LEVELS[key.model][0])
    return {UNIQUE[level]: ("LO" if level == "PATIENT" else "UI", value_of((UNIQUE[level],), "", "AAAA", level))
            for level in LEVELS[first:LEVELS.index(key.level)]}


def ask(client, key, value, vr=None):
    """The nodes that were answered, and the answers."""
    inner = {key.path[-1]: (vr or key.vr, value)}
    for tag in reversed(key.path[:-1]):
        inner = {tag: ("SQ", [inner])}
    own = {UNIQUE[key.level]: ("LO" if key.level == "PATIENT" else "UI", "")}
    answers, final = client(key).find(key.level, {**own, **parents(key), **inner})
    assert final.status == 0, f"{final.status:04X} {final.comment}"
    uids = {value_of((UNIQUE[key.level],), "", node, key.level): node for node in candidates(key)}
    found = {uids[text(answer[UNIQUE[key.level]])]: answer for answer in answers}
    assert len(found) == len(answers), "an answer twice"
    return found


def text(raw):
    return raw.decode("utf-8").rstrip(" \0")


def dig(answer, path):
    for tag in path[:-1]:
        answer = answer[tag][0]
    return answer[path[-1]]


def shown(raw, vr):
    return str(int.from_bytes(raw, "little")) if vr == "US" else text(raw)


@pytest.mark.parametrize("key", PLAIN, ids=lambda key: key.id)
def test_a_key(client, key):
    nodes = candidates(key)
    values = {node: value_of(key.path, key.vr, node, key.owner) for node in nodes}
    found = ask(client, key, "")
    assert sorted(found) == nodes, "universal matching"
    for node, answer in found.items():
        assert shown(dig(answer, key.path), key.vr) == values[node], "returned"
        assert text(answer[LEVEL]) == key.level
        assert CHARSET in answer
    for which in "AB":
        value = next(values[node] for node in nodes if variant_of(key.owner, node) == which)
        wanted = [node for node in nodes if values[node] == value]
        assert sorted(ask(client, key, value)) == wanted, f"single value {value}"
        if "wildcard" in key.matching:
            assert sorted(ask(client, key, value[:2] + "*" if len(value) > 2 and key.tag not in FIXED else value[:1] + "*")) == wanted
            assert sorted(ask(client, key, value[:-1] + "?")) == [n for n in nodes if values[n][:-1] == value[:-1] and len(values[n]) == len(value)]
            assert sorted(ask(client, key, "*")) == nodes
        if "range" in key.matching:
            assert sorted(ask(client, key, f"{value}-{value}")) == wanted
            assert sorted(ask(client, key, f"-{value}")) == [n for n in nodes if values[n] <= value]
            assert sorted(ask(client, key, f"{value}-")) == [n for n in nodes if values[n] >= value]
        if "list of UID" in key.matching:
            assert sorted(ask(client, key, f"1.2.3.4\\{value}")) == wanted
    if "list of UID" in key.matching:
        assert sorted(ask(client, key, "\\".join(sorted(set(values.values()))))) == nodes
    nothing = {"DA": "20300101", "TM": "000001", "DT": "20300101", "UI": "1.2.3.4", "DS": "3", "IS": "3", "US": "3", "AS": "001D"}
    assert not ask(client, key, nothing.get(key.vr, "ZZ"))


@pytest.mark.parametrize("key", SEQUENCES, ids=lambda key: key.id)
def test_a_sequence_asked_for_as_a_whole(client, key):
    """Zero items: universal, and the whole sequence comes back (PS3.4 C.2.2.2.6)."""
    inside = [one for one in KEYS if one.model == key.model and one.level == key.level and one.path[0] == key.tag and one.vr != "SQ"]
    found = ask(client, key, [])
    assert sorted(found) == candidates(key)
    for node, answer in found.items():
        assert len(answer[key.tag]) == 1
        for one in inside:
            assert text(dig(answer, one.path)) == value_of(one.path, one.vr, node, one.owner)


COUNTED = [key for key in KEYS if key.tag in COMPUTED]


@pytest.mark.parametrize("key", COUNTED, ids=lambda key: key.id)
def test_a_key_that_the_archive_works_out(client, key):
    expected = COMPUTED[key.tag]
    found = ask(client, key, "")
    assert sorted(found) == candidates(key)
    for node, answer in found.items():
        assert sorted(shown(answer[key.tag], key.vr).split("\\")) == sorted(expected[node].split("\\"))
    for value in {part for whole in expected.values() for part in whole.split("\\")}:
        assert sorted(ask(client, key, value)) == [node for node in candidates(key) if value in expected[node].split("\\")], value


def test_the_table_is_covered():
    """No row of the table is left out: each is among those asked above, or is no matching key."""
    assert len(KEYS) >= 150
    for model, levels in MODEL_LEVELS.items():
        assert {key.level for key in KEYS if key.model == model} == set(levels)


def test_keys_that_belong_to_answers(client):
    """(0008,0054) and (0008,0056) are answered, not matched; (0008,0201) does not narrow."""
    key = next(key for key in KEYS if key.tag == UNIQUE["STUDY"] and key.model == "Study Root")
    answers, final = client(key).find("STUDY", {UNIQUE["STUDY"]: ("UI", ""), 0x00080054: ("AE", "SOMEBODY"), 0x00080056: ("CS", "OFFLINE"),
                                                0x00080201: ("SH", "+0900"), 0x00880130: ("SH", "")})
    assert final.status == 0
    assert len(answers) == 3
    for answer in answers:
        assert (text(answer[0x00080054]), text(answer[0x00080056])) == ("GANTRY", "ONLINE")


def test_an_attribute_that_is_not_indexed_is_told(client):
    """Not supported as a key: every answer says so with FF01 (PS3.4 C.4.1.1.4), and the key does not narrow."""
    key = next(key for key in KEYS if key.tag == UNIQUE["STUDY"] and key.model == "Study Root")
    one = client(key)
    one.ask(C_FIND, {LEVEL: ("CS", "STUDY"), UNIQUE["STUDY"]: ("UI", ""), 0x001021F0: ("LO", "NONE")})
    statuses = []
    while (response := one.receive()).status & 0xFF00 == 0xFF00:
        statuses.append(response.status)
    assert statuses == [0xFF01] * 3
