// SPDX-License-Identifier: MIT
/*
 * The white list in memory, and the questions asked of it.
 *
 * Every question first looks whether a file of the folder has changed (names, sizes, times of change) and reads all again if so, so that an
 * edit takes effect at once. Files are taken in the order of their paths; for a move destination the last one that names a port wins. Hidden
 * names and editors' back-ups (ending in ~) are passed over; folders inside are looked into only when there is no file beside them.
 *
 * One mutex guards the table and the cache of resolved names; names are resolved outside it, because that may take seconds.
 */
#include "scp/peers.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/yaml.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
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
    MAX_ADDRESSES = 8,
    MAX_RESOLVED = 256,
    RESOLVED_MS = 30000,
    UNRESOLVED_MS = 3000,
    UNREAD_MS = 10000, /* so long a file that could not be opened is left alone */
};

typedef struct Entry {
    struct Entry *next;
    const char *title, *host;
    uint16_t port; /* 0 = none */
} Entry;

typedef struct Resolved {
    struct Resolved *next;
    Deadline until;
    size_t count;
    struct in6_addr address[MAX_ADDRESSES];
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
    uint64_t signature;
    Deadline again;  /* when all is read again although nothing has changed */
    bool unreadable; /* the folder, when last looked at */
    Resolved *resolved;
    size_t resolved_count;
};

/* -- the folder -- */

typedef struct Listing {
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

static Listing list(const char *folder)
{
    Listing listing = {.signature = UINT64_C(14695981039346656037)};
    struct stat st;
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

static void read_entry(Peers *peers, const char *path, const YamlNode *node)
{
    const YamlNode *ip = yaml_get(node, "ip"), *port = yaml_get(node, "port");
    int64_t number = 0;
    if (!title_is_good(node->key))
        return complain(peers, path, node->line,
                        "an AE title has 1 to 16 printable characters without a backslash");
    if (node->kind != YAML_MAP || !ip || ip->kind != YAML_SCALAR || !*ip->text || strlen(ip->text) > 255)
        return complain(peers, path, node->line,
                        "an entry is `TITLE: {ip: address or host name, port: number}`; `ip` is required");
    if (port && port->kind != YAML_NULL &&
        (port->kind != YAML_SCALAR || !span_to_i64(span_cstr(port->text), 1, 65535, &number)))
        return complain(peers, path, port->line, "`port` is a number from 1 to 65535");
    if (peers->count == MAX_ENTRIES)
        return complain(peers, path, node->line, "too many entries; this one is left out");
    Entry *entry = arena_alloc(peers->arena, sizeof *entry);
    *entry = (Entry){.title = arena_strdup(peers->arena, node->key),
                     .host = arena_span_cstr(peers->arena, span_trim(span_cstr(ip->text))),
                     .port = (uint16_t)number};
    *(peers->last ? &peers->last->next : &peers->first) = entry;
    peers->last = entry;
    peers->count++;
}

static void read_file(Peers *peers, const char *path)
{
    Err err = {0};
    Arena *arena = arena_new(0);
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
    Listing listing = list(peers->folder);
    complain_of_folder(peers, listing.failure);
    bool changed = listing.signature != peers->signature || deadline_passed(peers->again);
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
    arena_free(peers->arena);
    free(peers->folder);
    free(peers);
}

/* -- addresses -- */

/* IPv4 becomes IPv4-mapped IPv6, so that both families compare alike. */
static bool parse_address(const char *text, struct in6_addr *out)
{
    char plain[64];
    struct in_addr v4;
    if (!span_copy(span_of(text, strcspn(text, "%")), plain, sizeof plain))
        return false;
    if (inet_pton(AF_INET6, plain, out) == 1)
        return true;
    if (inet_pton(AF_INET, plain, &v4) != 1)
        return false;
    *out = (struct in6_addr){.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
    memcpy(out->s6_addr + 12, &v4, 4);
    return true;
}

/* "192.168.7.0/24", "fd00::/8". */
static bool parse_network(const char *text, struct in6_addr *out, unsigned *bits)
{
    char address[64];
    int64_t length;
    size_t slash = strcspn(text, "/");
    if (!text[slash] || !span_copy(span_of(text, slash), address, sizeof address) ||
        !parse_address(address, out))
        return false;
    bool v4 = strchr(address, ':') == NULL;
    if (!span_to_i64(span_cstr(text + slash + 1), 0, v4 ? 32 : 128, &length))
        return false;
    *bits = (unsigned)length + (v4 ? 96 : 0);
    return true;
}

static bool same_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a->s6_addr, b->s6_addr, whole) != 0)
        return false;
    return !rest || ((a->s6_addr[whole] ^ b->s6_addr[whole]) >> (8 - rest)) == 0;
}

