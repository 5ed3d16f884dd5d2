// SPDX-License-Identifier: MIT
/*
 * The answer to a store request, PS3.18 §10.5.3 and I.2: stored, or failed with the status that C-STORE would have had. 200 all, 202 some, or some with a
 * warning, 409 none (507 when the disk is full).
 *
 * Warning B000: another object of this UID was there and stays, by the settings; what can be retrieved is not what was sent.
 */
#include "dicom/json.h"
#include "dicom/status.h"
#include "dicom/tags.h"
#include "dicom/xml.h"
#include "web/audit.h"
#include "web/store.h"

#include <string.h>

enum { WARNING_COERCED = 0xB000 };

typedef struct Tally {
    size_t stored, warned, failed, no_space;
} Tally;

static const char *study_url(Stow *s, const char *study)
{
    return arena_printf(http_arena(s->x), "%s%s/studies/%s", http_base_url(s->x), s->service->retrieve_prefix,
                        web_address_part(http_arena(s->x), study));
}

static DcmDataset *add_item(DcmDataset *answer, DcmTag sequence)
{
    if (!dcm_find(answer, sequence))
        dcm_put_sequence(answer, sequence);
    return dcm_add_item(answer, sequence);
}

static bool has_warning(const StowObject *o)
{
    return o->stored.outcome == ARC_KEPT_FIRST;
}

static void put_stored(Stow *s, DcmDataset *answer, const StowObject *o)
{
    Arena *arena = http_arena(s->x);
    DcmDataset *item = add_item(answer, DCM_ReferencedSOPSequence);
    dcm_put_utf8(item, DCM_ReferencedSOPClassUID, o->stored.sop_class);
    dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, o->stored.sop_instance);
    dcm_put_utf8(item, DCM_RetrieveURL,
                 arena_printf(arena, "%s/series/%s/instances/%s", study_url(s, o->stored.study),
                              web_address_part(arena, o->stored.series),
                              web_address_part(arena, o->stored.sop_instance)));
    if (has_warning(o))
        dcm_put_u16(item, DCM_WarningReason, WARNING_COERCED);
}

static void put_failed(DcmDataset *answer, const StowObject *o)
{
    DcmDataset *item = add_item(answer, *o->sop_instance ? DCM_FailedSOPSequence : DCM_OtherFailuresSequence);
    if (*o->sop_instance) {
        dcm_put_utf8(item, DCM_ReferencedSOPClassUID, o->sop_class);
        dcm_put_utf8(item, DCM_ReferencedSOPInstanceUID, o->sop_instance);
    }
    dcm_put_u16(item, DCM_FailureReason, o->err.dimse ? o->err.dimse : DCM_STATUS_PROCESSING_FAILURE);
}

static DcmDataset *make_answer(Stow *s, Tally *tally)
{
    DcmDataset *answer = dcm_dataset_new(http_arena(s->x));
    const char *study = NULL;
    dcm_put(answer, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    for (const StowObject *o = s->first; o; o = o->next) {
        if (!o->ok) {
            tally->failed++;
            tally->no_space += o->err.code == ERR_NO_SPACE;
            put_failed(answer, o);
            continue;
        }
        tally->stored++;
        tally->warned += has_warning(o);
        put_stored(s, answer, o);
        study = !study || !strcmp(study, o->stored.study) ? o->stored.study : "";
    }
    if (study && *study)
        dcm_put_utf8(answer, DCM_RetrieveURL, study_url(s, study));
    return answer;
}

static unsigned status_of(const Tally *tally)
{
    if (tally->failed == 0)
        return tally->warned ? 202 : 200;
    return tally->stored > 0 ? 202 : tally->no_space == tally->failed ? 507 : 409;
}

void stow_answer(Stow *s)
{
    static const WebOffer offers[] = {
        {"application/dicom+json", false}, {"application/dicom+xml", false}, {"application/json", false}};
    Tally tally = {0};
    Err err = {0};
    WebAccept accept;
    Buf body;
    if (!web_audit_stored(s, &err)) {
        http_problem(s->x, &err);
        return;
    }
    DcmDataset *answer = make_answer(s, &tally);
    /* The objects are stored: an Accept that nothing fits is no reason to say otherwise. */
    int chosen = web_accept_parse(http_arena(s->x), http_request_header(s->x, "Accept"), NULL, &accept, &err)
                     ? web_accept_choose(&accept, offers, 3, NULL)
                     : 0;
    if (chosen < 0)
        chosen = 0;
    buf_init(&body, 0);
    JsonWriter w = json_writer(&body);
    bool ok = chosen == 1 ? dcm_xml_write(&body, answer, NULL, &err) : dcm_json_write(&w, answer, NULL, &err);
    if (ok)
        http_answer_buf(s->x, status_of(&tally), offers[chosen].type, &body);
    else
        http_problem(s->x, &err);
    buf_free(&body);
}
