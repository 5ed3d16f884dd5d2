// SPDX-License-Identifier: MIT
#include "archive/slice.h"

#include "archive/archive_internal.h"
#include "archive/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 64 << 10 };

struct ArcSlice {
    Archive *archive;
    int fd;            /* -1: through `reader` */
    uint64_t at, left; /* in the file; bytes to come */
    ArcReader *reader;
};

/* Drops what comes before. */
static bool skip(ArcReader *reader, uint64_t n, Err *err)
{
    uint8_t block[BLOCK];
    while (n > 0) {
        ssize_t got = arc_reader_read(reader, block, n < sizeof block ? (size_t)n : sizeof block, err);
        if (got <= 0)
            return got == 0 ? err_set(err, ERR_IO, "the object ends early") : false;
        n -= (uint64_t)got;
    }
    return true;
}

ArcSlice *arc_slice_open(Archive *archive, const IdxFile *file, const char *syntax, uint64_t offset,
                         uint64_t length, Err *err)
{
    ArcSlice *slice = calloc(1, sizeof *slice);
    if (!slice)
        abort();
    archive_reader_began(archive);
    *slice = (ArcSlice){.archive = archive, .fd = -1, .at = file->data_offset + offset, .left = length};
    if (strcmp(syntax, file->transfer_syntax) == 0) {
        slice->fd = arc_object_open(file, err);
        if (slice->fd >= 0)
            return slice;
    } else {
        slice->reader = arc_reader_open(archive, file, syntax, err);
        if (slice->reader && skip(slice->reader, offset, err))
            return slice;
    }
    arc_slice_close(slice);
    return NULL;
}

static ssize_t read_stored(ArcSlice *slice, uint8_t *p, size_t n, Err *err)
{
    ssize_t got;
    do
        got = pread(slice->fd, p, n, (off_t)slice->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        err_errno(err, errno, "cannot read the file");
    else
        slice->at += (uint64_t)got;
    return got;
}

ssize_t arc_slice_read(ArcSlice *slice, uint8_t *p, size_t n, Err *err)
{
    if (n > slice->left)
        n = (size_t)slice->left;
    if (n == 0)
        return 0;
    ssize_t got = slice->reader ? arc_reader_read(slice->reader, p, n, err) : read_stored(slice, p, n, err);
    if (got == 0)
        err_set(err, ERR_IO, "the object ends %llu bytes early", (unsigned long long)slice->left);
    if (got <= 0)
        return -1;
    slice->left -= (uint64_t)got;
    return got;
}

void arc_slice_close(ArcSlice *slice)
{
    if (!slice)
        return;
    archive_reader_ended(slice->archive);
    if (slice->fd >= 0)
        close(slice->fd);
    arc_reader_close(slice->reader);
    free(slice);
}

bool arc_slice_append(Archive *archive, const IdxFile *file, const char *syntax, uint64_t offset,
                      uint64_t length, Buf *out, Err *err)
{
    if (length > file->size && strcmp(syntax, file->transfer_syntax) == 0)
        return err_set(err, ERR_FORMAT, "object %s: a value is longer than the file", file->sop_instance);
    uint8_t *room = buf_reserve(out, length);
    if (!room)
        return err_set(err, ERR_LIMIT, "no memory for %llu bytes", (unsigned long long)length);
    ArcSlice *slice = arc_slice_open(archive, file, syntax, offset, length, err);
    if (!slice)
        return false;
    uint64_t done = 0;
    ssize_t got;
    while ((got = arc_slice_read(slice, room + done, (size_t)(length - done), err)) > 0)
        done += (uint64_t)got;
    arc_slice_close(slice);
    if (got < 0)
        return err_wrap(err, "object %s", file->sop_instance);
    out->n += length;
    return true;
}
