// SPDX-License-Identifier: MIT
/* One lock guards everything. Threads that have ended are joined by whoever gives the next item. */
#include "base/threads.h"

#include "base/cond.h"

#include <stdlib.h>

enum { STAY_MS = 5000, MAX_IDLE = 32 };

typedef struct Thread {
    struct Thread *next; /* of all */
    struct Thread *next_idle;
    Threads *threads;
    pthread_t id;
    pthread_cond_t given;
    void *item; /* NULL while idle */
    bool ended;
} Thread;

struct Threads {
    size_t stack;
    void (*work)(void *item);
    pthread_mutex_t lock;
    Thread *all, *idle; /* idle: the last that became so first */
    unsigned idle_count;
    bool finishing;
};

static void take_off_idle(Thread *thread)
{
    Threads *threads = thread->threads;
    for (Thread **link = &threads->idle; *link; link = &(*link)->next_idle)
        if (*link == thread) {
            *link = thread->next_idle;
            threads->idle_count--;
            return;
        }
}

/* With the lock held. False when the thread is to end. */
static bool await_item(Thread *thread)
{
    Threads *threads = thread->threads;
    Deadline deadline = deadline_in(STAY_MS);
    if (threads->finishing || threads->idle_count >= MAX_IDLE)
        return false;
    thread->next_idle = threads->idle;
    threads->idle = thread;
    threads->idle_count++;
    while (!thread->item && !threads->finishing && cond_wait(&thread->given, &threads->lock, deadline)) {
    }
    if (!thread->item)
        take_off_idle(thread);
    return thread->item != NULL;
}

static void *thread_main(void *ctx)
{
    Thread *thread = ctx;
    Threads *threads = thread->threads;
    for (bool goes_on = true; goes_on;) {
        threads->work(thread->item);
        pthread_mutex_lock(&threads->lock);
        thread->item = NULL;
        goes_on = await_item(thread);
        thread->ended = !goes_on;
        pthread_mutex_unlock(&threads->lock);
    }
    return NULL;
}

static void join(Thread *thread)
{
    pthread_join(thread->id, NULL);
    pthread_cond_destroy(&thread->given);
    free(thread);
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
        join(thread);
    }
}

static bool start(Threads *threads, void *item)
{
    pthread_attr_t attributes;
    Thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        abort();
    *thread = (Thread){.next = threads->all, .threads = threads, .item = item};
    cond_init(&thread->given);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, threads->stack);
    bool started = pthread_create(&thread->id, &attributes, thread_main, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (started) {
        threads->all = thread;
    } else {
        pthread_cond_destroy(&thread->given);
        free(thread);
    }
    return started;
}

/* The idle one that takes the item, or NULL. */
static Thread *hand_over(Threads *threads, void *item)
{
    Thread *thread = threads->idle;
    if (!thread)
        return NULL;
    threads->idle = thread->next_idle;
    threads->idle_count--;
    thread->item = item;
    return thread;
}

bool threads_give(Threads *threads, void *item)
{
    pthread_mutex_lock(&threads->lock);
    Thread *idle = hand_over(threads, item);
    if (!idle)
        join_ended(threads);
    bool taken = idle || start(threads, item);
    pthread_mutex_unlock(&threads->lock);
    if (idle)
        pthread_cond_signal(
            &idle->given); /* now, so that it finds the lock free; only the caller could join it meanwhile */
    return taken;
}

Threads *threads_new(size_t stack, void (*work)(void *item))
{
    Threads *threads = calloc(1, sizeof *threads);
    if (!threads)
        abort();
    threads->stack = stack;
    threads->work = work;
    pthread_mutex_init(&threads->lock, NULL);
    return threads;
}

void threads_finish(Threads *threads)
{
    if (!threads)
        return;
    pthread_mutex_lock(&threads->lock);
    threads->finishing = true;
    for (Thread *idle = threads->idle; idle; idle = idle->next_idle)
        pthread_cond_signal(&idle->given);
    Thread *all = threads->all;
    pthread_mutex_unlock(&threads->lock);
    for (Thread *next; all; all = next) {
        next = all->next;
        join(all);
    }
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}
