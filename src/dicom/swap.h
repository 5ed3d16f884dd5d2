// SPDX-License-Identifier: MIT
/* Byte order of values, PS3.5 §7.3. For the sources of this room. */
#ifndef GANTRY_DICOM_SWAP_H
#define GANTRY_DICOM_SWAP_H

#include <stddef.h>
#include <stdint.h>

/* Reverses each whole unit of 2, 4 or 8 bytes in place; other units and a rest stay as they are. */
void dcm_swap(uint8_t *p, size_t n, unsigned unit);

#endif
