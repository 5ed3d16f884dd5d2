// SPDX-License-Identifier: MIT
/* `manage data index` and `manage data export`: every file of a folder, with progress and a summary. */
#include "archive/indexing.h"
#include "archive/mirror.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/auditing.h"
#include "cli/block.h"
#include "cli/data.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopping.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sum of a run: a line of JSON, or text. */
static void print_json(const char *const *names, const uint64_t *values, size_t n, int64_t ms)
{
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    for (size_t i = 0; i < n; i++)
        json_member_int(&w, names[i], (int64_t)values[i]);
    json_key(&w, "seconds");
    json_double(&w, (double)ms / 1000);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
}

static void print_time(uint64_t files, uint64_t bytes, int64_t ms)
{
    char took[48], size[32];
    double seconds = ms > 0 ? (double)ms / 1000 : 0.001;
    block_execution_time(ms, took);
    printf("%s\n%" PRIu64 " files in %.1f s: %.0f files/s, %s/s\n", took, files, seconds,
           (double)files / seconds, pretty_size((double)bytes / seconds, size));
}

/* -- index -- */

typedef struct IndexArgs {
    const char *folder;
    bool erase, verify, prune, dry_run, json;
} IndexArgs;

static const IndexArgs index_defaults;
static const Option index_options[] = {
    {OPT_TEXT, "d", "directoryDicom", "PATH",
     "index the files of this folder, where they are; without it, those of the archive's own store",
     .at = offsetof(IndexArgs, folder)},
    {OPT_BOOL, "rm", "erase", .bare = "yes", .at = offsetof(IndexArgs, erase),
     .help = "copy the files into the store and delete each here once its copy is durable (needs -d)"},
    {OPT_FLAG, .name = "verify", .help = "read files that look unchanged, too",
     .at = offsetof(IndexArgs, verify)},
    {OPT_FLAG, .name = "prune", .help = "then take the rows out of the index whose file is gone",
     .at = offsetof(IndexArgs, prune)},
    {OPT_FLAG, .name = "dry-run", .help = "with --prune: index nothing, and only list those rows",
     .at = offsetof(IndexArgs, dry_run)},
    {OPT_FLAG, .name = "json", .help = "print the summary as JSON on stdout",
     .at = offsetof(IndexArgs, json)},
    {OPT_END},
};

static const char *check_index(const void *args)
{
    const IndexArgs *a = args;
    if (a->erase && !a->folder)
        return "-rm/--erase needs -d/--directoryDicom: the files of the store are the archive";
    if (a->dry_run && !a->prune)
        return "--dry-run is for --prune";
    return NULL;
}

static void index_step(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    if (why)
        log_warning("index_data", "%s: %s", path, why->text);
    progress_step(ctx, so_far->seen);
}

static void prune_step(void *ctx, const ArcPruned *so_far, const IdxFile *gone)
{
    const IndexArgs *a = ctx;
    log_warning("index_data", "the file of object %s is gone%s", gone->sop_instance,
                a->dry_run ? "" : "; its row goes, too");
    if (a->dry_run && !a->json)
        printf("%s %s\n", gone->sop_instance, gone->path);
}

static bool prune(const IndexArgs *a, Archive *archive, const atomic_bool *stop, ArcPruned *out, Err *err)
{
    ArcPruning wish = {.dry_run = a->dry_run, .stop = stop, .step = prune_step, .ctx = (void *)a};
    bool ok = arc_prune(archive, &wish, out, err);
    log_info("index_data",
             "prune seen=%" PRIu64 " gone=%" PRIu64 " pruned=%" PRIu64 " failed=%" PRIu64 " dry_run=%d",
             out->seen, out->gone, out->pruned, out->failed, a->dry_run);
    return ok;
}

