// SPDX-License-Identifier: MIT
/* What px-push, px-store and pfstorage share: the storage and the files as options name them, and the push as the user sees it. */
#include "cli/progress.h"
#include "cli/px_push.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* -- the storage -- */

static void set(json_t *record, const char *name, const char *value)
{
    if (*value)
        json_object_set_new(record, name, px_text(value));
}

/* The environment stands in for an option, but not for what a file of services says. */
static void set_secret(json_t *record, const char *name, const char *value, const char *variable,
                       bool has_record)
{
    const char *given = getenv(variable);
    set(record, name, *value || has_record || !given ? value : given);
}

/* The record of the key, with what options say besides. NULL and err. */
static json_t *record_of(const char *db, const PxStorageArgs *args, Err *err)
{
    if (*args->folder) {
        json_t *folder = json_pack("{s:s}", "storagetype", "fs");
        char *path = realpath(args->folder, NULL), *here = path ? NULL : realpath(".", NULL);
        if (!path)
            path = file_join(here ? here : "/", args->folder);
        json_object_set_new(folder, "storepath", px_text(path));
        free(path);
        free(here);
        return folder;
    }
    if (!*args->key && !*args->ip) {
        err_set(err, ERR_USAGE,
                "where to? Give --swift KEY, or --swiftIP, --swiftPort and --swiftLogin, or "
                "--storeBaseLocation");
        return NULL;
    }
    json_t *record = *args->key ? px_service(db, PX_SERVICE_STORAGE, args->key, err) : json_object();
    if (!record)
        return NULL;
    set(record, "ip", args->ip);
    set(record, "port", args->port);
    set_secret(record, "login", args->login, "SWIFT_LOGIN", *args->key);
    set_secret(record, "key", args->secret, "SWIFT_KEY", *args->key);
    return record;
}

PxStorage *px_storage_of(Arena *arena, const char *db, const PxStorageArgs *args, PxStorageService *service,
                         json_t **shown, Err *err)
{
    json_t *record = record_of(db, args, err);
    if (!record)
        return NULL;
    const char *what = *args->folder ? "--storeBaseLocation"
                       : *args->key  ? arena_printf(arena, "service '%.60s'", args->key)
                                     : "the object store of --swiftIP, --swiftPort and --swiftLogin";
    PxStorage *storage = NULL;
    if (px_storage_service(arena, record, what, service, err)) {
        PxStorageSettings settings = {.service = service, .tries = (unsigned)args->tries, .link = args->link};
        storage = px_storage_open(&settings, err);
    }
    if (shown)
        *shown = storage ? px_service_masked(record) : NULL;
    json_decref(record);
    return storage;
}

/* -- the files -- */

static bool names_objects(const PxSourceArgs *a)
{
    return *a->patient || *a->study || *a->series;
}

PxBase *px_source_base(const PxSourceArgs *a, Err *err)
{
    PxBase *base =
        px_base_open(&(PxBaseSettings){.log_path = a->db, .data_path = *a->data ? a->data : NULL}, err);
    if (!base && err->code == ERR_NOT_FOUND && !names_objects(a))
        err_clear(err);
    return base;
}

bool px_source_files(const PxSourceArgs *a, PxBase *base, PxPushFiles *files, Err *err)
{
    if (names_objects(a)) {
        PxSelection what = {.patient_id = *a->patient ? a->patient : NULL,
                            .study = *a->study ? a->study : NULL,
                            .series = *a->series ? a->series : NULL};
        return px_push_add_objects(files, base, &what, a->substring, err);
    }
    if (*a->path)
        return px_push_add_path(files, a->path, a->substring, err);
    if (!*a->folder)
        return err_set(err, ERR_USAGE,
                       "which files? Give --xcrdir, --xcrdirfile, --SeriesInstanceUID, --StudyInstanceUID or "
                       "--PatientID");
    const char *path = *a->file ? arena_printf(files->arena, "%s/%s", a->folder, a->file) : a->folder;
    return px_push_add_path(files, path, a->substring, err);
}

/* -- the push -- */

static void show_progress(void *ctx, uint64_t done)
{
    progress_step(ctx, done);
}

bool px_push_shown(const PxPush *push, PxPushFiles *files, bool json, const PxAsk *ask, Err *err)
{
    bool live = ask->verbosity > 0 && isatty(STDERR_FILENO);
    Progress progress = progress_start("pushed", files->count, true);
    PxPush shown = *push;
    if (live) {
        shown.progress = show_progress;
        shown.progress_ctx = &progress;
    }
    json_t *result;
    PxPushTotals totals;
    bool ok = px_push(&shown, files, &result, &totals, err);
    if (live)
        progress_end(&progress);
    if (json)
        px_print(result, false, ask);
    else if (live)
        fprintf(stderr, "%" PRIu64 " of %" PRIu64 " files pushed, %" PRIu64 " of them were there already\n",
                totals.pushed, totals.files, totals.there);
    json_decref(result);
    return ok;
}
