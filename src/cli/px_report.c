// SPDX-License-Identifier: MIT
/* px-report: what px-find --json found, for people and for spreadsheets. */
#include "cli/px_pipe.h"

#include <string.h>

typedef struct Args {
    PxAsk ask;
    const char *data, *data_file, *colorize, *print, *separator, *layout, *special, *db;
    const char *header_study, *header_series, *body_series;
    bool csv_headers, csv_prettify, csv_summarize, json;
} Args;

static const Args defaults = {.ask = PX_ASK_DEFAULTS,
                              .data = "",
                              .data_file = "",
                              .colorize = "",
                              .print = "",
                              .separator = "|",
                              .layout = "",
                              .special = ""};
static const Option options[] = {
    {OPT_TEXT, .name = "reportData", .value = "JSON", .help = "what px-find printed, as an argument",
     .at = offsetof(Args, data)},
    {OPT_TEXT, .name = "reportDataFile", .value = "PATH",
     .help = "the same in a file; else it is read from stdin", .at = offsetof(Args, data_file)},
    {OPT_TEXT, .name = "dblogbasepath", .value = "PATH",
     .help = "accepted for old scripts; a report reads nothing there", .at = offsetof(Args, db)},
    {OPT_TEXT, .name = "colorize", .value = "SCHEME",
     .help = "colours and frames, also when not on a terminal", .at = offsetof(Args, colorize),
     .choices = "dark light"},
    {OPT_TEXT, .name = "printReport", .value = "KIND",
     .help = "the kind of report; without it none is printed", .at = offsetof(Args, print),
     .choices = "tabular rawText csv json"},
    {OPT_FLAG, .name = "csvPrintHeaders", .help = "csv: a line of names for each study",
     .at = offsetof(Args, csv_headers)},
    {OPT_FLAG, .name = "csvPrettify", .help = "csv: as a table for people",
     .at = offsetof(Args, csv_prettify)},
    {OPT_FLAG, .name = "csvSummarize", .help = "csv: one line for each study",
     .at = offsetof(Args, csv_summarize)},
    {OPT_TEXT, .name = "csvSeparator", .value = "TEXT", .help = "csv: what stands between cells",
     .at = offsetof(Args, separator)},
    {OPT_TEXT, .name = "reportLayout", .value = "JSON",
     .help = "the whole layout: {\"header\":{\"study\":[],\"series\":[]},\"body\":{\"series\":[]}}",
     .at = offsetof(Args, layout)},
    {OPT_TEXT, .name = "seriesSpecial", .value = "NAME",
     .help = "seriesStatus: the status of each series is there under this name, as --then status found it",
     .choices = "seriesStatus", .at = offsetof(Args, special)},
    {OPT_TEXT, .name = "reportHeaderStudyTags", .value = "LIST",
     .help = "attributes of the study in the header", .at = offsetof(Args, header_study)},
    {OPT_TEXT, .name = "reportHeaderSeriesTags", .value = "LIST",
     .help = "attributes of the first series in the header", .at = offsetof(Args, header_series)},
    {OPT_TEXT, .name = "reportBodySeriesTags", .value = "LIST", .help = "attributes of each series",
     .at = offsetof(Args, body_series)},
    {OPT_FLAG, .name = "json", .help = "pass the input on to stdout; a report then goes to stderr",
     .at = offsetof(Args, json)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static bool layout_of(const Args *a, Arena *arena, PxReport *report, Err *err)
{
    static const char *const kinds[] = {"tabular", "rawText", "csv", "json"};
    px_report_defaults(report);
    for (int i = 0; i < 4; i++)
        if (!strcmp(a->print, kinds[i]))
            report->kind = (PxReportKind)i;
    report->scheme = px_scheme(a->colorize);
    report->boxes = px_boxes(a->colorize);
    report->csv_headers = a->csv_headers;
    report->csv_prettify = a->csv_prettify;
    report->csv_summarize = a->csv_summarize;
    report->csv_separator = a->separator;
    report->series_status = *a->special != 0;
    if (*a->layout)
        return px_layout_parse(report, arena, a->layout, err);
    report->body_given = a->body_series != NULL;
    return (!a->header_study ||
            px_names_parse(&report->header_study, arena, a->header_study, "--reportHeaderStudyTags", err)) &&
           (!a->header_series || px_names_parse(&report->header_series, arena, a->header_series,
                                                "--reportHeaderSeriesTags", err)) &&
           (!a->body_series ||
            px_names_parse(&report->body_series, arena, a->body_series, "--reportBodySeriesTags", err));
}

/* The query had failed: what it said, and no report. */
static int show_failure(const Cli *cli, const Args *a, const json_t *document, PxScheme scheme)
{
    bool colour = scheme != PX_PLAIN;
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%sAn error has been flagged in the report payload.%s\n", colour ? "\x1b[0;31m" : "",
               colour ? "\x1b[0m\x1b[0;35m" : "");
    px_document_write(document, false, &out);
    buf_append_cstr(&out, colour ? "\x1b[0m" : "");
    cli_put(a->json ? stderr : stdout, &out);
    return cli_fail(cli, "the query that should be reported on had failed");
}

static int report_on(const Cli *cli, const Args *a, const PxReport *report, json_t *document)
{
    Err err = {0};
    if (a->json)
        px_print(document, false, &a->ask);
    if (px_document_failed(document))
        return show_failure(cli, a, document, report->scheme);
    if (!*a->print || !a->ask.verbosity)
        return EXIT_OK;
    if (report->series_status)
        px_status_annotate(document);
    Buf out;
    buf_init(&out, 0);
    bool ok = px_report(report, document, &out, &err);
    cli_put(a->json ? stderr : stdout, &out);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (px_asked(cli, &command_px_report, &a->ask, "3.2.34"))
        return EXIT_OK;
    Err err = {0};
    PxReport report;
    if (!layout_of(a, cli->arena, &report, &err))
        return px_fail(cli, &err);
    json_t *document = px_read_input(a->data, a->data_file, &err);
    if (!document)
        return px_fail(cli, &err);
    int code = report_on(cli, a, &report, document);
    json_decref(document);
    return code;
}

int px_report_words(Cli *cli, int argc, char *const *argv, json_t *document)
{
    Args a;
    Err err = {0};
    PxReport report;
    if (!px_words(cli, &command_px_report, argc, argv, &a))
        return EXIT_USAGE;
    return layout_of(&a, cli->arena, &report, &err) ? report_on(cli, &a, &report, document)
                                                    : px_fail(cli, &err);
}

const Command command_px_report = {
    .name = "px-report",
    .summary = "report on what px-find --json found",
    .details = "Example: px-find --PatientID 4711 --json | px-report --printReport csv --csvPrintHeaders",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .run = run,
};
