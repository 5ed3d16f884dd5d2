// SPDX-License-Identifier: MIT
/*
 * CUBE, the back end of ChRIS, over its REST API: what it offers, what it has, and new entries in it. Two ways to register: one image at a time
 * (`pacsfiles`, up to CUBE 4) and a folder that is a series (`pacsseries`, since). Which of them there is, and how to search, is read from its own documents; only the
 * address of the API is ours.
 *
 * The password goes to the host of that address only; links to other hosts are refused. Requests are repeated when they fail in passing (px/http_client.h);
 * that is safe, because CUBE refuses what it has. A PxCube belongs to one thread at a time.
 */
#ifndef GANTRY_PX_CUBE_H
#define GANTRY_PX_CUBE_H

#include "px/collection.h"
#include "px/register_fields.h"

#include <stdio.h>

typedef struct PxCube PxCube;

typedef struct PxCubeSettings {
    const char *url; /* of the API: http://HOST:8000/api/v1/ */
    const char *user, *password;
    const char *ca; /* PEM file of those who may vouch for CUBE; NULL or "": the system's */
    int64_t
        timeout_ms; /* longest wait for an answer; 0: 90 s, because CUBE looks for the files of a series for 30 s */
    int64_t pause_ms; /* before a request is repeated, then longer; 0: half a second */
    FILE *trace;      /* each request before it is sent; NULL = none */
} PxCubeSettings;

/* Asks CUBE what it offers. Strings are copied. NULL and err when it cannot be used; `message` gets what CUBE said to that, if anything, as it is. */
PxCube *px_cube_open(const PxCubeSettings *settings, Buf *message, Err *err);
/* The same with a connection of its own, for another thread; asks nothing. */
PxCube *px_cube_another(const PxCube *cube);
void px_cube_close(PxCube *cube); /* NULL is fine */

/* Can images, series be added? */
bool px_cube_offers(const PxCube *cube, PxRegisterApi api);
/* The address of the API, with a slash at its end. */
const char *px_cube_url(const PxCube *cube);

/* What CUBE has under these keys, all pages: an array of {name: value}. json_null() where CUBE offers no search by them. NULL and err when it could not be asked. Caller
   frees. */
json_t *px_cube_search(PxCube *cube, PxRegisterApi api, const PxParameter *keys, size_t n, Err *err);

typedef enum PxCubeOutcome {
    PX_CUBE_DONE,
    PX_CUBE_REFUSED,  /* this entry; the next one may be better */
    PX_CUBE_UNUSABLE, /* no answer, no right, out of order: asking for more makes no sense */
} PxCubeOutcome;

/* Adds an entry. PX_CUBE_DONE with *item, what CUBE made of it (caller frees); else err, and what CUBE said in `message` as it is, which may name what must not be
   logged. */
PxCubeOutcome px_cube_add(PxCube *cube, PxRegisterApi api, const json_t *fields, json_t **item, Buf *message,
                          Err *err);

#endif
