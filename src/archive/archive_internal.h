// SPDX-License-Identifier: MIT
/* What the files of archive/ share. Only those files include this. */
#ifndef GANTRY_ARCHIVE_ARCHIVE_INTERNAL_H
#define GANTRY_ARCHIVE_ARCHIVE_INTERNAL_H

#include "archive/archive.h"
#include "archive/filescan.h"
#include "base/log.h"
#include "base/queue.h"
#include "dicom/part10.h"
#include "dicom/scan.h"
#include "index/replaced.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define ARC_LOGGER          "pacs.file_dicom"
#define ARC_LOGGER_DATABASE "pacs.database"

/* -- layout.c: names of objects in the store -- */
/* PatientID/Study/Series/Instance, safe for any input; see layout.c. Lives in the arena. */
const char *layout_name(Arena *arena, Span patient_id, Span study, Span series, Span instance);
/* One part of it. */
const char *layout_part(Arena *arena, Span value);
/* The name of other content under the same UID (ARC_KEEP_BOTH). */
const char *layout_variant(Arena *arena, const char *name, const uint8_t content[16]);
/* Where it differs from that of the first one, to its end; NULL when it is no such name. */
const char *layout_variant_mark(const char *name);
/* The name of an object whose own one is another object's: "_" and hex digits of a hash of its UID in front of the extension, more of them
   with each try (from 1). */
const char *layout_beside(Arena *arena, const char *name, const char *sop_instance, unsigned attempt);
/* The name of an object in this archive; NULL and err when the layout does not take it. */
const char *archive_name(Archive *archive, Arena *arena, const IdxFile *file, const DcmDataset *head,
                         Err *err);
/* Do names not say what the objects are? */
bool archive_names_are_foreign(const Archive *archive);

/* -- inspect.c: an object read as its bytes pass by -- */
typedef struct Inspector {
    Arena *arena;  /* of the head; limited */
    DcmHead *head; /* NULL when it has what is wanted */
    const DcmDataset *dataset;
    DcmScan *scan;
    bool malformed;
    Err why; /* when malformed */
    unsigned defects;
} Inspector;

/* `last`: the last tag that the index wants (idx_last_tag). */
void inspector_begin(Inspector *inspector, const char *transfer_syntax, DcmTag last);
/* A piece of the data set. What is wrong with it is kept in `why`. */
void inspector_feed(Inspector *inspector, Span piece);
/* No more pieces. False and err when the data set is malformed or ends early. */
bool inspector_finish(Inspector *inspector, Err *err);
/* Has the scan passed the SOP UIDs (they may be missing)? */
bool inspector_knows_uids(const Inspector *inspector);
/* Fills the identifying members of `file` (strings in `arena`); ERR_FORMAT when one that an object must have is missing. */
bool inspector_identify(const Inspector *inspector, Arena *arena, IdxFile *file, Err *err);
void inspector_end(Inspector *inspector);

/* Reads a whole file of the archive: identity, digests, structure. `file` and its strings live in `arena`. */
bool inspect_file(Inspector *inspector, Arena *arena, const char *path, DcmTag last, IdxFile *file,
                  const atomic_bool *cancel, Err *err);
/* The same from the head of the file alone: no digests, and nothing is known of what comes behind. */
bool inspect_head(Inspector *inspector, Arena *arena, const char *path, DcmTag last, IdxFile *file, Err *err);

/* -- committer.c -- */
typedef enum JobKind {
    JOB_INGEST,
    JOB_ADOPT,
    JOB_WAITED, /* acknowledged while the database was away */
    JOB_REMOVE, /* its row, if it is still of this file */
} JobKind;

typedef enum JobPlan {
    PLAN_NONE,    /* nothing left to do, `ok` and `err` say how it went */
    PLAN_PUBLISH, /* publish and index */
    PLAN_VARIANT, /* publish beside what is there, do not index */
    PLAN_INDEX,   /* is in place, index */
    PLAN_REMOVE,  /* out of the index */
} JobPlan;

