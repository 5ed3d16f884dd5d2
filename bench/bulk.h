// SPDX-License-Identifier: MIT
/*
 * Fills an empty index with the first studies of the catalogue in minutes, where ingest would take hours: rows only, each made by the functions that ingest
 * makes it by. What ingest finds out by asking (numbers of parents, counters, lists) is known beforehand, indexes are dropped first and made again from
 * sorted rows. The schema at the end is that at the beginning. Nobody else may have the index open; on SQLite what is cut short is lost.
 */
#ifndef GANTRY_BENCH_BULK_H
#define GANTRY_BENCH_BULK_H

#include "catalogue.h"

/* Studies 0 to `count` of an archive that will have `studies`. Says on stderr how far it is. */
bool bulk_fill(const IdxSettings *settings, uint32_t count, uint32_t studies, Err *err);

#endif
