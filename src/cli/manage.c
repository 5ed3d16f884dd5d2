// SPDX-License-Identifier: MIT
/* `manage`: the top level, with its two versions; the commands themselves have a file each. */
#include "cli/cli.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Args {
    bool version, version_pacs;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_FLAG, "v", "version", .help = "print the version of the program", .at = offsetof(Args, version)},
    {OPT_FLAG, "vp", "version_pacs", .help = "print the version this archive was created with",
     .at = offsetof(Args, version_pacs)},
    {OPT_END},
};

/* The first text between quotes behind "__version__". */
static bool read_created_version(const Cli *cli, char out[64])
{
    char *path = file_join(cli->folder, "version_pacs.py");
    Buf text;
    buf_init(&text, 0);
    bool found = false;
    if (file_read_all(path, 65536, &text, NULL)) {
        const char *at = strstr(buf_cstr(&text), "__version__");
        const char *open = at ? strpbrk(at, "'\"\n") : NULL;
        const char *close = open && *open != '\n' ? strchr(open + 1, *open) : NULL;
        found = close && span_copy(span_of(open + 1, (size_t)(close - open - 1)), out, 64);
    }
    buf_free(&text);
    free(path);
    return found;
}

static int print_created_version(Cli *cli)
{
    Err err = {0};
    cli->folder = cli_find_archive(cli->arena, cli->invoked, &err);
    if (!cli->folder) {
        fprintf(stderr, "%s: %s\n", cli->program, err.text);
        return EXIT_FAILED;
    }
    char version[64];
    if (read_created_version(cli, version))
        printf("Version pacs : %s\n", version);
    else
        printf("This archive has no record of the version that created it.\n");
    return EXIT_OK;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (a->version_pacs)
        return print_created_version(cli);
    printf("sphere %s\n", GANTRY_VERSION);
    return EXIT_OK;
}

static const Command *const commands[] = {
    &command_runserver,     &command_echo,   &command_store,   &command_find,     &command_move,
    &command_move_existing, &command_get,    &command_assoc,   &command_database, &command_data,
    &command_audit,         &command_backup, &command_restore, &command_monitor,  &command_settings,
    &command_completion,    &command_alive,  &command_users,   &command_peers,    NULL};

const Command command_manage = {
    .name = "manage",
    .summary = "Runs an archive and moves images between archives.",
    .details =
        "Call it as DIR/manage (or DIR/manage.py), from anywhere, or as 'manage' in an archive's folder.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
    .subcommands = commands,
};
