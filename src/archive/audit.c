// SPDX-License-Identifier: MIT
/*
 * The queue and the thread that writes. `lock` guards the queue, the counts and the table of what comes again and again; the chain belongs to the thread.
 *
 * The thread waits a little before it writes, so that what comes meanwhile shares the sync, unless somebody waits for their record. When it cannot write,
 * the records stay where they are and it tries again each second; the queue fills, and what finds it full is counted as lost. When writing succeeds again, the
 * number of those stands in the trail.
 */
#include "archive/audit.h"

#include "archive/audit_chain.h"
#include "archive/audit_key.h"
#include "base/cond.h"
#include "base/log.h"
#include "base/metrics.h"
#include "dicom/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    QUEUE_MAX = 8192, /* records that wait */
    BODY_MAX = 64 << 10,
    GROUP_MAX = 1024, /* records of one write */
    LINGER_MS = 200,  /* before a write, for others to come */
    AGAIN_MS = 1000,  /* after a write that failed */
    COMPLAIN_MS = 60000,
    ROOM_MS = 500,     /* so long a service waits for room in the queue … */
    DURABLE_MS = 5000, /* … and, when the audit is required, for its record to be durable */
    LOCK_MS = 5000,    /* for the lock on the files */
    CLOSE_MS = 5000,
    SEEN = 512, /* keys that are counted */
    WINDOW_MS = 60000,
};

typedef struct Record {
    struct Record *next;
    size_t n;
    char body[];
} Record;

/* An event that has come within the last minute. */
typedef struct Seen {
    uint64_t key; /* 0 = free */
    Deadline until;
    uint64_t again; /* since */
    int64_t last_us;
    Record *record;  /* a copy of the first one */
    uint64_t *parts; /* hashes of different ones; as many as were doubled to */
    size_t part_count;
} Seen;

struct Audit {
    AuditSettings set;
    char *source, *site;
    AuditKey *key; /* of hashed identifiers; NULL = they are written as they are */
    AuditChain *chain;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    Record *first, **last;
    size_t waiting;
    uint64_t taken, durable; /* records that came into the queue; that are on the disk */
    uint64_t lost;           /* not told yet */
    bool hurry, failing, stopping;
    Deadline give_up; /* with stopping */
    Err why;          /* with failing */
    Deadline quiet;   /* until then nobody is told again */
    Seen seen[SEEN];
    size_t seen_count;
};

const AuditSettings *audit_settings(const Audit *audit)
{
    return &audit->set;
}

const char *audit_identifier(const Audit *audit, Arena *arena, const char *identifier)
{
    return audit->key && identifier && *identifier ? audit_key_hash(audit->key, arena, identifier)
                                                   : identifier;
}

/* -- figures -- */

static Metric *records_total(void)
{
    return metric_counter("gantry_audit_records_total", "Records written into the audit trail.", "");
}

static Metric *lost_total(void)
{
    return metric_counter("gantry_audit_lost_total", "Records that the audit trail could not take.", "");
}

static void show(const Audit *a)
{
    metric_set(
        metric_gauge("gantry_audit_waiting", "Records that wait to be written into the audit trail.", ""),
        (int64_t)a->waiting);
    metric_set(metric_gauge("gantry_audit_failing", "1: the audit trail cannot be written.", ""), a->failing);
}

/* -- the queue -- */

static Record *record_new(Span body)
{
    Record *record = malloc(sizeof *record + body.n);
    if (!record)
        abort();
    record->next = NULL;
    record->n = body.n;
    memcpy(record->body, body.p, body.n);
    return record;
}

/* With the lock. */
static void put(Audit *a, Record *record)
{
    record->next = NULL;
    *a->last = record;
    a->last = &record->next;
    a->waiting++;
    a->taken++;
    if (a->waiting == 1 || a->waiting == GROUP_MAX)
        pthread_cond_signal(&a->work);
}

static size_t queue_max(const Audit *a)
{
    return a->set.queue_max ? a->set.queue_max : QUEUE_MAX;
}

/* With the lock: is there room, perhaps after a while? */
static bool await_room(Audit *a)
{
    Deadline deadline = deadline_in(ROOM_MS);
    while (a->waiting >= queue_max(a) && !a->failing && !a->stopping) {
        a->hurry = true;
        pthread_cond_signal(&a->work);
        if (!cond_wait(&a->progress, &a->lock, deadline))
            break;
    }
    return a->waiting < queue_max(a) && !a->stopping;
}

