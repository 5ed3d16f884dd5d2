// SPDX-License-Identifier: MIT
/* px/head: the attributes of files of several kinds, and of what is no such file. */
#include "px/head.h"

#include "base/file.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *input(Arena *arena, const char *name)
{
    return arena_printf(arena, "%s/px/golden/input/%s", getenv("GANTRY_TEST_DATA"), name);
}

static void attributes_of_files(void **state)
{
    static const struct {
        const char *file, *patient;
        int64_t columns; /* 0: none */
    } cases[] = {{"17-spaces-s1-i1.dcm", "LAB 001 X", 23},
                 {"13-chinese-utf8.dcm", "X1EXAMPLE", 32},
                 {"16-ot-missing-elements.dcm", "a83db7f7-0b26-49c2-a92f-484c5c06bc98", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        DcmFileMeta meta;
        Arena *arena = arena_new(0);
        DcmDataset *ds = px_head_read(arena, input(arena, cases[i].file), &meta, &err);
        if (!ds)
            fail_msg("%s: %s", cases[i].file, err.text);
        assert_string_equal(dcm_text(arena, ds, DCM_PatientID, 0), cases[i].patient);
        assert_string_equal(dcm_text(arena, ds, DCM_SOPInstanceUID, 0), meta.sop_instance);
        assert_null(dcm_find(ds, DCM_PixelData));
        int64_t columns = 0;
        dcm_int(ds, DCM_Columns, 0, &columns);
        assert_int_equal(columns, cases[i].columns);
        arena_free(arena);
    }
}

/* A private value of 3 MB stands before the pixels; both are passed over. */
static void large_values(void **state)
{
    char path[] = "/tmp/gantry-head-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    Err err = {0};
    Buf out;
    buf_init(&out, 0);
    assert_true(
        dcm_file_meta_write(&out, "1.2.840.10008.5.1.4.1.1.7", "1.5", "1.2.840.10008.1.2.1", NULL, &err));
    buf_append_span(&out, SPAN("\x10\x00\x20\x00LO\x04\x00"
                               "P\x20\x31\x20"
                               "\x09\x00\x01\x10OB\x00\x00"));
    buf_u32le(&out, 3000000);
    size_t n = 3000000;
    memset(buf_reserve(&out, n), 7, n);
    out.n += n;
    buf_append_span(&out, SPAN("\x20\x00\x0d\x00UI\x04\x00"
                               "1.2\0"
                               "\xe0\x7f\x10\x00OB\x00\x00"));
    buf_u32le(&out, 5000000); /* of which nothing is there */
    assert_true(file_write_all(fd, out.p, out.n, &err));
    Arena *arena = arena_new(0);
    DcmDataset *ds = px_head_read(arena, path, NULL, &err);
    if (!ds)
        fail_msg("%s", err.text);
    assert_string_equal(dcm_text(arena, ds, DCM_StudyInstanceUID, 0), "1.2");
    assert_true(dcm_find(ds, 0x00091001)->skipped);
    assert_int_equal(ftruncate(fd, 2000000), 0); /* in the midst of the large value */
    assert_null(px_head_read(arena, path, NULL, &err));
    arena_free(arena);
    buf_free(&out);
    close(fd);
    unlink(path);
}

static void what_is_no_file(void **state)
{
    Arena *arena = arena_new(0);
    const char *const paths[] = {"/nowhere/a.dcm", "/tmp", "/dev/null", input(arena, "manifest.csv")};
    const ErrCode codes[] = {ERR_NOT_FOUND, ERR_FORMAT, ERR_FORMAT, ERR_FORMAT};
    for (size_t i = 0; i < 4; i++) {
        Err err = {0};
        assert_null(px_head_read(arena, paths[i], NULL, &err));
        assert_int_equal(err.code, codes[i]);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_of_files),
        cmocka_unit_test(large_values),
        cmocka_unit_test(what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
