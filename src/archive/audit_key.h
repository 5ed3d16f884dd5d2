// SPDX-License-Identifier: MIT
/* The key under which identifiers are hashed in the audit trail: FOLDER/audit.key, 32 random bytes, for the archive's user only. */
#ifndef GANTRY_ARCHIVE_AUDIT_KEY_H
#define GANTRY_ARCHIVE_AUDIT_KEY_H

#include "base/arena.h"
#include "base/err.h"

typedef struct AuditKey AuditKey;

/* NULL and err. `make`: when there is none, one is made. */
AuditKey *audit_key_open(const char *folder, bool make, Err *err);
void audit_key_free(AuditKey *key); /* NULL is fine; wipes it */
/* "hmac:" and 32 hexadecimal digits. */
const char *audit_key_hash(const AuditKey *key, Arena *arena, const char *text);

#endif
