// SPDX-License-Identifier: MIT
/* px-find: studies and their series that match, and what is to be done with them. */
#include "cli/px.h"

#include <string.h>
#include <unistd.h>

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
    const char *json_args, *db, *pacs, *cube, *swift, *findscu, *movescu, *return_tags, *then, *then_args,
        *delay, *colorize;
    const char *match[MATCHES];
    int64_t parallel;
    bool study_only, feedback, move, json, wait, all;
} Args;

static const Args defaults = {.peer = PX_PEER_DEFAULTS(600),
                              .ask = PX_ASK_DEFAULTS,
                              .json_args = "",
                              .pacs = "",
                              .cube = "",
                              .swift = "",
                              .findscu = "/usr/bin/findscu",
                              .movescu = "/usr/bin/movescu",
                              .return_tags = "",
                              .then = "",
                              .then_args = "",
                              .delay = "0",
                              .colorize = "",
                              .match = {"", "", "", "", "", "", "", "", "", "", "", "", "", "", ""},
                              .parallel = 4};
#define MATCH(i, keyword, text)                                                                              \
    {                                                                                                        \
        OPT_TEXT, .name = (keyword), .value = "VALUE", .help = (text), .at = offsetof(Args, match[i])        \
    }
static const Option options[] = {
    {OPT_TEXT, .name = "JSONargs", .value = "JSON",
     .help = "all options as one JSON object, instead of the others", .at = offsetof(Args, json_args)},
    {OPT_TEXT, .name = "db", .value = "PATH", .help = "folder of the px database: not in this version",
     .at = offsetof(Args, db)},
    {OPT_TEXT, .name = "PACS", .value = "KEY", .help = "key of a service file: not in this version",
     .at = offsetof(Args, pacs)},
    {OPT_TEXT, .name = "CUBE", .value = "KEY", .help = "key of a service file: not in this version",
     .at = offsetof(Args, cube)},
    {OPT_TEXT, .name = "swift", .value = "KEY", .help = "key of a service file: not in this version",
     .at = offsetof(Args, swift)},
    PX_PEER_OPTIONS(Args),
    {OPT_TEXT, .name = "findscu", .value = "PATH", .help = "shown in the result; no program is run",
     .at = offsetof(Args, findscu)},
    {OPT_TEXT, .name = "movescu", .value = "PATH", .help = "shown in the result; no program is run",
     .at = offsetof(Args, movescu)},
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
    {OPT_FLAG, .name = "withFeedBack", .help = "tell what is done with each series; no JSON then",
     .at = offsetof(Args, feedback)},
    {OPT_TEXT, .name = "then", .value = "LIST",
     .help = "what to do with each series: report, retrieve (status, push, register: not in this version)",
     .at = offsetof(Args, then)},
    {OPT_TEXT, .name = "thenArgs", .value = "JSON",
     .help = "one object for each of them, joined by ; or as a JSON list", .at = offsetof(Args, then_args)},
    {OPT_TEXT, .name = "intraSeriesRetrieveDelay", .value = "DELAY",
     .help =
         "pause behind each series: seconds, dynamic (a second an image) or dynamic:N (N images a second)",
     .at = offsetof(Args, delay)},
    {OPT_FLAG, .name = "move", .help = "accepted for old scripts: retrieve is a C-MOVE in any case",
     .at = offsetof(Args, move)},
    {OPT_FLAG, .name = "json", .help = "print what was found as JSON", .at = offsetof(Args, json)},
    {OPT_TEXT, .name = "colorize", .value = "SCHEME",
     .help = "colours and frames, also when not on a terminal", .at = offsetof(Args, colorize),
     .choices = "dark light"},
    {OPT_FLAG, .name = "waitForUserTerminate", .help = "wait for ENTER at the end",
     .at = offsetof(Args, wait)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    return px_check_peer(&a->peer);
}

/* -- what is asked and what is told -- */

static bool check_services(const Args *a, const PxVerbs *verbs, Err *err)
{
    const char *given = *a->pacs ? "--PACS" : *a->cube ? "--CUBE" : *a->swift ? "--swift" : NULL;
    if (given)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: keys of service files are not in this version; give --aet, --aec, --serverIP and "
                       "--serverPort",
                       given);
    for (size_t i = 0; a->db && i < verbs->count; i++)
        if (verbs->items[i] == PX_VERB_RETRIEVE)
            return err_set(err, ERR_UNSUPPORTED,
                           "--db: records of what was retrieved are not in this version; leave --db out");
    return true;
}

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

