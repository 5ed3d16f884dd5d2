// SPDX-License-Identifier: MIT
#include "px/document.h"

#include "base/arena.h"
#include "dicom/dict.h"
#include "dicom/value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char no_value[] = "no value provided for ";

/* What is no UTF-8, which names of files may have, becomes U+FFFD byte by byte. */
static json_t *mended_text(Span text)
{
    Buf out;
    buf_init(&out, 0);
    for (size_t n; text.n; text = span_sub(text, n ? n : 1, SIZE_MAX)) {
        n = span_utf8_length(text);
        buf_append_span(&out, n ? span_sub(text, 0, n) : SPAN("\xEF\xBF\xBD"));
    }
    json_t *value = json_string(buf_cstr(&out));
    buf_free(&out);
    return value;
}

json_t *px_text(const char *text)
{
    json_t *value = json_string(text ? text : "");
    return value ? value : mended_text(span_cstr(text));
}

static json_t *attribute(json_t *tag, json_t *value, const char *label)
{
    json_t *object = json_object();
    json_object_set_new(object, "tag", tag);
    json_object_set_new(object, "value", value);
    json_object_set_new(object, "label", px_text(label));
    return object;
}

void px_synthetic(json_t *record, const char *name, json_t *value, const char *label)
{
    json_object_set_new(record, name, attribute(json_integer(0), value, label));
}

static const char *trimmed(Arena *arena, const char *text)
{
    return arena_span_cstr(arena, span_trim(span_cstr(text)));
}

json_t *px_record(const DcmDataset *match, size_t index)
{
    json_t *record = json_object();
    px_synthetic(record, "uid", json_integer((json_int_t)index), "uid");
    Arena *scratch = arena_new(0);
    for (size_t i = 0; i < match->count; i++) {
        const DcmElement *e = &match->elements[i];
        char tag[10];
        snprintf(tag, sizeof tag, "%04x,%04x", e->tag >> 16, e->tag & 0xFFFF);
        const DcmDictEntry *known = dcm_dict(e->tag);
        const char *keyword = known && known->keyword && *known->keyword ? known->keyword : tag;
        const char *value = dcm_element_text_all(scratch, match, e);
        value = value ? trimmed(scratch, value) : "";
        if (!*value)
            value = arena_printf(scratch, "%s%s", no_value, tag);
        json_object_set_new(record, keyword, attribute(px_text(tag), px_text(value), keyword));
    }
    arena_free(scratch);
    return record;
}

const char *px_value(const json_t *record, const char *keyword)
{
    const char *value = json_string_value(json_object_get(json_object_get(record, keyword), "value"));
    return value && strncmp(value, no_value, sizeof no_value - 1) != 0 ? value : NULL;
}

bool px_count(const json_t *record, const char *keyword, uint64_t *out)
{
    int64_t n;
    const char *value = px_value(record, keyword);
    if (!value || !span_to_i64(span_cstr(value), 0, INT64_MAX, &n))
        return false;
    *out = (uint64_t)n;
    return true;
}

json_t *px_outcome(bool ok, json_t *data, const char *command, int returncode)
{
    json_t *outcome = json_object();
    json_object_set_new(outcome, "status", json_string(ok ? "success" : "error"));
    json_object_set_new(outcome, "data", data);
    json_object_set_new(outcome, "command", px_text(command));
    json_object_set_new(outcome, "returncode", json_integer(returncode));
    return outcome;
}

json_t *px_json_read(Span text, const char *what, Err *err)
{
    json_error_t problem;
    json_t *value =
        json_loadb((const char *)text.p, text.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
    /* jansson's own words may quote the text, which may be a name. */
    if (!value)
        err_set(err, ERR_FORMAT, "%s is not JSON: line %d, column %d", what, problem.line, problem.column);
    return value;
}

json_t *px_document_read(Span text, Err *err)
{
    if (!span_trim(text).n) {
        err_set(err, ERR_FORMAT, "the input is empty; it should be the JSON that px-find --json prints");
        return NULL;
    }
    json_t *document = px_json_read(text, "the input", err);
    if (document && !json_is_object(document)) {
        err_set(err, ERR_FORMAT, "the input is JSON, but no object as px-find --json prints");
        json_decref(document);
        return NULL;
    }
    return document;
}

static int append(const char *text, size_t n, void *out)
{
    return buf_append(out, text, n) ? 0 : -1;
}

/* Python writes the digits of \uXXXX small. */
static void small_digits(uint8_t *text, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += text[i] == '\\' ? 2 : 1)
        for (size_t k = i + 2; text[i] == '\\' && text[i + 1] == 'u' && k < i + 6 && k < n; k++)
            text[k] = (uint8_t)tolower(text[k]);
}

void px_document_write(const json_t *document, bool compact, Buf *out)
{
    size_t before = out->n;
    json_dump_callback(document, append, out,
                       JSON_ENSURE_ASCII | JSON_ENCODE_ANY | (compact ? 0 : (size_t)JSON_INDENT(4)));
    small_digits(out->p + before, out->n - before);
    buf_append_cstr(out, "\n");
}