/* A file that has the object's name and that the index does not show. */
typedef enum JobOver {
    OVER_NOTHING,
    OVER_SAME,  /* the same object */
    OVER_OTHER, /* other content of its UID, and the index cannot be asked */
    OVER_JUNK,  /* anything else */
} JobOver;

typedef struct Job {
    JobKind kind;
    Arena *arena; /* strings of `file`, names */
    const DcmDataset *head;
    IdxFile file;
    const char *name;    /* in the store */
    const char *plain;   /* what the layout calls it, when `name` is one beside that */
    const char *variant; /* PLAN_VARIANT: its name */
    bool again;          /* JOB_ADOPT: its row is made anew even when nothing changed */
    bool takes_over;     /* JOB_ADOPT: it may have been about to replace one elsewhere */
    bool
        if_gone; /* JOB_REMOVE: only when its file is not there. Outcome ARC_STORED when a row went, else ARC_SAME */
    /* JOB_REMOVE, may be NULL: the row is out, and nobody else does anything with the object before this returns. */
    void (*removed)(struct Job *job);
    StorePut *put; /* JOB_INGEST: ended and synced */

    ArcOutcome outcome;
    bool ok;
    Err err;

    /* the committer's notes */
    JobPlan plan;
    JobOver over;
    const char *obsolete; /* path of the replaced object, when elsewhere */
    IdxReplaced note;     /* of that, for whoever comes when we are gone; number 0: not written */
    bool known;           /* the index has something of its UID */
    uint64_t claims[3];   /* keys that are ours until its row is written */
    unsigned claim_count;
    StorePut *previous; /* what the name held before */
    const char
        *waits; /* name to be noted in the spool: the index cannot be asked, or did not take it in time */
    unsigned rounds, beside; /* how often its name turned out to be another object's */
    uint64_t hash;           /* of the SOP Instance UID: claim_of_object */
    bool looked;             /* for what the index has of it, with others of the group: */
    const IdxFile *seen;     /* NULL = nothing */
    int64_t
        older_us; /* when the other content was written that the index has of it; 0 = none, or not asked */
    bool doubted; /* its sender has to look at the file that the index has of it, or that its variant has */
    bool distrusted; /* that file is not what the index says */
    bool spoilt;     /* the file that has the name of its variant is not what the name says */
    bool stamped;    /* its file has the time file.end_us, to the microsecond */

    pthread_mutex_t lock; /* guards the two below */
    pthread_cond_t changed;
    bool done, forsaken; /* forsaken: nobody waits, the committer frees it */
    void (*release)(struct Job *job);
} Job;

typedef struct Committer Committer;

Committer *committer_start(Archive *archive, size_t group_max);
/* Works off what is queued and ends. */
void committer_stop(Committer *committer);
size_t committer_waiting(Committer *committer);
/* A job will come soon; it comes now, or will not after all. Several wait for each other, a few milliseconds at most. */
void committer_expect(Committer *committer);
void committer_expect_no_more(Committer *committer);
/* Hands the job over without waiting: its `release` is called, in the committer's thread, when it is done. */
void committer_submit(Committer *committer, Job *job);
/* Hands the job over and waits. False when it is still under way after a long time: then the committer releases it. */
bool committer_run(Committer *committer, Job *job);
void job_init(Job *job, JobKind kind);
void job_destroy(Job *job);

/* -- plan.c: what is to be done with an object -- */
void plan_job(Archive *archive, Job *job);
void job_settle(Job *job, ArcOutcome outcome);
void job_fail(Job *job, const Err *err);
/* Is there a file of the size that its row says? */
bool job_file_is_there(const IdxFile *file);
bool job_same_content(const IdxFile *a, const IdxFile *b);
/* Did a layout give the name at `path` to another object? What cannot be read at this moment may be one, and is not touched. */
bool job_name_is_taken(Archive *archive, const Job *job, const char *path);
/* The database did not answer before the job was in it, or nobody knows whether it is: the spool sees to it. */
void job_must_wait(Job *job);
/* Is this object in the archive already, byte for byte? Else job->older_us tells of other content. Asked of the index only while objects come again, or where the
   committer doubts: it looks anyway. */
