// SPDX-License-Identifier: MIT
/* `manage move`: asks a peer to send studies (or patients, series, images) to a third one, one C-MOVE per key. */
#include "base/clock.h"
#include "base/crew.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/block.h"
#include "cli/moving.h"
#include "cli/peer_args.h"
#include "cli/progress.h"
#include "dicom/status.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef MoveArgs Args;

static const Args defaults = {.verbosity = -1, .keys.level = "STUDY", .wanted.reload = true};
static const Option options[] = {
    PEER_OPTIONS(Args),
    {OPT_TEXT, "aes", "ae_cstore", "AES", "AE title it is to send to; the peer must know it",
     .required = true, .at = offsetof(Args, destination)},
    KEY_OPTIONS,
    WANTED_OPTIONS,
    {OPT_FLAG, .name = "json", .help = "print the outcome of each request as JSON on stdout",
     .at = offsetof(Args, json)},
    {OPT_INT, "v", "verbosity", "{0,1,2}", "2 adds blocks for start and end", .max = 2,
     .at = offsetof(Args, verbosity)},
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
    ScuPeer peer;
    DcmLevel level;
    const MoveKey *keys;
    size_t count;

    pthread_mutex_t lock; /* guards all below, and the output */
    size_t next;
    unsigned broken; /* associations that failed in a row */
    uint64_t done, failed, empty, completed_objects, failed_objects;
    Progress progress;
    bool first_json;
} Run;

/* One request: what its responses said. */
typedef struct Request {
    Run *run;
    const char *key;
    const char *failed_uids; /* of the final response, separated by backslashes; NULL = none */
    Arena *arena;
} Request;

static bool show_response(void *ctx, const ScuResult *so_far, const DcmDataset *identifier)
{
    Request *request = ctx;
    Run *run = request->run;
    pthread_mutex_lock(&run->lock);
    progress_end(&run->progress);
    fprintf(run->text, "C-MOVE query status: 0x%04x", so_far->status);
    if (so_far->has_counters)
        fprintf(run->text, " (remaining %u, completed %u, failed %u, warning %u)", so_far->remaining,
                so_far->completed, so_far->failed, so_far->warning);
    fputc('\n', run->text);
    progress_step(&run->progress, run->done);
    pthread_mutex_unlock(&run->lock);
    if (identifier)
        request->failed_uids = dcm_text_all(request->arena, identifier, DCM_FailedSOPInstanceUIDList);
    return true;
}

static void show_json(Run *run, const Request *request, bool ok, const ScuResult *result, const Err *err)
{
    Buf out;
    buf_init(&out, 0);
    if (!run->first_json)
        buf_append_cstr(&out, ",\n");
    run->first_json = false;
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "key", request->key);
    cli_json_outcome(&w, ok, result, err);
    json_member_int(&w, "completed", result->completed);
    json_member_int(&w, "failed", result->failed);
    json_member_int(&w, "warning", result->warning);
    json_member(&w, "failed_sop_instances", request->failed_uids);
    json_end_object(&w);
    cli_put(stdout, &out);
}

/* With the lock held. */
static void tell_empty(Run *run, const char *key)
{
    run->empty++;
    log_warning("pacs.transaction_dicom", "move: %s has no %s %s; nothing was sent", run->args->called,
                dcm_level_name(run->level), key);
}

static void finish(Run *run, const Request *request, bool ok, const ScuResult *result, const Err *err)
{
    pthread_mutex_lock(&run->lock);
    progress_end(&run->progress);
    run->done++;
    run->failed += !ok;
    run->completed_objects += result->completed;
    run->failed_objects += result->failed;
    if (run->args->json)
        show_json(run, request, ok, result, err);
    if (!ok)
        log_error("pacs.transaction_dicom", "move: %s: %s", request->key, err->text);
    else if (result->has_counters && !result->completed && !result->warning)
        tell_empty(run, request->key);
    progress_step(&run->progress, run->done);
    pthread_mutex_unlock(&run->lock);
}

/* A warning status means that some objects were not sent. */
static bool all_was_sent(const ScuResult *result, Err *err)
{
    if (result->status == DCM_STATUS_SUCCESS && !result->failed)
        return true;
    return err_set(err, ERR_REFUSED, "the peer could not send %u of the objects (status 0x%04X%s%s)",
                   result->failed, result->status, *result->comment ? ": " : "", result->comment);
}

/* The identifier of one request. */
static DcmDataset *identifier_of(const Run *run, Arena *arena, const MoveKey *key)
{
    KeyArgs keys = run->args->keys;
    keys.study = key->study ? key->study : keys.study;
    keys.series = key->series ? key->series : keys.series;
    return keys_for_retrieve(arena, &keys, key->key);
}

static void move_one(Run *run, ScuQuery **query, const MoveKey *key)
{
    Request request = {.run = run, .key = key->key, .arena = arena_new(0)};
    ScuResult result = {0};
    Err err = {0};
    if (!*query)
        *query = scu_query_open(&run->peer, SCU_MOVE, keys_model(run->level), NULL, 0, &result, &err);
    bool had_association = *query != NULL;
    bool ok = had_association &&
              scu_move(*query, run->level, identifier_of(run, request.arena, key), run->args->destination,
                       show_response, &request, &result, &err) &&
              all_was_sent(&result, &err);
    if (!ok && !result.answered) {
        scu_query_close(*query);
        *query = NULL;
    }
    pthread_mutex_lock(&run->lock);
    run->broken = had_association ? 0 : run->broken + 1;
    pthread_mutex_unlock(&run->lock);
    finish(run, &request, ok, &result, &err);
    arena_free(request.arena);
}

