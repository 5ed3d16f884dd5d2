// SPDX-License-Identifier: MIT
#include "cli/secure.h"

#include "base/file.h"
#include "cli/secret_line.h"
#include "net/tls.h"

#include <string.h>

/* -- TLS -- */

static const char *given(const char *argument, const char *setting)
{
    return argument ? argument : setting && *setting ? setting : NULL;
}

static bool check(const SecureArgs *a, Err *err)
{
    if (!a->tls && (a->ca || a->crl || a->cert || a->key || a->cert_of))
        return err_set(err, ERR_USAGE, "--ca, --crl, --cert, its key and --cert-of go with --tls");
    if (a->key && !a->cert)
        return err_set(err, ERR_USAGE, "the key of a certificate needs --cert");
    if (a->password && !a->user)
        return err_set(err, ERR_USAGE, "--user-password needs --user");
    if (a->user && a->jwt)
        return err_set(err, ERR_USAGE, "--user and --user-jwt exclude each other: a token says whose it is");
    return true;
}

static bool secure_by_tls(Cli *cli, const SecureArgs *a, Err *err)
{
    const Settings *s = cli->settings;
    bool any = a->cert_of && !strcmp(a->cert_of, "any");
    const char *rule = a->cert_of && !any ? net_certificate_rule(cli->arena, a->cert_of) : NULL;
    if (a->cert_of && !any && !rule)
        return err_set(err, ERR_USAGE, "--cert-of is a name in the certificate, or sha256: and 64 digits");
    NetTlsSettings settings = {.certificate = given(a->cert, s ? s->tls_certificate : NULL),
                               .key = given(a->key, s && !a->cert ? s->tls_key : NULL),
                               .ca = given(a->ca, s ? s->tls_ca : NULL),
                               .crl = given(a->crl, s ? s->tls_crl : NULL),
                               .verify_peer = !any};
    NetTls *tls = net_tls_new(&settings, err);
    if (!tls)
        return false;
    cli->tls = net_tls_for(tls, rule);
    net_tls_free(tls);
    return true;
}

/* -- identity -- */

/* The first line of a file, without blanks around it. */
static bool read_line(Cli *cli, const char *path, const char *what, const char **out, Err *err)
{
    enum { MAX_LINE = 64 * 1024 };
    Buf text;
    Span line, rest;
    bool more = true;
    buf_init(&text, MAX_LINE);
    bool ok = file_read_all(path, MAX_LINE, &text, err) || err_wrap(err, "%s", what);
    rest = buf_span(&text);
    if (ok && span_split(&rest, '\n', &line, &more)) {
        while (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        *out = arena_span_cstr(cli->arena, line);
        ok = line.n > 0 || err_set(err, ERR_USAGE, "%s: %s has no first line", what, path);
    } else if (ok) {
        ok = err_set(err, ERR_USAGE, "%s: %s is empty", what, path);
    }
    if (text.p)
        explicit_bzero(text.p, text.capacity);
    buf_free(&text);
    return ok;
}

static bool read_secret(Cli *cli, const char *path, const char *what, const char **out, Err *err)
{
    enum { MAX_SECRET = 4096 };
    if (strcmp(path, "-") != 0)
        return read_line(cli, path, what, out, err);
    *out = secret_line_once(cli->arena, "password of the peer", MAX_SECRET, err);
    return *out != NULL;
}

enum { BY_NAME = 1, BY_NAME_AND_PASSCODE = 2, BY_JWT = 5 };

/* A confirmation is asked for: peers that know nothing of identities give none. */
static bool identify(Cli *cli, const SecureArgs *a, Err *err)
{
    const char *secret = NULL;
    NetIdentity *identity = arena_alloc(cli->arena, sizeof *identity);
    if (a->jwt && !read_secret(cli, a->jwt, "--user-jwt", &secret, err))
        return false;
    if (a->password && !read_secret(cli, a->password, "--user-password", &secret, err))
        return false;
    *identity = (NetIdentity){.type = a->jwt        ? BY_JWT
                                      : a->password ? BY_NAME_AND_PASSCODE
                                                    : BY_NAME,
                              .response_requested = true,
                              .primary = span_cstr(a->jwt ? secret : a->user),
                              .secondary = span_cstr(a->password ? secret : NULL)};
    cli->identity = identity;
    return true;
}

bool cli_secure(Cli *cli, const SecureArgs *a, ScuPeer *peer, Err *err)
{
    bool made = cli->tls || cli->identity; /* for another association of this command */
    if (!made && (!check(a, err) || (a->tls && !secure_by_tls(cli, a, err)) ||
                  ((a->user || a->jwt) && !identify(cli, a, err))))
        return false;
    peer->tls = cli->tls;
    peer->identity = cli->identity;
    return true;
}

static void wipe(Span secret)
{
    if (secret.n)
        explicit_bzero((void *)(uintptr_t)secret.p, secret.n);
}

void cli_secure_end(Cli *cli)
{
    net_tls_free(cli->tls);
    if (cli->identity)
        wipe(cli->identity->type == BY_JWT ? cli->identity->primary : cli->identity->secondary);
}
