// SPDX-License-Identifier: MIT
/* Most heads fit into one read; behind a large value reading goes on where it ends. */
#include "archive/attributes.h"

#include "archive/object.h"

#include "dicom/uids.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 16 << 10 };

/* Feeds the file from `at` to `end`, leaving out what may be. */
static bool feed_file(DcmHead *head, int fd, uint64_t at, uint64_t end, Err *err)
{
    uint8_t block[BLOCK];
    while (at < end) {
        uint64_t pass = dcm_head_passable(head);
        if (pass > end - at)
            pass = end - at; /* the file is shorter than it says; the end tells */
        if (pass && !dcm_head_pass(head, pass, err))
            return false;
        at += pass;
        size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;
        if (n == 0)
            break;
        ssize_t got = pread(fd, block, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? err_errno(err, errno, "cannot read the file")
                           : err_set(err, ERR_IO, "the file has become shorter while it was read");
        if (!dcm_head_feed(head, span_of(block, (size_t)got), err))
            return false;
        at += (uint64_t)got;
    }
    return dcm_head_finish(head, err);
}

static bool feed_stored(DcmHead *head, const IdxFile *file, Err *err)
{
    int fd = arc_object_open(file, err);
    if (fd < 0)
        return false;
    bool ok = feed_file(head, fd, file->data_offset, file->size, err);
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

bool arc_attributes(Archive *archive, Arena *arena, const IdxFile *file, uint32_t max_value,
                    ArcAttributes *out, Err *err)
{
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(file->transfer_syntax));
    bool as_stored = !syntax || (!syntax->big_endian && !syntax->deflated);
    if (!as_stored)
        syntax = dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian));
    DcmReadOptions options = {.max_value = max_value, .tolerate_truncated = true};
    DcmHead *head = dcm_head_new(arena, syntax, &options);
    bool ok =
        as_stored ? feed_stored(head, file, err) : feed_converted(head, archive, file, syntax->uid, err);
    if (ok)
        *out = (ArcAttributes){dcm_head_dataset(head), as_stored ? file->transfer_syntax : syntax->uid};
    dcm_head_free(head);
    return ok || err_wrap(err, "object %s", file->sop_instance);
}