/* NULL when all are taken, or nobody answers any more. */
static const MoveKey *take(Run *run)
{
    pthread_mutex_lock(&run->lock);
    unsigned patience = (unsigned)run->cli->settings->thread_number + 1;
    const MoveKey *key = run->next < run->count && run->broken <= patience ? &run->keys[run->next++] : NULL;
    pthread_mutex_unlock(&run->lock);
    return key;
}

static void *work(void *ctx)
{
    Run *run = ctx;
    ScuQuery *query = NULL;
    const MoveKey *key;
    while ((key = take(run)))
        move_one(run, &query, key);
    scu_query_close(query);
    return NULL;
}

static void show_block(const Run *run, bool last, const char *text)
{
    Block block = {.service = "SCU",
                   .action = "CMOVE",
                   .committed = last,
                   .now_us = clock_wall_us(),
                   .began_us = clock_wall_us(),
                   .peer_ae = run->args->called,
                   .own_ae = run->cli->settings->aet,
                   .success = last && !run->failed,
                   .last_log = text};
    Buf out;
    buf_init(&out, 0);
    if (cli_verbosity(run->cli, run->args->verbosity) >= 2)
        block_format(&block, 2, &out);
    cli_put(run->text, &out);
}

static void show_end(Run *run, int64_t began)
{
    uint64_t untried = run->count - run->done;
    int64_t ms = clock_ms() - began;
    char took[48];
    block_execution_time(ms, took);
    run->failed += untried;
    if (run->args->json)
        printf("],\n\"failed\":%" PRIu64 ",\"empty\":%" PRIu64 ",\"completed_objects\":%" PRIu64
               ",\"failed_objects\":%" PRIu64 ",\"seconds\":%.3f}\n",
               run->failed, run->empty, run->completed_objects, run->failed_objects, (double)ms / 1000);
    show_block(run, true,
               arena_printf(run->cli->arena, "%zu %s done, %" PRIu64 " failed, %s", run->count,
                            dcm_level_name(run->level), run->failed, took));
    fprintf(run->text,
            "Requests: %zu, failed: %" PRIu64 "; objects completed: %" PRIu64 ", failed: %" PRIu64 "\n%s\n",
            run->count, run->failed, run->completed_objects, run->failed_objects, took);
}

static int move_all(Run *run)
{
    int64_t began = clock_ms();
    run->progress = progress_start("requests done", run->count, !isatty(fileno(run->text)));
    for (size_t i = 0; i < run->count; i++)
        keys_show(run->text, run->cli->arena, run->level, identifier_of(run, run->cli->arena, &run->keys[i]));
    show_block(run, false,
               arena_printf(run->cli->arena, "%zu %s with %" PRId64 " threads", run->count,
                            dcm_level_name(run->level), run->cli->settings->thread_number));
    if (run->args->json)
        printf("{\"requests\":[\n");
    size_t threads = (size_t)run->cli->settings->thread_number;
    crew_run(threads < run->count ? threads : run->count, work, run);
    progress_end(&run->progress);
    show_end(run, began);
    if (run->failed)
        return cli_fail(run->cli, "%" PRIu64 " of %zu requests failed", run->failed, run->count);
    if (run->empty)
        return cli_fail(run->cli, "%" PRIu64 " of %zu requests matched nothing at %s; see its 'find'",
                        run->empty, run->count, run->args->called);
    return EXIT_OK;
}

int moving_run(Cli *cli, const MoveArgs *args, const MoveKey *keys, size_t count)
{
    Run run = {.cli = cli,
               .args = args,
               .text = args->json ? stderr : stdout,
               .level = keys_level(&args->keys),
               .peer = wanted_peer(cli->settings, args->ip, args->port, args->called),
               .keys = keys,
               .count = count,
               .first_json = true};
    Err err = {0};
    if (!cli_secure(cli, &args->secure, &run.peer, &err))
        return cli_fail(cli, "%s", err.text);
    if (!count) {
        fprintf(run.text, "Nothing to move: all of it is here already.\n");
        if (args->json)
            printf("{\"requests\":[],\"failed\":0,\"empty\":0,\"completed_objects\":0,\"failed_objects\":0,"
                   "\"seconds\":0}"
                   "\n");
        return EXIT_OK;
    }
    pthread_mutex_init(&run.lock, NULL);
    int code = move_all(&run);
    pthread_mutex_destroy(&run.lock);
    return code;
}

const MoveKey *moving_keys(Arena *arena, const TextList *keys)
{
    MoveKey *out = arena_alloc(arena, (keys->count + 1) * sizeof *out);
    for (size_t i = 0; i < keys->count; i++)
        out[i].key = keys->items[i];
    return out;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    TextList keys;
    Err err = {0};
    if (!wanted_keys(cli, &a->wanted, &a->keys, &keys, &err))
        return cli_fail(cli, "%s", err.text);
    return moving_run(cli, a, moving_keys(cli->arena, &keys), keys.count);
}

const Command command_move = {
    .name = "move",
    .summary = "ask a peer to send objects to a third one (C-MOVE)",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check,
    .run = run,
};
