// SPDX-License-Identifier: MIT
/*
 * The Native DICOM Model read, PS3.19 A.1.5. Expat walks over the document, a stack of open elements says what may come next. The text is hostile: its size, the
 * nesting and the arena are limited, and a document type declaration ends the reading, so that nothing is expanded or fetched. Errors name the attribute by
 * its path, never a value.
 */
#include "dicom/dataset_build.h"
#include "dicom/dict.h"
#include "dicom/json_value.h"
#include "dicom/model_read.h"
#include "dicom/xml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

typedef enum Kind {
    NOTHING,
    DOCUMENT,
    ATTRIBUTE,
    VALUE,
    INLINE,
    BULK,
    ITEM,
    NAME,
    GROUP,     /* of a name */
    COMPONENT, /* of a group */
} Kind;

/* An item is two levels, and below the last one a name has three more. */
enum { LEVELS = MODEL_DEPTH_MAX * 2 + 8 };
/* A few seconds of looking for creators. */
enum { SOUGHT_MAX = 1 << 26 };

static const struct {
    const char *name;
    Kind kind;
    unsigned within; /* kinds, as bits */
    unsigned place;  /* of a group in a name, of a component in a group */
} elements[] = {
    {"NativeDicomModel", DOCUMENT, 1u << NOTHING, 0},
    {"DicomAttribute", ATTRIBUTE, 1u << DOCUMENT | 1u << ITEM, 0},
    {"Value", VALUE, 1u << ATTRIBUTE, 0},
    {"InlineBinary", INLINE, 1u << ATTRIBUTE, 0},
    {"BulkData", BULK, 1u << ATTRIBUTE, 0},
    {"Item", ITEM, 1u << ATTRIBUTE, 0},
    {"PersonName", NAME, 1u << ATTRIBUTE, 0},
    {"Alphabetic", GROUP, 1u << NAME, 0},
    {"Ideographic", GROUP, 1u << NAME, 1},
    {"Phonetic", GROUP, 1u << NAME, 2},
    {"FamilyName", COMPONENT, 1u << GROUP, 0},
    {"GivenName", COMPONENT, 1u << GROUP, 1},
    {"MiddleName", COMPONENT, 1u << GROUP, 2},
    {"NamePrefix", COMPONENT, 1u << GROUP, 3},
    {"NameSuffix", COMPONENT, 1u << GROUP, 4},
};

typedef struct Level {
    Kind kind;
    DcmDataset *ds;      /* of DOCUMENT and ITEM; of ATTRIBUTE: the one that holds it */
    DcmElement *element; /* of ATTRIBUTE; NULL when it is left out */
    Kind content;        /* of ATTRIBUTE: what it has so far */
    uint64_t count;      /* of ATTRIBUTE: values or items so far; of NAME and GROUP: places passed */
    size_t mark;         /* of the path before ATTRIBUTE and ITEM */
} Level;

typedef struct XmlReader {
    ModelReader model;
    XML_Parser parser;
    Level levels[LEVELS];
    unsigned depth;    /* levels that are open */
    unsigned left_out; /* elements open inside an attribute that is left out, with it */
    Buf text;          /* of VALUE, INLINE, COMPONENT */
    DcmDataset *root;
    bool failed;
    uint64_t sought; /* data sets looked at for private creators */
} XmlReader;

static void stop(XmlReader *x)
{
    x->failed = true;
    XML_StopParser(x->parser, XML_FALSE);
}

static void fail(XmlReader *x, const char *what)
{
    if (!x->failed)
        model_reader_fail(&x->model, what);
    stop(x);
}

static Level *top(XmlReader *x)
{
    return &x->levels[x->depth - 1];
}

/* -- elements begin -- */

static const char *find(const XML_Char **attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (!strcmp(attributes[0], name))
            return attributes[1];
    return NULL;
}

/* A namespace's prefix says nothing more. */
static size_t find_element(const char *name)
{
    const char *colon = strrchr(name, ':');
    size_t i = 0, n = sizeof elements / sizeof *elements;
    for (name = colon ? colon + 1 : name; i < n && strcmp(elements[i].name, name) != 0;)
        i++;
    return i;
}

