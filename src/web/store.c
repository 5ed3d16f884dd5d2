// SPDX-License-Identifier: MIT
/*
 * Store, PS3.18 §10.5 (STOW-RS), of DICOM files: each part goes into an ingest as it comes, whatever the size of the request. While the next part comes in, those before it
 * are made durable by the server's committers, a few of each request at a time.
 *
 * Every object has a result of its own: stored, or failed with the status that C-STORE would have had. 200 all, 202 some, 409 none (507 when the
 * disk is full). A body that breaks off loses the object that was on its way, never those before it.
 */
#include "archive/file_ingest.h"
#include "base/cond.h"
#include "base/log.h"
#include "dicom/json.h"
#include "dicom/status.h"
#include "dicom/tags.h"
#include "dicom/xml.h"
#include "web/dicomweb.h"
#include "web/multipart.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { AT_WORK_MAX = 8, PARTS_MAX = 100000, PUT_WAIT_MS = 60000 };

/* One part of the request. */
typedef struct Object {
    struct Object *next;
    struct Store *store;
    ArcFileIngest *ingest;
    char sop_class[65], sop_instance[65]; /* as the file or the object says; "" = unknown */
    bool ok;
    ArcStored stored;
    Err err;
} Object;

typedef struct Store {
    HttpExchange *x;
    const WebService *service;
    MultipartReader *reader; /* NULL: the body is one file */
    Object *first, **last, *current;
    size_t count;
    pthread_mutex_t lock; /* guards at_work, and the results of objects at work */
    pthread_cond_t done;
    size_t at_work;
} Store;

/* -- objects -- */

static bool begin_object(Store *s, Err *err)
{
    if (s->count == PARTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d objects in one request; send them in several",
                       PARTS_MAX);
    Object *o = calloc(1, sizeof *o);
    if (!o)
        abort();
    o->store = s;
    o->ingest = arc_file_ingest_new(s->service->web->archive, NULL, http_part(s->x, "study"));
    *s->last = s->current = o;
    s->last = &o->next;
    s->count++;
    return true;
}

static void fail_object(Object *o)
{
    const DcmFileMeta *meta = arc_file_ingest_meta(o->ingest);
    memcpy(o->sop_class, meta->sop_class, sizeof o->sop_class);
    memcpy(o->sop_instance, meta->sop_instance, sizeof o->sop_instance);
    arc_file_ingest_abandon(o->ingest);
    o->ingest = NULL;
}

/* What is wrong with one object is its own matter: the request goes on. */
static void feed_object(Object *o, Span piece)
{
    if (o->ingest && !arc_file_ingest_write(o->ingest, piece, &o->err))
        fail_object(o);
}

static void commit_object(Object *o)
{
    const DcmFileMeta *meta = arc_file_ingest_meta(o->ingest);
    memcpy(o->sop_class, meta->sop_class, sizeof o->sop_class);
    memcpy(o->sop_instance, meta->sop_instance, sizeof o->sop_instance);
    o->ok = arc_file_ingest_commit(o->ingest, &o->stored, &o->err);
    o->ingest = NULL;
}

void web_store_commit(void *ctx, void *item)
{
    (void)ctx;
    Object *o = item;
    Store *s = o->store;
    commit_object(o);
    pthread_mutex_lock(&s->lock);
    s->at_work--;
    pthread_cond_signal(&s->done);
    pthread_mutex_unlock(&s->lock);
}

