// SPDX-License-Identifier: MIT
#include "archive_fixture.h"

#include <sys/syscall.h>
#include <sys/uio.h>

static Arena *arena;

/* Files of which nothing is in memory. */
static bool cold;
static int fetched;

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    if (cold && (flags & RWF_NOWAIT)) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_preadv2, fd, parts, count, offset, 0, flags);
}

int posix_fadvise(int fd, off_t offset, off_t n, int advice)
{
    fetched += advice == POSIX_FADV_WILLNEED;
    return 0;
}

static int setup(void **state)
{
    arena = arena_new(0);
    return make_archive(state);
}

static int teardown(void **state)
{
    arena_free(arena);
    return drop_archive(state);
}

static void store_numbered(const char *patient, const char *study, const char *series, const char *instance,
                           int number)
{
    Spec spec = SPEC(instance);
    spec.patient_id = patient;
    spec.study = study;
    spec.series = series;
    spec.number = number;
    store_spec(&spec);
}

/* The instances a selection yields, joined by blanks. */
static const char *retrieved(const IdxSelection *selection)
{
    static char out[512];
    Err err = {0};
    IdxFile file;
    ArcRetrieve *retrieve = arc_retrieve_open(archive, selection, &err);
    if (!retrieve)
        fail_msg("%s", err.text);
    size_t n = 0;
    for (out[0] = 0;; n++) {
        if (!arc_retrieve_next(retrieve, &file, &err))
            fail_msg("%s", err.text);
        if (!file.sop_instance)
            break;
        if (n % 3)
            arc_retrieve_read_ahead(retrieve); /* what is at hand stays */
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s ", file.sop_instance);
    }
    assert_int_equal(arc_retrieve_count(retrieve), n);
    arc_retrieve_close(retrieve);
    return out;
}

typedef struct Key {
    DcmTag tag;
    const char *value;
} Key;

static const DcmDataset *keys_of(const Key keys[3])
{
    DcmDataset *ds = dcm_dataset_new(arena);
    for (int i = 0; i < 3 && keys[i].tag; i++)
        dcm_put_utf8(ds, keys[i].tag, keys[i].value);
    return ds;
}

/* In order of number, whatever the order they came in. */
static void test_selections(void **state)
{
    static const struct {
        DcmLevel level;
        Key keys[3];
        const char *instances;
    } cases[] = {
        {DCM_LEVEL_PATIENT, {{DCM_PatientID, "P1"}}, "1.1.1 1.1.2 1.1.10 1.2.1 "},
        {DCM_LEVEL_PATIENT, {{DCM_PatientID, "P1\\P2"}}, "1.1.1 1.1.2 1.1.10 1.2.1 2.1.1 "},
        {DCM_LEVEL_PATIENT, {{DCM_PatientID, "p1"}}, ""},
        {DCM_LEVEL_STUDY, {{DCM_StudyInstanceUID, "2"}}, "2.1.1 "},
        {DCM_LEVEL_STUDY, {{DCM_StudyInstanceUID, "1\\2"}}, "1.1.1 1.1.2 1.1.10 1.2.1 2.1.1 "},
        {DCM_LEVEL_STUDY, {{DCM_PatientID, "P2"}, {DCM_StudyInstanceUID, "1"}}, ""},
        {DCM_LEVEL_STUDY, {{DCM_PatientID, "*"}, {DCM_StudyInstanceUID, "2"}}, "2.1.1 "},
        {DCM_LEVEL_STUDY, {{DCM_StudyInstanceUID, "2"}, {DCM_SeriesInstanceUID, "9"}}, "2.1.1 "},
        {DCM_LEVEL_SERIES, {{DCM_StudyInstanceUID, "1"}, {DCM_SeriesInstanceUID, "1.2"}}, "1.2.1 "},
        {DCM_LEVEL_SERIES, {{DCM_SeriesInstanceUID, "1.2\\2.1"}}, "1.2.1 2.1.1 "},
        {DCM_LEVEL_IMAGE, {{DCM_SOPInstanceUID, "1.1.10\\1.1.2\\7"}}, "1.1.2 1.1.10 "},
    };
    store_numbered("P1", "1", "1.1", "1.1.10", 10);
    store_numbered("P1", "1", "1.1", "1.1.2", 2);
    store_numbered("P1", "1", "1.1", "1.1.1", 1);
    store_numbered("P1", "1", "1.2", "1.2.1", 1);
    store_numbered("P2", "2", "2.1", "2.1.1", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        IdxSelection selection;
        if (!arc_selection_of_keys(arena, cases[i].level, keys_of(cases[i].keys), &selection, &err))
            fail_msg("case %zu: %s", i, err.text);
        assert_string_equal(retrieved(&selection), cases[i].instances);
    }
}

