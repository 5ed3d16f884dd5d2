// SPDX-License-Identifier: MIT
/* Users and tokens of an archive, as its settings want them: for HTTP and for user identities of DICOM. */
#ifndef GANTRY_CLI_AUTH_H
#define GANTRY_CLI_AUTH_H

#include "auth/auth.h"
#include "cli/settings.h"

#define AUTH_USERS_FILE "app/users.yml"

/* The arena and the settings outlive it. */
Auth *auth_of_settings(Arena *arena, const Settings *settings, Err *err);

#endif
