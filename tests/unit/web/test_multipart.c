// SPDX-License-Identifier: MIT
#include "web/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the reader says, as one line: "<type|parameters|location|id>data." for each part. */
static bool on_begin(void *ctx, const MultipartPart *part, Err *err)
{
    (void)err;
    return buf_printf(ctx, "<%s|%s|%s|%s>", part->type, part->parameters, part->location, part->id);
}

static bool on_data(void *ctx, Span piece, Err *err)
{
    (void)err;
    assert_true(piece.n > 0);
    return buf_append_span(ctx, piece);
}

static bool on_end(void *ctx, Err *err)
{
    (void)err;
    return buf_append_cstr(ctx, ".");
}

/* Reads the body in pieces of `size`; true and `seen` when it is whole. */
static bool read_in(const char *boundary, Span body, size_t size, Buf *seen, Err *err)
{
    MultipartReader *reader =
        multipart_reader_new(boundary, &(MultipartHandler){on_begin, on_data, on_end, seen});
    bool ok = true;
    for (size_t at = 0; ok && at < body.n; at += size) {
        /* a copy of its own, so that reading past the piece is noticed */
        Span piece = span_sub(body, at, size);
        uint8_t *copy = malloc(piece.n);
        memcpy(copy, piece.p, piece.n);
        ok = multipart_feed(reader, span_of(copy, piece.n), err);
        free(copy);
    }
    ok = ok && multipart_finish(reader, err);
    multipart_reader_free(reader);
    return ok;
}

static void whole_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body, *seen;
    } rows[] = {
        {"--b\r\n\r\none\r\n--b--", "<|||>one."},
        {"--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--b--\r\n", "<application/dicom|||>one."},
        {"\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--", "<|||>one.<|||>two."},
        {"preamble\r\nmore\r\n--b\r\n\r\none\r\n--b--epilogue\r\n--b\r\n", "<|||>one."},
        {"--b  \t\r\ncontent-type: Image/JPEG; transfer-syntax=1.2\r\nContent-LOCATION:  http://a/b \r\n"
         "Content-ID: <7>\r\n\r\nx\r\n--b--",
         "<image/jpeg|; transfer-syntax=1.2|http://a/b|7>x."},
        {"--b\r\nContent-Type: multipart/related;\r\n type=x\r\n\r\nx\r\n--b--",
         "<multipart/related|;   type=x||>x."},
        {"--b\r\nContent-Type: a/b\r\n\r\n--b--", "<a/b|||>."}, /* no data */
        {"--b\r\n\r\n\r\n--b--", "<|||>."},                     /* neither headers nor data */
        {"--b\r\n\r\n\r\n\r\n--b--", "<|||>\r\n."},             /* data is a line end */
        {"--b\r\n\r\n--bc\r\n--b--", "<|||>--bc."},             /* begins like a delimiter */
        {"--b\r\n\r\nx\r\n--bc\r\n-- b\r\n--b-x\r\n--b--", "<|||>x\r\n--bc\r\n-- b\r\n--b-x."},
        {"--b\r\n\r\nx\r\r\n\r\n--\r\n--b\r\r\n--b--", "<|||>x\r\r\n\r\n--\r\n--b\r."},
        {"--b\r\n\r\nx\n--b--\r\n--b--", "<|||>x\n--b--."}, /* a bare line feed does not begin a delimiter */
        {"--b--", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Span body = span_cstr(rows[i].body);
        for (size_t size = 1; size <= body.n; size++) {
            Buf seen;
            Err err = {0};
            buf_init(&seen, 0);
            if (!read_in("b", body, size, &seen, &err))
                fail_msg("row %zu in pieces of %zu: %s", i, size, err.text);
            if (strcmp(buf_cstr(&seen), rows[i].seen) != 0)
                fail_msg("row %zu in pieces of %zu: %s", i, size, buf_cstr(&seen));
            buf_free(&seen);
        }
    }
}

static void broken_bodies(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "--b",
        "--b\r\n",
        "--b\r\n\r\none",
        "--b\r\n\r\none\r\n--b",
        "--b\r\n\r\none\r\n--b\r\n",
        "no boundary in it",
        "--c\r\n\r\none\r\n--c--",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Buf seen;
        Err err = {0};
        buf_init(&seen, 0);
        if (read_in("b", span_cstr(rows[i]), 3, &seen, &err))
            fail_msg("row %zu was read", i);
        assert_int_equal(err.code, ERR_FORMAT);
        buf_free(&seen);
    }
}

/* The same numbers in every run, below `n`. */
static size_t chance(size_t n)
{
    static uint64_t state = 7;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(state >> 33) % n;
}

