// SPDX-License-Identifier: MIT
/*
 * Files that were replaced by ones elsewhere and may still be there: noted in the transaction that writes the new row, forgotten when they are gone. Whoever removes such a file
 * has to see first that it is still the one that was noted, and that nobody wants it again.
 */
#ifndef GANTRY_INDEX_REPLACED_H
#define GANTRY_INDEX_REPLACED_H

#include "index/index.h"

typedef struct IdxReplaced {
    int64_t number;           /* of the note; above 0, and chosen so that no other has it */
    const char *sop_instance; /* of the object, then and now */
    const char *path;         /* absolute */
    uint64_t size;            /* of the file, as its row said */
    int64_t end_us;           /* the same: IdxFile.end_us */
} IdxReplaced;

/* Inside the writer's transaction, both. Notes that are not there are forgotten already. */
bool idx_replaced_note(Index *index, const IdxReplaced *note, Err *err);
bool idx_replaced_forget(Index *index, const int64_t *numbers, size_t count, Err *err);
/* Up to `limit` notes with numbers above `after`, in their order, in the arena. From any thread. */
bool idx_replaced_list(Index *index, Arena *arena, int64_t after, size_t limit, IdxReplaced **out,
                       size_t *count, Err *err);

#endif
