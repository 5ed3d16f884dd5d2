// SPDX-License-Identifier: MIT
/* What the archive counts (base/metrics.h): objects by outcome, and how long the stages of ingest and the database take. */
#ifndef GANTRY_ARCHIVE_FIGURES_H
#define GANTRY_ARCHIVE_FIGURES_H

#include "archive/archive.h"

/* One commit: `stored` NULL when it failed. */
void figures_ingest(const ArcStored *stored);

/* Stages: "sync" of an object's data and "commit", its wait for the group; "publish" and "index" of a group. */
void figures_stage(const char *stage, int64_t began_ns);
/* The database has answered a query with a cursor. */
void figures_query(int64_t began_ns);

#endif
