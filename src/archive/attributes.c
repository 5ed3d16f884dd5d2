// SPDX-License-Identifier: MIT
/* Most heads fit into one read; behind a large value reading goes on where it ends. */
#include "archive/attributes.h"

#include "archive/archive_internal.h"
#include "archive/object.h"

#include "dicom/uids.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The attributes of an image without much ado fit into the first; what stands behind pixel data is short as a rule. */
enum { FIRST = 8 << 10, BEHIND = 1 << 10, BLOCK = 32 << 10 };

typedef struct Reading {
    DcmHead *head;
    int fd;
    uint64_t at, end;
} Reading;

/* Moves over what may be left out. *passed: there was something. */
static bool pass(Reading *r, bool *passed, Err *err)
{
    uint64_t n = dcm_head_passable(r->head), left = r->end - r->at;
    *passed = n > 0;
    if (n > left)
        n = left; /* the file is shorter than it says; the end tells */
    r->at += n;
    return n == 0 || dcm_head_pass(r->head, n, err);
}

/* Feeds a block of at most `size` bytes. `lasting`: it stays as long as the data set. */
static bool feed_block(Reading *r, uint8_t *block, size_t size, bool lasting, Err *err)
{
    ssize_t got;
    size_t n = r->end - r->at < size ? (size_t)(r->end - r->at) : size;
    do
        got = pread(r->fd, block, n, (off_t)r->at);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got < 0 ? err_errno(err, errno, "cannot read the file")
                       : err_set(err, ERR_IO, "the file has become shorter while it was read");
    r->at += (uint64_t)got;
    Span bytes = span_of(block, (size_t)got);
    return lasting ? dcm_head_feed_lasting(r->head, bytes, err) : dcm_head_feed(r->head, bytes, err);
}

/* Feeds the file from `at` to `end`, leaving out what may be. */
static bool feed_file(DcmHead *head, Arena *arena, int fd, uint64_t at, uint64_t end, Err *err)
{
    Reading r = {head, fd, at, end};
    uint8_t block[BLOCK];
    size_t size = BLOCK;
    bool passed;
    if (at < end && !feed_block(&r, arena_alloc(arena, FIRST), FIRST, true, err))
        return false;
    while (pass(&r, &passed, err) && r.at < r.end) {
        size = passed ? BEHIND : size * 4 < BLOCK ? size * 4 : BLOCK;
        if (!feed_block(&r, block, size, false, err))
            return false;
    }
    return dcm_head_finish(head, err);
}

static bool feed_stored(DcmHead *head, Arena *arena, const IdxFile *file, Err *err)
{
    int fd = arc_object_open(file, err);
    if (fd < 0)
        return false;
    bool ok = feed_file(head, arena, fd, file->data_offset, file->size, err);
    close(fd);
    return ok;
}

static bool feed_converted(DcmHead *head, Archive *archive, const IdxFile *file, const char *syntax, Err *err)
{
    uint8_t block[BLOCK];
    ArcReader *reader = arc_reader_open(archive, file, syntax, err);
    if (!reader)
        return false;
    ssize_t n;
    bool ok = true;
    while (ok && (n = arc_reader_read(reader, block, sizeof block, err)) != 0)
        ok = n > 0 && dcm_head_feed(head, span_of(block, (size_t)n), err);
    arc_reader_close(reader);
    return ok && dcm_head_finish(head, err);
}

static bool read_object(Archive *archive, Arena *arena, const IdxFile *file, const DcmReadOptions *options,
                        ArcAttributes *out, Err *err)
{
    archive_touch(archive);
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(file->transfer_syntax));
    bool as_stored = !syntax || (!syntax->big_endian && !syntax->deflated);
    if (!as_stored)
        syntax = dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian));
    DcmHead *head = dcm_head_new(arena, syntax, options);
    bool ok = as_stored ? feed_stored(head, arena, file, err)
                        : feed_converted(head, archive, file, syntax->uid, err);
    if (ok)
        *out = (ArcAttributes){dcm_head_dataset(head), as_stored ? file->transfer_syntax : syntax->uid};
    dcm_head_free(head);
    return ok;
}

bool arc_attributes(Archive *archive, Arena *arena, const IdxFile *file, uint32_t max_value,
                    uint32_t max_binary, ArcAttributes *out, Err *err)
{
    DcmReadOptions options = {
        .max_value = max_value, .max_binary = max_binary, .resolve_un = true, .tolerate_truncated = true};
    Err why = {0};
    bool ok = read_object(archive, arena, file, &options, out, &why);
    if (!ok && (why.code == ERR_FORMAT || why.code == ERR_LIMIT)) {
        /* Something that says UN is not what the dictionary makes of it. */
        options.resolve_un = false;
        ok = read_object(archive, arena, file, &options, out, &why);
    }
    if (!ok && err)
        *err = why;
    return ok || err_wrap(err, "object %s", file->sop_instance);
}
