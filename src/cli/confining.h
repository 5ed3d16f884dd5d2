// SPDX-License-Identifier: MIT
/* What the servers of the house may still do once they run (base/confine.h), as the key `confine` of the settings or --confine of px-listen says. */
#ifndef GANTRY_CLI_CONFINING_H
#define GANTRY_CLI_CONFINING_H

#include "base/err.h"
#include "base/log.h"
#include "cli/settings.h"

/* auto: as much as the machine has, else a line in the log; require: all of it, else the server does not start. */
#define CONFINE_CHOICES "auto off require"

/* Before anything is written: root becomes the user of the key `user`. */
bool confining_become(const Settings *settings, Err *err);
/* The server of an archive, when its log is open and before it has threads. False and err: it must not start. */
bool confining_server(Arena *arena, const Settings *settings, Err *err);

/* Any server: `folders` may be written, and ports listened on (none: all). `logger` is told, at `level` when all is as it should be. Files that SQLite makes while it sorts
   go into `temp`. */
typedef struct Confining {
    const char *how; /* of CONFINE_CHOICES */
    TextList folders;
    TextList reads; /* empty: everything may be read */
    uint16_t ports[4];
    size_t port_count;
    const char *temp, *logger;
    LogLevel level;
} Confining;
bool confining_begin(Arena *arena, const Confining *wish, Err *err);

#endif
