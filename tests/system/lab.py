# SPDX-License-Identifier: MIT
"""The laboratory in which pypx was recorded: a PACS LABPACS with the 19 files of the golden runs, which knows LABAET and DEADAET."""
import json
import re
import urllib.request

from golden import INPUT
from peers import Dcmqrscp, Orthanc
from programs import free_port, run


class Lab:
    """`kind` is orthanc or dcmqrscp. `listener` is the port where LABAET listens, if a test has someone listen there."""

    def __init__(self, folder, kind):
        self.folder, self.listener = folder, free_port()
        ports = {"LABAET": self.listener, "DEADAET": free_port()}
        if kind == "orthanc":
            self.pacs = Orthanc(folder, ports, aet="LABPACS", DefaultEncoding="Utf8", DicomCheckCalledAet=True)
        else:
            self.pacs = Dcmqrscp(folder, ports, aet="LABPACS")
        self.dead = free_port()
        # dcmqrscp says of a study what its first image says; pypx was recorded with these images the other way round.
        files = sorted(INPUT.glob("*.dcm"))
        files = files[:16] + files[:15:-1] if kind == "dcmqrscp" else files
        run("storescu", "-R", "-aec", "LABPACS", "127.0.0.1", self.pacs.port, *files)

    def places(self, base):
        return {"PORT": self.pacs.port, "DEADPORT": self.dead, "BASE": base, "SCPPORT": self.listener}

    def move_listener(self):
        """A port of its own for each test's listener: DCMTK's storescp does not take one that was used a moment ago."""
        self.listener = free_port()
        body = json.dumps({"AET": "LABAET", "Host": "127.0.0.1", "Port": self.listener}).encode()
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.pacs.http}/modalities/labaet", body, method="PUT"), timeout=20).close()

    def close(self):
        self.pacs.kill()


# -- documents in an order of their own: a PACS answers in any --

def ordered(document):
    """Studies and series by UID; without what the order made of them, and without the scratch that pypx left in args."""
    data = document.get("data")
    if isinstance(data, list):
        for study in data:
            study.pop("uid", None)
            for series in study.get("series", []):
                series.pop("uid", None)
            if "series" in study:
                study["series"].sort(key=lambda series: series["SeriesInstanceUID"]["value"])
        data.sort(key=lambda study: study["StudyInstanceUID"]["value"])
    for name in ("series_uid", "study_uid", "reportData", "studyResponse"):
        document.get("args", {}).pop(name, None)
    return document


# -- texts: what they say, without how it is laid out --

FRAMES = str.maketrans("", "", "┌─┬┐│└┴┘┼|\n\t ")


def squash(text):
    """Letters and digits in their order: no colours, frames, separators, blanks; "no value provided for …" is nothing."""
    text = re.sub(r"\x1b\(0.*?\x1b\(B", "", text, flags=re.DOTALL)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return re.sub(r"no value provided for [0-9a-f]{4},[0-9a-f]{4}", "", text).translate(FRAMES)


# An age that is not given is reckoned; NaN where it cannot be.
AGE = re.compile(r"(?<=PatientAge)(\d\d+Y-\d\dM-\d\dD|NaN)")


def close(theirs, ours, without=""):
    """Do both say the same? pypx cuts values at ']' and does not reckon ages; `without`: what it does not say at all."""
    ours = re.sub(r"(?<=x)\] (& more|1_2)", "", ours)
    return squash(theirs) == AGE.sub("", squash(ours)).replace(without, "")
