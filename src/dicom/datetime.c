// SPDX-License-Identifier: MIT
/*
 * DA, TM and DT, PS3.5 §6.2. A value is read field by field from the largest to the smallest; where it ends early it covers
 * all of its last field. Read with tolerance: the forms of ACR-NEMA (2004.01.19, 10:30:00), ISO dates with hyphens,
 * a DA that is only a year or month, 24:00 as the end of the day, second 60 (a leap second, counted into second 59).
 */
#include "dicom/datetime.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US   (60 * MINUTE_US)

typedef bool (*ParseOne)(Span value, DcmTimeRange *out, int64_t *offset_us);

/* -- fields -- */

static bool is_digit(Span s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

/* Takes exactly `digits` digits off the front. */
static bool take_number(Span *s, size_t digits, int *out)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(*s, i))
            return false;
        value = value * 10 + (s->p[i] - '0');
    }
    *s = span_sub(*s, digits, s->n);
    *out = value;
    return true;
}

static bool take_byte(Span *s, uint8_t byte)
{
    if (!s->n || s->p[0] != byte)
        return false;
    *s = span_sub(*s, 1, s->n);
    return true;
}

/* -- the calendar -- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int days_before_year(int year)
{
    int y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

/* Days since 0001-01-01. */
static int day_number(int year, int month, int day)
{
    int n = days_before_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        n += days_in_month(year, m);
    return n;
}

/* Year, then month and day as far as they are there; `separator` 0 = none. out: the interval. */
static bool take_date(Span *s, uint8_t separator, DcmTimeRange *out)
{
    int year, month = 0, day = 0;
    if (!take_number(s, 4, &year) || year == 0)
        return false;
    if ((separator && take_byte(s, separator)) || (!separator && is_digit(*s, 0))) {
        if (!take_number(s, 2, &month) || month < 1 || month > 12)
            return false;
        if ((separator && take_byte(s, separator)) || (!separator && is_digit(*s, 0)))
            if (!take_number(s, 2, &day) || day < 1 || day > days_in_month(year, month))
                return false;
    }
    int last_month = month ? month : 12;
    out->from = day_number(year, month ? month : 1, day ? day : 1) * DCM_DAY_US;
    out->to =
        (day_number(year, last_month, day ? day : days_in_month(year, last_month)) + 1) * DCM_DAY_US - 1;
    return day || !separator || !month;
}

/* -- the clock -- */

/* ".F…" behind the seconds: up to six digits count. *unit becomes the weight of the last one. */
static bool take_fraction(Span *s, int64_t *us, int64_t *unit)
{
    if (!is_digit(*s, 0))
        return false;
    while (is_digit(*s, 0)) {
        int digit;
        take_number(s, 1, &digit);
        if (*unit == 1)
            continue;
        *unit /= 10;
        *us += digit * *unit;
    }
    return true;
}

/* Hour, then what is there. The interval is relative to midnight. */
static bool take_time(Span *s, DcmTimeRange *out)
{
    int hour, minute = 0, second = 0;
    int64_t fraction = 0, unit = HOUR_US;
    if (!take_number(s, 2, &hour) || hour > 24)
        return false;
    bool colons = take_byte(s, ':');
    if (colons || is_digit(*s, 0)) {
        unit = MINUTE_US;
        if (!take_number(s, 2, &minute) || minute > 59)
            return false;
        if (colons ? take_byte(s, ':') : is_digit(*s, 0)) {
            unit = SECOND_US;
            if (!take_number(s, 2, &second) || second > 60)
                return false;
            if (take_byte(s, '.') && !take_fraction(s, &fraction, &unit))
                return false;
        }
    }
    out->from = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
    out->to = out->from + unit - 1;
    if (second == 60)
        out->from = out->to = hour * HOUR_US + (minute + 1) * MINUTE_US - 1;
    if (hour == 24)
        out->to = out->from;
    return hour < 24 || out->from == DCM_DAY_US;
}

/* "+HHMM" or "-HHMM". */
static bool take_offset(Span *s, int *minutes)
{
    bool west = s->n && s->p[0] == '-';
    int hour, minute;
    if (!take_byte(s, west ? '-' : '+') || !take_number(s, 2, &hour) || !take_number(s, 2, &minute))
        return false;
    *minutes = hour * 60 + minute;
    if (west)
        *minutes = -*minutes;
    return minute < 60 && *minutes >= -12 * 60 && *minutes <= 14 * 60;
}

bool dcm_utc_offset_parse(Span value, int *minutes)
{
    int found;
    value = span_trim(value);
    if (!take_offset(&value, &found) || value.n)
        return false;
    *minutes = found;
    return true;
}

/* -- single values -- */

static bool parse_da(Span value, DcmTimeRange *out, int64_t *offset_us)
{
    DcmTimeRange range = {0};
    value = span_trim(value);
    uint8_t separator = value.n > 4 && (value.p[4] == '.' || value.p[4] == '-') ? value.p[4] : 0;
    if (!take_date(&value, separator, &range) || value.n)
        return false;
    *out = range;
    return true;
}

static bool parse_tm(Span value, DcmTimeRange *out, int64_t *offset_us)
{
    DcmTimeRange range = {0};
    value = span_trim(value);
    if (!take_time(&value, &range) || value.n)
        return false;
    *out = range;
    return true;
}

