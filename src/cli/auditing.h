// SPDX-License-Identifier: MIT
/* The audit trail of an archive as its settings want it, and what commands record there: done by whoever runs them. */
#ifndef GANTRY_CLI_AUDITING_H
#define GANTRY_CLI_AUDITING_H

#include "archive/audit.h"
#include "cli/cli.h"

/* The trail; *out is NULL when it is off. One that cannot be opened is a failure when it is required, and a warning otherwise. */
bool auditing_open(const Cli *cli, Audit **out, Err *err);
/* The user that runs the program: the name, or the number where there is none. In the arena. */
const char *auditing_user(Arena *arena);
const char *auditing_host(Arena *arena);
/* Records an event whose participants are this user and this program. */
bool auditing_record(const Cli *cli, Audit *audit, AuditEvent event, Err *err);
/* The same for a command that does nothing else with the trail: opened, recorded, closed. */
bool auditing_tell(const Cli *cli, AuditEvent event, Err *err);

#endif
