// SPDX-License-Identifier: MIT
/*
 * The lines are named after the standard's elements and attributes, in the order of its schema: what is an object there is an element here, what is a list comes again, and
 * what is a value is an attribute, but for the few that are elements with text. Values of details are base64 (A.5.2.1).
 */
#include "archive/audit_xml.h"

#include "archive/audit.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

static void write_escaped(Buf *out, const char *text)
{
    for (Span rest = span_cstr(text); rest.n;) {
        size_t n = span_utf8_length(rest);
        uint8_t c = rest.p[0];
        if (c == '<')
            buf_append_cstr(out, "&lt;");
        else if (c == '>')
            buf_append_cstr(out, "&gt;");
        else if (c == '&')
            buf_append_cstr(out, "&amp;");
        else if (c == '"')
            buf_append_cstr(out, "&quot;");
        else if (c < 0x20 || n == 0)
            buf_u8(out, '?'); /* XML 1.0 has no such characters */
        else
            buf_append(out, rest.p, n);
        rest = span_sub(rest, n ? n : 1, SIZE_MAX);
    }
}

static void write_base64(Buf *out, const char *text)
{
    size_t n = strlen(text);
    uint8_t *room = malloc(4 * (n / 3 + 1) + 1);
    if (!room)
        abort();
    int made = EVP_EncodeBlock(room, (const uint8_t *)text, (int)n);
    buf_append(out, room, (size_t)made);
    free(room);
}

static void write_value(Buf *out, const json_t *value, bool base64)
{
    if (json_is_string(value) && base64)
        write_base64(out, json_string_value(value));
    else if (json_is_string(value))
        write_escaped(out, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        buf_append_cstr(out, json_is_true(value) ? "true" : "false");
}

static bool is_attribute(const char *name, const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value) && strcmp(name, "EventOutcomeDescription") != 0;
}

static void write_element(Buf *out, const char *name, const json_t *content, unsigned depth);

static void write_children(Buf *out, json_t *object, unsigned depth)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i;
        const json_t *one;
        if (is_attribute(key, value))
            continue;
        if (!json_is_array(value))
            write_element(out, key, value, depth);
        json_array_foreach(value, i, one)
        {
            write_element(out, key, one, depth);
        }
    }
}

static void write_element(Buf *out, const char *name, const json_t *content, unsigned depth)
{
    const char *key;
    json_t *value, *object = (json_t *)(uintptr_t)content; /* jansson iterates over what it could change */
    if (depth == DEPTH_MAX)
        return;
    buf_printf(out, "<%s", name);
    json_object_foreach(object, key, value)
    {
        if (!is_attribute(key, value))
            continue;
        buf_printf(out, " %s=\"", key);
        write_value(out, value, !strcmp(name, "ParticipantObjectDetail") && !strcmp(key, "value"));
        buf_append_cstr(out, "\"");
    }
    buf_append_cstr(out, ">");
    if (json_is_object(content))
        write_children(out, object, depth + 1);
    else
        write_value(out, content, false);
    buf_printf(out, "</%s>", name);
}

/* How often the event came again has no place of its own in the schema. */
static void add_repeated(json_t *record)
{
    json_int_t again = json_integer_value(json_object_get(record, "Repeated"));
    json_t *event = json_object_get(record, "EventIdentification");
    const char *why = json_string_value(json_object_get(event, "EventOutcomeDescription"));
    const char *until = json_string_value(json_object_get(record, "RepeatedUntil"));
    json_int_t instances = json_integer_value(json_object_get(record, "RepeatedInstances"));
    char of[48] = "";
    if (instances)
        snprintf(of, sizeof of, ", %s%" JSON_INTEGER_FORMAT " instances in all",
                 instances >= AUDIT_PARTS_MAX ? "at least " : "", instances);
    if (again)
        json_object_set_new(event, "EventOutcomeDescription",
                            json_sprintf("%s%s%" JSON_INTEGER_FORMAT " more times until %s%s", why ? why : "",
                                         why ? "; " : "", again, until ? until : "", of));
}

bool audit_xml_write(Buf *out, Span line)
{
    static const char *const parts[] = {"EventIdentification", "ActiveParticipant",
                                        "AuditSourceIdentification", "ParticipantObjectIdentification"};
    json_t *record = json_loadb((const char *)line.p, line.n, 0, NULL);
    bool ok = json_is_object(json_object_get(record, parts[0]));
    if (ok) {
        add_repeated(record);
        buf_append_cstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>");
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            json_t *wrapped = json_pack("{sO?}", parts[i], json_object_get(record, parts[i]));
            write_children(out, wrapped, 0);
            json_decref(wrapped);
        }
        buf_append_cstr(out, "</AuditMessage>");
    }
    json_decref(record);
    return ok && !out->failed;
}
