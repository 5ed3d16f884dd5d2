// SPDX-License-Identifier: MIT
/* `gantry load`: puts a PACS under load, ours or another one, and says how it bore it. */
#include "cli/load.h"

#include "cli/secure.h"
#include "cli/stopping.h"
#include "dicom/uids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MAX_ASSOCIATIONS = 1024, MAX_PERCENT = 100 };

typedef struct Args {
    const char *host, *called, *calling, *mix, *object, *size, *files, *faults, *destination;
    int64_t port, associations, operations, duration, rate, think, per_association, per_series, per_study,
        seed, studies, drip, timeout, pdu;
    bool json;
    SecureArgs secure;
} Args;

static const Args defaults = {.calling = "GANTRYLOAD",
                              .mix = "store",
                              .object = "ct",
                              .associations = 1,
                              .per_series = 25,
                              .per_study = 50,
                              .seed = -1,
                              .drip = 5,
                              .timeout = 60};
static const Option options[] = {
    {OPT_TEXT, .value = "host", .help = "address or host name of the peer", .at = offsetof(Args, host)},
    {OPT_INT, .value = "port", .help = "port of the peer", .min = 1, .max = 65535,
     .at = offsetof(Args, port)},
    {OPT_TEXT, "aec", "ae_called", "AEC", "AE title of the peer", .required = true,
     .at = offsetof(Args, called)},
    {OPT_TEXT, "aet", "ae_calling", "AET", "our AE title; GANTRYLOAD if not given",
     .at = offsetof(Args, calling)},
    {OPT_INT, "a", "associations", "N", "associations at a time (1)", .min = 1, .max = MAX_ASSOCIATIONS,
     .at = offsetof(Args, associations)},
    {OPT_INT, "n", "operations", "N", "how many operations in all; 1000 when there is no -t either", .min = 1,
     .max = INT64_MAX, .at = offsetof(Args, operations)},
    {OPT_INT, "t", "duration", "SECONDS", "no operation begins later than this", .min = 1, .max = 604800,
     .at = offsetof(Args, duration)},
    {OPT_INT, "r", "rate", "N",
     "operations a second that fall due, whether the peer keeps up or not (open "
     "loop); without it each association goes on when it has its answer (closed loop)",
     .min = 1, .max = 1000000, .at = offsetof(Args, rate)},
    {OPT_INT, .name = "think", .value = "MS", .help = "pause of an association behind each operation",
     .max = 3600000, .at = offsetof(Args, think)},
    {OPT_INT, .name = "per_association", .value = "N",
     .help = "operations on an association before it is released and a new one made; 0 = it is kept (0)",
     .max = INT64_MAX, .at = offsetof(Args, per_association)},
    {OPT_TEXT, "m", "mix", "VERB=N,...", "parts of store, find, get, move and echo: store=8,find=2 (store)",
     .at = offsetof(Args, mix)},
    {OPT_TEXT, "aes", "ae_storage", "AES", "AE title of the destination of a move",
     .at = offsetof(Args, destination)},
    {OPT_TEXT, .name = "object", .value = "{ct,small,multi-frame}",
     .help = "what is made up: CT of 512x512 (527 KB), of 64x64 (9 KB), ultrasound of 640x480x60 (18 MB)",
     .choices = "ct small multi-frame", .at = offsetof(Args, object)},
    {OPT_TEXT, .name = "size", .value = "COLUMNSxROWS[xFRAMES]", .help = "of another size",
     .at = offsetof(Args, size)},
    {OPT_INT, .name = "per_series", .value = "N", .help = "made-up objects in a series (25)", .min = 1,
     .max = 1000000, .at = offsetof(Args, per_series)},
    {OPT_INT, .name = "per_study", .value = "N", .help = "made-up objects in a study (50)", .min = 1,
     .max = 1000000, .at = offsetof(Args, per_study)},
    {OPT_INT, .name = "seed", .value = "N",
     .help = "what is made up follows from it: the same again, or, without it, something new",
     .max = INT64_MAX, .at = offsetof(Args, seed)},
    {OPT_INT, .name = "studies", .value = "N",
     .help = "studies of this seed that are there from earlier runs: find, get and move ask for them, store "
             "goes on behind "
             "them (0)",
     .max = INT32_MAX, .at = offsetof(Args, studies)},
    {OPT_TEXT, "f", "files", "PATH",
     "a file or folder: its objects are stored as they are, one after the other, again and again",
     .at = offsetof(Args, files)},
    {OPT_TEXT, .name = "faults", .value = "FAULT=PERCENT,...",
     .help = "spoils a part of the operations: abort, drop, deaf, drip, status",
     .at = offsetof(Args, faults)},
    {OPT_INT, .name = "drip", .value = "SECONDS", .help = "how long a message takes that drips (5)", .min = 1,
     .max = 3600, .at = offsetof(Args, drip)},
    {OPT_INT, .name = "timeout", .value = "SECONDS", .help = "how long an answer is waited for (60)",
     .min = 1, .max = 86400, .at = offsetof(Args, timeout)},
    {OPT_INT, .name = "max_pdu", .value = "BYTES", .help = "largest PDU we take (262144)", .min = 4096,
     .max = 1 << 24, .at = offsetof(Args, pdu)},
    {OPT_FLAG, .name = "json", .help = "the report as JSON", .at = offsetof(Args, json)},
    SECURE_OPTIONS(Args, secure, "cert-key"),
    {OPT_END},
};

