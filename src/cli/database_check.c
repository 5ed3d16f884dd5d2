// SPDX-License-Identifier: MIT
/* `manage database check`: which keys of a list does the index have? */
#include "archive/archive.h"
#include "base/textset.h"
#include "cli/database.h"
#include "cli/output.h"
#include "cli/rows.h"

#include <string.h>

typedef struct Args {
    const char *concept, *list, *output, *output_concept, *mode;
} Args;

static const Args defaults = {.output_concept = "same", .mode = "diff"};
static const Option options[] = {
    {OPT_TEXT, .value = "concept", .choices = CONCEPTS, .at = offsetof(Args, concept),
     .help = "what the keys are of"},
    {OPT_TEXT, .value = "list_filepath", .help = "file with one key per line", .at = offsetof(Args, list)},
    {OPT_TEXT, .value = "output_filepath", .help = "file to write; without it the console", .optional = true,
     .at = offsetof(Args, output)},
    {OPT_TEXT, "oc", "output-concept", "CONCEPT",
     "equal: the keys of this concept that belong to the keys found; detailled: a third column with them",
     .choices = "same " CONCEPTS, .at = offsetof(Args, output_concept)},
    {OPT_TEXT, "m", "mode", "MODE",
     "diff: keys that are not there; equal: keys that are; detailled: CSV with 1 or 0 for each key",
     .choices = "diff equal detailled", .at = offsetof(Args, mode)},
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    bool other = strcmp(a->output_concept, "same") && strcmp(a->output_concept, a->concept);
    if (other && !strcmp(a->mode, "diff"))
        return "-oc/--output-concept needs -m equal or -m detailled: a key that is not there belongs to "
               "nothing";
    return NULL;
}

typedef struct Run {
    const Args *args;
    DcmLevel level, shown;
    IdxLookup *lookup;
    FILE *to;
    Buf line;
    const char *key;
    bool detailed;
    TextSet seen, written;
} Run;

static void put_line(Run *run)
{
    buf_append_cstr(&run->line, "\n");
    fwrite(run->line.p, 1, run->line.n, run->to);
    buf_clear(&run->line);
}

static bool put_related(void *ctx, const char *key, Err *err)
{
    Run *run = ctx;
    if (run->detailed) {
        rows_csv(&run->line, span_cstr(run->key));
        buf_append_cstr(&run->line, ",1,");
        rows_csv(&run->line, span_cstr(key));
        put_line(run);
    } else if (textset_add(&run->written, key)) {
        buf_append_cstr(&run->line, key);
        put_line(run);
    }
    return true;
}

static bool put_key(Run *run, bool found, Err *err)
{
    bool diff = !strcmp(run->args->mode, "diff"), other = run->shown != run->level;
    if (found && other)
        return idx_lookup_related(run->lookup, run->level, run->key, run->shown, put_related, run, err);
    if (run->detailed) {
        rows_csv(&run->line, span_cstr(run->key));
        buf_append_cstr(&run->line, found ? ",1" : other ? ",0," : ",0");
        put_line(run);
    } else if (found != diff) {
        buf_append_cstr(&run->line, run->key);
        put_line(run);
    }
    return true;
}

static bool check_all(Run *run, const TextList *keys, Err *err)
{
    bool ok = true, found = false;
    for (size_t i = 0; ok && i < keys->count; i++) {
        run->key = keys->items[i];
        if (textset_add(&run->seen, run->key))
            ok = idx_lookup_has(run->lookup, run->level, run->key, &found, err) && put_key(run, found, err);
    }
    return ok;
}

/* What the index does not have yet, because the database was away. */
static void tell_waiting(const Cli *cli)
{
    size_t n = arc_waiting_in(cli->settings->tmp_path);
    if (n)
        fprintf(stderr, "%s: %zu object%s to be indexed; the server does so once the database is there\n",
                cli->program, n, n == 1 ? " waits" : "s wait");
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    TextList keys;
    Output output = {0};
    Run run = {.args = a, .level = concept_level(a->concept), .detailed = !strcmp(a->mode, "detailled")};
    run.shown = strcmp(a->output_concept, "same") ? concept_level(a->output_concept) : run.level;
    run.seen = textset_of(cli->arena);
    run.written = textset_of(cli->arena);
    buf_init(&run.line, 0);
    Index *index =
        cli_read_list(cli->arena, a->list, &keys, &err) ? cli_open_index(cli->settings, &err) : NULL;
    run.lookup = index ? idx_lookup_open(index, &err) : NULL;
    bool ok = run.lookup && output_open(&output, cli->arena, a->output, false, &err);
    run.to = output.file;
    ok = ok && check_all(&run, &keys, &err);
    if (!output_close(&output, ok, ok ? &err : NULL))
        ok = false;
    idx_lookup_close(run.lookup);
    idx_close(index);
    buf_free(&run.line);
    textset_free(&run.seen);
    textset_free(&run.written);
    tell_waiting(cli);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_database_check = {
    .name = "check",
    .summary = "which keys of a list are in the index",
    .details = "Keys come out once, in the order of the list.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