static void show_indexed(const IndexArgs *a, const ArcIndexed *d, const ArcPruned *p, int64_t ms)
{
    static const char *const names[] = {"seen",    "added", "known",      "junk", "failed",
                                        "deleted", "kept",  "bytes_read", "gone", "pruned"};
    if (a->json) {
        print_json(names,
                   (const uint64_t[]){d->seen, d->added, d->known, d->junk, d->failed, d->deleted, d->kept,
                                      d->bytes, p->gone, p->pruned},
                   a->prune ? 10 : 8, ms);
        return;
    }
    if (a->prune)
        printf("---> %" PRIu64 " rows of files that are gone, %" PRIu64 " taken out of the index\n", p->gone,
               p->pruned);
    if (a->dry_run)
        return;
    print_time(d->seen, d->bytes, ms);
    if (a->erase)
        printf("---> %" PRIu64 " files moved into the archive, %" PRIu64 " left where they are\n", d->deleted,
               d->kept);
    else
        printf("---> %" PRIu64 " files added to the database, %" PRIu64 " were in it already\n", d->added,
               d->known);
    printf("---> %" PRIu64 " files not saved (%" PRIu64 " not DICOM or damaged, %" PRIu64 " failed)\n",
           d->junk + d->failed, d->junk, d->failed);
}

/* What is not to be walked into, links resolved. */
static const char *const *folders_of_ours(const Cli *cli)
{
    const Settings *s = cli->settings;
    const char *const paths[] = {s->tmp_path, s->quarantine_path, s->trash_path, s->log_path_folder};
    enum { N = sizeof paths / sizeof *paths };
    const char **out = arena_alloc(cli->arena, (N + 1) * sizeof *out);
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        char *real = realpath(paths[i], NULL);
        if (real)
            out[n++] = arena_strdup(cli->arena, real);
        free(real);
    }
    return out;
}

static bool is_store(const Settings *s, const char *folder)
{
    char *given = realpath(folder, NULL), *own = realpath(s->fs_path, NULL);
    bool same = given && own && !strcmp(given, own);
    free(given);
    free(own);
    return same;
}

/* Folders nobody means to empty: those that hold everybody's. */
static bool check_emptied(const char *folder, Err *err)
{
    const char *home = getenv("HOME");
    char *real = realpath(folder, NULL), *real_home = home ? realpath(home, NULL) : NULL;
    bool ok = !real || (strcmp(real, "/") != 0 &&
                        !(real_home && strcmp(real_home, real) != 0 && file_lies_in(real_home, real)));
    free(real_home);
    free(real);
    return ok ||
           err_set(err, ERR_REFUSED,
                   "-rm would delete the images of all of %s; name the folder with those that are meant",
                   folder);
}

static int run_index(Cli *cli, const void *args)
{
    const IndexArgs *a = args;
    const Settings *s = cli->settings;
    bool own = !a->folder || is_store(s, a->folder);
    Err err = {0};
    if (!own && a->prune)
        return cli_fail(cli, "--prune is about the whole index; call it without -d");
    if (own && a->erase)
        return cli_fail(cli, "%s is the archive's own store; with -rm its files would be gone", a->folder);
    if (a->erase && !check_emptied(a->folder, &err))
        return cli_fail(cli, "%s", err.text);
    const atomic_bool *stop = stopping_watch();
    auditing_about(cli, AUDIT_FILE, own ? s->fs_path : a->folder);
    Archive *archive = cli_open_archive_to_fill(s, &err);
    if (!archive)
        return cli_fail(cli, "%s", err.text);
    int64_t began = clock_ms();
    Progress progress = progress_start("files", 0, true);
    ArcIndexed done = {0};
    ArcPruned pruned = {0};
    ArcIndexing wish = {.folder = own ? NULL : a->folder,
                        .leave_out = folders_of_ours(cli),
                        .threads = (size_t)s->thread_number,
                        .verify = a->verify,
                        .move_in = a->erase,
                        .stop = stop,
                        .step = index_step,
                        .ctx = &progress};
    bool ok = a->dry_run || arc_index_folder(archive, &wish, &done, &err);
    progress_end(&progress);
    ok = ok && (!a->prune || prune(a, archive, stop, &pruned, &err));
    show_indexed(a, &done, &pruned, clock_ms() - began);
    auditing_detail(cli, "Instances", arena_printf(cli->arena, "%" PRIu64, done.added));
    arc_close(archive);
    log_info("index_data",
             "index seen=%" PRIu64 " added=%" PRIu64 " known=%" PRIu64 " junk=%" PRIu64 " failed=%" PRIu64
             " deleted=%" PRIu64 " kept=%" PRIu64,
             done.seen, done.added, done.known, done.junk, done.failed, done.deleted, done.kept);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (done.failed + pruned.failed)
        return cli_fail(cli, "%" PRIu64 " files could not be read or stored; see index_data.log",
                        done.failed + pruned.failed);
    return EXIT_OK;
}

