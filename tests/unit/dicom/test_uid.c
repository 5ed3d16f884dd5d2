// SPDX-License-Identifier: MIT
#include "dicom/uid.h"
#include "dicom/uids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void transfer_syntaxes(void **state)
{
    const DcmTransferSyntax *implicit = dcm_transfer_syntax(SPAN("1.2.840.10008.1.2"));
    assert_true(implicit->native && !implicit->explicit_vr && !implicit->big_endian);
    const DcmTransferSyntax *big = dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRBigEndian));
    assert_true(big->native && big->explicit_vr && big->big_endian && big->retired);
    const DcmTransferSyntax *deflated = dcm_transfer_syntax(SPAN(DCM_UID_DeflatedExplicitVRLittleEndian));
    assert_true(deflated->native && deflated->deflated);
    const DcmTransferSyntax *jpeg = dcm_transfer_syntax(SPAN(DCM_UID_JPEGBaseline8Bit));
    assert_true(jpeg->encapsulated && jpeg->lossy && !jpeg->native && !jpeg->video && jpeg->explicit_vr);
    const DcmTransferSyntax *j2k = dcm_transfer_syntax(SPAN(DCM_UID_JPEG2000Lossless));
    assert_true(j2k->encapsulated && !j2k->lossy);
    assert_true(dcm_transfer_syntax(SPAN(DCM_UID_MPEG4HP41))->video);
    assert_false(dcm_transfer_syntax(SPAN(DCM_UID_JPIPReferenced))->native);
    assert_ptr_equal(dcm_transfer_syntax(SPAN("1.2.840.10008.1.2\0")), implicit);
    assert_null(dcm_transfer_syntax(SPAN("1.2.840.10008.1.2.6.2")));
    assert_null(dcm_transfer_syntax(SPAN("1.2.3")));
    assert_null(dcm_transfer_syntax(SPAN("")));
}

static void four_are_native(void **state)
{
    int native = 0;
    for (size_t i = 0; i < dcm_transfer_syntax_count(); i++)
        native += dcm_transfer_syntax_at(i)->native;
    assert_int_equal(native, 4);
    assert_null(dcm_transfer_syntax_at(dcm_transfer_syntax_count()));
}

static void sop_classes(void **state)
{
    const DcmSopClass *ct = dcm_sop_class(SPAN(DCM_UID_CTImageStorage));
    assert_string_equal(ct->keyword, "CTImageStorage");
    assert_true(ct->storage && !ct->retired && !ct->non_patient);
    assert_true(dcm_sop_class(SPAN(DCM_UID_HangingProtocolStorage))->non_patient);
    assert_false(dcm_sop_class(SPAN(DCM_UID_Verification))->storage);
    assert_false(dcm_sop_class(SPAN(DCM_UID_MediaStorageDirectoryStorage))->storage);
    assert_null(dcm_sop_class(SPAN("1.2.840.10008.5.1.4.1.1.999")));
    assert_true(dcm_storage_class_count() > 200);
    for (size_t i = 0; i < dcm_storage_class_count(); i++) {
        const DcmSopClass *c = dcm_storage_class_at(i);
        assert_true(c->storage);
        assert_ptr_equal(dcm_sop_class(span_cstr(c->uid)), c);
    }
    assert_null(dcm_storage_class_at(dcm_storage_class_count()));
}

static void names(void **state)
{
    assert_string_equal(dcm_uid_name(SPAN("1.2.840.10008.3.1.1.1")), "DICOM Application Context Name");
    assert_string_equal(dcm_uid_name(SPAN(DCM_UID_Verification)), "Verification SOP Class");
    assert_null(dcm_uid_name(SPAN("1.2.840")));
}

static void validity(void **state)
{
    static const struct {
        const char *uid;
        bool loose, strict;
    } table[] = {
        {"1.2.3", true, true},
        {"0.0", true, true},
        {"1", true, true},
        {"1.02.3", true, false},
        {"", false, false},
        {"1..2", false, false},
        {".1", false, false},
        {"1.", false, false},
        {"1.2a", false, false},
        {"1 .2", false, false},
        {"../1", false, false},
        {"1234567890.1234567890.1234567890.1234567890.1234567890.123456789", true, true},
        {"1234567890.1234567890.1234567890.1234567890.1234567890.1234567890", false, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Span uid = span_cstr(table[i].uid);
        if (dcm_uid_valid(uid, false) != table[i].loose || dcm_uid_valid(uid, true) != table[i].strict)
            fail_msg("%s", table[i].uid);
    }
}

static void new_ones(void **state)
{
    char a[65], b[65];
    for (int i = 0; i < 1000; i++) {
        dcm_uid_new(a);
        dcm_uid_new(b);
        assert_string_not_equal(a, b);
        assert_true(strncmp(a, "2.25.", 5) == 0 && dcm_uid_valid(span_cstr(a), true));
        /* A version 4 UUID has its highest words set now and then: up to 39 digits. */
        assert_true(strlen(a) <= 44 && strlen(a) > 30);
    }
    assert_true(dcm_uid_valid(SPAN(DCM_IMPLEMENTATION_CLASS_UID), true));
    assert_true(sizeof DCM_IMPLEMENTATION_VERSION_NAME <= 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer_syntaxes), cmocka_unit_test(four_are_native),
        cmocka_unit_test(sop_classes),       cmocka_unit_test(names),
        cmocka_unit_test(validity),          cmocka_unit_test(new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
