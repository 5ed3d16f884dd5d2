// SPDX-License-Identifier: MIT
/*
 * What this machine allows a program that receives objects and keeps them, step by step:
 *
 *   files, names, log  the steps of limits_keep.h
 *   received           and the bytes come over TCP on the loopback device and their XXH3 is taken
 *
 * Nothing is looked at, checked or remembered: an archive that syncs the file, its name and its row before it answers cannot be faster than "log",
 * one that receives what it stores not faster than "received", whose figure has the sender's part in it.
 */
#include "limits_keep.h"

#include "base/clock.h"
#include "net/pacing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { RECEIVED = KEEP_LOGGED + 1, STEPS };
enum { MAX_WORKERS = 8, PIECE = 128 << 10 };

typedef struct Run {
    const char *top;
    int step, count;
    size_t size;
    uint8_t *object;
    Keeper keeper;
} Run;

typedef struct Worker {
    Run *run;
    int number, count;
    int folder, peer;
    uint8_t *object;
    double cpu; /* seconds, of this thread */
    pthread_t thread, sender;
} Worker;

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;
    must(clock_gettime(clock, &t) == 0, "no clock");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* -- one object -- */

static void receive(const Worker *w, XXH3_state_t *sum)
{
    XXH3_128bits_reset(sum);
    for (size_t at = 0; at < w->run->size;) {
        size_t left = w->run->size - at, want = left < PIECE ? left : PIECE;
        ssize_t n = recv(w->peer, w->object + at, want, MSG_WAITALL);
        must(n == (ssize_t)want, "cannot receive");
        XXH3_128bits_update(sum, w->object + at, want);
        at += want;
    }
}

static void store(const Worker *w, int i, XXH3_state_t *sum)
{
    Run *run = w->run;
    char name[32];
    snprintf(name, sizeof name, "%d-%d", w->number, i);
    if (run->step == RECEIVED)
        receive(w, sum);
    keep_object(&run->keeper, w->folder, name, w->object, run->size,
                run->step < RECEIVED ? (KeepStep)run->step : KEEP_LOGGED);
    if (run->step == RECEIVED)
        must(send(w->peer, "", 1, MSG_NOSIGNAL) == 1, "cannot answer");
}

static void *worker_main(void *ctx)
{
    Worker *w = ctx;
    XXH3_state_t *sum = XXH3_createState();
    void *object = NULL;
    must(sum && posix_memalign(&object, KEEP_ALIGNMENT, w->run->size) == 0, "no memory");
    w->object = object;
    memcpy(object, w->run->object, w->run->size);
    for (int i = 0; i < w->count; i++)
        store(w, i, sum);
    XXH3_freeState(sum);
    free(object);
    w->cpu = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* -- who sends -- */

typedef struct Sending {
    const Run *run;
    int fd, count;
} Sending;

static void *sender_main(void *ctx)
{
    Sending *s = ctx;
    char answer;
    for (int i = 0; i < s->count; i++) {
        for (size_t at = 0; at < s->run->size;) {
            ssize_t n = send(s->fd, s->run->object + at, s->run->size - at, MSG_NOSIGNAL);
            must(n > 0, "cannot send");
            at += (size_t)n;
        }
        must(recv(s->fd, &answer, 1, MSG_WAITALL) == 1, "no answer");
    }
    close(s->fd);
    free(s);
    return NULL;
}

static void connect_pair(int *server, int *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    net_pacing_of_listener(listener);
    must(bind(listener, (struct sockaddr *)&address, n) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &n) == 0,
         "cannot listen");
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    net_pacing_to(*client, (struct sockaddr *)&address);
    must(connect(*client, (struct sockaddr *)&address, n) == 0, "cannot connect");
    *server = accept(listener, NULL, NULL);
    must(*server >= 0, "cannot accept");
    close(listener);
}

static void start_sender(Worker *w)
{
    Sending *sending = malloc(sizeof *sending);
    must(sending, "no memory");
    *sending = (Sending){.run = w->run, .count = w->count};
    connect_pair(&w->peer, &sending->fd);
    must(pthread_create(&w->sender, NULL, sender_main, sending) == 0, "cannot start a thread");
}

/* -- one row of the table -- */

static void measure(Run *run, int workers, const char *what)
{
    static int number;
    static const char *const steps[STEPS] = {"files", "names", "log", "received"};
    Worker all[MAX_WORKERS];
    char name[64];
    keeper_open(&run->keeper, run->top, ++number);
    for (int i = 0; i < workers; i++) {
        snprintf(name, sizeof name, "%d-%d", number, i);
        all[i] = (Worker){.run = run, .number = i, .count = run->count / workers};
        all[i].folder = keep_folder(run->top, name);
        if (run->step == RECEIVED)
            start_sender(&all[i]);
    }
    double all_cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), cpu = 0;
    int64_t began = clock_ns();
    for (int i = 0; i < workers; i++)
        must(pthread_create(&all[i].thread, NULL, worker_main, &all[i]) == 0, "cannot start a thread");
    for (int i = 0; i < workers; i++) {
        pthread_join(all[i].thread, NULL);
        cpu += all[i].cpu;
    }
    double seconds = (double)(clock_ns() - began) / 1e9, objects = run->count / workers * workers;
    all_cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - all_cpu;
    for (int i = 0; i < workers; i++) {
        if (run->step == RECEIVED) {
            pthread_join(all[i].sender, NULL);
            close(all[i].peer);
        }
        close(all[i].folder);
    }
    keeper_close(&run->keeper);
    printf("| %s, %d at a time: %s | %.0f | %.2f | %.2f |\n", what, workers, steps[run->step],
           objects / seconds, cpu / objects * 1000, all_cpu / objects * 1000);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        size_t size;
        int workers, count;
    } cases[] = {{"CT 527 KB", 527164, 1, 400}, {"CT 527 KB", 527164, 8, 1600}, {"11 KB", 11054, 8, 8000}};
    if (argc != 2) {
        fprintf(stderr, "usage: bench_limits FOLDER\n");
        return 2;
    }
    Run run = {.top = argv[1], .object = malloc(cases[0].size)};
    must(run.object, "no memory");
    for (size_t i = 0; i < cases[0].size; i++)
        run.object[i] = (uint8_t)(i * 2654435761u >> 24);
    printf("| what | objects/s | CPU, ms an object | and its sender's |\n|---|---|---|---|\n");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (run.step = KEEP_FILES; run.step < STEPS; run.step++) {
            run.size = cases[c].size;
            run.count = cases[c].count;
            measure(&run, cases[c].workers, cases[c].name);
        }
    free(run.object);
    return 0;
}
