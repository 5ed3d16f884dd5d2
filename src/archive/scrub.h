// SPDX-License-Identifier: MIT
/*
 * The archive verified again and again in the background of a server, slowly (verify.h). Nothing is repaired. How far it came is noted in the index, so that a server that starts
 * again goes on there; of servers that share an index each scrubs its own store. Findings go to the log and into gantry_scrub_findings_total.
 */
#ifndef GANTRY_ARCHIVE_SCRUB_H
#define GANTRY_ARCHIVE_SCRUB_H

#include "archive/archive.h"

typedef struct ArcScrub ArcScrub;

typedef struct ArcScrubbing {
    uint64_t bytes_per_second; /* 0 = no scrub at all */
    int64_t interval_ms;       /* from the beginning of one pass to that of the next */
    int64_t note_ms;           /* how often it is noted how far it came; 0 = 30 s */
} ArcScrubbing;

/* NULL when there is to be none. */
ArcScrub *arc_scrub_start(Archive *archive, const ArcScrubbing *scrubbing);
/* Before arc_close. NULL is fine. */
void arc_scrub_stop(ArcScrub *scrub);

#endif
