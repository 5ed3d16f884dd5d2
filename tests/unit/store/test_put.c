// SPDX-License-Identifier: MIT
#include "store_fixture.h"

#include <signal.h>
#include <sys/resource.h>

static void hex(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* Digests computed with sha256sum and xxhsum -H2. */
static void test_digests(void **state)
{
    Err err = {0};
    StorePut *put = store_put_begin(store, &err);
    StoreDigest digest;
    char text[65];
    assert_non_null(put);
    assert_true(store_put_write(put, SPAN("head"), &err));
    store_put_mark_content(put);
    assert_true(store_put_write(put, SPAN("ab"), &err));
    assert_true(store_put_write(put, SPAN(""), &err));
    assert_true(store_put_write(put, SPAN("c"), &err));
    assert_true(store_put_end(put, &digest, &err));
    assert_int_equal(digest.size, 7);
    hex(digest.sha256, 32, text);
    assert_string_equal(text, "bc4156dfcefb992bf9f45ad6985f8c62cb873331c3fb0e045adc7463149c0b4c");
    hex(digest.content, 16, text);
    assert_string_equal(text, "06b05ab6733a618578af5f94892f3950");
    store_put_abandon(put);
}

/* Pieces of every awkward size give the same file as one write. */
static void test_pieces(void **state)
{
    enum { TOTAL = 3 << 20 };
    static const size_t sizes[] = {1, 4095, 65536, 262143, 262144, 262145, 1 << 20, TOTAL};
    uint8_t *bytes = malloc(TOTAL), *back = malloc(TOTAL);
    StoreDigest first = {0}, digest;
    for (size_t i = 0; i < TOTAL; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        Err err = {0};
        StorePut *put = store_put_begin(store, &err);
        size_t step = sizes[k] == 1 ? 997 : sizes[k];
        for (size_t done = 0; done < TOTAL; done += step)
            assert_true(store_put_write(put, span_sub(span_of(bytes, TOTAL), done, step), &err));
        assert_true(store_put_end(put, &digest, &err));
        assert_int_equal(digest.size, TOTAL);
        int fd = open(store_put_path(put), O_RDONLY);
        assert_true(file_read_at(fd, 0, back, TOTAL, &err));
        close(fd);
        assert_memory_equal(back, bytes, TOTAL);
        if (k)
            assert_memory_equal(&digest, &first, sizeof digest);
        first = digest;
        store_put_abandon(put);
    }
    free(bytes);
    free(back);
}

/* The content digest begins where it was marked, however the bytes before were buffered. */
static void test_content_digest(void **state)
{
    static const size_t before[] = {0, 1, 1000, 262144, 300000, 700001};
    uint8_t *bytes = malloc(1 << 20);
    StoreDigest alone, behind;
    for (size_t i = 0; i < 1 << 20; i++)
        bytes[i] = (uint8_t)(i >> 7 ^ i);
    Span content = span_of(bytes, 600000);
    for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
        Err err = {0};
        StorePut *put = store_put_begin(store, &err);
        assert_true(store_put_write(put, span_of(bytes, before[k]), &err));
        store_put_mark_content(put);
        assert_true(store_put_write(put, span_sub(content, 0, 5), &err));
        assert_true(store_put_write(put, span_sub(content, 5, SIZE_MAX), &err));
        assert_true(store_put_end(put, &behind, &err));
        store_put_abandon(put);
        if (k == 0)
            alone = behind;
        assert_memory_equal(behind.content, alone.content, sizeof alone.content);
        assert_int_equal(behind.size, before[k] + content.n);
    }
    free(bytes);
}

static void test_abandon_leaves_nothing(void **state)
{
    size_t before = count_files("temp");
    StorePut *put = ended("x");
    assert_int_equal(count_files("temp"), before + 1);
    store_put_abandon(put);
    store_put_abandon(NULL);
    assert_int_equal(count_files("temp"), before);
}

static void test_order_of_calls(void **state)
{
    Err err = {0};
    StorePut *put = ended("x");
    assert_false(store_put_write(put, SPAN("y"), &err));
    assert_false(store_put_end(put, NULL, &err));
    assert_true(store_put_sync(put, &err));
    store_put_abandon(put);
    put = store_put_begin(store, &err);
    assert_false(store_put_sync(put, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    store_put_abandon(put);
}

/* A limit on file sizes stands for a full disk: early in the object, and at its end, when the buffer goes out. */
static void test_no_space(void **state)
{
    struct rlimit old, small = {.rlim_cur = 300000};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    uint8_t *bytes = calloc(1, 1 << 20);
    Err early = {0}, late = {0};
    StorePut *first = store_put_begin(store, &early), *second = store_put_begin(store, &late);
    setrlimit(RLIMIT_FSIZE, &small);
    bool wrote = store_put_write(first, span_of(bytes, 1 << 20), &early);
    bool again = store_put_write(first, SPAN("more"), &late);
    bool buffered = store_put_write(second, span_of(bytes, 400000), &late);
    bool did_end = buffered && store_put_end(second, NULL, &late);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(wrote);
    assert_false(again);
    assert_int_equal(early.code, ERR_NO_SPACE);
    assert_int_equal(early.dimse, 0xA700);
    assert_false(did_end);
    assert_int_equal(late.code, ERR_NO_SPACE);
    store_put_abandon(first);
    store_put_abandon(second);
    free(bytes);
}

/* To the microsecond, also when it was synced before; and it is that of the file under its name. */
static void test_stamp(void **state)
{
    enum { MICROSECONDS = 234567 };
    Err err = {0};
    struct stat st;
    StorePut *put = store_put_begin(store, &err);
    assert_true(store_put_write(put, SPAN("abc"), &err));
    assert_true(store_put_end(put, NULL, &err));
    assert_true(store_put_sync(put, &err));
    assert_true(store_put_stamp(put, INT64_C(1000000000) * 1000000 + MICROSECONDS, &err));
    StorePublish one = {.put = put, .name = "a/b"};
    assert_true(store_publish(store, &one, 1));
    char *path = store_path(store, "a/b");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    assert_int_equal(st.st_mtim.tv_nsec, MICROSECONDS * 1000);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digests, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_pieces, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_content_digest, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_abandon_leaves_nothing, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_order_of_calls, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_stamp, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_no_space, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("put", tests, NULL, NULL);
}
