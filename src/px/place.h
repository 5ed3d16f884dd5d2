// SPDX-License-Identifier: MIT
/*
 * A file put in its place below a folder: written without a name, or where the file system has no such files under a temporary one beside it (".px-…"), synced, named. Names are relative and never leave the folder, whatever they
 * hold; symbolic links below it are not followed. Folders and files are made as the umask says, because other programs read them.
 *
 * The last folder that was used stays open, so that many files of one folder cost one look-up and one sync. For one thread at a time.
 */
#ifndef GANTRY_PX_PLACE_H
#define GANTRY_PX_PLACE_H

#include "base/err.h"
#include "base/span.h"

#include <stdint.h>

typedef struct PxPlace {
    int base;
    char *folder; /* that of the last file, relative; "" = the base itself */
    int at;
    bool unsynced; /* names came into it */
} PxPlace;

/* The folder is made when `create`. False and err when it cannot be had. */
bool px_place_open(PxPlace *place, const char *path, bool create, Err *err);
/* Syncs the folder that is open. */
bool px_place_settle(PxPlace *place, Err *err);
void px_place_close(PxPlace *place); /* does not sync */

enum { PX_PLACED_NAME = 48 };
typedef struct PxPlaced {
    PxPlace *place;
    const char *last;          /* of the name */
    char temp[PX_PLACED_NAME]; /* "" = it has none */
    int fd;
} PxPlaced;

/* Opens a new file for name; its folders are made. */
bool px_placed_begin(PxPlace *place, const char *name, PxPlaced *out, Err *err);
bool px_placed_write(PxPlaced *placed, Span bytes, Err *err);
/* Back to nothing written. */
bool px_placed_restart(PxPlaced *placed, Err *err);
/* Instead of what was written: another name of the open file `fd`, which the caller syncs. False where that cannot be; then nothing has changed. */
bool px_placed_link(PxPlaced *placed, int fd);
/* Syncs and names it; what has the name is replaced. Ends it in any case: on failure nothing is left. */
bool px_placed_end(PxPlaced *placed, Err *err);
void px_placed_abandon(PxPlaced *placed);

/* Reads what has the name: a descriptor of the caller's, and its size. *fd is -1 with true when there is nothing. */
bool px_place_read(PxPlace *place, const char *name, int *fd, uint64_t *size, Err *err);
/* Takes it away, and folders that became empty. One that is not there is fine. */
bool px_place_remove(PxPlace *place, const char *name, Err *err);

#endif
