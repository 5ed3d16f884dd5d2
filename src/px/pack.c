// SPDX-License-Identifier: MIT
#include "px/pack.h"

#include "base/crew.h"
#include "base/file.h"
#include "base/textset.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOBS_USUAL = 16, BLOCK = 256 << 10 };

typedef struct Packer {
    PxBase *base;
    Archive *archive;
    const PxPack *pack;
    atomic_size_t next;
    pthread_mutex_t lock; /* guards what follows */
    PxPackCounts counts;
    TextSet noted; /* series whose records say that they were packed */
    Err broken;    /* a record could not be written */
} Packer;

typedef struct Worker {
    Packer *packer;
    Arena *arena;    /* for one file */
    uint8_t *blocks; /* two of them, for comparing */
} Worker;

/* -- is the copy what the source is? -- */

/* The last `n` bytes of both. */
static bool same_tail(int a, uint64_t size_a, int b, uint64_t size_b, uint64_t n, uint8_t *blocks, Err *err)
{
    while (n) {
        size_t step = n < BLOCK ? (size_t)n : BLOCK;
        if (!file_read_at(a, size_a - n, blocks, step, err) ||
            !file_read_at(b, size_b - n, blocks + BLOCK, step, err))
            return false;
        if (memcmp(blocks, blocks + BLOCK, step) != 0)
            return err_set(err, ERR_MISMATCH,
                           "its copy is not the same; another program may be at work on one of them");
        n -= step;
    }
    return true;
}

