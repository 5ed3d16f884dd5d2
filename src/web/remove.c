// SPDX-License-Identifier: MIT
/*
 * Taking objects out over HTTP: DELETE of a study, series or instance, and the form that viewers know from dcm4chee, "reject" with a code of
 * Key Object Selection (PS3.16 CID 7011). Both go into the trash, from where `manage data undelete` brings them back. Off unless the settings allow it.
 */
#include "archive/trash.h"
#include "base/log.h"
#include "web/audit.h"
#include "web/retrieve.h"

#include <inttypes.h>
#include <string.h>

static bool allowed(HttpExchange *x, const WebService *service)
{
    if (service->web->settings->allow_delete)
        return true;
    http_refuse(x, 403,
                "deleting over HTTP is switched off in this archive; api.dicomweb.allow_delete in "
                "app/settings.yml allows it");
    return false;
}

/* "study 1.2.3, by NAME over HTTP: why": for the manifest of the batch. Patient IDs do not occur. */
static const char *describe(HttpExchange *x, const IdxSelection *selection, const char *why)
{
    const char *level = selection->instance_count ? "instance" : selection->series_count ? "series" : "study";
    const char *uid = selection->instance_count ? selection->instances[0]
                      : selection->series_count ? selection->series[0]
                                                : selection->studies[0];
    return arena_printf(http_arena(x), "%s %s, by %s over HTTP: %s", level, uid,
                        *http_user(x) ? http_user(x) : http_client(x), why);
}

static void note(void *ctx, const ArcTrashed *so_far, const char *sop_instance, const Err *why)
{
    (void)ctx;
    (void)so_far;
    if (why)
        log_warning("pacs.file_dicom", "%s: %s", sop_instance, why->text);
}

static void take_out(HttpExchange *x, const WebService *service, const char *why)
{
    IdxSelection selection;
    ArcTrashed done;
    Err err = {0};
    if (!allowed(x, service) || !web_select_path(x, &selection) ||
        http_unchanged(x, NULL,
                       0)) /* no entity tag is given out for these: a condition that names one fails */
        return;
    if (!web_audit_deleting(service->web, x, &selection, why, &err)) {
        http_problem(x, &err);
        return;
    }
    ArcTrash trash = {
        .folder = service->web->settings->trash_path, .what = describe(x, &selection, why), .step = note};
    bool ok = arc_delete(service->web->archive, &trash, &selection, &done, &err);
    if (done.objects)
        log_info("pacs.audit", "%s: %" PRIu64 " objects, %" PRIu64 " bytes, batch %s", trash.what,
                 done.objects, done.bytes, done.batch);
    if (ok)
        http_answer(x, 204, NULL, (Span){0});
    else if (err.code == ERR_NOT_FOUND)
        http_refuse(x, 404, "nothing of this study, series or instance is in the archive");
    else
        http_problem(x, &err);
}

static void remove_objects(HttpExchange *x, void *ctx)
{
    take_out(x, ctx, "deleted");
}

/* The codes that mean rejection; the scheme behind '^' is DCM. */
static void reject_objects(HttpExchange *x, void *ctx)
{
    static const struct {
        const char *code, *meaning;
    } rows[] = {
        {"113001^DCM", "Rejected for Quality Reasons"},
        {"113037^DCM", "Rejected for Patient Safety Reasons"},
        {"113038^DCM", "Incorrect Modality Worklist Entry"},
        {"113039^DCM", "Data Retention Policy Expired"},
    };
    const char *code = http_part(x, "code");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(code, rows[i].code) == 0) {
            take_out(x, ctx, rows[i].meaning);
            return;
        }
    }
    http_refuse(x, 400,
                "\"%.40s\" is no code for a rejection: 113001^DCM, 113037^DCM, 113038^DCM and 113039^DCM are",
                code);
}

#define REMOVE(method_, path, end_, text)                                                                    \
    {                                                                                                        \
        .method = method_, .pattern = path, .role = USER_DELETE, .handler = {.end = end_}, .summary = text,  \
        .answers = "204; 400; 403; 404; 412"                                                                 \
    }
const HttpRoute web_remove_routes[] = {
    REMOVE("DELETE", "/studies/{study}", remove_objects, "Delete a study; it goes into the trash"),
    REMOVE("DELETE", "/studies/{study}/series/{series}", remove_objects,
           "Delete a series; it goes into the trash"),
    REMOVE("DELETE", "/studies/{study}/series/{series}/instances/{instance}", remove_objects,
           "Delete an instance; it goes into the trash"),
    REMOVE("POST", "/studies/{study}/reject/{code}", reject_objects,
           "Reject a study, for example with 113001^DCM"),
    REMOVE("POST", "/studies/{study}/series/{series}/reject/{code}", reject_objects, "Reject a series"),
    REMOVE("POST", "/studies/{study}/series/{series}/instances/{instance}/reject/{code}", reject_objects,
           "Reject an instance"),
};
const size_t web_remove_route_count = sizeof web_remove_routes / sizeof *web_remove_routes;
