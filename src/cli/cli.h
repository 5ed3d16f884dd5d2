// SPDX-License-Identifier: MIT
/*
 * cli/ — one program, many names: `gantry`, and the links to it `sphere-admin`, `manage` and the px tools.
 *
 * Owns: command lines (one table per command, options.h), settings (settings.h), what is printed on the console
 * (block.h, banner, progress.h), the log files, the files that sphere-admin writes (template/).
 *
 * Promises: one command is one file; texts for people go to stderr, data to stdout, and with --json stdout has JSON only;
 * exit code 0 only on success, 2 on a usage error; -h has no side effects; a command works from any current directory.
 *
 * The archive folder is that of the path the program was called by (DIR/manage), not that of the link's target; else the
 * current directory.
 */
#ifndef GANTRY_CLI_CLI_H
#define GANTRY_CLI_CLI_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "scu/scu.h"

#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_EMPTY_LIST = 255 };

typedef struct Cli {
    const char *program; /* as typed, for messages: "manage find" */
    const char *invoked; /* argv[0] */
    const char *folder;  /* the archive folder; NULL for commands that need none */
    const Settings *settings;
    const SettingsOrigin *origins; /* one per settings key */
    NetTls *tls;                   /* for the peer that is called; see cli/secure.h */
    const NetIdentity *identity;   /* the user it is told of */
    const char *logging_problem;   /* why logging_config.yml is not in force; NULL = it is */
    Arena *arena;                  /* lives as long as the command */
    struct Auditing
        *auditing; /* what the command leaves in the audit trail; NULL = nothing (cli/auditing.h) */
} Cli;

extern const Command command_admin, command_manage, command_runserver, command_echo, command_store,
    command_find, command_move, command_move_existing, command_get, command_assoc, command_database,
    command_data, command_audit, command_backup, command_restore, command_monitor, command_settings,
    command_completion, command_serve, command_alive, command_users, command_peers, command_pacs_qr,
    command_px_do, command_px_echo, command_px_find, command_px_listen, command_storescp_sh, command_px_move,
    command_px_register, command_px_repack, command_px_report, command_px_smdb, command_px_status,
    command_px_push, command_px_store, command_pfstorage, command_load;

/* The programs of the px tools, NULL-terminated. */
extern const Command *const cli_px_commands[];

/* The whole program. Returns the exit code. */
int cli_main(int argc, char *const *argv);

/* The folder of the archive, absolute, in the arena; NULL and err when there is none. */
const char *cli_find_archive(Arena *arena, const char *invoked, Err *err);

/* Makes the archive's run-time folders, and puts app/logging_config.yml in force or what stands in for it.
   False only when the folders cannot be made. `data_on_stdout`: no lines of the log on stdout. */
bool cli_logs_start(Cli *cli, bool data_on_stdout, Err *err);

/* "manage find: text" on stderr, without control characters. Any thread. */
void cli_tell(const Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, and into the log. Returns EXIT_FAILED. */
int cli_fail(const Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -v as given, or the settings' when it was not (-1). */
int cli_verbosity(const Cli *cli, int64_t given);
/* A peer as the settings say; its texts live in the settings and the arguments. */
ScuPeer cli_peer(const Settings *settings, const char *host, int64_t port, const char *called_ae);
/* False when the settings want an engine or a kind of storage that this build does not have. */
bool cli_check_engines(const Settings *settings, Err *err);
/* What is switched on in the settings though this version does not have it: sentences for people. Their number. */
enum { CLI_WITHOUT_EFFECT_MAX = 2 };
size_t cli_settings_without_effect(const Settings *settings, const char *out[CLI_WITHOUT_EFFECT_MAX]);
/* The index of the archive for reading; NULL and err when the settings name an engine that is not there. */
Index *cli_open_index(const Settings *settings, Err *err);
/* The archive itself, for a command: it needs the index. */
Archive *cli_open_archive(const Settings *settings, Err *err);
/* The same for commands that index many files in one go: they are committed in larger groups. */
Archive *cli_open_archive_to_fill(const Settings *settings, Err *err);
/* For a server, which goes on while the database is away. */
Archive *cli_serve_archive(const Settings *settings, Err *err);

/* The lines of a list file without blanks around them; empty lines are left out. */
bool cli_read_list(Arena *arena, const char *path, TextList *out, Err *err);

/* "ok", "status" (null without an answer) and "error" (null when ok) of a request, into an object that is open. */
void cli_json_outcome(JsonWriter *w, bool ok, const ScuResult *result, const Err *err);
/* Writes the text and frees it. stdio locks: a text comes out whole. */
void cli_put(FILE *to, Buf *text);
/* Is this stream a terminal that wants colour (NO_COLOR is honoured)? */
bool cli_colour(int fd);

/* Embedded files of template/, made by tools/gen/embed.py. */
typedef struct TemplateFile {
    const char *name;
    const unsigned char *bytes;
    size_t n;
} TemplateFile;
extern const TemplateFile cli_templates[];
extern const size_t cli_template_count;

#endif