/* An object that was here before may have another head; of a new one all bytes must be the same. */
static bool compare(const Worker *w, int source, uint64_t size, const PxPacked *packed, Err *err)
{
    const PxObject *object = packed->object;
    struct stat st;
    int copy = open(object->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = (copy >= 0 && fstat(copy, &st) == 0) || err_errno(err, errno, "its copy cannot be opened");
    bool whole = packed->stored.outcome != ARC_SAME;
    uint64_t n = ok ? object->size - (whole ? 0 : object->data_offset) : 0;
    if (ok && ((uint64_t)st.st_size != object->size || n > size || (whole && n != size)))
        ok = err_set(err, ERR_MISMATCH,
                     "its copy is of another size; another program may be at work on one of them");
    ok = ok && same_tail(source, size, copy, object->size, n, w->blocks, err);
    if (copy >= 0)
        close(copy);
    return ok;
}

/* -- what follows from a packed object -- */

static bool write_record(PxBase *base, const char *study, const char *series, Err *err)
{
    json_t *record;
    if (!px_record_read(base, PX_TABLE_PACK, series, &record, err))
        return false;
    bool ok = true;
    if (!json_is_true(json_object_get(record, "seriesPack"))) {
        json_t *members = json_pack("{sb}", "seriesPack", 1);
        ok = px_record_merge(base, PX_TABLE_PACK, study, series, members, err);
        json_decref(members);
    }
    json_decref(record);
    return ok;
}

static bool note_series(Packer *p, const ArcStored *stored, Err *err)
{
    pthread_mutex_lock(&p->lock);
    bool ok = !p->broken.code && (!textset_add(&p->noted, stored->series) ||
                                  write_record(p->base, stored->study, stored->series, &p->broken));
    if (!ok)
        *err = p->broken;
    pthread_mutex_unlock(&p->lock);
    return ok;
}

/* -- one file -- */

static bool is_unchanged(const struct stat *now, const struct stat *before)
{
    return now->st_dev == before->st_dev && now->st_ino == before->st_ino &&
           now->st_size == before->st_size && now->st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* Another process that packed the same file may have been quicker. */
static bool remove_source(const PxPacked *packed, const struct stat *before, Err *err)
{
    struct stat copy, now;
    if (stat(packed->object->path, &copy) != 0 ||
        (copy.st_dev == before->st_dev && copy.st_ino == before->st_ino))
        return err_set(err, ERR_REFUSED, "it is the packed file itself; it stays");
    if (lstat(packed->source, &now) != 0)
        return errno == ENOENT || err_errno(err, errno, "it is packed, but cannot be deleted");
    if (!is_unchanged(&now, before))
        return err_set(err, ERR_MISMATCH,
                       "it changed while it was packed, or is a link; it stays. Try again");
    return unlink(packed->source) == 0 || errno == ENOENT ||
           err_errno(err, errno, "it is packed, but cannot be deleted");
}

static bool take_in(const Worker *w, int fd, const struct stat *before, PxPacked *packed, Err *err)
{
    Packer *p = w->packer;
    if (!S_ISREG(before->st_mode))
        return err_set(err, ERR_FORMAT, "it is no file");
    if (!arc_ingest_file_as_is(p->archive, packed->source, &packed->stored, err))
        return false;
    PxObject *object = arena_alloc(w->arena, sizeof *object);
    if (!px_base_object(p->base, w->arena, packed->stored.sop_instance, object, err))
        return false;
    packed->object = object;
    return compare(w, fd, (uint64_t)before->st_size, packed, err) &&
           px_base_took(p->base, object->sop_instance, err) && note_series(p, &packed->stored, err);
}

/* ingest names the path in front of its reason, which is said here for all reasons. */
static void name_once(PxPacked *packed)
{
    size_t n = strlen(packed->source);
    if (strncmp(packed->err.text, packed->source, n) != 0 || packed->err.text[n] != ':')
        err_wrap(&packed->err, "%s", packed->source);
}

static void pack_file(const Worker *w, PxPacked *packed)
{
    struct stat before;
    int fd = open(packed->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    packed->ok =
        (fd >= 0 && fstat(fd, &before) == 0) || err_errno(&packed->err, errno, "it cannot be opened");
    packed->ok = packed->ok && take_in(w, fd, &before, packed, &packed->err);
    if (fd >= 0)
        close(fd);
    if (packed->ok && w->packer->pack->cleanup)
        packed->removed = remove_source(packed, &before, &packed->err);
    if (packed->err.code)
        name_once(packed);
}

/* -- all of them -- */

static void count(Packer *p, const PxPacked *packed)
{
    pthread_mutex_lock(&p->lock);
    p->counts.packed += packed->ok;
    p->counts.same += packed->ok && packed->stored.outcome == ARC_SAME;
    p->counts.failed += !packed->ok;
    p->counts.kept += packed->ok && p->pack->cleanup && !packed->removed;
    p->counts.left--;
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    Packer *p = arg;
    const PxPack *pack = p->pack;
    Worker w = {p, arena_new(0), malloc((size_t)2 * BLOCK)};
    if (!w.blocks)
        abort();
    for (;;) {
        size_t i = atomic_fetch_add(&p->next, 1);
        if (i >= pack->count || (pack->stop && atomic_load(pack->stop)))
            break;
        PxPacked packed = {.source = pack->sources[i]};
        pack_file(&w, &packed);
        count(p, &packed);
        if (pack->done)
            pack->done(pack->ctx, &packed);
        arena_reset(w.arena);
    }
    arena_free(w.arena);
    free(w.blocks);
    return NULL;
}

/* Files wait for the disk most of the time, so that a few for each core are no burden. */
static size_t jobs_of(const PxPack *pack)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t usual = cores > JOBS_USUAL ? (size_t)cores : JOBS_USUAL;
    size_t jobs = pack->jobs ? pack->jobs : usual;
    return jobs < pack->count ? jobs : pack->count;
}

bool px_pack(PxBase *base, const PxPack *pack, PxPackCounts *out, Err *err)
{
    Packer p = {.base = base, .pack = pack, .counts.left = pack->count};
    p.archive = px_base_archive(base, err);
    if (!p.archive)
        return false;
    Arena *arena = arena_new(0);
    p.noted = textset_of(arena);
    pthread_mutex_init(&p.lock, NULL);
    crew_run(jobs_of(pack), work, &p);
    pthread_mutex_destroy(&p.lock);
    textset_free(&p.noted);
    arena_free(arena);
    if (out)
        *out = p.counts;
    return true;
}