/* ::1 and 127.0.0.1 are one machine: this one. */
static bool same_address(const struct in6_addr *a, const struct in6_addr *b)
{
    static const struct in6_addr loopback4 = {.s6_addr = {[10] = 0xFF, [11] = 0xFF, 127, 0, 0, 1}};
    if (IN6_IS_ADDR_LOOPBACK(a))
        a = &loopback4;
    if (IN6_IS_ADDR_LOOPBACK(b))
        b = &loopback4;
    return IN6_ARE_ADDR_EQUAL(a, b);
}

static size_t look_up(const char *host, struct in6_addr out[MAX_ADDRESSES])
{
    struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
    size_t n = 0;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return 0;
    for (const struct addrinfo *a = found; a && n < MAX_ADDRESSES; a = a->ai_next) {
        char text[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
            parse_address(text, &out[n]))
            n++;
    }
    freeaddrinfo(found);
    return n;
}

static bool remembered(Peers *peers, const char *host, struct in6_addr out[MAX_ADDRESSES], size_t *n)
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

static void remember(Peers *peers, const char *host, const struct in6_addr address[MAX_ADDRESSES], size_t n)
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
    struct in6_addr own[MAX_ADDRESSES] = {0};
    size_t n = 0;
    unsigned bits;
    if (parse_address(host, &own[0]))
        return same_address(&own[0], address);
    if (parse_network(host, &own[0], &bits))
        return same_prefix(&own[0], address, bits);
    if (!remembered(peers, host, own, &n)) {
        n = look_up(host, own);
        remember(peers, host, own, n);
    }
    for (size_t i = 0; i < n; i++)
        if (same_address(&own[i], address))
            return true;
    return false;
}

/* -- questions -- */

/* The hosts of a title, copied out. */
static size_t hosts_of(Peers *peers, const char *title, char hosts[MAX_ENTRIES_OF_TITLE][256])
{
    size_t n = 0;
    pthread_mutex_lock(&peers->lock);
    refresh(peers);
    for (const Entry *e = peers->first; e && n < MAX_ENTRIES_OF_TITLE; e = e->next)
        if (strcmp(e->title, title) == 0)
            snprintf(hosts[n++], 256, "%s", e->host);
    pthread_mutex_unlock(&peers->lock);
    return n;
}

bool peers_admit(Peers *peers, const char *ae_title, NetAddress from, char why[200])
{
    char hosts[MAX_ENTRIES_OF_TITLE][256];
    struct in6_addr address;
    if (!peers)
        return true;
    size_t n = hosts_of(peers, ae_title, hosts);
    if (!n) {
        snprintf(why, 200,
                 "no entry for it in the white list; to admit it, add `%s: {ip: %s}` to a file in %s",
                 ae_title, from.host, peers->folder);
        return false;
    }
    if (!parse_address(from.host, &address)) {
        snprintf(why, 200, "its address %s cannot be understood", from.host);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (host_is(peers, hosts[i], &address))
            return true;
    snprintf(why, 200,
             "the white list knows it at %.60s%s, not at %.60s; to admit it, add `%s: {ip: %.40s}` there",
             hosts[0], n > 1 ? " (and others)" : "", from.host, ae_title, from.host);
    return false;
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
        if (strcmp(e->title, ae_title) != 0)
            continue;
        known = true;
        if (!e->port || strchr(e->host, '/'))
            continue;
        snprintf(out->host, sizeof out->host, "%s", e->host);
        out->port = e->port;
        found = true;
    }
    pthread_mutex_unlock(&peers->lock);
    return found || unknown_destination(ae_title, peers->folder, known, err);
}
