// SPDX-License-Identifier: MIT
/* The HTTP server of `manage runserver`, as app/settings.yml wants it. */
#ifndef GANTRY_CLI_API_H
#define GANTRY_CLI_API_H

#include "cli/settings.h"
#include "web/auth.h"
#include "web/web.h"

typedef struct Api {
    WebServer *web; /* NULL = not served */
    WebAuth *auth;  /* NULL = nobody is asked */
} Api;

/* Who hears of objects that come over HTTP. */
typedef struct ApiEvents {
    void (*stored)(void *ctx, const WebStored *what);
    void *ctx;
    Audit *audit; /* NULL = none */
} ApiEvents;

/* Does it ask who somebody is? Then it needs an Auth. */
bool api_asks(const Settings *settings);
/* Serves when it returns. Arena and `auth` outlive it. */
bool api_start(Api *api, Arena *arena, const Settings *settings, Archive *archive, Auth *auth,
               const ApiEvents *events, Err *err);
void api_stop(Api *api, int64_t grace_ms);

#endif
