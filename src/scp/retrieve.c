// SPDX-License-Identifier: MIT
/*
 * Final statuses, PS3.4 tables C.4-2 and C.4-3: 0000 all were sent (also when nothing was selected); B000 some were not, or were stored with a
 * warning; A702 none was; FE00 after C-CANCEL, with what remains. The identifier of these but the first lists the UIDs of
 * the failed objects. The counters are 16 bits wide: greater numbers show as 65535.
 */
#include "scp/audit.h"

#include "base/clock.h"
#include "dicom/tags.h"
#include "dicom/write.h"

#include <inttypes.h>
#include <stdio.h>

/* Largest even value that explicit VR's 16-bit length can say for UI. */
enum { MAX_FAILED_LIST = 65534 };

/* Pending responses come behind each of the first objects; with many, one behind each would be a large part of the work of both sides. */
enum { TELL_FIRST = 16, TELL_EVERY_MS = 50 };

static uint16_t counter(uint64_t n)
{
    return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

/* -- responses -- */

static NetCommand response_of(const ScpRetrieve *r, uint16_t status)
{
    NetCommand response = net_response_to(r->request, status);
    response.has_counters = true;
    response.has_remaining = status == DCM_STATUS_PENDING || status == DCM_STATUS_CANCEL;
    response.remaining = counter(r->remaining);
    response.completed = counter(r->completed);
    response.failed = counter(r->failed);
    response.warning = counter(r->warning);
    return response;
}

static bool send_pending(ScpRetrieve *r, Err *err)
{
    if (r->completed + r->failed + r->warning > TELL_FIRST && !deadline_passed(r->tell_again))
        return true;
    r->tell_again = deadline_in(TELL_EVERY_MS);
    NetCommand response = response_of(r, DCM_STATUS_PENDING);
    return net_send(r->a->net, &response, NULL, err);
}

static uint16_t final_status(const ScpRetrieve *r)
{
    if (r->cancelled)
        return DCM_STATUS_CANCEL;
    if (!r->failed && !r->warning)
        return DCM_STATUS_SUCCESS;
    return r->completed || r->warning ? DCM_STATUS_SUB_OPERATIONS_WARNING : DCM_STATUS_MOVE_CANNOT_SEND;
}

static bool send_final(ScpRetrieve *r, uint16_t status, Err *err)
{
    NetCommand response = response_of(r, status);
    if (r->failed && r->why.code)
        scp_set_comment(&response, scp_comment_of(&r->why, r->status_service));
    if (!r->failed_uids.n)
        return net_send(r->a->net, &response, NULL, err);
    DcmDataset *list = dcm_dataset_new(r->a->arena);
    dcm_put(list, DCM_FailedSOPInstanceUIDList, DCM_VR_UI, buf_span(&r->failed_uids));
    buf_clear(&r->a->answer);
    if (!dcm_write(&r->a->answer, list, r->id.syntax, err))
        return false;
    Span bytes = buf_span(&r->a->answer);
    response.has_data_set = true;
    return net_send(r->a->net, &response, &bytes, err);
}

/* -- reports -- */

static void report(ScpRetrieve *r, uint16_t status)
{
    char name[64];
    bool well = status == DCM_STATUS_SUCCESS || status == DCM_STATUS_CANCEL;
    log_write(well ? LOG_INFO : LOG_WARNING, SCP_LOG_TRANSACTION,
              "%s from %s%s%s, %s: %" PRIu64 " sent, %" PRIu64 " with warning, %" PRIu64 " failed, %" PRIu64
              " not tried, %" PRId64 " ms, status %04X%s%s",
              r->name, r->a->calling, *r->request->move_destination ? " to " : "",
              r->request->move_destination, r->id.keys ? scp_identifier_name(&r->id, name) : "no identifier",
              r->completed, r->warning, r->failed, r->remaining, (clock_wall_us() - r->began) / 1000, status,
              r->why.code ? ": " : "", r->why.text);
    scp_event(r->a, r->request,
              (ScpEvent){.action = r->action,
                         .committed = dcm_status_class(status) == DCM_FAILURE,
                         .has_status = true,
                         .status = status,
                         .success = well,
                         .last_log = r->why.code ? r->why.text : dcm_status_text(status, r->status_service),
                         .data_set = r->id.keys,
                         .began_us = r->began});
}

bool scp_retrieve_refuse(ScpRetrieve *r, const Err *why, Err *err)
{
    r->why = *why;
    scp_audit_retrieved(r, why);
    bool answered =
        scp_respond(r->a, r->request, scp_status_of(why), scp_comment_of(why, r->status_service), err);
    report(r, scp_status_of(why));
    return answered;
}

/* -- the request -- */

static void check_level(const ScpIdentifier *id, Err *why)
{
    if (id->model == ARC_PATIENT_STUDY_ONLY && id->level > DCM_LEVEL_STUDY)
        err_set(why, ERR_MISMATCH, "Patient/Study Only has no level %s", dcm_level_name(id->level));
}

bool scp_retrieve_begin(ScpRetrieve *r, bool *serve, Err *err)
{
    Err why = {0};
    r->began = clock_wall_us();
    if (!scp_identifier_read(r->a, r->request, &r->id, &why, err))
        return false;
    if (!why.code)
        check_level(&r->id, &why);
    *serve = !why.code && scp_audit_may_serve(r->a, &why);
    return *serve || scp_retrieve_refuse(r, &why, err);
}

/* -- the sub-operations -- */

static void note_failure(ScpRetrieve *r, const IdxFile *file)
{
    Span uid = span_cstr(file->sop_instance);
    r->failed++;
    if (r->failed_uids.n + uid.n + 1 > MAX_FAILED_LIST)
        return;
    if (r->failed_uids.n)
        buf_u8(&r->failed_uids, '\\');
    buf_append_span(&r->failed_uids, uid);
}

static void report_failure(ScpRetrieve *r, const IdxFile *file, const Err *why)
{
    r->why = *why;
    log_warning(scp_logger(why, SCP_LOG_FILE), "%s: %s not sent: %s", r->name, file->sop_instance, why->text);
    scp_event(r->a, r->request,
              (ScpEvent){.action = r->action,
                         .committed = true,
                         .has_status = true,
                         .status = scp_status_of(why),
                         .study = file->study,
                         .series = file->series,
                         .instance = file->sop_instance,
                         .last_log = why->text,
                         .data_set = r->id.keys,
                         .began_us = r->began});
}

/* Sends one object and counts it. */
static ScpSent send_one(ScpRetrieve *r, const IdxFile *file)
{
    Err why = {0};
    ScpSent sent = scp_audit_sending(r, file, &why) ? r->send(r->ctx, file, &why) : SCP_NOT_SENT;
    scp_audit_sent(r, file, sent == SCP_SENT || sent == SCP_SENT_WARNING);
    if (r->remaining)
        r->remaining--;
    switch (sent) {
    case SCP_SENT:
        r->completed++;
        r->a->sent++;
        break;
    case SCP_SENT_WARNING:
        r->warning++;
        r->a->sent++;
        break;
    case SCP_NOT_SENT:
    case SCP_NONE_CAN_BE_SENT:
        note_failure(r, file);
        report_failure(r, file, &why);
        break;
    case SCP_OVER:
        r->why = why;
        break;
    }
    return sent;
}

/* Until the end, a C-CANCEL or the server's stop. False: the association is over. */
static bool send_all(ScpRetrieve *r, ArcRetrieve *objects, Err *err)
{
    IdxFile file;
    bool hopeless = false, over = false;
    while (!r->cancelled) {
        Err why = {0};
        if (!arc_retrieve_next(objects, &file, &why)) {
            r->failed += r->remaining;
            r->remaining = 0;
            r->why = why;
            return true;
        }
        if (!file.sop_instance)
            return true;
        if (hopeless) {
            note_failure(r, &file);
            r->remaining -= r->remaining != 0;
            continue;
        }
        arc_retrieve_read_ahead(objects);
        ScpSent sent = send_one(r, &file);
        if (sent == SCP_OVER) {
            *err = r->why;
            return false;
        }
        hopeless = sent == SCP_NONE_CAN_BE_SENT;
        r->cancelled = r->cancelled || scp_stopping(r->a->server) || scp_interrupted(r->a, r->request, &over);
        if (over)
            return err_set(err, ERR_CLOSED, "the peer went away during its request");
        if (!r->cancelled && !send_pending(r, err))
            return false;
    }
    return true;
}

/* One look over all objects, so that one negotiation covers them. */
static bool announce(ScpRetrieve *r, ArcRetrieve *objects, Err *why)
{
    IdxFile file;
    bool ok = true;
    while (r->expect && (ok = arc_retrieve_next(objects, &file, why)) && file.sop_instance)
        r->expect(r->ctx, &file);
    arc_retrieve_rewind(objects);
    return ok;
}

/* Asked while the objects are being selected. */
static bool is_stopped(void *ctx)
{
    ScpRetrieve *r = ctx;
    return scp_stopping(r->a->server) || scp_interrupted(r->a, r->request, &r->over);
}

static ArcRetrieve *select_objects(ScpRetrieve *r, Err *why)
{
    IdxSelection selection;
    ArcStop stop = {is_stopped, r};
    if (!arc_selection_of_keys(r->a->arena, r->id.level, r->id.keys, &selection, why))
        return NULL;
    ArcRetrieve *objects = arc_retrieve_open_stoppable(r->a->archive, &selection, &stop, why);
    if (!objects || announce(r, objects, why))
        return objects;
    arc_retrieve_close(objects);
    return NULL;
}

/* Before the first object. */
static bool end_early(ScpRetrieve *r, Err *why, Err *err)
{
    if (r->over) {
        scp_audit_retrieved(r, why);
        return err_set(err, ERR_CLOSED, "the peer went away during its request");
    }
    if (why->code == ERR_CANCELLED)
        why->dimse = DCM_STATUS_CANCEL;
    return scp_retrieve_refuse(r, why, err);
}

bool scp_retrieve_run(ScpRetrieve *r, Err *err)
{
    Err why = {0};
    ArcRetrieve *objects = select_objects(r, &why);
    if (!objects)
        return end_early(r, &why, err);
    r->remaining = arc_retrieve_count(objects);
    buf_init(&r->failed_uids, MAX_FAILED_LIST);
    bool alive = send_all(r, objects, err);
    arc_retrieve_close(objects);
    scp_audit_retrieved(r, NULL);
    if (alive) {
        uint16_t status = final_status(r);
        alive = send_final(r, status, err);
        report(r, status);
    }
    buf_free(&r->failed_uids);
    return alive;
}
