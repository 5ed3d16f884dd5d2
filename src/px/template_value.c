// SPDX-License-Identifier: MIT
/*
 * Templates: values as pypx reads them (px/pytext.h), and what its functions make of them. Sequences and bulk data have no text here, as the head of an
 * object that comes in may lack them.
 */
#include "px/template_internal.h"

#include "dicom/datetime.h"
#include "dicom/dict.h"
#include "dicom/tags.h"
#include "px/pytext.h"
#include "px/seahash.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* -- values -- */

bool template_element(const DcmDataset *dataset, DcmTag tag, Buf *out)
{
    const DcmElement *e = dcm_find(dataset, tag);
    if (!e || e->vr == DCM_VR_SQ)
        return false;
    const DcmVrInfo *info = dcm_vr_info(e->vr == DCM_VR_UN ? dcm_dict_vr(tag, (Span){0}) : e->vr);
    return (info->text || info->multi) && px_python_text(dataset, e, out);
}

/* -- ages -- */

typedef enum DateIs { DATE_MISSING, DATE_EMPTY, DATE_THERE } DateIs;

/* YYYYMMDD or YYYY-MM-DD, in days. What is no date counts as missing. */
static DateIs date_of(const DcmDataset *dataset, DcmTag tag, int64_t *days)
{
    const DcmElement *e = dcm_find(dataset, tag);
    if (!e || e->skipped)
        return DATE_MISSING;
    Span text = span_trim(e->value);
    if (!text.n)
        return DATE_EMPTY;
    char digits[9] = "";
    if (text.n == 10 && text.p[4] == '-' && text.p[7] == '-')
        snprintf(digits, sizeof digits, "%.4s%.2s%.2s", (const char *)text.p, (const char *)text.p + 5,
                 (const char *)text.p + 8);
    else if (text.n == 8)
        span_copy(text, digits, sizeof digits);
    DcmTimeRange range;
    if (!dcm_da_parse(span_cstr(digits), &range))
        return DATE_MISSING;
    *days = range.from / DCM_DAY_US;
    return DATE_THERE;
}

static bool age_in_days(const DcmDataset *dataset, int64_t *days)
{
    int64_t born = 0, studied = 0;
    DateIs birth = date_of(dataset, DCM_PatientBirthDate, &born),
           study = date_of(dataset, DCM_StudyDate, &studied);
    if (birth == DATE_MISSING || study == DATE_MISSING)
        return false;
    *days = birth == DATE_EMPTY || study == DATE_EMPTY ? 0 : studied > born ? studied - born : born - studied;
    return true;
}

/* To the nearest; halves to the even one, as Python rounds. */
static int64_t rounded(int64_t days, int64_t unit)
{
    int64_t whole = days / unit, twice = 2 * (days % unit);
    return twice > unit || (twice == unit && whole % 2) ? whole + 1 : whole;
}

static void append_age(int64_t days, Buf *out)
{
    if (days >= 365)
        buf_printf(out, "%03" PRId64 "Y", rounded(days, 365));
    else if (days >= 30)
        buf_printf(out, "%03" PRId64 "M", rounded(days, 30));
    else if (days >= 7)
        buf_printf(out, "%03" PRId64 "W", rounded(days, 7));
    else
        buf_printf(out, "%03" PRId64 "D", days);
}

static bool append_subject(const PxSubject *subject, const DcmDataset *dataset, Buf *out)
{
    int64_t days;
    if (subject->kind == SUBJECT_UNKNOWN)
        return false;
    if (subject->kind != SUBJECT_AGE_IN_DAYS && template_element(dataset, subject->tag, out))
        return true;
    if (subject->kind == SUBJECT_ELEMENT || !age_in_days(dataset, &days))
        return false;
    if (subject->kind == SUBJECT_AGE)
        append_age(days, out);
    else
        buf_printf(out, "%06" PRId64 "d", days);
    return true;
}

/* -- functions -- */

