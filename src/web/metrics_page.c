// SPDX-License-Identifier: MIT
/* GET /metrics in the text format of Prometheus, and what the HTTP server itself counts. Labels are routes and statuses, never what a client sent. */
#include "base/metrics.h"
#include "web/web_internal.h"

#include <stdio.h>
#include <string.h>

/* A method that is not ours is the client's word. */
static const char *known_method(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], method))
            return known[i];
    return "other";
}

void web_count(const HttpExchange *x, unsigned status, uint64_t sent, int64_t microseconds)
{
    const char *route = http_route_pattern(x) ? http_route_pattern(x) : "none";
    char labels[256];
    snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\",status=\"%u\"", route,
             known_method(http_method(x)), status);
    metric_add(metric_counter("gantry_http_requests_total", "Requests by route, method and status.", labels),
               1);
    snprintf(labels, sizeof labels, "route=\"%s\"", route);
    metric_observe_us(metric_histogram("gantry_http_request_seconds",
                                       "Time from the head of a request to the end of its answer.", labels),
                      microseconds);
    metric_add(metric_counter("gantry_http_sent_bytes_total", "Bytes of bodies that were sent.", labels),
               sent);
    metric_add(metric_counter("gantry_http_received_bytes_total", "Bytes of bodies that came.", labels),
               http_received(x));
}

void web_metrics(HttpExchange *x, void *ctx)
{
    const WebServer *server = ctx;
    metric_set(metric_gauge("gantry_http_connections", "HTTP connections that are open.", ""),
               http_connections(server->http));
    metric_set(metric_gauge("gantry_ingest_waiting", "Objects that wait for the committer.", ""),
               (int64_t)arc_ingest_waiting(server->context.archive));
    uint64_t limit, space = arc_free_bytes(server->context.archive, &limit);
    metric_set(metric_gauge("gantry_free_bytes", "Free space where the objects are.", ""), (int64_t)space);
    metric_set(metric_gauge("gantry_free_bytes_limit", "Where less is free, objects are refused.", ""),
               (int64_t)limit);
    Buf out;
    buf_init(&out, 0);
    metrics_write(&out);
    metrics_write_process(&out);
    http_header(x, "Cache-Control", "no-store");
    http_answer_buf(x, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
    buf_free(&out);
}
