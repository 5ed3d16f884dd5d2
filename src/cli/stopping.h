// SPDX-License-Identifier: MIT
/* Ctrl-C during long work: the first one asks for an orderly end, the second one ends the program. */
#ifndef GANTRY_CLI_STOPPING_H
#define GANTRY_CLI_STOPPING_H

#include <stdatomic.h>
#include <stdbool.h>

/* Set by SIGINT and SIGTERM from now on. */
const atomic_bool *stopping_watch(void);

#endif
