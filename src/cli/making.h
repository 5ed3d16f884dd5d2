// SPDX-License-Identifier: MIT
/* Making the folder of an archive: its settings, lists and launchers, from the files of template/. */
#ifndef GANTRY_CLI_MAKING_H
#define GANTRY_CLI_MAKING_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>

/* An empty folder, its parents as needed. Fails when there is something by that name. */
bool making_folder(const char *path, Err *err);
/* Fills an empty folder. envpath may be NULL: else the link env_sphere leads there. What was written before a failure stays. */
bool making_new(Arena *arena, const char *path, const char *envpath, Err *err);
/* Sees to it that the folder is an archive: makes it, or fills it if nothing is in it but folders of an archive (volumes that were mounted
   there). *made says whether anything was written. Files that are there are kept. */
bool making_missing(Arena *arena, const char *path, bool *made, Err *err);
/* Only the link DIR/manage, where it is missing. */
bool making_launcher(const char *path, Err *err);

#endif
