// SPDX-License-Identifier: MIT
#include "px/then_status.h"

static bool status(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    PxStatusTeller *teller = ctx;
    PxStatusAsk ask = {
        .study = target->study, .series = target->series, .verify = true, .dialect = teller->dialect};
    if (!teller->base)
        *result = px_status_unknown(teller->log_path, &ask);
    else if (!px_status(teller->base, &ask, result, err)) {
        *result = px_outcome(false, px_text(err->text), "", 1);
        return false;
    }
    teller->line = teller->study == target->study_record ? teller->line + 1 : 1;
    teller->study = target->study_record;
    Buf line;
    buf_init(&line, 0);
    if (teller->dialect == PX_NEWEST)
        buf_printf(&line, "%04u │ ", teller->line);
    px_status_line(*result, target->about, &line);
    buf_printf(&line, " │ %s", target->series);
    px_feedback_line(feedback, &line);
    return true;
}

PxDoer px_doer_status(PxStatusTeller *teller)
{
    return (PxDoer){.verb = PX_VERB_STATUS, .ctx = teller, .run = status};
}
