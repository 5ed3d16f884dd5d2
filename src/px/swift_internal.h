// SPDX-License-Identifier: MIT
/* What the files of px/swift*.c share. Only those files include this. */
#ifndef GANTRY_PX_SWIFT_INTERNAL_H
#define GANTRY_PX_SWIFT_INTERNAL_H

#include "base/arena.h"
#include "px/swift.h"

#include <pthread.h>

struct PxSwift {
    const PxSwiftService *service;
    PxHttpSettings http;
    pthread_mutex_t lock; /* guards all below */
    char *token, *url;    /* of the account; NULL = not logged in */
    unsigned logins;
    bool asked_abilities, bulk, static_manifests;
};

struct PxSwiftLine {
    PxSwift *swift;
    PxHttp *http;
};

/* -- swift_login.c -- */

/* Who we are, as copies in the arena; logs in when that was not done, or when `stale` is the token there is. */
bool px_swift_identity(PxSwiftLine *line, Arena *arena, const char *stale, const char **token,
                       const char **url, Err *err);
/* What the store can do, asked once. */
void px_swift_abilities(PxSwiftLine *line, bool *bulk, bool *static_manifests);

/* -- swift.c -- */

/* A request below the account: `container` and `name` ("" = none) are escaped, `query` ("?…" or "") is not. `r` has the rest; its url is set for px_http_refused and
   lives in the arena. As px_http, logged in. */
bool px_swift_ask(PxSwiftLine *line, Arena *arena, const char *container, const char *name, const char *query,
                  PxHttpRequest *r, PxHttpAnswer *answer, Err *err);
bool px_swift_make_container(PxSwiftLine *line, const char *container, Err *err);
/* PUT, compared with the MD5 (NULL: not). 404 when the container is missing comes back as ERR_NOT_FOUND. */
bool px_swift_put_piece(PxSwiftLine *line, const char *container, const char *name, const char *query,
                        const char *const *headers, const PxHttpSource *source, const char *md5, Err *err);
/* The answer's ETag is an MD5, with or without quotes. */
bool px_swift_etag_is(PxSwiftLine *line, const char *md5);
bool px_swift_head_in(PxSwiftLine *line, const char *container, const char *name, PxSwiftObject *out,
                      bool *found, Err *err);

bool px_swift_list_in(PxSwiftLine *line, const char *container, const char *prefix, PxSwiftVisit visit,
                      void *ctx, Err *err);

/* -- swift_large.c -- */

bool px_swift_put_segments(PxSwiftLine *line, const char *name, const PxSwiftContent *content, Err *err);

#endif
