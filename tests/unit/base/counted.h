// SPDX-License-Identifier: MIT
/* What a child that ends by _exit has run is counted only when it says so (./dev coverage). */
#ifndef GANTRY_TESTS_COUNTED_H
#define GANTRY_TESTS_COUNTED_H

#ifdef GANTRY_COVERAGE
void __gcov_dump(void);

static inline void counted(void)
{
    __gcov_dump();
}
#else
static inline void counted(void)
{
}
#endif

#endif
