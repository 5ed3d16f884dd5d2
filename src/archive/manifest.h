// SPDX-License-Identifier: MIT
/*
 * manifest.json of a batch in the trash: JSON, one object per line. The first line is about the batch, each further one about an object:
 *   {"what":"study 1.2.3 …","when":"2026-11-21 13:05:09","objects":12,"bytes":6240000}
 *   {"file":1,"sop_instance":"1.2.3.4","path":"/srv/archive/data/…","size":520000,"sha256":"…","content":"…","data_offset":352,"outside":false}
 * "sha256" is missing where the object was not sealed yet (seal.h), "content" (XXH3-128 of the data set, which begins at "data_offset") in manifests of older programs.
 * Only the files of archive/ include this.
 */
#ifndef GANTRY_ARCHIVE_MANIFEST_H
#define GANTRY_ARCHIVE_MANIFEST_H

#include "archive/archive.h"

#include <stdio.h>

#define MANIFEST_NAME "manifest.json"

typedef struct ManifestHead {
    const char *what, *when;
    uint64_t objects, bytes;
} ManifestHead;

typedef struct ManifestEntry {
    uint64_t file; /* its name in the batch */
    const char *sop_instance, *path;
    uint64_t size;
    uint8_t sha256[32], content[16]; /* zeros: not known */
    uint64_t data_offset;
    bool outside; /* the file stayed where it is */
} ManifestEntry;

/* Ends the line and writes it; frees it. */
bool manifest_write_line(FILE *to, Buf *line, Err *err);

bool manifest_write_head(FILE *to, const ManifestHead *head, Err *err);
bool manifest_write(FILE *to, const ManifestEntry *entry, Err *err);
/* Onto the disk. */
bool manifest_sync(FILE *to, Err *err);

/* Strings in the arena. */
bool manifest_read_head(FILE *from, Arena *arena, ManifestHead *out, Err *err);
/* *more = false at the end. */
bool manifest_read(FILE *from, Arena *arena, ManifestEntry *out, bool *more, Err *err);

#endif
