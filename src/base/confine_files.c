// SPDX-License-Identifier: MIT
/*
 * Rules on files and ports by Landlock, with raw system calls: the C library has none, and headers may be older than the kernel. Version 2 is the least, because objects
 * are renamed from one folder into another, which version 1 cannot allow.
 */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum { VERSION_FLAG = 1, RULE_PATH = 1, RULE_PORT = 2 };

#define BIT(n) (UINT64_C(1) << (n))
enum {
    MAY_EXECUTE = 0,
    MAY_WRITE = 1,
    MAY_READ = 2,
    MAY_LIST = 3,
    MAY_REFER = 13,
    MAY_TRUNCATE = 14,
    MAY_IOCTL = 15
};
#define RIGHTS_2     (BIT(14) - 1)
#define READING      (BIT(MAY_READ) | BIT(MAY_LIST))
#define OF_FILES     (BIT(MAY_WRITE) | BIT(MAY_READ) | BIT(MAY_TRUNCATE))
#define BIND_TCP     BIT(0)
#define SCOPE_SIGNAL BIT(1)

struct ruleset {
    uint64_t files, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

static bool allow_path(int rules, const char *path, uint64_t rights, Err *err)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return true;
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_errno(err, errno, "cannot open %s for the rules on files", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    struct path_rule rule = {S_ISDIR(st.st_mode) ? rights : rights & OF_FILES, fd};
    bool ok = syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0) == 0 ||
              err_errno(err, errno, "cannot make a rule for %s", path);
    close(fd);
    return ok;
}

static bool allow_port(int rules, uint16_t port, Err *err)
{
    struct port_rule rule = {BIND_TCP, port};
    return syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) == 0 ||
           err_errno(err, errno, "cannot make a rule for port %u", port);
}

/* Devices are opened by the C library and others, which look away when they cannot. */
static bool fill(int rules, const Confine *wish, const struct ruleset *set, Err *err)
{
    uint64_t all = set->files & ~(BIT(MAY_EXECUTE) | BIT(MAY_IOCTL));
    bool ok = allow_path(rules, "/dev/null", all, err);
    for (size_t i = 0; ok && i < wish->write_count; i++)
        ok = allow_path(rules, wish->writes[i], all, err);
    for (size_t i = 0; ok && wish->reads && i < wish->read_count; i++)
        ok = allow_path(rules, wish->reads[i], READING, err);
    for (size_t i = 0; ok && set->net && i < wish->port_count; i++)
        ok = allow_port(rules, wish->ports[i], err);
    return ok;
}

bool confine_files(const Confine *wish, bool *missing, bool *no_ports, Err *err)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    *missing = version < 2;
    *no_ports = !*missing && wish->ports && version < 4;
    if (*missing)
        return true;
    struct ruleset set = {.files = RIGHTS_2};
    if (!wish->reads)
        set.files &= ~READING;
    if (version >= 3)
        set.files |= BIT(MAY_TRUNCATE);
    if (version >= 5)
        set.files |= BIT(MAY_IOCTL);
    if (version >= 4 && wish->ports)
        set.net = BIND_TCP;
    if (version >= 6)
        set.scoped = SCOPE_SIGNAL;
    size_t size = version >= 6 ? sizeof set : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (rules < 0)
        return err_errno(err, errno, "cannot make rules on files (Landlock)");
    bool ok = fill(rules, wish, &set, err);
    if (ok && (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0 ||
               syscall(SYS_landlock_restrict_self, rules, 0) != 0))
        ok = err_errno(err, errno, "cannot put the rules on files in force (Landlock)");
    close(rules);
    return ok;
}
