// SPDX-License-Identifier: MIT
/*
 * The extended tags of an archive: attributes that are indexed besides the usual ones.
 *
 * app/tags.yml lists tags by level. app/extended_db.yml, which 'manage database extend' makes from it and which may be edited by hand, says
 * of each tag what its column is; when it is there it counts and tags.yml does not. What a tag is, and what its column is called, says
 * app/all_dicom_elements.csv, or the table in this program where that file is absent.
 */
#ifndef GANTRY_CLI_TAGS_H
#define GANTRY_CLI_TAGS_H

#include "base/buf.h"
#include "cli/settings.h"
#include "index/index.h"

typedef struct TagDefinition {
    IdxExtended index;
    const char *keyword, *vr; /* as the table has them: "US or SS" */
} TagDefinition;

typedef struct Tags {
    const char *file; /* that was read, as in messages: "app/tags.yml" */
    TagDefinition *list;
    size_t count;
    size_t bad; /* entries left out: `problems` has a line for each */
} Tags;

/* Of the file that counts. False only when it cannot be read at all. Everything lives in the arena. */
bool tags_load(Arena *arena, const char *folder, Tags *out, Buf *problems, Err *err);
/* Of tags.yml, whatever else is there. */
bool tags_read_list(Arena *arena, const char *folder, Tags *out, Buf *problems, Err *err);

/* What the index needs of them, in the arena. */
const IdxExtended *tags_for_index(Arena *arena, const Tags *tags);

/* extended_db.yml, and the same as JSON (SPHERE's .copy_extended.json). */
void tags_write_yaml(const Tags *tags, Buf *out);
void tags_write_json(const Tags *tags, Buf *out);

#define TAGS_LIST     "app/tags.yml"
#define TAGS_EXTENDED "app/extended_db.yml"

#endif
