// SPDX-License-Identifier: MIT
/*
 * Two readers look at the bytes of an object. The scan goes over all of them and holds nothing: it says whether the data set is
 * well formed to its end. The head keeps the attributes worth indexing: below the functional groups (or as far as extended attributes
 * lie) and the pixel data, values up to VALUE_MAX, HEAD_MAX bytes in all; beyond that (a structure set with megabytes of contours) it keeps what it has.
 */
#include "archive/archive_internal.h"
#include "archive/sums.h"

#include "dicom/part10.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VALUE_MAX = 64 << 10,
    HEAD_MAX = 1 << 20,    /* no more is fed to the head */
    ARENA_LIMIT = 3 << 20, /* what one slice may add is far below the difference */
    SLICE = 16 << 10,
    CHUNK = 1 << 20,
    PREFIX = 64 << 10,
};

static DcmScanWish on_element(void *ctx, const DcmScanElement *e, Err *err)
{
    return DCM_SCAN_SKIP;
}

void inspector_begin(Inspector *inspector, const char *transfer_syntax, DcmTag last)
{
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(span_cstr(transfer_syntax));
    DcmReadOptions options = {.stop_before = DCM_SharedFunctionalGroupsSequence, .max_value = VALUE_MAX};
    if (last >= options.stop_before)
        options.stop_before = last + 1;
    DcmScanHandler handler = {.element = on_element};
    *inspector = (Inspector){.arena = arena_new(ARENA_LIMIT)};
    inspector->head = dcm_head_new(inspector->arena, syntax, &options);
    inspector->dataset = dcm_head_dataset(inspector->head);
    inspector->scan = dcm_scan_new(syntax, NULL, &handler);
}

static void end_head(Inspector *inspector)
{
    dcm_head_free(inspector->head);
    inspector->head = NULL;
}

static void feed_head(Inspector *inspector, Span piece)
{
    while (inspector->head && piece.n) {
        Err ignored; /* the scan finds the same and says so */
        inspector->dataset = dcm_head_dataset(inspector->head);
        bool ok = dcm_head_feed(inspector->head, span_sub(piece, 0, SLICE), &ignored);
        piece = span_sub(piece, SLICE, SIZE_MAX);
        if (!ok || dcm_head_complete(inspector->head) || arena_used(inspector->arena) > HEAD_MAX)
            end_head(inspector);
    }
}

void inspector_feed(Inspector *inspector, Span piece)
{
    if (inspector->malformed)
        return;
    feed_head(inspector, piece);
    inspector->malformed = !dcm_scan_feed(inspector->scan, piece, &inspector->why);
}

bool inspector_finish(Inspector *inspector, Err *err)
{
    if (!inspector->malformed)
        inspector->malformed = !dcm_scan_finish(inspector->scan, &inspector->why);
    inspector->defects |= dcm_scan_defects(inspector->scan);
    if (inspector->malformed && err)
        *err = inspector->why;
    return !inspector->malformed;
}

bool inspector_knows_uids(const Inspector *inspector)
{
    const DcmDataset *ds = inspector->dataset;
    return !inspector->head || (ds->count && ds->elements[ds->count - 1].tag > DCM_SOPInstanceUID);
}

typedef enum UidState { UID_ABSENT, UID_GIVEN, UID_UNUSABLE } UidState;

static UidState read_uid(const Inspector *inspector, Arena *arena, DcmTag tag, const char **out)
{
    char uid[65];
    const DcmElement *e = dcm_find(inspector->dataset, tag);
    if (!e || (!e->skipped && span_trim(e->value).n == 0))
        return UID_ABSENT;
    if (!dcm_uid(inspector->dataset, tag, uid) || !*uid)
        return UID_UNUSABLE;
    *out = arena_strdup(arena, uid);
    return UID_GIVEN;
}

/* Objects without study or series are filed under the next thing they have: a palette or a hanging protocol belongs to no study (PS3.4 GG),
   and some programs forget them. The stand-ins are in the index and in the path only, and come out the same when the file is indexed again. */
static void stand_in(IdxFile *file)
{
    if (!file->series)
        file->series = file->study ? file->study : file->sop_instance;
    if (!file->study)
        file->study = file->series;
}

bool inspector_identify(const Inspector *inspector, Arena *arena, IdxFile *file, Err *err)
{
    const struct {
        DcmTag tag;
        const char *name, **uid;
        bool needed;
    } uids[] = {{DCM_SOPInstanceUID, "SOP Instance UID (0008,0018)", &file->sop_instance, true},
                {DCM_SOPClassUID, "SOP Class UID (0008,0016)", &file->sop_class, !file->sop_class},
                {DCM_StudyInstanceUID, "Study Instance UID (0020,000D)", &file->study, false},
                {DCM_SeriesInstanceUID, "Series Instance UID (0020,000E)", &file->series, false}};
    for (size_t i = 0; i < sizeof uids / sizeof *uids; i++) {
        UidState state = read_uid(inspector, arena, uids[i].tag, uids[i].uid);
        if (state == UID_UNUSABLE || (state == UID_ABSENT && uids[i].needed))
            return err_set(err, ERR_FORMAT, "the data set has no usable %s", uids[i].name);
    }
    stand_in(file);
    const char *patient = dcm_text_all(arena, inspector->dataset, DCM_PatientID);
    file->patient_id = patient ? patient : "";
    int64_t number;
    file->number = dcm_int(inspector->dataset, DCM_InstanceNumber, 0, &number) && number >= INT32_MIN &&
                           number <= INT32_MAX
                       ? (int32_t)number
                       : 0;
    return true;
}

