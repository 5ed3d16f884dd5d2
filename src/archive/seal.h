// SPDX-License-Identifier: MIT
/*
 * What came is read back from the disk when nobody wants anything of the archive for a while: its data set is compared with the checksum that was taken while it came (XXH3), and
 * the SHA-256 of the whole file goes into its row, against which it is verified from then on (verify.h). When somebody comes it stops at once, and goes on there when it is quiet again.
 * Nothing is repaired; findings go to the log and into gantry_seal_findings_total. A server that is never quiet seals nothing: then verifying compares XXH3.
 */
#ifndef GANTRY_ARCHIVE_SEAL_H
#define GANTRY_ARCHIVE_SEAL_H

#include "archive/archive.h"

typedef struct ArcSeal ArcSeal;

typedef struct ArcSealing {
    int64_t quiet_ms; /* nobody stores, asks or retrieves for so long; 0 = nothing is ever sealed */
    int64_t again_ms; /* how often rows are looked at from the first one; 0 = an hour */
} ArcSealing;

/* NULL when nothing is to be sealed. */
ArcSeal *arc_seal_start(Archive *archive, const ArcSealing *sealing);
/* Before arc_close. What has been read is committed first. NULL is fine. */
void arc_seal_stop(ArcSeal *seal);

#endif
