// SPDX-License-Identifier: MIT
#include "store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* A disk that takes nothing past the cache. */
static bool refuses;
static int refused;

ssize_t write(int fd, const void *p, size_t n)
{
    if (refuses && (fcntl(fd, F_GETFL) & O_DIRECT)) {
        refused++;
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_write, fd, p, n);
}

static void hex(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* As xxhsum -H2 computes it. */
static void test_digests(void **state)
{
    Err err = {0};
    StorePut *put = store_put_begin(store, &err);
    StoreDigest digest;
    char text[33];
    assert_non_null(put);
    assert_true(store_put_write(put, SPAN("head"), &err));
    store_put_mark_content(put);
    assert_true(store_put_write(put, SPAN("ab"), &err));
    assert_true(store_put_write(put, SPAN(""), &err));
    assert_true(store_put_write(put, SPAN("c"), &err));
    assert_true(store_put_end(put, &digest, &err));
    assert_int_equal(digest.size, 7);
    hex(digest.content, 16, text);
    assert_string_equal(text, "06b05ab6733a618578af5f94892f3950");
    store_put_abandon(put);
}

enum { LARGEST = 3 << 20 };

static uint8_t *made_up(size_t n)
{
    uint8_t *bytes = malloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    return bytes;
}

/* Writes n bytes, `step` at a time; the file has them and nothing else. */
static StoreDigest write_and_read_back(const uint8_t *bytes, size_t n, size_t step)
{
    Err err = {0};
    StoreDigest digest;
    struct stat st;
    uint8_t *back = malloc(LARGEST);
    StorePut *put = store_put_begin(store, &err);
    for (size_t done = 0; done < n; done += step)
        assert_true(store_put_write(put, span_sub(span_of(bytes, n), done, step), &err));
    assert_true(store_put_end(put, &digest, &err));
    assert_int_equal(digest.size, n);
    int fd = open(store_put_path(put), O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, n);
    assert_true(file_read_at(fd, 0, back, n, &err));
    close(fd);
    assert_memory_equal(back, bytes, n);
    assert_true(store_put_sync(put, &err));
    store_put_abandon(put);
    free(back);
    return digest;
}

/* Pieces of every awkward size give the same file as one write, whether it goes through the cache or past it. */
static void test_pieces(void **state)
{
    static const size_t steps[] = {997, 4095, 65536, 262143, 262144, 262145, 1 << 20, LARGEST};
    uint8_t *bytes = made_up(LARGEST);
    StoreDigest first = write_and_read_back(bytes, LARGEST, LARGEST);
    for (int direct = 0; direct < 2; direct++) {
        store_write_direct(store, direct);
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            StoreDigest digest = write_and_read_back(bytes, LARGEST, steps[k]);
            assert_memory_equal(&digest, &first, sizeof digest);
        }
    }
    free(bytes);
}

/* Bytes that were made where they will stand are in the file as if they had been given from elsewhere. */
static void test_room(void **state)
{
    static const size_t steps[] = {1, 4095, 100000, LARGEST};
    uint8_t *bytes = made_up(LARGEST);
    StoreDigest first = write_and_read_back(bytes, LARGEST, LARGEST);
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        Err err = {0};
        StoreDigest digest;
        StorePut *put = store_put_begin(store, &err);
        assert_true(store_put_write(put, span_of(bytes, 1000), &err));
        for (size_t done = 1000, n; done < LARGEST; done += n) {
            size_t room;
            uint8_t *p = store_put_room(put, &room);
            assert_true(room > 0);
            n = steps[k] < room ? steps[k] : room;
            n = n < LARGEST - done ? n : LARGEST - done;
            memcpy(p, bytes + done, n);
            assert_true(store_put_write(put, span_of(p, n), &err));
        }
        assert_true(store_put_end(put, &digest, &err));
        assert_int_equal(digest.size, LARGEST);
        assert_memory_equal(digest.content, first.content, sizeof first.content);
        uint8_t *back = malloc(LARGEST);
        int fd = open(store_put_path(put), O_RDONLY);
        assert_true(file_read_at(fd, 0, back, LARGEST, &err));
        assert_memory_equal(back, bytes, LARGEST);
        close(fd);
        free(back);
        store_put_abandon(put);
    }
    free(bytes);
}

/* Objects that end at, before and behind a block of the disk, a block in memory, and the size from which they go past the cache. */
static void test_lengths(void **state)
{
    static const size_t edges[] = {4096, 128 << 10, 640 << 10, 2 * (640 << 10)};
    uint8_t *bytes = made_up(LARGEST);
    for (int direct = 0; direct < 2; direct++) {
        store_write_direct(store, direct);
        write_and_read_back(bytes, 0, 1);
        for (size_t k = 0; k < sizeof edges / sizeof *edges; k++)
            for (int beside = -1; beside <= 1; beside++)
                write_and_read_back(bytes, edges[k] + (size_t)beside, 100001);
    }
    free(bytes);
}

/* Objects go through the cache where the file system, or the disk, refuses to be written past it; it is not asked again. */
static void test_refused_direct_writes(void **state)
{
    uint8_t *bytes = made_up(LARGEST);
    store_write_direct(store, true);
    refused = 0;
    refuses = true;
    write_and_read_back(bytes, LARGEST, 100001);
    write_and_read_back(bytes, 200001, 100001);
    refuses = false;
    assert_int_equal(refused, 1);
    free(bytes);
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

/* A limit on file sizes stands for a full disk: early in the object, and at its end, when the last block goes out. */
static void run_out_of_space(bool direct)
{
    struct rlimit old, small = {.rlim_cur = 300000};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    store_write_direct(store, direct);
    uint8_t *bytes = calloc(1, 1 << 20);
    Err early = {0}, late = {0};
    StorePut *first = store_put_begin(store, &early), *second = store_put_begin(store, &late);
    setrlimit(RLIMIT_FSIZE, &small);
    bool wrote = store_put_write(first, span_of(bytes, 1 << 20), &early);
    bool again = store_put_write(first, SPAN("more"), &late);
    bool held = store_put_write(second, span_of(bytes, 400000), &late);
    bool did_end = held && store_put_end(second, NULL, &late);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(wrote);
    assert_false(again);
    assert_int_equal(early.code, ERR_NO_SPACE);
    assert_int_equal(early.dimse, 0xA700);
    assert_true(held);
    assert_false(did_end);
    assert_int_equal(late.code, ERR_NO_SPACE);
    store_put_abandon(first);
    store_put_abandon(second);
    free(bytes);
}

static void test_no_space(void **state)
{
    run_out_of_space(false);
    run_out_of_space(true);
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
        cmocka_unit_test_setup_teardown(test_room, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_lengths, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_refused_direct_writes, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_content_digest, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_abandon_leaves_nothing, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_order_of_calls, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_stamp, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_no_space, make_store, drop_store),
    };
    return cmocka_run_group_tests_name("put", tests, NULL, NULL);
}
