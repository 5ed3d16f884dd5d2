// SPDX-License-Identifier: MIT
/* The objects that `manage store` is to send: gathered from files and folders, from the index, or from the store's files while that is away. */
#ifndef GANTRY_CLI_OUTBOX_H
#define GANTRY_CLI_OUTBOX_H

#include "archive/filescan.h"
#include "cli/cli.h"

typedef struct OutItem {
    const char *path, *sop_class, *sop_instance, *syntax;
    const char *study, *series; /* NULL when the object does not say */
    uint64_t data_offset;
    unsigned broken; /* associations that broke while it was sent */
    bool tried;      /* some association was tried for it */
} OutItem;

typedef struct Outbox {
    Arena *arena;
    OutItem *items;
    size_t count, capacity;
    uint64_t skipped; /* files that are not DICOM objects */
    uint64_t damaged; /* of these: could not be read, or begin as DICOM files and are cut or spoilt */
} Outbox;

void outbox_free(Outbox *box);

/* One file, or a folder with all below it whose name does not begin with a dot. What is no DICOM object is logged and counted. */
bool outbox_add_path(Outbox *box, const char *path, Err *err);

/* What the index has of one identifier ("*" = everything). *found = how many were added. */
bool outbox_add_indexed(Outbox *box, Index *index, const char *model, const char *uid, size_t *found,
                        Err *err);

/* What the store's files have of the identifiers, as an index that lives as long as the scan. NULL and err when they have nothing. */
ArcFileScan *outbox_scan(const Settings *settings, const char *model, const TextList *uids, Index **index,
                         Err *err);

#endif
