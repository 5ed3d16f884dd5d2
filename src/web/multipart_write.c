// SPDX-License-Identifier: MIT
#include "web/multipart.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void multipart_make_boundary(char out[MULTIPART_BOUNDARY_SIZE])
{
    uint8_t random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    memcpy(out, "gantry-", 7);
    span_hex(span_of(random, sizeof random), out + 7);
}

void multipart_write_head(Buf *out, const char *boundary, bool first, const char *headers)
{
    buf_printf(out, "%s--%s\r\n%s\r\n", first ? "" : "\r\n", boundary, headers);
}

void multipart_write_close(Buf *out, const char *boundary)
{
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}

void multipart_media(Buf *out, const char *type, const char *boundary)
{
    buf_printf(out, "multipart/related; type=\"%s\"; boundary=%s", type, boundary);
}
