// SPDX-License-Identifier: MIT
/* What the rows of one object are made of, at every level: its attributes (row.h) and what ingest knows of its file. */
#ifndef GANTRY_INDEX_OBJECT_ROW_H
#define GANTRY_INDEX_OBJECT_ROW_H

#include "index/index.h"
#include "index/row.h"

typedef struct IdxObject {
    Arena *arena;
    const IdxFile *file;
    const DcmDataset *head;
    const char *now, *charset;
    Span key[DCM_LEVEL_COUNT];
    int64_t id[DCM_LEVEL_COUNT]; /* of its rows, as far as they are known */
} IdxObject;

IdxObject idx_object(Arena *arena, const IdxFile *file, const DcmDataset *head);
/* The level's attributes as a data set. UIDs as the archive took them; PatientID as the object has it. */
DcmDataset *idx_object_row(const IdxObject *object, const IdxAttributes *set, DcmLevel level);
/* Binds what idx_sql_gather (`insert`) or idx_sql_update asks for, but for the row's own id. */
bool idx_object_bind(DbStatement *statement, const IdxObject *object, const DcmDataset *row, DcmLevel level,
                     bool insert, Err *err);

#endif
