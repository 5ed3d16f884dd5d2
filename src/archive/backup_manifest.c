// SPDX-License-Identifier: MIT
#include "archive/backup_manifest.h"
#include "archive/manifest.h"

#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

/* -- writing -- */

/* At once: a rerun goes on from what a killed run has written. */
static bool write_line(FILE *to, Buf *line, Err *err)
{
    return manifest_write_line(to, line, err) &&
           (fflush(to) == 0 || err_errno(err, errno, "cannot write the manifest of the backup"));
}

bool backup_write_head(FILE *to, const ArcBackupHead *head, Err *err)
{
    Buf line;
    buf_init(&line, 0);
    JsonWriter w = json_writer(&line);
    json_begin_object(&w);
    json_member(&w, "archive", head->archive);
    json_member(&w, "data", head->data);
    json_key(&w, "index");
    json_bool(&w, head->index);
    json_member(&w, "when", head->when);
    json_end_object(&w);
    return write_line(to, &line, err);
}

bool backup_write_file(FILE *to, const BackupFile *file, Err *err)
{
    char digest[65];
    json_t *name = json_string(file->path);
    json_decref(name);
    if (!name)
        return err_set(err, ERR_UNSUPPORTED, "its name is not UTF-8");
    span_hex(span_of(file->sha256, sizeof file->sha256), digest);
    Buf line;
    buf_init(&line, 0);
    JsonWriter w = json_writer(&line);
    json_begin_object(&w);
    json_member(&w, "path", file->path);
    json_member_int(&w, "size", (int64_t)file->size);
    json_member_int(&w, "mtime_us", file->mtime_us);
    json_member_int(&w, "mode", file->mode);
    json_member(&w, "sha256", digest);
    json_end_object(&w);
    return write_line(to, &line, err);
}

bool backup_write_end(FILE *to, uint64_t files, uint64_t bytes, Err *err)
{
    Buf line;
    buf_init(&line, 0);
    JsonWriter w = json_writer(&line);
    json_begin_object(&w);
    json_key(&w, "end");
    json_bool(&w, true);
    json_member_int(&w, "files", (int64_t)files);
    json_member_int(&w, "bytes", (int64_t)bytes);
    json_end_object(&w);
    return write_line(to, &line, err);
}

/* -- reading -- */

static const char *text(const json_t *object, Arena *arena, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? arena_strdup(arena, value) : NULL;
}

static void add(BackupFiles *files, const BackupFile *one)
{
    if (files->count == files->capacity) {
        files->capacity = files->capacity ? 2 * files->capacity : 256;
        files->files = realloc(files->files, files->capacity * sizeof *files->files);
        if (!files->files)
            abort();
    }
    files->files[files->count] = *one;
    files->files[files->count].line = files->count;
    files->count++;
}

/* False when it is no line of a manifest. */
static bool take_line(BackupFiles *files, const json_t *object)
{
    json_int_t size = json_integer_value(json_object_get(object, "size"));
    BackupFile one = {.path = text(object, files->arena, "path"),
                      .size = size > 0 ? (uint64_t)size : 0,
                      .mtime_us = json_integer_value(json_object_get(object, "mtime_us")),
                      .mode = (unsigned)json_integer_value(json_object_get(object, "mode")) & 0777};
    if (json_is_true(json_object_get(object, "end"))) {
        files->ended = true;
        return true;
    }
    if (json_object_get(object, "archive")) {
        files->head.archive = text(object, files->arena, "archive");
        files->head.data = text(object, files->arena, "data");
        files->head.when = text(object, files->arena, "when");
        files->head.index = json_is_true(json_object_get(object, "index"));
        return true;
    }
    if (!one.path || size < 0 || !file_is_safe_relative(one.path) ||
        !span_from_hex(json_string_value(json_object_get(object, "sha256")), one.sha256, sizeof one.sha256))
        return false;
    add(files, &one);
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const BackupFile *)a)->path, ((const BackupFile *)b)->path);
}

static int by_path_and_line(const void *a, const void *b)
{
    const BackupFile *one = a, *two = b;
    int order = strcmp(one->path, two->path);
    return order ? order : one->line < two->line ? -1 : one->line > two->line;
}

/* Sorts, and of several of one path leaves the last one. */
static void sort(BackupFiles *files)
{
    size_t kept = 0;
    if (files->count)
        qsort(files->files, files->count, sizeof *files->files, by_path_and_line);
    for (size_t i = 0; i < files->count; i++) {
        if (kept && strcmp(files->files[kept - 1].path, files->files[i].path) == 0)
            kept--;
        files->files[kept++] = files->files[i];
    }
    files->count = kept;
}

bool backup_files_read(const char *folder, BackupFiles *out)
{
    *out = (BackupFiles){.arena = arena_new(0)};
    out->head.folder = arena_strdup(out->arena, folder);
    FILE *file = fopen(arena_printf(out->arena, "%s/" BACKUP_MANIFEST, folder), "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool going = file != NULL;
    while (going && (n = getline(&line, &room, file)) >= 0) {
        json_t *object = json_loadb(line, (size_t)n, 0, NULL);
        out->ended = false;
        going = json_is_object(object) && take_line(out, object);
        json_decref(object);
    }
    free(line);
    if (file)
        fclose(file);
    sort(out);
    return file != NULL;
}

const BackupFile *backup_files_find(const BackupFiles *files, const char *path)
{
    BackupFile key = {.path = path};
    return files->count ? bsearch(&key, files->files, files->count, sizeof key, by_path) : NULL;
}

void backup_files_free(BackupFiles *files)
{
    free(files->files);
    arena_free(files->arena);
    *files = (BackupFiles){0};
}

/* -- bytes -- */

bool backup_copy(int from, int to, const atomic_bool *stop, uint64_t *size, uint8_t sha256[32],
                 bool *unreadable, Err *err)
{
    uint8_t *chunk = malloc(CHUNK), digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    bool ok = true;
    ssize_t n;
    if (!chunk || !sha || !EVP_DigestInit_ex(sha, EVP_sha256(), NULL))
        abort();
    *size = 0;
    *unreadable = false;
    while (ok && (n = read(from, chunk, CHUNK)) != 0) {
        *unreadable = n < 0;
        if (n < 0)
            ok = err_errno(err, errno, "it cannot be read");
        else if (stop && atomic_load(stop))
            ok = err_set(err, ERR_CANCELLED, "stopped before the end");
        else
            ok = to < 0 || file_write_all(to, chunk, (size_t)n, err);
        if (ok) {
            EVP_DigestUpdate(sha, chunk, (size_t)n);
            *size += (uint64_t)n;
        }
    }
    EVP_DigestFinal_ex(sha, digest, NULL);
    memcpy(sha256, digest, 32);
    EVP_MD_CTX_free(sha);
    free(chunk);
    return ok;
}

bool backup_sync(int folder, Err *err)
{
    return syncfs(folder) == 0 || err_errno(err, errno, "cannot write to the disk");
}

int64_t backup_mtime(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}
