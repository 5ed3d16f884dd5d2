// SPDX-License-Identifier: MIT
/*
 * What one association or request did with which studies, for records of one study each: an association that stores a thousand images of a study is two
 * records, one when it begins and one when it is over. Belongs to one thread.
 */
#ifndef GANTRY_ARCHIVE_AUDIT_STUDIES_H
#define GANTRY_ARCHIVE_AUDIT_STUDIES_H

#include "archive/audit.h"

enum { AUDIT_STUDY_CLASSES = 8, AUDIT_DETAILS = 3 };

typedef struct AuditStudy {
    char study[65], patient[129];
    uint64_t objects, failed, bytes;
    struct {
        char uid[65];
        uint64_t count;
    } classes[AUDIT_STUDY_CLASSES];
    size_t class_count; /* what comes beyond is in `objects` only */
    Deadline since;
} AuditStudy;

typedef struct AuditStudies AuditStudies;

AuditStudies *audit_studies_new(void);
void audit_studies_free(AuditStudies *studies); /* NULL is fine */
/* The study's place. *fresh: it was not there. Texts may be NULL: objects of which no study is known have a place of their own. */
AuditStudy *audit_studies_find(AuditStudies *studies, const char *study, const char *patient, bool *fresh);
/* One more object. */
void audit_study_count(AuditStudy *study, const char *sop_class, uint64_t bytes, bool ok);
/* One that should be told now, because there are many or it is old, or (`all`) any; NULL when there is none. It is no longer there. Lives until the next call. */
const AuditStudy *audit_studies_take(AuditStudies *studies, bool all);

/* The things of a record about the study: patient, study, how many objects. `what` has room for two, `room` is used for the rest. */
typedef struct AuditStudyText {
    AuditDetail details[AUDIT_DETAILS];
    AuditClass classes[AUDIT_STUDY_CLASSES];
    char objects[24], failed[24], bytes[24];
} AuditStudyText;
size_t audit_study_what(const AuditStudy *study, AuditStudyText *room, AuditWhat what[2]);
/* Success, or how much of it failed. */
AuditOutcome audit_study_outcome(const AuditStudy *study);

#endif
