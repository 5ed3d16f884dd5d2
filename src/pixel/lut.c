// SPDX-License-Identifier: MIT
#include "pixel/lut.h"

#include "base/cursor.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <stdlib.h>

enum { ENTRIES_MAX = 65536, SEGMENTS_MAX = 65536 };

void pix_lut_free(PixLut *lut)
{
    free(lut->entries);
    *lut = (PixLut){0};
}

typedef struct Descriptor {
    uint32_t count;
    int64_t first;
    unsigned bits;
} Descriptor;

/* "US or SS": a VR of SS is clear; US is also written where the values are signed. */
static bool read_descriptor(const DcmDataset *ds, DcmTag tag, bool is_signed, Descriptor *out)
{
    const DcmElement *e = dcm_find(ds, tag);
    if (!e || e->value.n < 6)
        return false;
    Cursor c = cur_of(e->value, ds->big_endian);
    uint16_t count = cur_u16(&c), first = cur_u16(&c), bits = cur_u16(&c);
    *out = (Descriptor){.count = count ? count : ENTRIES_MAX,
                        .first = is_signed || e->vr == DCM_VR_SS ? (int16_t)first : first,
                        .bits = bits >= 1 && bits <= 16 ? bits : 16};
    return true;
}

static bool allocate(PixLut *lut, const Descriptor *d)
{
    *lut = (PixLut){.count = d->count, .first = d->first, .highest = (double)((1u << d->bits) - 1)};
    lut->entries = calloc(d->count, sizeof *lut->entries);
    if (!lut->entries)
        abort();
    return true;
}

/* Entries of 8 bits lie two in a word, or one in each (then the data is twice as long). */
static bool read_plain(const DcmDataset *ds, DcmTag tag, const Descriptor *d, PixLut *out)
{
    const DcmElement *e = dcm_find(ds, tag);
    if (!e || e->value.n < d->count)
        return false;
    bool words = e->value.n >= 2 * (size_t)d->count;
    Cursor c = cur_of(e->value, ds->big_endian);
    allocate(out, d);
    for (uint32_t i = 0; i < d->count; i++)
        out->entries[i] = words ? cur_u16(&c) : cur_u8(&c);
    /* some writers say 8 bits and mean 16 */
    uint16_t most = 0;
    for (uint32_t i = 0; i < d->count; i++)
        most = out->entries[i] > most ? out->entries[i] : most;
    if (most > out->highest)
        out->highest = 65535;
    return true;
}

bool pix_lut_read(const DcmDataset *ds, DcmTag descriptor, DcmTag data, bool is_signed, PixLut *out)
{
    Descriptor d;
    *out = (PixLut){0};
    return read_descriptor(ds, descriptor, is_signed, &d) && read_plain(ds, data, &d, out);
}

/* -- segmented palettes -- */

typedef struct Segments {
    Cursor c;
    bool words;
    PixLut *lut;
    uint32_t filled, done;
} Segments;

static uint16_t next(Segments *s)
{
    return s->words ? cur_u16(&s->c) : cur_u8(&s->c);
}

static void put(Segments *s, uint16_t value)
{
    if (s->filled < s->lut->count)
        s->lut->entries[s->filled++] = value;
}

/* From the last entry to `end`, in equal steps. */
static void put_line(Segments *s, uint32_t length, uint16_t end)
{
    int64_t begin = s->filled ? s->lut->entries[s->filled - 1] : end;
    for (uint32_t i = 1; i <= length && s->filled < s->lut->count; i++)
        put(s, (uint16_t)(begin + ((int64_t)end - begin) * (int64_t)i / (int64_t)length));
}

static bool take_segment(Segments *s, bool may_repeat);

/* Goes over `count` segments once more, from a place counted in bytes. */
static bool repeat(Segments *s, uint16_t count)
{
    uint32_t low = next(s), high = next(s);
    uint32_t offset = s->words ? low | high << 16 : low | high << 8;
    Cursor after = s->c;
    if (offset >= s->c.bytes.n)
        return false;
    s->c.at = offset;
    for (uint16_t i = 0; i < count; i++)
        if (!take_segment(s, false))
            return false;
    s->c.at = after.at;
    return true;
}

/* Discrete, linear, or indirect; the last may not lead to another one of its kind (C.7.9.2.1.3). */
static bool take_segment(Segments *s, bool may_repeat)
{
    uint16_t kind = next(s), length = next(s);
    if (s->c.failed || ++s->done > SEGMENTS_MAX)
        return false;
    if (kind == 0)
        for (uint16_t i = 0; i < length && !s->c.failed; i++)
            put(s, next(s));
    else if (kind == 1)
        put_line(s, length, next(s));
    else
        return kind == 2 && may_repeat && repeat(s, length);
    return !s->c.failed;
}

static bool read_segmented(const DcmDataset *ds, DcmTag tag, const Descriptor *d, PixLut *out)
{
    const DcmElement *e = dcm_find(ds, tag);
    if (!e || !e->value.n)
        return false;
    allocate(out, d);
    Segments s = {.c = cur_of(e->value, ds->big_endian), .words = d->bits > 8, .lut = out};
    while (s.filled < d->count && cur_left(&s.c) > 1)
        if (!take_segment(&s, true))
            break;
    if (s.filled == d->count)
        return true;
    pix_lut_free(out);
    return false;
}

/* Some writers say 16 bits and mean 8: the brightest colour of all would hardly be seen. */
static void correct_bits(PixLut colours[3])
{
    uint16_t most = 0;
    for (size_t c = 0; c < 3; c++)
        for (uint32_t i = 0; i < colours[c].count; i++)
            most = colours[c].entries[i] > most ? colours[c].entries[i] : most;
    for (size_t c = 0; most <= UINT8_MAX && c < 3; c++)
        colours[c].highest = UINT8_MAX;
}

bool pix_palette_read(const DcmDataset *ds, bool is_signed, PixLut out[3], Err *err)
{
    static const struct {
        DcmTag descriptor, data, segmented;
    } rows[3] = {
        {DCM_RedPaletteColorLookupTableDescriptor, DCM_RedPaletteColorLookupTableData,
         DCM_SegmentedRedPaletteColorLookupTableData},
        {DCM_GreenPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableData,
         DCM_SegmentedGreenPaletteColorLookupTableData},
        {DCM_BluePaletteColorLookupTableDescriptor, DCM_BluePaletteColorLookupTableData,
         DCM_SegmentedBluePaletteColorLookupTableData},
    };
    for (size_t i = 0; i < 3; i++)
        out[i] = (PixLut){0};
    for (size_t i = 0; i < 3; i++) {
        Descriptor d;
        if (read_descriptor(ds, rows[i].descriptor, is_signed, &d) &&
            (read_plain(ds, rows[i].data, &d, &out[i]) || read_segmented(ds, rows[i].segmented, &d, &out[i])))
            continue;
        for (size_t k = 0; k < 3; k++)
            pix_lut_free(&out[k]);
        return err_set(err, ERR_FORMAT, "the palette of the image is missing or damaged");
    }
    correct_bits(out);
    return true;
}
