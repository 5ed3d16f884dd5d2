// SPDX-License-Identifier: MIT
/* What `manage runserver` prints when it is ready. Layout is an interface. */
#ifndef GANTRY_CLI_BANNER_H
#define GANTRY_CLI_BANNER_H

#include "base/buf.h"

typedef struct Banner {
    const char *ae_title;
    unsigned port, tls_port; /* 0 = none */
    bool echo, store, find, move, get;
    bool saving; /* the thread that writes to the index runs */
    bool extended_database, api_dicomweb, api_annotation;
    bool colour; /* values bold, ON green, OFF red */
} Banner;

void banner_format(const Banner *banner, Buf *out);

#endif
