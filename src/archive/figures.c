// SPDX-License-Identifier: MIT
#include "archive/figures.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <stdio.h>

void figures_ingest(const ArcStored *stored)
{
    static const char *const outcomes[] = {[ARC_STORED] = "outcome=\"stored\"",
                                           [ARC_SAME] = "outcome=\"same\"",
                                           [ARC_REPLACED] = "outcome=\"replaced\"",
                                           [ARC_KEPT_FIRST] = "outcome=\"kept_first\"",
                                           [ARC_KEPT_BOTH] = "outcome=\"kept_both\""};
    metric_add(metric_counter("gantry_ingest_objects_total", "Objects that came, by what became of them.",
                              stored ? outcomes[stored->outcome] : "outcome=\"failed\""),
               1);
    metric_add(metric_counter("gantry_ingest_bytes_total", "Bytes of objects that came and are kept.", ""),
               stored ? stored->size : 0);
}

void figures_stage(const char *stage, int64_t began_ns)
{
    char labels[48];
    snprintf(labels, sizeof labels, "stage=\"%s\"", stage);
    metric_observe_us(metric_histogram("gantry_ingest_seconds", "Time of the stages of ingest.", labels),
                      (clock_ns() - began_ns) / 1000);
}

void figures_query(int64_t began_ns)
{
    metric_observe_us(
        metric_histogram("gantry_index_query_seconds", "Time until the database answers a query.", ""),
        (clock_ns() - began_ns) / 1000);
}

const char *arc_outcome_text(ArcOutcome outcome)
{
    static const char *const texts[] = {
        [ARC_STORED] = "stored",
        [ARC_SAME] = "already there, identical",
        [ARC_REPLACED] = "stored, replacing a different object",
        [ARC_KEPT_FIRST] = "differs from the object under this UID, which was kept",
        [ARC_KEPT_BOTH] = "differs from the object under this UID; both kept",
    };
    return texts[outcome];
}
