// SPDX-License-Identifier: MIT
/* The files of a store, patient by patient, leaving out folders whose name says that they do not have what is wanted. One thread. */
#ifndef GANTRY_ARCHIVE_FILEWALK_H
#define GANTRY_ARCHIVE_FILEWALK_H

#include "index/index.h"

typedef struct FileWalk FileWalk;

typedef struct WalkedFile {
    const char *path; /* until the next call; NULL: no more */
    int64_t mtime_us;
} WalkedFile;

/* whole: a patient's folder that has a wanted one is walked whole. */
FileWalk *filewalk_open(const char *root, const char *temp, const IdxSelection *only, bool whole, Err *err);
/* On to the next folder (or file) in the root. *enter: it may have what is wanted. *end: there is none. */
bool filewalk_patient(FileWalk *walk, bool *enter, bool *end, Err *err);
/* The next file in it. */
WalkedFile filewalk_file(FileWalk *walk);
/* Folders that could not be read. */
uint64_t filewalk_unreadable(const FileWalk *walk);
void filewalk_close(FileWalk *walk);

#endif
