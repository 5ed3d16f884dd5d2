// SPDX-License-Identifier: MIT
/* `manage database`: the index as a whole; `check` and `find` have files of their own. */
#include "cli/database.h"

#include "archive/indexing.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopping.h"
#include "index/tables.h"

#include <inttypes.h>
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

/* -- migrate -- */

static void migrate_step(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    if (why)
        log_warning("index_data", "%s: %s", path, why->text);
    progress_step(ctx, so_far->seen);
}

static bool fill_again(const Cli *cli, ArcIndexed *done, Err *err)
{
    IdxTotals totals = {0};
    Archive *archive = cli_open_archive(cli->settings, err);
    bool ok = archive && idx_totals(arc_index(archive), &totals, err);
    Progress progress = progress_start("files", totals.instances, true);
    ArcIndexing wish = {.threads = (size_t)cli->settings->thread_number,
                        .stop = stopping_watch(),
                        .step = migrate_step,
                        .ctx = &progress};
    ok = ok && arc_index_again(archive, &wish, done, err);
    progress_end(&progress);
    arc_close(archive);
    return ok;
}

static int run_migrate(Cli *cli, const void *args)
{
    Err err = {0};
    ArcIndexed done = {0};
    bool ok = fill_again(cli, &done, &err);
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " rows filled from their files, %" PRIu64 " could not be.\n",
            done.added, done.seen, done.junk + done.failed);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    return done.junk + done.failed ? cli_fail(cli, "%" PRIu64 " files could not be read; see index_data.log",
                                              done.junk + done.failed)
                                   : EXIT_OK;
}

static const Command migrate = {
    .name = "migrate",
    .summary = "bring the tables up to date and fill new columns from the files",
    .details = "Nothing is dropped. Every row is made again from its file; this may run while the server "
               "runs, and again.",
    .options = no_options,
    .needs_archive = true,
    .run = run_migrate,
};

static const Command *const commands[] = {
    &create, &drop, &clean, &command_database_check, &command_database_find, &migrate, NULL};

const Command command_database = {
    .name = "database",
    .summary = "the index: make, empty, look into, bring up to date",
    .options = no_options,
    .subcommands = commands,
};
