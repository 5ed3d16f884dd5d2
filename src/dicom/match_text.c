// SPDX-License-Identifier: MIT
/*
 * Single value and wildcard matching of text, PS3.4 C.2.2.2.1 and C.2.2.2.4. Both sides are brought to UTF-8 and folded as the options
 * say, but only where that changes anything: plain ASCII that is not folded is compared where it lies.
 */
#include "dicom/match_internal.h"
#include "dicom/pn.h"

#include <string.h>

typedef struct TextRules {
    bool charset, multi, pn, fold, accents, leading_space_counts;
} TextRules;

static TextRules rules_of(const DcmMatchOptions *o, DcmVr vr)
{
    const DcmVrInfo *info = dcm_vr_info(vr);
    TextRules r = {.charset = info->charset, .multi = info->multi, .pn = vr == DCM_VR_PN};
    r.leading_space_counts =
        vr == DCM_VR_ST || vr == DCM_VR_LT || vr == DCM_VR_UT || vr == DCM_VR_UC || vr == DCM_VR_UR;
    r.accents = r.pn && o->fold_accents;
    r.fold = r.pn ? o->fold_names || o->fold_accents : o->fold_text && vr != DCM_VR_AE && vr != DCM_VR_UR;
    return r;
}

static bool is_ascii(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 0x80 || s.p[i] == 0x1B || s.p[i] == '~')
            return false;
    return true;
}

static void append_value(Matcher *m, const DcmCharset *charset, Span value, TextRules r, Buf *out)
{
    if (!r.fold) {
        dcm_charset_decode(charset, value, r.pn, out);
        return;
    }
    buf_clear(&m->scratch);
    dcm_charset_decode(charset, value, r.pn, &m->scratch);
    dcm_fold(buf_span(&m->scratch), r.accents, out);
}

/* All values of the element as they are compared, with backslashes between. In place or in `buf`. */
static Span comparable(Matcher *m, MatchSide side, TextRules r, Buf *buf)
{
    Span rest = side.e->value;
    bool ascii = !r.charset || is_ascii(rest);
    if (ascii && !r.fold)
        return rest;
    buf_clear(buf);
    if (ascii) {
        dcm_fold(rest, r.accents, buf);
        return buf_span(buf);
    }
    const DcmCharset *charset = dcm_dataset_charset(side.ds);
    for (bool more = true; more;) {
        size_t end = r.multi ? dcm_charset_value_end(charset, rest, r.pn) : rest.n;
        append_value(m, charset, span_sub(rest, 0, end), r, buf);
        more = end < rest.n;
        if (more)
            buf_u8(buf, '\\');
        rest = span_sub(rest, end + 1, rest.n);
    }
    return buf_span(buf);
}

static Span trim(Span s, TextRules r)
{
    return r.leading_space_counts ? span_rtrim(s) : span_trim(s);
}

static bool has_wildcard(Span s)
{
    return span_index(s, '*') != SIZE_MAX || span_index(s, '?') != SIZE_MAX;
}

static bool same_text(Span key, Span value)
{
    return has_wildcard(key) ? dcm_wildcard(key, value) : span_eq(key, value);
}

/* The name without what says nothing: trailing delimiters of each group and of the whole. */
static Span whole_name(Matcher *m, const DcmPn *name)
{
    if (!name->group[1].n && !name->group[2].n)
        return name->group[0];
    buf_clear(&m->scratch);
    for (int g = 0; g < 3; g++) {
        if (g == 1 || (g == 2 && name->group[2].n))
            buf_u8(&m->scratch, '=');
        buf_append_span(&m->scratch, name->group[g]);
    }
    return buf_span(&m->scratch);
}

static bool same_groups(const DcmPn *key, const DcmPn *value)
{
    for (int g = 0; g < 3; g++)
        if (!span_eq(key->group[g], value->group[g]))
            return false;
    return true;
}

/* The groups that the key has; one that it leaves empty lets everything through, so that "=山田*" finds by the ideographs. */
static bool given_groups_match(const DcmPn *key, const DcmPn *value)
{
    for (int g = 0; g < 3; g++)
        if (key->group[g].n && !same_text(key->group[g], value->group[g]))
            return false;
    return true;
}

static bool same_name(Matcher *m, Span key, Span value, bool any_group)
{
    DcmPn wanted, have;
    dcm_pn_parse(key, &wanted);
    dcm_pn_parse(value, &have);
    if (has_wildcard(key) ? dcm_wildcard(key, whole_name(m, &have)) : same_groups(&wanted, &have))
        return true;
    if (!any_group)
        return false;
    if (wanted.group[1].n || wanted.group[2].n)
        return given_groups_match(&wanted, &have);
    for (int g = 0; wanted.group[0].n && g < 3; g++)
        if (have.group[g].n && same_text(wanted.group[0], have.group[g]))
            return true;
    return false;
}

static bool next_value(Span *rest, TextRules r, Span *value, bool *more)
{
    if (r.multi)
        return span_split(rest, '\\', value, more);
    bool first = *more;
    *more = false;
    *value = *rest;
    return first;
}

bool match_text(Matcher *m, MatchSide key, MatchSide candidate, DcmVr vr)
{
    TextRules r = rules_of(&m->options, vr);
    Span keys = comparable(m, key, r, &m->key_text), wanted, value;
    const Span values = comparable(m, candidate, r, &m->candidate_text);
    bool more_keys = true;
    while (next_value(&keys, r, &wanted, &more_keys)) {
        wanted = trim(wanted, r);
        Span rest = values;
        bool more = true;
        while (wanted.n && next_value(&rest, r, &value, &more)) {
            value = trim(value, r);
            if (value.n && (r.pn ? same_name(m, wanted, value, r.accents) : same_text(wanted, value)))
                return true;
        }
    }
    return false;
}
