// SPDX-License-Identifier: MIT
/*
 * Presentation contexts, PS3.8 §7.1.1.13, roles, PS3.7 D.3.3.4, extended negotiation, PS3.7 D.3.3.5.
 *
 * Of the proposed transfer syntaxes the first that we can handle is taken: requestors put first what the object has or what suits them best,
 * and for storage every syntax of PS3.6 can be handled, because objects are kept as they come. Identifiers of queries need one of
 * the four that are not encapsulated.
 */
#include "scp/negotiate.h"

#include "dicom/uid.h"
#include "dicom/uids.h"

#include <string.h>

static const ScpClass classes[] = {
    {DCM_UID_Verification, SCP_ECHO, 0},
    {DCM_UID_PatientRootQueryRetrieveInformationModelFind, SCP_FIND, ARC_PATIENT_ROOT},
    {DCM_UID_PatientRootQueryRetrieveInformationModelMove, SCP_MOVE, ARC_PATIENT_ROOT},
    {DCM_UID_PatientRootQueryRetrieveInformationModelGet, SCP_GET, ARC_PATIENT_ROOT},
    {DCM_UID_StudyRootQueryRetrieveInformationModelFind, SCP_FIND, ARC_STUDY_ROOT},
    {DCM_UID_StudyRootQueryRetrieveInformationModelMove, SCP_MOVE, ARC_STUDY_ROOT},
    {DCM_UID_StudyRootQueryRetrieveInformationModelGet, SCP_GET, ARC_STUDY_ROOT},
    {DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelFind, SCP_FIND, ARC_PATIENT_STUDY_ONLY},
    {DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelMove, SCP_MOVE, ARC_PATIENT_STUDY_ONLY},
    {DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelGet, SCP_GET, ARC_PATIENT_STUDY_ONLY},
};
static const ScpClass storage = {"", SCP_STORE, 0};

const ScpClass *scp_class(Span abstract_syntax, bool unknown_too)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (span_eq_cstr(abstract_syntax, classes[i].uid))
            return &classes[i];
    const DcmSopClass *known = dcm_sop_class(abstract_syntax);
    if (known)
        return known->storage ? &storage : NULL;
    bool private = unknown_too && dcm_uid_valid(abstract_syntax, false) && !dcm_uid_name(abstract_syntax);
    return private ? &storage : NULL;
}

static bool can_take(const ScpClass *class, Span uid)
{
    const DcmTransferSyntax *syntax = dcm_transfer_syntax(uid);
    return syntax && (class->service == SCP_STORE || syntax->native);
}

/* Index of the syntax to answer with, or the count when there is none. */
static size_t choose_syntax(const ScpClass *class, const NetOffer *offer)
{
    size_t i = 0;
    while (i < offer->transfer_syntax_count && !can_take(class, offer->transfer_syntaxes[i]))
        i++;
    return i;
}

/* C-GET peers of the field (Horos, OsiriX) propose storage classes without the SCP role they are going to need. */
static bool wants_get(const NetAssociate *request)
{
    for (size_t i = 0; request && i < request->context_count; i++) {
        const ScpClass *class = scp_class(request->contexts[i].abstract_syntax, false);
        if (class && class->service == SCP_GET)
            return true;
    }
    return false;
}

static unsigned allowed(const ScpNegotiation *n)
{
    return n->settings->services & ~n->forbidden;
}

static bool is_served(const ScpNegotiation *n, const ScpClass *class, const NetOffer *offer)
{
    if (allowed(n) & class->service)
        return true;
    return class->service == SCP_STORE && (allowed(n) & SCP_GET) && wants_get(offer->request);
}

/* Full storage (level 2), digital signatures kept bit by bit (level 3), no coercion: PS3.4 table B.3-1. */
static size_t answer_storage(Span proposed, uint8_t answer[8])
{
    static const uint8_t storage_answer[6] = {2, 0, 3, 0, 0, 0};
    memcpy(answer, storage_answer, sizeof storage_answer);
    return sizeof storage_answer;
}

/* PS3.4 tables C.5-1 to C.5-3: relational (all), combined date and time, fuzzy names (FIND). The rest is declined. */
static size_t answer_query(const ScpClass *class, Span proposed, uint8_t answer[8])
{
    size_t supported = class->service == SCP_FIND ? 3 : 1;
    size_t n = proposed.n < 5 ? proposed.n : 5;
    for (size_t i = 0; i < n; i++)
        answer[i] = i < supported && proposed.p[i] == 1;
    return n;
}

/* What the server has and this peer may not use is rejected by the user, not unknown. */
static NetDecision refuse(ScpNegotiation *n, const ScpClass *class)
{
    bool denied = class && (n->settings->services & n->forbidden & class->service);
    if (denied)
        n->met |= class->service;
    return (NetDecision){.result = denied ? NET_CONTEXT_USER_REJECTED : NET_CONTEXT_ABSTRACT_SYNTAX};
}

NetDecision scp_decide(void *negotiation, const NetOffer *offer)
{
    ScpNegotiation *n = negotiation;
    const ScpClass *class = scp_class(offer->abstract_syntax, n->settings->accept_unknown_classes);
    if (!class || !is_served(n, class, offer))
        return refuse(n, class);
    size_t chosen = choose_syntax(class, offer);
    if (chosen == offer->transfer_syntax_count)
        return (NetDecision){.result = NET_CONTEXT_TRANSFER_SYNTAXES};
    NetDecision decision = {.result = NET_CONTEXT_ACCEPTED, .transfer_syntax = chosen, .scu = offer->scu};
    if (class->service == SCP_STORE) {
        decision.scu = offer->scu && (allowed(n) & SCP_STORE);
        decision.scp = offer->scp && (allowed(n) & SCP_GET);
    }
    if (offer->extended.n) {
        size_t size = class->service == SCP_STORE  ? answer_storage(offer->extended, n->answer)
                      : class->service == SCP_ECHO ? 0
                                                   : answer_query(class, offer->extended, n->answer);
        decision.extended = span_of(n->answer, size);
    }
    return decision;
}

ScpQueryOptions scp_query_options(Span negotiated)
{
    return (ScpQueryOptions){
        .relational = negotiated.n > 0 && negotiated.p[0] == 1,
        .combined_datetime = negotiated.n > 1 && negotiated.p[1] == 1,
        .fuzzy_names = negotiated.n > 2 && negotiated.p[2] == 1,
    };
}
