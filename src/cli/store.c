// SPDX-License-Identifier: MIT
/* `manage store`: sends files, or what the archive has, to a peer. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/block.h"
#include "cli/peer_args.h"
#include "cli/progress.h"
#include "cli/secure.h"
#include "cli/sending.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Args {
    const char *ip, *called, *source, *model, *list, *uid, *path, *context;
    int64_t port, verbosity;
    bool many, json;
    SecureArgs secure;
} Args;

static const Args defaults = {.verbosity = -1, .model = "study", .many = true};
static const Option options[] = {
    PEER_OPTIONS(Args),
    {OPT_TEXT, "sp", "source_paths", .choices = "db fs", .required = true, .at = offsetof(Args, source),
     .help = "where the objects come from: db, the archive's index (-UID or -fUID); fs, files (-pd)"},
    {OPT_TEXT, "mn", "model_name", .choices = "patient study series instance", .bare = "study",
     .help = "with db: what the UIDs name", .at = offsetof(Args, model)},
    {OPT_TEXT, "fUID", "fileUID", "FILE", "with db: file with one UID per line", .at = offsetof(Args, list)},
    {OPT_TEXT, "UID", "anyUID", "UID", "with db: one UID; * is everything", .bare = "",
     .at = offsetof(Args, uid)},
    {OPT_TEXT, "pd", "dicom_path", "PATH", "with fs: a file, or a folder with all below it",
     .at = offsetof(Args, path)},
    {OPT_TEXT, "context", "name_context", "NAME", "set of presentation contexts of app/contexts.yml",
     .at = offsetof(Args, context)},
    {OPT_BOOL, "ma", "many_assoc", .help = "yes: as many associations as thread.number says; no: one",
     .at = offsetof(Args, many)},
    {OPT_FLAG, .name = "json", .help = "print the outcome of each object as JSON on stdout",
     .at = offsetof(Args, json)},
    {OPT_INT, "v", "verbosity", "{0,1,2}", "0 no block, 1 one for each object, 2 with all details", .max = 2,
     .at = offsetof(Args, verbosity)},
    SECURE_OPTIONS(Args, secure, "cert-key"),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    if (!strcmp(a->source, "fs")) {
        if (!a->path)
            return "-sp fs needs -pd/--dicom_path";
        return a->uid || a->list ? "-UID and -fUID go with -sp db, not with fs" : NULL;
    }
    if (a->path)
        return "-pd goes with -sp fs, not with db";
    if (a->uid && a->list)
        return "-UID and -fUID exclude each other";
    return a->uid || a->list ? NULL : "-sp db needs -UID or -fUID";
}

typedef struct Run {
    const Cli *cli;
    const Args *args;
    FILE *text;
    int verbosity;
    ScuPeer peer;
    ContextSet contexts;
    bool restricted;
    Progress progress;
    uint64_t done;
    SendingTotals totals;
    uint64_t unknown, damaged;
    bool first_json;
} Run;

static void show_json(Run *run, const OutItem *item, bool ok, const ScuResult *result, const Err *err)
{
    Buf out;
    buf_init(&out, 0);
    if (!run->first_json)
        buf_append_cstr(&out, ",\n");
    run->first_json = false;
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "path", item->path);
    json_member(&w, "sop_instance", item->sop_instance);
    cli_json_outcome(&w, ok, result, err);
    json_end_object(&w);
    cli_put(stdout, &out);
}

static void show_block(Run *run, const OutItem *item, bool ok, const ScuResult *result,
                       const NetAccepted *context, const Err *err)
{
    enum { NO_ASSOCIATION = 0xD000 };
    Block block = {.service = "SCU",
                   .action = "CSTORE",
                   .committed = true,
                   .has_status = true,
                   .status = result->answered ? result->status : NO_ASSOCIATION,
                   .study = result->answered ? item->study : NULL,
                   .series = item->series,
                   .instance = item->sop_instance,
                   .now_us = clock_wall_us(),
                   .began_us = clock_wall_us(),
                   .peer_ae = run->args->called,
                   .own_ae = run->cli->settings->aet,
                   .success = ok,
                   .context_id = context ? context->id : 0,
                   .abstract_syntax = context ? context->abstract_syntax : NULL,
                   .transfer_syntax = context ? context->transfer_syntax : NULL,
                   .last_log = ok ? "sent" : err->text};
    Buf out;
    buf_init(&out, 0);
    block_format(&block, run->verbosity, &out);
    if (result->answered && result->status)
        buf_printf(&out, "C-STORE request status: 0x%04x\n", result->status);
    else if (!result->answered)
        buf_printf(&out, "C-STORE: no answer from the peer for %s\n", item->sop_instance);
    cli_put(run->text, &out);
}

static void report(void *ctx, const OutItem *item, bool ok, const ScuResult *result,
                   const NetAccepted *context, const Err *err)
{
    Run *run = ctx;
    /* Objects that were never tried, because nobody answers, get a line in the end instead of a block each. */
    bool tried = item->tried;
    progress_end(&run->progress);
    if (tried)
        show_block(run, item, ok, result, context, err);
    if (run->args->json)
        show_json(run, item, ok, result, err);
    if (!ok && tried)
        log_error("pacs.transaction_dicom", "store: %s was not sent: %s", item->path, err->text);
    progress_step(&run->progress, ++run->done);
}

