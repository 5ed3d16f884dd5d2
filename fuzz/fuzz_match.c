// SPDX-License-Identifier: MIT
/* First byte: options; second: VR; third: length of the key; then the key and the candidate's value. */
#include "fuzz.h"

#include "base/cursor.h"
#include "dicom/datetime.h"
#include "dicom/match.h"

#include <string.h>

static bool is_ascii(Span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 0x80)
            return false;
    return true;
}

/* What a pattern means, by table: row[j] = the pattern so far matches the first j characters. */
static bool slow_wildcard(Span pattern, Span text)
{
    bool row[512] = {true};
    for (size_t i = 0; i < pattern.n; i++) {
        bool before = row[0];
        row[0] = row[0] && pattern.p[i] == '*';
        for (size_t j = 1; j <= text.n; j++) {
            bool here = row[j];
            if (pattern.p[i] == '*')
                row[j] = row[j] || row[j - 1];
            else
                row[j] = before && (pattern.p[i] == '?' || pattern.p[i] == text.p[j - 1]);
            before = here;
        }
    }
    return row[text.n];
}

static void check_ranges(Span s)
{
    bool (*const parse[])(Span, DcmTimeRange *) = {dcm_da_parse, dcm_tm_parse, dcm_dt_parse};
    bool (*const range[])(Span, DcmTimeRange *) = {dcm_da_range, dcm_tm_range, dcm_dt_range};
    char date[9], time[14];
    DcmTimeRange one, both;
    for (size_t i = 0; i < 3; i++) {
        if (parse[i](s, &one)) {
            if (one.from > one.to || (s.n <= 64 && !range[i](s, &both)))
                fuzz_broken();
            dcm_da_format(one.from, date);
            dcm_tm_format(one.to, time);
            if (strlen(date) != 8 || strlen(time) != 13)
                fuzz_broken();
        }
        range[i](s, &both);
    }
}

static DcmDataset *dataset(Arena *arena, DcmVr vr, Span value, bool japanese)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_TAG(0x0008, 0x0005), DCM_VR_CS, japanese ? SPAN("\\ISO 2022 IR 87") : SPAN("ISO_IR 192"));
    DcmTag tag = vr == DCM_VR_DA ? DCM_TAG(0x0008, 0x0020) : DCM_TAG(0x0008, 0x0030);
    if (vr != DCM_VR_SQ) {
        dcm_put(ds, tag, vr, value);
        return ds;
    }
    dcm_put_sequence(ds, tag);
    dcm_put(dcm_add_item(ds, tag), DCM_TAG(0x0010, 0x0010), DCM_VR_PN, value);
    return ds;
}

int fuzz_match(const uint8_t *data, size_t size)
{
    Cursor c = cur_of(span_of(data, size), false);
    uint8_t flags = cur_u8(&c);
    DcmVr vr = (DcmVr)(1 + cur_u8(&c) % (DCM_VR_COUNT - 1));
    size_t n = cur_u8(&c);
    if (c.failed || n > cur_left(&c))
        return 0;
    Span key = cur_take(&c, n), value = cur_take(&c, cur_left(&c));
    DcmMatchOptions options = {.fold_names = flags & 1,
                               .fold_accents = flags & 2,
                               .fold_text = flags & 4,
                               .combined_datetime = flags & 8,
                               .utc_offset_minutes = flags & 16 ? 60 : 0};
    Arena *arena = arena_new(0);
    DcmDataset *keys = dataset(arena, vr, key, flags & 32),
               *candidate = dataset(arena, vr, value, flags & 64);
    bool matches = dcm_match(keys, candidate, &options);
    const DcmElement *e = &keys->elements[1];
    if (dcm_match_is_universal(keys, e) && !matches)
        fuzz_broken();
    if (matches != dcm_match_element(keys, e, candidate, &options))
        fuzz_broken();
    if (is_ascii(key) && is_ascii(value) && value.n < 512 &&
        dcm_wildcard(key, value) != slow_wildcard(key, value))
        fuzz_broken();
    dcm_wildcard(key, value);
    check_ranges(key);
    check_ranges(value);
    arena_free(arena);
    return 0;
}
