// SPDX-License-Identifier: MIT
#include "archive/annotation_group.h"

void annotation_group_init(AnnotationGroup *group)
{
    *group = (AnnotationGroup){.waiting = NULL};
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->changed, NULL);
}

void annotation_group_destroy(AnnotationGroup *group)
{
    pthread_mutex_destroy(&group->lock);
    pthread_cond_destroy(&group->changed);
}

/* With the lock held, which it gives back meanwhile. */
static void commit_waiting(AnnotationGroup *group, AnnotationCommit commit, void *ctx)
{
    AnnotationMember *members = group->waiting;
    group->waiting = NULL;
    group->at_work = true;
    pthread_mutex_unlock(&group->lock);
    commit(ctx, members);
    pthread_mutex_lock(&group->lock);
    group->at_work = false;
    for (AnnotationMember *m = members, *next; m; m = next) {
        next = m->next; /* a member is its thread's, which may go on as soon as it is done */
        m->done = true;
    }
    pthread_cond_broadcast(&group->changed);
}

static void join(AnnotationGroup *group, AnnotationMember *member)
{
    AnnotationMember **end = &group->waiting;
    while (*end)
        end = &(*end)->next;
    *end = member;
}

bool annotation_group_commit(AnnotationGroup *group, const IdxAnnotation *row, AnnotationCommit commit,
                             void *ctx, Err *err)
{
    AnnotationMember own = {.row = row};
    pthread_mutex_lock(&group->lock);
    join(group, &own);
    while (!own.done)
        if (group->at_work)
            pthread_cond_wait(&group->changed, &group->lock); /* as long as the index may take */
        else
            commit_waiting(group, commit, ctx);
    pthread_mutex_unlock(&group->lock);
    if (!own.ok && err)
        *err = own.err;
    return own.ok;
}
