// SPDX-License-Identifier: MIT
/*
 * Where pypx has its files of a patient, a study, a series, as px-smdb and px-status show it: {"name": path, "exists": …}. "exists" says whether the database has what that
 * file would say, so that the answer is the same with and without a tree of JSON records.
 */
#ifndef GANTRY_PX_TABLES_H
#define GANTRY_PX_TABLES_H

#include "px/base.h"

json_t *px_tables_of_patient(const char *log_path, const char *patient, bool exists);
/* `series` NULL: no file of a series is meant. */
json_t *px_tables_of_study(const char *log_path, const char *study, bool exists, const char *series,
                           bool series_exists);

typedef struct PxThere {
    bool series, image;
    bool tables[PX_TABLE_COUNT];
} PxThere;
/* Which tables the series has; what lies in the packed tree is packed. `image` is left to the caller. */
bool px_look_at_series(PxBase *base, const char *series, PxThere *out, Err *err);
/* `image` (a path of an object) NULL: no image is meant. */
json_t *px_tables_of_series(const char *log_path, const char *series, const char *image,
                            const PxThere *there);

#endif
