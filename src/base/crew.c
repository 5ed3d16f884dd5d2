// SPDX-License-Identifier: MIT
#include "base/crew.h"

#include <pthread.h>

size_t crew_run(size_t wanted, void *(*work)(void *ctx), void *ctx)
{
    pthread_t others[CREW_MAX - 1];
    size_t started = 0;
    while (started < CREW_MAX - 1 && started + 1 < wanted &&
           pthread_create(&others[started], NULL, work, ctx) == 0)
        started++;
    work(ctx);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    return started + 1;
}
