// SPDX-License-Identifier: MIT
/*
 * PS3.10 §7.1: 128 bytes of preamble, "DICM", group 0002 in explicit VR little endian, the data set. What is really found:
 * no preamble, no meta group, a group without transfer syntax or with a wrong length, implicit VR in it. The group's length
 * is therefore not believed: it ends where the next element is of another group.
 */
#include "dicom/part10.h"
#include "base/cursor.h"
#include "dicom/scan_header.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"

#include <string.h>

enum { PREAMBLE = 128, MAX_META = 16 * 1024 * 1024 };

/* Encodings a data set may begin with when nothing says which. */
static const struct {
    const char *uid;
    bool explicit_vr, big_endian;
} guesses[] = {
    {DCM_UID_ExplicitVRLittleEndian, true, false},
    {DCM_UID_ImplicitVRLittleEndian, false, false},
    {DCM_UID_ExplicitVRBigEndian, true, true},
};

/* The first group of a data set is a low one; everything else would be chance. */
static bool plausible_tag(DcmTag tag)
{
    return (DCM_TAG_GROUP(tag) >= 0x0004 && DCM_TAG_GROUP(tag) <= 0x0020) || DCM_TAG_GROUP(tag) == 0x0002;
}

static const char *guess_syntax(Span first)
{
    if (first.n < DCM_HEADER_MIN)
        return NULL;
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
        DcmHeader h;
        dcm_header_decode(first, false, guesses[i].big_endian, &h);
        if (!plausible_tag(h.tag))
            continue;
        if (guesses[i].explicit_vr ? dcm_header_is_explicit(first, guesses[i].big_endian)
                                   : h.length < 0x10000 && dcm_vr_parse(first.p + 4) == DCM_VR_NONE)
            return guesses[i].uid;
    }
    return NULL;
}

static void keep_text(Span value, char *out, size_t size)
{
    span_copy(span_trim(value), out, size);
}

static void keep(DcmFileMeta *meta, DcmTag tag, Span value)
{
    switch (tag) {
    case DCM_MediaStorageSOPClassUID:
        keep_text(value, meta->sop_class, sizeof meta->sop_class);
        break;
    case DCM_MediaStorageSOPInstanceUID:
        keep_text(value, meta->sop_instance, sizeof meta->sop_instance);
        break;
    case DCM_TransferSyntaxUID:
        keep_text(value, meta->transfer_syntax, sizeof meta->transfer_syntax);
        break;
    case DCM_ImplementationClassUID:
        keep_text(value, meta->implementation_class, sizeof meta->implementation_class);
        break;
    case DCM_ImplementationVersionName:
        keep_text(value, meta->implementation_version, sizeof meta->implementation_version);
        break;
    case DCM_SourceApplicationEntityTitle:
        keep_text(value, meta->source_ae, sizeof meta->source_ae);
        break;
    default:
        break;
    }
}

typedef enum Step { STEP_ELEMENT, STEP_END, STEP_SHORT, STEP_BAD } Step;

/* One element of group 0002. */
static Step meta_element(Cursor *c, bool explicit_vr, DcmFileMeta *meta)
{
    Span first = cur_peek(c, DCM_HEADER_MIN);
    if (!first.n)
        return cur_left(c) == 0 ? STEP_END : STEP_SHORT;
    if (first.p[0] != 0x02 || first.p[1] != 0x00)
        return STEP_END;
    DcmHeader h;
    Span left = span_sub(c->bytes, c->at, DCM_HEADER_MAX);
    cur_skip(c, dcm_header_decode(left, explicit_vr, false, &h));
    if (c->failed)
        return STEP_SHORT;
    if (h.length > MAX_META)
        return STEP_BAD;
    Span value = cur_take(c, h.length);
    if (c->failed)
        return STEP_SHORT;
    keep(meta, h.tag, value);
    return STEP_ELEMENT;
}

static bool too_short(bool is_prefix, bool *need_more, Err *err)
{
    if (is_prefix) {
        *need_more = true;
        return err_set(err, ERR_FORMAT, "DICOM file: more bytes are needed to tell what it is");
    }
    return err_set(err, ERR_FORMAT, "DICOM file: ends inside its header");
}

static bool read_group(Cursor *c, bool is_prefix, DcmFileMeta *meta, bool *need_more, Err *err)
{
    Span first = cur_peek(c, DCM_HEADER_MIN);
    bool explicit_vr = !first.n || dcm_vr_parse(first.p + 4) != DCM_VR_NONE;
    Step step = STEP_ELEMENT;
    while (step == STEP_ELEMENT && c->at < MAX_META)
        step = meta_element(c, explicit_vr, meta);
    if (step == STEP_BAD || step == STEP_ELEMENT)
        return err_set(err, ERR_FORMAT, "DICOM file: an element of its header has an absurd length");
    if (step == STEP_SHORT || (is_prefix && cur_left(c) < DCM_HEADER_MIN))
        return too_short(is_prefix, need_more, err);
    if (!meta->sop_class[0] || !meta->sop_instance[0] || !meta->transfer_syntax[0])
        meta->defects |= DCM_DEFECT_PARTIAL_META;
    return true;
}

