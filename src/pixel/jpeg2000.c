// SPDX-License-Identifier: MIT
/* JPEG 2000 part 1 and HTJ2K (part 15) code streams, through OpenJPEG. */
#include "pixel/codec.h"

#include <openjpeg.h>
#include <stdio.h>
#include <string.h>

typedef struct Source {
    Span bytes;
    size_t at;
} Source;

static OPJ_SIZE_T read_source(void *to, OPJ_SIZE_T n, void *ctx)
{
    Source *source = ctx;
    Span piece = span_sub(source->bytes, source->at, n);
    if (piece.n == 0)
        return (OPJ_SIZE_T)-1;
    memcpy(to, piece.p, piece.n);
    source->at += piece.n;
    return piece.n;
}

static OPJ_BOOL seek_source(OPJ_OFF_T to, void *ctx)
{
    Source *source = ctx;
    if (to < 0 || (size_t)to > source->bytes.n)
        return OPJ_FALSE;
    source->at = (size_t)to;
    return OPJ_TRUE;
}

static OPJ_OFF_T skip_source(OPJ_OFF_T n, void *ctx)
{
    Source *source = ctx;
    if (n < 0 || (size_t)n > source->bytes.n - source->at)
        return -1;
    source->at += (size_t)n;
    return n;
}

static void keep_message(const char *text, void *ctx)
{
    char *kept = ctx;
    snprintf(kept, 160, "%.*s", (int)strcspn(text, "\n"), text);
}

static void ignore_message(const char *text, void *ctx)
{
    (void)text;
    (void)ctx;
}

/* As small as was asked for, as far as the stream has such resolutions. False when it is not to be had smaller. An image that begins inside of its grid is not: its
   sides are not halved and rounded up, nor are the pixels that are left its even ones. */
static bool reduce(opj_codec_t *codec, const opj_image_t *image, unsigned halvings)
{
    if (image->x0 || image->y0)
        return false;
    opj_codestream_info_v2_t *info = opj_get_cstr_info(codec);
    const opj_tccp_info_t *tile = info ? info->m_default_tile_info.tccp_info : NULL;
    unsigned most = tile && tile->numresolutions ? tile->numresolutions - 1 : 0;
    opj_destroy_cstr_info(&info);
    halvings = halvings < most ? halvings : most;
    return halvings && opj_set_decoded_resolution_factor(codec, halvings);
}

static bool fits(const PixFormat *f, const opj_image_t *image, Err *err)
{
    const opj_image_comp_t *first = image->comps;
    if (image->numcomps == 0)
        return err_set(err, ERR_FORMAT, "a JPEG 2000 frame has no components");
    if (!pix_same_size(f, first->h, first->w, image->numcomps, "JPEG 2000", err))
        return false;
    for (size_t k = 0; k < image->numcomps; k++) {
        const opj_image_comp_t *c = &image->comps[k];
        if (c->w != first->w || c->h != first->h)
            return err_set(err, ERR_UNSUPPORTED, "JPEG 2000 with subsampled components is not supported");
        if (c->prec > f->bits_allocated)
            return err_set(err, ERR_FORMAT, "a JPEG 2000 frame has %u bits, %u are allocated", c->prec,
                           f->bits_allocated);
    }
    return true;
}

/* The components became smaller together, and no larger than they were. */
static bool take_reduced_size(const opj_image_t *image, PixFormat *f, Err *err)
{
    const opj_image_comp_t *first = image->comps;
    bool ok = first->w && first->h && first->w <= f->columns && first->h <= f->rows;
    for (size_t k = 0; ok && k < image->numcomps; k++)
        ok = image->comps[k].w == first->w && image->comps[k].h == first->h;
    if (!ok)
        return err_set(err, ERR_UNSUPPORTED, "the resolutions of a JPEG 2000 frame do not agree");
    f->columns = first->w;
    f->rows = first->h;
    return true;
}

static bool emit(const PixFormat *f, const opj_image_t *image, Buf *out, Err *err)
{
    uint8_t *room = pix_frame_room(f, out, err);
    if (!room)
        return false;
    size_t area = (size_t)f->rows * f->columns;
    for (size_t k = 0; k < f->samples; k++) {
        if (!image->comps[k].data)
            return err_set(err, ERR_FORMAT, "a JPEG 2000 frame has no data for component %zu", k + 1);
        for (size_t i = 0; i < area; i++)
            pix_put_sample(f, room, i * f->samples + k, image->comps[k].data[i]);
    }
    pix_frame_done(f, out);
    return true;
}

static bool decode(opj_codec_t *codec, opj_stream_t *stream, unsigned halvings, PixFormat *f,
                   const char *message, Buf *out, Err *err)
{
    opj_image_t *image = NULL;
    bool ok = opj_read_header(stream, codec, &image) ||
              err_set(err, ERR_FORMAT, "a JPEG 2000 frame has no header: %s", message);
    /* The size is checked before the samples are allocated. */
    ok = ok && fits(f, image, err);
    if (ok && halvings && !reduce(codec, image, halvings))
        ok = err_set(err, ERR_UNSUPPORTED, "a JPEG 2000 frame cannot be had smaller");
    if (ok && !opj_decode(codec, stream, image))
        ok = err_set(err, ERR_FORMAT, "a JPEG 2000 frame cannot be decoded: %s", message);
    ok = ok && (!halvings || take_reduced_size(image, f, err)) && emit(f, image, out, err);
    if (image)
        opj_image_destroy(image);
    return ok;
}

bool pix_decode_jpeg2000_reduced(Span frame, unsigned halvings, PixFormat *f, Buf *out, Err *err)
{
    Source source = {frame, 0};
    char message[160] = "";
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    bool jp2 = span_starts(frame, SPAN("\0\0\0\x0cjP  "));
    opj_codec_t *codec = opj_create_decompress(jp2 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_create(64 * 1024, OPJ_TRUE);
    bool ok = codec && stream && opj_setup_decoder(codec, &parameters);
    if (ok) {
        opj_set_error_handler(codec, keep_message, message);
        opj_set_warning_handler(codec, ignore_message, NULL);
        opj_decoder_set_strict_mode(codec, OPJ_TRUE);
        opj_stream_set_read_function(stream, read_source);
        opj_stream_set_seek_function(stream, seek_source);
        opj_stream_set_skip_function(stream, skip_source);
        opj_stream_set_user_data(stream, &source, NULL);
        opj_stream_set_user_data_length(stream, frame.n);
        ok = decode(codec, stream, halvings, f, message, out, err);
    } else {
        err_set(err, ERR_LIMIT, "no memory for a JPEG 2000 decoder");
    }
    if (stream)
        opj_stream_destroy(stream);
    if (codec)
        opj_destroy_codec(codec);
    /* The component transforms have been undone by the decoder. */
    if (ok && (strcmp(f->photometric, "YBR_RCT") == 0 || strcmp(f->photometric, "YBR_ICT") == 0))
        memcpy(f->photometric, "RGB", sizeof "RGB");
    return ok;
}

bool pix_decode_jpeg2000(Span frame, PixFormat *f, Buf *out, Err *err)
{
    return pix_decode_jpeg2000_reduced(frame, 0, f, out, err);
}
