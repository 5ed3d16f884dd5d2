// SPDX-License-Identifier: MIT
#include "archive/annotation_note.h"

#include "base/json.h"
#include "dicom/uid.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void annotation_note_write(const IdxAnnotation *row, Buf *out)
{
    JsonWriter w = json_writer(out);
    json_begin_object(&w);
    json_member(&w, "uid_annotation", row->uid);
    json_member(&w, "uid_dicom_source", row->source);
    json_member(&w, "level_dicom_source", idx_annotation_level_name(row->level));
    json_member(&w, "media_type", row->media_type);
    json_member(&w, "file_name", row->name);
    json_member(&w, "author", row->author);
    json_member_int(&w, "filesize", (int64_t)row->size);
    json_key(&w, "sha256");
    char digest[2 * sizeof row->sha256 + 1];
    json_cstr(&w, span_hex(span_of(row->sha256, sizeof row->sha256), digest));
    json_member_int(&w, "begin_us", row->begin_us);
    json_member_int(&w, "end_us", row->end_us);
    json_end_object(&w);
    buf_append_cstr(out, "\n");
}

static const char *text_of(Arena *arena, const json_t *note, const char *key)
{
    const char *text = json_string_value(json_object_get(note, key));
    return text ? arena_strdup(arena, text) : NULL;
}

static bool read_number(const json_t *note, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(note, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0;
}

bool annotation_note_read(Arena *arena, Span text, IdxAnnotation *out)
{
    json_t *note = json_loadb(text.n ? (const char *)text.p : "", text.n, JSON_REJECT_DUPLICATES, NULL);
    int64_t size = 0;
    *out = (IdxAnnotation){.uid = text_of(arena, note, "uid_annotation"),
                           .source = text_of(arena, note, "uid_dicom_source"),
                           .media_type = text_of(arena, note, "media_type"),
                           .name = text_of(arena, note, "file_name"),
                           .author = text_of(arena, note, "author")};
    const char *level = json_string_value(json_object_get(note, "level_dicom_source"));
    bool ok =
        out->uid && dcm_uid_valid(span_cstr(out->uid), false) && out->source && *out->source &&
        strlen(out->source) <= DCM_UID_MAX && out->media_type && out->name && out->author &&
        idx_annotation_level(span_cstr(level), &out->level) && read_number(note, "filesize", &size) &&
        read_number(note, "begin_us", &out->begin_us) && read_number(note, "end_us", &out->end_us) &&
        span_from_hex(json_string_value(json_object_get(note, "sha256")), out->sha256, sizeof out->sha256);
    out->size = (uint64_t)size;
    json_decref(note);
    return ok;
}
