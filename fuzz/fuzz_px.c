// SPDX-License-Identifier: MIT
/*
 * JSON that the px tools are given. The first byte says what the rest is: a document of px-find for each layout of a report, a collection of CUBE, a service record, the arguments of
 * --then. What is refused is refused with a reason; reports have no control characters, and secrets do not outlive masking.
 */
#include "fuzz.h"

#include "px/collection.h"
#include "px/services.h"
#include "px/status.h"
#include "px/then.h"

#include <string.h>

static void check_reason(bool ok, const Err *err)
{
    if (!ok && !*err->text)
        fuzz_broken();
}

static void check_report(const Buf *text, const PxReport *report)
{
    for (size_t i = 0; i < text->n && report->scheme == PX_PLAIN && report->kind != PX_REPORT_JSON; i++)
        if ((text->p[i] < 0x20 && text->p[i] != '\n') || text->p[i] == 0x7F)
            fuzz_broken();
}

static void make_reports(Span text)
{
    Err err = {0};
    json_t *document = px_document_read(text, &err);
    check_reason(document != NULL, &err);
    if (document)
        px_status_annotate(document);
    for (int i = 0; document && i < 16; i++) {
        PxReport report;
        Buf out;
        buf_init(&out, 0);
        px_report_defaults(&report);
        report.kind = (PxReportKind)(i % 4);
        report.csv_headers = report.boxes = i & 4;
        report.csv_prettify = i & 8;
        report.csv_summarize = i & 4;
        err = (Err){0};
        check_reason(px_document_failed(document) || px_report(&report, document, &out, &err), &err);
        check_report(&out, &report);
        buf_free(&out);
    }
    json_decref(document);
}

static void read_collection(Span text)
{
    static const PxParameter parameters[] = {{"path", "a b"}, {"SeriesInstanceUID", "1.2"}};
    Err err = {0};
    Arena *arena = arena_new(0);
    json_t *collection = px_collection_read(text, &err);
    check_reason(collection != NULL, &err);
    if (collection) {
        px_collection_message(collection);
        px_collection_link(collection, "pacsfiles");
        px_collection_takes(collection);
        for (size_t i = 0; i < px_collection_count(collection) && i < 100; i++)
            json_decref(px_collection_item(collection, i));
        px_collection_search(arena, collection, parameters, 2);
    }
    json_decref(collection);
    arena_free(arena);
}

static void read_service(Span text)
{
    Err err = {0};
    Arena *arena = arena_new(0);
    json_t *record = px_json_read(text, "the record", &err);
    check_reason(record != NULL, &err);
    PxStorageService storage;
    PxPacsService pacs;
    PxCubeService cube;
    if (record) {
        check_reason(px_storage_service(arena, record, "service 'x'", &storage, &err), &err);
        check_reason(px_pacs_service(arena, record, "service 'x'", &pacs, &err), &err);
        check_reason(px_cube_service(arena, record, "service 'x'", &cube, &err), &err);
        json_t *masked = px_service_masked(record);
        const char *password = json_string_value(json_object_get(masked, "password"));
        if (password && *password && strcmp(password, "***") != 0)
            fuzz_broken();
        json_decref(masked);
    }
    json_decref(record);
    arena_free(arena);
}

static void read_arguments(Span text)
{
    Err err = {0};
    PxVerbs verbs;
    Span line = text, rest = text;
    bool more = true;
    span_split(&rest, '\n', &line, &more);
    Arena *arena = arena_new(0);
    check_reason(px_verbs_parse(&verbs, arena_span_cstr(arena, line), &err), &err);
    err = (Err){0};
    json_t *arguments = px_verbs_arguments(&verbs, arena_span_cstr(arena, rest), &err);
    check_reason(arguments != NULL, &err);
    json_decref(arguments);
    arena_free(arena);
}

int fuzz_px(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(Span) = {make_reports, read_collection, read_service, read_arguments};
    if (size)
        kinds[data[0] % 4](span_of(data + 1, size - 1));
    return 0;
}
