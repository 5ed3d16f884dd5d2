// SPDX-License-Identifier: MIT
/* px/collection: documents of CUBE's API as its server and pypx wrote them, and answers that are none. */
#include "px/collection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *must_read(const char *text)
{
    Err err = {0};
    json_t *collection = px_collection_read(span_cstr(text), &err);
    if (!collection)
        fail_msg("%s", err.text);
    return collection;
}

static void a_template(void **state)
{
    json_t *fields =
        json_pack("{ss sn si ss}", "PatientID", "LAB \"001\"", "PatientAge", "ndicom", 3, "Name", "\xc3\xa9");
    Buf out;
    buf_init(&out, 0);
    px_collection_template(fields, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"template\": {\"data\": [{\"name\": \"PatientID\", \"value\": \"LAB "
                        "\\\"001\\\"\"}, {\"name\": \"PatientAge\", \"value\": null}, {\"name\": "
                        "\"ndicom\", \"value\": 3}, {\"name\": \"Name\", \"value\": \"\\u00E9\"}]}}");
    buf_free(&out);
    json_decref(fields);
}

static void links_and_items(void **state)
{
    json_t *collection = must_read("{\"collection\": {\"version\": \"1.0\", \"href\": \"http://c/\", "
                                   "\"links\": [{\"rel\": \"pacsfiles\", "
                                   "\"href\": \"http://c/pacsfiles/\"}, {\"rel\": \"broken\"}, 7], "
                                   "\"items\": [{\"data\": [{\"name\": \"id\", "
                                   "\"value\": 1}, {\"value\": 5}, {\"name\": \"fname\", \"value\": "
                                   "\"a\"}]}], \"template\": {\"data\": [{\"name\": "
                                   "\"path\", \"value\": \"\"}]}}}");
    assert_string_equal(px_collection_link(collection, "pacsfiles"), "http://c/pacsfiles/");
    assert_null(px_collection_link(collection, "broken"));
    assert_null(px_collection_link(collection, "pacsseries"));
    assert_null(px_collection_message(collection));
    assert_true(px_collection_takes(collection));
    assert_int_equal(px_collection_count(collection), 1);
    json_t *item = px_collection_item(collection, 0), *none = px_collection_item(collection, 1);
    assert_int_equal(json_object_size(item), 2);
    assert_string_equal(json_string_value(json_object_get(item, "fname")), "a");
    assert_int_equal(json_object_size(none), 0);
    json_decref(none);
    json_decref(item);
    json_decref(collection);
}

static void refusals(void **state)
{
    json_t *collection = must_read("{\"collection\": {\"error\": {\"message\": \"{\\\"detail\\\": "
                                   "\\\"Invalid username/password.\\\"}\"}}}");
    assert_string_equal(px_collection_message(collection), "{\"detail\": \"Invalid username/password.\"}");
    assert_false(px_collection_takes(collection));
    json_decref(collection);
    collection = must_read("{\"collection\": {\"error\": 3}}");
    assert_string_equal(px_collection_message(collection), "no reason given");
    json_decref(collection);
}

static void searches(void **state)
{
    Arena *arena = arena_new(0);
    json_t *collection = must_read(
        "{\"collection\": {\"queries\": [{\"href\": \"http://c/q/\", \"rel\": \"other\"}, {\"href\": "
        "\"http://c/search/\", "
        "\"rel\": \"search\", \"data\": [{\"name\": \"SeriesInstanceUID\", \"value\": \"\"}, {\"name\": "
        "\"pacs_identifier\", \"value\": \"\"}]}]}}");
    PxParameter parameters[] = {{"SeriesInstanceUID", "1.2"}, {"pacs_identifier", "a b/c&d=\xc3\xa9"}};
    assert_string_equal(px_collection_search(arena, collection, parameters, 2),
                        "http://c/search/?SeriesInstanceUID=1.2&pacs_identifier=a%20b%2Fc%26d%3D%C3%A9");
    parameters[1].name = "fname";
    assert_null(px_collection_search(arena, collection, parameters, 2));
    json_decref(collection);
    collection = must_read("{\"collection\": {}}");
    assert_null(px_collection_search(arena, collection, NULL, 0));
    json_decref(collection);
    arena_free(arena);
}

static void what_is_no_collection(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"\n<!DOCTYPE html><html>Doe^Jane</html>", "a web page"},
        {"[1]", "no collection+json"},
        {"{\"collection\": []}", "no collection+json"},
        {"{\"collection\": {}, \"collection\": {}}", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        assert_null(px_collection_read(span_cstr(cases[i].text), &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_non_null(strstr(err.text, cases[i].words));
        assert_null(strstr(err.text, "Doe"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template), cmocka_unit_test(links_and_items),       cmocka_unit_test(refusals),
        cmocka_unit_test(searches),   cmocka_unit_test(what_is_no_collection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
