// SPDX-License-Identifier: MIT
/*
 * The DICOM JSON model read, PS3.18 F.2. The text is hostile: its size and nesting are checked before jansson sees it, attributes
 * are sorted before they are put (so that order costs nothing), and what comes from it is taken from the arena within its
 * limit. Errors name the attribute by its path, never a value.
 */
#include "dicom/dataset_build.h"
#include "dicom/dict.h"
#include "dicom/json.h"
#include "dicom/json_value.h"
#include "dicom/model_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "DICOM JSON"

/* An item is an object in an array in an object. */
enum { MAX_BRACKETS = MODEL_DEPTH_MAX * 3 + 8 };

typedef struct Entry {
    DcmTag tag;
    json_t *json;
} Entry;

static bool read_object(ModelReader *r, json_t *object, DcmDataset *ds);

/* -- one attribute -- */

static bool read_values(ModelReader *r, json_t *array, DcmElement *e)
{
    const DcmVrInfo *info = dcm_vr_info(e->vr);
    size_t count = json_array_size(array);
    if (count > 1 && !info->multi)
        return model_reader_fail(r, "has more than one value, which its VR does not allow");
    buf_clear(&r->value);
    for (size_t i = 0; i < count; i++) {
        if (i && info->text)
            buf_u8(&r->value, '\\');
        const char *wrong = json_value_append(&r->value, e->vr, json_array_get(array, i));
        if (wrong)
            return model_reader_fail(r, wrong);
    }
    return model_reader_put_value(r, e);
}

static bool read_items(ModelReader *r, json_t *array, DcmDataset *ds, DcmElement *e)
{
    if (++r->depth > MODEL_DEPTH_MAX)
        return model_reader_fail(r, "sequences are nested too deeply");
    size_t mark = r->path.n, count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_array_get(array, i);
        if (!json_is_object(object) && !json_is_null(object))
            return model_reader_fail(r, "an item of a sequence must be an object");
        DcmDataset *item = dcm_element_add_item(r->arena, ds, e);
        if (!item)
            return model_reader_short_of_memory(r);
        buf_printf(&r->path, "/%zu", i);
        if (json_is_object(object) && !read_object(r, object, item))
            return false;
        r->path.n = mark;
    }
    r->depth--;
    return true;
}

static bool read_inline(ModelReader *r, json_t *text, DcmElement *e)
{
    const DcmVrInfo *info = dcm_vr_info(e->vr);
    if (info->text || e->vr == DCM_VR_SQ)
        return model_reader_fail(r, "InlineBinary is for binary VRs only");
    if (!json_is_string(text))
        return model_reader_fail(r, "InlineBinary must be a string");
    buf_clear(&r->value);
    if (!json_value_base64(&r->value, span_of(json_string_value(text), json_string_length(text))))
        return model_reader_fail(r, "InlineBinary is no base64");
    return model_reader_put_value(r, e);
}

static bool read_uri(ModelReader *r, json_t *text, DcmElement *e)
{
    if (!json_is_string(text))
        return model_reader_fail(r, "BulkDataURI must be a string");
    return model_reader_put_uri(r, e, span_of(json_string_value(text), json_string_length(text)));
}

static bool read_vr(ModelReader *r, json_t *attribute, const DcmDataset *ds, DcmTag tag, DcmVr *vr)
{
    json_t *name = json_object_get(attribute, "vr");
    if (!name) {
        *vr = dcm_dict_vr(tag, dcm_creator(ds, tag));
        return true;
    }
    if (!json_is_string(name) || json_string_length(name) != 2)
        return model_reader_fail(r, "vr must be a string of two letters");
    *vr = dcm_vr_parse((const uint8_t *)json_string_value(name));
    return *vr != DCM_VR_NONE || model_reader_fail(r, "vr is unknown");
}

static bool read_content(ModelReader *r, json_t *attribute, DcmDataset *ds, DcmElement *e)
{
    json_t *value = json_object_get(attribute, "Value");
    json_t *binary = json_object_get(attribute, "InlineBinary");
    json_t *uri = json_object_get(attribute, "BulkDataURI");
    if ((value && binary) || (value && uri) || (binary && uri))
        return model_reader_fail(r, "only one of Value, InlineBinary and BulkDataURI may be there");
    if (binary)
        return read_inline(r, binary, e);
    if (uri)
        return read_uri(r, uri, e);
    if (value && !json_is_array(value))
        return model_reader_fail(r, "Value must be an array");
    return e->vr == DCM_VR_SQ ? read_items(r, value, ds, e) : read_values(r, value, e);
}

static bool read_attribute(ModelReader *r, const Entry *entry, DcmDataset *ds)
{
    DcmVr vr = DCM_VR_NONE;
    if (!json_is_object(entry->json))
        return model_reader_fail(r, "must be an object");
    if (!read_vr(r, entry->json, ds, entry->tag, &vr))
        return false;
    DcmElement *e = model_reader_put(r, ds, entry->tag, vr);
    return e && read_content(r, entry->json, ds, e);
}

