// SPDX-License-Identifier: MIT
/*
 * Opening a BASEMOUNT. The database is made under a lock (LOG/gantry.lock), so that of many processes that come first one makes it; one that is
 * there with the px tables of our version needs no lock. Temporary files lie in DATA/.tmp_data, the one place that is sure to be on the file system of the
 * packed tree.
 */
#include "px/base_internal.h"
#include "px/tree.h"

#include "base/clock.h"
#include "base/file.h"
#include "px/legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    BUSY_MS = 30000,
    SERVER_BUSY_MS = 5000,
    LOCK_WAIT_MS = 30000,
    LOCK_STEP_MS = 5,
    ADOPTION_WAIT_MS = 30000
};

static const char *in_folder(PxBase *base, const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    const char *out = arena_strdup(base->strings, path);
    free(path);
    return out;
}

/* An absolute path without links, as far as the folders are there. */
static const char *resolved(PxBase *base, const char *path)
{
    char *real = realpath(path, NULL);
    char *joined = real ? NULL : realpath(".", NULL);
    const char *out = real ? arena_strdup(base->strings, real) : in_folder(base, joined ? joined : "/", path);
    free(real);
    free(joined);
    return out;
}

/* "data" beside the folder of the database. */
static const char *usual_data_path(PxBase *base)
{
    const char *log = base->settings.log_path;
    const char *slash = strrchr(log, '/');
    return arena_printf(base->strings, "%.*s/data", slash ? (int)(slash - log) : 0, log);
}

static IdxSettings index_settings(const PxBase *base)
{
    return (IdxSettings){.sqlite_path = base->path, .busy_timeout_ms = BUSY_MS, .readers = 1};
}

/* A sender does not wait long. */
static int busy_ms(const PxBase *base)
{
    return base->settings.serves ? SERVER_BUSY_MS : BUSY_MS;
}

/* -- making the database -- */

static bool lock_folder(const PxBase *base, int *lock, Err *err)
{
    char *path = file_join(base->settings.log_path, "gantry.lock");
    Deadline deadline = deadline_in(LOCK_WAIT_MS);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool ok = *lock >= 0 || err_errno(err, errno, "cannot create %s", path);
    while (ok && flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            ok = err_errno(err, errno, "cannot lock %s", path);
        else if (deadline_passed(deadline))
            ok = err_set(err, ERR_TIMEOUT, "another program has been making %s for %d s; try again",
                         base->path, LOCK_WAIT_MS / 1000);
        else
            clock_sleep_ms(LOCK_STEP_MS);
    }
    free(path);
    return ok;
}

static bool prepare_locked(PxBase *base, Err *err)
{
    IdxSettings settings = index_settings(base);
    Index *index = idx_open(&settings, err);
    if (!index)
        return false;
    bool current;
    base->db = px_db_open(base->path, busy_ms(base), &current, err);
    bool ok = base->db && px_db_prepare(base->db, err);
    idx_close(index);
    return ok;
}

static bool prepare(PxBase *base, Err *err)
{
    int lock = -1;
    bool ok = lock_folder(base, &lock, err) && prepare_locked(base, err);
    if (lock >= 0)
        close(lock);
    return ok;
}

static bool open_database(PxBase *base, Err *err)
{
    bool current;
    Err why;
    base->db = px_db_open(base->path, busy_ms(base), &current, &why);
    if (base->db && current)
        return true;
    bool missing = !base->db && why.code == ERR_NOT_FOUND;
    if (missing && !base->settings.create)
        return err_set(
            err, ERR_NOT_FOUND,
            "%s has no px database; give the folder of one, or make it with px-listen, px-repack or "
            "'px-smdb --action import'",
            base->settings.log_path);
    if (!base->db && !missing && why.code != ERR_TIMEOUT) {
        if (err)
            *err = why;
        return false;
    }
    px_db_close(base->db);
    base->db = NULL;
    return prepare(base, err);
}

/* -- the calls -- */

