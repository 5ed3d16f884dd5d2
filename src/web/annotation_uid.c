// SPDX-License-Identifier: MIT
#include "web/annotation_uid.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* -- a dictionary -- */

static void skip_blanks(Span *s)
{
    while (s->n && strchr(" \t\r\n", s->p[0]) && s->p[0])
        *s = span_sub(*s, 1, SIZE_MAX);
}

static bool take(Span *s, char c)
{
    skip_blanks(s);
    if (!s->n || s->p[0] != (uint8_t)c)
        return false;
    *s = span_sub(*s, 1, SIZE_MAX);
    return true;
}

/* A text in either kind of quotes, without escapes; or a word or number. */
static bool take_value(Span *s, Span *out)
{
    skip_blanks(s);
    if (s->n && (s->p[0] == '"' || s->p[0] == '\'')) {
        Span rest = span_sub(*s, 1, SIZE_MAX);
        size_t end = span_index(rest, s->p[0]);
        if (end == SIZE_MAX)
            return false;
        *out = span_sub(rest, 0, end);
        *s = span_sub(rest, end + 1, SIZE_MAX);
        return span_index(*out, '\\') == SIZE_MAX;
    }
    size_t n = 0;
    while (n < s->n && s->p[n] > ' ' && !strchr(",:{}[]()'\"\\", s->p[n]))
        n++;
    *out = span_sub(*s, 0, n);
    *s = span_sub(*s, n, SIZE_MAX);
    return n > 0;
}

static bool find_uuid(Span s, Span *out)
{
    Span key, value;
    bool found = false;
    if (!take(&s, '{'))
        return false;
    while (!take(&s, '}')) {
        if (!take_value(&s, &key) || !take(&s, ':') || !take_value(&s, &value))
            return false;
        if (span_eq_cstr(key, "uuid")) {
            *out = value;
            found = true;
        }
        skip_blanks(&s);
        if (!take(&s, ',') && (!s.n || s.p[0] != '}'))
            return false;
    }
    skip_blanks(&s);
    return found && s.n == 0;
}

/* -- a UUID -- */

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* RFC 4122 §3: 8-4-4-4-12 hexadecimal digits. Most significant word first. */
static bool read_uuid(Span s, uint32_t words[4])
{
    size_t digits = 0;
    if (s.n != 36)
        return false;
    memset(words, 0, 4 * sizeof *words);
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        int digit = hex_digit(s.p[i]);
        if (dash ? s.p[i] != '-' : digit < 0)
            return false;
        if (dash)
            continue;
        words[digits / 8] = words[digits / 8] << 4 | (uint32_t)digit;
        digits++;
    }
    return true;
}

static unsigned divide_by_ten(uint32_t words[4])
{
    uint64_t rest = 0;
    for (int i = 0; i < 4; i++) {
        rest = rest << 32 | words[i];
        words[i] = (uint32_t)(rest / 10);
        rest %= 10;
    }
    return (unsigned)rest;
}

static void write_uid(uint32_t words[4], char out[DCM_UID_MAX + 1])
{
    char digits[40];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do
        digits[--at] = (char)('0' + divide_by_ten(words));
    while (at && (words[0] | words[1] | words[2] | words[3]));
    snprintf(out, DCM_UID_MAX + 1, "2.25.%s", digits + at);
}

bool web_annotation_uid_read(Span text, char out[DCM_UID_MAX + 1])
{
    Span value;
    uint32_t words[4];
    if (!find_uuid(text, &value))
        return false;
    if (read_uuid(value, words)) {
        write_uid(words, out);
        return true;
    }
    return dcm_uid_valid(value, true) && span_copy(value, out, DCM_UID_MAX + 1);
}

/* -- from wherever it comes -- */

static bool ask(Fetcher *fetcher, const char *url, char out[DCM_UID_MAX + 1], Err *err)
{
    FetchAnswer answer;
    Err why = {0};
    bool ok = fetch(fetcher, url, NULL, (Span){0}, &answer, &why);
    if (ok && answer.status != 200)
        ok = err_set(&why, ERR_REFUSED, "it answered with status %u", answer.status);
    else if (ok && !web_annotation_uid_read(buf_span(&answer.body), out))
        ok = err_set(&why, ERR_FORMAT, "its answer is no dictionary with a UID under the key uuid");
    buf_free(&answer.body);
    if (ok)
        return true;
    err_set(err, ERR_REFUSED, "the generator of annotation UIDs gave none: %s", why.text);
    if (err)
        err->http = 502;
    return false;
}

bool web_annotation_uid(WebUidSource source, Fetcher *fetcher, const char *url, char out[DCM_UID_MAX + 1],
                        bool *own, Err *err)
{
    *own = source == WEB_UID_INTERNAL;
    if (!*own && ask(fetcher, url, out, err))
        return true;
    if (source == WEB_UID_EXTERNAL)
        return false;
    *own = true;
    dcm_uid_new(out);
    return true;
}
