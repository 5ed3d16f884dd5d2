// SPDX-License-Identifier: MIT
/* What the files of px/push*.c share. Only those files include this. */
#ifndef GANTRY_PX_PUSH_INTERNAL_H
#define GANTRY_PX_PUSH_INTERNAL_H

#include "px/push.h"

/* -- push_names.c -- */

/* Reads the head of each file and gives it its name. A file for which that fails has its error; false: nothing can be pushed. */
bool px_push_name_all(const PxPush *push, PxPushFiles *files, Err *err);

/* -- push_result.c -- */

json_t *px_push_result(const PxPush *push, const PxPushFiles *files, const PxPushTotals *totals,
                       const Err *err);
/* The record of each series that was pushed. */
bool px_push_record(const PxPush *push, const PxPushFiles *files, Err *err);

#endif
