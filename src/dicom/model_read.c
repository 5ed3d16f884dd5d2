// SPDX-License-Identifier: MIT
#include "dicom/model_read.h"
#include "dicom/dataset_build.h"
#include "dicom/model.h"
#include "dicom/tags.h"

#include <string.h>

void model_reader_init(ModelReader *r, Arena *arena, const char *format, bool keeps_meta, Err *err)
{
    *r = (ModelReader){.arena = arena, .err = err, .format = format, .keeps_meta = keeps_meta};
    buf_init(&r->path, 0);
    buf_init(&r->value, 0);
}

void model_reader_free(ModelReader *r)
{
    buf_free(&r->path);
    buf_free(&r->value);
}

bool model_reader_fail(ModelReader *r, const char *what)
{
    enum { SHOWN = 120 };
    const char *path = buf_cstr(&r->path), *cut = r->path.n > SHOWN ? "..." : "";
    path += r->path.n > SHOWN ? r->path.n - SHOWN : 0;
    return err_set(r->err, ERR_FORMAT, "%s: %s%s%s%s", r->format, cut, path, r->path.n ? ": " : "", what);
}

bool model_reader_short_of_memory(ModelReader *r)
{
    return err_set(r->err, ERR_LIMIT, "%s: the data set needs more memory than the limit allows", r->format);
}

DcmElement *model_reader_put(ModelReader *r, DcmDataset *ds, DcmTag tag, DcmVr vr)
{
    bool found;
    DcmElement *e = dcm_dataset_slot(ds, tag, &found);
    if (!e) {
        model_reader_short_of_memory(r);
        return NULL;
    }
    *e = (DcmElement){.tag = tag, .vr = vr};
    return e;
}

bool model_reader_put_value(ModelReader *r, DcmElement *e)
{
    size_t n = r->value.n + r->value.n % 2;
    if (!r->value.n)
        return !r->value.failed || model_reader_short_of_memory(r);
    uint8_t *copy = arena_try(r->arena, n);
    if (!copy || r->value.failed)
        return model_reader_short_of_memory(r);
    memcpy(copy, r->value.p, r->value.n);
    if (n > r->value.n)
        copy[n - 1] = (uint8_t)dcm_vr_info(e->vr)->pad;
    e->value = span_of(copy, n);
    e->length = (uint32_t)n;
    return true;
}

bool model_reader_put_uri(ModelReader *r, DcmElement *e, Span uri)
{
    char *copy = arena_try(r->arena, uri.n + 1);
    if (!copy)
        return model_reader_short_of_memory(r);
    if (uri.n)
        memcpy(copy, uri.p, uri.n);
    e->value = span_of(copy, uri.n);
    e->skipped = true;
    return true;
}

DcmDataset *model_reader_dataset(ModelReader *r)
{
    DcmDataset *ds = arena_try(r->arena, sizeof *ds);
    if (!ds) {
        model_reader_short_of_memory(r);
        return NULL;
    }
    ds->arena = r->arena;
    DcmElement *e = model_reader_put(r, ds, DCM_SpecificCharacterSet, DCM_VR_CS);
    buf_clear(&r->value);
    buf_append_cstr(&r->value, "ISO_IR 192");
    return e && model_reader_put_value(r, e) ? ds : NULL;
}

bool model_reader_leaves_out(const ModelReader *r, DcmTag tag)
{
    if (r->keeps_meta && r->depth == 0 && DCM_TAG_GROUP(tag) == 0x0002 && DCM_TAG_ELEMENT(tag) != 0)
        return false;
    return !model_has(tag) || tag == DCM_SpecificCharacterSet;
}
