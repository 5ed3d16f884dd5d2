// SPDX-License-Identifier: MIT
#include "scp/answer.h"

#include "dicom/charset.h"
#include "dicom/tags.h"
#include "dicom/value.h"
#include "dicom/vr.h"

/* ASCII means the same in every character set, but for these two in ISO_IR 13. */
static bool is_common(Span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] >= 0x80 || text.p[i] == '~' || text.p[i] == '\\')
            return false;
    return true;
}

static bool value_fits(const DcmCharset *charset, const DcmElement *e, Buf *scratch)
{
    const DcmVrInfo *vr = dcm_vr_info(e->vr);
    Span rest = e->value, part = e->value;
    bool more = true, fits = true;
    while (fits && more && (!vr->multi || span_split(&rest, '\\', &part, &more))) {
        buf_clear(scratch);
        fits = dcm_charset_encode(charset, part, e->vr == DCM_VR_PN, scratch);
        more = more && vr->multi;
    }
    return fits;
}

/* Depth is bounded: the index built the data set. */
static bool all_fits(const DcmCharset *charset, const DcmDataset *ds, Buf *scratch)
{
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        if (e->vr == DCM_VR_SQ) {
            for (uint32_t k = 0; k < e->item_count; k++)
                if (!all_fits(charset, e->items[k], scratch))
                    return false;
        } else if (dcm_vr_info(e->vr)->charset && !is_common(e->value) && !value_fits(charset, e, scratch)) {
            return false;
        }
    }
    return true;
}

static bool is_all_common(const DcmDataset *ds)
{
    for (size_t i = 0; i < ds->count; i++) {
        const DcmElement *e = &ds->elements[i];
        if (e->vr == DCM_VR_SQ || (dcm_vr_info(e->vr)->charset && !is_common(e->value)))
            return false;
    }
    return true;
}

/* `common`: every character set will do. */
static const DcmCharset *choose_charset(const DcmDataset *keys, const IdxRow *row, bool common)
{
    const DcmElement *asked = dcm_find(keys, DCM_SpecificCharacterSet);
    const Span terms[] = {asked ? asked->value : (Span){0}, span_cstr(row->stored_charset),
                          SPAN("ISO_IR 100")};
    const DcmCharset *chosen = NULL;
    Buf scratch;
    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; !chosen && i < sizeof terms / sizeof *terms; i++) {
        bool known = true;
        const DcmCharset *charset = dcm_charset(terms[i], &known);
        if (known && *dcm_charset_terms(charset) && (common || all_fits(charset, row->attributes, &scratch)))
            chosen = charset;
    }
    buf_free(&scratch);
    return chosen ? chosen : dcm_charset_utf8();
}

static bool is_ours(DcmTag tag)
{
    return tag == DCM_SpecificCharacterSet || tag == DCM_QueryRetrieveLevel || tag == DCM_RetrieveAETitle ||
           tag == DCM_InstanceAvailability;
}

DcmDataset *scp_answer(Arena *arena, const ScpIdentifier *identifier, const IdxRow *row, const char *ae_title)
{
    bool common = is_all_common(row->attributes);
    const DcmCharset *charset = choose_charset(identifier->keys, row, common);
    DcmDataset *answer = common ? row->attributes : dcm_dataset_new(arena);
    dcm_put(answer, DCM_SpecificCharacterSet, DCM_VR_CS, span_cstr(dcm_charset_terms(charset)));
    dcm_put(answer, DCM_QueryRetrieveLevel, DCM_VR_CS, span_cstr(dcm_level_name(identifier->level)));
    dcm_put(answer, DCM_RetrieveAETitle, DCM_VR_AE, span_cstr(ae_title));
    dcm_put(answer, DCM_InstanceAvailability, DCM_VR_CS, SPAN("ONLINE"));
    for (size_t i = 0; !common && i < row->attributes->count; i++)
        if (!is_ours(row->attributes->elements[i].tag))
            dcm_copy(answer, row->attributes, &row->attributes->elements[i]);
    return answer;
}