/* Random data of few different bytes, so that parts of delimiters are frequent. */
static void random_data(void **state)
{
    (void)state;
    static const char alphabet[] = "\r\n-bnd";
    for (int round = 0; round < 2000; round++) {
        Buf body, expected, seen;
        buf_init(&body, 0);
        buf_init(&expected, 0);
        buf_init(&seen, 0);
        for (int part = 0; part < 3; part++) {
            char data[400];
            size_t n = chance(round % 2 ? 40 : sizeof data);
            for (size_t i = 0; i < n; i++)
                data[i] = alphabet[chance(6)];
            multipart_write_head(&body, "bnd", part == 0, "Content-Type: x/y\r\n");
            size_t from = body.n - 2;
            buf_append(&body, data, n);
            /* data with the delimiter in it is no fair question */
            if (memmem(body.p + from, body.n - from, "\r\n--bnd", 7)) {
                body.n = from + 2;
                n = 0;
            }
            buf_append_cstr(&expected, "<x/y|||>");
            buf_append(&expected, data, n);
            buf_append_cstr(&expected, ".");
        }
        multipart_write_close(&body, "bnd");
        Err err = {0};
        if (!read_in("bnd", buf_span(&body), 1 + chance(round % 2 ? 20 : 900), &seen, &err) ||
            !span_eq(buf_span(&seen), buf_span(&expected)))
            fail_msg("round %d: %s\n%s\n%s", round, err.text, buf_cstr(&body), buf_cstr(&seen));
        buf_free(&body);
        buf_free(&expected);
        buf_free(&seen);
    }
}

static void limits(void **state)
{
    (void)state;
    Buf body, seen;
    Err err = {0};
    buf_init(&body, 0);
    buf_init(&seen, 0);
    for (int i = 0; i < 20000; i++)
        buf_append_cstr(&body, "x");
    assert_false(read_in("b", buf_span(&body), 1000, &seen, &err)); /* a preamble without end */
    assert_int_equal(err.code, ERR_FORMAT);
    buf_clear(&body);
    buf_append_cstr(&body, "--b\r\nX: ");
    for (int i = 0; i < 20000; i++)
        buf_append_cstr(&body, "x");
    assert_false(read_in("b", buf_span(&body), 1000, &seen, &err)); /* a head without end */
    assert_int_equal(err.code, ERR_FORMAT);
    buf_free(&body);
    buf_free(&seen);
}

static bool refuse(void *ctx, Span piece, Err *err)
{
    (void)ctx;
    (void)piece;
    return err_set(err, ERR_REFUSED, "not this one");
}

static void the_handler_may_refuse(void **state)
{
    (void)state;
    Buf seen;
    Err err = {0};
    buf_init(&seen, 0);
    MultipartReader *reader = multipart_reader_new("b", &(MultipartHandler){on_begin, refuse, on_end, &seen});
    assert_false(multipart_feed(reader, SPAN("--b\r\n\r\none\r\n--b--"), &err));
    assert_int_equal(err.code, ERR_REFUSED);
    multipart_reader_free(reader);
    buf_free(&seen);
}

static void boundaries(void **state)
{
    (void)state;
    static const struct {
        const char *type, *boundary;
    } rows[] = {
        {"multipart/related; type=\"application/dicom\"; boundary=abc", "abc"},
        {"multipart/related; boundary=\"a b:c\"; type=x", "a b:c"},
        {"multipart/related;BOUNDARY = abc;x=y", "abc"},
        {"multipart/related; boundary=            \"DICOM DATA BOUNDARY\"", "DICOM DATA BOUNDARY"},
        {"multipart/related; x-boundary=no; boundary=abc", "abc"},
        {"multipart/related; boundary=\"abc", NULL},
        {"multipart/related; boundary=", NULL},
        {"multipart/related; boundary=\"\"", NULL},
        {"multipart/related", NULL},
        {NULL, NULL},
        {"multipart/related; "
         "boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
         NULL},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *found = multipart_boundary(arena, rows[i].type);
        if (!rows[i].boundary)
            assert_null(found);
        else
            assert_string_equal(found, rows[i].boundary);
    }
    char one[MULTIPART_BOUNDARY_SIZE], two[MULTIPART_BOUNDARY_SIZE];
    multipart_make_boundary(one);
    multipart_make_boundary(two);
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(one), 39);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_bodies),
        cmocka_unit_test(broken_bodies),
        cmocka_unit_test(random_data),
        cmocka_unit_test(limits),
        cmocka_unit_test(the_handler_may_refuse),
        cmocka_unit_test(boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
