// SPDX-License-Identifier: MIT
/*
 * Opening and closing an archive. Threads: the committer (the only writer of the index), the spool's where objects may wait for the database, and for a
 * while after an unclean stop the one that adopts. Everything else runs in the callers' threads.
 */
#include "archive/archive_internal.h"

#include "base/cond.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUP_DEFAULT = 64, GROUP_LIMIT = 1024, READERS = 4, BUSY_MS = 30000, CLOSE_WAIT_MS = 60000 };
enum { BRIEF_CONNECT_MS = 2000, BRIEF_STATEMENT_MS = 3000, BRIEF_LOCK_MS = 500 };

void archive_log(Archive *archive, const char *logger, int level, const char *format, ...)
{
    if (!archive->settings.notice)
        return;
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    archive->settings.notice(archive->settings.notice_ctx, level, logger, text);
}

void archive_ingest_began(Archive *archive)
{
    pthread_mutex_lock(&archive->lock);
    archive->ingests++;
    pthread_mutex_unlock(&archive->lock);
    archive_touch(archive);
}

void archive_ingest_ended(Archive *archive)
{
    archive_touch(archive); /* before the archive may be gone */
    pthread_mutex_lock(&archive->lock);
    if (--archive->ingests == 0)
        pthread_cond_broadcast(&archive->idle);
    pthread_mutex_unlock(&archive->lock);
}

int64_t archive_quiet_ms(Archive *archive)
{
    pthread_mutex_lock(&archive->lock);
    bool busy = archive->ingests > 0 || atomic_load(&archive->readers) > 0;
    pthread_mutex_unlock(&archive->lock);
    return busy ? 0 : clock_ms() - atomic_load_explicit(&archive->used_ms, memory_order_relaxed);
}

/* False when ingests are still under way after a minute. */
static bool wait_idle(Archive *archive)
{
    Deadline deadline = deadline_in(CLOSE_WAIT_MS);
    bool in_time = true;
    pthread_mutex_lock(&archive->lock);
    while (archive->ingests && in_time)
        in_time = cond_wait(&archive->idle, &archive->lock, deadline);
    bool idle = archive->ingests == 0;
    pthread_mutex_unlock(&archive->lock);
    return idle;
}

/* NULL for other drivers. */
static const char *sqlite_path(const ArcSettings *settings)
{
    if (!settings->index)
        return settings->index_path;
    return settings->index->engine == IDX_SQLITE ? settings->index->sqlite_path : NULL;
}

static const char *copy(Archive *archive, const char *text)
{
    return text ? arena_strdup(archive->strings, text) : NULL;
}

static void copy_index_settings(Archive *archive, const ArcSettings *settings)
{
    IdxSettings *s = &archive->index_settings;
    IdxPostgres *p = &s->postgres;
    *s = settings->index ? *settings->index
                         : (IdxSettings){.sqlite_path = settings->index_path,
                                         .busy_timeout_ms = BUSY_MS,
                                         .readers = READERS};
    s->may_be_away = settings->outlasts_index;
    s->sqlite_path = copy(archive, s->sqlite_path);
    const char **const texts[] = {&p->host, &p->database, &p->schema, &p->login, &p->password, &p->tls};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = copy(archive, *texts[i]);
}

static void copy_settings(Archive *archive, const ArcSettings *settings)
{
    ArcSettings *s = &archive->settings;
    const char *index_path = sqlite_path(settings);
    copy_index_settings(archive, settings);
    *s = *settings;
    s->data_path = copy(archive, settings->data_path);
    s->temp_path = copy(archive, settings->temp_path);
    s->quarantine_path = copy(archive, settings->quarantine_path);
    s->index_path = copy(archive, index_path);
    s->index = NULL;
    if (s->group_max == 0)
        s->group_max = GROUP_DEFAULT;
    if (s->group_max > GROUP_LIMIT)
        s->group_max = GROUP_LIMIT;
}

static Archive *archive_new(const ArcSettings *settings)
{
    Archive *archive = calloc(1, sizeof *archive);
    if (!archive)
        abort();
    archive->strings = arena_new(0);
    copy_settings(archive, settings);
    pthread_mutex_init(&archive->lock, NULL);
    cond_init(&archive->idle);
    atomic_store(&archive->leftovers, true);
    archive_touch(archive);
    return archive;
}

static void archive_free(Archive *archive)
{
    if (archive->index)
        idx_close(archive->index);
    store_claims_close(archive->claims);
    store_close(archive->store);
    quarantine_free(archive->quarantine);
    pthread_cond_destroy(&archive->idle);
    pthread_mutex_destroy(&archive->lock);
    arena_free(archive->strings);
    free(archive);
}

