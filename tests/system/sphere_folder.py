# SPDX-License-Identifier: MIT
"""What an operator of SPHERE 1.11.2 has: its folder, its PostgreSQL schema, filled as SPHERE fills them."""
import pathlib
import shutil

from part10 import read

SETTINGS = """\
console_verbose_level: 1
database_verbose_level: 0
log:
  path_folder: ./log/
  create_file_uid: True
  file_name_uid: study_series_instances.uid
  file_log_config_logging: config_logging.log
  default_log: True
  file_log_main: main.log
  log_stream_level: WARNING
  log_file_level: DEBUG
  color_message: True
  formatter_color: '%(log_color)s%(asctime)s :: %(name)-15s :: %(levelname)-8s :: %(message)s'
  formatter: '%(asctime)s :: %(name)-15s :: %(levelname)-8s :: %(message)s'
  max_baytes: 10485760
  backup_count: 2
port: {port}
AET: PExport
ae_params:
  required_call_aet: False
  max_assoc_idle_second: 50
  max_assoc: 100
  pdu_size: 0
  acse_timeout: 60
  dimse_timeout: 60
  network_timeout: 60
context: default
scp_services:
  - c-echo
  - c-store
  - c-find
  - c-move
search_in_file: False
send_extended_db_of_find: False
pending_responses_move: False
thread:
  number: 4
sleep_in_store: 0
storage_method: FS
tar_size: 10
fs:
  path: ./data
path_white_list: ./app/white_list
hdfs:
  start_move_hdfs: False
  free_hard_drive: 50
  time_sleep_thread_hdfs: 10
  time_slep_hdfs: 60
  number_uid: 5
  remove_file: True
  path_file_csv_hdfs: ./data/
  name_file_csv_hdfs: uid.txt
  path_script: /app/scripts/avro-tools/SPHERE_HDFS_TO_FS.sh
  path: ./hdfs_data
hbase:
  path: ./hbase_data
tmp_path: .tmp_data
db:
  engine: postgresql
  params:
    ip: 127.0.0.1
    port: {database_port}
    database: sphere
    schema: pacs
    login: sphere
    password: spherepwd
  extended_data_collect: default
  save_delay: 5
  engine_pool_size: 20
  engine_pool_overflow: 90
  engine_pool_recycle: 70
  engine_pool_timeout: 10
  verbose_error: False
name_file_copy_extended_db: ./app/.copy_extended.json
api:
  start: {api}
  ip: 127.0.0.1
  port: 5555
  allowed_hosts:
    - '*'
    - 127.0.0.1
  dicomweb:
    start: True
    decompress_pixels: False
    jwt_validate: False
    jwt_validate_url: http://localhost.com
  annotation:
    start: False
    path_data: ./data_annotation
    type_uuid_generator: INTERNAL
    url_uuid_generator: http://127.0.0.1:8000/generate_uuid/annotation/INSTANCE
"""

LOGGING = """\
version: 1
disable_existing_loggers: False
formatters:
  simple_color:
    (): colorlog.ColoredFormatter
    format: '%(log_color)s%(asctime)s :: %(name)-20s :: %(levelname)-8s :: %(message)s'
  simple:
    format: '%(asctime)s :: %(name)-20s :: %(levelname)-8s :: %(message)s'
  extended_color:
    (): colorlog.ColoredFormatter
    format: '%(log_color)s%(asctime)s :: %(name)-20s :: %(levelname)-8s :: %(filename)-18s :: line: %(lineno)d :: %(message)s'
handlers:
  console:
    class: logging.StreamHandler
    level: WARNING
    formatter: simple_color
    stream: ext://sys.stdout
"""
HANDLERS = {"command_event": ("DEBUG", 10485760, 5), "pacs": ("WARNING", 10485760, 20), "api_annotation": ("DEBUG", 10485760, 20),
            "api_dicomweb": ("INFO", 10485760, 20), "index_data": ("DEBUG", 10485760, 20), "pynetdicom": ("WARNING", 1000000000, 20),
            "sqlalchemy": ("WARNING", 1000000000, 20)}

