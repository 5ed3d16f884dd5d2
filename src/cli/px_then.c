// SPDX-License-Identifier: MIT
#include "cli/px_then.h"

#include <unistd.h>

void px_then_defaults(PxThenArgs *args)
{
    const struct {
        const char **at, *text;
    } defaults[] = {{&args->db, "/tmp/log"},
                    {&args->cube, ""},
                    {&args->swift, ""},
                    {&args->then, ""},
                    {&args->then_args, ""},
                    {&args->delay, "0"},
                    {&args->movescu, "/usr/bin/movescu"},
                    {&args->colorize, ""}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (!*defaults[i].at)
            *defaults[i].at = defaults[i].text;
}

static bool add_doer(PxPlan *plan, PxVerb verb, Err *err)
{
    switch (verb) {
    case PX_VERB_REPORT:
        plan->then.doers[plan->then.count++] = px_doer_report;
        return true;
    case PX_VERB_RETRIEVE:
        plan->then.doers[plan->then.count++] = px_doer_retrieve(&plan->retriever);
        return true;
    case PX_VERB_STATUS:
    case PX_VERB_PUSH:
    case PX_VERB_REGISTER:
        break;
    }
    return err_set(err, ERR_UNSUPPORTED, "--then %s is not in this version", px_verb_name(verb));
}

bool px_plan(Cli *cli, const PxThenArgs *args, const ScuPeer *peer, FILE *trace, PxPlan *plan, Err *err)
{
    *plan = (PxPlan){.mover = {.peer = *peer, .movescu = args->movescu, .series_first = true, .trace = trace},
                     .retriever = {.mover = &plan->mover},
                     .then.feedback = {.to = args->feedback ? stdout : NULL,
                                       .terminal = isatty(STDOUT_FILENO),
                                       .scheme = px_scheme(args->colorize)}};
    PxVerbs verbs;
    if (!px_verbs_parse(&verbs, args->then, err) || !px_delay_parse(&plan->retriever.delay, args->delay, err))
        return false;
    json_t *arguments = px_verbs_arguments(&verbs, args->then_args, err);
    bool ok = arguments != NULL;
    for (size_t i = 0; i < verbs.count && ok; i++)
        ok = add_doer(plan, verbs.items[i], err);
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
