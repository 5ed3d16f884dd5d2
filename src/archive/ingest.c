// SPDX-License-Identifier: MIT
/*
 * One object in. Its bytes go to a temporary file as they come and past the inspector; memory does not grow with the object. The file meta
 * information (PS3.10 §7.1) stands in front of the data set and names its UIDs, so the first bytes are held until those have
 * passed; everything behind is written through.
 *
 * Statuses (PS3.4 B.2.3): A700 no room; A900 the data set is of another class or instance than was announced (refused, nothing is
 * kept); C000 the data set is malformed, ends early, or lacks a SOP Instance UID (kept in quarantine); 0110 anything
 * on our side.
 *
 * The sender's thread does what can be done in parallel: the check for an identical object, the data's fsync. SHA-256 comes later (seal.h).
 */
#include "archive/archive_internal.h"
#include "archive/figures.h"
#include "archive/sums.h"

#include "dicom/part10.h"
#include "dicom/status.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PENDING_MAX = 512 << 10, LOOK_EVERY = 4 << 20, FIRST = 4 << 10, SOON = 4 << 20 };

struct ArcIngest {
    Job job; /* first: job_release finds the ingest by it */
    Archive *archive;
    ArcIncoming incoming; /* strings in job.arena */
    Inspector inspector;
    StorePut *put;
    Sums *sums;           /* SHA-256, where it is wanted at once; else NULL */
    Span head;            /* incoming.head */
    Buf pending;          /* the data set's first bytes, until the meta in front of them can be written */
    uint8_t first[FIRST]; /* room for them */
    bool has_meta;
    bool keeps_bad;          /* a data set that cannot be understood goes to quarantine */
    const char *other_class; /* as announced or in the file's meta: when the data set has none */
    size_t unlooked;         /* those since it was looked for room */
    uint64_t size;           /* bytes of the data set that came */
    unsigned defects;
};

static void ingest_free(ArcIngest *ingest)
{
    Archive *archive = ingest->archive;
    store_put_abandon(ingest->put);
    if (ingest->sums)
        sums_end(ingest->sums, NULL, NULL);
    inspector_end(&ingest->inspector);
    buf_free(&ingest->pending);
    job_destroy(&ingest->job);
    free(ingest);
    archive_ingest_ended(archive);
}

static void job_release(Job *job)
{
    ingest_free((ArcIngest *)job);
}

/* What goes wrong in our house is no fault of the object's, whatever it is called there: A700 or 0110. */
static bool our_fault(Err *err)
{
    if (err && err->code != ERR_NO_SPACE && err->code != ERR_LIMIT) {
        err->dimse = DCM_STATUS_PROCESSING_FAILURE;
        err->http = 500;
    }
    return false;
}

static const char *copy(ArcIngest *ingest, const char *text)
{
    return text && *text ? arena_strdup(ingest->job.arena, text) : NULL;
}

static bool uid_fits(const char *uid)
{
    return !uid || strlen(uid) <= DCM_UID_MAX;
}

static bool check_incoming(const ArcIncoming *incoming, Err *err)
{
    if (!incoming->transfer_syntax || !*incoming->transfer_syntax)
        return err_set(err, ERR_USAGE, "an object needs a transfer syntax");
    if (!uid_fits(incoming->transfer_syntax) || !uid_fits(incoming->sop_class) ||
        !uid_fits(incoming->sop_instance))
        return err_set(err, ERR_FORMAT, "a UID of the object is longer than %d characters", DCM_UID_MAX);
    return true;
}

ArcIngest *arc_ingest_begin(Archive *archive, const ArcIncoming *incoming, Err *err)
{
    if (!check_incoming(incoming, err) || !arc_has_room(archive, err))
        return NULL;
    StorePut *put = store_put_begin(archive->store, err);
    if (!put) {
        our_fault(err);
        return NULL;
    }
    ArcIngest *ingest = calloc(1, sizeof *ingest);
    if (!ingest)
        abort();
    archive_ingest_began(archive);
    job_init(&ingest->job, JOB_INGEST);
    ingest->job.release = job_release;
    ingest->archive = archive;
    ingest->put = put;
    ingest->sums = archive->settings.sha256_at_once ? sums_new(true, false, 0) : NULL;
    ingest->keeps_bad = true;
    ingest->incoming = (ArcIncoming){
        .transfer_syntax = copy(ingest, incoming->transfer_syntax),
        .sop_class = copy(ingest, incoming->sop_class),
        .sop_instance = copy(ingest, incoming->sop_instance),
        .source_ae = copy(ingest, incoming->source_ae),
        .study = copy(ingest, incoming->study),
    };
    if (incoming->head) {
        ingest->head = arena_span(ingest->job.arena, *incoming->head);
        ingest->incoming.head = &ingest->head;
    }
    ingest->other_class = ingest->incoming.sop_class;
    ingest->job.file.begin_us = clock_wall_us();
    buf_init(&ingest->pending, 0);
    inspector_begin(&ingest->inspector, ingest->incoming.transfer_syntax, idx_last_tag(archive->index));
    return ingest;
}

