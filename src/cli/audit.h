// SPDX-License-Identifier: MIT
/* The commands of `manage audit`. */
#ifndef GANTRY_CLI_AUDIT_H
#define GANTRY_CLI_AUDIT_H

#include "cli/cli.h"

extern const Command command_audit_show;

#endif
