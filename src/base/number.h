// SPDX-License-Identifier: MIT
/* Numbers as decimal text, whatever the locale is. Each writes a C string and returns its length. */
#ifndef GANTRY_BASE_NUMBER_H
#define GANTRY_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT = 40 };

size_t number_u64(uint64_t value, char out[NUMBER_TEXT]);
size_t number_i64(int64_t value, char out[NUMBER_TEXT]);
/* A finite number with as few digits as read back the same, but as many as are sure to be right: 15, and 6 of a float. Zeros at the end are left out; an exponent is
   written as printf("%g") has it. */
size_t number_double(double value, char out[NUMBER_TEXT]);
size_t number_float(float value, char out[NUMBER_TEXT]);

#endif
