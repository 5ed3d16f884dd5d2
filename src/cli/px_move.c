// SPDX-License-Identifier: MIT
/* px-move: one series from the PACS to our own AE title (C-MOVE). The result is one line that is JSON, and a Python literal as well. */
#include "cli/px.h"

typedef struct Args {
    PxPeerArgs peer;
    PxAsk ask;
    const char *movescu, *study, *series;
} Args;

static const Args defaults = {.peer = PX_PEER_DEFAULTS(600),
                              .ask = PX_ASK_DEFAULTS,
                              .movescu = "/usr/bin/movescu",
                              .study = "",
                              .series = ""};
static const Option options[] = {
    PX_PEER_OPTIONS(Args),
    {OPT_TEXT, .name = "movescu", .value = "PATH", .help = "shown in the result; no program is run",
     .at = offsetof(Args, movescu)},
    {OPT_TEXT, .name = "StudyInstanceUID", .value = "UID", .help = "the study of the series",
     .at = offsetof(Args, study)},
    {OPT_TEXT, .name = "SeriesInstanceUID", .value = "UID", .help = "the series",
     .at = offsetof(Args, series)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    bool asks = a->ask.desc || a->ask.synopsis || a->ask.version;
    if (!asks && (!*a->study || !*a->series))
        return "--StudyInstanceUID and --SeriesInstanceUID are required";
    return px_check_peer(&a->peer);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (px_asked(cli, &command_px_move, &a->ask, "3.0.0"))
        return EXIT_OK;
    PxMover mover = {.peer = px_peer(&a->peer), .movescu = a->movescu, .trace = px_trace(&a->ask)};
    ScuResult result;
    Err err = {0};
    if (!cli_secure(cli, &a->peer.secure, &mover.peer, &err))
        return px_fail(cli, &err);
    json_t *outcome;
    bool ok = px_move(&mover, a->study, a->series, &outcome, &result, &err);
    px_mover_close(&mover);
    json_object_set_new(outcome, "completed", json_integer(result.completed));
    json_object_set_new(outcome, "failed", json_integer(result.failed));
    json_object_set_new(outcome, "warning", json_integer(result.warning));
    px_print(outcome, true, &a->ask);
    json_decref(outcome);
    if (ok && result.has_counters && !result.completed && !result.warning)
        cli_tell(cli, "the PACS has nothing of this series; nothing was sent");
    return ok ? EXIT_OK : px_fail(cli, &err);
}

const Command command_px_move = {
    .name = "px-move",
    .summary = "have a PACS send a series to us (C-MOVE)",
    .details = "The images go to the AE title of --aet, which the PACS must know and on which an archive "
               "must listen.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .check = check,
    .run = run,
};