/* Values and items are numbered from 1 without a gap. */
static bool is_next(const XML_Char **attributes, uint64_t count)
{
    const char *number = find(attributes, "number");
    int64_t n;
    return !number || (span_to_i64(span_cstr(number), 1, INT32_MAX, &n) && (uint64_t)n == count + 1);
}

/* The block that a creator has reserved here or, as some programs leave it, around here; 0 = none. */
static unsigned reserved_block(XmlReader *x, const DcmDataset *ds, unsigned group, Span creator)
{
    for (unsigned block = 0x10; block <= 0xFF; block++, x->sought += x->model.depth + 1)
        if (span_eq(dcm_creator(ds, DCM_TAG(group, block << 8)), span_trim(creator)))
            return block;
    return 0;
}

/* Reserves the first free block. 0 and err when none is left, or memory is short. */
static unsigned reserve_block(XmlReader *x, DcmDataset *ds, unsigned group, Span creator)
{
    unsigned block = 0x10;
    while (block <= 0xFF && dcm_creator(ds, DCM_TAG(group, block << 8)).n)
        block++;
    if (block > 0xFF) {
        model_reader_fail(&x->model, "no block is left for its private creator");
        return 0;
    }
    DcmElement *e = model_reader_put(&x->model, ds, DCM_TAG(group, block), DCM_VR_LO);
    buf_clear(&x->model.value);
    buf_append_span(&x->model.value, creator);
    return e && model_reader_put_value(&x->model, e) ? block : 0;
}

static bool read_tag(XmlReader *x, DcmDataset *ds, const XML_Char **attributes, DcmTag *tag)
{
    const char *text = find(attributes, "tag"), *creator = find(attributes, "privateCreator");
    if (!text || strlen(text) != 8 || !dcm_tag_parse(span_cstr(text), tag))
        return model_reader_fail(&x->model, "an attribute has no tag of eight hexadecimal digits");
    if (!creator || !*creator || !DCM_TAG_IS_PRIVATE(*tag) || DCM_TAG_ELEMENT(*tag) > 0xFF)
        return true;
    unsigned group = DCM_TAG_GROUP(*tag), block = reserved_block(x, ds, group, span_cstr(creator));
    if (x->sought > SOUGHT_MAX)
        return err_set(x->model.err, ERR_LIMIT, "%s: too many private creators", x->model.format);
    if (!block)
        block = reserve_block(x, ds, group, span_cstr(creator));
    *tag = DCM_TAG(group, block << 8 | DCM_TAG_ELEMENT(*tag));
    return block != 0;
}

static bool read_vr(XmlReader *x, const DcmDataset *ds, DcmTag tag, const char *name, DcmVr *vr)
{
    *vr = !name               ? dcm_dict_vr(tag, dcm_creator(ds, tag))
          : strlen(name) == 2 ? dcm_vr_parse((const uint8_t *)name)
                              : DCM_VR_NONE;
    return *vr != DCM_VR_NONE || model_reader_fail(&x->model, "vr is unknown");
}

/* A creator that reserve_block has put already may be said later; nothing else may be there twice. */
static bool may_come(const DcmDataset *ds, DcmTag tag)
{
    return !dcm_find(ds, tag) ||
           (DCM_TAG_IS_PRIVATE(tag) && DCM_TAG_ELEMENT(tag) >= 0x10 && DCM_TAG_ELEMENT(tag) <= 0xFF);
}

static bool begin_attribute(XmlReader *x, Level *level, const XML_Char **attributes)
{
    DcmTag tag;
    DcmVr vr;
    char hex[9];
    if (!read_tag(x, level->ds, attributes, &tag))
        return false;
    buf_printf(&x->model.path, "%s%s", level->mark ? "/" : "", dcm_tag_hex(tag, hex));
    if (model_reader_leaves_out(&x->model, tag)) {
        x->left_out = 1;
        return true;
    }
    if (!may_come(level->ds, tag))
        return model_reader_fail(&x->model, "is there twice");
    if (!read_vr(x, level->ds, tag, find(attributes, "vr"), &vr))
        return false;
    level->element = model_reader_put(&x->model, level->ds, tag, vr);
    buf_clear(&x->model.value);
    return level->element;
}

