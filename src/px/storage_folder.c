// SPDX-License-Identifier: MIT
/*
 * A folder as a storage: copies (sharing blocks where the file system can, FICLONE) or hard links. A copy is read back before it gets its name; one that is there with the
 * same content stays.
 */
#include "px/storage_internal.h"

#include "base/file.h"
#include "px/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, MD5_TEXT = 33 };

typedef struct Folder {
    const char *path;
    bool link;
} Folder;

typedef struct Lane {
    const Folder *folder;
    PxPlace place;
    bool open;
    uint8_t *piece;
    EVP_MD_CTX *md5;
} Lane;

static void *folder_open(const PxStorageSettings *settings, Err *err)
{
    Folder *folder = malloc(sizeof *folder);
    if (!folder)
        abort();
    *folder = (Folder){settings->service->path, settings->link};
    return folder;
}

static void *folder_open_lane(void *own)
{
    Lane *lane = calloc(1, sizeof *lane);
    if (!lane || !(lane->piece = malloc(PIECE)) || !(lane->md5 = EVP_MD_CTX_new()))
        abort();
    lane->folder = own;
    lane->place = (PxPlace){.base = -1, .at = -1};
    return lane;
}

static void folder_close_lane(void *own)
{
    Lane *lane = own;
    px_place_close(&lane->place);
    EVP_MD_CTX_free(lane->md5);
    free(lane->piece);
    free(lane);
}

/* Only what is to be put there makes the folder. */
static bool be_open(Lane *lane, bool create, Err *err)
{
    lane->open = lane->open || px_place_open(&lane->place, lane->folder->path, create, err);
    return lane->open;
}

/* -- putting -- */

typedef bool (*Take)(void *ctx, Span bytes, Err *err);

/* From the beginning to the end, with its MD5. `take` may be NULL. */
static bool read_all(Lane *lane, int fd, Take take, void *ctx, char md5[MD5_TEXT], Err *err)
{
    EVP_DigestInit_ex(lane->md5, EVP_md5(), NULL);
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, lane->piece, PIECE, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "cannot read");
        if (n == 0)
            break;
        EVP_DigestUpdate(lane->md5, lane->piece, (size_t)n);
        if (take && !take(ctx, span_of(lane->piece, (size_t)n), err))
            return false;
        at += n;
    }
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(lane->md5, sum, &n);
    for (unsigned i = 0; i < 16; i++)
        snprintf(md5 + 2 * i, 3, "%02x", sum[i]);
    return true;
}

static bool take_copy(void *ctx, Span bytes, Err *err)
{
    return px_placed_write(ctx, bytes, err);
}

static bool copy(Lane *lane, int from, PxPlaced *placed, char md5[MD5_TEXT], Err *err)
{
    if (ioctl(placed->fd, FICLONE, from) == 0)
        return read_all(lane, placed->fd, NULL, NULL, md5, err);
    char back[MD5_TEXT];
    if (!read_all(lane, from, take_copy, placed, md5, err) ||
        !read_all(lane, placed->fd, NULL, NULL, back, err))
        return false;
    return !strcmp(md5, back) || err_set(err, ERR_MISMATCH, "the copy reads otherwise than what was written");
}

static bool put_new(Lane *lane, int from, const PxParcel *parcel, PxReceipt *out, Err *err)
{
    PxPlaced placed;
    if (!px_placed_begin(&lane->place, parcel->name, &placed, err))
        return false;
    bool linked = lane->folder->link && px_placed_link(&placed, from);
    if (linked ? read_all(lane, from, NULL, NULL, out->check, err) && file_sync(from, "the file", err)
               : copy(lane, from, &placed, out->check, err))
        return px_placed_end(&placed, err);
    px_placed_abandon(&placed);
    return false;
}

/* Is the same content there already? */
static bool is_there(Lane *lane, int from, const PxParcel *parcel, PxReceipt *out, bool *there, Err *err)
{
    int fd;
    uint64_t size;
    char md5[MD5_TEXT];
    *there = false;
    if (!px_place_read(&lane->place, parcel->name, &fd, &size, err))
        return false;
    if (fd < 0)
        return true;
    bool ok = size != out->size ||
              (read_all(lane, from, NULL, NULL, out->check, err) && read_all(lane, fd, NULL, NULL, md5, err));
    *there = ok && size == out->size && !strcmp(md5, out->check);
    close(fd);
    return ok;
}