/* -- "name=number,name=number" -- */

/* A name alone is 1. False when there is something else, or a number above `most`. */
static bool read_part(Span part, const char *const *names, size_t count, unsigned most, unsigned *out)
{
    Span name = part;
    unsigned value = 1;
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] == '=') {
            name = span_sub(part, 0, i);
            Span digits = span_sub(part, i + 1, SIZE_MAX);
            value = 0;
            if (!digits.n || digits.n > 6)
                return false;
            for (size_t d = 0; d < digits.n; d++) {
                if (digits.p[d] < '0' || digits.p[d] > '9')
                    return false;
                value = value * 10 + (unsigned)(digits.p[d] - '0');
            }
            break;
        }
    for (size_t i = 0; i < count; i++)
        if (span_eq_cstr(name, names[i])) {
            out[i] = value;
            return value <= most;
        }
    return false;
}

static bool read_parts(const char *text, const char *const *names, size_t count, unsigned most, unsigned *out)
{
    Span rest = span_cstr(text), part;
    bool more = true;
    while (span_split(&rest, ',', &part, &more))
        if (!read_part(part, names, count, most, out))
            return false;
    return true;
}

static unsigned sum_of(const unsigned *parts, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += parts[i];
    return sum;
}

static const char *check(const void *args)
{
    const Args *a = args;
    unsigned mix[LOAD_VERBS] = {0}, faults[SCU_FAULT_COUNT] = {0};
    LoadShape shape = {0};
    load_shape_of("ct", &shape);
    if (!read_parts(a->mix, load_verb_names, LOAD_VERBS, 100000, mix) || !sum_of(mix, LOAD_VERBS))
        return "--mix is expected to be like store=8,find=2, of store, find, get, move and echo";
    if (a->faults && (!read_parts(a->faults, load_fault_names, SCU_FAULT_COUNT, MAX_PERCENT, faults) ||
                      faults[0] || sum_of(faults, SCU_FAULT_COUNT) > MAX_PERCENT))
        return "--faults is expected to be like abort=1,drop=2, of abort, drop, deaf, drip and status, 100 "
               "in all at most";
    if (a->size && !load_shape_size(a->size, &shape))
        return "--size is expected to be COLUMNSxROWS or COLUMNSxROWSxFRAMES, of less than 4 GiB";
    if (mix[LOAD_MOVE] && !a->destination)
        return "move needs -aes";
    if (a->files && (mix[LOAD_FIND] || mix[LOAD_GET] || mix[LOAD_MOVE]))
        return "--files goes with store and echo only: the others ask for what was made up";
    if (faults[SCU_STATUS] && !mix[LOAD_GET])
        return "the fault status is one of answers to objects, which only get gives";
    if (strlen(a->called) > 16 || strlen(a->calling) > 16 || (a->destination && strlen(a->destination) > 16))
        return "AE titles have 16 characters at most";
    return NULL;
}

/* -- the plan -- */

static uint64_t seed_of(int64_t given)
{
    uint32_t seed = 0;
    if (given < 0 && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort();
    return given < 0 ? seed : (uint64_t)given;
}

/* Each class and syntax of the files once. */
static size_t kinds_of(const Outbox *box, ScuKind *kinds, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < box->count; i++) {
        const OutItem *item = &box->items[i];
        size_t k = 0;
        while (k < n && (strcmp(kinds[k].sop_class, item->sop_class) != 0 ||
                         strcmp(kinds[k].transfer_syntax, item->syntax) != 0))
            k++;
        if (k == n && n < most)
            kinds[n++] = (ScuKind){item->sop_class, item->syntax};
    }
    return n;
}

static bool take_files(LoadPlan *plan, Outbox *box, const char *path, Arena *arena, Err *err)
{
    enum { MAX_KINDS = 120 };
    if (!outbox_add_path(box, path, err))
        return false;
    if (!box->count)
        return err_set(err, ERR_NOT_FOUND, "%s has no DICOM objects", path);
    ScuKind *kinds = arena_alloc(arena, MAX_KINDS * sizeof *kinds);
    plan->proposals.kind_count = kinds_of(box, kinds, MAX_KINDS);
    plan->proposals.kinds = kinds;
    plan->files = box;
    return true;
}

