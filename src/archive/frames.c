// SPDX-License-Identifier: MIT
/*
 * What is remembered of an object is where its pixel data is and how its fragments are divided; bytes are read anew each time, from the page cache as a
 * rule. The content digest is part of the key, so that an object that was replaced is looked at again. A lock guards the table only, never a read.
 */
#include "archive/frames.h"

#include "archive/attributes.h"
#include "archive/object.h"
#include "archive/slice.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_MAX = 64 << 10, BYTES_MAX = 1 << 10, TABLE_MAX = 64 << 20 };

struct ArcFrames {
    Arena *arena;
    Archive *archive;
    IdxFile file;
    const char *reading; /* encoding in which the object is read: stored, or explicit VR little endian */
    const DcmTransferSyntax *syntax; /* of the frames */
    PixFormat format;
    uint64_t offset, length; /* of the pixel data's value */
    bool encapsulated;
    PixFragments fragments;
    uint32_t *first; /* encapsulated: the fragment that begins frame i; format.frames + 1 entries */
    unsigned users;  /* guarded by the cache's lock; the cache itself is one */
    uint64_t used;   /* when last, in turns of the cache */
};

struct ArcFrameCache {
    Archive *archive;
    pthread_mutex_t lock;
    size_t capacity, count;
    ArcFrames **entries;
    uint64_t turn;
};

/* -- bytes of the object, for pix_fragments_find -- */

typedef struct Source {
    int fd;
    uint64_t start, size; /* of the data set in the file */
} Source;

static bool source_open(Source *s, const IdxFile *file, Err *err)
{
    *s = (Source){
        .fd = arc_object_open(file, err), .start = file->data_offset, .size = file->size - file->data_offset};
    return s->fd >= 0;
}

static ssize_t source_read(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    Source *s = ctx;
    if (offset >= s->size)
        return 0;
    if (n > s->size - offset)
        n = (size_t)(s->size - offset);
    ssize_t got;
    do
        got = pread(s->fd, p, n, (off_t)(s->start + offset));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        err_errno(err, errno, "cannot read the file");
    else if (got == 0)
        err_set(err, ERR_IO, "the file has become shorter while it was read");
    return got > 0 ? got : -1;
}

static bool append_bytes(const ArcFrames *f, uint64_t offset, uint64_t length, Buf *out, Err *err)
{
    return arc_slice_append(f->archive, &f->file, f->reading, offset, length, out, err);
}

/* -- finding the frames -- */

/* Bits of a native frame: in YBR_FULL_422 two pixels share their colours (PS3.3 C.7.6.3.1.2). */
static uint64_t native_bits(const PixFormat *f)
{
    unsigned samples = strcmp(f->photometric, "YBR_FULL_422") == 0 && f->samples == 3 ? 2 : f->samples;
    return (uint64_t)f->rows * f->columns * samples * f->bits_allocated;
}

static bool read_extended_table(const ArcFrames *f, const DcmDataset *ds, Buf *out, Err *err)
{
    const DcmElement *e = dcm_find(ds, DCM_ExtendedOffsetTable);
    buf_init(out, TABLE_MAX);
    if (!e)
        return true;
    return e->skipped ? append_bytes(f, e->offset, e->length, out, err) : buf_append_span(out, e->value);
}

static bool find_fragments(ArcFrames *f, const DcmDataset *ds, Err *err)
{
    Source source;
    Buf table;
    if (!read_extended_table(f, ds, &table, err) || !source_open(&source, &f->file, err)) {
        buf_free(&table);
        return false;
    }
    bool ok = pix_fragments_find(&f->fragments, source_read, &source, f->offset, source.size,
                                 f->format.frames, buf_span(&table), err);
    close(source.fd);
    buf_free(&table);
    f->first = ok ? arena_try_array(f->arena, (size_t)f->format.frames + 1, sizeof *f->first) : NULL;
    if (!f->first)
        return ok ? err_set(err, ERR_LIMIT, "no memory for %u frames", f->format.frames) : false;
    uint32_t frame = 0;
    for (size_t i = 0; i < f->fragments.count; i++)
        if (f->fragments.list[i].starts_frame && frame < f->format.frames)
            f->first[frame++] = (uint32_t)i;
    for (; frame <= f->format.frames; frame++)
        f->first[frame] = (uint32_t)f->fragments.count;
    return true;
}

