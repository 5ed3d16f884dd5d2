// SPDX-License-Identifier: MIT
/*
 * The white list in memory, and the questions asked of it.
 *
 * Every question first asks whether something has happened in the folder (base/watch.h), then looks whether a file of it has changed (names, sizes, times
 * of change) and reads all again if so: an edit takes effect at once, one from another machine a second later. Files are taken in the order of their paths; for a move destination the last one that names a port wins. Hidden
 * names and editors' back-ups (ending in ~) are passed over; folders inside are looked into only when there is no file beside them.
 *
 * One mutex guards the table and the cache of resolved names; names are resolved outside it, because that may take seconds.
 */
#include "scp/peers.h"

#include "scp/address.h"
#include "scp/peer_entry.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/watch.h"
#include "base/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MAX_DEPTH = 4,
    MAX_FILES = 4096,
    MAX_ENTRIES = 100000,
    MAX_ENTRIES_OF_TITLE = 32,
    MAX_RESOLVED = 256,
    RESOLVED_MS = 30000,
    UNRESOLVED_MS = 3000,
    UNREAD_MS = 10000, /* so long a file that could not be opened is left alone */
};

typedef struct Entry {
    struct Entry *next;
    PeerEntry is;
} Entry;

typedef struct Resolved {
    struct Resolved *next;
    Deadline until;
    size_t count;
    struct in6_addr address[ADDRESS_MAX];
    char host[256];
} Resolved;

struct Peers {
    char *folder;
    void (*report)(void *ctx, const char *line);
    void *ctx;
    pthread_mutex_t lock; /* guards all below */
    Arena *arena;         /* of the entries */
    Entry *first, *last;
    size_t count;
    Watch *watch;
    uint64_t signature;
    Deadline again;  /* when all is read again although nothing has changed */
    bool unreadable; /* the folder, when last looked at */
    Resolved *resolved;
    size_t resolved_count;
};

/* -- the folder -- */

typedef struct Listing {
    Watch *watch;
    char **paths;
    size_t count;
    uint64_t signature;
    int failure; /* errno when some folder could not be read */
} Listing;

static void listing_free(Listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->paths[i]);
    free(listing->paths);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* FNV-1a: only to notice a change. */
static void mix(uint64_t *signature, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *signature = (*signature ^ ((const uint8_t *)p)[i]) * UINT64_C(1099511628211);
}

static void list_file(Listing *listing, const char *path, const struct stat *st)
{
    if (listing->count == MAX_FILES)
        return;
    char **paths = realloc(listing->paths, (listing->count + 1) * sizeof *paths);
    char *copy = strdup(path);
    if (!paths || !copy)
        abort();
    listing->paths = paths;
    paths[listing->count++] = copy;
    mix(&listing->signature, path, strlen(path));
    mix(&listing->signature, &st->st_mtim, sizeof st->st_mtim);
    mix(&listing->signature, &st->st_ctim, sizeof st->st_ctim);
    mix(&listing->signature, &st->st_size, sizeof st->st_size);
    mix(&listing->signature, &st->st_ino, sizeof st->st_ino);
}

static bool is_wanted(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && entry->d_name[n - 1] != '~';
}

static void list_folder(Listing *listing, const char *folder, int depth)
{
    struct dirent **names = NULL;
    watch_path(listing->watch, folder);
    int n = scandir(folder, &names, NULL, alphasort);
    if (n < 0 && errno != ENOENT) /* a folder that was removed is empty */
        listing->failure = errno;
    size_t before = listing->count;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < n; i++) {
            struct stat st;
            char *path = file_join(folder, names[i]->d_name);
            if (is_wanted(names[i]) && stat(path, &st) == 0) {
                if (pass == 0 && S_ISREG(st.st_mode))
                    list_file(listing, path, &st);
                if (pass == 1 && S_ISDIR(st.st_mode) && listing->count == before && depth < MAX_DEPTH)
                    list_folder(listing, path, depth + 1);
            }
            free(path);
        }
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static Listing list(Watch *watch, const char *folder)
{
    Listing listing = {.watch = watch, .signature = UINT64_C(14695981039346656037)};
    struct stat st;
    watch_path(watch, folder);
    if (stat(folder, &st) == 0 && S_ISREG(st.st_mode))
        list_file(&listing, folder, &st);
    else
        list_folder(&listing, folder, 0);
    if (listing.count)
        qsort(listing.paths, listing.count, sizeof *listing.paths, by_name);
    return listing;
}

/* -- reading -- */

static void complain(const Peers *peers, const char *path, int line, const char *what)
{
    if (!peers->report)
        return;
    char text[600];
    if (strncmp(what, path, strlen(path)) == 0) /* the YAML reader names the place itself, with the column */
        snprintf(text, sizeof text, "white list %s", what);
    else
        snprintf(text, sizeof text, "white list %s:%d: %s", path, line, what);
    peers->report(peers->ctx, text);
}

