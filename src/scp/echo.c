// SPDX-License-Identifier: MIT
/* Verification, PS3.4 A: C-ECHO, PS3.7 §9.1.5. */
#include "scp/association.h"

#include "base/clock.h"

bool scp_echo(ScpAssociation *a, const NetCommand *request, Err *err)
{
    int64_t began = clock_wall_us();
    if (request->has_data_set && !net_data_skip(a->net, err))
        return false;
    if (!scp_respond(a, request, DCM_STATUS_SUCCESS, NULL, err))
        return false;
    log_joined(LOG_INFO, SCP_LOG_TRANSACTION, "C-ECHO from ", a->calling);
    scp_event(a, request,
              (ScpEvent){.action = "CECHO",
                         .committed = true,
                         .has_status = true,
                         .status = DCM_STATUS_SUCCESS,
                         .success = true,
                         .began_us = began});
    return true;
}
