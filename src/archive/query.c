// SPDX-License-Identifier: MIT
/*
 * Queries: PS3.4 C.6.1 (Patient Root), C.6.2 (Study Root) and the retired C.6.3 (Patient/Study Only) say which levels there are. The rest is
 * the index's. Hierarchical and relational queries are answered alike: the keys given are matched, whatever their level, and
 * a missing unique key of an upper level selects more, as peers expect that do not send it.
 */
#include "archive/archive_internal.h"

#include <stdlib.h>

struct ArcQuery {
    IdxCursor *cursor;
};

/* PATIENT level under Study Root is no level of that model, but peers ask for it and the answer is clear. */
static bool model_has_level(ArcModel model, DcmLevel level)
{
    return model != ARC_PATIENT_STUDY_ONLY || level == DCM_LEVEL_PATIENT || level == DCM_LEVEL_STUDY;
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
    IdxQuery query = {
        .level = ask->level,
        .keys = ask->keys,
        .match = ask->match,
        .limit = ask->limit,
        .offset = ask->offset,
        .all_attributes = ask->all_attributes,
        .stopped = ask->stopped,
        .stopped_ctx = ask->stopped_ctx,
    };
    IdxCursor *cursor = idx_query(archive->index, &query, err);
    if (!cursor)
        return NULL;
    ArcQuery *out = malloc(sizeof *out);
    if (!out)
        abort();
    out->cursor = cursor;
    return out;
}

bool arc_query_next(ArcQuery *query, Arena *arena, IdxRow *out, Err *err)
{
    return idx_next(query->cursor, arena, out, err);
}

void arc_query_close(ArcQuery *query)
{
    if (!query)
        return;
    idx_cursor_free(query->cursor);
    free(query);
}
