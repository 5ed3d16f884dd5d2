# SPDX-License-Identifier: MIT
"""Makes small valid DICOM objects for tests: make(path, PatientID="1", …). Explicit VR little endian, one flat data set."""
import itertools
import pathlib
import struct

ROOT = "1.2.826.0.1.3680043.10.1499"  # only ever used in tests
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
MULTIFRAME = "1.2.840.10008.5.1.4.1.1.7.2"
LONG_VRS = ("OB", "OW", "SQ", "UN", "UT")  # of those used here

KNOWN = {
    "SpecificCharacterSet": (0x00080005, "CS"), "SOPClassUID": (0x00080016, "UI"), "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"), "SeriesDate": (0x00080021, "DA"), "StudyTime": (0x00080030, "TM"),
    "AccessionNumber": (0x00080050, "SH"), "Modality": (0x00080060, "CS"), "Manufacturer": (0x00080070, "LO"),
    "InstitutionName": (0x00080080, "LO"), "ReferringPhysicianName": (0x00080090, "PN"),
    "StudyDescription": (0x00081030, "LO"), "SeriesDescription": (0x0008103E, "LO"),
    "PatientName": (0x00100010, "PN"), "PatientID": (0x00100020, "LO"), "PatientBirthDate": (0x00100030, "DA"),
    "PatientSex": (0x00100040, "CS"), "BodyPartExamined": (0x00180015, "CS"), "ProtocolName": (0x00181030, "LO"),
    "StudyInstanceUID": (0x0020000D, "UI"), "SeriesInstanceUID": (0x0020000E, "UI"), "StudyID": (0x00200010, "SH"),
    "SeriesNumber": (0x00200011, "IS"), "InstanceNumber": (0x00200013, "IS"), "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"), "NumberOfFrames": (0x00280008, "IS"), "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"), "BitsAllocated": (0x00280100, "US"), "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"), "PixelRepresentation": (0x00280103, "US"),
}
counter = itertools.count(1)


def uid(*parts):
    """A UID of our own; without parts a fresh one."""
    return ".".join([ROOT, *map(str, parts or (9, next(counter)))])


def encode(tag, vr, value):
    if vr == "US":
        raw = struct.pack("<H", value)
    else:
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8")
        raw += (b"\0" if vr in ("UI", "OB", "UN") else b" ") * (len(raw) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HI", 0, len(raw)) if vr in LONG_VRS else struct.pack("<H", len(raw))) + raw


def meta(sop_class, instance, syntax="1.2.840.10008.1.2.1"):
    body = b"".join([
        encode(0x00020001, "OB", b"\0\1"), encode(0x00020002, "UI", sop_class), encode(0x00020003, "UI", instance),
        encode(0x00020010, "UI", syntax), encode(0x00020012, "UI", uid(1)), encode(0x00020013, "SH", "TESTS")])
    return b"\0" * 128 + b"DICM" + encode(0x00020000, "UL", struct.pack("<I", len(body))) + body


def attributes(**given):
    """What every object has, with what is given on top; None leaves an attribute out. Also tag=(vr, value) by number."""
    out = {"SOPClassUID": SECONDARY_CAPTURE, "SOPInstanceUID": uid(), "StudyInstanceUID": uid(), "SeriesInstanceUID": uid(),
           "PatientID": "TEST", "PatientName": "Test^Patient", "Modality": "OT", "StudyDate": "20260102",
           "StudyTime": "101500", "AccessionNumber": "", "StudyID": "1", "SeriesNumber": 1, "InstanceNumber": 1}
    out.update(given)
    return {k: v for k, v in out.items() if v is not None}


def data_set(given):
    known = [(*KNOWN[key], value) for key, value in given.items() if isinstance(key, str)]
    by_number = [(key, *value) for key, value in given.items() if not isinstance(key, str)]
    return b"".join(encode(tag, vr, value) for tag, vr, value in sorted(known + by_number, key=lambda e: e[0]))


def make(path, extra=None, **given):
    """Writes one object and returns its attributes. `extra` = {tag: (vr, value)}."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    given = attributes(**given)
    everything = {**given, **(extra or {})}
    path.write_bytes(meta(given["SOPClassUID"], given["SOPInstanceUID"]) + data_set(everything))
    return given


def make_image(path, rows=16, columns=16, **given):
    pixels = bytes(i & 0xFF for i in range(rows * columns))
    return make(path, extra={0x7FE00010: ("OB", pixels)}, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", Rows=rows,
                Columns=columns, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, **given)


def make_large(path, megabytes, **given):
    """A multi-frame object of 1 MB frames, written a frame at a time."""
    given = attributes(SOPClassUID=MULTIFRAME, NumberOfFrames=megabytes, SamplesPerPixel=1,
                       PhotometricInterpretation="MONOCHROME2", Rows=1024, Columns=1024, BitsAllocated=8, BitsStored=8, HighBit=7,
                       PixelRepresentation=0, **given)
    frame = bytes(range(256)) * 4096
    with open(path, "wb") as out:
        out.write(meta(given["SOPClassUID"], given["SOPInstanceUID"]) + data_set(given))
        out.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, megabytes << 20))
        for _ in range(megabytes):
            out.write(frame)
    return given
