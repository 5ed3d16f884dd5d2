// SPDX-License-Identifier: MIT
/*
 * A thread for each association. Each takes the next ticket (the number of an operation); what the operation is follows from the seed and the ticket. In a closed
 * loop it begins at once; in an open one ticket N is due at start + N / rate, and when all associations are busy its wait counts.
 *
 * A thread stores whole studies, as a modality does: it takes the number of one that nobody has.
 */
#include "cli/load.h"

#include "base/clock.h"
#include "dicom/status.h"
#include "dicom/uids.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

const char *const load_verb_names[LOAD_VERBS] = {"store", "find", "get", "move", "echo"};
const char *const load_fault_names[SCU_FAULT_COUNT] = {"none", "abort", "drop", "deaf", "drip", "status"};

enum { FOR_VERB = 1000, FOR_FAULT, FOR_STUDY, FOR_WAY }; /* what load_random is asked for here */

typedef struct Run {
    const LoadPlan *plan;
    LoadTotals *totals;
    int64_t began_ns, until_ns;
    atomic_uint_fast64_t tickets, studies; /* the next ones */
} Run;

typedef struct Worker {
    Run *run;
    pthread_t thread;
    ScuExercise *exercise;
    Arena *arena;
    LoadObject object;
    uint64_t study, in_study; /* that is being stored, and its next object */
    uint64_t stored_here;     /* objects of that study that the peer has acknowledged */
    uint64_t done_here;       /* operations on this association */
    unsigned refused;         /* associations in a row that did not come about */
    bool met;                 /* one has */
    /* of the operation that goes on */
    uint64_t bytes, things;
    unsigned answered; /* objects of this C-GET */
    bool wrong_status;
} Worker;

/* -- counting -- */

/* The last place of a full list takes all that is of no kind in it. */
static void count_error(LoadTotals *totals, const char *kind, const char *example)
{
    pthread_mutex_lock(&totals->lock);
    size_t i = 0;
    while (i < totals->error_count && strcmp(totals->errors[i].kind, kind) != 0)
        i++;
    if (i == LOAD_MAX_ERRORS)
        i--;
    LoadError *error = &totals->errors[i];
    if (i == totals->error_count) {
        bool last = ++totals->error_count == LOAD_MAX_ERRORS;
        snprintf(error->kind, sizeof error->kind, "%s", last ? "other" : kind);
        snprintf(error->example, sizeof error->example, "%s", example);
    }
    error->count++;
    pthread_mutex_unlock(&totals->lock);
}

static void fail(Worker *worker, LoadVerb verb, const ScuResult *result, const Err *err)
{
    char kind[48];
    if (result->answered)
        snprintf(kind, sizeof kind, "%s: status %04X", load_verb_names[verb], result->status);
    else
        snprintf(kind, sizeof kind, "%s: %s", load_verb_names[verb], err_code_name(err->code));
    atomic_fetch_add(&worker->run->totals->verbs[verb].failed, 1);
    count_error(worker->run->totals, kind, err->text);
}

static void raise_to(atomic_uint_fast64_t *most, uint64_t value)
{
    uint_fast64_t have = atomic_load(most);
    while (have < value && !atomic_compare_exchange_weak(most, &have, value)) {
    }
}

/* -- time -- */

static bool is_over(const Run *run)
{
    return atomic_load(run->plan->stop) || clock_ns() >= run->until_ns;
}

static void sleep_until(const Run *run, int64_t ns)
{
    enum { SLICE_NS = 100000000 };
    for (int64_t left; (left = ns - clock_ns()) > 0 && !is_over(run);) {
        struct timespec slice = {.tv_nsec = left < SLICE_NS ? (long)left : SLICE_NS};
        nanosleep(&slice, NULL);
    }
}

/* -- associations -- */

static void close_association(Worker *worker)
{
    scu_exercise_close(worker->exercise);
    worker->exercise = NULL;
    worker->done_here = 0;
}