bool job_is_same(Archive *archive, Job *job);
/* Its sender has to look at a file before this object may pass for it, which would hold up everybody else here. */
void job_leave_to_sender(Job *job);
bool jobs_come_again(const Archive *archive);

/* -- leftovers.c: files that were replaced by ones elsewhere -- */
/* What is claimed (store.h) for an object, by its UID; for a file that is no object of ours, by its name. */
uint64_t claim_of_object(const char *sop_instance);
uint64_t claim_of_name(const char *name);
/* Inside a transaction of the archive's index: job->obsolete may be there when we are not. */
bool leftover_note(Archive *archive, Job *job, Err *err);
/* Removes the files that others did not come to remove, and their notes. */
bool leftovers_remove(Archive *archive, const atomic_bool *stop, Err *err);
/* The same, if there may be some; nothing is lost when it fails. */
bool leftovers_look(Archive *archive, const atomic_bool *stop, Err *err);

/* -- quarantine.c -- */
typedef struct Quarantine Quarantine;
Quarantine *quarantine_new(const char *path);
void quarantine_free(Quarantine *quarantine);
typedef struct QuarantineCase {
    const char *path; /* of the file to take; it is moved */
    const Err *why;
    const char *transfer_syntax, *sop_class, *sop_instance, *source_ae; /* as announced; may be NULL */
    /* Not NULL: its name stays as well, and it must be this file, else ERR_MISMATCH. What is kept is durable on return. */
    const struct stat *leave;
    char *kept; /* out, PATH_MAX: for quarantine_give_back. May be NULL */
} QuarantineCase;
/* False and err when it cannot be kept (no room, limit reached); the file stays the caller's. */
bool quarantine_take(Quarantine *quarantine, const QuarantineCase *object, Err *err);
/* What was taken and had left its name was not to be taken after all. */
void quarantine_give_back(Quarantine *quarantine, const char *kept);

/* -- adopt.c -- */
typedef struct Adoption Adoption;
/* NULL when there is nothing to do. */
Adoption *adoption_start(Archive *archive);
/* Cuts it short after wait_ms. */
void adoption_stop(Adoption *adoption, int64_t wait_ms);
/* Waits for its end; NULL is fine. False when *stop was set. */
bool adoption_await(Adoption *adoption, const atomic_bool *stop);
/* Was the file written after the one of this row? */
bool adoption_is_younger(const IdxFile *row, const struct stat *st);
/* Is this the row of this file, as it is now? */
bool adoption_fits(const IdxFile *row, const char *path, const struct stat *st);
/* Reads an object of the store that the index may not know. The job is ready for the committer. */
bool adoption_read(Archive *archive, const char *name, Job *job, Inspector *inspector,
                   const atomic_bool *cancel, Err *err);
/* The file meta information of a file; false when it has none. */
bool adoption_read_meta(const char *path, DcmFileMeta *meta);

/* -- spool.c: objects that wait for the index. NULL for archives that do not let them wait. -- */
typedef struct Spool Spool;
/* Sets archive->spool. */
void spool_start(Archive *archive);
/* Ends its thread. What waits goes on waiting. */
void spool_stop(Spool *spool);
void spool_free(Spool *spool);
/* Is the database known to be away, so that it need not be asked? */
bool spool_is_away(Spool *spool, Err *why);
/* A call to the index failed: is that something that objects wait out? Then the database is away from now on. */
bool spool_takes(Spool *spool, const Err *err);
/* Is it something that may be otherwise later, and not the object's own fault? */
bool spool_may_pass(const Err *why);
/* Notes the names of objects. Durable on return. */
bool spool_add(Spool *spool, const char *const *names, size_t n, Err *err);
size_t spool_waiting(const Spool *spool);
/* Until the database is there; false when *stop was set. */
bool spool_await_index(Spool *spool, const atomic_bool *stop);

