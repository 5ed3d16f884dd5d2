# SPDX-License-Identifier: MIT
"""DIMSE by hand, byte for byte, so that tests can also send what no client would."""
import socket
import struct

from make_dicom import SECONDARY_CAPTURE, encode, uid

VERIFICATION = "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
CONTEXTS = {1: (VERIFICATION, IMPLICIT), 3: (SECONDARY_CAPTURE, EXPLICIT)}


class Rejected(Exception):
    def __init__(self, reason):
        super().__init__(f"rejected: result, source, reason = {reason}")
        self.reason = reason


class Aborted(Exception):
    pass


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def associate_rq(called, calling, contexts, max_pdu=16384, more=b""):
    """`more`: further user-information items, encoded."""
    body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode())
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, *syntaxes) in contexts.items():
        body += item(0x20, struct.pack(">Bxxx", number) + item(0x30, abstract.encode()) +
                     b"".join(item(0x40, syntax.encode()) for syntax in syntaxes))
    body += item(0x50, item(0x51, struct.pack(">I", max_pdu)) + item(0x52, uid(1).encode()) + item(0x55, b"TESTS") + more)
    return pdu(1, body)


def sub_items(data):
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from(">BxH", data, at)
        yield kind, data[at + 4:at + 4 + length]
        at += 4 + length


def implicit(tag, raw):
    raw += b"\0" * (len(raw) % 2)
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(raw)) + raw


def command(fields):
    """A command set (PS3.7 6.3) of {tag: int (US) or str}."""
    body = b"".join(implicit(tag, struct.pack("<H", value) if isinstance(value, int) else value.encode())
                    for tag, value in sorted(fields.items()))
    return implicit(0x00000000, struct.pack("<I", len(body))) + body


def parse_command(data):
    at, out = 0, {}
    while at < len(data):
        group, element, length = struct.unpack_from("<HHI", data, at)
        raw = data[at + 8:at + 8 + length]
        out[group << 16 | element] = struct.unpack("<H", raw)[0] if length == 2 else raw.rstrip(b"\0 ").decode("latin-1")
        at += 8 + length
    return out


def p_data(context, payload, is_command, last=True):
    return pdu(4, struct.pack(">IBB", len(payload) + 2, context, is_command | last << 1) + payload)


def connect(port, timeout=20, host="127.0.0.1", source=None):
    sock = socket.create_connection((host, port), timeout, (source, 0) if source else None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Association:
    def __init__(self, port, called="GANTRY", calling="RAW", contexts=None, timeout=20, more=b"", host="127.0.0.1", source=None):
        self.sock = connect(port, timeout, host, source)
        self.message = 0
        self.sock.sendall(associate_rq(called, calling, contexts or CONTEXTS, more=more))
        kind, body = self.read_pdu()
        if kind == 3:
            self.sock.close()
            raise Rejected(tuple(body[1:4]))
        assert kind == 2, f"PDU type {kind} in answer to A-ASSOCIATE-RQ"
        self.results = {}  # presentation context: result, 0 = accepted (PS3.8 9.3.3.2)
        self.user_items = []  # (type, body) of the user information
        at = 68
        while at < len(body):
            kind, length = struct.unpack_from(">BxH", body, at)
            if kind == 0x21:
                self.results[body[at + 4]] = body[at + 6]
            elif kind == 0x50:
                self.user_items = list(sub_items(body[at + 4:at + 4 + length]))
            at += 4 + length

    def read_exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise Aborted("connection closed")
            data += piece
        return data

    def read_pdu(self):
        kind, length = struct.unpack(">BxI", self.read_exactly(6))
        body = self.read_exactly(length)
        if kind == 7:
            raise Aborted(f"A-ABORT source {body[2]} reason {body[3]}")
        return kind, body

    def read_response(self):
        """The next command set; a data set that follows is left to the next read_pdu."""
        data, last = b"", False
        while not last:
            kind, body = self.read_pdu()
            assert kind == 4, f"PDU type {kind} instead of P-DATA"
            at = 0
            while at < len(body):
                length, _, control = struct.unpack_from(">IBB", body, at)
                data += body[at + 6:at + 4 + length]
                last = bool(control & 2)
                at += 4 + length
        return parse_command(data)

    def echo(self):
        self.message += 1
        self.sock.sendall(p_data(1, command({0x00000002: VERIFICATION, 0x00000100: 0x0030, 0x00000110: self.message,
                                             0x00000800: 0x0101}), True))
        return self.read_response()[0x00000900]

    def begin_store(self, sop_class, instance, context=3):
        self.message += 1
        self.sock.sendall(p_data(context, command({0x00000002: sop_class, 0x00000100: 0x0001, 0x00000110: self.message,
                                                   0x00000700: 0, 0x00000800: 1, 0x00001000: instance}), True))

    def store(self, sop_class, instance, data, context=3, piece=16000):
        self.begin_store(sop_class, instance, context)
        for at in range(0, max(len(data), 1), piece):
            self.sock.sendall(p_data(context, data[at:at + piece], False, at + piece >= len(data)))
        return self.read_response()[0x00000900]

    def release(self):
        self.sock.sendall(pdu(5, b"\0" * 4))
        kind, _ = self.read_pdu()
        assert kind == 6
        self.sock.close()

    def abort(self):
        self.sock.sendall(pdu(7, b"\0" * 4))
        self.sock.close()


__all__ = ["Association", "Aborted", "Rejected", "encode", "connect", "pdu", "item", "p_data", "command", "associate_rq"]
