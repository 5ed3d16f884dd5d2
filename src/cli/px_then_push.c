// SPDX-License-Identifier: MIT
/* --then push: what the px database has of each series goes to a storage. Its --thenArgs are the options of px-push. */
#include "cli/px_push.h"
#include "cli/px_then.h"

typedef struct Pushing {
    Cli *cli;
    PxPlan *plan;
    PxPushArgs args;
    PxPusher pusher;
} Pushing;

static bool begin(void *ctx, const json_t *document, Err *err)
{
    Pushing *pushing = ctx;
    PxPlan *plan = pushing->plan;
    return !plan->base || px_pusher_open(pushing->cli->arena, &pushing->args, plan->base, plan->mover.trace,
                                         &pushing->pusher, err);
}

static bool run(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    Pushing *pushing = ctx;
    PxPushTotals totals;
    *result = NULL;
    return px_tell_series(pushing->plan, "Pushing", target, feedback, result, err) &&
           px_pusher_series(&pushing->pusher, &pushing->args, target->study, target->series, result, &totals,
                            err);
}

static void end(void *ctx)
{
    Pushing *pushing = ctx;
    px_pusher_close(&pushing->pusher);
}

bool px_then_push(Cli *cli, const PxThenArgs *then, PxPlan *plan, const json_t *arguments, PxDoer *out,
                  Err *err)
{
    Pushing *pushing = arena_alloc(cli->arena, sizeof *pushing);
    *pushing = (Pushing){.cli = cli, .plan = plan};
    *out = (PxDoer){.verb = PX_VERB_PUSH, .ctx = pushing, .begin = begin, .run = run, .end = end};
    if (!px_options_of(&command_px_push, cli->arena, arguments, "--thenArgs for push", &pushing->args, err))
        return false;
    PxStorageArgs *storage = &pushing->args.storage;
    if (!*storage->key && !*storage->ip && !*storage->folder)
        storage->key = then->swift;
    pushing->args.source.db = plan->log_path;
    pushing->args.pack_each = true; /* what the database has need not come from one folder */
    return true;
}
