// SPDX-License-Identifier: MIT
/*
 * Has something changed on the disk since one last asked? For settings that are looked at again and again: asking costs one short system call instead of a look at
 * every file. inotify(7) tells of what this machine does, at once; what others do on a shared file system, or behind a symbolic link, is found by the look
 * that is due every second anyway. Not thread-safe.
 */
#ifndef GANTRY_BASE_WATCH_H
#define GANTRY_BASE_WATCH_H

#include <stdbool.h>

typedef struct Watch Watch;

/* Never NULL; where the kernel has no watch left it always says that something has changed. */
Watch *watch_new(void);
void watch_free(Watch *watch); /* NULL is fine */

/* Forgets what happened and is true when it is time to look: something may have changed, or the last look was a second ago. */
bool watch_is_due(Watch *watch);
/* To be called in each look before the file, or the folder, is looked at. What cannot be watched makes every look due. */
void watch_path(Watch *watch, const char *path);
/* The look came to nothing: the next one is due at once. */
void watch_failed(Watch *watch);

#endif
