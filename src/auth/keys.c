// SPDX-License-Identifier: MIT
#include "auth/keys.h"

#include "base/cond.h"
#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
    REFRESH_MS = 10 * 60 * 1000,
    RETRY_MS = 10 * 1000,
    STALE_MS = 24 * 60 * 60 * 1000,
    FILE_MAX = 1024 * 1024
};

struct AuthKeySet {
    JwtKeys *keys;
    unsigned references;
};

struct AuthKeys {
    const AuthJwt *settings;
    Fetcher *fetcher;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t fetched;
    AuthKeySet *current;
    bool fetching, tried;
    int64_t tried_ms, got_ms;
    struct stat seen; /* of the file */
};

static void drop(AuthKeySet *set)
{
    if (!set || --set->references > 0)
        return;
    jwt_keys_free(set->keys);
    free(set);
}

static void put(AuthKeys *keys, JwtKeys *fresh)
{
    AuthKeySet *set = calloc(1, sizeof *set);
    if (!set)
        abort();
    *set = (AuthKeySet){fresh, 1};
    drop(keys->current);
    keys->current = set;
    keys->got_ms = clock_ms();
}

/* -- a file -- */

static JwtKeys *read_file(const char *path, Err *err)
{
    Buf text;
    buf_init(&text, FILE_MAX);
    JwtKeys *read = NULL;
    if (file_read_all(path, FILE_MAX, &text, err) && !(read = jwt_keys_read(buf_span(&text), err)))
        err_wrap(err, "api.auth.jwt_keys_file %s", path);
    buf_free(&text);
    return read;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* With the lock held. */
static void look_at_file(AuthKeys *keys)
{
    struct stat now;
    Err err = {0};
    if (stat(keys->settings->keys_file, &now) != 0 || same_file(&now, &keys->seen))
        return;
    keys->seen = now;
    JwtKeys *fresh = read_file(keys->settings->keys_file, &err);
    if (fresh)
        put(keys, fresh);
    else
        log_error("api_dicomweb", "the keys for tokens are those of before: %s", err.text);
}

/* -- an address -- */

static JwtKeys *fetch_keys(const AuthKeys *keys, Err *err)
{
    FetchAnswer answer;
    JwtKeys *read = NULL;
    if (fetch(keys->fetcher, keys->settings->keys_url, NULL, (Span){0}, &answer, err)) {
        if (answer.status != 200)
            err_set(err, ERR_REFUSED, "the answer has status %u", answer.status);
        else if (answer.cut)
            err_set(err, ERR_LIMIT, "the set is longer than %d KiB", FETCH_BODY_MAX / 1024);
        else
            read = jwt_keys_read(buf_span(&answer.body), err);
    }
    buf_free(&answer.body);
    return read;
}

/* With the lock held, which is given away meanwhile. */
static void ask(AuthKeys *keys)
{
    Err err = {0};
    keys->fetching = keys->tried = true;
    keys->tried_ms = clock_ms();
    pthread_mutex_unlock(&keys->lock);
    JwtKeys *fresh = fetch_keys(keys, &err);
    if (fresh)
        log_info("api_dicomweb", "the keys for tokens were fetched: %zu", jwt_keys_count(fresh));
    else
        log_error("api_dicomweb", "the keys for tokens (api.auth.jwt_keys_url) cannot be fetched: %s",
                  err.text);
    pthread_mutex_lock(&keys->lock);
    if (fresh)
        put(keys, fresh);
    keys->fetching = false;
    pthread_cond_broadcast(&keys->fetched);
}

/* With the lock held. */
static void look_at_address(AuthKeys *keys, const AuthKeySet *missed)
{
    int64_t now = clock_ms();
    bool need = !keys->current || keys->current == missed;
    bool wanted = need || now - keys->got_ms > REFRESH_MS;
    if (wanted && !keys->fetching && (!keys->tried || now - keys->tried_ms >= RETRY_MS))
        ask(keys);
    Deadline deadline = deadline_in(2 * FETCH_MS);
    bool in_time = true;
    while (need && keys->fetching && in_time)
        in_time = cond_wait(&keys->fetched, &keys->lock, deadline);
    if (keys->current && clock_ms() - keys->got_ms > STALE_MS) {
        drop(keys->current);
        keys->current = NULL;
    }
}

/* -- all of them -- */

/* Over plain http anybody on the way could put in a key of their own. */
static bool check_url(const char *url, Err *err)
{
    static const char *const here[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    bool ok = !strncasecmp(url, "https://", 8);
    for (size_t i = 0; i < sizeof here / sizeof *here && !ok; i++) {
        size_t n = strlen(here[i]);
        ok = !strncasecmp(url, here[i], n) && (url[n] == ':' || url[n] == '/') &&
             !memchr(url + n, '@', strcspn(url + n, "/?#"));
    }
    return ok ||
           err_set(err, ERR_USAGE,
                   "api.auth.jwt_keys_url must begin with https://: whoever can change the keys on their way "
                   "can make tokens");
}

static bool load_first(AuthKeys *keys, Err *err)
{
    const AuthJwt *s = keys->settings;
    if (s->keys_url)
        return check_url(s->keys_url, err);
    if (s->keys_file && stat(s->keys_file, &keys->seen) != 0)
        memset(&keys->seen, 0, sizeof keys->seen);
    JwtKeys *first = s->keys_file ? read_file(s->keys_file, err) : jwt_keys_secret(span_cstr(s->secret), err);
    if (!first)
        return s->keys_file ? false : err_wrap(err, "api.auth.jwt_secret");
    put(keys, first);
    return true;
}

AuthKeys *auth_keys_open(const AuthJwt *settings, Fetcher *fetcher, Err *err)
{
    AuthKeys *keys = calloc(1, sizeof *keys);
    if (!keys)
        abort();
    keys->settings = settings;
    keys->fetcher = fetcher;
    pthread_mutex_init(&keys->lock, NULL);
    cond_init(&keys->fetched);
    if (load_first(keys, err))
        return keys;
    auth_keys_close(keys);
    return NULL;
}

void auth_keys_close(AuthKeys *keys)
{
    if (!keys)
        return;
    drop(keys->current);
    pthread_cond_destroy(&keys->fetched);
    pthread_mutex_destroy(&keys->lock);
    free(keys);
}

AuthKeySet *auth_keys_now(AuthKeys *keys, const AuthKeySet *missed, Err *err)
{
    pthread_mutex_lock(&keys->lock);
    if (keys->settings->keys_file)
        look_at_file(keys);
    else if (keys->settings->keys_url)
        look_at_address(keys, missed);
    AuthKeySet *set = keys->current;
    if (set)
        set->references++;
    pthread_mutex_unlock(&keys->lock);
    if (set)
        return set;
    err_set(err, ERR_REFUSED,
            "the keys that tokens are signed with could not be fetched yet; ask again in a moment");
    if (err)
        err->http = 503;
    return NULL;
}

void auth_keys_done(AuthKeys *keys, AuthKeySet *set)
{
    pthread_mutex_lock(&keys->lock);
    drop(set);
    pthread_mutex_unlock(&keys->lock);
}

const JwtKeys *auth_keys_of(const AuthKeySet *set)
{
    return set->keys;
}
