// SPDX-License-Identifier: MIT
/*
 * From the value of Specific Character Set to a DcmCharset. Terms are compared by their letters and digits only,
 * which covers the misspellings of the field. A DcmCharset is made once for each combination of terms and kept for the life
 * of the program in a table that only grows and is read without locks; its size is bounded, so that hostile
 * combinations cannot fill memory: beyond the bound a list means its first term alone (reading honours every
 * known escape sequence anyway).
 */
#include "dicom/charset_internal.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_SIZE = 4096, TABLE_LIMIT = 2048 };

static _Atomic(DcmCharset *) table[TABLE_SIZE];
static atomic_size_t table_count;

const CharSet *charset_row(uint16_t ir, bool extension)
{
    for (size_t i = 0; i < charset_row_count; i++)
        if (charset_rows[i].ir == ir && charset_rows[i].extension == extension)
            return &charset_rows[i];
    return NULL;
}

static const CharSet *row_by_term(const char *term)
{
    for (size_t i = 0; i < charset_row_count; i++)
        if (strcmp(charset_rows[i].term, term) == 0)
            return &charset_rows[i];
    return NULL;
}

/* -- terms -- */

static const struct {
    const char *squeezed;
    uint16_t ir; /* 0: the term GB18030 */
    bool extension;
} other_names[] = {
    {"GB18030", 0, false},   {"GB180302000", 0, false}, {"GBK", 0, false},           {"CP936", 0, false},
    {"GB2312", 0, false},    {"UTF8", 192, false},      {"UNICODE", 192, false},     {"ISO10646", 192, false},
    {"LATIN1", 100, false},  {"CP1252", 100, false},    {"WINDOWS1252", 100, false}, {"LATIN2", 101, false},
    {"LATIN3", 109, false},  {"LATIN4", 110, false},    {"LATIN5", 148, false},      {"LATIN9", 203, false},
    {"ASCII", 6, false},     {"USASCII", 6, false},     {"ISO646", 6, false},        {"TIS620", 166, false},
    {"SHIFTJIS", 13, false}, {"SJIS", 13, false},       {"CP932", 13, false},        {"JISX0201", 13, false},
    {"ISO2022JP", 87, true}, {"JISX0208", 87, true},    {"JISX0212", 159, true},     {"EUCKR", 149, true},
    {"KSX1001", 149, true},  {"KSC5601", 149, true},    {"CP949", 149, true},        {"UHC", 149, true},
    {"EUCCN", 58, true},     {"ISO2022KR", 149, true},  {"ISO2022CN", 58, true},
};

/* Parts of ISO 8859, by number. */
static const uint16_t iso_8859[] = {0, 100, 101, 109, 110, 144, 127, 126, 138, 148, 0, 166, 0, 0, 0, 203};

/* Letters and digits of the term, in capitals; false when they do not fit. */
static bool squeeze(Span term, char out[24])
{
    size_t n = 0;
    for (size_t i = 0; i < term.n; i++) {
        if (!isalnum(term.p[i]))
            continue;
        if (n == 23)
            return false;
        out[n++] = (char)toupper(term.p[i]);
    }
    out[n] = 0;
    return true;
}

static const char *skip(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : text;
}

/* "ISO2022IR87", "ISOIR100", "IR100", "ISO2022100" ... */
static const CharSet *row_of_registration(const char *squeezed)
{
    const char *iso = skip(squeezed, "ISO"), *code = skip(iso, "2022"), *number = skip(code, "IR");
    bool extension = code > iso;
    int64_t ir;
    if (number == squeezed || !isdigit((unsigned char)*number) ||
        !span_to_i64(span_cstr(number), 0, 999, &ir))
        return NULL;
    if (ir == 6 && !extension)
        return row_by_term("");
    const CharSet *row = charset_row((uint16_t)ir, extension);
    return row ? row : charset_row((uint16_t)ir, !extension);
}

static const CharSet *row_of_8859(const char *squeezed)
{
    enum { PARTS = sizeof iso_8859 / sizeof *iso_8859 };
    const char *iso = skip(squeezed, "ISO"), *number = skip(iso, "8859");
    int64_t part;
    if (number == iso || !span_to_i64(span_cstr(number), 1, PARTS - 1, &part) || !iso_8859[part])
        return NULL;
    return charset_row(iso_8859[part], false);
}

/* NULL when the term is unknown. */
static const CharSet *row_of_term(Span term)
{
    for (size_t i = 0; i < charset_row_count; i++)
        if (span_eq_cstr(term, charset_rows[i].term))
            return &charset_rows[i];
    char squeezed[24];
    if (!squeeze(term, squeezed))
        return NULL;
    if (!*squeezed)
        return row_by_term("");
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++) {
        if (strcmp(squeezed, other_names[i].squeezed) != 0)
            continue;
        if (other_names[i].ir == 0)
            return row_by_term(strcmp(squeezed, "GBK") == 0 ? "GBK" : "GB18030");
        return other_names[i].ir == 6 ? row_by_term("")
                                      : charset_row(other_names[i].ir, other_names[i].extension);
    }
    const CharSet *row = row_of_registration(squeezed);
    return row ? row : row_of_8859(squeezed);
}

/* -- lists of terms -- */

static bool stands_alone(const CharSet *row)
{
    return row->kind == SET_UTF8 || row->kind == SET_GB;
}

static void add_set(DcmCharset *c, const CharSet *row)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->set[i] == row || (c->set[i]->ir == row->ir && row->ir == 6))
            return;
    if (c->count < CHARSET_MAX_SETS)
        c->set[c->count++] = row;
}

