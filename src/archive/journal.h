// SPDX-License-Identifier: MIT
/*
 * A durable list of objects in the store that wait for the index: FOLDER/waiting-<number>, a file that is only appended to. Its first 32 bytes say
 * up to where it has been worked off; each further line is
 *   <XXH3-64 of the name, 16 hex digits> <name in the store>
 * A line that does not fit its digest (a power cut in the middle of it) was never acknowledged and is passed over.
 *
 * A journal belongs to one process, which holds a flock(2) on it. One whose lock can be had was left behind, and is taken over by whoever comes
 * first. An empty journal is no file at all.
 *
 * Threads: one at a time. Only the files of archive/ include this.
 */
#ifndef GANTRY_ARCHIVE_JOURNAL_H
#define GANTRY_ARCHIVE_JOURNAL_H

#include "base/err.h"

#include <stddef.h>

typedef struct Journal Journal;

/* A new one, durable in its folder. */
Journal *journal_new(const char *folder, Err *err);
/* The oldest one that was left behind; NULL when there is none (more). */
Journal *journal_take_over(const char *folder);
/* Lets go of it; a journal that is worked off goes away. NULL is fine. */
void journal_close(Journal *journal);

/* Durable on return. On failure none of the names counts, and the journal takes no more. */
bool journal_append(Journal *journal, const char *const *names, size_t n, Err *err);
/* Does it take names? One that was taken over does not. */
bool journal_takes(const Journal *journal);

/* The next name; false at the end. */
bool journal_next(Journal *journal, char *name, size_t size);
/* All that journal_next has returned is done: not even the next process reads it again. */
void journal_done(Journal *journal);
/* It is not: what has not been done comes again. */
void journal_rewind(Journal *journal);
/* Names that are not done. */
size_t journal_left(const Journal *journal);
/* Of all journals in a folder, whoever has them. */
size_t journal_left_in(const char *folder);

#endif
