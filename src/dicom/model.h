// SPDX-License-Identifier: MIT
/*
 * What the JSON and XML models share (dicom/json_write.c, dicom/xml.c): values of an element as text, one after the other; base64 in
 * little endian; the choice between inline and bulk data, with the attribute path.
 */
#ifndef GANTRY_DICOM_MODEL_H
#define GANTRY_DICOM_MODEL_H

#include "base/number.h"
#include "dicom/json.h"

/* One writing of a data set. */
typedef struct Model {
    const DcmJsonOptions *options; /* NULL = defaults */
    Buf path;                      /* of the item being written: "00081140/0/" */
    Buf scratch;                   /* the value or URI at hand */
    const DcmDataset *charset_of;  /* whose character set was looked up last */
    const DcmCharset *charset;
} Model;

void model_init(Model *m, const DcmJsonOptions *options);
void model_free(Model *m);

/* Into an item of a sequence and out of it again: give back what model_enter_item returned. */
size_t model_enter_item(Model *m, DcmTag sequence, uint32_t index);
void model_leave(Model *m, size_t mark);

/* Not a group length, a command element or one of the file meta group. */
bool model_has(DcmTag tag);

/* How the value of an element is to be written. */
typedef enum ModelForm {
    MODEL_OMIT, /* not at all: group lengths, group 0002, values that are not there to write */
    MODEL_EMPTY,
    MODEL_TEXT,   /* model_text_*; (0008,0005) says ISO_IR 192 */
    MODEL_NUMBER, /* model_number */
    MODEL_SEQUENCE,
    MODEL_INLINE,
    MODEL_BULK, /* the URI is in m->scratch */
} ModelForm;

ModelForm model_form(Model *m, const DcmElement *e);
/* "PN": of the element as it is written; (0008,0005) is CS even where the object calls it UN. */
const char *model_vr(const DcmElement *e);

/* Values of a text element in UTF-8, without padding. The first call needs `more` true; `value` may lie in m->scratch. */
typedef struct ModelText {
    Span rest;
    const DcmCharset *charset; /* NULL: as it is */
    bool pn, multi, more;
} ModelText;

ModelText model_text(Model *m, const DcmDataset *ds, const DcmElement *e);
/* Nothing but padding, in a name also delimiters: an empty value. */
bool model_is_blank(const ModelText *text);
bool model_text_next(Model *m, ModelText *text, Span *value);

/* A binary value in decimal (AT: eight hexadecimal digits). */
typedef struct ModelNumber {
    char text[NUMBER_TEXT];
    size_t n;
    bool plain; /* it is a JSON number */
} ModelNumber;

/* Value i; false behind the last one. */
bool model_number(const DcmDataset *ds, const DcmElement *e, size_t i, ModelNumber *out);

void model_base64(const DcmDataset *ds, const DcmElement *e, Buf *out);

#endif
