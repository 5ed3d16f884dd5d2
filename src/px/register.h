// SPDX-License-Identifier: MIT
/*
 * Registering: CUBE is told of images that lie in its storage. An image's path there is what px-push noted of it, else what px-push printed, else what the templates of
 * px-push make of its attributes.
 *
 * CUBE is asked first what it has. What is there with the same fields is registered, so that a second run completes what a first one began; what is there with other
 * fields is an error that names them. Images that CUBE has are noted in the px database (marks, and the register record of the series), never with a password.
 */
#ifndef GANTRY_PX_REGISTER_H
#define GANTRY_PX_REGISTER_H

#include "px/base.h"
#include "px/cube.h"
#include "px/template.h"

/* -- which images -- */

typedef struct PxRegisterFile {
    const char *path;   /* of the local copy */
    const char *object; /* its path in the storage as px-push said; NULL = unknown */
    bool pushed;        /* px-push said that it is there */
} PxRegisterFile;

typedef struct PxRegisterFiles {
    PxRegisterFile *items;
    size_t count, capacity;
} PxRegisterFiles;

/* Strings must live as long as the list; the list is in the arena. */
void px_register_add(PxRegisterFiles *files, Arena *arena, const PxRegisterFile *file);
/* The files directly in a folder whose names contain one of the comma-separated substrings ("" = all that are not hidden), by name. */
bool px_register_folder(PxRegisterFiles *files, Arena *arena, const char *folder, const char *substrings,
                        Err *err);
/* What the px database has of a selection, as far as the names contain one of the substrings; in order of path. */
bool px_register_objects(PxRegisterFiles *files, Arena *arena, PxBase *base, const PxSelection *what,
                         const char *substrings, Err *err);
/* localFileList and objectFileList of what px-push --json printed, or px-find --then push. ERR_FORMAT when it has none. */
bool px_register_upstream(PxRegisterFiles *files, Arena *arena, const json_t *document, Err *err);

/* -- the run -- */

/* AUTO: by series where CUBE takes series. */
typedef enum PxRegisterMode { PX_REGISTER_AUTO, PX_REGISTER_PER_FILE, PX_REGISTER_PER_SERIES } PxRegisterMode;

enum { PX_REGISTER_JOBS_MAX = 32 };

typedef struct PxRegister {
    PxCubeSettings cube;
    const char *
        pacs_name; /* the NAME of SERVICES/PACS/NAME/; NULL or "": that of the first object that px-push named */
    PxRegisterMode mode;
    const PxTemplates *templates;
    PxBase *base;                              /* NULL = none: nothing is known of pushes, nothing is noted */
    unsigned jobs;                             /* requests at a time */
    void (*warn)(void *ctx, const char *text); /* for people */
    void *warn_ctx;
} PxRegister;

/* What the px tools print for it into *result (caller frees): {"status", "run": […]}. False with err when something was not registered. */
bool px_register(const PxRegister *ask, const PxRegisterFiles *files, json_t **result, Err *err);

#endif
