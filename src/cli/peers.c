// SPDX-License-Identifier: MIT
/* `manage peers`: who may speak to this archive, what each may do, and why: the white list as the server understands it. */
#include "scp/peers.h"

#include "base/json.h"
#include "cli/cli.h"
#include "scp/address.h"

#include <stdio.h>
#include <string.h>

typedef struct Args {
    const char *who;
    bool json;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "AE|ADDRESS", .help = "only this peer, and why it may do what", .optional = true,
     .at = offsetof(Args, who)},
    {OPT_FLAG, .name = "json", .help = "as JSON", .at = offsetof(Args, json)},
    {OPT_END},
};

typedef struct Listed {
    PeerEntry *items;
    size_t count, capacity;
    Arena *arena;
} Listed;

/* Copied, because a name may have to be looked up to choose among them. */
static void keep(void *ctx, const PeerEntry *entry)
{
    Listed *list = ctx;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        PeerEntry *items = arena_alloc(list->arena, capacity * sizeof *items);
        if (list->count)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *entry;
}

static bool is_meant(Peers *peers, const PeerEntry *entry, const char *who)
{
    return !who || !strcmp(entry->title, who) || !strcmp(entry->host, who) ||
           peer_entry_is_at(peers, entry->host, who);
}

/* -- services -- */

/* Why the server will not do this for the peer; NULL = it will. */
static const char *obstacle(const Cli *cli, const PeerEntry *entry, ScpServices service)
{
    const char *name = arena_printf(cli->arena, "c-%s", scp_service_name(service));
    if (service == SCP_STORE && entry->read_only)
        return "read_only";
    if (!(entry->services & service))
        return "services";
    return settings_list_has(&cli->settings->scp_services, name) ? NULL : "scp_services";
}

static const char *allowed(const Cli *cli, const PeerEntry *entry)
{
    const char *text = "";
    for (unsigned s = 1; s <= SCP_GET; s <<= 1)
        if (!obstacle(cli, entry, s))
            text = arena_printf(cli->arena, "%s%s%s", text, *text ? "," : "", scp_service_name(s));
    return *text ? text : "nothing";
}

static const char *destinations(const Cli *cli, const PeerEntry *entry)
{
    const char *text = "";
    for (size_t i = 0; i < entry->move_to_count; i++)
        text = arena_printf(cli->arena, "%s%s%s", text, *text ? "," : "", entry->move_to[i]);
    return !entry->move_to ? "anywhere" : *text ? text : "nowhere";
}

static const char *certificates(const Cli *cli, const PeerEntry *entry)
{
    char *text = arena_strdup(cli->arena, entry->certificate);
    for (char *p = text; *p; p++)
        *p = (char)(*p == '\n' ? ',' : *p);
    return text;
}

/* -- showing -- */

static void show_row(const Cli *cli, const PeerEntry *e, Buf *out)
{
    char port[8] = "-", limit[12] = "-";
    if (e->port)
        snprintf(port, sizeof port, "%u", e->port);
    if (e->max_associations)
        snprintf(limit, sizeof limit, "%u", e->max_associations);
    buf_printf(out, "%-16s %-24s %-5s %-25s %-9s %-5s %s:%d\n", e->title, e->host, port, allowed(cli, e),
               destinations(cli, e), limit, e->file, e->line);
}

static void show_why(const Cli *cli, const PeerEntry *e, Buf *out)
{
    buf_printf(out, "%s at %s is admitted by %s:%d\n", e->title, e->host, e->file, e->line);
    for (unsigned s = 1; s <= SCP_GET; s <<= 1) {
        const char *why = obstacle(cli, e, s);
        if (!why)
            buf_printf(out, "  %-6s yes\n", scp_service_name(s));
        else if (!strcmp(why, "scp_services"))
            buf_printf(out, "  %-6s no: nobody may, see scp_services in %s\n", scp_service_name(s),
                       cli->settings->file);
        else
            buf_printf(out, "  %-6s no: change `%s` of this entry to allow it\n", scp_service_name(s), why);
    }
    if (e->certificate)
        buf_printf(out, "  only over TLS, with a certificate of %s (certificate)\n", certificates(cli, e));
    else if (e->tls)
        buf_append_cstr(out, "  only over TLS (tls)\n");
    buf_printf(out, "  C-MOVE may send to %s%s\n", destinations(cli, e), e->move_to ? " (move_to)" : "");
    if (!e->port)
        buf_append_cstr(out, "  nothing can be sent to it: it has no `port`\n");
    else
        buf_printf(out, "  C-MOVE reaches it at port %u%s\n", e->port, e->tls ? " over TLS" : "");
    if (e->max_associations)
        buf_printf(out, "  at most %u associations at a time (max_assoc)\n", e->max_associations);
}

