// SPDX-License-Identifier: MIT
#include "archive/file_ingest.h"

#include <stdlib.h>
#include <string.h>

enum { META_MAX = 64 << 10 };

struct ArcFileIngest {
    Archive *archive;
    char *source, *study;
    DcmFileMeta meta;
    Buf head;          /* until the meta information is whole */
    ArcIngest *ingest; /* from then on */
};

static char *copy(const char *text)
{
    char *out = text ? strdup(text) : NULL;
    if (text && !out)
        abort();
    return out;
}

ArcFileIngest *arc_file_ingest_new(Archive *archive, const char *source, const char *study)
{
    ArcFileIngest *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->archive = archive;
    f->source = copy(source);
    f->study = copy(study);
    buf_init(&f->head, 0);
    return f;
}

static bool begin(ArcFileIngest *f, Err *err)
{
    if (f->meta.dicomdir)
        return err_set(err, ERR_UNSUPPORTED, "it is a DICOMDIR, not an object");
    const char *from_file = *f->meta.source_ae ? f->meta.source_ae : NULL;
    ArcIncoming incoming = {.transfer_syntax = f->meta.transfer_syntax,
                            .source_ae = f->source ? f->source : from_file,
                            .study = f->study};
    f->ingest = arc_ingest_begin(f->archive, &incoming, err);
    if (!f->ingest)
        return false;
    size_t offset = (size_t)f->meta.data_offset;
    return arc_ingest_write(f->ingest, span_sub(buf_span(&f->head), offset, f->head.n), err);
}

/* Gathers the file meta information. */
static bool take_head(ArcFileIngest *f, Span piece, bool last, Err *err)
{
    bool more = false;
    if (piece.n)
        buf_append_span(&f->head, piece);
    if (dcm_file_meta_parse(buf_span(&f->head), !last, &f->meta, &more, err)) {
        bool ok = begin(f, err);
        buf_free(&f->head);
        return ok;
    }
    if (!more)
        return false;
    return f->head.n < META_MAX ||
           err_set(err, ERR_FORMAT, "its file meta information is longer than %d bytes", META_MAX);
}

bool arc_file_ingest_write(ArcFileIngest *f, Span piece, Err *err)
{
    if (f->ingest)
        return arc_ingest_write(f->ingest, piece, err);
    return take_head(f, piece, false, err);
}

bool arc_file_ingest_commit(ArcFileIngest *f, ArcStored *out, Err *err)
{
    bool ok = f->ingest || take_head(f, (Span){0}, true, err);
    if (ok && !f->ingest)
        ok = err_set(err, ERR_FORMAT, "it ends in its file meta information");
    if (ok) {
        ok = arc_ingest_commit(f->ingest, out, err);
        f->ingest = NULL;
    }
    arc_file_ingest_abandon(f);
    return ok;
}

void arc_file_ingest_abandon(ArcFileIngest *f)
{
    if (!f)
        return;
    arc_ingest_abandon(f->ingest);
    buf_free(&f->head);
    free(f->source);
    free(f->study);
    free(f);
}

const DcmFileMeta *arc_file_ingest_meta(const ArcFileIngest *f)
{
    return &f->meta;
}
