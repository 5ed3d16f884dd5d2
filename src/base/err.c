// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* PS3.7 C and PS3.4 B.2.3/C.4; HTTP by RFC 9110. */
static const struct {
    const char *name;
    uint16_t dimse, http;
} codes[] = {
    [ERR_NONE] = {"none", 0x0000, 200},
    [ERR_USAGE] = {"usage", 0x0110, 400},
    [ERR_FORMAT] = {"format", 0xC000, 400},
    [ERR_LIMIT] = {"limit", 0xA700, 413},
    [ERR_NOT_FOUND] = {"not-found", 0x0112, 404},
    [ERR_EXISTS] = {"exists", 0x0111, 409},
    [ERR_MISMATCH] = {"mismatch", 0xA900, 409},
    [ERR_UNSUPPORTED] = {"unsupported", 0x0122, 501},
    [ERR_REFUSED] = {"refused", 0x0124, 403},
    [ERR_NO_SPACE] = {"no-space", 0xA700, 507},
    [ERR_IO] = {"io", 0x0110, 500},
    [ERR_DAMAGED] = {"damaged", 0x0110, 500},
    [ERR_UNAVAILABLE] = {"unavailable", 0x0110, 503},
    [ERR_TIMEOUT] = {"timeout", 0x0110, 504},
    [ERR_CLOSED] = {"closed", 0x0110, 502},
    [ERR_CANCELLED] = {"cancelled", 0xFE00, 499},
    [ERR_INTERNAL] = {"internal", 0x0110, 500},
};

static void fill(Err *err, ErrCode code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void fill(Err *err, ErrCode code, const char *format, va_list args)
{
    err->code = code;
    err->dimse = codes[code].dimse;
    err->http = codes[code].http;
    vsnprintf(err->text, sizeof err->text, format, args);
}

bool err_set(Err *err, ErrCode code, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return false;
}

static ErrCode code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
        return ERR_CLOSED;
    default:
        return ERR_IO;
    }
}

bool err_errno(Err *err, int number, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    fill(err, code_of_errno(number), format, args);
    va_end(args);
    size_t n = strlen(err->text);
    char reason[128];
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(number, reason, sizeof reason));
    return false;
}

bool err_wrap(Err *err, const char *format, ...)
{
    if (!err)
        return false;
    char outer[sizeof err->text], inner[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(outer, sizeof outer, format, args);
    va_end(args);
    memcpy(inner, err->text, sizeof inner);
    size_t n = strlen(outer), room = sizeof err->text;
    memcpy(err->text, outer, n + 1);
    snprintf(err->text + n, room - n, ": %s", inner);
    return false;
}

void err_clear(Err *err)
{
    if (err)
        *err = (Err){.code = ERR_NONE, .http = 200};
}

const char *err_code_name(ErrCode code)
{
    return codes[code].name;
}
