// SPDX-License-Identifier: MIT
#include "base/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN (1UL << 0)
#endif

#ifndef __has_feature
#define __has_feature(name) 0
#endif

const char *confine_obstacle(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||     \
    __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
    return "this program was built with a sanitizer";
#elif defined(GANTRY_COVERAGE)
    return "this program was built to count which lines it runs";
#else
    return NULL;
#endif
}

static void lacks(Buf *lacking, const char *what)
{
    buf_printf(lacking, "%s%s", lacking->n ? ", " : "", what);
}

bool confine(const Confine *wish, Buf *lacking, Err *err)
{
    bool no_files = false, no_ports = false, no_calls = false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0)
        return err_errno(err, errno, "cannot give up gaining rights (no_new_privs)");
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0L, 0L, 0L) != 0)
        lacks(lacking, "memory that cannot become executable (Linux 6.3)");
    if (wish->writes && !confine_files(wish, &no_files, &no_ports, err))
        return false;
    if (!confine_calls(&no_calls, err))
        return false;
    if (no_files)
        lacks(lacking, "rules on files (Landlock, Linux 5.19)");
    if (no_ports)
        lacks(lacking, "rules on ports (Linux 6.7)");
    if (no_calls)
        lacks(lacking, "a filter of system calls (seccomp)");
    return true;
}

/* -- users -- */

/* libcap would be another library for one call. */
static bool keep_low_ports(Err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    data[0].permitted = data[0].effective = 1U << CAP_NET_BIND_SERVICE;
    return syscall(SYS_capset, &head, data) == 0 ||
           err_errno(err, errno, "cannot keep the right to listen on ports below 1024");
}

bool confine_become(const char *user, bool low_ports, Err *err)
{
    char text[4096];
    struct passwd found, *entry;
    int failure = getpwnam_r(user, &found, text, sizeof text, &entry);
    if (!entry)
        return failure ? err_errno(err, failure, "cannot look the user %.60s up", user)
                       : err_set(err, ERR_NOT_FOUND, "there is no user %.60s on this machine", user);
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (geteuid() == uid && getuid() == uid)
        return true;
    if (geteuid() != 0)
        return err_set(err, ERR_USAGE, "only root can become %.60s; start it as %.60s, or as root", user,
                       user);
    if (low_ports && prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) != 0)
        return err_errno(err, errno, "cannot keep the right to listen on ports below 1024");
    if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return err_errno(err, errno, "cannot become %.60s", user);
    return !low_ports || keep_low_ports(err);
}
