// SPDX-License-Identifier: MIT
/* base/log_file: rotation by size and time, several processes, files moved or lost, disks that are full. */
#include "base/log_file.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], a_log[96];

static int setup(void **state)
{
    setenv("TZ", "Europe/Paris", 1);
    tzset();
    snprintf(folder, sizeof folder, "/tmp/gantry-logfile-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(a_log, sizeof a_log, "%s/a.log", folder);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int teardown(void **state)
{
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in(const char *ending)
{
    static char path[4][128];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s%s", a_log, ending);
    return out;
}

static const char *content(const char *ending)
{
    static Buf buf;
    buf_free(&buf);
    buf_init(&buf, 1 << 24);
    return file_read_all(in(ending), 1 << 24, &buf, NULL) ? buf_cstr(&buf) : NULL;
}

static LogFile *open_file(LogFileSettings settings)
{
    Err err = {0};
    settings.path = a_log;
    LogFile *file = log_file_open(&settings, &err);
    if (!file)
        fail_msg("%s", err.text);
    return file;
}

static void line(LogFile *file, const char *text)
{
    Err err = {0};
    char out[128];
    int n = snprintf(out, sizeof out, "%s\n", text);
    if (!log_file_write(file, out, (size_t)n, &err))
        fail_msg("%s", err.text);
}

static void by_size(void **state)
{
    LogFile *file = open_file((LogFileSettings){.max_bytes = 20, .keep = 2});
    line(file, "one 78901234"); /* 13 bytes */
    line(file, "two567");       /* 20: fits exactly */
    assert_null(content(".1"));
    line(file, "three");
    assert_string_equal(content(".1"), "one 78901234\ntwo567\n");
    assert_string_equal(content(""), "three\n");
    line(file, "a line that is longer than the file may be");
    assert_string_equal(content(".2"), "one 78901234\ntwo567\n");
    assert_string_equal(content(".1"), "three\n");
    line(file, "five");
    assert_string_equal(content(".2"), "three\n");
    assert_null(content(".3"));
    log_file_close(file);
    struct stat st;
    assert_int_equal(stat(a_log, &st), 0);
    assert_int_equal(st.st_mode & 0137, 0); /* 0640 less the umask */
}

/* As in Python: without backupCount or maxBytes a file is never put aside, and nothing is cut. */
static void without_a_number_to_keep(void **state)
{
    LogFile *file = open_file((LogFileSettings){.max_bytes = 10, .keep = 0});
    line(file, "0123456789");
    line(file, "0123456789");
    assert_int_equal(strlen(content("")), 22);
    log_file_close(file);
    file = open_file((LogFileSettings){.max_bytes = 0, .keep = 5});
    line(file, "0123456789");
    assert_int_equal(strlen(content("")), 33);
    log_file_close(file);
}

static void a_hole_in_the_numbers_is_filled(void **state)
{
    LogFile *file = open_file((LogFileSettings){.max_bytes = 4, .keep = 9});
    line(file, "1");
    assert_true(file_replace(in(".1"), SPAN("old 1"), 0640, NULL));
    assert_true(file_replace(in(".3"), SPAN("old 3"), 0640, NULL));
    line(file, "222");
    assert_string_equal(content(".1"), "1\n");
    assert_string_equal(content(".2"), "old 1");
    assert_string_equal(content(".3"), "old 3");
    log_file_close(file);
}

static void set_age(const char *path, const char *when)
{
    struct tm tm = {.tm_isdst = -1};
    assert_int_equal(sscanf(when, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                            &tm.tm_min, &tm.tm_sec),
                     6);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    struct timespec times[2] = {{.tv_sec = mktime(&tm)}, {.tv_sec = mktime(&tm)}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The file was last written at `when`; the name of its period when the next line comes, years later. */
static void by_time(void **state)
{
    static const struct {
        LogTurn turn;
        int interval;
        const char *when, *name;
    } cases[] = {
        {LOG_TURN_MIDNIGHT, 1, "2020-07-30 12:57:04", ".2020-07-30"},
        {LOG_TURN_MIDNIGHT, 1, "2020-03-29 00:30:00", ".2020-03-29"}, /* a day of 23 hours */
        {LOG_TURN_MIDNIGHT, 1, "2020-10-25 23:59:59", ".2020-10-25"}, /* one of 25 */
        {LOG_TURN_DAYS, 2, "2020-07-30 12:57:04", ".2020-07-30"},
        {LOG_TURN_HOURS, 6, "2020-07-30 12:57:04", ".2020-07-30_12"},
        {LOG_TURN_MINUTES, 1, "2020-07-30 12:57:04", ".2020-07-30_12-57"},
        {LOG_TURN_SECONDS, 10, "2020-07-30 12:57:04", ".2020-07-30_12-57-04"},
        {LOG_TURN_MONDAY, 1, "2020-07-30 12:57:04",
         ".2020-07-28"}, /* a Thursday: until Monday, Aug 3, ends */
        {LOG_TURN_MONDAY + 3, 1, "2020-07-30 12:57:04", ".2020-07-24"}, /* until today ends */
        {LOG_TURN_SUNDAY, 1, "2020-07-30 12:57:04", ".2020-07-27"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(file_replace(a_log, SPAN("old\n"), 0640, NULL));
        set_age(a_log, cases[i].when);
        LogFile *file = open_file((LogFileSettings){.turn = cases[i].turn, .interval = cases[i].interval});
        line(file, "new");
        line(file, "newer");
        log_file_close(file);
        assert_string_equal(content(""), "new\nnewer\n");
        if (!content(cases[i].name))
            fail_msg("%zu: %s is not there", i, cases[i].name);
        assert_string_equal(content(cases[i].name), "old\n");
        assert_int_equal(unlink(in(cases[i].name)), 0);
    }
}

static void by_time_keeps_so_many_and_nothing_is_written_over(void **state)
{
    static const char *const others[] = {".2019-01-03", ".2019-01-01",  ".2019-01-02",
                                         ".1",          ".2019-01-01x", "x.2019-01-01"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(file_replace(in(others[i]), SPAN("other"), 0640, NULL));
    assert_true(file_replace(a_log, SPAN("old\n"), 0640, NULL));
    set_age(a_log, "2020-07-30 12:57:04");
    LogFile *file = open_file((LogFileSettings){.turn = LOG_TURN_MIDNIGHT, .interval = 1, .keep = 2});
    line(file, "new");
    log_file_close(file);
    assert_null(content(".2019-01-01"));
    assert_null(content(".2019-01-02"));
    assert_non_null(content(".2019-01-03"));
    assert_non_null(content(".2020-07-30"));
    assert_non_null(content(".1"));
    assert_non_null(content(".2019-01-01x"));
    assert_non_null(content("x.2019-01-01"));

    assert_true(file_replace(a_log, SPAN("again\n"), 0640, NULL));
    set_age(a_log, "2020-07-30 12:57:04");
    file = open_file((LogFileSettings){.turn = LOG_TURN_MIDNIGHT, .interval = 1});
    line(file, "new");
    log_file_close(file);
    assert_string_equal(content(".2020-07-30"), "old\n");
    assert_string_equal(content(""), "again\nnew\n");
}

static void a_file_that_was_moved_or_deleted_is_made_again(void **state)
{
    LogFile *file = open_file((LogFileSettings){0});
    line(file, "one");
    assert_int_equal(rename(a_log, in(".moved")), 0);
    line(file, "two");
    assert_string_equal(content(".moved"), "one\n");
    assert_string_equal(content(""), "two\n");
    assert_int_equal(unlink(a_log), 0);
    line(file, "three");
    assert_string_equal(content(""), "three\n");
    assert_int_equal(rename(a_log, in(".moved")), 0);
    log_file_reopen(file);
    assert_string_equal(content(""), "");
    log_file_close(file);
}

static void opened_late(void **state)
{
    LogFile *file = open_file((LogFileSettings){.late = true});
    log_file_reopen(file);
    assert_null(content(""));
    line(file, "one");
    assert_string_equal(content(""), "one\n");
    log_file_close(file);
}

static void while_another_process_rotates(void **state)
{
    LogFile *file = open_file((LogFileSettings){.max_bytes = 4, .keep = 1});
    line(file, "one");
    int other = open(a_log, O_WRONLY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    line(file, "two"); /* does not wait */
    assert_string_equal(content(""), "one\ntwo\n");
    close(other);
    line(file, "three");
    assert_string_equal(content(""), "three\n");
    log_file_close(file);
}

enum { PROCESSES = 4, THREADS = 2, LINES = 400 };

static void *write_lines(void *arg)
{
    char text[64];
    for (int i = 0; i < LINES; i++) {
        snprintf(text, sizeof text, "process %d thread %lu line %03d.", (int)getpid(),
                 (unsigned long)pthread_self() % 97, i);
        char out[80];
        int n = snprintf(out, sizeof out, "%s\n", text);
        if (!log_file_write(arg, out, (size_t)n, NULL))
            _exit(1);
    }
    return NULL;
}

static void write_in_threads(void)
{
    LogFile *file = open_file((LogFileSettings){.max_bytes = 2000, .keep = 500});
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, write_lines, file);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    log_file_close(file);
}

static void several_processes_lose_no_line(void **state)
{
    pid_t pid[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            write_in_threads();
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    size_t lines = 0, files = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        files++;
        const char *text = content(entry->d_name + strlen("a.log"));
        Span rest = span_cstr(text), part;
        bool more = true;
        while (span_split(&rest, '\n', &part, &more)) {
            if (part.n)
                assert_true(span_starts(part, SPAN("process ")) && span_ends(part, SPAN(".")));
            lines += part.n > 0;
        }
    }
    closedir(dir);
    assert_int_equal(lines, PROCESSES * THREADS * LINES);
    assert_true(files > 4);
}

static void a_full_disk_costs_lines_only(void **state)
{
    LogFile *file = open_file((LogFileSettings){0});
    line(file, "before");
    /* no file may grow beyond 10 bytes: write(2) is cut, then refused */
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){10, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    Err err = {0};
    bool first = log_file_write(file, "torn line\n", 10, &err),
         second = log_file_write(file, "lost\n", 5, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(first);
    assert_false(second);
    assert_non_null(strstr(err.text, "cannot write"));
    assert_non_null(strstr(err.text, "a.log"));
    line(file, "after");
    assert_string_equal(content(""),
                        "before\ntor\n(2 lines are missing here: they could not be written)\nafter\n");
    log_file_close(file);
}

static void a_folder_that_goes_and_comes(void **state)
{
    LogFile *file = open_file((LogFileSettings){0});
    line(file, "one");
    char moved[80];
    snprintf(moved, sizeof moved, "%s.moved", folder);
    assert_int_equal(rename(folder, moved), 0);
    line(file, "two"); /* to the file that is open */
    assert_int_equal(rename(moved, folder), 0);
    line(file, "three");
    assert_string_equal(content(""), "one\ntwo\nthree\n");
    log_file_close(file);
}

static void what_cannot_be_opened(void **state)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    char missing[128];
    snprintf(missing, sizeof missing, "%s/no/such/folder.log", folder);
    const struct {
        const char *path;
        ErrCode code;
    } cases[] = {{missing, ERR_NOT_FOUND}, {folder, ERR_IO}, {text, ERR_LIMIT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        assert_null(log_file_open(&(LogFileSettings){.path = cases[i].path}, &err));
        assert_int_equal(err.code, cases[i].code);
    }
    LogFile *late = log_file_open(&(LogFileSettings){.path = missing, .late = true}, NULL);
    Err err = {0};
    assert_false(log_file_write(late, "x\n", 2, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    log_file_close(late);
    /* a pipe that nobody reads does not hold us up */
    assert_int_equal(mkfifo(a_log, 0600), 0);
    assert_null(log_file_open(&(LogFileSettings){.path = a_log}, &err));
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(by_size),
        FILE_TEST(without_a_number_to_keep),
        FILE_TEST(a_hole_in_the_numbers_is_filled),
        FILE_TEST(by_time),
        FILE_TEST(by_time_keeps_so_many_and_nothing_is_written_over),
        FILE_TEST(a_file_that_was_moved_or_deleted_is_made_again),
        FILE_TEST(opened_late),
        FILE_TEST(while_another_process_rotates),
        FILE_TEST(several_processes_lose_no_line),
        FILE_TEST(a_full_disk_costs_lines_only),
        FILE_TEST(a_folder_that_goes_and_comes),
        FILE_TEST(what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
