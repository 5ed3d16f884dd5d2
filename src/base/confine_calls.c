// SPDX-License-Identifier: MIT
/*
 * A filter of system calls by libseccomp. What is listed here fails with EPERM; all else is as it was, so that a C library that is newer than this list works. The kernel
 * remembers which calls need no look at the filter, so that reading, writing and syncing cost nothing more.
 *
 * clone3 has its flags in memory, where no filter can look: it is unknown here (ENOSYS), and the C library takes clone.
 */
#include "base/confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>

static const char *const forbidden[] = {
    /* other programs and processes */
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "kcmp",
    /* what the file system is */
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "acct",
    "open_by_handle_at",
    "mknod",
    "mknodat",
    "fanotify_init",
    /* what the kernel is */
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "kexec_load",
    "kexec_file_load",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "lookup_dcookie",
    "reboot",
    "syslog",
    "ioperm",
    "iopl",
    "modify_ldt",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "uselib",
    "_sysctl",
    "vm86",
    "vm86old",
    /* who we are and what others hold */
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "capset",
    "setns",
    "unshare",
    "personality",
    "add_key",
    "request_key",
    "keyctl",
    "vhangup",
    /* the clock and the name of the machine */
    "settimeofday",
    "stime",
    "clock_settime",
    "clock_settime64",
    "clock_adjtime",
    "clock_adjtime64",
    "adjtimex",
    "sethostname",
    "setdomainname",
};

static bool forbid(scmp_filter_ctx filter, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) /* not one of this machine */
        return true;
    int failure = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
    return failure == 0 || failure == -EDOM; /* or of another machine */
}

/* Threads only. */
static bool forbid_processes(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
}

static bool forbid_sockets(scmp_filter_ctx filter)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    enum { LAST = AF_NETLINK };
    bool ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_GT, LAST)) == 0;
    for (int family = 0; ok && family < LAST; family++) {
        bool known = false;
        for (size_t i = 0; i < sizeof families / sizeof *families; i++)
            known = known || families[i] == family;
        ok = known || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family)) == 0;
    }
    return ok;
}

/* For kernels without PR_SET_MDWE. Libraries are mapped from files, which is neither. */
static bool forbid_executable_memory(scmp_filter_ctx filter)
{
    enum { BOTH = PROT_WRITE | PROT_EXEC };
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, BOTH, BOTH)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(pkey_mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(shmat), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, SHM_EXEC, SHM_EXEC)) == 0;
}

bool confine_calls(bool *missing, Err *err)
{
    *missing = prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L) < 0;
    if (*missing)
        return true;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = filter != NULL;
    for (size_t i = 0; ok && i < sizeof forbidden / sizeof *forbidden; i++)
        ok = forbid(filter, forbidden[i]);
    ok = ok && forbid_processes(filter) && forbid_sockets(filter) && forbid_executable_memory(filter);
    if (ok)
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree; older kernels do without */
    int failure = ok ? seccomp_load(filter) : -ENOMEM;
    seccomp_release(filter);
    if (failure == -EINVAL || failure == -ENOSYS || failure == -ECANCELED)
        *missing = true;
    else if (failure)
        return err_errno(err, -failure, "cannot put the filter of system calls in force (seccomp)");
    return true;
}
