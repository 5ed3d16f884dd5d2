// SPDX-License-Identifier: MIT
/*
 * Names of packed objects: the template language of pypx, parsed once, used by many threads.
 *
 * A template is text in which %Keyword stands for the value of an attribute and %_function|argument_Keyword for what a function makes of it:
 *   pad|width,char     filled up on the left (char: 0)            md5|n, seahash|n   the first n hex digits of the hash (all)
 *   strmsk|mask        * keeps a character, others replace it     nospc|text         what is no letter, digit or _ becomes text (nothing)
 *   name|otherKeyword  a made-up LAST^FIRST^ANON, always the same for one value of the other attribute (of its own without one)
 * PatientAge is computed from the dates when the object has none; AgeInDays always is. A keyword ends where the longest one known ends. A lone % is
 * itself. Values are read in the object's character set; several values of one attribute look as Python prints a list.
 *
 * What stands between slashes of the result is made safe as a whole: each run of other characters than A-Z a-z 0-9 . - becomes one '_', which for ASCII is what pypx
 * does. In addition
 *   - a value with characters outside ASCII is followed by '_' and 10 hex digits of its SeaHash, so that names which lose their
 *     letters stay apart
 *   - a component that is empty or begins with '.' gets '_' in front (folders that begin with a dot are not looked into)
 *   - one longer than 200 bytes is cut, and ends in '_' and 16 hex digits of its SeaHash (an image's name keeps its extension)
 */
#ifndef GANTRY_PX_TEMPLATE_H
#define GANTRY_PX_TEMPLATE_H

#include "dicom/dataset.h"

typedef struct PxTemplates PxTemplates;

typedef struct PxTemplateTexts {
    const char *root, *study, *series, *image;
} PxTemplateTexts;

extern const PxTemplateTexts px_templates_classic; /* px-repack 3.6 to 3.11 */
extern const PxTemplateTexts px_templates_push;    /* px-push and px-register */
extern const PxTemplateTexts px_templates_newest;  /* px-repack 3.12 */
extern const PxTemplateTexts px_templates_oxidicom;
/* By name: "classic", "push", "newest", "oxidicom". NULL = none of them. */
const PxTemplateTexts *px_templates_named(const char *name);

/* What stands for an attribute that the object lacks. One that is there without a value is empty. */
typedef enum PxMissing {
    PX_MISSING_NAME, /* the template's own text, as pypx: "_PatientName", "_pad_5_0_SeriesNumber" */
    PX_MISSING_BARE, /* the keyword, as oxidicom: "PatientName" */
    PX_MISSING_HASH, /* 7 hex digits, other ones for each patient, study, series, object: by the part of the path they are in */
    PX_MISSING_REJECT, /* the object has no name: ERR_REFUSED */
} PxMissing;
/* "name", "bare", "hash", "reject". False when it is none of them. */
bool px_missing_named(const char *name, PxMissing *out);

/* NULL and err (ERR_USAGE) when a template is empty, too long, or uses a function that there is not. The texts are not kept. */
PxTemplates *px_templates_parse(const PxTemplateTexts *texts, PxMissing missing, Err *err);
void px_templates_free(PxTemplates *templates); /* NULL is fine */
/* Must an attribute be kept for them? */
bool px_templates_want(const PxTemplates *templates, DcmTag tag);
/* "root/study/series/image", in the arena; a path below the tree whatever the values are. NULL and err on failure. */
const char *px_templates_path(const PxTemplates *templates, Arena *arena, const DcmDataset *dataset,
                              Err *err);

#endif
