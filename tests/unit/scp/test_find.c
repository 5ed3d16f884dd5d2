// SPDX-License-Identifier: MIT
/* scp/find: levels, what answers hold, character sets, limit, cancel, and what peers of the field send. */
#include "house.h"

#define STUDY_A "1.2.826.0.2.1"
#define STUDY_B "1.2.826.0.2.2"
#define STUDY_C "1.2.826.0.2.3"

static const Picture pictures[] = {
    {"P1", "Doe^John", NULL, STUDY_A, STUDY_A ".1", STUDY_A ".1.1", "CT", "20240102", "235900"},
    {"P1", "Doe^John", NULL, STUDY_A, STUDY_A ".1", STUDY_A ".1.2", "CT", "20240102", "235900"},
    {"P1", "Doe^John", NULL, STUDY_A, STUDY_A ".2", STUDY_A ".2.1", "SR", "20240102", "235900"},
    {"P1", "Doe^John", NULL, STUDY_B, STUDY_B ".1", STUDY_B ".1.1", "MR", "20240103", "000100"},
    {"P2", "M\xC3\xBCller^Eva", "ISO_IR 100", STUDY_C, STUDY_C ".1", STUDY_C ".1.1", "CT", "20240104",
     "120000"},
};

static int setup(void **state)
{
    House *h = house_new();
    *state = h;
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        house_ingest(h, &pictures[i]);
    return 0;
}

static int teardown(void **state)
{
    house_free(*state);
    return 0;
}

typedef struct Found {
    size_t count;
    DcmDataset *match[32];
    uint16_t pending; /* of the last match */
    NetCommand final;
} Found;

static Found find(House *h, NetAssociation *net, const char *class, const DcmDataset *keys)
{
    Found found = {0};
    NetCommand request = house_command(net, NET_C_FIND_RQ, class);
    for (NetCommand r = house_ask(net, &request, keys);; r = house_receive(net)) {
        assert_int_equal(r.responded_to, request.message_id);
        if (dcm_status_class(r.status) != DCM_PENDING) {
            assert_false(r.has_data_set);
            found.final = r;
            return found;
        }
        assert_true(r.has_data_set && found.count < 32);
        found.pending = r.status;
        found.match[found.count++] = house_data(h->arena, net);
    }
}

static DcmDataset *keys_of(House *h, const char *level)
{
    DcmDataset *keys = dcm_dataset_new(h->arena);
    if (level)
        dcm_put_utf8(keys, DCM_QueryRetrieveLevel, level);
    return keys;
}

/* One match of the value, as text. */
static bool has(House *h, const Found *found, DcmTag tag, const char *value)
{
    size_t n = 0;
    for (size_t i = 0; i < found->count; i++)
        n += strcmp(house_text(h->arena, found->match[i], tag), value) == 0;
    return n == 1;
}

/* All keys come back in every answer: more of them than anyone can mean are refused. */
static void too_many_keys(void **state)
{
    House *h = *state;
    house_start(h);
    const char *const classes[] = {HOUSE_FIND};
    NetAssociation *net = house_call(h, classes, 1);
    DcmDataset *keys = keys_of(h, "STUDY");
    for (uint32_t i = 0; i < 350000; i++)
        dcm_put(keys, DCM_TAG(0x0009 + 2 * (i / 60000), 0x1000 + i % 60000), DCM_VR_LO, (Span){NULL, 0});
    Found found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.final.status, DCM_STATUS_OUT_OF_RESOURCES);
    assert_int_equal(found.count, 0);
    /* and so are too many values of one */
    static char list[2 * 1000000];
    for (size_t i = 0; i < sizeof list; i++)
        list[i] = i % 2 ? '\\' : 'A';
    keys = keys_of(h, "STUDY");
    dcm_put(keys, DCM_InstitutionName, DCM_VR_UT, span_of(list, sizeof list));
    assert_int_equal(find(h, net, HOUSE_FIND, keys).final.status, DCM_STATUS_OUT_OF_RESOURCES);
    keys = keys_of(h, "STUDY");
    assert_int_equal(find(h, net, HOUSE_FIND, keys).count, 3);
    house_hang_up(net);
}

