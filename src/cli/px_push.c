// SPDX-License-Identifier: MIT
/* px-push: files of a folder, or what the px database has, to an object store, a folder or another PACS. */
#include "cli/px_push.h"

#include <string.h>

static const PxPushArgs defaults = {
    .ask = PX_ASK_DEFAULTS,
    .storage = PX_STORAGE_DEFAULTS,
    .json_args = "",
    .source = PX_SOURCE_DEFAULTS,
    .pacs = "",
    .swift_base = "",
    .missing = "name",
    .templates = {"%PatientID-%PatientName-%PatientBirthDate",
                  "%StudyDescription-%AccessionNumber-%StudyDate-%PatientAge-%AgeInDays",
                  "%_pad|5,0_SeriesNumber-%SeriesDescription-%_md5|7_SeriesInstanceUID",
                  "%_pad|4,0_InstanceNumber-%SOPInstanceUID.dcm"},
};
static const Option options[] = {
    {OPT_TEXT, .name = "JSONargs", .value = "JSON", .secret = true,
     .help = "all options as one JSON object, instead of the others", .at = offsetof(PxPushArgs, json_args)},
    PX_SOURCE_OPTIONS(PxPushArgs),
    PX_STORAGE_OPTIONS(PxPushArgs),
    {OPT_TEXT, .name = "swiftServicesPACS", .value = "NAME",
     .help = "names begin with SERVICES/PACS/NAME/; not for a storage that is a PACS",
     .at = offsetof(PxPushArgs, pacs)},
    {OPT_FLAG, .name = "swiftPackEachDICOM",
     .help = "each file is named by its own attributes; without it all go into the folder of the first one",
     .at = offsetof(PxPushArgs, pack_each)},
    {OPT_TEXT, .name = "swiftBaseLocation", .value = "PATH",
     .help = "accepted for old scripts; it has no effect", .at = offsetof(PxPushArgs, swift_base)},
    {OPT_TEXT, .name = "rootDirTemplate", .value = "TEXT", .help = "template of the folder of a patient",
     .at = offsetof(PxPushArgs, templates.root)},
    {OPT_TEXT, .name = "studyDirTemplate", .value = "TEXT", .help = "template of the folder of a study",
     .at = offsetof(PxPushArgs, templates.study)},
    {OPT_TEXT, .name = "seriesDirTemplate", .value = "TEXT", .help = "template of the folder of a series",
     .at = offsetof(PxPushArgs, templates.series)},
    {OPT_TEXT, .name = "imageTemplate", .value = "TEXT", .help = "template of the name of a file",
     .at = offsetof(PxPushArgs, templates.image)},
    {OPT_TEXT, .name = "missing", .value = "HOW",
     .help =
         "what stands for an attribute that a file lacks: its name as in pypx, its bare name, a hash, or the "
         "file is refused",
     .choices = "name bare hash reject", .at = offsetof(PxPushArgs, missing)},
    {OPT_FLAG, .name = "again", .help = "compare also the content of what is noted as pushed and is there",
     .at = offsetof(PxPushArgs, again)},
    {OPT_FLAG, .name = "json", .help = "print what was pushed as JSON", .at = offsetof(PxPushArgs, json)},
    PX_ASK_OPTIONS(PxPushArgs),
    {OPT_END},
};

/* -- a push that is ready -- */

static bool check_pacs_name(const PxPushArgs *args, PxStorageType type, Err *err)
{
    const char *name = args->pacs;
    if (type == PX_STORAGE_PACS)
        return true;
    if (!*name)
        return err_set(err, ERR_USAGE,
                       "--swiftServicesPACS is required: names begin with SERVICES/PACS/NAME/");
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return err_set(err, ERR_USAGE, "--swiftServicesPACS has a control character");
    return (!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            !strstr(name, "%pack") && span_is_utf8(span_cstr(name))) ||
           err_set(err, ERR_USAGE, "--swiftServicesPACS is a name in UTF-8 without /");
}

/* What the database has need not come from one folder: each object has its own name. */
static bool from_base(const PxSourceArgs *source)
{
    return *source->patient || *source->study || *source->series;
}

bool px_pusher_open(Arena *arena, const PxPushArgs *args, PxBase *base, FILE *trace, PxPusher *out, Err *err)
{
    PxMissing missing = PX_MISSING_NAME;
    *out = (PxPusher){0};
    px_missing_named(args->missing, &missing);
    out->storage = px_storage_of(arena, args->source.db, &args->storage, &out->service, &out->shown, err);
    bool ok = out->storage && check_pacs_name(args, out->service.type, err) &&
              (out->templates = px_templates_parse(&args->templates, missing, err));
    if (!ok) {
        px_pusher_close(out);
        return false;
    }
    bool named = out->service.type != PX_STORAGE_PACS;
    out->push = (PxPush){
        .storage = out->storage,
        .base = base,
        .service = out->shown,
        .names = args->pack_each || !named || from_base(&args->source) ? PX_PUSH_EACH : PX_PUSH_FIRST,
        .location = named ? arena_printf(arena, "SERVICES/PACS/%s/%%pack", args->pacs) : NULL,
        .templates = out->templates,
        .again = args->again,
        .parallel = (unsigned)args->storage.parallel,
        .trace = trace};
    return true;
}

void px_pusher_close(PxPusher *pusher)
{
    px_storage_close(pusher->storage);
    px_templates_free(pusher->templates);
    json_decref(pusher->shown);
    *pusher = (PxPusher){0};
}

bool px_pusher_series(const PxPusher *pusher, const PxPushArgs *args, const char *study, const char *series,
                      json_t **result, PxPushTotals *totals, Err *err)
{
    PxPushFiles files = {.arena = arena_new(0)};
    PxSelection what = {.study = study, .series = series};
    *totals = (PxPushTotals){0};
    bool ok = px_push_add_objects(&files, pusher->push.base, &what, args->source.substring, err);
    if (ok)
        ok = px_push(&pusher->push, &files, result, totals, err);
    else
        *result = json_pack("{s:b,s:s}", "status", 0, "error", err ? err->text : "");
    px_push_files_free(&files);
    arena_free(files.arena);
    return ok;
}

static int run(Cli *cli, const void *args)
{
    PxPushArgs a = *(const PxPushArgs *)args;
    Err err = {0};
    if (*a.json_args && !px_json_args(cli, &command_px_push, a.json_args, &a, &err))
        return px_fail(cli, &err);
    if (px_asked(cli, &command_px_push, &a.ask, "3.2.12"))
        return EXIT_OK;
    PxPushFiles files = {.arena = cli->arena};
    PxPusher pusher = {0};
    PxBase *base = px_source_base(&a.source, &err);
    bool ok = !err.code && px_source_files(&a.source, base, &files, &err) &&
              px_pusher_open(cli->arena, &a, base, px_trace(&a.ask), &pusher, &err) &&
              px_push_shown(&pusher.push, &files, a.json, &a.ask, &err);
    px_pusher_close(&pusher);
    px_push_files_free(&files);
    px_base_close(base);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

const Command command_px_push = {
    .name = "px-push",
    .summary = "push files to an object store (OpenStack Swift), a folder or another PACS",
    .details = "What is there already is not sent again, so that a rerun completes what was broken off. The "
               "exit code "
               "is 0 only when all is there. Example: px-push --db /home/dicom/log --swift local "
               "--swiftServicesPACS "
               "ORTHANC --swiftPackEachDICOM --xcrdir /home/dicom/data --parseAllFilesWithSubStr dcm --json",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(PxPushArgs),
    .run = run,
};
