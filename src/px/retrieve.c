// SPDX-License-Identifier: MIT
#include "px/retrieve.h"

#include "dicom/status.h"
#include "dicom/tags.h"
#include "px/command.h"

#include <stdio.h>

/* A warning status means that some objects were not sent. */
static bool all_was_sent(const ScuResult *result, Err *err)
{
    if (result->status == DCM_STATUS_SUCCESS && !result->failed)
        return true;
    return err_set(err, ERR_REFUSED, "the peer could not send %u of the images (status 0x%04X%s%s)",
                   result->failed, result->status, *result->comment ? ": " : "", result->comment);
}

static bool request(PxMover *mover, const char *study, const char *series, ScuResult *result, Err *err)
{
    if (!mover->association)
        mover->association = scu_query_open(&mover->peer, SCU_MOVE, SCU_STUDY_ROOT, NULL, 0, result, err);
    if (!mover->association)
        return false;
    Arena *arena = arena_new(0);
    DcmDataset *keys = dcm_dataset_new(arena);
    dcm_put_utf8(keys, DCM_QueryRetrieveLevel, "SERIES");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, study);
    dcm_put_utf8(keys, DCM_SeriesInstanceUID, series);
    bool ok =
        scu_move(mover->association, DCM_LEVEL_SERIES, keys, mover->peer.calling_ae, NULL, NULL, result, err);
    arena_free(arena);
    if (!ok && !result->answered)
        px_mover_close(mover);
    return ok && all_was_sent(result, err);
}

bool px_move(PxMover *mover, const char *study, const char *series, json_t **outcome, ScuResult *result,
             Err *err)
{
    /* What DCMTK's movescu ends with. */
    enum { NO_ASSOCIATION = 61, NO_SUCCESS = 69 };
    Arena *arena = arena_new(0);
    const char *command =
        px_command_move(arena, mover->movescu, &mover->peer, study, series, mover->series_first);
    if (mover->trace)
        fprintf(mover->trace, "%s\n", command);
    *result = (ScuResult){0};
    bool ok = request(mover, study, series, result, err);
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
