// SPDX-License-Identifier: MIT
/*
 * Quarantine: objects that were received but cannot be understood, kept for a person to look at. Each is two files, <UTC time>-<number>.dcm and
 * the same name with .json, which says why, when and from whom. Names come from the clock only. A sender cannot fill the disk this way: beyond
 * MAX_OBJECTS or MAX_BYTES nothing more is taken.
 */
#include "archive/archive_internal.h"

#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_OBJECTS = 10000, COPY = 256 << 10, REASON_MAX = 64 << 10, COUNT_SHARE = 20 };
static const uint64_t MAX_BYTES = UINT64_C(20) << 30;

struct Quarantine {
    char *path;
    pthread_mutex_t lock; /* guards what follows; held while one object is moved */
    bool counted;
    size_t objects;
    uint64_t bytes;
    unsigned number;
    struct timespec changed; /* the folder, before it was counted */
    Deadline again;          /* when it is counted again although it has not changed */
};

Quarantine *quarantine_new(const char *path)
{
    Quarantine *quarantine = calloc(1, sizeof *quarantine);
    if (!quarantine || !(quarantine->path = strdup(path)))
        abort();
    pthread_mutex_init(&quarantine->lock, NULL);
    return quarantine;
}

void quarantine_free(Quarantine *quarantine)
{
    if (!quarantine)
        return;
    pthread_mutex_destroy(&quarantine->lock);
    free(quarantine->path);
    free(quarantine);
}

static bool count_file(void *ctx, const char *path, Err *err)
{
    Quarantine *quarantine = ctx;
    struct stat st;
    if (stat(path, &st) == 0) {
        quarantine->bytes += (uint64_t)st.st_size;
        quarantine->objects += span_ends(span_cstr(path), SPAN(".dcm"));
    }
    return true;
}

static struct timespec change_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

static bool count(Quarantine *quarantine, Err *err)
{
    if (quarantine->counted)
        return true;
    int64_t began = clock_ms();
    quarantine->objects = 0;
    quarantine->bytes = 0;
    quarantine->changed = change_of(quarantine->path);
    quarantine->counted = file_make_dirs(quarantine->path, err) &&
                          file_walk(quarantine->path, true, count_file, quarantine, err);
    quarantine->again = deadline_in((clock_ms() - began) * COUNT_SHARE);
    return quarantine->counted;
}

/* May somebody have emptied it? Who sends one bad object after the other must not keep us counting ten thousand files. */
static bool may_have_room(const Quarantine *quarantine)
{
    struct timespec now = change_of(quarantine->path);
    return now.tv_sec != quarantine->changed.tv_sec || now.tv_nsec != quarantine->changed.tv_nsec ||
           deadline_passed(quarantine->again);
}

static bool copy_file(int from, int to, Err *err)
{
    uint8_t *chunk = malloc(COPY);
    if (!chunk)
        abort();
    bool ok = true;
    ssize_t n;
    while (ok && (n = read(from, chunk, COPY)) != 0)
        ok = n > 0 ? file_write_all(to, chunk, (size_t)n, err) : err_errno(err, errno, "read");
    free(chunk);
    return ok;
}

