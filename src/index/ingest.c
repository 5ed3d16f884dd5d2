// SPDX-License-Identifier: MIT
/*
 * Objects into rows. A put looks its instance up, then patient, study and series from the top, each by its place under the one above;
 * the parents touched lately are remembered, so that the next object of a series costs one look-up and one row.
 *
 * What the parents say: a new object fills what a study or series does not say yet; an object that is sent again
 * replaces what it says otherwise; a patient's row follows the object that came last. Empty values replace nothing.
 */
#include "index/filled.h"
#include "index/internal.h"
#include "index/nested.h"
#include "index/object_row.h"
#include "index/row.h"
#include "index/schema.h"
#include "index/search.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <string.h>
#include <xxhash.h>

enum { PUT_DELTAS = 8 };

typedef struct Put {
    Index *index;
    IdxObject o;
    Span modality; /* of a series that is new, for the study's list */
    bool resent;
    bool is_new[DCM_LEVEL_IMAGE]; /* made by this put: nothing is below it yet */
    IdxDelta deltas[PUT_DELTAS], totals;
    size_t delta_count;
} Put;

static void change(Put *p, IdxDelta delta)
{
    p->deltas[p->delta_count++] = delta;
}

/* -- parents remembered -- */

static void forget_parents(Index *index)
{
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        memset(index->parents[level], 0, IDX_CACHE_ENTRIES * sizeof(IdxParent));
}

/* The entry where this parent would be. */
static IdxParent *entry_of(const Index *index, DcmLevel level, int64_t above, Span key)
{
    uint64_t hash =
        XXH3_64bits_withSeed(key.p ? key.p : (const uint8_t *)"", key.n, index->seed ^ (uint64_t)above);
    return &index->parents[level][hash % IDX_CACHE_ENTRIES];
}

static IdxParent *parent_entry(const Put *p, DcmLevel level, int64_t above)
{
    return entry_of(p->index, level, above, p->o.key[level]);
}

static bool is_entry_of(const IdxParent *entry, int64_t above, Span key)
{
    return entry->id && entry->above == above && span_eq_cstr(key, entry->key);
}

int64_t idx_parent_known(const Index *index, DcmLevel level, int64_t above, Span key)
{
    const IdxParent *entry = entry_of(index, level, above, key);
    return is_entry_of(entry, above, key) ? entry->id : 0;
}

static void fingerprint(const Put *p, DcmLevel level, uint64_t out[2])
{
    Buf bytes;
    buf_init(&bytes, 0);
    idx_row_bytes(p->index->attributes, p->o.head, level, &bytes);
    XXH128_hash_t hash =
        XXH3_128bits_withSeed(bytes.p ? bytes.p : (const uint8_t *)"", bytes.n, p->index->seed);
    buf_free(&bytes);
    out[0] = hash.low64;
    out[1] = hash.high64;
}

static IdxPresent present(const IdxAttributes *set, const DcmDataset *from, DcmLevel level)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    IdxPresent out = {{0}};
    for (size_t i = 0; i < n && n <= IDX_PRESENT_MAX; i++) {
        const DcmElement *e = a[i].parents || idx_is_kept_by_ingest(&a[i]) ? NULL : dcm_find(from, a[i].tag);
        if (e && (e->value.n || e->item_count))
            out.bits[i / 64] |= UINT64_C(1) << i % 64;
    }
    return out;
}

/* Where what is there stays, an object changes a row only by what that has not. Times that differ from slice to slice then cost nothing. */
static bool adds_nothing(const Put *p, const IdxParent *known, DcmLevel level)
{
    size_t n;
    idx_attributes(p->index->attributes, level, &n);
    IdxPresent now = present(p->index->attributes, p->o.head, level);
    bool nothing = n <= IDX_PRESENT_MAX;
    for (size_t i = 0; i < IDX_PRESENT_MAX / 64; i++)
        nothing = nothing && (now.bits[i] & ~known->has.bits[i]) == 0;
    return nothing;
}

/* -- rows -- */

static DcmDataset *object_row(const Put *p, DcmLevel level)
{
    return idx_object_row(&p->o, p->index->attributes, level);
}

