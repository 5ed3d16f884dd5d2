// SPDX-License-Identifier: MIT
#include "px/storage_internal.h"

#include "base/outgoing.h"

#include <stdlib.h>
#include <string.h>

struct PxStorage {
    const PxStorageKind *kind;
    Arena *strings;
    const char *target;
    void *own;
};

struct PxLane {
    const PxStorageKind *kind;
    void *own;
};

static const char *target_of(const PxStorageService *s, Arena *arena)
{
    Span host;
    switch (s->type) {
    case PX_STORAGE_SWIFT:
        host = outgoing_host(s->swift.url);
        return arena_printf(arena, "swift %.*s://%.*s/%s", (int)strcspn(s->swift.url, ":"), s->swift.url,
                            SPAN_FMT(host), s->swift.container);
    case PX_STORAGE_FS:
        return arena_printf(arena, "fs %s", s->path);
    case PX_STORAGE_PACS:
        return arena_printf(arena, "pacs %s@%s:%u", s->pacs.aec, s->pacs.host, s->pacs.port);
    }
    return "";
}

PxStorage *px_storage_open(const PxStorageSettings *settings, Err *err)
{
    static const PxStorageKind *const kinds[] = {[PX_STORAGE_SWIFT] = &px_storage_swift,
                                                 [PX_STORAGE_FS] = &px_storage_folder,
                                                 [PX_STORAGE_PACS] = &px_storage_pacs};
    const PxStorageKind *kind = kinds[settings->service->type];
    void *own = kind->open(settings, err);
    if (!own)
        return NULL;
    PxStorage *storage = calloc(1, sizeof *storage);
    if (!storage)
        abort();
    *storage = (PxStorage){kind, arena_new(0), NULL, own};
    storage->target = target_of(settings->service, storage->strings);
    return storage;
}

void px_storage_close(PxStorage *storage)
{
    if (!storage)
        return;
    storage->kind->close(storage->own);
    arena_free(storage->strings);
    free(storage);
}

const char *px_storage_target(const PxStorage *storage)
{
    return storage->target;
}

PxLane *px_lane_open(PxStorage *storage)
{
    PxLane *lane = calloc(1, sizeof *lane);
    if (!lane)
        abort();
    *lane = (PxLane){storage->kind, storage->kind->open_lane(storage->own)};
    return lane;
}

void px_lane_close(PxLane *lane)
{
    if (!lane)
        return;
    lane->kind->close_lane(lane->own);
    free(lane);
}

bool px_lane_put(PxLane *lane, Arena *arena, const PxParcel *parcel, PxReceipt *out, bool *unreachable,
                 Err *err)
{
    *unreachable = false;
    *out = (PxReceipt){0};
    return lane->kind->put(lane->own, arena, parcel, out, unreachable, err);
}

bool px_lane_has(PxLane *lane, const char *name, const char *check, uint64_t size, bool *there,
                 bool *unreachable, Err *err)
{
    *unreachable = false;
    *there = true;
    return !lane->kind->has || lane->kind->has(lane->own, name, check, size, there, unreachable, err);
}

bool px_lane_settle(PxLane *lane, Err *err)
{
    return !lane->kind->settle || lane->kind->settle(lane->own, err);
}

static bool cannot(const char *what, Err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "a PACS cannot be %s like a storage; use px-find and px-move", what);
}

bool px_lane_list(PxLane *lane, const char *prefix, bool hashes, PxEntryVisit visit, void *ctx, Err *err)
{
    return lane->kind->list ? lane->kind->list(lane->own, prefix, hashes, visit, ctx, err)
                            : cannot("listed", err);
}

bool px_lane_get(PxLane *lane, const PxEntry *entry, const PxHttpSink *sink, Err *err)
{
    return lane->kind->get ? lane->kind->get(lane->own, entry, sink, err) : cannot("read", err);
}

bool px_lane_delete(PxLane *lane, const PxEntry *entries, size_t n, bool *deleted, Err *err)
{
    return lane->kind->remove ? lane->kind->remove(lane->own, entries, n, deleted, err)
                              : cannot("cleared", err);
}
