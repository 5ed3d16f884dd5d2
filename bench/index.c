// SPDX-License-Identifier: MIT
/*
 * `./dev bench index`: fills an index with a made-up archive (catalogue.h), on SQLite and on a PostgreSQL of its own, and prints what ingest and
 * queries cost while it grows.
 *
 * Ingest is measured as an archive does it: eight senders at once, groups of eight; and groups of 64, as `data index` makes them. Rates of
 * a shared machine mean little, so at each size the index takes turns with a fresh, empty one, and the ratio of the medians
 * is what counts. Between the sizes it is filled in larger groups.
 */
#include "catalogue.h"
#include "index_queries.h"
#include "server.h"

#include "base/clock.h"
#include "base/json.h"
#include "index/tables.h"

#include <dirent.h>
#include <getopt.h>
#include <sys/resource.h>

enum {
    SENDERS = 8,
    GROUP_SENDERS = 8,
    GROUP_FILES = 64,
    GROUP_FILL = 512,
    ROUNDS = 7,
    ROUND_SENDERS = 1600,
    ROUND_FILES = 3200,
    SIZES = 3,
    QUERIES_MAX = 64,
};

/* An index and what it is fed: senders take turns, each with a study of its own. */
typedef struct Filling {
    Index *index;
    uint32_t studies, next_study;
    uint64_t objects;
    CatalogueStudy at_hand[SENDERS];
    unsigned sent[SENDERS];
} Filling;

/* What putting costs. */
typedef struct Cost {
    double seconds, cpu; /* of one object; cpu with the database server's */
} Cost;

typedef struct Ingest {
    double rate, fresh_rate, cpu_us, fresh_cpu_us; /* medians */
} Ingest;

typedef struct Size {
    uint64_t objects;
    Ingest senders, files;
    Latency queries[QUERIES_MAX];
    uint64_t bytes;
} Size;

typedef struct Options {
    uint64_t instances;
    const char *engine, *folder, *json;
} Options;

typedef struct Run {
    const Options *options;
    IdxSettings settings;
    const TestServer *server;
    const char *engine;
    char path[160], fresh_path[160];
    uint32_t studies;
    Size sizes[SIZES];
    size_t size_count;
    double fill_seconds;
} Run;

static void die(const char *what, const Err *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err->text);
    exit(1);
}

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

