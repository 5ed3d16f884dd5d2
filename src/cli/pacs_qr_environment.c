// SPDX-License-Identifier: MIT
/*
 * environments.json: {"NAME": {"AET", "AEC", "PACSIP", "PACSport", "SWIFTKEY", "SWIFTPACS", "CUBEKEY"}, …}, all members may be left out. The file of the BASEMOUNT goes before
 * that of the user; "orthanc" and "default" are there without a file.
 */
#include "base/file.h"
#include "cli/pacs_qr.h"
#include "px/document.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 1 << 20 };

static const char *const names[PACS_QR_VALUES] = {"AET",      "AEC",       "PACSIP", "PACSport",
                                                  "SWIFTKEY", "SWIFTPACS", "CUBEKEY"};
static const char *const orthanc[PACS_QR_VALUES] = {"CHRISLOCAL", "ORTHANC", "127.0.0.1", "4242",
                                                    "local",      "orthanc", "local"};

/* *out NULL when there is no such file. */
static bool read_file(const char *path, json_t **out, Err *err)
{
    Buf text;
    buf_init(&text, 0);
    Err why = {0};
    *out = NULL;
    bool ok = file_read_all(path, MAX_FILE, &text, &why);
    if (ok) {
        *out = px_json_read(buf_span(&text), path, err);
        ok = *out && (json_is_object(*out) ||
                      err_set(err, ERR_FORMAT, "%s: must be an object of environments", path));
    } else if (why.code == ERR_NOT_FOUND) {
        ok = true;
    } else {
        *err = why;
    }
    buf_free(&text);
    return ok;
}

/* All environments of both files; *where names the files for messages. */
static json_t *read_all(Arena *arena, const char *base, const char **where, Err *err)
{
    const char *home = getenv("XDG_CONFIG_HOME"), *user = NULL;
    if (home && *home)
        user = arena_printf(arena, "%s/gantry/environments.json", home);
    else if ((home = getenv("HOME")) && *home)
        user = arena_printf(arena, "%s/.config/gantry/environments.json", home);
    const char *own = arena_printf(arena, "%s/services/environments.json", base);
    *where = user ? arena_printf(arena, "%s and %s", own, user) : own;
    json_t *all = json_object(), *some = NULL;
    bool ok = !user || read_file(user, &some, err);
    json_object_update(all, some);
    json_decref(some);
    some = NULL;
    ok = ok && read_file(own, &some, err);
    json_object_update(all, some);
    json_decref(some);
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

static const char *known_of(Arena *arena, json_t *all)
{
    const char *known = "orthanc", *name;
    json_t *value;
    json_object_foreach(all, name, value) if (strcmp(name, "orthanc") != 0) known =
        arena_printf(arena, "%s, %.40s", known, name);
    return known;
}

static bool take_environment(Arena *arena, const json_t *environment, const char *name,
                             PacsQrEnvironment *out, Err *err)
{
    if (!json_is_object(environment))
        return err_set(err, ERR_FORMAT, "environment %.40s must be an object", name);
    for (int i = 0; i < PACS_QR_VALUES; i++) {
        const json_t *value = json_object_get(environment, names[i]);
        if (json_is_string(value) && *json_string_value(value))
            out->values[i] = arena_strdup(arena, json_string_value(value));
        else if (json_is_integer(value))
            out->values[i] = arena_printf(arena, "%lld", (long long)json_integer_value(value));
        else if (value && !json_is_string(value))
            return err_set(err, ERR_FORMAT, "environment %.40s: %s must be a text", name, names[i]);
    }
    return true;
}

static bool look_up(Arena *arena, const PacsQrArgs *args, PacsQrEnvironment *out, Err *err)
{
    const char *where, *name = *args->env ? args->env : "default";
    json_t *all = read_all(arena, args->base, &where, err);
    if (!all)
        return false;
    const json_t *environment = json_object_get(all, name);
    bool ok = true;
    if (environment)
        ok = take_environment(arena, environment, name, out, err);
    else if (strcmp(name, "default") != 0 && strcmp(name, "orthanc") != 0)
        ok = err_set(err, ERR_NOT_FOUND, "there is no environment %.40s; known are %s (from %s)", name,
                     known_of(arena, all), where);
    json_decref(all);
    return ok;
}

bool pacs_qr_environment(Arena *arena, const PacsQrArgs *args, PacsQrEnvironment *out, Err *err)
{
    const char *const given[PACS_QR_VALUES] = {args->aet,   args->aec,  args->ip,  args->port,
                                               args->swift, args->name, args->cube};
    memcpy(out->values, orthanc, sizeof orthanc);
    if (!look_up(arena, args, out, err))
        return false;
    for (int i = 0; i < PACS_QR_VALUES; i++)
        if (given[i] && *given[i])
            out->values[i] = given[i];
    return true;
}
