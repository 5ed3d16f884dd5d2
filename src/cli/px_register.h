// SPDX-License-Identifier: MIT
/* Registering as px-register and --then register ask for it. */
#ifndef GANTRY_CLI_PX_REGISTER_H
#define GANTRY_CLI_PX_REGISTER_H

#include "cli/px.h"
#include "px/register.h"

/* NULL: not given, so that what px-push or px-find had been told can stand in. */
typedef struct PxRegisterArgs {
    PxAsk ask;
    const char *json_args, *db, *upstream_file, *upstream, *folder, *file, *path, *substrings, *local_files,
        *object_files, *patient, *study_uid, *series_uid, *pacs, *cube, *url, *user, *password, *name, *ca;
    const char *root, *study, *series, *image; /* templates */
    bool cleanup, debug, json, per_series, per_file;
    int64_t jobs, timeout;
} PxRegisterArgs;

/* What command_px_register.options parse into. */
extern const PxRegisterArgs px_register_defaults;

/* *result is what px-register prints; NULL when nothing could be begun. False with err when something was not registered. */
bool px_register_as(Cli *cli, const PxRegisterArgs *args, json_t **result, Err *err);
/* The same for what the px database has of a series, as far as args->substrings chooses it. */
bool px_register_series(Cli *cli, const PxRegisterArgs *args, PxBase *base, const char *study,
                        const char *series, json_t **result, Err *err);

/* -- px_register_choose.c -- */
/* What px-push printed, as the options say where; an empty object where they choose the images. NULL and err on failure. Caller frees. */
json_t *px_register_upstream_of(const PxRegisterArgs *args, Err *err);
/* `base` may be NULL; so may `upstream`. */
bool px_register_choose(const PxRegisterArgs *args, Arena *arena, PxBase *base, const json_t *upstream,
                        PxRegisterFiles *files, Err *err);

#endif
