// SPDX-License-Identifier: MIT
/*
 * app/settings.yml as one struct, filled once at start. One table (settings_table.c) has every key: type, bounds, fallback, the environment
 * variable that overrides it, and its place in the struct. A missing key takes its fallback; an unknown key, a wrong
 * type or a value out of bounds is a problem that names file, line, key and what is allowed.
 *
 * Folders and files are relative to the archive folder, whatever the current directory; they come out absolute.
 */
#ifndef GANTRY_CLI_SETTINGS_H
#define GANTRY_CLI_SETTINGS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

typedef struct TextList {
    const char **items;
    size_t count;
} TextList;

typedef struct Settings {
    const char *folder; /* the archive folder, absolute */
    const char *file;   /* its app/settings.yml */

    int64_t console_verbose_level, database_verbose_level;

    const char *log_path_folder;
    bool log_create_file_uid;
    const char *log_file_name_uid, *log_file_log_config_logging;
    bool log_default_log;
    const char *log_file_log_main;
    LogLevel log_stream_level, log_file_level;
    bool log_color_message;
    const char *log_formatter_color, *log_formatter;
    int64_t log_max_bytes, log_backup_count;

    int64_t port;
    const char *aet;
    bool required_call_aet;
    int64_t max_assoc_idle_second, max_assoc, pdu_size, acse_timeout, dimse_timeout, network_timeout;
    int64_t max_assoc_per_address, max_assoc_per_title, request_timeout, min_rate;
    int64_t rate_window;        /* seconds */
    const char *listen_address; /* "" = all */
    int64_t async_window;
    const char *context;
    int64_t tls_port; /* 0 = none */
    const char *user_identity;
    const char *tls_certificate, *tls_key, *tls_ca, *tls_crl, *tls_clients;

    TextList scp_services;
    bool search_in_file, send_extended_db_of_find, pending_responses_move;
    bool find_fold_names;
    int64_t find_limit;
    bool accept_unknown_classes;
    int64_t thread_number;
    double sleep_in_store; /* minutes */
    int64_t stop_grace;    /* seconds */
    const char *confine, *user;
    TextList confine_read;

    const char *storage_method;
    int64_t tar_size;
    const char *fs_path, *path_white_list;
    bool hdfs_start_move;
    double hdfs_free_hard_drive, hdfs_time_sleep_thread, hdfs_time_sleep;
    int64_t hdfs_number_uid;
    bool hdfs_remove_file;
    const char *hdfs_path_file_csv, *hdfs_name_file_csv, *hdfs_path_script, *hdfs_path, *hbase_path;
    const char *tmp_path, *quarantine_path, *trash_path;
    const char *duplicates;
    bool direct_io;
    double scrub_rate, scrub_interval;        /* MB/s, days */
    double seal_after;                        /* seconds */
    int64_t min_free_space, min_free_percent; /* MB */

    bool audit_start, audit_required;
    const char *audit_folder, *audit_identifiers, *audit_site;
    int64_t audit_max_bytes, audit_backup_count;
    const char *audit_syslog_address, *audit_syslog_format;
    const char *audit_syslog_ca, *audit_syslog_certificate, *audit_syslog_key;

    const char *db_engine, *db_ip;
    int64_t db_port;
    const char *db_database, *db_schema, *db_login, *db_password, *db_filepath;
    const char *db_extended_data_collect;
    double db_save_delay;
    int64_t db_pool_size, db_pool_overflow, db_pool_recycle, db_pool_timeout;
    bool db_verbose_error;
    const char *name_file_copy_extended_db;

    bool api_start;
    const char *api_ip;
    int64_t api_port;
    TextList api_allowed_hosts, api_cors_origins, api_trusted_proxies;
    const char *api_root, *api_authentication, *api_tls_certificate, *api_tls_key;
    int64_t api_max_connections, api_max_connections_per_peer, api_max_body;
    const char *api_dicomweb_root;
    bool api_dicomweb_allow_delete;
    bool api_dicomweb_start, api_dicomweb_decompress_pixels, api_dicomweb_jwt_validate;
    const char *api_dicomweb_jwt_validate_url, *api_auth_validated_role;
    int64_t api_auth_remember, api_auth_jwt_leeway;
    const char *api_auth_jwt_keys_file, *api_auth_jwt_keys_url, *api_auth_jwt_secret;
    const char *api_auth_jwt_issuer, *api_auth_jwt_audience;
    const char *api_auth_jwt_role_claim, *api_auth_jwt_user_claim;
    TextList api_auth_jwt_roles;
    bool api_annotation_start;
    const char *api_annotation_path_data, *api_annotation_type_uuid_generator,
        *api_annotation_url_uuid_generator;
    TextList api_annotation_folders;
    int64_t api_annotation_max_size;
} Settings;

typedef enum SettingsType {
    SET_INT,
    SET_NUMBER,
    SET_BOOL,
    SET_TEXT,
    SET_PATH, /* relative to the archive folder */
    SET_LEVEL,
    SET_CHOICE, /* one of `choices`, any case; comes out as the table writes it */
    SET_LIST    /* of `choices` when there are some */
} SettingsType;

typedef struct SettingsKey {
    const char *path;     /* "db.params.port" */
    const char *alias;    /* another spelling that is understood, with a hint; NULL = none */
    const char *env;      /* overrides the file; NULL = none */
    const char *fallback; /* as text; a list by commas; NULL = the key is mandatory */
    const char *choices;  /* separated by blanks */
    SettingsType type;
    bool secret;
    bool recent; /* SPHERE's files do not have it: nothing is said when it is left out */
    int64_t min, max;
    size_t at; /* offset in Settings */
} SettingsKey;

extern const SettingsKey settings_keys[];
extern const size_t settings_key_count;

/* Where a value came from: file line, environment, or the fallback. One for each key, in the order of the table. */
typedef struct SettingsOrigin {
    int line;      /* > 0: of the file */
    int null_line; /* > 0: the key stands there without a value */
    bool alias;    /* by its other spelling */
    bool environment;
} SettingsOrigin;

/* Reads folder/app/settings.yml and the environment. NULL when something is wrong: then `problems` has a line for each thing.
   `origins` (may be NULL) has room for settings_key_count. */
const Settings *settings_load(Arena *arena, const char *folder, SettingsOrigin *origins, Buf *problems);

/* Calls `tell` for what is no problem but worth knowing: WARNING for a key that is in use but has no value, INFO for a spelling. */
typedef void (*SettingsTell)(void *ctx, LogLevel level, const char *text);
void settings_remarks(Arena *arena, const Settings *settings, const SettingsOrigin *origins,
                      SettingsTell tell, void *ctx);

/* The value of a key as text for people; a secret as stars when it is set. */
const char *settings_value_text(Arena *arena, const Settings *settings, const SettingsKey *key);
/* "from 1 to 65535", "one of a, b" … */
const char *settings_allowed_text(Arena *arena, const SettingsKey *key);

bool settings_list_has(const TextList *list, const char *item);

#endif
