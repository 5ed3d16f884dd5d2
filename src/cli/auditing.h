// SPDX-License-Identifier: MIT
/* The audit trail of an archive as its settings want it, and what commands record there: done by whoever runs them. */
#ifndef GANTRY_CLI_AUDITING_H
#define GANTRY_CLI_AUDITING_H

#include "archive/audit.h"
#include "archive/audit_syslog.h"
#include "cli/cli.h"

/* The trail; *out is NULL when it is off. One that cannot be opened is a failure when it is required, and a warning otherwise. */
bool auditing_open(const Cli *cli, Audit **out, Err *err);
/* The user that runs the program: the name, or the number where there is none. In the arena. */
const char *auditing_user(Arena *arena);
const char *auditing_host(Arena *arena);
/* Records an event by whoever runs this program, outside of what follows. */
bool auditing_tell(const Cli *cli, AuditEvent event, Err *err);

/*
 * Commands that touch what is in the archive are recorded once each, when they are over: who ran which, how it ended, and what they say with auditing_about. The
 * functions do nothing for other commands.
 */
bool auditing_begin(Cli *cli, Err *err);
/* False and err when the audit is required and the record could not be written. */
bool auditing_end(Cli *cli, bool ok, Err *err);
/* What it was about. */
void auditing_about(const Cli *cli, AuditThing thing, const char *id);
/* … with details. */
void auditing_detail(const Cli *cli, const char *type, const char *value);
void auditing_is(const Cli *cli, AuditKind kind, char action);
/* Nothing was done. */
void auditing_nothing(const Cli *cli);

/* The thread that sends the trail on, for a server; *out is NULL when the settings want none. */
bool auditing_syslog(const Cli *cli, AuditSyslog **out, Err *err);

#endif
