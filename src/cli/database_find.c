// SPDX-License-Identifier: MIT
/* `manage database find`: rows of the index as text, CSV or JSON. Rows are written as they are read. */
#include "cli/auditing.h"
#include "cli/database.h"
#include "cli/output.h"
#include "cli/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Args {
    const char *concept, *attribute, *value, *list, *display, *format, *output;
    bool force, append, header;
} Args;

static const Args defaults = {.attribute = "studyUID", .display = "key", .format = "text"};
static const Option options[] = {
    {OPT_TEXT, .value = "concept", .choices = CONCEPTS, .at = offsetof(Args, concept),
     .help = "what the rows are of"},
    {OPT_TEXT, "a", "attribute", "ATTR", "what the value is of",
     .choices = "seriesUID studyUID modality patientID", .at = offsetof(Args, attribute)},
    {OPT_TEXT, "V", "value", "VALUE", "rows of this value only; without it, or with *, all rows",
     .at = offsetof(Args, value)},
    {OPT_TEXT, "l", "value-list", "LIST", "file with one value per line", .at = offsetof(Args, list)},
    {OPT_TEXT, "d", "display_level", "LEVEL", "which columns", .choices = "full minimal key",
     .at = offsetof(Args, display)},
    {OPT_TEXT, "e", "file-format", "FORMAT", "format of the output", .choices = "csv json text",
     .bare = "csv", .at = offsetof(Args, format)},
    {OPT_TEXT, "o", "output", "PATH", "write to this file", .at = offsetof(Args, output)},
    {OPT_FLAG, "f", "force",
     .help = "overwrite the file without a question (which is asked on a terminal only)",
     .at = offsetof(Args, force)},
    {OPT_FLAG, "A", "append", .help = "write behind what the file has already (csv only)",
     .at = offsetof(Args, append)},
    {OPT_FLAG, "H", "header", .help = "begin with a row of the columns' names (csv only)",
     .at = offsetof(Args, header)},
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    if (a->value && a->list)
        return "-V/--value and -l/--value-list exclude each other";
    if (a->append && (!a->output || strcmp(a->format, "csv")))
        return "-A/--append needs -o/--output and -e csv";
    return NULL;
}

/* A value for everything, as SPHERE has it. */
static bool means_all(const char *value)
{
    return !value || !*value || !strcmp(value, "*") || !strcmp(value, "?") || !strcmp(value, " ");
}

static bool fill_ask(Cli *cli, const Args *a, IdxListAsk *ask, Err *err)
{
    const char **one = arena_alloc(cli->arena, sizeof *one);
    TextList values = {one, 0};
    *ask = (IdxListAsk){.level = concept_level(a->concept),
                        .by = !strcmp(a->attribute, "patientID")   ? DCM_LEVEL_PATIENT
                              : !strcmp(a->attribute, "seriesUID") ? DCM_LEVEL_SERIES
                                                                   : DCM_LEVEL_STUDY,
                        .by_modality = !strcmp(a->attribute, "modality")};
    if (a->list && !cli_read_list(cli->arena, a->list, &values, err))
        return err_wrap(err, "-l");
    if (a->list && !values.count)
        return err_set(err, ERR_NOT_FOUND, "-l: %s has no value", a->list);
    if (!a->list && !means_all(a->value)) {
        one[0] = a->value;
        values.count = 1;
    }
    ask->values = values.items;
    ask->count = values.count;
    auditing_about(cli, AUDIT_SEARCH,
                   arena_printf(cli->arena, "%s by database find", dcm_level_name(ask->level)));
    auditing_detail(cli, "Keys", values.count ? a->attribute : NULL);
    for (size_t i = 0; i < values.count && !ask->by_modality && ask->by <= DCM_LEVEL_STUDY; i++)
        auditing_about(cli, ask->by == DCM_LEVEL_PATIENT ? AUDIT_PATIENT : AUDIT_STUDY, values.items[i]);
    return true;
}

/* Going up from one identifier there is one answer, and it stands in no list. */
static bool is_single(const Args *a, const IdxListAsk *ask)
{
    return ask->count == 1 && !a->list && !ask->by_modality && ask->by > ask->level;
}

