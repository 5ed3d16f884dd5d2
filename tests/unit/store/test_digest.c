// SPDX-License-Identifier: MIT
#include "base/clock.h"
#include "store_fixture.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <xxhash.h>

/* As in store_internal.h and digest.c. */
enum { SMALL = 128 << 10, BLOCK = 640 << 10, MOST_HELPERS = 8, WAIT_MS = 30000 };

/* -- a gate for helpers, and a disk that fails -- */

typedef int (*DigestUpdate)(EVP_MD_CTX *ctx, const void *p, size_t n);

static DigestUpdate digest_update;
static pthread_t own_thread;
static atomic_bool shut, fails;
static atomic_int inside, helped; /* helpers that have a piece now; pieces that helpers had */

int EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *p, size_t n)
{
    if (pthread_equal(pthread_self(), own_thread))
        return digest_update(ctx, p, n);
    atomic_fetch_add(&inside, 1);
    atomic_fetch_add(&helped, 1);
    Deadline deadline = deadline_in(WAIT_MS);
    while (atomic_load(&shut) && !deadline_passed(deadline))
        usleep(1000);
    int ok = digest_update(ctx, p, n);
    atomic_fetch_sub(&inside, 1);
    return ok;
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (!atomic_load(&fails))
        return syscall(SYS_write, fd, p, n);
    errno = EIO;
    return -1;
}

static void await_inside(int n)
{
    Deadline deadline = deadline_in(WAIT_MS);
    while (atomic_load(&inside) < n && !deadline_passed(deadline))
        usleep(1000);
    assert_int_equal(atomic_load(&inside), n);
}

static void *open_soon(void *ctx)
{
    usleep(20000);
    atomic_store(&shut, false);
    return NULL;
}

static int most_helpers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < MOST_HELPERS ? (int)processors : MOST_HELPERS;
}

/* -- objects -- */

enum { LARGEST = 5 * BLOCK + 7 };

static uint8_t *bytes; /* LARGEST */

static StorePut *begun(Span piece)
{
    Err err = {0};
    StorePut *put = store_put_begin(store, &err);
    if (!put || !store_put_write(put, piece, &err))
        fail_msg("%s", err.text);
    return put;
}

static StoreDigest digest_of(StorePut *put)
{
    Err err = {0};
    StoreDigest digest;
    assert_true(store_put_end(put, &digest, &err));
    return digest;
}

static StoreDigest at_one_go(Span all, size_t content_from)
{
    StoreDigest digest = {.size = all.n};
    XXH128_canonical_t canonical;
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    EVP_DigestInit_ex(sha, EVP_sha256(), NULL);
    digest_update(sha, all.p, all.n);
    EVP_DigestFinal_ex(sha, digest.sha256, NULL);
    EVP_MD_CTX_free(sha);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(all.p + content_from, all.n - content_from));
    memcpy(digest.content, canonical.digest, sizeof digest.content);
    return digest;
}

static bool is_of(const StoreDigest *digest, Span all, size_t content_from)
{
    StoreDigest right = at_one_go(all, content_from);
    return memcmp(digest, &right, sizeof right) == 0;
}

static int make(void **state)
{
    bytes = malloc(LARGEST);
    for (size_t i = 0; i < LARGEST; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    atomic_store(&helped, 0);
    return make_store(state);
}

static int drop(void **state)
{
    atomic_store(&shut, false);
    free(bytes);
    return drop_store(state);
}

/* Around the size from which a helper has a piece, a block, and many; wherever the content begins. */
static void test_right_at_any_size(void **state)
{
    static const size_t sizes[] = {0,         1,     SMALL - 1, SMALL,     SMALL + 1,
                                   BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, LARGEST};
    static const size_t heads[] = {0, 1000, SMALL, BLOCK, 700001, 2 * BLOCK};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof heads / sizeof *heads && heads[k] <= sizes[i]; k++) {
            Err err = {0};
            Span all = span_of(bytes, sizes[i]);
            StorePut *put = begun(span_sub(all, 0, heads[k]));
            store_put_mark_content(put);
            assert_true(store_put_write(put, span_sub(all, heads[k], SIZE_MAX), &err));
            StoreDigest digest = digest_of(put);
            assert_true(is_of(&digest, all, heads[k]));
            store_put_abandon(put);
        }
    assert_true(atomic_load(&helped) > 0);
}

