// SPDX-License-Identifier: MIT
/*
 * An index that is lost, or is that of another place, comes again by itself. The index has a note for each store whose objects it has, named after the store's
 * absolute path: its rows hold such paths, too. Where a server finds an empty index beside a data folder that is not, or no such note and rows whose files
 * are gone, a thread looks at every object and hands what the index lacks to the committer, while the server is at work; then it sets the note. A pass that
 * was cut short begins again, and passes over what is there. Whether it is needed is asked before the first object comes in, which would make an empty index look
 * like a complete one. An index without a note whose rows have files (SPHERE's, say) is taken for complete. A program
 * that is no server only says so when it finds an empty index beside files, before it stores something.
 */
#include "archive/archive_internal.h"
#include "archive/indexing.h"
#include "dicom/tags.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    THREADS = 2,
    REPORT_MS = 30000,
    PAUSE_FIRST_MS = 500,
    PAUSE_MAX_MS = 60000,
    LOOK_MS = 100,
    NOTE_NAME = 48
};

struct Healing {
    Archive *archive;
    pthread_t thread;
    atomic_bool stop, halt; /* of the thread, of the pass */
    Deadline report;
    bool missed, told; /* the index took nothing; the log has said so */
    bool damaged;      /* it lacks objects that met damage in it */
    bool sure, needed;
};

/* -- the note -- */

