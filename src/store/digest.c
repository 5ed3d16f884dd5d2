// SPDX-License-Identifier: MIT
/*
 * The digests of an object. A large piece is digested by a helper while the caller writes it to the disk: either takes about as long, and whoever waits for the disk leaves a processor
 * idle. Where no helper is free, the caller does it himself. Where many objects are written at once no processor is idle, and each byte is digested as it comes, while it is in the cache
 * (64 objects of store requests: 8 % less of the processor).
 */
#include "base/cond.h"
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BESIDE_FROM = 128 << 10, MOST_HELPERS = 8, CROWD = 4 /* objects for each helper */ };

int digesters_most(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : processors < MOST_HELPERS ? (int)processors : MOST_HELPERS;
}

void digest_begin(Digesting *d, Store *store)
{
    *d = (Digesting){.store = store, .sha = EVP_MD_CTX_new(), .content = XXH3_createState()};
    if (!d->sha || !d->content || !EVP_DigestInit_ex(d->sha, store->sha256, NULL))
        abort();
    XXH3_128bits_reset(d->content);
    d->at_once = atomic_fetch_add(&store->digestings, 1) >= CROWD * store->digesters_most;
    pthread_mutex_init(&d->lock, NULL);
    cond_init(&d->changed);
}

void digest_free(Digesting *d)
{
    if (!d->sha)
        return;
    digest_await(d);
    atomic_fetch_sub(&d->store->digestings, 1);
    EVP_MD_CTX_free(d->sha);
    XXH3_freeState(d->content);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
}

static void digest(Digesting *d, Span bytes)
{
    EVP_DigestUpdate(d->sha, bytes.p, bytes.n);
    uint64_t skip = d->content_from > d->at ? d->content_from - d->at : 0;
    if (skip < bytes.n)
        XXH3_128bits_update(d->content, bytes.p + skip, bytes.n - skip);
    d->at += bytes.n;
}

static void help(void *ctx, void *item)
{
    Store *store = ctx;
    Digesting *d = item;
    digest(d, d->piece);
    atomic_fetch_add(&store->idle_digesters, 1); /* before: who waits for this piece has the next */
    pthread_mutex_lock(&d->lock);
    d->busy = false;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock); /* the object may be gone from here on */
}

/* Made when they are first wanted: most programs only read. NULL when no thread can be had. */
static Pool *helpers(Store *store)
{
    pthread_mutex_lock(&store->known_lock);
    if (!store->digesters) {
        int n = store->digesters_most;
        store->digesters = pool_try((size_t)n, (size_t)n, help, store);
        atomic_store(&store->idle_digesters, store->digesters ? n : 0);
    }
    Pool *pool = store->digesters;
    pthread_mutex_unlock(&store->known_lock);
    return pool;
}

static bool find_helper(Digesting *d)
{
    Store *store = d->store;
    Pool *pool = helpers(store);
    int idle = atomic_load(&store->idle_digesters);
    while (idle > 0 && !atomic_compare_exchange_weak(&store->idle_digesters, &idle, idle - 1))
        ;
    if (idle <= 0)
        return false;
    d->busy = true; /* the queue's lock is between this and the helper */
    if (pool_put(pool, d, deadline_in(0)))
        return true;
    d->busy = false;
    atomic_fetch_add(&store->idle_digesters, 1);
    return false;
}

void digest_bytes(Digesting *d, Span bytes)
{
    if (d->at_once)
        digest(d, bytes);
}

void digest_piece(Digesting *d, Span bytes)
{
    if (d->at_once)
        return;
    digest_await(d);
    d->piece = bytes;
    if (bytes.n < BESIDE_FROM || !find_helper(d))
        digest(d, bytes);
}

bool digest_is_busy(Digesting *d)
{
    pthread_mutex_lock(&d->lock);
    bool busy = d->busy;
    pthread_mutex_unlock(&d->lock);
    return busy;
}

void digest_await(Digesting *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->busy)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

void digest_mark_content(Digesting *d, uint64_t from)
{
    digest_await(d);
    XXH3_128bits_reset(d->content);
    d->content_from = from;
}

void digest_end(Digesting *d, StoreDigest *out)
{
    unsigned n = 0;
    XXH128_canonical_t canonical;
    digest_await(d);
    out->size = d->at;
    EVP_DigestFinal_ex(d->sha, out->sha256, &n);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(d->content));
    memcpy(out->content, canonical.digest, sizeof out->content);
}
