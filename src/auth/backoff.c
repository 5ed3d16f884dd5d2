// SPDX-License-Identifier: MIT
#include "auth/backoff.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    CLIENTS = 1024,
    PROBES = 8,
    FREE_FAILURES = 4, /* people mistype */
    FIRST_MS = 1000,
    LONGEST_MS = 60 * 1000,
    FORGET_MS = 15 * 60 * 1000
};

typedef struct Client {
    char name[64]; /* "" = free */
    unsigned failures;
    int64_t until_ms, last_ms;
} Client;

struct AuthBackoff {
    pthread_mutex_t lock; /* guards the clients */
    Client clients[CLIENTS];
};

AuthBackoff *auth_backoff_new(void)
{
    AuthBackoff *backoff = calloc(1, sizeof *backoff);
    if (!backoff)
        abort();
    pthread_mutex_init(&backoff->lock, NULL);
    return backoff;
}

void auth_backoff_free(AuthBackoff *backoff)
{
    if (!backoff)
        return;
    pthread_mutex_destroy(&backoff->lock);
    free(backoff);
}

static void name_of(const char *client, char out[64])
{
    struct in6_addr v6;
    memset(out, 0, 64);
    if (inet_pton(AF_INET6, client, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6)) {
        memset(v6.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &v6, out, 64);
    } else {
        memcpy(out, client, strnlen(client, 63));
    }
}

/* The client's place; with `make` that of the longest silent one, emptied, when it has none. */
static Client *place(AuthBackoff *backoff, const char *client, int64_t now, bool make)
{
    char name[64];
    name_of(client, name);
    size_t at = (size_t)XXH3_64bits(name, strlen(name));
    Client *oldest = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        Client *one = &backoff->clients[(at + i) % CLIENTS];
        if (one->name[0] && now - one->last_ms > FORGET_MS)
            memset(one, 0, sizeof *one);
        if (!strcmp(one->name, name))
            return one;
        if (!oldest || !one->name[0] || (oldest->name[0] && one->last_ms < oldest->last_ms))
            oldest = one;
    }
    if (!make)
        return NULL;
    memset(oldest, 0, sizeof *oldest);
    memcpy(oldest->name, name, sizeof name);
    return oldest;
}

int64_t auth_backoff_wait(AuthBackoff *backoff, const char *client, int64_t now)
{
    pthread_mutex_lock(&backoff->lock);
    const Client *one = place(backoff, client, now, false);
    int64_t wait = one && one->until_ms > now ? one->until_ms - now : 0;
    pthread_mutex_unlock(&backoff->lock);
    return wait;
}

void auth_backoff_failed(AuthBackoff *backoff, const char *client, int64_t now)
{
    pthread_mutex_lock(&backoff->lock);
    Client *one = place(backoff, client, now, true);
    one->failures++;
    one->last_ms = now;
    if (one->failures > FREE_FAILURES) {
        unsigned doubled = one->failures - FREE_FAILURES - 1;
        int64_t wait = doubled < 6 ? (int64_t)FIRST_MS << doubled : LONGEST_MS;
        one->until_ms = now + (wait < LONGEST_MS ? wait : LONGEST_MS);
    }
    pthread_mutex_unlock(&backoff->lock);
}
