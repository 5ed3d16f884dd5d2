// SPDX-License-Identifier: MIT
/*
 * Connections between programs of one machine, by its loopback addresses, are not paced.
 *
 * Some systems control congestion by an algorithm that paces what is sent (BBR): each 64 KB wait for a timer of the kernel, whose interrupt takes some 20 µs from whoever runs.
 * Within a machine there is no network that could be congested: an object of 527 KB cost both sides a fifth more for its eight timers. What a socket began with
 * it goes on pacing, whatever it is given later. So a socket gets another algorithm before it connects to this machine, a listener gets it too, and what a listener
 * accepts from elsewhere is given the system's own back. Where that does not pace, nothing is changed.
 */
#ifndef GANTRY_NET_PACING_H
#define GANTRY_NET_PACING_H

#include <sys/socket.h>

/* Before connect(2). */
void net_pacing_to(int fd, const struct sockaddr *to);
/* Before listen(2). */
void net_pacing_of_listener(int fd);
/* What such a listener has accepted. */
void net_pacing_of_accepted(int fd, const struct sockaddr *from);

#endif