/* With the lock. */
static bool await_durable(Audit *a, uint64_t ticket, Deadline deadline)
{
    bool in_time = true;
    while (a->durable < ticket && in_time && !a->failing) {
        a->hurry = true;
        pthread_cond_signal(&a->work);
        in_time = cond_wait(&a->progress, &a->lock, deadline);
    }
    return a->durable >= ticket;
}

static bool refuse(Err *err, const char *why)
{
    err_set(err, ERR_REFUSED, "the audit trail cannot be written, and audit.required is on: %s", why);
    if (err) {
        err->dimse = DCM_STATUS_OUT_OF_RESOURCES;
        err->http = 503;
    }
    return false;
}

/* With the lock. Takes the record over. */
static bool enqueue(Audit *a, Record *record, Err *err)
{
    if (!await_room(a)) {
        free(record);
        a->lost++;
        metric_add(lost_total(), 1);
        return a->set.required ? refuse(err, a->failing ? a->why.text : "too many records wait") : true;
    }
    put(a, record);
    if (!a->set.required || await_durable(a, a->taken, deadline_in(DURABLE_MS)))
        return true;
    return refuse(err, a->failing ? a->why.text : "the disk is too slow");
}

/* -- what comes again and again -- */

uint64_t audit_key(AuditKind kind, const char *const *texts, size_t count)
{
    uint64_t key = (uint64_t)kind + 1;
    for (size_t i = 0; i < count; i++)
        key = XXH3_64bits_withSeed(texts[i] ? texts[i] : "", texts[i] ? strlen(texts[i]) + 1 : 1, key);
    return key ? key : 1;
}

static void note_part(Seen *seen, const char *part)
{
    if (!part || seen->part_count == AUDIT_PARTS_MAX)
        return;
    uint64_t hash = XXH3_64bits(part, strlen(part));
    for (size_t i = 0; i < seen->part_count; i++)
        if (seen->parts[i] == hash)
            return;
    size_t n = seen->part_count;
    if ((n & (n - 1)) == 0) {
        uint64_t *bigger = realloc(seen->parts, (n ? 2 * n : 1) * sizeof *bigger);
        if (!bigger)
            abort();
        seen->parts = bigger;
    }
    seen->parts[seen->part_count++] = hash;
}

static void seen_free(Seen *seen)
{
    free(seen->record);
    free(seen->parts);
}

/* With the lock. NULL when it is not there. */
static Seen *find_seen(Audit *a, uint64_t key)
{
    for (size_t i = 0, at = key % SEEN; i < SEEN && a->seen_count; i++, at = (at + 1) % SEEN) {
        if (a->seen[at].key == key)
            return &a->seen[at];
        if (!a->seen[at].key)
            break;
    }
    return NULL;
}

static void add_again(Audit *a, const Seen *seen)
{
    char when[64];
    Buf body;
    buf_init(&body, 0);
    time_t seconds = (time_t)(seen->last_us / 1000000);
    struct tm at;
    gmtime_r(&seconds, &at);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &at);
    buf_append(&body, seen->record->body, seen->record->n);
    buf_printf(&body, ",\"Repeated\":%" PRIu64 ",\"RepeatedUntil\":\"%s\"", seen->again, when);
    if (seen->part_count)
        buf_printf(&body, ",\"RepeatedInstances\":%zu", seen->part_count);
    if (!body.failed)
        put(a, record_new(buf_span(&body)));
    buf_free(&body);
}

/* With the lock: tells what was only counted, of events whose minute is over, or of all. The table is made anew, because of its probing. */
static void sweep(Audit *a, bool all)
{
    Seen kept[SEEN];
    size_t n = 0;
    for (size_t i = 0; i < SEEN && a->seen_count; i++) {
        Seen *seen = &a->seen[i];
        if (!seen->key)
            continue;
        if (!all && !deadline_passed(seen->until)) {
            kept[n++] = *seen;
        } else {
            if (seen->again)
                add_again(a, seen);
            seen_free(seen);
        }
    }
    memset(a->seen, 0, sizeof a->seen);
    a->seen_count = n;
    for (size_t i = 0; i < n; i++) {
        size_t at = kept[i].key % SEEN;
        while (a->seen[at].key)
            at = (at + 1) % SEEN;
        a->seen[at] = kept[i];
    }
}

/* With the lock. */
static void remember(Audit *a, uint64_t key, const char *part, const Record *record)
{
    enum { FULL = SEEN * 3 / 4 };
    if (a->seen_count >= FULL)
        sweep(a, false);
    if (a->seen_count >= FULL)
        sweep(a, true);
    size_t at = key % SEEN;
    while (a->seen[at].key)
        at = (at + 1) % SEEN;
    a->seen[at] = (Seen){
        .key = key, .until = deadline_in(WINDOW_MS), .record = record_new(span_of(record->body, record->n))};
    note_part(&a->seen[at], part);
    a->seen_count++;
}

