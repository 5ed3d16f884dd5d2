// SPDX-License-Identifier: MIT
/* A ZIP archive written as a stream by libarchive: entries stored as they are (images do not get smaller), sizes behind the data, ZIP64 where needed. */
#ifndef GANTRY_WEB_ZIP_H
#define GANTRY_WEB_ZIP_H

#include "base/buf.h"
#include "base/err.h"

typedef struct ZipWriter ZipWriter;

/* What is written is appended to `out`, which must outlive the writer. */
ZipWriter *zip_writer_new(Buf *out, Err *err);
/* The next entry. The name is ours: relative, with '/'. */
bool zip_begin(ZipWriter *zip, const char *name, int64_t modified, Err *err);
bool zip_data(ZipWriter *zip, Span piece, Err *err);
/* The directory at the end. */
bool zip_finish(ZipWriter *zip, Err *err);
void zip_writer_free(ZipWriter *zip); /* NULL is fine */

#endif
