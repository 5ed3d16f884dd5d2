// SPDX-License-Identifier: MIT
#include "web/http_forwarded.h"

#include "base/span.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* An address as 16 bytes, IPv4 mapped into IPv6. */
static bool address_bytes(const char *text, uint8_t out[16], bool *v4)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    memcpy(out, mapped, 12);
    *v4 = inet_pton(AF_INET, text, out + 12) == 1;
    if (*v4)
        return true;
    if (inet_pton(AF_INET6, text, out) != 1)
        return false;
    *v4 = memcmp(out, mapped, 12) == 0;
    return true;
}

static bool in_network(const char *address, const char *network)
{
    char text[64];
    Span rest = span_cstr(network);
    size_t slash = span_index(rest, '/');
    uint8_t a[16], n[16];
    bool a4, n4;
    if (!span_copy(span_sub(rest, 0, slash), text, sizeof text) || !address_bytes(text, n, &n4) ||
        !address_bytes(address, a, &a4) || a4 != n4)
        return false;
    int64_t bits = 128;
    if (slash != SIZE_MAX) {
        if (!span_to_i64(span_sub(rest, slash + 1, SIZE_MAX), 0, n4 ? 32 : 128, &bits))
            return false;
        bits += n4 ? 96 : 0;
    }
    for (size_t i = 0; i < 16; i++, bits -= 8) {
        uint8_t mask = bits >= 8 ? 0xFF : bits <= 0 ? 0 : (uint8_t)(0xFF << (8 - bits));
        if ((a[i] ^ n[i]) & mask)
            return false;
    }
    return true;
}

bool forwarded_listed(const char *address, const char *const *list)
{
    for (; list && *list; list++)
        if (!strcmp(*list, "*") || !strcmp(*list, address) || in_network(address, *list))
            return true;
    return false;
}

static bool is_host_character(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("-._:[]", c) != NULL);
}

static bool is_host(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_host_character(s.p[i]))
            return false;
    return s.n > 0 && s.n <= 255 + 6;
}

