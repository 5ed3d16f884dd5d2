# SPDX-License-Identifier: MIT
"""settings.yml: every key with its shipped value, its fallback and what it refuses (spec rows ADM-08, CFG-01, CFG-03)."""
import json
import re

import pytest
from archive import as_program
from programs import run

# key: value of the shipped file, value when the key is left out, values that are refused.
# Where this is not SPHERE's: sqlite is the engine, c-get is a service, the database has no login, and 0 for pdu_size lets the program choose.
NUMBER, BOOL, LEVEL = ("x", "-1", "''"), ("maybe", "2"), ("LOUD",)
KEYS = {
    "console_verbose_level": ("1", "1", (*NUMBER, "3")), "database_verbose_level": ("0", "0", NUMBER),
    "log.path_folder": ("./log/", "./log/", ()), "log.create_file_uid": ("true", "false", BOOL),
    "log.file_name_uid": ("study_series_instances.uid", "study_series_instances.uid", ()),
    "log.file_log_config_logging": ("config_logging.log", "config_logging.log", ()), "log.default_log": ("true", "true", BOOL),
    "log.file_log_main": ("main.log", "main.log", ()), "log.log_stream_level": ("WARNING", "WARNING", LEVEL),
    "log.log_file_level": ("DEBUG", "DEBUG", LEVEL), "log.color_message": ("true", "true", BOOL), "log.formatter_color": ("", "", ()),
    "log.formatter": ("", "", ()), "log.max_bytes": ("10485760", "10485760", NUMBER), "log.backup_count": ("2", "2", NUMBER),
    "port": ("11112", None, (*NUMBER, "0", "65536")), "AET": ("PExport", None, ("''", "SEVENTEEN_LETTERS")),
    "ae_params.required_call_aet": ("false", "false", BOOL), "ae_params.max_assoc_idle_second": ("50", "50", NUMBER),
    "ae_params.max_assoc": ("100", "50", (*NUMBER, "0")), "ae_params.pdu_size": ("0", "0", NUMBER), "ae_params.acse_timeout": ("60", "120", NUMBER),
    "ae_params.dimse_timeout": ("60", "120", NUMBER), "ae_params.network_timeout": ("60", "120", NUMBER), "context": ("default", "default", ()),
    "user_identity": ("off", "off", ("maybe",)),
    "tls.port": ("0", "0", (*NUMBER, "65536")), "tls.certificate": ("", "", ()), "tls.key": ("", "", ()), "tls.ca": ("", "", ()), "tls.clients": ("none", "none", ("perhaps",)),
    "scp_services": ("c-echo, c-store, c-find, c-move, c-get", "c-echo", ("[c-eco]",)), "search_in_file": ("false", "false", BOOL),
    "send_extended_db_of_find": ("false", "false", BOOL), "pending_responses_move": ("false", "false", BOOL),
    "ae_params.rate_window": ("30", "30", (*NUMBER, "0")), "stop_grace": ("15", "15", NUMBER), "user": ("", "", ()), "confine": ("auto", "auto", ("perhaps",)), "confine_read": ("", "", ()),
    "thread.number": ("4", "4", (*NUMBER, "0", "65")), "sleep_in_store": ("0", "0", NUMBER), "storage_method": ("FS", "FS", ("TAPE",)),
    "tar_size": ("10", "10", NUMBER), "fs.path": ("./data", "./data", ()), "path_white_list": ("./app/white_list", "./app/white_list", ()),
    "hdfs.start_move_hdfs": ("false", "false", BOOL), "hdfs.free_hard_drive": ("50", "50", NUMBER),
    "hdfs.time_sleep_thread_hdfs": ("10", "10", NUMBER), "hdfs.time_sleep_hdfs": ("60", "50", NUMBER), "hdfs.number_uid": ("5", "5", NUMBER),
    "hdfs.remove_file": ("true", "true", BOOL), "hdfs.path_file_csv_hdfs": ("./data/", "./data/", ()),
    "hdfs.name_file_csv_hdfs": ("uid.txt", "uid.txt", ()), "hdfs.path": ("./hdfs_data", "./hdfs_data", ()), "hbase.path": ("./hbase_data", "./hbase_data", ()),
    "tmp_path": (".tmp_data", ".tmp_data", ()), "db.engine": ("sqlite", "sqlite", ("oracle",)), "db.params.ip": ("127.0.0.1", "127.0.0.1", ()),
    "db.params.port": ("5432", "5432", (*NUMBER, "0")), "db.params.database": ("sphere", "sphere", ()), "db.params.schema": ("pacs", "pacs", ()),
    "db.params.login": ("", "", ()), "db.params.password": ("", "", ()), "db.params.filepath": ("./index.sqlite", "./index.sqlite", ()),
    "db.extended_data_collect": ("default", "default", ()), "db.save_delay": ("5", "5", NUMBER), "db.engine_pool_size": ("20", "20", NUMBER),
    "db.engine_pool_overflow": ("90", "90", NUMBER), "db.engine_pool_recycle": ("70", "70", NUMBER), "db.engine_pool_timeout": ("10", "10", NUMBER),
    "db.verbose_error": ("false", "false", BOOL), "name_file_copy_extended_db": ("./app/.copy_extended.json", "./app/.copy_extended.json", ()),
    "audit.start": ("true", "true", BOOL), "audit.path_folder": ("./log/audit", "./log/audit", ()), "audit.required": ("false", "false", BOOL),
    "audit.identifiers": ("clear", "clear", ("rot13",)), "audit.site": ("", "", ()), "audit.file_bytes": ("100000000", "100000000", NUMBER),
    "audit.keep_files": ("0", "0", NUMBER), "audit.syslog.address": ("", "", ()), "audit.syslog.format": ("xml", "xml", ("cef",)),
    "audit.syslog.ca": ("", "", ()), "audit.syslog.certificate": ("", "", ()), "audit.syslog.key": ("", "", ()),
    "api.start": ("false", "false", BOOL), "api.ip": ("127.0.0.1", "127.0.0.1", ()), "api.port": ("5555", "5555", (*NUMBER, "0", "65536")),
    "api.authentication": ("required", "required", ("maybe",)),
    "api.auth.validated_role": ("write", "write", ("king",)), "api.auth.remember": ("30", "30", (*NUMBER, "3601")),
    "api.auth.jwt_keys_file": ("", "", ()), "api.auth.jwt_keys_url": ("", "", ()), "api.auth.jwt_secret": ("", "", ()),
    "api.auth.jwt_issuer": ("", "", ()), "api.auth.jwt_audience": ("", "", ()), "api.auth.jwt_leeway": ("60", "60", (*NUMBER, "601")),
    "api.auth.jwt_role_claim": ("roles", "roles", ()), "api.auth.jwt_roles": ("", "", ()), "api.auth.jwt_user_claim": ("sub", "sub", ()), "api.tls.certificate": ("", "", ()), "api.tls.key": ("", "", ()),
    "api.cors_origins": ("", "", ()), "api.trusted_proxies": ("", "", ()), "api.root": ("", "", ()),
    "api.max_connections": ("512", "512", (*NUMBER, "0")), "api.max_connections_per_peer": ("128", "128", (*NUMBER, "0")),
    "api.max_body": ("68719476736", "68719476736", (*NUMBER, "0")), "api.dicomweb.root": ("/dicom-web", "/dicom-web", ()),
    "api.dicomweb.allow_delete": ("false", "false", BOOL),
    "api.allowed_hosts": ("", "127.0.0.1", ()), "api.dicomweb.start": ("false", "false", BOOL),
    "api.dicomweb.decompress_pixels": ("false", "false", BOOL), "api.dicomweb.jwt_validate": ("false", "false", BOOL),
    "api.dicomweb.jwt_validate_url": ("http://localhost.com", "http://localhost", ()), "api.annotation.start": ("false", "false", BOOL),
    "api.annotation.path_data": ("./data_annotation", "./data_annotation", ()),
    "api.annotation.type_uuid_generator": ("INTERNAL", "INTERNAL", ("RANDOM",)),
    "api.annotation.url_uuid_generator": ("http://127.0.0.1:8000/generate_uuid/annotation/INSTANCE", "", ()),
    "api.annotation.folders": ("data_annotation_in", "data_annotation_in", ()),
    "api.annotation.max_size": ("1073741824", "1073741824", (*NUMBER, "0")),
}


