// SPDX-License-Identifier: MIT
/* `manage backup`: one more state of the archive in a folder of backups. */
#include "archive/backup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/auditing.h"
#include "cli/backup.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopping.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOGGER "index_data"

typedef struct Args {
    const char *target;
    bool json;
} Args;

static const Args defaults;
static const Option options[] = {
    {OPT_TEXT, .value = "target", .help = "folder for the backups; made when it is not there",
     .at = offsetof(Args, target)},
    {OPT_FLAG, .name = "json", .help = "print the summary as JSON on stdout", .at = offsetof(Args, json)},
    {OPT_END},
};

size_t backup_roots(Arena *arena, const Settings *settings, ArcBackupRoot out[BACKUP_ROOTS])
{
    const char *folder = settings->folder;
    const ArcBackupRoot roots[BACKUP_ROOTS] = {
        {"app", arena_printf(arena, "%s/app", folder)},
        {"manage.py", arena_printf(arena, "%s/manage.py", folder)},
        {"version_pacs.py", arena_printf(arena, "%s/version_pacs.py", folder)},
        {"data", settings->fs_path},
        {"data_annotation", settings->api_annotation_path_data},
    };
    memcpy(out, roots, sizeof roots);
    return BACKUP_ROOTS;
}

bool backup_has_sqlite(const Settings *settings)
{
    return strcmp(settings->db_engine, "sqlite") == 0;
}

void backup_step(void *ctx, const ArcBackedUp *so_far, const char *path, const Err *why)
{
    if (why)
        fprintf(stderr, "%s: %s\n", path, why->text);
    progress_step(ctx, so_far->files ? so_far->files : so_far->copied);
}

void backup_show(const ArcBackedUp *d, const char *verb, bool json)
{
    char all[32], copied[32];
    Buf out;
    buf_init(&out, 0);
    if (json) {
        JsonWriter w = json_writer(&out);
        json_begin_object(&w);
        json_member(&w, "backup", *d->name ? d->name : NULL);
        json_member_int(&w, "files", (int64_t)d->files);
        json_member_int(&w, "bytes", (int64_t)d->bytes);
        json_member_int(&w, "copied", (int64_t)d->copied);
        json_member_int(&w, "bytes_copied", (int64_t)d->copied_bytes);
        json_member_int(&w, "failed", (int64_t)d->failed);
        json_end_object(&w);
        buf_append_cstr(&out, "\n");
    } else if (*d->name) {
        buf_printf(&out, "---> %s: %" PRIu64 " files, %s; %" PRIu64 " of them, %s, are new\n", d->name,
                   d->files, pretty_size((double)d->bytes, all), d->copied,
                   pretty_size((double)d->copied_bytes, copied));
    } else {
        buf_printf(&out, "---> %" PRIu64 " files %s, %s\n", d->files, verb,
                   pretty_size((double)d->bytes, all));
    }
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    const Settings *s = cli->settings;
    Err err = {0};
    ArcBackupRoot roots[BACKUP_ROOTS];
    ArcBackedUp done;
    Progress progress = progress_start("files", 0, true);
    ArcBackup wish = {.target = a->target,
                      .archive = s->folder,
                      .data = s->fs_path,
                      .roots = roots,
                      .root_count = backup_roots(cli->arena, s, roots),
                      .index_path = backup_has_sqlite(s) ? s->db_filepath : NULL,
                      .stop = stopping_watch(),
                      .step = backup_step,
                      .ctx = &progress};
    auditing_about(cli, AUDIT_FILE, a->target);
    bool ok = arc_backup(&wish, &done, &err);
    auditing_detail(cli, "Files", arena_printf(cli->arena, "%" PRIu64, done.files));
    progress_end(&progress);
    if (a->json || *done.name)
        backup_show(&done, "", a->json);
    if (!a->json && ok && !wish.index_path)
        printf(
            "---> the index is in PostgreSQL and not in the backup: use pg_dump, or let it be made again\n");
    log_info(LOGGER, "backup name=%s files=%" PRIu64 " bytes=%" PRIu64 " copied=%" PRIu64 " failed=%" PRIu64,
             *done.name ? done.name : "-", done.files, done.bytes, done.copied, done.failed);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_backup = {
    .name = "backup",
    .summary = "one more state of the archive into a folder of backups, while it runs",
    .details = "Settings, objects, annotations and a SQLite index, with the checksum of each file. What did "
               "not change "
               "since the backup before takes no room. Run again after it was stopped, it goes on.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run,
};