/* An attribute has values, or items, or one of the forms of binary data. */
static bool begin_content(XmlReader *x, Level *attribute, Kind kind, const XML_Char **attributes)
{
    const DcmVrInfo *info = dcm_vr_info(attribute->element->vr);
    bool sequence = attribute->element->vr == DCM_VR_SQ, name = attribute->element->vr == DCM_VR_PN;
    bool once = kind == INLINE || kind == BULK;
    if (attribute->content != NOTHING && (attribute->content != kind || once))
        return model_reader_fail(&x->model, "only one kind of value may be there");
    if ((kind == ITEM) != sequence || (kind == NAME && !name) || (kind == INLINE && info->text))
        return model_reader_fail(&x->model, "has a kind of value that its VR does not allow");
    if (!once && !is_next(attributes, attribute->count))
        return model_reader_fail(&x->model, "values and items must be numbered from 1, in their order");
    if (!once && attribute->count > 0 && !sequence && !info->multi)
        return model_reader_fail(&x->model, "has more than one value, which its VR does not allow");
    attribute->content = kind;
    if (attribute->count++ > 0 && info->text && !sequence)
        buf_u8(&x->model.value, '\\');
    return true;
}

static bool begin_item(XmlReader *x, const Level *attribute, Level *level)
{
    if (++x->model.depth > MODEL_DEPTH_MAX)
        return model_reader_fail(&x->model, "sequences are nested too deeply");
    level->ds = dcm_element_add_item(x->model.arena, attribute->ds, attribute->element);
    buf_printf(&x->model.path, "/%u", attribute->element->item_count - 1);
    return level->ds || model_reader_short_of_memory(&x->model);
}

static bool begin_bulk(XmlReader *x, const Level *attribute, const XML_Char **attributes)
{
    const char *uri = find(attributes, "uri");
    uri = uri ? uri : find(attributes, "uuid");
    if (!uri)
        return model_reader_fail(&x->model, "BulkData has no uri");
    return model_reader_put_uri(&x->model, attribute->element, span_cstr(uri));
}

/* Groups and components come in their order; those between are empty. */
static bool begin_place(XmlReader *x, Level *around, unsigned place, char separator)
{
    if (place < around->count)
        return model_reader_fail(&x->model, "the parts of a name are not in their order");
    around->count = place + 1;
    Buf *value = &x->model.value;
    for (size_t missing = place - around->mark; missing; missing--)
        buf_u8(value, (uint8_t)separator);
    around->mark = place;
    return true;
}

static bool begin(XmlReader *x, size_t which, const XML_Char **attributes)
{
    Kind kind = elements[which].kind;
    if (x->depth == LEVELS)
        return model_reader_fail(&x->model, "elements are nested too deeply");
    Level *around = x->depth ? top(x) : NULL, *level = &x->levels[x->depth++];
    *level = (Level){.kind = kind, .ds = around ? around->ds : NULL, .mark = x->model.path.n};
    buf_clear(&x->text);
    if (around && around->kind == ATTRIBUTE && !begin_content(x, around, kind, attributes))
        return false;
    switch ((int)kind) {
    case DOCUMENT:
        level->ds = x->root;
        return true;
    case ATTRIBUTE:
        return begin_attribute(x, level, attributes);
    case ITEM:
        return begin_item(x, around, level);
    case BULK:
        return begin_bulk(x, around, attributes);
    case NAME:
        level->mark = 0;
        return true;
    case GROUP:
        level->mark = 0;
        return begin_place(x, around, elements[which].place, '=');
    case COMPONENT:
        return begin_place(x, around, elements[which].place, '^');
    default:
        return true;
    }
}

static void XMLCALL on_begin(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    XmlReader *x = ctx;
    if (x->failed)
        return;
    if (x->left_out) {
        x->left_out++;
        return;
    }
    size_t which = find_element(name);
    Kind around = x->depth ? top(x)->kind : NOTHING;
    if (which == sizeof elements / sizeof *elements || !(elements[which].within & 1u << around))
        fail(x, "has an element that the Native DICOM Model does not have there");
    else if (!begin(x, which, attributes))
        stop(x);
}

