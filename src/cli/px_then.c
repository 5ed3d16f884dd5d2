// SPDX-License-Identifier: MIT
#include "cli/px_then.h"

#include "px/services.h"

#include <string.h>
#include <unistd.h>

void px_then_defaults(PxThenArgs *args)
{
    const struct {
        const char **at, *text;
    } defaults[] = {{&args->db, PX_DEFAULT_DB},
                    {&args->cube, ""},
                    {&args->swift, ""},
                    {&args->then, ""},
                    {&args->then_args, ""},
                    {&args->delay, "0"},
                    {&args->movescu, "/usr/bin/movescu"},
                    {&args->get, "never"},
                    {&args->colorize, ""}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (!*defaults[i].at)
            *defaults[i].at = defaults[i].text;
}

bool px_peer_of_key(Cli *cli, const char *db, const char *key, PxPeerArgs *peer, const char **listener,
                    Err *err)
{
    if (!*key)
        return true;
    json_t *record = px_service(db, PX_SERVICE_PACS, key, err);
    PxPacsService service;
    bool ok = record && px_pacs_service(cli->arena, record, arena_printf(cli->arena, "--PACS %.64s", key),
                                        &service, err);
    json_decref(record);
    if (!ok)
        return false;
    if (!peer->aet)
        *listener = service.listener;
    peer->aet = peer->aet ? peer->aet : service.aet;
    peer->aec = peer->aec ? peer->aec : service.aec;
    peer->ip = peer->ip ? peer->ip : service.host;
    peer->port = peer->port ? peer->port : service.port;
    return true;
}

/* -- the database -- */

/* A database that only --thenArgs name is that of all verbs. */
static const char *database_of(Arena *arena, const PxThenArgs *args, bool given, const json_t *arguments)
{
    const json_t *object;
    size_t i;
    if (!given)
        json_array_foreach(arguments, i, object)
        {
            const char *db = json_string_value(json_object_get(object, "db"));
            if (db && *db)
                return arena_strdup(arena, db);
        }
    return args->db;
}

static bool open_base(const PxThenArgs *args, const PxVerbs *verbs, bool creates, PxPlan *plan, Err *err)
{
    bool wanted = false, retrieves = false;
    for (size_t i = 0; i < verbs->count; i++) {
        wanted |= verbs->items[i] != PX_VERB_REPORT;
        retrieves |= verbs->items[i] == PX_VERB_RETRIEVE;
    }
    if (!wanted)
        return true;
    PxBaseSettings settings = {.log_path = plan->log_path,
                               .data_path = args->data,
                               .templates = plan->templates,
                               .tree = args->tree,
                               .create = retrieves && (creates || plan->mover.way != PX_WAY_MOVE)};
    plan->base = px_base_open(&settings, err);
    if (!plan->base && err->code != ERR_NOT_FOUND)
        return false;
    plan->mover.base = plan->retriever.base = plan->base;
    return true;
}

/* -- the verbs -- */

bool px_tell_series(const PxPlan *plan, const char *what, const PxTarget *target, const PxFeedback *feedback,
                    json_t **result, Err *err)
{
    PxCounts counts = {0};
    bool ok = plan->base ? px_base_counts(plan->base, target->series, &counts, err)
                         : err_set(err, ERR_NOT_FOUND,
                                   "%s has no px database; retrieve the series first (--db)", plan->log_path);
    px_feedback_images(feedback, what, counts.received, target);
    if (!ok)
        *result = json_pack("{s:b, s:o}", "status", 0, "msg", px_text(err->text));
    return ok;
}

/* The arguments of a verb that knows none but the database, and maybe one other. */
static bool takes_only(PxVerb verb, const char *other, const json_t *arguments, Err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)arguments, name,
                        value) if (strcmp(name, "db") != 0 &&
                                   strcmp(name, other) != 0) return err_set(err, ERR_USAGE,
                                                                            "--thenArgs: %s takes no %.40s",
                                                                            px_verb_name(verb), name);
    return true;
}

