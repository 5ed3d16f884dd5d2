// SPDX-License-Identifier: MIT
#include "base/outgoing.h"

#include <string.h>
#include <strings.h>

bool outgoing_can(const char *url)
{
    return (!strncasecmp(url, "http://", 7) && url[7]) || (!strncasecmp(url, "https://", 8) && url[8]);
}

Span outgoing_host(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    size_t n = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    return span_of(host, n);
}

bool outgoing_is_loopback(const char *url)
{
    Span host = outgoing_host(url);
    if (span_starts(host, SPAN("[")))
        return span_starts(host, SPAN("[::1]"));
    size_t colon = span_index(host, ':');
    if (colon != SIZE_MAX)
        host.n = colon;
    return span_eq_nocase(host, SPAN("localhost")) ||
           (span_starts(host, SPAN("127.")) && strspn((const char *)host.p, "0123456789.") >= host.n);
}

void outgoing_prepare(CURL *curl, const char *url)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "gantry/" GANTRY_VERSION);
    if (outgoing_is_loopback(url))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

bool outgoing_failed(CURLcode code, const char *url, Err *err)
{
    Span host = outgoing_host(url);
    err_set(err, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_REFUSED, "%.*s: %s", SPAN_FMT(host),
            curl_easy_strerror(code));
    if (err)
        err->http = 502;
    return false;
}