D8 = "d8ins timestamp, d8maj timestamp, d8del timestamp"
LINKS = "series_id bigint REFERENCES series, study_id bigint REFERENCES study, patient_id bigint REFERENCES patient"
TABLES = f"""
CREATE TABLE patient ({D8}, patient_uid varchar(64) NOT NULL, patient_name varchar(128), patient_sex varchar(64),
  patient_birth_date varchar(64), patient_id bigserial PRIMARY KEY);
CREATE UNIQUE INDEX ix_pacs_patient_patient_uid ON patient (patient_uid);
CREATE TABLE study ({D8}, study_uid varchar(64) NOT NULL, patient_uid varchar(64) NOT NULL, date_study varchar(10),
  institution_name varchar(256), accession_number varchar(256), protocol_name varchar(512), study_description varchar(512),
  study_id bigserial PRIMARY KEY, patient_id bigint REFERENCES patient);
CREATE UNIQUE INDEX ix_pacs_study_study_uid ON study (study_uid);
CREATE TABLE series ({D8}, series_uid varchar(64) NOT NULL, study_uid varchar(64) NOT NULL, patient_uid varchar(64) NOT NULL,
  modality varchar(10), manufacturer varchar(256), manufacturer_model_name varchar(256), body_part_examined varchar(256),
  series_date varchar(256), station_name varchar(256), series_description varchar(512), dt_first_insertion timestamp,
  dt_completion timestamp, series_id bigserial PRIMARY KEY, study_id bigint REFERENCES study, patient_id bigint REFERENCES patient);
CREATE UNIQUE INDEX ix_pacs_series_series_uid ON series (series_uid);
CREATE TABLE file_storage_metadata_dicom ({D8}, storage_method varchar(64) NOT NULL, file_path varchar(512) NOT NULL,
  filesize bigint NOT NULL, storage_status integer NOT NULL, dt_deb_storage timestamp, dt_end_storage timestamp,
  instance_uid varchar(64) NOT NULL, series_uid varchar(64) NOT NULL, study_uid varchar(64) NOT NULL,
  patient_uid varchar(64) NOT NULL, file_storage_metadata_dicom_id bigserial PRIMARY KEY, {LINKS});
CREATE UNIQUE INDEX ix_pacs_file_storage_metadata_dicom_instance_uid ON file_storage_metadata_dicom (instance_uid);
CREATE TABLE study_list ({D8}, ids bigserial PRIMARY KEY, study_uid varchar(64) NOT NULL, id_list integer NOT NULL,
  d_load varchar(16) NOT NULL);
CREATE VIEW tools_modality AS SELECT modality, count(DISTINCT e.patient_id) AS sum_patient, count(DISTINCT e.study_id) AS sum_studies,
  count(DISTINCT e.series_id) AS sum_series, count(DISTINCT f.file_storage_metadata_dicom_id) AS sum_instance, sum(filesize) AS size,
  sum(storage_status) AS sum_error FROM series e JOIN file_storage_metadata_dicom f ON f.series_id = e.series_id
  GROUP BY modality ORDER BY sum_instance DESC;
CREATE VIEW tools_speed AS SELECT 1.0 AS time, 1.0 AS file, 1.0 AS size;
"""
PATIENT, STUDY, SERIES, INSTANCE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
NAME, DATE, MODALITY = 0x00100010, 0x00080020, 0x00080060


def quoted(value):
    return "'" + value.replace("'", "''") + "'"


