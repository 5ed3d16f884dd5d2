// SPDX-License-Identifier: MIT
/*
 * archive/ — a folder of objects with an index over them, and the three verbs: ingest, query, retrieve. The files are the truth; the index can
 * always be rebuilt. Knows no protocol.
 *
 * Ingest promises: when it reports success, bytes, name and index row are durable; on any failure the object is absent, or in quarantine with a
 * reason, never half there; the same object twice is one object; different bytes under one SOP Instance UID follow the duplicate
 * policy. Durability is by group commit: one committer thread publishes and indexes whatever waits, in one pass.
 *
 * While the database of the index is away, an archive that may (`outlasts_index`) goes on taking objects: they are published, noted durably as waiting, and
 * indexed in their order when it is back.
 *
 * After an unclean stop, arc_open adopts in the background what was published but not indexed (complete objects, never acknowledged),
 * and drops temporary files.
 */
#ifndef GANTRY_ARCHIVE_ARCHIVE_H
#define GANTRY_ARCHIVE_ARCHIVE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/span.h"
#include "dicom/dataset.h"
#include "dicom/level.h"
#include "dicom/match.h"
#include "index/index.h"
#include <sys/types.h>

typedef struct Archive Archive;

typedef enum ArcDuplicates { ARC_KEEP_FIRST, ARC_KEEP_BOTH, ARC_REPLACE } ArcDuplicates;

/* What happens inside, for the service's log. Called from any thread; must not block long. `detail` holds no patient data. */
typedef void (*ArcNotice)(void *ctx, int log_level, const char *logger, const char *detail);

/*
 * What objects are called in the store. `name` makes the name of an object out of its head (all attributes below the functional groups with values up to
 * 64 KiB), in the arena: a safe relative path (base/file.h) with parts of at most 200 bytes, none of which begins with '.', and without control
 * characters; the same one for the same object whenever it is asked for. NULL and err when the object shall not be taken. Called from any thread.
 * Two objects may be given one name: the later one is then stored beside the first, with a hash of its UID in its name.
 */
typedef struct ArcLayout {
    const char *(*name)(void *ctx, Arena *arena, const DcmDataset *head, Err *err);
    void *ctx;
} ArcLayout;

typedef struct ArcSettings {
    const char *data_path; /* the store's root */
    const char *temp_path;
    const char *quarantine_path;
    const char *index_path; /* SQLite */
    const IdxSettings
        *index; /* in place of index_path: any driver. Read by arc_open only; NULL = SQLite at index_path */
    ArcLayout layout;         /* name NULL: PatientID/Study/Series/Instance, see archive/layout.c */
    ArcDuplicates duplicates; /* default: replace (SPHERE overwrites the file) */
    size_t group_max;         /* objects per commit; 0 = 64 */
    bool
        check_class; /* data set and command must agree on SOP class and instance: A900. On by default in callers */
    /* For servers: opens although the database cannot be reached, and goes on without it. Off: whatever needs the index fails meanwhile. */
    bool outlasts_index;
    bool search_in_file; /* while the index cannot be reached, queries and retrievals look into the files */
    /* arc_close gives the adoption after an unclean stop so long to come to its end, which tools that live for a moment want; 0 = cuts it short. */
    int64_t adoption_wait_ms;
    uint64_t min_free_bytes;   /* kept free on the disk of the objects; less than 16 MiB counts as that */
    unsigned min_free_percent; /* and at least so much of that disk */
    bool
        through_cache; /* large objects, too, are written through the kernel's cache (store.h: store_write_direct) */
    bool sha256_at_once; /* SHA-256 is taken while an object comes: for archives that nobody seals (seal.h) */
    ArcNotice notice;
    void *notice_ctx; /* may be NULL */
} ArcSettings;

