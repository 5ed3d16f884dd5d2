// SPDX-License-Identifier: MIT
/* The HTTP server of `manage runserver`, as app/settings.yml wants it. */
#ifndef GANTRY_CLI_API_H
#define GANTRY_CLI_API_H

#include "cli/settings.h"
#include "web/web.h"

/* Serves when it returns; NULL and err otherwise. The arena outlives it. */
WebServer *api_start(Arena *arena, const Settings *settings, Archive *archive, Err *err);

#endif
