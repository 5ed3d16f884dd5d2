// SPDX-License-Identifier: MIT
/* The identifier of find, move and get, made from the options that the three commands share. */
#ifndef GANTRY_CLI_KEYS_H
#define GANTRY_CLI_KEYS_H

#include "cli/cli.h"

#include <stdio.h>

typedef struct KeyArgs {
    const char *level; /* "PATIENT" … */
    const char *patient, *study, *series, *instance;
    OptionList extra; /* KEY or KEY=VALUE */
} KeyArgs;

/* The rows of an option table for a KeyArgs that is member `keys` of the command's struct `Args`. */
#define KEY_OPTIONS                                                                                          \
    {OPT_TEXT,        "l",                                                                                   \
     "QRLevel",       "LEVEL",                                                                               \
     "query level",   .choices = "PATIENT STUDY SERIES IMAGE",                                               \
     .bare = "STUDY", .at = offsetof(Args, keys.level)},                                                     \
        {OPT_TEXT, "stUID", "studyUID", "UID", "Study Instance UID", .at = offsetof(Args, keys.study)},      \
        {OPT_TEXT, "paID", "patientID", "ID", "Patient ID", .at = offsetof(Args, keys.patient)},             \
        {OPT_TEXT, "seUID", "seriesUID", "UID", "Series Instance UID", .at = offsetof(Args, keys.series)},   \
    {                                                                                                        \
        OPT_TEXT, "inUID", "instanceUID", "UID", "SOP Instance UID", .at = offsetof(Args, keys.instance)     \
    }

DcmLevel keys_level(const KeyArgs *args);
/* Patient Root for PATIENT, else Study Root. */
ScuModel keys_model(DcmLevel level);

/* For a query: what was given, and the level's own key universal when it was not. UTF-8. NULL and err for an extra key that is none. */
DcmDataset *keys_for_find(Arena *arena, const KeyArgs *args, Err *err);
/* For a retrieve of one `key` of the level (NULL: the one that was given), with the keys given for levels above. */
DcmDataset *keys_for_retrieve(Arena *arena, const KeyArgs *args, const char *key);
/* The value given for the level's own key; NULL when it was not. */
const char *keys_own(const KeyArgs *args);

/* The summary of what is asked: level, keys, 40 stars. */
void keys_show(FILE *to, Arena *arena, DcmLevel level, const DcmDataset *keys);

#endif
