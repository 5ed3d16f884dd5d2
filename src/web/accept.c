// SPDX-License-Identifier: MIT
/*
 * Reading is by one scanner over the header. A range that cannot be read is passed over, as RFC 9110 §12.1 allows: clients are known to send quotes
 * that do not close. Only when nothing is left is that an error.
 */
#include "web/accept.h"

#include "base/span.h"

#include <stdio.h>
#include <string.h>

enum { RANGES_MAX = 64, HEADER_MAX = 16384, FULL_QUALITY = 1000 };

typedef struct Scanner {
    const char *p;
} Scanner;

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_blanks(Scanner *s)
{
    while (*s->p == ' ' || *s->p == '\t')
        s->p++;
}

/* Letters of ASCII only: names of types are nothing else. */
static const char *lower(Arena *arena, const char *from, size_t n)
{
    char *text = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a') : from[i];
    return text;
}

/* "type/subtype", in lower case; NULL when there is none. */
static const char *read_type(Scanner *s, Arena *arena)
{
    const char *from = s->p;
    while (is_token(*s->p))
        s->p++;
    if (s->p == from || *s->p != '/')
        return NULL;
    s->p++;
    const char *subtype = s->p;
    while (is_token(*s->p))
        s->p++;
    return s->p > subtype ? lower(arena, from, (size_t)(s->p - from)) : NULL;
}

/* A token, to which '/' and ':' are counted because type=application/dicom is sent without quotes; or a quoted string. NULL when it does not end. */
static const char *read_value(Scanner *s, Arena *arena)
{
    if (*s->p != '"') {
        const char *from = s->p;
        while (is_token(*s->p) || *s->p == '/' || *s->p == ':')
            s->p++;
        return arena_span_cstr(arena, span_of(from, (size_t)(s->p - from)));
    }
    s->p++;
    char *text = arena_alloc(arena, strlen(s->p) + 1);
    size_t n = 0;
    while (*s->p && *s->p != '"') {
        if (*s->p == '\\' && s->p[1])
            s->p++;
        text[n++] = *s->p++;
    }
    if (*s->p != '"')
        return NULL;
    s->p++;
    return text;
}

/* "0.75" in thousandths; false when it is none. */
static bool read_quality(const char *text, unsigned *out)
{
    double value;
    if (!span_to_double(span_cstr(text), &value) || value < 0 || value > 1)
        return false;
    *out = (unsigned)(value * FULL_QUALITY + 0.5);
    return true;
}

static bool take_parameter(WebMedia *media, Arena *arena, const char *name, const char *value)
{
    if (!strcmp(name, "q"))
        return read_quality(value, &media->quality);
    if (!strcmp(name, "transfer-syntax"))
        media->transfer_syntax = value;
    else if (!strcmp(name, "charset"))
        media->charset = lower(arena, value, strlen(value));
    else if (!strcmp(name, "type") && media->multipart)
        media->type = lower(arena, value, strlen(value));
    return true;
}

static bool read_parameters(Scanner *s, Arena *arena, WebMedia *media)
{
    for (;;) {
        skip_blanks(s);
        if (*s->p != ';')
            return *s->p == ',' || *s->p == 0;
        s->p++;
        skip_blanks(s);
        const char *from = s->p;
        while (is_token(*s->p))
            s->p++;
        const char *name = lower(arena, from, (size_t)(s->p - from));
        skip_blanks(s);
        if (*s->p != '=') {
            if (!*name)
                continue; /* ";;" and a semicolon at the end */
            return false;
        }
        s->p++;
        skip_blanks(s);
        const char *value = read_value(s, arena);
        if (!value || !take_parameter(media, arena, name, value))
            return false;
    }
}

static bool read_range(Scanner *s, Arena *arena, WebMedia *out)
{
    *out = (WebMedia){.transfer_syntax = "", .charset = "", .quality = FULL_QUALITY};
    out->type = read_type(s, arena);
    if (!out->type)
        return false;
    if (!strcmp(out->type, "multipart/related") || !strcmp(out->type, "multipart/*")) {
        out->multipart = true;
        out->type = "";
    }
    return read_parameters(s, arena, out);
}