/* Whoever walks over the store opens and closes the files in it, and closing a file drops the locks that SQLite holds on it in the same process. */
static bool index_lies_outside(const ArcSettings *settings, Err *err)
{
    const char *path = sqlite_path(settings);
    if (!path)
        return true;
    char *data = realpath(settings->data_path, NULL), *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        *slash = 0;
    char *place = realpath(slash ? (*folder ? folder : "/") : ".", NULL);
    size_t n = data ? strlen(data) : 0;
    bool inside = data && place && strncmp(place, data, n) == 0 && (place[n] == 0 || place[n] == '/');
    free(data);
    free(folder);
    free(place);
    return !inside ||
           err_set(err, ERR_USAGE,
                   "the index %s lies in the data folder %s; set db.params.filepath to a place outside of it",
                   path, settings->data_path);
}

Archive *arc_open(const ArcSettings *settings, Err *err)
{
    if (!settings->data_path || !settings->temp_path || !settings->quarantine_path ||
        !(settings->index_path || settings->index)) {
        err_set(err, ERR_USAGE,
                "an archive needs folders for data, temporary files and quarantine, and an index");
        return NULL;
    }
    Archive *archive = archive_new(settings);
    archive->store = store_open_directory(settings->data_path, settings->temp_path, err);
    if (archive->store) {
        store_write_direct(archive->store, !settings->through_cache);
        archive->claims = store_claims_open(archive->store, err);
    }
    if (archive->claims && index_lies_outside(settings, err))
        archive->index = idx_open(&archive->index_settings, err);
    /* The list of extended attributes is the caller's; the index has a copy. */
    archive->index_settings.like = archive->index;
    archive->index_settings.extended = NULL;
    archive->index_settings.extended_count = 0;
    if (!archive->index) {
        archive_free(archive);
        return NULL;
    }
    archive->quarantine = quarantine_new(settings->quarantine_path);
    archive->committer = committer_start(archive, archive->settings.group_max);
    if (settings->outlasts_index)
        spool_start(archive);
    archive->adoption = adoption_start(archive);
    if (settings->outlasts_index)
        archive->healing = healing_start(archive);
    else
        healing_leave_note(archive);
    return archive;
}

void arc_close(Archive *archive)
{
    if (!archive)
        return;
    healing_stop(archive->healing);
    adoption_stop(archive->adoption, archive->settings.adoption_wait_ms);
    spool_stop(archive->spool);
    if (!wait_idle(archive)) {
        /* Freeing under a running ingest would be worse than a leak at the end of a process. */
        archive_notice(archive, LOG_ERROR, "closing the archive while objects are still being received");
        return;
    }
    committer_stop(archive->committer);
    spool_free(archive->spool);
    archive_free(archive);
}

Index *arc_index(Archive *archive)
{
    return archive->index;
}

bool arc_index_is_away(Archive *archive, Err *why)
{
    return spool_is_away(archive->spool, why);
}

/* Not every file system knows files without a name from the start. */
static int open_nameless(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char *path = file_join(folder, "bulk-XXXXXX");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

int arc_temporary_file(Archive *archive, Err *err)
{
    int fd = open_nameless(archive->settings.temp_path);
    if (fd < 0) {
        err_errno(err, errno, "cannot make a temporary file in %s", archive->settings.temp_path);
        if (err && err->code != ERR_NO_SPACE)
            err->http = 500;
    }
    return fd;
}

static IdxSettings apart(const Archive *archive)
{
    IdxSettings settings = archive->index_settings;
    settings.may_be_away = false;
    settings.must_exist = idx_was_ready(archive->index);
    settings.readers = 1;
    return settings;
}

Index *archive_open_index_briefly(Archive *archive, Err *err)
{
    IdxSettings settings = apart(archive);
    settings.busy_timeout_ms = BRIEF_LOCK_MS;
    settings.postgres.connect_timeout_ms = BRIEF_CONNECT_MS;
    settings.postgres.statement_timeout_ms = BRIEF_STATEMENT_MS;
    return idx_open(&settings, err);
}

Index *archive_open_index_apart(Archive *archive, Err *err)
{
    IdxSettings settings = apart(archive);
    return idx_open(&settings, err);
}

size_t arc_ingest_waiting(Archive *archive)
{
    return committer_waiting(archive->committer) + spool_waiting(archive->spool);
}
