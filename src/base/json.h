// SPDX-License-Identifier: MIT
/*
 * A streaming JSON writer onto a Buf: commas, quoting and nesting are its business. Text must be UTF-8; bytes that are
 * not become U+FFFD. Used by DICOM JSON (dicom/json.h) and by every `--json`.
 */
#ifndef GANTRY_BASE_JSON_H
#define GANTRY_BASE_JSON_H

#include "base/buf.h"

typedef struct JsonWriter {
    Buf *out;
    bool comma; /* the next value or key needs a comma in front */
} JsonWriter;

JsonWriter json_writer(Buf *out);
void json_begin_object(JsonWriter *w); /* { */
void json_end_object(JsonWriter *w);   /* } */
void json_begin_array(JsonWriter *w);  /* [ */
void json_end_array(JsonWriter *w);    /* ] */
void json_key(JsonWriter *w, const char *key);
void json_text(JsonWriter *w, Span text);
void json_cstr(JsonWriter *w, const char *text); /* NULL: null */
void json_int(JsonWriter *w, int64_t value);
void json_double(JsonWriter *w, double value); /* shortest text that reads back the same; not finite: null */
void json_bool(JsonWriter *w, bool value);
void json_nothing(JsonWriter *w);
void json_raw(JsonWriter *w, Span text); /* text that is JSON already */

/* "key": "text" and "key": 1 inside an object. */
void json_member(JsonWriter *w, const char *key, const char *text);
void json_member_int(JsonWriter *w, const char *key, int64_t value);

#endif
