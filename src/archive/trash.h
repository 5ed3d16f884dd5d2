// SPDX-License-Identifier: MIT
/*
 * Deleting with a way back. What is deleted goes, as one batch, into TRASH/<batch>/: the files by number, and manifest.json, which says what
 * they are and where they were. The rows go from the index, so that no query shows them; undoing puts the files back, byte for byte, and
 * indexes them again.
 *
 * Each object is in the archive or in the trash at every moment, in neither never: it is linked into the trash (copied where links
 * cannot be) and the manifest is durable before its row goes, and its name in the store goes last. A run that dies in between leaves objects in both places;
 * deleting again finishes it. Objects that were indexed in place, outside of the store, lose their row only: the files are not ours.
 *
 * An object that came again with other content while it was being deleted stays.
 */
#ifndef GANTRY_ARCHIVE_TRASH_H
#define GANTRY_ARCHIVE_TRASH_H

#include "archive/archive.h"

#include <stdatomic.h>

typedef struct ArcTrashed {
    char batch[48];   /* its name; "" when nothing was done */
    uint64_t objects; /* taken away, or brought back */
    uint64_t bytes;
    uint64_t left;    /* objects that stay where they are, with a reason in `step` */
    uint64_t outside; /* of the objects: files outside of the store, which stay */
} ArcTrashed;

typedef struct ArcTrash {
    const char *folder; /* TRASH */
    const char *what;   /* goes into the manifest: "study 1.2.3", by whom, why */
    const atomic_bool *stop;
    void (*step)(void *ctx, const ArcTrashed *so_far, const char *sop_instance, const Err *why);
    void *ctx;
} ArcTrash;

/* Deletes what is selected. ERR_NOT_FOUND when that is nothing. False and err too when objects were left. */
bool arc_delete(Archive *archive, const ArcTrash *trash, const IdxSelection *selection, ArcTrashed *out,
                Err *err);
/* Brings a batch back. An object that is in the archive again meanwhile stays as it is there, and its copy stays in the trash (`left`). */
bool arc_undelete(Archive *archive, const ArcTrash *trash, const char *batch, ArcTrashed *out, Err *err);
/* Deletes a batch for good. */
bool arc_trash_purge(const char *folder, const char *batch, Err *err);

typedef struct ArcBatch {
    const char *name, *what, *when;
    uint64_t objects, bytes;
} ArcBatch;
/* The batches, oldest first, in the arena. */
bool arc_trash_list(Arena *arena, const char *folder, ArcBatch **out, size_t *count, Err *err);

#endif
