// SPDX-License-Identifier: MIT
#include "px/retrieve.h"

#include "dicom/status.h"
#include "dicom/tags.h"
#include "px/command.h"
#include "px/retrieve_internal.h"

#include <stdio.h>

/* A warning status means that some objects were not sent. */
static bool all_was_sent(const ScuResult *result, Err *err)
{
    if (result->status == DCM_STATUS_SUCCESS && !result->failed)
        return true;
    return err_set(err, ERR_REFUSED, "the peer could not send %u of the images (status 0x%04X%s%s)",
                   result->failed, result->status, *result->comment ? ": " : "", result->comment);
}

static DcmDataset *keys_of(Arena *arena, const char *study, const char *series)
{
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_QueryRetrieveLevel, "SERIES");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, study);
    dcm_put_utf8(keys, DCM_SeriesInstanceUID, series);
    return keys;
}

static const char *destination_of(const PxMover *mover)
{
    return mover->destination ? mover->destination : mover->peer.calling_ae;
}

static bool request(PxMover *mover, const char *study, const char *series, ScuResult *result, Err *err)
{
    bool get = mover->way != PX_WAY_MOVE;
    if (!mover->association)
        mover->association = scu_query_open(&mover->peer, get ? SCU_GET : SCU_MOVE, SCU_STUDY_ROOT,
                                            mover->classes.count ? mover->classes.items : NULL,
                                            mover->classes.count, result, err);
    if (!mover->association)
        return false;
    Arena *arena = arena_new(0);
    const DcmDataset *keys = keys_of(arena, study, series);
    bool ok = get ? px_get_series(mover, keys, result, err)
                  : scu_move(mover->association, DCM_LEVEL_SERIES, keys, destination_of(mover), NULL, NULL,
                             result, err);
    arena_free(arena);
    if (!ok && !result->answered)
        px_mover_close(mover);
    return ok && all_was_sent(result, err);
}

/* Did the peer say that it does not do C-GET at all? */
static bool offers_no_get(const PxMover *mover, const ScuResult *result, const Err *err)
{
    enum { UNRECOGNIZED_OPERATION = 0x0211 };
    if (mover->way != PX_WAY_GET_OR_MOVE)
        return false;
    return result->answered ? result->status == DCM_STATUS_SOP_CLASS_NOT_SUPPORTED ||
                                  result->status == UNRECOGNIZED_OPERATION
                            : result->associated && err->code == ERR_UNSUPPORTED;
}

static const char *command_of(Arena *arena, const PxMover *mover, const char *study, const char *series)
{
    return mover->way == PX_WAY_MOVE
               ? px_command_move(arena, mover->movescu, &mover->peer, destination_of(mover), study, series,
                                 mover->series_first)
               : px_command_get(arena, &mover->peer, study, series);
}

static bool ask(PxMover *mover, Arena *arena, const char *study, const char *series, const char **command,
                ScuResult *result, Err *err)
{
    *command = command_of(arena, mover, study, series);
    if (mover->trace)
        fprintf(mover->trace, "%s\n", *command);
    *result = (ScuResult){0};
    return request(mover, study, series, result, err);
}

bool px_move(PxMover *mover, const char *study, const char *series, json_t **outcome, ScuResult *result,
             Err *err)
{
    /* What DCMTK's movescu ends with. */
    enum { NO_ASSOCIATION = 61, NO_SUCCESS = 69 };
    Arena *arena = arena_new(0);
    const char *command;
    bool ok = ask(mover, arena, study, series, &command, result, err);
    if (!ok && offers_no_get(mover, result, err)) {
        px_mover_close(mover);
        mover->way = PX_WAY_MOVE;
        ok = ask(mover, arena, study, series, &command, result, err);
    }
    if (ok) {
        *outcome = px_outcome(true, json_array(), command, 0);
    } else {
        const char *text = arena_printf(arena, "%s: %s\n", result->associated ? "W" : "F", err->text);
        *outcome =
            px_outcome(false, px_text(text), command, result->associated ? NO_SUCCESS : NO_ASSOCIATION);
    }
    arena_free(arena);
    return ok;
}

void px_mover_close(PxMover *mover)
{
    scu_query_close(mover->association);
    mover->association = NULL;
}
