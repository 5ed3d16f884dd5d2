// SPDX-License-Identifier: MIT
#include "web/http_condition.h"

#include "base/span.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Cuts the next entity tag off a list; `weak` says that W/ goes before it. False at the end, and at what is no tag. */
static bool next_tag(Span *rest, Span *tag, bool *weak)
{
    while (rest->n && strchr(" \t,", rest->p[0]))
        *rest = span_sub(*rest, 1, SIZE_MAX);
    *weak = span_starts(*rest, SPAN("W/"));
    if (*weak)
        *rest = span_sub(*rest, 2, SIZE_MAX);
    if (rest->n == 0 || rest->p[0] != '"')
        return false;
    *rest = span_sub(*rest, 1, SIZE_MAX);
    size_t end = span_index(*rest, '"');
    if (end == SIZE_MAX)
        return false;
    *tag = span_sub(*rest, 0, end);
    *rest = span_sub(*rest, end + 1, SIZE_MAX);
    return true;
}

static bool same_tag(Span tag, const char *etag)
{
    return span_eq_cstr(tag, etag) ||
           (span_ends(tag, SPAN("-gzip")) && span_eq_cstr(span_sub(tag, 0, tag.n - strlen("-gzip")), etag));
}

bool condition_has_tag(const char *list, const char *etag, bool weak_counts)
{
    Span rest = span_trim(span_cstr(list)), tag;
    if (span_eq_cstr(rest, "*"))
        return true;
    bool weak;
    while (etag && next_tag(&rest, &tag, &weak))
        if ((weak_counts || !weak) && same_tag(tag, etag))
            return true;
    return false;
}

void http_date_format(int64_t seconds, char out[HTTP_DATE_SIZE])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, HTTP_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        snprintf(out, HTTP_DATE_SIZE, "Thu, 01 Jan 1970 00:00:00 GMT");
}

bool http_date_parse(const char *text, int64_t *seconds)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && *end == 0) {
            *seconds = (int64_t)timegm(&tm);
            return true;
        }
    }
    return false;
}

/* Is `modified` later than the date in a header? A date that cannot be read says nothing (§13.1.3). */
static bool later_than(int64_t modified, const char *header, bool when_unreadable)
{
    int64_t date;
    return http_date_parse(header, &date) ? modified > date : when_unreadable;
}

ConditionAnswer condition_check(const HttpConditions *c, const char *etag, int64_t modified, bool safe)
{
    if (c->if_match) {
        if (!condition_has_tag(c->if_match, etag, false))
            return CONDITION_FAILED;
    } else if (c->if_unmodified_since && modified && later_than(modified, c->if_unmodified_since, false)) {
        return CONDITION_FAILED;
    }
    if (c->if_none_match) {
        if (condition_has_tag(c->if_none_match, etag, true))
            return safe ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
    } else if (safe && c->if_modified_since && modified &&
               !later_than(modified, c->if_modified_since, true)) {
        return CONDITION_NOT_MODIFIED;
    }
    return CONDITION_GO_ON;
}

bool condition_if_range(const char *if_range, const char *etag, int64_t modified)
{
    if (!if_range)
        return true;
    if (strchr(if_range, '"'))
        return condition_has_tag(if_range, etag, false);
    int64_t date;
    return modified && http_date_parse(if_range, &date) && date == modified;
}
