// SPDX-License-Identifier: MIT
/*
 * Is everything there that the index says, byte for byte, and does the index have everything that is there? The files of the store are held against the
 * index first, then each row against its file: size, and SHA-256 of all bytes (XXH3 of the data set where a row has no SHA-256). The page cache is
 * passed by as far as the kernel lets it, so that it is the disk that is read.
 *
 * May run beside servers. What looks wrong is looked at again a little later, with the row that the index has then: an object that came, was replaced or
 * deleted meanwhile is no finding. A second file of an object that is sound elsewhere (duplicates: keep_both) is none either, while it is sound itself: its name holds a checksum.
 *
 * Repairing makes index and files agree, and never deletes an object: what lacks a row is indexed, rows whose file is gone go, files that are not what they were
 * go to the quarantine with the reason, their rows with them. Files that were indexed in place, outside of the store, are not ours to move; nor are rows taken out while the folder
 * they were in is gone as well, which may be a disk that is not mounted.
 */
#ifndef GANTRY_ARCHIVE_VERIFY_H
#define GANTRY_ARCHIVE_VERIFY_H

#include "archive/archive.h"

#include <stdatomic.h>

typedef enum ArcFinding {
    ARC_SOUND,
    ARC_MISSING,    /* a row, no file */
    ARC_WRONG_SIZE, /* a file that is longer or shorter than it was */
    ARC_DAMAGED,    /* other bytes than were stored; or no row, and no object either */
    ARC_UNREADABLE, /* there, but it cannot be read */
    ARC_UNINDEXED,  /* a file, no row */
    ARC_MISPLACED,  /* its row says another place, where it is not */
    ARC_FINDINGS,   /* how many */
} ArcFinding;

/* "missing", "wrong_size" …: for the console, JSON and the log. */
const char *arc_finding_name(ArcFinding finding);

typedef struct ArcFound {
    ArcFinding what;
    const char *sop_instance; /* "" when not known */
    const char *path;
    const Err *why;
    const char *copy; /* a sound copy in the trash; NULL = none */
    bool repaired;
    const Err *unrepaired; /* why not, when that was asked for */
} ArcFound;

typedef struct ArcVerified {
    uint64_t total;   /* rows selected at the start */
    uint64_t checked; /* rows looked at */
    uint64_t files;   /* of the store, held against the index */
    uint64_t bytes;   /* read */
    uint64_t copies;  /* files of objects whose row shows another, sound one */
    uint64_t waiting; /* files that wait for the database */
    uint64_t without; /* rows without a checksum: only their size was compared */
    uint64_t found[ARC_FINDINGS];
    uint64_t findings, repaired;
    char last[65]; /* the object that was read last */
} ArcVerified;

typedef struct ArcVerify {
    IdxSelection selection;    /* with `everything` the store is walked, too */
    const char *trash_folder;  /* where sound copies may be; NULL = not looked for */
    size_t threads;            /* 0 = 1 */
    uint64_t bytes_per_second; /* 0 = as fast as it goes */
    const char
        *after; /* the rows up to this object were read before; when there is none, all are. May be NULL */
    bool repair;
    const atomic_bool *stop; /* may be NULL */
    /* After each row, and for each finding (else `found` is NULL). One at a time, from any thread. May be NULL. */
    void (*step)(void *ctx, const ArcVerified *so_far, const ArcFound *found);
    void *ctx;
} ArcVerify;

/* True when it went to the end, whatever was found. ERR_NOT_FOUND when nothing is selected, ERR_REFUSED when the index has objects and the store no file at all,
   ERR_CANCELLED when *stop was set. *out is filled in every case. */
bool arc_verify(Archive *archive, const ArcVerify *verify, ArcVerified *out, Err *err);

#endif
