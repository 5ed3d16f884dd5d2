// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"

#include <dirent.h>

#include "archive_fixture.h"

static int make_top(void **state)
{
    memcpy(top, "/tmp/gantry-archive-XXXXXX", sizeof "/tmp/gantry-archive-XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

static int drop_top(void **state)
{
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Path of the one file with this ending. */
static const char *only(const char *folder, const char *ending)
{
    static char path[600];
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        if (span_ends(span_cstr(entry->d_name), span_cstr(ending))) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            n++;
        }
    closedir(dir);
    assert_int_equal(n, 1);
    return path;
}

static void check_reason(const char *folder)
{
    static const char *const members[] = {
        "\"time_utc\":\"2",         "\"reason\":\"it ends at \\\"byte 7\\\"\"",
        "\"code\":\"format\"",      "\"source_ae\":\"CT\\n1\"",
        "\"sop_class\":null",       "\"sop_instance\":\"1.2.3\"",
        "\"transfer_syntax\":null", "\"size\":7",
    };
    Buf text;
    Err err = {0};
    buf_init(&text, 0);
    assert_true(file_read_all(only(folder, ".json"), 4096, &text, &err));
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!strstr(buf_cstr(&text), members[i]))
            fail_msg("%s is not in %s", members[i], buf_cstr(&text));
    buf_free(&text);
}

static void test_take(void **state)
{
    static const char *const folders[] = {"quarantine", "/dev/shm/gantry-test-quarantine"};
    struct stat here, shm;
    bool other_system = stat("/dev/shm", &shm) == 0 && stat(top, &here) == 0 && shm.st_dev != here.st_dev;
    for (size_t i = 0; i < (other_system ? 2 : 1); i++) {
        Err err = {0}, why;
        char folder[100];
        snprintf(folder, sizeof folder, "%s", i ? folders[i] : at(folders[i]));
        Quarantine *quarantine = quarantine_new(folder);
        err_set(&why, ERR_FORMAT, "it ends at \"byte 7\"");
        assert_true(file_replace(at("object"), SPAN("1234567"), 0640, &err));
        QuarantineCase object = {
            .path = at("object"), .why = &why, .sop_instance = "1.2.3", .source_ae = "CT\n1"};
        if (!quarantine_take(quarantine, &object, &err))
            fail_msg("%s", err.text);
        assert_int_not_equal(access(at("object"), F_OK), 0);
        Buf text;
        buf_init(&text, 0);
        assert_true(file_read_all(only(folder, ".dcm"), 100, &text, &err));
        assert_string_equal(buf_cstr(&text), "1234567");
        buf_free(&text);
        check_reason(folder);
        quarantine_free(quarantine);
        if (i)
            nftw(folder, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
    }
}

/* Names do not collide, within one process and with what is there. */
static void test_names(void **state)
{
    Err err = {0}, why;
    err_set(&why, ERR_FORMAT, "bad");
    for (int k = 0; k < 2; k++) {
        Quarantine *quarantine = quarantine_new(at("quarantine"));
        for (int i = 0; i < 20; i++) {
            assert_true(file_replace(at("object"), SPAN("x"), 0640, &err));
            QuarantineCase object = {.path = at("object"), .why = &why};
            assert_true(quarantine_take(quarantine, &object, &err));
        }
        quarantine_free(quarantine);
    }
    assert_int_equal(count_files("quarantine"), 80);
}

/* Another process that takes an object in the same second. */
static void test_a_name_of_somebody_else(void **state)
{
    enum { SECONDS = 5 };
    Err err = {0}, why;
    err_set(&why, ERR_FORMAT, "bad");
    assert_true(file_make_dirs(at("quarantine"), &err));
    for (int i = 0; i < SECONDS; i++) {
        time_t second = (time_t)(clock_wall_us() / 1000000) + i;
        struct tm utc;
        char name[80];
        gmtime_r(&second, &utc);
        strftime(name, sizeof name, "quarantine/%Y%m%dT%H%M%S-000001.json", &utc);
        assert_true(file_replace(at(name), SPAN("theirs"), 0640, &err));
    }
    Quarantine *quarantine = quarantine_new(at("quarantine"));
    assert_true(file_replace(at("object"), SPAN("x"), 0640, &err));
    QuarantineCase object = {.path = at("object"), .why = &why};
    assert_true(quarantine_take(quarantine, &object, &err));
    assert_true(span_ends(span_cstr(only(at("quarantine"), ".dcm")), SPAN("-000002.dcm")));
    assert_int_equal(count_files("quarantine"), SECONDS + 2);
    quarantine_free(quarantine);
}

static void check_left(const char *folder)
{
    char kept[PATH_MAX];
    Err err = {0}, why;
    struct stat st, other;
    Quarantine *quarantine = quarantine_new(folder);
    err_set(&why, ERR_MISMATCH, "other bytes");
    assert_true(file_replace(at("object"), SPAN("1234567"), 0640, &err));
    assert_true(file_replace(at("other"), SPAN("7654321"), 0640, &err));
    assert_int_equal(stat(at("object"), &st), 0);
    assert_int_equal(stat(at("other"), &other), 0);
    QuarantineCase object = {.path = at("object"), .why = &why, .leave = &st, .kept = kept};
    if (!quarantine_take(quarantine, &object, &err))
        fail_msg("%s", err.text);
    assert_int_equal(access(at("object"), F_OK), 0);
    Buf text;
    buf_init(&text, 0);
    assert_true(file_read_all(only(folder, ".dcm"), 100, &text, &err));
    assert_string_equal(buf_cstr(&text), "1234567");
    buf_free(&text);
    quarantine_give_back(quarantine, kept);
    object.leave = &other; /* it is not the file that was looked at */
    assert_false(quarantine_take(quarantine, &object, &err));
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_int_equal(access(at("object"), F_OK), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing of it is left */
    quarantine_free(quarantine);
}

/* What is taken keeps its name, by a second one or, on another file system, by a copy. */
static void test_left_where_it_is(void **state)
{
    char shm[] = "/dev/shm/gantry-test-quarantine-XXXXXX", here[100];
    snprintf(here, sizeof here, "%s", at("quarantine"));
    check_left(here);
    if (mkdtemp(shm))
        check_left(shm);
}

static void test_failures(void **state)
{
    Err err = {0}, why;
    err_set(&why, ERR_FORMAT, "bad");
    Quarantine *quarantine = quarantine_new(at("quarantine"));
    QuarantineCase object = {.path = at("absent"), .why = &why};
    assert_false(quarantine_take(quarantine, &object, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    quarantine_free(quarantine);
    assert_true(file_replace(at("file"), SPAN("x"), 0640, &err));
    quarantine = quarantine_new(at("file/quarantine"));
    object.path = at("file");
    assert_false(quarantine_take(quarantine, &object, &err));
    assert_int_equal(access(at("file"), F_OK), 0);
    quarantine_free(quarantine);
    quarantine_free(NULL);
}

/* A sender cannot fill the disk with rubbish. */
static void test_full(void **state)
{
    Err err = {0}, why;
    err_set(&why, ERR_FORMAT, "bad");
    assert_true(file_make_dirs(at("quarantine"), &err));
    for (int i = 0; i < 10000; i++) {
        char name[64];
        snprintf(name, sizeof name, "quarantine/%d.dcm", i);
        int fd = open(at(name), O_CREAT | O_WRONLY, 0640);
        assert_true(fd >= 0);
        close(fd);
    }
    Quarantine *quarantine = quarantine_new(at("quarantine"));
    assert_true(file_replace(at("object"), SPAN("x"), 0640, &err));
    QuarantineCase object = {.path = at("object"), .why = &why};
    assert_false(quarantine_take(quarantine, &object, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(access(at("object"), F_OK), 0);
    assert_int_equal(unlink(at("quarantine/7.dcm")), 0); /* somebody makes room */
    assert_true(quarantine_take(quarantine, &object, &err));
    quarantine_free(quarantine);
}

/* More than the limit is there already, of which the limit must not be subtracted. */
static void test_full_of_bytes(void **state)
{
    Err err = {0}, why;
    err_set(&why, ERR_FORMAT, "bad");
    assert_true(file_make_dirs(at("quarantine"), &err));
    int fd = open(at("quarantine/large.dcm"), O_CREAT | O_WRONLY, 0640);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)21 << 30), 0);
    close(fd);
    Quarantine *quarantine = quarantine_new(at("quarantine"));
    assert_true(file_replace(at("object"), SPAN("x"), 0640, &err));
    QuarantineCase object = {.path = at("object"), .why = &why};
    assert_false(quarantine_take(quarantine, &object, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(unlink(at("quarantine/large.dcm")), 0); /* somebody makes room */
    assert_true(quarantine_take(quarantine, &object, &err));
    quarantine_free(quarantine);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_top, drop_top)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_take),
                                       TEST(test_names),
                                       TEST(test_a_name_of_somebody_else),
                                       TEST(test_left_where_it_is),
                                       TEST(test_failures),
                                       TEST(test_full),
                                       TEST(test_full_of_bytes)};
    return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
