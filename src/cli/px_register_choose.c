// SPDX-License-Identifier: MIT
/* Which images px-register is meant to register: files, what the px database has, or what px-push printed. */
#include "cli/px_register.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *read_list(const char *text, const char *what, Err *err)
{
    json_t *list = *text ? px_json_read(span_cstr(text), what, err) : json_array();
    if (list && !json_is_array(list)) {
        err_set(err, ERR_USAGE, "%s must be a JSON list", what);
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* --localFileList and --objectFileList as px-push would have printed them. */
static json_t *lists_of(const PxRegisterArgs *a, Err *err)
{
    json_t *local = read_list(a->local_files, "--localFileList", err);
    json_t *objects = local ? read_list(a->object_files, "--objectFileList", err) : NULL;
    if (!objects) {
        json_decref(local);
        return NULL;
    }
    return json_pack("{so so sb}", "localFileList", local, "objectFileList", objects, "status", 1);
}

static bool chooses_objects(const PxRegisterArgs *a)
{
    return *a->patient || *a->study_uid || *a->series_uid;
}

static bool chooses_files(const PxRegisterArgs *a)
{
    return *a->substrings || *a->path || *a->folder;
}

json_t *px_register_upstream_of(const PxRegisterArgs *a, Err *err)
{
    if (*a->local_files || *a->object_files)
        return lists_of(a, err);
    if ((chooses_files(a) || chooses_objects(a)) && !*a->upstream && !*a->upstream_file)
        return json_object();
    if (!*a->upstream && !*a->upstream_file && isatty(STDIN_FILENO)) {
        err_set(err, ERR_USAGE,
                "nothing to register: choose files with --xcrdir or --xcrdirfile, series with "
                "--SeriesInstanceUID, or pipe what px-push "
                "--json prints into it");
        return NULL;
    }
    return px_read_input(a->upstream, a->upstream_file, err);
}

static bool choose_files(const PxRegisterArgs *a, Arena *arena, PxRegisterFiles *files, Err *err)
{
    if (*a->substrings && !*a->folder)
        return err_set(err, ERR_USAGE, "--parseAllFilesWithSubStr needs --xcrdir, the folder of the files");
    if (*a->path)
        px_register_add(files, arena, &(PxRegisterFile){.path = a->path});
    else if (*a->file && !*a->substrings)
        px_register_add(files, arena,
                        &(PxRegisterFile){.path = arena_printf(arena, "%s/%s", a->folder, a->file)});
    else
        return px_register_folder(files, arena, a->folder, a->substrings, err);
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const PxRegisterFile *)a)->path, ((const PxRegisterFile *)b)->path);
}

/* What upstream said of the files that were chosen. */
static void look_up(PxRegisterFiles *chosen, PxRegisterFiles *upstream)
{
    if (!upstream->count)
        return;
    qsort(upstream->items, upstream->count, sizeof *upstream->items, by_path);
    for (size_t i = 0; i < chosen->count; i++) {
        const PxRegisterFile *found =
            bsearch(&chosen->items[i], upstream->items, upstream->count, sizeof *upstream->items, by_path);
        if (found)
            chosen->items[i] = *found;
    }
}

static const char *or_any(const char *text)
{
    return *text ? text : NULL;
}

static bool choose_objects(const PxRegisterArgs *a, Arena *arena, PxBase *base, PxRegisterFiles *files,
                           Err *err)
{
    PxSelection what = {or_any(a->patient), or_any(a->study_uid), or_any(a->series_uid)};
    if (!base)
        return err_set(err, ERR_NOT_FOUND, "%s has no px database; name it with --db", a->db);
    if (!px_register_objects(files, arena, base, &what, a->substrings, err))
        return false;
    return files->count ||
           err_set(err, ERR_NOT_FOUND, "%s has no images of %s %.64s; retrieve it first", a->db,
                   what.series  ? "series"
                   : what.study ? "study"
                                : "that patient",
                   what.series  ? what.series
                   : what.study ? what.study
                                : "");
}

bool px_register_choose(const PxRegisterArgs *a, Arena *arena, PxBase *base, const json_t *upstream,
                        PxRegisterFiles *files, Err *err)
{
    PxRegisterFiles pushed = {0};
    if (json_object_size(upstream) && !px_register_upstream(&pushed, arena, upstream, err))
        return false;
    bool objects = chooses_objects(a);
    if (!objects && !chooses_files(a)) {
        *files = pushed;
        return true;
    }
    if (objects ? !choose_objects(a, arena, base, files, err) : !choose_files(a, arena, files, err))
        return false;
    look_up(files, &pushed);
    return true;
}
