# SPDX-License-Identifier: MIT
"""What each peer of the white list may do: networks, services, read-only, move destinations, limits; and what is said about it."""
import json

import pytest
from dimse import VERIFICATION, Association, Rejected
from make_dicom import SECONDARY_CAPTURE, attributes, data_set
from programs import run, wait_until
from query import PATIENT_ROOT, STUDY_ROOT

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = {1: (VERIFICATION, IMPLICIT), 3: (SECONDARY_CAPTURE, EXPLICIT), 5: (STUDY_ROOT + ".1", IMPLICIT),
            7: (PATIENT_ROOT + ".2", IMPLICIT), 9: (PATIENT_ROOT + ".3", IMPLICIT)}
NUMBER = {"echo": 1, "store": 3, "find": 5, "move": 7, "get": 9}


def entry(archive, text, name="visitor.yml"):
    (archive.folder / "app/white_list" / name).write_text(text)


def log_of(archive):
    return (archive.folder / "log/pacs.log").read_text()


def granted(archive, contexts=None, **given):
    """Services whose presentation context VISITOR is granted; None when it is not admitted at all."""
    try:
        association = Association(archive.port, calling="VISITOR", contexts=contexts or CONTEXTS, **given)
    except Rejected:
        return None
    association.release()
    assert set(association.results.values()) <= {0, 1}, "the user's rejection, because the service is there"
    return {name for name, context in NUMBER.items() if association.results.get(context) == 0}


ALL = {"echo", "store", "find", "move", "get"}


@pytest.mark.parametrize("rules, expected", [
    ("", ALL), (", services: [echo, store, find, move, get]", ALL), (", services: [echo, find]", {"echo", "find"}), (", services: [c-store]", {"store"}),
    (", services: echo", {"echo"}), (", read_only: yes", ALL), (", services: []", set()), (", read_only: no", ALL),
    (", services: [ecko]", None), (", services: [find, ecko]", None), (", read_only: perhaps", None), (", max_assoc: 0", None), (", max_assoc: many", None),
    (", move_to: {a: b}", None), (", move_to: [A_TITLE_THAT_IS_TOO_LONG]", None), (", read_onyl: yes", None), (", description: 'the CT, room 4'", ALL),
])
def test_services_of_a_peer(archive, rules, expected):
    entry(archive, f"VISITOR: {{ip: 127.0.0.1{rules}}}\n")
    assert granted(archive) == expected
    if expected is None or "onyl" in rules:
        assert "visitor.yml:1: `" in log_of(archive)


def test_a_read_only_peer_cannot_store_and_hears_why(archive):
    entry(archive, "VISITOR: {ip: 127.0.0.1, read_only: yes}\n")
    assert granted(archive, {n: c for n, c in CONTEXTS.items() if n != 9}) == {"echo", "find", "move"}
    line = [line for line in log_of(archive).splitlines() if "may not" in line][-1]
    assert "VISITOR at 127.0.0.1 may not store here; to allow it, change `read_only` in" in line and "visitor.yml:1" in line
    # With C-GET the class is accepted, to be sent to the peer; what the peer sends itself is refused.
    association = Association(archive.port, calling="VISITOR", contexts=CONTEXTS)
    given = attributes()
    assert association.store(SECONDARY_CAPTURE, given["SOPInstanceUID"], data_set(given)) == 0x0124
    assert association.echo() == 0
    association.release()
    assert not archive.files()


def test_rules_that_change_count_in_open_associations(archive):
    entry(archive, "VISITOR: {ip: 127.0.0.1}\n")
    association = Association(archive.port, calling="VISITOR", contexts=CONTEXTS)
    assert association.echo() == 0
    entry(archive, "VISITOR: {ip: 127.0.0.1, services: [find]}\n")
    wait_until(lambda: association.echo() == 0x0124, 10, "the rule")
    assert "may not echo here; to allow it, change `services` in" in log_of(archive)
    entry(archive, "VISITOR: {ip: 127.0.0.1}\n")
    wait_until(lambda: association.echo() == 0, 10, "the rule")
    association.release()


@pytest.mark.parametrize("text, expected", [
    ("VISITOR: {ip: 127.0.0.0/8, services: [echo]}\nOTHER: {ip: 127.0.0.1}\n", {"echo"}),
    ("VISITOR: {ip: '::ffff:127.0.0.0/104', services: [echo]}\n", {"echo"}),
    ("VISITOR: {ip: 127.0.0.1/33}\n", None), ("VISITOR: {ip: nonsense/8}\n", None),
])
def test_networks(archive, text, expected):
    entry(archive, text)
    assert granted(archive) == expected