static bool find_frames(ArcFrames *f, Err *err)
{
    ArcAttributes a;
    Arena *arena = arena_new(0);
    bool ok = arc_attributes(f->archive, arena, &f->file, KEPT_MAX, BYTES_MAX, &a, err);
    const DcmElement *pixels = ok ? dcm_find(a.attributes, DCM_PixelData) : NULL;
    if (ok && !pixels)
        ok = err_set(err, ERR_NOT_FOUND, "it has no pixel data");
    ok = ok && pix_format(a.attributes, &f->format, err);
    if (ok) {
        f->reading = strcmp(a.syntax, f->file.transfer_syntax) == 0 ? f->file.transfer_syntax : a.syntax;
        f->offset = pixels->offset;
        f->length = pixels->length;
        f->encapsulated = pixels->length == DCM_UNDEFINED_LENGTH;
        f->syntax = dcm_transfer_syntax(f->encapsulated ? span_cstr(f->file.transfer_syntax)
                                                        : SPAN(DCM_UID_ExplicitVRLittleEndian));
        if (f->encapsulated && f->syntax && f->syntax->video)
            f->format.frames = 1;
        if (f->encapsulated)
            ok = find_fragments(f, a.attributes, err);
    }
    arena_free(arena);
    return ok || err_wrap(err, "object %s", f->file.sop_instance);
}

static void frames_free(ArcFrames *f)
{
    pix_fragments_free(&f->fragments);
    arena_free(f->arena);
    free(f);
}

static ArcFrames *frames_new(Archive *archive, const IdxFile *file, Err *err)
{
    ArcFrames *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->arena = arena_new(0);
    f->archive = archive;
    f->file = *file;
    f->file.path = arena_strdup(f->arena, file->path);
    f->file.sop_instance = arena_strdup(f->arena, file->sop_instance);
    f->file.transfer_syntax = arena_strdup(f->arena, file->transfer_syntax);
    f->file.sop_class = f->file.series = f->file.study = f->file.patient_id = f->file.storage_method =
        f->file.source_ae = NULL;
    if (find_frames(f, err))
        return f;
    frames_free(f);
    return NULL;
}

/* -- the cache -- */

ArcFrameCache *arc_frame_cache_new(Archive *archive, size_t entries)
{
    ArcFrameCache *cache = calloc(1, sizeof *cache);
    if (!cache || !(cache->entries = calloc(entries, sizeof *cache->entries)))
        abort();
    cache->archive = archive;
    cache->capacity = entries;
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void arc_frame_cache_free(ArcFrameCache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->count; i++)
        frames_free(cache->entries[i]);
    pthread_mutex_destroy(&cache->lock);
    free(cache->entries);
    free(cache);
}

static ArcFrames *look_up(ArcFrameCache *cache, const IdxFile *file)
{
    ArcFrames *found = NULL;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; !found && i < cache->count; i++) {
        ArcFrames *f = cache->entries[i];
        if (memcmp(f->file.content, file->content, sizeof file->content) == 0 &&
            strcmp(f->file.sop_instance, file->sop_instance) == 0 && strcmp(f->file.path, file->path) == 0)
            found = f;
    }
    if (found) {
        found->users++;
        found->used = ++cache->turn;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void arc_frames_release(ArcFrameCache *cache, ArcFrames *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&cache->lock);
    bool last = --f->users == 0;
    pthread_mutex_unlock(&cache->lock);
    if (last)
        frames_free(f);
}

/* In the place of the one that was not used for longest. */
static void remember(ArcFrameCache *cache, ArcFrames *f)
{
    ArcFrames *out = NULL;
    pthread_mutex_lock(&cache->lock);
    size_t oldest = 0;
    for (size_t i = 1; i < cache->count; i++)
        if (cache->entries[i]->used < cache->entries[oldest]->used)
            oldest = i;
    if (cache->count < cache->capacity)
        oldest = cache->count++;
    else
        out = cache->entries[oldest];
    cache->entries[oldest] = f;
    f->users++;
    f->used = ++cache->turn;
    pthread_mutex_unlock(&cache->lock);
    arc_frames_release(cache, out);
}

ArcFrames *arc_frames_get(ArcFrameCache *cache, const IdxFile *file, Err *err)
{
    ArcFrames *f = look_up(cache, file);
    if (f)
        return f;
    f = frames_new(cache->archive, file, err);
    if (!f)
        return NULL;
    f->users = 1;
    remember(cache, f);
    return f;
}

/* -- frames -- */

const PixFormat *arc_frames_format(const ArcFrames *f)
{
    return &f->format;
}

const char *arc_frames_syntax(const ArcFrames *f)
{
    return f->encapsulated ? f->file.transfer_syntax : DCM_UID_ExplicitVRLittleEndian;
}

