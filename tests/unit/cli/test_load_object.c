// SPDX-License-Identifier: MIT
/* What `gantry load` makes up: valid, the same for the same seed, different for another number; the size that was announced. */
#include "cli/load_object.h"

#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const LoadShape small_ct = {.sop_class = DCM_UID_CTImageStorage,
                                   .modality = "CT",
                                   .columns = 5,
                                   .rows = 3,
                                   .frames = 3,
                                   .sample_bytes = 1,
                                   .per_series = 2,
                                   .per_study = 4,
                                   .seed = 11};

/* The encoded object, read in pieces of `step` bytes. */
static Buf encoded(const LoadShape *shape, uint64_t number, const char *syntax, size_t step, char uid[65])
{
    LoadPixels pixels;
    load_pixels_make(shape, &pixels);
    Arena *arena = arena_new(0);
    LoadObject object = {0};
    buf_init(&object.head, 0);
    load_object_make(shape, &pixels, number, syntax, arena, &object);
    memcpy(uid, object.sop_instance, 65);
    Buf out;
    buf_init(&out, 0);
    for (;;) {
        uint8_t *room = buf_reserve(&out, step);
        ssize_t got = load_object_read(&object, room, step, NULL);
        assert_true(got >= 0);
        if (!got)
            break;
        out.n += (size_t)got;
    }
    assert_int_equal(out.n, load_object_bytes(&object));
    buf_free(&object.head);
    arena_free(arena);
    load_pixels_free(&pixels);
    return out;
}

static void uid_of(const DcmDataset *ds, DcmTag tag, char out[65])
{
    assert_true(dcm_uid(ds, tag, out));
    assert_true(dcm_uid_valid(span_cstr(out), true));
    assert_memory_equal(out, "2.25.", 5);
}

static void objects_are_data_sets(void **state)
{
    static const char *const syntaxes[] = {DCM_UID_ExplicitVRLittleEndian, DCM_UID_ImplicitVRLittleEndian};
    for (size_t i = 0; i < 2; i++) {
        char uid[65], read[65];
        Buf bytes = encoded(&small_ct, 3, syntaxes[i], 7, uid);
        Arena *arena = arena_new(0);
        Err err = {0};
        const DcmDataset *ds = dcm_dataset_parse(arena, buf_span(&bytes),
                                                 dcm_transfer_syntax(span_cstr(syntaxes[i])), NULL, &err);
        assert_non_null(ds);
        uid_of(ds, DCM_SOPInstanceUID, read);
        assert_string_equal(read, uid);
        const DcmElement *pixels = dcm_find(ds, DCM_PixelData);
        assert_non_null(pixels);
        assert_int_equal(pixels->value.n, 46); /* 5 * 3 * 3 and a byte of padding */
        assert_int_equal(pixels->value.p[45], 0);
        const DcmElement *name = dcm_find(ds, DCM_PatientName);
        assert_memory_equal(name->value.p, "Madeup-", 7);
        arena_free(arena);
        buf_free(&bytes);
    }
}

static void a_seed_says_everything(void **state)
{
    char uid[65], again[65];
    Buf a = encoded(&small_ct, 9, DCM_UID_ExplicitVRLittleEndian, 4096, uid);
    Buf b = encoded(&small_ct, 9, DCM_UID_ExplicitVRLittleEndian, 13, again);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    buf_free(&b);
    LoadShape other = small_ct;
    other.seed++;
    b = encoded(&other, 9, DCM_UID_ExplicitVRLittleEndian, 4096, again);
    assert_string_not_equal(uid, again);
    buf_free(&b);
    b = encoded(&small_ct, 10, DCM_UID_ExplicitVRLittleEndian, 4096, again);
    assert_string_not_equal(uid, again);
    buf_free(&a);
    buf_free(&b);
}

/* Study, series and instance of an object. */
typedef struct Place {
    char study[65], series[65], instance[65];
} Place;

