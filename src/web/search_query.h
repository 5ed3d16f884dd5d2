// SPDX-License-Identifier: MIT
/*
 * The query of a search, PS3.18 §8.3.4 and §10.6.1: attribute=value, includefield, fuzzymatching, limit, offset. From parameters to an
 * identifier as C-FIND has one, so that one matcher serves both.
 *
 * An attribute is named by keyword or by eight hexadecimal digits, one in a sequence by a chain with dots ("00400275.00400009",
 * "RequestAttributesSequence.00400009"). Lists of UIDs and of codes (ModalitiesInStudy=CT,MR) are separated by commas or backslashes.
 */
#ifndef GANTRY_WEB_SEARCH_QUERY_H
#define GANTRY_WEB_SEARCH_QUERY_H

#include "dicom/dataset.h"
#include "dicom/level.h"
#include "web/http.h"

typedef struct WebSearch {
    DcmLevel level;
    DcmDataset *keys;    /* UTF-8: what is to match, and what is to be returned */
    bool all_attributes; /* includefield=all */
    bool fuzzy;          /* fuzzymatching=true */
    bool has_limit;
    uint64_t limit, offset;
    const char
        *matched; /* names of the attributes that have a value, "PatientName, Modality", for messages */
} WebSearch;

/*
 * `path`: UIDs that the path names, by level; NULL where it names none. Their level and those above are not in the answer's
 * default attributes, all others are (PS3.18 §10.6.3.3). ERR_USAGE (400) for what is wrong with a parameter, which it names.
 */
bool web_search_parse(Arena *arena, DcmLevel level, const char *const path[DCM_LEVEL_COUNT],
                      const HttpParameter *parameters, size_t count, WebSearch *out, Err *err);

#endif
