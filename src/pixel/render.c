// SPDX-License-Identifier: MIT
#include "pixel/lut.h"
#include "pixel/render_parts.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- where attributes are -- */

/* The item of a functional group for the frame: its own, or the shared one. */
static const DcmDataset *group(const DcmDataset *ds, uint32_t number, DcmTag sequence)
{
    const DcmDataset *frame = dcm_item(ds, DCM_PerFrameFunctionalGroupsSequence, number - 1);
    const DcmDataset *found = frame ? dcm_item(frame, sequence, 0) : NULL;
    const DcmDataset *shared = found ? NULL : dcm_item(ds, DCM_SharedFunctionalGroupsSequence, 0);
    return found ? found : shared ? dcm_item(shared, sequence, 0) : NULL;
}

const DcmDataset *pix_holder(const DcmDataset *ds, uint32_t number, DcmTag sequence, DcmTag tag)
{
    const DcmDataset *item = group(ds, number, sequence);
    return item && dcm_find(item, tag) ? item : ds;
}

static bool ratio_of(const DcmDataset *ds, DcmTag tag, double *out)
{
    double high, wide;
    if (!dcm_real(ds, tag, 0, &high) || !dcm_real(ds, tag, 1, &wide) || !(high > 0) || !(wide > 0))
        return false;
    *out = high / wide;
    return *out > 0.01 && *out < 100;
}

double pix_aspect(const DcmDataset *ds, uint32_t number)
{
    const DcmDataset *measures = pix_holder(ds, number, DCM_PixelMeasuresSequence, DCM_PixelSpacing);
    double ratio;
    return ratio_of(measures, DCM_PixelSpacing, &ratio) || ratio_of(ds, DCM_PixelAspectRatio, &ratio) ||
                   ratio_of(ds, DCM_ImagerPixelSpacing, &ratio) ||
                   ratio_of(ds, DCM_NominalScannedPixelSpacing, &ratio)
               ? ratio
               : 1;
}

bool pix_function_parse(Span text, PixFunction *out)
{
    static const char *const names[] = {
        [PIX_LINEAR] = "LINEAR", [PIX_LINEAR_EXACT] = "LINEAR_EXACT", [PIX_SIGMOID] = "SIGMOID"};
    char name[16];
    if (!span_copy(span_trim(text), name, sizeof name))
        return false;
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return *out = (PixFunction)i, true;
    return false;
}

/* -- samples -- */

PixSamples pix_samples(const DcmDataset *ds, const PixFormat *f, Span frame)
{
    unsigned stored =
        f->bits_stored && f->bits_stored < f->bits_allocated ? f->bits_stored : f->bits_allocated;
    int64_t high;
    if (!dcm_int(ds, DCM_HighBit, 0, &high) || high < stored - 1 || high >= f->bits_allocated)
        high = stored - 1;
    return (PixSamples){.p = frame.p,
                        .allocated = f->bits_allocated,
                        .stored = stored,
                        .shift = (unsigned)high + 1 - stored,
                        .mask = stored >= 32 ? UINT32_MAX : (UINT32_C(1) << stored) - 1,
                        .sign = f->is_signed && stored > 1 ? UINT32_C(1) << (stored - 1) : 0};
}

/* -- colours -- */

static uint8_t clamp(double v)
{
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)(v + 0.5);
}

/* PS3.3 C.7.6.3.1.2. */
static void put_ybr(uint8_t *rgb, double y, double cb, double cr)
{
    cb -= 128;
    cr -= 128;
    rgb[0] = clamp(y + 1.402 * cr);
    rgb[1] = clamp(y - 0.344136 * cb - 0.714136 * cr);
    rgb[2] = clamp(y + 1.772 * cb);
}

static bool render_422(const PixFormat *f, Span frame, PixImage *out, Err *err)
{
    size_t pairs = (size_t)f->rows * f->columns / 2;
    if (f->bits_allocated != 8 || f->columns % 2 || frame.n < 4 * pairs)
        return err_set(err, ERR_FORMAT, "the frame is no image in YBR_FULL_422");
    for (size_t i = 0; i < pairs; i++) {
        const uint8_t *p = frame.p + 4 * i;
        put_ybr(out->pixels + 6 * i, p[0], p[2], p[3]);
        put_ybr(out->pixels + 6 * i + 3, p[1], p[2], p[3]);
    }
    return true;
}