static bool folder_put(void *own, Arena *arena, const PxParcel *parcel, PxReceipt *out, bool *unreachable,
                       Err *err)
{
    Lane *lane = own;
    struct stat st;
    if (!be_open(lane, true, err)) {
        *unreachable = true;
        return false;
    }
    int from = open(parcel->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = from >= 0 && fstat(from, &st) == 0;
    if (!ok)
        err_errno(err, errno, "cannot open");
    if (ok && !S_ISREG(st.st_mode))
        ok = err_set(err, ERR_FORMAT, "this is no file");
    if (ok) {
        Err problem = {0};
        out->size = (uint64_t)st.st_size;
        ok = is_there(lane, from, parcel, out, &out->was_there, &problem) &&
             (out->was_there || put_new(lane, from, parcel, out, &problem));
        *unreachable = !ok && problem.code == ERR_NO_SPACE;
        if (!ok && err)
            *err = problem;
    }
    if (from >= 0)
        close(from);
    const char *base = lane->folder->path;
    out->name = arena_printf(arena, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", parcel->name);
    return ok;
}

static bool folder_has(void *own, const char *name, const char *check, uint64_t size, bool *there,
                       bool *unreachable, Err *err)
{
    Lane *lane = own;
    int fd;
    uint64_t now;
    if (!be_open(lane, true, err)) {
        *unreachable = true;
        return false;
    }
    if (!px_place_read(&lane->place, name, &fd, &now, err))
        return false;
    *there = fd >= 0 && now == size;
    if (fd >= 0)
        close(fd);
    return true;
}

static bool folder_settle(void *own, Err *err)
{
    return px_place_settle(&((Lane *)own)->place, err);
}

/* -- what is there -- */

typedef struct Names {
    Arena *arena;
    const char *base, *prefix;
    const char **items;
    size_t count, capacity;
} Names;

static bool add_name(void *ctx, const char *path, Err *err)
{
    Names *names = ctx;
    const char *name = path + strlen(names->base), *last = strrchr(path, '/');
    while (*name == '/')
        name++;
    if (strncmp(name, names->prefix, strlen(names->prefix)) != 0 || !strncmp(last, "/.px-", 5))
        return true;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 256;
        names->items = realloc(names->items, names->capacity * sizeof *names->items);
        if (!names->items)
            abort();
    }
    names->items[names->count++] = arena_strdup(names->arena, name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Only the folder that the prefix names as a whole is looked through. */
static bool gather(Lane *lane, const char *prefix, Names *names, Err *err)
{
    const char *slash = strrchr(prefix, '/'), *base = lane->folder->path;
    const char *folder = slash ? arena_printf(names->arena, "%.*s", (int)(slash - prefix), prefix) : "";
    if (*folder && !file_is_safe_relative(folder))
        return err_set(err, ERR_REFUSED,
                       "the path is no plain relative path and could lead out of the folder");
    const char *from = *folder ? arena_printf(names->arena, "%s/%s", base, folder) : base;
    struct stat st;
    if (*folder && lstat(from, &st) != 0 && errno == ENOENT)
        return true;
    names->base = base;
    names->prefix = prefix;
    if (!file_walk(from, false, add_name, names, err))
        return false;
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, by_name);
    return true;
}

static bool visit_file(Lane *lane, const char *name, bool hashes, PxEntryVisit visit, void *ctx, Err *err)
{
    int fd;
    char md5[MD5_TEXT] = "", when[40] = "", modified[48];
    PxEntry entry = {
        .name = name, .hash = md5, .last_modified = modified, .content_type = "application/octet-stream"};
    if (!px_place_read(&lane->place, name, &fd, &entry.bytes, err))
        return false;
    if (fd < 0)
        return true;
    struct stat st = {0};
    struct tm utc;
    bool ok = !hashes || read_all(lane, fd, NULL, NULL, md5, err);
    if (fstat(fd, &st) == 0 && gmtime_r(&st.st_mtim.tv_sec, &utc))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(modified, sizeof modified, "%s.%06ld", when, st.st_mtim.tv_nsec / 1000);
    close(fd);
    return ok && visit(ctx, &entry, err);
}

static bool folder_list(void *own, const char *prefix, bool hashes, PxEntryVisit visit, void *ctx, Err *err)
{
    Lane *lane = own;
    Names names = {.arena = arena_new(0)};
    bool ok = be_open(lane, false, err) && gather(lane, prefix, &names, err);
    for (size_t i = 0; ok && i < names.count; i++)
        ok = visit_file(lane, names.items[i], hashes, visit, ctx, err);
    free(names.items);
    arena_free(names.arena);
    return ok;
}

static bool take_to_sink(void *ctx, Span bytes, Err *err)
{
    const PxHttpSink *sink = ctx;
    return sink->take(sink->ctx, bytes, err);
}

static bool folder_get(void *own, const PxEntry *entry, const PxHttpSink *sink, Err *err)
{
    Lane *lane = own;
    int fd;
    uint64_t size;
    char md5[MD5_TEXT];
    if (!be_open(lane, false, err) || !px_place_read(&lane->place, entry->name, &fd, &size, err))
        return false;
    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "it is not there any more");
    bool ok = sink->begin(sink->ctx, err) && read_all(lane, fd, take_to_sink, (void *)sink, md5, err);
    close(fd);
    return ok;
}

static bool folder_remove(void *own, const PxEntry *entries, size_t n, bool *deleted, Err *err)
{
    Lane *lane = own;
    bool ok = be_open(lane, false, err);
    for (size_t i = 0; i < n; i++) {
        Err problem = {0};
        deleted[i] = lane->open && px_place_remove(&lane->place, entries[i].name, &problem);
        if (!deleted[i] && ok && err)
            *err = problem;
        ok = ok && deleted[i];
    }
    return ok && px_place_settle(&lane->place, err);
}

const PxStorageKind px_storage_folder = {
    .open = folder_open,
    .close = free,
    .open_lane = folder_open_lane,
    .close_lane = folder_close_lane,
    .put = folder_put,
    .has = folder_has,
    .settle = folder_settle,
    .list = folder_list,
    .get = folder_get,
    .remove = folder_remove,
};
