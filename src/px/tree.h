// SPDX-License-Identifier: MIT
/*
 * pypx's tree of JSON records below LOG: patientData, studyData, seriesData. Programs that read it find there what pypx would have written, with its names, members and order;
 * what pypx writes as "Not defined" or as Python prints it is written so. Here the tree is a copy: the truth is the index, and what is lost of the tree can be exported again.
 *
 * Files come whole into their places (a temporary file in the root, then a rename), so that readers see no half of one. What a file of a series says of patient, study and
 * series is said by the first object, later ones do not change it. Any number of processes may write one tree. Locks that pypx left behind are not looked at.
 *
 * Identifiers are file names as they are, where they can be; what could leave its folder or is too long is encoded.
 */
#ifndef GANTRY_PX_TREE_H
#define GANTRY_PX_TREE_H

#include "px/base.h"

#include <stdatomic.h>

/* -- names -- */

typedef enum PxTreeFile {
    PX_TREE_PATIENT,      /* patientData/PATIENT.json */
    PX_TREE_STUDY,        /* studyData/STUDY-meta.json */
    PX_TREE_STUDY_SERIES, /* studyData/STUDY-series/SERIES-meta.json; SERIES NULL: the folder */
    PX_TREE_SERIES,       /* seriesData/SERIES-meta.json */
    PX_TREE_IMAGE,        /* seriesData/SERIES-img/IMAGE.json; IMAGE NULL: the folder */
} PxTreeFile;

/* Below the root, in the arena. `first` is PATIENT, STUDY or SERIES, `second` what follows; else NULL. */
const char *px_tree_name(Arena *arena, PxTreeFile file, const char *first, const char *second);
/* seriesData/SERIES-push.json … */
const char *px_tree_table_name(Arena *arena, PxTable table, const char *series);

/* -- what the files say -- */

/* Out of the head of an object (px/head.h). */
json_t *px_tree_patient(const DcmDataset *dataset); /* without StudyList */
json_t *px_tree_study(const DcmDataset *dataset);
json_t *px_tree_study_series(const DcmDataset *dataset, const PxObject *object);
json_t *px_tree_series(const DcmDataset *dataset);
/* The record of an image: `series` (px_tree_series) and what stat(2) says of the file. ERR_NOT_FOUND when it is gone. */
json_t *px_tree_image(const json_t *series, const PxObject *object, Err *err);

/* -- writing -- */

typedef struct PxTree PxTree;

/* `root` NULL = the database's folder. It is made when it is not there. A tree may be used by several threads. */
PxTree *px_tree_open(PxBase *base, const char *root, Err *err);
void px_tree_close(PxTree *tree);
/* All records of an object that is in the index. */
bool px_tree_object(PxTree *tree, const PxObject *object, Err *err);
/* The file of a table, as the table is now. */
bool px_tree_record(PxTree *tree, PxTable table, const char *series, Err *err);

/* -- out and in -- */

/* Calls come one after the other, from any thread. Members may be NULL. */
typedef struct PxTreeTold {
    void (*passed_over)(void *ctx, const char *path, const char *why);
    void (*step)(void *ctx, uint64_t objects); /* done so far */
    void *ctx;
} PxTreeTold;

typedef struct PxExport {
    const char *root;        /* NULL = the database's folder */
    const atomic_bool *stop; /* may be NULL */
    PxTreeTold told;
} PxExport;

typedef struct PxExported {
    uint64_t objects, series, studies;
    uint64_t records; /* of tables */
    uint64_t failed;  /* objects whose file is gone or cannot be read: told, and passed over */
} PxExported;
/* Everything that the database has. What is there stays, as far as it is whole. */
bool px_tree_export(PxBase *base, const PxExport *wish, PxExported *out, Err *err);

typedef struct PxImport {
    const char *root;        /* NULL = the database's folder */
    size_t threads;          /* that read objects; 0 = 1 */
    const atomic_bool *stop; /* may be NULL */
    size_t
        max_folders; /* outside the packed tree that are indexed; 0 = 100,000. Files in others are told, as failed */
    PxTreeTold told;
} PxImport;

typedef struct PxImported {
    uint64_t objects; /* taken into the index */
    uint64_t known;   /* that were there */
    uint64_t foreign; /* files in the packed tree that are no objects */
    uint64_t failed;  /* that could not be read or indexed */
    uint64_t images;  /* records of images read … */
    uint64_t missing; /* … and those whose file is nowhere */
    uint64_t records; /* of tables taken over */
    uint64_t marks;   /* objects known to have been pushed or registered */
    uint64_t damaged; /* files that are no JSON, or say nothing */
} PxImported;
/* The folder of a tree that can be taken over, opened; -1 and err when it is none. */
int px_tree_find(const char *root, Err *err);
/*
 * Takes a tree over that pypx, or a program that writes as it does, made below `root`. The objects of the packed tree are indexed where they lie, and so are those elsewhere
 * that records of images name. Tables come without their passwords. Nothing is moved, copied or deleted. What is here already stays as it is, unless the tree's is
 * newer, so that it may be done again, and goes on where it was stopped.
 */
bool px_tree_import(PxBase *base, const PxImport *wish, PxImported *out, Err *err);

#endif
