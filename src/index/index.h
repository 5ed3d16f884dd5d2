// SPDX-License-Identifier: MIT
/*
 * index/ — the attributes of all objects in a database, for finding them. Drivers: SQLite, PostgreSQL (a schema of a server,
 * which several archives may share).
 *
 * One table, index/attributes.c, says for each indexed attribute: level, tag, column, SQL type, matching type, base or extended. Schema,
 * upserts, query keys and answers derive from it. Table and column names of the base schema are those of SPHERE (study, series, patient,
 * file_storage_metadata_dicom …), so that existing SQL keeps working.
 *
 * Promises: values are stored in UTF-8; every key is a bound parameter; a query that the columns can answer uses an index, the rest is
 * decided by dicom/match.h on the stored attributes, so that both agree by construction; counters per patient, study and series are kept
 * at ingest. A value that is too long for its column is cut, never an error.
 *
 * What patient, study and series say: a new object fills what their rows do not say yet; one that is sent again replaces what they say
 * otherwise; a patient's row follows the object that came last. A study that comes under two Patient IDs is two studies. Lists of
 * UIDs in a key or selection have at most 10,000 entries (ERR_LIMIT).
 *
 * Threads: one thread writes (idx_begin … idx_commit); queries may come from any thread, each cursor on a connection of its own.
 */
#ifndef GANTRY_INDEX_INDEX_H
#define GANTRY_INDEX_INDEX_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/dataset.h"
#include "dicom/level.h"
#include "dicom/match.h"
#include "dicom/vr.h"

typedef struct Index Index;

typedef enum IdxEngine { IDX_SQLITE, IDX_POSTGRESQL } IdxEngine;

/* Strings are copied. The password appears nowhere else: not in Err, not in the names of processes. */
typedef struct IdxPostgres {
    const char *host; /* name, address, or folder of a socket */
    uint16_t port;    /* 0 = 5432 */
    const char *database, *schema, *login, *password;
    const char *tls;              /* libpq's sslmode; NULL = "prefer" */
    int64_t connect_timeout_ms;   /* 0 = 5 s */
    int64_t statement_timeout_ms; /* 0 = 60 s; also the longest wait for the next rows of an answer */
} IdxPostgres;

enum {
    IDX_PARENTS_MAX = 8,                    /* sequences around an extended attribute */
    IDX_EXTENDED_MAX = 256,                 /* extended attributes of one level */
    IDX_COLUMN_NAME_MAX = 63,               /* PostgreSQL's limit */
    IDX_COLUMN_CHARS_MAX = 10 * 1000 * 1000 /* PostgreSQL's limit of VARCHAR is a little above */
};

/* An attribute that is indexed because the user wants it: a column of the level's table, a key and a return key of queries. */
typedef struct IdxExtended {
    DcmLevel level;
    DcmTag tag;
    DcmTag parents[IDX_PARENTS_MAX]; /* nested: the sequences it lies in, from the top */
    size_t parent_count;
    DcmVr vr;
    const char *column; /* letters, digits and '_' */
    int chars;          /* longest text of the column; 0 = any */
} IdxExtended;

/* Can `one` be indexed besides those of the list? The error says why not and what to do, but not which attribute. */
bool idx_extended_check(const IdxExtended *list, size_t count, const IdxExtended *one, Err *err);
/* Has the table of its level a column of this name, of something else than `one`? */
bool idx_column_is_taken(const IdxExtended *list, size_t count, const IdxExtended *one);
/* The column that the base table has for an attribute (not a nested one) of this level; NULL = none. */
const char *idx_base_column(DcmTag tag, DcmLevel level);

typedef struct IdxSettings {
    const char *sqlite_path;
    int64_t busy_timeout_ms; /* waiting for another process's lock */
    size_t readers;          /* reading connections kept open, 0 = 8; more are opened on demand */
    size_t readers_more;     /* how many more at one time; 0 = up to 128 together */
    bool no_more_readers;    /* but no more than `readers` at one time */
    IdxEngine engine;
    IdxPostgres postgres;
    int64_t reader_age_ms;     /* older connections are not kept; 0 = any age */
    int64_t reader_timeout_ms; /* waiting for a connection when all are out; 0 = busy_timeout_ms */
    /* A database that cannot be reached does not fail idx_open; each call then tries again, with growing pauses, and fails with an error
       that idx_is_away knows until it is there. */
    bool may_be_away;
    bool must_exist;             /* tables or their file that are gone are not made anew: idx_open fails */
    bool scratch;                /* SQLite: made for the moment, nothing in it has to outlive the process */
    const IdxExtended *extended; /* each passes idx_extended_check. Copied */
    size_t extended_count;
    const Index *like; /* in place of a list: those of this index, which is closed later. NULL = none */
} IdxSettings;

