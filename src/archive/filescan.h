// SPDX-License-Identifier: MIT
/*
 * Objects found by walking over the files of a store, for the time in which the index cannot be reached. Their heads are gathered in a scratch
 * index, so that it is the same code that matches, counts and orders: the answers are the index's. The scratch index has a nameless
 * file in `temp_path`; memory does not grow with the archive.
 *
 * A patient's folder is gathered whole, and as many of them as make a batch; `at_once` puts everything into one. The names that
 * archive/layout.c gives to keys are used to pass over folders that cannot have what is asked for. Folders with encoded
 * names are always looked into. Files that are no objects, or vanish meanwhile, are passed over; objects that were
 * indexed in place somewhere else are not found.
 *
 * A scan belongs to one thread; several others read files for it.
 */
#ifndef GANTRY_ARCHIVE_FILESCAN_H
#define GANTRY_ARCHIVE_FILESCAN_H

#include "index/index.h"

typedef struct ArcFileWish {
    const char *data_path, *temp_path; /* live as long as the scan */
    const Index *like;                 /* has the attributes that are looked at; lives longer */
    /* What has to be found; lists live as long as the scan. Instances do not narrow: any file may hold one. */
    IdxSelection only;
    bool whole_patients; /* of whom `only` has something: all their objects, for counting */
    bool at_once;
    bool foreign_names; /* they say nothing: all files are looked at, and make one batch */
    /* Asked now and then; true ends the scan with ERR_CANCELLED. NULL = never. */
    bool (*stopped)(void *ctx);
    void *stopped_ctx;
} ArcFileWish;

typedef struct ArcFileScan ArcFileScan;

ArcFileScan *arc_filescan_open(const ArcFileWish *wish, Err *err);
/* The next batch: *index, which lives until the next call; NULL when there is no more. */
bool arc_filescan_next(ArcFileScan *scan, Index **index, Err *err);
/* No batch will be asked for any more; the last one stays. Ends the reading threads. */
void arc_filescan_leave(ArcFileScan *scan);
/* Files that could not be read although they are there: what was found may not be all. */
uint64_t arc_filescan_unreadable(const ArcFileScan *scan);
void arc_filescan_close(ArcFileScan *scan);

#endif
