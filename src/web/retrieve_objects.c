// SPDX-License-Identifier: MIT
/*
 * Retrieve study, series, instance as DICOM files, PS3.18 §10.4.1.1.1: multipart/related, one file for a single instance, or a ZIP archive. Files are
 * read while they are sent; one is open at a time.
 *
 * When a file cannot be read after the answer has begun, the connection is broken off: a client must not take a part for the whole.
 */
#include "archive/dicom_file.h"
#include "web/multipart.h"
#include "web/retrieve.h"
#include "web/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 << 10 };

typedef enum Form { AS_PARTS, AS_ZIP, AS_FILE } Form;
static const WebOffer offers[] = {
    [AS_PARTS] = {"application/dicom", true},
    [AS_ZIP] = {"application/zip", false},
    [AS_FILE] = {"application/dicom", false},
};

typedef struct Delivery {
    HttpExchange *x;
    Archive *archive;
    ArcRetrieve *retrieve;
    const WebAccept *accept;
    Form form;
    ArcDicomFile *file; /* NULL between two */
    ZipWriter *zip;
    char boundary[MULTIPART_BOUNDARY_SIZE];
    Buf out; /* what goes before the next bytes of the file; with ZIP everything */
    size_t sent;
    uint8_t *piece; /* ZIP */
    uint64_t given;
    bool ended;
    bool begun;  /* something of the file at hand was read */
    bool placed; /* the file at hand was given as a stretch */
    Err failure; /* the next object cannot be had: said by the read that comes next */
} Delivery;

/* -- one object -- */

