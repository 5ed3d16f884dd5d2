// SPDX-License-Identifier: MIT
/*
 * Documents of CUBE's REST API: collection+json 1.0 (application/vnd.collection+json). A collection has links by their `rel`, items whose `data` are pairs of
 * name and value, templates of searches (`queries`), pages (link `next`) and, when a request is refused, an `error` with a `message`.
 * Pure: nothing here talks to anybody. Answers are hostile: what is not of the form is an error that says so and quotes none of it.
 */
#ifndef GANTRY_PX_COLLECTION_H
#define GANTRY_PX_COLLECTION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#include <jansson.h>

#define PX_COLLECTION_TYPE "application/vnd.collection+json"

/* What to send: {"template": {"data": [{"name": …, "value": …}, …]}}, on one line. */
void px_collection_template(const json_t *fields, Buf *out);

/* The member "collection" of an answer. NULL and err (ERR_FORMAT) when it is something else. Caller frees. */
json_t *px_collection_read(Span answer, Err *err);
/* error.message; NULL when the collection is no error. Lives as long as the collection. */
const char *px_collection_message(const json_t *collection);
/* href of a link; NULL when there is none. Lives as long as the collection. */
const char *px_collection_link(const json_t *collection, const char *rel);

size_t px_collection_count(const json_t *collection);
/* The data of item i as {name: value, …}. Never NULL. Caller frees. */
json_t *px_collection_item(const json_t *collection, size_t i);

/* Does it show a template for new items? Else nothing can be added to it. */
bool px_collection_takes(const json_t *collection);

typedef struct PxParameter {
    const char *name, *value;
} PxParameter;
/* The address of the search with these parameters, in the arena. NULL when the collection has no search that knows all of them. */
const char *px_collection_search(Arena *arena, const json_t *collection, const PxParameter *parameters,
                                 size_t n);

#endif
