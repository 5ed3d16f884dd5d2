// SPDX-License-Identifier: MIT
/*
 * WADO-URI, PS3.18 §9: one object by ?requestType=WADO&studyUID=&seriesUID=&objectUID=, as a DICOM file or, when
 * contentType says so, as an image (rendered.c).
 */
#include "archive/dicom_file.h"
#include "dicom/uids.h"
#include "web/rendered.h"
#include "web/retrieve.h"

#include <string.h>

/* The parameter, or NULL after 400. */
static const char *needed(HttpExchange *x, const char *name)
{
    const char *value = http_parameter(x, name);
    if (value && *value && strlen(value) <= DCM_UID_MAX && !strpbrk(value, "*?\\"))
        return value;
    http_refuse(x, 400,
                "WADO-URI needs the parameter %s with a UID, beside requestType=WADO, studyUID, seriesUID "
                "and objectUID",
                name);
    return NULL;
}

static bool find(HttpExchange *x, const WebService *service, IdxFile *out)
{
    Err err = {0};
    const char *type = http_parameter(x, "requestType");
    if (!type || strcmp(type, "WADO") != 0) {
        http_refuse(x, 400, "WADO-URI needs the parameter requestType=WADO");
        return false;
    }
    const char *study = needed(x, "studyUID"), *series = study ? needed(x, "seriesUID") : NULL;
    const char *object = series ? needed(x, "objectUID") : NULL;
    if (!object)
        return false;
    bool found = web_look_up(x, service->web->archive, object, out, &err);
    if (found && !strcmp(out->study, study) && !strcmp(out->series, series))
        return true;
    if (found || err.code == ERR_NOT_FOUND)
        http_refuse(x, 404, "object %s of this study and series is not in the archive", object);
    else
        http_problem(x, &err);
    return false;
}

/* §9.1.2.1: no contentType means an image where there is one; here it is the file, as viewers ask for it. */
static bool wants_file(HttpExchange *x)
{
    const char *types = http_parameter(x, "contentType");
    return !types || !*types || strstr(types, "application/dicom") || strstr(types, "*/*");
}

/* §9.1.2.1.2: explicit VR little endian unless the parameter names another; "*" is what is stored. NULL after 406. */
static const char *wanted_syntax(HttpExchange *x, const IdxFile *file)
{
    const char *wanted = http_parameter(x, "transferSyntax");
    if (!wanted || !*wanted)
        return arc_can_convert(file->transfer_syntax, DCM_UID_ExplicitVRLittleEndian)
                   ? DCM_UID_ExplicitVRLittleEndian
                   : file->transfer_syntax;
    if (!strcmp(wanted, "*"))
        return file->transfer_syntax;
    if (arc_can_convert(file->transfer_syntax, wanted))
        return wanted;
    http_refuse(x, 406, "the object is stored in transfer syntax %s and cannot be had in %.64s",
                file->transfer_syntax, wanted);
    return NULL;
}

static ssize_t read_file(void *ctx, uint8_t *p, size_t n, Err *err)
{
    return arc_dicom_file_read(ctx, p, n, err);
}

static void close_file(void *ctx)
{
    arc_dicom_file_close(ctx);
}

/* -- as an image, §9.1.2.2 -- */

static bool read_sides(HttpExchange *x, WebView *view, Err *err)
{
    const char *rows = http_parameter(x, "rows"), *columns = http_parameter(x, "columns");
    const char *region = http_parameter(x, "region"), *quality = http_parameter(x, "imageQuality");
    int64_t height = 0, width = 0, value = WEB_VIEW_QUALITY;
    if ((rows && !web_view_number("rows", rows, WEB_VIEW_SIZE_MAX, &height, err)) ||
        (columns && !web_view_number("columns", columns, WEB_VIEW_SIZE_MAX, &width, err)) ||
        (region && !web_view_region(view, region, err)) ||
        (quality && !web_view_number("imageQuality", quality, 100, &value, err)))
        return false;
    view->height = (uint32_t)height;
    view->width = (uint32_t)width;
    view->quality = (int)value;
    return true;
}

