// SPDX-License-Identifier: MIT
#include "dicom/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void classes(void **state)
{
    static const struct {
        uint16_t status;
        DcmStatusClass class;
    } table[] = {
        {0x0000, DCM_SUCCESS}, {0xFF00, DCM_PENDING}, {0xFF01, DCM_PENDING}, {0xFE00, DCM_CANCEL},
        {0xB000, DCM_WARNING}, {0xB006, DCM_WARNING}, {0x0001, DCM_WARNING}, {0x0107, DCM_WARNING},
        {0x0116, DCM_WARNING}, {0xA700, DCM_FAILURE}, {0xA9FF, DCM_FAILURE}, {0xC123, DCM_FAILURE},
        {0x0110, DCM_FAILURE}, {0x0211, DCM_FAILURE}, {0xA801, DCM_FAILURE}, {0x1234, DCM_FAILURE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(dcm_status_class(table[i].status), table[i].class);
}

static void texts(void **state)
{
    assert_string_equal(dcm_status_text(0xA700, "Storage"), "Refused: Out of Resources");
    assert_string_equal(dcm_status_text(0xA7FF, "Storage"), "Refused: Out of Resources");
    assert_string_equal(dcm_status_text(0xB006, "Storage"), "Element Discarded");
    assert_string_equal(dcm_status_text(0xC000, "Q/R Find"), "Unable to Process");
    assert_non_null(strstr(dcm_status_text(0xA801, "Query/Retrieve"), "estination"));
    assert_string_equal(dcm_status_text(0x0122, NULL), "Refused: SOP Class Not Supported");
    assert_string_equal(dcm_status_text(0x0122, "No Such Service"), "Refused: SOP Class Not Supported");
    assert_string_equal(dcm_status_text(0x0000, "Storage"), "Success");
    assert_string_equal(dcm_status_text(0x7777, NULL), "Unknown status");
    assert_string_equal(dcm_status_text(0x7777, "Storage"), "Unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
