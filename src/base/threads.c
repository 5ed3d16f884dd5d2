// SPDX-License-Identifier: MIT
/* One lock guards everything. Threads that have ended are joined by whoever starts the next. */
#include "base/threads.h"

#include "base/cond.h"

#include <stdlib.h>

enum { STAY_MS = 5000, MAX_IDLE = 32 };

typedef struct Thread {
    struct Thread *next;
    Threads *threads;
    pthread_t id;
    bool ended;
} Thread;

struct Threads {
    size_t stack;
    ThreadsWork does;
    pthread_mutex_t lock;
    pthread_cond_t nobody_takes;
    Thread *all;
    unsigned taking; /* in `take`, or about to be */
    bool finishing;
};

static bool start(Threads *threads);

/* An item, and what is to be done with it: somebody else has to take the next one meanwhile. */
static void *take(Threads *threads, void (**then)(void *item))
{
    void *item = threads->does.take(threads->does.ctx, deadline_in(STAY_MS));
    pthread_mutex_lock(&threads->lock);
    threads->taking--;
    if (threads->finishing && !threads->taking)
        pthread_cond_broadcast(&threads->nobody_takes);
    bool followed = !item || threads->taking || threads->finishing || start(threads);
    *then = followed ? threads->does.work : threads->does.refuse;
    pthread_mutex_unlock(&threads->lock);
    return item;
}

static bool goes_on(Thread *thread, bool idle)
{
    Threads *threads = thread->threads;
    pthread_mutex_lock(&threads->lock);
    bool wanted = !threads->finishing && threads->taking < (idle ? 1 : MAX_IDLE);
    threads->taking += wanted;
    thread->ended = !wanted;
    pthread_mutex_unlock(&threads->lock);
    return wanted;
}

static void *thread_main(void *ctx)
{
    Thread *thread = ctx;
    void *item;
    do {
        void (*then)(void *);
        item = take(thread->threads, &then);
        if (item)
            then(item);
    } while (goes_on(thread, !item));
    return NULL;
}

/* With the lock held: a thread that has ended holds it no more, and is joined at once. */
static void join_ended(Threads *threads)
{
    for (Thread **link = &threads->all; *link;) {
        Thread *thread = *link;
        if (!thread->ended) {
            link = &thread->next;
            continue;
        }
        *link = thread->next;
        pthread_join(thread->id, NULL);
        free(thread);
    }
}

/* With the lock held. */
static bool start(Threads *threads)
{
    pthread_attr_t attributes;
    Thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        abort();
    join_ended(threads);
    *thread = (Thread){.next = threads->all, .threads = threads};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, threads->stack);
    bool started = pthread_create(&thread->id, &attributes, thread_main, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (started) {
        threads->all = thread;
        threads->taking++;
    } else {
        free(thread);
    }
    return started;
}

Threads *threads_new(size_t stack, const ThreadsWork *work)
{
    Threads *threads = calloc(1, sizeof *threads);
    if (!threads)
        abort();
    threads->stack = stack;
    threads->does = *work;
    pthread_mutex_init(&threads->lock, NULL);
    cond_init(&threads->nobody_takes);
    pthread_mutex_lock(&threads->lock);
    bool started = start(threads);
    pthread_mutex_unlock(&threads->lock);
    if (started)
        return threads;
    threads_finish(threads);
    return NULL;
}

void threads_stop_taking(Threads *threads)
{
    pthread_mutex_lock(&threads->lock);
    threads->finishing = true;
    pthread_mutex_unlock(&threads->lock);
    threads->does.wake(threads->does.ctx);
    pthread_mutex_lock(&threads->lock);
    while (threads->taking)
        cond_wait(&threads->nobody_takes, &threads->lock, CLOCK_NEVER);
    pthread_mutex_unlock(&threads->lock);
}

void threads_finish(Threads *threads)
{
    if (!threads)
        return;
    threads_stop_taking(threads);
    for (Thread *next, *thread = threads->all; thread; thread = next) {
        next = thread->next;
        pthread_join(thread->id, NULL);
        free(thread);
    }
    pthread_cond_destroy(&threads->nobody_takes);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}