static bool then_status(Cli *cli, const PxPlan *plan, const json_t *arguments, PxDoer *out, Err *err)
{
    PxStatusTeller *teller = arena_alloc(cli->arena, sizeof *teller);
    const json_t *value = json_object_get(arguments, "dialect");
    const char *name = value ? json_string_value(value) : "classic";
    *teller = (PxStatusTeller){.base = plan->base,
                               .log_path = plan->log_path,
                               .dialect = name && !strcmp(name, "newest") ? PX_NEWEST : PX_CLASSIC};
    *out = px_doer_status(teller);
    return teller->dialect == PX_NEWEST || (name && !strcmp(name, "classic")) ||
           err_set(err, ERR_USAGE, "--thenArgs: the dialect of status is classic or newest");
}

static bool add_doer(Cli *cli, const PxThenArgs *args, PxPlan *plan, PxVerb verb, const json_t *arguments,
                     Err *err)
{
    PxDoer *next = &plan->then.doers[plan->then.count++];
    switch (verb) {
    case PX_VERB_REPORT:
        *next = px_doer_report;
        return takes_only(verb, "db", arguments, err);
    case PX_VERB_RETRIEVE:
        *next = px_doer_retrieve(&plan->retriever);
        return takes_only(verb, "db", arguments, err);
    case PX_VERB_STATUS:
        return takes_only(verb, "dialect", arguments, err) && then_status(cli, plan, arguments, next, err);
    case PX_VERB_PUSH:
        return px_then_push(cli, args, plan, arguments, next, err);
    case PX_VERB_REGISTER:
        return px_then_register(cli, args, plan, arguments, next, err);
    }
    return false;
}

static PxWay way_of(const PxThenArgs *args)
{
    return !strcmp(args->get, "always") ? PX_WAY_GET
           : !strcmp(args->get, "auto") ? PX_WAY_GET_OR_MOVE
                                        : PX_WAY_MOVE;
}

bool px_plan(Cli *cli, const PxThenArgs *args, const PxTemplateArgs *templates, const ScuPeer *peer,
             const char *listener, bool creates, FILE *trace, PxPlan *plan, Err *err)
{
    *plan = (PxPlan){
        .mover = {.peer = *peer,
                  .destination = listener,
                  .movescu = args->movescu,
                  .series_first = true,
                  .trace = trace,
                  .way = way_of(args)},
        .retriever = {.mover = &plan->mover, .missing_only = args->missing_only, .arena = cli->arena},
        .then.feedback = {.to = args->feedback ? stdout : NULL,
                          .terminal = isatty(STDOUT_FILENO),
                          .scheme = px_scheme(args->colorize)}};
    if (args->move && plan->mover.way != PX_WAY_MOVE)
        return err_set(err, ERR_USAGE, "--move and --get exclude each other");
    PxVerbs verbs;
    plan->templates = px_templates_given(templates, err);
    if (!plan->templates || !px_verbs_parse(&verbs, args->then, err) ||
        !px_delay_parse(&plan->retriever.delay, args->delay, err))
        return false;
    json_t *arguments = px_verbs_arguments(&verbs, args->then_args, err);
    plan->log_path = database_of(cli->arena, args, creates, arguments);
    bool ok = arguments && open_base(args, &verbs, creates, plan, err);
    for (size_t i = 0; i < verbs.count && ok; i++)
        ok = add_doer(cli, args, plan, verbs.items[i], json_array_get(arguments, i), err);
    json_decref(arguments);
    return ok;
}

bool px_plan_do(PxPlan *plan, const json_t *document, json_t **results, Err *err)
{
    return px_then(&plan->then, document, results, err);
}

void px_plan_end(PxPlan *plan)
{
    px_mover_close(&plan->mover);
    textset_free(&plan->mover.classes);
    px_base_close(plan->base);
    px_templates_free(plan->templates);
    plan->base = NULL;
    plan->templates = NULL;
}

void px_wait_for_user(void)
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
