// SPDX-License-Identifier: MIT
/* The Native DICOM Model, PS3.19 A.1, as one XML 1.0 document in UTF-8. */
#include "dicom/xml.h"
#include "dicom/dict.h"
#include "dicom/model.h"
#include "dicom/pn.h"

#include <utf8proc.h>

typedef struct Writer {
    Model model;
    Buf *out;
    Buf creator;
} Writer;

static void write_dataset(Writer *x, const DcmDataset *ds);

/* -- characters -- */

static bool is_allowed(utf8proc_int32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xFFFD) || c >= 0x10000;
}

/* Line ends and tabs as references: a parser would make other characters of them. */
static void write_special(Buf *out, uint8_t c)
{
    if (c == '&')
        buf_append_cstr(out, "&amp;");
    else if (c == '<')
        buf_append_cstr(out, "&lt;");
    else if (c == '>')
        buf_append_cstr(out, "&gt;");
    else if (c == '"')
        buf_append_cstr(out, "&quot;");
    else if (is_allowed(c))
        buf_printf(out, "&#%d;", c);
    else
        buf_append_cstr(out, "\xEF\xBF\xBD");
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7F && c != '&' && c != '<' && c != '>' && c != '"';
}

static void write_escaped(Buf *out, Span s)
{
    while (s.n) {
        size_t n = 0;
        while (n < s.n && is_plain(s.p[n]))
            n++;
        buf_append(out, s.p, n);
        s = span_sub(s, n, s.n);
        if (!s.n)
            return;
        utf8proc_int32_t code;
        utf8proc_ssize_t step = utf8proc_iterate(s.p, s.n < 4 ? (utf8proc_ssize_t)s.n : 4, &code);
        if (s.p[0] < 0x80)
            write_special(out, s.p[0]);
        else if (step > 0 && is_allowed(code))
            buf_append(out, s.p, (size_t)step);
        else
            buf_append_cstr(out, "\xEF\xBF\xBD");
        s = span_sub(s, step > 0 ? (size_t)step : 1, s.n);
    }
}

static void write_leaf(Buf *out, const char *name, Span text)
{
    if (!text.n)
        return;
    buf_printf(out, "<%s>", name);
    write_escaped(out, text);
    buf_printf(out, "</%s>", name);
}

/* -- values -- */

static void write_name(Buf *out, Span text, unsigned number)
{
    static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
    static const char *const parts[] = {"FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix"};
    DcmPn name;
    dcm_pn_parse(text, &name);
    buf_printf(out, "<PersonName number=\"%u\">", number);
    for (int g = 0; g < 3; g++) {
        if (!name.group[g].n)
            continue;
        buf_printf(out, "<%s>", groups[g]);
        for (int c = 0; c < 5; c++)
            write_leaf(out, parts[c], name.component[g][c]);
        buf_printf(out, "</%s>", groups[g]);
    }
    buf_append_cstr(out, "</PersonName>");
}

static void write_value(Buf *out, Span text, unsigned number)
{
    buf_printf(out, "<Value number=\"%u\">", number);
    write_escaped(out, text);
    buf_append_cstr(out, "</Value>");
}

static void write_text(Writer *x, const DcmDataset *ds, const DcmElement *e)
{
    ModelText text = model_text(&x->model, ds, e);
    bool number = e->vr == DCM_VR_DS || e->vr == DCM_VR_IS;
    Span value;
    if (model_is_blank(&text))
        return;
    for (unsigned i = 1; model_text_next(&x->model, &text, &value); i++) {
        if (e->vr == DCM_VR_PN)
            write_name(x->out, value, i);
        else
            write_value(x->out, number ? span_trim(value) : value, i);
    }
}

static void write_numbers(Writer *x, const DcmDataset *ds, const DcmElement *e)
{
    ModelNumber number;
    for (unsigned i = 0; model_number(ds, e, i, &number); i++)
        write_value(x->out, span_of(number.text, number.n), i + 1);
}

static void write_items(Writer *x, const DcmElement *e)
{
    for (uint32_t i = 0; i < e->item_count; i++) {
        size_t mark = model_enter_item(&x->model, e->tag, i);
        buf_printf(x->out, "<Item number=\"%u\">", i + 1);
        write_dataset(x, e->items[i]);
        buf_append_cstr(x->out, "</Item>");
        model_leave(&x->model, mark);
    }
}

static void write_inline(Writer *x, const DcmDataset *ds, const DcmElement *e)
{
    buf_append_cstr(x->out, "<InlineBinary>");
    model_base64(ds, e, x->out);
    buf_append_cstr(x->out, "</InlineBinary>");
}

static void write_bulk(Writer *x)
{
    buf_append_cstr(x->out, "<BulkData uri=\"");
    write_escaped(x->out, buf_span(&x->model.scratch));
    buf_append_cstr(x->out, "\"/>");
}

/* -- elements -- */

/* A private element is known by its creator; the block it happens to have is left out of its tag (gggg00ee). */
static void write_opening(Writer *x, const DcmDataset *ds, const DcmElement *e)
{
    char hex[9];
    const DcmDictEntry *entry = DCM_TAG_IS_PRIVATE(e->tag) ? NULL : dcm_dict(e->tag);
    Span creator = dcm_creator(ds, e->tag);
    DcmTag tag = creator.n ? e->tag & 0xFFFF00FF : e->tag;
    buf_printf(x->out, "<DicomAttribute tag=\"%s\" vr=\"%s\"", dcm_tag_hex(tag, hex), model_vr(e));
    if (entry)
        buf_printf(x->out, " keyword=\"%s\"", entry->keyword);
    if (creator.n) {
        buf_clear(&x->creator);
        dcm_charset_decode(dcm_dataset_charset(ds), creator, false, &x->creator);
        buf_append_cstr(x->out, " privateCreator=\"");
        write_escaped(x->out, buf_span(&x->creator));
        buf_u8(x->out, '"');
    }
    buf_u8(x->out, '>');
}

static void write_element(Writer *x, const DcmDataset *ds, const DcmElement *e)
{
    ModelForm form = model_form(&x->model, e);
    if (form != MODEL_OMIT) {
        write_opening(x, ds, e);
        if (form == MODEL_TEXT)
            write_text(x, ds, e);
        else if (form == MODEL_NUMBER)
            write_numbers(x, ds, e);
        else if (form == MODEL_SEQUENCE)
            write_items(x, e);
        else if (form == MODEL_INLINE)
            write_inline(x, ds, e);
        else if (form == MODEL_BULK)
            write_bulk(x);
        buf_append_cstr(x->out, "</DicomAttribute>");
    }
}

static void write_dataset(Writer *x, const DcmDataset *ds)
{
    for (size_t i = 0; i < ds->count; i++)
        write_element(x, ds, &ds->elements[i]);
}

bool dcm_xml_write(Buf *out, const DcmDataset *ds, const DcmJsonOptions *options, Err *err)
{
    Writer x = {.out = out};
    model_init(&x.model, options);
    buf_init(&x.creator, 0);
    buf_append_cstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                         "<NativeDicomModel xmlns=\"http://dicom.nema.org/PS3.19/models/NativeDICOM\" "
                         "xml:space=\"preserve\">");
    write_dataset(&x, ds);
    buf_append_cstr(out, "</NativeDicomModel>\n");
    model_free(&x.model);
    buf_free(&x.creator);
    return !out->failed || err_set(err, ERR_LIMIT, "DICOM XML: the text grows beyond %zu bytes", out->limit);
}
