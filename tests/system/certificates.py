# SPDX-License-Identifier: MIT
"""Certificates for tests of TLS, made with the openssl program: an authority, and what it vouches for."""
import datetime
import os

from programs import run


class Certificate:
    def __init__(self, folder, name):
        self.pem, self.key = folder / f"{name}.pem", folder / f"{name}.key"

    def sha256(self):
        text = run("openssl", "x509", "-in", self.pem, "-noout", "-fingerprint", "-sha256").stdout
        return text.strip().split("=")[1]


class Authority(Certificate):
    """RSA, because that is what old peers take."""

    def __init__(self, folder, name):
        super().__init__(folder, name)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", days=(-1, 30), usage="serverAuth,clientAuth", file=None):
        """`days`: from and to, seen from today."""
        made = Certificate(self.folder, file or name)
        request, extra, index = (self.folder / f"{file or name}.{end}" for end in ("csr", "ext", "db"))
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        extra.write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\n" if names else f"extendedKeyUsage={usage}\n")
        index.write_text("")
        config = self.folder / "ca.cnf"
        config.write_text(f"[ca]\ndefault_ca=one\n[one]\ndatabase={index}\nnew_certs_dir={self.folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
                          "unique_subject=no\n[any]\ncommonName=supplied\n")
        begin, end = (f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=d):%Y%m%d%H%M%SZ}" for d in days)
        run("openssl", "ca", "-batch", "-config", config, "-cert", self.pem, "-keyfile", self.key, "-in", request, "-out", made.pem, "-notext",
            "-startdate", begin, "-enddate", end, "-extfile", extra)
        os.chmod(made.key, 0o600)
        return made
