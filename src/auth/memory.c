// SPDX-License-Identifier: MIT
#include "auth/memory.h"

#include "base/cond.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SETS = 1024, WAYS = 4 };

typedef struct Entry {
    AuthKey key;
    AuthGrant grant;
    int64_t until_ms; /* 0 = free */
} Entry;

struct AuthMemory {
    uint8_t secret[32];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t told;
    AuthQuestion *open;
    Entry entries[SETS][WAYS];
};

AuthMemory *auth_memory_new(void)
{
    AuthMemory *memory = calloc(1, sizeof *memory);
    if (!memory || getrandom(memory->secret, sizeof memory->secret, 0) != sizeof memory->secret)
        abort();
    pthread_mutex_init(&memory->lock, NULL);
    cond_init(&memory->told);
    return memory;
}

void auth_memory_free(AuthMemory *memory)
{
    if (!memory)
        return;
    pthread_cond_destroy(&memory->told);
    pthread_mutex_destroy(&memory->lock);
    OPENSSL_cleanse(memory->secret, sizeof memory->secret);
    free(memory);
}

AuthKey auth_memory_key(const AuthMemory *memory, Span credential)
{
    AuthKey key;
    if (!HMAC(EVP_sha256(), memory->secret, sizeof memory->secret, credential.p, credential.n, key.bytes,
              NULL))
        abort();
    return key;
}

static bool same(const AuthKey *a, const AuthKey *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static Entry *set_of(AuthMemory *memory, const AuthKey *key)
{
    return memory->entries[(key->bytes[0] | key->bytes[1] << 8) % SETS];
}

static bool find(AuthMemory *memory, const AuthKey *key, AuthGrant *out)
{
    Entry *set = set_of(memory, key);
    int64_t now = clock_ms();
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].until_ms > now && same(&set[i].key, key)) {
            *out = set[i].grant;
            return true;
        }
    return false;
}

bool auth_memory_find(AuthMemory *memory, const AuthKey *key, AuthGrant *out)
{
    pthread_mutex_lock(&memory->lock);
    bool found = find(memory, key, out);
    pthread_mutex_unlock(&memory->lock);
    return found;
}

static bool is_open(const AuthMemory *memory, const AuthKey *key)
{
    for (const AuthQuestion *q = memory->open; q; q = q->next)
        if (same(&q->key, key))
            return true;
    return false;
}

AuthAsk auth_memory_ask(AuthMemory *memory, const AuthKey *key, Deadline deadline, AuthQuestion *question,
                        AuthGrant *out)
{
    AuthAsk result = AUTH_FIND_OUT;
    bool waited = false, in_time = true;
    pthread_mutex_lock(&memory->lock);
    while (in_time && !find(memory, key, out) && is_open(memory, key)) {
        waited = true;
        in_time = cond_wait(&memory->told, &memory->lock, deadline);
    }
    if (find(memory, key, out)) {
        result = AUTH_KNOWN;
    } else if (!in_time) {
        result = AUTH_WAITED_TOO_LONG;
    } else {
        /* Who waited in vain asks for itself, beside the others: one after the other would take for ever. */
        *question = (AuthQuestion){.key = *key, .listed = !waited};
        if (question->listed) {
            question->next = memory->open;
            memory->open = question;
        }
    }
    pthread_mutex_unlock(&memory->lock);
    return result;
}

static void keep(AuthMemory *memory, const AuthKey *key, const AuthGrant *grant, int64_t lifetime_ms)
{
    Entry *set = set_of(memory, key), *into = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (same(&set[i].key, key)) {
            into = &set[i];
            break;
        }
        if (set[i].until_ms < into->until_ms)
            into = &set[i];
    }
    *into = (Entry){.key = *key, .grant = *grant, .until_ms = clock_ms() + lifetime_ms};
}

void auth_memory_tell(AuthMemory *memory, AuthQuestion *question, const AuthGrant *grant, int64_t lifetime_ms)
{
    pthread_mutex_lock(&memory->lock);
    if (question->listed)
        for (AuthQuestion **at = &memory->open; *at; at = &(*at)->next)
            if (*at == question) {
                *at = question->next;
                break;
            }
    if (grant && lifetime_ms > 0)
        keep(memory, &question->key, grant, lifetime_ms);
    pthread_cond_broadcast(&memory->told);
    pthread_mutex_unlock(&memory->lock);
}