/* Until at most `n` objects of the request are at work. The archive bounds the time of each. */
static void wait_until(Store *s, size_t n)
{
    pthread_mutex_lock(&s->lock);
    while (s->at_work > n)
        pthread_cond_wait(&s->done, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void end_object(Store *s)
{
    Object *o = s->current;
    s->current = NULL;
    if (!o || !o->ingest)
        return;
    wait_until(s, AT_WORK_MAX - 1);
    pthread_mutex_lock(&s->lock);
    s->at_work++;
    pthread_mutex_unlock(&s->lock);
    if (pool_put(s->service->web->committers, o, deadline_in(PUT_WAIT_MS)))
        return;
    pthread_mutex_lock(&s->lock);
    s->at_work--;
    pthread_mutex_unlock(&s->lock);
    err_set(&o->err, ERR_LIMIT, "too many objects wait to be stored; try again later");
    fail_object(o);
}

/* -- parts -- */

static bool part_begins(void *ctx, const MultipartPart *part, Err *err)
{
    Store *s = ctx;
    if (!begin_object(s, err))
        return false;
    if (!*part->type || !strcmp(part->type, "application/dicom") ||
        !strcmp(part->type, "application/octet-stream"))
        return true;
    err_set(&s->current->err, ERR_UNSUPPORTED, "a part of type %.60s is no DICOM file", part->type);
    fail_object(s->current);
    return true;
}

static bool part_data(void *ctx, Span piece, Err *err)
{
    (void)err;
    Store *s = ctx;
    feed_object(s->current, piece);
    return true;
}

static bool part_ends(void *ctx, Err *err)
{
    (void)err;
    end_object(ctx);
    return true;
}

/* -- the answer -- */

static const char *study_url(Store *s, const char *study)
{
    return arena_printf(http_arena(s->x), "%s%s/studies/%s", http_base_url(s->x), s->service->retrieve_prefix,
                        study);
}

static void put_stored(Store *s, DcmDataset *answer, const Object *o)
{
    if (!dcm_find(answer, DCM_ReferencedSOPSequence))
        dcm_put_sequence(answer, DCM_ReferencedSOPSequence);
    DcmDataset *item = dcm_add_item(answer, DCM_ReferencedSOPSequence);
    dcm_put_utf8(item, DCM_ReferencedSOPClassUID, o->stored.sop_class);
    dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, o->stored.sop_instance);
    dcm_put_utf8(item, DCM_RetrieveURL,
                 arena_printf(http_arena(s->x), "%s/series/%s/instances/%s", study_url(s, o->stored.study),
                              o->stored.series, o->stored.sop_instance));
}

static void put_failed(DcmDataset *answer, const Object *o)
{
    DcmTag sequence = *o->sop_instance ? DCM_FailedSOPSequence : DCM_OtherFailuresSequence;
    if (!dcm_find(answer, sequence))
        dcm_put_sequence(answer, sequence);
    DcmDataset *item = dcm_add_item(answer, sequence);
    if (*o->sop_instance) {
        dcm_put_utf8(item, DCM_ReferencedSOPClassUID, o->sop_class);
        dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, o->sop_instance);
    }
    dcm_put_u16(item, DCM_FailureReason, o->err.dimse ? o->err.dimse : DCM_STATUS_PROCESSING_FAILURE);
}

static void report(const Store *s, const Object *o)
{
    const char *client = http_client(s->x);
    if (o->ok)
        log_info("pacs.file_dicom", "STOW from %s: %s, %" PRIu64 " bytes", client, o->stored.sop_instance,
                 o->stored.size);
    else
        log_warning("pacs.file_dicom", "STOW from %s: %s failed with %04X: %s", client,
                    *o->sop_instance ? o->sop_instance : "an object", o->err.dimse, o->err.text);
}

typedef struct Tally {
    size_t stored, failed, no_space;
} Tally;

