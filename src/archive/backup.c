// SPDX-License-Identifier: MIT
/* One thread, two passes over the folders with the index between them; see backup.h. */
#include "archive/backup.h"

#include "archive/backup_manifest.h"
#include "base/clock.h"
#include "base/file.h"
#include "index/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define UNFINISHED ".unfinished"
#define PART       ".part"

typedef struct Run {
    const ArcBackup *wish;
    char *target;     /* links resolved */
    int folder, into; /* the target, and the backup in it */
    BackupFiles before, resumed;
    int before_folder; /* -1 = none */
    FILE *manifest;
    const ArcBackupRoot *root; /* at hand */
    size_t root_length;
    bool again; /* the second pass */
    ArcBackedUp done;
    Err first; /* failure of a file */
} Run;

static bool is_stopped(const Run *run, Err *err)
{
    return run->wish->stop && atomic_load(run->wish->stop) &&
           !err_set(err, ERR_CANCELLED, "stopped before the end; the same command goes on where it stopped");
}

static void step(Run *run, const char *path, const Err *why)
{
    if (why && !run->done.failed++)
        run->first = *why;
    if (run->wish->step)
        run->wish->step(run->wish->ctx, &run->done, path, why);
}

/* -- backups that are there -- */

static bool is_backup_name(const char *name)
{
    return strlen(name) == 16 && strspn(name, "0123456789TZ-") == 16 && name[8] == 'T' && name[15] == 'Z';
}

/* The newest one that is whole, read; false when there is none. */
static bool read_newest(const char *target, BackupFiles *out)
{
    struct dirent **names = NULL;
    int n = scandir(target, &names, NULL, alphasort);
    bool found = false;
    for (int i = n - 1; i >= 0; i--) {
        if (!found && is_backup_name(names[i]->d_name)) {
            char *path = file_join(target, names[i]->d_name);
            found = backup_files_read(path, out) && out->ended && out->head.archive;
            if (!found)
                backup_files_free(out);
            free(path);
        }
        free(names[i]);
    }
    free(names);
    return found;
}

bool arc_backup_find(Arena *arena, const char *source, ArcBackupHead *out, Err *err)
{
    BackupFiles files;
    bool there = backup_files_read(source, &files), whole = there && files.ended && files.head.archive;
    if (!there) {
        backup_files_free(&files);
        there = whole = read_newest(source, &files);
    }
    if (whole)
        *out = (ArcBackupHead){.folder = arena_strdup(arena, files.head.folder),
                               .archive = arena_strdup(arena, files.head.archive),
                               .data = arena_strdup(arena, files.head.data ? files.head.data : ""),
                               .when = arena_strdup(arena, files.head.when ? files.head.when : ""),
                               .index = files.head.index};
    if (there)
        backup_files_free(&files);
    if (whole)
        return true;
    return there
               ? err_set(err, ERR_FORMAT, "%s is no whole backup: the end of its manifest is missing", source)
               : err_set(err, ERR_NOT_FOUND, "there is no backup in %s", source);
}

/* -- one file -- */

static bool note(Run *run, const char *name, const struct stat *st, uint64_t size, const uint8_t sha256[32],
                 Err *err)
{
    BackupFile line = {.path = name, .size = size, .mtime_us = backup_mtime(st), .mode = st->st_mode & 0777};
    memcpy(line.sha256, sha256, sizeof line.sha256);
    return backup_write_file(run->manifest, &line, err);
}

static bool is_as(const BackupFile *line, const struct stat *st)
{
    return line && line->size == (uint64_t)st->st_size && line->mtime_us == backup_mtime(st) &&
           line->mode == (st->st_mode & 0777);
}

static bool has_digest(int folder, const char *name, const BackupFile *line, const atomic_bool *stop)
{
    uint8_t sha256[32];
    uint64_t size = 0;
    bool unreadable;
    int fd = file_open_beneath(folder, name, O_RDONLY, NULL);
    bool same = fd >= 0 && backup_copy(fd, -1, stop, &size, sha256, &unreadable, NULL) &&
                size == line->size && memcmp(sha256, line->sha256, sizeof sha256) == 0;
    if (fd >= 0)
        close(fd);
    return same;
}

