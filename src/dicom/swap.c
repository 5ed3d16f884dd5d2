// SPDX-License-Identifier: MIT
#include "dicom/swap.h"

void dcm_swap(uint8_t *p, size_t n, unsigned unit)
{
    if (unit < 2)
        return;
    for (size_t i = 0; n - i >= unit; i += unit)
        for (unsigned a = 0, b = unit - 1; a < b; a++, b--) {
            uint8_t byte = p[i + a];
            p[i + a] = p[i + b];
            p[i + b] = byte;
        }
}
