// SPDX-License-Identifier: MIT
/* The server's own routes: what is not DICOM. */
#ifndef GANTRY_WEB_WEB_INTERNAL_H
#define GANTRY_WEB_WEB_INTERNAL_H

#include "web/annotation.h"
#include "web/dicomweb.h"
#include "web/web.h"

struct WebServer {
    WebContext context;
    WebSettings settings;
    HttpServer *http;
    int64_t began_ms;
    WebService standard, sphere; /* DICOMweb below its root, and at SPHERE's paths */
    WebAnnotations *annotations; /* NULL = off */
};

/* GET /health, /metrics, /openapi.json, /. Their ctx is the WebServer. */
extern const HttpRoute web_own_routes[];
extern const size_t web_own_route_count;

void web_health(HttpExchange *x, void *ctx);     /* health.c */
void web_metrics(HttpExchange *x, void *ctx);    /* metrics_page.c */
void web_openapi(HttpExchange *x, void *ctx);    /* openapi.c */
void web_front_page(HttpExchange *x, void *ctx); /* front_page.c */

/* metrics_page.c: one finished exchange. */
void web_count(const HttpExchange *x, unsigned status, uint64_t sent, int64_t microseconds);

/* A route as the pages show it: "GET", "/dicom-web/studies", and what stands in `answers` and `parameters`. Reads "200 a/b; 204; 404". */
typedef struct WebAnswer {
    unsigned status;
    Span media; /* one type, or empty */
} WebAnswer;
/* Cuts the next answer off; a status with several media types ("200 a/b, c/d") comes once for each. */
bool web_next_answer(Span *rest, WebAnswer *out);

#endif
