// SPDX-License-Identifier: MIT
/*
 * A query on the files themselves (filescan.h), batch by batch. A batch has whole patients, so its rows and counters are those of the index; answers
 * come as the patients do, in the index's order within a batch. Objects that lie where the layout would not put them could bring a
 * patient or study up twice: what was answered is remembered by a hash of its unique keys.
 */
#include "archive/archive_internal.h"

#include "dicom/tags.h"
#include "dicom/value.h"
#include "index/attributes.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { ANSWERS_MAX = 1 << 20, FIRST_SLOTS = 1024 };

typedef struct Answered {
    XXH128_hash_t *slots; /* open addressing; zero = free */
    size_t count, capacity;
} Answered;

struct FileQuery {
    Archive *archive;
    Arena *arena;
    ArcFileScan *scan;
    IdxQuery query;
    IdxCursor *cursor; /* of the batch at hand */
    uint64_t limit, offset, skipped, given;
    Answered answered;
    bool ended;
};

/* -- which folders -- */

static void split_values(Arena *arena, const char *text, const char *const **out, size_t *count)
{
    size_t n = 1;
    for (const char *p = text; *p; p++)
        n += *p == '\\';
    const char **values = arena_alloc(arena, n * sizeof *values);
    Span rest = span_cstr(text), value;
    bool more = true;
    *count = 0;
    while (*count < n && span_split(&rest, '\\', &value, &more))
        if (span_trim(value).n)
            values[(*count)++] = arena_span_cstr(arena, span_trim(value));
    *out = values;
}

/* The values that a unique key allows; none where it allows any, or what it allows is no list of values. */
static void allowed(Arena *arena, const ArcAsk *ask, DcmLevel level, const char *const **out, size_t *count)
{
    const DcmElement *key = dcm_find(ask->keys, dcm_level_unique_key(level));
    *count = 0;
    if (level > ask->level || !key || dcm_match_is_universal(ask->keys, key))
        return;
    const char *text = dcm_element_text_all(arena, ask->keys, key);
    bool patient = level == DCM_LEVEL_PATIENT;
    if (!text || (patient && (ask->match.fold_text || strpbrk(text, "*?"))))
        return;
    split_values(arena, text, out, count);
}

static IdxSelection folders_of(Arena *arena, const ArcAsk *ask)
{
    IdxSelection out = {.everything = true};
    allowed(arena, ask, DCM_LEVEL_PATIENT, &out.patient_ids, &out.patient_count);
    allowed(arena, ask, DCM_LEVEL_STUDY, &out.studies, &out.study_count);
    allowed(arena, ask, DCM_LEVEL_SERIES, &out.series, &out.series_count);
    return out;
}

/* -- what was answered -- */

static size_t slot_of(const Answered *a, XXH128_hash_t hash)
{
    size_t i = hash.low64 & (a->capacity - 1);
    while ((a->slots[i].low64 || a->slots[i].high64) && !XXH128_isEqual(a->slots[i], hash))
        i = (i + 1) & (a->capacity - 1);
    return i;
}

static void grow(Answered *a)
{
    Answered bigger = {.capacity = a->capacity ? 2 * a->capacity : FIRST_SLOTS, .count = a->count};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < a->capacity; i++)
        if (a->slots[i].low64 || a->slots[i].high64)
            bigger.slots[slot_of(&bigger, a->slots[i])] = a->slots[i];
    free(a->slots);
    *a = bigger;
}

/* An instance is known by its UID alone; the others by their place as well. */
static XXH128_hash_t hash_of(const IdxRow *row, DcmLevel level, Arena *arena)
{
    XXH128_hash_t hash = {1, 1};
    for (int l = level == DCM_LEVEL_IMAGE ? level : 0; l <= (int)level; l++) {
        const char *key = dcm_text_all(arena, row->attributes, dcm_level_unique_key((DcmLevel)l));
        key = key ? key : "";
        hash = XXH3_128bits_withSeed(key, strlen(key), hash.low64 ^ hash.high64);
    }
    return hash;
}

static bool is_new(FileQuery *q, const IdxRow *row, Arena *arena, bool *out, Err *err)
{
    Answered *a = &q->answered;
    if (2 * a->count >= a->capacity)
        grow(a);
    XXH128_hash_t hash = hash_of(row, q->query.level, arena);
    size_t i = slot_of(a, hash);
    *out = !a->slots[i].low64 && !a->slots[i].high64;
    a->slots[i] = hash;
    a->count += *out;
    return a->count <= ANSWERS_MAX ||
           err_set(err, ERR_LIMIT, "the files have more than %d answers to this query; narrow it",
                   ANSWERS_MAX);
}

/* -- the calls -- */

FileQuery *filequery_open(Archive *archive, const ArcAsk *ask, Err *err)
{
    Arena *arena = arena_new(0);
    ArcFileWish wish = {.only = folders_of(arena, ask),
                        .whole_patients = true,
                        .stopped = ask->stopped,
                        .stopped_ctx = ask->stopped_ctx};
    ArcFileScan *scan = archive_scan_files(archive, &wish, err);
    if (!scan) {
        arena_free(arena);
        return NULL;
    }
    FileQuery *q = calloc(1, sizeof *q);
    if (!q)
        abort();
    *q = (FileQuery){.archive = archive,
                     .arena = arena,
                     .scan = scan,
                     .query = archive_query_of(ask),
                     .limit = ask->limit,
                     .offset = ask->offset};
    q->query.limit = q->query.offset = 0; /* counted over all batches */
    return q;
}

/* Brings the cursor to a batch, if there is one more. */
static bool next_batch(FileQuery *q, Err *err)
{
    Index *index;
    idx_cursor_free(q->cursor);
    q->cursor = NULL;
    if (!arc_filescan_next(q->scan, &index, err))
        return false;
    q->ended = !index;
    if (index)
        q->cursor = idx_query(index, &q->query, err);
    return !index || q->cursor;
}

static bool next_row(FileQuery *q, Arena *arena, IdxRow *out, Err *err)
{
    *out = (IdxRow){0};
    while (!q->ended) {
        if (q->cursor && !idx_next(q->cursor, arena, out, err))
            return false;
        if (out->attributes)
            return true;
        if (!next_batch(q, err))
            return false;
    }
    return true;
}

bool filequery_next(FileQuery *q, Arena *arena, IdxRow *out, Err *err)
{
    *out = (IdxRow){0};
    while (!q->limit || q->given < q->limit) {
        bool new = false;
        if (!next_row(q, arena, out, err))
            return false;
        if (!out->attributes)
            return true;
        if (!is_new(q, out, arena, &new, err))
            return false;
        if (new && q->skipped++ >= q->offset) {
            q->given++;
            return true;
        }
        *out = (IdxRow){0};
    }
    return true;
}

void filequery_close(FileQuery *q)
{
    if (!q)
        return;
    uint64_t unreadable = arc_filescan_unreadable(q->scan);
    if (unreadable)
        archive_notice(q->archive, LOG_WARNING, "%llu files or folders could not be read for a query",
                       (unsigned long long)unreadable);
    idx_cursor_free(q->cursor);
    arc_filescan_close(q->scan);
    free(q->answered.slots);
    arena_free(q->arena);
    free(q);
}
