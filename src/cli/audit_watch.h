// SPDX-License-Identifier: MIT
/*
 * Changes of what decides who may do what: the settings in force and the files of app/. A server compares them with what FOLDER/audit.configuration says of the
 * last time, when it starts and now and then, and records what is different: by name only. Texts are kept as keyed hashes, because some are secrets.
 */
#ifndef GANTRY_CLI_AUDIT_WATCH_H
#define GANTRY_CLI_AUDIT_WATCH_H

#include "cli/auditing.h"

typedef struct AuditWatch AuditWatch;

/* NULL when the audit is off, or its key cannot be had (which is logged). */
AuditWatch *audit_watch_new(const Cli *cli, Audit *audit);
/* Costs a look at a few files as long as none of them has changed. */
void audit_watch_look(AuditWatch *watch);
void audit_watch_free(AuditWatch *watch); /* NULL is fine */

#endif
