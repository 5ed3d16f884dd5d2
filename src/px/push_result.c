// SPDX-License-Identifier: MIT
/* What came of a push: the JSON of pypx, and the records of the series. */
#include "px/push_internal.h"

#include "base/buf.h"
#include "px/document.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What is not UTF-8 in a file's name is shown as U+FFFD: JSON cannot have it, but which file it was must be seen. */
static const char *shown(Arena *arena, const char *text)
{
    Span rest = span_cstr(text);
    if (span_is_utf8(rest))
        return text;
    Buf out;
    buf_init(&out, 0);
    while (rest.n) {
        size_t n = span_utf8_length(rest);
        if (n)
            buf_append(&out, rest.p, n);
        else
            buf_append_cstr(&out, "\xEF\xBF\xBD");
        rest = span_sub(rest, n ? n : 1, SIZE_MAX);
    }
    const char *copy = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return copy;
}

static json_t *path_text(const char *text)
{
    Arena *arena = arena_new(0);
    json_t *value = px_text(shown(arena, text));
    arena_free(arena);
    return value;
}

static json_t *list_of(const char *text)
{
    json_t *list = json_array();
    json_array_append_new(list, path_text(text));
    return list;
}

static const char *folder_of(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_printf(arena, "%.*s", (int)(slash - path), path) : ".";
}

static const char *name_of(const PxPushFile *file)
{
    return file->receipt.name ? file->receipt.name : file->name ? file->name : "";
}

static json_t *result_of(const PxPushFile *file)
{
    Arena *arena = arena_new(0);
    json_t *one = json_object();
    json_object_set_new(one, "status", json_boolean(file->done));
    json_object_set_new(one, "localFileList", list_of(file->path));
    json_object_set_new(one, "objectFileList", list_of(name_of(file)));
    json_object_set_new(one, "localpath", path_text(folder_of(arena, file->path)));
    if (file->error)
        json_object_set_new(one, "error", px_text(file->error));
    arena_free(arena);
    return one;
}

/* Under its path, if that is not a member's name: a file may be called "status". */
static void put_result(json_t *result, const PxPushFile *file)
{
    Arena *arena = arena_new(0);
    const char *path = shown(arena, file->path);
    const json_t *there = json_object_get(result, path);
    if (!there || json_is_object(there))
        json_object_set_new(result, path, result_of(file));
    arena_free(arena);
}

json_t *px_push_result(const PxPush *push, const PxPushFiles *files, const PxPushTotals *totals,
                       const Err *err)
{
    json_t *result = json_object(), *local = json_array(), *remote = json_array(), *failed = json_array();
    bool each = push->names == PX_PUSH_EACH || push->names == PX_PUSH_EACH_FOLDER;
    for (size_t i = 0; i < files->count; i++) {
        const PxPushFile *file = &files->items[i];
        json_array_append_new(file->done ? local : failed, path_text(file->path));
        if (file->done)
            json_array_append_new(remote, px_text(name_of(file)));
    }
    json_object_set_new(result, "status", json_boolean(files->count && !totals->failed));
    json_object_set_new(result, "localFileList", local);
    json_object_set_new(result, "objectFileList", remote);
    if (!files->count)
        json_object_set_new(result, "msg", json_string("No valid file list generated"));
    if (files->count && !each)
        json_object_set_new(result, "localpath", path_text(files->root));
    if (files->count && err->code)
        json_object_set_new(result, "error", path_text(err->text));
    if (json_array_size(failed))
        json_object_set(result, "failed", failed);
    json_decref(failed);
    for (size_t i = 0; i < files->count; i++)
        if (each || !files->items[i].done)
            put_result(result, &files->items[i]);
    return result;
}

/* -- records -- */

static int by_series(const void *a, const void *b)
{
    const PxPushFile *one = *(PxPushFile *const *)a, *other = *(PxPushFile *const *)b;
    int order = strcmp(one->series, other->series);
    return order ? order : one < other ? -1 : one > other;
}

static bool record_series(const PxPush *push, PxPushFile *const *series, size_t n, Err *err)
{
    bool ok = true;
    const PxPushFile *last = series[n - 1];
    for (size_t i = 0; i < n; i++)
        ok = ok && series[i]->done;
    char when[32];
    struct tm local;
    time_t now = time(NULL);
    localtime_r(&now, &local);
    strftime(when, sizeof when, "%Y-%m-%d, %H:%M:%S", &local);
    json_t *members = json_object();
    json_object_set_new(members, "status", json_boolean(ok));
    json_object_set_new(members, "store", result_of(last));
    json_object_set_new(members, "timestamp", json_string(when));
    if (push->service)
        json_object_set(members, "swift", (json_t *)push->service);
    ok = px_record_merge(push->base, PX_TABLE_PUSH, *last->study ? last->study : NULL, last->series, members,
                         err);
    json_decref(members);
    return ok;
}

bool px_push_record(const PxPush *push, const PxPushFiles *files, Err *err)
{
    if (!push->base)
        return true;
    PxPushFile **sorted = calloc(files->count ? files->count : 1, sizeof(PxPushFile *));
    if (!sorted)
        abort();
    size_t n = 0;
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].series && *files->items[i].series)
            sorted[n++] = &files->items[i];
    qsort(sorted, n, sizeof *sorted, by_series);
    bool ok = true;
    for (size_t i = 0, run; ok && i < n; i += run) {
        for (run = 1; i + run < n && !strcmp(sorted[i]->series, sorted[i + run]->series);)
            run++;
        ok = record_series(push, &sorted[i], run, err);
    }
    free(sorted);
    return ok;
}
