// SPDX-License-Identifier: MIT
/*
 * Gray values of up to 16 bits go through one table of all stored values, made once for a frame; larger ones are computed one by one.
 */
#include "pixel/render.h"

#include "pixel/lut.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BITS = 16 };

/* -- where attributes are -- */

/* The item of a functional group for the frame: its own, or the shared one. */
static const DcmDataset *group(const DcmDataset *ds, uint32_t number, DcmTag sequence)
{
    const DcmDataset *frame = dcm_item(ds, DCM_PerFrameFunctionalGroupsSequence, number - 1);
    const DcmDataset *found = frame ? dcm_item(frame, sequence, 0) : NULL;
    const DcmDataset *shared = found ? NULL : dcm_item(ds, DCM_SharedFunctionalGroupsSequence, 0);
    return found ? found : shared ? dcm_item(shared, sequence, 0) : NULL;
}

/* The data set that has `tag`: the group, or the object itself. */
static const DcmDataset *holder(const DcmDataset *ds, uint32_t number, DcmTag sequence, DcmTag tag)
{
    const DcmDataset *item = group(ds, number, sequence);
    return item && dcm_find(item, tag) ? item : ds;
}

static double real_or(const DcmDataset *ds, DcmTag tag, double fallback)
{
    double value;
    return dcm_real(ds, tag, 0, &value) && isfinite(value) ? value : fallback;
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
    const DcmDataset *measures = holder(ds, number, DCM_PixelMeasuresSequence, DCM_PixelSpacing);
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

typedef struct Samples {
    const uint8_t *p;
    unsigned allocated, stored, shift;
    bool is_signed;
} Samples;

static Samples samples_of(const DcmDataset *ds, const PixFormat *f, Span frame)
{
    int64_t high = f->bits_stored - 1;
    if (!dcm_int(ds, DCM_HighBit, 0, &high) || high < f->bits_stored - 1 || high >= f->bits_allocated)
        high = f->bits_stored - 1;
    unsigned stored = f->bits_stored ? f->bits_stored : f->bits_allocated;
    if (stored > f->bits_allocated)
        stored = f->bits_allocated;
    return (Samples){.p = frame.p,
                     .allocated = f->bits_allocated,
                     .stored = stored,
                     .shift = f->bits_stored ? (unsigned)(high + 1 - f->bits_stored) : 0,
                     .is_signed = f->is_signed};
}

/* The stored bits of sample i, without their sign. */
static uint32_t raw_sample(const Samples *s, size_t i)
{
    uint32_t bits;
    switch (s->allocated) {
    case 1:
        return s->p[i / 8] >> (i % 8) & 1;
    case 8:
        bits = s->p[i];
        break;
    case 16:
        bits = s->p[2 * i] | (uint32_t)s->p[2 * i + 1] << 8;
        break;
    default:
        bits = s->p[4 * i] | (uint32_t)s->p[4 * i + 1] << 8 | (uint32_t)s->p[4 * i + 2] << 16 |
               (uint32_t)s->p[4 * i + 3] << 24;
        break;
    }
    bits >>= s->shift;
    return s->stored >= 32 ? bits : bits & ((UINT32_C(1) << s->stored) - 1);
}

static int64_t value_of(const Samples *s, uint32_t raw)
{
    if (s->is_signed && s->stored > 1 && raw >> (s->stored - 1) & 1)
        return (int64_t)raw - (INT64_C(1) << s->stored);
    return raw;
}

/* -- gray -- */

typedef struct Gray {
    Samples samples;
    double slope, intercept;
    PixLut modality, voi; /* count 0 = none */
    PixWindow window;
    double low, high; /* of the values, when there is neither window nor VOI LUT */
    bool has_padding;
    int64_t padding_from, padding_to;
    bool inverted;
} Gray;

static double modality_value(const Gray *g, int64_t value)
{
    return g->modality.count ? pix_lut_at(&g->modality, value) : (double)value * g->slope + g->intercept;
}

static double windowed(const PixWindow *w, double x)
{
    switch (w->function) {
    case PIX_SIGMOID:
        return 1 / (1 + exp(-4 * (x - w->center) / w->width));
    case PIX_LINEAR_EXACT:
        return (x - w->center) / w->width + 0.5;
    case PIX_LINEAR:
        break;
    }
    if (w->width <= 1)
        return x > w->center - 0.5;
    return (x - (w->center - 0.5)) / (w->width - 1) + 0.5;
}

static uint8_t gray_of(const Gray *g, uint32_t raw)
{
    double x = modality_value(g, value_of(&g->samples, raw)), y;
    if (g->window.width > 0)
        y = windowed(&g->window, x);
    else if (g->voi.count)
        y = pix_lut_at(&g->voi, llround(x)) / g->voi.highest;
    else
        y = g->high > g->low ? (x - g->low) / (g->high - g->low) : 0;
    y = y > 0 ? y < 1 ? y : 1 : 0;
    return (uint8_t)((g->inverted ? 1 - y : y) * 255 + 0.5);
}

static void read_padding(const DcmDataset *ds, Gray *g)
{
    int64_t value, limit;
    g->has_padding = dcm_int(ds, DCM_PixelPaddingValue, 0, &value);
    if (!g->has_padding)
        return;
    if (!dcm_int(ds, DCM_PixelPaddingRangeLimit, 0, &limit))
        limit = value;
    g->padding_from = value < limit ? value : limit;
    g->padding_to = value < limit ? limit : value;
}

/* The range of what is no padding. */
static void find_range(Gray *g, size_t count)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        int64_t value = value_of(&g->samples, raw_sample(&g->samples, i));
        if (g->has_padding && value >= g->padding_from && value <= g->padding_to)
            continue;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    if (low > high)
        low = high = 0;
    double a = modality_value(g, low), b = modality_value(g, high);
    g->low = fmin(a, b);
    g->high = fmax(a, b);
}

