// SPDX-License-Identifier: MIT
/*
 * Accept (RFC 9110 §12.5.1) as DICOMweb uses it (PS3.18 §8.7): quality values, parameters quoted or not, names without regard to case,
 * multipart/related with type and transfer-syntax. Tolerant where clients are known to be sloppy, see the tests.
 */
#ifndef GANTRY_WEB_ACCEPT_H
#define GANTRY_WEB_ACCEPT_H

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>

/* One media range. Strings are lower case but transfer_syntax, which is as sent; "" = not said. */
typedef struct WebMedia {
    const char *
        type; /* "application/dicom+json", "image/<any>", "<any>/<any>" (with stars); of multipart/related the root type below */
    bool multipart; /* multipart/related; `type` is then its type parameter ("" when it has none) */
    const char *transfer_syntax; /* UID, "*" or "" */
    const char *charset;
    unsigned quality; /* 0 … 1000 */
    unsigned order;   /* as sent */
} WebMedia;

typedef struct WebAccept {
    const WebMedia *media; /* best first: quality, then order */
    size_t count;          /* 0: nothing was said, everything is fine */
} WebAccept;

/* `header` may be NULL. `query` is the value of ?accept=, which overrides the header; NULL = none. ERR_FORMAT (400) for what cannot be read at all. */
bool web_accept_parse(Arena *arena, const char *header, const char *query, WebAccept *out, Err *err);

/* Something a resource can answer with. */
typedef struct WebOffer {
    const char *type;
    bool multipart;
} WebOffer;
/* The offer that is wanted most: index into `offers`, first one when nothing was said; -1 = none is acceptable (406). *media (may be NULL) = the range that chose it;
   NULL when nothing was said. Offers are in order of the server's preference. */
int web_accept_choose(const WebAccept *accept, const WebOffer *offers, size_t count, const WebMedia **media);
/* Does this range mean the offer, and is it wanted at all? For going through all ranges: each may name another transfer syntax. */
bool web_accept_means(const WebMedia *range, const WebOffer *offer);
/* "application/dicom+json, multipart/related; type=\"application/dicom\"": what a 406 lists. In the arena. */
const char *web_offers_text(Arena *arena, const WebOffer *offers, size_t count);

#endif
