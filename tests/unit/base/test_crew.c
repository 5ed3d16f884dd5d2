// SPDX-License-Identifier: MIT
#include "base/crew.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct Pieces {
    pthread_barrier_t all_there;
    atomic_uint next, done;
    unsigned count;
} Pieces;

static void *together(void *ctx)
{
    Pieces *pieces = ctx;
    pthread_barrier_wait(&pieces->all_there);
    while (atomic_fetch_add(&pieces->next, 1) < pieces->count)
        atomic_fetch_add(&pieces->done, 1);
    return pieces;
}

/* Only returns when as many as `expected` were there at the same time. */
static void run(size_t wanted, unsigned expected)
{
    Pieces pieces = {.count = 1000};
    pthread_barrier_init(&pieces.all_there, NULL, expected);
    assert_int_equal(crew_run(wanted, together, &pieces), expected);
    assert_int_equal(pieces.done, 1000);
    pthread_barrier_destroy(&pieces.all_there);
}

static void as_many_as_wanted(void **state)
{
    (void)state;
    run(1, 1);
    run(2, 2);
    run(17, 17);
}

static void never_none_and_never_too_many(void **state)
{
    (void)state;
    run(0, 1);
    run(CREW_MAX, CREW_MAX);
    run(100000, CREW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_wanted),
        cmocka_unit_test(never_none_and_never_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
