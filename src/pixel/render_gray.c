// SPDX-License-Identifier: MIT
/*
 * Stored values of up to 16 bits go through one table of all of them, made once for a frame; larger ones are computed one by one.
 */
#include "pixel/lut.h"
#include "pixel/render_parts.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BITS = 16 };

typedef struct Gray {
    PixSamples samples;
    double slope, intercept;
    PixLut modality, voi; /* count 0 = none */
    PixWindow window;
    double low, high; /* of the values, when there is neither window nor VOI LUT */
    bool has_padding;
    int64_t padding_from, padding_to;
    bool inverted;
} Gray;

/* -- one value -- */

static double modality_value(const Gray *g, int64_t value)
{
    return g->modality.count ? pix_lut_at(&g->modality, value) : (double)value * g->slope + g->intercept;
}

/* PS3.3 C.11.2.1.2, C.11.2.1.3: 0 to 1, and beyond where the window ends. */
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

static uint8_t gray_of(const Gray *g, uint32_t bits)
{
    double x = modality_value(g, pix_sample_value(&g->samples, bits)), y;
    if (g->window.width > 0)
        y = windowed(&g->window, x);
    else if (g->voi.count)
        y = pix_lut_at(&g->voi, (int64_t)fmin(fmax(floor(x + 0.5), -1e9), 1e9)) / g->voi.highest;
    else
        y = g->high > g->low ? (x - g->low) / (g->high - g->low) : 0;
    y = y > 0 ? y < 1 ? y : 1 : 0;
    return (uint8_t)((g->inverted ? 1 - y : y) * 255 + 0.5);
}

/* -- the range of a frame -- */

typedef struct Range {
    int64_t low, high;
} Range;

static inline Range range_of(const Gray *g, unsigned allocated, size_t count, bool with_padding)
{
    Range r = {INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < count; i++) {
        int64_t value = pix_sample_value(&g->samples, pix_sample_bits(&g->samples, allocated, i));
        if (!with_padding && value >= g->padding_from && value <= g->padding_to)
            continue;
        r.low = value < r.low ? value : r.low;
        r.high = value > r.high ? value : r.high;
    }
    return r;
}

static Range range_in(const Gray *g, size_t count, bool with_padding)
{
    switch (g->samples.allocated) {
    case 8:
        return range_of(g, 8, count, with_padding);
    case 16:
        return range_of(g, 16, count, with_padding);
    default:
        return range_of(g, g->samples.allocated, count, with_padding);
    }
}

/* Of what is no padding; of everything, where nothing else tells one value from another. */
static void find_range(Gray *g, size_t count)
{
    Range r = range_in(g, count, !g->has_padding);
    if (g->has_padding && r.low >= r.high)
        r = range_in(g, count, true);
    double a = modality_value(g, r.low), b = modality_value(g, r.high);
    g->low = fmin(a, b);
    g->high = fmax(a, b);
}

/* -- attributes -- */

static double real_or(const DcmDataset *ds, DcmTag tag, double fallback)
{
    double value;
    return dcm_real(ds, tag, 0, &value) && isfinite(value) ? value : fallback;
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

static void read_modality(const DcmDataset *ds, const PixFormat *f, uint32_t number, Gray *g)
{
    const DcmDataset *rescale =
        pix_holder(ds, number, DCM_PixelValueTransformationSequence, DCM_RescaleSlope);
    const DcmDataset *lut = dcm_item(ds, DCM_ModalityLUTSequence, 0);
    g->slope = real_or(rescale, DCM_RescaleSlope, 1);
    if (!(fabs(g->slope) > 0))
        g->slope = 1; /* 0 would make one gray of all */
    g->intercept = real_or(rescale, DCM_RescaleIntercept, 0);
    if (lut)
        pix_lut_read(lut, DCM_LUTDescriptor, DCM_LUTData, f->is_signed, &g->modality);
}

/* The object's own window, or its VOI LUT, whose values are signed where those of the modality can be. */
static void read_voi(const DcmDataset *ds, const PixFormat *f, uint32_t number, Gray *g)
{
    const DcmDataset *from = pix_holder(ds, number, DCM_FrameVOILUTSequence, DCM_WindowWidth);
    double width = real_or(from, DCM_WindowWidth, 0);
    if (width > 0 && dcm_find(from, DCM_WindowCenter)) {
        g->window = (PixWindow){.center = real_or(from, DCM_WindowCenter, 0), .width = width};
        pix_function_parse(dcm_text_raw(from, DCM_VOILUTFunction, 0), &g->window.function);
        return;
    }
    from = pix_holder(ds, number, DCM_FrameVOILUTSequence, DCM_VOILUTSequence);
    const DcmDataset *lut = dcm_item(from, DCM_VOILUTSequence, 0);
    bool is_signed = !g->modality.count && (f->is_signed || g->intercept < 0);
    if (lut)
        pix_lut_read(lut, DCM_LUTDescriptor, DCM_LUTData, is_signed, &g->voi);
}

static void read_gray(const DcmDataset *ds, const PixFormat *f, uint32_t number, const PixWindow *window,
                      Gray *g)
{
    read_modality(ds, f, number, g);
    read_padding(ds, g);
    if (window && window->width > 0)
        g->window = *window;
    else
        read_voi(ds, f, number, g);
    bool inverse = span_eq(dcm_text_raw(ds, DCM_PresentationLUTShape, 0), SPAN("INVERSE"));
    g->inverted = strcmp(f->photometric, "MONOCHROME1") == 0 || inverse;
}

/* -- the frame -- */

static inline void look_up(const PixSamples *s, unsigned allocated, const uint8_t *table, size_t count,
                           uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = table[pix_sample_bits(s, allocated, i)];
}

static void map_gray(const Gray *g, size_t count, uint8_t *out)
{
    const PixSamples *s = &g->samples;
    if (s->stored > TABLE_BITS) {
        for (size_t i = 0; i < count; i++)
            out[i] = gray_of(g, pix_sample_bits(s, s->allocated, i));
        return;
    }
    uint32_t size = UINT32_C(1) << s->stored;
    uint8_t *table = malloc(size);
    if (!table)
        abort();
    for (uint32_t i = 0; i < size; i++)
        table[i] = gray_of(g, i);
    if (s->allocated == 8)
        look_up(s, 8, table, count, out);
    else if (s->allocated == 16)
        look_up(s, 16, table, count, out);
    else
        look_up(s, s->allocated, table, count, out);
    free(table);
}

bool pix_render_gray(const DcmDataset *ds, const PixFormat *f, Span frame, uint32_t number,
                     const PixWindow *window, PixImage *out, Err *err)
{
    Gray g = {.samples = pix_samples(ds, f, frame)};
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
