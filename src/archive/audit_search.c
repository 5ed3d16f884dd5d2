// SPDX-License-Identifier: MIT
#include "archive/audit_search.h"

#include "dicom/dict.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <string.h>

enum { NAMES_MAX = 480 };

/* Keys with a value, by keyword or tag. */
static const char *key_names(Arena *arena, const DcmDataset *keys)
{
    Buf names;
    buf_init(&names, 0);
    for (size_t i = 0; i < keys->count && names.n < NAMES_MAX; i++) {
        const DcmElement *e = &keys->elements[i];
        const DcmDictEntry *entry = dcm_dict(e->tag);
        if ((!e->value.n && !e->item_count) || e->tag == DCM_QueryRetrieveLevel ||
            e->tag == DCM_SpecificCharacterSet)
            continue;
        if (names.n)
            buf_append_cstr(&names, ",");
        if (entry && entry->keyword && *entry->keyword)
            buf_append_cstr(&names, entry->keyword);
        else
            buf_printf(&names, "%08X", (unsigned)e->tag);
    }
    const char *text = arena_strdup(arena, buf_cstr(&names));
    buf_free(&names);
    return text;
}

static void add_identifiers(Arena *arena, const DcmDataset *keys, DcmTag tag, AuditThing thing,
                            AuditWhat *what, size_t *n)
{
    uint32_t count = dcm_value_count(keys, tag);
    for (uint32_t i = 0; i < count && *n < AUDIT_SEARCH_WHAT; i++) {
        const char *value = dcm_text(arena, keys, tag, i);
        if (value && *value && !strpbrk(value, "*?"))
            what[(*n)++] = (AuditWhat){.thing = thing, .id = value};
    }
}

size_t audit_search_what(Arena *arena, const char *name, const DcmDataset *keys, int64_t matches,
                         AuditWhat what[AUDIT_SEARCH_WHAT])
{
    size_t n = 1, details = 0;
    AuditDetail *detail = arena_alloc(arena, 2 * sizeof *detail);
    if (keys)
        detail[details++] = (AuditDetail){"Keys", key_names(arena, keys)};
    if (matches >= 0)
        detail[details++] = (AuditDetail){"Matches", arena_printf(arena, "%" PRId64, matches)};
    what[0] = (AuditWhat){.thing = AUDIT_SEARCH, .id = name, .details = detail, .detail_count = details};
    if (keys) {
        add_identifiers(arena, keys, DCM_PatientID, AUDIT_PATIENT, what, &n);
        add_identifiers(arena, keys, DCM_StudyInstanceUID, AUDIT_STUDY, what, &n);
    }
    return n;
}

const char *audit_patient_of(Archive *archive, Arena *arena, const char *study)
{
    const char *patient = NULL;
    DcmDataset *keys = dcm_dataset_new(arena);
    IdxRow row;
    if (strpbrk(study, "*?\\") || arc_index_is_away(archive, NULL))
        return NULL;
    dcm_put_utf8(keys, DCM_StudyInstanceUID, study);
    dcm_put_utf8(keys, DCM_PatientID, "");
    ArcQuery *query = arc_query_open(
        archive,
        &(ArcAsk){
            .model = ARC_STUDY_ROOT, .level = DCM_LEVEL_STUDY, .keys = keys, .relational = true, .limit = 1},
        NULL);
    if (query && arc_query_next(query, arena, &row, NULL) && row.attributes)
        patient = dcm_text(arena, row.attributes, DCM_PatientID, 0);
    if (query)
        arc_query_close(query);
    return patient && *patient ? patient : NULL;
}
