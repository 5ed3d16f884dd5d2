// SPDX-License-Identifier: MIT
/* What the actions of px-smdb share. Only px_smdb*.c include this. */
#ifndef GANTRY_CLI_PX_SMDB_H
#define GANTRY_CLI_PX_SMDB_H

#include "cli/px.h"

typedef struct SmdbArgs {
    PxAsk ask;
    const char *json_args, *action, *action_args, *log, *data, *tree;
    const char *folder, *file, *path; /* xcrdir, xcrfile, xcrdirfile */
    const char *study, *series;
    const char *unused[13]; /* what pypx takes and does not use either */
    int64_t threads;
    bool cleanup, debug;
} SmdbArgs;

typedef struct Smdb {
    Cli *cli;
    const SmdbArgs *args;
    PxBase *base;     /* NULL for actions that need none */
    const char *verb; /* the action, as pypx calls it in its results */
    json_t *result;   /* its members, in the order they were set */
} Smdb;

/* What an action is about: --actionArgs, or the option of its name. */
const char *smdb_subject(const Smdb *smdb, const char *option);
/* The file of --xcrdirfile, or of --xcrdir and --xcrfile. */
const char *smdb_file(const Smdb *smdb);

/* The tree of JSON records: of --tree, --actionArgs, or the folder of the database. */
const char *smdb_tree(const Smdb *smdb, const char *log);

/* Each fills the result, and sets its "status" when that is not what it returns. */
bool smdb_image_dirs_of_patient(Smdb *smdb, Err *err);
bool smdb_image_dirs_of_series(Smdb *smdb, Err *err);
bool smdb_series_location(Smdb *smdb, Err *err);
bool smdb_tables(Smdb *smdb, Err *err);
bool smdb_maps_of_file(Smdb *smdb, Err *err);
bool smdb_maps_of_patient(Smdb *smdb, Err *err);
bool smdb_end_of_study(Smdb *smdb, Err *err);
bool smdb_services(Smdb *smdb, Err *err);
bool smdb_import(Smdb *smdb, Err *err);
bool smdb_export(Smdb *smdb, Err *err);

/* {"status", "PatientID", "d_series", "d_imageDirs"} of a patient; *found: there is something. NULL and err. */
json_t *smdb_images_of_patient(PxBase *base, const char *patient, bool *found, Err *err);

#endif
