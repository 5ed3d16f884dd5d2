// SPDX-License-Identifier: MIT
/*
 * Taking a tree over. First the packed tree is indexed as it lies, all of it: the files are the truth, also those that pypx had failed to write records of. Then the
 * records are read: of images, which name files elsewhere and files that are gone, and of tables.
 *
 * A tree may have been moved since it was written, out of a container as a rule: a location that is not there is looked for below the packed tree by its last parts.
 */
#include "px/tree_import.h"
#include "archive/indexing.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAILS_MAX = 32, FOLDERS_MAX = 100000 };

static bool is_stopped(const Importing *im, Err *err)
{
    if (!im->wish->stop || !atomic_load(im->wish->stop))
        return false;
    err_set(err, ERR_CANCELLED, "stopped before the end; the same command goes on where it stopped");
    return true;
}

void tree_import_passed_over(Importing *im, const char *name, const char *why)
{
    const PxTreeTold *told = &im->wish->told;
    char *path = file_join(im->root_path, name);
    if (told->passed_over)
        told->passed_over(told->ctx, path, why);
    free(path);
}

json_t *tree_import_read(Importing *im, const char *name)
{
    Err why = {0};
    json_t *value = px_tree_get(im->root, name, &why);
    if (value || why.code == ERR_NOT_FOUND)
        return value;
    im->out->damaged++;
    tree_import_passed_over(im, name, why.text);
    return NULL;
}

/* -- objects -- */

typedef struct Pass {
    Importing *im;
    uint64_t before; /* objects of earlier passes */
} Pass;

static void indexed(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    const Pass *pass = ctx;
    const PxTreeTold *told = &pass->im->wish->told;
    if (why && told->passed_over)
        told->passed_over(told->ctx, path, why->text);
    if (told->step)
        told->step(told->ctx, pass->before + so_far->seen);
}

