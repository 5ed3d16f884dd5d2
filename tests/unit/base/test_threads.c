// SPDX-License-Identifier: MIT
#include "base/threads.h"

#include "base/cond.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Work that waits until it may go on. */
typedef struct Gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside, most, done;
    bool open;
    pthread_t last; /* who did it */
} Gate;

static Gate gate;

static int setup(void **state)
{
    gate = (Gate){.open = true};
    pthread_mutex_init(&gate.lock, NULL);
    cond_init(&gate.changed);
    return 0;
}

static int teardown(void **state)
{
    pthread_cond_destroy(&gate.changed);
    pthread_mutex_destroy(&gate.lock);
    return 0;
}

static void pass(void *item)
{
    Gate *g = item;
    pthread_mutex_lock(&g->lock);
    g->inside++;
    g->most = g->inside > g->most ? g->inside : g->most;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    g->inside--;
    g->done++;
    g->last = pthread_self();
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void set_open(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void await(const int *number, int value)
{
    Deadline deadline = deadline_in(60000);
    pthread_mutex_lock(&gate.lock);
    while (*number < value)
        assert_true(cond_wait(&gate.changed, &gate.lock, deadline));
    pthread_mutex_unlock(&gate.lock);
}

static void each_item_has_a_thread_for_itself(void **state)
{
    enum { ITEMS = 50 };
    Threads *threads = threads_new(64 << 10, pass);
    set_open(false);
    for (int i = 0; i < ITEMS; i++)
        assert_true(threads_give(threads, &gate));
    await(&gate.inside, ITEMS);
    set_open(true);
    threads_finish(threads);
    assert_int_equal(gate.done, ITEMS);
    assert_int_equal(gate.most, ITEMS);
}

static void a_thread_that_is_idle_is_taken_again(void **state)
{
    Threads *threads = threads_new(64 << 10, pass);
    pthread_t first;
    assert_true(threads_give(threads, &gate));
    await(&gate.done, 1);
    first = gate.last;
    bool same = false;
    for (int i = 0; i < 100 && !same; i++) {
        clock_sleep_ms(10); /* it may not be idle yet */
        assert_true(threads_give(threads, &gate));
        await(&gate.done, 2 + i);
        same = pthread_equal(first, gate.last);
    }
    assert_true(same);
    threads_finish(threads);
}

static void finishing_waits_for_work(void **state)
{
    Threads *threads = threads_new(64 << 10, pass);
    for (int i = 0; i < 1000; i++)
        assert_true(threads_give(threads, &gate));
    threads_finish(threads);
    assert_int_equal(gate.done, 1000);
    threads_finish(NULL);
}

static void a_thread_that_cannot_start_is_said(void **state)
{
    Threads *threads = threads_new((size_t)1 << 46, pass); /* no room for such a stack */
    assert_false(threads_give(threads, &gate));
    threads_finish(threads);
    assert_int_equal(gate.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_item_has_a_thread_for_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thread_that_is_idle_is_taken_again, setup, teardown),
        cmocka_unit_test_setup_teardown(finishing_waits_for_work, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thread_that_cannot_start_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