static Place place_of(uint64_t number)
{
    Place place;
    char uid[65];
    Buf bytes = encoded(&small_ct, number, DCM_UID_ExplicitVRLittleEndian, 4096, uid);
    Arena *arena = arena_new(0);
    const DcmDataset *ds = dcm_dataset_parse(
        arena, buf_span(&bytes), dcm_transfer_syntax(span_cstr(DCM_UID_ExplicitVRLittleEndian)), NULL, NULL);
    assert_non_null(ds);
    uid_of(ds, DCM_StudyInstanceUID, place.study);
    uid_of(ds, DCM_SeriesInstanceUID, place.series);
    uid_of(ds, DCM_SOPInstanceUID, place.instance);
    arena_free(arena);
    buf_free(&bytes);
    return place;
}

static void series_and_studies(void **state)
{
    enum { N = 40 };
    static Place places[N];
    for (uint64_t i = 0; i < N; i++)
        places[i] = place_of(i);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            assert_int_equal(!strcmp(places[i].study, places[j].study), i / 4 == j / 4);
            assert_int_equal(!strcmp(places[i].series, places[j].series), i / 2 == j / 2);
            assert_int_equal(!strcmp(places[i].instance, places[j].instance), i == j);
        }
}

/* What is asked for is what the objects have. */
static void questions_find_their_study(void **state)
{
    static const DcmTag by[LOAD_WAYS] = {DCM_PatientID, DCM_AccessionNumber, DCM_StudyInstanceUID,
                                         DCM_StudyInstanceUID};
    char uid[65];
    Buf bytes = encoded(&small_ct, 4 * 6 + 1, DCM_UID_ExplicitVRLittleEndian, 4096, uid);
    Arena *arena = arena_new(0);
    const DcmDataset *ds = dcm_dataset_parse(
        arena, buf_span(&bytes), dcm_transfer_syntax(span_cstr(DCM_UID_ExplicitVRLittleEndian)), NULL, NULL);
    for (unsigned way = 0; way < LOAD_WAYS; way++) {
        DcmLevel level;
        const DcmDataset *keys = load_query(&small_ct, 6, way, arena, &level);
        assert_int_equal(level, way == 3 ? DCM_LEVEL_SERIES : DCM_LEVEL_STUDY);
        const DcmElement *asked = dcm_find(keys, by[way]), *there = dcm_find(ds, by[way]);
        assert_non_null(asked);
        assert_true(asked->value.n > 0);
        assert_true(span_eq(asked->value, there->value));
    }
    const DcmElement *asked = dcm_find(load_retrieve_keys(&small_ct, 6, arena), DCM_StudyInstanceUID);
    assert_true(span_eq(asked->value, dcm_find(ds, DCM_StudyInstanceUID)->value));
    arena_free(arena);
    buf_free(&bytes);
}

static void sizes(void **state)
{
    static const char *const bad[] = {"",     "x",     "512",      "512x",    "x512",    "0x5",
                                      "5x0",  "5x5x0", "5x5x",     "5x5x5x5", "70000x5", "65535x65535x2",
                                      "5x5 ", "-5x5",  "9999999x1"};
    LoadShape shape = {0};
    load_shape_of("ct", &shape);
    assert_int_equal(load_pixel_bytes(&shape), 512 * 512 * 2);
    assert_true(load_shape_size("100x50x3", &shape));
    assert_int_equal(load_pixel_bytes(&shape), 100 * 50 * 3 * 2);
    assert_true(load_shape_size("7x9", &shape));
    assert_int_equal(shape.frames, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(load_shape_size(bad[i], &shape));
    load_shape_of("multi-frame", &shape);
    assert_int_equal(load_pixel_bytes(&shape), 640 * 480 * 60);
    load_shape_of("small", &shape);
    assert_int_equal(load_pixel_bytes(&shape), 64 * 64 * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_data_sets),
        cmocka_unit_test(a_seed_says_everything),
        cmocka_unit_test(series_and_studies),
        cmocka_unit_test(questions_find_their_study),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
