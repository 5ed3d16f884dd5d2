// SPDX-License-Identifier: MIT
/* `manage get`: fetches objects from a peer on one association, into this archive or into a folder. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/auditing.h"
#include "cli/block.h"
#include "cli/getting.h"
#include "cli/keys.h"
#include "cli/peer_args.h"
#include "cli/progress.h"
#include "cli/secure.h"
#include "cli/wanted.h"
#include "dicom/status.h"
#include "scu/scout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Args {
    const char *ip, *called, *output;
    int64_t port, verbosity;
    KeyArgs keys;
    WantedArgs wanted;
    bool json;
    SecureArgs secure;
} Args;

static const Args defaults = {.verbosity = -1, .keys.level = "STUDY", .wanted.reload = true};
static const Option options[] = {
    PEER_OPTIONS(Args),
    {OPT_TEXT, "o", "output", "DIR",
     "write the objects as files into this folder instead of into the archive", .at = offsetof(Args, output)},
    KEY_OPTIONS,
    WANTED_OPTIONS,
    {OPT_FLAG, .name = "json", .help = "print the outcome of each request as JSON on stdout",
     .at = offsetof(Args, json)},
    {OPT_INT, "v", "verbosity", "{0,1,2}", "0 no block, 1 one for each request, 2 one for each response",
     .max = 2, .at = offsetof(Args, verbosity)},
    SECURE_OPTIONS(Args, secure, "cert-key"),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    return wanted_check(&a->wanted, &a->keys);
}

typedef struct Run {
    Cli *cli;
    const Args *args;
    FILE *text;
    int verbosity;
    ScuPeer peer;
    DcmLevel level;
    TextList keys;
    Getting getting;
    Progress progress;
    uint64_t failed;
    size_t shown_json;
} Run;

static void step(void *ctx, uint64_t received)
{
    Run *run = ctx;
    progress_step(&run->progress, received);
}

static ScuQuery *open_query(Run *run, const char *key, ScuResult *result, Err *err)
{
    TextSet classes = textset_of(run->cli->arena);
    ScuQuery *scout = scu_query_open(&run->peer, SCU_FIND, SCU_STUDY_ROOT, NULL, 0, result, NULL);
    if (scout)
        scout_classes(scout, run->level, run->args->keys.study, run->args->keys.series, key, &classes);
    scu_query_close(scout);
    ScuQuery *query = scu_query_open(&run->peer, SCU_GET, keys_model(run->level),
                                     classes.count ? classes.items : NULL, classes.count, result, err);
    textset_free(&classes);
    return query;
}

/* -- one request -- */

static void show_block(const Run *run, bool final, bool ok, const ScuResult *result, const char *text)
{
    enum { NO_ASSOCIATION = 0xD000 };
    Block block = {.service = "SCU",
                   .action = "CGET",
                   .committed = final,
                   .has_status = true,
                   .status = result->associated ? result->status : NO_ASSOCIATION,
                   .now_us = clock_wall_us(),
                   .began_us = clock_wall_us(),
                   .peer_ae = run->args->called,
                   .own_ae = run->cli->settings->aet,
                   .success = ok,
                   .last_log = text};
    Buf out;
    buf_init(&out, 0);
    block_format(&block, run->verbosity, &out);
    cli_put(run->text, &out);
}

static bool show_response(void *ctx, const ScuResult *so_far, const DcmDataset *identifier)
{
    Run *run = ctx;
    if (dcm_status_class(so_far->status) == DCM_PENDING)
        show_block(run, false, true, so_far, "under way");
    return true;
}

static void show_json(Run *run, const char *key, bool ok, uint64_t received, const ScuResult *result,
                      const Err *err)
{
    Buf out;
    buf_init(&out, 0);
    if (run->shown_json++)
        buf_append_cstr(&out, ",\n");
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "key", key);
    cli_json_outcome(&w, ok, result, err);
    json_member_int(&w, "received", (int64_t)received);
    json_member_int(&w, "failed", result->failed);
    json_end_object(&w);
    cli_put(stdout, &out);
}

static bool all_came(const Run *run, const ScuResult *result, uint64_t refused_before, Err *err)
{
    if (result->status == DCM_STATUS_SUCCESS && !result->failed && run->getting.refused == refused_before)
        return true;
    return err_set(err, ERR_REFUSED,
                   "get: not all objects came: %u failed at the peer, %" PRIu64
                   " were refused here (status 0x%04X%s%s)",
                   result->failed, run->getting.refused - refused_before, result->status,
                   *result->comment ? ": " : "", result->comment);
}

