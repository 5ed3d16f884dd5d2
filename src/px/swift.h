// SPDX-License-Identifier: MIT
/*
 * An OpenStack object store: the Swift API (v1), logging in by its auth v1 or by Keystone v3, one container.
 *
 * PxSwift is who we are there; all lines of it share one token, which is renewed when the store refuses it. A PxSwiftLine is a connection, for one thread at a time.
 * What goes up is checked on both sides: the store is told the MD5 of what it should get, and its ETag is compared. Objects larger than the service's segment size go up
 * as segments in CONTAINER_segments and a manifest (static where the store has such, else dynamic), which carries the MD5 of the whole as metadata.
 *
 * Names of objects are UTF-8. They may hold patients' names and are in no error text.
 */
#ifndef GANTRY_PX_SWIFT_H
#define GANTRY_PX_SWIFT_H

#include "px/http_client.h"
#include "px/services.h"

enum { PX_SWIFT_NAME_MAX = 1024, PX_MD5_TEXT = 33, PX_SEGMENTS_MAX = 1000 };

typedef struct PxSwift PxSwift;
typedef struct PxSwiftLine PxSwiftLine;

/* The service's texts and those of `http` must live as long. No connection is made yet. */
PxSwift *px_swift_new(const PxSwiftService *service, const PxHttpSettings *http);
void px_swift_free(PxSwift *swift); /* NULL is fine */
PxSwiftLine *px_swift_open(PxSwift *swift);
void px_swift_close(PxSwiftLine *line); /* NULL is fine */

/* ERR_REFUSED also with err->http 401: who we are is not known there. Otherwise nothing an object could be blamed for: no answer, no container. */
bool px_swift_is_out_of_reach(const Err *err);

typedef struct PxSwiftObject {
    uint64_t size;
    char md5[PX_MD5_TEXT]; /* of the whole content; "" when the store does not say */
} PxSwiftObject;
/* *found false when it is not there. */
bool px_swift_head(PxSwiftLine *line, const char *name, PxSwiftObject *out, bool *found, Err *err);

/* What is to be sent, and what it should be: MD5 of the whole and of each segment. */
typedef struct PxSwiftContent {
    PxHttpSource source;
    char md5[PX_MD5_TEXT];
    uint64_t segment;                 /* bytes of all segments but the last; 0 = the object is one piece */
    char (*segment_md5)[PX_MD5_TEXT]; /* one each */
} PxSwiftContent;
/* Reads the source once. Segments as the service wants them. Freed by px_swift_content_free. */
bool px_swift_content(PxSwift *swift, const PxHttpSource *source, PxSwiftContent *out, Err *err);
void px_swift_content_free(PxSwiftContent *content);
/* Makes the container when the service allows it. */
bool px_swift_put(PxSwiftLine *line, const char *name, const PxSwiftContent *content, Err *err);

/* The content to `sink`, compared with the store's MD5 when it has one. *out (may be NULL) is what was there. */
bool px_swift_get(PxSwiftLine *line, const char *name, const PxHttpSink *sink, PxSwiftObject *out, Err *err);

typedef struct PxSwiftEntry {
    const char *name, *hash, *last_modified, *content_type;
    uint64_t bytes;
    bool is_static; /* a manifest of segments */
} PxSwiftEntry;
typedef bool (*PxSwiftVisit)(void *ctx, const PxSwiftEntry *entry, Err *err);
/* All objects whose names begin with `prefix`, in order, however many. Strings live during the call; false ends it. */
bool px_swift_list(PxSwiftLine *line, const char *prefix, PxSwiftVisit visit, void *ctx, Err *err);

/* Deletes them with their segments; one that is not there counts as deleted. `deleted` (n of them) says which; false when one was not. */
bool px_swift_delete(PxSwiftLine *line, const PxSwiftEntry *entries, size_t n, bool *deleted, Err *err);

#endif
