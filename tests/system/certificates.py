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


    def serial(self):
        return run("openssl", "x509", "-in", self.pem, "-noout", "-serial").stdout.strip().split("=")[1]


AUTHORITY = {"basicConstraints": "critical,CA:TRUE", "keyUsage": "critical,keyCertSign,cRLSign"}


def day(days):
    """Seen from today."""
    return f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days):%Y%m%d%H%M%SZ}"


class Authority(Certificate):
    """RSA, because that is what old peers take."""

    def __init__(self, folder, name, above=None):
        super().__init__(folder, name)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        if above:
            made = above.issue(name, None, usage=None, **AUTHORITY)
            self.pem, self.key = made.pem, made.key
            return
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.pem,
            *(word for key, value in AUTHORITY.items() for word in ("-addext", f"{key}={value}")))

    def revoke(self, path, *certificates, days=(-1, 7), add=False):
        """Writes a list of these, or puts it behind those in the file."""
        index, config = self.folder / "revoked.db", self.folder / "revoked.cnf"
        index.write_text("".join(f"R\t{day(30)[2:]}\t{day(-1)[2:]}\t{one.serial()}\tunknown\t/CN=revoked\n" for one in certificates))
        config.write_text(f"[ca]\ndefault_ca=one\n[one]\ndatabase={index}\ndefault_md=sha256\n")
        made = self.folder / "revoked.pem"
        run("openssl", "ca", "-gencrl", "-config", config, "-cert", self.pem, "-keyfile", self.key, "-out", made, "-crl_lastupdate", day(days[0]),
            "-crl_nextupdate", day(days[1]))
        path.write_text((path.read_text() if add else "") + made.read_text())
        return path

    def issue(self, name, names="IP:127.0.0.1,DNS:localhost", days=(-1, 30), usage="serverAuth,clientAuth", file=None, **extensions):
        """`days`: from and to, seen from today."""
        made = Certificate(self.folder, file or name)
        request, extra, index = (self.folder / f"{file or name}.{end}" for end in ("csr", "ext", "db"))
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        wanted = {"subjectAltName": names, "extendedKeyUsage": usage, **extensions}
        extra.write_text("".join(f"{key}={value}\n" for key, value in wanted.items() if value))
        index.write_text("")
        config = self.folder / "ca.cnf"
        config.write_text(f"[ca]\ndefault_ca=one\n[one]\ndatabase={index}\nnew_certs_dir={self.folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
                          "unique_subject=no\n[any]\ncommonName=supplied\n")
        run("openssl", "ca", "-batch", "-config", config, "-cert", self.pem, "-keyfile", self.key, "-in", request, "-out", made.pem, "-notext",
            "-startdate", day(days[0]), "-enddate", day(days[1]), "-extfile", extra)
        os.chmod(made.key, 0o600)
        return made