/* With the lock. */
static bool count_again(Audit *a, uint64_t key, const char *part)
{
    Seen *seen = find_seen(a, key);
    if (!seen || deadline_passed(seen->until))
        return false;
    seen->again++;
    note_part(seen, part);
    seen->last_us = clock_wall_us();
    return true;
}

bool audit_again(Audit *a, uint64_t key, const char *part)
{
    if (!a)
        return true;
    pthread_mutex_lock(&a->lock);
    bool again = !(a->failing && a->set.required) && count_again(a, key, part);
    pthread_mutex_unlock(&a->lock);
    return again;
}

/* -- recording -- */

/* With the lock. */
static bool take(Audit *a, const AuditEvent *event, Record *record, Err *err)
{
    uint64_t key = event->key;
    bool refusing = a->failing && a->set.required;
    if (key && !refusing && count_again(a, key, event->part)) {
        free(record);
        return true;
    }
    if (key && find_seen(a, key))
        sweep(a, false);
    if (key && !find_seen(a, key))
        remember(a, key, event->part, record);
    return enqueue(a, record, err);
}

bool audit_record(Audit *a, const AuditEvent *event, Err *err)
{
    Buf body;
    if (!a)
        return true;
    buf_init(&body, BODY_MAX);
    audit_event_write(&body, a, event, clock_wall_us());
    Record *record = body.failed ? NULL : record_new(buf_span(&body));
    buf_free(&body);
    pthread_mutex_lock(&a->lock);
    bool ok = true;
    if (record) {
        ok = take(a, event, record, err);
    } else {
        a->lost++;
        metric_add(lost_total(), 1);
    }
    pthread_mutex_unlock(&a->lock);
    return ok;
}

bool audit_may_serve(Audit *a, Err *err)
{
    if (!a || !a->set.required)
        return true;
    pthread_mutex_lock(&a->lock);
    bool well = !a->failing && a->waiting < queue_max(a);
    if (!well)
        refuse(err, a->failing ? a->why.text : "too many records wait");
    pthread_mutex_unlock(&a->lock);
    return well;
}

