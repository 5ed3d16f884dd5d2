// SPDX-License-Identifier: MIT
/* px-register: tells CUBE of images that px-push has put into its storage. */
#include "cli/px_register.h"

#include "px/services.h"

#include <stdlib.h>
#include <string.h>

const PxRegisterArgs px_register_defaults = {.ask = PX_ASK_DEFAULTS,
                                             .json_args = "",
                                             .upstream_file = "",
                                             .upstream = "",
                                             .folder = "",
                                             .file = "",
                                             .path = "",
                                             .substrings = "",
                                             .local_files = "",
                                             .object_files = "",
                                             .patient = "",
                                             .study_uid = "",
                                             .series_uid = "",
                                             .jobs = 4,
                                             .timeout = 90};
static const Option options[] = {
    {OPT_TEXT, .name = "JSONargs", .value = "JSON", .secret = true,
     .help = "an object that stands for the whole command line", .at = offsetof(PxRegisterArgs, json_args)},
    {OPT_TEXT, .name = "db", .value = "PATH", .help = "the px database (default: /tmp/log)",
     .at = offsetof(PxRegisterArgs, db)},
    {OPT_TEXT, .name = "upstreamFile", .value = "PATH",
     .help = "what px-push --json printed; without any choice of files it is read from stdin",
     .at = offsetof(PxRegisterArgs, upstream_file)},
    {OPT_TEXT, .name = "upstream", .value = "JSON", .help = "the same as an argument",
     .at = offsetof(PxRegisterArgs, upstream)},
    {OPT_TEXT, "p", "xcrdir", "PATH", "the folder of the local copies",
     .at = offsetof(PxRegisterArgs, folder)},
    {OPT_TEXT, "f", "xcrfile", "NAME", "one file in it", .at = offsetof(PxRegisterArgs, file)},
    {OPT_TEXT, .name = "xcrdirfile", .value = "PATH", .help = "one file, with its folder",
     .at = offsetof(PxRegisterArgs, path)},
    {OPT_TEXT, .name = "parseAllFilesWithSubStr", .value = "LIST",
     .help = "the files in the folder whose names contain one of these texts",
     .at = offsetof(PxRegisterArgs, substrings)},
    {OPT_TEXT, .name = "localFileList", .value = "JSON", .help = "the files as a list",
     .at = offsetof(PxRegisterArgs, local_files)},
    {OPT_TEXT, .name = "objectFileList", .value = "JSON",
     .help = "their paths in the storage, in the same order", .at = offsetof(PxRegisterArgs, object_files)},
    {OPT_TEXT, .name = "PatientID", .value = "ID", .help = "what the px database has of a patient",
     .at = offsetof(PxRegisterArgs, patient)},
    {OPT_TEXT, .name = "StudyInstanceUID", .value = "UID", .help = "of a study",
     .at = offsetof(PxRegisterArgs, study_uid)},
    {OPT_TEXT, .name = "SeriesInstanceUID", .value = "UID", .help = "of a series",
     .at = offsetof(PxRegisterArgs, series_uid)},
    {OPT_TEXT, .name = "PACS", .value = "NAME",
     .help = "accepted for old scripts; --swiftServicesPACS counts", .at = offsetof(PxRegisterArgs, pacs)},
    {OPT_TEXT, .name = "CUBE", .value = "KEY",
     .help = "CUBE by its key in services/cube.json beside the px database",
     .at = offsetof(PxRegisterArgs, cube)},
    {OPT_TEXT, .name = "CUBEURL", .value = "URL",
     .help = "without --CUBE: the top of its API (default: http://localhost:8000/api/v1/)",
     .at = offsetof(PxRegisterArgs, url)},
    {OPT_TEXT, .name = "CUBEusername", .value = "NAME", .help = "without --CUBE: the user (default: chris)",
     .at = offsetof(PxRegisterArgs, user)},
    {OPT_TEXT, .name = "CUBEuserpasswd", .value = "TEXT",
     .help = "without --CUBE: the password; better in the variable CUBE_PASSWORD, where others on this "
             "machine never see it",
     .secret = true, .at = offsetof(PxRegisterArgs, password)},
    {OPT_TEXT, .name = "CUBEca", .value = "PATH",
     .help = "PEM file of those who may vouch for CUBE (https), instead of the system's; also `ca` in "
             "services/cube.json",
     .at = offsetof(PxRegisterArgs, ca)},
    {OPT_TEXT, .name = "swiftServicesPACS", .value = "NAME",
     .help = "the PACS that the images are from: NAME in SERVICES/PACS/NAME/",
     .at = offsetof(PxRegisterArgs, name)},
    {OPT_TEXT, .name = "rootDirTemplate", .value = "TEXT",
     .help =
         "with the other three: the path of what px-push is not known to have pushed, as px-push makes it",
     .at = offsetof(PxRegisterArgs, root)},
    {OPT_TEXT, .name = "studyDirTemplate", .value = "TEXT", .help = "the folder of a study",
     .at = offsetof(PxRegisterArgs, study)},
    {OPT_TEXT, .name = "seriesDirTemplate", .value = "TEXT", .help = "the folder of a series",
     .at = offsetof(PxRegisterArgs, series)},
    {OPT_TEXT, .name = "imageTemplate", .value = "TEXT", .help = "the name of an image",
     .at = offsetof(PxRegisterArgs, image)},
    {OPT_FLAG, .name = "perSeries",
     .help = "register folders of series (newer CUBE); without this and --perFile: what CUBE offers",
     .at = offsetof(PxRegisterArgs, per_series)},
    {OPT_FLAG, .name = "perFile", .help = "register image by image (CUBE up to 4)",
     .at = offsetof(PxRegisterArgs, per_file)},
    {OPT_INT, .name = "jobs", .value = "N", .help = "requests at a time", .min = 1,
     .max = PX_REGISTER_JOBS_MAX, .at = offsetof(PxRegisterArgs, jobs)},
    {OPT_INT, .name = "timeout", .value = "SECONDS", .help = "longest wait for an answer", .min = 1,
     .max = 3600, .at = offsetof(PxRegisterArgs, timeout)},
    {OPT_FLAG, .name = "cleanup", .help = "accepted for old scripts: registering removes nothing",
     .at = offsetof(PxRegisterArgs, cleanup)},
    {OPT_FLAG, .name = "debug", .help = "accepted for old scripts: -v 5 shows the requests",
     .at = offsetof(PxRegisterArgs, debug)},
    {OPT_FLAG, .name = "json", .help = "accepted for old scripts: the result is always JSON",
     .at = offsetof(PxRegisterArgs, json)},
    PX_ASK_OPTIONS(PxRegisterArgs),
    {OPT_END},
};

