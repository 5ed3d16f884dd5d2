// SPDX-License-Identifier: MIT
/*
 * Where images are pushed to: an object store (swift.h), a folder, another PACS. One of them is a PxStorage, which any number of threads may use, each over a PxLane of
 * its own. What an operation says was done is durable there when px_lane_settle has said so too.
 *
 * Errors name no object, because names hold patients' names; the caller says which file it was.
 */
#ifndef GANTRY_PX_STORAGE_H
#define GANTRY_PX_STORAGE_H

#include "px/http_client.h"
#include "px/services.h"
#include "scu/scu.h"

typedef struct PxStorage PxStorage;
typedef struct PxLane PxLane;

typedef struct PxStorageSettings {
    const PxStorageService *service; /* lives as long as the storage */
    unsigned tries;                  /* of a request; 0: 5 */
    bool link;                       /* folder: hard links instead of copies, where that can be */
    NetTimeouts timeouts;            /* PACS, as the two below: NULL = plain, and nobody named */
    NetTls *tls;
    const NetIdentity *identity;
} PxStorageSettings;

/* No connection and no folder is made yet. NULL and err when it cannot be used. */
PxStorage *px_storage_open(const PxStorageSettings *settings, Err *err);
void px_storage_close(PxStorage *storage); /* after its lanes; NULL is fine */
/* "swift http://host:port/users", "fs /mnt/cube", "pacs AE@host:port": what marks are about. */
const char *px_storage_target(const PxStorage *storage);

PxLane *px_lane_open(PxStorage *storage);
void px_lane_close(PxLane *lane); /* NULL is fine */

/* A file and what it is to be called there, relative and without "." and ".."; a PACS has no names and needs the rest. */
typedef struct PxParcel {
    const char *path, *name;
    const char *sop_class, *sop_instance, *transfer_syntax;
    uint64_t data_offset;
} PxParcel;
typedef struct PxReceipt {
    const char *name; /* in the arena: object name, absolute path, SOP Instance UID */
    char check[40];   /* what the storage says of it: MD5, DIMSE status */
    uint64_t size;
    bool was_there; /* nothing had to be sent */
} PxReceipt;
/* False with err. *unreachable: the fault is not this file's, others would fare the same. */
bool px_lane_put(PxLane *lane, Arena *arena, const PxParcel *parcel, PxReceipt *out, bool *unreachable,
                 Err *err);
/* Is it still there as a receipt once said? *there is true where a storage cannot be asked (a PACS). No content is read. False with err, and *unreachable as above. */
bool px_lane_has(PxLane *lane, const char *name, const char *check, uint64_t size, bool *there,
                 bool *unreachable, Err *err);
/* What was put so far is durable. */
bool px_lane_settle(PxLane *lane, Err *err);

typedef struct PxEntry {
    const char *name, *hash, *last_modified, *content_type;
    uint64_t bytes;
    bool is_static; /* swift.h */
} PxEntry;
typedef bool (*PxEntryVisit)(void *ctx, const PxEntry *entry, Err *err);
/* Objects whose names begin with `prefix`, in order of name. Without `hashes` a folder's files are not read for theirs. ERR_UNSUPPORTED for a PACS, as below. */
bool px_lane_list(PxLane *lane, const char *prefix, bool hashes, PxEntryVisit visit, void *ctx, Err *err);
bool px_lane_get(PxLane *lane, const PxEntry *entry, const PxHttpSink *sink, Err *err);
/* deleted[i] says which; false when one was not. */
bool px_lane_delete(PxLane *lane, const PxEntry *entries, size_t n, bool *deleted, Err *err);

#endif