/* A block is in the file while it is still digested, and the next bytes do not come into its memory. */
static void test_written_meanwhile(void **state)
{
    Err err = {0};
    struct stat st;
    pthread_t opener;
    Span all = span_of(bytes, LARGEST);
    atomic_store(&shut, true);
    StorePut *put = begun(span_sub(all, 0, BLOCK));
    await_inside(1);
    assert_int_equal(stat(store_put_path(put), &st), 0);
    assert_int_equal(st.st_size, BLOCK);
    assert_true(store_put_write(put, span_sub(all, BLOCK, BLOCK - 1), &err));
    assert_int_equal(atomic_load(&inside), 1);
    assert_int_equal(pthread_create(&opener, NULL, open_soon, NULL), 0);
    assert_true(store_put_write(put, span_sub(all, 2 * BLOCK - 1, SIZE_MAX), &err));
    StoreDigest digest = digest_of(put);
    pthread_join(opener, NULL);
    assert_true(is_of(&digest, all, 0));
    store_put_abandon(put);
}

/* Its sync does not wait for the digest; who asks for it does. It can be asked for again. */
static void test_asked_for_later(void **state)
{
    Err err = {0};
    StoreDigest first, second;
    pthread_t opener;
    Span all = span_of(bytes, 500000);
    StorePut *put = begun(all);
    atomic_store(&shut, true);
    assert_true(store_put_end(put, NULL, &err));
    assert_true(store_put_sync(put, &err));
    await_inside(1);
    assert_int_equal(pthread_create(&opener, NULL, open_soon, NULL), 0);
    store_put_digest(put, &first);
    pthread_join(opener, NULL);
    assert_true(is_of(&first, all, 0));
    assert_true(store_put_stamp(put, 1000000, &err));
    assert_true(store_put_sync(put, &err));
    store_put_digest(put, &second);
    assert_memory_equal(&second, &first, sizeof first);
    StorePublish one = {.put = put, .name = "a/b"};
    assert_true(store_publish(store, &one, 1));
}

/* Where all helpers are busy, nobody waits for one. */
static void test_no_helper_is_free(void **state)
{
    enum { MORE = 3 };
    StorePut *puts[MOST_HELPERS + MORE];
    int helpers = most_helpers(), n = helpers + MORE;
    Span all = span_of(bytes, BLOCK);
    atomic_store(&shut, true);
    for (int i = 0; i < n; i++)
        puts[i] = begun(all);
    await_inside(helpers);
    for (int i = helpers; i < n; i++) {
        StoreDigest digest = digest_of(puts[i]);
        assert_true(is_of(&digest, all, 0));
    }
    assert_int_equal(atomic_load(&inside), helpers);
    atomic_store(&shut, false);
    for (int i = 0; i < helpers; i++) {
        StoreDigest digest = digest_of(puts[i]);
        assert_true(is_of(&digest, all, 0));
    }
    for (int i = 0; i < n; i++)
        store_put_abandon(puts[i]);
    assert_int_equal(atomic_load(&helped), helpers);
}

static void assert_helped(Span all)
{
    StorePut *put = begun(all);
    StoreDigest digest = digest_of(put);
    assert_true(is_of(&digest, all, 0));
    assert_true(atomic_load(&helped) > 0);
    store_put_abandon(put);
}

