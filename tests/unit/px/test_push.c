// SPDX-License-Identifier: MIT
/* px/push into a folder: names, two files for one name, what is marked and what is there, failures; several threads at once. */
#include "px/push.h"

#include "base/file.h"
#include "dicom/part10.h"
#include "px/document.h"

#include <limits.h>

#include "base_fixture.h"

static PxStorageService service;
static PxStorage *storage;

static int make_all(void **state)
{
    if (make_base(state) != 0)
        return -1;
    Err err = {0};
    service = (PxStorageService){.type = PX_STORAGE_FS, .path = strdup(at("out"))};
    storage = px_storage_open(&(PxStorageSettings){.service = &service}, &err);
    return storage ? 0 : -1;
}

static int drop_all(void **state)
{
    px_storage_close(storage);
    free((char *)service.path);
    return drop_base(state);
}

/* A Part 10 file below TOP/in. */
static void write_file(const char *name, const Spec *spec)
{
    Buf data, file;
    buf_init(&data, 0);
    buf_init(&file, 0);
    encode(spec, DCM_UID_ExplicitVRLittleEndian, &data);
    assert_true(dcm_file_meta_write(&file, spec->sop_class, spec->instance, DCM_UID_ExplicitVRLittleEndian,
                                    NULL, NULL));
    buf_append_span(&file, buf_span(&data));
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/in/%s", top, name);
    *strrchr(path, '/') = 0;
    assert_true(file_make_dirs(path, NULL));
    path[strlen(path)] = '/';
    assert_true(file_replace(path, buf_span(&file), 0644, NULL));
    buf_free(&data);
    buf_free(&file);
}

static const PxTemplates *names_of(const char *image)
{
    static PxTemplates *templates;
    px_templates_free(templates);
    templates = NULL;
    PxTemplateTexts texts = {"%PatientID", "%StudyInstanceUID", "%SeriesInstanceUID", image};
    if (*image)
        templates = px_templates_parse(&texts, PX_MISSING_NAME, NULL);
    return templates;
}

typedef struct Outcome {
    bool ok;
    json_t *result;
    PxPushTotals totals;
    Err err;
} Outcome;

static Outcome push_in(PxPushNames names, const char *image, PxBase *with)
{
    Outcome out = {0};
    PxPushFiles files = {.arena = arena_new(0)};
    PxPush push = {.storage = storage,
                   .base = with,
                   .names = names,
                   .location = names == PX_PUSH_PLAIN ? "up" : "up/%pack",
                   .templates = names_of(image),
                   .parallel = 4};
    if (with)
        assert_true(px_push_add_objects(&files, with, &(PxSelection){0}, "", &out.err));
    else
        assert_true(px_push_add_path(&files, at("in"), "", &out.err));
    out.ok = px_push(&push, &files, &out.result, &out.totals, &out.err);
    px_push_files_free(&files);
    arena_free(files.arena);
    return out;
}

static const char *remote(const Outcome *out, size_t i)
{
    const char *path = json_string_value(json_array_get(json_object_get(out->result, "objectFileList"), i));
    assert_non_null(path);
    assert_int_equal(strncmp(path, service.path, strlen(service.path)), 0);
    return path + strlen(service.path) + 1;
}

static void names(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), two = SPEC("1.2.3.5.1");
    two.series = "1.2.3.5";
    write_file("a/1.dcm", &one);
    write_file("b/2.dcm", &two);
    static const struct {
        PxPushNames names;
        const char *first, *second;
    } cases[] = {
        {PX_PUSH_EACH, "up/P1/1.2.3/1.2.3.4/1.2.3.4.1", "up/P1/1.2.3/1.2.3.5/1.2.3.5.1"},
        {PX_PUSH_EACH_FOLDER, "up/P1/1.2.3/1.2.3.4/a/1.dcm", "up/P1/1.2.3/1.2.3.5/b/2.dcm"},
        {PX_PUSH_FIRST, "up/P1/1.2.3/1.2.3.4/a/1.dcm", "up/P1/1.2.3/1.2.3.4/b/2.dcm"},
        {PX_PUSH_PLAIN, "up/a/1.dcm", "up/b/2.dcm"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Outcome out = push_in(cases[i].names, "%SOPInstanceUID", NULL);
        assert_true(out.ok);
        assert_string_equal(remote(&out, 0), cases[i].first);
        assert_string_equal(remote(&out, 1), cases[i].second);
        json_decref(out.result);
    }
    names_of("");
}

