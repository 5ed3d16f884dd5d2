// SPDX-License-Identifier: MIT
/*
 * PatientID/Study/Series/Instance (archive/layout.c). Only names are compared, with what the layout makes of the keys, so no key can lead out
 * of the store. SPHERE left the first level out for an empty Patient ID: there the folders in the root are studies.
 *
 * Passed over: names that begin with a dot, links, the folder for temporary files, and what is kept beside another object under one UID
 * ("%+" in its name), which the index does not show either.
 */
#include "archive/filewalk.h"

#include "archive/archive_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FOLDERS = DCM_LEVEL_IMAGE };

/* Names of wanted folders, sorted; none = any. */
typedef struct Names {
    const char **names;
    size_t count;
} Names;

struct FileWalk {
    Arena *arena;
    const char *root;
    struct stat temp;
    Names wanted[FOLDERS];
    bool whole, filtering;
    DIR *patients;
    FTS *fts;
    uint64_t unreadable;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Names names_of(Arena *arena, const char *const *values, size_t count)
{
    Names out = {.names = arena_alloc(arena, (count + 1) * sizeof *out.names), .count = count};
    for (size_t i = 0; i < count; i++)
        out.names[i] = layout_part(arena, span_cstr(values[i]));
    qsort(out.names, count, sizeof *out.names, compare);
    return out;
}

static bool has(const Names *names, const char *name)
{
    return names->count && bsearch(&name, names->names, names->count, sizeof *names->names, compare);
}

/* An encoded name may stand for several values, or for bytes that a key says otherwise. */
static bool may_be(const Names *names, const char *name)
{
    return !names->count || strchr(name, '%') || has(names, name);
}

FileWalk *filewalk_open(const char *root, const char *temp, const IdxSelection *only, bool whole, Err *err)
{
    FileWalk *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->arena = arena_new(0);
    w->root = root;
    w->whole = whole;
    w->wanted[DCM_LEVEL_PATIENT] = names_of(w->arena, only->patient_ids, only->patient_count);
    w->wanted[DCM_LEVEL_STUDY] = names_of(w->arena, only->studies, only->study_count);
    w->wanted[DCM_LEVEL_SERIES] = names_of(w->arena, only->series, only->series_count);
    if (stat(temp, &w->temp) != 0)
        w->temp = (struct stat){0};
    w->patients = opendir(root);
    if (w->patients)
        return w;
    err_errno(err, errno, "cannot read the data folder %s", root);
    filewalk_close(w);
    return NULL;
}

static void close_fts(FileWalk *w)
{
    if (w->fts)
        fts_close(w->fts);
    w->fts = NULL;
}

void filewalk_close(FileWalk *w)
{
    if (!w)
        return;
    close_fts(w);
    if (w->patients)
        closedir(w->patients);
    arena_free(w->arena);
    free(w);
}

uint64_t filewalk_unreadable(const FileWalk *w)
{
    return w->unreadable;
}

static bool is_temp(const FileWalk *w, const struct stat *st)
{
    return st->st_dev == w->temp.st_dev && st->st_ino == w->temp.st_ino;
}

static bool is_wanted_folder(const FileWalk *w, const FTSENT *e)
{
    if (e->fts_level == DCM_LEVEL_STUDY)
        return may_be(&w->wanted[DCM_LEVEL_STUDY], e->fts_name) ||
               has(&w->wanted[DCM_LEVEL_STUDY], e->fts_parent->fts_name);
    return e->fts_level != DCM_LEVEL_SERIES || may_be(&w->wanted[DCM_LEVEL_SERIES], e->fts_name);
}

WalkedFile filewalk_file(FileWalk *w)
{
    FTSENT *e;
    while (w->fts && (e = fts_read(w->fts))) {
        bool folder = e->fts_info == FTS_D;
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_NS || e->fts_info == FTS_ERR)
            w->unreadable += e->fts_errno != ENOENT;
        if (folder &&
            (*e->fts_name == '.' || is_temp(w, e->fts_statp) || (w->filtering && !is_wanted_folder(w, e))))
            fts_set(w->fts, e, FTS_SKIP);
        if (e->fts_info != FTS_F || *e->fts_name == '.' || strstr(e->fts_name, "%+"))
            continue;
        const struct timespec *at = &e->fts_statp->st_mtim;
        return (WalkedFile){e->fts_path, (int64_t)at->tv_sec * 1000000 + at->tv_nsec / 1000};
    }
    close_fts(w);
    return (WalkedFile){0};
}

static bool open_patient(FileWalk *w, const char *name, Err *err)
{
    char *path = file_join(w->root, name);
    char *const roots[] = {path, NULL};
    close_fts(w);
    w->fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    bool ok = w->fts || err_errno(err, errno, "cannot read the data folder %s", w->root);
    free(path);
    return ok;
}

static bool asks_below(const FileWalk *w)
{
    return w->wanted[DCM_LEVEL_STUDY].count || w->wanted[DCM_LEVEL_SERIES].count;
}

bool filewalk_patient(FileWalk *w, bool *enter, bool *end, Err *err)
{
    *enter = *end = false;
    errno = 0;
    const struct dirent *entry = readdir(w->patients);
    if (!entry && errno)
        return err_errno(err, errno, "cannot read the data folder %s", w->root);
    *end = !entry;
    if (!entry || *entry->d_name == '.' || !may_be(&w->wanted[DCM_LEVEL_PATIENT], entry->d_name))
        return true;
    w->filtering = true;
    if (!open_patient(w, entry->d_name, err))
        return false;
    *enter = true;
    if (!w->whole || !asks_below(w))
        return true;
    *enter = filewalk_file(w).path != NULL;
    w->filtering = false;
    return !*enter || open_patient(w, entry->d_name, err);
}
