// SPDX-License-Identifier: MIT
#include "px/head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK = 64 << 10,
    META_MAX = 1 << 20,
    VALUE_MAX = 64 << 10,
    HEAD_MAX = 256 << 20, /* of bytes that are read */
    PIXELS = 0x7FE00001,
};

static bool read_at(int fd, uint64_t at, uint8_t *to, size_t n, size_t *got, Err *err)
{
    *got = 0;
    while (*got < n) {
        ssize_t one = pread(fd, to + *got, n - *got, (off_t)(at + *got));
        if (one < 0 && errno != EINTR)
            return err_errno(err, errno, "cannot read the file");
        if (one == 0)
            break;
        *got += one > 0 ? (size_t)one : 0;
    }
    return true;
}

/* Preamble and meta fit into one block, nearly always. */
static bool read_meta(int fd, DcmFileMeta *meta, Err *err)
{
    bool ok = false, more = true;
    for (size_t size = BLOCK; more && size <= META_MAX; size *= 4) {
        uint8_t *block = malloc(size);
        size_t n;
        if (!block)
            abort();
        more = false;
        err_clear(err);
        ok = read_at(fd, 0, block, size, &n, err) &&
             dcm_file_meta_parse(span_of(block, n), n == size, meta, &more, err);
        free(block);
    }
    if (!ok && more)
        err_set(err, ERR_FORMAT, "this is no DICOM file: its meta information does not end");
    return ok;
}

static bool feed(DcmHead *head, int fd, uint64_t at, uint64_t size, Err *err)
{
    uint8_t block[BLOCK];
    for (uint64_t sum = 0; !dcm_head_complete(head); sum += BLOCK) {
        size_t n;
        uint64_t pass = dcm_head_passable(head), left = at < size ? size - at : 0;
        pass = pass < left ? pass : left; /* the file may be shorter than it says; the end tells */
        if (pass && !dcm_head_pass(head, pass, err))
            return false;
        at += pass;
        if (sum >= HEAD_MAX)
            return err_set(err, ERR_LIMIT, "the attributes before the pixel data are longer than %d MiB",
                           HEAD_MAX >> 20);
        if (!read_at(fd, at, block, sizeof block, &n, err))
            return false;
        if (!n)
            return dcm_head_finish(head, err);
        if (!dcm_head_feed(head, span_of(block, n), err))
            return false;
        at += n;
    }
    return true;
}

static DcmDataset *read_head(Arena *arena, int fd, uint64_t size, DcmFileMeta *meta, Err *err)
{
    if (!read_meta(fd, meta, err))
        return NULL;
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(meta->transfer_syntax));
    DcmReadOptions options = {.stop_before = PIXELS, .max_value = VALUE_MAX};
    DcmHead *head = dcm_head_new(arena, syntax, &options);
    DcmDataset *dataset = feed(head, fd, meta->data_offset, size, err) ? dcm_head_dataset(head) : NULL;
    dcm_head_free(head);
    return dataset;
}

DcmDataset *px_head_read(Arena *arena, const char *path, DcmFileMeta *meta, Err *err)
{
    DcmFileMeta own;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        err_errno(err, errno, "cannot open the file");
        return NULL;
    }
    DcmDataset *dataset = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        err_set(err, ERR_FORMAT, "this is not a file");
    else
        dataset = read_head(arena, fd, (uint64_t)st.st_size, meta ? meta : &own, err);
    close(fd);
    return dataset;
}
