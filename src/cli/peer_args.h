// SPDX-License-Identifier: MIT
/* The peer that a command calls: its place and its name. */
#ifndef GANTRY_CLI_PEER_ARGS_H
#define GANTRY_CLI_PEER_ARGS_H

#include "cli/options.h"

/* Rows of an option table for the members `ip`, `port` (int64_t) and `called` of `Args`. */
#define PEER_OPTIONS(Args)                                                                                   \
    {OPT_TEXT, .value = "ip", .help = "address or host name of the peer", .at = offsetof(Args, ip)},         \
        {OPT_INT,  .value = "port", .help = "port of the peer",                                              \
         .min = 1, .max = 65535,    .at = offsetof(Args, port)},                                             \
    {                                                                                                        \
        OPT_TEXT, "aec", "ae_called", "AEC", "AE title of the peer", .required = true,                       \
                                                                     .at = offsetof(Args, called)            \
    }

#endif