bool audit_flush(Audit *a, Deadline deadline)
{
    if (!a)
        return true;
    pthread_mutex_lock(&a->lock);
    bool ok = await_durable(a, a->taken, deadline);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* -- the thread -- */

/* What the trail says of itself. */
static void write_own(const Audit *a, const char *why, Buf *body)
{
    AuditWho who = {.title = a->set.source, .role = AUDIT_APPLICATION};
    AuditWhat what = {.thing = AUDIT_FILE, .id = AUDIT_LINES};
    audit_event_write(body, a,
                      &(AuditEvent){.kind = AUDIT_RECORDING,
                                    .outcome = AUDIT_SERIOUS_FAILURE,
                                    .why = why,
                                    .who = &who,
                                    .who_count = 1,
                                    .what = &what,
                                    .what_count = 1},
                      clock_wall_us());
}

static void tell_note(void *ctx, AuditChainNote note, Buf *body)
{
    static const char *const texts[] = {
        [AUDIT_CHAIN_TORN] = "the line before was cut short, by a crash or a full disk",
        [AUDIT_CHAIN_CUT] =
            "records are missing or were changed before this one: the files do not end as audit.head says",
        [AUDIT_CHAIN_NO_HEAD] =
            "audit.head was missing: it cannot be told whether records before this one were cut off",
    };
    const Audit *a = ctx;
    write_own(a, texts[note], body);
    if (a->set.notice)
        a->set.notice(a->set.notice_ctx, note == AUDIT_CHAIN_TORN ? LOG_WARNING : LOG_ERROR, "pacs.audit",
                      texts[note]);
}

/* With the lock. */
static void notice_change(Audit *a, bool ok, const Err *why)
{
    bool was = a->failing;
    a->failing = !ok;
    char text[600] = "";
    if (!ok) {
        a->why = *why;
        if (!was || deadline_passed(a->quiet))
            snprintf(text, sizeof text,
                     "the audit trail cannot be written: %s (%zu records wait, %" PRIu64 " are lost)",
                     why->text, a->waiting, a->lost);
    } else if (was) {
        snprintf(text, sizeof text, "the audit trail is written again");
    }
    if (!*text || !a->set.notice)
        return;
    a->quiet = deadline_in(COMPLAIN_MS);
    a->set.notice(a->set.notice_ctx, ok ? LOG_WARNING : LOG_ERROR, "pacs.audit", text);
}

/* With the lock, which is given away meanwhile: writes the first records of the queue. They leave it when they are durable. */
static bool write_group(Audit *a)
{
    Span bodies[GROUP_MAX + 1];
    size_t n = 0, records = 0;
    uint64_t lost = a->lost;
    Buf gap;
    Err why = {0};
    buf_init(&gap, 0);
    for (Record *r = a->first; r && records < GROUP_MAX; r = r->next, records++)
        bodies[n++] = span_of(r->body, r->n);
    a->hurry = false;
    pthread_mutex_unlock(&a->lock);
    if (lost) {
        char text[120];
        snprintf(text, sizeof text,
                 "%" PRIu64 " records before this one are missing: they could not be written", lost);
        write_own(a, text, &gap);
        bodies[n++] = buf_span(&gap);
    }
    bool ok = audit_chain_append(a->chain, bodies, n, deadline_in(LOCK_MS), &why);
    pthread_mutex_lock(&a->lock);
    buf_free(&gap);
    if (ok) {
        for (size_t i = 0; i < records; i++) {
            Record *r = a->first;
            a->first = r->next;
            free(r);
        }
        if (!a->first)
            a->last = &a->first;
        a->waiting -= records;
        a->durable += records;
        a->lost -= lost;
        metric_add(records_total(), n);
    }
    notice_change(a, ok, &why);
    show(a);
    pthread_cond_broadcast(&a->progress);
    return ok;
}

/* With the lock: until there is enough to do. */
static void await_work(Audit *a)
{
    while (!a->waiting && !a->lost && !a->stopping) {
        if (!cond_wait(&a->work, &a->lock, a->seen_count ? deadline_in(AGAIN_MS) : CLOCK_NEVER))
            sweep(a, false);
    }
    Deadline linger = deadline_in(LINGER_MS);
    while (!a->hurry && !a->stopping && a->waiting < GROUP_MAX && cond_wait(&a->work, &a->lock, linger))
        ;
}

static void *write_all(void *ctx)
{
    Audit *a = ctx;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        await_work(a);
        if (a->seen_count)
            sweep(a, a->stopping);
        bool ended = a->stopping && !a->waiting && !a->lost;
        if (ended || (a->stopping && deadline_passed(a->give_up)))
            break;
        if (!write_group(a)) {
            Deadline again = deadline_in(AGAIN_MS);
            while (!a->stopping && cond_wait(&a->work, &a->lock, again))
                ;
            if (a->stopping)
                cond_wait(&a->work, &a->lock, deadline_in(AGAIN_MS / 5));
        }
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* -- start and end -- */

static void drop(Audit *a)
{
    for (Record *next, *r = a->first; r; r = next) {
        next = r->next;
        free(r);
    }
    for (size_t i = 0; i < SEEN; i++)
        seen_free(&a->seen[i]);
    audit_chain_close(a->chain);
    audit_key_free(a->key);
    pthread_cond_destroy(&a->work);
    pthread_cond_destroy(&a->progress);
    pthread_mutex_destroy(&a->lock);
    free(a->source);
    free(a->site);
    free(a);
}

Audit *audit_open(const AuditSettings *settings, Err *err)
{
    Audit *a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->set = *settings;
    a->set.source = a->source = strdup(settings->source);
    a->set.site = a->site = strdup(settings->site ? settings->site : "");
    a->set.folder = NULL;
    a->last = &a->first;
    pthread_mutex_init(&a->lock, NULL);
    cond_init(&a->work);
    cond_init(&a->progress);
    a->chain = audit_chain_open(&(AuditChainSettings){.folder = settings->folder,
                                                      .max_bytes = settings->max_bytes,
                                                      .keep = settings->keep,
                                                      .tell = tell_note,
                                                      .tell_ctx = a},
                                err);
    if (!a->chain || (settings->hash_identifiers && !(a->key = audit_key_open(settings->folder, true, err))))
        goto failed;
    if (pthread_create(&a->thread, NULL, write_all, a) == 0)
        return a;
    err_set(err, ERR_LIMIT, "no thread could be started for the audit trail");
failed:
    err_wrap(err, "audit");
    drop(a);
    return NULL;
}

void audit_close(Audit *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    a->give_up = deadline_in(CLOSE_MS);
    pthread_cond_broadcast(&a->work);
    pthread_cond_broadcast(&a->progress);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    if ((a->waiting || a->lost) && a->set.notice) {
        char text[200];
        snprintf(text, sizeof text,
                 "%" PRIu64 " records of the audit trail are lost: they could not be written",
                 a->waiting + a->lost);
        a->set.notice(a->set.notice_ctx, LOG_ERROR, "pacs.audit", text);
    }
    drop(a);
}
