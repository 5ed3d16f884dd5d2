// SPDX-License-Identifier: MIT
/*
 * A body that is made step by step: results of a search, metadata of a series. What fits into a buffer is sent whole, with its length; more than that while it
 * is made. What goes wrong before the first bytes are due is an error with a status; after that the connection is broken off.
 */
#ifndef GANTRY_WEB_STREAM_H
#define GANTRY_WEB_STREAM_H

#include "web/http.h"

typedef struct WebProducer {
    /* Appends the next piece; *ended with the last one. */
    bool (*produce)(void *ctx, Buf *out, bool *ended, Err *err);
    void (*free)(void *ctx);
    void *ctx;
} WebProducer;

typedef struct WebStream WebStream;
/* Takes the producer over and makes the beginning. NULL and err on failure (the producer is freed). */
WebStream *web_stream_new(const WebProducer *producer, Err *err);
/* Is it whole already? */
bool web_stream_ended(const WebStream *stream);
/* Answers with it and frees it. */
void web_stream_answer(WebStream *stream, HttpExchange *x, unsigned status, const char *media);
void web_stream_free(WebStream *stream);

#endif
