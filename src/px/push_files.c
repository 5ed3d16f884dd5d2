// SPDX-License-Identifier: MIT
/* Which files are to be pushed. */
#include "px/push_internal.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 10000000 };

static PxPushFile *add(PxPushFiles *files, const char *path)
{
    if (files->count == files->capacity) {
        files->capacity = files->capacity ? files->capacity * 2 : 256;
        files->items = realloc(files->items, files->capacity * sizeof *files->items);
        if (!files->items)
            abort();
    }
    PxPushFile *file = &files->items[files->count++];
    *file = (PxPushFile){.path = arena_strdup(files->arena, path)};
    return file;
}

void px_push_files_free(PxPushFiles *files)
{
    if (files)
        free(files->items);
}

void px_push_add_pair(PxPushFiles *files, const char *path, const char *name)
{
    PxPushFile *file = add(files, path);
    file->rest = arena_strdup(files->arena, name);
    files->root = "";
}

typedef struct Adding {
    PxPushFiles *files;
    const char *substring;
} Adding;

static bool add_found(void *ctx, const char *path, Err *err)
{
    const Adding *a = ctx;
    if (!strstr(path, a->substring))
        return true;
    if (a->files->count >= FILES_MAX)
        return err_set(err, ERR_LIMIT, "there are more than %d files", FILES_MAX);
    PxPushFile *file = add(a->files, path);
    file->rest = file->path + strlen(a->files->root);
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const PxPushFile *)a)->path, ((const PxPushFile *)b)->path);
}

bool px_push_add_path(PxPushFiles *files, const char *path, const char *substring, Err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, errno, "cannot read %s", path);
    const char *slash = strrchr(path, '/');
    size_t n = strlen(path);
    if (S_ISDIR(st.st_mode))
        while (n > 1 && path[n - 1] == '/')
            n--;
    else
        n = slash ? (size_t)(slash - path) : 0;
    files->root = arena_span_cstr(files->arena, span_of(path, n));
    Adding adding = {files, substring};
    const char *from = S_ISDIR(st.st_mode) ? files->root : path;
    if (!file_walk(from, !files->hidden, add_found, &adding, err))
        return false;
    if (files->count)
        qsort(files->items, files->count, sizeof *files->items, by_path);
    return true;
}

static bool add_object(void *ctx, const PxObject *o, Err *err)
{
    const Adding *a = ctx;
    if (!strstr(o->path, a->substring))
        return true;
    Arena *arena = a->files->arena;
    PxPushFile *file = add(a->files, o->path);
    file->rest = *o->name == '/' ? strrchr(file->path, '/') : arena_printf(arena, "/%s", o->name);
    file->sop_instance = arena_strdup(arena, o->sop_instance);
    file->series = arena_strdup(arena, o->series);
    file->study = arena_strdup(arena, o->study);
    file->sha256 = arena_strdup(arena, o->sha256);
    file->size = o->size;
    file->in_base = true;
    return true;
}

bool px_push_add_objects(PxPushFiles *files, PxBase *base, const PxSelection *what, const char *substring,
                         Err *err)
{
    Adding adding = {files, substring};
    files->root = px_base_data_path(base);
    return px_base_objects(base, what, add_object, &adding, err);
}
