// SPDX-License-Identifier: MIT
/*
 * px-smdb: questions to the px database and its care, in the words and with the results of pypx. An action is known by a part of what is given, as there; the last one
 * that fits is meant.
 */
#include "cli/px_smdb.h"

#include "px/tree.h"

#include <string.h>
#include <unistd.h>

typedef enum Needs { NEEDS_NOTHING, NEEDS_BASE, MAKES_BASE } Needs;

typedef struct Action {
    const char *part, *and_part; /* that the action must contain */
    const char *verb;
    Needs needs;
    bool (*run)(Smdb *smdb, Err *err);
} Action;

static const Action actions[] = {
    {"mapsUpdateForFile", "", "mapsUpdateForFile", MAKES_BASE, smdb_maps_of_file},
    {"mapsUpdateForPatient", "", "mapsUpdateForPatient", NEEDS_BASE, smdb_maps_of_patient},
    {"imageDirsPatientID", "", "imageDirsPatientID", NEEDS_BASE, smdb_image_dirs_of_patient},
    {"imageDirsSeriesInstanceUID", "", "imageDirsSeriesInstanceUID", NEEDS_BASE, smdb_image_dirs_of_series},
    {"eries", "DBtablesGet", "seriesData_DBtablesGet", NEEDS_BASE, smdb_tables},
    {"tudy", "DBtablesGet", "studyData_DBtablesGet", NEEDS_BASE, smdb_tables},
    {"atient", "DBtablesGet", "patientData_DBtablesGet", NEEDS_BASE, smdb_tables},
    {"seriesDirLocation", "", "seriesDirLocation", NEEDS_BASE, smdb_series_location},
    {"endOfStudy", "", "endOfStudy", NEEDS_BASE, smdb_end_of_study},
    {"telemetry", "", "telemetry", NEEDS_NOTHING, smdb_services},
    {"import", "", "import", MAKES_BASE, smdb_import},
    {"export", "", "export", NEEDS_BASE, smdb_export},
    {"storage", "", "storage", NEEDS_NOTHING, smdb_services},
    {"swift", "", "swift", NEEDS_NOTHING, smdb_services},
    {"CUBE", "", "CUBE", NEEDS_NOTHING, smdb_services},
    {"PACS", "", "PACS", NEEDS_NOTHING, smdb_services},
};

static const SmdbArgs defaults = {.ask = PX_ASK_DEFAULTS,
                                  .json_args = "",
                                  .action = "",
                                  .action_args = "",
                                  .log = "/tmp/log",
                                  .data = "",
                                  .tree = "",
                                  .folder = "/tmp",
                                  .file = "",
                                  .path = "",
                                  .study = "",
                                  .series = "",
                                  .threads = 2};
#define UNUSED(i, keyword)                                                                                   \
    {                                                                                                        \
        OPT_TEXT, .name = (keyword), .value = "VALUE",                                                       \
                  .help = "accepted for old scripts; no action uses it", .at = offsetof(SmdbArgs, unused[i]) \
    }
static const Option options[] = {
    {OPT_TEXT, .name = "JSONargs", .value = "JSON", .secret = true,
     .help = "all options as one JSON object, instead of the others", .at = offsetof(SmdbArgs, json_args)},
    {OPT_TEXT, .name = "action", .value = "ACTION",
     .help = "imageDirsPatientID, imageDirsSeriesInstanceUID, seriesDirLocation_get, seriesMap_DBtablesGet, "
             "studyMap_DBtablesGet, patientMap_DBtablesGet, mapsUpdateForFile, mapsUpdateForPatient, "
             "endOfStudy, import, export, storage, swift, CUBE, PACS, telemetry",
     .at = offsetof(SmdbArgs, action)},
    {OPT_TEXT, .name = "actionArgs", .value = "TEXT", .secret = true,
     .help = "what the action is about: an identifier, or records of services as JSON; without, services are "
             "listed, with their secrets as ***",
     .at = offsetof(SmdbArgs, action_args)},
    {OPT_TEXT, "l", "logdir", "PATH", "folder of the px database", .at = offsetof(SmdbArgs, log)},
    {OPT_TEXT, .name = "db", .value = "PATH", .help = "the same", .at = offsetof(SmdbArgs, log)},
    {OPT_TEXT, "d", "datadir", "PATH", "the packed tree, when it is not 'data' beside the database",
     .at = offsetof(SmdbArgs, data)},
    {OPT_TEXT, .name = "tree", .value = "PATH",
     .help = "import and export: the tree of JSON records, when it is not in the folder of the database",
     .at = offsetof(SmdbArgs, tree)},
    {OPT_INT, .name = "threads", .value = "N", .help = "import: threads that read objects", .min = 1,
     .max = 64, .at = offsetof(SmdbArgs, threads)},
    {OPT_TEXT, "p", "xcrdir", "PATH", "folder of a DICOM file", .at = offsetof(SmdbArgs, folder)},
    {OPT_TEXT, "f", "xcrfile", "NAME", "the DICOM file in it", .at = offsetof(SmdbArgs, file)},
    {OPT_TEXT, .name = "xcrdirfile", .value = "PATH", .help = "both in one", .at = offsetof(SmdbArgs, path)},
    {OPT_TEXT, .name = "StudyInstanceUID", .value = "UID", .help = "endOfStudy: the study",
     .at = offsetof(SmdbArgs, study)},
    {OPT_TEXT, .name = "SeriesInstanceUID", .value = "UID", .help = "seriesDirLocation_get: the series",
     .at = offsetof(SmdbArgs, series)},
    UNUSED(0, "AccessionNumber"),
    UNUSED(1, "PatientID"),
    UNUSED(2, "PatientName"),
    UNUSED(3, "PatientSex"),
    UNUSED(4, "StudyDate"),
    UNUSED(5, "ModalitiesInStudy"),
    UNUSED(6, "Modality"),
    UNUSED(7, "PerformedStationAETitle"),
    UNUSED(8, "StudyDescription"),
    UNUSED(9, "SeriesDescription"),
    UNUSED(10, "ProtocolName"),
    UNUSED(11, "AcquisitionProtocolName"),
    UNUSED(12, "AcquisitionProtocolDescription"),
    {OPT_FLAG, .name = "cleanup", .help = "accepted for old scripts; nothing is ever deleted",
     .at = offsetof(SmdbArgs, cleanup)},
    {OPT_FLAG, .name = "debug", .help = "accepted for old scripts; there is no log to write",
     .at = offsetof(SmdbArgs, debug)},
    PX_ASK_OPTIONS(SmdbArgs),
    {OPT_END},
};

