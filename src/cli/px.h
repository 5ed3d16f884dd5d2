// SPDX-License-Identifier: MIT
/* What the px tools have in common on the command line: the peer, --version and its kin, colours, outcomes. */
#ifndef GANTRY_CLI_PX_H
#define GANTRY_CLI_PX_H

#include "cli/secure.h"
#include "px/px.h"

typedef struct PxAsk {
    bool desc, synopsis, version;
    int64_t verbosity;
} PxAsk;

typedef struct PxPeerArgs {
    const char *aet, *aec, *ip;
    int64_t port, timeout;
    SecureArgs secure;
} PxPeerArgs;

#define PX_ASK_DEFAULTS                                                                                      \
    {                                                                                                        \
        .verbosity = 1                                                                                       \
    }
#define PX_ASK_OPTIONS(Args)                                                                                 \
    {OPT_INT,                                                                                                \
     "v",                                                                                                    \
     "verbosity",                                                                                            \
     "N",                                                                                                    \
     "0 prints no result, 5 and more show each request on stderr",                                           \
     .at = offsetof(Args, ask.verbosity),                                                                    \
     .max = 100},                                                                                            \
        {OPT_FLAG, "x", "desc", .help = "the long help", .at = offsetof(Args, ask.desc)},                    \
        {OPT_FLAG, "y", "synopsis", .help = "the short help", .at = offsetof(Args, ask.synopsis)},           \
    {                                                                                                        \
        OPT_FLAG, .name = "version", .help = "the version of pypx whose words are spoken",                   \
                  .at = offsetof(Args, ask.version)                                                          \
    }

#define PX_PEER_DEFAULTS(seconds)                                                                            \
    {                                                                                                        \
        .aet = "CHRIS-ULTRON-AET", .aec = "CHRIS-ULTRON-AEC", .ip = "192.168.1.110", .port = 4242,           \
        .timeout = (seconds)                                                                                 \
    }
/* The same, to be filled by px_peer_defaults: so that a command knows what was given. */
#define PX_PEER_NOT_GIVEN(seconds)                                                                           \
    {                                                                                                        \
        .timeout = (seconds)                                                                                 \
    }
#define PX_PEER_OPTIONS(Args)                                                                                 \
    {OPT_TEXT, .name = "aet", .value = "AET", .help = "our AE title, also where C-MOVE sends",                \
     .at = offsetof(Args, peer.aet)},                                                                         \
        {OPT_TEXT, .name = "aec", .value = "AEC", .help = "AE title of the PACS",                             \
         .at = offsetof(Args, peer.aec)},                                                                     \
        {OPT_TEXT, .name = "serverIP", .value = "HOST", .help = "address or name of the PACS",                \
         .at = offsetof(Args, peer.ip)},                                                                      \
        {OPT_INT,      .name = "serverPort",           .value = "PORT", .help = "port of the PACS", .min = 1, \
         .max = 65535, .at = offsetof(Args, peer.port)},                                                      \
        {OPT_INT,                                                                                             \
         .name = "timeout",                                                                                   \
         .value = "SECONDS",                                                                                  \
         .help = "longest wait for an answer",                                                                \
         .min = 1,                                                                                            \
         .max = 86400,                                                                                        \
         .at = offsetof(Args, peer.timeout)},                                                                 \
        SECURE_OPTIONS(Args, peer.secure, "key")

void px_peer_defaults(PxPeerArgs *peer);
/* NULL = fine: AE titles of 1 to 16 characters, a host. */
const char *px_check_peer(const PxPeerArgs *peer);
ScuPeer px_peer(const PxPeerArgs *peer);

/* TLS and identity as members of the "args" of px-find's document, so that px-do goes the same way: paths and names, no secrets. */
void secure_into(json_t *args, const SecureArgs *secure);
void secure_from(Arena *arena, const json_t *args, SecureArgs *out);

/* Was a text about the tool asked for? Then it is printed. */
bool px_asked(const Cli *cli, const Command *command, const PxAsk *ask, const char *version);
/* Where requests are shown; NULL = nowhere. */
FILE *px_trace(const PxAsk *ask);
/* The message, and the exit code that goes with it. */
int px_fail(const Cli *cli, const Err *err);
/* The document of px-find from an argument, a file, or stdin when both are "". NULL and err. Caller frees. */
json_t *px_read_input(const char *data, const char *file, Err *err);
/* Prints a result, unless verbosity is 0. */
void px_print(const json_t *document, bool compact, const PxAsk *ask);
/* The members of an object as options of a command, by name without dashes; `args` begins as the command's defaults. true sets a flag, false
   and null leave an option out. `what` names the object in err. */
bool px_options_of(const Command *command, Arena *arena, const json_t *object, const char *what, void *args,
                   Err *err);
/* --JSONargs: such an object stands for the whole command line. */
bool px_json_args(Cli *cli, const Command *command, const char *json, void *args, Err *err);
/* --colorize, or what suits stdout. */
PxScheme px_scheme(const char *colorize);
/* Are frames wanted? */
bool px_boxes(const char *colorize);

#endif