typedef struct Place {
    Peers *peers;
    const char *path;
} Place;

static void complain_of_node(void *ctx, int line, const char *what)
{
    const Place *place = ctx;
    complain(place->peers, place->path, line, what);
}

static void read_entry(Peers *peers, const char *path, const YamlNode *node)
{
    PeerTold told = {complain_of_node, &(Place){peers, path}};
    PeerEntry entry = {.file = path};
    if (!peer_entry_read(peers->arena, node, &entry, &told))
        return;
    if (peers->count == MAX_ENTRIES)
        return complain(peers, path, node->line, "too many entries; this one is left out");
    Entry *kept = arena_alloc(peers->arena, sizeof *kept);
    *kept = (Entry){.is = entry};
    *(peers->last ? &peers->last->next : &peers->first) = kept;
    peers->last = kept;
    peers->count++;
}

static void read_file(Peers *peers, const char *path)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    path = arena_strdup(peers->arena, path);
    const YamlNode *root = yaml_load_file(arena, path, &err);
    if (!root) {
        complain(peers, path, 1, err.text);
        peers->again = err.code == ERR_IO ? deadline_in(UNREAD_MS) : peers->again;
    } else if (root->kind != YAML_MAP && root->kind != YAML_NULL)
        complain(peers, path, root->line, "a white-list file is a mapping of AE titles");
    else
        for (const YamlNode *node = root->first; node; node = node->next)
            read_entry(peers, path, node);
    arena_free(arena);
}

/* What was read before stays in force: too many open files must not lock everybody out. */
static void complain_of_folder(Peers *peers, int failure)
{
    if (failure && !peers->unreadable) {
        char what[200], reason[100];
        snprintf(what, sizeof what, "the folder cannot be read (%s); what was read before counts",
                 strerror_r(failure, reason, sizeof reason));
        complain(peers, peers->folder, 0, what);
    }
    peers->unreadable = failure != 0;
}

/* With the lock held. */
static void refresh(Peers *peers)
{
    bool again = deadline_passed(peers->again);
    if (!watch_is_due(peers->watch) && !again)
        return;
    Listing listing = list(peers->watch, peers->folder);
    complain_of_folder(peers, listing.failure);
    if (listing.failure)
        watch_failed(peers->watch);
    bool changed = listing.signature != peers->signature || again;
    if (!listing.failure && changed) {
        peers->again = CLOCK_NEVER;
        arena_reset(peers->arena);
        peers->first = peers->last = NULL;
        peers->count = 0;
        peers->signature = listing.signature;
        for (size_t i = 0; i < listing.count; i++)
            read_file(peers, listing.paths[i]);
    }
    listing_free(&listing);
}

Peers *peers_open(const char *folder, void (*report)(void *ctx, const char *line), void *ctx, Err *err)
{
    struct stat st;
    bool is_file = stat(folder, &st) == 0 && S_ISREG(st.st_mode);
    if (!is_file && !file_make_dirs(folder, err)) {
        err_wrap(err, "white list");
        return NULL;
    }
    Peers *peers = calloc(1, sizeof *peers);
    if (!peers)
        abort();
    peers->folder = strdup(folder);
    if (!peers->folder)
        abort();
    peers->report = report;
    peers->ctx = ctx;
    peers->arena = arena_new(0);
    peers->watch = watch_new();
    peers->again = CLOCK_NEVER;
    pthread_mutex_init(&peers->lock, NULL);
    pthread_mutex_lock(&peers->lock);
    refresh(peers);
    pthread_mutex_unlock(&peers->lock);
    return peers;
}

void peers_close(Peers *peers)
{
    if (!peers)
        return;
    for (Resolved *next, *r = peers->resolved; r; r = next) {
        next = r->next;
        free(r);
    }
    pthread_mutex_destroy(&peers->lock);
    watch_free(peers->watch);
    arena_free(peers->arena);
    free(peers->folder);
    free(peers);
}

/* -- addresses -- */

static bool remembered(Peers *peers, const char *host, struct in6_addr out[ADDRESS_MAX], size_t *n)
{
    bool found = false;
    pthread_mutex_lock(&peers->lock);
    for (const Resolved *r = peers->resolved; r && !found; r = r->next) {
        if (strcmp(r->host, host) != 0 || deadline_passed(r->until))
            continue;
        memcpy(out, r->address, sizeof r->address);
        *n = r->count;
        found = true;
    }
    pthread_mutex_unlock(&peers->lock);
    return found;
}