/* -- query.c -- */
IdxQuery archive_query_of(const ArcAsk *ask);

/* -- filescan.c -- */
/* A scan of this archive's files; few run at one time, others wait a little (ERR_LIMIT). */
ArcFileScan *archive_scan_files(Archive *archive, const ArcFileWish *wish, Err *err);
/* The index did not answer: may the files be searched instead? If not, err says so, with the DIMSE status. */
bool archive_may_scan(Archive *archive, Err *err, uint16_t dimse);

/* -- filequery.c -- */
typedef struct FileQuery FileQuery;
FileQuery *filequery_open(Archive *archive, const ArcAsk *ask, Err *err);
/* As idx_next. */
bool filequery_next(FileQuery *query, Arena *arena, IdxRow *out, Err *err);
void filequery_close(FileQuery *query);

/* -- prune.c -- */
/* Has the store any file? ERR_REFUSED says what to do when it has none. */
bool archive_has_files(Archive *archive, Err *err);

/* -- heal.c: an index that was lost -- */
typedef struct Healing Healing;
Healing *healing_start(Archive *archive);
void healing_stop(Healing *healing);
/* For archives that are no server: when the index needs it, the next server is told. */
void healing_leave_note(Archive *archive);
/* The index has all objects of the store: said in the index. */
bool healing_note(Archive *archive, Err *err);

/* -- archive.c -- */
struct Archive {
    Arena *strings;
    ArcSettings settings;       /* strings in `strings` */
    IdxSettings index_settings; /* the same */
    Store *store;
    Index *index;
    StoreClaims *claims; /* the committer's */
    Committer *committer;
    Quarantine *quarantine;
    Adoption *adoption;
    Spool *spool;
    Healing *healing;
    pthread_mutex_t lock; /* guards `ingests` */
    pthread_cond_t idle;
    size_t ingests; /* begun, not ended */
    atomic_uint file_scans;
    atomic_bool full;        /* the disk; room.c has said so */
    atomic_bool leftovers;   /* there may be some */
    atomic_int look_early;   /* so many objects more are looked up by their senders (plan.c) */
    _Atomic int64_t used_ms; /* monotonic: when somebody last wanted something of it (archive_touch) */
    atomic_int readers;      /* objects that are being read for somebody */
};

#define archive_notice(archive, level, ...) archive_log((archive), ARC_LOGGER, (level), __VA_ARGS__)
#define archive_database_notice(archive, level, ...)                                                         \
    archive_log((archive), ARC_LOGGER_DATABASE, (level), __VA_ARGS__)
void archive_log(Archive *archive, const char *logger, int level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The index on connections of its own, for a thread beside the committer that asks one thing and goes: with little patience, and failing
   when the database is away. */
Index *archive_open_index_briefly(Archive *archive, Err *err);
/* The same with the patience of the archive's own. */
Index *archive_open_index_apart(Archive *archive, Err *err);
void archive_ingest_began(Archive *archive);
void archive_ingest_ended(Archive *archive);
/* Somebody stores, asks or retrieves just now. Costs next to nothing. */
static inline void archive_touch(Archive *archive)
{
    int64_t now = clock_ms();
    if (atomic_load_explicit(&archive->used_ms, memory_order_relaxed) != now)
        atomic_store_explicit(&archive->used_ms, now, memory_order_relaxed);
}
static inline void archive_reader_began(Archive *archive)
{
    atomic_fetch_add_explicit(&archive->readers, 1, memory_order_relaxed);
}
static inline void archive_reader_ended(Archive *archive)
{
    archive_touch(archive);
    atomic_fetch_sub_explicit(&archive->readers, 1, memory_order_relaxed);
}
/* Milliseconds since nobody has wanted anything of it, in this process; 0 while an object comes or is being read. */
int64_t archive_quiet_ms(Archive *archive);

#endif
