// SPDX-License-Identifier: MIT
/* What a template is made of, for its parser (template.c), the values (template_value.c) and the paths (template_path.c). */
#ifndef GANTRY_PX_TEMPLATE_INTERNAL_H
#define GANTRY_PX_TEMPLATE_INTERNAL_H

#include "base/buf.h"
#include "px/template.h"

enum { TEMPLATE_PARTS_MAX = 64, TEMPLATE_TEXT_MAX = 1024, TEMPLATE_PAD_MAX = 200 };

typedef enum PxLevel { PX_ROOT, PX_STUDY, PX_SERIES, PX_IMAGE, PX_LEVELS } PxLevel;

typedef enum PxFunction { FN_NONE, FN_PAD, FN_MD5, FN_SEAHASH, FN_STRMSK, FN_NOSPC, FN_NAME } PxFunction;

/* What a keyword means. */
typedef struct PxSubject {
    enum { SUBJECT_UNKNOWN, SUBJECT_ELEMENT, SUBJECT_AGE, SUBJECT_AGE_IN_DAYS } kind;
    DcmTag tag;
} PxSubject;

typedef struct PxPart {
    const char *keyword; /* NULL: literal text */
    const char *text;    /* that text */
    PxSubject subject;
    PxSubject seed; /* of FN_NAME */
    PxFunction function;
    uint32_t count;   /* of FN_PAD: width; of hashes: digits, 0 = all */
    const char *fill; /* of FN_PAD: the character; of FN_STRMSK: the mask; of FN_NOSPC: the text for a gap */
} PxPart;

typedef struct PxTemplate {
    PxPart parts[TEMPLATE_PARTS_MAX];
    size_t count;
} PxTemplate;

struct PxTemplates {
    Arena *arena;
    PxMissing missing;
    PxTemplate levels[PX_LEVELS];
};

/* Appends the value of a part that has a keyword, functions applied. *found = false: the object lacks it. */
bool template_value(const PxPart *part, const DcmDataset *dataset, Buf *out, bool *found, Err *err);
/* A value as pypx reads it. False when the object lacks it. */
bool template_element(const DcmDataset *dataset, DcmTag tag, Buf *out);

#endif
