// SPDX-License-Identifier: MIT
/*
 * A name and a password, RFC 7617. Hashing costs a tenth of a second and 16 MiB: what was right is remembered for some minutes, few passwords are hashed
 * at a time, and who guesses waits. An unknown name takes as long as a known one.
 */
#include "web/auth_internal.h"

#include "base/cond.h"
#include "base/log.h"
#include "dicom/json_value.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASHING = 2,
    GATE_MS = 5000,
    REMEMBER_MS = 5 * 60 * 1000,
    CREDENTIAL_MAX = USER_NAME_MAX + 1 + USER_PASSWORD_MAX
};

struct PasswordGate {
    pthread_mutex_t lock; /* guards `inside` */
    pthread_cond_t left;
    unsigned inside;
};

struct PasswordGate *password_gate_new(void)
{
    struct PasswordGate *gate = calloc(1, sizeof *gate);
    if (!gate)
        abort();
    pthread_mutex_init(&gate->lock, NULL);
    cond_init(&gate->left);
    return gate;
}

void password_gate_free(struct PasswordGate *gate)
{
    if (!gate)
        return;
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

static bool enter(struct PasswordGate *gate)
{
    Deadline deadline = deadline_in(GATE_MS);
    bool in_time = true;
    pthread_mutex_lock(&gate->lock);
    while (gate->inside >= HASHING && in_time)
        in_time = cond_wait(&gate->left, &gate->lock, deadline);
    bool entered = gate->inside < HASHING;
    gate->inside += entered;
    pthread_mutex_unlock(&gate->lock);
    return entered;
}

static void leave(struct PasswordGate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->inside--;
    pthread_cond_signal(&gate->left);
    pthread_mutex_unlock(&gate->lock);
}

/* "name:password", wiped by the caller; false when it is not that. */
static bool decode(Span encoded, Buf *out)
{
    if (!json_value_base64(out, encoded) || out->failed || memchr(out->p ? out->p : (uint8_t *)"", 0, out->n))
        return false;
    return strchr(buf_cstr(out), ':') != NULL;
}

/* A change of the users makes other keys, so that nothing old is remembered. */
static AuthKey key_of(const AuthMemory *memory, unsigned long generation, Span credential)
{
    uint8_t text[sizeof generation + CREDENTIAL_MAX];
    memcpy(text, &generation, sizeof generation);
    memcpy(text + sizeof generation, credential.p, credential.n);
    AuthKey key = auth_memory_key(memory, span_of(text, sizeof generation + credential.n));
    OPENSSL_cleanse(text, sizeof text);
    return key;
}

static void busy(HttpExchange *x)
{
    http_header(x, "Retry-After", "2");
    http_refuse(x, 503, "too many passwords are being checked; ask again in a moment");
}

static bool must_wait(Auth *auth, HttpExchange *x)
{
    int64_t wait = auth_backoff_wait(auth->backoff, http_client(x), clock_ms());
    if (wait <= 0)
        return false;
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)(wait + 999) / 1000);
    http_header(x, "Retry-After", seconds);
    http_refuse(x, 429, "too many wrong passwords or tokens came from this address; wait %s s", seconds);
    return true;
}

void auth_wrong(Auth *auth, HttpExchange *x, const char *what, const char *user)
{
    auth_backoff_failed(auth->backoff, http_client(x), clock_ms());
    log_warning("api_dicomweb", "a wrong %s client=%s user=%s request=%lu", what, http_client(x),
                user ? user : "(unknown)", http_number(x));
}

/* "name:password", of a Buf that is wiped and ends in NUL. */
static bool look(Auth *auth, HttpExchange *x, const Users *users, Span credential, AuthGrant *out)
{
    char *text = (char *)(uintptr_t)credential.p, *colon = strchr(text, ':');
    *colon = 0;
    const User *user = users_find(users, text);
    if (!enter(auth->gate)) {
        busy(x);
        return false;
    }
    bool right = users_password_is(user ? user->password : NULL, colon + 1);
    leave(auth->gate);
    if (right && user) {
        *out = (AuthGrant){.role = user->role};
        span_copy(span_cstr(user->name), out->user, sizeof out->user);
        return true;
    }
    /* A name that nobody has may be a password in the wrong field. */
    auth_wrong(auth, x, "password", user ? user->name : NULL);
    auth_challenge(auth, x, users, "the name or the password is wrong");
    return false;
}

bool auth_judge(Auth *auth, HttpExchange *x, const Users *users, Span credential, AuthLook *judge,
                AuthGrant *out)
{
    AuthKey key = key_of(auth->passwords, users->generation, credential);
    AuthQuestion question;
    switch (auth_memory_ask(auth->passwords, &key, deadline_in(QUESTION_MS), &question, out)) {
    case AUTH_KNOWN:
        return true;
    case AUTH_WAITED_TOO_LONG:
        busy(x);
        return false;
    case AUTH_FIND_OUT:
        break;
    }
    bool right = !must_wait(auth, x) && judge(auth, x, users, credential, out);
    auth_memory_tell(auth->passwords, &question, right ? out : NULL, REMEMBER_MS);
    return right;
}

bool auth_password(Auth *auth, HttpExchange *x, const Users *users, Span encoded, AuthGrant *out)
{
    Buf credential;
    buf_init(&credential, CREDENTIAL_MAX);
    bool right = false;
    if (decode(encoded, &credential))
        right = auth_judge(auth, x, users, buf_span(&credential), look, out);
    else
        auth_challenge(auth, x, users, "what follows Basic is no name and password");
    if (credential.p)
        OPENSSL_cleanse(credential.p, credential.capacity);
    buf_free(&credential);
    return right;
}
