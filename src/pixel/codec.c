// SPDX-License-Identifier: MIT
#include "pixel/codec.h"

#include "dicom/uids.h"

#include <string.h>

/* All JPEG goes through one door: the frame header tells the process, which the transfer syntax sometimes gets wrong. */
static const struct {
    const char *uid;
    PixCodec decode;
    PixReducedCodec reduced; /* NULL = there is only the whole frame */
} codecs[] = {
    {DCM_UID_RLELossless, pix_decode_rle, NULL},
    {DCM_UID_JPEGBaseline8Bit, pix_decode_jpeg, pix_decode_jpeg_reduced},
    {DCM_UID_JPEGExtended12Bit, pix_decode_jpeg, pix_decode_jpeg_reduced},
    {DCM_UID_JPEGLossless, pix_decode_jpeg, pix_decode_jpeg_reduced},
    {DCM_UID_JPEGLosslessSV1, pix_decode_jpeg, pix_decode_jpeg_reduced},
    {DCM_UID_JPEGLSLossless, pix_decode_jpegls, NULL},
    {DCM_UID_JPEGLSNearLossless, pix_decode_jpegls, NULL},
    {DCM_UID_JPEG2000Lossless, pix_decode_jpeg2000, pix_decode_jpeg2000_reduced},
    {DCM_UID_JPEG2000, pix_decode_jpeg2000, pix_decode_jpeg2000_reduced},
    {DCM_UID_HTJ2KLossless, pix_decode_jpeg2000, pix_decode_jpeg2000_reduced},
    {DCM_UID_HTJ2KLosslessRPCL, pix_decode_jpeg2000, pix_decode_jpeg2000_reduced},
    {DCM_UID_HTJ2K, pix_decode_jpeg2000, pix_decode_jpeg2000_reduced},
    {DCM_UID_DeflatedImageFrameCompression, pix_decode_deflated, NULL},
    {DCM_UID_EncapsulatedUncompressedExplicitVRLittleEndian, pix_decode_plain, NULL},
};

static PixReducedCodec reduced_for(const DcmTransferSyntax *syntax)
{
    for (size_t i = 0; syntax && i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codecs[i].uid, syntax->uid) == 0)
            return codecs[i].reduced;
    return NULL;
}

PixCodec pix_codec_for(const DcmTransferSyntax *syntax)
{
    for (size_t i = 0; syntax && i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codecs[i].uid, syntax->uid) == 0)
            return codecs[i].decode;
    return NULL;
}

bool pix_can_decode(const DcmTransferSyntax *syntax)
{
    return pix_codec_for(syntax) != NULL;
}

bool pix_decode(const DcmTransferSyntax *syntax, Span frame, PixFormat *format, Buf *out, Err *err)
{
    PixCodec decode = pix_codec_for(syntax);
    if (!decode)
        return err_set(err, ERR_UNSUPPORTED, "frames in %s cannot be decoded",
                       syntax ? syntax->name : "an unknown transfer syntax");
    PixFormat wanted = *format;
    size_t before = out->n;
    if (!decode(frame, &wanted, out, err)) {
        out->n = before;
        return false;
    }
    wanted.planar = 0;
    *format = wanted;
    return true;
}

bool pix_decode_reduced(const DcmTransferSyntax *syntax, Span frame, unsigned halvings, PixFormat *format,
                        Buf *out, Err *err)
{
    PixReducedCodec decode = halvings ? reduced_for(syntax) : NULL;
    PixFormat wanted = *format;
    size_t before = out->n;
    /* A stream that cannot be had smaller may well be had as it is, and says best itself what is wrong with it. */
    if (!decode || !decode(frame, halvings, &wanted, out, NULL)) {
        out->n = before;
        return pix_decode(syntax, frame, format, out, err);
    }
    wanted.planar = 0;
    *format = wanted;
    return true;
}

bool pix_keeps_even(const DcmTransferSyntax *syntax)
{
    return reduced_for(syntax) == pix_decode_jpeg2000_reduced;
}
