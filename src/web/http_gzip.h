// SPDX-License-Identifier: MIT
/* Compression of text on its way out (RFC 9110 §8.4.1.3, RFC 1952). */
#ifndef GANTRY_WEB_HTTP_GZIP_H
#define GANTRY_WEB_HTTP_GZIP_H

#include "web/http.h"

enum { GZIP_WORTH_IT = 1024 };

/* Does an Accept-Encoding take gzip? NULL: no. */
bool gzip_wanted(const char *accept_encoding);
/* Is a media type text that shrinks? */
bool gzip_suits(const char *media);
/* What `inner` gives, compressed. `inner` is taken over. */
HttpSource gzip_source(const HttpSource *inner);

#endif
