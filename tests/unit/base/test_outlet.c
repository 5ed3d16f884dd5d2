// SPDX-License-Identifier: MIT
#include "base/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINES = 2000, WRITERS = 4, NOBODY = 65534 };

static atomic_bool enough;

static const char line[] =
    "a line of the length that lines of a log have, more or less, and some more words of it\n";
static const ssize_t whole = sizeof line - 1;

static void make_terminal(int ends[2])
{
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    assert_true(ends[1] >= 0);
}

static size_t read_all(int fd)
{
    char out[8192];
    size_t n = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (ssize_t now; (now = read(fd, out, sizeof out)) > 0;)
        n += (size_t)now;
    return n;
}

/* Writes until nobody takes it, and longer; then somebody reads. */
static void nobody_reads(int ends[2])
{
    Outlet outlet;
    size_t went = 0, lost = 0;
    outlet_open(&outlet, ends[1]);
    for (int i = 0; i < LINES; i++) {
        ssize_t now = outlet_write(&outlet, line, (size_t)whole);
        assert_true(now >= 0 && now <= whole);
        went += (size_t)now;
        lost += now < whole;
    }
    assert_true(lost > 0);
    assert_true(read_all(ends[0]) >= went); /* a terminal writes two for the end of a line */
    assert_int_equal(outlet_write(&outlet, line, (size_t)whole), whole);
    assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    outlet_close(&outlet);
    assert_int_equal(write(ends[1], line, (size_t)whole), whole);
    close(ends[0]);
    close(ends[1]);
}

static void a_pipe_that_nobody_reads(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    nobody_reads(ends);
}

static void a_terminal_that_nobody_reads(void **state)
{
    int ends[2];
    make_terminal(ends);
    nobody_reads(ends);
}

static void a_terminal_that_was_stopped(void **state)
{
    int ends[2];
    make_terminal(ends);
    assert_int_equal(tcflow(ends[1], TCOOFF), 0);
    Outlet outlet;
    outlet_open(&outlet, ends[1]);
    for (int i = 0; i < LINES; i++)
        assert_int_equal(outlet_write(&outlet, line, (size_t)whole), 0);
    assert_int_equal(tcflow(ends[1], TCOON), 0);
    assert_int_equal(outlet_write(&outlet, line, (size_t)whole), whole);
    outlet_close(&outlet);
    close(ends[0]);
    close(ends[1]);
}

/* As after su, or where a server has become its user. */
static void a_terminal_of_somebody_else(void **state)
{
    int ends[2];
    bool root = geteuid() == 0;
    make_terminal(ends);
    assert_int_equal(fchmod(ends[1], 0), 0);
    assert_true(!root || seteuid(NOBODY) == 0);
    nobody_reads(ends);
    assert_true(!root || seteuid(0) == 0);
}

static void *write_pages(void *at)
{
    static const char page[PIPE_BUF];
    Outlet outlet;
    outlet_open(&outlet, *(int *)at);
    while (!atomic_load(&enough))
        outlet_write(&outlet, page, sizeof page);
    outlet_close(&outlet);
    return NULL;
}

/* The console and the log of one program, or two programs: room that several find is taken by one of them. */
static void several_at_a_pipe_that_nobody_reads(void **state)
{
    int ends[2];
    char page[PIPE_BUF];
    pthread_t writers[WRITERS];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_pages, &ends[1]), 0);
    for (int i = 0; i < LINES; i++)
        assert_true(read(ends[0], page, sizeof page) > 0);
    atomic_store(&enough, true);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    close(ends[0]);
    close(ends[1]);
}

static void large_pieces(void **state)
{
    static char text[3 * PIPE_BUF + 100];
    int ends[2];
    memset(text, 'x', sizeof text);
    assert_int_equal(pipe(ends), 0);
    Outlet outlet;
    outlet_open(&outlet, ends[1]);
    assert_int_equal(outlet_write(&outlet, text, sizeof text), sizeof text);
    assert_int_equal(read_all(ends[0]), sizeof text);
    close(ends[0]);
    assert_int_equal(outlet_write(&outlet, text, sizeof text), -1);
    assert_int_equal(errno, EPIPE);
    outlet_close(&outlet);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_that_nobody_reads),
        cmocka_unit_test(a_terminal_that_nobody_reads),
        cmocka_unit_test(a_terminal_that_was_stopped),
        cmocka_unit_test(a_terminal_of_somebody_else),
        cmocka_unit_test(several_at_a_pipe_that_nobody_reads),
        cmocka_unit_test(large_pieces),
    };
    signal(SIGPIPE, SIG_IGN);
    alarm(60); /* a write that waits waits for ever */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
