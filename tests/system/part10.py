# SPDX-License-Identifier: MIT
"""Reading DICOM files in tests, by code of its own: what the product wrote is not judged by what the product reads.

Just enough: Part 10 with or without preamble and meta group, top-level elements of the four uncompressed syntaxes.
"""
import pathlib
import struct
import zlib
from dataclasses import dataclass, field

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
UNDEFINED = 0xFFFFFFFF


def text(value):
    return value.rstrip(b" \0").decode("latin-1")


def header(data, at, explicit, order):
    """(tag, vr, length, offset of the value) of the element at `at`."""
    group, element = struct.unpack_from(order + "HH", data, at)
    tag = group << 16 | element
    if not explicit or group == 0xFFFE:
        return tag, b"", struct.unpack_from(order + "I", data, at + 4)[0], at + 8
    vr = data[at + 4:at + 6]
    if vr in LONG_VRS:
        return tag, vr, struct.unpack_from(order + "I", data, at + 8)[0], at + 12
    return tag, vr, struct.unpack_from(order + "H", data, at + 6)[0], at + 8


def skip_undefined(data, at, explicit, order):
    """The offset behind the sequence delimiter that closes the value beginning at `at`."""
    depth = 1
    while depth:
        tag, _, length, at = header(data, at, explicit, order)
        if tag in (0xFFFEE0DD, 0xFFFEE00D):
            depth -= 1
        elif length == UNDEFINED:
            depth += 1
        elif tag != 0xFFFEE000:
            at += length
        elif length and not starts_element(data, at, explicit, order):
            at += length  # a fragment of encapsulated pixel data
    return at


def starts_element(data, at, explicit, order):
    group = struct.unpack_from(order + "H", data, at)[0]
    return group < 0x7FE1 and (not explicit or data[at + 4:at + 6].isupper())


def elements(data, syntax, until=0xFFFFFFFF):
    """{tag: bytes} of the top level; undefined lengths are skipped over and stand as None."""
    if syntax == DEFLATED:
        data = zlib.decompress(data, -15)
    explicit, order = syntax != IMPLICIT, ">" if syntax == BIG_ENDIAN else "<"
    at, out = 0, {}
    while at + 8 <= len(data):
        tag, _, length, at = header(data, at, explicit, order)
        if tag > until:
            break
        if length == UNDEFINED:
            if tag == 0x7FE00010:
                break
            out[tag] = None
            at = skip_undefined(data, at, explicit, order)
        else:
            out[tag] = bytes(data[at:at + length])
            at += length
    return out


@dataclass
class Part10:
    path: pathlib.Path
    syntax: str
    data: bytes  # the data set behind the meta group
    meta: dict = field(default_factory=dict)

    def elements(self, until=0x7FE00000):
        return elements(self.data, self.syntax, until)

    def text(self, tag):
        value = self.elements(tag).get(tag)
        return None if value is None else text(value)

    @property
    def instance(self):
        return text(self.meta[0x00020003])


def read(path):
    return parse(pathlib.Path(path).read_bytes(), path)


def parse(raw, path=""):
    at = 132 if raw[128:132] == b"DICM" else 0
    meta = {}
    while raw[at:at + 2] == b"\x02\x00":
        tag, _, length, value = header(raw, at, True, "<")
        meta[tag] = raw[value:value + length]
        at = value + length
    return Part10(pathlib.Path(path), text(meta.get(0x00020010, b"")), raw[at:], meta)


def read_folder(folder):
    """{SOP Instance UID: Part10} of all files below a folder."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.stat().st_size > 132:
            one = read(path)
            if 0x00020003 in one.meta:
                found[one.instance] = one
    return found
