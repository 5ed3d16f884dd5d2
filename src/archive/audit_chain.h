// SPDX-License-Identifier: MIT
/*
 * The files of the audit trail: lines of JSON that are only ever appended, each with the SHA-256 of the line before.
 *
 *   FOLDER/audit.jsonl               the lines: {"seq":12,"prev":"<SHA-256 of line 11 without its line feed>", …}
 *   FOLDER/audit-000000000001.jsonl  put aside when it was long enough; named after its first record. The chain goes on from there
 *   FOLDER/audit.head                the last record as a text of fixed length: number, hash, size of audit.jsonl, first record that is kept
 *
 * Who appends holds a lock on audit.head, so that several processes write one chain. The head is written after the lines are durable: it may be behind
 * them after a crash, never before. Lines that the head knows of and the file has not were cut off: the chain goes on from the head, so that the gap
 * stays for all to see. A line that a crash cut short is ended, and stays; the next one has its hash as any other's.
 *
 * Only the files of archive/ include this.
 */
#ifndef GANTRY_ARCHIVE_AUDIT_CHAIN_H
#define GANTRY_ARCHIVE_AUDIT_CHAIN_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define AUDIT_LINES  "audit.jsonl"
#define AUDIT_PREFIX "audit-"
#define AUDIT_SUFFIX ".jsonl"
#define AUDIT_HEAD   "audit.head"

enum { AUDIT_HASH = 32, AUDIT_HEX = 2 * AUDIT_HASH + 1 };

typedef struct AuditHead {
    uint64_t seq;         /* of the last record; 0 = there is none */
    char hash[AUDIT_HEX]; /* of its line */
    uint64_t size;        /* of audit.jsonl behind it */
    uint64_t first;       /* the oldest record that is kept */
} AuditHead;

/* What stands between two records, so that it is told: a body, without braces. */
typedef enum AuditChainNote { AUDIT_CHAIN_TORN, AUDIT_CHAIN_CUT, AUDIT_CHAIN_NO_HEAD } AuditChainNote;
typedef void (*AuditChainTell)(void *ctx, AuditChainNote note, Buf *body);

typedef struct AuditChain AuditChain;

typedef struct AuditChainSettings {
    const char *folder; /* made when it is missing */
    uint64_t max_bytes; /* of audit.jsonl; 0 = it is never put aside */
    int keep;           /* files that were put aside; 0 = all */
    AuditChainTell tell;
    void *tell_ctx;
} AuditChainSettings;

/* Copies what it needs. One thread uses it. */
AuditChain *audit_chain_open(const AuditChainSettings *settings, Err *err);
void audit_chain_close(AuditChain *chain); /* NULL is fine */
/* Appends records: members of a JSON object each, without braces. All of them with one write(2), durable when it returns; or none. */
bool audit_chain_append(AuditChain *chain, const Span *bodies, size_t count, Deadline deadline, Err *err);

/* -- for readers -- */
void audit_hash(Span line, char out[AUDIT_HEX]);
/* No trail becomes so long; what says more is no line or head of ours. */
#define AUDIT_SEQ_MAX INT64_C(1000000000000000)
/* {"seq":12,"prev":"…",: what each line begins with. False when it does not. */
bool audit_line_begins(Span line, uint64_t *seq, char prev[AUDIT_HEX]);
/* False when it is no head. */
bool audit_head_read(int fd, AuditHead *out);
/* The files that were put aside, oldest first. */
bool audit_files(const char *folder, char ***names, size_t *count, Err *err);
void audit_files_free(char **names, size_t count);

#endif
