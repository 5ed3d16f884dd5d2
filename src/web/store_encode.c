// SPDX-License-Identifier: MIT
/*
 * One object of its metadata and the bulk data that it refers to, as a DICOM file: explicit VR little endian, or the encapsulated syntax (PS3.5 A.4) that the parts of
 * its pixel data are in, a fragment for each frame. Bulk data is never held; what lies between two of its values is encoded as one piece. A sequence with bulk data in
 * it gets an undefined length.
 */
#include "base/file.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"
#include "dicom/write.h"
#include "pixel/pixel.h"
#include "web/store.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 << 10 };

typedef struct Encoder {
    const StowParts *bulk;
    ArcFileIngest *out;
    Buf piece;
    uint8_t *chunk;
    const DcmTransferSyntax *syntax;
    Err *err;
} Encoder;

/* -- references -- */

static int compare_location(const void *key, const void *part)
{
    const Span *uri = key;
    const char *location = ((const StowPart *)part)->location;
    size_t n = strlen(location);
    int order = memcmp(uri->p, location, n < uri->n ? n : uri->n);
    return order ? order : (uri->n > n) - (uri->n < n);
}

/* The parts that `uri` names, in the order in which they came. */
static StowPart *find_parts(const StowParts *bulk, Span uri, size_t *count)
{
    StowPart *found = uri.n && bulk->count
                          ? bsearch(&uri, bulk->parts, bulk->count, sizeof *bulk->parts, compare_location)
                          : NULL;
    *count = 0;
    if (!found)
        return NULL;
    StowPart *first = found, *end = bulk->parts + bulk->count;
    while (first > bulk->parts && compare_location(&uri, first - 1) == 0)
        first--;
    while (found < end && compare_location(&uri, found) == 0)
        found++;
    *count = (size_t)(found - first);
    return first;
}

static uint64_t total_length(const StowPart *parts, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].length;
    return total;
}

static bool is_pixel_data(const DcmDataset *ds, const DcmElement *e)
{
    return e->tag == DCM_PixelData && !ds->parent;
}

/* A value is one part; only the pixel data may be several, its frames. */
static bool check_reference(const StowParts *bulk, const DcmDataset *ds, const DcmElement *e, Err *err)
{
    char tag[12];
    size_t count;
    find_parts(bulk, e->value, &count);
    if (e->vr == DCM_VR_SQ)
        return err_set(err, ERR_FORMAT, "%s is a sequence, which cannot be bulk data",
                       dcm_tag_format(e->tag, tag));
    if (!count)
        return err_set(
            err, ERR_FORMAT,
            "the bulk data of %s is not in the request: no part has the location that its BulkDataURI names",
            dcm_tag_format(e->tag, tag));
    if (count > 1 && !is_pixel_data(ds, e))
        return err_set(err, ERR_FORMAT, "%zu parts have the location of %s", count,
                       dcm_tag_format(e->tag, tag));
    return true;
}

static bool check_references(const StowParts *bulk, const DcmDataset *ds, Err *err)
{
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        if (e->skipped && !check_reference(bulk, ds, e, err))
            return false;
        for (uint32_t k = 0; !e->skipped && k < e->item_count; k++)
            if (!check_references(bulk, e->items[k], err))
                return false;
    }
    return true;
}

void stow_claim(const StowParts *bulk, const DcmDataset *ds)
{
    size_t count;
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        StowPart *parts = e->skipped ? find_parts(bulk, e->value, &count) : NULL;
        for (size_t k = 0; parts && k < count; k++)
            parts[k].used = true;
        for (uint32_t k = 0; k < e->item_count; k++)
            stow_claim(bulk, e->items[k]);
    }
}

/* -- pixel data -- */

static int64_t number_of_frames(const DcmDataset *ds)
{
    int64_t frames;
    return dcm_int(ds, DCM_NumberOfFrames, 0, &frames) && frames > 0 ? frames : 1;
}

static bool check_frames(Encoder *e, const DcmDataset *ds, size_t count)
{
    int64_t frames = number_of_frames(ds);
    if ((e->syntax->video && count == 1) || (uint64_t)frames == count)
        return true;
    return err_set(e->err, ERR_FORMAT,
                   "the pixel data has %lld frames (0028,0008), but there are %zu parts; each compressed "
                   "frame is a part",
                   (long long)frames, count);
}

