// SPDX-License-Identifier: MIT
/* Status objects, of either dialect, read again: lines for people, for feedback and for reports. */
#include "px/document.h"
#include "px/report_internal.h"
#include "px/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE_WIDTH = 104 };

static int64_t count_of(const json_t *status, const char *name)
{
    const json_t *one = json_object_get(json_object_get(status, "images"), name);
    const json_t *count = json_object_get(one, "count");
    return json_is_integer(count) ? json_integer_value(count) : -1;
}

static const char *state_of(const json_t *status, const char *name)
{
    const char *word = json_string_value(json_object_get(json_object_get(status, "state"), name));
    return word ? word : "";
}

bool px_status_complete(const json_t *status)
{
    int64_t received = count_of(status, "received");
    return received > 0 && received >= count_of(status, "requested") &&
           count_of(status, "packed") == received;
}

/* Only the classic one says what went wrong. */
static bool is_classic(const json_t *status)
{
    return json_object_get(status, "error") != NULL;
}

void px_status_line(const json_t *status, const char *description, Buf *out)
{
    Arena *arena = arena_new(0);
    Buf line;
    buf_init(&line, 0);
    if (!json_is_true(json_object_get(status, "status")))
        buf_printf(&line, "%15.40s : %15.40s : %15.40s │ ", state_of(status, "study"),
                   state_of(status, "series"), state_of(status, "images"));
    else if (is_classic(status))
        buf_printf(&line,
                   " [ PACS:%03" PRId64 "/JSON:%03" PRId64 "/DCM:%03" PRId64 "/PUSH:%03" PRId64
                   "/REG:%03" PRId64 " ] │  ",
                   count_of(status, "requested"), count_of(status, "received"), count_of(status, "packed"),
                   count_of(status, "pushed"), count_of(status, "registered"));
    else
        buf_printf(&line, "  PACS:%04" PRId64 "     OXIDCM:%04" PRId64 "        CUBE:%04" PRId64 "  │  ",
                   count_of(status, "requested"), count_of(status, "packed"), count_of(status, "registered"));
    buf_append_cstr(&line, description);
    px_left(out, px_for_people(arena, buf_cstr(&line)), LINE_WIDTH);
    buf_free(&line);
    arena_free(arena);
}

/* -- a document's own -- */

/* The results of --then status, whichever place it had: {"study": [{STUDY: [status, …]}, …]}. */
static const json_t *results_of(const json_t *document)
{
    const json_t *then = json_object_get(document, "then"), *found = NULL;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)then, name, value)
    {
        size_t n = strlen(name);
        if (n > 7 && strcmp(name + n - 7, "-status") == 0)
            found = json_object_get(value, "study");
    }
    return found;
}

static const json_t *statuses_of(const json_t *results, const json_t *study)
{
    const char *uid = px_value(study, "StudyInstanceUID");
    const json_t *one;
    size_t i;
    json_array_foreach(results, i, one)
    {
        const json_t *list = uid ? json_object_get(one, uid) : NULL;
        if (list)
            return list;
    }
    return NULL;
}

static void annotate_series(json_t *series, const json_t *status)
{
    const char *description = px_value(series, "SeriesDescription");
    Buf line;
    buf_init(&line, 0);
    px_status_line(status, description ? description : "", &line);
    px_synthetic(series, "seriesStatus", px_text(buf_cstr(&line)), "seriesStatus");
    buf_free(&line);
}

void px_status_annotate(json_t *document)
{
    const json_t *results = results_of(document), *study;
    size_t i, k;
    json_array_foreach(json_object_get(document, "data"), i, study)
    {
        const json_t *statuses = statuses_of(results, study);
        json_t *series;
        json_array_foreach(json_object_get(study, "series"), k, series)
        {
            const json_t *status = json_array_get(statuses, k);
            if (json_is_object(status))
                annotate_series(series, status);
        }
    }
}
