// SPDX-License-Identifier: MIT
#include "ingest.h"

#include "archive/archive.h"
#include "base/clock.h"
#include "dicom/tags.h"
#include "dicom/uid.h"
#include "dicom/write.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ROUNDS = 7,
    ROUND_ROWS = 3200, /* in groups of eight SQLite works its log in twice */
    ROUND_ROWS_SERVER = 1200,
    GROUP_MAX = 512,
    FOLDERS_OPEN = 16,
};

/* What one object costs. */
typedef struct Cost {
    double seconds, cpu; /* cpu with the database server's */
} Cost;

/* -- processor time -- */

static double own_cpu(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Ticks of a process (/proc/PID/stat) if `parent` is its own or its parent's number; the parent's with those of children that ended. */
static unsigned long ticks_of(const char *pid, long parent)
{
    char path[64], line[1024];
    unsigned long user = 0, kernel = 0;
    long above = 0, ended_user = 0, ended_kernel = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    const char *rest = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    bool ok = rest && sscanf(rest + 1, " %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &above,
                             &user, &kernel, &ended_user, &ended_kernel) == 5;
    fclose(file);
    if (ok && strtol(pid, NULL, 10) == parent)
        return user + kernel + (unsigned long)(ended_user + ended_kernel);
    return ok && above == parent ? user + kernel : 0;
}

static double server_cpu(pid_t server)
{
    DIR *dir = server ? opendir("/proc") : NULL;
    unsigned long ticks = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            ticks += ticks_of(e->d_name, server);
    if (dir)
        closedir(dir);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* -- rows -- */

Filling filling_from(Index *index, uint32_t first, uint32_t studies, uint64_t objects)
{
    Filling f = {.index = index, .studies = studies, .next_study = first, .objects = objects};
    for (int i = 0; i < INGEST_SENDERS; i++)
        f.at_hand[i] = catalogue_study(f.next_study++, studies);
    return f;
}

static DcmDataset *next_object(Filling *f, Arena *arena, IdxFile *file)
{
    unsigned sender = (unsigned)(f->objects++ % INGEST_SENDERS);
    if (f->sent[sender] == f->at_hand[sender].total) {
        f->at_hand[sender] = catalogue_study(f->next_study++, f->studies);
        f->sent[sender] = 0;
    }
    return catalogue_object(arena, &f->at_hand[sender], f->sent[sender]++, file);
}

static bool put_group(Index *index, const IdxFile *files, DcmDataset *const *heads,
                      const IdxFile *const *expected, unsigned n, Err *err)
{
    if (!idx_begin(index, err))
        return false;
    bool ok = idx_expect(index, expected, n, err);
    for (unsigned i = 0; ok && i < n; i++)
        ok = idx_put(index, &files[i], heads[i], err);
    if (ok)
        return idx_commit(index, err);
    idx_rollback(index);
    return false;
}

/* Making the objects up is not counted. */
static bool put(pid_t server, Filling *f, uint64_t count, unsigned group, Cost *cost, Err *err)
{
    Arena *arena = arena_new(0);
    IdxFile files[GROUP_MAX];
    DcmDataset *heads[GROUP_MAX];
    const IdxFile *expected[GROUP_MAX];
    int64_t took = 0;
    double cpu = -server_cpu(server);
    bool ok = true;
    for (uint64_t done = 0, n; ok && done < count; done += n) {
        n = count - done < group ? count - done : group;
        for (unsigned i = 0; i < n; i++) {
            heads[i] = next_object(f, arena, &files[i]);
            expected[i] = &files[i];
        }
        int64_t start = clock_ns();
        cpu -= own_cpu();
        ok = put_group(f->index, files, heads, expected, (unsigned)n, err);
        cpu += own_cpu();
        took += clock_ns() - start;
        arena_reset(arena);
    }
    arena_free(arena);
    cpu += server_cpu(server);
    *cost = (Cost){(double)took / 1e9 / (double)count, cpu / (double)count};
    return ok;
}

/* -- rounds -- */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *numbers)
{
    double sorted[ROUNDS];
    memcpy(sorted, numbers, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, by_number);
    return sorted[ROUNDS / 2];
}

/* A round of the index that was filled (0) or of the fresh one (1). */
typedef bool (*Round)(void *ctx, int which, Cost *cost, Err *err);

/* One round of each that does not count; then in turns, the one that begins changing. */
static bool compare(Round round, void *ctx, Ingest *out, Err *err)
{
    enum { FIGURES = 6 };
    double of[FIGURES][ROUNDS];
    for (int i = -1; i < ROUNDS; i++) {
        Cost cost[2];
        int first = i & 1;
        if (!round(ctx, first, &cost[first], err) || !round(ctx, !first, &cost[!first], err))
            return false;
        const double figures[FIGURES] = {
            1 / cost[0].seconds, 1 / cost[1].seconds, cost[1].seconds / cost[0].seconds,
            cost[0].cpu * 1e6,   cost[1].cpu * 1e6,   cost[0].cpu > 0 ? cost[1].cpu / cost[0].cpu : 1};
        for (int k = 0; i >= 0 && k < FIGURES; k++)
            of[k][i] = figures[k];
    }
    *out = (Ingest){median(of[0]), median(of[1]), median(of[2]), median(of[3]), median(of[4]), median(of[5])};
    return true;
}

typedef struct Rows {
    pid_t server;
    Filling *of[2];
    unsigned group;
} Rows;

static bool round_of_rows(void *ctx, int which, Cost *cost, Err *err)
{
    const Rows *rows = ctx;
    uint64_t count = rows->server ? ROUND_ROWS_SERVER : ROUND_ROWS;
    return put(rows->server, rows->of[which], count, rows->group, cost, err);
}

bool ingest_rows(pid_t server, Filling *filled, Filling *fresh, unsigned group, Ingest *out, Err *err)
{
    return compare(round_of_rows, &(Rows){server, {filled, fresh}, group}, out, err);
}

/* -- objects -- */

const IngestKind ingest_small = {.side = 100, .bits = 8, .round = 1200},
                 ingest_ct = {.side = 512, .bits = 16, .round = 120};

typedef struct Object {
    IdxFile file;
    Span data;
} Object;

typedef struct Objects {
    pid_t server;
    const IngestKind *kind;
    Filling *of[2];
    Archive *archive[2];
} Objects;

/* One of the senders: the objects of its studies are every eighth. */
typedef struct Sender {
    Archive *archive;
    const Object *objects;
    unsigned count;
    bool ok;
    Err err;
    pthread_t thread;
} Sender;

static void put_number(DcmDataset *ds, DcmTag tag, unsigned value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};
    dcm_put(ds, tag, DCM_VR_US, span_of(bytes, sizeof bytes));
}

