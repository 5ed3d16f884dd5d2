// SPDX-License-Identifier: MIT
/*
 * px-do: the verbs of --then on what px-find --json had found. The options of that px-find stand in the document under "args", by the names that pypx has for
 * them; what is given here goes first.
 */
#include "cli/px_then.h"

#include <string.h>

typedef struct Args {
    PxPeerArgs peer;
    PxAsk ask;
    PxThenArgs then;
    PxTemplateArgs templates;
    const char *data, *data_file;
    const char *pacs, *listener; /* of the px-find before */
    bool creates_db;
} Args;

static const Args defaults = {.peer = PX_PEER_NOT_GIVEN(600),
                              .ask = PX_ASK_DEFAULTS,
                              .templates = PX_TEMPLATE_DEFAULTS,
                              .data = "",
                              .data_file = ""};
static const Option options[] = {
    {OPT_TEXT, .name = "reportData", .value = "JSON", .help = "what px-find --json printed, as an argument",
     .at = offsetof(Args, data)},
    {OPT_TEXT, .name = "reportDataFile", .value = "PATH",
     .help = "the same in a file; else it is read from stdin", .at = offsetof(Args, data_file)},
    PX_PEER_OPTIONS(Args),
    PX_THEN_OPTIONS(Args),
    PX_TEMPLATE_OPTIONS(Args),
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

/* -- what px-find had been told -- */

static void take_text(Arena *arena, const json_t *upstream, const char *name, const char **to)
{
    const char *text = json_string_value(json_object_get(upstream, name));
    if (!*to && text && *text)
        *to = arena_strdup(arena, text);
}

static bool take_port(const json_t *upstream, int64_t *to, Err *err)
{
    const json_t *value = json_object_get(upstream, "serverPort");
    if (*to || !value)
        return true;
    *to = json_integer_value(value);
    if (json_is_string(value) ? span_to_i64(span_cstr(json_string_value(value)), 1, 65535, to)
                              : *to > 0 && *to < 65536)
        return true;
    return err_set(err, ERR_FORMAT, "the input: args.serverPort is not a port");
}

/* Where the PACS sends to, when its service file says so and our title is the one of that file. */
static bool take_listener(Cli *cli, Args *a, Err *err)
{
    PxPeerArgs peer = {0};
    const char *listener = NULL;
    if (!a->pacs || !a->then.db)
        return true;
    if (!px_peer_of_key(cli, a->then.db, a->pacs, &peer, &listener, err))
        return false;
    if (a->peer.aet && !strcmp(a->peer.aet, peer.aet))
        a->listener = listener;
    return true;
}

static bool take_upstream(Cli *cli, const json_t *document, Args *a, Err *err)
{
    const json_t *upstream = json_object_get(document, "args");
    const struct {
        const char *name, **to;
    } texts[] = {{"aet", &a->peer.aet},
                 {"aec", &a->peer.aec},
                 {"serverIP", &a->peer.ip},
                 {"dblogbasepath", &a->then.db},
                 {"CUBE", &a->then.cube},
                 {"swift", &a->then.swift},
                 {"then", &a->then.then},
                 {"thenArgs", &a->then.then_args},
                 {"intraSeriesRetrieveDelay", &a->then.delay},
                 {"movescu", &a->then.movescu},
                 {"PACS", &a->pacs}};
    /* Arguments belong to their verbs: both come from one place. */
    if (a->then.then && !a->then.then_args)
        a->then.then_args = "";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        take_text(cli->arena, upstream, texts[i].name, texts[i].to);
    if (!a->peer.secure.tls && !a->peer.secure.user && !a->peer.secure.jwt)
        secure_from(cli->arena, upstream, &a->peer.secure);
    a->creates_db |= a->then.db && strcmp(a->then.db, PX_DEFAULT_DB) != 0;
    return take_port(upstream, &a->peer.port, err) && take_listener(cli, a, err);
}

/* -- the run -- */

static bool check_document(const json_t *document, Err *err)
{
    if (px_document_failed(document))
        return err_set(err, ERR_FORMAT, "the query that should be acted on had failed");
    return json_is_array(json_object_get(document, "data")) ||
           err_set(err, ERR_FORMAT,
                   "the input has no list \"data\" of studies; it should be what px-find --json prints");
}

static int act(Cli *cli, const Args *a, const json_t *document)
{
    Err err = {0};
    ScuPeer peer = px_peer(&a->peer);
    PxPlan plan = {0};
    json_t *results = NULL;
    bool ok = cli_secure(cli, &a->peer.secure, &peer, &err) &&
              px_plan(cli, &a->then, &a->templates, &peer, a->listener, a->creates_db, px_trace(&a->ask),
                      &plan, &err);
    ok = ok && px_plan_do(&plan, document, &results, &err);
    px_plan_end(&plan);
    if (results && a->then.json && !a->then.feedback)
        px_print(results, false, &a->ask);
    json_decref(results);
    if (a->then.wait)
        px_wait_for_user();
    return ok ? EXIT_OK : px_fail(cli, &err);
}

static int run(Cli *cli, const void *args)
{
    Args a = *(const Args *)args;
    if (px_asked(cli, &command_px_do, &a.ask, "3.2.8"))
        return EXIT_OK;
    Err err = {0};
    a.creates_db = a.then.db != NULL;
    json_t *document = px_read_input(a.data, a.data_file, &err);
    bool ok = document && check_document(document, &err) && take_upstream(cli, document, &a, &err);
    int code = EXIT_FAILED;
    if (ok) {
        px_peer_defaults(&a.peer);
        px_then_defaults(&a.then);
        const char *problem = px_check_peer(&a.peer);
        ok = !problem || err_set(&err, ERR_USAGE, "%s", problem);
    }
    code = ok ? act(cli, &a, document) : px_fail(cli, &err);
    json_decref(document);
    return code;
}

const Command command_px_do = {
    .name = "px-do",
    .summary = "do something with each series that px-find --json found",
    .details =
        "Example: px-find --PatientID 4711 --json | px-do --then retrieve --withFeedBack. The PACS, the "
        "database and what else px-find had been told come with its output; options given here go first.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
