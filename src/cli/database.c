// SPDX-License-Identifier: MIT
/* `manage database`: the index as a whole; the longer sub-commands have files of their own. */
#include "cli/database.h"

#include "base/log.h"
#include "cli/auditing.h"
#include "cli/output.h"
#include "index/tables.h"

#include <stdio.h>

/* -- create -- */

static int run_create(Cli *cli, const void *args)
{
    Err err = {0};
    Index *index = cli_open_index(cli->settings, &err);
    idx_close(index);
    return index ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

static const Option no_options[] = {{OPT_END}};
static const Command create = {
    .name = "create",
    .summary = "make the tables that are missing",
    .details = "Existing tables and what is in them stay.",
    .options = no_options,
    .needs_archive = true,
    .run = run_create,
};

/* -- drop, clean -- */

typedef struct DropArgs {
    const char *force;
} DropArgs;

static const DropArgs drop_defaults;
static const Option drop_options[] = {
    {OPT_TEXT, "f", "force", "BOOL", "yes: without a question; no: do nothing", .bare = "yes",
     .at = offsetof(DropArgs, force)},
    {OPT_END},
};

static const char *check_drop(const void *args)
{
    Answer answer;
    return answer_parse(((const DropArgs *)args)->force, &answer)
               ? NULL
               : "argument -f/--force: Boolean value expected.";
}

static bool drop_tables(const Cli *cli, Err *err)
{
    Index *index = cli_open_index(cli->settings, err);
    bool ok = index && idx_drop(index, err);
    idx_close(index);
    return ok;
}

static int drop_if_wanted(Cli *cli, const DropArgs *a, bool again)
{
    Err err = {0};
    Answer answer = ANSWER_NONE;
    answer_parse(a->force, &answer);
    answer = answer_ask("Delete all tables of the index? (The files stay.)", answer);
    if (answer == ANSWER_NONE)
        return cli_fail(cli, "no answer; nothing was done. Without a terminal use -f yes");
    if (answer == ANSWER_NO) {
        auditing_nothing(cli);
        fprintf(stderr, "Nothing was done.\n");
        return EXIT_OK;
    }
    if (!drop_tables(cli, &err))
        return cli_fail(cli, "%s", err.text);
    log_info("pacs.audit", "the tables of the index were %s", again ? "emptied" : "dropped");
    return again ? run_create(cli, NULL) : EXIT_OK;
}

static int run_drop(Cli *cli, const void *args)
{
    return drop_if_wanted(cli, args, false);
}

static int run_clean(Cli *cli, const void *args)
{
    return drop_if_wanted(cli, args, true);
}

static const Command drop = {
    .name = "drop",
    .summary = "delete the tables of the index",
    .details = "Only tables and views of the index go; others in the same database and all files stay. 'data "
               "index' fills a "
               "new index from the files.",
    .options = drop_options,
    .defaults = &drop_defaults,
    .size = sizeof(DropArgs),
    .needs_archive = true,
    .check = check_drop,
    .run = run_drop,
};
static const Command clean = {
    .name = "clean",
    .summary = "delete the tables of the index and make them anew, empty",
    .options = drop_options,
    .defaults = &drop_defaults,
    .size = sizeof(DropArgs),
    .needs_archive = true,
    .check = check_drop,
    .run = run_clean,
};

static const Command *const commands[] = {&create,
                                          &drop,
                                          &clean,
                                          &command_database_check,
                                          &command_database_find,
                                          &command_database_migrate,
                                          &command_database_extend,
                                          &command_database_dictionary,
                                          NULL};

const Command command_database = {
    .name = "database",
    .summary = "the index: make, empty, look into, bring up to date",
    .options = no_options,
    .subcommands = commands,
};
