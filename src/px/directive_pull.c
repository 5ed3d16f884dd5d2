// SPDX-License-Identifier: MIT
/* objPull: objects into files, several at once. Names come from the storage and are not trusted (px/place.h). */
#include "px/directive_internal.h"

#include "base/buf.h"
#include "base/crew.h"
#include "px/document.h"
#include "px/place.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARALLEL = 4, PIECE = 65536, MD5_TEXT = 33 };

typedef struct Pulled {
    const char *name; /* below the folder; NULL: error says why it has none */
    const char *error;
    bool done;
} Pulled;

typedef struct Run {
    const PxDirectives *directives;
    const char *folder;
    const PxEntries *entries;
    Pulled *pulled;
    Arena *arena;

    pthread_mutex_t lock; /* guards the arena and all below */
    size_t next;
    bool stopped;
    Err first;
} Run;

static void fail(Run *run, Pulled *pulled, const Err *err)
{
    pthread_mutex_lock(&run->lock);
    pulled->error = arena_strdup(run->arena, err->text);
    if (!run->first.code)
        run->first = *err;
    /* A full disk, or a store that went away, is so for all. */
    if (err->code == ERR_NO_SPACE || err->http == 401 || err->http == 502)
        run->stopped = true;
    pthread_mutex_unlock(&run->lock);
}

/* -- one file -- */

static bool has_content(int fd, const char *hash)
{
    uint8_t piece[PIECE];
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    if (!md5 || !EVP_DigestInit_ex(md5, EVP_md5(), NULL))
        abort();
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0)
        EVP_DigestUpdate(md5, piece, (size_t)n);
    unsigned char sum[EVP_MAX_MD_SIZE];
    char text[MD5_TEXT] = "";
    EVP_DigestFinal_ex(md5, sum, NULL);
    EVP_MD_CTX_free(md5);
    for (unsigned i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return n == 0 && !strcasecmp(text, hash);
}

static bool is_there(PxPlace *place, const char *name, const PxEntry *entry)
{
    int fd;
    uint64_t size;
    if (!px_place_read(place, name, &fd, &size, NULL) || fd < 0)
        return false;
    bool same = size == entry->bytes && has_content(fd, entry->hash);
    close(fd);
    return same;
}

static bool begin(void *ctx, Err *err)
{
    return px_placed_restart(ctx, err);
}

static bool take(void *ctx, Span bytes, Err *err)
{
    return px_placed_write(ctx, bytes, err);
}

static bool pull(PxLane *lane, PxPlace *place, const PxEntry *entry, const char *name, Err *err)
{
    if (is_there(place, name, entry))
        return true;
    PxPlaced placed;
    if (!px_placed_begin(place, name, &placed, err))
        return false;
    PxHttpSink sink = {&placed, begin, take};
    if (px_lane_get(lane, entry, &sink, err))
        return px_placed_end(&placed, err);
    px_placed_abandon(&placed);
    return false;
}

/* -- all -- */

static bool take_one(Run *run, size_t *i)
{
    pthread_mutex_lock(&run->lock);
    *i = run->next;
    bool any = !run->stopped && run->next < run->entries->count;
    run->next += any;
    pthread_mutex_unlock(&run->lock);
    return any;
}

static void *work(void *ctx)
{
    Run *run = ctx;
    PxLane *lane = px_lane_open(run->directives->storage);
    PxPlace place;
    Err err = {0};
    size_t i, last = SIZE_MAX;
    bool open = px_place_open(&place, run->folder, true, &err);
    while (take_one(run, &i)) {
        Pulled *one = &run->pulled[i];
        last = i;
        if (!one->name)
            continue;
        if (open)
            err = (Err){0};
        one->done = open && pull(lane, &place, &run->entries->items[i], one->name, &err);
        if (!one->done)
            fail(run, one, &err);
    }
    if (open && !px_place_settle(&place, &err) && last != SIZE_MAX) {
        run->pulled[last].done = false;
        fail(run, &run->pulled[last], &err);
    }
    if (open)
        px_place_close(&place);
    px_lane_close(lane);
    return NULL;
}