static bool insert_row(Put *p, DcmLevel level, const DcmDataset *row, Err *err)
{
    Db *db = p->index->writer;
    int64_t id = 0;
    if (level != DCM_LEVEL_IMAGE && !db_new_id(db, idx_tables[level].name, idx_tables[level].id, &id, err))
        return false;
    bool gathered = id || level == DCM_LEVEL_IMAGE;
    DbStatement *s = gathered ? db_gather(db, p->index->gather_sql[level], (int)level, err)
                              : db_prepare(db, p->index->insert_sql[level], err);
    if (!s)
        return false;
    if (!idx_object_bind(s, &p->o, row, level, true, err)) {
        db_done(s);
        return false;
    }
    if (id)
        db_bind_int(s, id);
    p->o.id[level] = id;
    if (!(gathered ? db_run(s, err) : db_insert(s, &p->o.id[level], err)))
        return false;
    return level == DCM_LEVEL_IMAGE || idx_terms_gather(db, row, level, p->o.id[level], err);
}

static bool update_row(Put *p, DcmLevel level, const DcmDataset *row, int64_t id, Err *err)
{
    DbStatement *s = db_prepare(p->index->writer, p->index->update_sql[level], err);
    if (!s)
        return false;
    if (!idx_object_bind(s, &p->o, row, level, false, err)) {
        db_done(s);
        return false;
    }
    db_bind_int(s, id);
    return db_run(s, err);
}

/* -- lists of the study -- */

/* SOP Class UID, once per run of objects of one class; else nothing. */
static Span class_to_list(Put *p)
{
    Span class = span_cstr(p->o.file->sop_class);
    IdxParent *study = parent_entry(p, DCM_LEVEL_STUDY, p->o.id[DCM_LEVEL_PATIENT]);
    XXH128_hash_t hash =
        XXH3_128bits_withSeed(class.p ? class.p : (const uint8_t *)"", class.n, p->index->seed);
    if (!is_entry_of(study, p->o.id[DCM_LEVEL_PATIENT], p->o.key[DCM_LEVEL_STUDY]))
        return class;
    if (study->last_class[0] == hash.low64 && study->last_class[1] == hash.high64)
        return (Span){NULL, 0};
    study->last_class[0] = hash.low64;
    study->last_class[1] = hash.high64;
    return class;
}

/* The last step of a put: what is added here stays. */
static bool add_to_lists(Put *p, Err *err)
{
    Span class = class_to_list(p);
    if (!class.n && !p->modality.n)
        return true;
    IdxKeptStudy *kept = idx_kept_study(&p->index->counters.kept, p->index->writer, p->o.id[DCM_LEVEL_STUDY],
                                        p->is_new[DCM_LEVEL_STUDY], err);
    if (!kept)
        return false;
    idx_kept_add(kept, IDX_KEPT_MODALITIES, p->modality);
    idx_kept_add(kept, IDX_KEPT_CLASSES, class);
    return true;
}

/* -- patient, study, series -- */

/* Was the row that this put has at `level` made by this transaction, and is everything below it remembered? */
static bool is_made_now(const Put *p, DcmLevel level)
{
    if ((int)level < 0)
        return false;
    int64_t above = level == DCM_LEVEL_PATIENT ? 0 : p->o.id[level - 1];
    const IdxExpectedParent *row = idx_expected_parent(&p->index->expected, level, above, p->o.key[level]);
    return row && row->made;
}

static bool find_parent(Put *p, DcmLevel level, int64_t above, int64_t *id, Err *err)
{
    static const char *const sql[] = {
        [DCM_LEVEL_PATIENT] = "SELECT patient_id FROM patient WHERE patient_uid = ?",
        [DCM_LEVEL_STUDY] = "SELECT study_id FROM study WHERE study_uid = ? AND patient_id = ?",
        [DCM_LEVEL_SERIES] = "SELECT series_id FROM series WHERE series_uid = ? AND study_id = ?"};
    const IdxExpectedParent *expected =
        idx_expected_parent(&p->index->expected, level, above, p->o.key[level]);
    if (expected || is_made_now(p, (DcmLevel)(level - 1))) {
        *id = expected ? expected->id : 0;
        return true;
    }
    DbStatement *s = db_prepare(p->index->writer, sql[level], err);
    bool found = false;
    if (!s)
        return false;
    db_bind_text(s, p->o.key[level]);
    if (level != DCM_LEVEL_PATIENT)
        db_bind_int(s, above);
    bool ok = db_step(s, &found, err);
    *id = found ? db_int(s, 0) : 0;
    db_done(s);
    return ok;
}