/* Where many are open at once, those that come then are digested as their bytes come; when some are gone, helpers are asked again. */
static void test_crowd(void **state)
{
    enum { CROWD = 4, HEAD = 700001 }; /* as in digest.c */
    StorePut *crowd[CROWD * MOST_HELPERS];
    int n = CROWD * most_helpers();
    Err err = {0};
    Span all = span_of(bytes, LARGEST);
    for (int i = 0; i < n; i++)
        crowd[i] = begun(span_of(bytes, 1));
    StorePut *put = begun(span_sub(all, 0, HEAD));
    store_put_mark_content(put);
    assert_true(store_put_write(put, span_sub(all, HEAD, SIZE_MAX), &err));
    StoreDigest digest = digest_of(put);
    assert_true(is_of(&digest, all, HEAD));
    assert_int_equal(atomic_load(&helped), 0);
    store_put_abandon(crowd[0]);
    store_put_abandon(put);
    assert_helped(all);
    for (int i = 1; i < n; i++)
        store_put_abandon(crowd[i]);
}

/* Where no thread can be had, the caller digests. */
static void test_no_thread(void **state)
{
    Span all = span_of(bytes, LARGEST);
    refuse_threads(true);
    StorePut *put = begun(all);
    StoreDigest digest = digest_of(put);
    refuse_threads(false);
    assert_true(is_of(&digest, all, 0));
    assert_int_equal(atomic_load(&helped), 0);
    store_put_abandon(put);
    assert_helped(all);
}

/* Giving an object up waits for its helper, who reads its memory. */
static void test_abandoned_meanwhile(void **state)
{
    pthread_t opener;
    atomic_store(&shut, true);
    StorePut *put = begun(span_of(bytes, BLOCK + 1));
    await_inside(1);
    assert_int_equal(pthread_create(&opener, NULL, open_soon, NULL), 0);
    store_put_abandon(put);
    assert_int_equal(atomic_load(&inside), 0);
    pthread_join(opener, NULL);
    assert_int_equal(count_files("temp"), 2); /* locks only */
}

static void test_write_fails_meanwhile(void **state)
{
    Err err = {0}, again = {0};
    pthread_t opener;
    StorePut *put = begun(span_of(bytes, 1));
    atomic_store(&shut, true);
    atomic_store(&fails, true);
    bool wrote = store_put_write(put, span_of(bytes, BLOCK), &err);
    atomic_store(&fails, false);
    assert_false(wrote);
    assert_int_equal(err.code, ERR_IO);
    await_inside(1);
    assert_false(store_put_write(put, span_of(bytes, 1), &again));
    assert_false(store_put_end(put, NULL, &again));
    assert_false(store_put_sync(put, &again));
    assert_int_equal(pthread_create(&opener, NULL, open_soon, NULL), 0);
    store_put_abandon(put);
    assert_int_equal(atomic_load(&inside), 0);
    pthread_join(opener, NULL);
    assert_int_equal(count_files("temp"), 2);
}

/* -- many at once -- */

enum { WRITERS = 6, OBJECTS = 12 };

static bool write_one(size_t n, bool give_up)
{
    Err err = {0};
    StoreDigest digest;
    Span all = span_of(bytes, n);
    StorePut *put = store_put_begin(store, &err);
    bool ok = put && store_put_write(put, all, &err);
    if (!give_up)
        ok = ok && store_put_end(put, &digest, &err) && is_of(&digest, all, 0);
    store_put_abandon(put);
    return ok;
}

static void *write_many(void *ctx)
{
    size_t first = (size_t)(uintptr_t)ctx;
    bool ok = true;
    for (size_t i = 0; i < OBJECTS && ok; i++)
        ok = write_one((first * OBJECTS + i) * 432101 % LARGEST, i % 4 == 3);
    return ok ? NULL : ctx;
}

static void test_many_writers(void **state)
{
    pthread_t writers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_many, (void *)(uintptr_t)(i + 1)), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(writers[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(count_files("temp"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_right_at_any_size),   TEST(test_written_meanwhile),
        TEST(test_asked_for_later),     TEST(test_no_helper_is_free),
        TEST(test_no_thread),           TEST(test_crowd),
        TEST(test_abandoned_meanwhile), TEST(test_write_fails_meanwhile),
        TEST(test_many_writers),
    };
    own_thread = pthread_self();
    digest_update = (DigestUpdate)(uintptr_t)dlsym(RTLD_NEXT, "EVP_DigestUpdate");
    return digest_update ? cmocka_run_group_tests_name("digest", tests, NULL, NULL) : 1;
}