/* "study/series/instance.dcm": what is no UID loses what a path must not have. */
static void zip_name(char out[256], const IdxFile *file)
{
    snprintf(out, 256, "%s/%s/%s.dcm", file->study, file->series, file->sop_instance);
    for (char *p = out; *p; p++)
        if (!(*p == '.' || *p == '/' || (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
              (*p >= 'a' && *p <= 'z')) ||
            (*p == '.' && p[1] == '.'))
            *p = '_';
}

static const char *part_headers(char out[256], const char *syntax)
{
    snprintf(out, 256, "Content-Type: application/dicom;transfer-syntax=%s\r\n", syntax);
    return out;
}

static bool begin_object(Delivery *d, const IdxFile *file, const char *syntax, Err *err)
{
    char text[256];
    d->file = arc_dicom_file_open(d->archive, file, syntax, err);
    if (!d->file)
        return false;
    arc_retrieve_read_ahead(d->retrieve);
    bool first = d->given++ == 0;
    if (d->form == AS_ZIP) {
        zip_name(text, file);
        return zip_begin(d->zip, text, file->end_us / 1000000, err);
    }
    if (d->form == AS_PARTS)
        multipart_write_head(&d->out, d->boundary, first, part_headers(text, syntax));
    return true;
}

static bool finish(Delivery *d, Err *err)
{
    d->ended = true;
    if (d->form == AS_ZIP)
        return zip_finish(d->zip, err);
    if (d->form == AS_PARTS)
        multipart_write_close(&d->out, d->boundary);
    return true;
}

/* Opens the next object that can be had as it is wanted. */
static bool next_object(Delivery *d, Err *err)
{
    IdxFile file;
    const char *syntax;
    do {
        if (!arc_retrieve_next(d->retrieve, &file, err))
            return false;
        if (!file.sop_instance)
            return finish(d, err);
        syntax = web_wanted_syntax(d->accept, &offers[d->form], file.transfer_syntax);
    } while (!syntax);
    return begin_object(d, &file, syntax, err);
}

static void end_object(Delivery *d)
{
    arc_dicom_file_close(d->file);
    d->file = NULL;
    d->begun = false;
}

/* -- as a stream -- */

/* A piece of the file into the ZIP archive, and so into `out`. */
static bool zip_piece(Delivery *d, Err *err)
{
    ssize_t n = arc_dicom_file_read(d->file, d->piece, PIECE, err);
    if (n <= 0) {
        end_object(d);
        return n == 0;
    }
    return zip_data(d->zip, span_of(d->piece, (size_t)n), err);
}

static void end_stretch(Delivery *d)
{
    if (d->placed)
        end_object(d);
    d->placed = false;
}

static ssize_t read_delivery(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Delivery *d = ctx;
    end_stretch(d);
    if (d->failure.code) {
        *err = d->failure;
        return -1;
    }
    for (;;) {
        if (d->sent < d->out.n) {
            Span piece = span_sub(buf_span(&d->out), d->sent, n);
            memcpy(p, piece.p, piece.n);
            d->sent += piece.n;
            return (ssize_t)piece.n;
        }
        buf_clear(&d->out);
        d->sent = 0;
        if (d->file && d->form == AS_ZIP) {
            if (!zip_piece(d, err))
                return -1;
        } else if (d->file) {
            ssize_t got = arc_dicom_file_read(d->file, p, n, err);
            d->begun = true;
            if (got != 0)
                return got;
            end_object(d);
        } else if (d->ended) {
            return 0;
        } else if (!next_object(d, err)) {
            return -1;
        }
    }
}

/* An object that is sent as it is stored: the head of its part, and its file. Several small ones are better gathered by reading. */
static bool stretch_of_delivery(void *ctx, HttpStretch *out)
{
    enum { WORTH_IT = 64 << 10 };
    Delivery *d = ctx;
    end_stretch(d);
    bool between = !d->file && !d->ended && d->sent == d->out.n;
    if (d->form != AS_PARTS || d->failure.code)
        return false;
    if (between) {
        buf_clear(&d->out);
        d->sent = 0;
        if (!next_object(d, &d->failure))
            return false;
    }
    if (!d->file || d->begun || !arc_dicom_file_place(d->file, &out->fd, &out->offset, &out->length) ||
        out->length < WORTH_IT)
        return false;
    out->before = span_sub(buf_span(&d->out), d->sent, SIZE_MAX);
    d->sent = d->out.n;
    d->placed = true;
    return true;
}

static void free_delivery(void *ctx)
{
    Delivery *d = ctx;
    arc_dicom_file_close(d->file);
    arc_retrieve_close(d->retrieve);
    zip_writer_free(d->zip);
    buf_free(&d->out);
    free(d->piece);
    free(d);
}

/* -- the request -- */

static bool takes(const WebAccept *accept, const WebOffer *offer, const char *stored)
{
    return web_wanted_syntax(accept, offer, stored) != NULL;
}

/* Opens everything up to the first object, so that what fails at once is a problem document and no broken answer. */
static bool begin(Delivery *d, const IdxSelection *selection, unsigned *status, Err *err)
{
    const WebOffer *offer = &offers[d->form];
    d->retrieve = web_retrieve_open(d->archive, selection, d->accept, offer,
                                    web_takes_all(d->accept, offer) ? NULL : takes, status, err);
    if (!d->retrieve)
        return false;
    if (d->form == AS_ZIP) {
        d->piece = malloc(PIECE);
        d->zip = d->piece ? zip_writer_new(&d->out, err) : NULL;
        if (!d->zip)
            return false;
    }
    return next_object(d, err);
}

/* One instance that is wanted as it is stored is its file: one look at the index, and a body whose length is known. False when it is not. */
static bool answer_stored(HttpExchange *x, const WebService *service, const IdxSelection *selection,
                          const WebAccept *accept, Form form)
{
    IdxFile file;
    char text[256];
    if (form == AS_ZIP || arc_index_is_away(service->web->archive, NULL) ||
        !idx_instance(arc_index(service->web->archive), http_arena(x), selection->instances[0], &file, NULL))
        return false;
    const char *syntax = web_wanted_syntax(accept, &offers[form], file.transfer_syntax);
    if (!syntax || strcmp(syntax, file.transfer_syntax) != 0 || file.data_offset == 0 ||
        strcmp(file.study, selection->studies[0]) != 0 || strcmp(file.series, selection->series[0]) != 0)
        return false;
    if (form == AS_FILE)
        web_answer_bytes(x, &file, offers[AS_FILE].type, 0, file.size);
    else
        web_answer_part(x, &file, &offers[AS_PARTS], part_headers(text, syntax), 0, file.size);
    return true;
}

static void retrieve(HttpExchange *x, void *ctx)
{
    const WebService *service = ctx;
    IdxSelection selection;
    WebAccept *accept = arena_alloc(http_arena(x), sizeof *accept);
    int chosen;
    /* a single file is an offer for a single instance only */
    size_t count = http_part(x, "instance") ? 3 : 2;
    if (!web_select_path(x, &selection) || !web_choose(x, offers, count, accept, &chosen, NULL))
        return;
    if (http_part(x, "instance") && answer_stored(x, service, &selection, accept, (Form)chosen))
        return;
    Delivery *d = calloc(1, sizeof *d);
    if (!d)
        abort();
    *d = (Delivery){.x = x, .archive = service->web->archive, .accept = accept, .form = (Form)chosen};
    buf_init(&d->out, 0);
    multipart_make_boundary(d->boundary);
    Err err = {0};
    unsigned status = 200;
    if (!begin(d, &selection, &status, &err)) {
        free_delivery(d);
        web_object_problem(x, &err);
        return;
    }
    if (d->form == AS_ZIP)
        http_header(x, "Content-Disposition", "attachment; filename=\"dicom.zip\"");
    http_answer_source(
        x, status, web_media(x, &offers[d->form], d->boundary),
        &(HttpSource){
            .read = read_delivery, .close = free_delivery, .ctx = d, .stretch = stretch_of_delivery},
        HTTP_LENGTH_UNKNOWN);
}

#define RETRIEVE(path, text)                                                                                 \
    {                                                                                                        \
        .method = "GET", .pattern = path, .role = USER_READ, .handler = {.end = retrieve}, .summary = text,  \
        .parameters = parameters,                                                                            \
        .answers = "200 multipart/related; type=\"application/dicom\", application/zip; 206; 400; 404; 406"  \
    }
static const char *const parameters[] = {"accept: media types, in place of the Accept header", NULL};
const HttpRoute web_retrieve_routes[] = {
    RETRIEVE("/studies/{study}", "The files of a study"),
    RETRIEVE("/studies/{study}/series/{series}", "The files of a series"),
    RETRIEVE("/studies/{study}/series/{series}/instances/{instance}", "The file of an instance"),
};
const size_t web_retrieve_route_count = sizeof web_retrieve_routes / sizeof *web_retrieve_routes;
