// SPDX-License-Identifier: MIT
#include "scp/identity.h"

#include "scp/association.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

enum { BY_NAME = 1, BY_NAME_AND_PASSCODE = 2, BY_KERBEROS = 3, BY_SAML = 4, BY_TOKEN = 5 };

static bool refuse(NetReject *reject, bool for_now, const char *what, char why[PEER_WHY])
{
    *reject = for_now ? (NetReject){NET_REJECT_TRANSIENT, NET_REJECT_BY_PRESENTATION, NET_REJECT_CONGESTION}
                      : (NetReject){NET_REJECT_PERMANENT, NET_REJECT_BY_USER, NET_REJECT_NO_REASON};
    snprintf(why, PEER_WHY, "%s", what);
    return false;
}

static bool refuse_all_but(const ScpSettings *s, const char *what, NetReject *reject, char why[PEER_WHY])
{
    char text[PEER_WHY];
    if (s->identities != SCP_IDENTITY_REQUIRE)
        return true;
    snprintf(text, sizeof text, "%s; user_identity: require wants a name with a passcode, or a token", what);
    return refuse(reject, false, text, why);
}

/* -- who proves it -- */

static AuthVerdict judge_passcode(Auth *auth, const AuthClient *client, const Users *users,
                                  const NetIdentity *given, AuthAnswer *out)
{
    char credential[USER_NAME_MAX + 1 + USER_PASSWORD_MAX + 1];
    size_t name = given->primary.n, passcode = given->secondary.n;
    if (!name || name > USER_NAME_MAX || passcode > USER_PASSWORD_MAX ||
        memchr(given->primary.p, ':', name)) {
        err_set(&out->err, ERR_REFUSED, "this is no name and password");
        return AUTH_WRONG;
    }
    memcpy(credential, given->primary.p, name);
    credential[name] = ':';
    if (passcode)
        memcpy(credential + name + 1, given->secondary.p, passcode);
    credential[name + 1 + passcode] = 0;
    AuthVerdict verdict = auth_password(auth, client, users, span_of(credential, name + 1 + passcode), out);
    OPENSSL_cleanse(credential, sizeof credential);
    return verdict;
}

static unsigned services_of(UserRole role)
{
    return role >= USER_WRITE ? SCP_EVERY_SERVICE : role == USER_READ ? SCP_EVERY_SERVICE & ~SCP_STORE : 0u;
}

static bool take(const AuthGrant *grant, ScpIdentity *out, NetReject *reject, char why[PEER_WHY])
{
    char text[PEER_WHY];
    memcpy(out->user, grant->user, sizeof out->user);
    out->role = grant->role;
    out->services = services_of(grant->role);
    out->proven = out->services != 0;
    if (out->proven)
        return true;
    snprintf(text, sizeof text, "the user %s has no role here", out->user);
    return refuse(reject, false, text, why);
}

static bool prove(const ScpSettings *s, const NetIdentity *given, NetAddress from, ScpIdentity *out,
                  NetReject *reject, char why[PEER_WHY])
{
    AuthClient client = {SCP_LOG_ACCESS, from.host, "by a user identity"};
    AuthAnswer said = {.wait_ms = 0};
    const Users *users = auth_users(s->auth);
    AuthVerdict verdict = given->type == BY_TOKEN ? auth_token(s->auth, &client, users, given->primary, &said)
                                                  : judge_passcode(s->auth, &client, users, given, &said);
    auth_done(s->auth, users);
    auth_answer_free(&said);
    switch (verdict) {
    case AUTH_GRANTED:
        return take(&said.grant, out, reject, why);
    case AUTH_WRONG:
        return refuse(reject, false, said.err.text, why);
    case AUTH_JUDGED:
        return refuse(reject, false, "the server that judges tokens does not accept this one", why);
    case AUTH_MUST_WAIT:
        return refuse(reject, true, "too many wrong passwords or tokens came from this address", why);
    case AUTH_BUSY:
    case AUTH_AWAY:
        return refuse(reject, true, said.err.text, why);
    }
    return refuse(reject, false, "it is not accepted", why);
}

/* -- who only says so -- */

/* A name from outside that goes into the log. */
static void note(Span name, ScpIdentity *out)
{
    span_copy(name, out->user, sizeof out->user);
    for (char *p = out->user; *p; p++)
        if (*p <= ' ' || *p > '~')
            *p = '?';
}

bool identity_judge(const ScpSettings *s, const NetAssociate *request, NetAddress from, ScpIdentity *out,
                    NetReject *reject, char why[PEER_WHY])
{
    const NetIdentity *given = &request->identity;
    *out = (ScpIdentity){.services = SCP_EVERY_SERVICE};
    if (s->identities == SCP_IDENTITY_OFF)
        return true;
    if (!request->has_identity)
        return refuse_all_but(s, "it gave no user identity", reject, why);
    switch (given->type) {
    case BY_NAME:
        note(given->primary, out);
        return refuse_all_but(s, "its user identity is a name alone", reject, why);
    case BY_NAME_AND_PASSCODE:
    case BY_TOKEN:
        return prove(s, given, from, out, reject, why);
    case BY_KERBEROS:
    case BY_SAML:
    default:
        return refuse_all_but(s, "its kind of user identity (Kerberos, SAML) is not known here", reject, why);
    }
}
