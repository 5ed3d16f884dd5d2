# SPDX-License-Identifier: MIT
"""The audit trail of an archive, read as any reader of JSON lines would."""
import hashlib
import json
import pathlib

from programs import wait_until


class Trail:
    def __init__(self, archive, folder=None):
        self.archive, self.folder = archive, pathlib.Path(folder or archive.folder / "log/audit")
        self.file = self.folder / "audit.jsonl"

    def files(self):
        return [*sorted(self.folder.glob("audit-*.jsonl")), *([self.file] if self.file.exists() else [])]

    def lines(self):
        return [line for path in self.files() for line in path.read_bytes().splitlines()]

    def records(self, event=None, kind=None):
        """All, or those of an event ("Query") and of a type of it ("Login")."""
        out = [Record(json.loads(line)) for line in self.lines()]
        return [r for r in out if (event is None or r.event == event) and (kind is None or r.kind == kind)]

    def wait(self, event=None, kind=None, count=1, seconds=10):
        wait_until(lambda: len(self.records(event, kind)) >= count, seconds, f"{count} records of {event or ''} {kind or ''}")
        return self.records(event, kind)

    def assert_chained(self):
        """By a second implementation: each line has the SHA-256 of the one before, and the numbers have no gap."""
        before, number = "0" * 64, 0
        for line in self.lines():
            record = json.loads(line)
            assert (record["seq"], record["prev"]) == (number + 1, before), line
            before, number = hashlib.sha256(line).hexdigest(), record["seq"]

    def verify(self, *arguments, **options):
        return self.archive.manage("audit", "verify", *arguments, **options)


class Record:
    def __init__(self, content):
        self.content = content
        event = content["EventIdentification"]
        self.event, self.action, self.outcome = event["EventID"]["originalText"], event["EventActionCode"], event["EventOutcomeIndicator"]
        self.kind = event.get("EventTypeCode", [{}])[0].get("originalText")
        self.why = event.get("EventOutcomeDescription")
        self.people, self.things = content["ActiveParticipant"], content["ParticipantObjectIdentification"]
        self.again = content.get("Repeated", 0)

    @property
    def who(self):
        """user@address of the requestor."""
        return next((f"{p['UserID']}@{p.get('NetworkAccessPointID', '')}" for p in self.people if p["UserIsRequestor"]), None)

    @property
    def destination(self):
        return next((p["UserID"] for p in self.people if p.get("RoleIDCode", [{}])[0].get("csd-code") == "110152"), None)

    def ids(self, code):
        return [t["ParticipantObjectID"] for t in self.things if t["ParticipantObjectIDTypeCode"]["csd-code"] == code]

    @property
    def patients(self):
        return self.ids("2")

    @property
    def studies(self):
        return self.ids("110180")

    def detail(self, name):
        return next((d["value"] for t in self.things for d in t.get("ParticipantObjectDetail", []) if d["type"] == name), None)

    def details(self, name):
        return [d["value"] for t in self.things for d in t.get("ParticipantObjectDetail", []) if d["type"] == name]
