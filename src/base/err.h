// SPDX-License-Identifier: MIT
/*
 * Err: why something failed, for the user and for the peer.
 *
 * `text` is one line a user can act on: what failed, on what, why, what to do. Outer layers put their own words in front
 * with err_wrap ("store 1.2.3: write /srv/a: No space left on device"). `dimse` and `http` are the statuses the failure
 * maps to; err_set fills them from the code, a caller may set a more exact one. Never hold a patient's name.
 */
#ifndef GANTRY_BASE_ERR_H
#define GANTRY_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ErrCode {
    ERR_NONE,
    ERR_USAGE,  /* the caller asked for something impossible */
    ERR_FORMAT, /* bytes from outside do not follow their format */
    ERR_LIMIT,  /* a configured or built-in limit was reached */
    ERR_NOT_FOUND,
    ERR_EXISTS,   /* already there and may not be replaced */
    ERR_MISMATCH, /* data set and command (or class) do not agree */
    ERR_UNSUPPORTED,
    ERR_REFUSED,     /* policy or the peer said no */
    ERR_NO_SPACE,    /* out of disk or quota */
    ERR_IO,          /* the operating system failed us */
    ERR_DAMAGED,     /* what we keep does not say what it should: a row, a page of the index */
    ERR_UNAVAILABLE, /* what we work with (a database) takes nothing from us, until somebody sees to it */
    ERR_TIMEOUT,
    ERR_CLOSED, /* the peer went away or aborted */
    ERR_CANCELLED,
    ERR_INTERNAL,
} ErrCode;

typedef struct Err {
    ErrCode code;
    uint16_t dimse; /* PS3.7 annex C status */
    uint16_t http;  /* HTTP status */
    char text[480];
} Err;

/* Each returns false, so that `return err_set(…)` reads well. err may be NULL. */
bool err_set(Err *err, ErrCode code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* ERR_NO_SPACE or ERR_IO (or _NOT_FOUND, _EXISTS) by errno, whose text is appended: "format…: No such file". */
bool err_errno(Err *err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "format…: " in front of the text. */
bool err_wrap(Err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void err_clear(Err *err);
/* A word for the code: "format", "no-space" … for logs and JSON. */
const char *err_code_name(ErrCode code);

#endif