/* Colours that two pixels share, and formats that are not understood, are left to the reader. */
static bool check_native(Encoder *e, const DcmDataset *ds, uint64_t length)
{
    PixFormat f;
    Err ignored;
    if (!pix_format(ds, &f, &ignored) || !strncmp(f.photometric, "YBR_FULL_422", 12))
        return true;
    uint64_t bits = (uint64_t)f.rows * f.columns * f.samples * f.bits_allocated;
    uint64_t needed = (bits * f.frames + 7) / 8;
    return length >= needed ||
           err_set(e->err, ERR_FORMAT, "the pixel data has %llu bytes, the image needs %llu",
                   (unsigned long long)length, (unsigned long long)needed);
}

static bool prepare_pixel_data(Encoder *e, const DcmDataset *ds, const char *said)
{
    size_t count;
    const DcmElement *pixels = dcm_find(ds, DCM_PixelData);
    if (!pixels || !pixels->skipped)
        return !pixels || check_native(e, ds, pixels->value.n);
    const StowPart *parts = find_parts(e->bulk, pixels->value, &count);
    e->syntax = stow_choose_syntax(e->bulk, &parts[0], said, e->err);
    if (!e->syntax)
        return false;
    return e->syntax->native ? check_native(e, ds, total_length(parts, count)) : check_frames(e, ds, count);
}

/* -- writing -- */

static bool put(Encoder *e, Span bytes)
{
    return arc_file_ingest_write(e->out, bytes, e->err);
}

static bool flush(Encoder *e)
{
    bool ok = put(e, buf_span(&e->piece));
    buf_clear(&e->piece);
    return ok;
}

static bool put_header(Encoder *e, DcmTag tag, DcmVr vr, uint32_t length)
{
    dcm_write_header(&e->piece, tag, vr, length, e->syntax);
    return flush(e);
}

static bool put_part(Encoder *e, const StowPart *part)
{
    for (uint64_t at = 0; at < part->length;) {
        size_t n = part->length - at < CHUNK ? (size_t)(part->length - at) : CHUNK;
        if (!file_read_at(e->bulk->fd, part->offset + at, e->chunk, n, e->err) ||
            !put(e, span_of(e->chunk, n)))
            return false;
        at += n;
    }
    return true;
}

static bool put_padding(Encoder *e, uint64_t length, DcmVr vr)
{
    uint8_t pad = (uint8_t)dcm_vr_info(vr)->pad;
    return length % 2 == 0 || put(e, span_of(&pad, 1));
}

