// SPDX-License-Identifier: MIT
/* A BASEMOUNT in a folder of its own for each test: TOP/log, TOP/data. Include last, it brings cmocka and the making of objects. */
#ifndef GANTRY_TESTS_PX_BASE_FIXTURE_H
#define GANTRY_TESTS_PX_BASE_FIXTURE_H

#include "px/base.h"

#include "../archive/archive_fixture.h"

static PxBase *base;

/* Names that tests can foresee: PatientID/Study/Series/Instance. */
static inline const PxTemplates *plain_names(void)
{
    static const PxTemplateTexts texts = {"%PatientID", "%StudyInstanceUID", "%SeriesInstanceUID",
                                          "%SOPInstanceUID"};
    static PxTemplates *templates;
    Err err = {0};
    if (!templates && !(templates = px_templates_parse(&texts, PX_MISSING_NAME, &err)))
        fail_msg("%s", err.text);
    return templates;
}

static inline PxBaseSettings in_top(bool create)
{
    static char log[80], data[80];
    snprintf(log, sizeof log, "%s/log", top);
    snprintf(data, sizeof data, "%s/data", top);
    return (PxBaseSettings){.log_path = log,
                            .data_path = data,
                            .templates = plain_names(),
                            .create = create,
                            .notice = take_notice};
}

static inline void open_base(void)
{
    Err err = {0};
    PxBaseSettings wish = in_top(true);
    base = px_base_open(&wish, &err);
    if (!base)
        fail_msg("%s", err.text);
    archive = px_base_archive(base, &err);
    if (!archive)
        fail_msg("%s", err.text);
}

static inline int make_base(void **state)
{
    memcpy(top, "/tmp/gantry-px-base-XXXXXX", sizeof "/tmp/gantry-px-base-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    notices[0] = 0;
    open_base();
    return 0;
}

static inline int drop_base(void **state)
{
    px_base_close(base);
    base = NULL;
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
