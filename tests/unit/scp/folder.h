// SPDX-License-Identifier: MIT
/* A temporary folder of a test, and its end. */
#ifndef GANTRY_TEST_SCP_FOLDER_H
#define GANTRY_TEST_SCP_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int folder_remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

/* The folder and all that is in it. False when something could not be removed. */
static inline int folder_remove(const char *path)
{
    return nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

#endif
