// SPDX-License-Identifier: MIT
/* A backup brought back, each file compared with its digest while it is copied; see backup.h. */
#include "archive/backup.h"
#include "archive/backup_manifest.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART_SUFFIX ".restore-part"

typedef struct Run {
    const ArcRestore *wish;
    int from;
    ArcBackedUp done;
} Run;

/* Where a file of the backup goes; NULL when it is not wanted. Caller frees. */
static char *place_of(const Run *run, const char *name)
{
    char *place = NULL;
    for (size_t i = 0; i < run->wish->root_count; i++) {
        const ArcBackupRoot *root = &run->wish->roots[i];
        size_t n = strlen(root->name);
        if (strncmp(name, root->name, n) != 0 || (name[n] && name[n] != '/'))
            continue;
        if (asprintf(&place, "%s%s", root->path, name + n) < 0)
            abort();
        return place;
    }
    return NULL;
}

static bool make_parents(const char *path, Err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, slash ? (size_t)(slash - path) : 0);
    if (!folder)
        abort();
    bool ok = !*folder || file_make_dirs(folder, err);
    free(folder);
    return ok;
}

/* *lost: the backup is at fault, not the place it goes to. */
static bool copy_checked(Run *run, int from, int to, const BackupFile *file, bool *lost, Err *err)
{
    uint8_t sha256[32];
    uint64_t size = 0;
    const struct timespec time = {.tv_sec = file->mtime_us / 1000000,
                                  .tv_nsec = file->mtime_us % 1000000 * 1000};
    const struct timespec times[] = {time, time};
    if (!backup_copy(from, to, run->wish->stop, &size, sha256, lost, err))
        return false;
    *lost = size != file->size || memcmp(sha256, file->sha256, sizeof sha256) != 0;
    if (*lost)
        return err_set(err, ERR_FORMAT, "it is not what was backed up: the checksum differs");
    return (fchmod(to, file->mode) == 0 && futimens(to, times) == 0) ||
           err_errno(err, errno, "cannot set mode and time");
}

static bool restore_open(Run *run, int from, const BackupFile *file, const char *place, bool *lost, Err *err)
{
    char *part = NULL;
    if (asprintf(&part, "%s" PART_SUFFIX, place) < 0)
        abort();
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = to >= 0 ? copy_checked(run, from, to, file, lost, err)
                      : err_errno(err, errno, "cannot write %s", part);
    if (to >= 0 && close(to) != 0 && ok)
        ok = err_errno(err, errno, "cannot write %s", part);
    if (ok && rename(part, place) != 0)
        ok = err_errno(err, errno, "cannot write %s", place);
    if (!ok && to >= 0)
        unlink(part);
    free(part);
    return ok;
}

static bool restore_file(Run *run, const BackupFile *file, const char *place, Err *err)
{
    Err why = {0};
    bool lost = false;
    if (run->wish->stop && atomic_load(run->wish->stop))
        return err_set(err, ERR_CANCELLED, "stopped before the end; the same command begins again");
    if (!make_parents(place, err))
        return false;
    int from = file_open_beneath(run->from, file->path, O_RDONLY, &why);
    bool ok = from >= 0 && restore_open(run, from, file, place, &lost, &why);
    lost = lost || from < 0;
    if (from >= 0)
        close(from);
    if (!ok && !lost) {
        *err = why;
        return false;
    }
    run->done.files += ok;
    run->done.bytes += ok ? file->size : 0;
    run->done.failed += !ok;
    if (run->wish->step)
        run->wish->step(run->wish->ctx, &run->done, file->path, ok ? NULL : &why);
    return true;
}

static bool sync_places(const Run *run, Err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < run->wish->root_count; i++) {
        int fd = open(run->wish->roots[i].path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue; /* the backup has none of it */
        ok = backup_sync(fd, err);
        close(fd);
    }
    return ok;
}

bool arc_restore(const ArcRestore *restore, ArcBackedUp *out, Err *err)
{
    Run run = {.wish = restore, .from = file_open_dir(restore->folder, false, err)};
    BackupFiles files = {0};
    bool ok = run.from >= 0;
    if (ok && (!backup_files_read(restore->folder, &files) || !files.ended))
        ok = err_set(err, ERR_FORMAT, "%s is no whole backup: the end of its manifest is missing",
                     restore->folder);
    for (size_t i = 0; ok && i < files.count; i++) {
        char *place = place_of(&run, files.files[i].path);
        ok = !place || restore_file(&run, &files.files[i], place, err);
        free(place);
    }
    ok = ok && sync_places(&run, err);
    if (files.arena)
        backup_files_free(&files);
    if (run.from >= 0)
        close(run.from);
    *out = run.done;
    return ok;
}
