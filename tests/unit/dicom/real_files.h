// SPDX-License-Identifier: MIT
/* Runs a test over every real file of tests/data (GANTRY_TEST_DATA). Include behind cmocka.h. */
#ifndef GANTRY_TEST_REAL_FILES_H
#define GANTRY_TEST_REAL_FILES_H

#include "base/buf.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

/* `readable`: dcmdump reads the file (the manifest's column "dcmdump", the last but one, says ok). */
typedef void (*RealFile)(const char *name, Span bytes, bool readable);

static void manifest_line(const char *folder, Span line, RealFile use)
{
    char path[4096];
    Buf file;
    size_t comma = span_index(line, ',');
    Span name = span_sub(line, 0, comma), rest = line, field, before = {0}, last = {0};
    for (bool more = true; span_split(&rest, ',', &field, &more);) {
        before = last;
        last = field;
    }
    snprintf(path, sizeof path, "%s/%.*s", folder, SPAN_FMT(name));
    buf_init(&file, 64u << 20);
    Err err = {0};
    if (!file_read_all(path, 64u << 20, &file, &err))
        fail_msg("%s", err.text);
    use(path, buf_span(&file), span_eq_cstr(before, "ok"));
    buf_free(&file);
}

/* Returns how many there were. */
static int each_real_file(RealFile use)
{
    const char *folder = getenv("GANTRY_TEST_DATA");
    char path[4096];
    Buf manifest;
    Err err = {0};
    int count = 0;
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/manifest.csv", folder);
    buf_init(&manifest, 16u << 20);
    if (!file_read_all(path, 16u << 20, &manifest, &err))
        fail_msg("%s", err.text);
    Span rest = buf_span(&manifest), line;
    for (bool more = true, title = true; span_split(&rest, '\n', &line, &more); title = false)
        if (!title && line.n > 0) {
            manifest_line(folder, line, use);
            count++;
        }
    buf_free(&manifest);
    return count;
}

#endif
