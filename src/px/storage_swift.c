// SPDX-License-Identifier: MIT
/* An object store as a storage: what is there with the same MD5 is not sent again. */
#include "px/storage_internal.h"

#include "base/file.h"
#include "px/swift.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *swift_open(const PxStorageSettings *settings, Err *err)
{
    return px_swift_new(&settings->service->swift, &(PxHttpSettings){.tries = settings->tries});
}

static void swift_close(void *own)
{
    px_swift_free(own);
}

typedef struct Lane {
    PxSwift *swift;
    PxSwiftLine *line;
} Lane;

static void *swift_open_lane(void *own)
{
    Lane *lane = malloc(sizeof *lane);
    if (!lane)
        abort();
    *lane = (Lane){own, px_swift_open(own)};
    return lane;
}

static void swift_close_lane(void *own)
{
    Lane *lane = own;
    px_swift_close(lane->line);
    free(lane);
}

static bool read_file(void *ctx, uint64_t offset, void *p, size_t n, Err *err)
{
    return file_read_at(*(int *)ctx, offset, p, n, err) || err_wrap(err, "cannot read the file");
}

static bool send_content(Lane *lane, const char *name, const PxHttpSource *source, PxReceipt *out,
                         bool *unreachable, Err *err)
{
    PxSwiftContent content;
    if (!px_swift_content(lane->swift, source, &content, err))
        return false;
    PxSwiftObject there;
    Err problem = {0};
    bool found, ok = px_swift_head(lane->line, name, &there, &found, &problem);
    out->was_there = ok && found && there.size == source->size && !strcmp(there.md5, content.md5);
    if (ok && !out->was_there)
        ok = px_swift_put(lane->line, name, &content, &problem);
    snprintf(out->check, sizeof out->check, "%s", content.md5);
    out->size = source->size;
    px_swift_content_free(&content);
    *unreachable = !ok && px_swift_is_out_of_reach(&problem);
    if (!ok && err)
        *err = problem;
    return ok;
}

static bool swift_put(void *own, Arena *arena, const PxParcel *parcel, PxReceipt *out, bool *unreachable,
                      Err *err)
{
    struct stat st;
    int fd = open(parcel->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (!ok)
        err_errno(err, errno, "cannot open");
    if (ok && !S_ISREG(st.st_mode))
        ok = err_set(err, ERR_FORMAT, "this is no file");
    if (ok) {
        PxHttpSource source = {&fd, (uint64_t)st.st_size, read_file};
        ok = send_content(own, parcel->name, &source, out, unreachable, err);
    }
    if (fd >= 0)
        close(fd);
    out->name = arena_strdup(arena, parcel->name);
    return ok;
}

static bool swift_has(void *own, const char *name, const char *check, uint64_t size, bool *there,
                      bool *unreachable, Err *err)
{
    PxSwiftObject object;
    Err problem = {0};
    bool found;
    if (px_swift_head(((Lane *)own)->line, name, &object, &found, &problem)) {
        *there = found && object.size == size && (!*check || !strcmp(object.md5, check));
        return true;
    }
    *unreachable = px_swift_is_out_of_reach(&problem);
    if (err)
        *err = problem;
    return false;
}

typedef struct Visit {
    PxEntryVisit visit;
    void *ctx;
} Visit;

static bool visit_entry(void *ctx, const PxSwiftEntry *e, Err *err)
{
    const Visit *v = ctx;
    PxEntry entry = {e->name, e->hash, e->last_modified, e->content_type, e->bytes, e->is_static};
    return v->visit(v->ctx, &entry, err);
}

static bool swift_list(void *own, const char *prefix, bool hashes, PxEntryVisit visit, void *ctx, Err *err)
{
    Visit v = {visit, ctx};
    return px_swift_list(((Lane *)own)->line, prefix, visit_entry, &v, err);
}

static bool swift_get(void *own, const PxEntry *entry, const PxHttpSink *sink, Err *err)
{
    return px_swift_get(((Lane *)own)->line, entry->name, sink, NULL, err);
}

static bool swift_delete(void *own, const PxEntry *entries, size_t n, bool *deleted, Err *err)
{
    PxSwiftEntry *list = calloc(n ? n : 1, sizeof *list);
    if (!list)
        abort();
    for (size_t i = 0; i < n; i++)
        list[i] = (PxSwiftEntry){
            .name = entries[i].name, .bytes = entries[i].bytes, .is_static = entries[i].is_static};
    bool ok = px_swift_delete(((Lane *)own)->line, list, n, deleted, err);
    free(list);
    return ok;
}

const PxStorageKind px_storage_swift = {
    .open = swift_open,
    .close = swift_close,
    .open_lane = swift_open_lane,
    .close_lane = swift_close_lane,
    .put = swift_put,
    .has = swift_has,
    .list = swift_list,
    .get = swift_get,
    .remove = swift_delete,
};