Archive *arc_open(const ArcSettings *settings, Err *err);
/* Finishes what has been accepted, marks a clean stop. */
void arc_close(Archive *archive);
Index *arc_index(Archive *archive);
/* Is the database known to be away? `why` (may be NULL) says how it went. */
bool arc_index_is_away(Archive *archive, Err *why);
/* Free space where the objects are, and (`limit` may be NULL) how much of it is kept. */
uint64_t arc_free_bytes(Archive *archive, uint64_t *limit);
/* May an object come, or go on coming? ERR_NO_SPACE when what is kept free would be touched. */
bool arc_has_room(Archive *archive, Err *err);
/* A file without a name in the folder for temporary files, for what must have come whole before it can be taken in. -1 and err on failure. */
int arc_temporary_file(Archive *archive, Err *err);

/* -- ingest -- */

typedef struct ArcIngest ArcIngest;

typedef struct ArcIncoming {
    const char *transfer_syntax;          /* the data set is encoded in it; kept byte for byte */
    const char *sop_class, *sop_instance; /* as announced; NULL = as the data set says */
    const char *source_ae;                /* calling AE title; goes into the file meta; NULL = none */
    const char *study;                    /* the object must be of this study, else A900; NULL = any */
    const Span *
        head; /* what stands in front of the data set, kept byte for byte; NULL = file meta information is made */
} ArcIncoming;

typedef enum ArcOutcome {
    ARC_STORED,
    ARC_SAME /* identical object was there */,
    ARC_REPLACED,
    ARC_KEPT_FIRST,
    ARC_KEPT_BOTH
} ArcOutcome;

/* "stored", "already there, identical" …: for the log and the console. */
const char *arc_outcome_text(ArcOutcome outcome);

typedef struct ArcStored {
    ArcOutcome outcome;
    char sop_class[65], sop_instance[65], series[65], study[65], patient_id[129];
    uint64_t size;
    unsigned defects; /* DcmDefect bits that were tolerated */
    bool beside;      /* its name was taken by another object (ArcLayout) */
} ArcStored;

/* Begins an object whose data set (no meta) will be written. NULL and err (no space, bad UID …) on failure. */
ArcIngest *arc_ingest_begin(Archive *archive, const ArcIncoming *incoming, Err *err);
/* A piece of the data set as it comes. On failure go on to arc_ingest_abandon (the sender's data must still be read off the wire). */
bool arc_ingest_write(ArcIngest *ingest, Span piece, Err *err);
/* Where the next piece may be received, *n bytes at most (never 0), so that arc_ingest_write need not copy it. Valid until that is called. */
uint8_t *arc_ingest_room(ArcIngest *ingest, size_t *n);
/* The last piece has come: checks, names, waits for the group commit. Consumes the ingest in every case. err->dimse is the status that is true: A700 no space, A900 mismatch,
   C000 cannot understand, 0110 otherwise. A data set that cannot be understood goes to quarantine. */
bool arc_ingest_commit(ArcIngest *ingest, ArcStored *out, Err *err);
/* The transfer broke off: nothing remains. NULL is fine. */
void arc_ingest_abandon(ArcIngest *ingest);
/* A whole Part 10 file, copied in (its meta is made anew, the data set kept byte for byte). */
bool arc_ingest_file(Archive *archive, const char *path, const char *source_ae, ArcStored *out, Err *err);
/* The same, but the copy is the file, byte for byte, with its meta information (unless the object was there already: ARC_SAME). */
bool arc_ingest_file_as_is(Archive *archive, const char *path, ArcStored *out, Err *err);
/* Objects that wait for the committer, or for the database to be back. */
size_t arc_ingest_waiting(Archive *archive);
/* Objects that wait for the database, by what the folder for temporary files says: without opening the archive. */
size_t arc_waiting_in(const char *temp_path);

/* -- query -- */

typedef struct ArcQuery ArcQuery;

typedef enum ArcModel { ARC_PATIENT_ROOT, ARC_STUDY_ROOT, ARC_PATIENT_STUDY_ONLY } ArcModel;

