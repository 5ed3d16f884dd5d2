// SPDX-License-Identifier: MIT
/* The request target (RFC 9112 §3.2, RFC 3986) taken apart. Pure functions. */
#ifndef GANTRY_WEB_HTTP_URL_H
#define GANTRY_WEB_HTTP_URL_H

#include "base/arena.h"
#include "base/err.h"
#include "web/http.h"

enum { URL_PARTS_MAX = 64, URL_PARAMETERS_MAX = 1024 };

typedef struct Url {
    const char *path;         /* decoded: "/studies/1.2.3" */
    const char *const *parts; /* decoded: "studies", "1.2.3" */
    size_t part_count;
    const HttpParameter *parameters;
    size_t parameter_count;
    const char *authority; /* of an absolute target ("http://host:80/x"); NULL otherwise */
    bool asterisk;         /* "*", of OPTIONS */
} Url;

/* ERR_FORMAT: "%" without two hex digits, NUL, text that is not UTF-8, a part that is empty, "." or "..", or holds a slash, backslash or control character. One slash at the end is
   passed over. */
bool url_parse(Arena *arena, const char *target, Url *out, Err *err);

#endif
