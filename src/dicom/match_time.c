// SPDX-License-Identifier: MIT
/*
 * Single value and range matching of DA, TM and DT, PS3.4 C.2.2.2.1 and C.2.2.2.5, and of dates and times combined, C.2.2.2.5.4.
 * A stored value stands for the first instant it covers ("1030" is 10:30:00); it matches when that lies in the
 * key's interval. A key that is neither value nor range is compared as text, so that "2004*" does what its sender means.
 */
#include "dicom/datetime.h"
#include "dicom/match_internal.h"

static const struct {
    DcmTag date, time;
} pairs[] = {
    {DCM_TAG(0x0008, 0x0012), DCM_TAG(0x0008, 0x0013)}, /* instance creation */
    {DCM_TAG(0x0008, 0x0020), DCM_TAG(0x0008, 0x0030)}, /* study */
    {DCM_TAG(0x0008, 0x0021), DCM_TAG(0x0008, 0x0031)}, /* series */
    {DCM_TAG(0x0008, 0x0022), DCM_TAG(0x0008, 0x0032)}, /* acquisition */
    {DCM_TAG(0x0008, 0x0023), DCM_TAG(0x0008, 0x0033)}, /* content */
    {DCM_TAG(0x0010, 0x0030), DCM_TAG(0x0010, 0x0032)}, /* patient's birth */
    {DCM_TAG(0x0018, 0x1012), DCM_TAG(0x0018, 0x1014)}, /* secondary capture */
    {DCM_TAG(0x0032, 0x1000), DCM_TAG(0x0032, 0x1001)}, /* scheduled study start */
    {DCM_TAG(0x0040, 0x0002), DCM_TAG(0x0040, 0x0003)}, /* scheduled procedure step start */
    {DCM_TAG(0x0040, 0x0004), DCM_TAG(0x0040, 0x0005)}, /* and end */
    {DCM_TAG(0x0040, 0x0244), DCM_TAG(0x0040, 0x0245)}, /* performed procedure step start */
    {DCM_TAG(0x0040, 0x0250), DCM_TAG(0x0040, 0x0251)}, /* and end */
    {DCM_TAG(0x0040, 0x2004), DCM_TAG(0x0040, 0x2005)}, /* issue of imaging service request */
};

typedef bool (*ParseTime)(Span, DcmTimeRange *);

static bool inside(int64_t instant, DcmTimeRange range)
{
    return instant >= range.from && instant <= range.to;
}

static int64_t shift(int64_t instant, int64_t by)
{
    return instant == INT64_MIN || instant == INT64_MAX ? instant : instant + by;
}

/* To UTC: by the offset in the value, else by that of the data set (0008,0201), else by that of the options. */
static DcmTimeRange to_utc(const Matcher *m, const DcmDataset *ds, DcmTimeRange range)
{
    int minutes = m->options.utc_offset_minutes;
    if (range.has_offset)
        return range;
    for (; ds; ds = ds->parent) {
        const DcmElement *e = dcm_find(ds, DCM_TAG(0x0008, 0x0201));
        if (e && dcm_utc_offset_parse(e->value, &minutes))
            break;
    }
    int64_t by = -(int64_t)minutes * 60 * 1000000;
    return (DcmTimeRange){shift(range.from, by), shift(range.to, by), true};
}

static bool same_text(Span key, Span value)
{
    return dcm_wildcard(key, value);
}

/* One value of the key that is a value or range. */
static bool match_range(const Matcher *m, DcmTimeRange key, MatchSide candidate, DcmVr vr)
{
    ParseTime parse = vr == DCM_VR_DA ? dcm_da_parse : vr == DCM_VR_TM ? dcm_tm_parse : dcm_dt_parse;
    Span values = candidate.e->value, value;
    bool more = true;
    while (span_split(&values, '\\', &value, &more)) {
        DcmTimeRange have;
        if (!parse(value, &have))
            continue;
        if (vr == DCM_VR_DT)
            have = to_utc(m, candidate.ds, have);
        if (inside(have.from, key))
            return true;
    }
    return false;
}

static bool match_alone(const Matcher *m, MatchSide key, MatchSide candidate, DcmVr vr)
{
    ParseTime parse = vr == DCM_VR_DA ? dcm_da_range : vr == DCM_VR_TM ? dcm_tm_range : dcm_dt_range;
    Span keys = key.e->value, wanted;
    bool more = true, all_ranges = true;
    while (span_split(&keys, '\\', &wanted, &more)) {
        DcmTimeRange range;
        if (!parse(wanted, &range)) {
            all_ranges = false;
            continue;
        }
        if (match_range(m, vr == DCM_VR_DT ? to_utc(m, key.ds, range) : range, candidate, vr))
            return true;
    }
    return !all_ranges && match_any_value(key, candidate, same_text);
}

/* -- combined -- */

/* Both halves of the pair that `tag` belongs to. */
static bool pair_of(DcmTag tag, DcmTag *date, DcmTag *time)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].date == tag || pairs[i].time == tag) {
            *date = pairs[i].date;
            *time = pairs[i].time;
            return true;
        }
    return false;
}

static bool value_of(const DcmDataset *ds, DcmTag tag, ParseTime parse, DcmTimeRange *out)
{
    const DcmElement *e = dcm_find(ds, tag);
    return e && !e->skipped && parse(e->value, out);
}

/* From the first date at the first time to the last date at the last time; an open end of the time is that of its day. */
static DcmTimeRange combine(DcmTimeRange date, DcmTimeRange time)
{
    DcmTimeRange range = date;
    if (date.from != INT64_MIN && time.from != INT64_MIN)
        range.from = date.from + time.from;
    if (date.to != INT64_MAX && time.to != INT64_MAX)
        range.to = date.to + 1 - DCM_DAY_US + time.to;
    return range;
}

/* False when the keys do not ask for a combined range. */
static bool match_combined(MatchSide key, MatchSide candidate, bool *matches)
{
    DcmTag date, time;
    DcmTimeRange key_date, key_time, day, clock;
    if (!pair_of(key.e->tag, &date, &time) || !value_of(key.ds, date, dcm_da_range, &key_date) ||
        !value_of(key.ds, time, dcm_tm_range, &key_time))
        return false;
    *matches = value_of(candidate.ds, date, dcm_da_parse, &day) &&
               value_of(candidate.ds, time, dcm_tm_parse, &clock) &&
               inside(day.from + clock.from, combine(key_date, key_time));
    return true;
}

bool match_time(Matcher *m, MatchSide key, MatchSide candidate, DcmVr vr)
{
    bool matches;
    if (m->options.combined_datetime && vr != DCM_VR_DT && match_combined(key, candidate, &matches))
        return matches;
    return match_alone(m, key, candidate, vr);
}