/* Counts as the failure of an operation of this verb when there is none. */
static bool have_association(Worker *worker, LoadVerb verb)
{
    const LoadPlan *plan = worker->run->plan;
    LoadTotals *totals = worker->run->totals;
    if (!scu_exercise_is_open(worker->exercise) ||
        (plan->per_association && worker->done_here >= plan->per_association))
        close_association(worker);
    if (worker->exercise)
        return true;
    ScuResult result;
    Err err = {0};
    int64_t began = clock_ns();
    worker->exercise = scu_exercise_open(&plan->peer, &plan->proposals, &result, &err);
    if (worker->exercise) {
        histogram_add(&totals->opening, (uint64_t)(clock_ns() - began));
        worker->refused = 0;
        worker->met = true;
        return true;
    }
    char kind[48];
    snprintf(kind, sizeof kind, "association: %s", err_code_name(err.code));
    atomic_fetch_add(&totals->opening_failed, 1);
    atomic_fetch_add(&totals->verbs[verb].failed, 1);
    count_error(totals, kind, err.text);
    worker->refused++;
    return false;
}

/* -- store -- */

static void next_object(Worker *worker, uint64_t *number)
{
    const LoadPlan *plan = worker->run->plan;
    if (worker->in_study == plan->shape.per_study) {
        worker->study = plan->studies + atomic_fetch_add(&worker->run->studies, 1);
        worker->in_study = worker->stored_here = 0;
    }
    *number = worker->study * plan->shape.per_study + worker->in_study++;
}

static bool store_made_up(Worker *worker, ScuFault fault, ScuResult *result, Err *err)
{
    const LoadPlan *plan = worker->run->plan;
    const ScuKind kind = plan->proposals.kinds[0];
    const NetAccepted *context = scu_exercise_context(worker->exercise, &kind, true);
    if (!context)
        return err_set(err, ERR_UNSUPPORTED, "the peer does not accept %s",
                       dcm_uid_name(span_cstr(kind.sop_class)));
    uint64_t number;
    next_object(worker, &number);
    load_object_make(&plan->shape, &plan->pixels, number, context->transfer_syntax, worker->arena,
                     &worker->object);
    ScuStore store = {.context = context,
                      .sop_class = kind.sop_class,
                      .sop_instance = worker->object.sop_instance,
                      .source = load_object_read,
                      .ctx = &worker->object,
                      .bytes = load_object_bytes(&worker->object)};
    worker->bytes = store.bytes;
    return scu_exercise_store(worker->exercise, &store, fault, plan->drip_ms, result, err);
}

/* The reader of a file, which counts. */
typedef struct Counted {
    ArcReader *reader;
    uint64_t bytes;
} Counted;

static ssize_t read_counted(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Counted *counted = ctx;
    ssize_t got = arc_reader_read(counted->reader, p, n, err);
    counted->bytes += got > 0 ? (uint64_t)got : 0;
    return got;
}

static bool store_file(Worker *worker, uint64_t ticket, ScuFault fault, ScuResult *result, Err *err)
{
    const LoadPlan *plan = worker->run->plan;
    const OutItem *item = &plan->files->items[ticket % plan->files->count];
    const ScuKind kind = {item->sop_class, item->syntax};
    const NetAccepted *context = scu_exercise_context(worker->exercise, &kind, false);
    if (!context)
        return err_set(err, ERR_UNSUPPORTED, "the peer does not accept %s in the syntax of %s",
                       dcm_uid_name(span_cstr(kind.sop_class)), item->path);
    struct stat st;
    if (stat(item->path, &st) != 0)
        return err_errno(err, errno, "%s", item->path);
    Counted counted = {arc_reader_open_path(item->path, item->data_offset, item->syntax, NULL, err), 0};
    if (!counted.reader)
        return false;
    ScuStore store = {.context = context,
                      .sop_class = item->sop_class,
                      .sop_instance = item->sop_instance,
                      .source = read_counted,
                      .ctx = &counted,
                      .bytes = (uint64_t)st.st_size - item->data_offset};
    bool ok = scu_exercise_store(worker->exercise, &store, fault, plan->drip_ms, result, err);
    arc_reader_close(counted.reader);
    worker->bytes = counted.bytes;
    return ok;
}

/* -- find, get, move -- */

static bool on_match(void *ctx, const DcmDataset *match)
{
    Worker *worker = ctx;
    worker->things++;
    return true;
}

static void *begin_object(void *ctx, const char *sop_class, const char *sop_instance, const char *syntax,
                          Err *err)
{
    static const uint16_t wrong[] = {DCM_STATUS_OUT_OF_RESOURCES, 0x1234, 0xC000,
                                     DCM_STATUS_PROCESSING_FAILURE};
    Worker *worker = ctx;
    unsigned n = worker->answered++;
    if (!worker->wrong_status)
        return worker;
    err_set(err, ERR_REFUSED, "refused, to see what becomes of it");
    err->dimse = wrong[n % (sizeof wrong / sizeof *wrong)];
    return NULL;
}

