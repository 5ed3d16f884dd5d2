// SPDX-License-Identifier: MIT
/*
 * Every question first looks whether one of the files has changed (its time, size, inode) and reads all again if so. A certificate and its key are replaced one
 * after the other: in between they do not fit, and what was read before counts. One mutex guards everything.
 */
#include "net/tls_inside.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES = 4, AGAIN_MS = 10000, DAY = 86400, WARN_DAYS = 30 };

struct NetTlsFiles {
    NetTlsSettings settings;
    NetTlsTell tell;
    void *ctx;
    pthread_mutex_t lock; /* guards all below */
    NetTls *current;
    struct stat seen[FILES];
    Deadline again;  /* when files that could not be used are looked at again although nothing has changed */
    Deadline remind; /* when it is told again that a certificate ends soon, … */
    Deadline remind_lists; /* … or a revocation list */
};

static void look(const NetTlsSettings *s, struct stat out[FILES])
{
    const char *paths[FILES] = {s->certificate, s->key, s->ca, s->crl};
    for (size_t i = 0; i < FILES; i++)
        if (!paths[i] || stat(paths[i], &out[i]) != 0)
            memset(&out[i], 0, sizeof out[i]);
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool changed(const struct stat a[FILES], const struct stat b[FILES])
{
    for (size_t i = 0; i < FILES; i++)
        if (!same(&a[i], &b[i]))
            return true;
    return false;
}

static void tell(const NetTlsFiles *f, bool bad, const char *line)
{
    if (f->tell)
        f->tell(f->ctx, bad, line);
}

static void tell_of_end(NetTlsFiles *f)
{
    char line[400], day[16];
    int64_t left = f->current->expires - clock_wall_us() / 1000000;
    if (!f->current->expires || left > (int64_t)WARN_DAYS * DAY || !deadline_passed(f->remind))
        return;
    f->remind = deadline_in((int64_t)DAY * 1000);
    tls_day(f->current->expires, day);
    snprintf(line, sizeof line, "the certificate %.300s %s on %s; renew it: it is read again when it changes",
             f->settings.certificate, left < 0 ? "expired" : "expires", day);
    tell(f, true, line);
}

/* They live for days, and who renews them does so before the last one. */
static void tell_of_lists(NetTlsFiles *f)
{
    char line[400], day[16];
    if (f->current->lists_end == INT64_MAX || f->current->lists_end - clock_wall_us() / 1000000 > DAY ||
        !deadline_passed(f->remind_lists))
        return;
    bool ended = f->current->lists_end < clock_wall_us() / 1000000;
    f->remind_lists = deadline_in((int64_t)DAY * 1000);
    tls_day(f->current->lists_end, day);
    snprintf(line, sizeof line,
             "the revocation list of %s %s on %s%s; put its next one into %.150s: it is read again when it "
             "changes",
             f->current->lists_issuer, ended ? "ended" : "ends", day,
             ended ? ", nobody it vouches for is trusted" : "", f->settings.crl);
    tell(f, true, line);
}

/* With the lock held. */
static void refresh(NetTlsFiles *f)
{
    struct stat now[FILES];
    Err err = {0};
    look(&f->settings, now);
    if (!changed(now, f->seen) && !deadline_passed(f->again))
        return;
    bool news = changed(now, f->seen);
    memcpy(f->seen, now, sizeof now);
    f->again = CLOCK_NEVER;
    NetTls *next = net_tls_new(&f->settings, &err);
    if (next) {
        net_tls_free(f->current);
        f->current = next;
        f->remind = f->remind_lists = 0;
        tell(f, false, "the certificates were read again");
        return;
    }
    f->again = deadline_in(AGAIN_MS);
    if (news) {
        err_wrap(&err, "the certificates are those of before");
        tell(f, true, err.text);
    }
}

NetTlsFiles *net_tls_files_open(const NetTlsSettings *settings, NetTlsTell tell_, void *ctx, Err *err)
{
    struct stat seen[FILES]; /* before they are read: what changes in between is seen the next time */
    look(settings, seen);
    NetTls *first = net_tls_new(settings, err);
    if (!first)
        return NULL;
    NetTlsFiles *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->settings = *settings;
    f->tell = tell_;
    f->ctx = ctx;
    f->current = first;
    f->again = CLOCK_NEVER;
    memcpy(f->seen, seen, sizeof seen);
    pthread_mutex_init(&f->lock, NULL);
    tell_of_end(f);
    tell_of_lists(f);
    return f;
}

NetTls *net_tls_files_now(NetTlsFiles *f)
{
    pthread_mutex_lock(&f->lock);
    refresh(f);
    tell_of_end(f);
    tell_of_lists(f);
    NetTls *now = net_tls_for(f->current, NULL);
    pthread_mutex_unlock(&f->lock);
    return now;
}

void net_tls_files_close(NetTlsFiles *f)
{
    if (!f)
        return;
    net_tls_free(f->current);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
