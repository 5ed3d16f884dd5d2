// SPDX-License-Identifier: MIT
#include "base/threads.h"

#include "base/cond.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* Items that wait to be taken. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int items, refused;
    bool over;
} shelf;

static void *take(void *ctx, Deadline deadline)
{
    bool got = false;
    pthread_mutex_lock(&shelf.lock);
    while (!shelf.items && !shelf.over && cond_wait(&shelf.changed, &shelf.lock, deadline)) {
    }
    got = shelf.items && !shelf.over;
    shelf.items -= got;
    pthread_mutex_unlock(&shelf.lock);
    return got ? ctx : NULL;
}

static void wake(void *ctx)
{
    pthread_mutex_lock(&shelf.lock);
    shelf.over = true;
    pthread_cond_broadcast(&shelf.changed);
    pthread_mutex_unlock(&shelf.lock);
}

static void refuse(void *item)
{
    pthread_mutex_lock(&shelf.lock);
    shelf.refused++;
    pthread_cond_broadcast(&shelf.changed);
    pthread_mutex_unlock(&shelf.lock);
}

static Threads *with_stack(size_t stack)
{
    shelf.items = shelf.refused = 0;
    shelf.over = false;
    pthread_mutex_init(&shelf.lock, NULL);
    cond_init(&shelf.changed);
    return threads_new(stack, &(ThreadsWork){&gate, take, wake, pass, refuse});
}

static void give(int items)
{
    pthread_mutex_lock(&shelf.lock);
    shelf.items += items;
    pthread_cond_broadcast(&shelf.changed);
    pthread_mutex_unlock(&shelf.lock);
}

static void each_item_has_a_thread_for_itself(void **state)
{
    enum { ITEMS = 50 };
    Threads *threads = with_stack(64 << 10);
    set_open(false);
    give(ITEMS);
    await(&gate.inside, ITEMS);
    set_open(true);
    threads_finish(threads);
    assert_int_equal(gate.done, ITEMS);
    assert_int_equal(gate.most, ITEMS);
}

static void a_thread_that_is_idle_is_taken_again(void **state)
{
    Threads *threads = with_stack(64 << 10);
    pthread_t first;
    give(1);
    await(&gate.done, 1);
    first = gate.last;
    bool same = false;
    for (int i = 0; i < 100 && !same; i++) {
        give(1);
        await(&gate.done, 2 + i);
        same = pthread_equal(first, gate.last);
    }
    assert_true(same);
    threads_finish(threads);
}

static void nothing_is_taken_any_more_and_work_goes_on(void **state)
{
    Threads *threads = with_stack(64 << 10);
    set_open(false);
    give(3);
    await(&gate.inside, 3);
    threads_stop_taking(threads);
    give(1000);
    set_open(true);
    threads_finish(threads);
    assert_int_equal(gate.done, 3);
    assert_int_equal(shelf.items, 1000);
    threads_finish(NULL);
}

static void a_thread_that_cannot_start_is_said(void **state)
{
    assert_null(with_stack((size_t)1 << 46)); /* no room for such a stack */
}

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { HAS_OWN_MEMORY = true }; /* of terabytes, which no limit may touch */
#else
enum { HAS_OWN_MEMORY = false };
#endif

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void what_nobody_could_follow_is_refused(void **state)
{
    static const size_t stack = 1 << 30, less = 1 << 28;
    struct rlimit before;
    if (HAS_OWN_MEMORY)
        skip();
    Threads *threads = with_stack(stack);
    assert_non_null(threads);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){address_space() + less, before.rlim_max}), 0);
    give(3);
    Deadline deadline = deadline_in(60000);
    pthread_mutex_lock(&shelf.lock);
    while (shelf.refused < 3 && cond_wait(&shelf.changed, &shelf.lock, deadline)) {
    }
    pthread_mutex_unlock(&shelf.lock);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    threads_finish(threads);
    assert_int_equal(shelf.refused, 3);
    assert_int_equal(gate.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_item_has_a_thread_for_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thread_that_is_idle_is_taken_again, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_taken_any_more_and_work_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thread_that_cannot_start_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_could_follow_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
