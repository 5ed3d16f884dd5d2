// SPDX-License-Identifier: MIT
/* pfstorage: what is in an object store or a folder: list, put, pull, delete, by directives in JSON. */
#include "cli/px_push.h"
#include "px/directive.h"

#include <string.h>

typedef struct Args {
    PxAsk ask;
    PxStorageArgs storage;
    const char *directive, *db, *type, *upstream_file, *upstream, *action, *args, *debug;
    bool yes, test, json;
} Args;

static const Args defaults = {.ask = PX_ASK_DEFAULTS,
                              .storage = PX_STORAGE_DEFAULTS,
                              .directive = "",
                              .db = "/tmp/log",
                              .type = "swift",
                              .upstream_file = "",
                              .upstream = "",
                              .action = "",
                              .args = "",
                              .debug = ""};
static const Option options[] = {
    {OPT_TEXT, .name = "do", .value = "JSON",
     .help = "the directive: {\"action\": \"ls\", \"args\": {\"path\": \"SERVICES\"}}; others are objPut, "
             "objPull, rmtree",
     .at = offsetof(Args, directive)},
    {OPT_TEXT, .name = "db", .value = "PATH",
     .help = "folder of the px database, beside which the services are", .at = offsetof(Args, db)},
    PX_STORAGE_OPTIONS(Args),
    {OPT_FLAG, .name = "yes", .help = "rmtree may delete", .at = offsetof(Args, yes)},
    {OPT_TEXT, .name = "type", .value = "KIND", .help = "kind of storage; what else is given says so too",
     .choices = "swift fs", .at = offsetof(Args, type)},
    {OPT_FLAG, .name = "json", .help = "print the result", .at = offsetof(Args, json)},
    {OPT_TEXT, .name = "upstreamFile", .value = "PATH", .help = "accepted for old scripts; it has no effect",
     .at = offsetof(Args, upstream_file)},
    {OPT_TEXT, .name = "upstream", .value = "JSON", .help = "accepted for old scripts; it has no effect",
     .at = offsetof(Args, upstream)},
    {OPT_TEXT, .name = "action", .value = "TEXT", .help = "accepted for old scripts; it has no effect",
     .at = offsetof(Args, action)},
    {OPT_TEXT, .name = "args", .value = "TEXT", .help = "accepted for old scripts; it has no effect",
     .at = offsetof(Args, args)},
    {OPT_FLAG, .name = "test", .help = "accepted for old scripts; it has no effect",
     .at = offsetof(Args, test)},
    {OPT_TEXT, .name = "debugToDir", .value = "PATH", .help = "accepted for old scripts; it has no effect",
     .at = offsetof(Args, debug)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    bool asks = a->ask.desc || a->ask.synopsis || a->ask.version;
    if (!strcmp(a->type, "fs") && !*a->storage.folder && !*a->storage.key)
        return asks ? NULL : "--type fs needs --storeBaseLocation";
    return asks || *a->directive ? NULL : "--do is required: what is to be done";
}

static bool do_directive(Cli *cli, const Args *a, const json_t *directive, Err *err)
{
    PxStorageService service;
    PxTemplates *templates = px_templates_parse(&px_templates_classic, PX_MISSING_NAME, err);
    PxStorage *storage =
        templates ? px_storage_of(cli->arena, a->db, &a->storage, &service, NULL, err) : NULL;
    bool ok = storage != NULL;
    if (ok) {
        static const char *const classes[] = {[PX_STORAGE_SWIFT] = "swiftStorage",
                                              [PX_STORAGE_FS] = "fileStorage",
                                              [PX_STORAGE_PACS] = "pacsStorage"};
        PxDirectives directives = {.storage = storage,
                                   .class_name = classes[service.type],
                                   .templates = templates,
                                   .confirmed = a->yes,
                                   .parallel = (unsigned)a->storage.parallel,
                                   .trace = px_trace(&a->ask)};
        json_t *result;
        ok = px_directive(&directives, directive, &result, err);
        if (a->json)
            px_print(result, false, &a->ask);
        json_decref(result);
    }
    px_storage_close(storage);
    px_templates_free(templates);
    return ok;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    if (px_asked(cli, &command_pfstorage, &a->ask, "3.2.7"))
        return EXIT_OK;
    json_t *directive = px_json_read(span_cstr(a->directive), "--do", &err);
    bool ok = directive && do_directive(cli, a, directive, &err);
    json_decref(directive);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

const Command command_pfstorage = {
    .name = "pfstorage",
    .summary = "list, put, pull and delete in an object store (OpenStack Swift) or a folder",
    .details =
        "Example: pfstorage --swiftIP 10.0.0.2 --swiftPort 8080 --swiftLogin chris:secret --do '{\"action\": "
        "\"ls\", \"args\": {\"path\": \"SERVICES/PACS\"}}' --json",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .check = check,
    .run = run,
};
