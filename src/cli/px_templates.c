// SPDX-License-Identifier: MIT
#include "cli/px_templates.h"

#include <string.h>

PxTemplates *px_templates_given(const PxTemplateArgs *args, Err *err)
{
    PxTemplateTexts texts = *px_templates_named(args->set);
    const char *image = args->image ? args->image : args->image_alias;
    texts.root = args->root ? args->root : texts.root;
    texts.study = args->study ? args->study : texts.study;
    texts.series = args->series ? args->series : texts.series;
    texts.image = image ? image : texts.image;
    PxMissing missing = strcmp(args->set, "oxidicom") ? PX_MISSING_NAME : PX_MISSING_BARE;
    if (args->missing)
        px_missing_named(args->missing, &missing);
    return px_templates_parse(&texts, missing, err);
}