static void send(Run *run, Outbox *box)
{
    Sending sending = {.peer = &run->peer,
                       .contexts = run->restricted ? &run->contexts : NULL,
                       .associations = run->args->many ? (size_t)run->cli->settings->thread_number : 1,
                       .report = report,
                       .ctx = run};
    SendingTotals totals = {0};
    bool own_terminal = run->verbosity == 0 || !isatty(fileno(run->text));
    run->progress = progress_start("sent", box->count, own_terminal);
    run->done = 0;
    sending_run(&sending, box->items, box->count, &totals);
    progress_end(&run->progress);
    run->totals.sent += totals.sent;
    run->totals.warnings += totals.warnings;
    run->totals.failed += totals.failed;
}

static bool send_files(Run *run, uint64_t *skipped, Err *err)
{
    Outbox box = {.arena = run->cli->arena};
    bool ok = outbox_add_path(&box, run->args->path, err);
    if (ok && !box.count)
        ok = err_set(err, ERR_NOT_FOUND, "nothing to send: %s has no DICOM object", run->args->path);
    if (ok)
        send(run, &box);
    *skipped = box.skipped;
    run->damaged = box.damaged;
    outbox_free(&box);
    return ok;
}

static void pause_between(Run *run, int64_t began)
{
    char took[48];
    block_execution_time(clock_ms() - began, took);
    fprintf(run->text, "%s\n", took);
    fflush(run->text);
    clock_sleep_ms((int64_t)(run->cli->settings->sleep_in_store * 60000));
}

/* One UID after the other with a pause between two, or all of them as one run. */
static bool send_indexed_uids(Run *run, Index *index, const TextList *uids, Err *err)
{
    bool pausing = run->cli->settings->sleep_in_store > 0 && strcmp(uids->items[0], "*");
    Outbox box = {.arena = run->cli->arena};
    bool ok = true, any = false;
    int64_t began = 0;
    for (size_t i = 0; ok && i < uids->count; i++) {
        size_t found = 0;
        ok = outbox_add_indexed(&box, index, run->args->model, uids->items[i], &found, err);
        if (ok && !found) {
            run->unknown++;
            log_error("pacs.database", "store: the archive has no %s %s", run->args->model, uids->items[i]);
        }
        if (!ok || !found || !pausing)
            continue;
        if (any)
            pause_between(run, began);
        log_info("pacs.transaction_dicom", "store: %s %s, %zu objects", run->args->model, uids->items[i],
                 found);
        began = clock_ms();
        send(run, &box);
        box.count = 0;
        any = true;
    }
    if (ok && box.count)
        send(run, &box);
    else if (ok && !any)
        ok = err_set(err, ERR_NOT_FOUND, "nothing to send: the archive has none of the given %s UIDs",
                     run->args->model);
    outbox_free(&box);
    return ok;
}

/* The index is away. */
static bool send_filed_uids(Run *run, const TextList *uids, Err *err)
{
    Index *index = NULL;
    log_warning("pacs.database", "store: searching in the files, because: %s", err->text);
    err_clear(err);
    ArcFileScan *scan = outbox_scan(run->cli->settings, run->args->model, uids, &index, err);
    bool ok = scan && send_indexed_uids(run, index, uids, err);
    arc_filescan_close(scan);
    return ok;
}

