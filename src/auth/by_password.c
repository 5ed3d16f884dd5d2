// SPDX-License-Identifier: MIT
/*
 * A name and a password. Hashing costs a tenth of a second and 16 MiB: what was right is remembered for some minutes, few passwords are hashed
 * at a time, and who guesses waits. An unknown name takes as long as a known one.
 */
#include "auth/auth_internal.h"

#include "base/cond.h"
#include "base/log.h"

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

static AuthVerdict busy(AuthAnswer *out)
{
    err_set(&out->err, ERR_LIMIT, "too many passwords are being checked; ask again in a moment");
    out->err.http = 503;
    return AUTH_BUSY;
}

AuthVerdict auth_grant(const User *user, AuthAnswer *out)
{
    out->grant = (AuthGrant){.role = user->role};
    span_copy(span_cstr(user->name), out->grant.user, sizeof out->grant.user);
    out->fresh = true;
    return AUTH_GRANTED;
}

AuthVerdict auth_wrong(Auth *auth, const AuthClient *client, const char *what, const char *user,
                       AuthAnswer *out, const char *why)
{
    auth_backoff_failed(auth->backoff, client->address, clock_ms());
    log_warning(client->logger, "a wrong %s client=%s user=%s %s", what, client->address,
                user ? user : "(unknown)", client->what);
    span_copy(span_cstr(user), out->grant.user, sizeof out->grant.user);
    err_set(&out->err, ERR_REFUSED, "%s", why);
    return AUTH_WRONG;
}

static AuthVerdict look(Auth *auth, const AuthClient *client, const Users *users, Span credential,
                        AuthAnswer *out)
{
    const char *colon = memchr(credential.p, ':', credential.n);
    char name[USER_NAME_MAX + 1];
    bool fits =
        span_copy(span_of(credential.p, (size_t)(colon - (const char *)credential.p)), name, sizeof name);
    const User *user = fits ? users_find(users, name) : NULL;
    if (!enter(auth->gate))
        return busy(out);
    bool right = users_password_is(user ? user->password : NULL, colon + 1);
    leave(auth->gate);
    if (right && user)
        return auth_grant(user, out);
    /* A name that nobody has may be a password in the wrong field. */
    return auth_wrong(auth, client, "password", user ? user->name : NULL, out,
                      "the name or the password is wrong");
}

AuthVerdict auth_judge(Auth *auth, const AuthClient *client, const Users *users, Span credential,
                       AuthLook *judge, AuthAnswer *out)
{
    AuthKey key = key_of(auth->passwords, users->generation, credential);
    AuthQuestion question;
    switch (auth_memory_ask(auth->passwords, &key, deadline_in(QUESTION_MS), &question, &out->grant)) {
    case AUTH_KNOWN:
        return AUTH_GRANTED;
    case AUTH_WAITED_TOO_LONG:
        return busy(out);
    case AUTH_FIND_OUT:
        break;
    }
    out->wait_ms = auth_backoff_wait(auth->backoff, client->address, clock_ms());
    AuthVerdict verdict = out->wait_ms > 0 ? AUTH_MUST_WAIT : judge(auth, client, users, credential, out);
    auth_memory_tell(auth->passwords, &question, verdict == AUTH_GRANTED ? &out->grant : NULL, REMEMBER_MS);
    return verdict;
}

AuthVerdict auth_password(Auth *auth, const AuthClient *client, const Users *users, Span credential,
                          AuthAnswer *out)
{
    if (credential.n <= CREDENTIAL_MAX && memchr(credential.p, ':', credential.n) &&
        !memchr(credential.p, 0, credential.n))
        return auth_judge(auth, client, users, credential, look, out);
    err_set(&out->err, ERR_REFUSED, "this is no name and password");
    return AUTH_WRONG;
}
