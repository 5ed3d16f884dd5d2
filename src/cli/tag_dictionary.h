// SPDX-License-Identifier: MIT
/* app/all_dicom_elements.csv: tag, keyword, name, VR, column name, type (String, Text), size. Tags may have "xx" for any two digits. */
#ifndef GANTRY_CLI_TAG_DICTIONARY_H
#define GANTRY_CLI_TAG_DICTIONARY_H

#include "base/arena.h"
#include "base/err.h"
#include "dicom/tag.h"

#define TAG_DICTIONARY "app/all_dicom_elements.csv"

typedef struct TagDictionary TagDictionary;

typedef struct TagMeaning {
    const char *keyword, *vr, *column;
    bool text; /* a column without limit */
    int chars;
} TagMeaning;

/* The archive's file, or the one that sphere-admin writes when the archive has none. In the arena. */
const TagDictionary *tag_dictionary_load(Arena *arena, const char *folder, Err *err);
bool tag_dictionary_find(const TagDictionary *dictionary, Arena *arena, DcmTag tag, TagMeaning *out);
/* The text of the file that sphere-admin writes. */
Span tag_dictionary_text(void);

#endif
