// SPDX-License-Identifier: MIT
/*
 * Instances are written some at a time, and each batch by whoever is free: the thread of the connection, or one of the server's helpers. They go out in their order. A batch is
 * bounded in instances and in bytes of their files, and few are under way, so that memory does not grow with the series.
 *
 * Threads: a batch belongs to the connection's thread while it is FREE or DONE, to the one that took it while it is AT_WORK; the lock guards the states. A helper may come too late
 * for what it was called to: `called` counts those that have not looked yet, and nobody frees before they have.
 */
#include "web/metadata_write.h"

#include "archive/attributes.h"
#include "base/cond.h"
#include "dicom/json.h"
#include "dicom/xml.h"

#include <stdlib.h>
#include <string.h>

enum {
    BATCHES = 4,
    BATCH_MAX = 8,
    BATCH_BYTES = 16 << 20,
    WORTH_HELP = 4 * BATCH_MAX,
    LONGEST_MS = 600 * 1000, /* that a batch may take */
};

typedef enum BatchState { BATCH_FREE, BATCH_READY, BATCH_AT_WORK, BATCH_DONE } BatchState;

typedef struct Batch {
    Metadata *metadata;
    BatchState state;
    Arena *arena; /* strings of `files` */
    IdxFile files[BATCH_MAX];
    size_t count;
    bool first; /* nothing is before it */
    Buf out;
    bool ok;
    Err err;
} Batch;

struct Metadata {
    const WebContext *web;
    ArcRetrieve *retrieve;
    MetadataFormat format;
    DcmLevel level; /* of the address */
    char boundary[MULTIPART_BOUNDARY_SIZE];
    bool helped, any, all_read, read_ok;
    Err read_err;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Batch batches[BATCHES];
    size_t head, count; /* in use: from `head` on, around */
    unsigned called;
};

/* -- an instance -- */

typedef struct Link {
    DcmLevel level;
    const IdxFile *file;
} Link;

bool metadata_bulk_uri(DcmLevel level, const IdxFile *file, const char *path, Buf *out)
{
    if (level == DCM_LEVEL_STUDY) {
        buf_append_cstr(out, "series/");
        web_append_part(out, file->series);
        buf_append_cstr(out, "/");
    }
    buf_append_cstr(out, level == DCM_LEVEL_IMAGE ? "../" : "instances/");
    web_append_part(out, file->sop_instance);
    return buf_printf(out, "/bulkdata/%s", path);
}

static bool write_uri(void *ctx, const char *path, const DcmElement *e, Buf *out)
{
    (void)e;
    const Link *link = ctx;
    return metadata_bulk_uri(link->level, link->file, path, out);
}

static bool write_instance(const Metadata *m, const DcmDataset *ds, const IdxFile *file, bool first, Buf *out,
                           Err *err)
{
    Link link = {m->level, file};
    DcmJsonOptions options = {.bulk_threshold = METADATA_INLINE_MAX, .bulk_uri = write_uri, .ctx = &link};
    if (m->format == METADATA_XML) {
        multipart_write_head(out, m->boundary, first, "Content-Type: application/dicom+xml\r\n");
        return dcm_xml_write(out, ds, &options, err);
    }
    buf_append_cstr(out, first ? "[" : ",\n");
    JsonWriter w = json_writer(out);
    return dcm_json_write(&w, ds, &options, err);
}

static void write_batch(Batch *batch)
{
    const Metadata *m = batch->metadata;
    Arena *arena = arena_new(0);
    ArcAttributes a;
    batch->ok = true;
    for (size_t i = 0; batch->ok && i < batch->count; i++) {
        const IdxFile *file = &batch->files[i];
        arena_reset(arena);
        batch->ok = arc_attributes(m->web->archive, arena, file, METADATA_KEPT_MAX, METADATA_INLINE_MAX, &a,
                                   &batch->err) &&
                    write_instance(m, a.attributes, file, batch->first && i == 0, &batch->out, &batch->err);
    }
    arena_free(arena);
}

/* -- who writes -- */

/* With the lock held, which it gives back meanwhile. */
static void work_off(Metadata *m, Batch *batch)
{
    batch->state = BATCH_AT_WORK;
    pthread_mutex_unlock(&m->lock);
    write_batch(batch);
    pthread_mutex_lock(&m->lock);
    batch->state = BATCH_DONE;
    pthread_cond_signal(&m->changed);
}

