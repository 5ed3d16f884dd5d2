// SPDX-License-Identifier: MIT
/*
 * While an annotation comes or goes, a second name leads to its file: .in-<UID>, locked (flock) by who is at it. It is made before and goes
 * away after everything else:
 *   in   .in-UID written and synced, UID and UID.json, rows, .in-UID gone
 *   out  .in-UID, rows gone, UID.json and UID gone, .in-UID gone
 * So what is found locked by nobody is settled by one question: does the index have it? Then the file stays, else it goes.
 */
#include "archive/annotations.h"

#include "archive/annotation_group.h"
#include "archive/annotation_note.h"
#include "archive/archive_internal.h"
#include "dicom/uid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, NAME_SIZE = DCM_UID_MAX + 8 };
#define UNSETTLED ".in-"

struct ArcAnnotations {
    Archive *archive;
    char *path, *noted; /* the folder; the index's note for it */
    int dir;
    AnnotationGroup coming; /* those that have their files and want their rows */
    pthread_mutex_t lock;   /* guards `index`: one writes at a time */
    Index *index;           /* on connections of its own, beside the committer's; NULL before the first use */
};

struct ArcAnnotationPut {
    ArcAnnotations *annotations;
    char uid[DCM_UID_MAX + 1], temp[NAME_SIZE], note[NAME_SIZE];
    int fd;
    EVP_MD_CTX *sha;
    uint64_t size;
    int64_t begin_us;
};

static bool is_uid(const char *text)
{
    return dcm_uid_valid(span_cstr(text), false);
}

static void name_all(const char *uid, char temp[NAME_SIZE], char note[NAME_SIZE])
{
    snprintf(temp, NAME_SIZE, UNSETTLED "%s", uid);
    snprintf(note, NAME_SIZE, "%s.json", uid);
}

static bool sync_folder(const ArcAnnotations *a, Err *err)
{
    return file_sync(a->dir, a->path, err);
}

/* -- what was left between two states -- */

/* Is `name` another name of the file? */
static bool is_same_file(int dir, const char *name, int fd)
{
    struct stat named, opened;
    return fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static void remove_files(const ArcAnnotations *a, const char *uid, int fd)
{
    char temp[NAME_SIZE], note[NAME_SIZE];
    name_all(uid, temp, note);
    if (is_same_file(a->dir, uid, fd)) {
        unlinkat(a->dir, note, 0);
        unlinkat(a->dir, uid, 0);
    }
    if (is_same_file(a->dir, temp, fd))
        unlinkat(a->dir, temp, 0);
}

/* Do the rows speak of this file? `begin_us`: and of this storing of it; 0 = any. */
static bool speaks_of(const IdxAnnotation *row, int fd, int64_t begin_us)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size == row->size &&
           (!begin_us || begin_us == row->begin_us);
}

/* After a change of the rows that may have failed. True: they are there, and so is the file. False: neither, or nobody can tell now, and
   the next start will. */
static bool settle(const ArcAnnotations *a, const char *uid, int fd, int64_t begin_us)
{
    char temp[NAME_SIZE], note[NAME_SIZE];
    Arena *arena = arena_new(0);
    IdxAnnotation row;
    Err err = {0};
    name_all(uid, temp, note);
    bool known = idx_annotation(a->archive->index, arena, uid, &row, &err);
    bool there = known && speaks_of(&row, fd, begin_us);
    arena_free(arena);
    if (there)
        unlinkat(a->dir, temp, 0);
    else if (known || err.code == ERR_NOT_FOUND)
        remove_files(a, uid, fd);
    return there;
}

