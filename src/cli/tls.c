// SPDX-License-Identifier: MIT
#include "cli/tls.h"

#include <string.h>

static const char *or_none(const char *text)
{
    return *text ? text : NULL;
}

bool tls_is_only(const Settings *s)
{
    return s->tls_port == s->port;
}

bool tls_clients(const char *clients, const char *what, NetTlsSettings *server, Err *err)
{
    server->verify_peer = strcmp(clients, "none") != 0;
    server->optional = !strcmp(clients, "verify");
    return !server->verify_peer || server->ca ||
           err_set(err, ERR_USAGE,
                   "%s is %s, but nothing says which authorities certificates are trusted by (ca)", what,
                   clients);
}

bool tls_of_settings(const Settings *s, ScpTls *out, Err *err)
{
    *out = (ScpTls){.serve = s->tls_port > 0, .only = tls_is_only(s), .port = (uint16_t)s->tls_port};
    out->server = (NetTlsSettings){.certificate = or_none(s->tls_certificate),
                                   .key = or_none(s->tls_key),
                                   .ca = or_none(s->tls_ca),
                                   .crl = or_none(s->tls_crl),
                                   .server = true};
    out->client = (NetTlsSettings){.certificate = out->server.certificate,
                                   .key = out->server.key,
                                   .ca = out->server.ca,
                                   .crl = out->server.crl,
                                   .verify_peer = true};
    if (out->serve && !out->server.certificate)
        return err_set(err, ERR_USAGE, "tls.port is set, but tls.certificate is not");
    return !out->serve || tls_clients(s->tls_clients, "tls.clients", &out->server, err);
}

bool tls_check(const Settings *s, Err *err)
{
    ScpTls wish;
    if (!tls_of_settings(s, &wish, err))
        return false;
    NetTls *tls = wish.serve || wish.client.certificate || wish.client.ca || wish.client.crl
                      ? net_tls_new(wish.serve ? &wish.server : &wish.client, err)
                      : NULL;
    net_tls_free(tls);
    return tls || err->code == ERR_NONE;
}

NetTls *tls_to_itself(const Settings *s, Err *err)
{
    ScpTls wish;
    if (!tls_of_settings(s, &wish, err))
        return NULL;
    wish.client.verify_peer = false;
    return net_tls_new(&wish.client, err);
}
