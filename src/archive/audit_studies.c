// SPDX-License-Identifier: MIT
#include "archive/audit_studies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STUDIES = 32, OLD_MS = 10 * 60 * 1000 };

struct AuditStudies {
    AuditStudy items[STUDIES];
    size_t count, last; /* last: the one that was found last */
    AuditStudy taken;
};

AuditStudies *audit_studies_new(void)
{
    AuditStudies *studies = calloc(1, sizeof *studies);
    if (!studies)
        abort();
    return studies;
}

void audit_studies_free(AuditStudies *studies)
{
    free(studies);
}

AuditStudy *audit_studies_find(AuditStudies *s, const char *study, const char *patient, bool *fresh)
{
    char uid[65];
    span_copy(span_cstr(study), uid, sizeof uid);
    *fresh = false;
    for (size_t i = 0; i < s->count; i++) {
        size_t at = (s->last + i) % s->count;
        if (!strcmp(s->items[at].study, uid)) {
            s->last = at;
            return &s->items[at];
        }
    }
    if (s->count == STUDIES) /* whoever does not take in time loses nothing but the difference */
        return &s->items[s->last];
    *fresh = true;
    s->last = s->count;
    AuditStudy *new = &s->items[s->count++];
    *new = (AuditStudy){.since = deadline_in(0)};
    memcpy(new->study, uid, sizeof uid);
    span_copy(span_cstr(patient), new->patient, sizeof new->patient);
    return new;
}

void audit_study_count(AuditStudy *study, const char *sop_class, uint64_t bytes, bool ok)
{
    if (!ok) {
        study->failed++;
        return;
    }
    study->objects++;
    study->bytes += bytes;
    size_t i = 0;
    while (i < study->class_count && strcmp(study->classes[i].uid, sop_class) != 0)
        i++;
    if (i == AUDIT_STUDY_CLASSES)
        return;
    if (i == study->class_count) {
        span_copy(span_cstr(sop_class), study->classes[i].uid, sizeof study->classes[i].uid);
        study->class_count++;
    }
    study->classes[i].count++;
}

const AuditStudy *audit_studies_take(AuditStudies *s, bool all)
{
    for (size_t i = 0; i < s->count; i++) {
        bool old = deadline_passed(s->items[i].since + OLD_MS),
             crowded = s->count >= STUDIES - 1 && i != s->last;
        if (!all && !old && !crowded)
            continue;
        s->taken = s->items[i];
        s->items[i] = s->items[--s->count];
        s->last = 0;
        return &s->taken;
    }
    return NULL;
}

AuditOutcome audit_study_outcome(const AuditStudy *study)
{
    return !study->failed ? AUDIT_SUCCESS : study->objects ? AUDIT_MINOR_FAILURE : AUDIT_SERIOUS_FAILURE;
}

size_t audit_study_what(const AuditStudy *study, AuditStudyText *room, AuditWhat what[2])
{
    size_t n = 0, details = 0;
    snprintf(room->objects, sizeof room->objects, "%" PRIu64, study->objects);
    snprintf(room->failed, sizeof room->failed, "%" PRIu64, study->failed);
    snprintf(room->bytes, sizeof room->bytes, "%" PRIu64, study->bytes);
    room->details[details++] = (AuditDetail){"Instances", room->objects};
    if (study->failed)
        room->details[details++] = (AuditDetail){"Failed", room->failed};
    if (study->bytes)
        room->details[details++] = (AuditDetail){"Bytes", room->bytes};
    for (size_t i = 0; i < study->class_count; i++)
        room->classes[i] = (AuditClass){study->classes[i].uid, study->classes[i].count};
    what[n++] = (AuditWhat){.thing = *study->study ? AUDIT_STUDY : AUDIT_FILE,
                            .id = *study->study ? study->study : "objects of no study",
                            .details = room->details,
                            .detail_count = details,
                            .classes = room->classes,
                            .class_count = study->class_count};
    if (*study->patient)
        what[n++] = (AuditWhat){.thing = AUDIT_PATIENT, .id = study->patient};
    return n;
}
