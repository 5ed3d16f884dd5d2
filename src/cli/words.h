// SPDX-License-Identifier: MIT
/* A command line that is put together. */
#ifndef GANTRY_CLI_WORDS_H
#define GANTRY_CLI_WORDS_H

#include "base/arena.h"
#include "base/err.h"

enum { WORDS_MAX = 256 };
typedef struct Words {
    Arena *arena;
    char *items[WORDS_MAX];
    int count;
} Words;

/* What is too much is left out; words_split says so. */
void words_add(Words *words, const char *word);
/* The words of a text: separated by blanks; "…" and '…' keep blanks, \ takes the next character as it is (not within '…'). False and err when a quote is open
   or there are too many. */
bool words_split(Words *words, const char *text, Err *err);

#endif
