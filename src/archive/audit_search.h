// SPDX-License-Identifier: MIT
/* What a query or the identifier of a retrieval was about: the names of its keys, never their values; but identifiers of patients and studies, where they are said. */
#ifndef GANTRY_ARCHIVE_AUDIT_SEARCH_H
#define GANTRY_ARCHIVE_AUDIT_SEARCH_H

#include "archive/audit.h"

enum { AUDIT_SEARCH_WHAT = 12 };

/* `name`: "STUDY of Study Root". `keys` may be NULL. `matches` < 0: not said. Returns how many of `what` there are; texts are in the arena. */
size_t audit_search_what(Arena *arena, const char *name, const DcmDataset *keys, int64_t matches,
                         AuditWhat what[AUDIT_SEARCH_WHAT]);

/* Patient ID of a study, as the index has it; NULL when it has none, or is away. */
const char *audit_patient_of(Archive *archive, Arena *arena, const char *study);

#endif