static void test_refused(void **state)
{
    static const struct {
        DcmLevel level;
        Key keys[3];
    } cases[] = {
        {DCM_LEVEL_PATIENT, {{0}}},
        {DCM_LEVEL_PATIENT, {{DCM_PatientID, ""}}},
        {DCM_LEVEL_PATIENT, {{DCM_PatientID, "*"}}},
        {DCM_LEVEL_PATIENT, {{DCM_PatientID, "P?"}}},
        {DCM_LEVEL_STUDY, {{DCM_PatientID, "P1"}}},
        {DCM_LEVEL_STUDY, {{DCM_StudyInstanceUID, "1.*"}}},
        {DCM_LEVEL_STUDY, {{DCM_PatientID, "P*"}, {DCM_StudyInstanceUID, "1"}}},
        {DCM_LEVEL_SERIES, {{DCM_StudyInstanceUID, "1"}}},
        {DCM_LEVEL_IMAGE, {{DCM_SOPInstanceUID, "\\"}}},
        {(DcmLevel)7, {{DCM_SOPInstanceUID, "1"}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        IdxSelection selection;
        if (arc_selection_of_keys(arena, cases[i].level, keys_of(cases[i].keys), &selection, &err))
            fail_msg("case %zu was accepted", i);
        assert_int_equal(err.code, ERR_MISMATCH);
        assert_int_equal(err.dimse, 0xA900);
    }
}

static ArcRetrieve *of_patient(const char *const *id)
{
    Err err = {0};
    ArcRetrieve *retrieve =
        arc_retrieve_open(archive, &(IdxSelection){.patient_ids = id, .patient_count = 1}, &err);
    if (!retrieve)
        fail_msg("%s", err.text);
    return retrieve;
}

/* The object at hand and some behind it are read ahead, each once, and come in their order. */
static void test_read_ahead(void **state)
{
    enum { OBJECTS = 12, DEPTH = 4 };
    static const char *const id[] = {"P1"};
    char uid[32];
    Err err = {0};
    IdxFile file;
    for (int i = 1; i <= OBJECTS; i++) {
        snprintf(uid, sizeof uid, "1.1.%d", i);
        store_numbered("P1", "1", "1.1", uid, i);
    }
    ArcRetrieve *retrieve = of_patient(id);
    cold = true;
    for (int again = 0; again < 2; again++) {
        fetched = 0;
        for (int i = 1; i <= OBJECTS; i++) {
            snprintf(uid, sizeof uid, "1.1.%d", i);
            assert_true(arc_retrieve_next(retrieve, &file, &err));
            arc_retrieve_read_ahead(retrieve);
            assert_string_equal(file.sop_instance, uid);
            int behind = OBJECTS - i < DEPTH ? OBJECTS - i : DEPTH;
            assert_int_equal(fetched, i + behind);
            if (!again && i == OBJECTS / 2)
                break;
        }
        if (!again)
            arc_retrieve_rewind(retrieve);
    }
    assert_true(arc_retrieve_next(retrieve, &file, &err));
    assert_null(file.sop_instance);
    arc_retrieve_close(retrieve);
    cold = false;
}

/* The list of a hostile identifier costs no more than looking at it once. */
static void test_list_too_long(void **state)
{
    enum { VALUES = 2000000 };
    DcmDataset *keys = dcm_dataset_new(arena);
    uint8_t *list = arena_alloc(arena, 2 * VALUES);
    for (size_t i = 0; i < 2 * VALUES; i++)
        list[i] = i % 2 ? '\\' : '1';
    dcm_put(keys, DCM_StudyInstanceUID, DCM_VR_UI, span_of(list, 2 * VALUES));
    Err err = {0};
    IdxSelection selection;
    assert_false(arc_selection_of_keys(arena, DCM_LEVEL_STUDY, keys, &selection, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(err.dimse, 0xA701);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_selections), TEST(test_refused), TEST(test_read_ahead),
                                       TEST(test_list_too_long)};
    return cmocka_run_group_tests_name("retrieve", tests, NULL, NULL);
}