const Command command_data_index = {
    .name = "index",
    .summary = "files of a folder into the index",
    .details = "May run while the server runs, and again after it was stopped: files that the index has with "
               "the same path, "
               "size and time are passed over. Files that are no DICOM objects are counted and named in "
               "index_data.log.",
    .options = index_options,
    .defaults = &index_defaults,
    .size = sizeof(IndexArgs),
    .needs_archive = true,
    .check = check_index,
    .run = run_index,
};

/* -- export -- */

typedef struct ExportArgs {
    const char *target;
    bool json;
} ExportArgs;

static const ExportArgs export_defaults;
static const Option export_options[] = {
    {OPT_TEXT, .value = "target_dir", .help = "folder to copy to; made when it is not there",
     .at = offsetof(ExportArgs, target)},
    {OPT_FLAG, .name = "json", .help = "print the summary as JSON on stdout",
     .at = offsetof(ExportArgs, json)},
    {OPT_END},
};

static void export_step(void *ctx, const ArcMirrored *so_far, const char *path, const Err *why)
{
    if (why)
        log_warning("pacs.file_dicom", "export: %s: %s", path, why->text);
    progress_step(ctx, so_far->seen);
}

static int run_export(Cli *cli, const void *args)
{
    static const char *const names[] = {"seen", "copied", "same", "newer", "failed", "bytes_copied"};
    const ExportArgs *a = args;
    Err err = {0};
    int64_t began = clock_ms();
    Progress progress = progress_start("files", 0, true);
    ArcMirrored d;
    ArcMirror wish = {.from = cli->settings->fs_path,
                      .to = a->target,
                      .threads = (size_t)cli->settings->thread_number,
                      .stop = stopping_watch(),
                      .step = export_step,
                      .ctx = &progress};
    auditing_about(cli, AUDIT_FILE, a->target);
    bool ok = arc_mirror(&wish, &d, &err);
    auditing_detail(cli, "Files", arena_printf(cli->arena, "%" PRIu64, d.copied));
    int64_t ms = clock_ms() - began;
    progress_end(&progress);
    if (a->json) {
        print_json(names, (const uint64_t[]){d.seen, d.copied, d.same, d.newer, d.failed, d.bytes}, 6, ms);
    } else {
        print_time(d.seen, d.bytes, ms);
        printf("---> %" PRIu64 " files copied, %" PRIu64 " were there already\n", d.copied, d.same);
        if (d.newer || d.failed)
            printf("---> %" PRIu64 " left alone, newer in the target; %" PRIu64 " failed\n", d.newer,
                   d.failed);
    }
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

const Command command_data_export = {
    .name = "export",
    .summary = "copy the store into another folder",
    .details = "One way: nothing is deleted there. What is there with the same size and time is passed over, "
               "so that the same "
               "command goes on after it was stopped. Only the store is copied, not files that were indexed "
               "in place.",
    .options = export_options,
    .defaults = &export_defaults,
    .size = sizeof(ExportArgs),
    .needs_archive = true,
    .run = run_export,
};
