// SPDX-License-Identifier: MIT
/* Alerts (RFC 8446 §6) and what is wrong with certificates (RFC 5280 §6), as sentences that say what to do. */
#include "net/tls_inside.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

unsigned long tls_take_error(void)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    return code;
}

int64_t tls_seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

void tls_day(int64_t seconds, char out[16])
{
    struct tm parts;
    time_t when = (time_t)seconds;
    if (!gmtime_r(&when, &parts) || !strftime(out, 16, "%Y-%m-%d", &parts))
        snprintf(out, 16, "?");
}

/* -- certificates -- */

static void day_of(const ASN1_TIME *time, char out[16])
{
    tls_day(tls_seconds_of(time), out);
}

void tls_name(const X509_NAME *name, char out[TLS_NAME])
{
    int n = X509_NAME_get_text_by_NID(name, NID_commonName, out, TLS_NAME);
    if (n <= 0)
        X509_NAME_oneline(name, out, TLS_NAME);
    for (char *p = out; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

static void explain_validity(TlsSession *s, const X509 *at, int depth, int error)
{
    char day[16], issuer[TLS_NAME] = "";
    const char *whose = depth ? "the authority of the certificate of " : "the certificate of ";
    if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
        day_of(X509_get0_notAfter(at), day);
        snprintf(s->distrust, sizeof s->distrust, "%s%.120s expired on %s", whose, s->peer, day);
    } else if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
        day_of(X509_get0_notBefore(at), day);
        snprintf(s->distrust, sizeof s->distrust,
                 "%s%.120s is not valid before %s; is the clock of this machine right?", whose, s->peer, day);
    } else {
        tls_name(X509_get_issuer_name(at), issuer);
        snprintf(s->distrust, sizeof s->distrust,
                 "the certificate of %.120s was issued by %s, which is not trusted here; if it should be, "
                 "name a file with its certificate (--ca, tls.ca)",
                 s->peer, issuer);
    }
}

static void explain_distrust(TlsSession *s, const X509 *at, int depth, int error)
{
    NetCertificate *own = at ? net_certificate_of(at) : NULL;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        if (at)
            explain_validity(s, at, depth, error);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        snprintf(s->distrust, sizeof s->distrust,
                 "the certificate of %.100s is for %.100s; call it by that name, or say whose certificate it "
                 "must have (--cert-of)",
                 s->peer, own ? net_certificate_names(own) : "another host");
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        snprintf(s->distrust, sizeof s->distrust, "the certificate of %.120s is not one for TLS %s", s->peer,
                 s->server ? "clients" : "servers");
        break;
    default:
        snprintf(s->distrust, sizeof s->distrust, "the certificate of %.120s: %.120s", s->peer,
                 X509_verify_cert_error_string(error));
    }
    net_certificate_free(own);
}

int tls_note_distrust(int trusted, X509_STORE_CTX *chain)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    TlsSession *s = ssl ? SSL_get_app_data(ssl) : NULL;
    if (!trusted && tls_needs_no_list(chain)) {
        X509_STORE_CTX_set_error(chain, X509_V_OK);
        ERR_clear_error(); /* what is left in the queue would fail whatever waits next */
        return 1;
    }
    if (!trusted && s && !*s->distrust && !tls_explain_list(s, chain))
        explain_distrust(s, X509_STORE_CTX_get_current_cert(chain), X509_STORE_CTX_get_error_depth(chain),
                         X509_STORE_CTX_get_error(chain));
    return trusted;
}

/* -- alerts and the rest -- */

static const struct {
    int reason;
    ErrCode code;
    const char *text; /* with the peer's name in front */
} reasons[] = {
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, ERR_REFUSED,
     "does not trust our certificate: it does not know who issued it"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, ERR_REFUSED, "does not take our certificate"},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, ERR_REFUSED,
     "does not take this kind of certificate from us"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, ERR_REFUSED, "says that our certificate was revoked"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, ERR_REFUSED, "says that our certificate has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, ERR_REFUSED, "does not take our certificate"},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, ERR_REFUSED, "does not let the holder of our certificate in"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, ERR_REFUSED, "speaks neither TLS 1.2 nor 1.3"},
    {SSL_R_UNSUPPORTED_PROTOCOL, ERR_REFUSED, "speaks neither TLS 1.2 nor 1.3 (unsupported protocol)"},
    {SSL_R_NO_SHARED_CIPHER, ERR_REFUSED, "has no cipher suite in common with us"},
    {SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, ERR_REFUSED, "has no cipher suite in common with us"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, ERR_REFUSED,
     "broke the handshake off: it wants another certificate, or has no cipher suite in common with us"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ERR_REFUSED, "showed no certificate"},
    {SSL_R_WRONG_VERSION_NUMBER, ERR_FORMAT, "does not speak TLS here"},
    {SSL_R_HTTP_REQUEST, ERR_FORMAT, "does not speak TLS here (this is HTTP)"},
    {SSL_R_HTTPS_PROXY_REQUEST, ERR_FORMAT, "does not speak TLS here (this is HTTP)"},
};

static bool is_alert(int reason)
{
    return reason >= SSL_AD_REASON_OFFSET;
}

static bool explain_reason(const TlsSession *s, int reason, Err *err)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].reason == reason)
            return err_set(err, reasons[i].code, "%s %s", s->peer, reasons[i].text);
    return err_set(err, is_alert(reason) ? ERR_REFUSED : ERR_CLOSED, "%s: %s", s->peer,
                   ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason)));
}

bool tls_explain(const TlsSession *s, unsigned long code, Err *err)
{
    bool ours = code && !ERR_SYSTEM_ERROR(code);
    int reason = ours ? ERR_GET_REASON(code) : 0;
    if (*s->distrust)
        return err_set(err, ERR_REFUSED, "%s", s->distrust);
    if (s->asked && ours && is_alert(reason))
        return err_set(err, ERR_REFUSED, "%s wants a client certificate; give one (--cert, tls.certificate)",
                       s->peer);
    if (ours && ERR_GET_LIB(code) == ERR_LIB_SSL)
        return explain_reason(s, reason, err);
    const char *text = ours ? ERR_reason_error_string(code) : NULL;
    return err_set(err, ERR_CLOSED, "%s", text ? text : "the peer closed the connection");
}