typedef struct ArcAsk {
    ArcModel model;
    DcmLevel level;
    const DcmDataset *keys; /* the identifier; lives until arc_query_close */
    bool relational;        /* negotiated: keys of upper levels need no single value */
    DcmMatchOptions match;
    uint64_t limit, offset;                   /* 0 = none */
    int64_t newest;                           /* as IdxQuery's; not while the files answer */
    bool all_attributes, extended_attributes; /* as IdxQuery's */
    bool (*stopped)(void *ctx);               /* as IdxQuery's */
    void *stopped_ctx;
} ArcAsk;

/* Refuses (ERR_MISMATCH, dimse A900) what the model does not allow: unknown level for it. Missing upper unique keys and PATIENT level on Study Root are tolerated. */
ArcQuery *arc_query_open(Archive *archive, const ArcAsk *ask, Err *err);
/* As idx_next. */
bool arc_query_next(ArcQuery *query, Arena *arena, IdxRow *out, Err *err);
void arc_query_close(ArcQuery *query);

/* -- retrieve -- */

typedef struct ArcRetrieve ArcRetrieve;

/* What a C-MOVE or C-GET identifier selects: unique keys of the level and above, UID lists. ERR_MISMATCH (A900) when the key of the level is missing or is a wildcard. The selection lives in the arena. */
bool arc_selection_of_keys(Arena *arena, DcmLevel level, const DcmDataset *keys, IdxSelection *out, Err *err);

/* Asked now and then during what takes long; true ends it with ERR_CANCELLED. */
typedef struct ArcStop {
    bool (*stopped)(void *ctx);
    void *ctx;
} ArcStop;

ArcRetrieve *arc_retrieve_open(Archive *archive, const IdxSelection *selection, Err *err);
/* The same; stop may be NULL. */
ArcRetrieve *arc_retrieve_open_stoppable(Archive *archive, const IdxSelection *selection, const ArcStop *stop,
                                         Err *err);
uint64_t arc_retrieve_count(const ArcRetrieve *retrieve); /* objects selected at the start */
/* True and *out; at the end true with out->sop_instance NULL. Strings live until the next call. */
bool arc_retrieve_next(ArcRetrieve *retrieve, IdxFile *out, Err *err);
/* Has the disk read some of the objects that come after the one at hand, while that is being sent. Costs little when files are in memory anyway. */
void arc_retrieve_read_ahead(ArcRetrieve *retrieve);
/* From the first object again. */
void arc_retrieve_rewind(ArcRetrieve *retrieve);
void arc_retrieve_close(ArcRetrieve *retrieve);

/*
 * The data set of one object as a stream, in its stored transfer syntax or in another one the object can be brought to:
 * between the uncompressed four, and from what pixel/ can decode to explicit little endian (and from there to the other three).
 */
typedef struct ArcReader ArcReader;
/* transfer_syntax NULL = as stored. ERR_UNSUPPORTED (dimse 0122… A702 is the caller's matter) when it cannot be had. */
ArcReader *arc_reader_open(Archive *archive, const IdxFile *file, const char *transfer_syntax, Err *err);
/* As NetSource: up to n bytes; 0 at the end; -1 and err. */
ssize_t arc_reader_read(void *reader, uint8_t *p, size_t n, Err *err);
/* Where the data set lies in its file, when that is what the reader gives, unchanged. False: it is made while it is read. Before the first read; the descriptor
   remains the reader's. */
bool arc_reader_place(const ArcReader *reader, int *fd, uint64_t *offset, uint64_t *size);
void arc_reader_close(ArcReader *reader);
/* Can an object stored in `from` be read in `to`? */
bool arc_can_convert(const char *from, const char *to);
/* The same for a file that is not in the archive (store SCU of a folder). */
ArcReader *arc_reader_open_path(const char *path, uint64_t data_offset, const char *stored_syntax,
                                const char *transfer_syntax, Err *err);

#endif
