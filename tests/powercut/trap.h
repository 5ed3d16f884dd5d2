// SPDX-License-Identifier: MIT
/*
 * Seeing every system call that changes files, whoever makes it: libc, stdio, a library or syscall(2). A seccomp filter has the kernel send SIGSYS instead
 * of doing the call; the handler does it on the caller's behalf. Calls made through trap_call pass: its code lies at a fixed
 * address that the filter knows, also after fork and exec.
 */
#ifndef GANTRY_TESTS_POWERCUT_TRAP_H
#define GANTRY_TESTS_POWERCUT_TRAP_H

#include <stdbool.h>

typedef struct TrapCall {
    long number;
    long a[6];
} TrapCall;

/* As the kernel answers: a negative number is -errno. */
long trap_call(long number, long a, long b, long c, long d, long e, long f);

#define CALL0(n)             trap_call(n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a)          trap_call(n, (long)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b)       trap_call(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c)    trap_call(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL4(n, a, b, c, d) trap_call(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* The call as it was meant. */
long trap_pass(const TrapCall *call);

/* First of all: trap_call works from here on. What a program is before it sets up its own layer may be under the filter of the one that executed it, so that every
   call on the way has to be a trap_call. */
bool trap_prepare(void);
/* From now on `handle` answers the calls that change files, in every thread and child. Signals are blocked meanwhile. */
bool trap_install(long (*handle)(const TrapCall *call));

#endif
