// SPDX-License-Identifier: MIT
/*
 * Telling the service manager how the server is doing: the protocol of sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names.
 * Without one nothing happens.
 */
#ifndef GANTRY_CLI_NOTIFY_H
#define GANTRY_CLI_NOTIFY_H

/* `state`: lines as sd_notify(3) knows them, "READY=1\nSTATUS=…". That nobody listens is no failure of ours. */
void notify_manager(const char *state);

#endif