/* `folder` NULL = the packed tree. */
static bool index_folder(Importing *im, const char *folder, Err *err)
{
    Archive *archive = px_base_archive(im->base, err);
    if (!archive)
        return false;
    PxImported *out = im->out;
    Pass pass = {im, out->objects + out->known + out->foreign + out->failed};
    ArcIndexed counts = {0};
    ArcIndexing wish = {.folder = folder,
                        .threads = im->wish->threads,
                        .stop = im->wish->stop,
                        .step = indexed,
                        .ctx = &pass};
    bool ok = arc_index_folder(archive, &wish, &counts, err);
    out->objects += counts.added;
    out->known += counts.known;
    out->foreign += counts.junk;
    out->failed += counts.failed;
    return ok;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* Is it below the packed tree, under one of the ends of its old path? */
static bool is_moved(const Importing *im, const char *location)
{
    const char *data = px_base_data_path(im->base), *tail = location;
    for (int i = 0; i < TAILS_MAX && (tail = strchr(tail, '/')); i++) {
        tail++;
        if (!file_is_safe_relative(tail))
            continue;
        char *path = file_join(data, tail);
        bool found = is_file(path);
        free(path);
        if (found)
            return true;
    }
    return false;
}

static void take_folder(Importing *im, const char *name, const char *folder)
{
    size_t max = im->wish->max_folders ? im->wish->max_folders : FOLDERS_MAX;
    if (json_object_get(im->folders, folder))
        return;
    if (json_object_size(im->folders) < max) {
        json_object_set_new(im->folders, folder, json_true());
        return;
    }
    im->out->failed++;
    tree_import_passed_over(im, name,
                            "its file lies in yet another folder outside the packed tree, beyond the most "
                            "that are indexed at a time; move it into the tree");
}

/* Files outside the packed tree are indexed folder by folder, when all records were read. */
static void take_location(Importing *im, const char *name, const char *location)
{
    im->out->images++;
    if (location[0] == '/' && is_file(location)) {
        char *real = realpath(location, NULL), *slash = real ? strrchr(real, '/') : NULL;
        if (slash && !is_below(real, px_base_data_path(im->base))) {
            *slash = 0;
            take_folder(im, name, real);
        }
        free(real);
    } else if (!is_moved(im, location)) {
        im->out->missing++;
        tree_import_passed_over(im, name, "the file that it tells of is not there");
    }
}

/* rx-repack says no more of an image than its name: the object was indexed with the packed tree. */
static bool read_series(Importing *im, const char *name, const json_t *image)
{
    json_t *files = json_object_get(image, "imageObj"), *file;
    const char *instance;
    bool says = !files && json_is_string(json_object_get(image, "outputFile"));
    im->out->images += says;
    json_object_foreach(files, instance, file)
    {
        const char *location = json_string_value(json_object_get(file, "FSlocation"));
        if (location)
            take_location(im, name, location);
        says = says || location;
    }
    return says;
}

/* {SERIES: {…}}; rx-repack leaves the series out. */
static void read_image(Importing *im, const char *name)
{
    json_t *record = tree_import_read(im, name), *image;
    const char *series;
    bool says = !record || read_series(im, name, record);
    json_object_foreach(record, series, image) says = read_series(im, name, image) || says;
    json_decref(record);
    if (says)
        return;
    im->out->damaged++;
    tree_import_passed_over(im, name, "says of no file where it is");
}

/* -- folders of the tree -- */

typedef bool (*TakeEntry)(Importing *im, const char *folder, const char *name, Err *err);

static bool each_entry(Importing *im, const char *folder, TakeEntry take, Err *err)
{
    int fd = openat(im->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool ok = dir != NULL;
    if (!dir) {
        err_errno(err, errno, "%s/%s", im->root_path, folder);
        if (fd >= 0)
            close(fd);
        return false;
    }
    struct dirent *entry;
    while (ok && (errno = 0, entry = readdir(dir)))
        ok = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
             (!is_stopped(im, err) && take(im, folder, entry->d_name, err));
    if (ok && errno)
        ok = err_errno(err, errno, "%s/%s", im->root_path, folder);
    closedir(dir);
    return ok;
}

static bool ends(const char *name, const char *end, size_t *without)
{
    size_t n = strlen(name), e = strlen(end);
    *without = n > e ? n - e : 0;
    return n > e && strcmp(name + n - e, end) == 0;
}

static bool take_image(Importing *im, const char *folder, const char *name, Err *err)
{
    size_t n;
    (void)err;
    if (ends(name, ".json", &n)) {
        Arena *arena = arena_new(0);
        read_image(im, arena_printf(arena, "%s/%s", folder, name));
        arena_free(arena);
    }
    return true;
}

static bool take_images(Importing *im, const char *folder, const char *name, Err *err)
{
    size_t n;
    if (!ends(name, "-img", &n))
        return true;
    Arena *arena = arena_new(0);
    bool ok = each_entry(im, arena_printf(arena, "%s/%s", folder, name), take_image, err);
    arena_free(arena);
    return ok;
}

/* Locks (".lock") are nothing, whoever left them; what a series is said to be is read from its objects. */
static bool take_tables(Importing *im, const char *folder, const char *name, Err *err)
{
    bool ok = true;
    Arena *arena = arena_new(0);
    for (int i = 0; ok && i < PX_TABLE_COUNT; i++) {
        size_t n;
        if (ends(name, arena_printf(arena, "-%s.json", px_table_name((PxTable)i)), &n))
            ok = tree_import_table(im, (PxTable)i, arena_printf(arena, "%s/%s", folder, name),
                                   arena_span_cstr(arena, span_of(name, n)), err);
    }
    arena_free(arena);
    return ok;
}

/* -- the call -- */

static bool index_elsewhere(Importing *im, Err *err)
{
    const char *folder;
    json_t *value;
    bool ok = true;
    json_object_foreach(im->folders, folder, value)
    {
        (void)value;
        ok = ok && !is_stopped(im, err) && index_folder(im, folder, err);
    }
    return ok;
}

int px_tree_find(const char *root, Err *err)
{
    struct stat st;
    int fd = file_open_dir(root, false, err);
    if (fd < 0 || fstatat(fd, "seriesData", &st, 0) == 0)
        return fd;
    close(fd);
    err_set(err, ERR_NOT_FOUND,
            "%s has no folder seriesData: it is no tree of JSON records of pypx (its log folder is)", root);
    return -1;
}

static bool open_root(Importing *im, Err *err)
{
    im->root_path = im->wish->root ? im->wish->root : px_base_log_path(im->base);
    im->root = px_tree_find(im->root_path, err);
    return im->root >= 0;
}

bool px_tree_import(PxBase *base, const PxImport *wish, PxImported *out, Err *err)
{
    *out = (PxImported){0};
    Importing im = {.base = base, .wish = wish, .out = out, .root = -1, .folders = json_object()};
    bool ok = open_root(&im, err) && index_folder(&im, NULL, err) &&
              each_entry(&im, "seriesData", take_images, err) && index_elsewhere(&im, err) &&
              each_entry(&im, "seriesData", take_tables, err);
    if (im.root >= 0)
        close(im.root);
    json_decref(im.folders);
    return ok;
}
