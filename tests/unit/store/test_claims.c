// SPDX-License-Identifier: MIT
#include "store_fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/wait.h>

static StoreClaims *open_claims(Store *of)
{
    Err err;
    StoreClaims *claims = store_claims_open(of, &err);
    if (!claims)
        fail_msg("%s", err.text);
    return claims;
}

static bool claim(StoreClaims *claims, uint64_t key)
{
    Err err;
    bool ok = store_claim(claims, key, deadline_in(0), &err);
    if (!ok)
        assert_int_equal(err.code, ERR_LIMIT);
    return ok;
}

static void test_one_has_it(void **state)
{
    StoreClaims *one = open_claims(store), *other = open_claims(store);
    assert_true(claim(one, 0));
    assert_true(claim(one, UINT64_MAX));
    assert_true(claim(one, 77 << 1));
    assert_true(claim(one, 77 << 1)); /* its own */
    assert_false(claim(other, 0));
    assert_false(claim(other, UINT64_MAX));
    assert_false(claim(other, 77 << 1));
    assert_true(claim(other, 78 << 1));
    store_unclaim(one, 77 << 1);
    assert_true(claim(other, 77 << 1));
    store_claims_close(one);
    assert_true(claim(other, 0));
    assert_true(claim(other, UINT64_MAX));
    store_claims_close(other);
    store_claims_close(NULL);
}

/* A claim ends with its process; who waits gets it then. */
static void test_a_process_dies(void **state)
{
    int ready[2];
    char byte;
    Err err;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        StoreClaims *claims = open_claims(store);
        if (claim(claims, 5) && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    StoreClaims *mine = open_claims(store);
    assert_false(claim(mine, 5));
    pid_t killer = fork();
    if (killer == 0) {
        clock_sleep_ms(30);
        kill(child, SIGKILL);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(store_claim(mine, 5, deadline_in(60000), &err));
    assert_int_equal(waitpid(killer, &status, 0), killer);
    store_claims_close(mine);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_has_it, make_store, drop_store),
        cmocka_unit_test_setup_teardown(test_a_process_dies, make_store, drop_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