static ScuPeer peer_of(const Args *a)
{
    int64_t ms = a->timeout * 1000, connect_ms = ms < 20000 ? ms : 20000;
    return (ScuPeer){.host = a->host,
                     .port = (uint16_t)a->port,
                     .called_ae = a->called,
                     .calling_ae = a->calling,
                     .max_pdu = (uint32_t)a->pdu,
                     .timeouts = {.connect_ms = connect_ms, .acse_ms = ms, .dimse_ms = ms, .network_ms = ms}};
}

static void make_plan(const Args *a, LoadPlan *plan)
{
    plan->peer = peer_of(a);
    plan->associations = (unsigned)a->associations;
    plan->operations = a->operations || a->duration ? (uint64_t)a->operations : 1000;
    plan->duration_ns = a->duration * 1000000000;
    plan->rate = (double)a->rate;
    plan->think_ms = a->think;
    plan->per_association = (uint64_t)a->per_association;
    plan->drip_ms = a->drip * 1000;
    plan->destination = a->destination;
    plan->studies = (uint64_t)a->studies;
    read_parts(a->mix, load_verb_names, LOAD_VERBS, UINT32_MAX, plan->mix);
    plan->mix_sum = sum_of(plan->mix, LOAD_VERBS);
    if (a->faults)
        read_parts(a->faults, load_fault_names, SCU_FAULT_COUNT, MAX_PERCENT, plan->faults);
    plan->shape = (LoadShape){
        .per_series = (uint32_t)a->per_series, .per_study = (uint32_t)a->per_study, .seed = seed_of(a->seed)};
    load_shape_of(a->object, &plan->shape);
    if (a->size)
        load_shape_size(a->size, &plan->shape);
    plan->proposals.echo = plan->mix[LOAD_ECHO] > 0;
    plan->proposals.store = plan->mix[LOAD_STORE] > 0;
    plan->proposals.verbs = (plan->mix[LOAD_FIND] ? SCU_FIND : 0u) | (plan->mix[LOAD_GET] ? SCU_GET : 0u) |
                            (plan->mix[LOAD_MOVE] ? SCU_MOVE : 0u);
}

static int run_plan(const Args *a, const LoadPlan *plan)
{
    LoadTotals *totals = calloc(1, sizeof *totals);
    if (!totals)
        abort();
    load_run(plan, totals);
    Buf out;
    buf_init(&out, 0);
    if (a->json)
        load_report_json(plan, totals, &out);
    else
        load_report_text(plan, totals, &out);
    cli_put(stdout, &out);
    bool ok = !load_failures(totals) && !totals->given_up;
    free(totals);
    return ok ? EXIT_OK : EXIT_FAILED;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    LoadPlan plan = {.stop = stopping_watch()};
    Outbox box = {.arena = cli->arena};
    Err err = {0};
    make_plan(a, &plan);
    ScuKind made_up = {plan.shape.sop_class, DCM_UID_ExplicitVRLittleEndian};
    plan.proposals.kinds = &made_up;
    plan.proposals.kind_count = 1;
    int code;
    if (!cli_secure(cli, &a->secure, &plan.peer, &err)) {
        code = cli_fail(cli, "%s", err.text);
    } else if (a->files && !take_files(&plan, &box, a->files, cli->arena, &err)) {
        code = cli_fail(cli, "%s", err.text);
    } else {
        load_pixels_make(&plan.shape, &plan.pixels);
        code = run_plan(a, &plan);
        load_pixels_free(&plan.pixels);
    }
    outbox_free(&box);
    return code;
}

const Command command_load = {
    .name = "load",
    .summary =
        "Puts a PACS under load: operations on many associations, how fast it answers, what goes wrong.",
    .details = "Objects and their patients are made up (their names begin with Madeup-). Only use it on a "
               "PACS that may keep them.\n"
               "A closed loop waits for an answer before it asks again: while the peer stalls, nothing is "
               "asked, so that its latencies are those of the "
               "operations that were begun. An open loop (-r) counts from when an operation was due.\n"
               "Faults: abort (A-ABORT in the middle of a message or of the answers), drop (the connection "
               "is closed there), deaf (it is closed behind the "
               "request), drip (a message of store or echo comes in small pieces), status (objects of a get "
               "are answered with failures, and with a status that "
               "does not exist).\n"
               "The exit code is 0 when every operation that was not spoilt succeeded.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .check = check,
    .run = run,
};