/* Is it in this backup already, as it is? What an earlier run left is read, because it may not have come to the disk. */
static bool is_there(Run *run, const char *name, const struct stat *st)
{
    struct stat there;
    const BackupFile *line = backup_files_find(&run->resumed, name);
    if (run->again)
        return fstatat(run->into, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_size == st->st_size &&
               backup_mtime(&there) == backup_mtime(st);
    return is_as(line, st) && has_digest(run->into, name, line, run->wish->stop);
}

/* Did nobody write to the copy since? Some file systems keep times to two seconds. */
static bool is_untouched(const struct stat *copy, const struct stat *st)
{
    enum { COARSE_US = 2000000 };
    return S_ISREG(copy->st_mode) && copy->st_size == st->st_size &&
           llabs(backup_mtime(copy) - backup_mtime(st)) < COARSE_US;
}

/* A second name of the file in the backup before. */
static bool link_before(Run *run, const char *name, const struct stat *st, Err *err)
{
    struct stat there;
    const BackupFile *line = run->before_folder >= 0 ? backup_files_find(&run->before, name) : NULL;
    if (!is_as(line, st) || fstatat(run->before_folder, name, &there, AT_SYMLINK_NOFOLLOW) != 0 ||
        !is_untouched(&there, st))
        return false;
    unlinkat(run->into, name, 0);
    return linkat(run->before_folder, name, run->into, name, 0) == 0 &&
           note(run, name, st, line->size, line->sha256, err);
}

static bool copy_file(Run *run, int from, const char *name, const struct stat *st, bool *unreadable, Err *err)
{
    uint8_t sha256[32];
    uint64_t size = 0;
    int to = openat(run->into, PART, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return err_errno(err, errno, "cannot write in %s", run->target);
    const struct timespec times[] = {st->st_atim, st->st_mtim};
    bool ok = backup_copy(from, to, run->wish->stop, &size, sha256, unreadable, err) &&
              ((fchmod(to, st->st_mode & 0777) == 0 && futimens(to, times) == 0) ||
               err_errno(err, errno, "cannot set mode and time of the copy"));
    if (close(to) != 0 && ok)
        ok = err_errno(err, errno, "cannot write in %s", run->target);
    if (ok && renameat(run->into, PART, run->into, name) != 0)
        ok = err_errno(err, errno, "cannot write in %s", run->target);
    if (!ok) {
        unlinkat(run->into, PART, 0);
        return *unreadable || err->code == ERR_CANCELLED ? false
                                                         : err_wrap(err, "the backup in %s", run->target);
    }
    run->done.copied++;
    run->done.copied_bytes += size;
    return note(run, name, st, size, sha256, err);
}

static bool take_open(Run *run, int from, const char *name, const char *path, Err *err)
{
    struct stat st;
    bool unreadable = false;
    if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode) || is_there(run, name, &st))
        return true;
    if (!file_make_dirs_beneath(run->into, name, err))
        return err_wrap(err, "%s", run->target);
    Err why = {0};
    if (link_before(run, name, &st, &why) || copy_file(run, from, name, &st, &unreadable, &why))
        return true;
    if (unreadable || why.code == ERR_UNSUPPORTED) {
        step(run, path, &why);
        return true;
    }
    *err = why;
    return false;
}

static bool is_index(const Run *run, const char *path)
{
    const char *index = run->wish->index_path;
    return index && strncmp(path, index, strlen(index)) == 0;
}

static bool take(Run *run, const char *name, const char *path, Err *err)
{
    if (is_stopped(run, err))
        return false;
    if (is_index(run, path)) /* SQLite's locks would go with our descriptor */
        return true;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (from < 0 && errno == ENOENT)
        return true; /* replaced or deleted by a server */
    if (from < 0) {
        Err why;
        err_errno(&why, errno, "it cannot be read");
        step(run, path, &why);
        return true;
    }
    bool ok = take_open(run, from, name, path, err);
    close(from);
    if (ok && !run->again)
        step(run, path, NULL);
    return ok;
}

static bool visit(void *ctx, const char *path, Err *err)
{
    Run *run = ctx;
    const char *below = path + run->root_length;
    char *name = NULL;
    while (*below == '/')
        below++;
    if (asprintf(&name, "%s%s%s", run->root->name, *below ? "/" : "", below) < 0)
        abort();
    bool ok = take(run, name, path, err);
    free(name);
    return ok;
}

