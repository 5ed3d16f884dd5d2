// SPDX-License-Identifier: MIT
/*
 * multipart/related (RFC 2387, RFC 2046 §5.1), both ways, as streams: no part is ever held whole.
 */
#ifndef GANTRY_WEB_MULTIPART_H
#define GANTRY_WEB_MULTIPART_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* -- reading: push -- */

typedef struct MultipartPart {
    const char *type;       /* Content-Type without parameters, lower case; "" = none */
    const char *parameters; /* what follows it, as sent */
    const char *location;   /* Content-Location; "" = none */
    const char *id;         /* Content-ID without <>; "" = none */
    const char *encoding;   /* Content-Transfer-Encoding or Content-Encoding; "" = none */
} MultipartPart;

typedef struct MultipartHandler {
    bool (*begin)(void *ctx, const MultipartPart *part, Err *err); /* strings live until the part ends */
    bool (*data)(void *ctx, Span piece, Err *err);
    bool (*end)(void *ctx, Err *err);
    void *ctx;
} MultipartHandler;

typedef struct MultipartReader MultipartReader;
/* The value of boundary= in a Content-Type, quoted or not; NULL when there is none or it is longer than 70 characters. In the arena. */
const char *multipart_boundary(Arena *arena, const char *content_type);
/* Limits: parts, bytes of a part's head, bytes before the first boundary. */
MultipartReader *multipart_reader_new(const char *boundary, const MultipartHandler *handler);
/* A piece of the body as it comes. False when the handler failed or the body is malformed. */
bool multipart_feed(MultipartReader *reader, Span piece, Err *err);
/* No more: ERR_FORMAT when the closing boundary has not come. */
bool multipart_finish(MultipartReader *reader, Err *err);
void multipart_reader_free(MultipartReader *reader); /* NULL is fine */

/* -- writing -- */

enum { MULTIPART_BOUNDARY_SIZE = 48 };
/* A boundary that does not occur in data by chance (128 random bits). */
void multipart_make_boundary(char out[MULTIPART_BOUNDARY_SIZE]);
/* "--boundary CRLF Content-Type: … CRLF CRLF"; headers end in CRLF each. `first` is false from the second part on, which a CRLF goes before. */
void multipart_write_head(Buf *out, const char *boundary, bool first, const char *headers);
void multipart_write_close(Buf *out, const char *boundary);
/* multipart/related; type="…"; boundary=… */
void multipart_media(Buf *out, const char *type, const char *boundary);

#endif