void inspector_end(Inspector *inspector)
{
    dcm_head_free(inspector->head);
    dcm_scan_free(inspector->scan);
    arena_free(inspector->arena);
    *inspector = (Inspector){0};
}

/* -- whole files -- */

typedef struct FileReading {
    int fd;
    uint8_t *chunk;
    uint64_t at;
} FileReading;

static void take_stat(const FileReading *r, Arena *arena, const char *path, IdxFile *file)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        st = (struct stat){0};
    file->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    file->end_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    file->begin_us = file->end_us;
    file->path = arena_strdup(arena, path);
}

static bool read_meta(FileReading *r, Arena *arena, IdxFile *file, unsigned *defects, Err *err)
{
    DcmFileMeta meta;
    bool more = false;
    size_t n = file->size < PREFIX ? (size_t)file->size : PREFIX;
    if (!file_read_at(r->fd, 0, r->chunk, n, err) ||
        !dcm_file_meta_parse(span_of(r->chunk, n), n < file->size, &meta, &more, err))
        return more ? err_set(err, ERR_FORMAT, "the file meta information is longer than %d bytes", PREFIX)
                    : false;
    file->data_offset = meta.data_offset;
    file->transfer_syntax = arena_strdup(arena, meta.transfer_syntax);
    file->sop_class = *meta.sop_class ? arena_strdup(arena, meta.sop_class) : NULL;
    file->source_ae = *meta.source_ae ? arena_strdup(arena, meta.source_ae) : NULL;
    *defects = meta.defects;
    return true;
}

static bool read_pieces(FileReading *r, Inspector *inspector, const IdxFile *file, Sums *sums,
                        const atomic_bool *cancel, Err *err)
{
    while (r->at < file->size) {
        size_t n = file->size - r->at < CHUNK ? (size_t)(file->size - r->at) : CHUNK;
        if (cancel && atomic_load(cancel))
            return err_set(err, ERR_CANCELLED, "cancelled");
        if (!file_read_at(r->fd, r->at, r->chunk, n, err))
            return false;
        sums_take(sums, span_of(r->chunk, n));
        size_t skip = r->at >= file->data_offset      ? 0
                      : file->data_offset - r->at < n ? (size_t)(file->data_offset - r->at)
                                                      : n;
        Span data = span_sub(span_of(r->chunk, n), skip, SIZE_MAX);
        if (data.n)
            inspector_feed(inspector, data);
        r->at += n;
    }
    return true;
}

static bool read_all(FileReading *r, Inspector *inspector, IdxFile *file, const atomic_bool *cancel, Err *err)
{
    Sums *sums = sums_new(true, true, file->data_offset);
    bool ok = read_pieces(r, inspector, file, sums, cancel, err);
    sums_end(sums, file->sha256, file->content);
    return ok;
}

bool inspect_file(Inspector *inspector, Arena *arena, const char *path, DcmTag last, IdxFile *file,
                  const atomic_bool *cancel, Err *err)
{
    *inspector = (Inspector){0};
    FileReading r = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    unsigned defects = 0;
    bool ok = false;
    if (r.fd < 0)
        return err_errno(err, errno, "cannot read an object of the archive");
    r.chunk = malloc(CHUNK);
    if (!r.chunk)
        abort();
    take_stat(&r, arena, path, file);
    if (!read_meta(&r, arena, file, &defects, err))
        goto done;
    inspector_begin(inspector, file->transfer_syntax, last);
    inspector->defects = defects;
    ok = read_all(&r, inspector, file, cancel, err) && inspector_finish(inspector, err) &&
         inspector_identify(inspector, arena, file, err);
done:
    free(r.chunk);
    close(r.fd);
    return ok;
}

/* As far as the head needs; what follows it is not looked at, unless the file ends before. */
static bool read_head(FileReading *r, Inspector *inspector, const IdxFile *file, Err *err)
{
    r->at = file->data_offset;
    while (r->at < file->size && inspector->head && !inspector->malformed) {
        size_t n = file->size - r->at < SLICE ? (size_t)(file->size - r->at) : SLICE;
        if (!file_read_at(r->fd, r->at, r->chunk, n, err))
            return false;
        inspector_feed(inspector, span_of(r->chunk, n));
        r->at += n;
    }
    if (!inspector->malformed && r->at < file->size)
        return true;
    return inspector_finish(inspector, err);
}

bool inspect_head(Inspector *inspector, Arena *arena, const char *path, DcmTag last, IdxFile *file, Err *err)
{
    *inspector = (Inspector){0};
    FileReading r = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
    unsigned defects = 0;
    if (r.fd < 0)
        return err_errno(err, errno, "cannot read an object of the archive");
    r.chunk = malloc(PREFIX);
    if (!r.chunk)
        abort();
    take_stat(&r, arena, path, file);
    bool ok = read_meta(&r, arena, file, &defects, err);
    if (ok) {
        inspector_begin(inspector, file->transfer_syntax, last);
        inspector->defects = defects;
        ok = read_head(&r, inspector, file, err) && inspector_identify(inspector, arena, file, err);
    }
    free(r.chunk);
    close(r.fd);
    return ok;
}
