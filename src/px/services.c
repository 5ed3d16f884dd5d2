// SPDX-License-Identifier: MIT
#include "px/services.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "px/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, LOCK_MS = 10000, LOCK_STEP_MS = 10, FILES_MAX = 2 };
static const char mask[] = "***";

/* The files of each kind: the first of them goes first, `home` is where new keys go. */
static const struct {
    const char *files[FILES_MAX];
    size_t home;
    const char *action; /* of px-smdb */
} kinds[] = {
    [PX_SERVICE_STORAGE] = {{"storage.json", "swift.json"}, 0, "storage"},
    [PX_SERVICE_SWIFT] = {{"storage.json", "swift.json"}, 1, "swift"},
    [PX_SERVICE_CUBE] = {{"cube.json"}, 0, "CUBE"},
    [PX_SERVICE_PACS] = {{"pacs.json"}, 0, "PACS"},
    [PX_SERVICE_TELEMETRY] = {{"telemetry.json"}, 0, "telemetry"},
};

const char *px_beside_log(Arena *arena, const char *log_path, const char *name)
{
    char *real = realpath(log_path, NULL), *here = real ? NULL : realpath(".", NULL);
    char *whole = real ? real : file_join(here ? here : "/", log_path);
    size_t n = strlen(whole);
    while (n > 1 && whole[n - 1] == '/')
        n--;
    while (n > 1 && whole[n - 1] != '/')
        n--;
    const char *out = arena_printf(arena, "%.*s%s", (int)n, whole, name);
    if (whole != real)
        free(whole);
    free(real);
    free(here);
    return out;
}

/* -- one file -- */

/* {"services": {…}} of pfdcm, or NULL. */
static json_t *wrapped(const json_t *file)
{
    json_t *services = json_object_get(file, "services"), *one;
    const char *key;
    if (!json_is_object(services) || json_object_size(file) != 1)
        return NULL;
    json_object_foreach(services, key, one)
    {
        if (!json_is_object(json_object_get(one, "info")))
            return NULL;
    }
    return services;
}

static bool check_records(const json_t *records, const char *path, Err *err)
{
    const char *key;
    json_t *record;
    json_object_foreach((json_t *)records, key, record)
    {
        if (!json_is_object(record))
            return err_set(err, ERR_FORMAT, "%s: '%.60s' must be an object", path, key);
    }
    return true;
}

/* The file as it is; an empty object when it is not there. */
static json_t *load(const char *path, Err *err)
{
    Buf text;
    Err problem = {0};
    buf_init(&text, 0);
    json_t *file = NULL;
    if (!file_read_all(path, FILE_MAX, &text, &problem)) {
        if (problem.code == ERR_NOT_FOUND)
            file = json_object();
        else if (err)
            *err = problem;
    } else if (!span_trim(buf_span(&text)).n) {
        file = json_object();
    } else {
        file = px_json_read(buf_span(&text), path, err);
    }
    buf_free(&text);
    if (file && (!json_is_object(file) || !check_records(wrapped(file) ? wrapped(file) : file, path, err))) {
        if (!json_is_object(file))
            err_set(err, ERR_FORMAT, "%s must be an object of services by key", path);
        json_decref(file);
        file = NULL;
    }
    return file;
}

/* Adds the records of a file that `out` does not have yet. */
static void add_records(json_t *out, const json_t *file)
{
    json_t *inner = wrapped(file), *record;
    const char *key;
    json_object_foreach(inner ? inner : (json_t *)file, key, record)
    {
        if (!json_object_get(out, key))
            json_object_set(out, key, inner ? json_object_get(record, "info") : record);
    }
}

static void put_record(json_t *file, const char *key, json_t *record)
{
    json_t *inner = wrapped(file);
    if (!inner) {
        json_object_set(file, key, record);
        return;
    }
    json_t *one = json_object_get(inner, key);
    if (!one) {
        one = json_object();
        json_object_set_new(inner, key, one);
    }
    json_object_set(one, "info", record);
}

static bool save(const char *path, const json_t *file, Err *err)
{
    Buf text;
    buf_init(&text, 0);
    px_document_write(file, false, &text);
    bool ok = file_replace(path, buf_span(&text), 0600, err);
    explicit_bzero(text.p, text.n);
    buf_free(&text);
    return ok;
}

/* -- the files of a kind -- */

