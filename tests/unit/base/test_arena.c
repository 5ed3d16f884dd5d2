// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void memory_is_zeroed_and_aligned(void **state)
{
    Arena *arena = arena_new(0);
    for (size_t n = 1; n < 200; n++) {
        uint8_t *p = arena_alloc(arena, n);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xEE, n);
    }
    arena_free(arena);
}

static void allocations_do_not_overlap(void **state)
{
    enum { COUNT = 300 };
    Arena *arena = arena_new(0);
    uint8_t *p[COUNT];
    size_t n[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        n[i] = i % 7 == 0 ? 20000 : i * 13; /* some larger than a block */
        p[i] = arena_alloc(arena, n[i]);
        memset(p[i], (int)i & 0xFF, n[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < n[i]; k++)
            assert_int_equal(p[i][k], i & 0xFF);
    arena_free(arena);
}

static void the_limit_is_a_limit(void **state)
{
    Arena *arena = arena_new(1000);
    assert_non_null(arena_try(arena, 900));
    assert_null(arena_try(arena, 200));
    assert_non_null(arena_try(arena, 80));
    assert_true(arena_used(arena) <= 1000);
    assert_null(arena_try(arena, SIZE_MAX));
    assert_null(arena_try(arena, SIZE_MAX - 8));
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
    assert_non_null(arena_try(arena, 900));
    arena_free(arena);
}

static void arrays_check_their_product(void **state)
{
    Arena *arena = arena_new(0);
    assert_non_null(arena_try_array(arena, 10, 8));
    assert_null(arena_try_array(arena, SIZE_MAX / 4, 8));
    assert_null(arena_try_array(arena, 8, SIZE_MAX / 4));
    arena_free(arena);
}

static void reset_gives_zeroed_memory_again(void **state)
{
    Arena *arena = arena_new(0);
    for (int round = 0; round < 3; round++) {
        uint8_t *small = arena_alloc(arena, 100), *large = arena_alloc(arena, 100000);
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(small[i], 0);
        memset(small, 1, 100);
        memset(large, 2, 100000);
        arena_reset(arena);
    }
    /* a first allocation larger than a block */
    Arena *other = arena_new(0);
    memset(arena_alloc(other, 50000), 3, 50000);
    arena_reset(other);
    assert_int_equal(*(uint8_t *)arena_alloc(other, 1), 0);
    arena_free(other);
    arena_free(arena);
    arena_free(NULL);
}

static void text_is_copied_and_terminated(void **state)
{
    Arena *arena = arena_new(0);
    char original[] = "DOE^JOHN";
    char *copy = arena_strdup(arena, original);
    original[0] = 'X';
    assert_string_equal(copy, "DOE^JOHN");
    assert_string_equal(arena_span_cstr(arena, span_of("abcdef", 3)), "abc");
    assert_string_equal(arena_span_cstr(arena, span_of(NULL, 0)), "");
    assert_string_equal(arena_strdup(arena, NULL), "");
    Span span = arena_span(arena, span_of("a\0b", 3));
    assert_int_equal(span.n, 3);
    assert_memory_equal(span.p, "a\0b", 3);
    assert_string_equal(arena_printf(arena, "%s/%d", "a", 42), "a/42");
    assert_string_equal(arena_printf(arena, "%s", ""), "");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(the_limit_is_a_limit),
        cmocka_unit_test(arrays_check_their_product),
        cmocka_unit_test(reset_gives_zeroed_memory_again),
        cmocka_unit_test(text_is_copied_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
