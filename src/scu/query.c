// SPDX-License-Identifier: MIT
/*
 * An association for the query/retrieve services, PS3.4 C: which contexts are proposed, and the frame of requests and
 * responses that C-FIND, C-MOVE and C-GET have in common.
 */
#include "scu/query_internal.h"

#include "base/buf.h"
#include "dicom/status.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IDENTIFIER = 16 << 20 };

static const char *const query_syntaxes[] = {DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian};

const char *scu_model_class(ScuModel model, ScuVerb verb)
{
    static const char *const classes[3][3] = {
        {DCM_UID_PatientRootQueryRetrieveInformationModelFind,
         DCM_UID_PatientRootQueryRetrieveInformationModelMove,
         DCM_UID_PatientRootQueryRetrieveInformationModelGet},
        {DCM_UID_StudyRootQueryRetrieveInformationModelFind,
         DCM_UID_StudyRootQueryRetrieveInformationModelMove,
         DCM_UID_StudyRootQueryRetrieveInformationModelGet},
        {DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelFind,
         DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelMove,
         DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelGet},
    };
    return classes[model][verb == SCU_FIND ? 0 : verb == SCU_MOVE ? 1 : 2];
}

void scu_peer_name(const ScuPeer *peer, char out[320])
{
    snprintf(out, 320, "%s at %s:%u", peer->called_ae, peer->host, peer->port);
}

/* -- proposing -- */

/* Relational queries, PS3.4 C.5.1.1: our keys may leave out the levels above. */
static const uint8_t relational[] = {1};

/* What is met most comes first: where contexts run out, the rest does without one of its own. */
static const char *const common_syntaxes[] = {
    DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian, DCM_UID_JPEGBaseline8Bit,
    DCM_UID_JPEGLosslessSV1,        DCM_UID_JPEG2000Lossless,       DCM_UID_JPEG2000,
    DCM_UID_JPEGLSLossless,         DCM_UID_JPEGLSNearLossless,     DCM_UID_RLELossless,
    DCM_UID_JPEGExtended12Bit,      DCM_UID_JPEGLossless,           DCM_UID_DeflatedExplicitVRLittleEndian,
    DCM_UID_ExplicitVRBigEndian};
enum { COMMON = sizeof common_syntaxes / sizeof *common_syntaxes, MAX_SYNTAXES = 64 };

typedef struct Proposals {
    NetProposal list[NET_MAX_CONTEXTS];
    size_t count;
    const char *syntaxes[MAX_SYNTAXES];
    size_t syntax_count;
} Proposals;

static void propose_verbs(Proposals *p, unsigned verbs, ScuModel model)
{
    static const ScuVerb all[] = {SCU_FIND, SCU_MOVE, SCU_GET};
    for (size_t i = 0; i < 3; i++)
        if (verbs & all[i])
            p->list[p->count++] = (NetProposal){.abstract_syntax = scu_model_class(model, all[i]),
                                                .transfer_syntaxes = query_syntaxes,
                                                .transfer_syntax_count = 2,
                                                .extended = {relational, sizeof relational}};
}

static void propose_class(Proposals *p, const char *sop_class, const char *const *syntaxes, size_t n)
{
    if (p->count < NET_MAX_CONTEXTS)
        p->list[p->count++] = (NetProposal){.abstract_syntax = sop_class,
                                            .transfer_syntaxes = syntaxes,
                                            .transfer_syntax_count = n,
                                            .role_selection = true,
                                            .scp = true};
}

static bool is_common(const char *uid)
{
    for (size_t i = 0; i < COMMON; i++)
        if (!strcmp(common_syntaxes[i], uid))
            return true;
    return false;
}

/* For many classes the list is kept short, so that the request stays well below what peers take (some stop at 128 KiB). */
static void gather_syntaxes(Proposals *p, bool common_only)
{
    while (p->syntax_count < COMMON) {
        p->syntaxes[p->syntax_count] = common_syntaxes[p->syntax_count];
        p->syntax_count++;
    }
    for (size_t i = 0; !common_only && i < dcm_transfer_syntax_count() && p->syntax_count < MAX_SYNTAXES; i++)
        if (!is_common(dcm_transfer_syntax_at(i)->uid))
            p->syntaxes[p->syntax_count++] = dcm_transfer_syntax_at(i)->uid;
}

/*
 * A context is granted one transfer syntax, so an object comes out as it is stored only when its syntax has a context of its own.
 * Where few classes are wanted there is room for that; where all are, one context each has to do.
 */
static void propose_storage(Proposals *p, const char *const *classes, size_t n)
{
    size_t room = NET_MAX_CONTEXTS - p->count;
    for (size_t i = 0; i < n; i++)
        propose_class(p, classes[i], p->syntaxes, COMMON); /* DCMTK gives up beyond 50 in one context */
    size_t used = n < room ? n : room;
    for (size_t s = 0; s < p->syntax_count && used + n <= room; s++, used += n)
        for (size_t i = 0; i < n; i++)
            propose_class(p, classes[i], &p->syntaxes[s], 1);
}