/* -- what is asked -- */

/* What px-push or px-find had been told stands in its document under "args", by the names that pypx has for it. */
static void take_upstream(Arena *arena, const json_t *upstream, PxRegisterArgs *a)
{
    const json_t *args = json_object_get(upstream, "args");
    const struct {
        const char *name, **to;
    } texts[] = {{"str_logDir", &a->db},
                 {"dblogbasepath", &a->db},
                 {"CUBE", a->url ? NULL : &a->cube},
                 {"str_swiftServicesPACS", &a->name}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = json_string_value(json_object_get(args, texts[i].name));
        if (text && *text && texts[i].to && !*texts[i].to)
            *texts[i].to = arena_strdup(arena, text);
    }
}

static bool find_cube(const PxRegisterArgs *a, Arena *arena, PxCubeSettings *out, Err *err)
{
    if (a->cube && *a->cube) {
        PxCubeService service;
        json_t *record = px_service(a->db, PX_SERVICE_CUBE, a->cube, err);
        bool ok = record &&
                  px_cube_service(arena, record, arena_printf(arena, "CUBE '%.60s'", a->cube), &service, err);
        json_decref(record);
        if (ok)
            *out = (PxCubeSettings){.url = service.url,
                                    .user = service.username,
                                    .password = service.password,
                                    .ca = a->ca && *a->ca ? a->ca : service.ca};
        return ok;
    }
    const char *password = a->password ? a->password : getenv("CUBE_PASSWORD");
    if (!password)
        return err_set(err, ERR_USAGE,
                       "which CUBE? Name one of services/cube.json with --CUBE KEY, or give --CUBEURL, "
                       "--CUBEusername and a password (variable CUBE_PASSWORD, or --CUBEuserpasswd)");
    *out = (PxCubeSettings){.url = a->url ? a->url : "http://localhost:8000/api/v1/",
                            .user = a->user ? a->user : "chris",
                            .password = password,
                            .ca = a->ca};
    return true;
}

static void warn(void *ctx, const char *text)
{
    cli_tell(ctx, "%s", text);
}

