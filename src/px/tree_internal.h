// SPDX-License-Identifier: MIT
/* What the files of px/tree*.c share. Only those files include this. */
#ifndef GANTRY_PX_TREE_INTERNAL_H
#define GANTRY_PX_TREE_INTERNAL_H

#include "px/document.h"
#include "px/tree.h"

/* Larger files of a tree are not read: dumps of objects are, which nobody here reads. */
enum { PX_TREE_FILE_MAX = 16 << 20 };

/* -- tree_names.c -- */
/* The last part of an object's path, as records of images name it. */
const char *px_tree_image_name(const char *path);

/* -- tree_file.c -- */
typedef enum PxTreePut {
    PX_TREE_FIRST,   /* what is there stays */
    PX_TREE_REPLACE, /* comes in its place */
} PxTreePut;
/* A JSON value into its place below `root`, as pypx writes: indented by four, ASCII, no newline at the end. Folders are made as needed. */
bool px_tree_put(int root, const char *name, const json_t *value, PxTreePut how, Err *err);
/* Deletes temporary files that dead processes left long ago. */
void px_tree_tidy(int root);
/* An object. NULL with err->code ERR_NOT_FOUND when there is no such file, ERR_FORMAT when it is damaged. */
json_t *px_tree_get(int root, const char *name, Err *err);
/* A folder, locked against other writers that do the same; -1 and err. close() unlocks. */
int px_tree_lock(int root, const char *folder, Err *err);

#endif
