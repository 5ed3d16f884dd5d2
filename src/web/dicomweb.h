// SPDX-License-Identifier: MIT
/* What the files of DICOMweb share: one service below one prefix, and the smaller steps that several resources take. Only the files of web/ include this. */
#ifndef GANTRY_WEB_DICOMWEB_H
#define GANTRY_WEB_DICOMWEB_H

#include "dicom/uid.h"
#include "web/accept.h"
#include "web/web.h"

typedef struct WebService {
    const WebContext *web;
    const char *retrieve_prefix; /* "/dicom-web" or "/wadors": where what a search finds can be fetched */
    uint64_t default_limit;      /* results of a search that says no limit; 0 = as many as there are */
    bool sphere;                 /* SPHERE's paths: what its clients rely on (no 204 for an empty search) */
} WebService;

/* Search, PS3.18 §10.6: "/studies", "/series", "/instances" and below. */
extern const HttpRoute web_search_routes[];
extern const size_t web_search_route_count;

/* Retrieve, §10.4: files; metadata; frames and bulk data. */
extern const HttpRoute web_retrieve_routes[];
extern const size_t web_retrieve_route_count;
extern const HttpRoute web_metadata_routes[];
extern const size_t web_metadata_route_count;
extern const HttpRoute web_frame_routes[];
extern const size_t web_frame_route_count;
extern const HttpRoute web_bulkdata_routes[];
extern const size_t web_bulkdata_route_count;
extern const HttpRoute web_bulkdata_all_routes[];
extern const size_t web_bulkdata_all_route_count;
extern const HttpRoute web_rendered_routes[];
extern const size_t web_rendered_route_count;
/* One object by WADO-URI, §9. */
extern const HttpRoute web_uri_routes[];
extern const size_t web_uri_route_count;
/* Delete and reject. */
extern const HttpRoute web_remove_routes[];
extern const size_t web_remove_route_count;
/* Store, §10.5. */
extern const HttpRoute web_store_routes[];
extern const size_t web_store_route_count;
/* What the pool WebContext.committers does. */
void web_store_commit(void *ctx, void *item);

/* What the answer is to be: parses Accept and ?accept=, chooses among the offers. False: 400 or 406 was answered. *media may be NULL afterwards (nothing was
   said). */
bool web_choose(HttpExchange *x, const WebOffer *offers, size_t count, WebAccept *accept, int *chosen,
                const WebMedia **media);
/* The same with `types` in place of ?accept=; NULL = the header counts. */
bool web_choose_of(HttpExchange *x, const char *types, const WebOffer *offers, size_t count,
                   WebAccept *accept, int *chosen, const WebMedia **media);
/* `length` bytes of the object's file from `offset` on, as they lie there: ranges are possible. */
void web_answer_bytes(HttpExchange *x, const IdxFile *file, const char *media, uint64_t offset,
                      uint64_t length);

/* The same as the only part of a multipart body; `headers` are those of the part. */
void web_answer_part(HttpExchange *x, const IdxFile *file, const WebOffer *offer, const char *headers,
                     uint64_t offset, uint64_t length);

/* A text as one part of an address, percent-encoded (RFC 3986 §2.3): what objects call UIDs may be anything. */
bool web_append_part(Buf *out, const char *text);
/* The same in the arena; `text` itself where nothing is to be encoded. */
const char *web_address_part(Arena *arena, const char *text);

/* For entity tags and keys: the content of the object in hexadecimal digits. In the exchange's arena. */
const char *web_content_tag(HttpExchange *x, const IdxFile *file);

/* The media type of the answer, in the exchange's arena. `boundary` counts for multipart only. */
const char *web_media(HttpExchange *x, const WebOffer *offer, const char *boundary);

#endif