/* The announced UID must be the data set's. */
static bool agrees(const char *announced, const char *found, const char *what, Err *err)
{
    if (!announced || !found || !*found || strcmp(announced, found) == 0)
        return true;
    return err_set(err, ERR_MISMATCH, "the data set has SOP %s UID %s, but %s was announced", what, found,
                   announced);
}

/* As the data set has it, or else as it was announced. */
static bool make_meta(const ArcIngest *ingest, const char *sop_class, const char *sop_instance, Buf *meta,
                      Err *err)
{
    const ArcIncoming *in = &ingest->incoming;
    return dcm_file_meta_write(meta, *sop_class || !ingest->other_class ? sop_class : ingest->other_class,
                               *sop_instance || !in->sop_instance ? sop_instance : in->sop_instance,
                               in->transfer_syntax, in->source_ae, err);
}

static bool keep(ArcIngest *ingest, Span bytes, Err *err)
{
    if (ingest->sums)
        sums_take(ingest->sums, bytes);
    return store_put_write(ingest->put, bytes, err);
}

/* Writes preamble, meta and what was held back. Called once the data set's UIDs have passed, or at the end. */
static bool write_meta(ArcIngest *ingest, Err *err)
{
    char sop_class[65] = "", sop_instance[65] = "";
    const ArcIncoming *in = &ingest->incoming;
    dcm_uid(ingest->inspector.dataset, DCM_SOPClassUID, sop_class);
    dcm_uid(ingest->inspector.dataset, DCM_SOPInstanceUID, sop_instance);
    if (ingest->archive->settings.check_class && (!agrees(in->sop_class, sop_class, "Class", err) ||
                                                  !agrees(in->sop_instance, sop_instance, "Instance", err)))
        return false;
    Buf meta;
    buf_init(&meta, 0);
    bool ok = in->head || make_meta(ingest, sop_class, sop_instance, &meta, err);
    Span head = in->head ? *in->head : buf_span(&meta);
    ok = ok && keep(ingest, head, err);
    ingest->job.file.data_offset = head.n;
    store_put_mark_content(ingest->put);
    ok = ok && keep(ingest, buf_span(&ingest->pending), err);
    buf_free(&meta);
    buf_free(&ingest->pending);
    ingest->has_meta = true;
    return ok;
}

bool arc_ingest_write(ArcIngest *ingest, Span piece, Err *err)
{
    inspector_feed(&ingest->inspector, piece);
    ingest->size += piece.n;
    ingest->unlooked += piece.n;
    if (ingest->unlooked >= LOOK_EVERY) {
        ingest->unlooked = 0;
        if (!arc_has_room(ingest->archive, err))
            return false;
    }
    if (!ingest->has_meta) {
        bool waits = ingest->pending.n + piece.n < PENDING_MAX && !ingest->inspector.malformed &&
                     !inspector_knows_uids(&ingest->inspector);
        if (waits) {
            buf_append_span(&ingest->pending, piece);
            return true;
        }
        if (!write_meta(ingest, err))
            return false;
    }
    return keep(ingest, piece, err);
}

uint8_t *arc_ingest_room(ArcIngest *ingest, size_t *n)
{
    *n = FIRST;
    return ingest->has_meta ? store_put_room(ingest->put, n) : ingest->first;
}

/* The sender is told C000 whether or not the quarantine could take it. */
static bool refuse_bad(ArcIngest *ingest, Err *err)
{
    Err problem;
    err->dimse = DCM_STATUS_CANNOT_UNDERSTAND;
    err->http = 400;
    if (!ingest->keeps_bad)
        return false;
    QuarantineCase object = {
        .path = store_put_path(ingest->put),
        .why = err,
        .transfer_syntax = ingest->incoming.transfer_syntax,
        .sop_class = ingest->incoming.sop_class,
        .sop_instance = ingest->incoming.sop_instance,
        .source_ae = ingest->incoming.source_ae,
    };
    if (store_put_end(ingest->put, NULL, &problem) &&
        quarantine_take(ingest->archive->quarantine, &object, &problem))
        archive_notice(ingest->archive, LOG_WARNING, "an object from %s went to quarantine: %s",
                       object.source_ae ? object.source_ae : "?", err->text);
    else
        archive_notice(ingest->archive, LOG_WARNING,
                       "an object from %s was refused (%s) and could not be kept in quarantine: %s",
                       object.source_ae ? object.source_ae : "?", err->text, problem.text);
    return false;
}

