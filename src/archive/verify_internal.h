// SPDX-License-Identifier: MIT
/* What verify.c, verify_file.c, verify_repair.c and seal.c share. */
#ifndef GANTRY_ARCHIVE_VERIFY_INTERNAL_H
#define GANTRY_ARCHIVE_VERIFY_INTERNAL_H

#include "archive/archive_internal.h"
#include "archive/verify.h"

/* -- verify_file.c: one file -- */

/* So many bytes a second, all threads together. */
typedef struct Pace {
    pthread_mutex_t lock;
    uint64_t bytes_per_second; /* 0 = any */
    int64_t next_ns;
} Pace;

/* Waits as long as `bytes` take; false when *stop was set. */
bool pace_wait(Pace *pace, uint64_t bytes, const atomic_bool *stop);

typedef struct Checked {
    ArcFinding what;
    Err why;
    struct stat file;   /* the one that was looked at */
    uint64_t bytes;     /* read */
    bool without;       /* the row has no checksum */
    uint8_t sha256[32]; /* of a whole file that was read to seal it */
} Checked;

/* Is the file of this row what the row says? False when *stop was set. */
bool check_file(const IdxFile *row, Pace *pace, const atomic_bool *stop, Checked *out);
/* The same of a row that has no SHA-256, taking it: the kernel's cache is passed by as far as that goes, and keeps what it has. False when go_on, which is asked after each piece, said so. */
bool check_file_to_seal(const IdxFile *row, bool (*go_on)(void *ctx, uint64_t bytes), void *ctx,
                        Checked *out);
/* Did its file come, or change, a moment ago? Its row is then on its way. */
bool checked_is_fresh(const Checked *checked);

/* -- verify.c -- */

/* What looks wrong is looked at again so much later. */
enum { VERIFY_SETTLE_MS = 2000 };
/* What the index has of an object now. False and err when it cannot be asked; *out.sop_instance is NULL when it has nothing. */
bool verify_look_up(Archive *archive, Arena *arena, const char *sop_instance, IdxFile *out, Err *err);

/* -- verify_repair.c -- */

/* Of both: ERR_MISMATCH when something has changed since it was looked at, so that it has to be looked at again. Nothing was done then. */
/* The row goes, when its file is gone. */
bool repair_missing(Archive *archive, const IdxFile *row, const atomic_bool *stop, Err *err);
/* The file goes to the quarantine, when it is still the one that was looked at, and its row out of the index. Without a row: `sop_instance` may be "". */
bool repair_damaged(Archive *archive, const IdxFile *row, const char *sop_instance, const char *path,
                    const Checked *checked, const atomic_bool *stop, Err *err);
/* Do they say the same of the same file? */
bool verify_same_row(const IdxFile *a, const IdxFile *b);
/* The file of the store gets a row. */
bool repair_unindexed(Archive *archive, const char *name, const atomic_bool *stop, Err *err);

/* What is in the trash, by checksum. */
typedef struct Trashed Trashed;
Trashed *trashed_read(const char *folder);
/* A copy of this object whose bytes are right; NULL when there is none. In the arena. */
const char *trashed_copy(const Trashed *trashed, Arena *arena, const IdxFile *row, Pace *pace,
                         const atomic_bool *stop);
void trashed_free(Trashed *trashed);

#endif