static bool take_roots(Run *run, Err *err)
{
    struct stat st;
    bool ok = true;
    for (size_t i = 0; ok && i < run->wish->root_count; i++) {
        run->root = &run->wish->roots[i];
        run->root_length = strlen(run->root->path);
        if (stat(run->root->path, &st) != 0)
            ok = errno == ENOENT || err_errno(err, errno, "%s", run->root->path);
        else if (S_ISDIR(st.st_mode))
            ok = file_walk(run->root->path, true, visit, run, err);
        else
            ok = visit(run, run->root->path, err);
    }
    return ok;
}

/* -- the index -- */

static bool take_index(Run *run, Err *err)
{
    static const char part[] = "." ARC_BACKUP_INDEX;
    struct stat st = {0};
    uint8_t sha256[32];
    uint64_t size = 0;
    bool unreadable;
    if (!run->wish->index_path)
        return true;
    char *path = file_join(run->target, UNFINISHED "/." ARC_BACKUP_INDEX);
    bool ok = idx_sqlite_copy(run->wish->index_path, path, err);
    int fd = ok ? openat(run->into, part, O_RDONLY | O_CLOEXEC) : -1;
    if (ok && (fd < 0 || fstat(fd, &st) != 0))
        ok = err_errno(err, errno, "%s", path);
    ok = ok && backup_copy(fd, -1, run->wish->stop, &size, sha256, &unreadable, err);
    if (fd >= 0)
        close(fd);
    st.st_mode = 0640;
    if (ok && (fchmodat(run->into, part, 0640, 0) != 0 ||
               renameat(run->into, part, run->into, ARC_BACKUP_INDEX) != 0))
        ok = err_errno(err, errno, "cannot write in %s", run->target);
    free(path);
    run->done.copied += ok;
    run->done.copied_bytes += ok ? size : 0;
    return ok && note(run, ARC_BACKUP_INDEX, &st, size, sha256, err);
}

/* -- the end -- */

/* Is there still a file of this name in the archive? */
static bool is_in_archive(const Run *run, const char *name)
{
    struct stat st;
    if (strcmp(name, ARC_BACKUP_INDEX) == 0)
        return true;
    for (size_t i = 0; i < run->wish->root_count; i++) {
        const ArcBackupRoot *root = &run->wish->roots[i];
        size_t n = strlen(root->name);
        if (strncmp(name, root->name, n) != 0 || (name[n] && name[n] != '/'))
            continue;
        char *path = file_join(root->path, name[n] ? name + n + 1 : "");
        bool there = name[n] ? lstat(path, &st) == 0 : lstat(root->path, &st) == 0;
        free(path);
        return there;
    }
    return false;
}

