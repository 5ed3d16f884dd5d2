// SPDX-License-Identifier: MIT
/*
 * Taking rights away from this process, for good, so that whoever takes it over through a mistake in it can do little:
 *
 *   no new rights   PR_SET_NO_NEW_PRIVS: nothing that is executed has more than we have
 *   memory          nothing becomes executable that was writable (PR_SET_MDWE, Linux 6.3; and by the filter of calls)
 *   calls           no program is started, no process made, none traced, nothing mounted, no module loaded; sockets are of IP, Unix or netlink (seccomp)
 *   files           written only below the folders that are named, perhaps read only below others; nothing executed; sockets listen on named ports (Landlock, Linux 5.19;
 *                   ports 6.7)
 *
 * What is refused fails with EPERM or EACCES, as for a user who may not. What is open already stays open. Call it before the first thread is made: it holds for this thread
 * and those that it makes.
 */
#ifndef GANTRY_BASE_CONFINE_H
#define GANTRY_BASE_CONFINE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct Confine {
    const char *const *
        writes; /* folders and files, for everything but executing; those that are not there are passed over. NULL = no rule on files */
    size_t write_count;
    const char *const *reads; /* what else may be read; NULL = all */
    size_t read_count;
    const uint16_t *ports; /* TCP ports that may be listened on; NULL = all */
    size_t port_count;
} Confine;

/* Can this build be confined? A sanitizer and the counting of coverage need what would be taken. NULL = yes, else why not. */
const char *confine_obstacle(void);

/* As much of it as the kernel has; `lacking` gets what it has not, as words with commas between them. False with err when something else went wrong: what was taken until
   then stays taken. */
bool confine(const Confine *wish, Buf *lacking, Err *err);

/* Becomes another user, with its groups, while this process is root's; of root's rights only that to listen on ports below 1024 stays, if wanted. Nothing happens when
   it is that user already. */
bool confine_become(const char *user, bool low_ports, Err *err);

/* -- the parts; true also where the kernel does not know them, with *missing = true -- */
bool confine_files(const Confine *wish, bool *missing, bool *no_ports, Err *err);
bool confine_calls(bool *missing, Err *err);

#endif
