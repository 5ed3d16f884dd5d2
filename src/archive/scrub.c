// SPDX-License-Identifier: MIT
/* One thread. The note in the index is "BEGAN UID": when the pass began (wall clock, µs), and the last object that was read; "BEGAN" alone: it is done. */
#include "archive/scrub.h"

#include "archive/archive_internal.h"
#include "archive/verify.h"
#include "base/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { NOTE_MS = 30000, PAUSE_MS = 60000, BREATH_MS = 1000, NAP_MS = 100 };

struct ArcScrub {
    Archive *archive;
    ArcScrubbing wish;
    pthread_t thread;
    atomic_bool stop;
    int64_t began_us;
    char last[65]; /* object */
    Deadline noted;
};

static void note_name(const ArcScrub *scrub, char out[48])
{
    char *root = realpath(scrub->archive->settings.data_path, NULL);
    const char *path = root ? root : scrub->archive->settings.data_path;
    snprintf(out, 48, "scrub %016" PRIx64, (uint64_t)XXH3_64bits(path, strlen(path)));
    free(root);
}

static bool write_note(const ArcScrub *scrub, Err *err)
{
    char name[48], value[96];
    note_name(scrub, name);
    snprintf(value, sizeof value, "%" PRId64 " %s", scrub->began_us, scrub->last);
    Index *index = archive_open_index_briefly(scrub->archive, err);
    bool ok =
        index && idx_begin(index, err) && idx_note_set(index, name, value, err) && idx_commit(index, err);
    idx_close(index);
    return ok;
}

static bool read_note(ArcScrub *scrub, Err *err)
{
    char name[48];
    const char *value = "";
    Arena *arena = arena_new(0);
    note_name(scrub, name);
    bool ok = idx_note_get(scrub->archive->index, arena, name, &value, err);
    scrub->began_us = 0;
    scrub->last[0] = 0;
    if (ok && sscanf(value, "%" SCNd64 " %64s", &scrub->began_us, scrub->last) < 2)
        scrub->last[0] = 0;
    arena_free(arena);
    return ok;
}

static void report(ArcScrub *scrub, const ArcFound *found)
{
    char label[48];
    snprintf(label, sizeof label, "finding=\"%s\"", arc_finding_name(found->what));
    metric_add(metric_counter("gantry_scrub_findings_total", "What the scrub found, by kind.", label), 1);
    archive_notice(scrub->archive, LOG_ERROR, "scrub: %s: object %s: %s; see 'data verify'",
                   arc_finding_name(found->what), *found->sop_instance ? found->sop_instance : "(unknown)",
                   found->why->text);
}

static void step(void *ctx, const ArcVerified *so_far, const ArcFound *found)
{
    ArcScrub *scrub = ctx;
    if (found) {
        report(scrub, found);
        return;
    }
    metric_add(metric_counter("gantry_scrub_objects_total", "Objects that the scrub has read.", ""), 1);
    snprintf(scrub->last, sizeof scrub->last, "%s", so_far->last);
    if (!deadline_passed(scrub->noted))
        return;
    write_note(scrub, NULL); /* when it cannot be noted, more is read again */
    scrub->noted = deadline_in(scrub->wish.note_ms);
}

/* False when it is to be tried again. */
static bool pass(ArcScrub *scrub)
{
    Err err = {0};
    ArcVerified done;
    char after[65];
    memcpy(after, scrub->last, sizeof after);
    if (!*after)
        scrub->began_us = clock_wall_us();
    ArcVerify wish = {.selection.everything = true,
                      .after = *after ? after : NULL,
                      .bytes_per_second = scrub->wish.bytes_per_second,
                      .stop = &scrub->stop,
                      .step = step,
                      .ctx = scrub};
    scrub->noted = deadline_in(scrub->wish.note_ms);
    archive_notice(scrub->archive, LOG_INFO, "scrub: %s", *after ? "goes on where it stopped" : "begins");
    bool ok = arc_verify(scrub->archive, &wish, &done, &err);
    if (!ok && !*scrub->last)
        scrub->began_us = 0; /* not begun yet */
    if (ok)
        scrub->last[0] = 0;
    else if (err.code != ERR_CANCELLED)
        archive_notice(scrub->archive, LOG_WARNING, "scrub: %s", err.text);
    write_note(scrub, NULL);
    if (!ok)
        return false;
    archive_notice(scrub->archive, done.findings ? LOG_ERROR : LOG_INFO,
                   "scrub: done, %" PRIu64 " objects read, %" PRIu64 " findings", done.checked,
                   done.findings);
    metric_set(
        metric_gauge("gantry_scrub_finished_seconds", "When a scrub last came to its end, Unix time.", ""),
        clock_wall_us() / 1000000);
    return true;
}

static bool wait_ms(ArcScrub *scrub, int64_t ms)
{
    Deadline deadline = deadline_in(ms > 0 ? ms : 0);
    while (!deadline_passed(deadline) && !atomic_load(&scrub->stop))
        clock_sleep_ms(NAP_MS);
    return !atomic_load(&scrub->stop);
}

static void *scrub_main(void *ctx)
{
    ArcScrub *scrub = ctx;
    bool on = true;
    while (on && spool_await_index(scrub->archive->spool, &scrub->stop)) {
        Err err;
        if (!read_note(scrub, &err)) {
            on = wait_ms(scrub, PAUSE_MS);
            continue;
        }
        int64_t since = (clock_wall_us() - scrub->began_us) / 1000;
        on = *scrub->last || since < 0 || wait_ms(scrub, scrub->wish.interval_ms - since);
        if (on)
            on = wait_ms(scrub, pass(scrub) ? BREATH_MS : PAUSE_MS);
    }
    return NULL;
}

ArcScrub *arc_scrub_start(Archive *archive, const ArcScrubbing *scrubbing)
{
    if (!scrubbing->bytes_per_second)
        return NULL;
    ArcScrub *scrub = calloc(1, sizeof *scrub);
    if (!scrub)
        abort();
    scrub->archive = archive;
    scrub->wish = *scrubbing;
    if (!scrub->wish.note_ms)
        scrub->wish.note_ms = NOTE_MS;
    if (pthread_create(&scrub->thread, NULL, scrub_main, scrub) != 0)
        abort();
    return scrub;
}

void arc_scrub_stop(ArcScrub *scrub)
{
    if (!scrub)
        return;
    atomic_store(&scrub->stop, true);
    pthread_join(scrub->thread, NULL);
    free(scrub);
}
