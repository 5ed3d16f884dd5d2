// SPDX-License-Identifier: MIT
/* Conditional requests (RFC 9110 §13) and the dates of headers (§5.6.7). Pure functions. */
#ifndef GANTRY_WEB_HTTP_CONDITION_H
#define GANTRY_WEB_HTTP_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

/* The headers of the request; NULL = absent. */
typedef struct HttpConditions {
    const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since, *if_range;
} HttpConditions;

typedef enum ConditionAnswer { CONDITION_GO_ON, CONDITION_NOT_MODIFIED, CONDITION_FAILED } ConditionAnswer;

/* What they say of a resource with this tag (without quotes; NULL = none) and time of change (0 = not known). `safe`: the method is GET or HEAD. §13.2.2. */
ConditionAnswer condition_check(const HttpConditions *conditions, const char *etag, int64_t modified,
                                bool safe);
/* May a range be answered? */
bool condition_if_range(const char *if_range, const char *etag, int64_t modified);

/* Is the tag in a list: "a", W/"b", *. A tag of a compressed answer ("a-gzip") counts as the one it was made of. */
bool condition_has_tag(const char *list, const char *etag, bool weak_counts);

enum { HTTP_DATE_SIZE = 32 };
void http_date_format(int64_t seconds, char out[HTTP_DATE_SIZE]); /* "Sun, 06 Nov 1994 08:49:37 GMT" */
bool http_date_parse(const char *text, int64_t *seconds); /* that form only, and the two obsolete ones */

#endif
