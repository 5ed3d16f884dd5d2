// SPDX-License-Identifier: MIT
/* Condition variables that wait until a Deadline, on the monotonic clock: setting the wall clock moves no wait. */
#ifndef GANTRY_BASE_COND_H
#define GANTRY_BASE_COND_H

#include "base/clock.h"
#include <pthread.h>

void cond_init(pthread_cond_t *cond);
/* As pthread_cond_wait, with `lock` held; may wake for nothing. False when the deadline has passed. */
bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, Deadline deadline);

#endif