/* -- elements end -- */

/* The text as one value of the VR. */
static bool end_value(XmlReader *x, const DcmElement *e)
{
    Span text = buf_span(&x->text);
    if (!dcm_vr_info(e->vr)->text)
        text = span_trim(text);
    json_t *value = json_stringn(text.n ? (const char *)text.p : "", text.n);
    const char *wrong = value ? json_value_append(&x->model.value, e->vr, value) : "is not UTF-8";
    json_decref(value);
    return !wrong || model_reader_fail(&x->model, wrong);
}

static bool end_component(XmlReader *x)
{
    for (size_t i = 0; i < x->text.n; i++)
        if (strchr("\\=^", x->text.p[i]))
            return model_reader_fail(&x->model,
                                     "a component of a name holds a backslash, caret or equals sign");
    buf_append_span(&x->model.value, buf_span(&x->text));
    return true;
}

static bool end_inline(XmlReader *x)
{
    return json_value_base64(&x->model.value, buf_span(&x->text)) ||
           model_reader_fail(&x->model, "InlineBinary is no base64");
}

static bool end_attribute(XmlReader *x, Level *level)
{
    bool ok = !level->element || level->content == BULK || level->content == ITEM ||
              model_reader_put_value(&x->model, level->element);
    x->model.path.n = level->mark;
    return ok;
}

static bool end(XmlReader *x, Level *level)
{
    const DcmElement *e = level > x->levels ? level[-1].element : NULL;
    switch ((int)level->kind) {
    case VALUE:
        return end_value(x, e);
    case COMPONENT:
        return end_component(x);
    case INLINE:
        return end_inline(x);
    case ATTRIBUTE:
        return end_attribute(x, level);
    case ITEM:
        x->model.depth--;
        x->model.path.n = level->mark;
        return true;
    default:
        return true;
    }
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    (void)name;
    XmlReader *x = ctx;
    if (x->failed || (x->left_out && --x->left_out > 0))
        return;
    if (!end(x, top(x)))
        stop(x);
    x->depth--;
}

/* White space between elements means nothing, and neither does other text there. */
static void XMLCALL on_text(void *ctx, const XML_Char *text, int n)
{
    XmlReader *x = ctx;
    Kind kind = x->depth && !x->left_out ? top(x)->kind : NOTHING;
    if (kind == VALUE || kind == INLINE || kind == COMPONENT)
        buf_append(&x->text, text, (size_t)n);
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    fail(ctx, "the document has a document type declaration, which is not taken");
}

/* -- the text -- */

static bool parse(XmlReader *x, Span text, Err *err)
{
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_begin, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    bool ok = XML_Parse(x->parser, text.n ? (const char *)text.p : "", (int)text.n, 1) == XML_STATUS_OK;
    if (ok || x->failed)
        return ok && !x->failed;
    return err_set(err, ERR_FORMAT, "%s: the text is not XML: %s (line %lu, column %lu)", x->model.format,
                   XML_ErrorString(XML_GetErrorCode(x->parser)), XML_GetCurrentLineNumber(x->parser),
                   XML_GetCurrentColumnNumber(x->parser));
}

DcmDataset *dcm_xml_read(Arena *arena, Span text, DcmDataset **partial, Err *err)
{
    if (partial)
        *partial = NULL;
    if (text.n > MODEL_TEXT_MAX) {
        err_set(err, ERR_LIMIT, "DICOM XML: the text is larger than %d MiB", MODEL_TEXT_MAX >> 20);
        return NULL;
    }
    XmlReader *x = calloc(1, sizeof *x);
    if (!x)
        abort();
    model_reader_init(&x->model, arena, "DICOM XML", true, err);
    buf_init(&x->text, 0);
    x->parser = XML_ParserCreate(NULL);
    if (!x->parser)
        abort();
    DcmDataset *ds = x->root = model_reader_dataset(&x->model);
    bool ok = ds && parse(x, text, err);
    if (partial)
        *partial = ds;
    XML_ParserFree(x->parser);
    buf_free(&x->text);
    model_reader_free(&x->model);
    free(x);
    return ok ? ds : NULL;
}
