// SPDX-License-Identifier: MIT
/*
 * The first line: an AE title and an address, with a blank between them; the rest: a file of the white list. Nobody is let in by a list that has no entry for its title, and
 * nobody may more than the services there are.
 */
#include "fuzz.h"

#include "scp/address.h"
#include "scp/peer_entry.h"

#include <arpa/inet.h>
#include <string.h>

static void complain(void *ctx, int line, const char *what)
{
    *(bool *)ctx = true;
    if (!*what)
        fuzz_broken();
}

static void check_entry(const PeerEntry *entry)
{
    if (entry->services & ~(unsigned)SCP_EVERY_SERVICE || (entry->read_only && entry->services & SCP_STORE))
        fuzz_broken();
    if (!entry->title || !*entry->title || strlen(entry->title) > 16 || !entry->host || !*entry->host)
        fuzz_broken();
}

static bool is_numeric(const char *host)
{
    struct in6_addr address;
    unsigned bits;
    return address_parse(host, &address) || address_parse_network(host, &address, &bits);
}

/* Do entries with names, for which the resolver would be asked, stand in it? */
static bool read_entries(Arena *arena, Span text, size_t *count)
{
    Err err = {0};
    bool names = false, said = false;
    const YamlNode *root = yaml_load(arena, text, "white list", &err);
    if (!root && !*err.text)
        fuzz_broken();
    for (const YamlNode *node = root && root->kind == YAML_MAP ? root->first : NULL; node;
         node = node->next) {
        PeerEntry entry = {.file = "file"};
        said = false;
        if (peer_entry_read(arena, node, &entry, &(PeerTold){complain, &said})) {
            check_entry(&entry);
            names = names || !is_numeric(entry.host);
            ++*count;
        } else if (!said) {
            fuzz_broken();
        }
    }
    return names;
}

int fuzz_white_list(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(0);
    Err err = {0};
    Span text = span_of(data, size), line = fuzz_line(&text);
    size_t blank = span_index(line, ' '), count = 0;
    const char *title = arena_span_cstr(arena, span_sub(line, 0, blank));
    PeerCaller caller = {.ae_title = title, .from = {.port = 1}, .tls = size & 1};
    span_copy(blank == SIZE_MAX ? SPAN("127.0.0.1") : span_sub(line, blank + 1, 60), caller.from.host,
              sizeof caller.from.host);
    if (!read_entries(arena, text, &count)) {
        PeerRules rules;
        char why[PEER_WHY] = "";
        Peers *peers = peers_open(fuzz_file("white_list.yml", text), NULL, NULL, &err);
        if (!peers)
            fuzz_broken();
        bool admitted = peers_rules(peers, &caller, &rules, why);
        if (admitted ? !count || rules.services & ~(unsigned)SCP_EVERY_SERVICE : !*why)
            fuzz_broken();
        peers_may_move_to(peers, &caller, "OTHER", why);
        PeerAddress destination;
        if (!peers_destination(peers, title, &destination, &err) && !*err.text)
            fuzz_broken();
        peers_close(peers);
    }
    arena_free(arena);
    return 0;
}
