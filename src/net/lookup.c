// SPDX-License-Identifier: MIT
/*
 * A look-up runs in a detached thread, which shares its job with who asked; the last of the two frees it. A caller that can wait no longer
 * leaves the thread behind, until the resolver gives up. There are at most MAX_THREADS of them.
 */
#include "net/lookup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 32, STACK = 256 << 10, LOOK_MS = 100 };

typedef struct Job {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done, abandoned;
    int code;
    struct addrinfo hints, *found;
    char *host, *service; /* service may be NULL */
} Job;

static atomic_int threads;

static Job *job_new(const char *host, const char *service, const struct addrinfo *hints)
{
    Job *job = calloc(1, sizeof *job);
    if (!job || !(job->host = strdup(host)) || (service && !(job->service = strdup(service))))
        abort();
    job->hints = *hints;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&job->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&job->lock, NULL);
    return job;
}

static void job_free(Job *job)
{
    pthread_cond_destroy(&job->answered);
    pthread_mutex_destroy(&job->lock);
    free(job->host);
    free(job->service);
    free(job);
}

static void *work(void *ctx)
{
    Job *job = ctx;
    struct addrinfo *found = NULL;
    int code = getaddrinfo(job->host, job->service, &job->hints, &found);
    pthread_mutex_lock(&job->lock);
    bool abandoned = job->abandoned;
    job->code = code;
    job->found = found;
    job->done = true;
    pthread_cond_signal(&job->answered);
    pthread_mutex_unlock(&job->lock);
    if (abandoned) {
        if (code == 0)
            freeaddrinfo(found);
        job_free(job);
    }
    atomic_fetch_sub(&threads, 1);
    return NULL;
}

static bool start(Job *job)
{
    pthread_t thread;
    pthread_attr_t attributes;
    if (atomic_fetch_add(&threads, 1) >= MAX_THREADS) {
        atomic_fetch_sub(&threads, 1);
        return false;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    bool started = pthread_create(&thread, &attributes, work, job) == 0;
    pthread_attr_destroy(&attributes);
    if (!started)
        atomic_fetch_sub(&threads, 1);
    return started;
}

static bool is_cancelled(const atomic_bool *cancelled)
{
    return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed);
}

static void wait_a_little(Job *job, Deadline deadline)
{
    int64_t until = deadline_min(deadline, deadline_in(LOOK_MS));
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_cond_timedwait(&job->answered, &job->lock, &at);
}

/* True when the answer has come; the job is then the caller's to free. */
static bool await(Job *job, Deadline deadline, const atomic_bool *cancelled)
{
    pthread_mutex_lock(&job->lock);
    while (!job->done && !deadline_passed(deadline) && !is_cancelled(cancelled))
        wait_a_little(job, deadline);
    bool done = job->done;
    job->abandoned = !done;
    pthread_mutex_unlock(&job->lock);
    return done;
}

int net_look_up(const char *host, const char *service, const struct addrinfo *hints, Deadline deadline,
                const atomic_bool *cancelled, struct addrinfo **found)
{
    struct addrinfo numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    *found = NULL;
    int code = getaddrinfo(host, service, host ? &numeric : hints, found);
    if (code != EAI_NONAME || !host)
        return code;
    Job *job = job_new(host, service, hints);
    if (!start(job)) {
        job_free(job);
        return EAI_AGAIN;
    }
    if (!await(job, deadline, cancelled))
        return EAI_AGAIN;
    code = job->code;
    *found = job->found;
    job_free(job);
    return code;
}