/* Length of the character at `at`; the text is UTF-8. */
static size_t character(Span s, size_t at)
{
    size_t n = span_utf8_length(span_sub(s, at, SIZE_MAX));
    return n ? n : 1;
}

static size_t characters(Span s)
{
    size_t count = 0;
    for (size_t at = 0; at < s.n; at += character(s, at))
        count++;
    return count;
}

static void pad(const PxPart *part, Span value, Buf *out)
{
    for (size_t have = characters(value); have < part->count; have++)
        buf_append_cstr(out, part->fill);
    buf_append_span(out, value);
}

static bool md5(const PxPart *part, Span value, Buf *out, Err *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_Digest(value.p, value.n, digest, &n, EVP_md5(), NULL))
        return err_set(err, ERR_UNSUPPORTED,
                       "this system's OpenSSL refuses MD5, which a template wants; use "
                       "seahash");
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return buf_append(out, hex, part->count ? part->count : 2 * n);
}

static void seahash(const PxPart *part, Span value, Buf *out)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%" PRIx64, px_seahash(value));
    buf_append_span(out, span_sub(span_cstr(hex), 0, part->count ? part->count : SIZE_MAX));
}

static void mask(const PxPart *part, Span value, Buf *out)
{
    Span masks = span_cstr(part->fill);
    for (size_t at = 0, m = 0; at < value.n && m < masks.n;) {
        size_t of_value = character(value, at), of_mask = character(masks, m);
        buf_append_span(out, masks.p[m] == '*' ? span_sub(value, at, of_value) : span_sub(masks, m, of_mask));
        at += of_value;
        m += of_mask;
    }
}

static bool is_word(Span c)
{
    utf8proc_int32_t code;
    if (utf8proc_iterate(c.p, (utf8proc_ssize_t)c.n, &code) <= 0)
        return false;
    utf8proc_category_t category = utf8proc_category(code);
    return code == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

static void close_gaps(const PxPart *part, Span value, Buf *out)
{
    bool in_gap = false;
    for (size_t at = 0, n; at < value.n; at += n) {
        n = character(value, at);
        bool word = is_word(span_sub(value, at, n));
        if (word)
            buf_append_span(out, span_sub(value, at, n));
        else if (!in_gap)
            buf_append_cstr(out, part->fill);
        in_gap = !word;
    }
}

/* A family name and a first name of three syllables each: of 2^30 names, few people share one. */
static void made_up_name(Span seed, Buf *out)
{
    static const char syllables[32][3] = {"BA", "BE", "BI", "BO", "DA", "DE", "DO", "FA", "FE", "GA", "GO",
                                          "KA", "KE", "KI", "LA", "LE", "LI", "LO", "MA", "ME", "MI", "NA",
                                          "NO", "PA", "RA", "RE", "RI", "RO", "SA", "SO", "TA", "VE"};
    uint64_t hash = px_seahash(seed);
    for (int i = 0; i < 6; i++, hash >>= 5)
        buf_printf(out, "%s%s", i == 3 ? "^" : "", syllables[hash % 32]);
    buf_append_cstr(out, "^ANON");
}

bool template_value(const PxPart *part, const DcmDataset *dataset, Buf *out, bool *found, Err *err)
{
    if (part->function == FN_NONE) {
        *found = append_subject(&part->subject, dataset, out);
        return true;
    }
    Buf plain;
    buf_init(&plain, 0);
    bool ok = true;
    *found = append_subject(part->function == FN_NAME ? &part->seed : &part->subject, dataset, &plain);
    Span value = buf_span(&plain);
    if (*found && part->function == FN_PAD)
        pad(part, value, out);
    else if (*found && part->function == FN_MD5)
        ok = md5(part, value, out, err);
    else if (*found && part->function == FN_SEAHASH)
        seahash(part, value, out);
    else if (*found && part->function == FN_STRMSK)
        mask(part, value, out);
    else if (*found && part->function == FN_NOSPC)
        close_gaps(part, value, out);
    else if (*found)
        made_up_name(value, out);
    buf_free(&plain);
    return ok;
}