static void two_for_one_name(void **state)
{
    Spec one = SPEC("1.2.3.4.1"), other = SPEC("1.2.3.4.2"), liar = SPEC("1.2.3.4.1");
    liar.fill = 7;
    write_file("1.dcm", &one);
    write_file("2.dcm", &other);
    write_file("3.dcm", &one);
    Outcome out = push_in(PX_PUSH_EACH, "image.dcm", NULL);
    assert_true(out.ok);
    assert_int_equal(out.totals.pushed, 3);
    assert_string_equal(remote(&out, 0), "up/P1/1.2.3/1.2.3.4/image.dcm");
    assert_string_equal(remote(&out, 2), "up/P1/1.2.3/1.2.3.4/image.dcm");
    const char *apart = remote(&out, 1);
    assert_int_equal(strncmp(apart, "up/P1/1.2.3/1.2.3.4/image_", 26), 0);
    assert_int_equal(strlen(apart), 26 + 7 + 4);
    json_decref(out.result);
    write_file("4.dcm", &liar);
    out = push_in(PX_PUSH_EACH, "image.dcm", NULL);
    assert_false(out.ok);
    assert_int_equal(out.totals.failed, 1);
    assert_non_null(strstr(out.err.text, "4.dcm"));
    assert_non_null(strstr(out.err.text, "other content"));
    json_decref(out.result);
    names_of("");
}

static void what_is_there_stays(void **state)
{
    enum { FILES = 40 };
    for (int i = 0; i < FILES; i++) {
        char instance[32];
        snprintf(instance, sizeof instance, "1.2.3.4.%d", i + 1);
        Spec spec = SPEC(instance);
        store_spec(&spec);
    }
    Outcome out = push_in(PX_PUSH_EACH, "%SOPInstanceUID.dcm", base);
    assert_true(out.ok);
    assert_int_equal(out.totals.pushed, FILES);
    assert_int_equal(out.totals.there, 0);
    json_decref(out.result);
    PxCounts counts;
    assert_true(px_base_counts(base, "1.2.3.4", &counts, NULL));
    assert_int_equal(counts.pushed, FILES);
    json_t *record;
    assert_true(px_record_read(base, PX_TABLE_PUSH, "1.2.3.4", &record, NULL));
    assert_true(json_is_true(json_object_get(record, "status")));
    json_decref(record);
    /* What is marked is looked for: somebody may have taken it away. */
    assert_int_equal(unlink(at("out/up/P1/1.2.3/1.2.3.4/1.2.3.4.7.dcm")), 0);
    out = push_in(PX_PUSH_EACH, "%SOPInstanceUID.dcm", base);
    assert_true(out.ok);
    assert_int_equal(out.totals.there, FILES - 1);
    json_decref(out.result);
    assert_int_equal(access(at("out/up/P1/1.2.3/1.2.3.4/1.2.3.4.7.dcm"), F_OK), 0);
    /* Under another name it is not there yet. */
    out = push_in(PX_PUSH_EACH, "x%SOPInstanceUID.dcm", base);
    assert_true(out.ok);
    assert_int_equal(out.totals.there, 0);
    json_decref(out.result);
    names_of("");
}

static void one_that_fails(void **state)
{
    Spec one = SPEC("1.2.3.4.1");
    write_file("1.dcm", &one);
    write_file("2.dcm", &one);
    assert_true(file_replace(at("in/2.dcm"), SPAN("no image"), 0644, NULL));
    Outcome out = push_in(PX_PUSH_EACH, "%SOPInstanceUID", NULL);
    assert_false(out.ok);
    assert_int_equal(out.totals.pushed, 1);
    assert_int_equal(out.totals.failed, 1);
    assert_true(json_is_false(json_object_get(out.result, "status")));
    assert_int_equal(json_array_size(json_object_get(out.result, "localFileList")), 1);
    const json_t *failed = json_object_get(out.result, at("in/2.dcm"));
    assert_non_null(json_object_get(failed, "error"));
    json_decref(out.result);
    names_of("");
}

static void nothing(void **state)
{
    assert_int_equal(mkdir(at("in"), 0755), 0);
    Outcome out = push_in(PX_PUSH_EACH, "%SOPInstanceUID", NULL);
    assert_false(out.ok);
    assert_int_equal(out.err.code, ERR_NOT_FOUND);
    assert_string_equal(json_string_value(json_object_get(out.result, "msg")),
                        "No valid file list generated");
    json_decref(out.result);
    names_of("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, make_all, drop_all),
        cmocka_unit_test_setup_teardown(two_for_one_name, make_all, drop_all),
        cmocka_unit_test_setup_teardown(what_is_there_stays, make_all, drop_all),
        cmocka_unit_test_setup_teardown(one_that_fails, make_all, drop_all),
        cmocka_unit_test_setup_teardown(nothing, make_all, drop_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
