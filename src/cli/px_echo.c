// SPDX-License-Identifier: MIT
/* px-echo: does the PACS answer? The result is one line that is JSON, and a Python literal as well. */
#include "cli/px.h"
#include "px/command.h"

typedef struct Args {
    PxPeerArgs peer;
    PxAsk ask;
    const char *echoscu;
} Args;

static const Args defaults = {
    .peer = PX_PEER_DEFAULTS(30), .ask = PX_ASK_DEFAULTS, .echoscu = "/usr/bin/echoscu"};
static const Option options[] = {
    PX_PEER_OPTIONS(Args),
    {OPT_TEXT, .name = "echoscu", .value = "PATH", .help = "shown in the result; no program is run",
     .at = offsetof(Args, echoscu)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    return px_check_peer(&a->peer);
}

static json_t *lines_of_success(void)
{
    static const char *const lines[] = {"I: Requesting Association", "I: Association Accepted",
                                        "I: Sending Echo Request (MsgID 1)",
                                        "I: Received Echo Response (Success)", "I: Releasing Association"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        json_array_append_new(list, json_string(lines[i]));
    return list;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (px_asked(cli, &command_px_echo, &a->ask, "3.0.0"))
        return EXIT_OK;
    ScuPeer peer = px_peer(&a->peer);
    const char *command = px_command_echo(cli->arena, a->echoscu, &peer);
    if (px_trace(&a->ask))
        fprintf(px_trace(&a->ask), "%s\n", command);
    ScuResult result = {0};
    Err err = {0};
    bool ok = cli_secure(cli, &a->peer.secure, &peer, &err) && scu_echo(&peer, &result, &err);
    json_t *data = ok ? lines_of_success()
                      : px_text(arena_printf(cli->arena, "I: Requesting Association\nF: %s\n", err.text));
    json_t *outcome = px_outcome(ok, data, command, ok ? 0 : 1);
    px_print(outcome, true, &a->ask);
    json_decref(outcome);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

const Command command_px_echo = {
    .name = "px-echo",
    .summary = "check that a PACS answers (C-ECHO)",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .check = check,
    .run = run,
};
