// SPDX-License-Identifier: MIT
/* What the files of px/tree_import*.c share. Only those files include this. */
#ifndef GANTRY_PX_TREE_IMPORT_H
#define GANTRY_PX_TREE_IMPORT_H

#include "px/tree_internal.h"

typedef struct Importing {
    PxBase *base;
    const PxImport *wish;
    PxImported *out;
    const char *root_path;
    int root;
    json_t *folders; /* with objects outside the packed tree; the names are the members */
} Importing;

/* A file of the tree that says nothing: told. */
void tree_import_passed_over(Importing *im, const char *name, const char *why);
/* A file of the tree. NULL when it is not there, or is damaged, which is told and counted. */
json_t *tree_import_read(Importing *im, const char *name);

/* -- tree_import_table.c -- */
/* One record of a table, from file `name`, with what it says of pushed and registered objects. */
bool tree_import_table(Importing *im, PxTable table, const char *name, const char *series, Err *err);

#endif