static void show_json(const Cli *cli, JsonWriter *w, const PeerEntry *e)
{
    json_begin_object(w);
    json_member(w, "ae_title", e->title);
    json_member(w, "ip", e->host);
    if (e->port)
        json_member_int(w, "port", e->port);
    for (unsigned s = 1; s <= SCP_GET; s <<= 1) {
        json_key(w, scp_service_name(s));
        json_bool(w, !obstacle(cli, e, s));
    }
    json_key(w, "denied_by");
    json_begin_object(w);
    for (unsigned s = 1; s <= SCP_GET; s <<= 1)
        if (obstacle(cli, e, s))
            json_member(w, scp_service_name(s), obstacle(cli, e, s));
    json_end_object(w);
    json_key(w, "move_to");
    if (e->move_to) {
        json_begin_array(w);
        for (size_t i = 0; i < e->move_to_count; i++)
            json_cstr(w, e->move_to[i]);
        json_end_array(w);
    } else
        json_nothing(w);
    json_key(w, "tls");
    json_bool(w, e->tls);
    json_member(w, "certificate", e->certificate ? certificates(cli, e) : NULL);
    if (e->max_associations)
        json_member_int(w, "max_assoc", e->max_associations);
    json_member(w, "file", e->file);
    json_member_int(w, "line", e->line);
    json_end_object(w);
}

static size_t show(const Cli *cli, const Args *a, Peers *peers, const Listed *list, Buf *out)
{
    size_t shown = 0;
    JsonWriter w = json_writer(out);
    if (a->json)
        json_begin_array(&w);
    for (size_t i = 0; i < list->count; i++) {
        const PeerEntry *entry = &list->items[i];
        if (!is_meant(peers, entry, a->who))
            continue;
        if (!shown++ && !a->json && !a->who)
            buf_printf(out, "%-16s %-24s %-5s %-25s %-9s %-5s %s\n", "AE TITLE", "IP", "PORT", "MAY",
                       "MOVES TO", "LIMIT", "ENTRY");
        if (a->json)
            show_json(cli, &w, entry);
        else if (a->who)
            show_why(cli, entry, out);
        else
            show_row(cli, entry, out);
    }
    if (a->json) {
        json_end_array(&w);
        buf_append_cstr(out, "\n");
    }
    return shown;
}

static void report(void *ctx, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static int nobody(const Cli *cli, const Args *a)
{
    struct in6_addr address;
    const char *folder = cli->settings->path_white_list;
    if (!a->who)
        return cli_fail(cli, "nobody is admitted: %s names nobody", folder);
    if (address_parse(a->who, &address))
        return cli_fail(
            cli, "nobody is admitted at %s; to admit a peer there, add `TITLE: {ip: %s}` to a file in %s",
            a->who, a->who, folder);
    return cli_fail(cli, "%s is not admitted; to admit it, add `%s: {ip: ADDRESS}` to a file in %s", a->who,
                    a->who, folder);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    Peers *peers = peers_open(cli->settings->path_white_list, report, NULL, &err);
    if (!peers)
        return cli_fail(cli, "%s", err.text);
    Listed list = {.arena = cli->arena};
    peers_each(peers, keep, &list);
    Buf out;
    buf_init(&out, 0);
    size_t shown = show(cli, a, peers, &list, &out);
    cli_put(stdout, &out);
    peers_close(peers);
    return shown ? EXIT_OK : nobody(cli, a);
}

const Command command_peers = {
    .name = "peers",
    .summary = "who may speak to this archive, what each may do, and why",
    .details = "The white list, as a running server understands it: it takes a change at once.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run,
};
