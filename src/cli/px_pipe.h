// SPDX-License-Identifier: MIT
/* px-find and px-report as the parts of a pipe within one process; words as on their command lines. */
#ifndef GANTRY_CLI_PX_PIPE_H
#define GANTRY_CLI_PX_PIPE_H

#include "cli/px.h"

/* The exit code. With `document` not NULL what was found is not printed, but *document, which the caller frees; it is NULL when there is none. */
int px_find_words(Cli *cli, int argc, char *const *argv, json_t **document);
int px_report_words(Cli *cli, int argc, char *const *argv, json_t *document);
/* Parses words for a command of ours; what is wrong is told. */
bool px_words(const Cli *cli, const Command *command, int argc, char *const *argv, void *args);

#endif