/* The manifest with one line for each file that is there, in place of the one that was written as they came. */
static bool write_manifest(Run *run, const ArcBackupHead *head, Err *err)
{
    BackupFiles all;
    struct stat st;
    char *folder = file_join(run->target, UNFINISHED);
    backup_files_read(folder, &all);
    free(folder);
    int fd = openat(run->into, ".manifest", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
    bool ok =
        to ? backup_write_head(to, head, err) : err_errno(err, errno, "cannot write in %s", run->target);
    for (size_t i = 0; ok && i < all.count; i++) {
        const BackupFile *file = &all.files[i];
        if (!is_in_archive(run, file->path)) {
            unlinkat(run->into, file->path, 0);
        } else if (fstatat(run->into, file->path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            run->done.files++;
            run->done.bytes += file->size;
            ok = backup_write_file(to, file, err);
        }
    }
    ok = ok && backup_write_end(to, run->done.files, run->done.bytes, err);
    if (to && fclose(to) != 0 && ok)
        ok = err_errno(err, errno, "cannot write in %s", run->target);
    backup_files_free(&all);
    return ok && (renameat(run->into, ".manifest", run->into, BACKUP_MANIFEST) == 0 ||
                  err_errno(err, errno, "cannot write in %s", run->target));
}

static bool finish(Run *run, Err *err)
{
    char name[32];
    for (int64_t now = clock_wall_us() / 1000000;; now++) { /* one a second at most */
        struct tm utc;
        gmtime_r(&(time_t){now}, &utc);
        strftime(name, sizeof name, "%Y%m%dT%H%M%SZ", &utc);
        if (faccessat(run->folder, name, F_OK, 0) != 0)
            break;
    }
    if (!backup_sync(run->into, err) || (renameat(run->folder, UNFINISHED, run->folder, name) != 0 &&
                                         !err_errno(err, errno, "cannot write in %s", run->target)))
        return false;
    memcpy(run->done.name, name, sizeof run->done.name);
    return file_sync(run->folder, run->target, err);
}

/* -- the beginning -- */

static bool lies_in(const char *inner, const char *outer)
{
    size_t n = strlen(outer);
    return strncmp(inner, outer, n) == 0 && (inner[n] == 0 || inner[n] == '/');
}

static bool check_place(const Run *run, Err *err)
{
    for (size_t i = 0; i < run->wish->root_count; i++) {
        char *root = realpath(run->wish->roots[i].path, NULL);
        bool bad = root && (lies_in(run->target, root) || lies_in(root, run->target));
        free(root);
        if (bad)
            return err_set(err, ERR_USAGE,
                           "the target %s and %s, which is to be backed up, lie in one another", run->target,
                           run->wish->roots[i].path);
    }
    return true;
}

static bool open_target(Run *run, Err *err)
{
    run->folder = file_open_dir(run->wish->target, true, err);
    if (run->folder < 0)
        return err_wrap(err, "the target cannot be used");
    run->target = realpath(run->wish->target, NULL);
    if (!run->target)
        return err_errno(err, errno, "%s", run->wish->target);
    if (!check_place(run, err))
        return false;
    if (flock(run->folder, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, ERR_REFUSED, "another backup to %s is at work", run->target);
    if (mkdirat(run->folder, UNFINISHED, 0750) != 0 && errno != EEXIST)
        return err_errno(err, errno, "cannot write in %s", run->target);
    run->into = openat(run->folder, UNFINISHED, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (run->into < 0)
        return err_errno(err, errno, "%s/" UNFINISHED, run->target);
    unlinkat(run->into, PART, 0); /* of a run that was killed */
    return true;
}

/* What the run before noted stays noted. */
static bool open_manifest(Run *run, const ArcBackupHead *head, Err *err)
{
    char *folder = file_join(run->target, UNFINISHED);
    backup_files_read(folder, &run->resumed);
    free(folder);
    int fd = openat(run->into, BACKUP_MANIFEST, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    run->manifest = fd < 0 ? NULL : fdopen(fd, "w");
    bool ok = run->manifest ? backup_write_head(run->manifest, head, err)
                            : err_errno(err, errno, "cannot write in %s", run->target);
    for (size_t i = 0; ok && i < run->resumed.count; i++)
        ok = backup_write_file(run->manifest, &run->resumed.files[i], err);
    return ok;
}

static bool run_all(Run *run, const ArcBackupHead *head, Err *err)
{
    if (!open_target(run, err) || !open_manifest(run, head, err))
        return false;
    if (read_newest(run->target, &run->before))
        run->before_folder = file_open_dir(run->before.head.folder, false, NULL);
    if (!take_roots(run, err) || !take_index(run, err))
        return false;
    run->again = true;
    return take_roots(run, err) && write_manifest(run, head, err) && finish(run, err);
}

bool arc_backup(const ArcBackup *backup, ArcBackedUp *out, Err *err)
{
    Run run = {.wish = backup, .folder = -1, .into = -1, .before_folder = -1};
    char when[32];
    char *data = realpath(backup->data, NULL);
    clock_format(clock_wall_us(), true, when);
    ArcBackupHead head = {.archive = backup->archive,
                          .data = data ? data : backup->data,
                          .when = when,
                          .index = backup->index_path != NULL};
    bool ok = run_all(&run, &head, err);
    if (run.manifest)
        fclose(run.manifest);
    const int fds[] = {run.before_folder, run.into, run.folder};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (run.before.arena)
        backup_files_free(&run.before);
    if (run.resumed.arena)
        backup_files_free(&run.resumed);
    free(run.target);
    free(data);
    *out = run.done;
    if (ok && run.done.failed) {
        *err = run.first;
        ok =
            err_wrap(err, "%llu files are not in the backup; the first", (unsigned long long)run.done.failed);
    }
    return ok;
}