/* To behind the comma that ends the range; commas in quotes do not. */
static void skip_range(Scanner *s)
{
    bool quoted = false;
    while (*s->p && (quoted || *s->p != ',')) {
        if (*s->p == '"')
            quoted = !quoted && strchr(s->p + 1, '"');
        s->p++;
    }
    if (*s->p == ',')
        s->p++;
}

/* Best first; few of them, so that inserting each in its place is enough. */
static void insert(WebMedia *media, size_t n, const WebMedia *range)
{
    size_t at = n;
    while (at > 0 && media[at - 1].quality < range->quality)
        at--;
    memmove(&media[at + 1], &media[at], (n - at) * sizeof *media);
    media[at] = *range;
}

/* "application/dicom+json" in a query is often sent with its plus as it is, which has become a blank there. */
static const char *with_plus(Arena *arena, const char *query)
{
    char *text = arena_strdup(arena, query);
    for (char *p = text + 1; *text && *p; p++)
        if (*p == ' ' && is_token(p[-1]) && is_token(p[1]))
            *p = '+';
    return text;
}

bool web_accept_parse(Arena *arena, const char *header, const char *query, WebAccept *out, Err *err)
{
    const char *text = query && *query ? with_plus(arena, query) : header;
    *out = (WebAccept){0};
    if (!text || !*text)
        return true;
    if (strlen(text) > HEADER_MAX)
        return err_set(err, ERR_LIMIT, "the Accept header is longer than %d characters", HEADER_MAX);
    WebMedia *media = arena_alloc(arena, (RANGES_MAX + 1) * sizeof *media);
    size_t count = 0;
    bool any = false;
    for (Scanner s = {text}; *s.p && count < RANGES_MAX;) {
        while (*s.p == ' ' || *s.p == '\t' || *s.p == ',')
            s.p++;
        if (!*s.p)
            break;
        any = true;
        Scanner begin = s;
        WebMedia range;
        if (read_range(&s, arena, &range)) {
            range.order = (unsigned)count;
            insert(media, count++, &range);
        } else {
            s = begin;
        }
        skip_range(&s);
    }
    if (any && count == 0)
        return err_set(
            err, ERR_FORMAT,
            "the Accept header names no media type that can be read; for example: application/dicom+json");
    *out = (WebAccept){media, count};
    return true;
}

/* How closely the range means the offer: 3 = exactly, 1 = anything, 0 = not at all. */
static int closeness(const WebMedia *range, const WebOffer *offer)
{
    if (!strcmp(range->type, "*/*") && !range->multipart)
        return 1;
    if (range->multipart != offer->multipart)
        return 0;
    if (!*range->type || !strcmp(range->type, "*/*"))
        return 2;
    if (!strcmp(range->type, offer->type))
        return 3;
    size_t n = strlen(range->type);
    return n > 2 && !strcmp(range->type + n - 2, "/*") && !strncmp(range->type, offer->type, n - 1) ? 2 : 0;
}

/* The range that speaks for the offer: the closest one, of equals the best. */
static const WebMedia *range_of(const WebAccept *accept, const WebOffer *offer)
{
    const WebMedia *found = NULL;
    int best = 0;
    for (size_t i = 0; i < accept->count; i++) {
        int close = closeness(&accept->media[i], offer);
        if (close > best) {
            best = close;
            found = &accept->media[i];
        }
    }
    return found;
}

bool web_accept_means(const WebMedia *range, const WebOffer *offer)
{
    return range->quality > 0 && closeness(range, offer) > 0;
}

int web_accept_choose(const WebAccept *accept, const WebOffer *offers, size_t count, const WebMedia **media)
{
    const WebMedia *best = NULL;
    int chosen = -1;
    if (media)
        *media = NULL;
    if (accept->count == 0)
        return count ? 0 : -1;
    for (size_t i = 0; i < count; i++) {
        const WebMedia *range = range_of(accept, &offers[i]);
        if (!range || range->quality == 0)
            continue;
        if (!best || range->quality > best->quality ||
            (range->quality == best->quality && range->order < best->order)) {
            best = range;
            chosen = (int)i;
        }
    }
    if (media)
        *media = best;
    return chosen;
}

const char *web_offers_text(Arena *arena, const WebOffer *offers, size_t count)
{
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, offers[i].multipart ? "%s%smultipart/related; type=\"%s\"" : "%s%s%s",
                            text, i ? ", " : "", offers[i].type);
    return text;
}
