# SPDX-License-Identifier: MIT
"""OpenStack Swift as Debian packages it, on loopback: proxy with tempauth, account, container and object server, one device in a folder, and
the memcached that tempauth keeps its tokens in. The object server keeps what it knows of an object in extended attributes of its file (user.*), which
ext4, xfs, btrfs and the tmpfs of Linux 6.6 have."""
import getpass
import json
import os
import pathlib
import signal
import urllib.error
import urllib.parse
import urllib.request

from programs import Server, free_port, run

USER, KEY = "chris:chris1234", "chris1234"  # account chris, user chris1234

PROXY = """
[pipeline:main]
pipeline = catch_errors healthcheck proxy-logging cache listing_formats bulk tempauth slo dlo proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 10
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {key} .admin
user_other_reader = other
"""
STORE = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
COMMON = """[DEFAULT]
expose_info = {expose_info}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
log_address = {folder}/no-syslog
log_level = INFO
"""


class Swift:
    """A whole Swift; `kill` ends it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "devices/sda1").mkdir(parents=True)
        self.check_attributes()
        self.servers = []
        self.ports = {name: free_port() for name in ("account", "container", "object", "proxy", "memcached")}
        (self.folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = end\nswift_hash_path_prefix = begin\n"
                                                "[storage-policy:0]\nname = Policy-0\ndefault = yes\n"
                                                "[swift-constraints]\nmax_file_size = 20000000\n")
        try:
            self.start()
        except BaseException:
            self.kill()
            raise

    def check_attributes(self):
        probe = self.folder / "probe"
        probe.touch()
        try:
            os.setxattr(probe, "user.swift", b"x" * 3000)
        except OSError as error:
            raise AssertionError(f"{self.folder}: extended attributes are needed ({error}); set TMPDIR to a folder on ext4 or xfs") from None

    def start(self):
        account, user = USER.split(":")
        for name in ("account", "container", "object"):
            builder = self.folder / f"{name}.builder"
            run("swift-ring-builder", builder, "create", "4", "1", "1")
            run("swift-ring-builder", builder, "add", f"r1z1-127.0.0.1:{self.ports[name]}/sda1", "1")
            run("swift-ring-builder", builder, "rebalance")
            self.configure(name, STORE.format(name=name))
        self.configure("proxy", PROXY.format(account=account, user=user, key=KEY, memcached=self.ports["memcached"]))
        self.serve("memcached", ["memcached", "-l", "127.0.0.1", "-p", self.ports["memcached"], "-U", "0", "-m", "16", "-t", "1",
                                 *(["-u", "root"] if os.geteuid() == 0 else [])])
        for name in ("account", "container", "object", "proxy"):
            self.serve(name, [f"swift-{name}-server", self.folder / f"{name}.conf"])

    def configure(self, name, text):
        head = COMMON.format(port=self.ports[name], user=getpass.getuser(), folder=self.folder, expose_info=name != "quiet")
        (self.folder / f"{name}.conf").write_text(head + text)

    def quiet_proxy(self):
        """The port of a second proxy, which does not say what it can do (/info)."""
        self.ports["quiet"] = free_port()
        account, user = USER.split(":")
        self.configure("quiet", PROXY.format(account=account, user=user, key=KEY, memcached=self.ports["memcached"]))
        self.serve("quiet", ["swift-proxy-server", self.folder / "quiet.conf"])
        return self.ports["quiet"]

    def serve(self, name, command):
        self.servers.append(Server(command, self.ports[name], self.folder / f"{name}.log"))

    @property
    def port(self):
        return self.ports["proxy"]

    @property
    def options(self):
        """Of px-push and pfstorage."""
        return ["--swiftIP", "127.0.0.1", "--swiftPort", self.port, "--swiftLogin", USER]

    @property
    def record(self):
        """Of storage.json."""
        return {"storagetype": "swift", "ip": "127.0.0.1", "port": str(self.port), "login": USER}

    def kill(self):
        for server in reversed(self.servers):
            server.end(signal.SIGTERM if server.alive() else signal.SIGKILL)

    # -- what a test asks it by itself --

    def request(self, method, path="", data=None, query="", **headers):
        """(status, headers, body) of a request below the account's address; the path is not yet escaped, the query is."""
        if not hasattr(self, "token"):
            self.token, self.account_url = self.login()
        url = self.account_url + urllib.parse.quote(path) + query
        head = {"X-Auth-Token": self.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data, headers=head), timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def login(self):
        ask = urllib.request.Request(f"http://127.0.0.1:{self.port}/auth/v1.0", headers={"X-Auth-User": USER, "X-Auth-Key": KEY})
        with urllib.request.urlopen(ask, timeout=30) as answer:
            return answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]

    def names(self, container="users", prefix=""):
        status, _, body = self.request("GET", f"/{container}", query="?format=json&prefix=" + urllib.parse.quote(prefix))
        return {one["name"]: one for one in json.loads(body)} if status == 200 else {}

    def read(self, name, container="users"):
        status, _, body = self.request("GET", f"/{container}/{name}")
        assert status == 200, (status, name)
        return body

    def put(self, name, data, container="users", **headers):
        status, _, body = self.request("PUT", f"/{container}/{name}" if name else f"/{container}", data, **headers)
        assert status in (201, 202), (status, body)

    def empty(self):
        """Nothing in the account."""
        _, _, body = self.request("GET", query="?format=json")
        for container in json.loads(body):
            for name in self.names(container["name"]):
                self.request("DELETE", f"/{container['name']}/{name}")
            self.request("DELETE", f"/{container['name']}")
