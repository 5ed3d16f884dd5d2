// SPDX-License-Identifier: MIT
/* Where `manage get` puts objects: into the local archive, or as files into a folder. A ScuSink for each. */
#ifndef GANTRY_CLI_GETTING_H
#define GANTRY_CLI_GETTING_H

#include "cli/cli.h"

typedef struct Getting {
    Archive *archive;      /* or NULL: */
    int folder;            /* open folder for files */
    const char *source_ae; /* the peer's title, for the file meta */
    uint64_t received, refused;
    void (*step)(void *ctx, uint64_t received); /* may be NULL */
    void *ctx;
} Getting;

ScuSink getting_sink(Getting *getting);

#endif
