// SPDX-License-Identifier: MIT
#include "web/render_cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { THREADS = 12 };

typedef struct Maker {
    atomic_int calls, running, most;
    size_t size;
    bool fails;
    int pause_ms;
} Maker;

static bool make(void *ctx, Buf *out, Err *err)
{
    Maker *m = ctx;
    m->calls++;
    int now = ++m->running;
    for (int most = m->most; now > most && !atomic_compare_exchange_weak(&m->most, &most, now);)
        ;
    nanosleep(&(struct timespec){0, m->pause_ms * 1000000L}, NULL);
    m->running--;
    if (m->fails)
        return err_set(err, ERR_FORMAT, "it is damaged");
    uint8_t *room = buf_reserve(out, m->size);
    assert_non_null(room);
    memset(room, 7, m->size);
    out->n += m->size;
    return true;
}

static bool get(RenderCache *cache, const char *key, Maker *maker, size_t *got, Err *err)
{
    Buf out;
    buf_init(&out, 0);
    bool ok = render_cache_get(cache, key, make, maker, &out, err);
    *got = out.n;
    buf_free(&out);
    return ok;
}

static void made_once_and_kept(void **state)
{
    (void)state;
    RenderCache *cache = render_cache_new(1000);
    Maker maker = {.size = 100};
    size_t got;
    for (int i = 0; i < 3; i++) {
        assert_true(get(cache, "a", &maker, &got, NULL));
        assert_int_equal(got, 100);
    }
    assert_int_equal(maker.calls, 1);
    assert_true(get(cache, "b", &maker, &got, NULL));
    assert_int_equal(maker.calls, 2);
    render_cache_free(cache);
    render_cache_free(NULL);
}

static void what_was_not_asked_for_longest_goes_first(void **state)
{
    (void)state;
    RenderCache *cache = render_cache_new(250);
    Maker maker = {.size = 100};
    size_t got;
    static const char *const asked[] = {"a", "b", "a", "c", "a", "b"}; /* c pushes b out */
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        assert_true(get(cache, asked[i], &maker, &got, NULL));
    assert_int_equal(maker.calls, 4);
    /* larger than all that may be kept: handed out, but not kept, and nothing else stays */
    Maker large = {.size = 300};
    for (int i = 0; i < 2; i++)
        assert_true(get(cache, "large", &large, &got, NULL) && got == 300);
    assert_int_equal(large.calls, 2);
    render_cache_free(cache);
}

static void failures_are_told_and_not_kept(void **state)
{
    (void)state;
    RenderCache *cache = render_cache_new(1000);
    Maker maker = {.size = 100, .fails = true};
    size_t got;
    Err err = {0};
    assert_false(get(cache, "a", &maker, &got, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_string_equal(err.text, "it is damaged");
    assert_int_equal(got, 0);
    maker.fails = false;
    assert_true(get(cache, "a", &maker, &got, NULL));
    assert_int_equal(maker.calls, 2);
    render_cache_free(cache);
}

typedef struct Asker {
    RenderCache *cache;
    Maker *maker;
    char key[16];
    bool ok;
    size_t got;
    Err err;
} Asker;

static void *ask(void *ctx)
{
    Asker *a = ctx;
    a->ok = get(a->cache, a->key, a->maker, &a->got, &a->err);
    return NULL;
}

static void ask_at_once(RenderCache *cache, Maker *maker, bool same, Asker askers[THREADS])
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (Asker){.cache = cache, .maker = maker};
        snprintf(askers[i].key, sizeof askers[i].key, "%d", same ? 0 : i);
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void many_wait_for_one(void **state)
{
    (void)state;
    RenderCache *cache = render_cache_new(1000);
    Maker maker = {.size = 10, .pause_ms = 50};
    Asker askers[THREADS];
    ask_at_once(cache, &maker, true, askers);
    assert_int_equal(maker.calls, 1);
    for (int i = 0; i < THREADS; i++)
        assert_true(askers[i].ok && askers[i].got == 10);
    render_cache_free(cache);
}

static void a_failure_is_that_of_all_who_wait(void **state)
{
    (void)state;
    RenderCache *cache = render_cache_new(1000);
    Maker maker = {.fails = true, .pause_ms = 50};
    Asker askers[THREADS];
    ask_at_once(cache, &maker, true, askers);
    assert_true(maker.calls >= 1 && maker.calls <= THREADS);
    assert_int_equal(maker.most, 1);
    for (int i = 0; i < THREADS; i++)
        assert_true(!askers[i].ok && askers[i].err.code == ERR_FORMAT);
    render_cache_free(cache);
}

static void few_are_made_at_once(void **state)
{
    (void)state;
    RenderCache *cache = render_cache_new(50); /* entries go while others are made */
    Maker maker = {.size = 20, .pause_ms = 20};
    Asker askers[THREADS];
    ask_at_once(cache, &maker, false, askers);
    assert_int_equal(maker.calls, THREADS);
    assert_true(maker.most > 1 && maker.most <= 4);
    for (int i = 0; i < THREADS; i++)
        assert_true(askers[i].ok && askers[i].got == 20);
    render_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_once_and_kept),
        cmocka_unit_test(what_was_not_asked_for_longest_goes_first),
        cmocka_unit_test(failures_are_told_and_not_kept),
        cmocka_unit_test(many_wait_for_one),
        cmocka_unit_test(a_failure_is_that_of_all_who_wait),
        cmocka_unit_test(few_are_made_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
