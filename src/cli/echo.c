// SPDX-License-Identifier: MIT
/* `manage echo`: is the peer there, and does it speak to us? */
#include "base/clock.h"
#include "cli/block.h"
#include "cli/cli.h"
#include "cli/peer_args.h"
#include "cli/secure.h"

#include <stdio.h>

typedef struct Args {
    const char *ip, *called;
    int64_t port, verbosity;
    SecureArgs secure;
} Args;

static const Args defaults = {.verbosity = -1};
static const Option options[] = {
    PEER_OPTIONS(Args),
    {OPT_INT, "v", "verbosity", "{0,1,2}", "0 no block, 1 the final one, 2 one for each step", .max = 2,
     .at = offsetof(Args, verbosity)},
    SECURE_OPTIONS(Args, secure, "cert-key"),
    {OPT_END},
};

static void show(const Block *block, int verbosity)
{
    Buf out;
    buf_init(&out, 0);
    block_format(block, verbosity, &out);
    cli_put(stdout, &out);
}

/* Who asks whether a peer is there does not wait two minutes for something that is no DICOM server. */
static void be_brief(NetTimeouts *timeouts)
{
    enum { PATIENCE_MS = 5000 };
    int64_t *waits[] = {&timeouts->connect_ms, &timeouts->acse_ms, &timeouts->dimse_ms};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (*waits[i] < 0 || *waits[i] > PATIENCE_MS)
            *waits[i] = PATIENCE_MS;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    int verbosity = cli_verbosity(cli, a->verbosity);
    ScuPeer peer = cli_peer(cli->settings, a->ip, a->port, a->called);
    Err err = {0};
    if (!cli_secure(cli, &a->secure, &peer, &err))
        return cli_fail(cli, "%s", err.text);
    be_brief(&peer.timeouts);
    Block block = {.service = "SCU",
                   .action = "CECHO",
                   .began_us = clock_wall_us(),
                   .now_us = clock_wall_us(),
                   .peer_ae = a->called,
                   .own_ae = cli->settings->aet,
                   .last_log = "Association requested"};
    show(&block, verbosity);

    enum { NO_ANSWER = 0xA801 };
    ScuResult result;
    bool ok = scu_echo(&peer, &result, &err);
    block.now_us = clock_wall_us();
    block.committed = block.has_status = true;
    block.status = result.answered ? result.status : NO_ANSWER;
    block.success = ok;
    block.last_log = ok ? "Association Completed" : err.text;
    show(&block, verbosity);
    if (ok && peer.identity && !result.confirmed)
        cli_tell(cli, "%s did not confirm the user identity: it may not look at it", a->called);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_echo = {
    .name = "echo",
    .summary = "check that a peer answers (C-ECHO)",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run,
};