static void levels(void **state)
{
    House *h = *state;
    house_start(h);
    const char *const classes[] = {HOUSE_FIND, HOUSE_PFIND};
    NetAssociation *net = house_call(h, classes, 2);

    DcmDataset *keys = keys_of(h, "PATIENT");
    dcm_put_utf8(keys, DCM_PatientID, "");
    dcm_put_utf8(keys, DCM_NumberOfPatientRelatedStudies, "");
    Found found = find(h, net, HOUSE_PFIND, keys);
    assert_int_equal(found.final.status, DCM_STATUS_SUCCESS);
    assert_int_equal(found.count, 2);
    assert_true(has(h, &found, DCM_PatientID, "P1") && has(h, &found, DCM_PatientID, "P2"));
    assert_true(has(h, &found, DCM_NumberOfPatientRelatedStudies, "2"));
    /* the same on the Study Root model, as CTK asks */
    assert_int_equal(find(h, net, HOUSE_FIND, keys).count, 2);

    keys = keys_of(h, "STUDY");
    dcm_put_utf8(keys, DCM_PatientID, "P1");
    dcm_put_utf8(keys, DCM_ModalitiesInStudy, "SR");
    dcm_put_utf8(keys, DCM_NumberOfStudyRelatedSeries, "");
    dcm_put_utf8(keys, DCM_NumberOfStudyRelatedInstances, "");
    found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.count, 1);
    assert_true(has(h, &found, DCM_StudyInstanceUID, STUDY_A));
    assert_true(has(h, &found, DCM_NumberOfStudyRelatedSeries, "2"));
    assert_true(has(h, &found, DCM_NumberOfStudyRelatedInstances, "3"));

    keys = keys_of(h, "series ");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, STUDY_A);
    dcm_put_utf8(keys, DCM_Modality, "");
    found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.count, 2);
    assert_true(has(h, &found, DCM_Modality, "CT") && has(h, &found, DCM_Modality, "SR"));
    assert_string_equal(house_text(h->arena, found.match[0], DCM_QueryRetrieveLevel), "SERIES");

    /* IMAGE without Series Instance UID, as Horos asks */
    keys = keys_of(h, "IMAGE");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, STUDY_A);
    dcm_put_utf8(keys, DCM_SOPInstanceUID, "");
    assert_int_equal(find(h, net, HOUSE_FIND, keys).count, 3);
    house_hang_up(net);
}

static void what_every_answer_has(void **state)
{
    House *h = *state;
    house_start(h);
    NetAssociation *net = house_call_one(h, HOUSE_FIND);
    DcmDataset *keys = keys_of(h, "STUDY");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, STUDY_C);
    dcm_put_utf8(keys, DCM_PatientName, "");
    dcm_put_utf8(keys, DCM_StudyDescription, "");
    Found found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.pending, DCM_STATUS_PENDING);
    const DcmDataset *match = found.match[0];
    assert_string_equal(house_text(h->arena, match, DCM_RetrieveAETitle), "HOUSE");
    assert_string_equal(house_text(h->arena, match, DCM_InstanceAvailability), "ONLINE");
    assert_string_equal(house_text(h->arena, match, DCM_QueryRetrieveLevel), "STUDY");
    assert_string_equal(house_text(h->arena, match, DCM_SpecificCharacterSet), "ISO_IR 100");
    assert_string_equal(house_text(h->arena, match, DCM_StudyDescription), "");
    assert_string_equal(house_text(h->arena, match, DCM_PatientName), "M\xC3\xBCller^Eva");
    assert_true(span_eq_cstr(dcm_text_raw(match, DCM_PatientName, 0), "M\xFCller^Eva"));
    /* asked for in UTF-8, it comes in UTF-8 */
    dcm_put(keys, DCM_SpecificCharacterSet, DCM_VR_CS, SPAN("ISO_IR 192"));
    found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.count, 1);
    assert_true(span_eq_cstr(dcm_text_raw(found.match[0], DCM_PatientName, 0), "M\xC3\xBCller^Eva"));
    house_hang_up(net);
}

static void bad_identifiers(void **state)
{
    House *h = *state;
    house_start(h);
    const char *const classes[] = {HOUSE_FIND, DCM_UID_PatientStudyOnlyQueryRetrieveInformationModelFind};
    NetAssociation *net = house_call(h, classes, 2);
    DcmDataset *keys = keys_of(h, NULL);
    dcm_put_utf8(keys, DCM_PatientID, "P1");
    Found found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.final.status, DCM_STATUS_CANNOT_UNDERSTAND);
    assert_non_null(strstr(found.final.error_comment, "(0008,0052)"));
    assert_int_equal(find(h, net, HOUSE_FIND, keys_of(h, "FRAME")).final.status, DCM_STATUS_CLASS_MISMATCH);
    keys = keys_of(h, "SERIES");
    assert_int_equal(find(h, net, classes[1], keys).final.status, DCM_STATUS_CLASS_MISMATCH);
    assert_int_equal(find(h, net, classes[1], keys_of(h, "STUDY")).count, 3);
    /* no identifier; then one that is cut off */
    NetCommand request = house_command(net, NET_C_FIND_RQ, HOUSE_FIND);
    assert_int_equal(house_ask(net, &request, NULL).status, DCM_STATUS_CANNOT_UNDERSTAND);
    Span cut = SPAN("\x08\0\x52\0CS\x20\0STU");
    Err err = {0};
    request = house_command(net, NET_C_FIND_RQ, HOUSE_FIND);
    assert_true(net_send(net, &request, &cut, &err));
    assert_int_equal(house_receive(net).status, DCM_STATUS_CANNOT_UNDERSTAND);
    house_hang_up(net);
}

