// SPDX-License-Identifier: MIT
/*
 * Reports on the document of px-find. For each study a header (attributes of the study, and of its first series) and a body (attributes of each
 * series). What a study lacks is empty; an age that is not given is reckoned from the dates. Control characters of values are not
 * written to reports for people.
 */
#ifndef GANTRY_PX_REPORT_H
#define GANTRY_PX_REPORT_H

#include "px/document.h"

enum { PX_NAMES_MAX = 64 };

typedef struct PxNames {
    const char *items[PX_NAMES_MAX];
    size_t count;
} PxNames;

typedef enum PxReportKind {
    PX_REPORT_TABULAR,
    PX_REPORT_RAW_TEXT,
    PX_REPORT_CSV,
    PX_REPORT_JSON
} PxReportKind;
typedef enum PxScheme { PX_PLAIN, PX_DARK, PX_LIGHT } PxScheme;

typedef struct PxReport {
    PxReportKind kind;
    PxScheme scheme; /* of tabular and raw text */
    bool boxes;      /* tabular: with frames */
    bool csv_headers, csv_prettify, csv_summarize;
    const char *csv_separator;
    PxNames header_study, header_series, body_series;
    bool series_status; /* of each series, among what JSON says of it */
    bool body_given;    /* else CSV has descriptions and numbers of images */
} PxReport;

void px_report_defaults(PxReport *report);
/* A comma-separated list, in the arena. `what` names it in err. */
bool px_names_parse(PxNames *names, Arena *arena, const char *list, const char *what, Err *err);
/* {"header": {"study": […], "series": […]}, "body": {"series": […]}} instead of the three lists. */
bool px_layout_parse(PxReport *report, Arena *arena, const char *json, Err *err);

/* Did the query fail? Then `data` says why. */
bool px_document_failed(const json_t *document);
/* False with err when the document is none of px-find. */
bool px_report(const PxReport *report, const json_t *document, Buf *out, Err *err);
/* The header of one study as raw text. */
void px_report_header(const PxReport *report, const json_t *document, const json_t *study, Buf *out);

/* Text without control characters, in the arena: none from outside talks to a terminal. */
const char *px_for_people(Arena *arena, const char *text);

#endif
