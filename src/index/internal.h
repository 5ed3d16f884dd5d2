// SPDX-License-Identifier: MIT
/* What the files of the room share about an open index. Only they include this. */
#ifndef GANTRY_INDEX_INTERNAL_H
#define GANTRY_INDEX_INTERNAL_H

#include "index/attributes.h"
#include "index/counters.h"
#include "index/database.h"
#include "index/expect.h"
#include "index/index.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    IDX_READERS_DEFAULT = 8,
    IDX_READERS_MAX = 128, /* connections that read at one time, where the settings do not say */
    IDX_CACHE_ENTRIES = 1024,
    IDX_PRESENT_MAX = 128, /* attributes of a level; with more, and without room for all, none is noted */
};

/* Which attributes of a level have a value, by their place in the table. */
typedef struct IdxPresent {
    uint64_t bits[IDX_PRESENT_MAX / 64];
} IdxPresent;

/* A parent that was touched lately: its row need not be looked up. */
typedef struct IdxParent {
    int64_t above, id; /* id 0 = empty entry */
    char key[65];
    uint64_t fingerprint[2];
    bool overrode;          /* the attributes so fingerprinted have replaced what differed */
    IdxPresent has;         /* what its row is known to have */
    uint64_t last_class[2]; /* STUDY: SOP class that was added last */
} IdxParent;

struct Index {
    DbSource *source;
    Arena *arena; /* of `attributes` */
    const IdxAttributes *attributes;

    /* -- the schema is there and of our version: looked at under `opening`, once -- */
    pthread_mutex_t opening;
    atomic_bool ready;

    /* -- the writing thread's -- */
    Db *writer; /* NULL when it has to be opened (again) */
    bool in_transaction;
    uint64_t notes_seen; /* idx_filled_disown */
    Arena *scratch;      /* of one put */
    char *insert_sql[DCM_LEVEL_COUNT], *gather_sql[DCM_LEVEL_COUNT], *update_sql[DCM_LEVEL_COUNT];
    IdxParent *parents[DCM_LEVEL_IMAGE]; /* IDX_CACHE_ENTRIES each, by hash */
    uint64_t seed;                       /* of the hashes: a sender cannot aim at one entry */
    IdxCounters counters;
    IdxExpected expected;

    /* -- readers: idle connections, under the lock -- */
    pthread_mutex_t lock;
    pthread_cond_t returned;
    Db **idle;
    size_t idle_count, idle_max, readers_out, readers_max;
    int64_t reader_age_ms, reader_timeout_ms;
};

/* Opens or migrates the schema if that is still to be done. */
bool idx_ready(Index *index, Err *err);

/* The id of a patient, study or series under the one above it, if it was touched lately; else 0. */
int64_t idx_parent_known(const Index *index, DcmLevel level, int64_t above, Span key);

/* Opens index->writer if it is not. */
bool idx_writer(Index *index, Err *err);
/* Is a transaction open, and has the database not undone it? `err` says why it has; it is over then. */
bool idx_need_transaction(Index *index, Err *err);

typedef enum IdxReading {
    IDX_ONE_LOOK, /* each statement by itself */
    IDX_SNAPSHOT, /* a transaction: what is read is one state of the database */
} IdxReading;
/* A reading connection. */
Db *idx_reader_take(Index *index, IdxReading reading, Err *err);
/* Ends the transaction. NULL is fine. */
void idx_reader_give(Index *index, Db *db, IdxReading reading);

/* Fills an IdxFile from the columns that IDX_FILE_COLUMNS selects; strings in the arena. */
#define IDX_FILE_COLUMNS                                                                                     \
    "i.instance_uid, i.sop_class_uid, i.series_uid, i.study_uid, i.patient_uid, i.transfer_syntax_uid, "     \
    "i.file_path, i.storage_method, i.source_ae, i.filesize, i.data_offset, i.sha256, i.content, "           \
    "i.begin_us, i.end_us, i.instance_number"
enum { IDX_FILE_COLUMN_COUNT = 16 };
void idx_file_read(DbStatement *statement, Arena *arena, IdxFile *out);

/* "YYYY-MM-DD HH:MM:SS.ffffff" UTC of now, in the arena. */
const char *idx_now(Arena *arena);

#endif
