// SPDX-License-Identifier: MIT
/* A whole file: recognition, meta group, data set. What is found in a prefix must agree with what the whole says. */
#include "fuzz.h"

#include "dicom/part10.h"

#include <string.h>

int fuzz_part10(const uint8_t *data, size_t size)
{
    Span bytes = span_of(data, size);
    DcmFileMeta meta, part;
    bool more = false;
    bool ok = dcm_file_meta_parse(bytes, false, &meta, NULL, NULL);
    if (dcm_file_meta_parse(span_sub(bytes, 0, size / 2), true, &part, &more, NULL) && ok &&
        memcmp(&meta, &part, sizeof meta) != 0 && !(part.defects & DCM_DEFECT_NO_META) && size > 300)
        fuzz_broken();
    if (ok && meta.data_offset > size)
        fuzz_broken();
    Arena *arena = arena_new(64u << 20);
    DcmReadOptions options = {.tolerate_truncated = true,
                              .limits = {.max_elements = 20000, .max_inflate_ratio = 200}};
    dcm_file_parse(arena, bytes, &options, &meta, NULL);
    arena_free(arena);
    return 0;
}
