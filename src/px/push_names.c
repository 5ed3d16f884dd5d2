// SPDX-License-Identifier: MIT
/* What each file is to be called, and what the px database knows of it. */
#include "px/push_internal.h"

#include "base/file.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "px/head.h"
#include "px/seahash.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char pack[] = "%pack";

static void fail(PxPushFile *file, Arena *arena, const char *why)
{
    if (!file->error)
        file->error = arena_strdup(arena, why);
}

/* -- what the file says of itself -- */

static const char *kept_uid(Arena *arena, const DcmDataset *dataset, DcmTag tag, const char *otherwise)
{
    char uid[65] = "";
    return arena_strdup(arena, dcm_uid(dataset, tag, uid) && *uid ? uid : otherwise);
}

static bool read_file(PxPushFile *file, Arena *keep, Arena *scratch, DcmDataset **dataset, Err *err)
{
    DcmFileMeta meta = {0};
    *dataset = px_head_read(scratch, file->path, &meta, err);
    if (!*dataset)
        return err_wrap(err, "this cannot be read as a DICOM object");
    if (meta.dicomdir)
        return err_set(err, ERR_FORMAT, "this is a DICOMDIR, not an object");
    file->sop_class = kept_uid(keep, *dataset, DCM_SOPClassUID, meta.sop_class);
    file->sop_instance = kept_uid(keep, *dataset, DCM_SOPInstanceUID, meta.sop_instance);
    file->study = kept_uid(keep, *dataset, DCM_StudyInstanceUID, "");
    file->series = kept_uid(keep, *dataset, DCM_SeriesInstanceUID, "");
    file->transfer_syntax = arena_strdup(keep, meta.transfer_syntax);
    file->data_offset = meta.data_offset;
    return (*file->sop_class && *file->sop_instance) ||
           err_set(err, ERR_FORMAT, "this is a DICOM file without SOP Class or Instance UID");
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, other;
    return !strcmp(a, b) || (stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
                             one.st_ino == other.st_ino);
}

/* Is it the file of an object that the database has? */
static void look_up(const PxPush *push, PxPushFile *file, Arena *keep)
{
    PxObject object;
    if (!push->base || file->in_base || !file->sop_instance || !*file->sop_instance ||
        !px_base_object(push->base, keep, file->sop_instance, &object, NULL) ||
        !is_same_file(object.path, file->path))
        return;
    file->in_base = true;
    file->sha256 = object.sha256;
    file->size = object.size;
}

/* -- names -- */

/* One slash where there are several, none in front. */
static const char *tidy(Arena *arena, const char *name)
{
    char *out = arena_strdup(arena, name), *to = out;
    for (const char *from = name; *from; from++)
        if (*from != '/' || (to > out && to[-1] != '/'))
            *to++ = *from;
    *to = 0;
    return out;
}

static const char *without_last(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_printf(arena, "%.*s", (int)(slash - path), path) : "";
}

static const char *with_pack(Arena *arena, const char *location, const char *instead, const char *rest)
{
    const char *at = strstr(location, pack);
    if (!at)
        return arena_printf(arena, "%s%s", location, rest);
    return arena_printf(arena, "%.*s%s%s%s", (int)(at - location), location, instead, at + sizeof pack - 1,
                        rest);
}

static bool check_name(const char *name, Err *err)
{
    if (!span_is_utf8(span_cstr(name)))
        return err_set(err, ERR_FORMAT, "its name is not UTF-8, and an object's name must be");
    return file_is_safe_relative(name) ||
           err_set(err, ERR_FORMAT, "its name would be empty, too long, or have a part '.' or '..'");
}

