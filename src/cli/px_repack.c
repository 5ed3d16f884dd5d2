// SPDX-License-Identifier: MIT
/* px-repack: received files into the packed tree and the px database. Made to be what storescp runs for each file it receives (-xcr), many at once. */
#include "base/file.h"
#include "base/log.h"

#include "cli/px.h"
#include "cli/px_repack_told.h"
#include "cli/px_templates.h"
#include "cli/stopping.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Args {
    PxAsk ask;
    const char *json_args, *dir, *file, *path, *substrings, *log, *data;
    PxTemplateArgs templates;
    int64_t jobs;
    bool cleanup, debug, tree, lines;
} Args;

static const Args defaults = {.ask = PX_ASK_DEFAULTS,
                              .json_args = "",
                              .dir = "/tmp",
                              .file = "",
                              .path = "",
                              .substrings = "",
                              .log = "/tmp/log",
                              .data = "",
                              .templates = PX_TEMPLATE_DEFAULTS};
static const Option options[] = {
    {OPT_TEXT, .name = "JSONargs", .value = "JSON", .secret = true,
     .help = "all options as one JSON object, instead of the others", .at = offsetof(Args, json_args)},
    {OPT_TEXT, .brief = "p", .name = "xcrdir", .value = "PATH", .help = "folder of the received file",
     .at = offsetof(Args, dir)},
    {OPT_TEXT, .brief = "f", .name = "xcrfile", .value = "NAME", .help = "the file in it",
     .at = offsetof(Args, file)},
    {OPT_TEXT, .name = "xcrdirfile", .value = "PATH", .help = "both in one", .at = offsetof(Args, path)},
    {OPT_TEXT, .name = "parseAllFilesWithSubStr", .value = "TEXTS",
     .help = "instead of one file, all files right in --xcrdir whose names have one of these texts "
             "(separated by commas)",
     .at = offsetof(Args, substrings)},
    {OPT_TEXT, .brief = "l", .name = "logdir", .value = "PATH", .help = "folder of the px database",
     .at = offsetof(Args, log)},
    {OPT_TEXT, .brief = "d", .name = "datadir", .value = "PATH",
     .help = "the packed tree; without it, the folder data beside --logdir", .at = offsetof(Args, data)},
    PX_TEMPLATE_OPTIONS(Args),
    {OPT_FLAG, .name = "cleanup", .help = "delete each file once its copy is durable and was compared",
     .at = offsetof(Args, cleanup)},
    {OPT_INT, .name = "jobs", .value = "N",
     .help = "files at one time (16, or one for each core when there are more)", .min = 1, .max = 64,
     .at = offsetof(Args, jobs)},
    {OPT_FLAG, .name = "tree", .help = "keep pypx's tree of JSON records in --logdir up to date",
     .at = offsetof(Args, tree)},
    {OPT_FLAG, .name = "log-ndjson",
     .help = "a line of JSON for each file when it is done, instead of the result",
     .at = offsetof(Args, lines)},
    {OPT_FLAG, .name = "debug", .help = "write LOG/repack.log and LOG/FOLDER-pulse.log",
     .at = offsetof(Args, debug)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

/* -- which files -- */

static bool has_one_of(const char *name, const char *substrings)
{
    Span rest = span_cstr(substrings), part;
    bool more = true;
    while (span_split(&rest, ',', &part, &more))
        if (part.n && memmem(name, strlen(name), part.p, part.n))
            return true;
    return false;
}

static const char *in_folder(Arena *arena, const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    const char *out = arena_strdup(arena, path);
    free(path);
    return out;
}

typedef struct Sources {
    const char **paths;
    size_t count, room;
} Sources;

static void add_source(Sources *sources, const char *path)
{
    if (sources->count == sources->room) {
        sources->room = sources->room ? 2 * sources->room : 64;
        sources->paths = realloc(sources->paths, sources->room * sizeof *sources->paths);
        if (!sources->paths)
            abort();
    }
    sources->paths[sources->count++] = path;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool list_folder(const Args *a, Arena *arena, Sources *out, Err *err)
{
    DIR *folder = opendir(a->dir);
    if (!folder)
        return err_errno(err, errno, "--xcrdir: cannot read %s", a->dir);
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat st;
        if (has_one_of(entry->d_name, a->substrings) && fstatat(dirfd(folder), entry->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode))
            add_source(out, in_folder(arena, a->dir, entry->d_name));
    }
    closedir(folder);
    if (!out->count) {
        json_t *nothing = json_pack("{s:b,s:[]}", "status", 0, "run");
        px_print(nothing, false, &a->ask);
        json_decref(nothing);
        return err_set(err, ERR_NOT_FOUND, "no file right in %s has '%.100s' in its name; nothing was packed",
                       a->dir, a->substrings);
    }
    qsort(out->paths, out->count, sizeof *out->paths, by_path);
    return true;
}

static bool find_sources(const Args *a, Arena *arena, Sources *out, Err *err)
{
    if (*a->substrings)
        return list_folder(a, arena, out, err);
    if (!*a->path && !*a->file)
        return err_set(err, ERR_USAGE,
                       "which file? Give --xcrdir and --xcrfile, --xcrdirfile, or --parseAllFilesWithSubStr");
    add_source(out, *a->path ? a->path : in_folder(arena, a->dir, a->file));
    return true;
}

/* -- what is done -- */

static void notice(void *cli, int level, const char *logger, const char *detail)
{
    if (level >= LOG_WARNING)
        cli_tell(cli, "%s", detail);
}

static bool pack(Cli *cli, const Args *a, PxBase *base, const Sources *sources, PxPackCounts *counts,
                 Err *err)
{
    RepackWish wish = {.cli = cli,
                       .base = base,
                       .cleanup = a->cleanup,
                       .document = a->ask.verbosity > 0,
                       .lines = a->lines,
                       .debug = a->debug,
                       .dir = a->dir};
    RepackTold *told = repack_told_start(&wish, err);
    if (!told)
        return false;
    PxPack order = {.sources = sources->paths,
                    .count = sources->count,
                    .cleanup = a->cleanup,
                    .jobs = (unsigned)a->jobs,
                    .done = repack_told,
                    .ctx = told,
                    .stop = stopping_watch()};
    bool ok = px_pack(base, &order, counts, err);
    return repack_told_end(told, counts, ok ? err : &(Err){0}) && ok;
}

static bool repack(Cli *cli, const Args *a, PxPackCounts *counts, Err *err)
{
    Sources sources = {0};
    PxTemplates *templates = px_templates_given(&a->templates, err);
    PxBaseSettings settings = {.log_path = a->log,
                               .data_path = *a->data ? a->data : NULL,
                               .templates = templates,
                               .create = true,
                               .tree = a->tree,
                               .notice = notice,
                               .notice_ctx = cli};
    bool ok = templates && find_sources(a, cli->arena, &sources, err);
    PxBase *base = ok ? px_base_open(&settings, err) : NULL;
    ok = base && pack(cli, a, base, &sources, counts, err);
    px_base_close(base);
    px_templates_free(templates);
    free(sources.paths);
    return ok;
}

static int run(Cli *cli, const void *args)
{
    Args a = *(const Args *)args;
    Err err = {0};
    if (*a.json_args && !px_json_args(cli, &command_px_repack, a.json_args, &a, &err))
        return px_fail(cli, &err);
    if (px_asked(cli, &command_px_repack, &a.ask, "3.2.4"))
        return EXIT_OK;
    PxPackCounts counts = {0};
    if (!repack(cli, &a, &counts, &err))
        return px_fail(cli, &err);
    if (counts.left)
        cli_tell(cli, "stopped; %" PRIu64 " files were not begun: the same command goes on with them",
                 counts.left);
    return counts.failed || counts.kept || counts.left ? EXIT_FAILED : EXIT_OK;
}

const Command command_px_repack = {
    .name = "px-repack",
    .summary = "file received DICOM files in the packed tree",
    .details =
        "Each file is copied byte for byte under a name made of its attributes, and written into the px "
        "database; both are durable, and the copy is compared with the file, before --cleanup deletes "
        "it. A file that cannot be packed stays where it is. The exit code is 0 only when all were "
        "packed. For storescp: -xcr \"px-repack --xcrdir #p --xcrfile #f --cleanup --verbosity 0 --logdir "
        "LOG\".",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .lenient = true,
    .run = run,
};
