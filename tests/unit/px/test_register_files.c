// SPDX-License-Identifier: MIT
/* px/register_files: which images are meant, by a folder and by what px-push printed. */
#include "px/register.h"

#include "base/file.h"

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

static char folder[] = "/tmp/gantry-register-XXXXXX";

static int make_folder(void **state)
{
    static const char *const names[] = {"b.dcm", "a.dcm", "note.txt", ".hidden.dcm"};
    Err err = {0};
    assert_non_null(mkdtemp(folder));
    char path[100];
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_true(file_replace(path, SPAN("x"), 0600, &err));
    }
    snprintf(path, sizeof path, "%s/sub.dcm", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    return 0;
}

static int drop_folder(void **state)
{
    static const char *const names[] = {"b.dcm", "a.dcm", "note.txt", ".hidden.dcm"};
    char path[100];
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/sub.dcm", folder);
    rmdir(path);
    return rmdir(folder);
}

/* The names that are chosen, each with a blank behind. */
static const char *chosen(Arena *arena, const char *substrings)
{
    Err err = {0};
    PxRegisterFiles files = {0};
    assert_true(px_register_folder(&files, arena, folder, substrings, &err));
    const char *names = "";
    for (size_t i = 0; i < files.count; i++) {
        assert_null(files.items[i].object);
        names = arena_printf(arena, "%s%s ", names, strrchr(files.items[i].path, '/') + 1);
    }
    return names;
}

static void a_folder(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    PxRegisterFiles files = {0};
    assert_string_equal(chosen(arena, ""), "a.dcm b.dcm note.txt ");
    assert_string_equal(chosen(arena, "dcm"), ".hidden.dcm a.dcm b.dcm ");
    assert_string_equal(chosen(arena, "b.d, txt,dcm,"), ".hidden.dcm a.dcm b.dcm note.txt ");
    assert_string_equal(chosen(arena, "nosuch"), "");
    assert_string_equal(chosen(arena, ","), "");
    assert_false(px_register_folder(&files, arena, "/nowhere", "", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    arena_free(arena);
}

static bool read_upstream(PxRegisterFiles *files, Arena *arena, const char *text, Err *err)
{
    json_t *document = json_loads(text, 0, NULL);
    assert_non_null(document);
    *files = (PxRegisterFiles){0};
    bool ok = px_register_upstream(files, arena, document, err);
    json_decref(document);
    return ok;
}

static void what_px_push_printed(void **state)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    PxRegisterFiles files;
    assert_true(
        read_upstream(&files, arena,
                      "{\"status\": true, \"localFileList\": [\"/a/1\", \"/a/2\"], \"objectFileList\": "
                      "[\"S/1\", \"S/2\"], \"/a/2\": {\"status\": false, \"localFileList\": [\"/a/2\"], "
                      "\"objectFileList\": [\"S/2\"]}}",
                      &err));
    assert_int_equal(files.count, 2);
    assert_string_equal(files.items[0].path, "/a/1");
    assert_string_equal(files.items[0].object, "S/1");
    assert_true(files.items[0].pushed);
    assert_string_equal(files.items[1].object, "S/2");
    assert_false(files.items[1].pushed);
    /* px-find --then push: one such object for each series. */
    assert_true(
        read_upstream(&files, arena,
                      "{\"data\": [], \"then\": {\"00-push\": {\"study\": [{\"1.2\": [{\"status\": true, "
                      "\"localFileList\": [\"/a/1\"], \"objectFileList\": [\"S/1\"]}, {\"status\": true, "
                      "\"localFileList\": [\"/b/1\"], \"objectFileList\": [\"T/1\"]}]}]}}}",
                      &err));
    assert_int_equal(files.count, 2);
    assert_string_equal(files.items[1].path, "/b/1");
    arena_free(arena);
}

static void what_is_not_of_px_push(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"status\": false, \"msg\": \"No valid file list generated\"}",
        "{\"localFileList\": [\"a\"]}",
        "{\"localFileList\": [\"a\"], \"objectFileList\": []}",
        "{\"localFileList\": [1], \"objectFileList\": [\"a\"]}",
        "{\"localFileList\": [\"a\"], \"objectFileList\": [null]}",
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Err err = {0};
        PxRegisterFiles files;
        assert_false(read_upstream(&files, arena, texts[i], &err));
        assert_int_equal(err.code, ERR_FORMAT);
    }
    Buf deep;
    buf_init(&deep, 0);
    for (int i = 0; i < 1000; i++)
        buf_append_cstr(&deep, "{\"a\": ");
    buf_append_cstr(&deep, "1");
    for (int i = 0; i < 1000; i++)
        buf_append_cstr(&deep, "}");
    Err err = {0};
    PxRegisterFiles files;
    assert_false(read_upstream(&files, arena, buf_cstr(&deep), &err));
    buf_free(&deep);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder, make_folder, drop_folder),
        cmocka_unit_test(what_px_push_printed),
        cmocka_unit_test(what_is_not_of_px_push),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
