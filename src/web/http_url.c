// SPDX-License-Identifier: MIT
#include "web/http_url.h"

#include "base/span.h"

#include <string.h>
#include <strings.h>

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text that `raw` stands for; NULL and err when it is not text. */
static const char *decode(Arena *arena, Span raw, bool plus, Err *err)
{
    char *text = arena_alloc(arena, raw.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        uint8_t c = raw.p[i];
        if (c == '%') {
            bool whole = raw.n - i > 2;
            int high = whole ? hex_digit(raw.p[i + 1]) : -1, low = whole ? hex_digit(raw.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                err_set(err, ERR_FORMAT, "the address has a %% that two hexadecimal digits do not follow");
                return NULL;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0) {
            err_set(err, ERR_FORMAT, "the address holds a NUL character");
            return NULL;
        }
        text[n++] = (char)c;
    }
    text[n] = 0;
    if (!span_is_utf8(span_of(text, n))) {
        err_set(err, ERR_FORMAT, "the address holds text that is not UTF-8");
        return NULL;
    }
    return text;
}

static bool part_is_plain(const char *part, Err *err)
{
    if (!*part)
        return err_set(err, ERR_FORMAT, "the path has an empty part: two slashes in a row");
    if (!strcmp(part, ".") || !strcmp(part, ".."))
        return err_set(err, ERR_FORMAT, "the path has a part that is \".\" or \"..\"");
    for (const char *p = part; *p; p++)
        if (*p == '/' || *p == '\\' || (uint8_t)*p < 0x20 || *p == 0x7F)
            return err_set(err, ERR_FORMAT,
                           "a part of the path holds a slash, a backslash or a control character");
    return true;
}

static bool parse_path(Arena *arena, Span path, Url *out, Err *err)
{
    if (path.n == 0 || path.p[0] != '/')
        return err_set(err, ERR_FORMAT, "the address does not begin with a slash");
    Span rest = span_sub(path, 1, SIZE_MAX), raw;
    if (span_ends(rest, SPAN("/")))
        rest.n--;
    const char **parts = arena_alloc(arena, URL_PARTS_MAX * sizeof *parts);
    char *whole = arena_alloc(arena, path.n + 2), *end = whole;
    bool more = rest.n > 0;
    while (span_split(&rest, '/', &raw, &more)) {
        if (out->part_count == URL_PARTS_MAX)
            return err_set(err, ERR_FORMAT, "the path has more than %d parts", URL_PARTS_MAX);
        const char *part = decode(arena, raw, false, err);
        if (!part || !part_is_plain(part, err))
            return false;
        parts[out->part_count++] = part;
        *end++ = '/';
        end = stpcpy(end, part);
    }
    out->path = end == whole ? "/" : whole;
    out->parts = parts;
    return true;
}

static bool parse_query(Arena *arena, Span query, Url *out, Err *err)
{
    size_t count = 1;
    for (size_t i = 0; i < query.n; i++)
        count += query.p[i] == '&';
    if (count > URL_PARAMETERS_MAX)
        return err_set(err, ERR_LIMIT, "the address has more than %d parameters", URL_PARAMETERS_MAX);
    HttpParameter *parameters = arena_alloc(arena, count * sizeof *parameters);
    Span raw;
    bool more = query.n > 0;
    while (span_split(&query, '&', &raw, &more)) {
        if (raw.n == 0)
            continue;
        size_t equals = span_index(raw, '=');
        bool has_value = equals != SIZE_MAX;
        const char *name = decode(arena, has_value ? span_sub(raw, 0, equals) : raw, true, err);
        const char *value = has_value ? decode(arena, span_sub(raw, equals + 1, SIZE_MAX), true, err) : "";
        if (!name || !value)
            return false;
        parameters[out->parameter_count++] = (HttpParameter){name, value};
    }
    out->parameters = parameters;
    return true;
}

/* "http://host:80/x" is "/x" on that host. */
static Span cut_authority(Arena *arena, Span target, Url *out)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (target.n <= n || strncasecmp((const char *)target.p, schemes[i], n) != 0)
            continue;
        Span rest = span_sub(target, n, SIZE_MAX);
        size_t end = 0;
        while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
            end++;
        out->authority = arena_span_cstr(arena, span_sub(rest, 0, end));
        rest = span_sub(rest, end, SIZE_MAX);
        return rest.n && rest.p[0] == '/' ? rest : span_cstr(arena_printf(arena, "/%.*s", SPAN_FMT(rest)));
    }
    return target;
}

bool url_parse(Arena *arena, const char *target, Url *out, Err *err)
{
    *out = (Url){.path = "*", .asterisk = !strcmp(target, "*")};
    if (out->asterisk)
        return true;
    Span s = cut_authority(arena, span_cstr(target), out);
    size_t hash = span_index(s, '#');
    s = span_sub(s, 0, hash);
    size_t mark = span_index(s, '?');
    Span query = {0};
    if (mark != SIZE_MAX)
        query = span_sub(s, mark + 1, SIZE_MAX);
    return parse_path(arena, span_sub(s, 0, mark), out, err) && parse_query(arena, query, out, err);
}
