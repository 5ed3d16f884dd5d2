// SPDX-License-Identifier: MIT
/* C-GET into a BASEMOUNT: each object goes through the archive's ingest before it is answered. */
#include "px/retrieve_internal.h"

#include "scu/scout.h"

typedef struct Getting {
    PxBase *base;
    Archive *archive;
    const char *source_ae;
    size_t refused;
    Err first; /* why the first of them was refused */
} Getting;

static bool refuse(Getting *getting, const Err *err)
{
    if (!getting->refused++ && err)
        getting->first = *err;
    return false;
}

static void *begin(void *ctx, const char *sop_class, const char *sop_instance, const char *transfer_syntax,
                   Err *err)
{
    Getting *getting = ctx;
    ArcIngest *ingest = arc_ingest_begin(getting->archive,
                                         &(ArcIncoming){.transfer_syntax = transfer_syntax,
                                                        .sop_class = sop_class,
                                                        .sop_instance = sop_instance,
                                                        .source_ae = getting->source_ae},
                                         err);
    if (!ingest)
        refuse(getting, err);
    return ingest;
}

static bool piece(void *ctx, void *handle, Span bytes, Err *err)
{
    return arc_ingest_write(handle, bytes, err) || refuse(ctx, err);
}

static bool end(void *ctx, void *handle, bool complete, Err *err)
{
    Getting *getting = ctx;
    ArcStored stored;
    if (!complete) {
        arc_ingest_abandon(handle);
        return false;
    }
    return (arc_ingest_commit(handle, &stored, err) &&
            px_base_took(getting->base, stored.sop_instance, err)) ||
           refuse(getting, err);
}

bool px_get_series(PxMover *mover, const DcmDataset *keys, ScuResult *result, Err *err)
{
    Getting getting = {.base = mover->base, .source_ae = mover->peer.called_ae};
    getting.archive = px_base_archive(mover->base, err);
    if (!getting.archive)
        return false;
    ScuSink sink = {.ctx = &getting, .begin = begin, .piece = piece, .end = end};
    bool ok = scu_get(mover->association, DCM_LEVEL_SERIES, keys, &sink, NULL, NULL, result, err);
    if (!getting.refused)
        return ok;
    *err = getting.first;
    return err_wrap(err, "%zu of the images could not be taken; the first one", getting.refused);
}

void px_mover_scout(PxMover *mover, Arena *arena, const json_t *document)
{
    ScuResult result;
    if (mover->way == PX_WAY_MOVE)
        return;
    mover->classes = textset_of(arena);
    ScuQuery *query = scu_query_open(&mover->peer, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, &result, NULL);
    if (!query)
        return;
    const json_t *study;
    size_t i;
    json_array_foreach(json_object_get(document, "data"), i, study)
    {
        const char *uid = px_value(study, "StudyInstanceUID");
        if (uid)
            scout_classes(query, DCM_LEVEL_STUDY, NULL, NULL, uid, &mover->classes);
    }
    scu_query_close(query);
}
