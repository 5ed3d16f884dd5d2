// SPDX-License-Identifier: MIT
/* Readers beside the writer. Run under ThreadSanitizer too. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, GROUPS = 30, GROUP = 10 };

typedef struct Shared {
    Fixture *f;
    atomic_bool stop;
    atomic_int answers, failures;
} Shared;

static DcmDataset *instance(Arena *arena, int group, int i)
{
    return object_of(arena, DCM_PatientID, "P1", DCM_PatientName, "Doe^Jane", DCM_StudyInstanceUID,
                     arena_printf(arena, "1.%d", group % 3), DCM_SeriesInstanceUID,
                     arena_printf(arena, "1.%d.1", group % 3), DCM_SOPInstanceUID,
                     arena_printf(arena, "1.%d.1.%d", group, i), DCM_Modality, "CT", 0);
}

/* Every answer is of one moment: a study's count is what a search for its instances finds, a multiple of what a commit brings. */
static void *read_on(void *arg)
{
    Shared *s = arg;
    Err err;
    while (!atomic_load(&s->stop)) {
        Arena *arena = arena_new(0);
        IdxQuery query = {
            .level = DCM_LEVEL_STUDY,
            .keys = object_of(arena, DCM_PatientName, "Doe*", DCM_NumberOfStudyRelatedInstances, "", 0)};
        IdxCursor *cursor = idx_query(s->f->index, &query, &err);
        IdxRow row = {0};
        IdxTotals totals;
        bool ok = cursor != NULL;
        while (ok && (ok = idx_next(cursor, arena, &row, &err)) && row.attributes) {
            int64_t n = 0;
            ok = dcm_int(row.attributes, DCM_NumberOfStudyRelatedInstances, 0, &n) && n > 0 && n % GROUP == 0;
            atomic_fetch_add(&s->answers, 1);
        }
        idx_cursor_free(cursor);
        ok = ok && idx_totals(s->f->index, &totals, &err) && totals.instances % GROUP == 0;
        if (!ok)
            atomic_fetch_add(&s->failures, 1);
        arena_free(arena);
    }
    return NULL;
}

static void readers_beside_the_writer(void **state)
{
    Fixture *f = *state;
    Shared s = {.f = f};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &s), 0);
    for (int g = 0; g < GROUPS; g++) {
        ASSERT_OK(f, idx_begin(f->index, &f->err));
        for (int i = 0; i < GROUP; i++)
            ASSERT_OK(f, put(f, instance(f->arena, g, i)));
        ASSERT_OK(f, idx_commit(f->index, &f->err));
    }
    atomic_store(&s.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&s.failures), 0);
    IdxTotals totals;
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_int_equal(totals.instances, GROUPS * GROUP);
}

static void a_cursor_sees_one_moment(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 20; i++)
        ASSERT_OK(f, put(f, instance(f->arena, 1, i)));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    IdxQuery query = {.level = DCM_LEVEL_IMAGE, .keys = object_of(f->arena, 0)};
    IdxCursor *cursor = idx_query(f->index, &query, &f->err);
    IdxRow row;
    ASSERT_OK(f, cursor && idx_next(cursor, f->arena, &row, &f->err));
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 20; i++)
        ASSERT_OK(f, idx_remove(f->index, arena_printf(f->arena, "1.1.1.%d", i), &f->err));
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    int n = 0;
    for (; row.attributes; n++)
        ASSERT_OK(f, idx_next(cursor, f->arena, &row, &f->err));
    idx_cursor_free(cursor);
    assert_int_equal(n, 20);
    assert_int_equal(ask(f, DCM_LEVEL_IMAGE, query.keys, (DcmMatchOptions){0}, DCM_SOPInstanceUID, NULL), 0);
}

/* More cursors than kept connections, fewer than the bound; then the bound. */
static void many_cursors(void **state)
{
    Fixture *f = *state;
    static IdxCursor *cursors[128];
    IdxQuery query = {.level = DCM_LEVEL_STUDY, .keys = object_of(f->arena, 0)};
    idx_close(f->index);
    IdxSettings settings = fixture_settings(f);
    settings.busy_timeout_ms = 10;
    f->index = idx_open(&settings, &f->err);
    for (int i = 0; i < 128; i++)
        ASSERT_OK(f, (cursors[i] = idx_query(f->index, &query, &f->err)));
    assert_null(idx_query(f->index, &query, &f->err));
    assert_int_equal(f->err.code, ERR_LIMIT);
    for (int i = 0; i < 128; i++)
        idx_cursor_free(cursors[i]);
    assert_int_equal(ask(f, DCM_LEVEL_STUDY, query.keys, (DcmMatchOptions){0}, DCM_StudyInstanceUID, NULL),
                     0);
}

/* Two programs on one index: what the other removed is not taken for being there. */
static void another_writer(void **state)
{
    Fixture *f = *state;
    IdxSettings settings = fixture_settings(f);
    Index *other = idx_open(&settings, &f->err);
    ASSERT_OK(f, other);
    store(f, instance(f->arena, 1, 1));
    ASSERT_OK(f, idx_begin(other, &f->err) && idx_remove(other, "1.1.1.1", &f->err) &&
                     idx_commit(other, &f->err));
    store(f, instance(f->arena, 1, 2));
    idx_close(other);
    IdxTotals totals;
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_int_equal(totals.patients, 1);
    assert_int_equal(totals.instances, 1);
    assert_string_equal(sql_text(f, "SELECT count(*) FROM series e JOIN study USING (study_id)"), "1");
}

static bool stop_at_once(void *ctx)
{
    ++*(int *)ctx;
    return true;
}

/* A query that finds nothing for long can be ended all the same; the connection is sound afterwards. */
static void a_query_can_be_stopped(void **state)
{
    Fixture *f = *state;
    ASSERT_OK(f, idx_begin(f->index, &f->err));
    for (int i = 0; i < 3000; i++) {
        const char *uid = arena_printf(f->arena, "1.%d", i);
        ASSERT_OK(f, put(f, object_of(f->arena, DCM_PatientID, "P", DCM_PatientName, "Doe^Jane",
                                      DCM_StudyDescription, "Head", DCM_StudyInstanceUID, uid,
                                      DCM_SeriesInstanceUID, uid, DCM_SOPInstanceUID, uid, (DcmTag)0)));
    }
    ASSERT_OK(f, idx_commit(f->index, &f->err));
    int asked = 0;
    IdxQuery query = {.level = DCM_LEVEL_STUDY,
                      .keys = object_of(f->arena, DCM_StudyDescription, "*nothing*", (DcmTag)0)};
    IdxRow row;
    for (int stopped = 0; stopped < 2; stopped++) {
        query.stopped = stopped ? stop_at_once : NULL;
        query.stopped_ctx = &asked;
        IdxCursor *cursor = idx_query(f->index, &query, &f->err);
        bool ok = cursor && idx_next(cursor, f->arena, &row, &f->err);
        assert_int_equal(ok, !stopped);
        idx_cursor_free(cursor);
    }
    assert_int_equal(f->err.code, ERR_CANCELLED);
    assert_int_equal(asked, 1);
    IdxTotals totals;
    ASSERT_OK(f, idx_totals(f->index, &totals, &f->err));
    assert_int_equal(totals.studies, 3000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_beside_the_writer),
        TEST(a_cursor_sees_one_moment),
        TEST(many_cursors),
        TEST(another_writer),
        TEST(a_query_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