static void get_one(Run *run, const char *key)
{
    uint64_t received = run->getting.received, refused = run->getting.refused;
    ScuSink sink = getting_sink(&run->getting);
    ScuResult result = {0};
    Err err = {0};
    Arena *arena = arena_new(0);
    DcmDataset *keys = keys_for_retrieve(arena, &run->args->keys, key);
    keys_show(run->text, arena, run->level, keys);
    ScuQuery *query = open_query(run, key, &result, &err);
    bool ok = query && scu_get(query, run->level, keys, &sink, show_response, run, &result, &err) &&
              all_came(run, &result, refused, &err);
    scu_query_close(query);
    arena_free(arena);
    progress_end(&run->progress);
    run->failed += !ok;
    bool nothing = ok && run->getting.received == received;
    show_block(run, true, ok, &result, nothing ? "no object" : ok ? "all objects received" : err.text);
    if (run->args->json)
        show_json(run, key, ok, run->getting.received - received, &result, &err);
    if (!ok)
        log_error("pacs.transaction_dicom", "%s: %s", key, err.text);
    else if (nothing)
        log_warning("pacs.transaction_dicom", "get: %s has no %s %s; nothing was received", run->args->called,
                    dcm_level_name(run->level), key);
}

static int get_all(Run *run)
{
    int64_t began = clock_ms();
    run->progress = progress_start("received", 0, run->verbosity == 0 || !isatty(fileno(run->text)));
    if (run->args->json)
        printf("{\"requests\":[\n");
    for (size_t i = 0; i < run->keys.count; i++)
        get_one(run, run->keys.items[i]);
    int64_t ms = clock_ms() - began;
    char took[48];
    block_execution_time(ms, took);
    if (run->args->json)
        printf("],\n\"failed\":%" PRIu64 ",\"received\":%" PRIu64 ",\"seconds\":%.3f}\n", run->failed,
               run->getting.received, (double)ms / 1000);
    fprintf(run->text, "Requests: %zu, failed: %" PRIu64 "; objects received: %" PRIu64 "\n%s\n",
            run->keys.count, run->failed, run->getting.received, took);
    return run->failed
               ? cli_fail(run->cli, "%" PRIu64 " of %zu requests failed", run->failed, run->keys.count)
               : EXIT_OK;
}

static int get_into_archive(Run *run)
{
    Err err = {0};
    run->getting.archive = cli_open_archive(run->cli->settings, &err);
    if (!run->getting.archive)
        return cli_fail(run->cli, "%s", err.text);
    int code = get_all(run);
    arc_close(run->getting.archive);
    return code;
}

static int get_into_folder(Run *run)
{
    Err err = {0};
    run->getting.folder = file_open_dir(run->args->output, true, &err);
    if (run->getting.folder < 0)
        return cli_fail(run->cli, "-o: %s", err.text);
    int code = get_all(run);
    close(run->getting.folder);
    return code;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Run run = {.cli = cli,
               .args = a,
               .text = a->json ? stderr : stdout,
               .verbosity = cli_verbosity(cli, a->verbosity),
               .level = keys_level(&a->keys),
               .peer = wanted_peer(cli->settings, a->ip, a->port, a->called)};
    run.getting = (Getting){.source_ae = a->called, .folder = -1, .step = step, .ctx = &run};
    Err err = {0};
    if (!cli_secure(cli, &a->secure, &run.peer, &err) ||
        !wanted_keys(cli, &a->wanted, &a->keys, &run.keys, &err))
        return cli_fail(cli, "%s", err.text);
    if (a->output)
        auditing_nothing(cli); /* nothing of this archive */
    auditing_about(cli, AUDIT_NODE, a->called ? a->called : a->ip);
    for (size_t i = 0; i < run.keys.count; i++)
        auditing_about(cli,
                       run.level == DCM_LEVEL_PATIENT ? AUDIT_PATIENT
                       : run.level == DCM_LEVEL_STUDY ? AUDIT_STUDY
                                                      : AUDIT_FILE,
                       run.keys.items[i]);
    return a->output ? get_into_folder(&run) : get_into_archive(&run);
}

const Command command_get = {
    .name = "get",
    .summary = "fetch objects from a peer into this archive or a folder (C-GET)",
    .details =
        "Like move, but on one association and without a third party: the peer need not know our address.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