PxBase *px_base_open(const PxBaseSettings *settings, Err *err)
{
    if (!settings->log_path || !*settings->log_path) {
        err_set(err, ERR_USAGE, "the folder of the px database is needed (--db, --logdir)");
        return NULL;
    }
    if (settings->create && !file_make_dirs(settings->log_path, err))
        return NULL;
    PxBase *base = calloc(1, sizeof *base);
    if (!base)
        abort();
    base->strings = arena_new(0);
    base->settings = *settings;
    pthread_mutex_init(&base->opening, NULL);
    base->settings.log_path = resolved(base, settings->log_path);
    base->settings.data_path = settings->data_path && *settings->data_path
                                   ? resolved(base, settings->data_path)
                                   : usual_data_path(base);
    base->path = in_folder(base, base->settings.log_path, "gantry.sqlite");
    if (open_database(base, err))
        return base;
    px_base_close(base);
    return NULL;
}

void px_base_close(PxBase *base)
{
    if (!base)
        return;
    px_tree_close(base->tree);
    arc_close(base->archive);
    idx_close(base->index);
    px_db_close(base->db);
    px_templates_free(base->classic);
    pthread_mutex_destroy(&base->opening);
    arena_free(base->strings);
    free(base);
}

/* -- names in the tree -- */

static const char *name_object(void *ctx, Arena *arena, const DcmDataset *head, Err *err)
{
    return px_templates_path(ctx, arena, head, err);
}

static const char *name_legacy(void *ctx, Arena *arena, const DcmDataset *head, Err *err)
{
    return px_legacy_path(arena, head);
}

static const PxTemplates *templates_of(PxBase *base, Err *err)
{
    if (!base->settings.templates && !base->classic)
        base->classic = px_templates_parse(&px_templates_classic, PX_MISSING_NAME, err);
    return base->settings.templates ? base->settings.templates : base->classic;
}

/* Whoever walks over the tree opens and closes what is in it, which SQLite must not suffer (archive.c). */
static bool folders_fit(const PxBase *base, Err *err)
{
    const char *log = base->settings.log_path, *data = base->settings.data_path;
    size_t n = strlen(data);
    bool inside = strncmp(log, data, n) == 0 && (log[n] == 0 || log[n] == '/');
    return !inside || err_set(err, ERR_USAGE,
                              "the folder of the database %s lies in the packed tree %s; give the one (--db, "
                              "--logdir) or the "
                              "other (--datadir) a place outside",
                              log, data);
}

static Archive *open_archive(PxBase *base, Err *err)
{
    const char *data = base->settings.data_path;
    const PxTemplates *templates = templates_of(base, err);
    if (!templates || !folders_fit(base, err))
        return NULL;
    IdxSettings index = index_settings(base);
    index.readers = 0;
    ArcSettings settings = {.data_path = data,
                            .temp_path = in_folder(base, data, ".tmp_data"),
                            .quarantine_path = in_folder(base, base->settings.log_path, "quarantine"),
                            .index = &index,
                            .layout = {.name = base->settings.legacy ? name_legacy : name_object,
                                       .ctx = (void *)(uintptr_t)templates},
                            .duplicates = ARC_REPLACE, /* as pypx: the later copy */
                            .check_class = true,
                            .sha256_at_once = true, /* marks hold as long as it is the same */
                            .outlasts_index = base->settings.serves,
                            .adoption_wait_ms = base->settings.serves ? 0 : ADOPTION_WAIT_MS,
                            .notice = base->settings.notice,
                            .notice_ctx = base->settings.notice_ctx};
    return arc_open(&settings, err);
}

Archive *px_base_archive(PxBase *base, Err *err)
{
    pthread_mutex_lock(&base->opening);
    if (!base->archive)
        base->archive = open_archive(base, err);
    Archive *archive = base->archive;
    pthread_mutex_unlock(&base->opening);
    return archive;
}

Index *px_base_index(PxBase *base, Err *err)
{
    IdxSettings settings = index_settings(base);
    pthread_mutex_lock(&base->opening);
    if (!base->archive && !base->index)
        base->index = idx_open(&settings, err);
    Index *index = base->archive ? arc_index(base->archive) : base->index;
    pthread_mutex_unlock(&base->opening);
    return index;
}

bool px_base_tree(PxBase *base, PxTree **out, Err *err)
{
    bool wanted = base->settings.tree;
    pthread_mutex_lock(&base->opening);
    if (wanted && !base->tree)
        base->tree = px_tree_open(base, NULL, err);
    *out = base->tree;
    pthread_mutex_unlock(&base->opening);
    return !wanted || *out;
}

const char *px_base_log_path(const PxBase *base)
{
    return base->settings.log_path;
}

const char *px_base_data_path(const PxBase *base)
{
    return base->settings.data_path;
}
