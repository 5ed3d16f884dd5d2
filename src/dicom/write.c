// SPDX-License-Identifier: MIT
/*
 * One pass: a sequence's length is written as zero and patched when its items are out. What a 16-bit length cannot hold
 * is written as UN (PS3.5 §6.2.2 note 2).
 */
#include "dicom/write.h"
#include "dicom/deflate.h"
#include "dicom/dict.h"
#include "dicom/swap.h"
#include "dicom/tags.h"

/* Deeper ones are not parsed either, and each level costs stack. */
enum { MAX_DEPTH = 256, MAX_SHORT_LENGTH = 0xFFFE };

typedef struct Writer {
    Buf *out;
    const DcmTransferSyntax *syntax;
    int depth;
    Err *err;
} Writer;

static bool write_set(Writer *w, const DcmDataset *ds);

static void put_u16(Buf *out, bool big_endian, uint16_t v)
{
    if (big_endian)
        buf_u16be(out, v);
    else
        buf_u16le(out, v);
}

static void put_u32(Buf *out, bool big_endian, uint32_t v)
{
    if (big_endian)
        buf_u32be(out, v);
    else
        buf_u32le(out, v);
}

/* The VR that is really written. */
static DcmVr vr_written(DcmVr vr, uint32_t length, const DcmTransferSyntax *syntax)
{
    bool is_explicit = !syntax || syntax->explicit_vr;
    if (is_explicit && (vr == DCM_VR_NONE || (!dcm_vr_info(vr)->long_length && length > MAX_SHORT_LENGTH)))
        return DCM_VR_UN;
    return vr;
}

bool dcm_write_header(Buf *out, DcmTag tag, DcmVr vr, uint32_t length, const DcmTransferSyntax *syntax)
{
    bool big = syntax && syntax->big_endian;
    put_u16(out, big, DCM_TAG_GROUP(tag));
    put_u16(out, big, DCM_TAG_ELEMENT(tag));
    if ((syntax && !syntax->explicit_vr) || DCM_TAG_GROUP(tag) == 0xFFFE) {
        put_u32(out, big, length);
        return !out->failed;
    }
    vr = vr_written(vr, length, syntax);
    buf_append(out, dcm_vr_info(vr)->name, 2);
    if (dcm_vr_info(vr)->long_length) {
        buf_u16le(out, 0);
        put_u32(out, big, length);
    } else {
        put_u16(out, big, (uint16_t)length);
    }
    return !out->failed;
}

static bool full(Writer *w)
{
    return err_set(w->err, ERR_LIMIT, "write data set: larger than %zu bytes", w->out->limit);
}

/* Writes the length of what came since `from` into the four bytes before it. */
static bool patch_length(Writer *w, size_t from)
{
    if (w->out->failed)
        return full(w);
    size_t n = w->out->n - from;
    if (n >= UINT32_MAX)
        return err_set(w->err, ERR_LIMIT, "write data set: a sequence is longer than 4 GiB");
    for (unsigned i = 0; i < 4; i++)
        w->out->p[from - 4 + (w->syntax->big_endian ? 3 - i : i)] = (uint8_t)(n >> (8 * i));
    return true;
}

/* In implicit VR only an undefined length shows that a private element is a sequence, if the dictionary does not know it. */
static bool must_be_undefined(const Writer *w, const DcmDataset *ds, DcmTag tag)
{
    return !w->syntax->explicit_vr && dcm_dict_vr(tag, dcm_creator(ds, tag)) != DCM_VR_SQ;
}

static bool write_items(Writer *w, const DcmElement *e)
{
    for (uint32_t i = 0; i < e->item_count; i++) {
        dcm_write_header(w->out, DCM_Item, DCM_VR_NONE, 0, w->syntax);
        size_t from = w->out->n;
        if (!write_set(w, e->items[i]) || !patch_length(w, from))
            return false;
    }
    return true;
}

