// SPDX-License-Identifier: MIT
/* Pushing from the command line: the storage as options name it, and px-push as --then push needs it. */
#ifndef GANTRY_CLI_PX_PUSH_H
#define GANTRY_CLI_PX_PUSH_H

#include "cli/px.h"
#include "px/push.h"

/* -- which storage: px-push, pfstorage -- */

typedef struct PxStorageArgs {
    const char *key, *ip, *port, *login, *secret, *folder; /* "" = not given */
    bool link;
    int64_t tries, parallel;
} PxStorageArgs;
#define PX_STORAGE_DEFAULTS                                                                                  \
    {                                                                                                        \
        .key = "", .ip = "", .port = "", .login = "", .secret = "", .folder = "", .tries = 5, .parallel = 4  \
    }
#define PX_STORAGE_OPTIONS(Args)                                                                             \
    {OPT_TEXT, .name = "swift", .value = "KEY",                                                              \
     .help = "the storage, by its key in services/storage.json or swift.json",                               \
     .at = offsetof(Args, storage.key)},                                                                     \
        {OPT_TEXT, .name = "swiftIP", .value = "HOST", .help = "object store: its address or name",          \
         .at = offsetof(Args, storage.ip)},                                                                  \
        {OPT_TEXT, .name = "swiftPort", .value = "PORT", .help = "object store: its port; 443 is https",     \
         .at = offsetof(Args, storage.port)},                                                                \
        {OPT_TEXT,                                                                                           \
         .name = "swiftLogin",                                                                               \
         .value = "USER:PASSWORD",                                                                           \
         .help =                                                                                             \
             "object store: who we are there; better in the variable SWIFT_LOGIN, or by --swift KEY in a "   \
             "file, where others on this machine never see it",                                              \
         .secret = true,                                                                                     \
         .at = offsetof(Args, storage.login)},                                                               \
        {OPT_TEXT,                                                                                           \
         .name = "swiftKey",                                                                                 \
         .value = "SECRET",                                                                                  \
         .help = "object store: the key, where it is not what follows the last : of the login (pypx always " \
                 "sent testing); better in the variable SWIFT_KEY",                                          \
         .secret = true,                                                                                     \
         .at = offsetof(Args, storage.secret)},                                                              \
        {OPT_TEXT, .name = "storeBaseLocation", .value = "PATH",                                             \
         .help = "a folder, instead of an object store", .at = offsetof(Args, storage.folder)},              \
        {OPT_FLAG, .name = "link", .help = "folder: hard links instead of copies, where that can be",        \
         .at = offsetof(Args, storage.link)},                                                                \
        {OPT_INT,                                                                                            \
         .name = "parallel",                                                                                 \
         .value = "N",                                                                                       \
         .help = "files at once",                                                                            \
         .min = 1,                                                                                           \
         .max = PX_PUSH_PARALLEL_MAX,                                                                        \
         .at = offsetof(Args, storage.parallel)},                                                            \
    {                                                                                                        \
        OPT_INT, .name = "tries", .value = "N",                                                              \
                 .help = "how often a request is tried that fails in passing, with growing pauses",          \
                 .min = 1, .max = 20, .at = offsetof(Args, storage.tries)                                    \
    }
/* Opens it. *service lives in the arena; *shown (may be NULL; caller frees) is the record without secrets. NULL and err. */
PxStorage *px_storage_of(Arena *arena, const char *db, const PxStorageArgs *args, PxStorageService *service,
                         json_t **shown, Err *err);

/* -- which files: px-push, px-store -- */

typedef struct PxSourceArgs {
    const char *db, *data, *folder, *file, *path, *substring, *patient, *study, *series; /* "" = not given */
} PxSourceArgs;
#define PX_SOURCE_DEFAULTS                                                                                   \
    {                                                                                                        \
        .db = "/tmp/log", .data = "", .folder = "", .file = "", .path = "", .substring = "", .patient = "",  \
        .study = "", .series = ""                                                                            \
    }
#define PX_SOURCE_OPTIONS(Args)                                                                              \
    {OPT_TEXT, .name = "db", .value = "PATH",                                                                \
     .help = "folder of the px database, where what was pushed is noted if there is one",                    \
     .at = offsetof(Args, source.db)},                                                                       \
        {OPT_TEXT, .name = "datadir", .value = "PATH",                                                       \
         .help = "the packed tree (default: data beside the px database)",                                   \
         .at = offsetof(Args, source.data)},                                                                 \
        {OPT_TEXT,                                                                                           \
         "p",                                                                                                \
         "xcrdir",                                                                                           \
         "PATH",                                                                                             \
         "the folder with the files, with all below it",                                                     \
         .at = offsetof(Args, source.folder)},                                                               \
        {OPT_TEXT, "f", "xcrfile", "NAME", "one file of it", .at = offsetof(Args, source.file)},             \
        {OPT_TEXT, .name = "xcrdirfile", .value = "PATH", .help = "one file, by its whole path",             \
         .at = offsetof(Args, source.path)},                                                                 \
        {OPT_TEXT, .name = "parseAllFilesWithSubStr", .value = "TEXT",                                       \
         .help = "only files with this in their path", .at = offsetof(Args, source.substring)},              \
        {OPT_TEXT, .name = "PatientID", .value = "ID",                                                       \
         .help = "instead of a folder: what the px database has of a patient",                               \
         .at = offsetof(Args, source.patient)},                                                              \
        {OPT_TEXT, .name = "StudyInstanceUID", .value = "UID", .help = "the same for a study",               \
         .at = offsetof(Args, source.study)},                                                                \
    {                                                                                                        \
        OPT_TEXT, .name = "SeriesInstanceUID", .value = "UID", .help = "the same for a series",              \
                  .at = offsetof(Args, source.series)                                                        \
    }
/* The px database; NULL without err->code when there is none and none is needed. */
PxBase *px_source_base(const PxSourceArgs *args, Err *err);
/* files->arena is the caller's. */
bool px_source_files(const PxSourceArgs *args, PxBase *base, PxPushFiles *files, Err *err);
/* Pushes them, with a line of progress on a terminal; the result is printed when `json`. */
bool px_push_shown(const PxPush *push, PxPushFiles *files, bool json, const PxAsk *ask, Err *err);

/* -- px-push -- */

typedef struct PxPushArgs {
    PxAsk ask;
    PxStorageArgs storage;
    PxSourceArgs source;
    const char *json_args, *pacs, *swift_base, *missing;
    PxTemplateTexts templates;
    bool pack_each, again, json;
} PxPushArgs;

/* A push that is ready; `push.base` is the caller's. */
typedef struct PxPusher {
    PxPush push;
    PxStorageService service;
    PxStorage *storage;
    PxTemplates *templates;
    json_t *shown;
} PxPusher;
/* `args` as px_options_of(&command_px_push, …) makes them of an object. `base` may be NULL. */
bool px_pusher_open(Arena *arena, const PxPushArgs *args, PxBase *base, FILE *trace, PxPusher *out, Err *err);
void px_pusher_close(PxPusher *pusher);
/* What the database has of a series, as far as its path has the substring. *result (caller frees) as px-push prints it. */
bool px_pusher_series(const PxPusher *pusher, const PxPushArgs *args, const char *study, const char *series,
                      json_t **result, PxPushTotals *totals, Err *err);

#endif