/* Takes over what `new` says into `old`. True when that changed anything. */
static bool merge(const IdxAttributes *set, DcmDataset *old, const DcmDataset *new, DcmLevel level,
                  bool override)
{
    size_t n;
    const IdxAttribute *a = idx_attributes(set, level, &n);
    bool changed = false;
    for (size_t i = 0; i < n; i++) {
        const DcmElement *says = dcm_find(new, a[i].tag), *had = dcm_find(old, a[i].tag);
        if (!says || a[i].parents || !(says->value.n || says->item_count))
            continue;
        bool empty = !had || !(had->value.n || had->item_count);
        if (!empty && (!override || idx_row_same(had, says)))
            continue;
        idx_copy(old, new, says);
        changed = true;
    }
    return changed;
}

/* The row of a parent that is there. */
static const DcmDataset *row_before(const Put *p, DcmLevel level, int64_t above, Err *err)
{
    IdxExpected *expected = &p->index->expected;
    const IdxExpectedParent *known = idx_expected_parent(expected, level, above, p->o.key[level]);
    if (known && known->row && known->id == p->o.id[level])
        return known->row;
    const DcmDataset *row = idx_row_load(p->index->writer, p->o.arena, level, p->o.id[level], err);
    if (row)
        idx_expected_remember(expected, level, above, p->o.key[level], p->o.id[level], row);
    return row;
}

/* *has = what the row has then. */
static bool update_parent(Put *p, DcmLevel level, bool override, IdxPresent *has, Err *err)
{
    Db *db = p->index->writer;
    int64_t id = p->o.id[level], above = level == DCM_LEVEL_PATIENT ? 0 : p->o.id[level - 1];
    const DcmDataset *before = row_before(p, level, above, err);
    if (!before)
        return false;
    DcmDataset *row = idx_row_copy(p->o.arena, before);
    bool changed = merge(p->index->attributes, row, object_row(p, level), level, override);
    *has = present(p->index->attributes, row, level);
    /* A fill: what `attributes` had before may have a column now. */
    if (!changed && !(p->resent && p->index->attributes->extended))
        return true;
    if (level == DCM_LEVEL_STUDY)
        change(p, (IdxDelta){.level = DCM_LEVEL_PATIENT, .id = p->o.id[DCM_LEVEL_PATIENT], .relist = true});
    if (level == DCM_LEVEL_SERIES)
        change(p, (IdxDelta){.level = DCM_LEVEL_STUDY, .id = p->o.id[DCM_LEVEL_STUDY], .relist = true});
    if (!idx_terms_remove(db, before, level, id, err) || !update_row(p, level, row, id, err) ||
        !idx_terms_write(db, row, level, id, err))
        return false;
    idx_expected_remember(&p->index->expected, level, above, p->o.key[level], id, row);
    return true;
}

static Span modality_of(const DcmDataset *series)
{
    const DcmElement *e = dcm_find(series, DCM_Modality);
    return e ? span_rtrim(e->value) : (Span){NULL, 0};
}

static bool insert_parent(Put *p, DcmLevel level, IdxPresent *has, Err *err)
{
    const DcmDataset *row = object_row(p, level);
    *has = present(p->index->attributes, row, level);
    if (!insert_row(p, level, row, err))
        return false;
    p->is_new[level] = true;
    idx_expected_made(&p->index->expected, level, level == DCM_LEVEL_PATIENT ? 0 : p->o.id[level - 1],
                      p->o.key[level], p->o.id[level], row);
    switch (level) {
    case DCM_LEVEL_STUDY:
        change(p, (IdxDelta){.level = DCM_LEVEL_PATIENT,
                             .id = p->o.id[DCM_LEVEL_PATIENT],
                             .studies = 1,
                             .relist = true});
        p->totals.studies++;
        break;
    case DCM_LEVEL_SERIES:
        change(p, (IdxDelta){.level = DCM_LEVEL_PATIENT, .id = p->o.id[DCM_LEVEL_PATIENT], .series = 1});
        change(p, (IdxDelta){.level = DCM_LEVEL_STUDY, .id = p->o.id[DCM_LEVEL_STUDY], .series = 1});
        p->totals.series++;
        p->modality = modality_of(row);
        break;
    case DCM_LEVEL_PATIENT:
    case DCM_LEVEL_IMAGE:
        p->totals.id++;
        break;
    }
    return true;
}

