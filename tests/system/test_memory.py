# SPDX-License-Identifier: MIT
"""Memory does not grow with the object; the start is quick. The figures of the promise are asserted; times only with GANTRY_ASSERT_TIMES=1."""
import concurrent.futures
import os
import shutil
import struct

import pytest
from dimse import Association, p_data
from make_dicom import MULTIFRAME, attributes, data_set, uid
from programs import SANITIZED, run

PER_ASSOCIATION_KB = 32 * 1024


def send_large(archive, instance, megabytes):
    """A multi-frame object of 1 MB frames, made while it is sent."""
    given = attributes(SOPClassUID=MULTIFRAME, SOPInstanceUID=instance, NumberOfFrames=megabytes, SamplesPerPixel=1,
                       PhotometricInterpretation="MONOCHROME2", Rows=1024, Columns=1024, BitsAllocated=8, BitsStored=8, HighBit=7,
                       PixelRepresentation=0)
    association = Association(archive.port, contexts={3: (MULTIFRAME, "1.2.840.10008.1.2.1")}, timeout=300)
    association.begin_store(MULTIFRAME, instance)
    head = data_set(given) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, megabytes << 20)
    association.sock.sendall(p_data(3, head, False, last=False))
    pieces = b"".join(p_data(3, bytes(16378), False, last=False) for _ in range(64))
    whole, rest = divmod(megabytes << 20, 16378 * 64)
    for _ in range(whole):
        association.sock.sendall(pieces)
    while rest > 16378:
        association.sock.sendall(p_data(3, bytes(16378), False, last=False))
        rest -= 16378
    association.sock.sendall(p_data(3, bytes(rest), False, last=True))
    status = association.read_response()[0x00000900]
    association.release()
    return status


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's own memory would be measured")
@pytest.mark.parametrize("associations, megabytes", [
    (1, 1024),
    (10, 100),
    pytest.param(10, 1024, marks=pytest.mark.by_hand),
])
def test_large_objects_stream_through(archive, associations, megabytes):
    if shutil.disk_usage(archive.folder).free >> 20 < associations * megabytes * 1.2:
        pytest.skip(f"needs {associations * megabytes * 1.2:.0f} MB of disk")
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)
    before = archive.server.memory_kb("VmRSS")
    with concurrent.futures.ThreadPoolExecutor(associations) as pool:
        statuses = list(pool.map(lambda n: send_large(archive, uid(3, n), megabytes), range(associations)))
    growth = archive.server.memory_kb("VmHWM") - before
    assert statuses == [0] * associations
    print(f"{associations} x {megabytes} MB: {growth} kB more resident memory at the peak")
    assert growth < PER_ASSOCIATION_KB * associations


def test_start_of_an_empty_archive(stopped_archive):
    stopped_archive.start()
    stopped_archive.stop()
    times = []
    for _ in range(5):
        stopped_archive.start()
        times.append(stopped_archive.server.seconds_to_listen)
        stopped_archive.stop()
    print("start to listening:", ", ".join(f"{1000 * t:.0f} ms" for t in times))
    if os.environ.get("GANTRY_ASSERT_TIMES"):
        assert min(times) < 0.1


def test_an_idle_association_costs_little(archive):
    run("echoscu", "-aec", archive.aet, "127.0.0.1", archive.port)
    before = archive.server.memory_kb("VmRSS")
    held = [Association(archive.port) for _ in range(40)]
    growth = archive.server.memory_kb("VmRSS") - before
    for association in held:
        association.release()
    assert growth < 40 * 2048
