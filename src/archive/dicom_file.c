// SPDX-License-Identifier: MIT
#include "archive/dicom_file.h"

#include "dicom/part10.h"

#include <stdlib.h>
#include <string.h>

struct ArcDicomFile {
    Buf meta; /* made anew; empty when the file is read as it is */
    size_t meta_at;
    ArcReader *reader;
};

ArcDicomFile *arc_dicom_file_open(Archive *archive, const IdxFile *from, const char *transfer_syntax,
                                  Err *err)
{
    ArcDicomFile *file = calloc(1, sizeof *file);
    if (!file)
        abort();
    buf_init(&file->meta, 0);
    transfer_syntax = transfer_syntax ? transfer_syntax : from->transfer_syntax;
    bool is_file = from->data_offset > 0; /* a data set that was indexed in place may have no head */
    IdxFile whole = *from;
    whole.data_offset = 0;
    if (is_file && strcmp(from->transfer_syntax, transfer_syntax) == 0)
        file->reader = arc_reader_open(archive, &whole, transfer_syntax, err);
    else if (dcm_file_meta_write(&file->meta, from->sop_class, from->sop_instance, transfer_syntax,
                                 from->source_ae, err))
        file->reader = arc_reader_open(archive, from, transfer_syntax, err);
    if (file->reader)
        return file;
    arc_dicom_file_close(file);
    return NULL;
}

ssize_t arc_dicom_file_read(ArcDicomFile *file, uint8_t *p, size_t n, Err *err)
{
    if (file->meta_at == file->meta.n)
        return arc_reader_read(file->reader, p, n, err);
    Span piece = span_sub(buf_span(&file->meta), file->meta_at, n);
    memcpy(p, piece.p, piece.n);
    file->meta_at += piece.n;
    return (ssize_t)piece.n;
}

bool arc_dicom_file_place(const ArcDicomFile *file, int *fd, uint64_t *offset, uint64_t *size)
{
    return !file->meta.n && arc_reader_place(file->reader, fd, offset, size);
}

void arc_dicom_file_close(ArcDicomFile *file)
{
    if (!file)
        return;
    arc_reader_close(file->reader);
    buf_free(&file->meta);
    free(file);
}
