// SPDX-License-Identifier: MIT
#include "px/register.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void px_register_add(PxRegisterFiles *files, Arena *arena, const PxRegisterFile *file)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 64;
        PxRegisterFile *items = arena_alloc(arena, capacity * sizeof *items);
        if (files->count)
            memcpy(items, files->items, files->count * sizeof *items);
        files->items = items;
        files->capacity = capacity;
    }
    files->items[files->count++] = *file;
}

/* -- a folder -- */

static bool is_wanted(const char *name, const char *substrings)
{
    if (!*substrings)
        return *name != '.';
    Span rest = span_cstr(substrings), part;
    bool more = true;
    while (span_split(&rest, ',', &part, &more)) {
        part = span_trim(part);
        if (part.n && memmem(name, strlen(name), part.p, part.n))
            return true;
    }
    return false;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const PxRegisterFile *)a)->path, ((const PxRegisterFile *)b)->path);
}

bool px_register_folder(PxRegisterFiles *files, Arena *arena, const char *folder, const char *substrings,
                        Err *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_errno(err, errno, "cannot open the folder --xcrdir %.200s", folder);
    size_t first = files->count;
    size_t n = strlen(folder);
    const char *slash = n && folder[n - 1] == '/' ? "" : "/";
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir))) {
        struct stat st;
        if (is_wanted(entry->d_name, substrings) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode))
            px_register_add(
                files, arena,
                &(PxRegisterFile){.path = arena_printf(arena, "%s%s%s", folder, slash, entry->d_name)});
        errno = 0;
    }
    bool ok = errno == 0 || err_errno(err, errno, "cannot read the folder --xcrdir %.200s", folder);
    closedir(dir);
    if (files->count > first)
        qsort(files->items + first, files->count - first, sizeof *files->items, by_path);
    return ok;
}

/* -- what the database has -- */

typedef struct Objects {
    PxRegisterFiles *files;
    Arena *arena;
    const char *substrings;
} Objects;

static bool take_object(void *ctx, const PxObject *object, Err *err)
{
    const Objects *objects = ctx;
    const char *slash = strrchr(object->path, '/');
    if (is_wanted(slash ? slash + 1 : object->path, objects->substrings))
        px_register_add(objects->files, objects->arena,
                        &(PxRegisterFile){.path = arena_strdup(objects->arena, object->path)});
    return true;
}

bool px_register_objects(PxRegisterFiles *files, Arena *arena, PxBase *base, const PxSelection *what,
                         const char *substrings, Err *err)
{
    Objects objects = {files, arena, substrings};
    return px_base_objects(base, what, take_object, &objects, err);
}

/* -- what px-push printed -- */

typedef struct Upstream {
    PxRegisterFiles *files;
    Arena *arena;
    bool found;
} Upstream;

static bool take_lists(Upstream *up, const json_t *outcome, const json_t *local, const json_t *objects,
                       Err *err)
{
    size_t n = json_array_size(local);
    up->found = true;
    if (n != json_array_size(objects))
        return err_set(err, ERR_FORMAT, "the input: localFileList has %zu entries, objectFileList has %zu", n,
                       json_array_size(objects));
    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_array_get(local, i));
        const char *object = json_string_value(json_array_get(objects, i));
        if (!path || !object)
            return err_set(err, ERR_FORMAT,
                           "the input: localFileList and objectFileList must be lists of texts");
        const json_t *one = json_object_get(outcome, path);
        const json_t *status = json_object_get(json_is_object(one) ? one : outcome, "status");
        px_register_add(up->files, up->arena,
                        &(PxRegisterFile){.path = arena_strdup(up->arena, path),
                                          .object = arena_strdup(up->arena, object),
                                          .pushed = json_is_true(status)});
    }
    return true;
}

/* The outermost object that has both lists; below it are the same files once more. */
static bool search(Upstream *up, const json_t *value, int depth, Err *err)
{
    enum { MAX_DEPTH = 32 };
    const json_t *local = json_object_get(value, "localFileList"),
                 *objects = json_object_get(value, "objectFileList");
    if (json_is_array(local) && json_is_array(objects))
        return take_lists(up, value, local, objects, err);
    bool ok = true;
    size_t i;
    const char *name;
    json_t *part;
    if (depth == MAX_DEPTH)
        return true;
    json_array_foreach((json_t *)value, i, part)
    {
        ok = ok && search(up, part, depth + 1, err);
    }
    json_object_foreach((json_t *)value, name, part)
    {
        ok = ok && search(up, part, depth + 1, err);
    }
    return ok;
}

bool px_register_upstream(PxRegisterFiles *files, Arena *arena, const json_t *document, Err *err)
{
    Upstream up = {files, arena, false};
    if (!search(&up, document, 0, err))
        return false;
    return up.found ||
           err_set(
               err, ERR_FORMAT,
               "the input has no localFileList and objectFileList; it should be what px-push --json prints");
}
