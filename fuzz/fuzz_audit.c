// SPDX-License-Identifier: MIT
/* An audit trail that somebody has been at. The first line: audit.head; the rest: audit.jsonl. It is read and judged; a chain that goes on from it appends what is then found. */
#include "fuzz.h"

#include "archive/audit_read.h"

#include <stdio.h>

static void hear(void *ctx, bool problem, const char *text)
{
    if (!*text)
        fuzz_broken();
    *(uint64_t *)ctx += problem;
}

static void hear_note(void *ctx, AuditChainNote note, Buf *body)
{
    buf_append_cstr(body, "\"note\":1");
}

static bool judge(AuditVerdict *verdict)
{
    Err err = {0};
    uint64_t heard = 0;
    *verdict = (AuditVerdict){0};
    bool ok = audit_verify(fuzz_folder(), &(AuditVerify){.tell = hear, .ctx = &heard}, verdict, &err);
    if (!ok && !*err.text)
        fuzz_broken();
    if (ok && heard != verdict->problems)
        fuzz_broken();
    return ok;
}

static void go_on(void)
{
    Err err = {0};
    AuditChainSettings settings = {.folder = fuzz_folder(), .tell = hear_note};
    AuditChain *chain = audit_chain_open(&settings, &err);
    Span body = SPAN("\"what\":\"of this target\"");
    bool appended = chain && audit_chain_append(chain, &body, 1, CLOCK_NEVER, &err);
    if (!appended && !*err.text)
        fuzz_broken();
    audit_chain_close(chain);
    AuditVerdict verdict;
    if (appended && (!judge(&verdict) || !verdict.records))
        fuzz_broken();
}

int fuzz_audit(const uint8_t *data, size_t size)
{
    Span rest = span_of(data, size), head = fuzz_line(&rest);
    AuditVerdict verdict;
    fuzz_folder_empty();
    if (head.n)
        fuzz_file(AUDIT_HEAD, head);
    fuzz_file(AUDIT_LINES, rest);
    judge(&verdict);
    go_on();
    return 0;
}
