// SPDX-License-Identifier: MIT
/*
 * Room on the disk of the objects. Some is kept free for what has been acknowledged or is about to be: rows, journals, logs. Objects are refused before that is touched, also in
 * the middle, and taken again as soon as there is a little more; both is said once.
 */
#include "archive/archive_internal.h"
#include "base/metrics.h"

static const uint64_t LEAST = UINT64_C(16) << 20;
enum {
    MARGIN = 16,
    PERCENT = 100
}; /* what is free has to grow by a sixteenth beyond the limit before objects are taken again */

static uint64_t limit_of(const Archive *archive, uint64_t total)
{
    uint64_t limit = archive->settings.min_free_bytes;
    uint64_t part = total / PERCENT * archive->settings.min_free_percent;
    limit = part > limit ? part : limit;
    return limit > LEAST ? limit : LEAST;
}

uint64_t arc_free_bytes(Archive *archive, uint64_t *limit)
{
    uint64_t total, free = store_room(archive->store, &total);
    if (limit)
        *limit = limit_of(archive, total);
    return free;
}

static unsigned long long megabytes(uint64_t bytes)
{
    return bytes >> 20;
}

bool arc_has_room(Archive *archive, Err *err)
{
    uint64_t limit, free = arc_free_bytes(archive, &limit);
    bool was_full = atomic_load(&archive->full);
    const char *where = archive->settings.data_path;
    if (free >= limit + (was_full ? limit / MARGIN : 0)) {
        if (was_full && atomic_exchange(&archive->full, false))
            archive_notice(archive, LOG_WARNING,
                           "there is room again on the disk of %s (%llu MB free); objects are taken", where,
                           megabytes(free));
        return true;
    }
    if (!was_full && !atomic_exchange(&archive->full, true))
        archive_notice(archive, LOG_ERROR,
                       "the disk of %s is full: %llu MB are free, %llu MB are kept (min_free_space, "
                       "min_free_percent); objects are "
                       "refused until there is room",
                       where, megabytes(free), megabytes(limit));
    metric_add(metric_counter("gantry_ingest_no_room_total", "Objects refused because the disk is full.", ""),
               1);
    return err_set(err, ERR_NO_SPACE, "the disk of %s is full: %llu MB are free, %llu MB are kept; make room",
                   where, megabytes(free), megabytes(limit));
}
