// SPDX-License-Identifier: MIT
/*
 * Tables of a tree. What a push or a registration says is taken for the objects that were there when it was made, and only where it went well for all: pypx's counts
 * are of attempts. Marks that come from there have targets of their own ("pypx …"), so that they count, but nobody passes over an object because of them.
 */
#include "px/services.h"
#include "px/tree_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* -- records -- */

static const char *timestamp_of(const json_t *record)
{
    const char *text = json_string_value(json_object_get(record, "timestamp"));
    return text ? text : "";
}

/* Without secrets; what is here already stays, unless the tree's is newer. Timestamps sort as text. */
static bool take_record(Importing *im, PxTable table, const char *series, const json_t *value, Err *err)
{
    json_t *here, *taken = px_service_masked(value);
    const char *name;
    json_t *member;
    if (!px_record_read(im->base, table, series, &here, err)) {
        json_decref(taken);
        return false;
    }
    bool newer = strcmp(timestamp_of(taken), timestamp_of(here)) > 0;
    json_object_foreach(here, name, member) if (!newer) json_object_del(taken, name);
    bool ok = !json_object_size(taken) || px_record_merge(im->base, table, NULL, series, taken, err);
    im->out->records += ok && json_object_size(taken) > 0;
    json_decref(here);
    json_decref(taken);
    return ok;
}

/* -- marks -- */

typedef struct Marking {
    Importing *im;
    Arena *arena;
    PxMarkKind kind;
    const char *target, *folder; /* where objects went to */
    time_t when;
    int64_t at_most; /* attempts; -1 = all */
    PxMark *marks;
    size_t count, capacity;
} Marking;

static bool was_there(const Marking *m, const PxObject *object)
{
    struct stat st;
    return stat(object->path, &st) == 0 && st.st_mtim.tv_sec <= m->when;
}

static bool mark_object(void *ctx, const PxObject *object, Err *err)
{
    Marking *m = ctx;
    (void)err;
    if (!was_there(m, object))
        return true;
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 256;
        m->marks = realloc(m->marks, m->capacity * sizeof *m->marks);
        if (!m->marks)
            abort();
    }
    m->marks[m->count++] = (PxMark){.kind = m->kind,
                                    .sop_instance = arena_strdup(m->arena, object->sop_instance),
                                    .series = arena_strdup(m->arena, object->series),
                                    .sha256 = arena_strdup(m->arena, object->sha256),
                                    .target = m->target,
                                    .name = arena_printf(m->arena, "%s%s%s", m->folder, *m->folder ? "/" : "",
                                                         px_tree_image_name(object->path)),
                                    .check = "",
                                    .size = object->size};
    return true;
}

/* "2026-11-21, 13:05:09", local time */
static bool parse_time(const char *text, time_t *out)
{
    struct tm when = {.tm_isdst = -1};
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2d, %2d:%2d:%2d%n", &when.tm_year, &when.tm_mon, &when.tm_mday, &when.tm_hour,
               &when.tm_min, &when.tm_sec, &used) != 6 ||
        text[used])
        return false;
    when.tm_year -= 1900;
    when.tm_mon--;
    *out = mktime(&when);
    return *out != (time_t)-1;
}

static const char *folder_of(Arena *arena, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? arena_span_cstr(arena, span_of(path, (size_t)(slash - path))) : NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Image names are the same there and here, else nothing is known of the other objects. */
static bool read_push(Marking *m, const json_t *record)
{
    const json_t *store = json_object_get(record, "store"), *service = json_object_get(record, "swift");
    const char *there = json_string_value(json_array_get(json_object_get(store, "objectFileList"), 0));
    const char *here = json_string_value(json_array_get(json_object_get(store, "localFileList"), 0));
    if (!json_is_true(json_object_get(record, "status")) || !there || !here ||
        strcmp(px_tree_image_name(there), px_tree_image_name(here)) != 0)
        return false;
    m->kind = PX_MARK_PUSHED;
    m->folder = folder_of(m->arena, there);
    m->target =
        *text_of(service, "storepath")
            ? arena_printf(m->arena, "pypx fs %s", text_of(service, "storepath"))
            : arena_printf(m->arena, "pypx swift %s:%s", text_of(service, "ip"), text_of(service, "port"));
    return m->folder != NULL;
}

static bool read_register(Marking *m, const json_t *record)
{
    const json_t *info = json_object_get(record, "info");
    const json_t *attempts = json_object_get(json_object_get(record, "objectCounter"), "current");
    if (json_object_get(info, "msg") || !json_is_integer(attempts))
        return false;
    m->kind = PX_MARK_REGISTERED;
    m->at_most = json_integer_value(attempts);
    m->folder = folder_of(m->arena, json_string_value(json_object_get(info, "path")));
    if (!m->folder) /* what CUBE answered, newer ones say so */
        m->folder = folder_of(m->arena, json_string_value(json_object_get(info, "fname")));
    m->folder = m->folder ? m->folder : "";
    m->target = arena_printf(m->arena, "pypx cube %s", text_of(json_object_get(record, "CUBE"), "url"));
    return true;
}

static bool take_marks(Importing *im, PxTable table, const char *series, const json_t *record, Err *err)
{
    Marking m = {.im = im, .arena = arena_new(0), .at_most = -1};
    bool ok = true, says = table == PX_TABLE_PUSH       ? read_push(&m, record)
                           : table == PX_TABLE_REGISTER ? read_register(&m, record)
                                                        : false;
    if (says && parse_time(timestamp_of(record), &m.when)) {
        ok = px_base_objects(im->base, &(PxSelection){.series = series}, mark_object, &m, err);
        bool all = m.at_most < 0 || m.at_most >= (int64_t)m.count;
        ok = ok && (!all || px_marks_add(im->base, m.marks, m.count, err));
        im->out->marks += ok && all ? m.count : 0;
    }
    free(m.marks);
    arena_free(m.arena);
    return ok;
}

bool tree_import_table(Importing *im, PxTable table, const char *name, const char *series, Err *err)
{
    json_t *record = tree_import_read(im, name);
    if (!record)
        return true;
    bool ok = take_record(im, table, series, record, err) && take_marks(im, table, series, record, err);
    json_decref(record);
    return ok;
}
