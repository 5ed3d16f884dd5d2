// SPDX-License-Identifier: MIT
#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STUB_AT UINT64_C(0x200000000000)
enum { PAGE = 4096, MAX_STEPS = 128 };

typedef long (*Stub)(long number, long a, long b, long c, long d, long e, long f);

/* The arguments of a function into the registers of a system call. */
#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
__asm__(".text\n"
        "stub_begin: .byte 0xf3, 0x0f, 0x1e, 0xfa\n"
        "mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
        "mov %r8, %r10\n mov %r9, %r8\n mov 8(%rsp), %r9\n syscall\n"
        "stub_after: ret\n"
        "stub_end: nop\n");
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
__asm__(".text\n"
        "stub_begin: mov x8, x0\n mov x0, x1\n mov x1, x2\n mov x2, x3\n"
        "mov x3, x4\n mov x4, x5\n mov x5, x6\n svc #0\n"
        "stub_after: ret\n"
        "stub_end: nop\n");
#else
#error "the layer knows x86-64 and AArch64"
#endif
extern const char stub_begin[], stub_after[], stub_end[];

static long (*handler)(const TrapCall *call);

long trap_call(long number, long a, long b, long c, long d, long e, long f)
{
    return ((Stub)(uintptr_t)STUB_AT)(number, a, b, c, d, e, f);
}

long trap_pass(const TrapCall *call)
{
    const long *a = call->a;
    return trap_call(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

bool trap_prepare(void)
{
    void *at = mmap((void *)(uintptr_t)STUB_AT, PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (void *)(uintptr_t)STUB_AT)
        return false;
    memcpy(at, stub_begin, (size_t)(stub_end - stub_begin));
    __builtin___clear_cache(at, (char *)at + PAGE);
    return mprotect(at, PAGE, PROT_READ | PROT_EXEC) == 0;
}

/* -- the filter -- */

typedef struct Filter {
    struct sock_filter steps[MAX_STEPS];
    unsigned short n;
} Filter;

static void add(Filter *f, unsigned short code, uint32_t k, unsigned char yes, unsigned char no)
{
    f->steps[f->n++] = (struct sock_filter){code, yes, no, k};
}

static void load(Filter *f, size_t offset)
{
    add(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(Filter *f, uint32_t what)
{
    add(f, BPF_RET | BPF_K, what, 0, 0);
}

/* Goes on behind the next `steps` where the loaded word is another. */
static void only_if(Filter *f, uint32_t word, unsigned char steps)
{
    add(f, BPF_JMP | BPF_JEQ | BPF_K, word, 0, steps);
}

static void trap_all(Filter *f, const int *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        only_if(f, (uint32_t)numbers[i], 1);
        answer(f, SECCOMP_RET_TRAP);
    }
}

static size_t argument(int i)
{
    return offsetof(struct seccomp_data, args) + 8 * (size_t)i; /* its low half: little endian */
}

/* Only when a bit of the argument is set. */
static void trap_flags(Filter *f, int number, int at, uint32_t bits)
{
    only_if(f, (uint32_t)number, 4);
    load(f, argument(at));
    add(f, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    answer(f, SECCOMP_RET_TRAP);
    answer(f, SECCOMP_RET_ALLOW);
}

/* Shared and writable. */
static void trap_mmap(Filter *f)
{
    only_if(f, SYS_mmap, 7);
    load(f, argument(2));
    add(f, BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 4);
    load(f, argument(3));
    add(f, BPF_ALU | BPF_AND | BPF_K, MAP_SHARED | MAP_ANONYMOUS, 0, 0);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED, 0, 1);
    answer(f, SECCOMP_RET_TRAP);
    answer(f, SECCOMP_RET_ALLOW);
}

/* Ways around what is seen here; who uses them has another way. */
static void refuse_others(Filter *f)
{
    only_if(f, SYS_io_uring_setup, 1);
    answer(f, SECCOMP_RET_ERRNO | ENOSYS);
    only_if(f, SYS_ioctl, 5);
    load(f, argument(1));
    add(f, BPF_JMP | BPF_JEQ | BPF_K, FICLONE, 1, 0);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, FICLONERANGE, 0, 1);
    answer(f, SECCOMP_RET_ERRNO | EOPNOTSUPP);
    answer(f, SECCOMP_RET_ALLOW);
}

static void make_filter(Filter *f)
{
    static const int numbers[] = {
        SYS_openat2,         SYS_write,     SYS_pwrite64,  SYS_writev,    SYS_pwritev,   SYS_pwritev2,
        SYS_copy_file_range, SYS_sendfile,  SYS_splice,    SYS_ftruncate, SYS_truncate,  SYS_fallocate,
        SYS_fsync,           SYS_fdatasync, SYS_syncfs,    SYS_sync,      SYS_renameat2, SYS_linkat,
        SYS_unlinkat,        SYS_mkdirat,   SYS_symlinkat, SYS_utimensat,
#ifdef SYS_renameat
        SYS_renameat,
#endif
#ifdef SYS_open
        SYS_creat,           SYS_rename,    SYS_link,      SYS_unlink,    SYS_mkdir,     SYS_rmdir,
        SYS_symlink,
#endif
    };
    uint64_t after = STUB_AT + (uint64_t)(stub_after - stub_begin);
    uint32_t opening = O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
    load(f, offsetof(struct seccomp_data, arch));
    add(f, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    answer(f, SECCOMP_RET_ALLOW);
    load(f, offsetof(struct seccomp_data, instruction_pointer) + 4);
    only_if(f, (uint32_t)(after >> 32), 3);
    load(f, offsetof(struct seccomp_data, instruction_pointer));
    only_if(f, (uint32_t)after, 1);
    answer(f, SECCOMP_RET_ALLOW);
    load(f, offsetof(struct seccomp_data, nr));
    trap_all(f, numbers, sizeof numbers / sizeof *numbers);
#ifdef SYS_open
    trap_flags(f, SYS_open, 1, opening);
#endif
    trap_flags(f, SYS_openat, 2, opening);
    trap_mmap(f);
    refuse_others(f);
    answer(f, SECCOMP_RET_ALLOW);
}

/* -- the signal -- */

static void on_trap(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
    int kept = errno;
#if defined(__x86_64__)
    greg_t *r = m->gregs;
    TrapCall call = {(long)r[REG_RAX],
                     {(long)r[REG_RDI], (long)r[REG_RSI], (long)r[REG_RDX], (long)r[REG_R10], (long)r[REG_R8],
                      (long)r[REG_R9]}};
    r[REG_RAX] = handler(&call);
#else
    TrapCall call = {(long)m->regs[8],
                     {(long)m->regs[0], (long)m->regs[1], (long)m->regs[2], (long)m->regs[3],
                      (long)m->regs[4], (long)m->regs[5]}};
    m->regs[0] = (unsigned long long)handler(&call);
#endif
    errno = kept;
}

bool trap_install(long (*handle)(const TrapCall *call))
{
    Filter f = {.n = 0};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    handler = handle;
    make_filter(&f);
    struct sock_fprog program = {f.n, f.steps};
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