def rows_of(path):
    """What SPHERE inserts for a file; all of its tables have the UIDs above them."""
    one = read(path)
    has = {tag: one.text(tag) for tag in (PATIENT, STUDY, SERIES, INSTANCE, NAME, DATE, MODALITY)}
    p, s, e, i = (quoted(has[tag]) for tag in (PATIENT, STUDY, SERIES, INSTANCE))
    name, date, modality = (quoted(has[tag]) for tag in (NAME, DATE, MODALITY))
    ids = f"(SELECT study_id FROM study WHERE study_uid = {s}), (SELECT patient_id FROM patient WHERE patient_uid = {p})"
    return f"""
INSERT INTO patient (d8ins, patient_uid, patient_name) VALUES (now(), {p}, {name}) ON CONFLICT DO NOTHING;
INSERT INTO study (d8ins, study_uid, patient_uid, date_study, patient_id) VALUES (now(), {s}, {p}, {date},
  (SELECT patient_id FROM patient WHERE patient_uid = {p})) ON CONFLICT DO NOTHING;
INSERT INTO series (d8ins, series_uid, study_uid, patient_uid, modality, study_id, patient_id) VALUES (now(), {e}, {s}, {p}, {modality},
  {ids}) ON CONFLICT DO NOTHING;
INSERT INTO file_storage_metadata_dicom (d8ins, storage_method, file_path, filesize, storage_status, dt_deb_storage, dt_end_storage,
  instance_uid, series_uid, study_uid, patient_uid, study_id, patient_id, series_id) VALUES (now(), 'FS', {quoted(str(path))},
  {path.stat().st_size}, 0, now(), now(), {i}, {e}, {s}, {p}, {ids}, (SELECT series_id FROM series WHERE series_uid = {e}));
"""


def make_folder(folder, port, database_port, api=False):
    """The folder after its first run, without images."""
    folder = pathlib.Path(folder)
    for name in ("app/white_list", "data", "log", ".tmp_data"):
        (folder / name).mkdir(parents=True)
    (folder / "app/settings.yml").write_text(SETTINGS.format(port=port, database_port=database_port, api=api))
    handlers = "".join(f"  {name}_handler:\n    class: logging.handlers.RotatingFileHandler\n    level: {level}\n    formatter: extended_color\n"
                       f"    filename: log/{name}.log\n    maxBytes: {size}\n    backupCount: {keep}\n    encoding: utf8\n"
                       for name, (level, size, keep) in HANDLERS.items())
    loggers = "".join(f"  {name}:\n    level: DEBUG\n    handlers: [{name}_handler]\n    propagate: yes\n" for name in HANDLERS)
    (folder / "app/logging_config.yml").write_text(f"{LOGGING}{handlers}loggers:\n{loggers}root:\n  level: DEBUG\n  handlers: [console]\n")
    (folder / "app/white_list/example.yml").write_text("EXAMPLE:\n  ip: 127.0.0.1\n  port: 4242\nEXEMPLEIN:\n  ip: 127.0.0.1\n")
    (folder / "app/white_list/site.yml").write_text(f"PExport:\n  ip: 127.0.0.1\n  port: {port}\n")
    (folder / "app/settings.py").write_text("# SPHERE reads the settings here\n")
    (folder / "app/tags.yml").write_text("# nothing\n")
    (folder / "manage.py").write_text("import sphere\n")
    (folder / "version_pacs.py").write_text("__version__ = '1.11.2'\n")
    return folder


def fill(folder, postgres, files):
    """Its PostgreSQL, and images in the layout of its store."""
    sql = [f"SET ROLE sphere; CREATE SCHEMA pacs; SET search_path TO pacs; {TABLES}"]
    for file in files:
        one = read(file)
        target = folder.joinpath("data", *(one.text(tag) for tag in (PATIENT, STUDY, SERIES, INSTANCE)))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        sql.append(rows_of(target))
    postgres.sql("CREATE ROLE sphere LOGIN PASSWORD 'spherepwd'")
    postgres.sql("CREATE DATABASE sphere OWNER sphere")
    postgres.sql("".join(sql), "sphere")
