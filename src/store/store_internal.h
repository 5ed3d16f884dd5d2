// SPDX-License-Identifier: MIT
/* What the files of store/ share. Only those files include this. */
#ifndef GANTRY_STORE_STORE_INTERNAL_H
#define GANTRY_STORE_STORE_INTERNAL_H

#include "base/queue.h"
#include "base/spare_block.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

enum {
    KNOWN_FOLDERS = 8192,
    /* what is written past the cache begins and ends at multiples of this, in memory and in the file */
    DISK_BLOCK = SPARE_BLOCK_ALIGNMENT,
    BLOCK = SPARE_BLOCK_SIZE,
};

/* The folder of a process that died; its lock is ours as long as we have not accounted for its objects. */
typedef struct DeadSession {
    char name[24];
    int lock;
} DeadSession;

/* A process's own folder of temporary files, and those of dead ones (session.c). */
typedef struct Session {
    int base;      /* the temp folder given by the caller */
    int dir, lock; /* our folder in it; its lock file, held while we live */
    char name[24]; /* of our folder: a number */
    char *path;    /* of our folder, absolute */
    DeadSession *dead;
    size_t dead_count;
    int64_t unclean_since;
    atomic_bool stays;   /* our folder stays when we go, as that of a process that died */
    atomic_bool durable; /* our folder survives a power cut */
} Session;

struct Store {
    char *root_path; /* absolute, links resolved */
    int root;
    Session session;
    atomic_uint_fast64_t next_put;
    atomic_bool direct; /* large objects are written past the kernel's cache, as far as the file system can */
    pthread_mutex_t known_lock;      /* guards `known`, and the making of `helpers` */
    uint64_t known[KNOWN_FOLDERS];   /* hashes of folders that are durable up to the root */
    Pool *helpers;                   /* sync.c */
    atomic_int_least64_t settled_us; /* what came before this moment is durable (found.c) */
};

struct StorePut {
    Store *store;
    int fd;        /* -1 for an object that was displaced by a replacement */
    char name[24]; /* in the session's folder */
    char *path;
    uint8_t *block; /* `held` bytes wait in it */
    size_t held;
    uint64_t size, written; /* bytes given; bytes in the file */
    XXH3_state_t *content;  /* of the bytes given since the mark */
    bool direct;            /* written past the cache */
    bool ended, synced, failed;
    bool stamped; /* its time is to be synced, too */
};

/* -- session.c -- */
bool session_open(Session *session, const char *temp, Err *err);
void session_close(Session *session);
/* Before the first object gets its name: a stop from now on, of whatever kind, leaves the mark. */
bool session_make_durable(Session *session, Err *err);
/* Can a file move from the session's folder to `root`? */
bool session_can_reach(const Session *session, int root, Err *err);

/* -- put.c -- */
/* Frees the put without touching its file. */
void put_free(StorePut *put);
/* The put for the file that now has this put's temporary name. */
StorePut *put_displaced(const StorePut *put);
/* Starts writing out what is dirty, without waiting. */
void put_start_sync(StorePut *put);

/* -- folders.c: the folders one publishing pass writes to -- */
typedef struct Folder {
    char *path; /* relative to the root, "" = the root */
    int fd;
} Folder;

typedef struct Folders {
    Store *store;
    Folder *list;
    size_t count, capacity;
} Folders;

void folders_init(Folders *folders, Store *store);
/* The folder that holds `name`, made with its parents when missing; the fd is borrowed. -1 and err on failure. */
int folders_of_name(Folders *folders, const char *name, Err *err);
/* Makes every entry of these folders durable, and the folders themselves. */
bool folders_sync(Folders *folders, Err *err);
void folders_free(Folders *folders);
/* Some folder was removed: nothing is known any more. */
void folders_forget(Store *store);

/* -- sync.c -- */
/* Syncs them all, side by side. False with the first error. */
bool sync_folders(Store *store, const Folder *list, size_t count, Err *err);

/* The part behind the last slash. */
const char *last_part(const char *name);

#endif