def test_the_narrowest_entry_decides(archive):
    entry(archive, "VISITOR: {ip: 127.0.0.1, services: [find]}\n", "a.yml")
    entry(archive, "VISITOR: {ip: 127.0.0.0/8, services: [echo]}\n", "b.yml")
    assert granted(archive) == {"find"}
    entry(archive, "VISITOR: {ip: 127.0.0.1, services: [get, find]}\n", "c.yml")
    assert granted(archive, {5: CONTEXTS[5], 9: CONTEXTS[9]}) == {"find", "get"}


def test_destinations_of_a_peer(archive, storescp):
    archive.allow("SINK", storescp.port)
    for rule, status in ((", move_to: [OTHER]", 0x0124), (", move_to: []", 0x0124), (", move_to: [OTHER, SINK]", 0), (", move_to: SINK", 0), ("", 0)):
        entry(archive, f"VISITOR: {{ip: 127.0.0.1{rule}}}\n")
        done = run("movescu", "-aec", "GANTRY", "-aet", "VISITOR", "-aem", "SINK", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3",
                   "-v", "127.0.0.1", archive.port, check=False)
        assert ("Success" in done.stdout + done.stderr) == (status == 0), done.stderr
    assert "VISITOR may not have objects sent to SINK; to allow it, add SINK to `move_to` in" in log_of(archive)


def test_associations_of_a_peer(archive):
    entry(archive, "VISITOR: {ip: 127.0.0.1, max_assoc: 2}\n")
    held = [Association(archive.port, calling="VISITOR") for _ in range(2)]
    with pytest.raises(Rejected) as rejected:
        Association(archive.port, calling="VISITOR")
    assert rejected.value.reason == (2, 3, 2)
    assert "it has 2 associations already (max_assoc of its entry" in log_of(archive)
    Association(archive.port, calling="RAW").release()
    for one in held:
        one.abort()
    wait_until(lambda: granted(archive) is not None, 10, "room again")


# -- manage peers --

def test_manage_peers_lists_and_explains(stopped_archive):
    entry(stopped_archive, "VISITOR: {ip: 10.1.0.0/16, read_only: yes, move_to: [A, B], max_assoc: 3}\nSIX: {ip: 'fd00::/8', services: [echo]}\n")
    text = stopped_archive.manage("peers").stdout
    line = next(line for line in text.splitlines() if line.startswith("VISITOR "))
    assert line.split()[:6] == ["VISITOR", "10.1.0.0/16", "-", "echo,find,move,get", "A,B", "3"] and line.endswith("visitor.yml:1")
    assert "RAW" in text
    text = stopped_archive.manage("peers", "10.1.2.3").stdout
    assert "VISITOR at 10.1.0.0/16 is admitted by" in text and "store  no: change `read_only` of this entry to allow it" in text
    assert "RAW" not in text and "SIX" not in text
    found = json.loads(stopped_archive.manage("peers", "fd00::7", "--json").stdout)
    assert [one["ae_title"] for one in found] == ["SIX"]
    assert found[0]["echo"] is True and found[0]["find"] is False and found[0]["denied_by"]["find"] == "services"
    assert found[0]["move_to"] is None and found[0]["line"] == 2


def test_manage_peers_says_who_is_not_admitted(stopped_archive):
    done = stopped_archive.manage("peers", "STRANGER", check=False)
    assert done.returncode == 1 and "add `STRANGER: {ip: ADDRESS}` to a file in" in done.stderr
    done = stopped_archive.manage("peers", "192.0.2.9", check=False)
    assert done.returncode == 1 and "nobody is admitted at 192.0.2.9" in done.stderr
    done = stopped_archive.manage("peers", "STRANGER", "--json", check=False)
    assert done.returncode == 1 and json.loads(done.stdout) == []


def test_manage_peers_says_which_entry_is_void(stopped_archive):
    entry(stopped_archive, "VISITOR: {ip: 10.1.0.0/16, readonly: yes}\n")
    done = stopped_archive.manage("peers", "VISITOR", check=False)
    assert done.returncode == 1 and "visitor.yml:1" in done.stderr
    assert "`readonly` is no key of an entry, so that the entry of VISITOR admits nobody" in done.stderr


def test_manage_peers_knows_services_that_are_off(stopped_archive):
    text = stopped_archive.settings.read_text()
    stopped_archive.settings.write_text(text.replace("  - c-move\n", ""))
    assert "move   no: nobody may, see scp_services in" in stopped_archive.manage("peers", "RAW").stdout


def test_an_archive_that_may_not_echo_itself_is_alive(archive):
    entry(archive, f"GANTRY: {{ip: 127.0.0.1, port: {archive.port}, services: [find]}}\n", "gantry.yml")
    assert "answers on port" in archive.manage("alive").stdout
    assert archive.manage("echo", "127.0.0.1", archive.port, "-aec", archive.aet, check=False).returncode == 1
