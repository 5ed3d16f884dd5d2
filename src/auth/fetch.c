// SPDX-License-Identifier: MIT
#include "auth/fetch.h"

#include "base/cond.h"
#include "base/outgoing.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct Fetcher {
    pthread_mutex_t lock; /* guards the idle ones */
    pthread_cond_t freed;
    CURL *idle[FETCH_PARALLEL];
    size_t idle_count;
};

Fetcher *fetcher_new(void)
{
    Fetcher *f = calloc(1, sizeof *f);
    if (!f || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    pthread_mutex_init(&f->lock, NULL);
    cond_init(&f->freed);
    for (; f->idle_count < FETCH_PARALLEL; f->idle_count++)
        if (!(f->idle[f->idle_count] = curl_easy_init()))
            abort();
    return f;
}

void fetcher_free(Fetcher *f)
{
    if (!f)
        return;
    while (f->idle_count)
        curl_easy_cleanup(f->idle[--f->idle_count]);
    pthread_cond_destroy(&f->freed);
    pthread_mutex_destroy(&f->lock);
    free(f);
    curl_global_cleanup();
}

static CURL *take(Fetcher *f)
{
    Deadline deadline = deadline_in(FETCH_MS);
    bool in_time = true;
    pthread_mutex_lock(&f->lock);
    while (!f->idle_count && in_time)
        in_time = cond_wait(&f->freed, &f->lock, deadline);
    CURL *curl = f->idle_count ? f->idle[--f->idle_count] : NULL;
    pthread_mutex_unlock(&f->lock);
    return curl;
}

static void give_back(Fetcher *f, CURL *curl)
{
    curl_easy_reset(curl); /* what was asked is forgotten, the connection is kept */
    pthread_mutex_lock(&f->lock);
    f->idle[f->idle_count++] = curl;
    pthread_cond_signal(&f->freed);
    pthread_mutex_unlock(&f->lock);
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
    FetchAnswer *out = ctx;
    size_t room = FETCH_BODY_MAX - out->body.n, all = size * n;
    buf_append(&out->body, p, all < room ? all : room);
    out->cut = all > room;
    return out->cut ? 0 : all; /* 0: curl stops */
}

static void take_media(CURL *curl, FetchAnswer *out)
{
    const char *media = NULL;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &media);
    out->media[0] = 0;
    if (!media || strlen(media) >= sizeof out->media)
        return;
    for (const char *p = media; *p; p++)
        if (*p < 0x20 || *p > 0x7E)
            return;
    memcpy(out->media, media, strlen(media) + 1);
}

static void prepare(CURL *curl, const char *url, FetchAnswer *out)
{
    outgoing_prepare(curl, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FETCH_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
}

/* "name=value" in a buffer of the caller's. */
static bool make_form(CURL *curl, const char *name, Span value, Buf *form)
{
    char *escaped = curl_easy_escape(curl, (const char *)value.p, (int)value.n);
    bool ok = escaped && buf_printf(form, "%s=%s", name, escaped);
    if (escaped)
        OPENSSL_cleanse(escaped, strlen(escaped));
    curl_free(escaped);
    return ok;
}

bool fetch(Fetcher *f, const char *url, const char *name, Span value, FetchAnswer *out, Err *err)
{
    *out = (FetchAnswer){0};
    buf_init(&out->body, FETCH_BODY_MAX);
    CURL *curl = take(f);
    if (!curl) {
        err_set(err, ERR_TIMEOUT, "too many requests wait for an answer of another server");
        if (err)
            err->http = 503;
        return false;
    }
    Buf form;
    buf_init(&form, 0);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (name && (!value.n || !make_form(curl, name, value, &form)))
        goto done;
    prepare(curl, url, out);
    if (name) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)form.n);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_cstr(&form));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    code = curl_easy_perform(curl);
    if (code == CURLE_WRITE_ERROR && out->cut)
        code = CURLE_OK;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && (status < 200 || status > 599))
        code = CURLE_WEIRD_SERVER_REPLY;
    out->status = (unsigned)status;
    take_media(curl, out);
done:
    curl_slist_free_all(headers);
    if (form.n)
        OPENSSL_cleanse(form.p, form.n);
    buf_free(&form);
    give_back(f, curl);
    return code == CURLE_OK || outgoing_failed(code, url, err);
}
