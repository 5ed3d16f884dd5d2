// SPDX-License-Identifier: MIT
#include "archive/audit.h"

#include "archive/audit_read.h"
#include "archive/audit_search.h"
#include "archive/audit_studies.h"
#include "base/file.h"
#include "dicom/tags.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "archive_fixture.h"

static Err err;

static int make_folder(void **state)
{
    memcpy(top, "/tmp/gantry-audit-XXXXXX", sizeof "/tmp/gantry-audit-XXXXXX");
    notices[0] = 0;
    err = (Err){0};
    return mkdtemp(top) ? 0 : -1;
}

static int drop_folder(void **state)
{
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static Audit *open_audit(AuditSettings set)
{
    set.folder = top;
    set.source = "GANTRY";
    set.notice = take_notice;
    Audit *audit = audit_open(&set, &err);
    if (!audit)
        fail_msg("%s", err.text);
    return audit;
}

static bool record(Audit *audit, AuditKind kind, const char *patient, uint64_t key)
{
    AuditWho who = {.title = "MODALITY", .address = "10.0.0.7", .requestor = true, .role = AUDIT_SOURCE};
    AuditWhat what = {.thing = AUDIT_PATIENT, .id = patient};
    return audit_record(
        audit,
        &(AuditEvent){.kind = kind, .who = &who, .who_count = 1, .what = &what, .what_count = 1, .key = key},
        &err);
}

/* All records; the chain is whole. */
static json_t *records(void)
{
    AuditVerdict verdict;
    AuditLine line;
    assert_true(audit_verify(top, &(AuditVerify){0}, &verdict, &err));
    assert_int_equal(verdict.problems, 0);
    AuditReader *reader = audit_reader_open(top, &err);
    json_t *all = json_array();
    while (audit_reader_next(reader, &line, &err)) {
        json_t *one = json_loadb((const char *)line.text.p, line.text.n, 0, NULL);
        assert_true(json_is_object(one));
        json_array_append_new(all, one);
    }
    audit_reader_close(reader);
    return all;
}

/* "ActiveParticipant.0.UserID" */
static const json_t *member(const json_t *json, const char *path)
{
    char part[64];
    while (json && *path) {
        size_t n = strcspn(path, ".");
        span_copy(span_of(path, n), part, sizeof part);
        json =
            json_is_array(json) ? json_array_get(json, strtoul(part, NULL, 10)) : json_object_get(json, part);
        path += n + (path[n] == '.');
    }
    return json;
}

static const char *text_at(const json_t *json, const char *path)
{
    const char *text = json_string_value(member(json, path));
    return text ? text : "(none)";
}

/* -- tests -- */

/* Every member that PS3.15 A.5.2 demands, under the standard's names. */
static void test_a_message(void **state)
{
    Audit *audit = open_audit((AuditSettings){.site = "Ward 7"});
    AuditWho who[] = {
        {.title = "MODALITY", .address = "10.0.0.7", .requestor = true, .role = AUDIT_SOURCE},
        {.user = "anna", .title = "GANTRY", .address = "pacs.example", .role = AUDIT_DESTINATION}};
    AuditDetail detail = {"Instances", "2"};
    AuditClass class = {"1.2.840.10008.5.1.4.1.1.2", 2};
    AuditWhat what[] = {{.thing = AUDIT_STUDY,
                         .id = "1.2.3",
                         .details = &detail,
                         .detail_count = 1,
                         .classes = &class,
                         .class_count = 1},
                        {.thing = AUDIT_PATIENT, .id = "P\"1\n"}};
    assert_true(audit_record(audit,
                             &(AuditEvent){.kind = AUDIT_TRANSFERRED,
                                           .action = 'C',
                                           .outcome = AUDIT_MINOR_FAILURE,
                                           .why = "half of it",
                                           .who = who,
                                           .who_count = 2,
                                           .what = what,
                                           .what_count = 2},
                             &err));
    audit_close(audit);
    json_t *all = records();
    const json_t *r = json_array_get(all, 0);
    static const char *const expected[][2] = {
        {"EventIdentification.EventActionCode", "C"},
        {"EventIdentification.EventID.csd-code", "110104"},
        {"EventIdentification.EventID.codeSystemName", "DCM"},
        {"EventIdentification.EventID.originalText", "DICOM Instances Transferred"},
        {"EventIdentification.EventOutcomeDescription", "half of it"},
        {"ActiveParticipant.0.UserID", "MODALITY"},
        {"ActiveParticipant.0.AlternativeUserID", "AETITLES=MODALITY"},
        {"ActiveParticipant.0.NetworkAccessPointID", "10.0.0.7"},
        {"ActiveParticipant.0.RoleIDCode.0.csd-code", "110153"},
        {"ActiveParticipant.1.UserID", "anna"},
        {"ActiveParticipant.1.RoleIDCode.0.csd-code", "110152"},
        {"AuditSourceIdentification.AuditSourceID", "GANTRY"},
        {"AuditSourceIdentification.AuditEnterpriseSiteID", "Ward 7"},
        {"AuditSourceIdentification.AuditSourceTypeCode.0.csd-code", "4"},
        {"ParticipantObjectIdentification.0.ParticipantObjectID", "1.2.3"},
        {"ParticipantObjectIdentification.0.ParticipantObjectIDTypeCode.csd-code", "110180"},
        {"ParticipantObjectIdentification.0.ParticipantObjectDetail.0.value", "2"},
        {"ParticipantObjectIdentification.0.ParticipantObjectDescription.SOPClass.0.UID",
         "1.2.840.10008.5.1.4.1.1.2"},
        {"ParticipantObjectIdentification.1.ParticipantObjectID", "P\"1\n"},
        {"ParticipantObjectIdentification.1.ParticipantObjectIDTypeCode.codeSystemName", "RFC-3881"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(text_at(r, expected[i][0]), expected[i][1]);
    static const struct {
        const char *path;
        int value;
    } numbers[] = {
        {"EventIdentification.EventOutcomeIndicator", 4},
        {"ActiveParticipant.0.NetworkAccessPointTypeCode", 2},
        {"ActiveParticipant.1.NetworkAccessPointTypeCode", 1},
        {"ParticipantObjectIdentification.0.ParticipantObjectTypeCode", 2},
        {"ParticipantObjectIdentification.0.ParticipantObjectTypeCodeRole", 3},
        {"ParticipantObjectIdentification.1.ParticipantObjectTypeCode", 1},
        {"ParticipantObjectIdentification.0.ParticipantObjectDescription.SOPClass.0.NumberOfInstances", 2}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_int_equal(json_integer_value(member(r, numbers[i].path)), numbers[i].value);
    assert_true(json_is_true(member(r, "ActiveParticipant.0.UserIsRequestor")));
    assert_true(json_is_false(member(r, "ActiveParticipant.1.UserIsRequestor")));
    const char *when = text_at(r, "EventIdentification.EventDateTime");
    assert_int_equal(strlen(when), strlen("2026-11-22T08:00:00.123456Z"));
    json_decref(all);
}

/* The same identifier has the same hash, in another process too; another key makes others. */
static void test_hashed_identifiers(void **state)
{
    Audit *audit = open_audit((AuditSettings){.hash_identifiers = true});
    record(audit, AUDIT_QUERY, "SECRET-ID", 0);
    record(audit, AUDIT_QUERY, "OTHER", 0);
    audit_close(audit);
    audit = open_audit((AuditSettings){.hash_identifiers = true});
    record(audit, AUDIT_QUERY, "SECRET-ID", 0);
    audit_close(audit);
    static const char path[] = "ParticipantObjectIdentification.0.ParticipantObjectID";
    json_t *all = records();
    const char *first = text_at(json_array_get(all, 0), path), *other = text_at(json_array_get(all, 1), path);
    assert_int_equal(strncmp(first, "hmac:", 5), 0);
    assert_int_equal(strlen(first), 5 + 32);
    assert_string_not_equal(first, other);
    assert_string_equal(first, text_at(json_array_get(all, 2), path));
    json_decref(all);
    char key[PATH_MAX];
    struct stat st;
    snprintf(key, sizeof key, "%s/audit.key", top);
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    chmod(key, 0644);
    assert_null(audit_open(&(AuditSettings){.folder = top, .source = "G", .hash_identifiers = true}, &err));
    assert_non_null(strstr(err.text, "others may read"));
}

/* One record at once; what comes again is counted, and told at the end. */
static void test_what_comes_again_is_counted(void **state)
{
    Audit *audit = open_audit((AuditSettings){0});
    uint64_t key = audit_key(AUDIT_ACCESSED, (const char *[]){"anna", "1.2.3"}, 2);
    uint64_t other = audit_key(AUDIT_ACCESSED, (const char *[]){"anna", "1.2.4"}, 2);
    assert_true(key != other);
    assert_false(audit_again(audit, key, NULL));
    record(audit, AUDIT_ACCESSED, "P1", key);
    for (int i = 0; i < 7; i++)
        assert_true(audit_again(audit, key, i % 3 ? (i % 3 == 1 ? "1.2.3.1" : "1.2.3.2") : NULL));
    record(audit, AUDIT_ACCESSED, "P1", key);
    assert_false(audit_again(audit, other, NULL));
    record(audit, AUDIT_ACCESSED, "P2", other);
    audit_close(audit);
    json_t *all = records();
    assert_int_equal(json_array_size(all), 3);
    assert_null(json_object_get(json_array_get(all, 0), "Repeated"));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(all, 2), "Repeated")), 8);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(all, 2), "RepeatedInstances")), 2);
    json_decref(all);
}