static bool encode(DcmDataset *ds, Arena *arena, const IngestKind *kind, uint8_t seed, Span *out, Err *err)
{
    size_t pixels = (size_t)kind->side * kind->side * (kind->bits / 8);
    uint8_t *noise = arena_alloc(arena, pixels);
    for (size_t i = 0; i < pixels; i++)
        noise[i] = (uint8_t)(i * 31 + (i >> 3) + seed);
    put_number(ds, DCM_SamplesPerPixel, 1);
    put_number(ds, DCM_Rows, kind->side);
    put_number(ds, DCM_Columns, kind->side);
    put_number(ds, DCM_BitsAllocated, kind->bits);
    put_number(ds, DCM_BitsStored, kind->bits);
    put_number(ds, DCM_HighBit, kind->bits - 1);
    put_number(ds, DCM_PixelRepresentation, 0);
    dcm_put(ds, DCM_PixelData, kind->bits == 8 ? DCM_VR_OB : DCM_VR_OW, span_of(noise, pixels));
    Buf bytes;
    buf_init(&bytes, 0);
    bool ok = dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN("1.2.840.10008.1.2.1")), err);
    *out = arena_span(arena, buf_span(&bytes));
    buf_free(&bytes);
    return ok;
}

static void *send_objects(void *ctx)
{
    Sender *s = ctx;
    s->ok = true;
    for (unsigned i = 0; s->ok && i < s->count; i += INGEST_SENDERS) {
        const IdxFile *file = &s->objects[i].file;
        ArcIncoming incoming = {.transfer_syntax = file->transfer_syntax,
                                .sop_class = file->sop_class,
                                .sop_instance = file->sop_instance,
                                .source_ae = file->source_ae};
        ArcStored stored;
        ArcIngest *ingest = arc_ingest_begin(s->archive, &incoming, &s->err);
        s->ok = ingest && arc_ingest_write(ingest, s->objects[i].data, &s->err);
        if (s->ok)
            s->ok = arc_ingest_commit(ingest, &stored, &s->err) &&
                    (stored.outcome == ARC_STORED ||
                     err_set(&s->err, ERR_INTERNAL, "an object was there already"));
        else
            arc_ingest_abandon(ingest);
    }
    return NULL;
}

