// SPDX-License-Identifier: MIT
/* A kind of storage is a PxStorageKind. Only px/storage*.c include this. */
#ifndef GANTRY_PX_STORAGE_INTERNAL_H
#define GANTRY_PX_STORAGE_INTERNAL_H

#include "px/storage.h"

typedef struct PxStorageKind {
    /* The storage's own part; NULL and err. */
    void *(*open)(const PxStorageSettings *settings, Err *err);
    void (*close)(void *own);
    void *(*open_lane)(void *own);
    void (*close_lane)(void *lane);
    bool (*put)(void *lane, Arena *arena, const PxParcel *parcel, PxReceipt *out, bool *unreachable,
                Err *err);
    /* NULL: it cannot be asked. */
    bool (*has)(void *lane, const char *name, const char *check, uint64_t size, bool *there,
                bool *unreachable, Err *err);
    bool (*settle)(void *lane, Err *err); /* NULL: all is durable at once */
    /* NULL: there is no such thing. */
    bool (*list)(void *lane, const char *prefix, bool hashes, PxEntryVisit visit, void *ctx, Err *err);
    bool (*get)(void *lane, const PxEntry *entry, const PxHttpSink *sink, Err *err);
    bool (*remove)(void *lane, const PxEntry *entries, size_t n, bool *deleted, Err *err);
} PxStorageKind;

extern const PxStorageKind px_storage_swift, px_storage_folder, px_storage_pacs;

#endif