static bool put_parts(Encoder *e, const DcmElement *element, const StowPart *parts, size_t count)
{
    uint64_t length = total_length(parts, count);
    if (length >= UINT32_MAX - 1)
        return err_set(e->err, ERR_LIMIT, "a value of bulk data is longer than 4 GiB");
    if (!put_header(e, element->tag, element->vr, (uint32_t)(length + length % 2)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!put_part(e, &parts[i]))
            return false;
    return put_padding(e, length, element->vr);
}

/* The basic offset table; empty when an offset would not fit. */
static bool put_offsets(Encoder *e, const StowPart *parts, size_t count)
{
    uint64_t end = total_length(parts, count) + count * 9, at = 0;
    bool fits = count > 1 && end <= UINT32_MAX;
    dcm_write_header(&e->piece, DCM_Item, DCM_VR_NONE, fits ? (uint32_t)count * 4 : 0, e->syntax);
    for (size_t i = 0; fits && i < count; i++) {
        buf_u32le(&e->piece, (uint32_t)at);
        at += 8 + parts[i].length + parts[i].length % 2;
    }
    return flush(e);
}

static bool put_frames(Encoder *e, const StowPart *parts, size_t count)
{
    if (!put_header(e, DCM_PixelData, DCM_VR_OB, DCM_UNDEFINED_LENGTH) || !put_offsets(e, parts, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        uint64_t length = parts[i].length + parts[i].length % 2;
        if (length >= UINT32_MAX)
            return err_set(e->err, ERR_LIMIT, "a frame is longer than 4 GiB");
        if (!put_header(e, DCM_Item, DCM_VR_NONE, (uint32_t)length) || !put_part(e, &parts[i]) ||
            !put_padding(e, parts[i].length, DCM_VR_OB))
            return false;
    }
    return put_header(e, DCM_SequenceDelimitationItem, DCM_VR_NONE, 0);
}

static bool put_bulk(Encoder *e, const DcmDataset *ds, const DcmElement *element)
{
    size_t count;
    const StowPart *parts = find_parts(e->bulk, element->value, &count);
    if (is_pixel_data(ds, element) && !e->syntax->native)
        return put_frames(e, parts, count);
    return put_parts(e, element, parts, count);
}

static bool has_bulk(const DcmElement *e)
{
    if (e->skipped)
        return true;
    for (uint32_t i = 0; i < e->item_count; i++)
        for (size_t k = 0; k < e->items[i]->count; k++)
            if (has_bulk(&e->items[i]->elements[k]))
                return true;
    return false;
}

static bool put_set(Encoder *e, const DcmDataset *ds);

static bool put_sequence(Encoder *e, const DcmElement *sequence)
{
    if (!put_header(e, sequence->tag, DCM_VR_SQ, DCM_UNDEFINED_LENGTH))
        return false;
    for (uint32_t i = 0; i < sequence->item_count; i++)
        if (!put_header(e, DCM_Item, DCM_VR_NONE, DCM_UNDEFINED_LENGTH) || !put_set(e, sequence->items[i]) ||
            !put_header(e, DCM_ItemDelimitationItem, DCM_VR_NONE, 0))
            return false;
    return put_header(e, DCM_SequenceDelimitationItem, DCM_VR_NONE, 0);
}

/* Elements without bulk data in them, in one piece. */
static bool put_run(Encoder *e, const DcmDataset *ds, size_t from, size_t to)
{
    DcmDataset run = *ds;
    run.elements += from;
    run.count = to - from;
    return dcm_write(&e->piece, &run, e->syntax, e->err) && flush(e);
}

static bool put_set(Encoder *e, const DcmDataset *ds)
{
    size_t from = 0;
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *element = &ds->elements[i];
        if (!has_bulk(element))
            continue;
        if (!put_run(e, ds, from, i) ||
            !(element->skipped ? put_bulk(e, ds, element) : put_sequence(e, element)))
            return false;
        from = i + 1;
    }
    return put_run(e, ds, from, ds->count);
}

/* -- the object -- */

/* What says how an object is encoded is said anew. */
static void take_encoding(DcmDataset *ds, char said[65])
{
    *said = 0;
    if (!dcm_uid(ds, DCM_TransferSyntaxUID, said))
        dcm_uid(ds, DCM_AvailableTransferSyntaxUID, said);
    dcm_remove(ds, DCM_AvailableTransferSyntaxUID);
    while (ds->count && DCM_TAG_GROUP(ds->elements[0].tag) == 0x0002)
        dcm_remove(ds, ds->elements[0].tag);
}

static bool put_meta(Encoder *e, const DcmDataset *ds)
{
    char sop_class[65] = "", sop_instance[65] = "";
    dcm_uid(ds, DCM_SOPClassUID, sop_class);
    dcm_uid(ds, DCM_SOPInstanceUID, sop_instance);
    return dcm_file_meta_write(&e->piece, sop_class, sop_instance, e->syntax->uid, NULL, e->err) && flush(e);
}

bool stow_encode(const StowParts *bulk, DcmDataset *ds, ArcFileIngest *out, Err *err)
{
    char said[65];
    Encoder e = {.bulk = bulk,
                 .out = out,
                 .syntax = dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)),
                 .err = err};
    take_encoding(ds, said);
    if (!check_references(bulk, ds, err) || !prepare_pixel_data(&e, ds, said))
        return false;
    if (!e.syntax->native) {
        /* these are of the fragments as they were */
        dcm_remove(ds, DCM_ExtendedOffsetTable);
        dcm_remove(ds, DCM_ExtendedOffsetTableLengths);
    }
    e.chunk = malloc(CHUNK);
    if (!e.chunk)
        abort();
    buf_init(&e.piece, 0);
    bool ok = put_meta(&e, ds) && put_set(&e, ds);
    buf_free(&e.piece);
    free(e.chunk);
    return ok;
}