/* Three samples of each pixel from `first` on, as 8 bits. */
static void gather(const PixSamples *s, const PixFormat *f, size_t first, uint8_t *out)
{
    size_t count = (size_t)f->rows * f->columns;
    size_t step = f->planar ? 1 : f->samples, next = f->planar ? count : 1;
    double scale = 255 / (double)s->mask;
    for (size_t c = 0; c < 3; c++) {
        size_t at = (first + c) * next;
        if (s->allocated == 8 && s->stored == 8)
            for (size_t i = 0; i < count; i++)
                out[3 * i + c] = s->p[at + i * step];
        else
            for (size_t i = 0; i < count; i++)
                out[3 * i + c] = clamp(pix_sample_bits(s, s->allocated, at + i * step) * scale);
    }
}

static bool render_colour(const DcmDataset *ds, const PixFormat *f, Span frame, PixImage *out, Err *err)
{
    PixSamples s = pix_samples(ds, f, frame);
    size_t count = (size_t)f->rows * f->columns;
    bool ybr = strncmp(f->photometric, "YBR", 3) == 0, argb = strcmp(f->photometric, "ARGB") == 0;
    if (f->samples != (argb ? 4 : 3))
        return err_set(err, ERR_UNSUPPORTED, "%u samples a pixel in %s cannot be shown", f->samples,
                       f->photometric);
    if (!pix_image_new(out, f->columns, f->rows, 3, err))
        return false;
    /* two samples for each pixel are what is there */
    if (strcmp(f->photometric, "YBR_FULL_422") == 0 && frame.n < pix_frame_bytes(f))
        return render_422(f, frame, out, err);
    gather(&s, f, argb, out->pixels);
    for (size_t i = 0; ybr && i < count; i++) {
        uint8_t *p = out->pixels + 3 * i;
        put_ybr(p, p[0], p[1], p[2]);
    }
    return true;
}

/* The entries as 8 bits. */
static uint8_t *shades(const PixLut *lut)
{
    uint8_t *out = malloc(lut->count);
    if (!out)
        abort();
    for (uint32_t i = 0; i < lut->count; i++)
        out[i] = clamp(lut->entries[i] * 255 / lut->highest);
    return out;
}

static bool render_palette(const DcmDataset *ds, const PixFormat *f, Span frame, PixImage *out, Err *err)
{
    PixLut colours[3];
    PixSamples s = pix_samples(ds, f, frame);
    size_t count = (size_t)f->rows * f->columns;
    if (!pix_palette_read(ds, f->is_signed, colours, err))
        return false;
    bool ok = pix_image_new(out, f->columns, f->rows, 3, err);
    for (size_t c = 0; c < 3; c++) {
        uint8_t *shade = ok ? shades(&colours[c]) : NULL;
        for (size_t i = 0; ok && i < count; i++) {
            int64_t value = pix_sample_value(&s, pix_sample_bits(&s, s.allocated, i));
            out->pixels[3 * i + c] = shade[pix_lut_index(&colours[c], value)];
        }
        free(shade);
        pix_lut_free(&colours[c]);
    }
    return ok;
}

/* -- smaller -- */

bool pix_may_reduce(const DcmDataset *ds, const PixFormat *f, uint32_t number, const PixWindow *window)
{
    double width;
    if (f->bits_allocated == 1 || strcmp(f->photometric, "PALETTE COLOR") == 0)
        return false;
    if (f->samples > 1)
        return true;
    const DcmDataset *voi = pix_holder(ds, number, DCM_FrameVOILUTSequence, DCM_WindowWidth);
    bool windowed = (window && window->width > 0) || (dcm_real(voi, DCM_WindowWidth, 0, &width) &&
                                                      width > 1 && dcm_find(voi, DCM_WindowCenter));
    return windowed && !dcm_item(ds, DCM_ModalityLUTSequence, 0);
}

/* -- all -- */

static size_t bytes_needed(const PixFormat *f)
{
    if (f->samples == 3 && strcmp(f->photometric, "YBR_FULL_422") == 0)
        return (size_t)f->rows * f->columns * 2 * f->bits_allocated / 8;
    return pix_frame_bytes(f);
}

bool pix_render(const DcmDataset *attributes, const PixFormat *format, Span frame, uint32_t number,
                const PixWindow *window, PixImage *out, Err *err)
{
    *out = (PixImage){0};
    if (frame.n < bytes_needed(format))
        return err_set(err, ERR_FORMAT, "the frame has %zu bytes, its attributes say %zu", frame.n,
                       bytes_needed(format));
    bool ok;
    if (strcmp(format->photometric, "PALETTE COLOR") == 0 && format->samples == 1)
        ok = render_palette(attributes, format, frame, out, err);
    else if (format->samples >= 3)
        ok = render_colour(attributes, format, frame, out, err);
    else
        ok = pix_render_gray(attributes, format, frame, number, window, out, err);
    if (!ok)
        pix_image_free(out);
    return ok;
}
