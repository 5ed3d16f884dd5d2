// SPDX-License-Identifier: MIT
#include "scp/peer_entry.h"

#include "net/certificate.h"
#include "scp/address.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_DESTINATIONS = 256, MAX_OF_PEER = 10000 };

static const struct {
    const char *name, *long_name;
    ScpServices service;
} services[] = {{"echo", "c-echo", SCP_ECHO},
                {"store", "c-store", SCP_STORE},
                {"find", "c-find", SCP_FIND},
                {"move", "c-move", SCP_MOVE},
                {"get", "c-get", SCP_GET}};
enum { SERVICES = sizeof services / sizeof *services };

const char *scp_service_name(ScpServices service)
{
    for (size_t i = 0; i < SERVICES; i++)
        if (services[i].service == service)
            return services[i].name;
    return "?";
}

typedef struct Reading {
    Arena *arena;
    PeerEntry *entry;
    const PeerTold *told;
} Reading;

static bool void_entry(const Reading *r, const YamlNode *node, const char *what)
{
    r->told->complain(r->told->ctx, node->line, what);
    return false;
}

static bool title_is_good(const char *title)
{
    size_t n = strlen(title);
    if (!n || n > 16 || title[0] == ' ' || title[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (title[i] < ' ' || title[i] > '~' || title[i] == '\\')
            return false;
    return true;
}

/* -- one key each: false makes the entry void -- */

/* What ends in a number, or has a colon or a blank, is no name: look-ups would take 010.0.0.1 for 8.0.0.1. */
static bool is_name(const char *host)
{
    const char *dot = strrchr(host, '.'), *last = dot ? dot + 1 : host;
    return (last[strspn(last, "0123456789")] || !*last) && strncasecmp(last, "0x", 2) != 0 &&
           !strpbrk(host, ": \t");
}

static bool read_ip(Reading *r, const YamlNode *node)
{
    struct in6_addr address;
    unsigned bits;
    const char *host =
        node->kind == YAML_SCALAR ? arena_span_cstr(r->arena, span_trim(span_cstr(node->text))) : "";
    if (!*host || strlen(host) > 255)
        return void_entry(r, node, "`ip` is an address, a network (192.168.7.0/24, fd00::/8) or a host name");
    if (strchr(host, '/')) {
        if (!address_parse_network(host, &address, &bits))
            return void_entry(r, node, "`ip` with a slash is a network: 192.168.7.0/24, fd00::/8");
    } else if (!address_parse(host, &address) && !is_name(host)) {
        return void_entry(r, node,
                          "`ip` is no address: four numbers up to 255, without zeros in front, or IPv6");
    }
    r->entry->host = host;
    return true;
}

static bool read_port(Reading *r, const YamlNode *node)
{
    int64_t number = 0;
    if (node->kind != YAML_NULL &&
        (node->kind != YAML_SCALAR || !span_to_i64(span_cstr(node->text), 1, 65535, &number)))
        return void_entry(r, node, "`port` is a number from 1 to 65535");
    r->entry->port = (uint16_t)number;
    return true;
}

static unsigned service_of(const YamlNode *node)
{
    for (size_t i = 0; node->kind == YAML_SCALAR && i < SERVICES; i++)
        if (!strcmp(node->text, services[i].name) || !strcmp(node->text, services[i].long_name))
            return services[i].service;
    return 0;
}

static bool read_services(Reading *r, const YamlNode *node)
{
    r->entry->services = node->kind == YAML_SCALAR ? service_of(node) : 0;
    bool good = node->kind == YAML_LIST || r->entry->services;
    for (const YamlNode *one = node->kind == YAML_LIST ? node->first : NULL; one; one = one->next) {
        good = good && service_of(one);
        r->entry->services |= service_of(one);
    }
    return good || void_entry(r, node, "`services` is a list of echo, store, find, move and get");
}

static bool read_read_only(Reading *r, const YamlNode *node)
{
    return yaml_bool(node, &r->entry->read_only) || void_entry(r, node, "`read_only` is yes or no");
}

static bool read_move_to(Reading *r, const YamlNode *node)
{
    size_t n = 0;
    bool good = node->kind == YAML_LIST || node->kind == YAML_SCALAR;
    for (const YamlNode *one = node->first; one && node->kind == YAML_LIST; one = one->next)
        good = good && one->kind == YAML_SCALAR && title_is_good(one->text) && ++n <= MAX_DESTINATIONS;
    if (!good || (node->kind == YAML_SCALAR && !title_is_good(node->text)))
        return void_entry(r, node, "`move_to` is a list of AE titles that C-MOVE may send to");
    const char **titles = arena_alloc(r->arena, (n + 1) * sizeof *titles);
    n = 0;
    if (node->kind == YAML_SCALAR)
        titles[n++] = arena_strdup(r->arena, node->text);
    else
        for (const YamlNode *one = node->first; one; one = one->next)
            titles[n++] = arena_strdup(r->arena, one->text);
    r->entry->move_to = titles;
    r->entry->move_to_count = n;
    return true;
}

static bool read_max_assoc(Reading *r, const YamlNode *node)
{
    int64_t number;
    if (node->kind != YAML_SCALAR || !span_to_i64(span_cstr(node->text), 1, MAX_OF_PEER, &number))
        return void_entry(r, node, "`max_assoc` is a number from 1 to 10000");
    r->entry->max_associations = (unsigned)number;
    return true;
}

/* For people. */
static bool read_text(Reading *r, const YamlNode *node)
{
    return node->kind == YAML_SCALAR || node->kind == YAML_NULL ||
           void_entry(r, node, "`description` and `comment` are a text");
}

static bool read_tls(Reading *r, const YamlNode *node)
{
    return yaml_bool(node, &r->entry->tls) || void_entry(r, node, "`tls` is yes or no");
}

static bool add_certificate(Reading *r, const YamlNode *node)
{
    const char *before = r->entry->certificate;
    const char *rule = node->kind == YAML_SCALAR ? net_certificate_rule(r->arena, node->text) : NULL;
    if (rule)
        r->entry->certificate = before ? arena_printf(r->arena, "%s\n%s", before, rule) : rule;
    return rule && strlen(r->entry->certificate) < NET_RULES_MAX;
}

static bool read_certificate(Reading *r, const YamlNode *node)
{
    bool good = node->kind == YAML_SCALAR ? add_certificate(r, node) : node->kind == YAML_LIST && node->first;
    for (const YamlNode *one = node->kind == YAML_LIST ? node->first : NULL; one; one = one->next)
        good = good && add_certificate(r, one);
    return good || void_entry(r, node,
                              "`certificate` is a name in the peer's certificate, sha256: and its 64 digits, "
                              "or a list of such");
}

static const struct {
    const char *key;
    bool (*read)(Reading *r, const YamlNode *node);
} keys[] = {{"ip", read_ip},
            {"port", read_port},
            {"services", read_services},
            {"read_only", read_read_only},
            {"move_to", read_move_to},
            {"max_assoc", read_max_assoc},
            {"description", read_text},
            {"comment", read_text},
            {"tls", read_tls},
            {"certificate", read_certificate}};

/* A key that nobody knows may be one that restricts, misspelt. */
static bool read_key(Reading *r, const YamlNode *node)
{
    char what[240];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(node->key, keys[i].key))
            return keys[i].read(r, node);
    snprintf(
        what, sizeof what,
        "`%.40s` is no key of an entry, so that the entry of %.16s admits nobody; keys are ip, port, "
        "services, read_only, move_to, max_assoc, tls, certificate, and description and comment for a text",
        node->key, r->entry->title);
    return void_entry(r, node, what);
}

bool peer_entry_read(Arena *arena, const YamlNode *node, PeerEntry *entry, const PeerTold *told)
{
    Reading r = {arena, entry, told};
    if (!title_is_good(node->key))
        return void_entry(&r, node, "an AE title has 1 to 16 printable characters without a backslash");
    if (node->kind != YAML_MAP || !yaml_get(node, "ip"))
        return void_entry(&r, node,
                          "an entry is `TITLE: {ip: address or host name, port: number}`; `ip` is required");
    entry->title = arena_strdup(arena, node->key);
    entry->line = node->line;
    entry->services = SCP_EVERY_SERVICE;
    for (const YamlNode *key = node->first; key; key = key->next)
        if (!read_key(&r, key))
            return false;
    entry->tls = entry->tls || entry->certificate;
    if (entry->read_only)
        entry->services &= ~(unsigned)SCP_STORE;
    return true;
}
