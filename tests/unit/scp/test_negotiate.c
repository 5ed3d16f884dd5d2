// SPDX-License-Identifier: MIT
/* scp/negotiate: classes, transfer syntaxes, roles, extended negotiation. */
#include "scp/negotiate.h"

#include "dicom/uid.h"
#include "dicom/uids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PRIVATE_CLASS "1.3.12.2.1107.5.9.1"

static ScpSettings settings_of(unsigned services)
{
    return (ScpSettings){.services = services};
}

enum { ALL = SCP_ECHO | SCP_STORE | SCP_FIND | SCP_MOVE | SCP_GET };

static NetDecision decide(const ScpSettings *settings, const char *class, const char *const *syntaxes,
                          size_t n)
{
    static ScpNegotiation negotiation;
    Span spans[8];
    for (size_t i = 0; i < n; i++)
        spans[i] = span_cstr(syntaxes[i]);
    negotiation = (ScpNegotiation){.settings = settings};
    NetOffer offer = {.abstract_syntax = span_cstr(class),
                      .transfer_syntaxes = spans,
                      .transfer_syntax_count = n,
                      .scu = true};
    return scp_decide(&negotiation, &offer);
}

static NetDecision decide_one(const ScpSettings *settings, const char *class, const char *syntax)
{
    return decide(settings, class, &syntax, 1);
}

static void every_storage_class_in_every_syntax(void **state)
{
    ScpSettings settings = settings_of(ALL);
    assert_true(dcm_storage_class_count() > 200);
    assert_true(dcm_transfer_syntax_count() > 40);
    for (size_t c = 0; c < dcm_storage_class_count(); c++)
        for (size_t t = 0; t < dcm_transfer_syntax_count(); t++)
            assert_int_equal(
                decide_one(&settings, dcm_storage_class_at(c)->uid, dcm_transfer_syntax_at(t)->uid).result,
                NET_CONTEXT_ACCEPTED);
}

