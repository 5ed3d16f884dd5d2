// SPDX-License-Identifier: MIT
/*
 * The audit trail read: line by line through all its files, oldest first, as far as it went when it was opened (so that a server may go on writing); and
 * whether the chain is whole.
 */
#ifndef GANTRY_ARCHIVE_AUDIT_READ_H
#define GANTRY_ARCHIVE_AUDIT_READ_H

#include "archive/audit_chain.h"

typedef struct AuditReader AuditReader;

typedef struct AuditLine {
    const char *file; /* its name in the folder */
    uint64_t number;  /* of the line, from 1 */
    Span text;        /* without line feed; NULL at the end of all */
    uint64_t inode;   /* of the file … */
    uint64_t end;     /* … and the offset in it behind the line feed */
    bool ended;       /* it has one */
} AuditLine;

/* NULL and err when there is no trail, or it cannot be read. */
AuditReader *audit_reader_open(const char *folder, Err *err);
/* The same from a line on: of what stands in files before the one of this inode, and before the offset in it, nothing is read. 0: nothing is known; then files are left out
   that end before record `seq`. */
AuditReader *audit_reader_open_at(const char *folder, uint64_t inode, uint64_t offset, uint64_t seq,
                                  Err *err);
/* False when the end or a failure was reached (err says which: its code stays ERR_NONE at the end). The line lives until the next call. */
bool audit_reader_next(AuditReader *reader, AuditLine *out, Err *err);
/* As it was when the trail was opened; seq 0 and no hash when there is none. */
const AuditHead *audit_reader_head(const AuditReader *reader);
void audit_reader_close(AuditReader *reader); /* NULL is fine */

typedef struct AuditVerify {
    uint64_t from; /* what is before this record is not asked for; 0 = from the first that should be there */
    uint64_t seq;  /* a record whose hash was noted elsewhere: it must be there … */
    const char *hash; /* … with this hash; NULL = none was */
    void (*tell)(void *ctx, bool problem, const char *text);
    void *ctx;
} AuditVerify;

typedef struct AuditVerdict {
    uint64_t records, first, last, problems, notes;
    size_t files;
    char hash[AUDIT_HEX]; /* of the last record */
} AuditVerdict;

/* False when it could not be read; what was found is in `out`. */
bool audit_verify(const char *folder, const AuditVerify *how, AuditVerdict *out, Err *err);

#endif
