// SPDX-License-Identifier: MIT
#include "base/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int numbers[1000];

static void first_in_first_out(void **state)
{
    Queue *queue = queue_new(3);
    for (int round = 0; round < 5; round++) { /* past the end of the ring */
        assert_true(queue_put(queue, &numbers[1], 0));
        assert_true(queue_put(queue, &numbers[2], 0));
        assert_int_equal(queue_length(queue), 2);
        assert_ptr_equal(queue_take(queue, 0), &numbers[1]);
        assert_ptr_equal(queue_take(queue, 0), &numbers[2]);
    }
    queue_free(queue);
    queue_free(NULL);
}

static void waits_are_bounded(void **state)
{
    Queue *queue = queue_new(1);
    int64_t start = clock_ms();
    assert_null(queue_take(queue, deadline_in(20)));
    assert_true(queue_put(queue, &numbers[0], deadline_in(20)));
    assert_false(queue_put(queue, &numbers[1], deadline_in(20)));
    assert_true(clock_ms() - start >= 40);
    assert_int_equal(queue_length(queue), 1);
    queue_free(queue);
    Queue *smallest = queue_new(0);
    assert_null(queue_take(smallest, 0));
    assert_true(queue_put(smallest, &numbers[0], 0));
    queue_free(smallest);
}

static void take_many_takes_what_is_there(void **state)
{
    Queue *queue = queue_new(10);
    void *items[4];
    for (int i = 0; i < 6; i++)
        queue_put(queue, &numbers[i], 0);
    assert_int_equal(queue_take_many(queue, items, 4, 0), 4);
    assert_ptr_equal(items[3], &numbers[3]);
    assert_int_equal(queue_take_many(queue, items, 4, 0), 2);
    assert_int_equal(queue_take_many(queue, items, 4, deadline_in(5)), 0);
    queue_free(queue);
}

static void *put_two(void *queue)
{
    void *items[] = {&numbers[2], &numbers[3]};
    return queue_put_many(queue, items, 2, deadline_in(30000)) ? NULL : queue;
}

static void put_many_puts_all_or_none(void **state)
{
    Queue *queue = queue_new(3);
    void *items[3] = {&numbers[4], &numbers[5], &numbers[6]};
    assert_true(queue_put_many(queue, items, 0, 0));
    queue_put(queue, &numbers[0], 0);
    queue_put(queue, &numbers[1], 0);
    assert_false(queue_put_many(queue, items, 2, deadline_in(5)));
    assert_int_equal(queue_length(queue), 2);
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, put_two, queue), 0);
    assert_ptr_equal(queue_take(queue, 0), &numbers[0]);
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(queue_take_many(queue, items, 3, 0), 3);
    assert_ptr_equal(items[0], &numbers[1]);
    assert_ptr_equal(items[1], &numbers[2]);
    assert_ptr_equal(items[2], &numbers[3]);
    queue_close(queue);
    assert_false(queue_put_many(queue, items, 2, CLOCK_NEVER));
    queue_free(queue);
}

static void a_closed_queue_drains(void **state)
{
    Queue *queue = queue_new(4);
    queue_put(queue, &numbers[7], 0);
    queue_close(queue);
    assert_false(queue_put(queue, &numbers[8], CLOCK_NEVER));
    assert_ptr_equal(queue_take(queue, CLOCK_NEVER), &numbers[7]);
    assert_null(queue_take(queue, CLOCK_NEVER));
    queue_free(queue);
}

static void *take_one(void *queue)
{
    return queue_take(queue, CLOCK_NEVER);
}

static void close_wakes_a_waiting_taker(void **state)
{
    Queue *queue = queue_new(1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_one, queue), 0);
    clock_sleep_ms(10);
    queue_close(queue);
    void *got = &numbers[0];
    pthread_join(thread, &got);
    assert_null(got);
    queue_free(queue);
}

static void *put_all(void *queue)
{
    for (size_t i = 0; i < 1000; i++)
        if (!queue_put(queue, &numbers[i], deadline_in(30000)))
            return queue;
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    enum { PUTTERS = 4 };
    Queue *queue = queue_new(7);
    pthread_t thread[PUTTERS];
    for (int i = 0; i < PUTTERS; i++)
        pthread_create(&thread[i], NULL, put_all, queue);
    int seen[1000] = {0};
    size_t total = 0;
    while (total < PUTTERS * 1000) {
        void *items[5];
        size_t n = queue_take_many(queue, items, 5, deadline_in(30000));
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            seen[(int *)items[i] - numbers]++;
        total += n;
    }
    for (int i = 0; i < PUTTERS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(seen[i], PUTTERS);
    queue_free(queue);
}

static void count(void *ctx, void *item)
{
    atomic_int *counts = ctx;
    atomic_fetch_add(&counts[(int *)item - numbers], 1);
}

static void a_pool_works_everything_off_before_it_ends(void **state)
{
    static atomic_int counts[1000];
    Pool *pool = pool_new(4, 16, count, counts);
    for (size_t i = 0; i < 1000; i++)
        assert_true(pool_put(pool, &numbers[i], deadline_in(30000)));
    pool_finish(pool);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(atomic_load(&counts[i]), 1);
    pool_finish(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(waits_are_bounded),
        cmocka_unit_test(take_many_takes_what_is_there),
        cmocka_unit_test(put_many_puts_all_or_none),
        cmocka_unit_test(a_closed_queue_drains),
        cmocka_unit_test(close_wakes_a_waiting_taker),
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(a_pool_works_everything_off_before_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
