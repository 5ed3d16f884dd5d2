// SPDX-License-Identifier: MIT
/* Which keys move and get ask for: one from the options, or a list from a file or from the index, less what the archive has already. */
#ifndef GANTRY_CLI_WANTED_H
#define GANTRY_CLI_WANTED_H

#include "cli/keys.h"

typedef struct WantedArgs {
    const char *list, *stored_list;
    bool reload;
} WantedArgs;

/* Rows of an option table for a WantedArgs that is member `wanted` of `Args`. */
#define WANTED_OPTIONS                                                                                       \
    {OPT_TEXT,                                                                                               \
     "fUID",                                                                                                 \
     "fileUID",                                                                                              \
     "FILE",                                                                                                 \
     "file with one key of the level per line; one request for each",                                        \
     .at = offsetof(Args, wanted.list)},                                                                     \
        {OPT_TEXT,                                                                                           \
         "DbUID",                                                                                            \
         "databaseUID",                                                                                      \
         "ID",                                                                                               \
         "list of studies in the index (table study_list): its number, or last",                             \
         .bare = "last",                                                                                     \
         .at = offsetof(Args, wanted.stored_list)},                                                          \
    {                                                                                                        \
        OPT_BOOL, "rl", "reloadStudy",                                                                       \
            .bare = "no", .at = offsetof(Args, wanted.reload),                                               \
            .help = "with -fUID or -DbUID: no leaves out what this archive has already (default yes)"        \
    }

/* Reason of a usage error, or NULL. */
const char *wanted_check(const WantedArgs *wanted, const KeyArgs *keys);
/* ERR_NOT_FOUND when the list is empty. The result is empty when all of it is here already. */
bool wanted_keys(const Cli *cli, const WantedArgs *wanted, const KeyArgs *keys, TextList *out, Err *err);
/* A peer that is given time between two responses: it may send whole series before it reports. */
ScuPeer wanted_peer(const Settings *settings, const char *host, int64_t port, const char *called_ae);

#endif
