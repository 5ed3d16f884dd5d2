// SPDX-License-Identifier: MIT
/* The series of a BASEMOUNT, by what the index says: without a look at their objects. */
#ifndef GANTRY_PX_SERIES_H
#define GANTRY_PX_SERIES_H

#include "px/base.h"

typedef struct PxSeriesRow {
    const char *patient_id, *study, *series, *description; /* "" when there is none */
} PxSeriesRow;

typedef bool (*PxSeriesVisit)(void *ctx, const PxSeriesRow *row, Err *err);
/* Calls visit for each series that is selected, in the index's order. Strings live during the call; false ends it. */
bool px_base_series(PxBase *base, const PxSelection *what, PxSeriesVisit visit, void *ctx, Err *err);

#endif
