// SPDX-License-Identifier: MIT
/*
 * Pushing files to a storage, several at once, so that a rerun completes what was broken off: what the px database has marked as pushed is passed over when it still is
 * there, and so is what the storage has with the same content. What was pushed is marked after it is durable there, some objects at a time.
 *
 * One file that fails does not hold up the others; a storage that cannot be reached ends the run. Two files for one name: the same content counts as pushed, another
 * object gets its own name ("_" and 7 hex digits of its SOP Instance UID's SeaHash before the extension).
 */
#ifndef GANTRY_PX_PUSH_H
#define GANTRY_PX_PUSH_H

#include "px/base.h"
#include "px/storage.h"
#include "px/template.h"

/* -- the files -- */

typedef struct PxPushFile {
    const char *path;
    const char *rest; /* of the path: what follows the folder that was asked for, "/sub/1.dcm" */
    char *error;      /* why it was not pushed; NULL = it was, or was not yet tried */
    /* The rest is px_push's. */
    const char *name, *study, *series, *sop_class, *sop_instance, *transfer_syntax, *sha256;
    uint64_t size, data_offset;
    PxReceipt receipt;
    bool in_base, marked, tried, done;
    struct PxPushFile *same; /* the one before it that has its name */
} PxPushFile;

typedef struct PxPushFiles {
    Arena *arena; /* the caller's */
    bool hidden;  /* also those whose names begin with a dot */
    const char *root;
    PxPushFile *items;
    size_t count, capacity;
} PxPushFiles;

/* A file, or a folder with all below it; `substring` is in the path of each ("" = any). Sorted by path. */
bool px_push_add_path(PxPushFiles *files, const char *path, const char *substring, Err *err);
/* What the database has. */
bool px_push_add_objects(PxPushFiles *files, PxBase *base, const PxSelection *what, const char *substring,
                         Err *err);
/* One file and what it is to be called: with PX_PUSH_PLAIN. */
void px_push_add_pair(PxPushFiles *files, const char *path, const char *name);
void px_push_files_free(PxPushFiles *files); /* NULL is fine */

/* -- the push -- */

/* "%pack" in the location is replaced by what the templates make of … */
typedef enum PxPushNames {
    PX_PUSH_EACH,        /* each file, as a whole: that is its name */
    PX_PUSH_EACH_FOLDER, /* each file, the folder; `rest` follows */
    PX_PUSH_FIRST,       /* the first file, the folder; `rest` follows */
    PX_PUSH_PLAIN,       /* nothing; `rest` follows the location */
} PxPushNames;

typedef struct PxPushTotals {
    uint64_t files, pushed, there /* of them: nothing had to be sent */, failed, bytes;
} PxPushTotals;

enum { PX_PUSH_PARALLEL_MAX = 64 };
typedef struct PxPush {
    PxStorage *storage;
    PxBase *base;          /* NULL: nothing is remembered */
    const json_t *service; /* without secrets, for the records; NULL = none */
    PxPushNames names;
    const char *location; /* "SERVICES/PACS/NAME/%pack"; a PACS needs none */
    const PxTemplates *templates;
    bool again;                                 /* also what is marked */
    unsigned parallel;                          /* 0: 4 */
    FILE *trace;                                /* a line for each file; NULL = none */
    void (*progress)(void *ctx, uint64_t done); /* one call at a time; may be NULL */
    void *progress_ctx;
} PxPush;

/* Uses up the files. *result (caller frees) is what px-push prints. False with err when a file was not pushed, or there was none. */
bool px_push(const PxPush *push, PxPushFiles *files, json_t **result, PxPushTotals *totals, Err *err);

#endif
