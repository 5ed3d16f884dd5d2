// SPDX-License-Identifier: MIT
/* `gantry serve DIR`: what a service manager or a container starts. Makes the archive when there is none, then DIR/manage runserver. */
#include "cli/cli.h"
#include "cli/making.h"

#include <stdio.h>
#include <string.h>

typedef struct Args {
    const char *folder;
    int64_t verbosity;
} Args;

static const Args defaults = {.verbosity = -1};
static const Option options[] = {
    {OPT_TEXT, .value = "dirpath", .help = "folder of the archive; made if it is missing or empty",
     .at = offsetof(Args, folder)},
    {OPT_INT, "v", "verbosity", "{0,1,2}", "0 no block, 1 the final ones, 2 one for each step", .max = 2,
     .at = offsetof(Args, verbosity)},
    {OPT_END},
};

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    bool made;
    size_t n = strlen(a->folder);
    while (n > 1 && a->folder[n - 1] == '/')
        n--;
    const char *folder = arena_span_cstr(cli->arena, span_of(a->folder, n));
    if (!*folder)
        return cli_fail(cli, "the folder has no name");
    if (!making_missing(cli->arena, folder, &made, &err))
        return cli_fail(cli, "%s", err.text);
    if (made)
        printf("A new archive was made in %s; who may talk to it stands in app/white_list.\n", folder);
    char *words[] = {arena_printf(cli->arena, "%s/manage", folder), arena_strdup(cli->arena, "runserver"),
                     arena_printf(cli->arena, "-v%d", (int)a->verbosity), NULL};
    if (a->verbosity < 0)
        words[2] = NULL;
    return cli_main(words[2] ? 3 : 2, words);
}

const Command command_serve = {
    .name = "serve",
    .summary = "Runs the archive in a folder, which is made first if it is missing or empty.",
    .details = "For services and containers; the same as DIR/manage runserver otherwise.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