def shown(archive):
    """{key: (value, origin)} of manage settings show."""
    return {key: (one["value"], one["origin"]) for key, one in json.loads(archive.manage("settings", "show", "--json").stdout).items()}


def same(archive, value, expected):
    if expected.startswith("."):
        expected = str(archive.folder / expected.removeprefix("./").rstrip("/"))
    return value == expected


def leave_out(archive, key):
    """The file without the key (and what belongs to it)."""
    lines, out, cut = archive.settings.read_text().splitlines(), [], None
    wanted, path = key.split("."), []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if cut is not None and (not line.strip() or indent > cut or line.strip().startswith("- ")):
            continue
        cut = None
        if match := re.match(r"\s*(\w+):", line):
            path = [*[p for p in path if p[0] < indent], (indent, match[1])]
            if [name for _, name in path] == wanted:
                cut = indent
                continue
        out.append(line)
    archive.settings.write_text("\n".join(out) + "\n")


def test_the_shipped_values(stopped_archive):
    values = shown(stopped_archive)
    for key, (shipped, _, _) in KEYS.items():
        if key not in ("port", "AET"):
            assert same(stopped_archive, values[key][0], shipped), (key, values[key])
            assert re.fullmatch(r"app/settings\.yml:\d+", values[key][1]), key
    assert "no problem found" in stopped_archive.manage("settings", "check").stdout


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_left_out(stopped_archive, key):
    leave_out(stopped_archive, key)
    fallback = KEYS[key][1]
    if fallback is None:
        done = stopped_archive.manage("settings", "check", check=False)
        assert done.returncode == 1
        assert re.search(rf"settings\.yml: {key}: .*must be there", done.stderr)
        return
    value, origin = shown(stopped_archive)[key]
    assert origin == "fallback"
    assert same(stopped_archive, value, fallback), value


