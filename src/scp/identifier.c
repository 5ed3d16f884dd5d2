// SPDX-License-Identifier: MIT
#include "scp/identifier.h"

#include "dicom/tags.h"
#include "dicom/value.h"

#include <stdio.h>

/* A list of ten thousand UIDs has 640 KB. */
enum { MAX_IDENTIFIER = 4 << 20 };

/* Each key comes back in each answer; the dictionary has half as many attributes. */
static const DcmReadOptions options = {.limits = {.max_elements = 10000}};

/* Each value is compared with each row. */
enum { MAX_VALUES = 20000 };

/* Values beyond the first of each key. Depth is bounded by the parser. */
static size_t count_more_values(const DcmDataset *ds)
{
    size_t n = 0;
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        for (size_t k = 0; k < e->value.n; k++)
            n += e->value.p[k] == '\\';
        for (uint32_t k = 0; e->vr == DCM_VR_SQ && k < e->item_count; k++)
            n += count_more_values(e->items[k]);
    }
    return n;
}

static void find_level(ScpIdentifier *id, Err *why)
{
    Span text = dcm_text_raw(id->keys, DCM_QueryRetrieveLevel, 0);
    if (!text.n)
        err_set(why, ERR_FORMAT, "Query/Retrieve Level (0008,0052) is missing");
    else if (!dcm_level_parse(text, &id->level))
        err_set(why, ERR_MISMATCH, "Query/Retrieve Level is none of PATIENT, STUDY, SERIES, IMAGE");
}

static void log_keys(const ScpIdentifier *id)
{
    if (!log_enabled(LOG_DEBUG, SCP_LOG_TRANSACTION))
        return;
    Buf line;
    buf_init(&line, 4096);
    for (size_t i = 0; i < id->keys->count; i++) {
        buf_clear(&line);
        dcm_element_describe(id->keys, &id->keys->elements[i], &line);
        log_debug(SCP_LOG_TRANSACTION, "identifier: %s", buf_cstr(&line));
    }
    buf_free(&line);
}

bool scp_identifier_read(ScpAssociation *a, const NetCommand *request, ScpIdentifier *out, Err *why, Err *err)
{
    const NetAccepted *context = net_context_by_id(a->net, request->context_id);
    *out = (ScpIdentifier){.context = context,
                           .model = scp_class(span_cstr(context->abstract_syntax), false)->model,
                           .syntax = dcm_transfer_syntax(span_cstr(context->transfer_syntax))};
    if (!request->has_data_set) {
        err_set(why, ERR_FORMAT, "the request has no identifier");
        return true;
    }
    buf_clear(&a->identifier);
    if (!net_data_all(a->net, MAX_IDENTIFIER, &a->identifier, why)) {
        if (why->code == ERR_LIMIT)
            return true;
        *err = *why;
        return false;
    }
    out->keys = dcm_dataset_parse(a->arena, buf_span(&a->identifier), out->syntax, &options, why);
    if (!out->keys)
        return true;
    log_keys(out);
    if (count_more_values(out->keys) >= MAX_VALUES)
        err_set(why, ERR_LIMIT, "the identifier lists more than %d values; ask in parts", MAX_VALUES);
    else
        find_level(out, why);
    return true;
}

const char *scp_identifier_name(const ScpIdentifier *identifier, char out[64])
{
    static const char *const models[] = {[ARC_PATIENT_ROOT] = "Patient Root",
                                         [ARC_STUDY_ROOT] = "Study Root",
                                         [ARC_PATIENT_STUDY_ONLY] = "Patient/Study Only"};
    snprintf(out, 64, "%s of %s", dcm_level_name(identifier->level), models[identifier->model]);
    return out;
}
