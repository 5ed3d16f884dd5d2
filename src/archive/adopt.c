// SPDX-License-Identifier: MIT
/*
 * After an unclean stop: objects that were published but not indexed were never acknowledged, but they are complete, and a file that
 * no query finds is worse than one more object. A thread looks at the folders changed since the dead process's last checkpoint,
 * and hands what the index lacks to the committer, in groups as any indexing (indexing.c). A file whose row fits (path, size, not written later) is not read.
 *
 * What waits in a journal was acknowledged and comes first; that is the spool's.
 */
#include "archive/archive_internal.h"
#include "archive/indexing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 4096, LOOK_MS = 20, THREADS = 2, PAUSE_MS = 2000, PAUSE_MAX_MS = 60000 };

/* Clocks are set back now and then. A server that is at work notes the time each minute, so that this is for the last of them; and what comes in in five minutes is
   looked through in seconds. */
#define CLOCK_SLACK_US INT64_C(300000000)
#define MTIME_SLACK_US INT64_C(2000000)
#define SECOND_US      INT64_C(1000000)

struct Adoption {
    Archive *archive;
    pthread_t thread;
    atomic_bool stop, halt, ended; /* halt: of one pass */
    bool missed, told;             /* the index took nothing; the log has said so */
    bool damaged;                  /* it lacks objects that met damage in it */
};

bool adoption_read(Archive *archive, const char *name, Job *job, Inspector *inspector,
                   const atomic_bool *cancel, Err *err)
{
    *inspector = (Inspector){0};
    char *path = store_path(archive->store, name);
    if (!path)
        return err_set(err, ERR_REFUSED, "the file's name is not one of this store");
    bool ok =
        inspect_file(inspector, job->arena, path, idx_last_tag(archive->index), &job->file, cancel, err);
    free(path);
    job->file.storage_method = "FS";
    job->head = inspector->dataset;
    job->name = name;
    return ok;
}

/* What replaces a file is younger than its row says, be it by a microsecond (commit_names.c). Times of whole seconds come from where none finer are known. */
bool adoption_is_younger(const IdxFile *row, const struct stat *st)
{
    int64_t mtime = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
    return mtime > row->end_us + ((row->end_us % SECOND_US) ? 0 : MTIME_SLACK_US);
}

bool adoption_fits(const IdxFile *row, const char *path, const struct stat *st)
{
    return strcmp(row->path, path) == 0 && row->size == (uint64_t)st->st_size &&
           !adoption_is_younger(row, st);
}

bool adoption_read_meta(const char *path, DcmFileMeta *meta)
{
    uint8_t head[HEAD];
    bool more;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    if (fd >= 0)
        close(fd);
    return n > 0 && dcm_file_meta_parse(span_of(head, (size_t)n), n == HEAD, meta, &more, NULL);
}

static void step(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    Adoption *a = ctx;
    if (why && indexing_halts(a->archive, why, &a->told)) {
        a->missed = true;
        atomic_store(&a->halt, true);
    } else if (why) {
        a->damaged |= why->code == ERR_DAMAGED;
        archive_notice(a->archive, LOG_WARNING, "a file in the data folder is not indexed: %s", why->text);
    }
}

/* False and err ERR_CANCELLED when it has to be done again. */
static bool pass(Adoption *a, int64_t since_us, ArcIndexed *out, Err *err)
{
    ArcIndexing wish = {.threads = THREADS, .stop = &a->halt, .step = step, .ctx = a};
    a->missed = a->damaged = false;
    atomic_store(&a->halt, false);
    if (atomic_load(&a->stop))
        return err_set(err, ERR_CANCELLED, "the archive is being closed");
    return arc_index_adopt(a->archive, since_us, &wish, out, err) &&
           (!a->missed || err_set(err, ERR_CANCELLED, "the index has missed some"));
}

/* Is the database there, and nothing waits for it? False when it is time to go. */
static bool await_turn(Adoption *a)
{
    Spool *spool = a->archive->spool;
    while (spool_await_index(spool, &a->stop) && spool_waiting(spool))
        clock_sleep_ms(LOOK_MS);
    return !atomic_load(&a->stop);
}

static void rest(Adoption *a, int64_t pause_ms)
{
    Deadline deadline = deadline_in(pause_ms);
    while (!atomic_load(&a->stop) && !deadline_passed(deadline))
        clock_sleep_ms(LOOK_MS);
}

/* Until the index has all of it, or never will. */
static bool adopt(Adoption *a, ArcIndexed *out, Err *err)
{
    int64_t since = store_unclean_since(a->archive->store) - CLOCK_SLACK_US;
    uint64_t added = 0;
    bool done = false;
    int64_t pause = PAUSE_MS;
    while (!done && await_turn(a)) {
        done = pass(a, since, out, err);
        added += out->added;
        if (!done && (err->code != ERR_CANCELLED || !a->archive->spool))
            break;
        if (!done)
            rest(a, pause);
        pause = 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
    }
    out->added = added;
    return done;
}

/* Servers have the spool's thread for that. */
static void remove_leftovers(Adoption *a)
{
    Err err;
    if (!a->archive->spool && !leftovers_look(a->archive, &a->stop, &err) && err.code != ERR_CANCELLED)
        archive_notice(a->archive, LOG_WARNING, "files that were replaced cannot be removed now: %s",
                       err.text);
}

static void *adoption_main(void *ctx)
{
    Adoption *a = ctx;
    Archive *archive = a->archive;
    Err err = {.code = ERR_CANCELLED};
    ArcIndexed done = {0};
    archive_notice(archive, LOG_WARNING,
                   "the archive was not closed properly; looking for objects that are not indexed");
    remove_leftovers(a);
    if (adopt(a, &done, &err)) {
        if (!a->damaged) /* else the next start looks again */
            store_forget_unclean(archive->store);
        archive_notice(archive, LOG_INFO,
                       "%" PRIu64 " objects were indexed after the unclean stop, %" PRIu64
                       " files could not be",
                       done.added, done.junk + done.failed);
    } else if (err.code != ERR_CANCELLED) {
        archive_notice(archive, LOG_ERROR, "cannot look for objects that are not indexed: %s", err.text);
    }
    atomic_store(&a->ended, true);
    return NULL;
}

Adoption *adoption_start(Archive *archive)
{
    if (store_unclean_since(archive->store) == INT64_MAX)
        return NULL;
    Adoption *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->archive = archive;
    if (pthread_create(&a->thread, NULL, adoption_main, a) != 0)
        abort();
    return a;
}

bool adoption_await(Adoption *a, const atomic_bool *stop)
{
    while (a && !atomic_load(&a->ended) && !atomic_load(stop))
        clock_sleep_ms(LOOK_MS);
    return !atomic_load(stop);
}

void adoption_stop(Adoption *a, int64_t wait_ms)
{
    if (!a)
        return;
    Deadline deadline = deadline_in(wait_ms);
    while (!atomic_load(&a->ended) && !deadline_passed(deadline))
        clock_sleep_ms(LOOK_MS);
    atomic_store(&a->stop, true);
    atomic_store(&a->halt, true);
    pthread_join(a->thread, NULL);
    free(a);
}
