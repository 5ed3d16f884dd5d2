// SPDX-License-Identifier: MIT
/*
 * The transfer syntax of pixel data that comes as parts, PS3.18 §8.7.3: what the transfer-syntax parameter of the media type says; else what the metadata says, (0002,0010) or
 * (0008,3002), if it has this media type; else the default of the media type.
 */
#include "base/file.h"
#include "dicom/uids.h"
#include "pixel/jpeg_markers.h"
#include "web/frames.h"
#include "web/store.h"

#include <stdlib.h>
#include <string.h>

enum {
    JPEG_HEAD = 64 << 10,   /* where its frame and first scan begin, as a rule */
    STATUS_SYNTAX = 0xC122, /* referenced transfer syntax not supported */
};

/* "image/jpeg" alone may be any of four processes: the stream says which. */
static const char *jpeg_syntax(const StowParts *bulk, const StowPart *part)
{
    size_t n = part->length < JPEG_HEAD ? (size_t)part->length : JPEG_HEAD;
    uint8_t *head = malloc(n ? n : 1);
    if (!head)
        abort();
    JpegStream *stream = calloc(1, sizeof *stream);
    if (!stream)
        abort();
    const char *uid = DCM_UID_JPEGLosslessSV1; /* the media type's default */
    Err ignored;
    if (file_read_at(bulk->fd, part->offset, head, n, &ignored) &&
        jpeg_open(stream, span_of(head, n), &ignored) && jpeg_next_scan(stream, &ignored)) {
        if (stream->frame.process == JPEG_SEQUENTIAL)
            uid = stream->frame.precision > 8 ? DCM_UID_JPEGExtended12Bit : DCM_UID_JPEGBaseline8Bit;
        else if (stream->frame.process == JPEG_LOSSLESS && stream->spectral_start != 1)
            uid = DCM_UID_JPEGLossless;
    }
    free(stream);
    free(head);
    return uid;
}

static const char *default_syntax(const StowParts *bulk, const StowPart *part)
{
    static const struct {
        const char *media, *uid;
    } rows[] = {
        {"image/jls", DCM_UID_JPEGLSLossless},     {"image/jp2", DCM_UID_JPEG2000Lossless},
        {"image/jpx", DCM_UID_JPEG2000MCLossless}, {"image/jphc", DCM_UID_HTJ2KLossless},
        {"image/dicom-rle", DCM_UID_RLELossless},  {"image/x-dicom-rle", DCM_UID_RLELossless},
        {"video/mpeg", DCM_UID_MPEG2MPML},         {"video/mpeg2", DCM_UID_MPEG2MPML},
        {"video/mp4", DCM_UID_MPEG4HP41},
    };
    if (!strcmp(part->type, "image/jpeg"))
        return jpeg_syntax(bulk, part);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].media, part->type))
            return rows[i].uid;
    return NULL;
}

static bool is_bytes(const StowPart *part)
{
    return !*part->type || !strcmp(part->type, "application/octet-stream");
}

/* Does a frame begin as one of this syntax does? */
static bool begins_as(const DcmTransferSyntax *syntax, const StowPart *part)
{
    const char *media = web_frame_media(syntax->uid);
    const uint8_t *p = part->start;
    if (!media)
        return true;
    if (!strcmp(media, "image/jpeg") || !strcmp(media, "image/jls"))
        return p[0] == 0xFF && p[1] == 0xD8;
    if (!strcmp(media, "image/jp2") || !strcmp(media, "image/jpx") || !strcmp(media, "image/jphc"))
        return p[0] == 0xFF && p[1] == 0x4F;
    if (!strcmp(media, "image/dicom-rle"))
        return p[0] >= 1 && p[0] <= 15 && !p[1] && !p[2] && !p[3];
    return true;
}

/* `said`: by the metadata; "" = nothing. */
static const char *named_syntax(const StowParts *bulk, const StowPart *part, const char *said)
{
    if (*part->syntax)
        return part->syntax;
    if (is_bytes(part))
        return *said ? said : DCM_UID_ExplicitVRLittleEndian;
    const char *media = *said ? web_frame_media(said) : NULL;
    return media && !strcmp(media, part->type) ? said : default_syntax(bulk, part);
}

/* Values are little endian and as they are (PS3.18 §8.7.3.1): a part that says otherwise of itself is not taken for that. */
static bool can_be_stored(const DcmTransferSyntax *syntax, const StowPart *part)
{
    if (syntax && (syntax->big_endian || syntax->deflated))
        return !*part->syntax;
    return syntax && (syntax->native || syntax->encapsulated);
}

const DcmTransferSyntax *stow_choose_syntax(const StowParts *bulk, const StowPart *part, const char *said,
                                            Err *err)
{
    const DcmTransferSyntax *native = dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian));
    const char *uid = named_syntax(bulk, part, said);
    const DcmTransferSyntax *syntax = uid ? dcm_transfer_syntax(span_cstr(uid)) : NULL;
    if (!uid)
        err_set(err, ERR_UNSUPPORTED, "parts of type %.60s are no pixel data", part->type);
    else if (!can_be_stored(syntax, part))
        err_set(err, ERR_UNSUPPORTED, "pixel data in transfer syntax %.64s cannot be stored so", uid);
    else if (syntax->native && !is_bytes(part))
        err_set(err, ERR_UNSUPPORTED, "parts of type %.60s are compressed, but their transfer syntax is not",
                part->type);
    else if (syntax->native)
        return native;
    else if (begins_as(syntax, part))
        return syntax;
    else if (is_bytes(part) && !*part->syntax)
        return native; /* who reads an archive may have got the pixel data decoded */
    else {
        err_set(err, ERR_FORMAT, "the first frame does not begin as one in %s does", syntax->name);
        return NULL;
    }
    err->dimse = STATUS_SYNTAX;
    return NULL;
}