static void remember(Peers *peers, const char *host, const struct in6_addr address[ADDRESS_MAX], size_t n)
{
    pthread_mutex_lock(&peers->lock);
    Resolved *r = peers->resolved;
    while (r && strcmp(r->host, host) != 0)
        r = r->next;
    if (!r && peers->resolved_count < MAX_RESOLVED && (r = calloc(1, sizeof *r))) {
        snprintf(r->host, sizeof r->host, "%s", host);
        r->next = peers->resolved;
        peers->resolved = r;
        peers->resolved_count++;
    }
    if (r) {
        memcpy(r->address, address, sizeof r->address);
        r->count = n;
        r->until = deadline_in(n ? RESOLVED_MS : UNRESOLVED_MS);
    }
    pthread_mutex_unlock(&peers->lock);
}

/* Does the entry's `ip` name the address? May resolve, so without the lock. */
static bool host_is(Peers *peers, const char *host, const struct in6_addr *address)
{
    struct in6_addr own[ADDRESS_MAX] = {0};
    size_t n = 0;
    unsigned bits;
    if (address_parse(host, &own[0]))
        return address_same(&own[0], address);
    if (address_parse_network(host, &own[0], &bits))
        return address_has_prefix(&own[0], address, bits);
    if (!remembered(peers, host, own, &n)) {
        n = address_look_up(host, own);
        remember(peers, host, own, n);
    }
    for (size_t i = 0; i < n; i++)
        if (address_same(&own[i], address))
            return true;
    return false;
}

/* -- questions -- */

/* An entry, copied out, and whether the connection is what it asks for. */
typedef struct Candidate {
    char host[256];
    PeerRules rules;
    bool lacks_tls, lacks_certificate;
} Candidate;

static void name_place(const PeerEntry *e, char out[PEER_PLACE])
{
    snprintf(out, PEER_PLACE, "%s:%d", e->file, e->line);
}

static void copy_out(const PeerEntry *e, const PeerCaller *caller, Candidate *out)
{
    snprintf(out->host, sizeof out->host, "%s", e->host);
    out->lacks_tls = e->tls && !caller->tls;
    out->lacks_certificate = e->certificate && !(caller->certificate &&
                                                 net_certificate_meets(caller->certificate, e->certificate));
    out->rules = (PeerRules){
        .services = e->services, .max_associations = e->max_associations, .read_only = e->read_only};
    name_place(e, out->rules.place);
}

/* To be freed; NULL when there are none. A title has one entry as a rule. */
static Candidate *candidates_of(Peers *peers, const PeerCaller *caller, size_t *count)
{
    Candidate *out = NULL;
    size_t n = 0;
    pthread_mutex_lock(&peers->lock);
    refresh(peers);
    for (const Entry *e = peers->first; e && n < MAX_ENTRIES_OF_TITLE; e = e->next) {
        if (strcmp(e->is.title, caller->ae_title) != 0)
            continue;
        Candidate *more = realloc(out, (n + 1) * sizeof *more);
        if (!more)
            abort();
        out = more;
        copy_out(&e->is, caller, &out[n++]);
    }
    pthread_mutex_unlock(&peers->lock);
    *count = n;
    return out;
}

/* How narrow: bits of the prefix. An address and a name are as narrow as can be. */
static unsigned narrowness(const char *host)
{
    struct in6_addr network;
    unsigned bits;
    return address_parse_network(host, &network, &bits) ? bits : 129;
}

/* The one that decides; NULL when none is for this address. */
static const Candidate *choose(Peers *peers, const Candidate *candidates, size_t n,
                               const struct in6_addr *address)
{
    const Candidate *best = NULL;
    for (size_t i = 0; i < n; i++)
        if ((!best || narrowness(candidates[i].host) >= narrowness(best->host)) &&
            host_is(peers, candidates[i].host, address))
            best = &candidates[i];
    return best;
}

/* The entry is the right one; is the connection what it asks for? */
static bool is_as_agreed(const PeerCaller *caller, const Candidate *chosen, char why[PEER_WHY])
{
    const NetCertificate *c = caller->certificate;
    if (chosen->lacks_tls)
        snprintf(why, PEER_WHY, "it must come over TLS (`tls`, `certificate` in %.150s)",
                 chosen->rules.place);
    else if (chosen->lacks_certificate && !c)
        snprintf(why, PEER_WHY,
                 "it showed no certificate, or nobody looks at it (tls.clients); its entry has a rule for it "
                 "(`certificate` in %.150s)",
                 chosen->rules.place);
    else if (chosen->lacks_certificate)
        snprintf(
            why, PEER_WHY,
            "its certificate, that of %.60s, is not the one it must have; to take it, add `sha256:%s` to "
            "`certificate` in %.100s",
            net_certificate_names(c), net_certificate_sha256(c), chosen->rules.place);
    else
        return true;
    return false;
}

