# SPDX-License-Identifier: MIT
"""C-FIND, C-MOVE and C-GET by hand: any key, any negotiation, a C-CANCEL at any moment. Explicit VR little endian, with sequences."""
import struct

from dimse import EXPLICIT, Association, command, item, p_data, parse_command
from make_dicom import LONG_VRS

PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY = ("1.2.840.10008.5.1.4.1.2.%d" % n for n in (1, 2, 3))
FIND, MOVE, GET = ".1", ".2", ".3"
PENDING, PENDING_WARNING, CANCELLED = 0xFF00, 0xFF01, 0xFE00
C_FIND, C_GET, C_MOVE, C_STORE = 0x0020, 0x0010, 0x0021, 0x0001
ITEM, END_OF_ITEM, END_OF_SEQUENCE, UNDEFINED = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFFFFFF
LEVEL, CHARSET = 0x00080052, 0x00080005


def encode(keys, codec="utf-8"):
    """A data set of {tag: (vr, value)}; a value is bytes, text, a number for US, or a list of data sets for SQ."""
    out = b""
    for tag, (vr, value) in sorted(keys.items()):
        if vr == "SQ":
            raw = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(one)) + one for one in (encode(i, codec) for i in value))
        elif vr == "US" and value != "":
            raw = struct.pack("<H", int(value))
        else:
            raw = value if isinstance(value, bytes) else str(value).encode(codec)
            raw += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(raw) % 2)
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
        out += head + (struct.pack("<HI", 0, len(raw)) if vr in LONG_VRS + ("UC", "UR") else struct.pack("<H", len(raw))) + raw
    return out


def decode(data):
    """{tag: bytes, or a list of data sets}."""
    return decode_until(data, 0, len(data), None)[0]


def decode_until(data, at, end, stop):
    out = {}
    while at < end:
        group, element = struct.unpack_from("<HH", data, at)
        tag = group << 16 | element
        if tag == stop:
            return out, at + 8
        vr = data[at + 4:at + 6].decode()
        if vr in LONG_VRS + ("UC", "UR", "OD", "OF", "OL", "OV", "SV", "UV"):
            length, at = struct.unpack_from("<I", data, at + 8)[0], at + 12
        else:
            length, at = struct.unpack_from("<H", data, at + 6)[0], at + 8
        if vr == "SQ":
            out[tag], at = decode_items(data, at, end if length == UNDEFINED else at + length)
        else:
            out[tag] = data[at:at + length]
            at += length
    return out, at


def decode_items(data, at, end):
    items = []
    while at < end:
        group, element, length = struct.unpack_from("<HHI", data, at)
        at += 8
        if (group << 16 | element) == END_OF_SEQUENCE:
            break
        one, at = decode_until(data, at, end if length == UNDEFINED else at + length, END_OF_ITEM if length == UNDEFINED else None)
        items.append(one)
    return items, at


def extended(sop_class, *flags):
    """SOP Class Extended Negotiation, PS3.7 D.3.3.5: relational, combined date-time, fuzzy names."""
    return item(0x56, struct.pack(">H", len(sop_class)) + sop_class.encode() + bytes(flags))


def role(sop_class, scu, scp):
    return item(0x54, struct.pack(">H", len(sop_class)) + sop_class.encode() + bytes((scu, scp)))


class Response:
    def __init__(self, fields, data):
        self.fields, self.data = fields, data
        self.status = fields.get(0x00000900)
        self.comment = fields.get(0x00000902, "")
        self.remaining, self.completed, self.failed, self.warning = (fields.get(0x00001020 + n) for n in range(4))

    @property
    def identifier(self):
        return None if self.data is None else decode(self.data)


class QueryClient(Association):
    """One model, all three services; further contexts from 7 on, for C-GET."""

    def __init__(self, port, model=STUDY_ROOT, storage=(), **options):
        self.model = model
        contexts = {1: (model + FIND, EXPLICIT), 3: (model + MOVE, EXPLICIT), 5: (model + GET, EXPLICIT)}
        for number, abstract in enumerate(storage):
            contexts[7 + 2 * number] = (abstract, EXPLICIT)
        self.waiting = b""
        super().__init__(port, contexts=contexts, **options)

    def part(self):
        """The next PDV: context, control byte, bytes."""
        while not self.waiting:
            kind, self.waiting = self.read_pdu()
            assert kind == 4, f"PDU type {kind} instead of P-DATA"
        length, context, control = struct.unpack_from(">IBB", self.waiting)
        payload, self.waiting = self.waiting[6:4 + length], self.waiting[4 + length:]
        return context, control, payload

    def next_message(self):
        """The next message: context, command, data set or None."""
        pieces = {1: b"", 0: b""}
        has_data, fields, context = True, None, None
        while has_data:
            context, control, payload = self.part()
            pieces[control & 1] += payload
            if control & 2 and control & 1:
                fields = parse_command(pieces[1])
                has_data = fields[0x00000800] != 0x0101
                if not has_data:
                    return context, fields, None
            elif control & 2:
                return context, fields, pieces[0]

    def receive(self):
        _, fields, data = self.next_message()
        return Response(fields, data)

    def ask(self, kind, keys, destination=None, raw=None):
        context, suffix = {C_FIND: (1, FIND), C_MOVE: (3, MOVE), C_GET: (5, GET)}[kind]
        self.message_id = self.message = self.message + 1
        fields = {0x00000002: self.model + suffix, 0x00000100: kind, 0x00000110: self.message_id, 0x00000700: 0, 0x00000800: 1}
        if destination:
            fields[0x00000600] = destination
        self.sock.sendall(p_data(context, command(fields), True) + p_data(context, encode(keys) if raw is None else raw, False))

    def cancel(self, kind=C_FIND):
        context = {C_FIND: 1, C_MOVE: 3, C_GET: 5}[kind]
        self.sock.sendall(p_data(context, command({0x00000100: 0x0FFF, 0x00000120: self.message_id, 0x00000800: 0x0101}), True))

    def find(self, level, keys, raw=None):
        """(answers, final response); `keys` without the level."""
        self.ask(C_FIND, {LEVEL: ("CS", level), **keys}, raw=raw)
        answers = []
        while (response := self.receive()).status in (PENDING, PENDING_WARNING):
            answers.append(response.identifier)
        return answers, response

    def get(self, level, keys, answer=0, on_object=None):
        """(pending responses, data sets received, final response). `answer`: our status to each sub-operation."""
        self.ask(C_GET, {LEVEL: ("CS", level), **keys})
        pending, objects = [], []
        while True:
            context, fields, data = self.next_message()
            if fields[0x00000100] == C_STORE:
                objects.append((fields, data))
                if on_object:
                    on_object(len(objects))
                self.sock.sendall(p_data(context, command({
                    0x00000002: fields[0x00000002], 0x00000100: 0x8001, 0x00000120: fields[0x00000110], 0x00000800: 0x0101,
                    0x00000900: answer, 0x00001000: fields[0x00001000]}), True))
                continue
            response = Response(fields, data)
            if response.status != PENDING:
                return pending, objects, response
            pending.append(response)

    def move(self, level, keys, destination, on_pending=None):
        self.ask(C_MOVE, {LEVEL: ("CS", level), **keys}, destination)
        pending = []
        while (response := self.receive()).status == PENDING:
            pending.append(response)
            if on_pending:
                on_pending(len(pending))
        return pending, response
