// SPDX-License-Identifier: MIT
/* px-find: studies and their series that match, and what is to be done with them. */
#include "cli/px_pipe.h"
#include "cli/px_then.h"
#include "px/services.h"

#include <stdlib.h>
#include <string.h>

enum { MATCHES = 15 };
static const char *const match_names[MATCHES] = {"AccessionNumber",
                                                 "PatientID",
                                                 "PatientName",
                                                 "PatientSex",
                                                 "StudyDate",
                                                 "ModalitiesInStudy",
                                                 "Modality",
                                                 "PerformedStationAETitle",
                                                 "StudyDescription",
                                                 "SeriesDescription",
                                                 "SeriesInstanceUID",
                                                 "StudyInstanceUID",
                                                 "ProtocolName",
                                                 "AcquisitionProtocolName",
                                                 "AcquisitionProtocolDescription"};

typedef struct Args {
    PxPeerArgs peer;
    PxAsk ask;
    PxThenArgs then;
    PxTemplateArgs templates;
    const char *json_args, *pacs, *findscu, *return_tags;
    const char *match[MATCHES];
    int64_t parallel;
    bool study_only, all;
} Args;

static const Args defaults = {.peer = PX_PEER_NOT_GIVEN(600),
                              .ask = PX_ASK_DEFAULTS,
                              .templates = PX_TEMPLATE_DEFAULTS,
                              .json_args = "",
                              .pacs = "",
                              .findscu = "/usr/bin/findscu",
                              .return_tags = "",
                              .match = {"", "", "", "", "", "", "", "", "", "", "", "", "", "", ""},
                              .parallel = 4};
#define MATCH(i, keyword, text)                                                                              \
    {                                                                                                        \
        OPT_TEXT, .name = (keyword), .value = "VALUE", .help = (text), .at = offsetof(Args, match[i])        \
    }