static void note_name(const Archive *archive, char out[NOTE_NAME])
{
    char *root = realpath(archive->settings.data_path, NULL);
    const char *path = root ? root : archive->settings.data_path;
    XXH128_hash_t hash = XXH3_128bits(path, strlen(path));
    snprintf(out, NOTE_NAME, "store %016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64, (uint64_t)hash.low64);
    free(root);
}

static bool set_note(Archive *archive, const char *value, Err *err)
{
    char name[NOTE_NAME];
    note_name(archive, name);
    Index *index = archive_open_index_briefly(archive, err);
    bool ok =
        index && idx_begin(index, err) && idx_note_set(index, name, value, err) && idx_commit(index, err);
    idx_close(index);
    return ok;
}

bool healing_note(Archive *archive, Err *err)
{
    return set_note(archive, "indexed", err);
}

/* -- is it needed? -- */

static bool read_note(Archive *archive, Arena *arena, const char **value, Err *err)
{
    char name[NOTE_NAME];
    note_name(archive, name);
    return idx_note_get(archive->index, arena, name, value, err);
}

/* Is there a row, and the file of the first one that comes to hand? */
static bool look_at_one(Archive *archive, Arena *arena, bool *row, bool *file, Err *err)
{
    IdxQuery query = {.level = DCM_LEVEL_STUDY, .keys = dcm_dataset_new(arena), .limit = 1};
    IdxRow newest = {0};
    IdxCursor *cursor = idx_query(archive->index, &query, err);
    bool ok = cursor && idx_next(cursor, arena, &newest, err);
    idx_cursor_free(cursor);
    *row = ok && newest.attributes;
    *file = false;
    if (!*row)
        return ok;
    const char *study = dcm_text(arena, newest.attributes, DCM_StudyInstanceUID, 0);
    IdxSelection selection = {.studies = &study, .study_count = 1};
    IdxFile one = {0};
    IdxFiles *files = idx_select(archive->index, &selection, err);
    ok = files && idx_files_next(files, arena, &one, err);
    idx_files_free(files);
    *row = ok && one.sop_instance;
    *file = *row && access(one.path, F_OK) == 0;
    return ok;
}

static bool stop_at_first(void *ctx, const char *name, Err *err)
{
    *(bool *)ctx = true;
    return err_set(err, ERR_CANCELLED, "one is enough");
}

static bool has_files(Archive *archive, bool *out, Err *err)
{
    Err why;
    *out = false;
    if (store_walk(archive->store, stop_at_first, out, &why) || *out)
        return true;
    if (err)
        *err = why;
    return false;
}

static bool decide(Archive *archive, Arena *arena, bool *needed, Err *err)
{
    const char *note = "";
    bool row, file, files;
    if (!read_note(archive, arena, &note, err) || !look_at_one(archive, arena, &row, &file, err))
        return false;
    if (row && strcmp(note, "indexed") == 0)
        return true;
    if (row && file && !*note)
        return healing_note(archive, err);
    if (!has_files(archive, &files, err))
        return false;
    *needed = files;
    return files || *note || healing_note(archive, err);
}

static bool is_needed(Archive *archive, bool *needed, Err *err)
{
    Arena *arena = arena_new(0);
    *needed = false;
    bool ok = decide(archive, arena, needed, err);
    arena_free(arena);
    return ok;
}

void healing_leave_note(Archive *archive)
{
    Arena *arena = arena_new(0);
    const char *note = "";
    bool needed = false;
    Err ignored; /* the next one that opens the archive tries again */
    if (read_note(archive, arena, &note, &ignored) && !*note && decide(archive, arena, &needed, &ignored) &&
        needed)
        set_note(archive, "begun", &ignored);
    arena_free(arena);
}

/* -- the work -- */

static void step(void *ctx, const ArcIndexed *so_far, const char *path, const Err *why)
{
    Healing *h = ctx;
    if (why && indexing_halts(h->archive, why, &h->told)) {
        h->missed = true;
        atomic_store(&h->halt, true);
    } else if (why) {
        h->damaged |= why->code == ERR_DAMAGED;
        archive_notice(h->archive, LOG_WARNING, "a file in the data folder is not indexed: %s", why->text);
    }
    if (!deadline_passed(h->report))
        return;
    h->report = deadline_in(REPORT_MS);
    archive_notice(h->archive, LOG_INFO,
                   "indexing the data folder: %" PRIu64 " files seen, %" PRIu64 " added so far", so_far->seen,
                   so_far->added);
}

static bool halted(Healing *h, const Err *why)
{
    indexing_halts(h->archive, why, &h->told);
    return false;
}

/* It stays as it is until the next start. */
static bool told_damage(Healing *h)
{
    archive_notice(
        h->archive, LOG_ERROR,
        "the index is damaged and not complete; repair it, then restart the server, which looks again");
    return true;
}

/* One pass over the store. False when it has to be done again. */
static bool pass(Healing *h)
{
    Archive *archive = h->archive;
    ArcIndexing wish = {.threads = THREADS, .stop = &h->halt, .step = step, .ctx = h};
    ArcIndexed done;
    Err err;
    h->missed = h->damaged = false;
    atomic_store(&h->halt, false);
    if (atomic_load(&h->stop))
        return false;
    h->report = deadline_in(REPORT_MS);
    archive_notice(archive, LOG_WARNING,
                   "the index is not known to have all objects of %s; looking through them, while the server "
                   "works",
                   archive->settings.data_path);
    if (!set_note(archive, "begun", &err))
        return halted(h, &err);
    bool ok = arc_index_folder(archive, &wish, &done, &err);
    if (!ok && err.code != ERR_CANCELLED)
        archive_notice(archive, LOG_ERROR, "the data folder cannot be indexed: %s", err.text);
    if (h->missed || !ok)
        return false;
    if (h->damaged)
        return told_damage(h);
    if (!healing_note(archive, &err))
        return halted(h, &err);
    archive_notice(archive, LOG_WARNING,
                   "the index is complete: %" PRIu64 " files seen, %" PRIu64 " added, %" PRIu64 " not",
                   done.seen, done.added, done.junk + done.failed);
    return true;
}

static void *healing_main(void *ctx)
{
    Healing *h = ctx;
    int64_t pause = PAUSE_FIRST_MS;
    while (spool_await_index(h->archive->spool, &h->stop)) {
        Err err;
        if (!h->sure)
            h->sure = is_needed(h->archive, &h->needed, &err) || halted(h, &err);
        if (h->sure && (!h->needed || pass(h)))
            break;
        Deadline deadline = deadline_in(pause);
        pause = 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
        while (!atomic_load(&h->stop) && !deadline_passed(deadline))
            clock_sleep_ms(LOOK_MS);
    }
    return NULL;
}

Healing *healing_start(Archive *archive)
{
    Healing *h = calloc(1, sizeof *h);
    if (!h)
        abort();
    h->archive = archive;
    Err err; /* the thread tries again */
    h->sure = is_needed(archive, &h->needed, &err);
    if (pthread_create(&h->thread, NULL, healing_main, h) != 0)
        abort();
    return h;
}

void healing_stop(Healing *h)
{
    if (!h)
        return;
    atomic_store(&h->stop, true);
    atomic_store(&h->halt, true);
    pthread_join(h->thread, NULL);
    free(h);
}
