// SPDX-License-Identifier: MIT
#include "index/kept_lists.h"

#include "dicom/tags.h"
#include "index/search.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64 };

static size_t slot_of(const IdxKept *kept, int64_t study)
{
    size_t i = ((uint64_t)study * 0x9E3779B97F4A7C15u) >> 20 & (kept->capacity - 1);
    while (kept->slots[i].study && kept->slots[i].study != study)
        i = (i + 1) & (kept->capacity - 1);
    return i;
}

static void grow(IdxKept *kept)
{
    IdxKept bigger = {.capacity = kept->capacity ? kept->capacity * 2 : SLOTS, .count = kept->count};
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < kept->capacity; i++)
        if (kept->slots[i].study)
            bigger.slots[slot_of(&bigger, kept->slots[i].study)] = kept->slots[i];
    free(kept->slots);
    *kept = bigger;
}

void idx_kept_clear(IdxKept *kept)
{
    for (size_t i = 0; kept->count && i < kept->capacity; i++)
        for (int kind = 0; kept->slots[i].study && kind < IDX_KEPT_KINDS; kind++)
            buf_free(&kept->slots[i].lists[kind].text);
    if (kept->count)
        memset(kept->slots, 0, kept->capacity * sizeof *kept->slots);
    kept->count = 0;
}

void idx_kept_free(IdxKept *kept)
{
    idx_kept_clear(kept);
    free(kept->slots);
    *kept = (IdxKept){0};
}

static bool read_lists(Db *db, int64_t study, IdxKeptStudy *out, Err *err)
{
    bool row = false;
    DbStatement *s =
        db_prepare(db, "SELECT modalities_in_study, sop_classes_in_study FROM study WHERE study_id = ?", err);
    if (!s)
        return false;
    db_bind_int(s, study);
    bool ok = db_step(s, &row, err);
    for (int kind = 0; ok && row && kind < IDX_KEPT_KINDS; kind++) {
        buf_append_span(&out->lists[kind].text, db_text(s, kind));
        out->lists[kind].had = out->lists[kind].text.n;
    }
    db_done(s);
    return ok;
}

IdxKeptStudy *idx_kept_study(IdxKept *kept, Db *db, int64_t study, bool made_now, Err *err)
{
    if (kept->count * 2 >= kept->capacity)
        grow(kept);
    IdxKeptStudy *slot = &kept->slots[slot_of(kept, study)];
    if (slot->study)
        return slot;
    IdxKeptStudy fresh = {.study = study, .made_now = made_now};
    for (int kind = 0; kind < IDX_KEPT_KINDS; kind++)
        buf_init(&fresh.lists[kind].text, 0);
    if (!made_now && !read_lists(db, study, &fresh, err))
        return NULL;
    *slot = fresh;
    kept->count++;
    return slot;
}

const IdxKeptStudy *idx_kept_find(const IdxKept *kept, int64_t study)
{
    const IdxKeptStudy *slot = kept->count ? &kept->slots[slot_of(kept, study)] : NULL;
    return slot && slot->study ? slot : NULL;
}

static bool has_value(Span list, Span value)
{
    Span one;
    bool more = list.n > 0, there = false;
    while (!there && more && span_split(&list, '\\', &one, &more))
        there = span_eq(one, value);
    return there;
}

bool idx_list_add(Buf *list, Span values)
{
    Span one;
    bool more = true, fits = true;
    while (span_split(&values, '\\', &one, &more)) {
        one = span_trim(one);
        if (!one.n || has_value(buf_span(list), one))
            continue;
        if (one.n > IDX_LIST_VALUE_MAX || memchr(one.p, 0, one.n) || list->n + one.n > IDX_LIST_TEXT_MAX) {
            fits = false;
            continue;
        }
        if (list->n)
            buf_u8(list, '\\');
        buf_append_span(list, one);
    }
    return fits;
}

void idx_kept_add(IdxKeptStudy *study, IdxKeptKind kind, Span values)
{
    IdxKeptList *list = &study->lists[kind];
    list->lacks |= !idx_list_add(&list->text, values);
}

bool idx_kept_changed(const IdxKeptStudy *study, IdxKeptKind kind)
{
    return study->lists[kind].text.n > study->lists[kind].had;
}

static bool write_terms(const IdxKeptStudy *study, Db *db, Err *err)
{
    static const DcmTag tags[] = {DCM_ModalitiesInStudy, DCM_SOPClassesInStudy};
    bool ok = true;
    for (int kind = 0; ok && kind < IDX_KEPT_KINDS; kind++) {
        const IdxKeptList *list = &study->lists[kind];
        Span added = span_sub(buf_span(&list->text), list->had, list->text.n);
        if (added.n || list->lacks)
            ok = (study->made_now ? idx_list_terms_gather : idx_list_terms_write)(
                db, tags[kind], added, !list->lacks, study->study, err);
    }
    return ok;
}

bool idx_kept_write_terms(const IdxKept *kept, Db *db, Err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && kept->count && i < kept->capacity; i++)
        if (kept->slots[i].study)
            ok = write_terms(&kept->slots[i], db, err);
    return ok;
}