const char *smdb_subject(const Smdb *smdb, const char *option)
{
    return *smdb->args->action_args ? smdb->args->action_args : option;
}

const char *smdb_file(const Smdb *smdb)
{
    const SmdbArgs *a = smdb->args;
    return *a->path ? a->path : arena_printf(smdb->cli->arena, "%s/%s", a->folder, a->file);
}

static const Action *find_action(const char *text)
{
    const Action *found = NULL;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strstr(text, actions[i].part) && strstr(text, actions[i].and_part))
            found = &actions[i];
    return found;
}

/* -- the run -- */

/* A database is made only beside what is to be taken over: a folder that was mistyped stays what it is. */
static bool is_there(const Smdb *smdb, const Action *action, Err *err)
{
    const SmdbArgs *a = smdb->args;
    if (action->run != smdb_import)
        return true;
    int fd = px_tree_find(smdb_tree(smdb, a->log), err);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool open_base(Smdb *smdb, Needs needs, Err *err)
{
    PxBaseSettings settings = {
        .log_path = smdb->args->log, .data_path = smdb->args->data, .create = needs == MAKES_BASE};
    if (needs != NEEDS_NOTHING)
        smdb->base = px_base_open(&settings, err);
    return needs == NEEDS_NOTHING || smdb->base;
}

/* The words of pypx under "error", our own on stderr. */
static int finish(Smdb *smdb, bool ok, const Err *err)
{
    const SmdbArgs *a = smdb->args;
    json_t *document =
        json_object_get(smdb->result, "status") ? json_object() : json_pack("{s:b}", "status", ok);
    json_object_update(document, smdb->result);
    if (!ok)
        json_object_set_new(
            document, "error",
            px_text(arena_printf(smdb->cli->arena, "An error occurred while executing '%s'", a->action)));
    px_print(document, false, &a->ask);
    json_decref(document);
    return ok ? EXIT_OK : px_fail(smdb->cli, err);
}

static int act(Cli *cli, const SmdbArgs *a)
{
    Err err = {0};
    const Action *action = find_action(a->action);
    Smdb smdb = {.cli = cli, .args = a, .verb = action ? action->verb : "", .result = json_object()};
    bool ok = action ? is_there(&smdb, action, &err) && open_base(&smdb, action->needs, &err) &&
                           action->run(&smdb, &err)
                     : err_set(&err, ERR_USAGE, "--action '%.60s' is none; see --help", a->action);
    int code = finish(&smdb, ok, &err);
    json_decref(smdb.result);
    px_base_close(smdb.base);
    return code;
}

static int run(Cli *cli, const void *args)
{
    const SmdbArgs *a = args;
    if (px_asked(cli, &command_px_smdb, &a->ask, "3.2.34"))
        return EXIT_OK;
    Err err = {0};
    SmdbArgs given = defaults;
    if (*a->json_args && !px_json_args(cli, &command_px_smdb, a->json_args, &given, &err))
        return px_fail(cli, &err);
    return act(cli, *a->json_args ? &given : a);
}

const Command command_px_smdb = {
    .name = "px-smdb",
    .summary = "ask the px database, and look after it",
    .details =
        "Import takes over what pypx left in a folder: objects stay where they lie, records come without "
        "their passwords, and it may be done again. Export writes that folder's JSON files. Example: "
        "px-smdb --logdir /home/dicom/log --action import",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(SmdbArgs),
    .run = run,
};
