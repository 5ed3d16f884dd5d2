// SPDX-License-Identifier: MIT
/*
 * `manage alive`: does the server of this archive answer? For health checks. A C-ECHO to the address and port of the settings;
 * that the white list refuses it is an answer too, so that no list must name the archive itself.
 */
#include "cli/cli.h"

#include "cli/tls.h"

#include <stdio.h>
#include <string.h>

static const Option options[] = {{OPT_END}};

/* The address a server that listens on all of them can be reached at. */
static const char *own_address(const Settings *settings)
{
    const char *address = settings->listen_address;
    if (!*address || !strcmp(address, "0.0.0.0"))
        return "127.0.0.1";
    return strcmp(address, "::") ? address : "::1";
}

static int run(Cli *cli, const void *args)
{
    enum { PATIENCE_MS = 10000 };
    const Settings *s = cli->settings;
    ScuPeer peer = cli_peer(s, own_address(s), s->port, s->aet);
    peer.timeouts = (NetTimeouts){PATIENCE_MS, PATIENCE_MS, PATIENCE_MS, PATIENCE_MS};
    ScuResult result;
    Err err = {0};
    if (tls_is_only(s) && !(peer.tls = cli->tls = tls_to_itself(s, &err)))
        return cli_fail(cli, "%s", err.text);
    if (scu_echo(&peer, &result, &err)) {
        printf("%s answers on port %d\n", s->aet, (int)s->port);
        return EXIT_OK;
    }
    if (result.reject.result) {
        printf("%s answers on port %d (%s)\n", s->aet, (int)s->port,
               result.reject.reason == NET_REJECT_CALLING_AE ? "its white list does not name it"
                                                             : "it takes no association from us now");
        return EXIT_OK;
    }
    if (result.associated && err.code == ERR_UNSUPPORTED) {
        printf("%s answers on port %d (its white list does not let it echo)\n", s->aet, (int)s->port);
        return EXIT_OK;
    }
    return cli_fail(cli, "%s", err.text);
}

const Command command_alive = {
    .name = "alive",
    .summary = "check that the server of this archive answers, for health checks",
    .options = options,
    .needs_archive = true,
    .run = run,
};
