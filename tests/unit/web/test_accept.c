// SPDX-License-Identifier: MIT
#include "web/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static WebAccept parse(const char *header, const char *query)
{
    WebAccept accept;
    Err err = {0};
    if (!web_accept_parse(arena, header, query, &accept, &err))
        fail_msg("%s: %s", header, err.text);
    return accept;
}

static const WebOffer metadata[] = {
    {"application/dicom+json", false}, {"application/dicom+xml", true}, {"application/json", false}};
static const WebOffer frames[] = {{"application/octet-stream", true},
                                  {"application/octet-stream", false},
                                  {"image/jp2", true},
                                  {"image/jpeg", false}};

static void choices(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const WebOffer *offers;
        size_t count;
        int chosen;
    } rows[] = {
        {NULL, metadata, 3, 0},
        {"", metadata, 3, 0},
        {"*/*", metadata, 3, 0},
        {"application/dicom+json", metadata, 3, 0},
        {"Application/DICOM+JSON", metadata, 3, 0},
        {"application/json", metadata, 3, 2},
        {"multipart/related; type=\"application/dicom+xml\"", metadata, 3, 1},
        {"multipart/related;type=application/dicom+xml", metadata, 3, 1},
        {"text/html", metadata, 3, -1},
        {"application/*", metadata, 3, 0},
        {"text/html, */*;q=0.1", metadata, 3, 0},
        {"application/dicom+json;q=0, */*", metadata, 3, 1},
        {"application/dicom+json;q=0", metadata, 3, -1},
        {"application/json;q=0.5, multipart/related; type=\"application/dicom+xml\";q=0.7", metadata, 3, 1},
        {"application/json, application/dicom+json", metadata, 3, 2},
        /* OHIF: series list and metadata asked for by the client of pixels */
        {"application/dicom+json, multipart/related; type=\"application/octet-stream\"; transfer-syntax=*",
         metadata, 3, 0},
        {"multipart/related; type=\"application/octet-stream\"; transfer-syntax=*, application/dicom+json",
         metadata, 3, 0},
        {"multipart/related; type=application/octet-stream; transfer-syntax=*", frames, 4, 0},
        {"multipart/related", frames, 4, 0},
        {"multipart/related; type=\"image/jp2\", multipart/related; type=\"application/octet-stream\"; q=0.9",
         frames, 4, 2},
        {"multipart/related; type=\"image/*\"", frames, 4, 2},
        {"image/*", frames, 4, 3},
        {"application/octet-stream;transfer-syntax=1.2.840.10008.1.2.1", frames, 4, 1},
        /* quotes that do not close spoil that range only */
        {"multipart/related; type=\"application/dicom, application/dicom+json", metadata, 3, 0},
        {"application/dicom+json;;q=1;", metadata, 3, 0},
        {" , ,application/dicom+json", metadata, 3, 0},
        {"application/dicom+json;q=2, application/json", metadata, 3, 2},
        {"application/dicom+json; profile=\"a,b;c\\\"d\"", metadata, 3, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WebAccept accept = parse(rows[i].header, NULL);
        int chosen = web_accept_choose(&accept, rows[i].offers, rows[i].count, NULL);
        if (chosen != rows[i].chosen)
            fail_msg("%s: %d instead of %d", rows[i].header, chosen, rows[i].chosen);
    }
}

static void the_query_overrides(void **state)
{
    (void)state;
    WebAccept accept = parse("text/html", "application/dicom+json");
    assert_int_equal(web_accept_choose(&accept, metadata, 3, NULL), 0);
    /* a plus that was not encoded */
    accept = parse("text/html", "application/dicom json");
    assert_int_equal(web_accept_choose(&accept, metadata, 3, NULL), 0);
    accept = parse("application/json", "");
    assert_int_equal(web_accept_choose(&accept, metadata, 3, NULL), 2);
}

static void transfer_syntaxes(void **state)
{
    (void)state;
    WebAccept accept = parse("multipart/related; type=\"application/octet-stream\"; "
                             "transfer-syntax=1.2.840.10008.1.2.4.80; q=0.5, multipart/related; "
                             "type=\"application/octet-stream\"; transfer-syntax=\"1.2.840.10008.1.2.1\"",
                             NULL);
    const WebMedia *chosen;
    assert_int_equal(web_accept_choose(&accept, frames, 4, &chosen), 0);
    assert_string_equal(chosen->transfer_syntax, "1.2.840.10008.1.2.1");
    assert_int_equal(accept.count, 2);
    assert_string_equal(accept.media[1].transfer_syntax, "1.2.840.10008.1.2.4.80");
    assert_int_equal(accept.media[1].quality, 500);
    assert_true(web_accept_means(&accept.media[1], &frames[0]));
    assert_false(web_accept_means(&accept.media[1], &frames[1]));
}

static void what_cannot_be_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"application", "///", "\"", "application/", "a/b;q=x", "a/b c/d"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        WebAccept accept;
        Err err = {0};
        if (web_accept_parse(arena, bad[i], NULL, &accept, &err))
            fail_msg("%s was read", bad[i]);
        assert_int_equal(err.code, ERR_FORMAT);
    }
    char *many = malloc(20001);
    memset(many, 'a', 20000);
    many[20000] = 0;
    WebAccept accept;
    Err err = {0};
    assert_false(web_accept_parse(arena, many, NULL, &accept, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    for (size_t i = 0; i + 4 <= 16000; i += 4)
        memcpy(many + i, "a/b,", 4);
    many[16000] = 0;
    assert_true(web_accept_parse(arena, many, NULL, &accept, &err));
    assert_int_equal(accept.count, 64);
    free(many);
}

static void offers_as_text(void **state)
{
    (void)state;
    assert_string_equal(web_offers_text(arena, metadata, 2),
                        "application/dicom+json, multipart/related; type=\"application/dicom+xml\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(choices, setup, teardown),
        cmocka_unit_test_setup_teardown(the_query_overrides, setup, teardown),
        cmocka_unit_test_setup_teardown(transfer_syntaxes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(offers_as_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
