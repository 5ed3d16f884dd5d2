// SPDX-License-Identifier: MIT
/* Scaling is done in two passes, rows and then columns, with the weights of each computed once. */
#include "pixel/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t samples_max = UINT64_C(1) << 28;

bool pix_image_new(PixImage *out, uint32_t width, uint32_t height, unsigned channels, Err *err)
{
    *out = (PixImage){.width = width, .height = height, .channels = channels};
    if (width == 0 || height == 0 || (uint64_t)width * height > samples_max / channels)
        return err_set(err, ERR_LIMIT, "an image of %u x %u cannot be made", width, height);
    out->pixels = calloc((size_t)width * height, channels);
    return out->pixels || err_set(err, ERR_LIMIT, "no memory for an image of %u x %u", width, height);
}

void pix_image_free(PixImage *image)
{
    free(image->pixels);
    *image = (PixImage){0};
}

/* Of one sample of the result: which samples count, and how much. */
typedef struct Weights {
    uint32_t first, count;
    float *of; /* `count`, their sum is 1 */
} Weights;

/* Where the result is smaller, each of its samples is the mean of those it covers; where it is larger, the two nearest are mixed. */
static Weights *make_weights(double from, double length, uint32_t size, uint32_t limit, bool reversed,
                             float **memory)
{
    double step = length / size;
    uint32_t most = (uint32_t)ceil(step > 1 ? step : 1) + 2;
    Weights *all = calloc(size, sizeof *all);
    *memory = calloc((size_t)size * most, sizeof **memory);
    if (!all || !*memory)
        abort();
    for (uint32_t i = 0; i < size; i++) {
        double middle = from + (i + 0.5) * step, reach = step > 1 ? step / 2 : 1;
        double begin = middle - reach, end = middle + reach, sum = 0;
        int64_t first = (int64_t)floor(begin), last = (int64_t)ceil(end) - 1;
        Weights *w = &all[reversed ? size - 1 - i : i];
        w->of = *memory + (size_t)i * most;
        first = first < 0 ? 0 : first >= limit ? limit - 1 : first;
        last = last < first ? first : last >= limit ? limit - 1 : last;
        w->first = (uint32_t)first;
        for (int64_t k = first; k <= last && w->count < most; k++) {
            double overlap = fmin(end, (double)k + 1) - fmax(begin, (double)k);
            double weight = step > 1 ? overlap : 1 - fabs((double)k + 0.5 - middle);
            w->of[w->count++] = (float)(weight > 0 ? weight : 0);
            sum += weight > 0 ? weight : 0;
        }
        for (uint32_t k = 0; k < w->count; k++)
            w->of[k] = sum > 0 ? (float)(w->of[k] / sum) : k == 0;
    }
    return all;
}

/* One row of the source, narrowed to the columns of the result. */
static void scale_row(const uint8_t *row, unsigned channels, const Weights *columns, uint32_t width,
                      float *out)
{
    for (uint32_t x = 0; x < width; x++) {
        const Weights *w = &columns[x];
        for (unsigned c = 0; c < channels; c++) {
            float sum = 0;
            for (uint32_t k = 0; k < w->count; k++)
                sum += w->of[k] * row[(size_t)(w->first + k) * channels + c];
            out[(size_t)x * channels + c] = sum;
        }
    }
}

bool pix_image_scale(const PixImage *image, const PixRegion *region, uint32_t width, uint32_t height,
                     PixImage *out, Err *err)
{
    PixRegion all = {.width = image->width, .height = image->height};
    region = region ? region : &all;
    if (!pix_image_new(out, width, height, image->channels, err))
        return false;
    float *memory[2];
    Weights *columns =
        make_weights(region->x, region->width, width, image->width, region->mirrored, &memory[0]);
    Weights *rows =
        make_weights(region->y, region->height, height, image->height, region->upside_down, &memory[1]);
    size_t samples = (size_t)width * image->channels, stride = (size_t)image->width * image->channels;
    float *row = calloc(samples, sizeof *row), *sum = calloc(samples, sizeof *sum);
    if (!row || !sum)
        abort();
    uint32_t kept = UINT32_MAX; /* which row of the source is in `row` */
    for (uint32_t y = 0; y < height; y++) {
        memset(sum, 0, samples * sizeof *sum);
        for (uint32_t k = 0; k < rows[y].count; k++) {
            uint32_t from = rows[y].first + k;
            if (from != kept)
                scale_row(image->pixels + from * stride, image->channels, columns, width, row);
            kept = from;
            for (size_t i = 0; i < samples; i++)
                sum[i] += rows[y].of[k] * row[i];
        }
        for (size_t i = 0; i < samples; i++)
            out->pixels[y * samples + i] = (uint8_t)(sum[i] + 0.5f);
    }
    free(row);
    free(sum);
    free(columns);
    free(rows);
    free(memory[0]);
    free(memory[1]);
    return true;
}
