// SPDX-License-Identifier: MIT
#include "px/register_internal.h"

#include <string.h>

static void cannot(Run *run, const Err *err)
{
    run->opening.word = RESULT_FAILED;
    run->opening.err = *err;
}

static bool choose(Run *run, Err *err)
{
    PxRegisterMode mode = run->ask->mode;
    bool files = px_cube_offers(run->cube, PX_REGISTER_FILES),
         series = px_cube_offers(run->cube, PX_REGISTER_SERIES);
    const char *url = px_cube_url(run->cube);
    if (!files && !series)
        return err_set(err, ERR_UNSUPPORTED,
                       "CUBE at %s takes neither images nor series over its API; this version of it is told "
                       "by its own receiver",
                       url);
    if (mode == PX_REGISTER_PER_FILE && !files)
        return err_set(err, ERR_UNSUPPORTED, "CUBE at %s takes no single images; use --perSeries", url);
    if (mode == PX_REGISTER_PER_SERIES && !series)
        return err_set(err, ERR_UNSUPPORTED, "CUBE at %s takes no series; use --perFile", url);
    run->api = mode != PX_REGISTER_PER_FILE && series ? PX_REGISTER_SERIES : PX_REGISTER_FILES;
    return true;
}

static void open_cube(Run *run)
{
    Err err = {0};
    buf_init(&run->opening.message, 0);
    run->cube = px_cube_open(&run->ask->cube, &run->opening.message, &err);
    if (!run->cube || !choose(run, &err))
        cannot(run, &err);
}

/* The message for people: how many, and why the first one was not. */
static bool judge(const Run *run, Err *err)
{
    size_t failed = 0;
    const Result *first = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const Result *result = register_result(run, &run->images[i]);
        if (register_ok(result))
            continue;
        failed++;
        first = first ? first : result;
    }
    if (!failed)
        return true;
    if (err)
        *err = first->err;
    return err_wrap(err, "%zu of %zu images not registered", failed, run->count);
}

bool px_register(const PxRegister *ask, const PxRegisterFiles *files, json_t **result, Err *err)
{
    Run run = {.ask = ask, .arena = arena_new(0)};
    bool ok = true, noted = true;
    *result = NULL;
    if (!files->count) {
        *result = json_pack("{sb s[]}", "status", 0, "run");
        arena_free(run.arena);
        return err_set(err, ERR_NOT_FOUND, "there is nothing to register: no file was chosen");
    }
    open_cube(&run);
    ok = register_read_images(&run, files, err);
    if (ok && run.opening.word != RESULT_FAILED) {
        Notes *notes = register_notes_new(&run);
        register_all(&run, notes);
        noted = register_notes_end(notes, err);
    }
    if (ok) {
        *result = register_document(&run);
        ok = noted && judge(&run, err);
        if (!noted)
            json_object_set_new(*result, "status", json_false());
    }
    register_free(&run);
    return ok;
}
