// SPDX-License-Identifier: MIT
/* The two halves of a commit, for committer.c: names (commit_names.c), rows (commit_rows.c). Each belongs to one thread. */
#ifndef GANTRY_ARCHIVE_COMMITTER_H
#define GANTRY_ARCHIVE_COMMITTER_H

#include "archive/archive_internal.h"

typedef struct CommitNames {
    Archive *archive;
    pthread_mutex_t *writing; /* held during a transaction of the index */
    StorePublish *publish;    /* [group_max] */
    Job **published;          /* [group_max], whose `publish` it is; before that, what was claimed */
    const char **uids;        /* [group_max], that the index is asked about */
    const char **found;       /* [group_max], names of objects that are in place */
    Arena *seen;              /* its answer */
    Deadline claim_until;     /* how long claims of others are waited for */
} CommitNames;

void commit_names_init(CommitNames *c, Archive *archive, pthread_mutex_t *writing, size_t group_max);
void commit_names_free(CommitNames *c);
/* Plans each object and publishes those that want it. No two are of one UID, and the index shows all that was done with their UIDs before. */
void commit_names(CommitNames *c, Job **group, size_t n);
/* Must it be planned once more? */
bool commit_goes_again(const Job *job);

typedef struct CommitRows {
    Archive *archive;
    pthread_mutex_t *writing;
    const IdxFile **expected; /* [group_max], what the index shall ask about */
    const char **names;       /* [group_max], that wait */
    int64_t *gone;            /* [group_max], notes of files that are gone: forgotten with the next rows */
    size_t gone_count;
} CommitRows;

void commit_rows_init(CommitRows *c, Archive *archive, pthread_mutex_t *writing, size_t group_max);
void commit_rows_free(CommitRows *c);
/* Indexes the group, or notes that it waits for the database, and drops what was replaced. Each job says how it went. */
void commit_rows(CommitRows *c, Job **group, size_t n);
/* Nothing more will come. */
void commit_rows_end(CommitRows *c);

#endif
