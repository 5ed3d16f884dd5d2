// SPDX-License-Identifier: MIT
#include "scp/refusals.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HOUR = 3600 * 1000 };

static char note[REFUSALS_NOTE];
static NetAddress among;

static unsigned told_of(Refusals *r, const char *host, unsigned times)
{
    NetAddress from = {.port = 1};
    unsigned told = 0;
    snprintf(from.host, sizeof from.host, "%s", host);
    for (unsigned i = 0; i < times; i++)
        told += refusals_tell(r, &from, &among, note);
    return told;
}

static void each_address_has_its_own_count(void **state)
{
    Refusals r;
    refusals_init(&r, HOUR);
    assert_int_equal(told_of(&r, "10.0.0.1", REFUSALS_TOLD - 1), REFUSALS_TOLD - 1);
    assert_string_equal(note, "");
    assert_int_equal(told_of(&r, "10.0.0.1", 1), 1);
    assert_string_equal(note, "20 connections of 10.0.0.1 were turned away within 3600 s; more are only "
                              "counted until these are over");
    assert_int_equal(told_of(&r, "10.0.0.1", 1000), 0);
    assert_string_equal(note, "");
    assert_int_equal(told_of(&r, "10.0.0.2", 5), 5);
    assert_int_equal(told_of(&r, "10.0.0.1", 1), 0);
    refusals_end(&r);
}

static void many_addresses_share_one(void **state)
{
    Refusals r;
    char host[32];
    unsigned told = 0;
    refusals_init(&r, HOUR);
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(host, sizeof host, "fd00::%x", i);
        told += told_of(&r, host, 1);
    }
    assert_int_equal(told, REFUSALS_ADDRESSES + REFUSALS_TOLD);
    assert_string_equal(among.host, "other addresses");
    /* Who came first still has its own. */
    assert_int_equal(told_of(&r, "fd00::0", 100), REFUSALS_TOLD - 1);
    assert_string_equal(among.host, "fd00::0");
    refusals_end(&r);
}

static void what_was_not_told_is_told_later(void **state)
{
    Refusals r;
    refusals_init(&r, 0); /* every window is over at once */
    assert_int_equal(told_of(&r, "10.0.0.1", 100), 100);
    refusals_end(&r);
    refusals_init(&r, 100);
    told_of(&r, "10.0.0.1", REFUSALS_TOLD + 7);
    unsigned before = r.of[1].counted; /* fewer, when this was slow */
    clock_sleep_ms(120);
    assert_int_equal(told_of(&r, "10.0.0.1", 1), 1);
    if (before == 7)
        assert_string_equal(note, "7 more connections of 10.0.0.1 were turned away than were told");
    /* A place that is free again is another's, whatever is left to say. */
    told_of(&r, "10.0.0.2", 1);
    assert_string_equal(r.of[2].from.host, "10.0.0.2");
    refusals_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_its_own_count),
        cmocka_unit_test(many_addresses_share_one),
        cmocka_unit_test(what_was_not_told_is_told_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
