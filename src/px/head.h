// SPDX-License-Identifier: MIT
/* The attributes of a DICOM file up to its pixel data, of which nothing is read; large values are left out (DcmElement.skipped). */
#ifndef GANTRY_PX_HEAD_H
#define GANTRY_PX_HEAD_H

#include "dicom/part10.h"

/* The data set lives in the arena. `meta` may be NULL. NULL and err (ERR_FORMAT when it is no DICOM file) on failure; the path is not in err. */
DcmDataset *px_head_read(Arena *arena, const char *path, DcmFileMeta *meta, Err *err);

#endif
