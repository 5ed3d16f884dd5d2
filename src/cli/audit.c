// SPDX-License-Identifier: MIT
/* `manage audit verify`: is the audit trail whole? `manage audit show` is in audit_show.c. */
#include "cli/audit.h"
#include "archive/audit_read.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Args {
    int64_t from;
    const char *head;
    bool json;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_INT, .name = "from", .value = "N", .min = 1, .max = INT64_MAX,
     .help = "begin with this record: what is before it was put elsewhere", .at = offsetof(Args, from)},
    {OPT_TEXT, .name = "head", .value = "N:HASH",
     .help = "a record and its hash as an earlier run said them: it must still be there",
     .at = offsetof(Args, head)},
    {OPT_FLAG, .name = "json", .help = "print the outcome as JSON on stdout", .at = offsetof(Args, json)},
    {OPT_END},
};

/* "12:9f86d0…" */
static bool parse_head(const char *text, uint64_t *seq, const char **hash)
{
    const char *colon = strchr(text, ':');
    uint8_t digest[AUDIT_HASH];
    int64_t number;
    if (!colon || !span_to_i64(span_of(text, (size_t)(colon - text)), 1, INT64_MAX, &number) ||
        !span_from_hex(colon + 1, digest, sizeof digest))
        return false;
    *seq = (uint64_t)number;
    *hash = colon + 1;
    return true;
}

static const char *check(const void *args)
{
    const Args *a = args;
    uint64_t seq;
    const char *hash;
    return !a->head || parse_head(a->head, &seq, &hash)
               ? NULL
               : "argument --head: NUMBER:HASH is expected, as this command prints it";
}

/* -- what is found -- */

typedef struct Findings {
    Buf *json; /* NULL: lines */
    JsonWriter *w;
    uint64_t shown;
} Findings;

static void find(void *ctx, bool problem, const char *text)
{
    enum { SHOWN_MAX = 1000 };
    Findings *f = ctx;
    if (f->shown++ >= SHOWN_MAX)
        return;
    if (!f->w) {
        printf("%s%s\n", problem ? "" : "(note) ", text);
        return;
    }
    json_begin_object(f->w);
    json_key(f->w, "problem");
    json_bool(f->w, problem);
    json_member(f->w, "text", text);
    json_end_object(f->w);
}

static void finish_json(JsonWriter *w, const AuditVerdict *v)
{
    json_end_array(w);
    json_member_int(w, "records", (int64_t)v->records);
    json_member_int(w, "first", (int64_t)v->first);
    json_member_int(w, "last", (int64_t)v->last);
    json_member_int(w, "files", (int64_t)v->files);
    json_member_int(w, "problems", (int64_t)v->problems);
    json_member(w, "hash", v->hash);
    json_end_object(w);
}

static void finish_text(const AuditVerdict *v)
{
    printf("---> %" PRIu64 " records in %zu files, %" PRIu64 " to %" PRIu64 "\n", v->records, v->files,
           v->first, v->last);
    printf("---> %" PRIu64 " problems\n", v->problems);
    if (v->records)
        printf("---> keep this elsewhere, and say it later as --head, to be sure that nothing was changed up "
               "to here:\n"
               "%" PRIu64 ":%s\n",
               v->last, v->hash);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    Findings findings = {.w = a->json ? &w : NULL};
    AuditVerify how = {.from = (uint64_t)a->from, .tell = find, .ctx = &findings};
    AuditVerdict verdict;
    if (a->head)
        parse_head(a->head, &how.seq, &how.hash);
    if (a->json) {
        json_begin_object(&w);
        json_key(&w, "findings");
        json_begin_array(&w);
    }
    bool read = audit_verify(cli->settings->audit_folder, &how, &verdict, &err);
    if (read && a->json) {
        finish_json(&w, &verdict);
        buf_append_cstr(&out, "\n");
        cli_put(stdout, &out);
    } else {
        buf_free(&out);
    }
    if (!read)
        return cli_fail(cli, "%s", err.text);
    if (!a->json)
        finish_text(&verdict);
    return verdict.problems
               ? cli_fail(cli, "the audit trail is not whole: %" PRIu64 " problems", verdict.problems)
               : EXIT_OK;
}

static const Command command_audit_verify = {
    .name = "verify",
    .summary = "is the audit trail whole: nothing changed, nothing missing",
    .details =
        "Each record has the hash of the one before, so that a change anywhere shows. Who can write the "
        "files could make all of the "
        "chain anew: only a hash that was noted elsewhere (--head, or a syslog server) rules that out.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};

static const Option no_options[] = {{OPT_END}};
static const Command *const commands[] = {&command_audit_verify, &command_audit_show, NULL};

const Command command_audit = {
    .name = "audit",
    .summary = "who did what with whose data: show the audit trail, or verify it",
    .options = no_options,
    .subcommands = commands,
};
