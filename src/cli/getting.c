// SPDX-License-Identifier: MIT
/*
 * A file gets its final name, <SOP Instance UID>.dcm, when it is complete; until then it is .<SOP Instance UID>.part. The UID is checked
 * before it becomes part of a name.
 */
#include "cli/getting.h"

#include "base/file.h"
#include "base/log.h"
#include "dicom/part10.h"
#include "dicom/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Incoming {
    ArcIngest *ingest;
    int fd;
    char part[80], name[80];
} Incoming;

/* UIDs of the field hold more than digits and dots; what makes a safe file name is taken. */
static bool is_safe_name(const char *uid)
{
    static const char safe[] = "0123456789.-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t n = strlen(uid);
    return n > 0 && n <= DCM_UID_MAX && uid[0] != '.' && uid[0] != '-' && strspn(uid, safe) == n;
}

static bool begin_file(Getting *getting, Incoming *in, const char *sop_class, const char *sop_instance,
                       const char *transfer_syntax, Err *err)
{
    if (!is_safe_name(sop_instance)) {
        err_set(err, ERR_FORMAT, "the SOP Instance UID has characters that no file name should have");
        err->dimse = DCM_STATUS_CANNOT_UNDERSTAND;
        return false;
    }
    snprintf(in->name, sizeof in->name, "%s.dcm", sop_instance);
    snprintf(in->part, sizeof in->part, ".%s.part", sop_instance);
    Buf meta;
    buf_init(&meta, 0);
    bool ok = dcm_file_meta_write(&meta, sop_class, sop_instance, transfer_syntax, getting->source_ae, err);
    in->fd = ok ? file_open_beneath(getting->folder, in->part, O_WRONLY | O_CREAT | O_TRUNC, err) : -1;
    ok = in->fd >= 0 && file_write_all(in->fd, meta.p, meta.n, err);
    buf_free(&meta);
    return ok;
}

static void drop_file(const Getting *getting, Incoming *in)
{
    if (in->fd < 0)
        return;
    close(in->fd);
    unlinkat(getting->folder, in->part, 0);
}

static bool end_file(const Getting *getting, Incoming *in, Err *err)
{
    bool ok = file_sync(in->fd, in->part, err);
    if (ok && renameat(getting->folder, in->part, getting->folder, in->name) != 0)
        ok = err_errno(err, errno, "cannot name the file %s", in->name);
    if (!ok)
        unlinkat(getting->folder, in->part, 0);
    close(in->fd);
    return ok;
}

static void refuse(Getting *getting, const Err *err)
{
    getting->refused++;
    log_error("pacs.transaction_dicom", "get: an object was refused: %s", err->text);
}

static void *begin(void *ctx, const char *sop_class, const char *sop_instance, const char *transfer_syntax,
                   Err *err)
{
    Getting *getting = ctx;
    Incoming *in = calloc(1, sizeof *in);
    if (!in)
        abort();
    in->fd = -1;
    bool ok;
    if (getting->archive) {
        in->ingest = arc_ingest_begin(getting->archive,
                                      &(ArcIncoming){.transfer_syntax = transfer_syntax,
                                                     .sop_class = sop_class,
                                                     .sop_instance = sop_instance,
                                                     .source_ae = getting->source_ae},
                                      err);
        ok = in->ingest != NULL;
    } else {
        ok = begin_file(getting, in, sop_class, sop_instance, transfer_syntax, err);
    }
    if (ok)
        return in;
    refuse(getting, err);
    drop_file(getting, in);
    free(in);
    return NULL;
}

static bool piece(void *ctx, void *handle, Span bytes, Err *err)
{
    Getting *getting = ctx;
    Incoming *in = handle;
    bool ok =
        in->ingest ? arc_ingest_write(in->ingest, bytes, err) : file_write_all(in->fd, bytes.p, bytes.n, err);
    if (!ok)
        refuse(getting, err);
    return ok;
}

static bool end(void *ctx, void *handle, bool complete, Err *err)
{
    Getting *getting = ctx;
    Incoming *in = handle;
    bool ok = complete;
    ArcStored stored;
    if (!complete && in->ingest)
        arc_ingest_abandon(in->ingest);
    else if (!complete)
        drop_file(getting, in);
    else if (in->ingest)
        ok = arc_ingest_commit(in->ingest, &stored, err);
    else
        ok = end_file(getting, in, err);
    if (complete && !ok)
        refuse(getting, err);
    if (ok) {
        getting->received++;
        if (getting->step)
            getting->step(getting->ctx, getting->received);
    }
    free(in);
    return ok;
}

ScuSink getting_sink(Getting *getting)
{
    return (ScuSink){.ctx = getting, .begin = begin, .piece = piece, .end = end};
}
