// SPDX-License-Identifier: MIT
/*
 * Retrieval: which objects, in order. PS3.4 C.4.2.1.4: the identifier has the unique keys of its level and of those above;
 * UIDs may be lists. A Patient ID is one value, but a list is understood. Keys of lower levels do not count.
 *
 * While the index cannot be reached, the files are searched, if the settings say so; what they have is gathered before the first object.
 */
#include "archive/archive_internal.h"
#include "archive/object.h"

#include "dicom/status.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <stdlib.h>
#include <string.h>

typedef struct KeyList {
    const char *const *values;
    size_t count;
} KeyList;

/* More are refused before they cost anything: a sender chooses how many. */
enum { LIST_MAX = 10000 };

static bool too_many(uint32_t n, Err *err)
{
    err_set(err, ERR_LIMIT, "the identifier lists %u values; at most %d are allowed, ask in parts", n,
            LIST_MAX);
    if (err)
        err->dimse = DCM_STATUS_MOVE_CANNOT_COUNT;
    return false;
}

/* The values of a unique key; none when it is absent, empty or "*". ERR_MISMATCH for other wildcards. */
static bool read_key(Arena *arena, const DcmDataset *keys, DcmTag tag, KeyList *out, Err *err)
{
    *out = (KeyList){0};
    uint32_t n = dcm_value_count(keys, tag);
    if (n == 0)
        return true;
    if (n > LIST_MAX)
        return too_many(n, err);
    const char **values = arena_try_array(arena, n, sizeof *values);
    if (!values)
        return err_set(err, ERR_LIMIT, "the identifier lists too many values");
    Span rest = span_cstr(dcm_text_all(arena, keys, tag)), value;
    bool more = true;
    size_t count = 0;
    while (count < n && span_split(&rest, '\\', &value, &more)) {
        if (!value.n)
            continue;
        if (span_eq_cstr(value, "*"))
            return true;
        if (span_index(value, '*') != SIZE_MAX || span_index(value, '?') != SIZE_MAX)
            return err_set(err, ERR_MISMATCH,
                           "a unique key of a retrieval may not be a wildcard (PS3.4 C.4.2.1.4)");
        values[count++] = arena_span_cstr(arena, value);
    }
    *out = (KeyList){values, count};
    return true;
}

bool arc_selection_of_keys(Arena *arena, DcmLevel level, const DcmDataset *keys, IdxSelection *out, Err *err)
{
    KeyList lists[DCM_LEVEL_COUNT] = {0};
    if ((unsigned)level >= DCM_LEVEL_COUNT)
        return err_set(err, ERR_MISMATCH, "the identifier names no level that is known");
    for (unsigned i = 0; i <= (unsigned)level; i++)
        if (!read_key(arena, keys, dcm_level_unique_key(i), &lists[i], err))
            return false;
    if (lists[level].count == 0)
        return err_set(err, ERR_MISMATCH, "a retrieval at level %s needs the unique key of that level",
                       dcm_level_name(level));
    *out = (IdxSelection){
        .patient_ids = lists[DCM_LEVEL_PATIENT].values,
        .patient_count = lists[DCM_LEVEL_PATIENT].count,
        .studies = lists[DCM_LEVEL_STUDY].values,
        .study_count = lists[DCM_LEVEL_STUDY].count,
        .series = lists[DCM_LEVEL_SERIES].values,
        .series_count = lists[DCM_LEVEL_SERIES].count,
        .instances = lists[DCM_LEVEL_IMAGE].values,
        .instance_count = lists[DCM_LEVEL_IMAGE].count,
    };
    return true;
}

/* So many, because a disk that has several to read is faster than one that is asked for one at a time (1.4 and 1.0 GB/s, CT images). */
enum { AHEAD_OBJECTS = 4, AHEAD_BYTES = 16 << 20, RING = AHEAD_OBJECTS + 1 };

typedef struct Row {
    Arena *arena; /* strings of the file; NULL until the place is used */
    bool ok;
    bool asked; /* the disk was asked to read it, if need be */
    IdxFile file;
} Row;

struct ArcRetrieve {
    Archive *archive;
    IdxFiles *files;   /* NULL: nothing is selected */
    ArcFileScan *scan; /* when the index is away */
    uint64_t count;
    Row rows[RING];       /* the one at hand, and those that come behind it */
    unsigned hand, ahead; /* which one is at hand; how many are known behind it */
    Err failure;          /* of the last one that is known, if it is not ok */
    unsigned rest;        /* so many objects are not looked at: the last one was in memory */
};

static bool select_from(ArcRetrieve *r, Index *index, const IdxSelection *selection, Err *err)
{
    uint64_t bytes = 0;
    r->files =
        idx_select_count(index, selection, &r->count, &bytes, err) ? idx_select(index, selection, err) : NULL;
    return r->files != NULL;
}

