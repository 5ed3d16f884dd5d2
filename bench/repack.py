# SPDX-License-Identifier: MIT
"""`./dev bench repack`: px-repack over 200 small files of 4 series: one process for the folder, one process for each file with 16 at a time (as storescp runs
it), and what a process costs that only starts. Beside them, what px-repack of pypx 3.6 needed for 200 such files, 16 at a time, on a machine of two cores.
"""
import argparse
import pathlib
import shutil
import struct
import sys
import tempfile

from files import CT, EXPLICIT, element, timed

PYPX_WALL, PYPX_CPU = 100, 126  # seconds
SERIES, AT_ONCE, STARTS = 4, 16, 50


def small_file(n, pixels):
    study, series = "1.2.826.0.1.3680043.10.1.9", n % SERIES + 1
    uid = f"{study}.{series}.{n}"
    meta = (element(0x00020001, "OB", b"\0\1") + element(0x00020002, "UI", CT) + element(0x00020003, "UI", uid) + element(0x00020010, "UI", EXPLICIT) +
            element(0x00020012, "UI", "1.2.826.0.1.3680043.10.1"))
    data = [(0x00080016, "UI", CT), (0x00080018, "UI", uid), (0x00080020, "DA", "20130308"), (0x00080050, "SH", "A1"), (0x00080060, "CS", "CT"),
            (0x00081030, "LO", "Brain"), (0x0008103e, "LO", f"SERIES {series}"), (0x00100010, "PN", "DOE^JANE"), (0x00100020, "LO", "P1"),
            (0x00100030, "DA", "20100203"), (0x0020000d, "UI", study), (0x0020000e, "UI", f"{study}.{series}"), (0x00200011, "IS", str(series)),
            (0x00200013, "IS", str(n)), (0x00280010, "US", struct.pack("<H", 64)), (0x00280011, "US", struct.pack("<H", 64))]
    return (bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + b"".join(element(*e) for e in data) +
            element(0x7fe00010, "OW", pixels))


class Bench:
    def __init__(self, gantry, folder, count):
        self.program, self.folder, self.count = folder / "px-repack", folder, count
        self.program.symlink_to(gantry)
        self.incoming = folder / "incoming"
        self.incoming.mkdir()
        for n in range(count):
            (self.incoming / f"{n:06}.dcm").write_bytes(small_file(n, bytes(2 * 64 * 64)))

    def fresh(self):
        shutil.rmtree(self.folder / "base", ignore_errors=True)
        return "--logdir", self.folder / "base/log", "--verbosity", "0", "--xcrdir", self.incoming

    def whole_folder(self):
        return timed([self.program, *self.fresh(), "--parseAllFilesWithSubStr", "dcm"])

    def each_file(self):
        options = " ".join(map(str, self.fresh()))
        # One shell line for all, so that the clock and the CPU time are those of the processes.
        line = f"ls {self.incoming} | xargs -P {AT_ONCE} -I @ {self.program} {options} --xcrfile @"
        return timed(["sh", "-c", line])

    def start(self):
        wall, cpu = timed(["sh", "-c", f"for i in $(seq {STARTS}); do {self.program} --version; done"])
        return wall / STARTS, cpu / STARTS


def median(runs):
    return sorted(runs)[len(runs) // 2]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench repack")
    parser.add_argument("--gantry", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="the median is shown")
    parser.add_argument("--folder", type=pathlib.Path, help="where to work (default: the folder for temporary files)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        bench = Bench(args.gantry.resolve(), pathlib.Path(folder), args.files)
        theirs = args.files / 200
        print("| what | wall, s | CPU, s | wall, times less than pypx | CPU, times less |\n|---|---|---|---|---|")
        for what, measure in (("one process for the folder", bench.whole_folder), (f"a process for each file, {AT_ONCE} at a time", bench.each_file)):
            wall, cpu = median([measure() for _ in range(args.rounds)])
            print(f"| {what} | {wall:.2f} | {cpu:.2f} | {PYPX_WALL * theirs / wall:.0f} | {PYPX_CPU * theirs / cpu:.0f} |")
            packed = sum(1 for _ in (bench.folder / "base/data").rglob("*.dcm"))
            assert packed == args.files, f"{packed} of {args.files} files were packed"
        wall, cpu = median([bench.start() for _ in range(args.rounds)])
        print(f"| a process that only starts | {wall:.4f} | {cpu:.4f} | | |")


if __name__ == "__main__":
    sys.exit(main())
