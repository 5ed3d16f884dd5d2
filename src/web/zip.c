// SPDX-License-Identifier: MIT
#include "web/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

struct ZipWriter {
    struct archive *archive;
    struct archive_entry *entry;
    Buf *out;
};

static la_ssize_t take(struct archive *archive, void *ctx, const void *p, size_t n)
{
    (void)archive;
    return buf_append(ctx, p, n) ? (la_ssize_t)n : -1;
}

static bool failed(const ZipWriter *zip, Err *err)
{
    const char *why = archive_error_string(zip->archive);
    return err_set(err, ERR_INTERNAL, "the ZIP archive cannot be written: %s", why ? why : "out of memory");
}

ZipWriter *zip_writer_new(Buf *out, Err *err)
{
    ZipWriter *zip = calloc(1, sizeof *zip);
    if (!zip)
        abort();
    zip->out = out;
    zip->archive = archive_write_new();
    zip->entry = archive_entry_new();
    if (!zip->archive || !zip->entry)
        abort();
    archive_write_set_bytes_per_block(zip->archive, 0);
    if (archive_write_set_format_zip(zip->archive) == ARCHIVE_OK &&
        archive_write_zip_set_compression_store(zip->archive) == ARCHIVE_OK &&
        archive_write_open(zip->archive, out, NULL, take, NULL) == ARCHIVE_OK)
        return zip;
    failed(zip, err);
    zip_writer_free(zip);
    return NULL;
}

bool zip_begin(ZipWriter *zip, const char *name, int64_t modified, Err *err)
{
    archive_entry_clear(zip->entry);
    archive_entry_set_pathname(zip->entry, name);
    archive_entry_set_filetype(zip->entry, AE_IFREG);
    archive_entry_set_perm(zip->entry, 0644);
    archive_entry_set_mtime(zip->entry, modified, 0);
    return archive_write_header(zip->archive, zip->entry) == ARCHIVE_OK || failed(zip, err);
}

bool zip_data(ZipWriter *zip, Span piece, Err *err)
{
    return archive_write_data(zip->archive, piece.p, piece.n) == (la_ssize_t)piece.n || failed(zip, err);
}

bool zip_finish(ZipWriter *zip, Err *err)
{
    return archive_write_close(zip->archive) == ARCHIVE_OK || failed(zip, err);
}

void zip_writer_free(ZipWriter *zip)
{
    if (!zip)
        return;
    archive_entry_free(zip->entry);
    archive_write_free(zip->archive);
    free(zip);
}