static bool write_sequence(Writer *w, const DcmDataset *ds, const DcmElement *e)
{
    bool undefined = must_be_undefined(w, ds, e->tag);
    if (++w->depth > MAX_DEPTH)
        return err_set(w->err, ERR_LIMIT, "write data set: sequences are nested more than %d deep",
                       MAX_DEPTH);
    dcm_write_header(w->out, e->tag, DCM_VR_SQ, undefined ? DCM_UNDEFINED_LENGTH : 0, w->syntax);
    size_t from = w->out->n;
    if (!write_items(w, e))
        return false;
    w->depth--;
    if (!undefined)
        return patch_length(w, from);
    return dcm_write_header(w->out, DCM_SequenceDelimitationItem, DCM_VR_NONE, 0, w->syntax) || full(w);
}

static bool write_fragments(Writer *w, const DcmElement *e)
{
    char tag[12];
    if (w->syntax->native)
        return err_set(w->err, ERR_UNSUPPORTED, "write data set: %s is compressed, which %s cannot carry",
                       dcm_tag_format(e->tag, tag), w->syntax->name);
    dcm_write_header(w->out, e->tag, e->vr, DCM_UNDEFINED_LENGTH, w->syntax);
    for (uint32_t i = 0; i < e->item_count; i++) {
        Span fragment = e->fragments[i];
        dcm_write_header(w->out, DCM_Item, DCM_VR_NONE, (uint32_t)(fragment.n + fragment.n % 2), w->syntax);
        buf_append_span(w->out, fragment);
        if (fragment.n % 2)
            buf_u8(w->out, 0);
    }
    dcm_write_header(w->out, DCM_SequenceDelimitationItem, DCM_VR_NONE, 0, w->syntax);
    return !w->out->failed || full(w);
}

static bool write_value(Writer *w, const DcmDataset *ds, const DcmElement *e)
{
    Span value = e->value;
    if (value.n >= UINT32_MAX - 1)
        return err_set(w->err, ERR_LIMIT, "write data set: a value is longer than 4 GiB");
    uint32_t length = (uint32_t)(value.n + value.n % 2);
    dcm_write_header(w->out, e->tag, e->vr, length, w->syntax);
    size_t from = w->out->n;
    buf_append_span(w->out, value);
    if (value.n % 2)
        buf_u8(w->out, (uint8_t)dcm_vr_info(e->vr)->pad);
    if (w->out->failed)
        return full(w);
    if (ds->big_endian != w->syntax->big_endian)
        dcm_swap(w->out->p + from, value.n, dcm_vr_swap_unit(vr_written(e->vr, length, w->syntax)));
    return true;
}

static bool write_element(Writer *w, const DcmDataset *ds, const DcmElement *e)
{
    char tag[12];
    if (DCM_TAG_ELEMENT(e->tag) == 0)
        return true;
    if (e->skipped)
        return err_set(w->err, ERR_USAGE, "write data set: the value of %s was not kept when it was read",
                       dcm_tag_format(e->tag, tag));
    if (e->vr == DCM_VR_SQ)
        return write_sequence(w, ds, e);
    if (e->length == DCM_UNDEFINED_LENGTH)
        return write_fragments(w, e);
    return write_value(w, ds, e);
}

static bool write_set(Writer *w, const DcmDataset *ds)
{
    for (size_t i = 0; i < ds->count; i++)
        if (!write_element(w, ds, &ds->elements[i]))
            return false;
    return true;
}

bool dcm_write(Buf *out, const DcmDataset *ds, const DcmTransferSyntax *syntax, Err *err)
{
    static const DcmTransferSyntax explicit_little = {
        .name = "Explicit VR Little Endian", .explicit_vr = true, .native = true};
    Writer w = {.out = out, .syntax = syntax ? syntax : &explicit_little, .err = err};
    if (!w.syntax->deflated)
        return write_set(&w, ds) && (!out->failed || full(&w));
    Buf plain;
    buf_init(&plain, 0);
    w.out = &plain;
    DcmDeflate *deflate = dcm_deflate_new();
    bool ok = write_set(&w, ds) && dcm_deflate_feed(deflate, buf_span(&plain), out, err) &&
              dcm_deflate_finish(deflate, out, err);
    dcm_deflate_free(deflate);
    buf_free(&plain);
    return ok;
}
