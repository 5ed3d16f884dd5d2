// SPDX-License-Identifier: MIT
/* What the servers of the house do first. */
#ifndef GANTRY_CLI_SERVING_H
#define GANTRY_CLI_SERVING_H

#include <signal.h>

/* Before any thread is made: SIGINT, SIGTERM and SIGHUP are kept for who waits for `signals`, and as many descriptors may be open as the system lets us have. */
void serving_begin(sigset_t *signals);

#endif