static void classes(void **state)
{
    ScpSettings all = settings_of(ALL), unknown = settings_of(ALL), none = settings_of(SCP_ECHO);
    unknown.accept_unknown_classes = true;
    const struct {
        const ScpSettings *settings;
        const char *class;
        NetContextResult result;
    } rows[] = {
        {&all, DCM_UID_Verification, NET_CONTEXT_ACCEPTED},
        {&all, DCM_UID_PatientRootQueryRetrieveInformationModelFind, NET_CONTEXT_ACCEPTED},
        {&all, DCM_UID_StudyRootQueryRetrieveInformationModelMove, NET_CONTEXT_ACCEPTED},
        {&all, DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelGet, NET_CONTEXT_ACCEPTED},
        {&all, DCM_UID_ModalityWorklistInformationModelFind, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&all, DCM_UID_StorageCommitmentPushModel, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&all, PRIVATE_CLASS, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&all, "", NET_CONTEXT_ABSTRACT_SYNTAX},
        {&unknown, PRIVATE_CLASS, NET_CONTEXT_ACCEPTED},
        {&unknown, DCM_UID_ModalityWorklistInformationModelFind, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&unknown, DCM_UID_ExplicitVRLittleEndian, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&unknown, "not a uid", NET_CONTEXT_ABSTRACT_SYNTAX},
        {&none, DCM_UID_Verification, NET_CONTEXT_ACCEPTED},
        {&none, DCM_UID_CTImageStorage, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&none, DCM_UID_StudyRootQueryRetrieveInformationModelFind, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&none, DCM_UID_StudyRootQueryRetrieveInformationModelMove, NET_CONTEXT_ABSTRACT_SYNTAX},
        {&none, DCM_UID_StudyRootQueryRetrieveInformationModelGet, NET_CONTEXT_ABSTRACT_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (decide_one(rows[i].settings, rows[i].class, DCM_UID_ImplicitVRLittleEndian).result !=
            rows[i].result)
            fail_msg("row %zu: %s", i, rows[i].class);
}

static void first_known_syntax(void **state)
{
    ScpSettings settings = settings_of(ALL);
    const char *const storage[] = {"1.2.3.4", DCM_UID_JPEG2000Lossless, DCM_UID_ExplicitVRLittleEndian};
    NetDecision decision = decide(&settings, DCM_UID_CTImageStorage, storage, 3);
    assert_int_equal(decision.result, NET_CONTEXT_ACCEPTED);
    assert_int_equal(decision.transfer_syntax, 1);
    decision = decide(&settings, DCM_UID_StudyRootQueryRetrieveInformationModelFind, storage, 3);
    assert_int_equal(decision.result, NET_CONTEXT_ACCEPTED);
    assert_int_equal(decision.transfer_syntax, 2);
    decision = decide(&settings, DCM_UID_StudyRootQueryRetrieveInformationModelFind, storage, 2);
    assert_int_equal(decision.result, NET_CONTEXT_TRANSFER_SYNTAXES);
    decision = decide(&settings, DCM_UID_CTImageStorage, storage, 1);
    assert_int_equal(decision.result, NET_CONTEXT_TRANSFER_SYNTAXES);
}

static void roles(void **state)
{
    static const struct {
        unsigned services;
        bool scu, scp, granted_scu, granted_scp;
    } rows[] = {
        {SCP_STORE | SCP_GET, true, true, true, true},
        {SCP_STORE | SCP_GET, false, true, false, true},
        {SCP_STORE, true, true, true, false},
        {SCP_STORE | SCP_GET, true, false, true, false},
    };
    Span syntax = SPAN(DCM_UID_ImplicitVRLittleEndian);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ScpSettings settings = settings_of(rows[i].services);
        ScpNegotiation negotiation = {.settings = &settings};
        NetOffer offer = {.abstract_syntax = SPAN(DCM_UID_CTImageStorage),
                          .transfer_syntaxes = &syntax,
                          .transfer_syntax_count = 1,
                          .role_proposed = true,
                          .scu = rows[i].scu,
                          .scp = rows[i].scp};
        NetDecision decision = scp_decide(&negotiation, &offer);
        assert_int_equal(decision.result, NET_CONTEXT_ACCEPTED);
        assert_int_equal(decision.scu, rows[i].granted_scu);
        assert_int_equal(decision.scp, rows[i].granted_scp);
    }
}

/* With C-STORE switched off, a storage context is still of use to a peer that is going to C-GET. */
static void storage_for_get_only(void **state)
{
    ScpSettings settings = settings_of(SCP_GET);
    ScpNegotiation negotiation = {.settings = &settings};
    Span syntax = SPAN(DCM_UID_ImplicitVRLittleEndian);
    NetContext contexts[] = {
        {.id = 1, .abstract_syntax = SPAN(DCM_UID_CTImageStorage)},
        {.id = 3, .abstract_syntax = SPAN(DCM_UID_StudyRootQueryRetrieveInformationModelGet)}};
    NetAssociate request = {.contexts = contexts, .context_count = 2};
    NetOffer offer = {.abstract_syntax = contexts[0].abstract_syntax,
                      .transfer_syntaxes = &syntax,
                      .transfer_syntax_count = 1,
                      .scu = true,
                      .request = &request};
    assert_int_equal(scp_decide(&negotiation, &offer).result, NET_CONTEXT_ACCEPTED);
    request.context_count = 1;
    assert_int_equal(scp_decide(&negotiation, &offer).result, NET_CONTEXT_ABSTRACT_SYNTAX);
}

static void extended(void **state)
{
    static const struct {
        const char *class;
        uint8_t asked[8];
        size_t n;
        uint8_t answer[8];
        size_t answer_n;
    } rows[] = {
        {DCM_UID_StudyRootQueryRetrieveInformationModelFind, {1, 1, 1, 1, 1}, 5, {1, 1, 1, 0, 0}, 5},
        {DCM_UID_StudyRootQueryRetrieveInformationModelFind, {1}, 1, {1}, 1},
        {DCM_UID_StudyRootQueryRetrieveInformationModelFind, {0, 1, 0}, 3, {0, 1, 0}, 3},
        {DCM_UID_StudyRootQueryRetrieveInformationModelFind, {9, 1}, 2, {0, 1}, 2},
        {DCM_UID_StudyRootQueryRetrieveInformationModelFind, {1, 1, 1, 1, 1, 1, 1}, 7, {1, 1, 1, 0, 0}, 5},
        {DCM_UID_StudyRootQueryRetrieveInformationModelMove, {1, 1}, 2, {1, 0}, 2},
        {DCM_UID_StudyRootQueryRetrieveInformationModelGet, {1}, 1, {1}, 1},
        {DCM_UID_CTImageStorage, {2, 0, 0, 0, 1, 0}, 6, {2, 0, 3, 0, 0, 0}, 6},
        {DCM_UID_CTImageStorage, {0}, 0, {0}, 0},
        {DCM_UID_Verification, {1}, 1, {0}, 0},
    };
    ScpSettings settings = settings_of(ALL);
    Span syntax = SPAN(DCM_UID_ImplicitVRLittleEndian);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ScpNegotiation negotiation = {.settings = &settings};
        NetOffer offer = {.abstract_syntax = span_cstr(rows[i].class),
                          .transfer_syntaxes = &syntax,
                          .transfer_syntax_count = 1,
                          .scu = true,
                          .extended = {rows[i].asked, rows[i].n}};
        NetDecision decision = scp_decide(&negotiation, &offer);
        if (!span_eq(decision.extended, span_of(rows[i].answer, rows[i].answer_n)))
            fail_msg("row %zu", i);
    }
}

static void options(void **state)
{
    static const uint8_t all[] = {1, 1, 1}, second[] = {0, 1};
    ScpQueryOptions o = scp_query_options(span_of(all, 3));
    assert_true(o.relational && o.combined_datetime && o.fuzzy_names);
    o = scp_query_options(span_of(second, 2));
    assert_true(!o.relational && o.combined_datetime && !o.fuzzy_names);
    o = scp_query_options((Span){0});
    assert_true(!o.relational && !o.combined_datetime && !o.fuzzy_names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_storage_class_in_every_syntax),
        cmocka_unit_test(classes),
        cmocka_unit_test(first_known_syntax),
        cmocka_unit_test(roles),
        cmocka_unit_test(storage_for_get_only),
        cmocka_unit_test(extended),
        cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
