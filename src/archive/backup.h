// SPDX-License-Identifier: MIT
/*
 * Backups: TARGET/<UTC time>/ is one state of an archive, whole by itself: its folders, a copy of a SQLite index, and manifest.json, which has the size and
 * SHA-256 of each file. A file that did not change since the backup before is a second name of that one's (a copy where links cannot be), so that a backup costs
 * what is new. A backup is called so when all of it is on the disk; until then it is TARGET/.unfinished, and the next run goes on with it, after it has read
 * again what is there.
 *
 * May run beside servers. The files are copied, then the index, then the files once more: what the index shows is there, unless it was deleted or replaced in the
 * moments since; restoring settles that. Nothing is deleted in other backups.
 *
 * manifest.json: JSON, one object per line: the archive, the files, and an end, without which it is none.
 *   {"archive":"/srv/main","data":"/srv/main/data","index":true,"when":"2026-11-21 13:05:09"}
 *   {"path":"data/1/1.2/1.2.3/1.2.3.4","size":520000,"mtime_us":1763…,"mode":416,"sha256":"…"}
 *   {"end":true,"files":12,"bytes":6240000}
 */
#ifndef GANTRY_ARCHIVE_BACKUP_H
#define GANTRY_ARCHIVE_BACKUP_H

#include "archive/archive.h"

#include <stdatomic.h>

/* A folder or a file; what begins with '.' in it is left out. One that is not there is passed over. */
typedef struct ArcBackupRoot {
    const char *name; /* in the backup: "data" */
    const char *path;
} ArcBackupRoot;

typedef struct ArcBackedUp {
    char name[32];                 /* of the backup, in the target; "" when it is not finished */
    uint64_t files, bytes;         /* that it has, or that were restored */
    uint64_t copied, copied_bytes; /* of these; the rest was in the backup before */
    uint64_t failed;               /* files that could not be read, or are not what they were */
} ArcBackedUp;

typedef struct ArcBackup {
    const char *target;  /* the folder with the backups; made when absent */
    const char *archive; /* its folder */
    const char *data;    /* its store */
    const ArcBackupRoot *roots;
    size_t root_count;
    const char *index_path;  /* SQLite; NULL: the index is not copied */
    const atomic_bool *stop; /* may be NULL */
    /* After each file. `why` is NULL when all is well. May be NULL. */
    void (*step)(void *ctx, const ArcBackedUp *so_far, const char *path, const Err *why);
    void *ctx;
} ArcBackup;

#define ARC_BACKUP_INDEX "index.sqlite"

/* False and err too when files could not be read; all else is in the backup then. */
bool arc_backup(const ArcBackup *backup, ArcBackedUp *out, Err *err);

/* What the manifest of a backup says of the archive; strings in the arena. */
typedef struct ArcBackupHead {
    const char *folder; /* of the backup itself */
    const char *archive, *data, *when;
    bool index;
} ArcBackupHead;
/* `source` is a backup, or the folder with the backups: then the newest one. ERR_NOT_FOUND, ERR_FORMAT when it has no whole manifest. */
bool arc_backup_find(Arena *arena, const char *source, ArcBackupHead *out, Err *err);

typedef struct ArcRestore {
    const char *folder;         /* ArcBackupHead's */
    const ArcBackupRoot *roots; /* what to bring where; the rest is left out */
    size_t root_count;
    const atomic_bool *stop;
    void (*step)(void *ctx, const ArcBackedUp *so_far, const char *path, const Err *why);
    void *ctx;
} ArcRestore;
/* Copies, and compares each file with its digest on the way; one that is not what it was does not come under its name. What is there is replaced.
   Durable on return. True when it went to the end; out->failed are those that are missing or not what they were. */
bool arc_restore(const ArcRestore *restore, ArcBackedUp *out, Err *err);

#endif