/* Parts of the names of classes that hardly any archive has; there are more classes than contexts. */
static bool is_rare(const DcmSopClass *row)
{
    static const char *const parts[] = {"DICOS",
                                        "EddyCurrent",
                                        "Thermography",
                                        "RadiationSet",
                                        "RadiationRecord",
                                        "ArmRadiation",
                                        "ArmPhoton",
                                        "Tomotherapeutic",
                                        "RadiationSalvage",
                                        "RoboticRadiation",
                                        "Instruction",
                                        "RTPhysician",
                                        "RTSegment",
                                        "RTTreatmentPrep",
                                        "EnhancedRT",
                                        "ContinuousRT",
                                        "Volumetric",
                                        "ProcedureProtocol",
                                        "RefractionMeasurements",
                                        "MeasurementsStorage",
                                        "Confocal",
                                        "encephalogram",
                                        "Electromyogram",
                                        "Electrooculogram",
                                        "BodyPosition",
                                        "Multichannel",
                                        "WaveformPresentation",
                                        "WaveformAcquisition",
                                        "MediaStorageDirectory",
                                        "SurfaceScan"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(row->keyword, parts[i]))
            return true;
    return row->retired;
}

/* As far as the contexts go, what is likely first. */
static void propose_all_storage(Proposals *p)
{
    for (int rare = 0; rare < 2; rare++)
        for (size_t i = 0; i < dcm_storage_class_count(); i++) {
            const DcmSopClass *row = dcm_storage_class_at(i);
            if (is_rare(row) == (rare == 1))
                propose_class(p, row->uid, p->syntaxes, p->syntax_count);
        }
}

/* Was any of the verbs that were asked for accepted? */
static bool check_accepted(const ScuQuery *query, unsigned verbs, Err *err)
{
    static const ScuVerb all[] = {SCU_FIND, SCU_MOVE, SCU_GET};
    const char *missing = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!(verbs & all[i]))
            continue;
        const char *class = scu_model_class(query->model, all[i]);
        if (net_context_for(query->association, class, NULL, true))
            return true;
        missing = class;
    }
    const char *name = dcm_uid_name(span_cstr(missing));
    return err_set(err, ERR_UNSUPPORTED, "%s does not offer the service %s", query->peer,
                   name ? name : missing);
}

ScuQuery *scu_query_open(const ScuPeer *peer, unsigned verbs, ScuModel model,
                         const char *const *storage_classes, size_t storage_class_count, ScuResult *result,
                         Err *err)
{
    *result = (ScuResult){0};
    Proposals *proposals = calloc(1, sizeof *proposals);
    ScuQuery *query = calloc(1, sizeof *query);
    if (!proposals || !query)
        abort();
    query->model = model;
    query->dimse_ms = peer->timeouts.dimse_ms;
    scu_peer_name(peer, query->peer);
    propose_verbs(proposals, verbs, model);
    gather_syntaxes(proposals, !storage_classes);
    if ((verbs & SCU_GET) && storage_classes)
        propose_storage(proposals, storage_classes, storage_class_count);
    else if (verbs & SCU_GET)
        propose_all_storage(proposals);
    NetRequest request = {.host = peer->host,
                          .port = peer->port,
                          .tls = peer->tls,
                          .has_identity = peer->identity != NULL,
                          .identity = peer->identity ? *peer->identity : (NetIdentity){0},
                          .calling_ae = peer->calling_ae,
                          .called_ae = peer->called_ae,
                          .proposals = proposals->list,
                          .proposal_count = proposals->count,
                          .max_pdu = peer->max_pdu,
                          .timeouts = peer->timeouts,
                          .cancelled = peer->cancelled};
    query->association = net_associate(&request, &result->reject, err);
    free(proposals);
    if (!query->association) {
        err_wrap(err, "%s", query->peer);
        free(query);
        return NULL;
    }
    result->associated = true;
    query->arena = arena_new(0);
    if (check_accepted(query, verbs, err))
        return query;
    scu_query_close(query);
    return NULL;
}

void scu_query_close(ScuQuery *query)
{
    if (!query)
        return;
    if (net_is_open(query->association))
        net_release(query->association, NULL);
    net_association_free(query->association);
    arena_free(query->arena);
    free(query);
}

/* -- requests and responses -- */

static bool encode_identifier(const DcmDataset *keys, DcmLevel level, const char *syntax_uid, Buf *out,
                              Err *err)
{
    Arena *arena = arena_new(0);
    DcmDataset *identifier = dcm_dataset_new(arena);
    /* The character set first: text is converted to that of the data set it goes into. */
    const DcmElement *charset = dcm_find(keys, DCM_SpecificCharacterSet);
    if (charset)
        dcm_copy(identifier, keys, charset);
    for (size_t i = 0; i < keys->count; i++)
        if (keys->elements[i].tag != DCM_SpecificCharacterSet)
            dcm_copy(identifier, keys, &keys->elements[i]);
    if (!dcm_find(identifier, DCM_QueryRetrieveLevel))
        dcm_put_utf8(identifier, DCM_QueryRetrieveLevel, dcm_level_name(level));
    bool ok = dcm_write(out, identifier, dcm_transfer_syntax(span_cstr(syntax_uid)), err);
    arena_free(arena);
    return ok;
}

