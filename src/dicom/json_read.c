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
#include "dicom/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An item is an object in an array in an object. */
enum { MAX_TEXT = 32 << 20, MAX_ITEM_DEPTH = 64, MAX_BRACKETS = MAX_ITEM_DEPTH * 3 + 8 };

typedef struct Reader {
    Arena *arena;
    Err *err;
    Buf path;  /* of the attribute being read */
    Buf value; /* its bytes */
    unsigned depth;
} Reader;

typedef struct Entry {
    DcmTag tag;
    json_t *json;
} Entry;

static bool read_object(Reader *r, json_t *object, DcmDataset *ds);

static bool fail(Reader *r, const char *what)
{
    enum { SHOWN = 120 };
    const char *path = buf_cstr(&r->path), *cut = r->path.n > SHOWN ? "..." : "";
    path += r->path.n > SHOWN ? r->path.n - SHOWN : 0;
    return err_set(r->err, ERR_FORMAT, "DICOM JSON: %s%s%s%s", cut, path, r->path.n ? ": " : "", what);
}

static bool short_of_memory(Reader *r)
{
    return err_set(r->err, ERR_LIMIT, "DICOM JSON: the data set needs more memory than the limit allows");
}

/* -- one attribute -- */

static DcmElement *put(Reader *r, DcmDataset *ds, DcmTag tag, DcmVr vr)
{
    bool found;
    DcmElement *e = dcm_dataset_slot(ds, tag, &found);
    if (!e) {
        short_of_memory(r);
        return NULL;
    }
    *e = (DcmElement){.tag = tag, .vr = vr};
    return e;
}

/* The gathered bytes as the element's value, padded. */
static bool put_value(Reader *r, DcmElement *e)
{
    size_t n = r->value.n + r->value.n % 2;
    if (!r->value.n)
        return !r->value.failed || short_of_memory(r);
    uint8_t *copy = arena_try(r->arena, n);
    if (!copy || r->value.failed)
        return short_of_memory(r);
    memcpy(copy, r->value.p, r->value.n);
    if (n > r->value.n)
        copy[n - 1] = (uint8_t)dcm_vr_info(e->vr)->pad;
    e->value = span_of(copy, n);
    e->length = (uint32_t)n;
    return true;
}

static bool read_values(Reader *r, json_t *array, DcmElement *e)
{
    const DcmVrInfo *info = dcm_vr_info(e->vr);
    size_t count = json_array_size(array);
    if (count > 1 && !info->multi)
        return fail(r, "has more than one value, which its VR does not allow");
    buf_clear(&r->value);
    for (size_t i = 0; i < count; i++) {
        if (i && info->text)
            buf_u8(&r->value, '\\');
        const char *wrong = json_value_append(&r->value, e->vr, json_array_get(array, i));
        if (wrong)
            return fail(r, wrong);
    }
    return put_value(r, e);
}

static bool read_items(Reader *r, json_t *array, DcmDataset *ds, DcmElement *e)
{
    if (++r->depth > MAX_ITEM_DEPTH)
        return fail(r, "sequences are nested too deeply");
    size_t mark = r->path.n, count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_array_get(array, i);
        if (!json_is_object(object) && !json_is_null(object))
            return fail(r, "an item of a sequence must be an object");
        DcmDataset *item = dcm_element_add_item(r->arena, ds, e);
        if (!item)
            return short_of_memory(r);
        buf_printf(&r->path, "/%zu", i);
        if (json_is_object(object) && !read_object(r, object, item))
            return false;
        r->path.n = mark;
    }
    r->depth--;
    return true;
}

static bool read_inline(Reader *r, json_t *text, DcmElement *e)
{
    const DcmVrInfo *info = dcm_vr_info(e->vr);
    if (info->text || e->vr == DCM_VR_SQ)
        return fail(r, "InlineBinary is for binary VRs only");
    if (!json_is_string(text))
        return fail(r, "InlineBinary must be a string");
    buf_clear(&r->value);
    if (!json_value_base64(&r->value, span_of(json_string_value(text), json_string_length(text))))
        return fail(r, "InlineBinary is no base64");
    return put_value(r, e);
}

static bool read_uri(Reader *r, json_t *text, DcmElement *e)
{
    if (!json_is_string(text))
        return fail(r, "BulkDataURI must be a string");
    size_t n = json_string_length(text);
    char *uri = arena_try(r->arena, n + 1);
    if (!uri)
        return short_of_memory(r);
    memcpy(uri, json_string_value(text), n);
    e->value = span_of(uri, n);
    e->skipped = true;
    return true;
}

