// SPDX-License-Identifier: MIT
/* What is written beside the file of an annotation: what it belongs to, as one JSON object. Pure functions. */
#ifndef GANTRY_ARCHIVE_ANNOTATION_NOTE_H
#define GANTRY_ARCHIVE_ANNOTATION_NOTE_H

#include "base/buf.h"
#include "index/annotations.h"

void annotation_note_write(const IdxAnnotation *annotation, Buf *out);
/* False when it is none, or not whole. Strings in the arena; the path is not in it. */
bool annotation_note_read(Arena *arena, Span text, IdxAnnotation *out);

#endif
