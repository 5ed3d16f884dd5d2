// SPDX-License-Identifier: MIT
/* Templates of names on the command line, for the tools that put objects into the packed tree. */
#ifndef GANTRY_CLI_PX_TEMPLATES_H
#define GANTRY_CLI_PX_TEMPLATES_H

#include "cli/options.h"
#include "px/template.h"

typedef struct PxTemplateArgs {
    const char *set, *missing, *root, *study, *series, *image, *image_alias;
} PxTemplateArgs;

#define PX_TEMPLATE_DEFAULTS                                                                                 \
    {                                                                                                        \
        .set = "classic"                                                                                     \
    }
#define PX_TEMPLATE_OPTIONS(Args)                                                                            \
    {OPT_TEXT,                                                                                               \
     .name = "template-set",                                                                                 \
     .value = "SET",                                                                                         \
     .help = "templates of names: px-repack to 3.11, px-push, px-repack 3.12, oxidicom",                     \
     .at = offsetof(Args, templates.set),                                                                    \
     .choices = "classic push newest oxidicom"},                                                             \
        {OPT_TEXT, .name = "rootDirTemplate", .value = "TEMPLATE", .help = "instead of that of the set",     \
         .at = offsetof(Args, templates.root)},                                                              \
        {OPT_TEXT, .name = "studyDirTemplate", .value = "TEMPLATE", .help = "the same for studies",          \
         .at = offsetof(Args, templates.study)},                                                             \
        {OPT_TEXT, .name = "seriesDirTemplate", .value = "TEMPLATE", .help = "the same for series",          \
         .at = offsetof(Args, templates.series)},                                                            \
        {OPT_TEXT, .name = "imageTemplate", .value = "TEMPLATE", .help = "the same for files",               \
         .at = offsetof(Args, templates.image)},                                                             \
        {OPT_TEXT, .name = "imageFileTemplate", .value = "TEMPLATE",                                         \
         .help = "another name of --imageTemplate", .at = offsetof(Args, templates.image_alias)},            \
    {                                                                                                        \
        OPT_TEXT, .name = "missing", .value = "POLICY",                                                      \
                  .help = "what stands for an attribute that the object lacks: _Keyword, the "               \
                          "bare keyword, a hash, or the object is refused (name; for oxidicom bare)",        \
                  .at = offsetof(Args, templates.missing), .choices = "name bare hash reject"                \
    }

/* The templates that were asked for; the caller frees them. NULL and err (ERR_USAGE) when one is none. */
PxTemplates *px_templates_given(const PxTemplateArgs *args, Err *err);

#endif
