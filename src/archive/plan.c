// SPDX-License-Identifier: MIT
/*
 * What is to be done with an object, by what the index shows under its UID: nothing, when it is there; by the policy for duplicates, when that is
 * something else. While the database is away the file under the object's name takes the index's place, as far as it reaches: the committer
 * finds it when it publishes, and asks again.
 */
#include "archive/verify_internal.h"

#include <string.h>
#include <sys/stat.h>

enum { LOOK_EARLY = 64 };

bool job_file_is_there(const IdxFile *file)
{
    struct stat st;
    return stat(file->path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size;
}

bool job_same_content(const IdxFile *a, const IdxFile *b)
{
    return memcmp(a->content, b->content, sizeof a->content) == 0 &&
           strcmp(a->transfer_syntax, b->transfer_syntax) == 0;
}

static bool is_another_size(const IdxFile *file)
{
    struct stat st;
    return stat(file->path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size != file->size;
}

/* Did somebody write to the file since it was stored? */
static bool is_touched(const IdxFile *file)
{
    struct stat st;
    return stat(file->path, &st) == 0 && adoption_is_younger(file, &st);
}

static void distrust(Archive *archive, Job *job, const IdxFile *found, const char *why)
{
    if (!job->distrusted)
        archive_notice(
            archive, LOG_WARNING,
            "the file of object %s is damaged, and is replaced by the same object, which came again: %s",
            found->sop_instance, why);
    job->distrusted = true;
}

/* Who sends an object again may be about to delete the last sound copy. A file that was written to is read, therefore. */
static bool is_sound(Archive *archive, Job *job, const IdxFile *found)
{
    static const atomic_bool never;
    Checked seen = {0};
    Pace any = {.bytes_per_second = 0};
    if (!is_touched(found))
        return true;
    check_file(found, &any, &never, &seen);
    job->distrusted = false;
    if (seen.what != ARC_SOUND)
        distrust(archive, job, found, seen.why.text);
    return !job->distrusted;
}

/* An object comes again seldom, but where one does, its whole study does. To ask for each object costs a twentieth of storing it, when it is small: after each commit
   every reader of SQLite reads its pages anew. */
static void has_come_again(Archive *archive)
{
    atomic_store(&archive->look_early, LOOK_EARLY);
}

bool jobs_come_again(const Archive *archive)
{
    return atomic_load(&archive->look_early) > 0;
}

/* Is the file under the variant's name what the name says? */
static bool variant_is_sound(Job *job, Err *why)
{
    static const atomic_bool never;
    Pace any = {.bytes_per_second = 0};
    Checked seen = {.what = ARC_DAMAGED};
    Inspector inspector;
    IdxFile there = {0};
    bool is_object = inspect_head(&inspector, job->arena, job->file.path, 0, &there, why);
    if (is_object && strcmp(there.sop_instance, job->file.sop_instance) == 0 &&
        strcmp(there.transfer_syntax, job->file.transfer_syntax) == 0) {
        memcpy(there.content, job->file.content, sizeof there.content);
        check_file(&there, &any, &never, &seen);
        *why = seen.why;
    } else if (is_object) {
        err_set(why, ERR_MISMATCH, "it says that it is another object");
    }
    inspector_end(&inspector);
    return seen.what == ARC_SOUND;
}

/* No row says when a variant was stored: its file is read, therefore, whatever its time. Whoever gave it the name may have died before that was durable. */
static bool variant_is_there(Archive *archive, Job *job)
{
    Err err;
    job->spoilt = !variant_is_sound(job, &err);
    if (!job->spoilt)
        return store_make_durable(archive->store, &job->variant, 1, &err);
    archive_notice(archive, LOG_WARNING,
                   "the second file of object %s is damaged, and is replaced by the same object, which came "
                   "again: %s",
                   job->file.sop_instance, err.text);
    return false;
}

bool job_is_same(Archive *archive, Job *job)
{
    IdxFile found;
    Err err;
    if (job->doubted && job->variant)
        return variant_is_there(archive, job);
    bool worth_it = job->doubted || jobs_come_again(archive);
    if (!worth_it || spool_is_away(archive->spool, NULL))
        return false;
    if (idx_instance(archive->index, job->arena, job->file.sop_instance, &found, &err)) {
        has_come_again(archive);
        job->older_us = found.end_us;
        return job_same_content(&found, &job->file) && job_file_is_there(&found) &&
               is_sound(archive, job, &found);
    }
    atomic_fetch_sub(&archive->look_early, 1);
    spool_takes(archive->spool, &err); /* the committer need not find out by itself */
    return false;
}

void job_settle(Job *job, ArcOutcome outcome)
{
    job->plan = PLAN_NONE;
    job->ok = true;
    job->outcome = outcome;
}

void job_fail(Job *job, const Err *err)
{
    job->plan = PLAN_NONE;
    job->ok = false;
    job->err = *err;
}

void job_must_wait(Job *job)
{
    job->waits = job->name;
    job->obsolete = NULL; /* the index still shows it */
    job->note.number = 0;
}

/* The file of another row goes when this object has its own. */
static void make_obsolete(Job *job, const IdxFile *found)
{
    job->obsolete = found->path;
    job->note = (IdxReplaced){.sop_instance = job->file.sop_instance,
                              .path = found->path,
                              .size = found->size,
                              .end_us = found->end_us};
}

void job_leave_to_sender(Job *job)
{
    Err err;
    err_set(&err, ERR_MISMATCH,
            "the file that the archive has of object %s could not be looked at; send the object again",
            job->file.sop_instance);
    job_fail(job, &err);
    job->doubted = true;
}

/* What the index has under the job's UID. */
static bool look_up(Archive *archive, const Job *job, IdxFile *found, Err *err)
{
    if (!job->looked)
        return idx_instance(archive->index, job->arena, job->file.sop_instance, found, err);
    if (!job->seen)
        return err_set(err, ERR_NOT_FOUND, "index: no instance %s", job->file.sop_instance);
    *found = *job->seen;
    found->path = arena_strdup(job->arena, found->path); /* the only text of it that is kept */
    return true;
}

static bool is_own_path(Archive *archive, const Job *job, const char *path)
{
    const char *name = store_name(archive->store, path);
    return name && strcmp(name, job->name) == 0;
}

bool job_name_is_taken(Archive *archive, const Job *job, const char *path)
{
    if (!archive_names_are_foreign(archive))
        return false;
    Arena *arena = arena_new(0);
    Inspector inspector;
    IdxFile there = {0};
    Err why;
    bool taken = inspect_head(&inspector, arena, path, 0, &there, &why)
                     ? strcmp(there.sop_instance, job->file.sop_instance) != 0
                     : why.code == ERR_IO;
    inspector_end(&inspector);
    arena_free(arena);
    return taken;
}

static void plan_other_content(Archive *archive, Job *job, const IdxFile *found)
{
    switch (archive->settings.duplicates) {
    case ARC_KEEP_FIRST:
        job_settle(job, ARC_KEPT_FIRST);
        break;
    case ARC_KEEP_BOTH:
        job->plan = PLAN_VARIANT;
        job->outcome = ARC_KEPT_BOTH;
        job->variant = layout_variant(job->arena, job->name, job->file.content);
        break;
    case ARC_REPLACE:
        job->plan = PLAN_PUBLISH;
        job->outcome = ARC_REPLACED;
        if (found && !is_own_path(archive, job, found->path))
            make_obsolete(job, found);
        break;
    }
}

/* Without the index. What lies under the name may be in no index either, so that its name is noted, too. */
static void plan_unseen(Archive *archive, Job *job)
{
    job_must_wait(job);
    if (job->over == OVER_SAME) {
        job_settle(job, ARC_SAME);
    } else if (job->over == OVER_OTHER) {
        plan_other_content(archive, job, NULL);
    } else {
        job->plan = PLAN_PUBLISH;
        job->outcome = ARC_STORED;
    }
}

/* What lies there goes to the quarantine. Beside a new name it would stay, and a new index could prefer it. */
static void take_place_of(Archive *archive, Job *job, const IdxFile *damaged)
{
    const char *name = store_name(archive->store, damaged->path);
    job->older_us = damaged->end_us;
    if (!name || job_name_is_taken(archive, job, damaged->path))
        return;
    job->name = name;
    job->over = OVER_JUNK;
}

static void plan_ingest(Archive *archive, Job *job)
{
    IdxFile found;
    Err err;
    if (job->over == OVER_OTHER)
        job->over = OVER_NOTHING; /* the index can be asked again */
    job->known = look_up(archive, job, &found, &err);
    if (!job->known) {
        if (err.code != ERR_NOT_FOUND) {
            if (spool_takes(archive->spool, &err))
                plan_unseen(archive, job);
            else
                job_fail(job, &err);
            return;
        }
    } else if (job_file_is_there(&found)) {
        has_come_again(archive);
        job->older_us = found.end_us;
        if (!job_same_content(&found, &job->file)) {
            plan_other_content(archive, job, &found);
            return;
        }
        bool touched = is_touched(&found);
        if (touched && !job->distrusted) {
            job_leave_to_sender(job);
            return;
        }
        if (!touched) {
            job_settle(job, ARC_SAME);
            return;
        }
        take_place_of(archive, job, &found);
    } else if (job_same_content(&found, &job->file) && is_another_size(&found)) {
        distrust(archive, job, &found, "it has another size");
        take_place_of(archive, job, &found);
    }
    job->plan = PLAN_PUBLISH;
    job->outcome = ARC_STORED;
}

/* Is it still the file that was read? */
static bool is_as_read(const IdxFile *file)
{
    struct stat st;
    return stat(file->path, &st) == 0 && (uint64_t)st.st_size == file->size &&
           (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000 == file->end_us;
}

/* It has the name that the archive gives it, and the power, or its process, went before it had the row: what it was to replace lies elsewhere, and is older. */
static bool takes_over(Archive *archive, Job *job, const IdxFile *found)
{
    const char *name = job->takes_over && archive->settings.duplicates == ARC_REPLACE &&
                               found->end_us < job->file.end_us && strcmp(found->path, job->file.path) != 0 &&
                               store_name(archive->store, found->path)
                           ? archive_name(archive, job->arena, &job->file, job->head, NULL)
                           : NULL;
    return name && strcmp(name, job->name) == 0;
}

/* Another copy that the index knows and that is there counts; this one then stays as it is. So does a file that took the place of the one that was read: whoever put it there
   accounts for it. */
static void plan_adoption(Archive *archive, Job *job)
{
    IdxFile found;
    Err err;
    bool known = job->known = look_up(archive, job, &found, &err);
    if (!known && err.code != ERR_NOT_FOUND)
        job_fail(job, &err);
    else if (known && is_as_read(&job->file) && job_file_is_there(&found) &&
             takes_over(archive, job, &found)) {
        job->plan = PLAN_INDEX;
        job->outcome = ARC_REPLACED;
        make_obsolete(job, &found);
    } else if (!is_as_read(&job->file) || (known && job_file_is_there(&found) &&
                                           (strcmp(found.path, job->file.path) != 0 ||
                                            (!job->again && job_same_content(&found, &job->file)))))
        job_settle(job, ARC_SAME);
    else {
        job->plan = PLAN_INDEX;
        job->outcome = ARC_STORED;
    }
}

/* Other content of its UID lies elsewhere, and both were acknowledged. Replacing goes by time, whichever came into the index first. */
static void plan_waited_elsewhere(Archive *archive, Job *job, const IdxFile *found)
{
    if (archive->settings.duplicates != ARC_REPLACE) {
        job_settle(job, ARC_KEPT_BOTH);
    } else if (found->end_us > job->file.end_us) {
        job_settle(job, ARC_REPLACED);
        job->obsolete = job->file.path;
    } else {
        job->plan = PLAN_INDEX;
        job->outcome = ARC_REPLACED;
        make_obsolete(job, found);
    }
}

static void plan_waited(Archive *archive, Job *job)
{
    IdxFile found;
    Err err;
    bool known = job->known = look_up(archive, job, &found, &err);
    bool counts = known && job_file_is_there(&found);
    if (!known && err.code != ERR_NOT_FOUND) {
        job_fail(job, &err);
    } else if (!is_as_read(&job->file) || (counts && job_same_content(&found, &job->file))) {
        job_settle(job, ARC_SAME);
    } else if (counts && strcmp(found.path, job->file.path) != 0) {
        plan_waited_elsewhere(archive, job, &found);
    } else {
        job->plan = PLAN_INDEX;
        job->outcome = ARC_STORED;
    }
}

/* Only what was put into the trash may go. */
static void plan_removal(Archive *archive, Job *job)
{
    IdxFile found;
    Err err;
    bool known = job->known = look_up(archive, job, &found, &err);
    if (!known && err.code != ERR_NOT_FOUND) {
        job_fail(job, &err);
    } else if (!known || (job->if_gone && job_file_is_there(&found))) {
        job_settle(job, ARC_SAME);
    } else if (strcmp(found.path, job->file.path) != 0 || !job_same_content(&found, &job->file)) {
        err_set(&err, ERR_MISMATCH, "the object came again with other content meanwhile; it stays");
        job_fail(job, &err);
    } else {
        job->plan = PLAN_REMOVE;
        job->outcome = job->if_gone ? ARC_STORED : ARC_SAME;
    }
}

void plan_job(Archive *archive, Job *job)
{
    Err why;
    bool away = spool_is_away(archive->spool, &why);
    job->waits = NULL;
    job->obsolete = NULL;
    job->variant = NULL;
    job->known = false;
    if (away && job->kind != JOB_INGEST) {
        job_fail(job, &why);
        return;
    }
    switch (job->kind) {
    case JOB_INGEST:
        if (away)
            plan_unseen(archive, job);
        else
            plan_ingest(archive, job);
        break;
    case JOB_ADOPT:
        plan_adoption(archive, job);
        break;
    case JOB_WAITED:
        plan_waited(archive, job);
        break;
    case JOB_REMOVE:
        plan_removal(archive, job);
        break;
    }
    if (job->plan == PLAN_NONE && !job->ok)
        spool_takes(archive->spool, &job->err);
}
