# SPDX-License-Identifier: MIT
"""Servers of other people on loopback: DCMTK's storescp and dcmqrscp, Orthanc."""
import json
import pathlib

from programs import Server, free_port


class Storescp(Server):
    """Writes what it gets exactly as it came, whatever the syntax or class."""

    def __init__(self, folder, aet="STORESCP", *options):
        self.aet, self.folder = aet, pathlib.Path(folder) / "received"
        self.folder.mkdir()
        port = free_port()
        super().__init__(["storescp", "+B", "+xa", "-pm", "-aet", aet, "-od", self.folder, "--max-pdu", "131072", *options, port],
                         port, pathlib.Path(folder) / "storescp.log")


class Dcmqrscp(Server):
    def __init__(self, folder, hosts, aet="DCMQRSCP", *options):
        """`hosts`: {AE title: port} of the C-MOVE destinations."""
        self.aet, self.folder = aet, pathlib.Path(folder)
        port = free_port()
        (self.folder / "db").mkdir()
        config = self.folder / "dcmqrscp.cfg"
        table = "\n".join(f"{name.lower()} = ({name}, 127.0.0.1, {number})" for name, number in hosts.items())
        config.write_text(f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\nHostTable BEGIN\n{table}\nHostTable END\n"
                          f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\n{aet} {self.folder}/db RW (500, 1024mb) ANY\nAETable END\n")
        super().__init__(["dcmqrscp", *options, "-c", config], port, self.folder / "dcmqrscp.log")


class Orthanc(Server):
    def __init__(self, folder, modalities, aet="ORTHANC", **more):
        self.aet, self.folder = aet, pathlib.Path(folder)
        port, http = free_port(), free_port()
        self.http = http
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps({
            "Name": "test", "StorageDirectory": str(self.folder / "storage"), "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": http, "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "Plugins": [],
            "DicomAet": aet, "DicomPort": port, "DicomCheckCalledAet": False, "UnknownSopClassAccepted": True,
            "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
            "DicomModalities": {name.lower(): [name, "127.0.0.1", number] for name, number in modalities.items()}, **more,
        }))
        super().__init__(["/usr/sbin/Orthanc", config], port, self.folder / "orthanc.log")
