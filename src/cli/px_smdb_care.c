// SPDX-License-Identifier: MIT
/* Actions of px-smdb on the whole of it: a tree of JSON records in and out, and the end of a study. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/progress.h"
#include "cli/px_smdb.h"
#include "cli/stopping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOLD_MAX = 100 };

/* -- on the way -- */

typedef struct Way {
    const Smdb *smdb;
    Progress progress;
    json_t *passed_over;
    uint64_t count;
} Way;

static void passed_over(void *ctx, const char *path, const char *why)
{
    Way *way = ctx;
    if (way->count++ < TOLD_MAX)
        json_array_append_new(way->passed_over,
                              json_pack("{s:o,s:o}", "path", px_text(path), "why", px_text(why)));
}

static void step(void *ctx, uint64_t objects)
{
    Way *way = ctx;
    progress_step(&way->progress, objects);
}

static PxTreeTold begin(const Smdb *smdb, Way *way, const char *what)
{
    *way = (Way){.smdb = smdb, .progress = progress_start(what, 0, true), .passed_over = json_array()};
    return (PxTreeTold){passed_over, step, way};
}

static void end(Way *way, json_t *counts)
{
    progress_end(&way->progress);
    json_object_set_new(counts, "passedOver", way->passed_over);
    if (way->count)
        fprintf(stderr, "%s: %llu passed over%s\n", way->smdb->cli->program, (unsigned long long)way->count,
                way->count > TOLD_MAX ? "; the first ones are named in the result" : "");
}

static json_t *counts_of(const char *tree, const char *const *names, const uint64_t *values, size_t n)
{
    json_t *counts = json_pack("{s:o}", "tree", px_text(tree));
    for (size_t i = 0; i < n; i++)
        json_object_set_new(counts, names[i], json_integer((json_int_t)values[i]));
    return counts;
}

const char *smdb_tree(const Smdb *smdb, const char *log)
{
    const char *given = *smdb->args->tree ? smdb->args->tree : smdb->args->action_args;
    return *given ? given : log;
}

/* -- in and out -- */

bool smdb_import(Smdb *smdb, Err *err)
{
    static const char *const names[] = {"objects", "known",   "foreign", "failed", "images",
                                        "missing", "records", "marks",   "damaged"};
    Way way;
    PxImported out;
    PxImport wish = {.root = smdb_tree(smdb, px_base_log_path(smdb->base)),
                     .threads = (size_t)smdb->args->threads,
                     .stop = stopping_watch(),
                     .told = begin(smdb, &way, "read")};
    bool ok = px_tree_import(smdb->base, &wish, &out, err);
    const uint64_t values[] = {out.objects, out.known,   out.foreign, out.failed, out.images,
                               out.missing, out.records, out.marks,   out.damaged};
    json_t *counts = counts_of(wish.root, names, values, sizeof values / sizeof *values);
    end(&way, counts);
    ok = ok &&
         (!out.failed || err_set(err, ERR_IO, "%llu objects could not be taken in; the result says which",
                                 (unsigned long long)out.failed));
    json_object_set_new(smdb->result, "status", json_boolean(ok));
    json_object_set_new(smdb->result, smdb->verb, counts);
    return ok;
}

bool smdb_export(Smdb *smdb, Err *err)
{
    static const char *const names[] = {"objects", "series", "studies", "records", "failed"};
    Way way;
    PxExported out;
    PxExport wish = {.root = smdb_tree(smdb, px_base_log_path(smdb->base)),
                     .stop = stopping_watch(),
                     .told = begin(smdb, &way, "written")};
    bool ok = px_tree_export(smdb->base, &wish, &out, err);
    const uint64_t values[] = {out.objects, out.series, out.studies, out.records, out.failed};
    json_t *counts = counts_of(wish.root, names, values, sizeof values / sizeof *values);
    end(&way, counts);
    ok = ok && (!out.failed ||
                err_set(err, ERR_IO, "%llu objects have no file that can be read; the result says which",
                        (unsigned long long)out.failed));
    json_object_set_new(smdb->result, "status", json_boolean(ok));
    json_object_set_new(smdb->result, smdb->verb, counts);
    return ok;
}

/* -- the end of a study -- */

static bool note_series(void *ctx, const PxSeriesRow *row, Err *err)
{
    json_array_append_new(ctx, px_text(row->series));
    (void)err;
    return true;
}

/* Appended in one write, so that several programs may do it. */
static bool note_event(const Smdb *smdb, const json_t *event, Err *err)
{
    Buf line;
    buf_init(&line, 0);
    char *path = file_join(px_base_log_path(smdb->base), "endOfStudy.log");
    px_document_write(event, true, &line);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool ok =
        (fd >= 0 || err_errno(err, errno, "cannot open %s", path)) && file_write_all(fd, line.p, line.n, err);
    if (fd >= 0)
        close(fd);
    buf_free(&line);
    free(path);
    return ok;
}

static bool add_up(Smdb *smdb, const json_t *series, json_t *event, Err *err)
{
    PxCounts sum = {0};
    const json_t *uid;
    size_t i;
    bool complete = json_array_size(series) > 0;
    json_array_foreach(series, i, uid)
    {
        PxCounts one;
        if (!px_base_counts(smdb->base, json_string_value(uid), &one, err))
            return false;
        complete =
            complete && one.received > 0 && one.received >= one.requested && one.packed == one.received;
        sum.requested += one.requested > 0 ? one.requested : 0;
        sum.received += one.received;
        sum.packed += one.packed;
    }
    json_object_set_new(event, "complete", json_boolean(complete));
    json_object_set_new(event, "series", json_integer((json_int_t)json_array_size(series)));
    json_object_set_new(event, "requested", json_integer(sum.requested));
    json_object_set_new(event, "received", json_integer(sum.received));
    json_object_set_new(event, "packed", json_integer(sum.packed));
    return true;
}

bool smdb_end_of_study(Smdb *smdb, Err *err)
{
    const char *study = smdb_subject(smdb, smdb->args->study);
    char now[32];
    if (!*study)
        return err_set(err, ERR_USAGE, "--StudyInstanceUID or --actionArgs must say which study");
    clock_format(clock_wall_us(), false, now);
    json_t *series = json_array(),
           *event = json_pack("{s:s,s:o}", "time", now, "StudyInstanceUID", px_text(study));
    bool ok = px_base_series(smdb->base, &(PxSelection){.study = study}, note_series, series, err) &&
              add_up(smdb, series, event, err);
    bool complete = ok && json_is_true(json_object_get(event, "complete"));
    ok = ok && (!complete || note_event(smdb, event, err));
    json_object_set_new(smdb->result, "status", json_boolean(ok && complete));
    json_object_set(smdb->result, smdb->verb, event);
    json_decref(series);
    json_decref(event);
    return ok && (complete || err_set(err, ERR_NOT_FOUND, "study %.64s is not complete", study));
}
