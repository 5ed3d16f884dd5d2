// SPDX-License-Identifier: MIT
/* What px-find and px-do have in common: options, and the plan that --then makes of them. */
#ifndef GANTRY_CLI_PX_THEN_H
#define GANTRY_CLI_PX_THEN_H

#include "cli/px.h"
#include "cli/px_templates.h"

#define PX_DEFAULT_DB "/tmp/log"

/* NULL: not given, so that px-do can take what px-find had been told. */
typedef struct PxThenArgs {
    const char *db, *data, *cube, *swift, *then, *then_args, *delay, *movescu, *get, *colorize;
    bool tree, missing_only, feedback, move, json, wait;
} PxThenArgs;

#define PX_THEN_OPTIONS(Args)                                                                                \
    {OPT_TEXT, .name = "db", .value = "PATH", .help = "the px database (default: " PX_DEFAULT_DB ")",        \
     .at = offsetof(Args, then.db)},                                                                         \
        {OPT_TEXT, .name = "datadir", .value = "PATH",                                                       \
         .help = "the packed tree (default: data beside the px database)", .at = offsetof(Args, then.data)}, \
        {OPT_FLAG, .name = "tree", .help = "keep pypx's tree of JSON records up to date",                    \
         .at = offsetof(Args, then.tree)},                                                                   \
        {OPT_TEXT, .name = "CUBE", .value = "KEY",                                                           \
         .help = "register: the CUBE, by its key in services/cube.json", .at = offsetof(Args, then.cube)},   \
        {OPT_TEXT, .name = "swift", .value = "KEY",                                                          \
         .help = "push: the storage, by its key in services/storage.json or swift.json",                     \
         .at = offsetof(Args, then.swift)},                                                                  \
        {OPT_TEXT, .name = "movescu", .value = "PATH", .help = "shown in the result; no program is run",     \
         .at = offsetof(Args, then.movescu)},                                                                \
        {OPT_FLAG, .name = "withFeedBack", .help = "tell what is done with each series; no JSON then",       \
         .at = offsetof(Args, then.feedback)},                                                               \
        {OPT_TEXT, .name = "then", .value = "LIST",                                                          \
         .help = "what to do with each series: report, retrieve, status, push, register; several in the "    \
                 "order given",                                                                              \
         .at = offsetof(Args, then.then)},                                                                   \
        {OPT_TEXT,                                                                                           \
         .name = "thenArgs",                                                                                 \
         .value = "JSON",                                                                                    \
         .secret = true,                                                                                     \
         .help = "the options of each of them as an object; joined by ; or as a JSON list",                  \
         .at = offsetof(Args, then.then_args)},                                                              \
        {OPT_TEXT, .name = "intraSeriesRetrieveDelay", .value = "DELAY",                                     \
         .help = "pause behind each series: seconds, dynamic (a second an image) or dynamic:N (N images a "  \
                 "second)",                                                                                  \
         .at = offsetof(Args, then.delay)},                                                                  \
        {OPT_FLAG, .name = "move", .help = "retrieve by C-MOVE, as without it: accepted for old scripts",    \
         .at = offsetof(Args, then.move)},                                                                   \
        {OPT_TEXT,                                                                                           \
         .name = "get",                                                                                      \
         .value = "WHEN",                                                                                    \
         .bare = "always",                                                                                   \
         .choices = "always auto never",                                                                     \
         .help =                                                                                             \
             "retrieve by C-GET into the px database, which needs no listener; auto: by C-MOVE where the "   \
             "PACS has no C-GET",                                                                            \
         .at = offsetof(Args, then.get)},                                                                    \
        {OPT_FLAG, .name = "missing-only", .help = "retrieve: pass over series that are complete",           \
         .at = offsetof(Args, then.missing_only)},                                                           \
        {OPT_FLAG, .name = "json", .help = "print the result as JSON", .at = offsetof(Args, then.json)},     \
        {OPT_TEXT,                                                                                           \
         .name = "colorize",                                                                                 \
         .value = "SCHEME",                                                                                  \
         .help = "colours and frames, also when not on a terminal",                                          \
         .at = offsetof(Args, then.colorize),                                                                \
         .choices = "dark light"},                                                                           \
    {                                                                                                        \
        OPT_FLAG, .name = "waitForUserTerminate", .help = "wait for ENTER at the end",                       \
                  .at = offsetof(Args, then.wait)                                                            \
    }

/* What --then comes to. Must stay where it is between px_plan and px_plan_end. */
typedef struct PxPlan {
    PxThen then;
    PxMover mover;
    PxRetriever retriever;
    PxTemplates *templates; /* names in the packed tree, for C-GET */
    PxBase *base;           /* NULL: there is none */
    const char *log_path;
} PxPlan;

/* The PACS as --PACS KEY names it, for what is not given. *listener: where C-MOVE is to send; NULL = to our AE title. */
bool px_peer_of_key(Cli *cli, const char *db, const char *key, PxPeerArgs *peer, const char **listener,
                    Err *err);
/* The default of each option that was not given. */
void px_then_defaults(PxThenArgs *args);
/* `creates`: the database is made when there is none, for what is retrieved. */
bool px_plan(Cli *cli, const PxThenArgs *args, const PxTemplateArgs *templates, const ScuPeer *peer,
             const char *listener, bool creates, FILE *trace, PxPlan *plan, Err *err);
/* Does it all; px_then. */
bool px_plan_do(PxPlan *plan, const json_t *document, json_t **results, Err *err);
void px_plan_end(PxPlan *plan);

/* Push and register: tells of the series and of how many images of it are here. False with err and *result when there is no database. */
bool px_tell_series(const PxPlan *plan, const char *what, const PxTarget *target, const PxFeedback *feedback,
                    json_t **result, Err *err);
/* The doers of push and register; `arguments` is theirs of --thenArgs. */
bool px_then_push(Cli *cli, const PxThenArgs *then, PxPlan *plan, const json_t *arguments, PxDoer *out,
                  Err *err);
bool px_then_register(Cli *cli, const PxThenArgs *then, PxPlan *plan, const json_t *arguments, PxDoer *out,
                      Err *err);

/* --waitForUserTerminate */
void px_wait_for_user(void);

#endif