static bool read_vr(Reader *r, json_t *attribute, const DcmDataset *ds, DcmTag tag, DcmVr *vr)
{
    json_t *name = json_object_get(attribute, "vr");
    if (!name) {
        *vr = dcm_dict_vr(tag, dcm_creator(ds, tag));
        return true;
    }
    if (!json_is_string(name) || json_string_length(name) != 2)
        return fail(r, "vr must be a string of two letters");
    *vr = dcm_vr_parse((const uint8_t *)json_string_value(name));
    return *vr != DCM_VR_NONE || fail(r, "vr is unknown");
}

static bool read_content(Reader *r, json_t *attribute, DcmDataset *ds, DcmElement *e)
{
    json_t *value = json_object_get(attribute, "Value");
    json_t *binary = json_object_get(attribute, "InlineBinary");
    json_t *uri = json_object_get(attribute, "BulkDataURI");
    if ((value && binary) || (value && uri) || (binary && uri))
        return fail(r, "only one of Value, InlineBinary and BulkDataURI may be there");
    if (binary)
        return read_inline(r, binary, e);
    if (uri)
        return read_uri(r, uri, e);
    if (value && !json_is_array(value))
        return fail(r, "Value must be an array");
    return e->vr == DCM_VR_SQ ? read_items(r, value, ds, e) : read_values(r, value, e);
}

static bool read_attribute(Reader *r, const Entry *entry, DcmDataset *ds)
{
    DcmVr vr = DCM_VR_NONE;
    if (!json_is_object(entry->json))
        return fail(r, "must be an object");
    if (!read_vr(r, entry->json, ds, entry->tag, &vr))
        return false;
    DcmElement *e = put(r, ds, entry->tag, vr);
    return e && read_content(r, entry->json, ds, e);
}

/* -- data sets -- */

static int by_tag(const void *a, const void *b)
{
    DcmTag x = ((const Entry *)a)->tag, y = ((const Entry *)b)->tag;
    return (x > y) - (x < y);
}

/* Text is UTF-8 whatever the object says of itself. */
static bool put_charset(Reader *r, DcmDataset *ds)
{
    DcmElement *e = put(r, ds, DCM_TAG(0x0008, 0x0005), DCM_VR_CS);
    buf_clear(&r->value);
    buf_append_cstr(&r->value, "ISO_IR 192");
    return e && put_value(r, e);
}

static bool is_left_out(DcmTag tag)
{
    return !model_has(tag) || tag == DCM_TAG(0x0008, 0x0005);
}

static bool list_entries(Reader *r, json_t *object, Entry *entries, size_t *count)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        Entry entry = {.json = value};
        if (!dcm_tag_parse(span_cstr(key), &entry.tag))
            return fail(r, "a name is no attribute tag of eight hexadecimal digits");
        if (!is_left_out(entry.tag))
            entries[(*count)++] = entry;
    }
    qsort(entries, *count, sizeof *entries, by_tag);
    return true;
}

static bool read_object(Reader *r, json_t *object, DcmDataset *ds)
{
    size_t mark = r->path.n, count = 0;
    Entry *entries = arena_try_array(r->arena, json_object_size(object) + 1, sizeof *entries);
    if (!entries)
        return short_of_memory(r);
    if (!list_entries(r, object, entries, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        char hex[9];
        buf_printf(&r->path, "%s%s", mark ? "/" : "", dcm_tag_hex(entries[i].tag, hex));
        if (i && entries[i].tag == entries[i - 1].tag)
            return fail(r, "is there twice");
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
    if (text.n > MAX_TEXT) {
        err_set(err, ERR_LIMIT, "DICOM JSON: the text is larger than %d MiB", MAX_TEXT >> 20);
        return NULL;
    }
    if (is_too_deep(text)) {
        err_set(err, ERR_LIMIT, "DICOM JSON: objects and arrays are nested too deeply");
        return NULL;
    }
    json_t *root = json_loadb(text.n ? (const char *)text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        err_set(err, ERR_FORMAT, "DICOM JSON: the text %s (line %d, column %d)", why(&error), error.line,
                error.column);
    return root;
}

DcmDataset *dcm_json_read(Arena *arena, Span text, Err *err)
{
    json_t *root = load(text, err);
    if (!root)
        return NULL;
    Reader r = {.arena = arena, .err = err};
    buf_init(&r.path, 0);
    buf_init(&r.value, 0);
    json_t *object = json_array_size(root) == 1 ? json_array_get(root, 0) : root;
    DcmDataset *ds = arena_try(arena, sizeof *ds);
    bool ok = ds || short_of_memory(&r);
    if (ok && !json_is_object(object))
        ok = fail(&r, "one object is wanted, or an array of one");
    if (ok) {
        ds->arena = arena;
        ok = put_charset(&r, ds) && read_object(&r, object, ds);
    }
    buf_free(&r.path);
    buf_free(&r.value);
    json_decref(root);
    return ok ? ds : NULL;
}
