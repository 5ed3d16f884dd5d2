// SPDX-License-Identifier: MIT
/* Files of the server's machine that clients may name: regular files inside folders that the settings name, without any symbolic link on the way. */
#ifndef GANTRY_WEB_ANNOTATION_SOURCE_H
#define GANTRY_WEB_ANNOTATION_SOURCE_H

#include "base/err.h"

/* The file, open for reading, or -1. `folders` are absolute, ended by NULL; a relative path is looked for in each. ERR_REFUSED (403): outside of
   them, whether it exists or not. ERR_USAGE (400): nothing there, a folder, or no regular file. No path of ours is in the texts. */
int web_annotation_source(const char *const *folders, const char *path, Err *err);

#endif