json_t *px_services_read(const char *log_path, PxServiceKind kind, Err *err)
{
    Arena *arena = arena_new(0);
    const char *folder = px_beside_log(arena, log_path, "services");
    json_t *out = json_object();
    for (size_t i = 0; out && i < FILES_MAX && kinds[kind].files[i]; i++) {
        json_t *file = load(arena_printf(arena, "%s/%s", folder, kinds[kind].files[i]), err);
        if (file) {
            add_records(out, file);
        } else {
            json_decref(out);
            out = NULL;
        }
        json_decref(file);
    }
    arena_free(arena);
    return out;
}

static void not_found(const char *log_path, PxServiceKind kind, const char *key, const json_t *all, Err *err)
{
    Arena *arena = arena_new(0);
    const char *names = "", *name;
    json_t *record;
    json_object_foreach((json_t *)all, name, record)
    {
        names = arena_printf(arena, "%s%s%.40s", names, *names ? ", " : "", name);
    }
    err_set(err, ERR_NOT_FOUND,
            "there is no service '%.60s' in %s/%s (there: %.120s); px-smdb --action %s sets it", key,
            px_beside_log(arena, log_path, "services"), kinds[kind].files[kinds[kind].home],
            *names ? names : "none", kinds[kind].action);
    arena_free(arena);
}

json_t *px_service(const char *log_path, PxServiceKind kind, const char *key, Err *err)
{
    json_t *all = px_services_read(log_path, kind, err);
    if (!all)
        return NULL;
    json_t *record = json_incref(json_object_get(all, key));
    if (!record)
        not_found(log_path, kind, key, all, err);
    json_decref(all);
    return record;
}

/* -- secrets -- */

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n >= e && !strcasecmp(name + n - e, end);
}

/* Also in names of options: CUBEuserpasswd. */
static bool is_secret(const char *name)
{
    static const char *const words[] = {"password", "passwd", "token", "secret"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ends(name, words[i]))
            return true;
    return !strcasecmp(name, "key");
}

/* Where the secret of a text begins, and what stands behind it; NULL = there is none. */
static const char *secret_in(const char *name, const char *text, const char **behind)
{
    *behind = "";
    if (is_secret(name))
        return text;
    if (ends(name, "login")) {
        const char *colon = strchr(text, ':'); /* not the last: a password may have one */
        return colon ? colon + 1 : NULL;
    }
    const char *host = strstr(text, "://"),
               *at = host ? memrchr(host, '@', strcspn(host + 3, "/?#") + 3) : NULL;
    const char *colon = at ? memchr(host + 3, ':', (size_t)(at - host - 3)) : NULL;
    *behind = at ? at : "";
    return colon ? colon + 1 : NULL;
}

static json_t *masked_text(const char *name, const json_t *value)
{
    const char *text = json_string_value(value), *behind;
    const char *secret = secret_in(name, text, &behind);
    if (!secret || !*text)
        return json_deep_copy(value);
    Buf out;
    buf_init(&out, 0);
    buf_append(&out, text, (size_t)(secret - text));
    buf_append_cstr(&out, mask);
    buf_append_cstr(&out, behind);
    json_t *shown = px_text(buf_cstr(&out));
    buf_free(&out);
    return shown;
}