const char *host_name(Arena *arena, const char *header)
{
    Span s = span_trim(span_cstr(header));
    if (!is_host(s))
        return NULL;
    if (s.p[0] == '[') {
        size_t end = span_index(s, ']');
        if (end == SIZE_MAX)
            return NULL;
        s = span_sub(s, 1, end - 1);
    } else {
        s = span_sub(s, 0, span_index(s, ':'));
    }
    if (s.n > 1 && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0)
        return NULL;
    char *name = arena_span_cstr(arena, s);
    for (char *p = name; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
    return name;
}

bool host_allowed(const char *name, const char *const *allowed)
{
    if (!allowed)
        return true;
    size_t n = strlen(name);
    for (; *allowed; allowed++) {
        const char *one = *allowed;
        size_t k = strlen(one);
        if (!strcmp(one, "*") || !strcasecmp(one, name))
            return true;
        if (one[0] == '.' && (!strcasecmp(one + 1, name) || (n > k && !strcasecmp(name + n - k, one))))
            return true;
    }
    return false;
}

/* An address as proxies write it: "1.2.3.4", "1.2.3.4:567", "[2001:db8::1]:567", "2001:db8::1". NULL for anything else ("unknown", "_hidden"). */
static const char *plain_address(Arena *arena, Span s)
{
    s = span_trim(s);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = span_sub(s, 1, s.n - 2);
    size_t colon = span_index(s, ':');
    if (s.n && s.p[0] == '[')
        s = span_sub(s, 1, span_index(s, ']') - 1);
    else if (colon != SIZE_MAX && span_index(span_sub(s, colon + 1, SIZE_MAX), ':') == SIZE_MAX)
        s = span_sub(s, 0, colon);
    uint8_t bytes[16];
    bool v4;
    const char *text = s.n < 64 ? arena_span_cstr(arena, s) : "";
    return address_bytes(text, bytes, &v4) ? text : NULL;
}

/* What one element of a Forwarded header says of `name`: "for=…;proto=https;host=x". Empty when nothing. */
static Span parameter_of(Span element, const char *name)
{
    Span one;
    bool more = true;
    while (span_split(&element, ';', &one, &more)) {
        one = span_trim(one);
        size_t equals = span_index(one, '=');
        if (equals == SIZE_MAX || !span_eq_nocase(span_sub(one, 0, equals), span_cstr(name)))
            continue;
        Span value = span_sub(one, equals + 1, SIZE_MAX);
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = span_sub(value, 1, value.n - 2);
        return value;
    }
    return (Span){0};
}

/* Cuts the last element off a list. */
static bool last_element(Span *list, Span *out)
{
    if (list->n == 0)
        return false;
    size_t comma = list->n;
    while (comma > 0 && list->p[comma - 1] != ',')
        comma--;
    *out = span_trim(span_sub(*list, comma, SIZE_MAX));
    *list = span_sub(*list, 0, comma ? comma - 1 : 0);
    return true;
}

/* What was found so far, as spans of the headers. */
typedef struct Seen {
    const char *client;
    Span proto, host, port, prefix;
} Seen;

static void read_forwarded(Arena *arena, const char *header, const char *const *proxies, Seen *seen)
{
    Span list = span_cstr(header), element;
    while (forwarded_listed(seen->client, proxies) && last_element(&list, &element)) {
        Span proto = parameter_of(element, "proto"), host = parameter_of(element, "host");
        if (proto.n)
            seen->proto = proto;
        if (host.n)
            seen->host = host;
        const char *client = plain_address(arena, parameter_of(element, "for"));
        if (!client)
            return;
        seen->client = client;
    }
}

/* The nearest proxy's word on a list that each one may have added to. */
static Span last_of(const char *header)
{
    Span list = span_cstr(header), element = {0};
    last_element(&list, &element);
    return element;
}

static void read_x_forwarded(Arena *arena, const ForwardedHeaders *h, const char *const *proxies, Seen *seen)
{
    Span list = span_cstr(h->x_for), element;
    while (forwarded_listed(seen->client, proxies) && last_element(&list, &element)) {
        const char *client = plain_address(arena, element);
        if (!client)
            break;
        seen->client = client;
    }
    seen->proto = last_of(h->x_proto);
    seen->host = last_of(h->x_host);
    seen->port = last_of(h->x_port);
    seen->prefix = last_of(h->x_prefix);
}

static bool is_prefix(Span s)
{
    if (s.n < 2 || s.n > 255 || s.p[0] != '/')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_host_character(s.p[i]) && s.p[i] != '/' && s.p[i] != '~')
            return false;
    return true;
}

static bool is_port(Span s)
{
    int64_t n;
    return span_to_i64(s, 1, 65535, &n);
}

void forwarded_read(Arena *arena, const ForwardedHeaders *h, const char *peer, bool tls,
                    const char *const *proxies, const char *root, Forwarded *out)
{
    Seen seen = {.client = peer};
    if (forwarded_listed(peer, proxies)) {
        if (h->forwarded)
            read_forwarded(arena, h->forwarded, proxies, &seen);
        else
            read_x_forwarded(arena, h, proxies, &seen);
    }
    const char *scheme = span_eq_nocase(seen.proto, SPAN("https"))  ? "https"
                         : span_eq_nocase(seen.proto, SPAN("http")) ? "http"
                         : tls                                      ? "https"
                                                                    : "http";
    Span host = is_host(seen.host) ? seen.host : span_trim(span_cstr(h->host));
    if (!is_host(host))
        host = SPAN("localhost");
    bool has_port = host.p[host.n - 1] != ']' && span_index(host, ':') != SIZE_MAX;
    const char *port =
        !has_port && is_port(seen.port) ? arena_printf(arena, ":%.*s", SPAN_FMT(span_trim(seen.port))) : "";
    bool own_port = !strcmp(port, !strcmp(scheme, "https") ? ":443" : ":80");
    Span prefix = is_prefix(seen.prefix) ? seen.prefix : span_cstr(root ? root : "");
    if (span_ends(prefix, SPAN("/")))
        prefix.n--;
    *out = (Forwarded){.client = seen.client,
                       .base_url = arena_printf(arena, "%s://%.*s%s%.*s", scheme, SPAN_FMT(host),
                                                own_port ? "" : port, SPAN_FMT(prefix))};
}
