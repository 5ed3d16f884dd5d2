// SPDX-License-Identifier: MIT
#include "scp/address.h"

#include "base/clock.h"
#include "base/span.h"
#include "net/lookup.h"

#include <arpa/inet.h>
#include <string.h>

bool address_parse(const char *text, struct in6_addr *out)
{
    char plain[64];
    struct in_addr v4;
    if (!span_copy(span_of(text, strcspn(text, "%")), plain, sizeof plain))
        return false;
    if (inet_pton(AF_INET, plain, &v4) != 1)
        return inet_pton(AF_INET6, plain, out) == 1;
    *out = (struct in6_addr){.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
    memcpy(out->s6_addr + 12, &v4, 4);
    return true;
}

bool address_parse_network(const char *text, struct in6_addr *out, unsigned *bits)
{
    char address[64];
    int64_t length;
    size_t slash = strcspn(text, "/");
    if (!text[slash] || !span_copy(span_of(text, slash), address, sizeof address) ||
        !address_parse(address, out))
        return false;
    bool v4 = strchr(address, ':') == NULL;
    if (!span_to_i64(span_cstr(text + slash + 1), 0, v4 ? 32 : 128, &length))
        return false;
    *bits = (unsigned)length + (v4 ? 96 : 0);
    return true;
}

bool address_has_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a->s6_addr, b->s6_addr, whole) != 0)
        return false;
    return !rest || ((a->s6_addr[whole] ^ b->s6_addr[whole]) >> (8 - rest)) == 0;
}

bool address_same(const struct in6_addr *a, const struct in6_addr *b)
{
    static const struct in6_addr loopback4 = {.s6_addr = {[10] = 0xFF, [11] = 0xFF, 127, 0, 0, 1}};
    if (IN6_IS_ADDR_LOOPBACK(a))
        a = &loopback4;
    if (IN6_IS_ADDR_LOOPBACK(b))
        b = &loopback4;
    return IN6_ARE_ADDR_EQUAL(a, b);
}

size_t address_look_up(const char *host, struct in6_addr out[ADDRESS_MAX])
{
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    size_t n = 0;
    if (net_look_up(host, NULL, &hints, deadline_in(ADDRESS_LOOK_UP_MS), NULL, &found) != 0)
        return 0;
    for (const struct addrinfo *a = found; a && n < ADDRESS_MAX; a = a->ai_next) {
        char text[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
            address_parse(text, &out[n]))
            n++;
    }
    freeaddrinfo(found);
    return n;
}
