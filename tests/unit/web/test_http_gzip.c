// SPDX-License-Identifier: MIT
#include "web/http_gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

static void wanted(void **state)
{
    static const char *const yes[] = {
        "gzip", "GZIP", "x-gzip", "br, gzip", "gzip;q=0.5", "*", "identity, *;q=0.1", "deflate,gzip ; q=1"};
    static const char *const no[] = {"",      "br",          "gzip;q=0", "gzip; q=0.000",
                                     "*;q=0", "gzip;q=0, *", "gzipped"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!gzip_wanted(yes[i]))
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (gzip_wanted(no[i]))
            fail_msg("%s", no[i]);
    assert_false(gzip_wanted(NULL));
    assert_true(gzip_suits("application/dicom+json"));
    assert_true(gzip_suits("Text/HTML; charset=utf-8"));
    assert_false(gzip_suits("application/dicom"));
    assert_false(gzip_suits("multipart/related; type=\"application/dicom+xml\""));
    assert_false(gzip_suits(NULL));
}

typedef struct Numbers {
    uint32_t next, count;
    int closed;
} Numbers;

/* In pieces of odd sizes. */
static ssize_t numbers_read(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Numbers *numbers = ctx;
    size_t want = 1 + numbers->next % 977, got = 0;
    while (got < n && got < want && numbers->next < numbers->count)
        p[got++] = (uint8_t)(numbers->next++ * 2654435761U >> 24);
    if (numbers->count == UINT32_MAX && numbers->next > 1000) {
        err_set(err, ERR_IO, "broken");
        return -1;
    }
    return (ssize_t)got;
}

static void numbers_close(void *ctx)
{
    ((Numbers *)ctx)->closed++;
}

static void round_trip(void **state)
{
    enum { COUNT = 300000 };
    Numbers numbers = {.count = COUNT};
    HttpSource source = gzip_source(&(HttpSource){numbers_read, numbers_close, &numbers});
    Buf packed;
    buf_init(&packed, 0);
    Err err = {0};
    for (ssize_t n; (n = source.read(source.ctx, buf_reserve(&packed, 4099), 4099, &err)) != 0;) {
        assert_true(n > 0);
        packed.n += (size_t)n;
    }
    assert_int_equal(source.read(source.ctx, buf_reserve(&packed, 10), 10, &err), 0);
    source.close(source.ctx);
    assert_int_equal(numbers.closed, 1);
    uint8_t *plain = malloc(COUNT + 1);
    z_stream z = {.next_in = packed.p, .avail_in = (uInt)packed.n, .next_out = plain, .avail_out = COUNT + 1};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, COUNT);
    inflateEnd(&z);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(plain[i], (uint8_t)(i * 2654435761U >> 24));
    free(plain);
    buf_free(&packed);
}

static void failures(void **state)
{
    Numbers numbers = {.count = UINT32_MAX};
    HttpSource source = gzip_source(&(HttpSource){numbers_read, numbers_close, &numbers});
    uint8_t out[4096];
    Err err = {0};
    ssize_t n;
    while ((n = source.read(source.ctx, out, sizeof out, &err)) > 0)
        ;
    assert_int_equal(n, -1);
    assert_string_equal(err.text, "broken");
    source.close(source.ctx);
    assert_int_equal(numbers.closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wanted), cmocka_unit_test(round_trip),
                                       cmocka_unit_test(failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