/* Opens, creates or migrates. */
Index *idx_open(const IdxSettings *settings, Err *err);
/* Does this error of a call to the index say that the database cannot be reached or is kept busy by others, so that the same
   call may succeed later? */
bool idx_is_away(const Err *err);
/* Have its tables been there since idx_open? */
bool idx_was_ready(Index *index);
void idx_close(Index *index);

/* -- one object -- */

/* Where an object is and what it is. Strings live in the arena they were read into. */
typedef struct IdxFile {
    const char *sop_instance, *sop_class, *series, *study, *patient_id; /* UTF-8 */
    const char *transfer_syntax;
    const char *path;           /* absolute, or as it was given */
    const char *storage_method; /* "FS" */
    const char *source_ae;
    uint64_t size, data_offset; /* bytes of the file; where the data set begins */
    uint8_t sha256[32], content[16];
    int64_t begin_us, end_us; /* when the writing began and ended, wall clock */
    int32_t number;           /* Instance Number, 0 when absent */
} IdxFile;

/* A copy with strings of its own. */
void idx_file_copy(Arena *arena, const IdxFile *from, IdxFile *out);

/* Looks an instance up by SOP Instance UID. False with err->code ERR_NOT_FOUND when absent. From any thread. */
bool idx_instance(Index *index, Arena *arena, const char *sop_instance, IdxFile *out, Err *err);

/* The same for several, in one question: out[i].sop_instance is NULL where there is none. */
bool idx_instances(Index *index, Arena *arena, const char *const *sop_instances, size_t count, IdxFile *out,
                   Err *err);

/* -- writing (one thread) -- */
bool idx_begin(Index *index, Err *err);
/* Optional, after idx_begin: these will be put or removed; `study` … `patient_id` may be NULL. A few questions to the database then serve all
   of them, which matters where it is a network away. */
bool idx_expect(Index *index, const IdxFile *const *files, size_t count, Err *err);
/* Inserts or updates the rows of one object. `head` has its attributes (value limits as the archive set them). On failure the transaction goes
   on without this object. Where rows of it have been written already, or were sent to PostgreSQL, which is not waited for, this says true, and idx_commit
   fails for the whole group, which the caller puts again, each object in a transaction of its own. */
bool idx_put(Index *index, const IdxFile *file, const DcmDataset *head, Err *err);
/* Removes an instance and the parents that become empty, counters corrected. ERR_NOT_FOUND when absent. */
bool idx_remove(Index *index, const char *sop_instance, Err *err);
/* Durable on return. */
bool idx_commit(Index *index, Err *err);
void idx_rollback(Index *index);
/* The same as idx_instance inside the open transaction. */
bool idx_instance_written(Index *index, Arena *arena, const char *sop_instance, IdxFile *out, Err *err);

/* -- querying -- */

typedef struct IdxQuery {
    DcmLevel level;
    const DcmDataset *
        keys; /* matching keys with values and return keys, all levels; unknown ones are ignored when universal */
    DcmMatchOptions match;
    uint64_t limit, offset; /* 0 = none */
    int64_t newest;         /* only rows that were there at idx_newest; 0 = all */
    bool
        all_attributes; /* return everything the index has of the level, asked or not (QIDO includefield=all) */
    /* Return the extended attributes of the level, asked or not; at STUDY PatientName and PatientBirthDate as well. */
    bool extended_attributes;
    /* Asked now and then while rows are looked at; true ends the query with ERR_CANCELLED. NULL = never. Lives until idx_cursor_free. */
    bool (*stopped)(void *ctx);
    void *stopped_ctx;
} IdxQuery;

/* For IdxQuery.newest: bounds what a query at this level sees to what is there now. */
bool idx_newest(Index *index, DcmLevel level, int64_t *out, Err *err);

typedef struct IdxRow {
    DcmDataset *
        attributes; /* UTF-8 (says so in (0008,0005)): asked attributes (empty when the index has no value), unique keys of the level and above, the computed
                                   counters when asked: 00080061 00080062 00201200-00201209 */
    const char *stored_charset; /* value of (0008,0005) of the object the row came from; "" = default */
    bool
        unsupported_key; /* an asked key with a value could not be matched on (C-FIND answers FF01); at the end too */
} IdxRow;

