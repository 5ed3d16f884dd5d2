// SPDX-License-Identifier: MIT
#include "px/collection.h"

#include "px/http_client.h"

#include <ctype.h>
#include <string.h>

/* -- to CUBE -- */

static int append(const char *text, size_t n, void *out)
{
    return buf_append(out, text, n) ? 0 : -1;
}

void px_collection_template(const json_t *fields, Buf *out)
{
    json_t *data = json_array();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)fields, name, value)
    {
        json_array_append_new(data, json_pack("{ss sO}", "name", name, "value", value));
    }
    json_t *document = json_pack("{s{so}}", "template", "data", data);
    json_dump_callback(document, append, out, JSON_ENSURE_ASCII);
    json_decref(document);
}

/* -- from CUBE -- */

/* A page for people instead of an answer for programs says most about what is wrong. */
static bool is_page(Span answer)
{
    size_t i = 0;
    while (i < answer.n && isspace(answer.p[i]))
        i++;
    return i < answer.n && answer.p[i] == '<';
}

json_t *px_collection_read(Span answer, Err *err)
{
    json_error_t problem;
    json_t *document = json_loadb((const char *)answer.p, answer.n, JSON_REJECT_DUPLICATES, &problem);
    if (!document) {
        err_set(err, ERR_FORMAT,
                is_page(answer)
                    ? "the answer is a web page and not collection+json; is this the address of a CUBE's API "
                      "(http://HOST:8000/api/v1/)?"
                    : "the answer is not JSON");
        return NULL;
    }
    json_t *collection = json_incref(json_object_get(document, "collection"));
    json_decref(document);
    if (json_is_object(collection))
        return collection;
    json_decref(collection);
    err_set(err, ERR_FORMAT,
            "the answer is JSON, but no collection+json; is this the address of a CUBE's API "
            "(http://HOST:8000/api/v1/)?");
    return NULL;
}

const char *px_collection_message(const json_t *collection)
{
    const json_t *error = json_object_get(collection, "error");
    if (!error)
        return NULL;
    const char *message = json_string_value(json_object_get(error, "message"));
    return message ? message : "no reason given";
}

static const json_t *by_rel(const json_t *list, const char *rel)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)list, i, one)
    {
        const char *of = json_string_value(json_object_get(one, "rel"));
        if (of && !strcmp(of, rel) && json_string_value(json_object_get(one, "href")))
            return one;
    }
    return NULL;
}

const char *px_collection_link(const json_t *collection, const char *rel)
{
    return json_string_value(json_object_get(by_rel(json_object_get(collection, "links"), rel), "href"));
}

size_t px_collection_count(const json_t *collection)
{
    return json_array_size(json_object_get(collection, "items"));
}

json_t *px_collection_item(const json_t *collection, size_t i)
{
    json_t *fields = json_object();
    const json_t *data = json_object_get(json_array_get(json_object_get(collection, "items"), i), "data");
    size_t at;
    json_t *pair;
    json_array_foreach((json_t *)data, at, pair)
    {
        const char *name = json_string_value(json_object_get(pair, "name"));
        if (name)
            json_object_set(fields, name, json_object_get(pair, "value"));
    }
    return fields;
}

bool px_collection_takes(const json_t *collection)
{
    return json_array_size(json_object_get(json_object_get(collection, "template"), "data")) > 0;
}

/* -- searches -- */

static bool knows(const json_t *data, const char *name)
{
    size_t i;
    json_t *pair;
    json_array_foreach((json_t *)data, i, pair)
    {
        const char *known = json_string_value(json_object_get(pair, "name"));
        if (known && !strcmp(known, name))
            return true;
    }
    return false;
}

const char *px_collection_search(Arena *arena, const json_t *collection, const PxParameter *parameters,
                                 size_t n)
{
    const json_t *query = by_rel(json_object_get(collection, "queries"), "search");
    const char *href = json_string_value(json_object_get(query, "href"));
    for (size_t i = 0; i < n; i++)
        if (!knows(json_object_get(query, "data"), parameters[i].name))
            return NULL;
    if (!href)
        return NULL;
    Buf url;
    buf_init(&url, 0);
    buf_append_cstr(&url, href);
    for (size_t i = 0; i < n; i++) {
        buf_append_cstr(&url, i || strchr(href, '?') ? "&" : "?");
        px_http_escape_value(&url, span_cstr(parameters[i].name));
        buf_u8(&url, '=');
        px_http_escape_value(&url, span_cstr(parameters[i].value));
    }
    href = arena_span_cstr(arena, buf_span(&url));
    buf_free(&url);
    return href;
}
