// SPDX-License-Identifier: MIT
/*
 * Small HTTP requests to those who know who may do what: a validator of tokens, a set of keys. As base/outgoing.h
 * says, with a time-out and at most 64 KiB of an answer. At most FETCH_PARALLEL at a time, on connections that are kept. Thread-safe.
 */
#ifndef GANTRY_AUTH_FETCH_H
#define GANTRY_AUTH_FETCH_H

#include "base/buf.h"
#include "base/err.h"

typedef struct Fetcher Fetcher;

enum { FETCH_PARALLEL = 16, FETCH_MS = 5000, FETCH_BODY_MAX = 64 * 1024 };

typedef struct FetchAnswer {
    unsigned status;
    char media[128]; /* Content-Type; "" = none, or not fit to be passed on */
    Buf body;        /* the caller's to free */
    bool cut;        /* there was more */
} FetchAnswer;

Fetcher *fetcher_new(void);
void fetcher_free(Fetcher *fetcher);
/* POST of the form NAME=value, or GET when `name` is NULL. False: there was no answer; err says why (http 502, 503) and holds no value. */
bool fetch(Fetcher *fetcher, const char *url, const char *name, Span value, FetchAnswer *out, Err *err);

#endif
