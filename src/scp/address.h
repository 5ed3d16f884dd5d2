// SPDX-License-Identifier: MIT
/* Addresses and networks as white lists write them. Both families are one: IPv4 is IPv4-mapped IPv6. Pure, but for address_look_up. */
#ifndef GANTRY_SCP_ADDRESS_H
#define GANTRY_SCP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum { ADDRESS_MAX = 8, ADDRESS_LOOK_UP_MS = 3000 };

/* "192.168.7.1", "fd00::1", "fe80::1%eth0" (the zone is passed over). */
bool address_parse(const char *text, struct in6_addr *out);
/* "192.168.7.0/24", "fd00::/8"; *bits of the 128. */
bool address_parse_network(const char *text, struct in6_addr *out, unsigned *bits);
bool address_has_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits);
/* ::1 and 127.0.0.1 are one machine: this one. */
bool address_same(const struct in6_addr *a, const struct in6_addr *b);
/* The addresses of a name; 0 when there are none, or nobody said in time. */
size_t address_look_up(const char *host, struct in6_addr out[ADDRESS_MAX]);

#endif
