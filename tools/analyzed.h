// SPDX-License-Identifier: MIT
/* What an analyzer cannot see from one source (analyze.py puts it in front of each): these say no, always. */
#include "base/err.h"
#define err_set(...)                                                                                         \
    ({                                                                                                       \
        (err_set)(__VA_ARGS__);                                                                              \
        false;                                                                                               \
    })
#define err_errno(...)                                                                                       \
    ({                                                                                                       \
        (err_errno)(__VA_ARGS__);                                                                            \
        false;                                                                                               \
    })
#define err_wrap(...)                                                                                        \
    ({                                                                                                       \
        (err_wrap)(__VA_ARGS__);                                                                             \
        false;                                                                                               \
    })