static void settle_one(const ArcAnnotations *a, const char *temp)
{
    const char *uid = temp + strlen(UNSETTLED);
    int fd = openat(a->dir, temp, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (is_uid(uid) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        settle(a, uid, fd, 0);
    close(fd);
}

static DIR *open_listing(const ArcAnnotations *a)
{
    int fd = openat(a->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

static void settle_all(const ArcAnnotations *a)
{
    DIR *dir = open_listing(a);
    if (!dir)
        return;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, UNSETTLED, strlen(UNSETTLED)) == 0)
            settle_one(a, entry->d_name);
    closedir(dir);
}

/* -- rows -- */

typedef bool (*Change)(Index *index, const void *what, Err *err);

static bool put_rows(Index *index, const void *members, Err *err)
{
    bool ok = true;
    for (const AnnotationMember *m = members; ok && m; m = m->next)
        ok = idx_annotation_put(index, m->row, err);
    return ok;
}

static bool remove_row(Index *index, const void *uid, Err *err)
{
    return idx_annotation_remove(index, uid, err);
}

/* A connection that idled may have been hung up on meanwhile; the second try has a new one. */
static bool begin_rows(const ArcAnnotations *a, Err *err)
{
    Err first = {0};
    return idx_begin(a->index, &first) || idx_begin(a->index, err);
}

/* A transaction of its own. */
static bool change_rows(ArcAnnotations *a, Change change, const void *what, Err *err)
{
    pthread_mutex_lock(&a->lock);
    if (!a->index)
        a->index = archive_open_index_apart(a->archive, err);
    bool ok = a->index && begin_rows(a, err) && change(a->index, what, err) && idx_commit(a->index, err);
    if (!ok && a->index)
        idx_rollback(a->index);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* One sync and one transaction for all. When the index refuses it, each is put again by itself, so that nobody fails for another's sake. */
static void commit_members(void *ctx, AnnotationMember *members)
{
    ArcAnnotations *a = ctx;
    Err err = {0};
    bool durable = sync_folder(a, &err);
    bool ok = durable && change_rows(a, put_rows, members, &err);
    bool alone = durable && !ok && members->next && !idx_is_away(&err);
    for (AnnotationMember *m = members; m; m = m->next) {
        AnnotationMember one = {.row = m->row};
        m->ok = alone ? change_rows(a, put_rows, &one, &m->err) : ok;
        if (!ok && !alone)
            m->err = err;
    }
}

/* -- an index that has lost them -- */

/* One note; what is none, or whose file is not the one it speaks of, is passed over. */
static bool restore_one(const ArcAnnotations *a, Index *index, Arena *arena, const char *note, Err *err)
{
    enum { NOTE_MAX = 64 << 10 };
    IdxAnnotation row;
    struct stat st;
    Buf text;
    buf_init(&text, NOTE_MAX);
    char *path = file_join(a->path, note);
    bool ok = file_read_all(path, NOTE_MAX, &text, NULL) &&
              annotation_note_read(arena, buf_span(&text), &row) &&
              strncmp(note, row.uid, strlen(row.uid)) == 0 && strcmp(note + strlen(row.uid), ".json") == 0 &&
              fstatat(a->dir, row.uid, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
              (uint64_t)st.st_size == row.size;
    free(path);
    buf_free(&text);
    if (!ok)
        return true;
    row.path = arena_printf(arena, "%s/%s", a->path, row.uid);
    return idx_annotation_restore(index, &row, err);
}

static bool restore(Index *index, const void *what, Err *err)
{
    const ArcAnnotations *a = what;
    DIR *dir = open_listing(a);
    if (!dir)
        return err_errno(err, errno, "annotations: cannot read %s", a->path);
    Arena *arena = arena_new(0);
    bool ok = true;
    for (const struct dirent *entry; ok && (entry = readdir(dir));) {
        const char *end = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.' || !end || strcmp(end, ".json") != 0)
            continue;
        arena_reset(arena);
        ok = restore_one(a, index, arena, entry->d_name, err);
    }
    arena_free(arena);
    closedir(dir);
    return ok && idx_note_set(index, a->noted, "complete", err);
}

/* The index says with a note that it has what is in the folder; one that was made anew does not. */
static void restore_if_lost(ArcAnnotations *a)
{
    const char *value = "";
    Err err = {0};
    Arena *arena = arena_new(0);
    bool ok = !arc_index_is_away(a->archive, NULL) &&
              idx_note_get(a->archive->index, arena, a->noted, &value, &err) &&
              (*value || change_rows(a, restore, a, &err));
    if (!ok && err.code)
        archive_notice(a->archive, LOG_WARNING, "annotations in %s could not be looked through: %s", a->path,
                       err.text);
    arena_free(arena);
}

ArcAnnotations *arc_annotations_open(Archive *archive, const char *folder, Err *err)
{
    int dir = file_open_dir(folder, true, err);
    if (dir < 0)
        return NULL;
    ArcAnnotations *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->archive = archive;
    a->dir = dir;
    a->path = file_join(folder, "");
    a->path[strlen(a->path) - 1] = 0;
    if (asprintf(&a->noted, "annotations:%s", a->path) < 0)
        abort();
    pthread_mutex_init(&a->lock, NULL);
    annotation_group_init(&a->coming);
    restore_if_lost(a);
    settle_all(a);
    return a;
}

void arc_annotations_close(ArcAnnotations *a)
{
    if (!a)
        return;
    idx_close(a->index);
    pthread_mutex_destroy(&a->lock);
    annotation_group_destroy(&a->coming);
    close(a->dir);
    free(a->path);
    free(a->noted);
    free(a);
}

/* -- in -- */

static void put_free(ArcAnnotationPut *put)
{
    EVP_MD_CTX_free(put->sha);
    if (put->fd >= 0)
        close(put->fd);
    free(put);
}

static bool taken(const char *uid, Err *err)
{
    return err_set(err, ERR_EXISTS, "there is an annotation %s already", uid);
}

static int create_temp(const ArcAnnotationPut *put)
{
    return openat(put->annotations->dir, put->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
}

static bool create(ArcAnnotationPut *put, Err *err)
{
    const ArcAnnotations *a = put->annotations;
    struct stat st;
    put->fd = create_temp(put);
    if (put->fd < 0 && errno == EEXIST) {
        settle_one(a, put->temp);
        put->fd = create_temp(put);
    }
    if (put->fd < 0)
        return errno == EEXIST
                   ? taken(put->uid, err)
                   : err_errno(err, errno, "annotations: cannot create %s/%s", a->path, put->temp);
    bool ok = flock(put->fd, LOCK_EX | LOCK_NB) == 0 || err_errno(err, errno, "annotations: cannot lock");
    if (ok && fstatat(a->dir, put->uid, &st, AT_SYMLINK_NOFOLLOW) == 0)
        ok = taken(put->uid, err);
    if (!ok)
        unlinkat(a->dir, put->temp, 0);
    return ok;
}

ArcAnnotationPut *arc_annotation_begin(ArcAnnotations *annotations, const char *uid, Err *err)
{
    if (!is_uid(uid)) {
        err_set(err, ERR_USAGE, "\"%.64s\" is no UID", uid);
        return NULL;
    }
    ArcAnnotationPut *put = calloc(1, sizeof *put);
    if (!put || !(put->sha = EVP_MD_CTX_new()) || !EVP_DigestInit_ex(put->sha, EVP_sha256(), NULL))
        abort();
    put->annotations = annotations;
    snprintf(put->uid, sizeof put->uid, "%s", uid);
    name_all(uid, put->temp, put->note);
    put->begin_us = clock_wall_us();
    if (create(put, err))
        return put;
    put_free(put);
    return NULL;
}

bool arc_annotation_write(ArcAnnotationPut *put, Span piece, Err *err)
{
    if (!file_write_all(put->fd, piece.p, piece.n, err))
        return err_wrap(err, "annotation %s", put->uid);
    EVP_DigestUpdate(put->sha, piece.p, piece.n);
    put->size += piece.n;
    return true;
}

bool arc_annotation_copy(ArcAnnotationPut *put, int fd, uint64_t limit, Err *err)
{
    uint8_t *chunk = malloc(CHUNK);
    ssize_t n = 0;
    if (!chunk)
        abort();
    bool ok = true;
    while (ok && ((n = read(fd, chunk, CHUNK)) > 0 || (n < 0 && errno == EINTR))) {
        if (n < 0)
            continue;
        ok = put->size + (uint64_t)n <= limit
                 ? arc_annotation_write(put, span_of(chunk, (size_t)n), err)
                 : err_set(err, ERR_LIMIT, "the file is larger than %llu bytes", (unsigned long long)limit);
    }
    if (ok && n < 0)
        ok = err_errno(err, errno, "the file cannot be read");
    free(chunk);
    return ok;
}

uint64_t arc_annotation_size(const ArcAnnotationPut *put)
{
    return put->size;
}

const char *arc_annotation_uid(const ArcAnnotationPut *put)
{
    return put->uid;
}

static bool store_note(const ArcAnnotationPut *put, const IdxAnnotation *row, Err *err)
{
    int dir = put->annotations->dir;
    Buf text;
    buf_init(&text, 0);
    annotation_note_write(row, &text);
    int fd = openat(dir, put->note, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    bool ok = fd >= 0 || err_errno(err, errno, "cannot create %s", put->note);
    ok = ok && file_write_all(fd, text.p, text.n, err) && file_sync(fd, put->note, err);
    if (fd >= 0)
        close(fd);
    buf_free(&text);
    return ok;
}

/* Under its final name, with what it is beside it. Durable when the folder has been synced. */
static bool publish(const ArcAnnotationPut *put, const IdxAnnotation *row, Err *err)
{
    const ArcAnnotations *a = put->annotations;
    if (!file_sync(put->fd, put->temp, err))
        return false;
    if (linkat(a->dir, put->temp, a->dir, put->uid, 0) != 0)
        return errno == EEXIST ? taken(put->uid, err)
                               : err_errno(err, errno, "cannot publish the file in %s", a->path);
    return store_note(put, row, err);
}

static const char *text_in(Arena *arena, const char *text)
{
    return arena_strdup(arena, text ? text : "");
}

bool arc_annotation_commit(ArcAnnotationPut *put, Arena *arena, const IdxAnnotation *what, IdxAnnotation *out,
                           Err *err)
{
    ArcAnnotations *a = put->annotations;
    IdxAnnotation row = {.uid = arena_strdup(arena, put->uid),
                         .source = text_in(arena, what->source),
                         .level = what->level,
                         .path = arena_printf(arena, "%s/%s", a->path, put->uid),
                         .media_type = text_in(arena, what->media_type),
                         .name = text_in(arena, what->name),
                         .author = text_in(arena, what->author),
                         .size = put->size,
                         .begin_us = put->begin_us,
                         .end_us = clock_wall_us()};
    EVP_DigestFinal_ex(put->sha, row.sha256, NULL);
    if (!publish(put, &row, err)) {
        remove_files(a, put->uid, put->fd);
        err_wrap(err, "annotation %s", put->uid);
        put_free(put);
        return false;
    }
    bool ok = annotation_group_commit(&a->coming, &row, commit_members, a, err);
    ok = (ok && unlinkat(a->dir, put->temp, 0) == 0) || settle(a, put->uid, put->fd, put->begin_us);
    put_free(put);
    if (ok && out)
        *out = row;
    return ok;
}

void arc_annotation_abandon(ArcAnnotationPut *put)
{
    if (!put)
        return;
    unlinkat(put->annotations->dir, put->temp, 0);
    put_free(put);
}

/* -- out -- */

int arc_annotation_open_file(ArcAnnotations *a, const IdxAnnotation *annotation, Err *err)
{
    struct stat st;
    if (!is_uid(annotation->uid)) {
        err_set(err, ERR_INTERNAL, "annotations: the index has \"%.64s\", which is no UID", annotation->uid);
        return -1;
    }
    int fd = file_open_beneath(a->dir, annotation->uid, O_RDONLY | O_NONBLOCK, err);
    if (fd < 0) {
        err_wrap(err, "annotations: %s", a->path);
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == annotation->size)
        return fd;
    close(fd);
    err_set(err, ERR_INTERNAL, "annotations: %s/%s is not the file that was stored", a->path,
            annotation->uid);
    return -1;
}

/* Marks the annotation as one that goes. *fd -1: its file is not there. */
static bool mark(const ArcAnnotations *a, const char *uid, const char *temp, int *fd, Err *err)
{
    *fd = -1;
    int failed = linkat(a->dir, uid, a->dir, temp, 0);
    if (failed && errno == EEXIST) {
        settle_one(a, temp);
        failed = linkat(a->dir, uid, a->dir, temp, 0);
    }
    if (failed && errno == ENOENT)
        return true;
    if (failed && errno != EEXIST)
        return err_errno(err, errno, "cannot mark annotation %s", uid);
    *fd = failed ? -1 : openat(a->dir, temp, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (*fd >= 0)
        close(*fd);
    if (!failed)
        unlinkat(a->dir, temp, 0);
    return err_set(err, ERR_EXISTS, "annotation %s is being stored or deleted", uid);
}

static bool remove_marked(ArcAnnotations *a, const char *uid, int fd, Err *err)
{
    bool ok = sync_folder(a, err) && change_rows(a, remove_row, uid, err);
    if (ok)
        remove_files(a, uid, fd);
    else
        settle(a, uid, fd, 0);
    close(fd);
    return ok && sync_folder(a, err);
}

bool arc_annotation_remove(ArcAnnotations *a, const char *uid, Err *err)
{
    char temp[NAME_SIZE], note[NAME_SIZE];
    int fd;
    Arena *arena = arena_new(0);
    IdxAnnotation row;
    bool there = idx_annotation(a->archive->index, arena, uid, &row, err);
    arena_free(arena);
    if (!there)
        return false;
    name_all(uid, temp, note);
    if (!mark(a, uid, temp, &fd, err))
        return false;
    return fd >= 0 ? remove_marked(a, uid, fd, err) : change_rows(a, remove_row, uid, err);
}
