// SPDX-License-Identifier: MIT
#include "archive/manifest.h"

#include "archive/sums.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bool manifest_write_line(FILE *to, Buf *line, Err *err)
{
    buf_append_cstr(line, "\n");
    bool ok =
        fwrite(line->p, 1, line->n, to) == line->n || err_errno(err, errno, "cannot write the manifest");
    buf_free(line);
    return ok;
}

bool manifest_write_head(FILE *to, const ManifestHead *head, Err *err)
{
    Buf line;
    buf_init(&line, 0);
    JsonWriter w = json_writer(&line);
    json_begin_object(&w);
    json_member(&w, "what", head->what);
    json_member(&w, "when", head->when);
    json_member_int(&w, "objects", (int64_t)head->objects);
    json_member_int(&w, "bytes", (int64_t)head->bytes);
    json_end_object(&w);
    return manifest_write_line(to, &line, err);
}

static void write_sum(JsonWriter *w, const char *key, const uint8_t *sum, size_t n)
{
    char digits[65];
    if (sum_is_set(sum, n))
        json_member(w, key, span_hex(span_of(sum, n), digits));
}

bool manifest_write(FILE *to, const ManifestEntry *entry, Err *err)
{
    Buf line;
    buf_init(&line, 0);
    JsonWriter w = json_writer(&line);
    json_begin_object(&w);
    json_member_int(&w, "file", (int64_t)entry->file);
    json_member(&w, "sop_instance", entry->sop_instance);
    json_member(&w, "path", entry->path);
    json_member_int(&w, "size", (int64_t)entry->size);
    write_sum(&w, "sha256", entry->sha256, sizeof entry->sha256);
    write_sum(&w, "content", entry->content, sizeof entry->content);
    json_member_int(&w, "data_offset", (int64_t)entry->data_offset);
    json_key(&w, "outside");
    json_bool(&w, entry->outside);
    json_end_object(&w);
    return manifest_write_line(to, &line, err);
}

bool manifest_sync(FILE *to, Err *err)
{
    return (fflush(to) == 0 || err_errno(err, errno, "cannot write the manifest")) &&
           file_sync(fileno(to), "the manifest", err);
}

/* NULL at the end, and when the line is no object. */
static json_t *read_line(FILE *from, bool *end)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n = getline(&line, &room, from);
    *end = n < 0;
    json_t *object = n < 0 ? NULL : json_loadb(line, (size_t)n, 0, NULL);
    free(line);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static const char *text(const json_t *object, Arena *arena, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? arena_strdup(arena, value) : NULL;
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

/* None at all is right, too. */
static bool read_sum(const json_t *object, const char *key, uint8_t *out, size_t n)
{
    const json_t *value = json_object_get(object, key);
    return !value || span_from_hex(json_string_value(value), out, n);
}

bool manifest_read_head(FILE *from, Arena *arena, ManifestHead *out, Err *err)
{
    bool end;
    json_t *object = read_line(from, &end);
    if (!object)
        return err_set(err, ERR_FORMAT, "the manifest is damaged");
    *out = (ManifestHead){.what = text(object, arena, "what"),
                          .when = text(object, arena, "when"),
                          .objects = number(object, "objects"),
                          .bytes = number(object, "bytes")};
    json_decref(object);
    return true;
}

bool manifest_read(FILE *from, Arena *arena, ManifestEntry *out, bool *more, Err *err)
{
    bool end;
    json_t *object = read_line(from, &end);
    *more = !end;
    if (end)
        return true;
    if (!object) /* the last line of a run that died */
        return err_set(err, ERR_FORMAT, "the manifest is damaged");
    *out = (ManifestEntry){.file = number(object, "file"),
                           .sop_instance = text(object, arena, "sop_instance"),
                           .path = text(object, arena, "path"),
                           .size = number(object, "size"),
                           .data_offset = number(object, "data_offset"),
                           .outside = json_is_true(json_object_get(object, "outside"))};
    bool ok = read_sum(object, "sha256", out->sha256, sizeof out->sha256) &&
              read_sum(object, "content", out->content, sizeof out->content) && out->file &&
              out->sop_instance && out->path;
    json_decref(object);
    return ok || err_set(err, ERR_FORMAT, "the manifest is damaged");
}