bool arc_frames_are_video(const ArcFrames *f)
{
    return f->encapsulated && f->syntax && f->syntax->video;
}

const PixFragment *arc_frames_fragments(const ArcFrames *f, size_t *count)
{
    *count = f->fragments.count;
    return f->fragments.list;
}

bool arc_frames_decodable(const ArcFrames *f)
{
    return !f->encapsulated || pix_can_decode(f->syntax);
}

/* Frames of single bits follow each other without padding (PS3.5 §8.1.1): their bits are shifted to begin with a byte. */
static bool read_bits(const ArcFrames *f, uint64_t from, uint64_t bits, Buf *out, Err *err)
{
    uint64_t first = from / 8, last = (from + bits - 1) / 8;
    unsigned shift = from % 8;
    size_t begin = out->n, whole = (size_t)((bits + 7) / 8);
    if (!append_bytes(f, f->offset + first, last - first + 1, out, err))
        return false;
    uint8_t *p = out->p + begin;
    size_t n = out->n - begin;
    for (size_t i = 0; shift && i < n; i++)
        p[i] = (uint8_t)(p[i] >> shift | (i + 1 < n ? p[i + 1] << (8 - shift) : 0));
    if (bits % 8)
        p[whole - 1] &= (uint8_t)((1u << bits % 8) - 1);
    out->n = begin + whole;
    return true;
}

static bool read_native(const ArcFrames *f, uint32_t number, Buf *out, Err *err)
{
    uint64_t bits = native_bits(&f->format), from = bits * (number - 1);
    if (bits == 0 || (from + bits + 7) / 8 > f->length)
        return err_set(err, ERR_FORMAT, "object %s: its pixel data ends before frame %u",
                       f->file.sop_instance, number);
    if (bits % 8)
        return read_bits(f, from, bits, out, err);
    return append_bytes(f, f->offset + from / 8, bits / 8, out, err);
}

static bool read_encapsulated(const ArcFrames *f, uint32_t number, Buf *out, Err *err)
{
    uint32_t first = f->first[number - 1], end = f->first[number];
    bool ok = first < end || err_set(err, ERR_FORMAT, "object %s: its pixel data ends before frame %u",
                                     f->file.sop_instance, number);
    for (uint32_t i = first; ok && i < end; i++)
        ok = append_bytes(f, f->fragments.list[i].offset, f->fragments.list[i].length, out, err);
    return ok;
}

bool arc_frame_place(const ArcFrames *f, uint32_t number, uint64_t *offset, uint64_t *length)
{
    if (number == 0 || number > f->format.frames || strcmp(f->reading, f->file.transfer_syntax) != 0)
        return false;
    if (f->encapsulated) {
        uint32_t first = f->first[number - 1];
        if (f->first[number] - first != 1)
            return false;
        *offset = f->file.data_offset + f->fragments.list[first].offset;
        *length = f->fragments.list[first].length;
        return true;
    }
    uint64_t bits = native_bits(&f->format), from = bits * (number - 1);
    if (bits == 0 || bits % 8 || (from + bits) / 8 > f->length)
        return false;
    *offset = f->file.data_offset + f->offset + from / 8;
    *length = bits / 8;
    return true;
}

bool arc_frame_read(const ArcFrames *f, uint32_t number, Buf *out, Err *err)
{
    if (number == 0 || number > f->format.frames)
        return err_set(err, ERR_NOT_FOUND, "object %s has frames 1 to %u, not %u", f->file.sop_instance,
                       f->format.frames, number);
    return f->encapsulated ? read_encapsulated(f, number, out, err) : read_native(f, number, out, err);
}

bool arc_frame_decode_reduced(const ArcFrames *f, uint32_t number, unsigned halvings, Buf *out,
                              PixFormat *format, Err *err)
{
    PixFormat decoded = f->format;
    bool ok;
    if (!f->encapsulated) {
        ok = arc_frame_read(f, number, out, err);
    } else {
        Buf stored;
        buf_init(&stored, 0);
        decoded.frames = 1;
        ok = arc_frame_read(f, number, &stored, err) &&
             pix_decode_reduced(f->syntax, buf_span(&stored), halvings, &decoded, out, err);
        buf_free(&stored);
        decoded.planar = 0;
    }
    if (ok && format)
        *format = decoded;
    return ok || err_wrap(err, "frame %u", number);
}

bool arc_frame_decode(const ArcFrames *f, uint32_t number, Buf *out, PixFormat *format, Err *err)
{
    return arc_frame_decode_reduced(f, number, 0, out, format, err);
}