/* A long series, one after the other: what is counted has a bound. */
static void test_more_instances_than_are_told_apart(void **state)
{
    char instance[32];
    Audit *audit = open_audit((AuditSettings){0});
    uint64_t key = audit_key(AUDIT_ACCESSED, (const char *[]){"anna", "1.2.3"}, 2);
    record(audit, AUDIT_ACCESSED, "P1", key);
    for (int i = 0; i < AUDIT_PARTS_MAX + 100; i++) {
        snprintf(instance, sizeof instance, "1.2.3.%d", i);
        assert_true(audit_again(audit, key, instance));
    }
    audit_close(audit);
    json_t *all = records();
    json_t *last = json_array_get(all, 1);
    assert_int_equal(json_integer_value(json_object_get(last, "Repeated")), AUDIT_PARTS_MAX + 100);
    assert_int_equal(json_integer_value(json_object_get(last, "RepeatedInstances")), AUDIT_PARTS_MAX);
    json_decref(all);
}

/* More keys than are remembered: each has its record, and no count is lost. */
static void test_many_keys(void **state)
{
    enum { KEYS = 2000 };
    Audit *audit = open_audit((AuditSettings){0});
    for (int round = 0; round < 2; round++)
        for (uint64_t key = 1; key <= KEYS; key++)
            record(audit, AUDIT_ACCESSED, "P", key * 7919);
    audit_close(audit);
    json_t *all = records();
    json_int_t events = 0;
    const json_t *one;
    size_t i;
    json_array_foreach(all, i, one)
    {
        json_int_t again = json_integer_value(json_object_get(one, "Repeated"));
        events += again ? again : 1;
    }
    assert_int_equal(events, 2 * KEYS);
    json_decref(all);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full: nobody waits, the records stay, what finds no room is counted, and told when there is room again. */
static void test_a_full_disk_is_waited_out(void **state)
{
    enum { ROOM = 10, MORE = 25 };
    Audit *audit = open_audit((AuditSettings){.queue_max = ROOM});
    record(audit, AUDIT_QUERY, "P", 0);
    assert_true(audit_flush(audit, deadline_in(10000)));
    limit_files(1);
    for (int i = 0; i < MORE; i++)
        assert_true(record(audit, AUDIT_QUERY, "P", 0));
    assert_false(audit_flush(audit, deadline_in(10000)));
    limit_files(RLIM_INFINITY);
    assert_true(audit_may_serve(audit, &err));
    audit_close(audit);
    assert_true(was_noticed("the audit trail cannot be written"));
    assert_true(was_noticed("the audit trail is written again"));
    json_t *all = records();
    const json_t *one;
    size_t i;
    int lost = 0, queries = 0;
    json_array_foreach(all, i, one)
    {
        sscanf(text_at(one, "EventIdentification.EventOutcomeDescription"),
               "%d records before this one are missing", &lost);
        queries += !strcmp(text_at(one, "EventIdentification.EventID.csd-code"), "110112");
    }
    assert_int_equal(queries + lost, 1 + MORE);
    assert_true(lost > 0);
    json_decref(all);
}

/* Required: a record is durable when it is taken; without a disk there is no service, and with it there is again. */
static void test_required(void **state)
{
    Audit *audit = open_audit((AuditSettings){.required = true});
    AuditVerdict verdict;
    assert_true(record(audit, AUDIT_QUERY, "P", 0));
    assert_true(audit_verify(top, &(AuditVerify){0}, &verdict, &err));
    assert_int_equal(verdict.records, 1);
    limit_files(1);
    assert_false(record(audit, AUDIT_QUERY, "P", 0));
    assert_int_equal(err.dimse, 0xA700);
    assert_int_equal(err.http, 503);
    assert_false(audit_may_serve(audit, &err));
    assert_false(audit_again(audit, 7, NULL));
    limit_files(RLIM_INFINITY);
    Deadline deadline = deadline_in(20000);
    while (!audit_may_serve(audit, NULL) && !deadline_passed(deadline))
        clock_sleep_ms(20);
    assert_true(audit_may_serve(audit, &err));
    assert_true(record(audit, AUDIT_QUERY, "P", 0));
    audit_close(audit);
    json_decref(records());
}

/* A process that never gets to write does not end for ever. */
static void test_the_end_with_a_full_disk(void **state)
{
    Audit *audit = open_audit((AuditSettings){0});
    limit_files(1);
    record(audit, AUDIT_QUERY, "P", 0);
    audit_close(audit);
    limit_files(RLIM_INFINITY);
    assert_true(was_noticed("1 records of the audit trail are lost"));
}

static void *record_many(void *audit)
{
    for (int i = 0; i < 300; i++) {
        record(audit, AUDIT_QUERY, "P", 0);
        audit_again(audit, 5, NULL);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    Audit *audit = open_audit((AuditSettings){.max_bytes = 50000});
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, record_many, audit), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    audit_close(audit);
    json_t *all = records();
    assert_int_equal(json_array_size(all), THREADS * 300);
    json_decref(all);
}

static void test_no_audit(void **state)
{
    assert_true(record(NULL, AUDIT_QUERY, "P", 0));
    assert_true(audit_again(NULL, 1, NULL));
    assert_true(audit_may_serve(NULL, &err));
    assert_true(audit_flush(NULL, deadline_in(0)));
    audit_close(NULL);
}

/* Names of keys, and identifiers; no other value. */
static void test_what_a_search_was_about(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *keys = dcm_dataset_new(arena);
    AuditWhat what[AUDIT_SEARCH_WHAT];
    dcm_put_utf8(keys, DCM_QueryRetrieveLevel, "STUDY");
    dcm_put_utf8(keys, DCM_PatientName, "Doe^Jane");
    dcm_put_utf8(keys, DCM_PatientID, "P1");
    dcm_put_utf8(keys, DCM_StudyDate, "");
    dcm_put_utf8(keys, DCM_StudyInstanceUID, "1.2.3\\1.2.4");
    size_t n = audit_search_what(arena, "STUDY of Study Root", keys, 3, what);
    assert_int_equal(n, 4);
    assert_string_equal(what[0].details[0].value, "PatientName,PatientID,StudyInstanceUID");
    assert_string_equal(what[0].details[1].value, "3");
    assert_string_equal(what[1].id, "P1");
    assert_string_equal(what[3].id, "1.2.4");
    dcm_put_utf8(keys, DCM_PatientID, "P*");
    assert_int_equal(audit_search_what(arena, "x", keys, -1, what), 3);
    assert_int_equal(audit_search_what(arena, "x", NULL, -1, what), 1);
    arena_free(arena);
}

static void test_studies(void **state)
{
    bool fresh;
    AuditStudies *studies = audit_studies_new();
    AuditStudy *one = audit_studies_find(studies, "1.1", "P", &fresh);
    assert_true(fresh);
    audit_study_count(one, "1.2.840.10008.5.1.4.1.1.2", 100, true);
    assert_int_equal(audit_study_outcome(one), AUDIT_SUCCESS);
    audit_study_count(one, NULL, 0, false);
    assert_int_equal(audit_study_outcome(one), AUDIT_MINOR_FAILURE);
    assert_ptr_equal(audit_studies_find(studies, "1.1", "P", &fresh), one);
    assert_false(fresh);
    assert_null(audit_studies_take(studies, false));
    /* many at a time: some are to be told early, and none is lost */
    uint64_t told = 0;
    const AuditStudy *taken;
    for (int i = 0; i < 100; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "1.2.%d", i);
        while ((taken = audit_studies_take(studies, false)))
            told += taken->objects;
        audit_study_count(audit_studies_find(studies, uid, NULL, &fresh), "1.2", 1, true);
        assert_true(fresh);
    }
    while ((taken = audit_studies_take(studies, true)))
        told += taken->objects;
    assert_int_equal(told, 101);
    audit_studies_free(studies);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        CASE(test_a_message),
        CASE(test_hashed_identifiers),
        CASE(test_what_comes_again_is_counted),
        CASE(test_more_instances_than_are_told_apart),
        CASE(test_many_keys),
        CASE(test_a_full_disk_is_waited_out),
        CASE(test_required),
        CASE(test_the_end_with_a_full_disk),
        CASE(test_many_threads),
        CASE(test_no_audit),
        CASE(test_what_a_search_was_about),
        CASE(test_studies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
