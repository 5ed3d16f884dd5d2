// SPDX-License-Identifier: MIT
/*
 * Some of an object's bytes, as a stream: a value that arc_attributes has described. As stored they are sought; where the encoding is changed on the
 * way, what comes before them is read and dropped.
 */
#ifndef GANTRY_ARCHIVE_SLICE_H
#define GANTRY_ARCHIVE_SLICE_H

#include "archive/archive.h"

typedef struct ArcSlice ArcSlice;

/* `length` bytes of the data set from `offset` on, in `syntax` (as arc_attributes gave it). */
ArcSlice *arc_slice_open(Archive *archive, const IdxFile *file, const char *syntax, uint64_t offset,
                         uint64_t length, Err *err);
/* Up to n bytes; 0 when all have come; -1 and err, also when the object ends before them. */
ssize_t arc_slice_read(ArcSlice *slice, uint8_t *p, size_t n, Err *err);
void arc_slice_close(ArcSlice *slice); /* NULL is fine */

/* The same, all at once: appended to `out`. */
bool arc_slice_append(Archive *archive, const IdxFile *file, const char *syntax, uint64_t offset,
                      uint64_t length, Buf *out, Err *err);

#endif