static bool put_parent(Put *p, DcmLevel level, Err *err)
{
    int64_t above = level == DCM_LEVEL_PATIENT ? 0 : p->o.id[level - 1];
    bool override = p->resent || level == DCM_LEVEL_PATIENT;
    IdxParent *entry = parent_entry(p, level, above);
    bool known = is_entry_of(entry, above, p->o.key[level]);
    if (known && !override && adds_nothing(p, entry, level)) {
        p->o.id[level] = entry->id;
        return true;
    }
    IdxPresent has;
    uint64_t print[2];
    fingerprint(p, level, print);
    if (known && entry->fingerprint[0] == print[0] && entry->fingerprint[1] == print[1] &&
        (entry->overrode || !override)) {
        p->o.id[level] = entry->id;
        return true;
    }
    if (known)
        p->o.id[level] = entry->id;
    else if (!(level > DCM_LEVEL_PATIENT && p->is_new[level - 1]) &&
             !find_parent(p, level, above, &p->o.id[level], err))
        return false;
    if (!(p->o.id[level] ? update_parent(p, level, override, &has, err) : insert_parent(p, level, &has, err)))
        return false;
    if (!known) {
        *entry = (IdxParent){.above = above, .id = p->o.id[level]};
        if (!span_copy(p->o.key[level], entry->key, sizeof entry->key))
            entry->id = 0;
    }
    memcpy(entry->fingerprint, print, sizeof print);
    entry->overrode = override;
    entry->has = has;
    return true;
}

/* -- the instance -- */

/* The same change for patient, study and series. */
static void change_parents(IdxCounters *counters, const int64_t *parents, int64_t instances, int64_t bytes,
                           bool relist)
{
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        idx_counters_add(counters, &(IdxDelta){.level = (DcmLevel)level,
                                               .id = parents[level],
                                               .instances = instances,
                                               .bytes = bytes,
                                               .relist = relist && level == DCM_LEVEL_STUDY});
    counters->totals.instances += instances;
    counters->totals.bytes += bytes;
}

static bool delete_instance(Db *db, int64_t id, Err *err)
{
    DbStatement *s = db_prepare(
        db, "DELETE FROM file_storage_metadata_dicom WHERE file_storage_metadata_dicom_id = ?", err);
    if (!s)
        return false;
    db_bind_int(s, id);
    return db_run(s, err);
}

static bool put_rows(Put *p, const IdxExisting *old, Err *err)
{
    for (int level = 0; level < DCM_LEVEL_IMAGE; level++)
        if (!put_parent(p, (DcmLevel)level, err))
            return false;
    const DcmDataset *row = object_row(p, DCM_LEVEL_IMAGE);
    bool in_place = old->id && old->parents[DCM_LEVEL_SERIES] == p->o.id[DCM_LEVEL_SERIES];
    if (in_place && !update_row(p, DCM_LEVEL_IMAGE, row, old->id, err))
        return false;
    if (old->id && !in_place && !delete_instance(p->index->writer, old->id, err))
        return false;
    if (!in_place && !insert_row(p, DCM_LEVEL_IMAGE, row, err))
        return false;
    return add_to_lists(p, err);
}

static bool same_class(const Put *p, const IdxExisting *old)
{
    return p->o.file->sop_class && span_eq_cstr(old->class, p->o.file->sop_class);
}

static void count_put(Put *p, const IdxExisting *old)
{
    IdxCounters *counters = &p->index->counters;
    bool in_place = old->id && old->parents[DCM_LEVEL_SERIES] == p->o.id[DCM_LEVEL_SERIES];
    int64_t size = (int64_t)p->o.file->size;
    for (size_t i = 0; i < p->delta_count; i++)
        idx_counters_add(counters, &p->deltas[i]);
    counters->totals.id += p->totals.id;
    counters->totals.studies += p->totals.studies;
    counters->totals.series += p->totals.series;
    if (old->id)
        change_parents(counters, old->parents, -1, -old->size, !in_place || !same_class(p, old));
    change_parents(counters, p->o.id, 1, size, false);
}

/* -- the calls -- */

/* After some errors (disk full, input or output) SQLite has undone the whole transaction on its own. Going on would store what follows
   by itself, and a commit would claim what is gone. */
bool idx_need_transaction(Index *index, Err *err)
{
    if (!index->in_transaction)
        return err_set(err, ERR_USAGE, "index: writing without idx_begin");
    if (db_in_transaction(index->writer))
        return true;
    bool says_why = db_spoilt(index->writer) && !db_commit(index->writer, err);
    idx_rollback(index);
    return !says_why &&
           err_set(err, ERR_IO, "index: %s undid the transaction after an error", db_name(index->writer));
}

