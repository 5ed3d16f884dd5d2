// SPDX-License-Identifier: MIT
/*
 * store/ — bytes by name. Drivers: a directory (now), S3 and Swift (later), behind one set of functions.
 *
 * Names are made by the archive's layout; they are relative and safe (base/file.h: file_is_safe_relative) or refused.
 * Promises: what store_publish reported as published survives a power cut, data and name both; before that, nothing is
 * visible under the final name; the XXH3-128 of its bytes (from a given offset: the data set) is computed as they come, before they are written.
 *
 * Threads: a StorePut belongs to one thread of the caller's at a time; everything else may be called from any thread. All puts are gone
 * before store_close.
 */
#ifndef GANTRY_STORE_STORE_H
#define GANTRY_STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/span.h"
#include <sys/types.h>

typedef struct Store Store;
typedef struct StorePut StorePut;
typedef struct StoreObject StoreObject;

typedef struct StoreDigest {
    uint64_t size;
    uint8_t content[16]; /* XXH3-128, canonical, of the bytes from content_offset on */
} StoreDigest;

/* Opens (creating) the folder `root`, with temporary files in `temp` (same file system, else ERR_USAGE says so).
   Temporary files left by a process that died are removed (they were never acknowledged). */
Store *store_open_directory(const char *root, const char *temp, Err *err);
void store_close(Store *store);
/* Objects of 128 KiB and more go to the disk past the kernel's cache (O_DIRECT), where the file system can do so. Off when opened. */
void store_write_direct(Store *store, bool direct);

/* -- in -- */
StorePut *store_put_begin(Store *store, Err *err);
bool store_put_write(StorePut *put, Span bytes, Err *err);
/* Where the next bytes will stand, *n of them at most (never 0): those that are there already when store_put_write gets them (`bytes` begins here) are not copied. */
uint8_t *store_put_room(StorePut *put, size_t *n);
/* Bytes from here on belong to the content digest. Default: from the start. */
void store_put_mark_content(StorePut *put);
/* No more bytes: what was given is in the file. `digest` may be NULL. */
bool store_put_end(StorePut *put, StoreDigest *digest, Err *err);
/* Removes what was written. NULL is fine. */
void store_put_abandon(StorePut *put);
/* Sets the modification time of an object that has ended. It becomes durable with the bytes. */
bool store_put_stamp(StorePut *put, int64_t time_us, Err *err);
/* Path of the temporary file, for reading it back. */
const char *store_put_path(const StorePut *put);
/* Makes the bytes durable now, in the caller's thread: many writers sync in parallel what store_publish would sync one after
   the other. store_publish does it for those that have not. */
bool store_put_sync(StorePut *put, Err *err);

typedef struct StorePublish {
    StorePut *put; /* ended; consumed when ok */
    const char *name;
    bool replace; /* false: ERR_EXISTS when the name is taken */
    bool ok;      /* out */
    Err err;      /* out, when !ok; the put stays the caller's */
    StorePut *
        previous; /* out, with `replace`: the object that had the name, as an ended put of the caller. Abandon it, or publish it under
                     the name again to undo the replacement. NULL when the name was free. */
} StorePublish;

/* Makes a group durable under its final names: data synced, renamed, folders synced; one pass for the whole group.
   Each member has its own outcome. True when all are ok. */
bool store_publish(Store *store, StorePublish *group, size_t n);

/* Objects that were found under their names, which somebody else gave them: bytes and names are durable when this returns. One pass for all. */
bool store_make_durable(Store *store, const char *const *names, size_t n, Err *err);
/* Everything in the store is: for those who are about to find much. */
bool store_settle(Store *store, Err *err);

/* -- out -- */
StoreObject *store_get(Store *store, const char *name, Err *err);
uint64_t store_object_size(const StoreObject *object);
/* Up to n bytes at offset; 0 at the end; -1 and err. */
ssize_t store_object_read(StoreObject *object, uint64_t offset, void *p, size_t n, Err *err);
/* A file descriptor for sendfile, or -1 when the driver has none. */
int store_object_fd(const StoreObject *object);
void store_object_close(StoreObject *object);

/* -- care -- */
/* Wall clock of the last moment at which every process that used this store and died without store_close had all its objects
   accounted for; INT64_MAX when none died. What was published later may be unknown to the index. */
int64_t store_unclean_since(const Store *store);
/* That has been repaired; do not report it again. */
void store_forget_unclean(Store *store);
/* Something published could not be accounted for: store_close leaves the mark of an unclean stop. */
void store_leave_unclean(Store *store);
/* All this process has published so far is accounted for: moves the moment above. */
void store_checkpoint(Store *store);
/* Has no process died in this store without one that came later having accounted for its objects? False and err (ERR_REFUSED) otherwise. */
bool store_is_accounted(Store *store, Err *err);

/* -- claims: who is about to change what there is of an object -- */
typedef struct StoreClaims StoreClaims;
/* Those of one owner; what it has claimed already it may claim again. */
StoreClaims *store_claims_open(Store *store, Err *err);
/* Ends all that are left. NULL is fine. */
void store_claims_close(StoreClaims *claims);
/* False and err (ERR_LIMIT) when somebody else still has it at the deadline. */
bool store_claim(StoreClaims *claims, uint64_t key, Deadline deadline, Err *err);
void store_unclaim(StoreClaims *claims, uint64_t key);

/* Deletes the object and the folders that become empty. */
bool store_delete(Store *store, const char *name, Err *err);
/* Calls visit(ctx, relative name) for every object, in no order. */
bool store_walk(Store *store, FileVisit visit, void *ctx, Err *err);
/* The same, only in folders changed since `since_us` (wall clock): for repair after an unclean stop. */
bool store_walk_changed(Store *store, int64_t since_us, FileVisit visit, void *ctx, Err *err);
/* Absolute path of an object of a directory store; NULL for others. Caller frees. */
char *store_path(const Store *store, const char *name);
/* The name of the object at an absolute path: a part of `path`; NULL when it is not in this store. */
const char *store_name(const Store *store, const char *path);
/* Bytes free for new objects, UINT64_MAX when unknown; *total = those of the whole disk, 0 when unknown. */
uint64_t store_room(const Store *store, uint64_t *total);

#endif