/* Which of them is for this address, and may it come as it does? */
static bool judge(Peers *peers, const PeerCaller *caller, const Candidate *candidates, size_t n,
                  PeerRules *rules, char why[PEER_WHY])
{
    struct in6_addr address;
    const char *title = caller->ae_title, *host = caller->from.host;
    if (!n) {
        snprintf(why, PEER_WHY,
                 "no entry for it in the white list; to admit it, add `%s: {ip: %s}` to a file in %s", title,
                 host, peers->folder);
        return false;
    }
    if (!address_parse(host, &address)) {
        snprintf(why, PEER_WHY, "nobody knows its address (%s), so that no entry can be for it", host);
        return false;
    }
    const Candidate *chosen = choose(peers, candidates, n, &address);
    if (chosen && !is_as_agreed(caller, chosen, why))
        return false;
    if (chosen) {
        *rules = chosen->rules;
        return true;
    }
    snprintf(why, PEER_WHY,
             "the white list knows it at %.60s%s, not at %.60s; to admit it, add `%s: {ip: %.40s}` there",
             candidates[0].host, n > 1 ? " (and others)" : "", host, title, host);
    return false;
}

bool peers_rules(Peers *peers, const PeerCaller *caller, PeerRules *rules, char why[PEER_WHY])
{
    size_t n;
    *rules = (PeerRules){.services = SCP_EVERY_SERVICE};
    if (!peers)
        return true;
    Candidate *candidates = candidates_of(peers, caller, &n);
    bool admitted = judge(peers, caller, candidates, n, rules, why);
    free(candidates);
    return admitted;
}

/* With the lock held. */
static bool lists_destination(const Peers *peers, const char *place, const char *destination)
{
    for (const Entry *e = peers->first; e; e = e->next) {
        char own[PEER_PLACE];
        name_place(&e->is, own);
        if (strcmp(own, place) != 0)
            continue;
        for (size_t i = 0; i < e->is.move_to_count; i++)
            if (strcmp(e->is.move_to[i], destination) == 0)
                return true;
        return !e->is.move_to;
    }
    return false; /* the file was changed this moment */
}

bool peers_may_move_to(Peers *peers, const PeerCaller *caller, const char *destination, char why[PEER_WHY])
{
    PeerRules rules;
    if (!peers_rules(peers, caller, &rules, why))
        return false;
    if (!peers)
        return true;
    pthread_mutex_lock(&peers->lock);
    bool may = lists_destination(peers, rules.place, destination);
    pthread_mutex_unlock(&peers->lock);
    if (!may)
        snprintf(why, PEER_WHY,
                 "%s may not have objects sent to %s; to allow it, add %s to `move_to` in %.120s",
                 caller->ae_title, destination, destination, rules.place);
    return may;
}

void peers_each(Peers *peers, void (*tell)(void *ctx, const PeerEntry *entry), void *ctx)
{
    pthread_mutex_lock(&peers->lock);
    refresh(peers);
    for (const Entry *e = peers->first; e; e = e->next)
        tell(ctx, &e->is);
    pthread_mutex_unlock(&peers->lock);
}

bool peer_entry_is_at(Peers *peers, const char *host, const char *address)
{
    struct in6_addr parsed;
    return address_parse(address, &parsed) && host_is(peers, host, &parsed);
}

static bool unknown_destination(const char *ae_title, const char *folder, bool known, Err *err)
{
    if (known)
        err_set(err, ERR_NOT_FOUND,
                "move destination %s has no port in the white list; give its entry in %s one", ae_title,
                folder);
    else
        err_set(err, ERR_NOT_FOUND,
                "unknown move destination %s: not in the white list; add `%s: {ip: ADDRESS, port: NUMBER}` "
                "to a file in %s",
                ae_title, ae_title, folder);
    if (err)
        err->dimse = 0xA801;
    return false;
}

bool peers_destination(Peers *peers, const char *ae_title, PeerAddress *out, Err *err)
{
    bool known = false, found = false;
    if (!peers) {
        err_set(err, ERR_NOT_FOUND, "unknown move destination %s: there is no white list that names any",
                ae_title);
        if (err)
            err->dimse = 0xA801;
        return false;
    }
    pthread_mutex_lock(&peers->lock);
    refresh(peers);
    for (const Entry *e = peers->first; e; e = e->next) {
        if (strcmp(e->is.title, ae_title) != 0)
            continue;
        known = true;
        if (!e->is.port || strchr(e->is.host, '/'))
            continue;
        *out = (PeerAddress){.port = e->is.port, .tls = e->is.tls};
        snprintf(out->host, sizeof out->host, "%s", e->is.host);
        snprintf(out->certificate, sizeof out->certificate, "%s", e->is.certificate ? e->is.certificate : "");
        found = true;
    }
    pthread_mutex_unlock(&peers->lock);
    return found || unknown_destination(ae_title, peers->folder, known, err);
}