/* An exit code; with err set unless all was sent. */
static int send_indexed(Run *run, Err *err)
{
    const Cli *cli = run->cli;
    const Args *a = run->args;
    TextList uids = {0};
    const char *one[] = {a->uid};
    if (a->uid)
        uids = (TextList){one, *a->uid != 0};
    else if (!cli_read_list(cli->arena, a->list, &uids, err)) {
        err_wrap(err, "-fUID");
        return EXIT_FAILED;
    }
    if (!uids.count) {
        err_set(err, ERR_NOT_FOUND, "no UID in %s", a->uid ? "-UID" : a->list);
        return EXIT_EMPTY_LIST;
    }
    if (!strcmp(uids.items[0], "*"))
        uids.count = 1;
    Index *index = cli_open_index(cli->settings, err);
    bool ok = index && send_indexed_uids(run, index, &uids, err);
    bool away = !index && idx_is_away(err);
    idx_close(index);
    if (away && cli->settings->search_in_file)
        ok = send_filed_uids(run, &uids, err);
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* -context, else the settings' set. An unknown name is told, and the objects decide. */
static bool choose_contexts(Run *run, Err *err)
{
    const char *name = run->args->context ? run->args->context : run->cli->settings->context;
    if (!strcmp(name, "default"))
        return true;
    run->restricted = contexts_find(run->cli->arena, run->cli->settings, name, &run->contexts, err);
    if (run->restricted)
        return true;
    if (err->code != ERR_NOT_FOUND)
        return false;
    fprintf(run->text, "Info: the context set '%s' is not known; the default set is used instead\n", name);
    err_clear(err);
    return true;
}

static void show_end(const Run *run, int64_t began, uint64_t skipped)
{
    const SendingTotals *t = &run->totals;
    int64_t ms = clock_ms() - began;
    char took[48];
    block_execution_time(ms, took);
    if (run->args->json)
        printf("],\n\"sent\":%" PRIu64 ",\"warnings\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"skipped\":%" PRIu64
               ",\"damaged\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"seconds\":%.3f}\n",
               t->sent, t->warnings, t->failed, skipped, run->damaged, run->unknown, (double)ms / 1000);
    fprintf(run->text,
            "Objects sent: %" PRIu64 ", with warnings: %" PRIu64 ", failed: %" PRIu64 ", skipped: %" PRIu64
            "\n",
            t->sent, t->warnings, t->failed, skipped);
    fprintf(run->text, "Total store time: %s\n", took);
}

/* The exit code of a run that came to its end, and the reason when not all was sent. */
static int judge(const Run *run, Err *err)
{
    const SendingTotals *t = &run->totals;
    if (t->failed)
        err_set(err, ERR_REFUSED, "%" PRIu64 " of %" PRIu64 " objects were not sent", t->failed,
                t->sent + t->warnings + t->failed);
    else if (run->damaged)
        err_set(err, ERR_FORMAT,
                "%" PRIu64 " files could not be read as the objects they ought to be; see above",
                run->damaged);
    else if (run->unknown)
        err_set(err, ERR_NOT_FOUND, "%" PRIu64 " of the given UIDs are not in the index; see above",
                run->unknown);
    return err->code ? EXIT_FAILED : EXIT_OK;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    Run run = {.cli = cli,
               .args = a,
               .text = a->json ? stderr : stdout,
               .verbosity = cli_verbosity(cli, a->verbosity),
               .peer = cli_peer(cli->settings, a->ip, a->port, a->called),
               .first_json = true};
    if (!cli_secure(cli, &a->secure, &run.peer, &err) || !choose_contexts(&run, &err))
        return cli_fail(cli, "%s", err.text);
    int64_t began = clock_ms();
    uint64_t skipped = 0;
    int code = EXIT_OK;
    if (a->json)
        printf("{\"objects\":[\n");
    if (!strcmp(a->source, "db"))
        code = send_indexed(&run, &err);
    else if (!send_files(&run, &skipped, &err))
        code = EXIT_FAILED;
    show_end(&run, began, skipped);
    if (code == EXIT_OK)
        code = judge(&run, &err);
    if (code != EXIT_OK)
        cli_fail(cli, "%s", err.text);
    return code;
}

const Command command_store = {
    .name = "store",
    .summary = "send files, or objects of this archive, to a peer (C-STORE)",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