/* Without a database nothing is noted; one that was named must be there. */
static bool open_base(Cli *cli, const PxRegisterArgs *a, bool named, PxBase **out, Err *err)
{
    *out = px_base_open(&(PxBaseSettings){.log_path = a->db}, err);
    if (*out || named || err->code != ERR_NOT_FOUND)
        return *out != NULL;
    err_clear(err);
    warn(cli, "there is no px database in /tmp/log (--db): what is registered is not noted");
    return true;
}

static PxTemplates *templates_of(const PxRegisterArgs *a, Err *err)
{
    const PxTemplateTexts *own = &px_templates_push;
    PxTemplateTexts texts = {.root = a->root ? a->root : own->root,
                             .study = a->study ? a->study : own->study,
                             .series = a->series ? a->series : own->series,
                             .image = a->image ? a->image : own->image};
    return px_templates_parse(&texts, PX_MISSING_NAME, err);
}

static bool run_it(Cli *cli, const PxRegisterArgs *a, PxBase *base, const PxRegisterFiles *files,
                   json_t **result, Err *err)
{
    PxRegister ask = {.pacs_name = a->name,
                      .mode = a->per_series ? PX_REGISTER_PER_SERIES
                              : a->per_file ? PX_REGISTER_PER_FILE
                                            : PX_REGISTER_AUTO,
                      .base = base,
                      .jobs = (unsigned)a->jobs,
                      .warn = warn,
                      .warn_ctx = cli};
    if (!find_cube(a, cli->arena, &ask.cube, err))
        return false;
    ask.cube.timeout_ms = a->timeout * 1000;
    ask.cube.trace = px_trace(&a->ask);
    PxTemplates *templates = templates_of(a, err);
    ask.templates = templates;
    bool ok = templates && px_register(&ask, files, result, err);
    px_templates_free(templates);
    return ok;
}

bool px_register_as(Cli *cli, const PxRegisterArgs *args, json_t **result, Err *err)
{
    PxRegisterArgs a = *args;
    PxRegisterFiles files = {0};
    PxBase *base = NULL;
    *result = NULL;
    if (a.per_file && a.per_series)
        return err_set(err, ERR_USAGE, "--perFile and --perSeries exclude each other");
    json_t *upstream = px_register_upstream_of(&a, err);
    if (!upstream)
        return false;
    take_upstream(cli->arena, upstream, &a);
    bool named = a.db != NULL;
    a.db = named ? a.db : "/tmp/log";
    bool ok = open_base(cli, &a, named, &base, err) &&
              px_register_choose(&a, cli->arena, base, upstream, &files, err) &&
              run_it(cli, &a, base, &files, result, err);
    px_base_close(base);
    json_decref(upstream);
    return ok;
}

bool px_register_series(Cli *cli, const PxRegisterArgs *args, PxBase *base, const char *study,
                        const char *series, json_t **result, Err *err)
{
    PxRegisterArgs a = *args;
    PxRegisterFiles files = {0};
    *result = NULL;
    a.db = px_base_log_path(base);
    a.study_uid = study;
    a.series_uid = series;
    return px_register_choose(&a, cli->arena, base, NULL, &files, err) &&
           run_it(cli, &a, base, &files, result, err);
}

static int run(Cli *cli, const void *args)
{
    PxRegisterArgs a = *(const PxRegisterArgs *)args;
    Err err = {0};
    if (px_asked(cli, &command_px_register, &a.ask, "3.4.2"))
        return EXIT_OK;
    const char *json_args = a.json_args;
    if (*json_args) {
        a = px_register_defaults;
        if (!px_json_args(cli, &command_px_register, json_args, &a, &err))
            return px_fail(cli, &err);
    }
    json_t *result;
    bool ok = px_register_as(cli, &a, &result, &err);
    if (result)
        px_print(result, false, &a.ask);
    json_decref(result);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

const Command command_px_register = {
    .name = "px-register",
    .summary = "tell CUBE of images that were pushed into its storage",
    .details = "Example: px-push --swift local --swiftServicesPACS NORTH --xcrdir DIR --json | px-register "
               "--CUBE local\n"
               "CUBE is asked first what it has; what is there with the same attributes is registered, so "
               "that a second run "
               "completes a first one.",
    .options = options,
    .defaults = &px_register_defaults,
    .size = sizeof(PxRegisterArgs),
    .run = run,
};