typedef struct IdxCursor IdxCursor;
/* Order is stable: newest studies first at PATIENT and STUDY, then number and insertion. Streams: no result is gathered. */
IdxCursor *idx_query(Index *index, const IdxQuery *query, Err *err);
/* *out filled in the arena and true; at the end true with out->attributes NULL. */
bool idx_next(IdxCursor *cursor, Arena *arena, IdxRow *out, Err *err);
void idx_cursor_free(IdxCursor *cursor);

/* Which objects: every list that is not empty must contain the object's value. All lists empty selects nothing, unless `everything`. */
typedef struct IdxSelection {
    const char *const *patient_ids;
    size_t patient_count; /* UTF-8, exact */
    const char *const *studies;
    size_t study_count;
    const char *const *series;
    size_t series_count;
    const char *const *instances;
    size_t instance_count;
    bool everything;
    const char *
        not_since; /* not those whose row was made anew at or after this time (idx_filling_begin); NULL = all */
} IdxSelection;

typedef struct IdxFiles IdxFiles;
/* In order of study, series number, instance number. */
IdxFiles *idx_select(Index *index, const IdxSelection *selection, Err *err);
bool idx_select_count(Index *index, const IdxSelection *selection, uint64_t *objects, uint64_t *bytes,
                      Err *err);
/* Appends text that is another one after each change of what the selection selects by study and series; nothing when that is nothing. Whatever else it
   names is not looked at. It costs a look at each series, not at its objects. */
bool idx_stamp(Index *index, const IdxSelection *selection, Buf *out, Err *err);
/* True and *out (strings in the arena); at the end true with out->sop_instance NULL. */
bool idx_files_next(IdxFiles *files, Arena *arena, IdxFile *out, Err *err);
/* From the first object again. */
void idx_files_rewind(IdxFiles *files);
void idx_files_free(IdxFiles *files);

/* -- figures -- */
typedef struct IdxTotals {
    uint64_t patients, studies, series, instances, bytes;
} IdxTotals;
bool idx_totals(Index *index, IdxTotals *out, Err *err);

/*
 * Which columns have been filled for everything that is stored. A column that is new is not, nor one of which an index that does not have
 * the attribute has written rows. The fill itself is the archive's: it puts every object again.
 */
typedef struct IdxFilling {
    size_t extended; /* extended attributes in all … */
    size_t waiting;  /* … and those whose columns are not filled */
    bool base;       /* so are columns of the base table */
    bool begun;      /* a fill for just these attributes was begun and not finished */
} IdxFilling;
/* The last tag (of those at the top of a data set) that the index looks at in an object. */
DcmTag idx_last_tag(const Index *index);
/* How many extended attributes the index has, without asking the database. */
size_t idx_extended_count(const Index *index);
bool idx_filling(Index *index, IdxFilling *out, Err *err);
/* Begins a fill, or goes on with the one that was begun unless `again`: *since is its beginning, in the arena. Rows made anew since then
   need not be made again (IdxSelection.not_since). In a transaction of its own, as idx_filling_end. */
bool idx_filling_begin(Index *index, Arena *arena, bool again, const char **since, Err *err);
/* Everything is filled; ERR_MISMATCH when an index without these attributes has written meanwhile, so that its rows are not. */
bool idx_filling_end(Index *index, Err *err);

/* The studies of a list in the table study_list, each once, in their order; number 0 = the newest list. ERR_NOT_FOUND when there is none. */
bool idx_study_list(Index *index, Arena *arena, int64_t number, const char ***studies, size_t *count,
                    Err *err);

/* State kept with the index by name ("clean-stop", …). get: "" when never set. set: inside a transaction. */
bool idx_note_get(Index *index, Arena *arena, const char *name, const char **value, Err *err);
bool idx_note_set(Index *index, const char *name, const char *value, Err *err);

/* -- a SQLite index as a file -- */
/* One state of it, copied while others write. What is under the other name goes. Not yet synced. */
bool idx_sqlite_copy(const char *from, const char *to, Err *err);
/* The files that lay below the folder `from` lie below `to` now, absolute paths both. Nobody else has the index open. */
bool idx_sqlite_move(const char *path, const char *from, const char *to, Err *err);

#endif
