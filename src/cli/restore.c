// SPDX-License-Identifier: MIT
/*
 * `manage restore`: an archive out of a backup. First its settings, which say where the rest belongs; then the rest; then the index is fitted to the place and to
 * the files. A mark says that a restore was begun, so that it may be begun again.
 */
#include "archive/backup.h"
#include "archive/indexing.h"
#include "base/file.h"
#include "cli/backup.h"
#include "cli/cli.h"
#include "cli/making.h"
#include "cli/progress.h"
#include "cli/stopping.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK ".restoring"

typedef struct Args {
    const char *source, *folder;
    bool json;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "source", .help = "a backup, or the folder of backups: then the newest one",
     .at = offsetof(Args, source)},
    {OPT_TEXT, .value = "dirpath", .help = "folder for the archive; missing or empty",
     .at = offsetof(Args, folder)},
    {OPT_FLAG, .name = "json", .help = "print the summary as JSON on stdout", .at = offsetof(Args, json)},
    {OPT_END},
};

typedef struct Restoring {
    Cli *cli;
    ArcBackupHead head;
    const char *folder, *mark; /* absolute */
    bool again;                /* a restore that was cut short is there */
    const Settings *settings;  /* of the restored archive */
    Progress progress;
    ArcBackedUp done;
} Restoring;

static bool is_empty(const char *path, Err *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool empty = true;
    if (!dir)
        return errno == ENOENT || err_errno(err, errno, "%s", path);
    while (empty && (entry = readdir(dir)))
        empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
                !strcmp(entry->d_name, "lost+found");
    closedir(dir);
    return empty || err_set(err, ERR_EXISTS, "%s is not empty; nothing was changed in it", path);
}

static bool open_folder(Restoring *r, const char *folder, Err *err)
{
    const char *mark = arena_printf(r->cli->arena, "%s/" MARK, folder);
    r->again = access(mark, F_OK) == 0;
    if ((!r->again && !is_empty(folder, err)) || !file_make_dirs(folder, err))
        return false;
    char *real = realpath(folder, NULL);
    if (!real)
        return err_errno(err, errno, "%s", folder);
    r->folder = arena_strdup(r->cli->arena, real);
    free(real);
    r->mark = arena_printf(r->cli->arena, "%s/" MARK, r->folder);
    return file_replace(r->mark, span_cstr(r->head.folder), 0640, err);
}

static bool bring(Restoring *r, const ArcBackupRoot *roots, size_t n, Err *err)
{
    ArcBackedUp done = {0};
    ArcRestore wish = {.folder = r->head.folder,
                       .roots = roots,
                       .root_count = n,
                       .stop = stopping_watch(),
                       .step = backup_step,
                       .ctx = &r->progress};
    bool ok = arc_restore(&wish, &done, err);
    r->done.files += done.files;
    r->done.bytes += done.bytes;
    r->done.copied = r->done.files;
    r->done.copied_bytes = r->done.bytes;
    r->done.failed += done.failed;
    return ok;
}

static bool bring_app(Restoring *r, Err *err)
{
    ArcBackupRoot roots[BACKUP_ROOTS];
    const Settings where = {.folder = r->folder};
    Buf problems;
    backup_roots(r->cli->arena, &where, roots);
    if (!bring(r, roots, BACKUP_ROOTS_OF_APP, err) || !making_launcher(r->folder, err))
        return false;
    buf_init(&problems, 0);
    r->settings = settings_load(r->cli->arena, r->folder, NULL, &problems);
    bool ok = r->settings || err_set(err, ERR_FORMAT, "the settings cannot be used: %s", buf_cstr(&problems));
    buf_free(&problems);
    return ok;
}

/* The settings may lead out of the folder, to where another archive is at work. */
static bool is_free(const Restoring *r, Err *err)
{
    const Settings *s = r->settings;
    if (r->again)
        return true;
    if (!is_empty(s->fs_path, err) || !is_empty(s->api_annotation_path_data, err))
        return err_wrap(err, "app/settings.yml of the backup leads there");
    return !backup_has_sqlite(s) || access(s->db_filepath, F_OK) != 0 ||
           err_set(err, ERR_EXISTS, "app/settings.yml of the backup leads to the index %s, which is there",
                   s->db_filepath);
}

static bool fit_index(Restoring *r, Err *err)
{
    const Settings *s = r->settings;
    char *data = realpath(s->fs_path, NULL);
    Index *index = data ? cli_open_index(s, err) : NULL; /* brings an older one up to date */
    bool ok = index || (data ? false : err_errno(err, errno, "%s", s->fs_path));
    idx_close(index);
    if (ok && strcmp(r->head.data, data) != 0)
        ok = idx_sqlite_move(s->db_filepath, r->head.data, data, err);
    if (ok && strcmp(r->head.archive, r->folder) != 0)
        ok = idx_sqlite_move(s->db_filepath, r->head.archive, r->folder, err);
    free(data);
    return ok;
}

/* What came or went while the backup was made, and everything when it has no index. */
static bool settle_index(Restoring *r, Err *err)
{
    ArcIndexed indexed;
    ArcPruned pruned = {0};
    Archive *archive = cli_open_archive_to_fill(r->settings, err);
    ArcIndexing index = {.threads = (size_t)r->settings->thread_number, .stop = stopping_watch()};
    ArcPruning prune = {.own_only = true, .stop = stopping_watch()};
    uint64_t rows = 0, bytes = 0;
    bool ok = archive && arc_index_folder(archive, &index, &indexed, err) &&
              idx_select_count(arc_index(archive), &(IdxSelection){.everything = true}, &rows, &bytes, err) &&
              (!rows || arc_prune(archive, &prune, &pruned, err));
    arc_close(archive);
    return ok;
}

static bool restore(Restoring *r, const Args *a, Err *err)
{
    if (!arc_backup_find(r->cli->arena, a->source, &r->head, err) || !open_folder(r, a->folder, err) ||
        !bring_app(r, err) || !is_free(r, err))
        return false;
    ArcBackupRoot roots[BACKUP_ROOTS + 1];
    size_t n = backup_roots(r->cli->arena, r->settings, roots);
    bool sqlite = backup_has_sqlite(r->settings);
    if (sqlite && r->head.index)
        roots[n++] = (ArcBackupRoot){ARC_BACKUP_INDEX, r->settings->db_filepath};
    if (!bring(r, roots + BACKUP_ROOTS_OF_APP, n - BACKUP_ROOTS_OF_APP, err) ||
        (sqlite && !file_make_dirs(r->settings->fs_path, err)))
        return false;
    if (sqlite && ((r->head.index && !fit_index(r, err)) || !settle_index(r, err)))
        return false;
    return unlink(r->mark) == 0 || err_errno(err, errno, "%s", r->mark);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    Err err = {0};
    Restoring r = {.cli = cli, .progress = progress_start("files", 0, true)};
    bool ok = restore(&r, a, &err);
    progress_end(&r.progress);
    if (a->json || ok)
        backup_show(&r.done, "restored, their checksums compared", a->json);
    if (ok && !a->json && !backup_has_sqlite(r.settings))
        printf("---> the index is in PostgreSQL: restore it there, or run 'data index'\n");
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (r.done.failed)
        return cli_fail(cli, "%llu files of the backup are missing or damaged; all else is there",
                        (unsigned long long)r.done.failed);
    return EXIT_OK;
}

const Command command_restore = {
    .name = "restore",
    .summary = "an archive out of a backup, each file compared with its checksum",
    .details =
        "The folder must be empty, or have what an earlier run brought before it was stopped. Files that are "
        "missing in the backup or damaged are named and left out, and the exit code says so.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
