// SPDX-License-Identifier: MIT
/* What registering came to: the document of pypx, with states that are true. */
#include "px/register_internal.h"

#include <string.h>

bool register_ok(const Result *result)
{
    return result->word == RESULT_REGISTERED || result->word == RESULT_SAME;
}

const Result *register_result(const Run *run, const Image *image)
{
    if (run->opening.word == RESULT_FAILED && image->result.word != RESULT_FAILED)
        return &run->opening;
    return run->api == PX_REGISTER_SERIES && image->readable ? &image->of->result : &image->result;
}

/* -- the document -- */

static json_t *text(const char *words)
{
    json_t *value = json_string(words);
    return value ? value : json_string("");
}

/* How pypx tells that a file was read. */
static json_t *reading(const Image *image)
{
    const char *why = image->readable ? "" : image->result.err.text;
    json_t *file = json_pack("{ss so ss}", "file", "", "cwd", json_string(""), "message", "");
    json_object_set_new(file, "message", text(why));
    json_t *read =
        json_pack("{ss sb so}", "method", "dcm_readFromFile", "status", image->readable, "error", file);
    json_t *populate = json_pack("{ss sb s{} so}", "method", "dcm_populate", "status", image->readable,
                                 "rawConversion", "prior", read);
    json_t *process = json_pack("{ss sb ss so}", "method", "dcm_dicomDictsProcess", "status", image->readable,
                                "error", "", "prior", populate);
    return json_pack("{ss sb so so so}", "method", "DICOMfile_read", "status", image->readable, "inputPath",
                     text(image->folder), "inputFileName", text(image->name), "d_DICOMprocess", process);
}

json_t *register_answer(const Result *result, const char *path)
{
    if (register_ok(result)) {
        static const char *const own[] = {"id", "creation_date", "fname", "fsize"};
        json_t *info = result->info ? json_copy(result->info) : json_object();
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            json_object_del(info, own[i]);
        return info;
    }
    json_t *why = json_object();
    json_object_set_new(why, "path", text(path ? path : ""));
    Buf message = result->message;
    json_object_set_new(why, "msg", text(message.n ? buf_cstr(&message) : result->err.text));
    if (json_array_size(result->differences))
        json_object_set(why, "differences", result->differences);
    return why;
}

static const char *word_of(const Result *result)
{
    return result->word == RESULT_REGISTERED ? "registered"
           : result->word == RESULT_SAME     ? "already registered"
                                             : "failed";
}

static json_t *entry(const Result *result, const char *step, json_t *body)
{
    json_object_set_new(body, "status", json_boolean(register_ok(result)));
    return json_pack("{sb ss so}", "status", register_ok(result), "outcome", word_of(result), step, body);
}

static json_t *image_entry(const Run *run, const Image *image)
{
    const Result *result = register_result(run, image);
    json_t *body = json_pack("{sb so so}", "status", 0, "d_DICOMfile_read", reading(image),
                             "d_CUBE_register_pacs_file", register_answer(result, image->object));
    if (json_array_size(image->changed))
        json_object_set(body, "changed", image->changed);
    return entry(result, "d_DICOMfile_register", body);
}

static json_t *series_entry(const Run *run, const Series *series)
{
    const Result *result = run->opening.word == RESULT_FAILED ? &run->opening : &series->result;
    json_t *body = json_pack("{sb ss sI so}", "status", 0, "SeriesInstanceUID", series->uid, "ndicom",
                             (json_int_t)series->number, "d_CUBE_register_pacs_series",
                             register_answer(result, series->directory));
    if (json_array_size(series->images[0]->changed))
        json_object_set(body, "changed", series->images[0]->changed);
    return entry(result, "d_DICOMseries_register", body);
}

json_t *register_document(const Run *run)
{
    json_t *entries = json_array();
    bool all = run->count > 0, by_series = run->api == PX_REGISTER_SERIES;
    for (size_t i = 0; i < run->count; i++) {
        all = all && register_ok(register_result(run, &run->images[i]));
        if (!by_series || !run->images[i].readable)
            json_array_append_new(entries, image_entry(run, &run->images[i]));
    }
    for (size_t i = 0; by_series && i < run->series_count; i++)
        json_array_append_new(entries, series_entry(run, &run->series[i]));
    return json_pack("{sb so}", "status", all, "run", entries);
}
