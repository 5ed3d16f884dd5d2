// SPDX-License-Identifier: MIT
#include "archive/archive_internal.h"
#include "dicom/value.h"

#include "archive_fixture.h"

static void feed_spec(Inspector *inspector, const Spec *spec, size_t piece)
{
    Buf bytes;
    buf_init(&bytes, 0);
    encode(spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    inspector_begin(inspector, DCM_UID_ExplicitVRLittleEndian, 0);
    for (size_t at_byte = 0; at_byte < bytes.n; at_byte += piece)
        inspector_feed(inspector, span_sub(buf_span(&bytes), at_byte, piece));
    buf_free(&bytes);
}

static void test_identity(void **state)
{
    static const size_t pieces[] = {1, 13, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        Arena *arena = arena_new(0);
        Inspector inspector;
        IdxFile file = {0};
        Err err = {0};
        Spec spec = SPEC("1.2.3.4.5");
        spec.number = -7;
        spec.patient_id = " \xC4 1 ";
        spec.charset = "ISO_IR 100";
        feed_spec(&inspector, &spec, pieces[i]);
        assert_true(inspector_finish(&inspector, &err));
        assert_true(inspector_identify(&inspector, arena, &file, &err));
        assert_string_equal(file.sop_class, CT_CLASS);
        assert_string_equal(file.sop_instance, "1.2.3.4.5");
        assert_string_equal(file.study, "1.2.3");
        assert_string_equal(file.series, "1.2.3.4");
        assert_string_equal(file.patient_id, "Ä 1");
        assert_int_equal(file.number, -7);
        inspector_end(&inspector);
        arena_free(arena);
    }
}

/* The moment at which the SOP UIDs have passed: behind (0008,0018), not before. */
static void test_knows_uids(void **state)
{
    Buf bytes;
    Inspector inspector;
    Spec spec = SPEC("1.2.3.4.5");
    buf_init(&bytes, 0);
    encode(&spec, DCM_UID_ExplicitVRLittleEndian, &bytes);
    inspector_begin(&inspector, DCM_UID_ExplicitVRLittleEndian, 0);
    size_t n = 0;
    while (!inspector_knows_uids(&inspector) && n < bytes.n)
        inspector_feed(&inspector, span_sub(buf_span(&bytes), n++, 1));
    char uid[65];
    assert_true(dcm_uid(inspector.dataset, DCM_SOPInstanceUID, uid));
    assert_string_equal(uid, "1.2.3.4.5");
    assert_true(n < 100); /* well before the end */
    inspector_end(&inspector);
    buf_free(&bytes);
}

static void test_malformed(void **state)
{
    Inspector inspector;
    Err err = {0};
    inspector_begin(&inspector, DCM_UID_ExplicitVRLittleEndian, 0);
    inspector_feed(&inspector, SPAN("\x08\0\x16\0UI\x10\0half"));
    assert_false(inspector_finish(&inspector, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    inspector_feed(&inspector, SPAN("more is ignored"));
    inspector_end(&inspector);
}

/* A thousand private elements of 60 000 bytes: the scan goes over all, memory stays what it may be. */
static void test_bounded(void **state)
{
    Inspector inspector;
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    Buf bytes;
    Err err = {0};
    char *value = calloc(1, 60000);
    put_raw(ds, DCM_SOPClassUID, DCM_VR_UI, CT_CLASS);
    put_raw(ds, DCM_SOPInstanceUID, DCM_VR_UI, "1.2.3");
    for (unsigned i = 0; i < 1000; i++)
        dcm_put(ds, DCM_TAG(0x0011 + 2 * (i / 100), 0x1000 + i % 100), DCM_VR_OB, span_of(value, 60000));
    buf_init(&bytes, 0);
    assert_true(dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), &err));
    arena_free(arena);
    inspector_begin(&inspector, DCM_UID_ExplicitVRLittleEndian, 0);
    inspector_feed(&inspector, buf_span(&bytes));
    assert_true(inspector_finish(&inspector, &err));
    assert_true(arena_used(inspector.arena) < 2 << 20);
    assert_true(inspector.dataset->count > 10);
    inspector_end(&inspector);
    free(value);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_knows_uids),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