/* "DICM" at byte 128 can be part of a value, when a data set begins at byte 0 and none behind it. */
static bool is_chance(Span bytes)
{
    return guess_syntax(bytes) && bytes.n > PREAMBLE + 4 &&
           !guess_syntax(span_sub(bytes, PREAMBLE + 4, bytes.n));
}

/* Where group 0002 or the data set begins; SIZE_MAX when the file is no DICOM. */
static size_t find_start(Span bytes, DcmFileMeta *meta)
{
    if (span_eq(span_sub(bytes, PREAMBLE, 4), SPAN("DICM")) && !is_chance(bytes))
        return PREAMBLE + 4;
    meta->defects |= DCM_DEFECT_NO_PREAMBLE;
    if (span_starts(bytes, SPAN("DICM")))
        return 4;
    return guess_syntax(bytes) ? 0 : SIZE_MAX;
}

static bool settle_syntax(Span data, bool no_meta, DcmFileMeta *meta, Err *err)
{
    if (meta->transfer_syntax[0])
        return true;
    const char *guess = guess_syntax(data);
    if (!guess && no_meta)
        return err_set(err, ERR_FORMAT, "not a DICOM file: its data set begins like none");
    /* Behind a meta group it is a data set, however strange; a wrong guess is corrected by the scanner. */
    span_copy(span_cstr(guess ? guess : DCM_UID_ExplicitVRLittleEndian), meta->transfer_syntax,
              sizeof meta->transfer_syntax);
    return true;
}

bool dcm_file_meta_parse(Span bytes, bool is_prefix, DcmFileMeta *out, bool *need_more, Err *err)
{
    DcmFileMeta meta = {0};
    bool ignored;
    need_more = need_more ? need_more : &ignored;
    *need_more = false;
    if (bytes.n < PREAMBLE + 4 && is_prefix)
        return too_short(true, need_more, err);
    size_t start = find_start(bytes, &meta);
    if (start == SIZE_MAX)
        return err_set(err, ERR_FORMAT,
                       "not a DICOM file (no \"DICM\" at byte 128, and it does not begin like a data set)");
    Cursor c = cur_of(bytes, false);
    cur_skip(&c, start);
    if (is_prefix && cur_left(&c) < DCM_HEADER_MIN)
        return too_short(true, need_more, err);
    Span first = cur_peek(&c, 2);
    bool no_meta = first.n == 0 || first.p[0] != 0x02 || first.p[1] != 0x00;
    if (no_meta)
        meta.defects |= DCM_DEFECT_NO_META;
    else if (!read_group(&c, is_prefix, &meta, need_more, err))
        return false;
    if (!settle_syntax(span_sub(bytes, c.at, bytes.n), no_meta, &meta, err))
        return false;
    meta.data_offset = c.at;
    meta.dicomdir = strcmp(meta.sop_class, DCM_UID_MediaStorageDirectoryStorage) == 0;
    *out = meta;
    return true;
}

static void put_text(DcmDataset *meta, DcmTag tag, const char *text)
{
    if (text && *text)
        dcm_put(meta, tag, DCM_VR_NONE, span_cstr(text));
}

bool dcm_file_meta_write(Buf *out, const char *sop_class, const char *sop_instance,
                         const char *transfer_syntax, const char *source_ae, Err *err)
{
    static const uint8_t zeros[PREAMBLE];
    Arena *arena = arena_new(0);
    DcmDataset *meta = dcm_dataset_new(arena);
    dcm_put(meta, DCM_FileMetaInformationVersion, DCM_VR_OB, span_of("\0\1", 2));
    put_text(meta, DCM_MediaStorageSOPClassUID, sop_class);
    put_text(meta, DCM_MediaStorageSOPInstanceUID, sop_instance);
    put_text(meta, DCM_TransferSyntaxUID, transfer_syntax);
    put_text(meta, DCM_ImplementationClassUID, DCM_IMPLEMENTATION_CLASS_UID);
    put_text(meta, DCM_ImplementationVersionName, DCM_IMPLEMENTATION_VERSION_NAME);
    put_text(meta, DCM_SourceApplicationEntityTitle, source_ae);
    Buf group;
    buf_init(&group, 0);
    bool ok = dcm_write(&group, meta, NULL, err);
    if (ok) {
        buf_append(out, zeros, sizeof zeros);
        buf_append(out, "DICM", 4);
        dcm_write_header(out, DCM_FileMetaInformationGroupLength, DCM_VR_UL, 4, NULL);
        buf_u32le(out, (uint32_t)group.n);
        ok = buf_append_span(out, buf_span(&group)) ||
             err_set(err, ERR_LIMIT, "DICOM file header: larger than %zu bytes", out->limit);
    }
    buf_free(&group);
    arena_free(arena);
    return ok;
}

DcmDataset *dcm_file_parse(Arena *arena, Span bytes, const DcmReadOptions *options, DcmFileMeta *out_meta,
                           Err *err)
{
    DcmFileMeta meta;
    if (!dcm_file_meta_parse(bytes, false, &meta, NULL, err))
        return NULL;
    Span data = span_sub(bytes, (size_t)meta.data_offset, bytes.n);
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(meta.transfer_syntax));
    DcmDataset *ds = dcm_dataset_parse(arena, data, syntax, options, err);
    if (!ds)
        return NULL;
    ds->defects |= meta.defects;
    if (out_meta)
        *out_meta = meta;
    return ds;
}
