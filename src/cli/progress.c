// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { LIVE_MS = 200, LINE_MS = 10000 };

Progress progress_start(const char *what, uint64_t total, bool quiet_terminal)
{
    int64_t now = clock_ms();
    return (Progress){.what = what,
                      .total = total,
                      .began = now,
                      .shown = now,
                      .live = quiet_terminal && isatty(STDERR_FILENO)};
}

void progress_text(const Progress *progress, uint64_t done, int64_t elapsed_ms, char out[160])
{
    double rate = elapsed_ms > 0 ? (double)done * 1000.0 / (double)elapsed_ms : 0;
    int n = snprintf(out, 160, "%s %" PRIu64, progress->what, done);
    if (progress->total)
        n += snprintf(out + n, 160 - (size_t)n, " of %" PRIu64, progress->total);
    n += snprintf(out + n, 160 - (size_t)n, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
    if (progress->total > done && rate > 0)
        snprintf(out + n, 160 - (size_t)n, ", %.0f s left", (double)(progress->total - done) / rate);
}

void progress_step(Progress *progress, uint64_t done)
{
    int64_t now = clock_ms();
    if (now - progress->shown < (progress->live ? LIVE_MS : LINE_MS))
        return;
    char text[160];
    progress_text(progress, done, now - progress->began, text);
    fprintf(stderr, progress->live ? "\r%s\033[K" : "%s\n", text);
    progress->shown = now;
    progress->dirty = progress->live;
}

void progress_end(Progress *progress)
{
    if (progress->dirty)
        fprintf(stderr, "\r\033[K");
    progress->dirty = false;
}
