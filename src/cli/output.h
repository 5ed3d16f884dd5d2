// SPDX-License-Identifier: MIT
/* Where a command's data goes: stdout, or a file that appears whole when all went well. And questions before something is lost. */
#ifndef GANTRY_CLI_OUTPUT_H
#define GANTRY_CLI_OUTPUT_H

#include "cli/cli.h"

#include <stdio.h>

typedef struct Output {
    FILE *file;
    const char *path;      /* NULL: stdout */
    const char *temporary; /* renamed to `path` at the end; NULL: written directly */
} Output;

/* `path` NULL: stdout. `append` writes behind what is there, beginning on a new line. */
bool output_open(Output *output, Arena *arena, const char *path, bool append, Err *err);
/* `keep` false: what was there before stays. */
bool output_close(Output *output, bool keep, Err *err);

/* Values of an option that may be given, may be bare, or not be there at all. */
typedef enum Answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO } Answer;

/* "yes true t y 1" … as with every boolean option; NULL is ANSWER_NONE. False when it is none of them. */
bool answer_parse(const char *word, Answer *out);
/*
 * Asks on stderr until "yes" or "no" comes on stdin. Without an answer (end of input) it is ANSWER_NONE: nothing may be done.
 * `given` is what -f said.
 */
Answer answer_ask(const char *question, Answer given);

/* "38.19 Ko": base 1024, two decimals, octets Ko Mo Go To Po. */
const char *pretty_size(double bytes, char out[32]);

/* "patient", "study", "series", "fileStorageMetadataDicom" or "instance". */
#define CONCEPTS "patient study series fileStorageMetadataDicom instance"
DcmLevel concept_level(const char *concept);

#endif