/* Checks what can be checked when the data set is complete, and names it. */
static bool understand(ArcIngest *ingest, Err *err)
{
    IdxFile *file = &ingest->job.file;
    Err problem;
    bool understood = inspector_finish(&ingest->inspector, &problem);
    if (!ingest->has_meta && !write_meta(ingest, err))
        return false;
    file->sop_class = ingest->other_class; /* unless the data set says so itself */
    if (!understood || !inspector_identify(&ingest->inspector, ingest->job.arena, file, &problem)) {
        *err = problem;
        return refuse_bad(ingest, err);
    }
    /* A UID that stands behind its place came when the meta information had been written. */
    const ArcIncoming *in = &ingest->incoming;
    if (ingest->archive->settings.check_class &&
        (!agrees(in->sop_class, file->sop_class, "Class", err) ||
         !agrees(in->sop_instance, file->sop_instance, "Instance", err)))
        return false;
    const char *study = ingest->incoming.study;
    if (study && strcmp(study, file->study) != 0)
        return err_set(err, ERR_MISMATCH, "the object is of study %s, not of %s", file->study, study);
    file->transfer_syntax = ingest->incoming.transfer_syntax;
    file->storage_method = "FS";
    file->source_ae = ingest->incoming.source_ae;
    ingest->job.head = ingest->inspector.dataset;
    ingest->job.name = archive_name(ingest->archive, ingest->job.arena, file, ingest->job.head, err);
    return ingest->job.name != NULL;
}

/* The time is taken when the last byte is written: a file that is younger than its row says was written to by somebody else (adoption_is_younger). */
static bool end_data(ArcIngest *ingest, Err *err)
{
    StoreDigest digest;
    IdxFile *file = &ingest->job.file;
    bool ok = store_put_end(ingest->put, &digest, err);
    file->end_us = clock_wall_us();
    if (ok) {
        file->size = digest.size;
        memcpy(file->content, digest.content, sizeof file->content);
    }
    if (ingest->sums)
        sums_end(ingest->sums, file->sha256, NULL);
    ingest->sums = NULL;
    return ok;
}

static void fill_stored(const ArcIngest *ingest, ArcOutcome outcome, ArcStored *out)
{
    const IdxFile *file = &ingest->job.file;
    *out = (ArcStored){.outcome = outcome,
                       .size = file->size,
                       .defects = ingest->inspector.defects | ingest->defects,
                       .beside = ingest->job.beside > 0};
    snprintf(out->sop_class, sizeof out->sop_class, "%s", file->sop_class);
    snprintf(out->sop_instance, sizeof out->sop_instance, "%s", file->sop_instance);
    snprintf(out->series, sizeof out->series, "%s", file->series);
    snprintf(out->study, sizeof out->study, "%s", file->study);
    span_copy(span_cstr(file->patient_id), out->patient_id, sizeof out->patient_id);
}

static bool sync_data(ArcIngest *ingest, Err *err)
{
    int64_t began = clock_ns();
    Job *job = &ingest->job;
    if (job->older_us)
        job->stamped = store_put_stamp(ingest->put, job->file.end_us, NULL);
    bool ok = store_put_sync(ingest->put, err);
    figures_stage("sync", began);
    return ok;
}

/* Hands over to the committer; once more where it leaves a question. False when the committer frees the ingest. */
static bool settle(ArcIngest *ingest)
{
    Job *job = &ingest->job;
    job->put = ingest->put;
    ingest->put = NULL;
    if (!committer_run(ingest->archive->committer, job))
        return false;
    if (!job->doubted)
        return true;
    if (job_is_same(ingest->archive, job)) {
        job_settle(job, ARC_SAME);
        return true;
    }
    job->done = false;
    return committer_run(ingest->archive->committer, job);
}

/* *consumed when the committer frees the ingest. */
static bool run_job(ArcIngest *ingest, ArcStored *out, bool *consumed, Err *err)
{
    Job *job = &ingest->job;
    int64_t began = clock_ns();
    *consumed = !settle(ingest);
    if (*consumed)
        return err_set(err, ERR_TIMEOUT, "the disk or the index does not answer");
    figures_stage("commit", began);
    if (!job->ok) {
        *err = job->err;
        return our_fault(err);
    }
    fill_stored(ingest, job->outcome, out);
    return true;
}

