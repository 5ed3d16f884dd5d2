// SPDX-License-Identifier: MIT
/*
 * BASEMOUNT: the state of the px tools. It is an archive (archive/archive.h) whose SQLite index, LOG/gantry.sqlite, has two tables of the px tools beside its own:
 * records of series (what pypx keeps in files <UID>-retrieve.json, -pack, -push, -register) and marks (what was done with one object, and where). The packed
 * tree is the archive's data folder.
 *
 * Opening for reading makes no file and no folder. What is dear (the archive with its committer, the index) is opened when it is first asked for, so that a tool
 * that wants a record starts in milliseconds. Any number of processes may use one BASEMOUNT, also while it is being made. A PxBase may be used by several
 * threads.
 */
#ifndef GANTRY_PX_BASE_H
#define GANTRY_PX_BASE_H

#include "archive/archive.h"
#include "base/arena.h"
#include "base/err.h"
#include "px/template.h"

#include <jansson.h>

typedef struct PxBase PxBase;

typedef struct PxBaseSettings {
    const char *log_path;         /* --db, --logdir */
    const char *data_path;        /* the packed tree; NULL = "data" beside log_path */
    const PxTemplates *templates; /* names in the tree, live as long as the base; NULL = the classic ones */
    bool legacy;                  /* names as pypx's old px-listen (px/legacy.h), in place of templates */
    bool create;                  /* false: ERR_NOT_FOUND when there is no database */
    bool tree;                    /* keep pypx's tree of JSON records below log_path up to date */
    bool serves; /* for the listener: goes on while the database is locked, heals an index that was lost */
    ArcNotice notice;
    void *notice_ctx;
} PxBaseSettings;

/* Strings are copied. */
PxBase *px_base_open(const PxBaseSettings *settings, Err *err);
/* Also closes the archive. NULL is fine. */
void px_base_close(PxBase *base);
/* Opened by the first call. It lives as long as the base. NULL and err when it cannot be. */
Archive *px_base_archive(PxBase *base, Err *err);
/* The archive's index, or without an archive one that was opened for reading. */
Index *px_base_index(PxBase *base, Err *err);
const char *px_base_log_path(const PxBase *base);  /* absolute */
const char *px_base_data_path(const PxBase *base); /* absolute */

/* -- objects -- */

typedef struct PxObject {
    const char *sop_instance, *sop_class, *series, *study, *patient_id, *transfer_syntax;
    const char *path;   /* absolute */
    const char *name;   /* below the packed tree; the path when it lies elsewhere */
    const char *sha256; /* hex, of the file; "" when unknown */
    uint64_t size, data_offset;
} PxObject;

/* NULL = any. */
typedef struct PxSelection {
    const char *patient_id, *study, *series;
} PxSelection;

typedef bool (*PxVisit)(void *ctx, const PxObject *object, Err *err);
/* Calls visit for each object that is selected, study after study, those of a study in order of path. Strings live during the call; false ends it. */
bool px_base_objects(PxBase *base, const PxSelection *what, PxVisit visit, void *ctx, Err *err);
/* One object; strings in the arena. ERR_NOT_FOUND when it is not here. */
bool px_base_object(PxBase *base, Arena *arena, const char *sop_instance, PxObject *out, Err *err);
/* The folder of a series: that of its first object, absolute. ERR_NOT_FOUND when nothing of it is here. */
bool px_base_series_folder(PxBase *base, Arena *arena, const char *series, const char **out, Err *err);
/* To be called after an object came into the archive (its ingest succeeded): what follows from that, the tree of JSON records. */
bool px_base_took(PxBase *base, const char *sop_instance, Err *err);

/* -- records of a series: JSON objects, without secrets -- */

typedef enum PxTable { PX_TABLE_RETRIEVE, PX_TABLE_PACK, PX_TABLE_PUSH, PX_TABLE_REGISTER } PxTable;
enum { PX_TABLE_COUNT = PX_TABLE_REGISTER + 1 };
/* "retrieve", "pack" … */
const char *px_table_name(PxTable table);

/* Sets the members of `members` in the record; the others stay. Durable when it returns. `study` NULL = as it was. */
bool px_record_merge(PxBase *base, PxTable table, const char *study, const char *series,
                     const json_t *members, Err *err);
/* True with *out NULL when there is none. The caller frees *out. */
bool px_record_read(PxBase *base, PxTable table, const char *series, json_t **out, Err *err);

typedef bool (*PxRecordVisit)(void *ctx, PxTable table, const char *series, Err *err);
/* Calls visit for each record there is, series after series. The base must not be used in it; false ends it. */
bool px_records_visit(PxBase *base, PxRecordVisit visit, void *ctx, Err *err);

/* -- marks: what was done with one object -- */

typedef enum PxMarkKind { PX_MARK_PUSHED, PX_MARK_REGISTERED } PxMarkKind;

/* Valid while the object's sha256 is the same. One of a kind for each object and target. */
typedef struct PxMark {
    PxMarkKind kind;
    const char *sop_instance, *series, *sha256;
    const char *target; /* "swift http://host:port/users", "fs /mnt", "pacs AE@host:port", "cube URL" */
    const char *name;   /* of the object there: object name, path */
    const char *check;  /* what the target said of it: MD5, ETag; "" */
    uint64_t size;
} PxMark;

/* In one transaction; a mark that is there is replaced. */
bool px_marks_add(PxBase *base, const PxMark *marks, size_t n, Err *err);
/* The valid mark of the object, strings in the arena; *found false when there is none. */
bool px_mark_find(PxBase *base, PxMarkKind kind, const char *target, const PxObject *object, Arena *arena,
                  PxMark *out, bool *found, Err *err);
/* Calls visit for each mark of one kind that objects of a series have, object after object, whatever the target; also those that are no longer valid. Strings live during
   the call, in which the base must not be used; false ends it. */
bool px_marks_visit(PxBase *base, PxMarkKind kind, const char *series,
                    bool (*visit)(void *ctx, const PxMark *mark, Err *err), void *ctx, Err *err);

/* -- the five counters -- */

typedef struct PxCounts {
    int64_t requested;          /* NumberOfSeriesRelatedInstances of the retrieve record; -1: not asked for */
    int64_t received;           /* objects in the index */
    int64_t packed;             /* of them, those whose file is there with its size */
    int64_t pushed, registered; /* of them, those with a valid mark, wherever */
} PxCounts;

bool px_base_counts(PxBase *base, const char *series, PxCounts *out, Err *err);
/* The first two alone, without a look at each object. */
bool px_base_received(PxBase *base, const char *series, int64_t *requested, int64_t *received, Err *err);

#endif
