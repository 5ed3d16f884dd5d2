// SPDX-License-Identifier: MIT
/* What is remembered of credentials, and how guessing is slowed down: alone, and with many threads at once. */
#include "auth/memory.h"

#include "auth/backoff.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const AuthGrant anna = {"anna", USER_WRITE};

static void grants_are_kept_for_their_time(void **state)
{
    AuthMemory *memory = auth_memory_new();
    AuthKey key = auth_memory_key(memory, SPAN("anna:password")),
            other = auth_memory_key(memory, SPAN("anna:Password"));
    AuthQuestion question;
    AuthGrant got;
    assert_int_equal(auth_memory_ask(memory, &key, deadline_in(0), &question, &got), AUTH_FIND_OUT);
    auth_memory_tell(memory, &question, &anna, 60000);
    assert_true(auth_memory_find(memory, &key, &got));
    assert_string_equal(got.user, "anna");
    assert_int_equal(got.role, USER_WRITE);
    assert_int_equal(auth_memory_ask(memory, &key, deadline_in(0), &question, &got), AUTH_KNOWN);
    assert_false(auth_memory_find(memory, &other, &got));
    assert_int_equal(auth_memory_ask(memory, &other, deadline_in(0), &question, &got), AUTH_FIND_OUT);
    AuthQuestion second;
    assert_int_equal(auth_memory_ask(memory, &other, deadline_in(0), &second, &got), AUTH_WAITED_TOO_LONG);
    auth_memory_tell(memory, &question, NULL, 60000);
    assert_false(auth_memory_find(memory, &other, &got));
    assert_int_equal(auth_memory_ask(memory, &other, deadline_in(0), &question, &got), AUTH_FIND_OUT);
    auth_memory_tell(memory, &question, &anna, 0); /* no lifetime: not kept */
    assert_false(auth_memory_find(memory, &other, &got));
    assert_int_equal(auth_memory_ask(memory, &other, deadline_in(0), &question, &got), AUTH_FIND_OUT);
    auth_memory_tell(memory, &question, &anna, 1);
    clock_sleep_ms(20);
    assert_false(auth_memory_find(memory, &other, &got));
    auth_memory_free(memory);
}

static void keys_are_of_one_process(void **state)
{
    AuthMemory *a = auth_memory_new(), *b = auth_memory_new();
    AuthKey of_a = auth_memory_key(a, SPAN("x")), of_b = auth_memory_key(b, SPAN("x")),
            again = auth_memory_key(a, SPAN("x"));
    assert_memory_equal(&of_a, &again, sizeof again);
    assert_memory_not_equal(&of_a, &of_b, sizeof of_b);
    auth_memory_free(a);
    auth_memory_free(b);
}

static void more_than_fit(void **state)
{
    AuthMemory *memory = auth_memory_new();
    size_t found = 0;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 20000; i++) {
            char text[16];
            snprintf(text, sizeof text, "%d", i);
            AuthKey key = auth_memory_key(memory, span_cstr(text));
            AuthQuestion question;
            AuthGrant got;
            found += auth_memory_find(memory, &key, &got);
            if (!round && auth_memory_ask(memory, &key, deadline_in(0), &question, &got) == AUTH_FIND_OUT)
                auth_memory_tell(memory, &question, &anna, 60000);
        }
    assert_in_range(found, 1000, 4096);
    auth_memory_free(memory);
}

/* -- many threads with one credential -- */

typedef struct Crowd {
    AuthMemory *memory;
    AuthKey key;
    bool right;
    atomic_int asked, granted;
} Crowd;

