// SPDX-License-Identifier: MIT
/* C-MOVE as SCU, PS3.4 C.4.2, PS3.7 §9.1.4: the peer sends to a third one and reports how far it is. */
#include "scu/query_internal.h"

#include "dicom/status.h"

#include <string.h>

bool scu_move(ScuQuery *query, DcmLevel level, const DcmDataset *keys, const char *destination_ae,
              ScuProgress progress, void *ctx, ScuResult *result, Err *err)
{
    *result = (ScuResult){.associated = true};
    NetCommand request = {.field = NET_C_MOVE_RQ};
    /* Cut to what fits, it would be another archive's title. */
    if (!*destination_ae || strlen(destination_ae) > 16)
        return err_set(err, ERR_USAGE, "move destination \"%s\" must have 1 to 16 characters",
                       destination_ae);
    span_copy(span_cstr(destination_ae), request.move_destination, sizeof request.move_destination);
    if (!scu_request(query, SCU_MOVE, level, keys, &request, err))
        return false;
    bool cancelled = false;
    for (;;) {
        NetCommand response = {0};
        arena_reset(query->arena);
        if (!scu_next(query, &response, err) || !scu_check_response(query, &request, &response, err))
            return false;
        const DcmDataset *identifier = NULL;
        if (response.has_data_set) {
            identifier = scu_read_data_set(query, &response, err);
            if (!identifier)
                return false;
        }
        scu_take_response(result, &response);
        bool go_on = !progress || progress(ctx, result, identifier);
        if (dcm_status_class(response.status) != DCM_PENDING)
            return scu_judge(result, NULL, query->peer, "Query/Retrieve", err);
        if (!go_on && !cancelled) {
            cancelled = true;
            if (!scu_cancel(query, &request, err))
                return err_wrap(err, "%s", query->peer);
        }
    }
}