static bool select_files(ArcRetrieve *r, Archive *archive, const IdxSelection *selection, const ArcStop *stop,
                         Err *err)
{
    Index *index = NULL;
    ArcFileWish wish = {.only = *selection, .at_once = true};
    if (stop) {
        wish.stopped = stop->stopped;
        wish.stopped_ctx = stop->ctx;
    }
    r->scan = archive_scan_files(archive, &wish, err);
    if (!r->scan || !arc_filescan_next(r->scan, &index, err))
        return false;
    uint64_t unreadable = arc_filescan_unreadable(r->scan);
    if (unreadable)
        archive_notice(archive, LOG_WARNING, "%llu files or folders could not be read for a retrieval",
                       (unsigned long long)unreadable);
    arc_filescan_leave(r->scan);
    return !index || select_from(r, index, selection, err);
}

ArcRetrieve *arc_retrieve_open_stoppable(Archive *archive, const IdxSelection *selection, const ArcStop *stop,
                                         Err *err)
{
    Err why = {0};
    ArcRetrieve own = {.archive = archive};
    archive_touch(archive);
    bool ok = !arc_index_is_away(archive, &why) && select_from(&own, archive->index, selection, &why);
    if (!ok && archive_may_scan(archive, &why, DCM_STATUS_MOVE_CANNOT_COUNT))
        ok = select_files(&own, archive, selection, stop, &why);
    if (!ok) {
        arc_filescan_close(own.scan);
        if (err)
            *err = why;
        return NULL;
    }
    ArcRetrieve *retrieve = malloc(sizeof *retrieve);
    if (!retrieve)
        abort();
    *retrieve = own;
    return retrieve;
}

ArcRetrieve *arc_retrieve_open(Archive *archive, const IdxSelection *selection, Err *err)
{
    return arc_retrieve_open_stoppable(archive, selection, NULL, err);
}

uint64_t arc_retrieve_count(const ArcRetrieve *retrieve)
{
    return retrieve->count;
}

static Row *row_at(ArcRetrieve *retrieve, unsigned ahead)
{
    return &retrieve->rows[(retrieve->hand + ahead) % RING];
}

/* The row behind those that are known. */
static Row *look_ahead(ArcRetrieve *retrieve)
{
    Row *row = row_at(retrieve, ++retrieve->ahead);
    if (row->arena)
        arena_reset(row->arena);
    else
        row->arena = arena_new(0);
    row->file = (IdxFile){0};
    row->asked = false;
    retrieve->failure = (Err){0};
    row->ok = !retrieve->files || idx_files_next(retrieve->files, row->arena, &row->file, &retrieve->failure);
    return row;
}

bool arc_retrieve_next(ArcRetrieve *retrieve, IdxFile *out, Err *err)
{
    archive_touch(retrieve->archive);
    if (!retrieve->ahead)
        look_ahead(retrieve);
    const Row *row = row_at(retrieve, 1);
    retrieve->hand = (retrieve->hand + 1) % RING;
    retrieve->ahead--;
    *out = row->file;
    if (!row->ok && err)
        *err = retrieve->failure;
    return row->ok;
}

static bool is_object(const Row *row)
{
    return row->ok && row->file.sop_instance;
}

/* May there be one more behind those that are known? Not behind the end, nor behind a failure. */
static bool may_look_ahead(ArcRetrieve *retrieve)
{
    uint64_t bytes = 0;
    for (unsigned i = 1; i <= retrieve->ahead; i++)
        bytes += row_at(retrieve, i)->file.size;
    return is_object(row_at(retrieve, retrieve->ahead)) && retrieve->ahead < AHEAD_OBJECTS &&
           bytes < AHEAD_BYTES;
}

/* The one at hand comes first: else the disk would read the others before it. */
void arc_retrieve_read_ahead(ArcRetrieve *retrieve)
{
    enum { REST = 8 };
    if (retrieve->rest && retrieve->rest--)
        return;
    for (unsigned i = 0; i <= retrieve->ahead || may_look_ahead(retrieve); i++) {
        Row *row = i <= retrieve->ahead ? row_at(retrieve, i) : look_ahead(retrieve);
        if (row->asked || !is_object(row))
            continue;
        row->asked = true;
        if (!arc_object_read_ahead(&row->file)) {
            retrieve->rest = REST;
            return;
        }
    }
}

void arc_retrieve_rewind(ArcRetrieve *retrieve)
{
    retrieve->ahead = 0;
    if (retrieve->files)
        idx_files_rewind(retrieve->files);
}

void arc_retrieve_close(ArcRetrieve *retrieve)
{
    if (!retrieve)
        return;
    archive_touch(retrieve->archive);
    idx_files_free(retrieve->files);
    arc_filescan_close(retrieve->scan);
    for (unsigned i = 0; i < RING; i++)
        arena_free(retrieve->rows[i].arena);
    free(retrieve);
}
