// SPDX-License-Identifier: MIT
/*
 * Storage, PS3.4 B: C-STORE, PS3.7 §9.1.1. The data set goes from the wire into the ingest piece by piece; nothing is allocated per piece.
 * When the ingest cannot go on, the rest is read and dropped, so that the sender hears the status instead of seeing its association die.
 * Statuses, PS3.4 B.2.3: A700 out of resources, A900 data set does not match SOP class, C000 cannot understand, 0110 processing failure.
 */
#include "scp/audit.h"

#include "base/clock.h"
#include "dicom/uid.h"

#include <inttypes.h>
#include <string.h>

static ArcIngest *begin(ScpAssociation *a, const NetCommand *request, const NetAccepted *context, Err *why)
{
    if (!request->has_data_set) {
        err_set(why, ERR_FORMAT, "the request has no data set");
        return NULL;
    }
    if (!scp_audit_may_serve(a, why))
        return NULL;
    bool announced = dcm_sop_class(span_cstr(request->sop_class)) ||
                     strcmp(request->sop_class, context->abstract_syntax) == 0;
    ArcIncoming incoming = {.transfer_syntax = context->transfer_syntax,
                            .sop_class = announced ? request->sop_class : NULL,
                            .sop_instance = announced ? request->sop_instance : NULL,
                            .source_ae = a->calling};
    return arc_ingest_begin(a->archive, &incoming, why);
}

/* Reads the data set to its end, into the ingest while that is well. False: the association is over. */
static bool receive(ScpAssociation *a, ArcIngest **ingest, Err *why, Err *err)
{
    for (;;) {
        Span piece;
        size_t n = 0;
        uint8_t *room = *ingest ? arc_ingest_room(*ingest, &n) : NULL;
        if (!net_data_next_into(a->net, room, n, &piece, err))
            break;
        if (!piece.n)
            return true;
        if (*ingest && !arc_ingest_write(*ingest, piece, why)) {
            arc_ingest_abandon(*ingest);
            *ingest = NULL;
        }
    }
    arc_ingest_abandon(*ingest);
    *ingest = NULL;
    return false;
}

static void report_stored(ScpAssociation *a, const NetCommand *request, const ArcStored *stored,
                          int64_t began)
{
    a->stored++;
    if (log_enabled(LOG_INFO, SCP_LOG_FILE))
        log_info(SCP_LOG_FILE, "C-STORE from %s: %s, %" PRIu64 " bytes, %" PRId64 " ms: %s%s", a->calling,
                 stored->sop_instance, stored->size, (clock_wall_us() - began) / 1000,
                 arc_outcome_text(stored->outcome),
                 stored->defects ? " (with defects that were tolerated)" : "");
    scp_event(a, request,
              (ScpEvent){.action = "CSTORE",
                         .committed = true,
                         .has_status = true,
                         .status = DCM_STATUS_SUCCESS,
                         .success = true,
                         .study = stored->study,
                         .series = stored->series,
                         .instance = stored->sop_instance,
                         .last_log = arc_outcome_text(stored->outcome),
                         .began_us = began});
}

static void report_refused(ScpAssociation *a, const NetCommand *request, const Err *why, int64_t began)
{
    a->refused++;
    scp_audit_not_stored(a);
    log_warning(scp_logger(why, SCP_LOG_FILE), "C-STORE from %s: %s answered with %04X: %s", a->calling,
                request->sop_instance, scp_status_of(why), why->text);
    scp_event(a, request,
              (ScpEvent){.action = "CSTORE",
                         .committed = true,
                         .has_status = true,
                         .status = scp_status_of(why),
                         .instance = request->sop_instance,
                         .last_log = why->text,
                         .began_us = began});
}

bool scp_store(ScpAssociation *a, const NetCommand *request, Err *err)
{
    int64_t began = clock_wall_us();
    const NetAccepted *context = net_context_by_id(a->net, request->context_id);
    ArcStored stored = {0};
    Err why = {0};
    ArcIngest *ingest = begin(a, request, context, &why);
    if (request->has_data_set && !receive(a, &ingest, &why, err))
        return false;
    if (!ingest || !arc_ingest_commit(ingest, &stored, &why) || !scp_audit_stored(a, &stored, &why)) {
        report_refused(a, request, &why, began);
        return scp_respond(a, request, scp_status_of(&why), scp_comment_of(&why, "Storage"), err);
    }
    /* The object is safe whether or not its sender lives to hear so. */
    bool answered = scp_respond(a, request, DCM_STATUS_SUCCESS, NULL, err);
    report_stored(a, request, &stored, began);
    return answered;
}