static bool take_piece(void *ctx, void *handle, Span bytes, Err *err)
{
    Worker *worker = ctx;
    worker->bytes += bytes.n;
    return true;
}

static bool end_object(void *ctx, void *handle, bool complete, Err *err)
{
    Worker *worker = ctx;
    worker->things += complete;
    return true;
}

/*
 * A study that ought to be there: stored before, or begun so long ago that it is likely to be complete; else the one that this thread has stored some of.
 * False when there is none.
 */
static bool some_study(const Worker *worker, uint64_t ticket, uint64_t *study)
{
    const LoadPlan *plan = worker->run->plan;
    uint64_t begun = atomic_load(&worker->run->studies), busy = plan->associations;
    uint64_t there = plan->studies + (begun > busy ? begun - busy : 0);
    *study = there ? load_random(plan->shape.seed, FOR_STUDY, ticket) % there : worker->study;
    return there || worker->stored_here;
}

static bool ask(Worker *worker, LoadVerb verb, uint64_t ticket, ScuFault fault, ScuResult *result, Err *err)
{
    const LoadPlan *plan = worker->run->plan;
    static const ScuVerb bits[LOAD_VERBS] = {
        [LOAD_FIND] = SCU_FIND, [LOAD_GET] = SCU_GET, [LOAD_MOVE] = SCU_MOVE};
    uint64_t study;
    some_study(worker, ticket, &study);
    DcmLevel level = DCM_LEVEL_STUDY;
    arena_reset(worker->arena);
    unsigned way = (unsigned)(load_random(plan->shape.seed, FOR_WAY, ticket) % LOAD_WAYS);
    const DcmDataset *keys = verb == LOAD_FIND ? load_query(&plan->shape, study, way, worker->arena, &level)
                                               : load_retrieve_keys(&plan->shape, study, worker->arena);
    const char *destination = verb == LOAD_MOVE ? plan->destination : NULL;
    if (fault && fault != SCU_STATUS) {
        *result = (ScuResult){.associated = true};
        return scu_exercise_break(worker->exercise, bits[verb], fault, level, keys, destination, err);
    }
    ScuQuery *query = scu_exercise_query(worker->exercise);
    const ScuSink sink = {worker, begin_object, take_piece, end_object};
    worker->wrong_status = fault == SCU_STATUS;
    worker->answered = 0;
    if (verb == LOAD_FIND)
        return scu_find(query, level, keys, on_match, worker, result, err);
    if (verb == LOAD_GET)
        return scu_get(query, level, keys, &sink, NULL, NULL, result, err);
    bool ok = scu_move(query, level, keys, destination, NULL, NULL, result, err);
    worker->things = result->completed;
    return ok;
}

/* -- one operation -- */

/* Before there is anything to ask for, it is stored, if the mix stores at all. */
static LoadVerb verb_of(const Worker *worker, uint64_t ticket)
{
    const LoadPlan *plan = worker->run->plan;
    uint64_t study;
    unsigned at = (unsigned)(load_random(plan->shape.seed, FOR_VERB, ticket) % plan->mix_sum);
    LoadVerb verb = LOAD_STORE;
    while (at >= plan->mix[verb])
        at -= plan->mix[verb++];
    bool asks = verb == LOAD_FIND || verb == LOAD_GET || verb == LOAD_MOVE;
    if (asks && plan->mix[LOAD_STORE] && !some_study(worker, ticket, &study))
        return LOAD_STORE;
    return verb;
}

static bool applies(ScuFault fault, LoadVerb verb)
{
    if (fault == SCU_STATUS)
        return verb == LOAD_GET;
    return fault != SCU_DRIP || verb == LOAD_STORE || verb == LOAD_ECHO;
}

static ScuFault fault_of(const LoadPlan *plan, LoadVerb verb, uint64_t ticket)
{
    unsigned at = (unsigned)(load_random(plan->shape.seed, FOR_FAULT, ticket) % 100);
    for (ScuFault fault = SCU_ABORT; (unsigned)fault < SCU_FAULT_COUNT; fault++) {
        if (!applies(fault, verb))
            continue;
        if (at < plan->faults[fault])
            return fault;
        at -= plan->faults[fault];
    }
    return SCU_NO_FAULT;
}