/* The options under the names that pypx has for them. */
static json_t *args_of(const Args *a, Arena *arena)
{
    json_t *args = json_object();
    put_text(args, "JSONargString", a->json_args);
    put_text(args, "dblogbasepath", a->db ? a->db : "/tmp/log");
    put_text(args, "PACS", a->pacs);
    put_text(args, "CUBE", a->cube);
    put_text(args, "swift", a->swift);
    put_text(args, "aet", a->peer.aet);
    put_text(args, "aec", a->peer.aec);
    put_text(args, "serverIP", a->peer.ip);
    put_text(args, "serverPort", arena_printf(arena, "%d", (int)a->peer.port));
    put_text(args, "findscu", a->findscu);
    put_text(args, "movescu", a->movescu);
    put_flag(args, "StudyOnly", a->study_only);
    put_text(args, "QueryReturnTags", a->return_tags);
    for (size_t i = 0; i < MATCHES; i++)
        put_text(args, match_names[i], a->match[i]);
    put_flag(args, "withFeedBack", a->feedback);
    put_text(args, "then", a->then);
    put_text(args, "thenArgs", a->then_args);
    put_text(args, "intraSeriesRetrieveDelay", a->delay);
    put_flag(args, "move", a->move);
    put_flag(args, "json", a->json && !a->feedback);
    json_object_set_new(args, "verbosity", json_integer(a->ask.verbosity));
    put_flag(args, "desc", a->ask.desc);
    put_flag(args, "synopsis", a->ask.synopsis);
    put_flag(args, "b_version", a->ask.version);
    put_flag(args, "b_waitForUserTerminate", a->wait);
    put_text(args, "QueryRetrieveLevel", "SERIES");
    return args;
}

static bool print_table(const Args *a, const json_t *document, Err *err)
{
    PxReport report;
    px_report_defaults(&report);
    report.scheme = px_scheme(a->colorize);
    report.boxes = px_boxes(a->colorize);
    Buf out;
    buf_init(&out, 0);
    bool ok = px_report(&report, document, &out, err);
    cli_put(stdout, &out);
    return ok;
}

static void wait_for_user(void)
{
    fputs("\n┌──────────────────────────────────────────────────────────────────┐\n"
          "│ The end of the program is reached.                               │\n"
          "│ A C-MOVE is answered by the PACS, not by the receiver: images    │\n"
          "│ may still be coming in. Leaving a container ends its receiver.   │\n"
          "│ Leave only when all images are there.                            │\n"
          "└──────────────────────────────────────────────────────────────────┘\n"
          "Hit ENTER now to exit.",
          stderr);
    int c;
    do
        c = getchar();
    while (c != EOF && c != '\n');
}

/* -- the run -- */

typedef struct Plan {
    PxQuery query;
    PxThen then;
    PxMover mover;
} Plan;

static bool make_plan(const Args *a, Arena *arena, Plan *plan, Err *err)
{
    ScuPeer peer = px_peer(&a->peer);
    plan->query = (PxQuery){.peer = peer,
                            .findscu = a->findscu,
                            .study_only = a->study_only,
                            .parallel = (unsigned)a->parallel,
                            .trace = px_trace(&a->ask)};
    plan->mover =
        (PxMover){.peer = peer, .movescu = a->movescu, .series_first = true, .trace = px_trace(&a->ask)};
    plan->then = (PxThen){.mover = &plan->mover,
                          .feedback = a->feedback ? stdout : NULL,
                          .terminal = isatty(STDOUT_FILENO),
                          .scheme = px_scheme(a->colorize)};
    if (!px_verbs_parse(&plan->then.verbs, a->then, err) ||
        !px_verbs_check_arguments(&plan->then.verbs, a->then_args, err) ||
        !px_delay_parse(&plan->then.delay, a->delay, err) || !check_services(a, &plan->then.verbs, err) ||
        !keys_of(a, arena, &plan->query.keys, err))
        return false;
    return !a->study_only || !plan->then.verbs.count ||
           err_set(err, ERR_USAGE, "--then works on series, which --StudyOnly does not ask for");
}

static int finish(Cli *cli, const Args *a, Plan *plan, json_t *document)
{
    Err err = {0};
    bool json = a->json && !a->feedback, ok = true;
    size_t verbs = plan->then.verbs.count;
    if (!a->study_only)
        json_object_set_new(document, "args", args_of(a, cli->arena));
    if (verbs) {
        json_t *results;
        ok = px_then(&plan->then, document, &results, &err);
        json_object_set_new(document, "then", results);
        px_mover_close(&plan->mover);
    }
    if (json)
        px_print(document, false, &a->ask);
    else if (!verbs && a->ask.verbosity)
        ok = print_table(a, document, &err);
    if (a->wait)
        wait_for_user();
    return ok ? EXIT_OK : px_fail(cli, &err);
}

static int run(Cli *cli, const void *args)
{
    Args a = *(const Args *)args;
    const char *json_args = a.json_args;
    Err err = {0};
    if (*json_args && !px_json_args(cli, &command_px_find, json_args, &a, &err))
        return px_fail(cli, &err);
    a.json_args = json_args;
    if (px_asked(cli, &command_px_find, &a.ask, "3.6.0"))
        return EXIT_OK;
    Plan plan;
    if (!make_plan(&a, cli->arena, &plan, &err))
        return px_fail(cli, &err);
    json_t *document;
    int code;
    if (px_find(&plan.query, &document, &err)) {
        code = finish(cli, &a, &plan, document);
    } else {
        if (a.json && !a.feedback)
            px_print(document, false, &a.ask);
        code = px_fail(cli, &err);
    }
    json_decref(document);
    return code;
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
    .check = check,
    .run = run,
};
