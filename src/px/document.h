// SPDX-License-Identifier: MIT
/*
 * The JSON that px tools exchange. A record is an object of attributes by keyword, each {"tag": "gggg,eeee", "value": text,
 * "label": keyword}, in tag order; synthetic ones have tag 0. An attribute without a value says so in words ("no value provided for
 * gggg,eeee"), as pypx does; px_value hides that again. Objects of different documents may be used by different threads.
 */
#ifndef GANTRY_PX_DOCUMENT_H
#define GANTRY_PX_DOCUMENT_H

#include "base/buf.h"
#include "base/err.h"
#include "dicom/dataset.h"

#include <jansson.h>

/* Bytes that are not UTF-8 become U+FFFD; NULL is "". */
json_t *px_text(const char *text);
/* Record number `index` (from 0) of the matches of a query. Never NULL. */
json_t *px_record(const DcmDataset *match, size_t index);
/* A synthetic member; takes `value`. */
void px_synthetic(json_t *record, const char *name, json_t *value, const char *label);
/* The value of an attribute; NULL when it is missing or has no value. Lives as long as the record. */
const char *px_value(const json_t *record, const char *keyword);
/* The same as a number that is not negative; false when it is none. */
bool px_count(const json_t *record, const char *keyword, uint64_t *out);

/* {"status", "data", "command", "returncode"}; takes `data`. */
json_t *px_outcome(bool ok, json_t *data, const char *command, int returncode);

/* A document from outside: an object, or err. */
json_t *px_document_read(Span text, Err *err);
/* A configuration value of ours: any JSON value. `what` names it in err. */
json_t *px_json_read(Span text, const char *what, Err *err);
/* As pypx prints: four blanks, ASCII, small hex digits; on one line when `compact`. With a newline. */
void px_document_write(const json_t *document, bool compact, Buf *out);

#endif
