// SPDX-License-Identifier: MIT
/* What the files of store/ share. Only those files include this. */
#ifndef GANTRY_STORE_STORE_INTERNAL_H
#define GANTRY_STORE_STORE_INTERNAL_H

#include "base/queue.h"
#include "base/spare_block.h"
#include "store/store.h"

#include <openssl/evp.h>
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
    EVP_MD *sha256;
    atomic_bool direct; /* large objects are written past the kernel's cache, as far as the file system can */
    pthread_mutex_t known_lock;    /* guards `known`, and the making of `helpers` and `digesters` */
    uint64_t known[KNOWN_FOLDERS]; /* hashes of folders that are durable up to the root */
    Pool *helpers;                 /* sync.c */
    Pool *digesters;               /* digest.c */
    int digesters_most;
    atomic_int idle_digesters, digestings;
    atomic_int_least64_t settled_us; /* what came before this moment is durable (found.c) */
};

/* -- digest.c -- */
/* One thread's, but for the piece that a helper has. */
typedef struct Digesting {
    Store *store;
    EVP_MD_CTX *sha;
    XXH3_state_t *content;
    uint64_t at, content_from; /* bytes that are in; where the content begins */
    Span piece;                /* the last one */
    bool at_once;              /* no piece waits */
    pthread_mutex_t lock;      /* guards `busy` */
    pthread_cond_t changed;
    bool busy; /* a helper has the piece */
} Digesting;

/* So many helpers are worth it on this machine. */
int digesters_most(void);
void digest_begin(Digesting *digesting, Store *store);
void digest_free(Digesting *digesting);
/* Bytes that have come, … */
void digest_bytes(Digesting *digesting, Span bytes);
/* … and all of them since the last piece, together; they stay as they are until digest_await. */
void digest_piece(Digesting *digesting, Span bytes);
bool digest_is_busy(Digesting *digesting);
void digest_await(Digesting *digesting);
/* What stands at `from` and behind it is content; no piece has reached it. */
void digest_mark_content(Digesting *digesting, uint64_t from);
void digest_end(Digesting *digesting, StoreDigest *out);

struct StorePut {
    Store *store;
    int fd;        /* -1 for an object that was displaced by a replacement */
    char name[24]; /* in the session's folder */
    char *path;
    uint8_t *block; /* `held` bytes wait in it */
    uint8_t *other; /* the block before, while it is digested; NULL = none was wanted yet */
    size_t held;
    uint64_t size, written; /* bytes given; bytes in the file */
    Digesting digesting;
    StoreDigest digest;
    bool digested; /* `digest` is made */
    bool direct;   /* written past the cache */
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
