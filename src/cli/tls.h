// SPDX-License-Identifier: MIT
/* Section `tls` of the settings, for the server and for who asks whether it is alive. */
#ifndef GANTRY_CLI_TLS_H
#define GANTRY_CLI_TLS_H

#include "cli/cli.h"
#include "scp/scp.h"

/* False and err when the settings do not go together. */
bool tls_of_settings(const Settings *settings, ScpTls *out, Err *err);
/* The same, with a look into the files. */
bool tls_check(const Settings *settings, Err *err);
/* Is there no plain port? */
bool tls_is_only(const Settings *settings);
/* For a call of this machine to its own server: its certificate names other hosts. */
NetTls *tls_to_itself(const Settings *settings, Err *err);
/* "none", "verify", "require", into the settings of a server; false and err when `ca` is missing. `what`: how these are called. */
bool tls_clients(const char *clients, const char *what, NetTlsSettings *server, Err *err);

#endif
