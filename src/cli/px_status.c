// SPDX-License-Identifier: MIT
/* px-status: how far a series has come, or all series of a study; once, or for as long as they are coming in. */
#include "base/clock.h"
#include "cli/px.h"
#include "cli/stopping.h"

#include <string.h>
#include <unistd.h>

enum { WATCH_STEP_MS = 250, SERIES_MAX = 10000 };

typedef struct Args {
    PxAsk ask;
    const char *db, *study, *series, *dialect;
    int64_t watch;
    bool verify, json;
} Args;

static const Args defaults = {
    .ask = PX_ASK_DEFAULTS, .db = "/tmp/log", .study = "", .series = "", .dialect = "classic"};
static const Option options[] = {
    {OPT_TEXT, .name = "dblogbasepath", .value = "PATH", .help = "folder of the px database",
     .at = offsetof(Args, db)},
    {OPT_TEXT, .name = "db", .value = "PATH", .help = "the same", .at = offsetof(Args, db)},
    {OPT_TEXT, .name = "SeriesInstanceUID", .value = "UID", .help = "the series",
     .at = offsetof(Args, series)},
    {OPT_TEXT, .name = "StudyInstanceUID", .value = "UID",
     .help = "the study of the series; alone: all of its series", .at = offsetof(Args, study)},
    {OPT_FLAG, .name = "verifySeriesInStudy", .help = "the study must be here and have the series",
     .at = offsetof(Args, verify)},
    {OPT_FLAG, .name = "json", .help = "print the status as JSON; else a line for people",
     .at = offsetof(Args, json)},
    {OPT_INT, .name = "watch", .value = "SECONDS",
     .help = "go on until all images are there, at most so long (3600)", .min = 1, .max = 86400 * 7,
     .bare = "3600", .at = offsetof(Args, watch)},
    {OPT_TEXT, .name = "dialect", .value = "NAME", .help = "whose words: of pypx 3.6 to 3.11, or of 3.12",
     .choices = "classic newest", .at = offsetof(Args, dialect)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    bool asks = a->ask.desc || a->ask.synopsis || a->ask.version;
    return asks || *a->study || *a->series ? NULL : "--SeriesInstanceUID or --StudyInstanceUID is required";
}

/* -- one look -- */

/* What was asked for: one series, or those of a study. */
typedef struct Look {
    const Args *args;
    PxBase *base;
    Arena *arena;
    struct {
        const char *study, *series, *description;
    } rows[SERIES_MAX];
    size_t count;
    json_t *statuses; /* one for each row */
} Look;

static bool note(void *ctx, const PxSeriesRow *row, Err *err)
{
    Look *look = ctx;
    if (look->count == SERIES_MAX)
        return err_set(err, ERR_LIMIT, "study %.64s has more than %d series", row->study, SERIES_MAX);
    look->rows[look->count].study = arena_strdup(look->arena, row->study);
    look->rows[look->count].series = arena_strdup(look->arena, row->series);
    look->rows[look->count++].description = arena_strdup(look->arena, row->description);
    return true;
}

static bool find_series(Look *look, Err *err)
{
    const Args *a = look->args;
    bool one = *a->series != 0;
    PxSelection what = {.study = one ? NULL : a->study, .series = one ? a->series : NULL};
    arena_reset(look->arena);
    look->count = 0;
    if (!px_base_series(look->base, &what, note, look, err))
        return false;
    if (one) { /* under two patients a series comes twice */
        if (!look->count)
            look->rows[0].study = look->rows[0].description = "";
        look->rows[0].series = a->series;
        look->count = 1;
    }
    return true;
}

static bool look_again(Look *look, Err *err)
{
    const Args *a = look->args;
    PxStatusAsk ask = {.study = a->study,
                       .verify = a->verify,
                       .dialect = !strcmp(a->dialect, "newest") ? PX_NEWEST : PX_CLASSIC};
    json_array_clear(look->statuses);
    bool ok = find_series(look, err);
    for (size_t i = 0; ok && i < look->count; i++) {
        json_t *status;
        ask.series = look->rows[i].series;
        if (!*a->study && !a->json) /* the object of pypx says of no study what was not asked */
            ask.study = look->rows[i].study;
        ok = px_status(look->base, &ask, &status, err);
        if (ok)
            json_array_append_new(look->statuses, status);
    }
    return ok;
}

static bool is_complete(const Look *look)
{
    const json_t *status;
    size_t i;
    json_array_foreach(look->statuses, i, status) if (!px_status_complete(status)) return false;
    return look->count > 0;
}

static bool is_known(const Look *look)
{
    const json_t *status;
    size_t i;
    json_array_foreach(look->statuses, i, status)
    {
        const json_t *series = json_object_get(status, "series");
        if (json_is_true(json_object_get(series, "status")))
            return true;
    }
    return false;
}

/* -- showing -- */

static void put_lines(const Look *look, Buf *out)
{
    for (size_t i = 0; i < look->count; i++) {
        px_status_line(json_array_get(look->statuses, i), look->rows[i].description, out);
        buf_printf(out, " │ %s\n", px_for_people(look->arena, look->rows[i].series));
    }
}

static void show(const Look *look)
{
    const Args *a = look->args;
    bool one = *a->series != 0;
    Buf out;
    buf_init(&out, 0);
    if (a->json) {
        px_print(one ? json_array_get(look->statuses, 0) : look->statuses, false, &a->ask);
    } else if (a->ask.verbosity) {
        put_lines(look, &out);
        cli_put(stdout, &out);
        fflush(stdout);
    }
}

/* What has changed is told: on a terminal over what stood there. */
static size_t show_progress(const Look *look, Buf *told, size_t lines, bool terminal)
{
    Buf now;
    buf_init(&now, 0);
    put_lines(look, &now);
    if (span_eq(buf_span(&now), buf_span(told))) {
        buf_free(&now);
        return lines;
    }
    if (terminal && lines)
        fprintf(stdout, "\x1b[%zuA\x1b[J", lines);
    fwrite(now.p, 1, now.n, stdout);
    fflush(stdout);
    buf_free(told);
    *told = now;
    return look->count;
}

static int watch(const Cli *cli, Look *look)
{
    const atomic_bool *stop = stopping_watch();
    Deadline deadline = deadline_in(look->args->watch * 1000);
    bool tells = !look->args->json && look->args->ask.verbosity, terminal = isatty(STDOUT_FILENO) != 0;
    size_t lines = 0;
    Err err = {0};
    Buf told;
    buf_init(&told, 0);
    bool ok;
    while ((ok = look_again(look, &err))) {
        lines = tells ? show_progress(look, &told, lines, terminal) : 0;
        if (is_complete(look) || atomic_load(stop) || deadline_passed(deadline))
            break;
        clock_sleep_ms(WATCH_STEP_MS);
    }
    buf_free(&told);
    if (!ok)
        return px_fail(cli, &err);
    if (look->args->json)
        show(look);
    if (is_complete(look))
        return EXIT_OK;
    if (atomic_load(stop))
        return cli_fail(cli, "interrupted before all images were there");
    return cli_fail(cli, "not all images came within %lld s", (long long)look->args->watch);
}

static int look_once(const Cli *cli, Look *look)
{
    Err err = {0};
    if (!look_again(look, &err))
        return px_fail(cli, &err);
    show(look);
    if (is_known(look))
        return EXIT_OK;
    return cli_fail(cli, "nothing of %s %s is in %s", *look->args->series ? "series" : "study",
                    *look->args->series ? look->args->series : look->args->study,
                    px_base_log_path(look->base));
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (px_asked(cli, &command_px_status, &a->ask, "3.0.2"))
        return EXIT_OK;
    Err err = {0};
    PxBaseSettings settings = {.log_path = a->db};
    Look *look = arena_alloc(cli->arena, sizeof *look);
    look->args = a;
    look->base = px_base_open(&settings, &err);
    if (!look->base)
        return px_fail(cli, &err);
    look->arena = arena_new(0);
    look->statuses = json_array();
    int code = a->watch ? watch(cli, look) : look_once(cli, look);
    json_decref(look->statuses);
    arena_free(look->arena);
    px_base_close(look->base);
    return code;
}

const Command command_px_status = {
    .name = "px-status",
    .summary = "how far a series has come: received, packed, pushed, registered",
    .details =
        "PACS is what was asked for (-1: nobody asked), JSON what was received, DCM what lies in the "
        "packed tree, PUSH and REG what was pushed and registered. The exit code is 1 when nothing of it "
        "is here, with --watch when not everything came.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .check = check,
    .run = run,
};
