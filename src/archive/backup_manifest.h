// SPDX-License-Identifier: MIT
/* manifest.json of a backup (see backup.h), and the copying that both ways share. Only backup.c, backup_manifest.c and restore.c include this. */
#ifndef GANTRY_ARCHIVE_BACKUP_MANIFEST_H
#define GANTRY_ARCHIVE_BACKUP_MANIFEST_H

#include "archive/backup.h"

#include <stdio.h>
#include <sys/stat.h>

#define BACKUP_MANIFEST "manifest.json"

typedef struct BackupFile {
    const char *path; /* in the backup */
    uint64_t size;
    int64_t mtime_us;
    unsigned mode;
    uint8_t sha256[32];
    size_t line; /* in the manifest */
} BackupFile;

typedef struct BackupFiles {
    Arena *arena;
    ArcBackupHead head;
    BackupFile *files; /* by path, once sorted */
    size_t count, capacity;
    bool ended; /* the manifest is whole */
} BackupFiles;

/* What can be read of it: up to a line that is none. False when there is no manifest. */
bool backup_files_read(const char *folder, BackupFiles *out);
/* Of several of one path the last one. NULL when there is none. */
const BackupFile *backup_files_find(const BackupFiles *files, const char *path);
void backup_files_free(BackupFiles *files);

bool backup_write_head(FILE *to, const ArcBackupHead *head, Err *err);
bool backup_write_file(FILE *to, const BackupFile *file, Err *err);
bool backup_write_end(FILE *to, uint64_t files, uint64_t bytes, Err *err);

/* Copies what `from` has left, and computes its digest. `to` -1: only that. *unreadable: it is `from` that failed. */
bool backup_copy(int from, int to, const atomic_bool *stop, uint64_t *size, uint8_t sha256[32],
                 bool *unreadable, Err *err);
/* All that was written to the file system of this folder, onto the disk. */
bool backup_sync(int folder, Err *err);
int64_t backup_mtime(const struct stat *st);

#endif
