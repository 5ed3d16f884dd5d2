// SPDX-License-Identifier: MIT
/* The sub-commands of `manage data` that have a file of their own. */
#ifndef GANTRY_CLI_DATA_H
#define GANTRY_CLI_DATA_H

#include "cli/cli.h"

extern const Command command_data_index, command_data_export, command_data_delete, command_data_undelete,
    command_data_trash, command_data_verify;

/* What the keys of a concept ("study") select. The lists stay the caller's. */
IdxSelection data_selection(const char *concept, const TextList *keys);

#endif