/* What is here already need not be synced; asked where objects came again a moment ago. */
static bool settle_data(ArcIngest *ingest, bool *same, Err *err)
{
    *same = jobs_come_again(ingest->archive) && job_is_same(ingest->archive, &ingest->job);
    return *same || sync_data(ingest, err);
}

/* Others wait for it, unless it is so large that they would in vain. */
static bool finish(ArcIngest *ingest, bool *same, Err *err)
{
    Committer *committer = ingest->archive->committer;
    bool soon = ingest->size <= SOON;
    if (soon)
        committer_expect(committer);
    bool ok = end_data(ingest, err) && settle_data(ingest, same, err);
    if (soon)
        committer_expect_no_more(committer);
    return ok;
}

bool arc_ingest_commit(ArcIngest *ingest, ArcStored *out, Err *err)
{
    Err own;
    ArcStored ignored;
    bool consumed = false, same;
    err = err ? err : &own;
    out = out ? out : &ignored;
    bool ok = understand(ingest, err) && finish(ingest, &same, err);
    if (ok && same)
        fill_stored(ingest, ARC_SAME, out);
    else
        ok = ok && run_job(ingest, out, &consumed, err);
    if (!consumed)
        ingest_free(ingest);
    figures_ingest(ok ? out : NULL);
    return ok;
}

void arc_ingest_abandon(ArcIngest *ingest)
{
    if (ingest)
        ingest_free(ingest);
}

/* -- files -- */

enum { PREFIX = 64 << 10, CHUNK = 256 << 10 };

static bool read_file_meta(int fd, uint8_t *chunk, DcmFileMeta *meta, Err *err)
{
    ssize_t n = pread(fd, chunk, PREFIX, 0);
    bool more = false;
    if (n < 0)
        return err_set(err, ERR_IO, "it cannot be read");
    if (!dcm_file_meta_parse(span_of(chunk, (size_t)n), n == PREFIX, meta, &more, err))
        return more ? err_set(err, ERR_FORMAT, "its file meta information is longer than %d bytes", PREFIX)
                    : false;
    if (meta->dicomdir)
        return err_set(err, ERR_UNSUPPORTED, "it is a DICOMDIR, not an object; give the folder it lies in");
    return true;
}

static bool copy_data_set(ArcIngest *ingest, int fd, uint64_t at, uint8_t *chunk, Err *err)
{
    ssize_t n;
    while ((n = pread(fd, chunk, CHUNK, (off_t)at)) > 0) {
        if (!arc_ingest_write(ingest, span_of(chunk, (size_t)n), err))
            return false;
        at += (uint64_t)n;
    }
    return n == 0 || err_set(err, ERR_IO, "it cannot be read to its end");
}

/* `as_is`: its meta information, too. */
static bool ingest_open_file(Archive *archive, int fd, const char *source_ae, bool as_is, uint8_t *chunk,
                             ArcStored *out, Err *err)
{
    DcmFileMeta meta;
    if (!read_file_meta(fd, chunk, &meta, err))
        return false;
    Span head = span_of(chunk, (size_t)meta.data_offset);
    if (as_is)
        source_ae = meta.source_ae;
    ArcIncoming incoming = {
        .transfer_syntax = meta.transfer_syntax, .source_ae = source_ae, .head = as_is ? &head : NULL};
    ArcIngest *ingest = arc_ingest_begin(archive, &incoming, err);
    if (!ingest)
        return false;
    ingest->keeps_bad = false; /* the file is still where it was */
    ingest->defects = meta.defects;
    ingest->other_class = copy(ingest, meta.sop_class);
    if (copy_data_set(ingest, fd, meta.data_offset, chunk, err))
        return arc_ingest_commit(ingest, out, err);
    arc_ingest_abandon(ingest);
    return false;
}

static bool ingest_file(Archive *archive, const char *path, const char *source_ae, bool as_is, ArcStored *out,
                        Err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t *chunk = malloc(CHUNK);
    if (!chunk)
        abort();
    bool ok = fd >= 0 ? ingest_open_file(archive, fd, source_ae, as_is, chunk, out, err)
                      : err_set(err, ERR_NOT_FOUND, "it cannot be opened");
    if (!ok)
        err_wrap(err, "%s", path);
    free(chunk);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool arc_ingest_file(Archive *archive, const char *path, const char *source_ae, ArcStored *out, Err *err)
{
    return ingest_file(archive, path, source_ae, false, out, err);
}

bool arc_ingest_file_as_is(Archive *archive, const char *path, ArcStored *out, Err *err)
{
    return ingest_file(archive, path, NULL, true, out, err);
}