static bool read_window(HttpExchange *x, WebView *view, Err *err)
{
    const char *center = http_parameter(x, "windowCenter"), *width = http_parameter(x, "windowWidth");
    if (!center && !width)
        return true;
    if (!center || !width)
        return err_set(err, ERR_USAGE, "windowCenter and windowWidth are wanted together");
    return web_view_window(view, arena_printf(http_arena(x), "%.30s,%.30s", center, width), err);
}

static void answer_image(HttpExchange *x, const WebService *service, const IdxFile *file)
{
    Err err = {0};
    WebView view = {0};
    const char *frame = http_parameter(x, "frameNumber");
    int64_t number = 1;
    if (!read_sides(x, &view, &err) || !read_window(x, &view, &err) ||
        (frame && !web_view_number("frameNumber", frame, INT32_MAX, &number, &err))) {
        http_problem(x, &err);
        return;
    }
    if (http_parameter(x, "annotation") || http_parameter(x, "presentationUID"))
        http_header(x, "Warning", "299 gantry \"annotation and presentationUID are not applied\"");
    web_answer_rendered(x, service, file, (uint32_t)number, &view, http_parameter(x, "contentType"),
                        frame != NULL);
}

/* §9.1.2.2.5: who asks for an object without its patient must not get it with. */
static bool may_be_as_it_is(HttpExchange *x)
{
    const char *anonymize = http_parameter(x, "anonymize");
    if (!anonymize || !strcmp(anonymize, "no"))
        return true;
    http_refuse(x, 406, "objects cannot be had anonymized here: they are handed out as they were stored");
    return false;
}

static void get_object(HttpExchange *x, void *ctx)
{
    const WebService *service = ctx;
    IdxFile file;
    Err err = {0};
    if (!may_be_as_it_is(x) || !find(x, service, &file))
        return;
    if (!wants_file(x)) {
        answer_image(x, service, &file);
        return;
    }
    const char *syntax = wanted_syntax(x, &file);
    if (!syntax)
        return;
    if (!strcmp(syntax, file.transfer_syntax) && file.data_offset > 0) {
        web_answer_bytes(x, &file, "application/dicom", 0, file.size);
        return;
    }
    ArcDicomFile *converted = arc_dicom_file_open(service->web->archive, &file, syntax, &err);
    if (converted)
        http_answer_source(x, 200, "application/dicom", &(HttpSource){read_file, close_file, converted},
                           HTTP_LENGTH_UNKNOWN);
    else
        http_problem(x, &err);
}

static const char *const parameters[] = {
    "requestType: WADO",
    "studyUID: of the object",
    "seriesUID: of the object",
    "objectUID: SOP Instance UID",
    "contentType: application/dicom, image/jpeg or image/png",
    "transferSyntax: UID, or * for the stored one; explicit VR little endian without it",
    "frameNumber: of an image, from 1 on",
    "rows: most rows of an image",
    "columns: most columns of an image",
    "region: of an image, left,top,right,bottom from 0 to 1",
    "windowCenter: of an image, with windowWidth",
    "windowWidth: of an image, with windowCenter",
    "imageQuality: of JPEG, 1 to 100",
    NULL,
};
const HttpRoute web_uri_routes[] = {
    {.method = "GET",
     .pattern = "/wado",
     .role = USER_READ,
     .handler = {.end = get_object},
     .summary = "An object by WADO-URI",
     .parameters = parameters,
     .answers = "200 application/dicom, image/jpeg, image/png, application/pdf, video/mpeg, video/mp4; 206; "
                "304; 400; "
                "404; 406"},
};
const size_t web_uri_route_count = sizeof web_uri_routes / sizeof *web_uri_routes;
