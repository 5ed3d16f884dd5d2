// SPDX-License-Identifier: MIT
/* Rejections (PS3.8 table 9-21) and aborts (table 9-26) in words. */
#include "net/pdu.h"

#include <stdio.h>

typedef struct ReasonText {
    uint8_t source, reason;
    const char *text;
} ReasonText;

static const ReasonText reject_reasons[] = {
    {NET_REJECT_BY_USER, NET_REJECT_NO_REASON, "no reason given"},
    {NET_REJECT_BY_USER, NET_REJECT_APPLICATION_CONTEXT, "application context name not supported"},
    {NET_REJECT_BY_USER, NET_REJECT_CALLING_AE, "calling AE title not recognised"},
    {NET_REJECT_BY_USER, NET_REJECT_CALLED_AE, "called AE title not recognised"},
    {NET_REJECT_BY_ACSE, NET_REJECT_NO_REASON, "no reason given"},
    {NET_REJECT_BY_ACSE, NET_REJECT_PROTOCOL_VERSION, "protocol version not supported"},
    {NET_REJECT_BY_PRESENTATION, NET_REJECT_CONGESTION, "temporary congestion"},
    {NET_REJECT_BY_PRESENTATION, NET_REJECT_LIMIT, "local limit exceeded"},
};

static const ReasonText abort_reasons[] = {
    {NET_ABORT_BY_PROVIDER, NET_ABORT_NO_REASON, "no reason given"},
    {NET_ABORT_BY_PROVIDER, NET_ABORT_UNRECOGNISED_PDU, "unrecognised PDU"},
    {NET_ABORT_BY_PROVIDER, NET_ABORT_UNEXPECTED_PDU, "unexpected PDU"},
    {NET_ABORT_BY_PROVIDER, NET_ABORT_UNRECOGNISED_PARAMETER, "unrecognised PDU parameter"},
    {NET_ABORT_BY_PROVIDER, NET_ABORT_UNEXPECTED_PARAMETER, "unexpected PDU parameter"},
    {NET_ABORT_BY_PROVIDER, NET_ABORT_INVALID_PARAMETER, "invalid PDU parameter value"},
};

static const char *find(const ReasonText *table, size_t n, uint8_t source, uint8_t reason)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].source == source && table[i].reason == reason)
            return table[i].text;
    return NULL;
}

static const char *result_text(uint8_t result)
{
    return result == NET_REJECT_PERMANENT   ? "permanent"
           : result == NET_REJECT_TRANSIENT ? "transient"
                                            : "unknown result";
}

static const char *reject_source_text(uint8_t source)
{
    switch (source) {
    case NET_REJECT_BY_USER:
        return "service user";
    case NET_REJECT_BY_ACSE:
        return "service provider (ACSE)";
    case NET_REJECT_BY_PRESENTATION:
        return "service provider (presentation)";
    default:
        return "unknown source";
    }
}

const char *net_reject_text(NetReject reject, char out[160])
{
    const char *reason =
        find(reject_reasons, sizeof reject_reasons / sizeof *reject_reasons, reject.source, reject.reason);
    if (reason)
        snprintf(out, 160, "rejected (%s) by %s: %s", result_text(reject.result),
                 reject_source_text(reject.source), reason);
    else
        snprintf(out, 160, "rejected (%s) by %s: reason %u", result_text(reject.result),
                 reject_source_text(reject.source), reject.reason);
    return out;
}

const char *net_abort_text(NetAbort abort, char out[120])
{
    const char *reason =
        find(abort_reasons, sizeof abort_reasons / sizeof *abort_reasons, abort.source, abort.reason);
    if (abort.source == NET_ABORT_BY_USER)
        snprintf(out, 120, "aborted by service user");
    else if (reason)
        snprintf(out, 120, "aborted by service provider: %s", reason);
    else
        snprintf(out, 120, "aborted by %s: reason %u",
                 abort.source == NET_ABORT_BY_PROVIDER ? "service provider" : "unknown source", abort.reason);
    return out;
}