bool scu_request(ScuQuery *query, ScuVerb verb, DcmLevel level, const DcmDataset *keys, NetCommand *request,
                 Err *err)
{
    const char *class = scu_model_class(query->model, verb);
    const NetAccepted *context = net_context_for(query->association, class, NULL, true);
    if (!context)
        return err_set(err, ERR_UNSUPPORTED, "%s does not offer the service %s", query->peer,
                       dcm_uid_name(span_cstr(class)));
    Buf identifier;
    buf_init(&identifier, MAX_IDENTIFIER);
    bool ok = encode_identifier(keys, level, context->transfer_syntax, &identifier, err);
    if (ok) {
        request->context_id = context->id;
        request->message_id = net_next_message_id(query->association);
        request->has_data_set = true;
        snprintf(request->sop_class, sizeof request->sop_class, "%s", class);
        Span bytes = buf_span(&identifier);
        ok = net_send(query->association, request, &bytes, err) || err_wrap(err, "%s", query->peer);
    }
    buf_free(&identifier);
    return ok;
}

bool scu_next(ScuQuery *query, NetCommand *command, Err *err)
{
    switch (net_receive(query->association, command, deadline_in(query->dimse_ms), err)) {
    case NET_GOT_COMMAND:
        return true;
    case NET_GOT_NOTHING:
        net_abort(query->association, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
        return err_set(err, ERR_TIMEOUT, "%s did not answer within %" PRId64 " s", query->peer,
                       query->dimse_ms / 1000);
    case NET_GOT_RELEASE:
        return err_set(err, ERR_CLOSED, "%s ended the association instead of answering", query->peer);
    case NET_GOT_END:
        break;
    }
    return err_wrap(err, "%s", query->peer);
}

bool scu_cancel(ScuQuery *query, const NetCommand *request, Err *err)
{
    NetCommand cancel = {
        .field = NET_C_CANCEL_RQ, .context_id = request->context_id, .responded_to = request->message_id};
    return net_send(query->association, &cancel, NULL, err);
}

bool scu_check_response(ScuQuery *query, const NetCommand *request, const NetCommand *response, Err *err)
{
    if (response->field == (request->field | 0x8000) && response->responded_to == request->message_id)
        return true;
    net_abort(query->association, (NetAbort){NET_ABORT_BY_USER, NET_ABORT_NO_REASON});
    return err_set(err, ERR_FORMAT, "%s answered our %s with %s for message %u", query->peer,
                   net_field_name(request->field), net_field_name(response->field), response->responded_to);
}

DcmDataset *scu_read_data_set(ScuQuery *query, const NetCommand *response, Err *err)
{
    Buf bytes;
    buf_init(&bytes, MAX_IDENTIFIER);
    DcmDataset *ds = NULL;
    const NetAccepted *context = net_context_by_id(query->association, response->context_id);
    if (!net_data_all(query->association, MAX_IDENTIFIER, &bytes, err))
        err_wrap(err, "%s", query->peer);
    else if (!context)
        err_set(err, ERR_FORMAT, "%s answered in a presentation context that was not agreed on", query->peer);
    else {
        Span kept = arena_span(query->arena, buf_span(&bytes));
        ds = dcm_dataset_parse(query->arena, kept, dcm_transfer_syntax(span_cstr(context->transfer_syntax)),
                               NULL, err);
        if (!ds)
            err_wrap(err, "%s sent an answer that cannot be read", query->peer);
    }
    buf_free(&bytes);
    return ds;
}

void scu_take_response(ScuResult *result, const NetCommand *response)
{
    result->status = response->status;
    result->answered = dcm_status_class(response->status) != DCM_PENDING;
    snprintf(result->comment, sizeof result->comment, "%s", response->error_comment);
    if (response->has_counters) {
        result->has_counters = true;
        result->completed = response->completed;
        result->failed = response->failed;
        result->warning = response->warning;
    }
    if (response->has_remaining)
        result->remaining = response->remaining;
    else if (result->answered)
        result->remaining = 0;
}

bool scu_judge(const ScuResult *result, const char *what, const char *peer, const char *service, Err *err)
{
    DcmStatusClass class = dcm_status_class(result->status);
    if (class == DCM_SUCCESS || class == DCM_WARNING)
        return true;
    const char *text = dcm_status_text(result->status, service);
    bool more = *result->comment && strcmp(result->comment, text) != 0;
    err_set(err, class == DCM_CANCEL ? ERR_CANCELLED : ERR_REFUSED, "%s%s%s answered 0x%04X (%s)%s%s",
            what ? what : "", what ? ": " : "", peer, result->status, text, more ? ": " : "",
            more ? result->comment : "");
    if (err)
        err->dimse = result->status;
    return false;
}