/* In a list every term is one with code extensions, whatever was written; the default repertoire in front stays. */
static const CharSet *with_extension(const CharSet *row)
{
    const CharSet *extended = row->ir && row->ir != 6 ? charset_row(row->ir, true) : NULL;
    return extended ? extended : row;
}

/* Fills c->set. False when a term is unknown or may not stand where it stands. */
static bool read_terms(DcmCharset *c, Span value)
{
    bool more = true, known = true, list = span_index(value, '\\') != SIZE_MAX;
    Span term;
    while (span_split(&value, '\\', &term, &more)) {
        const CharSet *row = row_of_term(span_trim(term));
        if (!row) {
            known = false;
        } else if (stands_alone(row)) {
            if (c->count && c->set[0]->kind != SET_ASCII)
                continue;
            c->set[0] = row;
            c->count = 1;
            return known;
        } else {
            add_set(c, list ? with_extension(row) : row);
        }
        if (!c->count)
            add_set(c, row_by_term(""));
    }
    /* "ISO 2022 IR 87" without the backslash in front: value 1 has to be a single-byte set. */
    if (c->set[0]->kind == SET_DOUBLE_G0 || c->set[0]->kind == SET_DOUBLE_G1) {
        memmove(c->set + 1, c->set, (CHARSET_MAX_SETS - 1) * sizeof *c->set);
        c->set[0] = row_by_term("");
        if (c->count < CHARSET_MAX_SETS)
            c->count++;
    }
    return known;
}

static void settle(DcmCharset *c)
{
    const CharSet *first = c->set[0], *ascii = row_by_term("");
    c->extension = c->count > 1 || first->extension;
    c->g0 = first->kind == SET_JIS_X_0201 ? first : ascii;
    c->g1 = first->kind == SET_ASCII ? NULL : first;
    for (size_t i = 0; i < c->count && !c->lone_g1; i++)
        if (*c->set[i]->escape_g1)
            c->lone_g1 = c->set[i];
}

/* -- the table of combinations -- */

static bool same_sets(const DcmCharset *a, const DcmCharset *b)
{
    return a->count == b->count && memcmp(a->set, b->set, a->count * sizeof *a->set) == 0;
}

static size_t slot_of(const DcmCharset *c)
{
    size_t hash = 5381;
    for (size_t i = 0; i < c->count; i++)
        hash = hash * 33 + (size_t)(c->set[i] - charset_rows);
    return hash % TABLE_SIZE;
}

static char *join_terms(const DcmCharset *c)
{
    size_t n = 1;
    for (size_t i = 0; i < c->count; i++)
        n += strlen(c->set[i]->term) + 1;
    char *terms = malloc(n), *at = terms;
    if (!terms)
        abort();
    for (size_t i = 0; i < c->count; i++) {
        if (i)
            *at++ = '\\';
        at = stpcpy(at, c->set[i]->term);
    }
    *at = 0;
    return terms;
}

static DcmCharset *keep(const DcmCharset *wanted)
{
    DcmCharset *kept = malloc(sizeof *kept);
    if (!kept)
        abort();
    *kept = *wanted;
    kept->terms = join_terms(wanted);
    settle(kept);
    return kept;
}

static void discard(DcmCharset *c)
{
    if (c)
        free((char *)c->terms);
    free(c);
}

/* The kept charset of these sets; makes it when it is new. */
static const DcmCharset *intern(DcmCharset *wanted)
{
    DcmCharset *fresh = NULL;
    if (wanted->count > 1 && atomic_load(&table_count) >= TABLE_LIMIT)
        wanted->count = 1;
    for (size_t slot = slot_of(wanted);; slot = (slot + 1) % TABLE_SIZE) {
        DcmCharset *there = atomic_load_explicit(&table[slot], memory_order_acquire);
        if (!there) {
            if (!fresh)
                fresh = keep(wanted);
            if (atomic_compare_exchange_strong(&table[slot], &there, fresh)) {
                atomic_fetch_add(&table_count, 1);
                return fresh;
            }
        }
        if (same_sets(there, wanted)) {
            discard(fresh);
            return there;
        }
    }
}

/* A thread meets few values, again and again: with each data set. */
typedef struct Recent {
    const DcmCharset *charset; /* NULL = nothing yet */
    bool known;
    uint8_t n, value[32];
} Recent;

static const DcmCharset *read_value(Span value, bool *known)
{
    DcmCharset wanted = {0};
    *known = read_terms(&wanted, value);
    return intern(&wanted);
}

const DcmCharset *dcm_charset(Span value, bool *known)
{
    static _Thread_local Recent recent[4];
    value = span_rtrim(value);
    Recent *r = &recent[value.n % 4];
    if (!r->charset || !span_eq(value, span_of(r->value, r->n))) {
        bool all_known;
        const DcmCharset *charset = read_value(value, &all_known);
        if (value.n > sizeof r->value) {
            if (known)
                *known = all_known;
            return charset;
        }
        *r = (Recent){.charset = charset, .known = all_known, .n = (uint8_t)value.n};
        if (value.n)
            memcpy(r->value, value.p, value.n);
    }
    if (known)
        *known = r->known;
    return r->charset;
}

const DcmCharset *dcm_charset_default(void)
{
    return dcm_charset(SPAN(""), NULL);
}

const DcmCharset *dcm_charset_utf8(void)
{
    return dcm_charset(SPAN("ISO_IR 192"), NULL);
}

const char *dcm_charset_terms(const DcmCharset *charset)
{
    return charset->terms;
}
