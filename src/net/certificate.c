// SPDX-License-Identifier: MIT
#include "net/certificate_inside.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NAMES = 64, MAX_NAME = 255, DIGITS = 64 };

struct NetCertificate {
    char sha256[DIGITS + 1];
    char shown[200];
    size_t count;
    char *names[MAX_NAMES];
};

/* -- reading -- */

/* What cannot be told from another name by whoever reads it is no name: control characters, a NUL in the middle, other alphabets' look-alikes. */
static bool is_plain(const unsigned char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return n > 0 && n <= MAX_NAME;
}

static void add_name(NetCertificate *c, const unsigned char *text, size_t n)
{
    if (c->count == MAX_NAMES || !is_plain(text, n))
        return;
    char *copy = strndup((const char *)text, n);
    if (!copy)
        abort();
    c->names[c->count++] = copy;
    size_t at = strlen(c->shown);
    if (at + n + 3 < sizeof c->shown)
        snprintf(c->shown + at, sizeof c->shown - at, "%s%s", at ? ", " : "", copy);
}

static void add_common_names(NetCertificate *c, const X509_NAME *subject)
{
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        unsigned char *text = NULL;
        int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        if (n > 0)
            add_name(c, text, (size_t)n);
        OPENSSL_free(text);
    }
}

static void add_address(NetCertificate *c, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN];
    int n = ASN1_STRING_length(address);
    int family = n == 4 ? AF_INET : AF_INET6;
    if ((n == 4 || n == 16) && inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text))
        add_name(c, (unsigned char *)text, strlen(text));
}

static void add_alternative_names(NetCertificate *c, const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL)
            add_name(c, ASN1_STRING_get0_data(name->d.ia5), (size_t)ASN1_STRING_length(name->d.ia5));
        else if (name->type == GEN_IPADD)
            add_address(c, name->d.iPAddress);
    }
    GENERAL_NAMES_free(names);
}

NetCertificate *net_certificate_of(const X509 *certificate)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    NetCertificate *c = calloc(1, sizeof *c);
    if (!c || X509_digest(certificate, EVP_sha256(), digest, &n) != 1)
        abort();
    span_hex(span_of(digest, n), c->sha256);
    add_common_names(c, X509_get_subject_name(certificate));
    add_alternative_names(c, certificate);
    if (!*c->shown)
        snprintf(c->shown, sizeof c->shown, "nobody by name");
    return c;
}

void net_certificate_free(NetCertificate *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c);
}

const char *net_certificate_sha256(const NetCertificate *c)
{
    return c->sha256;
}

const char *net_certificate_names(const NetCertificate *c)
{
    return c->shown;
}

/* -- rules -- */

const char *net_certificate_rule(Arena *arena, const char *text)
{
    size_t prefix = strlen(NET_RULE_SHA256), n = strlen(text), digits = 0;
    if (strncasecmp(text, NET_RULE_SHA256, prefix) != 0)
        return is_plain((const unsigned char *)text, n) ? arena_strdup(arena, text) : NULL;
    char rule[sizeof NET_RULE_SHA256 + DIGITS] = NET_RULE_SHA256;
    uint8_t checked[DIGITS / 2];
    for (const char *p = text + prefix; *p; p++) {
        if (*p == ':')
            continue;
        if (digits == DIGITS)
            return NULL;
        rule[prefix + digits++] = (char)(*p >= 'A' && *p <= 'F' ? *p - 'A' + 'a' : *p);
    }
    return span_from_hex(rule + prefix, checked, sizeof checked) ? arena_strdup(arena, rule) : NULL;
}

static bool meets_one(const NetCertificate *c, Span rule)
{
    if (span_starts(rule, SPAN(NET_RULE_SHA256)))
        return span_eq_cstr(span_sub(rule, strlen(NET_RULE_SHA256), SIZE_MAX), c->sha256);
    for (size_t i = 0; i < c->count; i++)
        if (span_eq_nocase(rule, span_cstr(c->names[i])))
            return true;
    return false;
}

bool net_certificate_meets(const NetCertificate *c, const char *rules)
{
    Span rest = span_cstr(rules), rule;
    for (bool more = true; span_split(&rest, '\n', &rule, &more);)
        if (rule.n && meets_one(c, rule))
            return true;
    return false;
}
