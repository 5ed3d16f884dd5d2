// SPDX-License-Identifier: MIT
/*
 * What holds for each HTTP request of ours to another server, over libcurl: http and https only, TLS 1.2 or newer with a verified certificate, no redirects, no signals;
 * a proxy as the environment says, but never to this machine itself. Errors name the host alone, because the rest of an address may hold secrets or names.
 */
#ifndef GANTRY_BASE_OUTGOING_H
#define GANTRY_BASE_OUTGOING_H

#include "base/err.h"
#include "base/span.h"

#include <curl/curl.h>

/* Is this an http or https address? */
bool outgoing_can(const char *url);
/* Is its host localhost or a loopback address? */
bool outgoing_is_loopback(const char *url);
/* The host of an address, with its port: what errors may name. Of outgoing_can's. */
Span outgoing_host(const char *url);
/* Sets up a handle that is new or reset; time-outs are the caller's. `url` must live as long as the request. */
void outgoing_prepare(CURL *curl, const char *url);
/* Why there was no answer: "HOST: words"; http is 502. False. */
bool outgoing_failed(CURLcode code, const char *url, Err *err);

#endif
