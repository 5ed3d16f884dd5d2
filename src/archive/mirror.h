// SPDX-License-Identifier: MIT
/*
 * The store copied into another folder, one way. A file appears there whole or not at all (written beside, synced, renamed) and keeps its
 * time. What is there with the same size and time is passed over; with the same size and content it only gets the time. A file that is newer
 * there is left as it is and reported. Nothing is deleted. Objects that were indexed in place lie outside of the store and are not copied.
 */
#ifndef GANTRY_ARCHIVE_MIRROR_H
#define GANTRY_ARCHIVE_MIRROR_H

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>

typedef struct ArcMirrored {
    uint64_t seen, copied, same, newer /* in the target; left alone */, failed;
    uint64_t bytes; /* copied */
} ArcMirrored;

typedef struct ArcMirror {
    const char *from, *to; /* `to` is made when absent */
    size_t threads;
    const atomic_bool *stop;
    /* As in indexing.h. `why` is NULL when all is well. */
    void (*step)(void *ctx, const ArcMirrored *so_far, const char *path, const Err *why);
    void *ctx;
} ArcMirror;

/* True when it went to the end and no file failed. ERR_USAGE when one folder lies in the other. */
bool arc_mirror(const ArcMirror *mirror, ArcMirrored *out, Err *err);

#endif