static const Option options[] = {
    {OPT_TEXT, .name = "JSONargs", .value = "JSON", .secret = true,
     .help = "all options as one JSON object, instead of the others", .at = offsetof(Args, json_args)},
    {OPT_TEXT, .name = "PACS", .value = "KEY",
     .help = "the PACS, by its key in services/pacs.json; --aet, --aec, --serverIP, --serverPort go first",
     .at = offsetof(Args, pacs)},
    PX_PEER_OPTIONS(Args),
    {OPT_TEXT, .name = "findscu", .value = "PATH", .help = "shown in the result; no program is run",
     .at = offsetof(Args, findscu)},
    {OPT_FLAG, .name = "StudyOnly", .help = "do not ask for series", .at = offsetof(Args, study_only)},
    {OPT_TEXT, .name = "QueryReturnTags", .value = "LIST",
     .help = "keywords to be returned, instead of the usual ones", .at = offsetof(Args, return_tags)},
    MATCH(0, "AccessionNumber", "what must match; wildcards * and ?, lists with \\"),
    MATCH(1, "PatientID", "what must match"),
    MATCH(2, "PatientName", "what must match"),
    MATCH(3, "PatientSex", "what must match"),
    MATCH(4, "StudyDate", "a day or a range, 20260131 or 20260101-20260131"),
    MATCH(5, "ModalitiesInStudy", "what must match"),
    MATCH(6, "Modality", "what must match, in series"),
    MATCH(7, "PerformedStationAETitle", "what must match, in series"),
    MATCH(8, "StudyDescription", "what must match"),
    MATCH(9, "SeriesDescription", "what must match, in series"),
    MATCH(10, "SeriesInstanceUID", "what must match, in series"),
    MATCH(11, "StudyInstanceUID", "what must match"),
    MATCH(12, "ProtocolName", "what must match, in series"),
    MATCH(13, "AcquisitionProtocolName", "what must match, in series"),
    MATCH(14, "AcquisitionProtocolDescription", "what must match, in series"),
    {OPT_FLAG, .name = "all", .help = "allow a query without any constraint", .at = offsetof(Args, all)},
    {OPT_INT, .name = "parallel", .value = "N", .help = "studies that are asked for their series at once",
     .min = 1, .max = PX_PARALLEL_MAX, .at = offsetof(Args, parallel)},
    PX_THEN_OPTIONS(Args),
    PX_TEMPLATE_OPTIONS(Args),
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

/* -- what is asked and what is told -- */

static bool keys_of(const Args *a, Arena *arena, PxKeys *keys, Err *err)
{
    px_keys_default(keys);
    if (*a->return_tags && !px_keys_parse(keys, arena, a->return_tags, err))
        return false;
    for (size_t i = 0; i < MATCHES; i++)
        if (*a->match[i] && !px_keys_set(keys, match_names[i], a->match[i], err))
            return false;
    if (!a->all && !px_keys_constrain(keys))
        return err_set(
            err, ERR_USAGE,
            "no constraint is given, which asks for everything the PACS has; use --all if that is meant");
    return true;
}

static void put_text(json_t *args, const char *name, const char *value)
{
    json_object_set_new(args, name, px_text(value));
}

static void put_flag(json_t *args, const char *name, bool value)
{
    json_object_set_new(args, name, json_boolean(value));
}

/* As they were typed, unless there are secrets in them: documents are kept and passed on. */
static const char *shown(Arena *arena, const char *typed, json_t *value)
{
    json_t *masked = px_service_masked(value);
    if (value && !json_equal(value, masked)) {
        char *text = json_dumps(masked, JSON_COMPACT);
        typed = arena_strdup(arena, text ? text : "");
        free(text);
    }
    json_decref(masked);
    json_decref(value);
    return typed;
}

static const char *shown_then_args(const Args *a, Arena *arena)
{
    PxVerbs verbs;
    Err ignored;
    json_t *list = px_verbs_parse(&verbs, a->then.then, &ignored)
                       ? px_verbs_arguments(&verbs, a->then.then_args, &ignored)
                       : NULL;
    return shown(arena, a->then.then_args, list);
}

/* Those of verbs are a text within the text. */
static const char *shown_json_args(const Args *a, Arena *arena, const char *then_args)
{
    json_t *value = *a->json_args ? json_loads(a->json_args, 0, NULL) : NULL;
    const char *typed = a->json_args;
    if (json_is_string(json_object_get(value, "thenArgs")) && strcmp(then_args, a->then.then_args) != 0) {
        put_text(value, "thenArgs", then_args);
        char *text = json_dumps(value, JSON_COMPACT);
        typed = arena_strdup(arena, text ? text : "");
        free(text);
    }
    return shown(arena, typed, value);
}

/* The options under the names that pypx has for them. */
static json_t *args_of(const Args *a, Arena *arena)
{
    json_t *args = json_object();
    const char *then_args = shown_then_args(a, arena);
    put_text(args, "JSONargString", shown_json_args(a, arena, then_args));
    put_text(args, "dblogbasepath", a->then.db);
    put_text(args, "PACS", a->pacs);
    put_text(args, "CUBE", a->then.cube);
    put_text(args, "swift", a->then.swift);
    put_text(args, "aet", a->peer.aet);
    put_text(args, "aec", a->peer.aec);
    secure_into(args, &a->peer.secure);
    put_text(args, "serverIP", a->peer.ip);
    put_text(args, "serverPort", arena_printf(arena, "%d", (int)a->peer.port));
    put_text(args, "findscu", a->findscu);
    put_text(args, "movescu", a->then.movescu);
    put_flag(args, "StudyOnly", a->study_only);
    put_text(args, "QueryReturnTags", a->return_tags);
    for (size_t i = 0; i < MATCHES; i++)
        put_text(args, match_names[i], a->match[i]);
    put_flag(args, "withFeedBack", a->then.feedback);
    put_text(args, "then", a->then.then);
    put_text(args, "thenArgs", then_args);
    put_text(args, "intraSeriesRetrieveDelay", a->then.delay);
    put_flag(args, "move", a->then.move);
    put_flag(args, "json", a->then.json && !a->then.feedback);
    json_object_set_new(args, "verbosity", json_integer(a->ask.verbosity));
    put_flag(args, "desc", a->ask.desc);
    put_flag(args, "synopsis", a->ask.synopsis);
    put_flag(args, "b_version", a->ask.version);
    put_flag(args, "b_waitForUserTerminate", a->then.wait);
    put_text(args, "QueryRetrieveLevel", "SERIES");
    return args;
}

static bool print_table(const Args *a, const json_t *document, Err *err)
{
    PxReport report;
    px_report_defaults(&report);
    report.scheme = px_scheme(a->then.colorize);
    report.boxes = px_boxes(a->then.colorize);
    Buf out;
    buf_init(&out, 0);
    bool ok = px_report(&report, document, &out, err);
    cli_put(stdout, &out);
    return ok;
}

/* -- the run -- */

typedef struct Run {
    PxQuery query;
    PxPlan plan;
    const char *listener; /* where C-MOVE sends, when not to us */
    bool creates_db;
    json_t **document; /* where what was found goes; NULL = it is printed */
} Run;

static bool make_plan(Cli *cli, const Args *a, Run *run, Err *err)
{
    ScuPeer peer = px_peer(&a->peer);
    if (!cli_secure(cli, &a->peer.secure, &peer, err))
        return false;
    run->query = (PxQuery){.peer = peer,
                           .findscu = a->findscu,
                           .study_only = a->study_only,
                           .parallel = (unsigned)a->parallel,
                           .trace = px_trace(&a->ask)};
    if (!px_plan(cli, &a->then, &a->templates, &peer, run->listener, run->creates_db, px_trace(&a->ask),
                 &run->plan, err) ||
        !keys_of(a, cli->arena, &run->query.keys, err))
        return false;
    return !a->study_only || !run->plan.then.count ||
           err_set(err, ERR_USAGE, "--then works on series, which --StudyOnly does not ask for");
}

static int finish(Cli *cli, const Args *a, Run *run, json_t *document)
{
    Err err = {0};
    bool json = a->then.json && !a->then.feedback, ok = true;
    size_t verbs = run->plan.then.count;
    if (!a->study_only)
        json_object_set_new(document, "args", args_of(a, cli->arena));
    if (verbs) {
        json_t *results;
        ok = px_plan_do(&run->plan, document, &results, &err);
        json_object_set_new(document, "then", results);
    }
    if (run->document)
        *run->document = json_incref(document);
    else if (json)
        px_print(document, false, &a->ask);
    else if (!verbs && a->ask.verbosity)
        ok = print_table(a, document, &err);
    if (a->then.wait)
        px_wait_for_user();
    return ok ? EXIT_OK : px_fail(cli, &err);
}

static int find(Cli *cli, const Args *a, Run *run)
{
    Err err = {0};
    json_t *document;
    int code;
    if (px_find(&run->query, &document, &err)) {
        code = finish(cli, a, run, document);
    } else {
        if (a->then.json && !a->then.feedback)
            px_print(document, false, &a->ask);
        code = px_fail(cli, &err);
    }
    json_decref(document);
    return code;
}

/* Options in their final form. */
static bool settle(Cli *cli, Args *a, Run *run, Err *err)
{
    const char *json_args = a->json_args;
    if (*json_args && !px_json_args(cli, &command_px_find, json_args, a, err))
        return false;
    a->json_args = json_args;
    run->creates_db = a->then.db != NULL;
    px_then_defaults(&a->then);
    if (!px_peer_of_key(cli, a->then.db, a->pacs, &a->peer, &run->listener, err))
        return false;
    px_peer_defaults(&a->peer);
    const char *problem = px_check_peer(&a->peer);
    return !problem || err_set(err, ERR_USAGE, "%s", problem);
}

static int run_into(Cli *cli, const Args *args, json_t **document)
{
    Args a = *args;
    Err err = {0};
    Run run = {.document = document};
    if (!settle(cli, &a, &run, &err))
        return px_fail(cli, &err);
    if (px_asked(cli, &command_px_find, &a.ask, "3.6.0"))
        return EXIT_OK;
    int code = make_plan(cli, &a, &run, &err) ? find(cli, &a, &run) : px_fail(cli, &err);
    px_plan_end(&run.plan);
    return code;
}

static int run(Cli *cli, const void *args)
{
    return run_into(cli, args, NULL);
}

int px_find_words(Cli *cli, int argc, char *const *argv, json_t **document)
{
    Args a;
    if (document)
        *document = NULL;
    return px_words(cli, &command_px_find, argc, argv, &a) ? run_into(cli, &a, document) : EXIT_USAGE;
}
const Command command_px_find = {
    .name = "px-find",
    .summary = "ask a PACS for studies and series (C-FIND), and do something with them",
    .details =
        "Without --json and --then a table is printed. Example: px-find --aec PACS --serverIP 10.0.0.1 "
        "--serverPort 104 --PatientID 4711 --then retrieve --withFeedBack",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