typedef struct Writing {
    Rows rows;
    Buf text;    /* not written yet */
    bool single; /* the first row waits for a second one, which would make a list of it */
    uint64_t count;
} Writing;

enum { CHUNK = 64 << 10 };

static void put_json(Writing *w, const IdxListing *listing)
{
    if (w->count == 1 && w->single) {
        Buf first = w->text;
        buf_init(&w->text, 0);
        buf_append_cstr(&w->text, "{\"StorageMetadata\":[");
        buf_append_span(&w->text, buf_span(&first));
        buf_free(&first);
        w->single = false;
    } else if (w->count == 0 && !w->single) {
        buf_append_cstr(&w->text, "{\"StorageMetadata\":[");
    }
    if (w->count)
        buf_append_cstr(&w->text, ",\n");
    rows_write(&w->rows, listing, &w->text);
}

static bool write_rows(Writing *w, IdxListing *listing, FILE *to, Err *err)
{
    bool row = true, ok = true;
    while (ok && (ok = idx_list_next(listing, &row, err)) && row) {
        if (w->rows.format == ROWS_JSON)
            put_json(w, listing);
        else
            rows_write(&w->rows, listing, &w->text);
        w->count++;
        if (w->text.n > CHUNK && !(w->single && w->rows.format == ROWS_JSON)) {
            ok = fwrite(w->text.p, 1, w->text.n, to) == w->text.n;
            if (!ok)
                err_set(err, ERR_IO, "the output cannot be written");
            buf_clear(&w->text);
        }
    }
    if (w->rows.format == ROWS_JSON)
        buf_append_cstr(&w->text, !w->count ? "{\"StorageMetadata\":[]}\n" : w->single ? "\n" : "]}\n");
    if (w->text.n)
        fwrite(w->text.p, 1, w->text.n, to);
    return ok;
}

static bool may_overwrite(const Args *a)
{
    if (!a->output || a->append || a->force || !isatty(STDIN_FILENO) || access(a->output, F_OK) != 0)
        return true;
    fprintf(stderr, "%s exists.\n", a->output);
    return answer_ask("Overwrite it?", ANSWER_NONE) == ANSWER_YES;
}

static bool find(Cli *cli, const Args *a, const Index *index, IdxListing *listing, const IdxListAsk *ask,
                 Err *err)
{
    RowsDisplay display = !strcmp(a->display, "full")      ? ROWS_FULL
                          : !strcmp(a->display, "minimal") ? ROWS_MINIMAL
                                                           : ROWS_KEY;
    RowsFormat format = !strcmp(a->format, "csv")    ? ROWS_CSV
                        : !strcmp(a->format, "json") ? ROWS_JSON
                                                     : ROWS_TEXT;
    Writing w = {.rows = rows_make(idx_attributes_of(index), cli->arena, ask->level, display, format),
                 .single = is_single(a, ask)};
    buf_init(&w.text, 0);
    Output output = {0};
    if (a->header && !a->append && format == ROWS_CSV)
        rows_header(&w.rows, &w.text);
    bool ok = output_open(&output, cli->arena, a->output, a->append, err) &&
              write_rows(&w, listing, output.file, err);
    if (!output_close(&output, ok, ok ? err : NULL))
        ok = false;
    auditing_detail(cli, "Matches", arena_printf(cli->arena, "%" PRIu64, w.count));
    if (ok && !w.count)
        fprintf(format == ROWS_TEXT ? stdout : stderr, "No db entries founded\n");
    buf_free(&w.text);
    return ok;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    IdxListAsk ask;
    if (!may_overwrite(a))
        return cli_fail(cli, "%s was not overwritten", a->output);
    Index *index = fill_ask(cli, a, &ask, &err) ? cli_open_index(cli->settings, &err) : NULL;
    IdxListing *listing = index ? idx_list(index, &ask, &err) : NULL;
    bool ok = listing && find(cli, a, index, listing, &ask, &err);
    idx_list_close(listing);
    idx_close(index);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_database_find = {
    .name = "find",
    .summary = "print or export rows of the index",
    .details = "JSON has every column that is not null, whatever the display level. CSV is as in RFC 4180; a "
               "column that "
               "is null is empty.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
