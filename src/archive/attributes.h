// SPDX-License-Identifier: MIT
/*
 * All attributes of an object, without the values that are large: of those the data set has VR, length and offset (DcmElement.skipped), so that pixel data is never
 * read. Where an object is stored in an encoding that must be changed first (big endian, deflated), offsets are those in explicit VR little endian,
 * as arc_reader yields it: ArcAttributes.syntax.
 */
#ifndef GANTRY_ARCHIVE_ATTRIBUTES_H
#define GANTRY_ARCHIVE_ATTRIBUTES_H

#include "archive/archive.h"

typedef struct ArcAttributes {
    DcmDataset *attributes; /* in the arena */
    const char *syntax; /* encoding that the offsets are of: the stored one, or explicit VR little endian */
} ArcAttributes;

/* Values longer than `max_value` bytes are left out, and those that are bytes without a text when they are longer than `max_binary`. */
bool arc_attributes(Archive *archive, Arena *arena, const IdxFile *file, uint32_t max_value,
                    uint32_t max_binary, ArcAttributes *out, Err *err);

#endif
