// SPDX-License-Identifier: MIT
/* --then register: CUBE is told of what the px database has of each series. Its --thenArgs are the options of px-register. */
#include "cli/px_register.h"
#include "cli/px_then.h"

typedef struct Registering {
    Cli *cli;
    PxPlan *plan;
    PxRegisterArgs args;
} Registering;

static bool run(void *ctx, const PxTarget *target, const PxFeedback *feedback, json_t **result, Err *err)
{
    Registering *registering = ctx;
    const PxPlan *plan = registering->plan;
    *result = NULL;
    if (!px_tell_series(plan, "Registering", target, feedback, result, err))
        return false;
    bool ok = px_register_series(registering->cli, &registering->args, plan->base, target->study,
                                 target->series, result, err);
    if (!*result)
        *result = json_pack("{s:b, s:[], s:o}", "status", 0, "run", "msg", px_text(err->text));
    return ok;
}

bool px_then_register(Cli *cli, const PxThenArgs *then, PxPlan *plan, const json_t *arguments, PxDoer *out,
                      Err *err)
{
    Registering *registering = arena_alloc(cli->arena, sizeof *registering);
    *registering = (Registering){.cli = cli, .plan = plan};
    *out = (PxDoer){.verb = PX_VERB_REGISTER, .ctx = registering, .run = run};
    if (!px_options_of(&command_px_register, cli->arena, arguments, "--thenArgs for register",
                       &registering->args, err))
        return false;
    if (!registering->args.cube && *then->cube)
        registering->args.cube = then->cube;
    return true;
}
