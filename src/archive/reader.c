// SPDX-License-Identifier: MIT
/*
 * An object's data set as a stream: as stored, or through up to two stages: pixel/ brings a compressed object to explicit VR little endian,
 * dicom/recode.h brings one uncompressed syntax to another. Memory is bounded by one chunk and what one chunk becomes
 * (and one frame, where pixel data is decoded).
 */
#include "archive/archive_internal.h"
#include "archive/object.h"

#include "dicom/recode.h"
#include "dicom/uids.h"
#include "pixel/pixel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 64 << 10,
    DEFLATED_CHUNK = 4 << 10, /* inflates to a thousand times its size at worst */
    OUT_LIMIT = 64 << 20,
};

struct ArcReader {
    Archive *archive; /* NULL: of a file by its path */
    int fd;
    uint64_t start, size, at; /* of the data set in the file; bytes read */
    PixDecoder *decoder;      /* NULL = bytes as stored */
    DcmRecode *recode;        /* NULL = what comes goes out */
    size_t chunk_size;
    uint8_t *chunk;
    Buf out;
    size_t out_at;
    bool ended;
};

static const DcmTransferSyntax *explicit_little(void)
{
    return dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian));
}

bool arc_can_convert(const char *from, const char *to)
{
    if (!to || strcmp(from, to) == 0)
        return true;
    const DcmTransferSyntax *a = dcm_transfer_syntax(span_cstr(from));
    const DcmTransferSyntax *b = dcm_transfer_syntax(span_cstr(to));
    return a && b && b->native && (a->native || pix_can_decode(a));
}

static ssize_t read_at(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    ArcReader *reader = ctx;
    if (offset >= reader->size)
        return 0;
    if (n > reader->size - offset)
        n = (size_t)(reader->size - offset);
    ssize_t done;
    do
        done = pread(reader->fd, p, n, (off_t)(reader->start + offset));
    while (done < 0 && errno == EINTR);
    if (done == 0) {
        err_set(err, ERR_IO, "the file has become shorter while it was read");
        return -1;
    }
    if (done < 0)
        err_errno(err, errno, "cannot read the file");
    return done;
}

/* The input of recoding, or the output itself when nothing is recoded. */
static ssize_t read_stage(ArcReader *reader, void *p, size_t n, Err *err)
{
    if (reader->decoder)
        return pix_decoder_read(reader->decoder, p, n, err);
    ssize_t done = read_at(reader, reader->at, p, n, err);
    if (done > 0)
        reader->at += (uint64_t)done;
    return done;
}

/* Until there is output, or the end. */
static bool recode_more(ArcReader *reader, Err *err)
{
    buf_clear(&reader->out);
    reader->out_at = 0;
    while (reader->out.n == 0 && !reader->ended) {
        ssize_t n = read_stage(reader, reader->chunk, reader->chunk_size, err);
        if (n < 0)
            return false;
        reader->ended = n == 0;
        bool ok = n ? dcm_recode_feed(reader->recode, span_of(reader->chunk, (size_t)n), &reader->out, err)
                    : dcm_recode_finish(reader->recode, &reader->out, err);
        if (!ok)
            return false;
        if (reader->out.failed)
            return err_set(err, ERR_LIMIT, "an object grows beyond all measure when its encoding is changed");
    }
    return true;
}

ssize_t arc_reader_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    ArcReader *reader = ctx;
    if (!reader->recode)
        return read_stage(reader, p, n, err);
    if (reader->out_at == reader->out.n && !recode_more(reader, err))
        return -1;
    Span rest = span_sub(buf_span(&reader->out), reader->out_at, n);
    if (rest.n)
        memcpy(p, rest.p, rest.n);
    reader->out_at += rest.n;
    return (ssize_t)rest.n;
}

bool arc_reader_place(const ArcReader *reader, int *fd, uint64_t *offset, uint64_t *size)
{
    if (reader->decoder || reader->recode)
        return false;
    *fd = reader->fd;
    *offset = reader->start;
    *size = reader->size;
    return true;
}

/* Sets up the stages between `from` and `to`. */
static bool prepare(ArcReader *reader, const char *from, const char *to, Err *err)
{
    if (!to || strcmp(from, to) == 0)
        return true;
    if (!arc_can_convert(from, to))
        return err_set(err, ERR_UNSUPPORTED, "an object stored in transfer syntax %s cannot be had in %s",
                       from, to);
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(from));
    const DcmTransferSyntax *wanted = dcm_transfer_syntax(span_cstr(to));
    if (!syntax->native) {
        reader->decoder = pix_decoder_new(syntax, read_at, reader, reader->size, err);
        if (!reader->decoder)
            return false;
        syntax = explicit_little();
    }
    if (strcmp(syntax->uid, wanted->uid) == 0)
        return true;
    reader->recode = dcm_recode_new(syntax, wanted, err);
    reader->chunk_size = syntax->deflated ? DEFLATED_CHUNK : CHUNK;
    reader->chunk = malloc(reader->chunk_size);
    if (!reader->chunk)
        abort();
    return reader->recode != NULL;
}

/* Takes the descriptor over. */
static ArcReader *reader_new(int fd, uint64_t data_offset, const char *from, const char *to, Err *err)
{
    ArcReader *reader = calloc(1, sizeof *reader);
    struct stat st;
    if (!reader)
        abort();
    buf_init(&reader->out, OUT_LIMIT);
    reader->fd = fd;
    bool ok = fstat(fd, &st) == 0 || err_errno(err, errno, "cannot read the file");
    if (ok && (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < data_offset))
        ok = err_set(err, ERR_IO, "the file ends before its data set");
    if (ok) {
        reader->start = data_offset;
        reader->size = (uint64_t)st.st_size - data_offset;
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        ok = prepare(reader, from, to, err);
    }
    if (ok)
        return reader;
    arc_reader_close(reader);
    return NULL;
}

ArcReader *arc_reader_open(Archive *archive, const IdxFile *file, const char *transfer_syntax, Err *err)
{
    int fd = arc_object_open(file, err);
    if (fd < 0)
        return NULL;
    ArcReader *reader = reader_new(fd, file->data_offset, file->transfer_syntax, transfer_syntax, err);
    if (!reader) {
        err_wrap(err, "object %s", file->sop_instance);
        return NULL;
    }
    reader->archive = archive;
    archive_reader_began(archive);
    return reader;
}

ArcReader *arc_reader_open_path(const char *path, uint64_t data_offset, const char *stored_syntax,
                                const char *transfer_syntax, Err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_errno(err, errno, "%s: cannot open the file", path);
        return NULL;
    }
    ArcReader *reader = reader_new(fd, data_offset, stored_syntax, transfer_syntax, err);
    if (!reader)
        err_wrap(err, "%s", path);
    return reader;
}

void arc_reader_close(ArcReader *reader)
{
    if (!reader)
        return;
    if (reader->archive)
        archive_reader_ended(reader->archive);
    pix_decoder_free(reader->decoder);
    dcm_recode_free(reader->recode);
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->chunk);
    buf_free(&reader->out);
    free(reader);
}
