// SPDX-License-Identifier: MIT
/* The HTTP server of `manage runserver`, as app/settings.yml wants it. */
#ifndef GANTRY_CLI_API_H
#define GANTRY_CLI_API_H

#include "cli/settings.h"
#include "web/auth.h"
#include "web/web.h"

#define API_USERS_FILE "app/users.yml"

typedef struct Api {
    WebServer *web; /* NULL = not served */
    Auth *auth;
} Api;

/* Who hears of objects that come over HTTP. */
typedef struct ApiEvents {
    void (*stored)(void *ctx, const WebStored *what);
    void *ctx;
} ApiEvents;

/* Serves when it returns. The arena outlives it. */
bool api_start(Api *api, Arena *arena, const Settings *settings, Archive *archive, const ApiEvents *events,
               Err *err);
void api_stop(Api *api, int64_t grace_ms);

#endif