bool idx_writer(Index *index, Err *err)
{
    if (!idx_ready(index, err))
        return false;
    if (!index->writer)
        index->writer = db_open(index->source, DB_WRITER, err);
    return index->writer != NULL;
}

/* A connection that broke or hangs is closed at once, so that the server ends what it has open there. */
static void drop_broken_writer(Index *index)
{
    if (index->writer && !db_alive(index->writer)) {
        db_close(index->writer);
        index->writer = NULL;
    }
}

bool idx_begin(Index *index, Err *err)
{
    if (index->in_transaction)
        return err_set(err, ERR_USAGE, "index: a transaction is open already");
    bool changed = true;
    if (!idx_writer(index, err))
        return false;
    if (!db_begin(index->writer, &changed, err)) {
        drop_broken_writer(index);
        return false;
    }
    if (changed)
        forget_parents(index);
    index->in_transaction = true;
    if (!changed || idx_filled_disown(index->writer, &index->notes_seen, err))
        return true;
    idx_rollback(index);
    return false;
}

static void end_transaction(Index *index)
{
    index->in_transaction = false;
    idx_expected_clear(&index->expected);
    idx_counters_clear(&index->counters);
    forget_parents(index);
    drop_broken_writer(index);
}

void idx_rollback(Index *index)
{
    if (!index->in_transaction)
        return;
    db_rollback(index->writer);
    end_transaction(index);
}

static bool write_counters(Index *index, Err *err)
{
    bool removed = false;
    arena_reset(index->scratch);
    bool ok = idx_counters_write(&index->counters, index->writer, idx_now(index->scratch), &removed, err);
    if (removed) {
        forget_parents(index);
        idx_expected_clear(&index->expected);
    }
    return ok;
}

bool idx_commit(Index *index, Err *err)
{
    if (!idx_need_transaction(index, err))
        return false;
    if (!db_spoilt(index->writer) && !write_counters(index, err)) {
        idx_rollback(index);
        return false;
    }
    if (!db_commit(index->writer, err)) {
        end_transaction(index);
        return false;
    }
    index->in_transaction = false;
    idx_expected_clear(&index->expected);
    return true;
}

static bool check_file(const IdxFile *f, Err *err)
{
    if (!f->sop_instance || !*f->sop_instance || !f->series || !*f->series || !f->study || !*f->study)
        return err_set(err, ERR_FORMAT, "index: an object needs Study, Series and SOP Instance UID");
    return true;
}

static bool put_object(Index *index, const IdxFile *file, const DcmDataset *head, Err *err)
{
    if (index->counters.count > IDX_COUNTERS_MAX && !write_counters(index, err))
        return false;
    arena_reset(index->scratch);
    Arena *arena = index->scratch;
    Put p = {.index = index, .o = idx_object(arena, file, head)};
    IdxExisting old;
    if (!idx_existing(&index->expected, index->writer, arena, p.o.key[DCM_LEVEL_IMAGE], &old, err))
        return false;
    p.resent = old.id != 0;
    Err why;
    if (!db_mark(index->writer, err))
        return false;
    if (put_rows(&p, &old, &why)) {
        count_put(&p, &old);
        return db_keep(index->writer, err);
    }
    db_undo(index->writer, &why);
    forget_parents(index);
    idx_expected_clear(&index->expected);
    if (err)
        *err = why;
    return false;
}

/* Where the transaction is spoilt, by whatever object, idx_commit says why. */
bool idx_put(Index *index, const IdxFile *file, const DcmDataset *head, Err *err)
{
    if (!idx_need_transaction(index, err) || !check_file(file, err))
        return false;
    return db_spoilt(index->writer) || put_object(index, file, head, err) || db_spoilt(index->writer);
}

bool idx_remove(Index *index, const char *sop_instance, Err *err)
{
    IdxExisting old;
    if (!idx_need_transaction(index, err))
        return false;
    arena_reset(index->scratch);
    if (!idx_existing(&index->expected, index->writer, index->scratch,
                      idx_key(index->scratch, span_cstr(sop_instance)), &old, err))
        return false;
    if (!old.id)
        return err_set(err, ERR_NOT_FOUND, "index: no instance %s", sop_instance);
    if (!delete_instance(index->writer, old.id, err))
        return false;
    change_parents(&index->counters, old.parents, -1, -old.size, true);
    /* The class may come again while the study's list, made anew at commit, lacks it. */
    forget_parents(index);
    return true;
}
