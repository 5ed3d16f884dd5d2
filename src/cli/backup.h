// SPDX-License-Identifier: MIT
/* What `manage backup` and `manage restore` share. */
#ifndef GANTRY_CLI_BACKUP_H
#define GANTRY_CLI_BACKUP_H

#include "archive/backup.h"
#include "cli/settings.h"

enum { BACKUP_ROOTS = 5, BACKUP_ROOTS_OF_APP = 3 }; /* the first of them need no settings */

/* What of an archive is in a backup, but for the index. */
size_t backup_roots(Arena *arena, const Settings *settings, ArcBackupRoot out[BACKUP_ROOTS]);
bool backup_has_sqlite(const Settings *settings);
/* ctx is a Progress. */
void backup_step(void *ctx, const ArcBackedUp *so_far, const char *path, const Err *why);
void backup_show(const ArcBackedUp *done, const char *verb, bool json);

#endif
