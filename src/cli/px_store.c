// SPDX-License-Identifier: MIT
/* px-store: files, or what the px database has, to a PACS (C-STORE). */
#include "cli/px_push.h"
#include "cli/px_then.h"

#include <string.h>

typedef struct Args {
    PxPeerArgs peer;
    PxSourceArgs source;
    PxAsk ask;
    const char *json_args, *pacs, *what;
    int64_t parallel;
    bool again, json;
} Args;

static const Args defaults = {.peer = PX_PEER_NOT_GIVEN(600),
                              .source = PX_SOURCE_DEFAULTS,
                              .ask = PX_ASK_DEFAULTS,
                              .json_args = "",
                              .pacs = "",
                              .parallel = 4};
static const Option options[] = {
    {OPT_TEXT, .value = "PATH", .help = "a file, or a folder with all below it", .optional = true,
     .at = offsetof(Args, what)},
    {OPT_TEXT, .name = "JSONargs", .value = "JSON", .secret = true,
     .help = "all options as one JSON object, instead of the others", .at = offsetof(Args, json_args)},
    PX_SOURCE_OPTIONS(Args),
    {OPT_TEXT, .name = "PACS", .value = "KEY", .help = "the PACS, by its key in services/pacs.json",
     .at = offsetof(Args, pacs)},
    PX_PEER_OPTIONS(Args),
    {OPT_INT, .name = "parallel", .value = "N", .help = "associations at once", .min = 1,
     .max = PX_PUSH_PARALLEL_MAX, .at = offsetof(Args, parallel)},
    {OPT_FLAG, .name = "again", .help = "also what is noted as sent to this PACS",
     .at = offsetof(Args, again)},
    {OPT_FLAG, .name = "json", .help = "print what was sent as JSON", .at = offsetof(Args, json)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static bool find_files(Args *a, PxBase *base, PxPushFiles *files, Err *err)
{
    if (a->what && *a->what)
        a->source.path = a->what;
    return px_source_files(&a->source, base, files, err);
}

static bool find_peer(Cli *cli, Args *a, PxStorageService *service, Err *err)
{
    const char *listener = NULL;
    if (!px_peer_of_key(cli, a->source.db, a->pacs, &a->peer, &listener, err))
        return false;
    px_peer_defaults(&a->peer);
    const char *problem = px_check_peer(&a->peer);
    *service = (PxStorageService){
        .type = PX_STORAGE_PACS,
        .pacs = {.aet = a->peer.aet, .aec = a->peer.aec, .host = a->peer.ip, .port = (uint16_t)a->peer.port}};
    return !problem || err_set(err, ERR_USAGE, "%s", problem);
}

static json_t *shown(const Args *a)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:I}", "storagetype", "pacs", "aet", a->peer.aet, "aec", a->peer.aec,
                     "ip", a->peer.ip, "port", (json_int_t)a->peer.port);
}

static int run(Cli *cli, const void *args)
{
    Args a = *(const Args *)args;
    Err err = {0};
    if (*a.json_args && !px_json_args(cli, &command_px_store, a.json_args, &a, &err))
        return px_fail(cli, &err);
    if (px_asked(cli, &command_px_store, &a.ask, "1.0.0"))
        return EXIT_OK;
    PxPushFiles files = {.arena = cli->arena};
    PxStorageService service;
    PxStorage *storage = NULL;
    json_t *record = NULL;
    PxBase *base = px_source_base(&a.source, &err);
    bool ok = !err.code && find_peer(cli, &a, &service, &err) && find_files(&a, base, &files, &err);
    if (ok) {
        int64_t wait = a.peer.timeout * 1000;
        ScuPeer peer = px_peer(&a.peer);
        peer.timeouts.dimse_ms = peer.timeouts.network_ms = wait;
        if (cli_secure(cli, &a.peer.secure, &peer, &err))
            storage = px_storage_open(&(PxStorageSettings){.service = &service,
                                                           .timeouts = peer.timeouts,
                                                           .tls = peer.tls,
                                                           .identity = peer.identity},
                                      &err);
        record = shown(&a);
        PxPush push = {.storage = storage,
                       .base = base,
                       .service = record,
                       .again = a.again,
                       .parallel = (unsigned)a.parallel,
                       .trace = px_trace(&a.ask)};
        ok = storage && px_push_shown(&push, &files, a.json, &a.ask, &err);
    }
    px_storage_close(storage);
    json_decref(record);
    px_push_files_free(&files);
    px_base_close(base);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

const Command command_px_store = {
    .name = "px-store",
    .summary = "send files, or what the px database has, to a PACS (C-STORE)",
    .details = "A file that cannot be sent does not hold up the others; the exit code is 0 only when all "
               "were taken. "
               "Example: px-store --aec PACS --serverIP 10.0.0.1 --serverPort 104 images --json",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
