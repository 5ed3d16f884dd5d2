// SPDX-License-Identifier: MIT
/* What report.c hands to the layouts: one study, looked up. */
#ifndef GANTRY_PX_REPORT_INTERNAL_H
#define GANTRY_PX_REPORT_INTERNAL_H

#include "base/arena.h"
#include "px/report.h"

typedef struct PxView {
    Arena *arena;
    const char *names[2 * PX_NAMES_MAX], *values[2 * PX_NAMES_MAX]; /* of the header */
    size_t header_count;
    const json_t *series; /* array; NULL: a study-only document */
    const PxNames *body;
} PxView;

/* The value as a report shows it, "" when there is none, in the arena; for JSON as it is. */
const char *px_look_up(Arena *arena, const json_t *record, const char *name, bool for_people);

void px_report_tabular(const PxReport *report, const PxView *view, Buf *out);
void px_report_raw_text(const PxReport *report, const PxView *view, Buf *out);
void px_report_raw_header(const PxReport *report, const PxView *view, Buf *out);
void px_report_csv(const PxReport *report, const PxView *view, Buf *out);

/* Columns that the text takes in a terminal. */
size_t px_width(const char *text);
void px_pad(Buf *out, size_t n);
void px_left(Buf *out, const char *text, size_t width);
void px_right(Buf *out, const char *text, size_t width);
/* As Python's str.center, which decides where an odd blank goes. */
void px_centre(Buf *out, const char *text, size_t width);

#endif
