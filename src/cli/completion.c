// SPDX-License-Identifier: MIT
/* `manage completion`, `gantry completion`: a bash completion script on stdout for manage and the px tools, made from the tables of options. */
#include "cli/cli.h"

#include <stdio.h>

static const Option options[] = {{OPT_END}};

static int run(Cli *cli, const void *args)
{
    Buf out;
    buf_init(&out, 0);
    options_completion(&command_manage, "manage", &out);
    options_completion_plain(cli_px_commands, &out);
    cli_put(stdout, &out);
    return EXIT_OK;
}

const Command command_completion = {
    .name = "completion",
    .summary = "print a bash completion script for manage and the px tools",
    .options = options,
    .run = run,
};
