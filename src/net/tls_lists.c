// SPDX-License-Identifier: MIT
/*
 * Certificate revocation lists (RFC 5280 §5 and §6.3): a PEM file with one or several. Every certificate of a chain is looked up in the list of who issued it, but
 * the one that is trusted itself: its issuer's list may be missing, or be that of somebody whose certificate is not there; to be on it counts. Without the list of
 * an issuer, or with one that has ended, nobody it vouches for is trusted: who is out of date cannot know. Lists that only tell of changes (delta) or that somebody else signs (indirect) are not used.
 */
#include "net/tls_inside.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LISTS = 1024 };

/* Of several lists of one issuer that one counts which ends last. */
static int64_t end_of_issuer(STACK_OF(X509_CRL) * lists, const X509_CRL *like)
{
    int64_t end = 0;
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        const X509_CRL *list = sk_X509_CRL_value(lists, i);
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
        if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_CRL_get_issuer(like)) != 0)
            continue;
        if (!next)
            return INT64_MAX;
        int64_t seconds = tls_seconds_of(next);
        end = seconds > end ? seconds : end;
    }
    return end;
}

static void note_first_end(NetTls *tls, STACK_OF(X509_CRL) * lists)
{
    tls->lists_end = INT64_MAX;
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        const X509_CRL *list = sk_X509_CRL_value(lists, i);
        int64_t end = end_of_issuer(lists, list);
        if (end >= tls->lists_end)
            continue;
        tls->lists_end = end;
        tls_name(X509_CRL_get_issuer(list), tls->lists_issuer);
    }
}

static STACK_OF(X509_CRL) * read_lists(const char *path, Err *err)
{
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, errno, "TLS: revocation lists %s", path);
        if (err)
            err->code = ERR_USAGE;
        return lists;
    }
    for (X509_CRL *list;
         sk_X509_CRL_num(lists) < MAX_LISTS && (list = PEM_read_X509_CRL(file, NULL, NULL, NULL));)
        if (!sk_X509_CRL_push(lists, list))
            abort();
    fclose(file);
    /* That there are no more is an error too. */
    bool read_all =
        sk_X509_CRL_num(lists) == MAX_LISTS || ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (read_all && sk_X509_CRL_num(lists))
        return lists;
    err_set(err, ERR_USAGE,
            read_all ? "TLS: there is no revocation list in %s; lists are PEM, 'BEGIN X509 CRL' ('openssl "
                       "crl -inform DER -in LIST' makes PEM of DER)"
                     : "TLS: a revocation list in %s cannot be understood",
            path);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    return NULL;
}

bool tls_load_lists(NetTls *tls, const char *path, Err *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    STACK_OF(X509_CRL) *lists = read_lists(path, err);
    bool ok = lists && sk_X509_CRL_num(lists);
    for (int i = 0; i < sk_X509_CRL_num(lists); i++)
        if (X509_STORE_add_crl(store, sk_X509_CRL_value(lists, i)) != 1)
            abort();
    if (ok) {
        note_first_end(tls, lists);
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls->context),
                                    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    return ok;
}

/* -- while a chain is checked -- */

bool tls_needs_no_list(X509_STORE_CTX *chain)
{
    if (X509_STORE_CTX_get_error_depth(chain) != sk_X509_num(X509_STORE_CTX_get0_chain(chain)) - 1)
        return false;
    switch (X509_STORE_CTX_get_error(chain)) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    /* Its issuer's certificate is not in the chain, so that OpenSSL takes it for its own issuer. */
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
        return true;
    default:
        return false;
    }
}

bool tls_explain_list(TlsSession *s, X509_STORE_CTX *chain)
{
    char issuer[TLS_NAME], day[16] = "";
    const X509 *at = X509_STORE_CTX_get_current_cert(chain);
    const X509_CRL *list = X509_STORE_CTX_get0_current_crl(chain);
    const ASN1_TIME *begin = list ? X509_CRL_get0_lastUpdate(list) : NULL,
                    *end = list ? X509_CRL_get0_nextUpdate(list) : NULL;
    char *out = s->distrust;
    tls_name(list ? X509_CRL_get_issuer(list) : X509_get_issuer_name(at), issuer);
    switch (X509_STORE_CTX_get_error(chain)) {
    case X509_V_ERR_CERT_REVOKED:
        snprintf(out, sizeof s->distrust, "%s%.110s was revoked by %s",
                 X509_STORE_CTX_get_error_depth(chain) ? "the authority of the certificate of "
                                                       : "the certificate of ",
                 s->peer, issuer);
        return true;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        tls_day(end ? tls_seconds_of(end) : 0, day);
        snprintf(out, sizeof s->distrust,
                 "the revocation list of %s ended on %s, so that nobody it vouches for is trusted; put its "
                 "next one into the file (--crl, tls.crl), which is read again when it changes",
                 issuer, day);
        return true;
    case X509_V_ERR_CRL_NOT_YET_VALID:
        tls_day(begin ? tls_seconds_of(begin) : 0, day);
        snprintf(out, sizeof s->distrust,
                 "the revocation list of %s is not valid before %s; is the clock of this machine right?",
                 issuer, day);
        return true;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        snprintf(out, sizeof s->distrust,
                 "the certificate of %.60s was issued by %s, whose revocation list is missing; put it beside "
                 "the others (--crl, tls.crl)",
                 s->peer, issuer);
        return true;
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
        snprintf(out, sizeof s->distrust,
                 "the revocation list (--crl, tls.crl) that names %s as its issuer was not signed by it",
                 issuer);
        return true;
    default:
        return false;
    }
}