static json_t *masked(const char *name, const json_t *value)
{
    if (json_is_string(value))
        return masked_text(name, value);
    if (json_is_number(value) && is_secret(name))
        return json_string(mask);
    if (json_is_array(value)) {
        json_t *list = json_array(), *item;
        size_t i;
        json_array_foreach((json_t *)value, i, item)
        {
            json_array_append_new(list, masked(name, item));
        }
        return list;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    json_t *object = json_object(), *member;
    const char *key;
    json_object_foreach((json_t *)value, key, member)
    {
        json_object_set_new(object, key, masked(key, member));
    }
    return object;
}

json_t *px_service_masked(const json_t *value)
{
    return masked("", value);
}

/* A masked secret in `record` becomes what it is in `old`; false when nothing is known of it. */
static bool unmask(json_t *record, const json_t *old, const char *key, Err *err)
{
    const char *name, *behind;
    json_t *member;
    void *next;
    bool ok = true;
    json_object_foreach_safe(record, next, name, member)
    {
        json_t *shown = masked(name, member), *was = json_object_get(old, name);
        bool is_masked = json_is_string(member) && json_equal(member, shown) && *json_string_value(member) &&
                         secret_in(name, json_string_value(member), &behind);
        json_decref(shown);
        if (!is_masked)
            continue;
        shown = was ? masked(name, was) : NULL;
        if (shown && json_equal(member, shown))
            json_object_set(record, name, was);
        else
            ok = err_set(err, ERR_USAGE, "service '%.60s': '%.60s' is masked, and no secret is stored for it",
                         key, name);
        json_decref(shown);
    }
    return ok;
}

/* -- changing -- */

static bool check_record(PxServiceKind kind, const char *key, const json_t *record, Err *err)
{
    Arena *arena = arena_new(0);
    const char *what = arena_printf(arena, "service '%.60s'", key);
    PxStorageService storage;
    PxCubeService cube;
    PxPacsService pacs;
    bool ok = false;
    switch (kind) {
    case PX_SERVICE_STORAGE:
    case PX_SERVICE_SWIFT:
        ok = px_storage_service(arena, record, what, &storage, err);
        break;
    case PX_SERVICE_CUBE:
    case PX_SERVICE_TELEMETRY:
        ok = px_cube_service(arena, record, what, &cube, err);
        break;
    case PX_SERVICE_PACS:
        ok = px_pacs_service(arena, record, what, &pacs, err);
        break;
    }
    arena_free(arena);
    return ok;
}

/* The entries with their secrets, checked. NULL and err. */
static json_t *complete(PxServiceKind kind, const json_t *entries, const json_t *stored, Err *err)
{
    if (!json_is_object(entries)) {
        err_set(err, ERR_USAGE, "services are set by an object of records: {\"KEY\": {…}}");
        return NULL;
    }
    json_t *out = json_deep_copy(entries), *record;
    json_t *inner = wrapped(out);
    if (inner) {
        json_t *flat = json_object();
        add_records(flat, out);
        json_decref(out);
        out = flat;
    }
    const char *key;
    bool ok = true;
    json_object_foreach(out, key, record)
    {
        ok = ok && (*key || err_set(err, ERR_USAGE, "the key of a service must not be empty"));
        ok = ok &&
             (json_is_object(record) || err_set(err, ERR_USAGE, "service '%.60s' must be an object", key));
        ok = ok && unmask(record, json_object_get(stored, key), key, err) &&
             check_record(kind, key, record, err);
    }
    if (ok)
        return out;
    json_decref(out);
    return NULL;
}

static bool lock_folder(const char *folder, int *lock, Err *err)
{
    *lock = file_open_dir(folder, true, err);
    Deadline deadline = deadline_in(LOCK_MS);
    while (*lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, errno, "cannot lock %s", folder);
        if (deadline_passed(deadline))
            return err_set(err, ERR_TIMEOUT, "%s is locked by another program; try again", folder);
        clock_sleep_ms(LOCK_STEP_MS);
    }
    return *lock >= 0;
}

/* Into the home of the kind, and into any other file that has the key already. */
static bool set_in_files(PxServiceKind kind, Arena *arena, const char *folder, const json_t *records,
                         Err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < FILES_MAX && kinds[kind].files[i]; i++) {
        const char *path = arena_printf(arena, "%s/%s", folder, kinds[kind].files[i]), *key;
        json_t *file = load(path, err), *record, *there = json_object();
        bool changed = false;
        ok = file != NULL;
        if (ok)
            add_records(there, file);
        json_object_foreach((json_t *)records, key, record)
        {
            if (ok && (i == kinds[kind].home || json_object_get(there, key))) {
                put_record(file, key, record);
                changed = true;
            }
        }
        ok = ok && (!changed || save(path, file, err));
        json_decref(there);
        json_decref(file);
    }
    return ok;
}

bool px_services_set(const char *log_path, PxServiceKind kind, const json_t *entries, Err *err)
{
    Arena *arena = arena_new(0);
    const char *folder = px_beside_log(arena, log_path, "services");
    int lock = -1;
    json_t *stored = NULL, *records = NULL;
    bool ok = lock_folder(folder, &lock, err) && (stored = px_services_read(log_path, kind, err)) &&
              (records = complete(kind, entries, stored, err)) &&
              set_in_files(kind, arena, folder, records, err);
    json_decref(records);
    json_decref(stored);
    if (lock >= 0)
        close(lock);
    arena_free(arena);
    return ok;
}