static bool name_file(const PxPush *push, PxPushFile *file, const char **first, Arena *keep, Arena *scratch,
                      Err *err)
{
    const char *path = "", *location = push->location ? push->location : "";
    bool needs = push->names == PX_PUSH_EACH || push->names == PX_PUSH_EACH_FOLDER ||
                 (push->names == PX_PUSH_FIRST && !**first);
    DcmDataset *dataset = NULL;
    Err problem = {0};
    if (!read_file(file, keep, scratch, &dataset, &problem)) {
        if (needs || !push->location) {
            if (err)
                *err = problem;
            return false;
        }
    }
    if (!push->location) { /* a PACS: the object is its own name */
        file->name = file->sop_instance;
        return true;
    }
    if (needs && !(path = px_templates_path(push->templates, scratch, dataset, err)))
        return false;
    if (push->names == PX_PUSH_FIRST && !**first)
        *first = without_last(keep, path);
    switch (push->names) {
    case PX_PUSH_EACH:
        file->name = tidy(keep, with_pack(scratch, location, path, ""));
        break;
    case PX_PUSH_EACH_FOLDER:
        file->name = tidy(keep, with_pack(scratch, location, without_last(scratch, path), file->rest));
        break;
    case PX_PUSH_FIRST:
        file->name = tidy(keep, with_pack(scratch, location, *first, file->rest));
        break;
    case PX_PUSH_PLAIN:
        file->name = tidy(keep, arena_printf(scratch, "%s%s", location, file->rest));
        break;
    }
    return check_name(file->name, err);
}

/* -- two for one name -- */

static bool read_both(int a, int b, bool *same)
{
    enum { PIECE = 16384 };
    uint8_t one[PIECE], other[PIECE];
    for (off_t at = 0;;) {
        ssize_t n = pread(a, one, PIECE, at), m = pread(b, other, PIECE, at);
        if (n < 0 || m < 0)
            return false;
        *same = n == m && !memcmp(one, other, (size_t)n);
        if (!*same || !n)
            return true;
        at += n;
    }
}

static bool is_same_content(const char *a, const char *b)
{
    int one = open(a, O_RDONLY | O_CLOEXEC), other = open(b, O_RDONLY | O_CLOEXEC);
    bool same = false, ok = one >= 0 && other >= 0 && read_both(one, other, &same);
    if (one >= 0)
        close(one);
    if (other >= 0)
        close(other);
    return ok && same;
}

static const char *variant(Arena *arena, const PxPushFile *file)
{
    const char *name = file->name, *last = strrchr(name, '/'), *dot = strrchr(last ? last : name, '.');
    size_t n = dot && dot > (last ? last + 1 : name) ? (size_t)(dot - name) : strlen(name);
    const char *key = file->sop_instance && *file->sop_instance ? file->sop_instance : file->path;
    char digits[20];
    snprintf(digits, sizeof digits, "%016" PRIx64, px_seahash(span_cstr(key)));
    return arena_printf(arena, "%.*s_%.7s%s", (int)n, name, digits, name + n);
}

static int by_name(const void *a, const void *b)
{
    const PxPushFile *one = *(PxPushFile *const *)a, *other = *(PxPushFile *const *)b;
    int order = strcmp(one->name, other->name);
    return order ? order : one < other ? -1 : one > other;
}

static void settle_twins(PxPushFile *first, PxPushFile *file, Arena *arena)
{
    bool one_object =
        first->sop_instance && file->sop_instance && !strcmp(first->sop_instance, file->sop_instance);
    if (is_same_content(first->path, file->path))
        file->same = first;
    else if (one_object)
        fail(file, arena,
             "another file with the same SOP Instance UID and other content is pushed under its name");
    else
        file->name = variant(arena, file);
}

static void settle_names(PxPushFiles *files)
{
    PxPushFile **sorted = calloc(files->count ? files->count : 1, sizeof(PxPushFile *));
    if (!sorted)
        abort();
    size_t n = 0;
    for (size_t i = 0; i < files->count; i++)
        if (!files->items[i].error)
            sorted[n++] = &files->items[i];
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (strcmp(sorted[first]->name, sorted[i]->name) != 0)
            first = i;
        else
            settle_twins(sorted[first], sorted[i], files->arena);
    }
    free(sorted);
}

bool px_push_name_all(const PxPush *push, PxPushFiles *files, Err *err)
{
    const char *first = "";
    Arena *scratch = arena_new(0);
    for (size_t i = 0; i < files->count; i++) {
        PxPushFile *file = &files->items[i];
        Err problem = {0};
        arena_reset(scratch);
        if (name_file(push, file, &first, files->arena, scratch, &problem))
            look_up(push, file, files->arena);
        else
            fail(file, files->arena, problem.text);
    }
    arena_free(scratch);
    settle_names(files);
    return files->count || err_set(err, ERR_NOT_FOUND, "there is nothing to push");
}
