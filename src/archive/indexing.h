// SPDX-License-Identifier: MIT
/*
 * Objects that lie in folders, into the index: the archive's own store after its index was lost or files were put there by hand, or any other
 * folder, whose files stay where they are. Or moved in: copied into the store and then deleted where they were.
 *
 * Reading and checking is done by several threads, indexing by the committer in groups, so that a server on the same
 * archive is never kept from writing for long. A run that was stopped goes on where it was: a file is passed over when the index has its SOP
 * Instance UID (by the file meta) with this path, this size and no older time, or with another file that is there. `verify` reads those as well.
 */
#ifndef GANTRY_ARCHIVE_INDEXING_H
#define GANTRY_ARCHIVE_INDEXING_H

#include "archive/archive.h"

#include <stdatomic.h>

typedef struct ArcIndexed {
    uint64_t seen;    /* files looked at */
    uint64_t added;   /* in the index by this run, or brought up to date */
    uint64_t known;   /* were there already */
    uint64_t junk;    /* no DICOM object, or a damaged one */
    uint64_t failed;  /* could not be read or stored */
    uint64_t deleted; /* of the sources, with `move_in` */
    uint64_t
        kept; /* sources that `move_in` left where they are, because they are the only copy; or a whole archive */
    uint64_t bytes; /* read */
} ArcIndexed;

typedef struct ArcIndexing {
    const char *folder; /* NULL: the archive's own store */
    const char *const
        *leave_out; /* folders that are not entered, absolute, links resolved; ended by NULL. May be NULL */
    size_t threads; /* 0 = 1 */
    bool verify;
    const char
        *not_since; /* arc_index_again: rows made anew since this time stay (IdxSelection). May be NULL */
    bool move_in;   /* folders that are archives are not entered; one that is given is refused */
    const atomic_bool
        *stop; /* set from outside: what is begun is finished, then the call returns. May be NULL */
    /* Called one at a time, from any thread. May be NULL. `why` is NULL unless the file was junk or failed, or was kept. */
    void (*step)(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why);
    void *ctx;
} ArcIndexing;

/* True when it went to the end, whatever the files were; false and err when the folder cannot be walked or *stop was set (ERR_CANCELLED).
   *out is filled in every case. */
bool arc_index_folder(Archive *archive, const ArcIndexing *indexing, ArcIndexed *out, Err *err);

/* For a `step` of the server's own passes: is it the index that takes nothing now, whatever the file is? Says so once (*told), unless it is
   away, which is told elsewhere. */
bool indexing_halts(Archive *archive, const Err *why, bool *told);

/* Every object of the index read again and its row made anew: after attributes were added to the index. `folder` and `move_in` do not count.
   Files that are gone count as failed; their rows stay. */
bool arc_index_again(Archive *archive, const ArcIndexing *indexing, ArcIndexed *out, Err *err);

/* After an unclean stop: what has its name since a moment, in folders of the store that changed since then. An object that had replaced one elsewhere, but for its row, does so now.
   `folder` and `move_in` do not count. */
bool arc_index_adopt(Archive *archive, int64_t since_us, const ArcIndexing *indexing, ArcIndexed *out,
                     Err *err);

typedef struct ArcPruned {
    uint64_t seen;   /* rows looked at */
    uint64_t gone;   /* their file is not there */
    uint64_t pruned; /* rows taken out of the index */
    uint64_t failed; /* rows that the index keeps */
} ArcPruned;

typedef struct ArcPruning {
    bool dry_run;            /* only looks */
    bool own_only;           /* not those of files that were indexed in place */
    const atomic_bool *stop; /* may be NULL */
    void (*step)(void *ctx, const ArcPruned *so_far,
                 const IdxFile *gone); /* for each that is gone. May be NULL */
    void *ctx;
} ArcPruning;

/* Takes the rows out of the index whose file is gone. Refused (ERR_REFUSED) while the data folder has no files at all. */
bool arc_prune(Archive *archive, const ArcPruning *pruning, ArcPruned *out, Err *err);

#endif