static bool send_all(Archive *archive, const Object *objects, unsigned count, Err *err)
{
    Sender senders[INGEST_SENDERS];
    int started = 0;
    bool ok = true;
    for (; ok && started < INGEST_SENDERS; started += ok) {
        Sender *s = &senders[started];
        *s = (Sender){.archive = archive, .objects = objects + started, .count = count};
        int code = pthread_create(&s->thread, NULL, send_objects, s);
        ok = code == 0 || err_errno(err, code, "a thread to send");
    }
    for (int i = 0; i < started; i++) {
        pthread_join(senders[i].thread, NULL);
        if (ok && !senders[i].ok) {
            ok = false;
            *err = senders[i].err;
        }
    }
    return ok;
}

static bool round_of_objects(void *ctx, int which, Cost *cost, Err *err)
{
    const Objects *o = ctx;
    Arena *arena = arena_new(0);
    unsigned count = o->kind->round;
    Object *objects = arena_alloc(arena, count * sizeof *objects);
    bool ok = true;
    for (unsigned i = 0; ok && i < count; i++) {
        DcmDataset *ds = next_object(o->of[which], arena, &objects[i].file);
        ok = encode(ds, arena, o->kind, (uint8_t)i, &objects[i].data, err);
    }
    double cpu = -server_cpu(o->server) - own_cpu();
    int64_t start = clock_ns();
    ok = ok && send_all(o->archive[which], objects, count, err);
    double seconds = (double)(clock_ns() - start) / 1e9;
    cpu += server_cpu(o->server) + own_cpu();
    arena_free(arena);
    *cost = (Cost){seconds / count, cpu / count};
    return ok;
}

static Archive *open_archive(const char *folder, const IdxSettings *index, Err *err)
{
    char data[200], temp[200], quarantine[200];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(temp, sizeof temp, "%s/temp", folder);
    snprintf(quarantine, sizeof quarantine, "%s/quarantine", folder);
    if (mkdir(folder, 0750) != 0) {
        err_errno(err, errno, "cannot make %s", folder);
        return NULL;
    }
    return arc_open(&(ArcSettings){.data_path = data,
                                   .temp_path = temp,
                                   .quarantine_path = quarantine,
                                   .index = index,
                                   .duplicates = ARC_REPLACE,
                                   .check_class = true},
                    err);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

bool ingest_objects(pid_t server, const IngestKind *kind, const char *folder, const IdxSettings *of_filled,
                    const IdxSettings *of_fresh, Filling *filled, Filling *fresh, Ingest *out, Err *err)
{
    const IdxSettings *settings[2] = {of_filled, of_fresh};
    Objects o = {.server = server, .kind = kind, .of = {filled, fresh}};
    char stores[2][160] = {"", ""};
    bool ok = true;
    for (int i = 0; ok && i < 2; i++) {
        snprintf(stores[i], sizeof stores[i], "%s/store-%d", folder, i);
        o.archive[i] = open_archive(stores[i], settings[i], err);
        ok = o.archive[i] != NULL;
    }
    ok = ok && compare(round_of_objects, &o, out, err);
    for (int i = 0; i < 2; i++) {
        if (o.archive[i])
            arc_close(o.archive[i]);
        if (stores[i][0])
            nftw(stores[i], remove_entry, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
    }
    return ok;
}
