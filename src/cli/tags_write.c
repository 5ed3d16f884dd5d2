// SPDX-License-Identifier: MIT
/* Tags as extended_db.yml and as JSON: level → tag → what its column is. A second tag of the same name has its sequences in the key. */
#include "base/json.h"
#include "cli/tags.h"

#include <string.h>

static const char *const levels[DCM_LEVEL_COUNT] = {"patient", "study", "series", "instance"};

static void put_chain(const IdxExtended *one, bool itself, Buf *out)
{
    char hex[9];
    for (size_t i = 0; i < one->parent_count; i++)
        buf_printf(out, "%s%s", i ? "," : "", dcm_tag_hex(one->parents[i], hex));
    if (itself)
        buf_printf(out, "%s%s", one->parent_count ? "," : "", dcm_tag_hex(one->tag, hex));
}

/* The tag alone, as SPHERE has it, unless that is taken. */
static void put_key(const Tags *tags, size_t at, Buf *out)
{
    char hex[9];
    const IdxExtended *one = &tags->list[at].index;
    for (size_t i = 0; i < at; i++)
        if (tags->list[i].index.level == one->level && tags->list[i].index.tag == one->tag) {
            put_chain(one, true, out);
            return;
        }
    buf_append_cstr(out, dcm_tag_hex(one->tag, hex));
}

/* Words as they are, anything else between double quotes. */
static void put_scalar(const char *key, const char *value, Buf *out)
{
    static const char words[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ";
    buf_printf(out, "    %s: ", key);
    if (*value && strspn(value, words) == strlen(value)) {
        buf_append_cstr(out, value);
    } else {
        JsonWriter w = json_writer(out);
        json_cstr(&w, value);
    }
    buf_append_cstr(out, "\n");
}

static void put_definition(const Tags *tags, size_t at, Buf *out)
{
    const TagDefinition *one = &tags->list[at];
    buf_append_cstr(out, "  '");
    put_key(tags, at, out);
    buf_append_cstr(out, "':\n");
    if (one->index.parent_count) {
        buf_append_cstr(out, "    parents: '");
        put_chain(&one->index, false, out);
        buf_append_cstr(out, "'\n");
    }
    put_scalar("keyword", one->keyword, out);
    put_scalar("value_representations", one->vr, out);
    put_scalar("field_name", one->index.column, out);
    put_scalar("type", one->index.chars ? "String" : "Text", out);
    if (one->index.chars)
        buf_printf(out, "    size: %d\n", one->index.chars);
}

void tags_write_yaml(const Tags *tags, Buf *out)
{
    buf_append_cstr(
        out,
        "# What 'manage database extend' made of tags.yml. It may be edited: while this file is here it "
        "counts, and\n# tags.yml does not. After a change 'manage database migrate' fills the columns.\n");
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        bool any = false;
        for (size_t i = 0; i < tags->count; i++) {
            if ((int)tags->list[i].index.level != level)
                continue;
            if (!any)
                buf_printf(out, "%s:\n", levels[level]);
            any = true;
            put_definition(tags, i, out);
        }
    }
}

static void put_json(const Tags *tags, size_t at, JsonWriter *w, Buf *scratch)
{
    const TagDefinition *one = &tags->list[at];
    buf_clear(scratch);
    put_key(tags, at, scratch);
    json_key(w, buf_cstr(scratch));
    json_begin_object(w);
    if (one->index.parent_count) {
        buf_clear(scratch);
        put_chain(&one->index, false, scratch);
        json_member(w, "parents", buf_cstr(scratch));
    }
    json_member(w, "keyword", one->keyword);
    json_member(w, "value_representations", one->vr);
    json_member(w, "field_name", one->index.column);
    json_member(w, "type", one->index.chars ? "String" : "Text");
    if (one->index.chars)
        json_member_int(w, "size", one->index.chars);
    json_end_object(w);
}

void tags_write_json(const Tags *tags, Buf *out)
{
    Buf scratch;
    buf_init(&scratch, 0);
    JsonWriter w = json_writer(out);
    json_begin_object(&w);
    for (int level = 0; level < DCM_LEVEL_COUNT; level++) {
        bool any = false;
        for (size_t i = 0; i < tags->count; i++) {
            if ((int)tags->list[i].index.level != level)
                continue;
            if (!any) {
                json_key(&w, levels[level]);
                json_begin_object(&w);
            }
            any = true;
            put_json(tags, i, &w, &scratch);
        }
        if (any)
            json_end_object(&w);
    }
    json_end_object(&w);
    buf_append_cstr(out, "\n");
    buf_free(&scratch);
}