static void count_success(Worker *worker, LoadVerb verb, const ScuResult *result, int64_t due, int64_t began)
{
    LoadVerbTotals *totals = &worker->run->totals->verbs[verb];
    int64_t now = clock_ns();
    histogram_add(&totals->served, (uint64_t)(now - began));
    if (worker->run->plan->rate > 0)
        histogram_add(&totals->waited, (uint64_t)(now - due));
    worker->stored_here += verb == LOAD_STORE;
    atomic_fetch_add(&totals->bytes, worker->bytes);
    atomic_fetch_add(&totals->things, worker->things);
    if (dcm_status_class(result->status) == DCM_WARNING)
        atomic_fetch_add(&totals->warnings, 1);
}

/* An operation that we spoil ourselves has no latency and is no failure of the peer, except one that drips: that ought to succeed. */
static void operate(Worker *worker, uint64_t ticket, int64_t due)
{
    const LoadPlan *plan = worker->run->plan;
    LoadVerb verb = verb_of(worker, ticket);
    if (!have_association(worker, verb))
        return;
    ScuFault fault = fault_of(plan, verb, ticket);
    ScuResult result = {0};
    Err err = {0};
    worker->bytes = worker->things = 0;
    int64_t began = clock_ns();
    bool ok = verb == LOAD_STORE  ? plan->files ? store_file(worker, ticket, fault, &result, &err)
                                                : store_made_up(worker, fault, &result, &err)
               : verb == LOAD_ECHO ? scu_exercise_echo(worker->exercise, fault, plan->drip_ms, &result, &err)
                                  : ask(worker, verb, ticket, fault, &result, &err);
    worker->done_here++;
    if (fault)
        atomic_fetch_add(&worker->run->totals->faults[fault], 1);
    bool expected_to_work = !fault || fault == SCU_DRIP;
    if (!ok && expected_to_work)
        fail(worker, verb, &result, &err);
    else if (!fault)
        count_success(worker, verb, &result, due, began);
    if (!ok && !result.answered)
        close_association(worker);
}

/* -- threads -- */

/* A peer that was never there is given up soon; one that went away may come back. */
static bool gives_up(const Worker *worker)
{
    enum { NEVER_MET = 3, PAUSE_MS = 100, PATIENCE = 100 };
    if (!worker->refused)
        return false;
    clock_sleep_ms(PAUSE_MS);
    return worker->refused >= (worker->met ? PATIENCE : NEVER_MET);
}

static void *work(void *ctx)
{
    Worker *worker = ctx;
    Run *run = worker->run;
    const LoadPlan *plan = run->plan;
    while (!is_over(run)) {
        uint64_t ticket = atomic_fetch_add(&run->tickets, 1);
        if (plan->operations && ticket >= plan->operations)
            break;
        int64_t due = clock_ns();
        if (plan->rate > 0) {
            due = run->began_ns + (int64_t)((double)ticket / plan->rate * 1e9);
            sleep_until(run, due);
            if (is_over(run))
                break;
            int64_t late = clock_ns() - due;
            raise_to(&run->totals->latest_ns, late > 0 ? (uint64_t)late : 0);
        }
        operate(worker, ticket, due);
        if (gives_up(worker)) {
            atomic_fetch_add(&run->totals->given_up, 1);
            break;
        }
        if (plan->think_ms)
            sleep_until(run, clock_ns() + plan->think_ms * 1000000);
    }
    close_association(worker);
    return NULL;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void load_run(const LoadPlan *plan, LoadTotals *totals)
{
    Run run = {.plan = plan, .totals = totals, .began_ns = clock_ns(), .until_ns = INT64_MAX};
    if (plan->duration_ns)
        run.until_ns = run.began_ns + plan->duration_ns;
    Worker *workers = calloc(plan->associations, sizeof *workers);
    if (!workers)
        abort();
    pthread_mutex_init(&totals->lock, NULL);
    double cpu = cpu_seconds();
    unsigned started = 0;
    for (; started < plan->associations; started++) {
        Worker *worker = &workers[started];
        worker->run = &run;
        worker->arena = arena_new(0);
        worker->in_study = plan->shape.per_study;
        buf_init(&worker->object.head, 0);
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            count_error(totals, "thread: no more", "the system gives no more threads");
            atomic_fetch_add(&totals->given_up, 1);
            arena_free(worker->arena);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        arena_free(workers[i].arena);
        buf_free(&workers[i].object.head);
    }
    totals->ns = clock_ns() - run.began_ns;
    totals->cpu = cpu_seconds() - cpu;
    pthread_mutex_destroy(&totals->lock);
    free(workers);
}
