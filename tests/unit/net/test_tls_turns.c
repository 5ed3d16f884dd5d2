// SPDX-License-Identifier: MIT
#include "net/tls_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

enum { PATIENCE_MS = 60000, MANY = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static char order[MANY + 1];
static pid_t newcomer; /* 0: it has not begun */
static unsigned at_work, most_at_work;

static long processors(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? sysconf(_SC_NPROCESSORS_ONLN) : 1;
}

static void take_all_but(long left)
{
    for (long i = left; i < processors(); i++)
        assert_true(tls_turn_begin(1, deadline_in(PATIENCE_MS)));
}

static void give_all_but(long kept)
{
    for (long i = kept; i < processors(); i++)
        tls_turn_end();
}

/* `who`: a letter, in capitals when it comes from network 2. */
static void *wait_once(void *who)
{
    const char *name = who;
    pthread_mutex_lock(&lock);
    newcomer = gettid();
    pthread_mutex_unlock(&lock);
    if (!tls_turn_begin(*name >= 'a' ? 1 : 2, deadline_in(PATIENCE_MS)))
        return NULL;
    pthread_mutex_lock(&lock);
    strncat(order, name, 1);
    pthread_mutex_unlock(&lock);
    tls_turn_end();
    return who;
}

/* Until the thread that was begun last waits. */
static void until_it_waits(void)
{
    char path[64], text[256], state = 'R';
    for (pid_t thread = 0; state != 'S'; clock_sleep_ms(1)) {
        pthread_mutex_lock(&lock);
        thread = newcomer;
        pthread_mutex_unlock(&lock);
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
        FILE *file = thread ? fopen(path, "r") : NULL;
        if (file && fgets(text, sizeof text, file) && strrchr(text, ')'))
            state = strrchr(text, ')')[2];
        if (file)
            fclose(file);
    }
}

/* They come in this order; one after the other gets the one place that becomes free. */
static void assert_turns(const char *come, const char *expected)
{
    pthread_t threads[MANY];
    size_t n = strlen(come);
    take_all_but(0);
    order[0] = 0;
    for (size_t i = 0; i < n; i++) {
        newcomer = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, wait_once, (void *)(come + i)), 0);
        until_it_waits();
    }
    assert_string_equal(order, "");
    tls_turn_end();
    for (size_t i = 0; i < n; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    give_all_but(1);
    assert_string_equal(order, expected);
}

static void one_network_is_served_as_it_comes(void **state)
{
    assert_turns("abcde", "abcde");
}

static void networks_take_turns(void **state)
{
    assert_turns("abcdeA", "aAbcde");
    assert_turns("abcABC", "aAbBcC");
    assert_turns("ABabcd", "AaBbcd");
}

static void nobody_waits_for_ever(void **state)
{
    take_all_but(0);
    assert_false(tls_turn_begin(2, deadline_in(0)));
    assert_false(tls_turn_begin(1, deadline_in(1)));
    give_all_but(0);
    take_all_but(0); /* all places are there still */
    give_all_but(0);
}

static void *take_turns(void *ignored)
{
    for (int i = 0; i < 50; i++) {
        if (!tls_turn_begin(3, deadline_in(PATIENCE_MS)))
            return order;
        pthread_mutex_lock(&lock);
        at_work++;
        most_at_work = at_work > most_at_work ? at_work : most_at_work;
        pthread_mutex_unlock(&lock);
        sched_yield();
        pthread_mutex_lock(&lock);
        at_work--;
        pthread_mutex_unlock(&lock);
        tls_turn_end();
    }
    return NULL;
}

static void no_more_than_processors(void **state)
{
    pthread_t threads[MANY];
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        assert_null(problem);
    }
    assert_in_range(most_at_work, 1, processors());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_network_is_served_as_it_comes),
        cmocka_unit_test(networks_take_turns),
        cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(no_more_than_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