static void *one_of_many(void *ctx)
{
    Crowd *crowd = ctx;
    AuthQuestion question;
    AuthGrant got;
    switch (auth_memory_ask(crowd->memory, &crowd->key, deadline_in(20000), &question, &got)) {
    case AUTH_KNOWN:
        atomic_fetch_add(&crowd->granted, 1);
        break;
    case AUTH_FIND_OUT:
        atomic_fetch_add(&crowd->asked, 1);
        clock_sleep_ms(100);
        auth_memory_tell(crowd->memory, &question, crowd->right ? &anna : NULL, 60000);
        break;
    case AUTH_WAITED_TOO_LONG:
        break;
    }
    return NULL;
}

static void run_crowd(bool right, int asked, int granted)
{
    enum { MANY = 16 };
    Crowd crowd = {.memory = auth_memory_new(), .right = right};
    crowd.key = auth_memory_key(crowd.memory, SPAN("x"));
    AuthQuestion question;
    AuthGrant got;
    pthread_t threads[MANY];
    assert_int_equal(auth_memory_ask(crowd.memory, &crowd.key, deadline_in(0), &question, &got),
                     AUTH_FIND_OUT);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_many, &crowd), 0);
    clock_sleep_ms(100);
    auth_memory_tell(crowd.memory, &question, right ? &anna : NULL, 60000);
    for (int i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.asked + crowd.granted, MANY);
    if (asked >= 0)
        assert_int_equal(crowd.asked, asked);
    if (granted >= 0)
        assert_int_equal(crowd.granted, granted);
    auth_memory_free(crowd.memory);
}

static void one_asks_for_many(void **state)
{
    run_crowd(true, 0, 16);
    run_crowd(false, 16, 0);
}

/* -- back-off -- */

static void guessing_is_slowed_down(void **state)
{
    AuthBackoff *backoff = auth_backoff_new();
    int64_t now = 1000000;
    for (int i = 0; i < 4; i++)
        auth_backoff_failed(backoff, "10.0.0.1", now);
    assert_int_equal(auth_backoff_wait(backoff, "10.0.0.1", now), 0);
    const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        auth_backoff_failed(backoff, "10.0.0.1", now);
        assert_int_equal(auth_backoff_wait(backoff, "10.0.0.1", now), waits[i]);
        assert_int_equal(auth_backoff_wait(backoff, "10.0.0.2", now), 0);
    }
    assert_int_equal(auth_backoff_wait(backoff, "10.0.0.1", now + 60000), 0);
    auth_backoff_failed(backoff, "10.0.0.1", now + 60000);
    assert_int_equal(auth_backoff_wait(backoff, "10.0.0.1", now + 60000), 60000);
    now += 20 * 60 * 1000; /* all is forgotten */
    auth_backoff_failed(backoff, "10.0.0.1", now);
    assert_int_equal(auth_backoff_wait(backoff, "10.0.0.1", now), 0);
    auth_backoff_free(backoff);
}

static void a_network_of_ipv6_is_one_client(void **state)
{
    AuthBackoff *backoff = auth_backoff_new();
    for (int i = 0; i < 10; i++) {
        char client[64];
        snprintf(client, sizeof client, "2001:db8:1:2::%d", i);
        auth_backoff_failed(backoff, client, 1);
    }
    assert_in_range(auth_backoff_wait(backoff, "2001:db8:1:2:ffff::1", 1), 1, 60000);
    assert_int_equal(auth_backoff_wait(backoff, "2001:db8:1:3::1", 1), 0);
    for (int i = 0; i < 20000; i++) { /* many others do not make it overflow */
        char client[64];
        snprintf(client, sizeof client, "10.%d.%d.1", i / 250, i % 250);
        auth_backoff_failed(backoff, client, 2);
    }
    auth_backoff_free(backoff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_are_kept_for_their_time),
        cmocka_unit_test(keys_are_of_one_process),
        cmocka_unit_test(more_than_fit),
        cmocka_unit_test(one_asks_for_many),
        cmocka_unit_test(guessing_is_slowed_down),
        cmocka_unit_test(a_network_of_ipv6_is_one_client),
    };
    return cmocka_run_group_tests_name("auth_memory", tests, NULL, NULL);
}
