// SPDX-License-Identifier: MIT
/* The options of PACS_QR.sh, and the environments that give those that are not given. */
#ifndef GANTRY_CLI_PACS_QR_H
#define GANTRY_CLI_PACS_QR_H

#include "cli/cli.h"
#include "cli/words.h"

/* NULL: not given. */
typedef struct PacsQrArgs {
    const char *verbs, *env, *report, *base, *container;
    const char *aet, *aec, *ip, *port, *swift, *name, *cube;
    const char *swift_host, *swift_port, *swift_login, *cube_url, *cube_user, *cube_password;
    bool non_interactive, debug, force, verbose, help;
    OptionList search;
} PacsQrArgs;

typedef enum PacsQrValue {
    PACS_QR_AET,
    PACS_QR_AEC,
    PACS_QR_IP,
    PACS_QR_PORT,
    PACS_QR_SWIFTKEY,
    PACS_QR_SWIFTPACS,
    PACS_QR_CUBEKEY,
    PACS_QR_VALUES
} PacsQrValue;

typedef struct PacsQrEnvironment {
    const char *values[PACS_QR_VALUES]; /* none NULL */
} PacsQrEnvironment;

/* What was given, else what the environment says, else what holds for a local Orthanc. Strings in the arena. */
bool pacs_qr_environment(Arena *arena, const PacsQrArgs *args, PacsQrEnvironment *out, Err *err);

#endif
