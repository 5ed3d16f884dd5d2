// SPDX-License-Identifier: MIT
/* The two checksums of an object, taken as its bytes pass by: SHA-256 of the whole file, XXH3-128 (canonical) of its data set. Only the files of archive/ include this. */
#ifndef GANTRY_ARCHIVE_SUMS_H
#define GANTRY_ARCHIVE_SUMS_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct Sums Sums;

/* `content_from`: where the data set begins. What is not wanted is not computed. */
Sums *sums_new(bool sha256, bool content, uint64_t content_from);
/* The next bytes of the file. */
void sums_take(Sums *sums, Span bytes);
/* Ends it and frees it. Either may be NULL; what was not wanted is zeros. */
void sums_end(Sums *sums, uint8_t sha256[32], uint8_t content[16]);

/* Is it known? Zeros stand for a checksum that a row or a manifest has not. */
bool sum_is_set(const uint8_t *sum, size_t n);

#endif
