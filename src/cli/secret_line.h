// SPDX-License-Identifier: MIT
/* A secret that somebody types, or pipes in: never on the command line, where every process of the machine could read it. */
#ifndef GANTRY_CLI_SECRET_LINE_H
#define GANTRY_CLI_SECRET_LINE_H

#include "base/arena.h"
#include "base/err.h"

/* On a terminal asks on stderr, twice, without echo; otherwise the first line of stdin. In the arena; NULL and err when there is none.
   Whoever took it wipes it. */
char *secret_line(Arena *arena, const char *prompt, size_t max, Err *err);
/* Asks once: for a secret that somebody else judges. */
char *secret_line_once(Arena *arena, const char *prompt, size_t max, Err *err);

#endif
