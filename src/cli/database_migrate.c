// SPDX-License-Identifier: MIT
/*
 * `manage database migrate`: columns that are new are filled from the files. Opening the index has made them. What remains to be filled is
 * noted in the index (idx_filling), so that a run that was stopped goes on where it was, and a second one has nothing to do.
 */
#include "archive/indexing.h"
#include "base/log.h"
#include "cli/database.h"
#include "cli/progress.h"
#include "cli/stopping.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct Args {
    bool again;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_FLAG, .name = "again", .help = "fill every row anew, even when nothing is new",
     .at = offsetof(Args, again)},
    {OPT_END},
};

/* Notes are written by an index of our own: the archive's belongs to its committer. */
static bool begin(Cli *cli, bool again, IdxFilling *filling, const char **since, Err *err)
{
    Index *index = cli_open_index(cli->settings, err);
    bool ok = index && idx_filling(index, filling, err);
    if (ok && (again || filling->waiting || !filling->base))
        ok = idx_filling_begin(index, cli->arena, again, since, err);
    idx_close(index);
    return ok;
}

static bool end(const Cli *cli, Err *err)
{
    Index *index = cli_open_index(cli->settings, err);
    bool ok = index && idx_filling_end(index, err);
    idx_close(index);
    return ok;
}

static void step(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    if (why)
        log_warning("index_data", "%s: %s", path, why->text);
    progress_step(ctx, so_far->seen);
}

static bool fill(const Cli *cli, const char *since, ArcIndexed *done, Err *err)
{
    uint64_t objects = 0, bytes = 0;
    IdxSelection selection = {.everything = true, .not_since = since};
    Archive *archive = cli_open_archive_to_fill(cli->settings, err);
    bool ok = archive && idx_select_count(arc_index(archive), &selection, &objects, &bytes, err);
    Progress progress = progress_start("files", objects, true);
    ArcIndexing wish = {.threads = (size_t)cli->settings->thread_number,
                        .not_since = since,
                        .stop = stopping_watch(),
                        .step = step,
                        .ctx = &progress};
    ok = ok && arc_index_again(archive, &wish, done, err);
    progress_end(&progress);
    arc_close(archive);
    return ok;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    IdxFilling filling;
    ArcIndexed done = {0};
    const char *since = NULL;
    if (!begin(cli, a->again, &filling, &since, &err))
        return cli_fail(cli, "%s", err.text);
    if (!since) {
        fprintf(stderr, "Nothing to do: every column is filled. (--again fills them anew.)\n");
        return EXIT_OK;
    }
    if (filling.waiting)
        fprintf(stderr, "%zu of %zu extended tags wait to be filled%s.\n", filling.waiting, filling.extended,
                filling.begun && !a->again ? "; a run that was stopped goes on" : "");
    bool ok = fill(cli, since, &done, &err);
    uint64_t bad = done.junk + done.failed;
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " rows filled from their files, %" PRIu64 " could not be.\n",
            done.added, done.seen, bad);
    if (ok && !bad)
        ok = end(cli, &err);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (bad)
        return cli_fail(
            cli, "%" PRIu64 " files could not be read; see index_data.log. The same command tries them again",
            bad);
    return EXIT_OK;
}

const Command command_database_migrate = {
    .name = "migrate",
    .summary = "bring the tables up to date and fill new columns from the files",
    .details = "Nothing is dropped. Rows are made again from their files where columns are new; this may run "
               "while the server runs. The same command goes on after it was stopped.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run,
};
