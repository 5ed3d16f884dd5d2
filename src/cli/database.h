// SPDX-License-Identifier: MIT
/* The sub-commands of `manage database` that have a file of their own. */
#ifndef GANTRY_CLI_DATABASE_H
#define GANTRY_CLI_DATABASE_H

#include "cli/cli.h"

extern const Command command_database_find, command_database_check, command_database_migrate,
    command_database_extend, command_database_dictionary;

#endif