static bool parse_dt(Span value, DcmTimeRange *out, int64_t *offset_us)
{
    DcmTimeRange range = {0}, time;
    value = span_trim(value);
    size_t before = value.n;
    if (!take_date(&value, 0, &range))
        return false;
    if (before - value.n == 8 && is_digit(value, 0)) {
        if (!take_time(&value, &time))
            return false;
        range.to = range.from + time.to;
        range.from += time.from;
    }
    int minutes;
    if (value.n) {
        if (!take_offset(&value, &minutes) || value.n)
            return false;
        *offset_us = minutes * MINUTE_US;
        range.from -= *offset_us;
        range.to -= *offset_us;
        range.has_offset = true;
    }
    *out = range;
    return true;
}

bool dcm_da_parse(Span value, DcmTimeRange *out)
{
    return parse_da(value, out, NULL);
}

bool dcm_tm_parse(Span value, DcmTimeRange *out)
{
    return parse_tm(value, out, NULL);
}

bool dcm_dt_parse(Span value, DcmTimeRange *out)
{
    int64_t offset_us;
    return parse_dt(value, out, &offset_us);
}

/* -- ranges -- */

/* The two ends, either of which may be empty. An offset given at one end only holds for both. */
static bool join(Span first, Span last, ParseOne parse, DcmTimeRange *out)
{
    DcmTimeRange from = {.from = INT64_MIN}, to = {.to = INT64_MAX};
    int64_t from_offset = 0, to_offset = 0;
    first = span_trim(first);
    last = span_trim(last);
    if ((!first.n && !last.n) || (first.n && !parse(first, &from, &from_offset)) ||
        (last.n && !parse(last, &to, &to_offset)))
        return false;
    if (first.n && last.n && from.has_offset != to.has_offset) {
        if (from.has_offset)
            to.to -= from_offset;
        else
            from.from -= to_offset;
    }
    *out = (DcmTimeRange){from.from, to.to, from.has_offset || to.has_offset};
    return true;
}

/* A hyphen may belong to an offset: the first one that leaves two values (or one) is the range's. */
static bool parse_range(Span key, ParseOne parse, ParseOne parse_end, DcmTimeRange *out)
{
    int64_t offset_us;
    key = span_trim(key);
    if (parse(key, out, &offset_us))
        return true;
    for (size_t at = 0; at < key.n; at++)
        if (key.p[at] == '-' && join(span_sub(key, 0, at), span_sub(key, at + 1, key.n), parse_end, out))
            return true;
    return false;
}

/* An end of a range may be a day that its month does not have: programs that ask for a month write 20240201-20240231. It is the month's last. */
static bool parse_da_end(Span value, DcmTimeRange *out, int64_t *offset_us)
{
    if (parse_da(value, out, offset_us))
        return true;
    Span day = span_sub(value, 6, 2);
    if (value.n != 8 || !(span_eq_cstr(day, "29") || span_eq_cstr(day, "30") || span_eq_cstr(day, "31")) ||
        !parse_da(span_sub(value, 0, 6), out, offset_us))
        return false;
    out->from = out->to + 1 - DCM_DAY_US;
    return true;
}

/* Longer than any range; keeps the search for the hyphen from growing with hostile keys. */
enum { MAX_RANGE = 128 };

bool dcm_da_range(Span key, DcmTimeRange *out)
{
    return key.n <= MAX_RANGE && parse_range(key, parse_da, parse_da_end, out);
}

bool dcm_tm_range(Span key, DcmTimeRange *out)
{
    return key.n <= MAX_RANGE && parse_range(key, parse_tm, parse_tm, out);
}

bool dcm_dt_range(Span key, DcmTimeRange *out)
{
    return key.n <= MAX_RANGE && parse_range(key, parse_dt, parse_dt, out);
}

/* -- text -- */

static void put_digits(char *out, int value, int digits)
{
    while (digits-- > 0) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

void dcm_da_format(int64_t us, char out[9])
{
    int last = day_number(9999, 12, 31);
    int64_t days = us < 0 ? 0 : us / DCM_DAY_US;
    int day = days > last ? last : (int)days;
    int year = day / 366 + 1, month = 1;
    while (days_before_year(year + 1) <= day)
        year++;
    day -= days_before_year(year);
    while (day >= days_in_month(year, month))
        day -= days_in_month(year, month++);
    put_digits(out, year, 4);
    put_digits(out + 4, month, 2);
    put_digits(out + 6, day + 1, 2);
    out[8] = 0;
}

/* The end of the day, 24:00, keeps its name: as a time alone it is not the beginning of the day. */
void dcm_tm_format(int64_t us, char out[14])
{
    int64_t rest = us < 0 ? 0 : us == INT64_MAX ? DCM_DAY_US - 1 : us == DCM_DAY_US ? us : us % DCM_DAY_US;
    put_digits(out, (int)(rest / HOUR_US), 2);
    put_digits(out + 2, (int)(rest / MINUTE_US % 60), 2);
    put_digits(out + 4, (int)(rest / SECOND_US % 60), 2);
    out[6] = '.';
    put_digits(out + 7, (int)(rest % SECOND_US), 6);
    out[13] = 0;
}
