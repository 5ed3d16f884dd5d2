// SPDX-License-Identifier: MIT
#include "archive/annotation_group.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 6, PATIENCE_MS = 60000 };

static AnnotationGroup group;
static int calls, sizes[THREADS + 1];

static int waiting(void)
{
    int n = 0;
    pthread_mutex_lock(&group.lock);
    for (const AnnotationMember *m = group.waiting; m; m = m->next)
        n++;
    pthread_mutex_unlock(&group.lock);
    return n;
}

/* The first one works until all others wait. Rows of even size are refused. */
static void commit(void *ctx, AnnotationMember *members)
{
    Deadline deadline = deadline_in(PATIENCE_MS);
    while (calls == 0 && waiting() < THREADS - 1 && !deadline_passed(deadline))
        clock_sleep_ms(1);
    for (AnnotationMember *m = members; m; m = m->next) {
        sizes[calls]++;
        m->ok = m->row->size % 2 == 1 || err_set(&m->err, ERR_NOT_FOUND, "%d", (int)m->row->size);
    }
    calls++;
}

static void *store(void *ctx)
{
    const IdxAnnotation *row = ctx;
    Err err = {0};
    bool ok = annotation_group_commit(&group, row, commit, NULL, &err);
    char wanted[8];
    snprintf(wanted, sizeof wanted, "%d", (int)row->size);
    bool right = row->size % 2 ? ok : !ok && err.code == ERR_NOT_FOUND && !strcmp(err.text, wanted);
    return right ? NULL : ctx;
}

static void who_waits_is_one_group(void **state)
{
    pthread_t threads[THREADS];
    IdxAnnotation rows[THREADS];
    (void)state;
    annotation_group_init(&group);
    for (int i = 0; i < THREADS; i++) {
        rows[i] = (IdxAnnotation){.size = (uint64_t)i};
        assert_int_equal(pthread_create(&threads[i], NULL, store, &rows[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(calls, 2);
    assert_int_equal(sizes[0], 1);
    assert_int_equal(sizes[1], THREADS - 1);
    assert_true(annotation_group_commit(&group, &rows[1], commit, NULL, NULL));
    annotation_group_destroy(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_waits_is_one_group)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