/* -- data sets -- */

static int by_tag(const void *a, const void *b)
{
    DcmTag x = ((const Entry *)a)->tag, y = ((const Entry *)b)->tag;
    return (x > y) - (x < y);
}

static bool list_entries(ModelReader *r, json_t *object, Entry *entries, size_t *count)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        Entry entry = {.json = value};
        if (!dcm_tag_parse(span_cstr(key), &entry.tag))
            return model_reader_fail(r, "a name is no attribute tag of eight hexadecimal digits");
        if (!model_reader_leaves_out(r, entry.tag))
            entries[(*count)++] = entry;
    }
    qsort(entries, *count, sizeof *entries, by_tag);
    return true;
}

static bool read_object(ModelReader *r, json_t *object, DcmDataset *ds)
{
    size_t mark = r->path.n, count = 0;
    Entry *entries = arena_try_array(r->arena, json_object_size(object) + 1, sizeof *entries);
    if (!entries)
        return model_reader_short_of_memory(r);
    if (!list_entries(r, object, entries, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        char hex[9];
        buf_printf(&r->path, "%s%s", mark ? "/" : "", dcm_tag_hex(entries[i].tag, hex));
        if (i && entries[i].tag == entries[i - 1].tag)
            return model_reader_fail(r, "is there twice");
        if (!read_attribute(r, &entries[i], ds))
            return false;
        r->path.n = mark;
    }
    return true;
}

/* -- the text -- */

/* Nesting, without regard to whether it makes sense: jansson decides that. */
static bool is_too_deep(Span text)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[') && ++depth > MAX_BRACKETS)
            return true;
        else if (!quoted && (c == '}' || c == ']') && depth)
            depth--;
    }
    return false;
}

static const char *why(const json_error_t *error)
{
    switch ((int)json_error_code(error)) {
    case json_error_premature_end_of_input:
        return "ends early";
    case json_error_invalid_utf8:
        return "is not UTF-8";
    case json_error_duplicate_key:
        return "has a name twice in one object";
    case json_error_numeric_overflow:
        return "has a number that is too large (write it as a string)";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "has a NUL character";
    default:
        return "is not JSON";
    }
}

/* jansson's own message quotes the text, which may be a name. */
static json_t *load(Span text, Err *err)
{
    json_error_t error;
    if (text.n > MODEL_TEXT_MAX) {
        err_set(err, ERR_LIMIT, FORMAT ": the text is larger than %d MiB", MODEL_TEXT_MAX >> 20);
        return NULL;
    }
    if (is_too_deep(text)) {
        err_set(err, ERR_LIMIT, FORMAT ": objects and arrays are nested too deeply");
        return NULL;
    }
    json_t *root = json_loadb(text.n ? (const char *)text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        err_set(err, ERR_FORMAT, FORMAT ": the text %s (line %d, column %d)", why(&error), error.line,
                error.column);
    return root;
}

/* What has been read is handed out even when the rest is wrong. */
static bool read_one(ModelReader *r, json_t *object, DcmDataset **out)
{
    *out = model_reader_dataset(r);
    return *out && (json_is_object(object) || model_reader_fail(r, "an object is wanted")) &&
           read_object(r, object, *out);
}

DcmDataset *dcm_json_read(Arena *arena, Span text, Err *err)
{
    json_t *root = load(text, err);
    if (!root)
        return NULL;
    ModelReader r;
    model_reader_init(&r, arena, FORMAT, false, err);
    json_t *object = json_array_size(root) == 1 ? json_array_get(root, 0) : root;
    DcmDataset *ds = NULL;
    bool ok = json_is_object(object) ? read_one(&r, object, &ds)
                                     : model_reader_fail(&r, "one object is wanted, or an array of one");
    model_reader_free(&r);
    json_decref(root);
    return ok ? ds : NULL;
}

/* A failure of the visitor ends it, a failure of an object is its own matter. */
static bool visit_one(const DcmReadEach *each, Arena *arena, json_t *object, Err *err)
{
    Err problem = {0};
    ModelReader r;
    DcmDataset *ds;
    model_reader_init(&r, arena, FORMAT, true, &problem);
    bool ok = read_one(&r, object, &ds);
    model_reader_free(&r);
    return each->visit(each->ctx, ds, ok ? NULL : &problem, err);
}

bool dcm_json_read_each(Arena *arena, Span text, const DcmReadEach *each, Err *err)
{
    json_t *root = load(text, err);
    if (!root)
        return false;
    bool ok = true, array = json_is_array(root);
    size_t count = array ? json_array_size(root) : 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = visit_one(each, arena, array ? json_array_get(root, i) : root, err);
    json_decref(root);
    return ok;
}
