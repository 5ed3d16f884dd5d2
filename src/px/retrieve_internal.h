// SPDX-License-Identifier: MIT
/* What retrieve.c and retrieve_get.c share. Only those files include this. */
#ifndef GANTRY_PX_RETRIEVE_INTERNAL_H
#define GANTRY_PX_RETRIEVE_INTERNAL_H

#include "px/retrieve.h"

/* One C-GET on the mover's association. False with err also when an object was refused here. */
bool px_get_series(PxMover *mover, const DcmDataset *keys, ScuResult *result, Err *err);

#endif
