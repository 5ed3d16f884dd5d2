// SPDX-License-Identifier: MIT
/* UIDs, PS3.5 §9 and annex B, PS3.6 A. */
#include "dicom/uid.h"
#include "dicom/uid_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

const DcmTransferSyntax *dcm_transfer_syntax(Span uid)
{
    uid = span_trim(uid);
    for (size_t i = 0; i < dcm_transfer_syntax_total; i++)
        if (span_eq_cstr(uid, dcm_transfer_syntaxes[i].uid))
            return &dcm_transfer_syntaxes[i];
    return NULL;
}

size_t dcm_transfer_syntax_count(void)
{
    return dcm_transfer_syntax_total;
}

const DcmTransferSyntax *dcm_transfer_syntax_at(size_t i)
{
    return i < dcm_transfer_syntax_total ? &dcm_transfer_syntaxes[i] : NULL;
}

const DcmSopClass *dcm_sop_class(Span uid)
{
    uid = span_trim(uid);
    size_t low = 0, high = dcm_sop_class_total;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = span_cmp(span_cstr(dcm_sop_classes[middle].uid), uid);
        if (order == 0)
            return &dcm_sop_classes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

size_t dcm_storage_class_count(void)
{
    return dcm_storage_class_total;
}

const DcmSopClass *dcm_storage_class_at(size_t i)
{
    return i < dcm_storage_class_total ? &dcm_sop_classes[dcm_storage_classes[i]] : NULL;
}

const char *dcm_uid_name(Span uid)
{
    uid = span_trim(uid);
    size_t low = 0, high = dcm_uid_name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = span_cmp(span_cstr(dcm_uid_names[middle].uid), uid);
        if (order == 0)
            return dcm_uid_names[middle].name;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool dcm_uid_valid(Span uid, bool strict)
{
    if (uid.n == 0 || uid.n > DCM_UID_MAX)
        return false;
    Span component;
    for (bool more = true; span_split(&uid, '.', &component, &more);) {
        if (component.n == 0 || (strict && component.n > 1 && component.p[0] == '0'))
            return false;
        for (size_t i = 0; i < component.n; i++)
            if (component.p[i] < '0' || component.p[i] > '9')
                return false;
    }
    return true;
}

/* Divides the 128-bit number by ten in place and returns the remainder. */
static unsigned divide_by_ten(uint32_t number[4])
{
    uint64_t rest = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t part = rest << 32 | number[i];
        number[i] = (uint32_t)(part / 10);
        rest = part % 10;
    }
    return (unsigned)rest;
}

void dcm_uid_new(char out[65])
{
    uint32_t number[4];
    if (getrandom(number, sizeof number, 0) != (ssize_t)sizeof number)
        abort();
    /* A version 4 UUID (RFC 4122 §4.4), most significant word first. */
    number[1] = (number[1] & 0xFFFF0FFFu) | 0x00004000u;
    number[2] = (number[2] & 0x3FFFFFFFu) | 0x80000000u;
    char digits[40];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + divide_by_ten(number));
    while (number[0] | number[1] | number[2] | number[3]);
    memcpy(out, "2.25.", 5);
    memcpy(out + 5, digits + at, sizeof digits - at);
    out[5 + sizeof digits - at] = '\0';
}
