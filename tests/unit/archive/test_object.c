// SPDX-License-Identifier: MIT
#include "archive/object.h"
#include "archive_fixture.h"

#include "base/clock.h"

#include <sys/uio.h>

enum { WHOLE = 512 << 10, END = 20 };

/* As the store writes large objects: past the cache, but for the end. False: this file system keeps nothing past it. */
static bool write_past_cache(void)
{
    void *block;
    assert_int_equal(posix_memalign(&block, 4096, WHOLE), 0);
    memset(block, 7, WHOLE);
    int fd = open(at("object"), O_WRONLY | O_CREAT | O_EXCL | O_DIRECT, 0600);
    bool past = fd >= 0 && write(fd, block, WHOLE) == WHOLE;
    if (past) {
        assert_int_equal(fcntl(fd, F_SETFL, O_WRONLY), 0);
        assert_int_equal(write(fd, block, END), END);
    }
    if (fd >= 0)
        close(fd);
    free(block);
    return past;
}

static bool is_in_memory(off_t where)
{
    int fd = open(at("object"), O_RDONLY);
    char byte;
    struct iovec one = {&byte, 1};
    ssize_t n = preadv2(fd, &one, 1, where, RWF_NOWAIT);
    close(fd);
    return n == 1;
}

static void test_read_ahead(void **state)
{
    if (!write_past_cache() || is_in_memory(0))
        skip();
    assert_true(is_in_memory(WHOLE + END - 1));
    IdxFile file = {.path = at("object"), .size = WHOLE + END};
    Deadline deadline = deadline_in(30000);
    assert_true(arc_object_read_ahead(&file));
    for (off_t where = 0; where < WHOLE; where += 4096)
        while (!is_in_memory(where)) {
            assert_false(deadline_passed(deadline));
            clock_sleep_ms(1);
        }
    assert_false(arc_object_read_ahead(&file));
}

static void test_nothing_to_read(void **state)
{
    assert_false(arc_object_read_ahead(&(IdxFile){.path = at("gone"), .size = 1000}));
    assert_false(arc_object_read_ahead(&(IdxFile){.path = top, .size = 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_ahead, make_archive, drop_archive),
        cmocka_unit_test_setup_teardown(test_nothing_to_read, make_archive, drop_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