static DcmDataset *make_answer(Store *s, Tally *tally)
{
    DcmDataset *answer = dcm_dataset_new(http_arena(s->x));
    const char *study = NULL;
    dcm_put(answer, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    for (const Object *o = s->first; o; o = o->next) {
        report(s, o);
        if (!o->ok) {
            tally->failed++;
            tally->no_space += o->err.code == ERR_NO_SPACE;
            put_failed(answer, o);
            continue;
        }
        tally->stored++;
        put_stored(s, answer, o);
        study = !study || !strcmp(study, o->stored.study) ? o->stored.study : "";
    }
    if (study && *study)
        dcm_put_utf8(answer, DCM_RetrieveURL, study_url(s, study));
    return answer;
}

static void answer_results(Store *s)
{
    static const WebOffer offers[] = {
        {"application/dicom+json", false}, {"application/dicom+xml", false}, {"application/json", false}};
    Tally tally = {0};
    Err err = {0};
    WebAccept accept;
    Buf body;
    DcmDataset *answer = make_answer(s, &tally);
    unsigned status = tally.failed == 0                ? 200
                      : tally.stored > 0               ? 202
                      : tally.no_space == tally.failed ? 507
                                                       : 409;
    /* The objects are stored: an Accept that nothing fits is no reason to say otherwise. */
    int chosen = web_accept_parse(http_arena(s->x), http_request_header(s->x, "Accept"), NULL, &accept, &err)
                     ? web_accept_choose(&accept, offers, 3, NULL)
                     : 0;
    if (chosen < 0)
        chosen = 0;
    buf_init(&body, 0);
    JsonWriter w = json_writer(&body);
    bool ok = chosen == 1 ? dcm_xml_write(&body, answer, NULL, &err) : dcm_json_write(&w, answer, NULL, &err);
    if (ok)
        http_answer_buf(s->x, status, offers[chosen].type, &body);
    else
        http_problem(s->x, &err);
    buf_free(&body);
}

/* -- the exchange -- */

static void free_store(void *ctx)
{
    Store *s = ctx;
    wait_until(s, 0);
    multipart_reader_free(s->reader);
    for (Object *o = s->first, *next; o; o = next) {
        next = o->next;
        arc_file_ingest_abandon(o->ingest);
        free(o);
    }
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void refuse_type(HttpExchange *x)
{
    http_header(x, "Accept-Post", "multipart/related; type=\"application/dicom\", application/dicom");
    http_refuse(x, 415,
                "a store request has Content-Type multipart/related; type=\"application/dicom\"; boundary=… "
                "(one file in each "
                "part), or application/dicom (one file)");
}

static void begin(HttpExchange *x, void *ctx)
{
    const char *type = http_request_header(x, "Content-Type");
    bool single =
        type && !strncasecmp(type, "application/dicom", 17) && (!type[17] || strchr("; ", type[17]));
    bool parts = type && !strncasecmp(type, "multipart/related", 17) && !strcasestr(type, "dicom+json") &&
                 !strcasestr(type, "dicom+xml");
    const char *boundary = parts ? multipart_boundary(http_arena(x), type) : NULL;
    if (!single && !boundary) {
        refuse_type(x);
        return;
    }
    Store *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->x = x;
    s->service = ctx;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    cond_init(&s->done);
    http_set_state(x, s, free_store);
    if (boundary)
        s->reader = multipart_reader_new(boundary, &(MultipartHandler){part_begins, part_data, part_ends, s});
    else
        begin_object(s, NULL);
}

/* The body is no multipart: what came before that is stored and reported, unless it is nothing. */
static void answer_broken(Store *s, const Err *why)
{
    if (s->current) {
        s->current->err = *why;
        if (s->current->ingest)
            fail_object(s->current);
        s->current = NULL;
    }
    wait_until(s, 0);
    bool any = false;
    for (const Object *o = s->first; o; o = o->next)
        any = any || o->ok;
    if (any)
        answer_results(s);
    else
        http_problem(s->x, why);
}

static bool body(HttpExchange *x, void *ctx, Span piece)
{
    (void)ctx;
    Store *s = http_state(x);
    Err err = {0};
    if (!s->reader) {
        feed_object(s->current, piece);
        return true;
    }
    if (multipart_feed(s->reader, piece, &err))
        return true;
    answer_broken(s, &err);
    return false;
}

static void end(HttpExchange *x, void *ctx)
{
    (void)ctx;
    Store *s = http_state(x);
    Err err = {0};
    if (s->reader && !multipart_finish(s->reader, &err)) {
        answer_broken(s, &err);
        return;
    }
    end_object(s);
    wait_until(s, 0);
    if (s->first)
        answer_results(s);
    else
        http_refuse(x, 400, "the request has no object in it");
}

#define STORE(path, text)                                                                                    \
    {                                                                                                        \
        .method = "POST", .pattern = path, .role = HTTP_WRITE, .handler = {begin, body, end},                \
        .summary = text,                                                                                     \
        .answers = "200 application/dicom+json, application/dicom+xml; 202; 400; 409; 413; 415; 507",        \
        .consumes = "multipart/related; type=\"application/dicom\", application/dicom"                       \
    }
const HttpRoute web_store_routes[] = {
    STORE("/studies", "Store objects"),
    STORE("/studies/{study}", "Store objects of one study"),
};
const size_t web_store_route_count = sizeof web_store_routes / sizeof *web_store_routes;