/* rename, or a copy where the quarantine is on another file system. */
static bool move_file(const char *from, const char *to, Err *err)
{
    if (rename(from, to) == 0)
        return true;
    if (errno != EXDEV)
        return err_errno(err, errno, "cannot move to %s", to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    bool ok = in >= 0 && out >= 0 ? copy_file(in, out, err) : err_errno(err, errno, "cannot copy to %s", to);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    unlink(ok ? from : to);
    return ok;
}

static bool sync_folder(const char *path, Err *err)
{
    int fd = file_open_dir(path, false, err);
    bool ok = fd >= 0 && file_sync(fd, path, err);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool is_this(int fd, const struct stat *file)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static bool copy_this(const char *from, const char *to, const struct stat *file, Err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    bool ok = in >= 0 && out >= 0;
    if (!ok)
        err_errno(err, errno, "cannot copy to %s", to);
    else
        ok = is_this(in, file) ||
             err_set(err, ERR_MISMATCH, "another file took its place meanwhile; it stays");
    ok = ok && copy_file(in, out, err) && file_sync(out, to, err);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ok;
}

/* A second name, or a copy where that cannot be; of this file and no other. */
static bool keep_file(const char *from, const char *to, const struct stat *file, Err *err)
{
    struct stat st;
    bool linked = link(from, to) == 0;
    bool ok = linked || (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP
                             ? copy_this(from, to, file, err)
                             : err_errno(err, errno, "cannot link to %s", to));
    if (ok && linked && (stat(to, &st) != 0 || st.st_dev != file->st_dev || st.st_ino != file->st_ino))
        ok = err_set(err, ERR_MISMATCH, "another file took its place meanwhile; it stays");
    if (!ok)
        unlink(to);
    return ok;
}

static bool write_reason(const char *path, const QuarantineCase *object, uint64_t size, Err *err)
{
    char when[32];
    clock_format(clock_wall_us(), true, when);
    Buf text;
    buf_init(&text, REASON_MAX);
    JsonWriter w = json_writer(&text);
    json_begin_object(&w);
    json_member(&w, "time_utc", when);
    json_member(&w, "reason", object->why->text);
    json_member(&w, "code", err_code_name(object->why->code));
    json_member(&w, "source_ae", object->source_ae);
    json_member(&w, "transfer_syntax", object->transfer_syntax);
    json_member(&w, "sop_class", object->sop_class);
    json_member(&w, "sop_instance", object->sop_instance);
    json_member_int(&w, "size", (int64_t)size);
    json_end_object(&w);
    buf_u8(&text, '\n');
    bool ok = !text.failed && file_replace(path, buf_span(&text), 0640, err);
    buf_free(&text);
    return ok;
}

/* "PATH/20261121T130509-000001": both files are whose NAME.json it is; another process may look for a name at the same time. */
static bool claim_name(Quarantine *quarantine, char *out, size_t size, Err *err)
{
    time_t now = (time_t)(clock_wall_us() / 1000000);
    struct tm utc;
    char when[32], path[4096 + 8];
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", &utc);
    for (;;) {
        snprintf(out, size, "%s/%s-%06u", quarantine->path, when, ++quarantine->number);
        snprintf(path, sizeof path, "%s.dcm", out);
        if (access(path, F_OK) == 0)
            continue;
        snprintf(path, sizeof path, "%s.json", out);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (fd >= 0)
            return close(fd) == 0 || err_errno(err, errno, "cannot write %s", path);
        if (errno != EEXIST)
            return err_errno(err, errno, "cannot write %s", path);
    }
}

static bool has_room(const Quarantine *quarantine, uint64_t size)
{
    return quarantine->objects < MAX_OBJECTS && quarantine->bytes <= MAX_BYTES &&
           size <= MAX_BYTES - quarantine->bytes;
}

static bool make_room(Quarantine *quarantine, uint64_t size, Err *err)
{
    if (!count(quarantine, err))
        return false;
    if (has_room(quarantine, size))
        return true;
    quarantine->counted = !may_have_room(quarantine);
    if (!count(quarantine, err))
        return false;
    return has_room(quarantine, size) ||
           err_set(err, ERR_LIMIT, "the quarantine is full; look through %s and empty it", quarantine->path);
}

static bool take(Quarantine *quarantine, const QuarantineCase *object, Err *err)
{
    struct stat st;
    if (stat(object->path, &st) != 0)
        return err_errno(err, errno, "cannot read %s", object->path);
    uint64_t size = (uint64_t)st.st_size;
    if (!make_room(quarantine, size, err))
        return false;
    char name[4096 - 16], data[4096], reason[4096];
    if (!claim_name(quarantine, name, sizeof name, err))
        return false;
    snprintf(data, sizeof data, "%s.dcm", name);
    snprintf(reason, sizeof reason, "%s.json", name);
    bool ok = write_reason(reason, object, size, err);
    if (ok && object->leave)
        ok = keep_file(object->path, data, object->leave, err) && sync_folder(quarantine->path, err);
    else if (ok)
        ok = move_file(object->path, data, err);
    if (!ok) {
        unlink(reason);
        return false;
    }
    quarantine->objects++;
    quarantine->bytes += size;
    if (object->kept)
        snprintf(object->kept, PATH_MAX, "%s", name);
    return true;
}

bool quarantine_take(Quarantine *quarantine, const QuarantineCase *object, Err *err)
{
    pthread_mutex_lock(&quarantine->lock);
    bool ok = take(quarantine, object, err);
    pthread_mutex_unlock(&quarantine->lock);
    return ok;
}

void quarantine_give_back(Quarantine *quarantine, const char *kept)
{
    static const char *const suffixes[] = {".dcm", ".json"};
    char path[PATH_MAX + 8];
    pthread_mutex_lock(&quarantine->lock);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(path, sizeof path, "%s%s", kept, suffixes[i]);
        unlink(path);
    }
    quarantine->counted = false;
    pthread_mutex_unlock(&quarantine->lock);
}
