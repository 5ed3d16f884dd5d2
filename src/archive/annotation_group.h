// SPDX-License-Identifier: MIT
/*
 * Who stores annotations at the same time shares what costs the most: one sync of the folder, one transaction. Whoever finds nobody at work commits for all who wait by
 * then, himself among them; those who come meanwhile are the next group.
 */
#ifndef GANTRY_ARCHIVE_ANNOTATION_GROUP_H
#define GANTRY_ARCHIVE_ANNOTATION_GROUP_H

#include "index/annotations.h"

#include <pthread.h>

typedef struct AnnotationMember {
    const IdxAnnotation *row;
    bool ok;
    Err err;
    bool done; /* the group's own */
    struct AnnotationMember *next;
} AnnotationMember;

typedef struct AnnotationGroup {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    AnnotationMember *waiting; /* on the stacks of those who wait */
    bool at_work;
} AnnotationGroup;

void annotation_group_init(AnnotationGroup *group);
void annotation_group_destroy(AnnotationGroup *group);
/* `commit` says of each member of the list how it went, in one thread at a time. Returns what it says of this row. */
typedef void (*AnnotationCommit)(void *ctx, AnnotationMember *members);
bool annotation_group_commit(AnnotationGroup *group, const IdxAnnotation *row, AnnotationCommit commit,
                             void *ctx, Err *err);

#endif
