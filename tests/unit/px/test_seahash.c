// SPDX-License-Identifier: MIT
/* px/seahash: the vector of the reference, those of pypx's directories, lengths around a word. */
#include "px/seahash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void known_vectors(void **state)
{
    assert_true(px_seahash(SPAN("to be or not to be")) == UINT64_C(1988685042348123509));
    assert_true(px_seahash(SPAN("1.2.9.100.1")) == UINT64_C(0xcad4f9e50cca661a));
    assert_true(px_seahash(SPAN("1.2.826.0.1.3680043.8.498.7777.1.1")) >> 36 == 0x4b16228);
    assert_true(px_seahash(SPAN("1.3.12.2.1107.5.2.19.45152.2013030808061520200285270.0.0.0")) ==
                UINT64_C(0xa27cf06a782e3aad));
    assert_true(px_seahash(SPAN("LAB 001 X")) == UINT64_C(0x2dd8168ae8ca7803));
}

/* The last word is filled with zeros, the length tells such inputs apart. */
static void lengths_differ(void **state)
{
    static const uint8_t zeros[40];
    for (size_t n = 0; n < sizeof zeros; n++) {
        for (size_t m = 0; m < n; m++)
            assert_true(px_seahash(span_of(zeros, n)) != px_seahash(span_of(zeros, m)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_vectors), cmocka_unit_test(lengths_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