/* The object's own window, or its VOI LUT. */
static void read_voi(const DcmDataset *ds, uint32_t number, Arena *arena, Gray *g)
{
    const DcmDataset *from = holder(ds, number, DCM_FrameVOILUTSequence, DCM_WindowWidth);
    double width = real_or(from, DCM_WindowWidth, 0);
    if (width > 0 && dcm_find(from, DCM_WindowCenter)) {
        g->window = (PixWindow){.center = real_or(from, DCM_WindowCenter, 0), .width = width};
        pix_function_parse(span_cstr(dcm_text(arena, from, DCM_VOILUTFunction, 0)), &g->window.function);
        return;
    }
    const DcmDataset *lut = dcm_item(ds, DCM_VOILUTSequence, 0);
    if (lut)
        pix_lut_read(lut, DCM_LUTDescriptor, DCM_LUTData, true, &g->voi);
}

static void read_gray(const DcmDataset *ds, const PixFormat *f, uint32_t number, const PixWindow *window,
                      Gray *g)
{
    Arena *arena = arena_new(0);
    const DcmDataset *rescale = holder(ds, number, DCM_PixelValueTransformationSequence, DCM_RescaleSlope);
    const DcmDataset *lut = dcm_item(ds, DCM_ModalityLUTSequence, 0);
    g->slope = real_or(rescale, DCM_RescaleSlope, 1);
    g->intercept = real_or(rescale, DCM_RescaleIntercept, 0);
    if (lut)
        pix_lut_read(lut, DCM_LUTDescriptor, DCM_LUTData, f->is_signed, &g->modality);
    read_padding(ds, g);
    if (window && window->width > 0)
        g->window = *window;
    else
        read_voi(ds, number, arena, g);
    bool inverse = span_eq(dcm_text_raw(ds, DCM_PresentationLUTShape, 0), SPAN("INVERSE"));
    g->inverted = strcmp(f->photometric, "MONOCHROME1") == 0 || inverse;
    arena_free(arena);
}

static void map_gray(const Gray *g, size_t count, uint8_t *out)
{
    if (g->samples.stored > TABLE_BITS) {
        for (size_t i = 0; i < count; i++)
            out[i] = gray_of(g, raw_sample(&g->samples, i));
        return;
    }
    uint32_t size = UINT32_C(1) << g->samples.stored;
    uint8_t *table = malloc(size);
    if (!table)
        abort();
    for (uint32_t i = 0; i < size; i++)
        table[i] = gray_of(g, i);
    for (size_t i = 0; i < count; i++)
        out[i] = table[raw_sample(&g->samples, i)];
    free(table);
}

static bool render_gray(const DcmDataset *ds, const PixFormat *f, Span frame, uint32_t number,
                        const PixWindow *window, PixImage *out, Err *err)
{
    Gray g = {.samples = samples_of(ds, f, frame)};
    size_t count = (size_t)f->rows * f->columns;
    if (!pix_image_new(out, f->columns, f->rows, 1, err))
        return false;
    read_gray(ds, f, number, window, &g);
    if (!(g.window.width > 0) && !g.voi.count)
        find_range(&g, count);
    map_gray(&g, count, out->pixels);
    pix_lut_free(&g.modality);
    pix_lut_free(&g.voi);
    return true;
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

static bool render_colour(const DcmDataset *ds, const PixFormat *f, Span frame, PixImage *out, Err *err)
{
    Samples s = samples_of(ds, f, frame);
    size_t count = (size_t)f->rows * f->columns;
    bool ybr = strncmp(f->photometric, "YBR", 3) == 0;
    if (!pix_image_new(out, f->columns, f->rows, 3, err))
        return false;
    /* two samples for each pixel are what is there */
    if (strcmp(f->photometric, "YBR_FULL_422") == 0 && frame.n < 3 * count)
        return render_422(f, frame, out, err);
    double scale = 255 / (pow(2, s.stored) - 1);
    for (size_t i = 0; i < count; i++) {
        uint8_t rgb[3];
        for (size_t c = 0; c < 3; c++)
            rgb[c] = clamp(raw_sample(&s, f->planar ? c * count + i : i * f->samples + c) * scale);
        if (ybr)
            put_ybr(out->pixels + 3 * i, rgb[0], rgb[1], rgb[2]);
        else
            memcpy(out->pixels + 3 * i, rgb, 3);
    }
    return true;
}

static bool render_palette(const DcmDataset *ds, const PixFormat *f, Span frame, PixImage *out, Err *err)
{
    PixLut colours[3];
    Samples s = samples_of(ds, f, frame);
    size_t count = (size_t)f->rows * f->columns;
    if (!pix_palette_read(ds, f->is_signed, colours, err))
        return false;
    bool ok = pix_image_new(out, f->columns, f->rows, 3, err);
    for (size_t i = 0; ok && i < count; i++) {
        int64_t value = value_of(&s, raw_sample(&s, i));
        for (size_t c = 0; c < 3; c++)
            out->pixels[3 * i + c] = clamp(pix_lut_at(&colours[c], value) * 255 / colours[c].highest);
    }
    for (size_t c = 0; c < 3; c++)
        pix_lut_free(&colours[c]);
    return ok;
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
        ok = render_gray(attributes, format, frame, number, window, out, err);
    if (!ok)
        pix_image_free(out);
    return ok;
}
