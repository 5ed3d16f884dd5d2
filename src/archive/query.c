// SPDX-License-Identifier: MIT
/*
 * Queries: PS3.4 C.6.1 (Patient Root), C.6.2 (Study Root) and the retired C.6.3 (Patient/Study Only) say which levels there are. The rest is
 * the index's. Hierarchical and relational queries are answered alike: the keys given are matched, whatever their level, and
 * a missing unique key of an upper level selects more, as peers expect that do not send it.
 *
 * While the index cannot be reached, the files answer, if the settings say so.
 */
#include "archive/archive_internal.h"
#include "archive/figures.h"

#include "dicom/status.h"

#include <stdlib.h>

struct ArcQuery {
    Archive *archive;
    IdxCursor *cursor; /* NULL: `files` */
    FileQuery *files;
};

/* PATIENT level under Study Root is no level of that model, but peers ask for it and the answer is clear. */
static bool model_has_level(ArcModel model, DcmLevel level)
{
    return model != ARC_PATIENT_STUDY_ONLY || level == DCM_LEVEL_PATIENT || level == DCM_LEVEL_STUDY;
}

IdxQuery archive_query_of(const ArcAsk *ask)
{
    return (IdxQuery){
        .level = ask->level,
        .keys = ask->keys,
        .match = ask->match,
        .limit = ask->limit,
        .offset = ask->offset,
        .all_attributes = ask->all_attributes,
        .extended_attributes = ask->extended_attributes,
        .stopped = ask->stopped,
        .stopped_ctx = ask->stopped_ctx,
    };
}

ArcQuery *arc_query_open(Archive *archive, const ArcAsk *ask, Err *err)
{
    if ((unsigned)ask->level >= DCM_LEVEL_COUNT) {
        err_set(err, ERR_MISMATCH, "the query names no level that is known");
        return NULL;
    }
    if (!model_has_level(ask->model, ask->level)) {
        err_set(err, ERR_MISMATCH, "Patient/Study Only has no level %s (PS3.4 C.6.3)",
                dcm_level_name(ask->level));
        return NULL;
    }
    IdxQuery query = archive_query_of(ask);
    Err why = {0};
    ArcQuery own = {.archive = archive};
    archive_touch(archive);
    if (!arc_index_is_away(archive, &why)) {
        int64_t began = clock_ns();
        query.newest = ask->newest;
        own.cursor = idx_query(archive->index, &query, &why);
        figures_query(began);
    }
    if (!own.cursor && archive_may_scan(archive, &why, DCM_STATUS_OUT_OF_RESOURCES))
        own.files = filequery_open(archive, ask, &why);
    if (!own.cursor && !own.files) {
        if (err)
            *err = why;
        return NULL;
    }
    ArcQuery *out = malloc(sizeof *out);
    if (!out)
        abort();
    *out = own;
    return out;
}

bool arc_query_next(ArcQuery *query, Arena *arena, IdxRow *out, Err *err)
{
    archive_touch(query->archive);
    return query->cursor ? idx_next(query->cursor, arena, out, err)
                         : filequery_next(query->files, arena, out, err);
}

void arc_query_close(ArcQuery *query)
{
    if (!query)
        return;
    archive_touch(query->archive);
    idx_cursor_free(query->cursor);
    filequery_close(query->files);
    free(query);
}
