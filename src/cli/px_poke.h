// SPDX-License-Identifier: MIT
/*
 * The service port of pypx's container: a connection to it once made xinetd start the listener. The listener runs already, so a connection is
 * accepted and closed, and nothing else happens.
 */
#ifndef GANTRY_CLI_PX_POKE_H
#define GANTRY_CLI_PX_POKE_H

#include "base/err.h"

typedef struct PxPoke PxPoke;

/* `address` NULL = all. */
PxPoke *px_poke_start(const char *address, uint16_t port, Err *err);
void px_poke_stop(PxPoke *poke); /* NULL is fine */

#endif
