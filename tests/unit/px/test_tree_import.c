// SPDX-License-Identifier: MIT
/* px/tree_import: records that name files outside the packed tree. Whole trees of pypx are taken over by tests/system/test_px_tree.py. */
#include "px/tree.h"

#include "base_fixture.h"

typedef struct Told {
    size_t count;
    char last[400];
} Told;

static void passed_over(void *ctx, const char *path, const char *why)
{
    Told *told = ctx;
    told->count++;
    snprintf(told->last, sizeof told->last, "%s: %s", path, why);
}

/* seriesData/1-img/N.json names elsewhere/N/file, which is no object. */
static void make_tree(int folders)
{
    Err err = {0};
    assert_true(file_make_dirs(at("log/seriesData/1-img"), &err));
    for (int i = 0; i < folders; i++) {
        char name[64], path[200], record[400];
        snprintf(name, sizeof name, "elsewhere/%d", i);
        assert_true(file_make_dirs(at(name), &err));
        snprintf(path, sizeof path, "%s/%s/file", top, name);
        assert_true(file_replace(path, SPAN("no object"), 0640, &err));
        snprintf(record, sizeof record, "{\"1\": {\"imageObj\": {\"1.%d\": {\"FSlocation\": \"%s\"}}}}", i,
                 path);
        snprintf(name, sizeof name, "log/seriesData/1-img/%d.json", i);
        assert_true(file_replace(at(name), span_cstr(record), 0640, &err));
    }
}

static PxImported import(size_t max_folders, Told *told)
{
    PxImported out;
    Err err = {0};
    PxImport wish = {.threads = 1, .max_folders = max_folders, .told = {passed_over, NULL, told}};
    if (!px_tree_import(base, &wish, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static void folders_have_a_bound_that_is_told(void **state)
{
    make_tree(5);
    Told told = {0};
    PxImported out = import(3, &told);
    assert_int_equal(out.images, 5);
    assert_int_equal(out.failed, 2);
    assert_int_equal(out.foreign, 3);
    assert_int_equal(out.missing, 0);
    assert_true(told.count >= 2);
    told = (Told){0};
    out = import(0, &told);
    assert_int_equal(out.failed, 0);
    assert_int_equal(out.foreign, 5);
}

static void a_tree_that_is_none(void **state)
{
    Err err = {0};
    assert_int_equal(px_tree_find(at("nowhere"), &err), -1);
    assert_non_null(strstr(err.text, "nowhere"));
    err = (Err){0};
    assert_int_equal(px_tree_find(top, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "no folder seriesData"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_have_a_bound_that_is_told, make_base, drop_base),
        cmocka_unit_test_setup_teardown(a_tree_that_is_none, make_base, drop_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