@pytest.mark.parametrize("key, value", [(key, value) for key, (_, _, refused) in KEYS.items() for value in refused])
def test_a_value_that_is_refused(stopped_archive, key, value):
    """File, line, key, and what is allowed."""
    if value.startswith("["):
        leave_out(stopped_archive, key)
        stopped_archive.settings.write_text(stopped_archive.settings.read_text() + f"\n{key}: {value}\n")
    else:
        stopped_archive.set(key, value)
    lines = stopped_archive.settings.read_text().splitlines()
    for command in (("settings", "check"), ("runserver",)):
        done = stopped_archive.manage(*command, check=False, timeout=20)
        assert done.returncode == 1
        match = re.search(rf"settings\.yml:(\d+): {re.escape(key)}: .*allowed is ", done.stderr)
        assert match, done.stderr
        assert key.split(".")[-1] in lines[int(match[1]) - 1]
    assert not (stopped_archive.folder / "data").exists(), "nothing was begun"


def test_every_section_of_the_wrong_kind(stopped_archive):
    for section in ("log", "ae_params", "thread", "fs", "hdfs", "db", "api"):
        text = stopped_archive.settings.read_text()
        leave_out(stopped_archive, section)
        stopped_archive.settings.write_text(stopped_archive.settings.read_text() + f"\n{section}: 3\n")
        done = stopped_archive.manage("settings", "check", check=False)
        assert done.returncode == 1
        assert re.search(rf"settings\.yml:\d+: {section}\b", done.stderr), done.stderr
        stopped_archive.settings.write_text(text)


@pytest.mark.parametrize("old, new", [("log.max_baytes", "log.max_bytes"), ("hdfs.time_slep_hdfs", "hdfs.time_sleep_hdfs"), ("aet", "AET")])
def test_misspelt_keys_of_old_and_their_right_spelling(stopped_archive, old, new):
    """Fault B46: both are understood, the old one with a hint, not both at once."""
    text, (short, right) = stopped_archive.settings.read_text(), (old.split(".")[-1], new.split(".")[-1])
    stopped_archive.settings.write_text(re.sub(rf"(?m)^(\s*){right}:.*$", rf"\g<1>{short}: 7", text))
    value, origin = shown(stopped_archive)[new]
    assert value == "7"
    done = stopped_archive.manage("settings", "check")
    line = origin.split(":")[1]
    assert f"settings.yml:{line}: {old}: understood; it is spelt {new} now" in done.stdout
    stopped_archive.settings.write_text(re.sub(rf"(?m)^(\s*){right}:.*$", rf"\g<1>{short}: 7\n\g<1>{right}: 7", text))
    done = stopped_archive.manage("settings", "check", check=False)
    assert done.returncode == 1 and "two spellings" in done.stderr


