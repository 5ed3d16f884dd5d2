// SPDX-License-Identifier: MIT
/* Form of the tables that tools/gen/dict_table.py and private_table.py make. For dict.c only. */
#ifndef GANTRY_DICOM_DICT_TABLE_H
#define GANTRY_DICOM_DICT_TABLE_H

#include "dicom/dict.h"

extern const DcmDictEntry dcm_dict_table[]; /* by tag; of two with the same tag the exact one first */
extern const size_t dcm_dict_table_count;
extern const uint16_t dcm_dict_by_keyword[]; /* indices into dcm_dict_table, by keyword */
extern const size_t dcm_dict_by_keyword_count;
extern const uint16_t dcm_dict_repeating[]; /* indices of the entries with a mask */
extern const size_t dcm_dict_repeating_count;

typedef struct DcmPrivateCreator {
    const char *name;
    uint16_t first, count; /* in dcm_private_entries */
} DcmPrivateCreator;

typedef struct DcmPrivateEntry {
    uint16_t group;
    uint8_t element; /* within the reserved block */
    uint8_t vr;
} DcmPrivateEntry;

extern const DcmPrivateCreator dcm_private_creators[]; /* bytewise by name */
extern const size_t dcm_private_creator_count;
extern const DcmPrivateEntry dcm_private_entries[]; /* of one creator: by group and element */

#endif