static double server_cpu(const TestServer *server)
{
    DIR *dir = server ? opendir("/proc") : NULL;
    unsigned long ticks = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            ticks += ticks_of(e->d_name, server->pid);
    if (dir)
        closedir(dir);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* -- filling -- */

static Filling filling_of(Index *index, uint32_t studies)
{
    Filling f = {.index = index, .studies = studies};
    for (int i = 0; i < SENDERS; i++)
        f.at_hand[i] = catalogue_study(f.next_study++, studies);
    return f;
}

static DcmDataset *next_object(Filling *f, Arena *arena, IdxFile *file)
{
    unsigned sender = (unsigned)(f->objects++ % SENDERS);
    if (f->sent[sender] == f->at_hand[sender].total) {
        f->at_hand[sender] = catalogue_study(f->next_study++, f->studies);
        f->sent[sender] = 0;
    }
    return catalogue_object(arena, &f->at_hand[sender], f->sent[sender]++, file);
}

/* Puts `count` objects in groups; making them up is not counted. */
static Cost put(const Run *run, Filling *f, uint64_t count, unsigned group)
{
    Arena *arena = arena_new(0);
    IdxFile files[GROUP_FILL];
    DcmDataset *heads[GROUP_FILL];
    const char *uids[GROUP_FILL];
    int64_t took = 0;
    double cpu = -server_cpu(run->server);
    Err err;
    for (uint64_t done = 0; done < count;) {
        unsigned n = count - done < group ? (unsigned)(count - done) : group;
        for (unsigned i = 0; i < n; i++) {
            heads[i] = next_object(f, arena, &files[i]);
            uids[i] = files[i].sop_instance;
        }
        int64_t start = clock_ns();
        cpu -= own_cpu();
        bool ok = idx_begin(f->index, &err) && idx_expect(f->index, uids, n, &err);
        for (unsigned i = 0; ok && i < n; i++)
            ok = idx_put(f->index, &files[i], heads[i], &err);
        if (!ok || !idx_commit(f->index, &err))
            die("filling", &err);
        cpu += own_cpu();
        took += clock_ns() - start;
        arena_reset(arena);
        done += n;
    }
    arena_free(arena);
    cpu += server_cpu(run->server);
    return (Cost){(double)took / 1e9 / (double)count, cpu / (double)count};
}

static int by_seconds(const void *a, const void *b)
{
    double x = ((const Cost *)a)->seconds, y = ((const Cost *)b)->seconds;
    return (x > y) - (x < y);
}

/* Rounds of the index and of a fresh one, in turns. */
static Ingest measure_puts(const Run *run, Filling *filled, Filling *fresh, uint64_t count, unsigned group)
{
    Cost own[ROUNDS], other[ROUNDS];
    double cpu = 0, fresh_cpu = 0;
    for (int i = 0; i < ROUNDS; i++) {
        own[i] = put(run, filled, count, group);
        other[i] = put(run, fresh, count, group);
        cpu += own[i].cpu / ROUNDS;
        fresh_cpu += other[i].cpu / ROUNDS;
    }
    qsort(own, ROUNDS, sizeof *own, by_seconds);
    qsort(other, ROUNDS, sizeof *other, by_seconds);
    return (Ingest){1 / own[ROUNDS / 2].seconds, 1 / other[ROUNDS / 2].seconds, cpu * 1e6, fresh_cpu * 1e6};
}

/* -- databases -- */

static Index *open_index(const Run *run, const char *path, const char *schema)
{
    IdxSettings settings = run->settings;
    Err err;
    settings.sqlite_path = path;
    settings.postgres.schema = schema;
    Index *index = idx_open(&settings, &err);
    if (!index)
        die("opening the index", &err);
    return index;
}

static void remove_lite(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[180];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static void end_fresh(const Run *run, Index *fresh)
{
    Err err;
    if (!idx_drop(fresh, &err))
        die("dropping the fresh index", &err);
    idx_close(fresh);
    remove_lite(run->fresh_path);
}

static uint64_t bytes_used(const Run *run)
{
    struct stat st;
    if (!run->server)
        return stat(run->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    PGconn *db = server_connect(run->server, "bench");
    PGresult *result = PQexec(db, "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
                                  "AND relnamespace = 'bench'::regnamespace");
    uint64_t bytes = PQntuples(result) ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    PQfinish(db);
    return bytes;
}

/* -- one size -- */

static void measure_size(Run *run, Filling *filled)
{
    Size *size = &run->sizes[run->size_count++];
    size->objects = filled->objects;
    fprintf(stderr, "  %s at %llu objects: ingest", run->engine, (unsigned long long)filled->objects);
    Index *fresh = open_index(run, run->fresh_path, "fresh");
    Filling beside = filling_of(fresh, run->studies);
    size->senders = measure_puts(run, filled, &beside, ROUND_SENDERS, GROUP_SENDERS);
    size->files = measure_puts(run, filled, &beside, ROUND_FILES, GROUP_FILES);
    end_fresh(run, fresh);
    fputs(", queries", stderr);
    for (size_t i = 0; size->objects && i < query_count; i++) {
        Err err;
        if (!query_measure(filled->index, i, filled->next_study - SENDERS, run->studies, &size->queries[i],
                           &err))
            die(query_name(i), &err);
    }
    size->bytes = bytes_used(run);
    fputs("\n", stderr);
}

static void fill_to(Run *run, Filling *f, uint64_t objects)
{
    int64_t start = clock_ns();
    uint64_t from = f->objects;
    while (f->objects < objects) {
        uint64_t left = objects - f->objects, step = left < 20000 ? left : 20000;
        put(run, f, step, GROUP_FILL);
        fprintf(stderr, "\r  %s: %llu of %llu objects", run->engine, (unsigned long long)f->objects,
                (unsigned long long)run->options->instances);
    }
    double seconds = (double)(clock_ns() - start) / 1e9;
    run->fill_seconds += seconds;
    fprintf(stderr, "\r  %s: %llu objects; %llu a second in large groups\n", run->engine,
            (unsigned long long)f->objects, (unsigned long long)((double)(f->objects - from) / seconds));
}

static void measure_engine(Run *run)
{
    Index *index = open_index(run, run->path, "bench");
    Filling filled = filling_of(index, run->studies);
    const uint64_t sizes[SIZES] = {0, run->options->instances / 10, run->options->instances};
    for (int i = 0; i < SIZES; i++) {
        fill_to(run, &filled, sizes[i]);
        measure_size(run, &filled);
    }
    idx_close(index);
    remove_lite(run->path);
}

/* -- printing -- */

static void print_ingest(const Run *run, const char *what, size_t offset)
{
    for (size_t i = 0; i < run->size_count; i++) {
        const Ingest *in = (const Ingest *)((const char *)&run->sizes[i] + offset);
        printf("| %-24s | %9llu | %8.0f | %8.0f | %5.2f | %6.0f | %6.0f | %5.2f |\n", what,
               (unsigned long long)run->sizes[i].objects, in->rate, in->fresh_rate, in->rate / in->fresh_rate,
               in->cpu_us, in->fresh_cpu_us, in->fresh_cpu_us / in->cpu_us);
    }
}

static void print_run(const Run *run)
{
    const Size *small = &run->sizes[1], *large = &run->sizes[SIZES - 1];
    printf("\n%s: %llu objects in %u studies, %.0f bytes an object, filled in %.0f s\n\n", run->engine,
           (unsigned long long)large->objects, run->studies, (double)large->bytes / (double)large->objects,
           run->fill_seconds);
    puts("| ingest                   |   objects |    put/s |    fresh | ratio | CPU us |  fresh | ratio |");
    puts("|--------------------------|----------:|---------:|---------:|------:|-------:|-------:|------:|");
    print_ingest(run, "8 senders, groups of 8", offsetof(Size, senders));
    print_ingest(run, "files, groups of 64", offsetof(Size, files));
    printf("\n| %-38s | %15llu objects      | %15llu objects      | ratio |\n", "query, ms",
           (unsigned long long)small->objects, (unsigned long long)large->objects);
    puts("|                                        | answers  median     p95 | answers  median     p95 | "
         "median |");
    puts("|----------------------------------------|------------------------:|------------------------:|-----"
         "--:|");
    for (size_t i = 0; i < query_count; i++) {
        const Latency *a = &small->queries[i], *b = &large->queries[i];
        printf("| %-38s | %7.1f %7.2f %7.2f | %7.1f %7.2f %7.2f | %6.1f |\n", query_name(i), a->answers,
               a->median_ms, a->p95_ms, b->answers, b->median_ms, b->p95_ms, b->median_ms / a->median_ms);
    }
    fflush(stdout);
}

static void json_number(JsonWriter *w, const char *key, double value)
{
    json_key(w, key);
    json_double(w, value);
}

static void json_ingest(JsonWriter *w, const char *key, const Ingest *in)
{
    json_key(w, key);
    json_begin_object(w);
    json_number(w, "rate", in->rate);
    json_number(w, "freshRate", in->fresh_rate);
    json_number(w, "cpuMicroseconds", in->cpu_us);
    json_number(w, "freshCpuMicroseconds", in->fresh_cpu_us);
    json_end_object(w);
}

static void json_size(JsonWriter *w, const Size *size)
{
    json_begin_object(w);
    json_member_int(w, "objects", (int64_t)size->objects);
    json_member_int(w, "bytes", (int64_t)size->bytes);
    json_ingest(w, "senders", &size->senders);
    json_ingest(w, "files", &size->files);
    json_key(w, "queries");
    json_begin_array(w);
    for (size_t i = 0; size->objects && i < query_count; i++) {
        json_begin_object(w);
        json_member(w, "name", query_name(i));
        json_number(w, "answers", size->queries[i].answers);
        json_number(w, "medianMs", size->queries[i].median_ms);
        json_number(w, "p95Ms", size->queries[i].p95_ms);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void json_run(JsonWriter *w, const Run *run)
{
    json_begin_object(w);
    json_member(w, "engine", run->engine);
    json_member_int(w, "studies", run->studies);
    json_number(w, "fillSeconds", run->fill_seconds);
    json_key(w, "sizes");
    json_begin_array(w);
    for (size_t i = 0; i < run->size_count; i++)
        json_size(w, &run->sizes[i]);
    json_end_array(w);
    json_end_object(w);
}

/* -- the program -- */

static const char usage[] =
    "usage: ./dev bench index [--instances N] [--engine sqlite|postgresql] [--folder DIR] [--json FILE]\n"
    "  --instances N   how far to fill (default 1000000; ten to a study)\n"
    "  --engine NAME   only this database; otherwise both\n"
    "  --folder DIR    where SQLite's file lies (default /tmp); PostgreSQL lies in /tmp\n"
    "  --json FILE     also writes the figures there\n";

static Options read_options(int argc, char **argv)
{
    static const struct option names[] = {{"instances", required_argument, NULL, 'n'},
                                          {"engine", required_argument, NULL, 'e'},
                                          {"folder", required_argument, NULL, 'f'},
                                          {"json", required_argument, NULL, 'j'},
                                          {0}};
    Options o = {.instances = 1000000, .folder = "/tmp"};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 'n':
            o.instances = strtoull(optarg, NULL, 10);
            break;
        case 'e':
            o.engine = optarg;
            break;
        case 'f':
            o.folder = optarg;
            break;
        case 'j':
            o.json = optarg;
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    bool known = !o.engine || !strcmp(o.engine, "sqlite") || !strcmp(o.engine, "postgresql");
    if (optind < argc || !known || o.instances < 1000 || o.instances > 100000000) {
        fputs(usage, stderr);
        exit(2);
    }
    return o;
}

static void prepare(Run *run, const Options *options, const char *engine, const char *folder)
{
    *run = (Run){.options = options, .engine = engine};
    run->studies = (uint32_t)(options->instances / CATALOGUE_PER_STUDY);
    run->settings = (IdxSettings){.busy_timeout_ms = 30000};
    snprintf(run->path, sizeof run->path, "%s/index.sqlite", folder);
    snprintf(run->fresh_path, sizeof run->fresh_path, "%s/fresh.sqlite", folder);
    if (!strcmp(engine, "sqlite"))
        return;
    run->server = server_get();
    if (!run->server)
        exit(1);
    run->settings.engine = IDX_POSTGRESQL;
    run->settings.postgres = (IdxPostgres){.host = run->server->folder,
                                           .port = run->server->port,
                                           .database = "postgres",
                                           .login = "gantry",
                                           .password = SERVER_PASSWORD};
}

static bool write_json(const char *path, const Buf *json)
{
    FILE *file = fopen(path, "we");
    bool ok = file && fwrite(json->p, 1, json->n, file) == json->n;
    if (file && fclose(file))
        ok = false;
    if (!ok)
        fprintf(stderr, "bench: cannot write %s\n", path);
    return ok;
}

int main(int argc, char **argv)
{
    static const char *const engines[] = {"sqlite", "postgresql"};
    Options options = read_options(argc, argv);
    char folder[128];
    Run run;
    Buf json;
    buf_init(&json, 0);
    JsonWriter w = json_writer(&json);
    snprintf(folder, sizeof folder, "%s/gantry-bench-XXXXXX", options.folder);
    setenv("GANTRY_TEST_PG_FSYNC", "1", 1);
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    json_begin_array(&w);
    for (int i = 0; i < 2; i++) {
        if (options.engine && strcmp(options.engine, engines[i]))
            continue;
        prepare(&run, &options, engines[i], folder);
        measure_engine(&run);
        print_run(&run);
        json_run(&w, &run);
    }
    json_end_array(&w);
    rmdir(folder);
    bool ok = !options.json || write_json(options.json, &json);
    buf_free(&json);
    return ok ? 0 : 1;
}
