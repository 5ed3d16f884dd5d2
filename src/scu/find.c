// SPDX-License-Identifier: MIT
/* C-FIND as SCU, PS3.4 C.4.1, PS3.7 §9.1.2: pending responses carry matches, the last one the status. */
#include "scu/query_internal.h"

#include "dicom/status.h"

/* After our C-CANCEL a peer may still have sent matches; it gets that long to come to an end. Pending responses without a match are no answer: so many of them in
   a row, or none but them for as long as an answer may take, is the end. */
enum { CANCEL_GRACE_MS = 30000, EMPTY_MAX = 1000 };

static bool give_up(ScuQuery *query, ErrCode code, const char *why, Err *err)
{
    net_abort(query->association, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    return err_set(err, code, "%s %s; the association was aborted", query->peer, why);
}

bool scu_find(ScuQuery *query, DcmLevel level, const DcmDataset *keys, ScuMatch match, void *ctx,
              ScuResult *result, Err *err)
{
    *result = (ScuResult){.associated = true};
    NetCommand request = {.field = NET_C_FIND_RQ};
    if (!scu_request(query, SCU_FIND, level, keys, &request, err))
        return false;
    Deadline patience = CLOCK_NEVER, answer = deadline_in(query->dimse_ms);
    size_t empty = 0;
    for (;;) {
        NetCommand response = {0};
        arena_reset(query->arena);
        if (!scu_next(query, &response, err) || !scu_check_response(query, &request, &response, err))
            return false;
        bool pending = dcm_status_class(response.status) == DCM_PENDING;
        const DcmDataset *data_set = NULL;
        if (response.has_data_set && pending && patience == CLOCK_NEVER) {
            data_set = scu_read_data_set(query, &response, err);
            if (!data_set)
                return false;
        } else if (response.has_data_set && !net_data_skip(query->association, err)) {
            return err_wrap(err, "%s", query->peer);
        }
        scu_take_response(result, &response);
        if (!pending)
            return scu_judge(result, NULL, query->peer, "Query/Retrieve", err);
        if (deadline_passed(patience))
            return give_up(query, ERR_CANCELLED, "went on sending although the query was cancelled", err);
        if (!data_set && patience == CLOCK_NEVER && (++empty > EMPTY_MAX || deadline_passed(answer)))
            return give_up(query, ERR_TIMEOUT, "says that matches follow, but sends none", err);
        if (!data_set)
            continue;
        empty = 0;
        answer = deadline_in(query->dimse_ms);
        result->matches++;
        if (!match(ctx, data_set)) {
            if (!scu_cancel(query, &request, err))
                return err_wrap(err, "%s", query->peer);
            patience = deadline_in(CANCEL_GRACE_MS);
        }
    }
}