@pytest.mark.parametrize("key, value, word", [("hdfs.start_move_hdfs", "yes", "HDFS")])
def test_what_has_no_effect_is_told(stopped_archive, key, value, word):
    stopped_archive.set(key, value)
    checked = stopped_archive.manage("settings", "check").stdout
    assert key in checked and word in checked and "no problem" not in checked
    stopped_archive.start()
    assert key in stopped_archive.server.output() and "WARNING" in stopped_archive.server.output()


@pytest.mark.parametrize("key, value", [("storage_method", "HDFS"), ("storage_method", "HBASE"), ("storage_method", "MIXED")])
def test_what_this_build_cannot_do_is_refused_by_check_and_start(stopped_archive, key, value):
    stopped_archive.set(key, value)
    for command in (("settings", "check"), ("runserver",)):
        done = stopped_archive.manage(*command, check=False, timeout=20)
        assert done.returncode == 1
        assert f"{key}: {value} is not supported" in done.stderr


def test_paths_are_relative_to_the_archive_not_to_the_caller(stopped_archive, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    stopped_archive.set("fs.path", "./my/objects")
    stopped_archive.set("tmp_path", "my/incoming")
    stopped_archive.set("db.params.filepath", "my/index")
    stopped_archive.set("log.path_folder", "my/log")
    stopped_archive.start()
    for name in ("my/objects", "my/incoming", "my/index"):
        assert (stopped_archive.folder / name).exists(), name
    stopped_archive.manage("echo", "127.0.0.1", stopped_archive.port, "-aec", stopped_archive.aet, cwd=tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_outside_an_archive_it_is_said_so(tmp_path):
    done = run(as_program(tmp_path, "manage"), "echo", "127.0.0.1", 1, "-aec", "X", check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "archive" in done.stderr and "sphere-admin" in done.stderr, done.stderr


# -- the environment (CFG-02) --

# variable: (key, a value and how it is shown, values that are refused)
VARIABLES = {
    "LOG_STREAM_LEVEL": ("log.log_stream_level", "error", "ERROR", LEVEL), "LOG_FILE_LEVEL": ("log.log_file_level", "INFO", "INFO", LEVEL),
    "DICOM_PORT": ("port", "50000", "50000", (*NUMBER, "65536", "")), "DICOM_AET": ("AET", " OTHER ", "OTHER", ("", "SEVENTEEN_LETTERS")),
    "THREAD_NUMBER": ("thread.number", "16", "16", (*NUMBER, "65")), "SLEEP_IN_STORE": ("sleep_in_store", "0.5", "0.5", ("x", "-1", "")),
    "STORAGE_METHOD": ("storage_method", "fs", "FS", ("TAPE",)), "FS_DATA_PATH": ("fs.path", "./elsewhere", "./elsewhere", ()),
    "WHITELIST_PATH": ("path_white_list", "./who", "./who", ()), "HDFS_DATA_PATH": ("hdfs.path", "./h", "./h", ()),
    "HBASE_DATA_PATH": ("hbase.path", "./b", "./b", ()), "DB_ENGINE": ("db.engine", "SQLite", "sqlite", ("oracle",)),
    "POSTGRE_HOST": ("db.params.ip", "db.example", "db.example", ()), "POSTGRE_PORT": ("db.params.port", "5433", "5433", (*NUMBER, "0")),
    "POSTGRE_NAME": ("db.params.database", "images", "images", ()), "POSTGRE_SCHEMA": ("db.params.schema", "other", "other", ()),
    "POSTGRE_LOGIN": ("db.params.login", "me", "me", ()), "POSTGRE_PASSWORD": ("db.params.password", "word", "********", ()),
    "SQLITE_FILEPATH": ("db.params.filepath", "./i.sqlite", "./i.sqlite", ()), "API_SERVER_ENABLED": ("api.start", "no", "false", BOOL),
    "API_SERVER_LISTENING_IP": ("api.ip", "127.0.0.2", "127.0.0.2", ()), "API_SERVER_LISTENING_PORT": ("api.port", "8080", "8080", (*NUMBER, "0")),
    "ALLOWED_HOSTS": ("api.allowed_hosts", "a.example, b.example", "a.example, b.example", ()),
    "API_DICOMWEB_ENABLED": ("api.dicomweb.start", "Y", "true", BOOL),
    "API_DECOMPRESS_PIXELS": ("api.dicomweb.decompress_pixels", "t", "true", BOOL),
    "API_JWT_VALIDATION": ("api.dicomweb.jwt_validate", "1", "true", BOOL),
    "API_JWT_VALIDATION_URL": ("api.dicomweb.jwt_validate_url", "https://auth.example/", "https://auth.example/", ()),
    "API_ANNOTATION_ENABLED": ("api.annotation.start", "yes", "true", BOOL),
    "ANNOTATION_PATH": ("api.annotation.path_data", "./notes", "./notes", ()),
}


def test_all_variables_of_the_seed():
    assert len(VARIABLES) == 29


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_overrides_the_file(stopped_archive, variable):
    key, value, expected, refused = VARIABLES[variable]
    done = stopped_archive.manage("settings", "show", "--json", env={variable: value})
    one = json.loads(done.stdout)[key]
    assert same(stopped_archive, one["value"], expected), one
    assert one["origin"] == f"environment {variable}"
    for wrong in refused:
        done = stopped_archive.manage("settings", "check", check=False, env={variable: wrong})
        assert done.returncode == 1
        assert re.search(rf"environment variable {variable} \({re.escape(key)}\): .*allowed is ", done.stderr), done.stderr


# -- keys without a value (CFG-01) --

def test_keys_that_are_missing_or_empty_fall_back_with_a_warning(stopped_archive):
    """On the console and in settings.log when the server starts; `settings check` tells them; other commands are quiet."""
    leave_out(stopped_archive, "ae_params.max_assoc")
    leave_out(stopped_archive, "trash_path")  # SPHERE's files do not have it
    leave_out(stopped_archive, "hdfs.number_uid")  # nothing looks at it
    stopped_archive.set("tmp_path", "")
    stopped_archive.set("log.create_file_uid", "~")
    lines = stopped_archive.settings.read_text().splitlines()
    empty = next(n for n, line in enumerate(lines, 1) if line.startswith("tmp_path:"))
    expected = [r"settings\.yml: ae_params\.max_assoc: the key is not there; 50 is used",
                rf"settings\.yml:{empty}: tmp_path: the key has no value; /.*/\.tmp_data is used",
                r"settings\.yml:\d+: log\.create_file_uid: the key has no value; false is used"]
    checked = stopped_archive.manage("settings", "check").stdout
    assert len(checked.splitlines()) == 3, checked
    assert stopped_archive.manage("settings", "show").stderr == ""
    stopped_archive.start()
    stopped_archive.stop()
    console = (stopped_archive.folder / "server.out").read_text()
    journal = (stopped_archive.folder / "log/settings.log").read_text()
    for line in expected:
        assert re.search(line, checked), checked
        for text in (console, journal):
            assert re.search(rf":: settings +:: WARNING  :: .*{line}", text), text
    assert "trash_path: the" not in console + journal


def test_a_variable_stands_for_a_key_that_is_missing(stopped_archive):
    leave_out(stopped_archive, "port")
    done = stopped_archive.manage("settings", "check", env={"DICOM_PORT": "50000"})
    assert "no problem found" in done.stdout


def test_a_section_without_keys(stopped_archive):
    """An empty section is one whose keys are all missing."""
    leave_out(stopped_archive, "ae_params")
    stopped_archive.settings.write_text(stopped_archive.settings.read_text() + "\nae_params:\n")
    checked = stopped_archive.manage("settings", "check").stdout
    assert len(re.findall(r"ae_params\.\w+: the key is not there", checked)) == 7, checked