void metadata_help(void *ctx, void *item)
{
    (void)ctx;
    Batch *batch = item;
    Metadata *m = batch->metadata;
    pthread_mutex_lock(&m->lock);
    if (batch->state == BATCH_READY)
        work_off(m, batch);
    m->called--;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static void call_helper(Metadata *m, Batch *batch)
{
    pthread_mutex_lock(&m->lock);
    m->called++;
    pthread_mutex_unlock(&m->lock);
    if (pool_put(m->web->helpers, batch, deadline_in(0)))
        return;
    pthread_mutex_lock(&m->lock);
    m->called--;
    pthread_mutex_unlock(&m->lock);
}

/* The first batch in use that nobody has begun; NULL when there is none. */
static Batch *next_ready(Metadata *m)
{
    for (size_t i = 0; i < m->count; i++) {
        Batch *batch = &m->batches[(m->head + i) % BATCHES];
        if (batch->state == BATCH_READY)
            return batch;
    }
    return NULL;
}

/* Writes until the first batch is done, itself or by others. */
static bool finish_head(Metadata *m, Err *err)
{
    Batch *head = &m->batches[m->head];
    Deadline deadline = deadline_in(LONGEST_MS);
    bool waited = true;
    pthread_mutex_lock(&m->lock);
    while (head->state != BATCH_DONE && waited) {
        Batch *batch = next_ready(m);
        if (batch)
            work_off(m, batch);
        else
            waited = cond_wait(&m->changed, &m->lock, deadline);
    }
    bool done = head->state == BATCH_DONE;
    pthread_mutex_unlock(&m->lock);
    return done || err_set(err, ERR_IO, "the files of a series could not be read in time");
}

/* -- what is written -- */

static bool read_batch(Metadata *m, Batch *batch)
{
    uint64_t bytes = 0;
    arena_reset(batch->arena);
    batch->count = 0;
    while (batch->count < BATCH_MAX && bytes < BATCH_BYTES) {
        IdxFile file;
        if (!arc_retrieve_next(m->retrieve, &file, &m->read_err))
            return false;
        m->all_read = !file.sop_instance;
        if (m->all_read)
            break;
        bytes += file.size;
        idx_file_copy(batch->arena, &file, &batch->files[batch->count++]);
    }
    return true;
}

/* Reads which instances come next, as many batches as there may be. What cannot be read ends the document when all before it is out. */
static void read_ahead(Metadata *m)
{
    while (m->read_ok && !m->all_read && m->count < (m->helped ? BATCHES : 1)) {
        Batch *batch = &m->batches[(m->head + m->count) % BATCHES];
        if (!batch->arena)
            batch->arena = arena_new(0);
        m->read_ok = read_batch(m, batch);
        if (!m->read_ok || !batch->count)
            return;
        batch->first = !m->any;
        m->any = true;
        pthread_mutex_lock(&m->lock);
        batch->state = BATCH_READY;
        pthread_mutex_unlock(&m->lock);
        if (m->count++ > 0)
            call_helper(m, batch);
    }
}

static bool end_document(Metadata *m, Buf *out, bool *ended, Err *err)
{
    *ended = true;
    if (!m->read_ok) {
        if (err)
            *err = m->read_err;
        return false;
    }
    if (!m->any)
        return err_set(err, ERR_NOT_FOUND, "nothing of this study, series or instance is in the archive");
    if (m->format == METADATA_XML)
        multipart_write_close(out, m->boundary);
    else
        buf_append_cstr(out, "]");
    return true;
}

bool metadata_produce(void *metadata, Buf *out, bool *ended, Err *err)
{
    Metadata *m = metadata;
    read_ahead(m);
    if (m->count == 0)
        return end_document(m, out, ended, err);
    if (!finish_head(m, err))
        return false;
    Batch *batch = &m->batches[m->head];
    pthread_mutex_lock(&m->lock); /* a helper that comes too late looks at it */
    batch->state = BATCH_FREE;
    pthread_mutex_unlock(&m->lock);
    m->head = (m->head + 1) % BATCHES;
    m->count--;
    if (!batch->ok && err)
        *err = batch->err;
    buf_append_span(out, buf_span(&batch->out));
    buf_clear(&batch->out);
    return batch->ok && !out->failed;
}

/* -- the document -- */

Metadata *metadata_open(const WebContext *web, const IdxSelection *selection, MetadataFormat format,
                        const char *boundary, Err *err)
{
    Metadata *m = calloc(1, sizeof *m);
    if (!m)
        abort();
    *m = (Metadata){.web = web,
                    .format = format,
                    .level = selection->instance_count ? DCM_LEVEL_IMAGE
                             : selection->series_count ? DCM_LEVEL_SERIES
                                                       : DCM_LEVEL_STUDY,
                    .read_ok = true};
    span_copy(span_cstr(boundary), m->boundary, sizeof m->boundary);
    pthread_mutex_init(&m->lock, NULL);
    cond_init(&m->changed);
    for (size_t i = 0; i < BATCHES; i++)
        m->batches[i].metadata = m, buf_init(&m->batches[i].out, 0);
    m->retrieve = arc_retrieve_open(web->archive, selection, err);
    if (!m->retrieve) {
        metadata_free(m);
        return NULL;
    }
    m->helped = web->helpers && arc_retrieve_count(m->retrieve) >= WORTH_HELP;
    return m;
}

/* Nothing is begun any more; whoever was called has looked. */
static void dismiss(Metadata *m)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < BATCHES; i++)
        if (m->batches[i].state == BATCH_READY)
            m->batches[i].state = BATCH_FREE;
    while (m->called)
        pthread_cond_wait(&m->changed, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

void metadata_free(void *metadata)
{
    Metadata *m = metadata;
    dismiss(m);
    for (size_t i = 0; i < BATCHES; i++) {
        buf_free(&m->batches[i].out);
        arena_free(m->batches[i].arena);
    }
    arc_retrieve_close(m->retrieve);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
