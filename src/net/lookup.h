// SPDX-License-Identifier: MIT
/* Names to addresses, with a deadline: getaddrinfo(3) has none, and a name server that is silent may keep it for a minute. */
#ifndef GANTRY_NET_LOOKUP_H
#define GANTRY_NET_LOOKUP_H

#include "base/clock.h"

#include <netdb.h>
#include <stdatomic.h>

/*
 * As getaddrinfo(3). EAI_AGAIN when nobody answered before the deadline, `cancelled` (may be NULL) became true, or too many look-ups hang
 * already. Addresses in numbers never wait. What is found is freed by freeaddrinfo. Thread-safe.
 */
int net_look_up(const char *host, const char *service, const struct addrinfo *hints, Deadline deadline,
                const atomic_bool *cancelled, struct addrinfo **found);

#endif