static void limit(void **state)
{
    House *h = *state;
    h->settings.find_limit = 2;
    house_start(h);
    NetAssociation *net = house_call_one(h, HOUSE_FIND);
    Found found = find(h, net, HOUSE_FIND, keys_of(h, "STUDY"));
    assert_int_equal(found.count, 2);
    assert_int_equal(found.final.status, 0xB001);
    assert_true(*found.final.error_comment);
    DcmDataset *keys = keys_of(h, "STUDY");
    dcm_put_utf8(keys, DCM_PatientID, "P1");
    found = find(h, net, HOUSE_FIND, keys);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.final.status, DCM_STATUS_SUCCESS);
    house_hang_up(net);
}

/* Two queries and the C-CANCEL of the second one leave together: the first keeps the server busy until the C-CANCEL is there. */
static void cancel(void **state)
{
    House *h = *state;
    Err err = {0};
    Buf bytes;
    for (int i = 0; i < 200; i++) {
        char study[65], series[65], instance[65];
        snprintf(study, sizeof study, "1.2.826.0.3.%d", i + 1);
        snprintf(series, sizeof series, "%s.1", study);
        snprintf(instance, sizeof instance, "%s.1.1", study);
        house_ingest(h, &(Picture){"P3", "Many^One", NULL, study, series, instance, NULL, NULL, NULL});
    }
    h->settings.async_window = 2;
    house_start(h);
    NetProposal proposal = {
        .abstract_syntax = HOUSE_FIND, .transfer_syntaxes = house_explicit, .transfer_syntax_count = 1};
    NetAssociation *net = house_try(h, &(Ask){.proposals = &proposal, .count = 1, .async = 2}, NULL, &err);
    assert_non_null(net);
    buf_init(&bytes, 0);
    assert_true(dcm_write(&bytes, keys_of(h, "STUDY"), dcm_transfer_syntax(SPAN(HOUSE_ELE)), &err));
    Span span = buf_span(&bytes);
    NetCommand first = house_command(net, NET_C_FIND_RQ, HOUSE_FIND);
    NetCommand second = house_command(net, NET_C_FIND_RQ, HOUSE_FIND), stop = second, response;
    stop.field = NET_C_CANCEL_RQ;
    stop.responded_to = second.message_id;
    assert_true(net_send(net, &first, &span, &err) && net_send(net, &second, &span, &err) &&
                net_send(net, &stop, NULL, &err));
    buf_free(&bytes);
    size_t matches[2] = {0};
    uint16_t status[2] = {0};
    for (int done = 0; done < 2;) {
        response = house_receive(net);
        int which = response.responded_to == second.message_id;
        assert_true(net_data_skip(net, &err));
        if (dcm_status_class(response.status) == DCM_PENDING) {
            matches[which]++;
        } else {
            status[which] = response.status;
            done++;
        }
    }
    assert_int_equal(status[0], DCM_STATUS_SUCCESS);
    assert_int_equal(matches[0], 203);
    assert_int_equal(status[1], DCM_STATUS_CANCEL);
    assert_true(matches[1] < 203);
    /* the next query is not hit by it */
    DcmDataset *keys = keys_of(h, "STUDY");
    dcm_put_utf8(keys, DCM_PatientID, "P2");
    assert_int_equal(find(h, net, HOUSE_FIND, keys).final.status, DCM_STATUS_SUCCESS);
    house_hang_up(net);
}

/* 23:00 of the second to 06:00 of the third: one interval only when that was negotiated. */
static void combined_date_and_time(void **state)
{
    House *h = *state;
    house_start(h);
    static const uint8_t asked[] = {1, 1, 1};
    DcmDataset *keys = keys_of(h, "STUDY");
    dcm_put_utf8(keys, DCM_StudyDate, "20240102-20240103");
    dcm_put_utf8(keys, DCM_StudyTime, "230000-060000");
    for (int combined = 0; combined < 2; combined++) {
        Err err = {0};
        NetProposal proposal = {.abstract_syntax = HOUSE_FIND,
                                .transfer_syntaxes = house_explicit,
                                .transfer_syntax_count = 1,
                                .extended = {asked, combined ? sizeof asked : 0}};
        NetAssociation *net = house_try(h, &(Ask){.proposals = &proposal, .count = 1}, NULL, &err);
        assert_non_null(net);
        const NetAccepted *context = net_context_for(net, HOUSE_FIND, NULL, true);
        assert_true(span_eq(context->extended, proposal.extended));
        assert_int_equal(find(h, net, HOUSE_FIND, keys).count, combined ? 2 : 0);
        house_hang_up(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(levels, setup, teardown),
        cmocka_unit_test_setup_teardown(what_every_answer_has, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_identifiers, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(limit, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(combined_date_and_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