static void pull_all(Run *run)
{
    size_t n = run->directives->parallel ? run->directives->parallel : PARALLEL;
    n = n < run->entries->count ? n : run->entries->count;
    pthread_mutex_init(&run->lock, NULL);
    if (n)
        crew_run(n, work, run);
    pthread_mutex_destroy(&run->lock);
}

/*
 * What an object is called below the folder: what follows `from`. Where that ends within a name ("SERVICES/PA"), the name goes along; where it is
 * the object itself, its last part.
 */
static const char *name_below(const char *from, const char *name)
{
    size_t n = strlen(from);
    const char *rest = name + n;
    bool whole = !n || from[n - 1] == '/' || *rest == '/';
    if (!whole || !*rest) {
        size_t at = !*rest && !whole ? strlen(name) : n;
        while (at && name[at - 1] != '/')
            at--;
        rest = name + at;
    }
    while (*rest == '/')
        rest++;
    return rest;
}

/* fromLocation may be one object and toLocation the file it is to become. */
static bool is_one_file(const PxEntries *entries, const char *from, const char *to)
{
    struct stat st;
    size_t n = strlen(to);
    return entries->count == 1 && !strcmp(entries->items[0].name, from) && n && to[n - 1] != '/' &&
           (stat(to, &st) != 0 || !S_ISDIR(st.st_mode));
}

static void name_all(Run *run, const char *from, const char *to)
{
    const char *slash = strrchr(to, '/');
    if (is_one_file(run->entries, from, to)) {
        run->folder = !slash        ? "."
                      : slash == to ? "/"
                                    : arena_span_cstr(run->arena, span_of(to, (size_t)(slash - to)));
        run->pulled[0].name = slash ? slash + 1 : to;
        return;
    }
    run->folder = to;
    for (size_t i = 0; i < run->entries->count; i++)
        run->pulled[i].name = name_below(from, run->entries->items[i].name);
}

static void list_results(const Run *run, const char *to, json_t *result)
{
    json_t *local = json_array(), *remote = json_array(), *failed = json_object();
    for (size_t i = 0; i < run->entries->count; i++) {
        const Pulled *one = &run->pulled[i];
        const char *name = run->entries->items[i].name;
        if (one->done) {
            size_t n = strlen(run->folder);
            const char *slash = n && run->folder[n - 1] == '/' ? "" : "/";
            json_array_append_new(local, json_sprintf("%s%s%s", run->folder, slash, one->name));
            json_array_append_new(remote, px_text(name));
        } else {
            json_object_set_new(failed, name, px_text(one->error ? one->error : "not tried"));
        }
    }
    char *here = realpath(".", NULL);
    json_object_set_new(result, "localFileList", local);
    json_object_set_new(result, "objectFileList", remote);
    json_object_set_new(result, "localpath", px_text(to));
    json_object_set_new(result, "currentWorkingDir", px_text(here ? here : ""));
    if (json_object_size(failed))
        json_object_set(result, "failed", failed);
    json_decref(failed);
    free(here);
}

bool px_directive_pull(const PxDirectives *directives, const char *from, const char *to,
                       const char *substring, json_t *result, Err *err)
{
    PxEntries entries = {.arena = arena_new(0), .substring = substring};
    Run run = {.directives = directives, .entries = &entries, .arena = entries.arena};
    bool ok = px_entries_list(directives->storage, from, true, &entries, err);
    run.pulled = calloc(entries.count ? entries.count : 1, sizeof *run.pulled);
    if (!run.pulled)
        abort();
    if (ok) {
        name_all(&run, from, to);
        pull_all(&run);
        list_results(&run, to, result);
    }
    size_t failed = 0;
    for (size_t i = 0; i < entries.count; i++)
        failed += !run.pulled[i].done;
    if (ok && !entries.count)
        ok = err_set(err, ERR_NOT_FOUND, "nothing there has such a name");
    if (ok && failed)
        ok = err_set(err, run.first.code ? run.first.code : ERR_IO, "%zu of %zu objects did not come: %s",
                     failed, entries.count, run.first.text);
    free(run.pulled);
    px_entries_free(&entries);
    arena_free(entries.arena);
    return ok;
}
