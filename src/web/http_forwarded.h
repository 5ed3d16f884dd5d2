// SPDX-License-Identifier: MIT
/*
 * Who asks, and under which name: Host, and behind a proxy that is trusted Forwarded (RFC 7239) or X-Forwarded-*. Pure functions.
 *
 * Proxies append: what stands last was written by the nearest one. From there on addresses are believed for as long as each is that of a trusted proxy.
 */
#ifndef GANTRY_WEB_HTTP_FORWARDED_H
#define GANTRY_WEB_HTTP_FORWARDED_H

#include "base/arena.h"

#include <stdbool.h>

/* The headers of the request; NULL = absent. */
typedef struct ForwardedHeaders {
    const char *host, *forwarded, *x_for, *x_proto, *x_host, *x_port, *x_prefix;
} ForwardedHeaders;

typedef struct Forwarded {
    const char *client;   /* an address */
    const char *base_url; /* "https://host:8443/root" */
} Forwarded;

/* `proxies` are addresses or networks ("10.0.0.0/8"), ended by NULL; NULL = none. `root` goes behind the host. */
void forwarded_read(Arena *arena, const ForwardedHeaders *headers, const char *peer, bool tls,
                    const char *const *proxies, const char *root, Forwarded *out);
/* Is the address one of the list, or in a network of it? "*" is any. */
bool forwarded_listed(const char *address, const char *const *list);

/* The host of a Host header without its port, lower case, brackets of IPv6 taken off; NULL when it is not a host. */
const char *host_name(Arena *arena, const char *header);
/* Is a host allowed? "*" is any, ".example.org" the domain and what is below it. NULL list: any. */
bool host_allowed(const char *name, const char *const *allowed);

#endif
