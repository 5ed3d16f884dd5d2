// SPDX-License-Identifier: MIT
/*
 * `./dev bench index`: fills an index with a made-up archive (catalogue.h), on SQLite and on a PostgreSQL of its own, and prints what ingest and
 * queries cost at three sizes, for each of which it is filled anew (bulk.h).
 *
 * Ingest is measured in four ways (ingest.h): objects of 11 KB that eight senders store; CT of 527 KB likewise; their rows alone, in groups of eight; and
 * in groups of 64.
 */
#include "bulk.h"
#include "index_queries.h"
#include "ingest.h"
#include "server.h"

#include "base/clock.h"
#include "base/json.h"
#include "index/tables.h"

#include <getopt.h>

enum {
    SIZES = 3,
    QUERIES_MAX = 64,
    FILL_MS = 3600 * 1000, /* making an index of ten million rows takes a while */
};

typedef struct Size {
    uint64_t objects;
    Ingest objects_stored, ct_stored, senders, files;
    Latency queries[QUERIES_MAX];
    uint64_t bytes;
} Size;

typedef struct Options {
    uint64_t objects;
    const char *engine, *folder, *json, *into, *filled;
} Options;

typedef struct Run {
    const Options *options;
    IdxSettings settings;
    const TestServer *server;
    const char *engine;
    const char *folder;
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

/* -- databases -- */

static IdxSettings settings_of(const Run *run, const char *path, const char *schema)
{
    IdxSettings settings = run->settings;
    settings.sqlite_path = path;
    settings.postgres.schema = schema;
    return settings;
}

static Index *open_index(const Run *run, const char *path, const char *schema)
{
    IdxSettings settings = settings_of(run, path, schema);
    Err err;
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

static void end_index(Index *index, const char *path)
{
    Err err;
    if (!idx_drop(index, &err))
        die("dropping the index", &err);
    idx_close(index);
    remove_lite(path);
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

typedef bool (*Measure)(const Run *run, Filling *filled, Filling *fresh, Ingest *out, Err *err);

static pid_t server_pid(const Run *run)
{
    return run->server ? run->server->pid : 0;
}

static bool store_objects(const Run *run, const IngestKind *kind, Filling *filled, Filling *fresh,
                          Ingest *out, Err *err)
{
    IdxSettings of_filled = settings_of(run, run->path, "bench"),
                of_fresh = settings_of(run, run->fresh_path, "fresh");
    return ingest_objects(server_pid(run), kind, run->folder, &of_filled, &of_fresh, filled, fresh, out, err);
}

static bool objects_stored(const Run *run, Filling *filled, Filling *fresh, Ingest *out, Err *err)
{
    return store_objects(run, &ingest_small, filled, fresh, out, err);
}

static bool ct_stored(const Run *run, Filling *filled, Filling *fresh, Ingest *out, Err *err)
{
    return store_objects(run, &ingest_ct, filled, fresh, out, err);
}

static bool rows_of_senders(const Run *run, Filling *filled, Filling *fresh, Ingest *out, Err *err)
{
    return ingest_rows(server_pid(run), filled, fresh, INGEST_SENDERS, out, err);
}

static bool rows_of_files(const Run *run, Filling *filled, Filling *fresh, Ingest *out, Err *err)
{
    return ingest_rows(server_pid(run), filled, fresh, INGEST_GROUP_FILES, out, err);
}

/* Each beside an index that is really fresh. */
static void measure_ingest(const Run *run, Filling *filled, Measure measure, Ingest *out)
{
    Err err;
    Index *fresh = open_index(run, run->fresh_path, "fresh");
    Filling beside = filling_from(fresh, 0, run->studies, 0);
    if (!measure(run, filled, &beside, out, &err))
        die("ingest", &err);
    end_index(fresh, run->fresh_path);
}

static void measure_size(Run *run, Filling *filled)
{
    Size *size = &run->sizes[run->size_count++];
    size->objects = filled->objects;
    fprintf(stderr, "  %s at %llu objects: ingest", run->engine, (unsigned long long)filled->objects);
    measure_ingest(run, filled, objects_stored, &size->objects_stored);
    measure_ingest(run, filled, ct_stored, &size->ct_stored);
    measure_ingest(run, filled, rows_of_senders, &size->senders);
    measure_ingest(run, filled, rows_of_files, &size->files);
    fputs(", queries", stderr);
    for (size_t i = 0; size->objects && i < query_count; i++) {
        Err err;
        if (!query_measure(filled->index, i, filled->next_study - INGEST_SENDERS, run->studies,
                           &size->queries[i], &err))
            die(query_name(i), &err);
    }
    size->bytes = bytes_used(run);
    fputs("\n", stderr);
}

/* An index that has so many objects, and what it is fed next. */
static Filling filled_with(Run *run, uint64_t objects)
{
    int64_t start = clock_ns();
    uint32_t studies = (uint32_t)(objects / CATALOGUE_PER_STUDY);
    IdxSettings settings = settings_of(run, run->path, "bench");
    Err err;
    if (studies && !bulk_fill(&settings, studies, run->studies, &err))
        die("filling", &err);
    run->fill_seconds = (double)(clock_ns() - start) / 1e9;
    if (studies)
        fprintf(stderr, "  %s: %llu objects in %.0f s\n", run->engine, (unsigned long long)objects,
                run->fill_seconds);
    return filling_from(open_index(run, run->path, "bench"), studies, run->studies, objects);
}

static void on_server(const Run *run, const char *sql)
{
    PGconn *db = server_connect(run->server, "bench");
    PGresult *result = PQexec(db, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "bench: %s: %s", sql, PQerrorMessage(db));
        exit(1);
    }
    PQclear(result);
    PQfinish(db);
}

/* What a server had time for while an archive grew, and is behind with after a filling in one go. */
static void settle(const Run *run)
{
    on_server(run, "VACUUM (ANALYZE)");
    on_server(run, "CHECKPOINT");
}

/* An index that --into made, and that earlier runs may have added to. It stays. */
static void measure_filled(Run *run)
{
    enum { BEGUN = 64 }; /* studies that an earlier run may have begun without an object */
    Index *index = open_index(run, run->path, "bench");
    IdxTotals totals;
    Err err;
    if (!idx_totals(index, &totals, &err))
        die("looking into the index", &err);
    run->studies = (uint32_t)totals.studies;
    Filling filled = filling_from(index, run->studies + BEGUN, run->studies, totals.instances);
    measure_size(run, &filled);
    idx_close(index);
}

static void measure_engine(Run *run)
{
    if (run->options->filled) {
        measure_filled(run);
        return;
    }
    const uint64_t sizes[SIZES] = {0, run->options->objects / 10, run->options->objects};
    for (int i = 0; i < SIZES; i++) {
        Filling filled = filled_with(run, sizes[i]);
        if (run->server)
            settle(run);
        measure_size(run, &filled);
        end_index(filled.index, run->path);
    }
}

/* -- printing -- */

static const char *title(const Run *run)
{
    return run->server ? "PostgreSQL" : "SQLite";
}

static void print_ingest(const Run *run, const char *what, size_t offset)
{
    for (size_t i = 0; i < run->size_count; i++) {
        const Ingest *in = (const Ingest *)((const char *)&run->sizes[i] + offset);
        printf("| %s, %s | %llu | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f |\n", title(run), what,
               (unsigned long long)run->sizes[i].objects, in->rate, in->fresh_rate, in->ratio, in->cpu_us,
               in->fresh_cpu_us, in->cpu_ratio);
    }
}

/* A cell of a table, where an asterisk would be a mark. */
static void print_name(const char *name)
{
    for (fputs("| ", stdout); *name; name++) {
        if (*name == '*')
            putchar('\\');
        putchar(*name);
    }
    fputs(" |", stdout);
}

static void print_queries(const Run *runs, size_t count)
{
    size_t columns = 0;
    fputs("\n| query: median (95th percentile), ms |", stdout);
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < runs[r].size_count; i++)
            if (runs[r].sizes[i].objects) {
                printf(" %s at %llu |", title(&runs[r]), (unsigned long long)runs[r].sizes[i].objects);
                columns++;
            }
    fputs(" answers at the last |\n|---|", stdout);
    for (size_t i = 0; i < columns; i++)
        fputs("---|", stdout);
    puts("---|");
    for (size_t q = 0; q < query_count; q++) {
        print_name(query_name(q));
        for (size_t r = 0; r < count; r++)
            for (size_t i = 0; i < runs[r].size_count; i++) {
                const Latency *l = &runs[r].sizes[i].queries[q];
                if (runs[r].sizes[i].objects)
                    printf(" %.2f (%.1f) |", l->median_ms, l->p95_ms);
            }
        printf(" %.0f |\n", runs[0].sizes[runs[0].size_count - 1].queries[q].answers);
    }
}

/* Two tables, as docs/performance.md has them. */
static void print_runs(const Run *runs, size_t count)
{
    puts(
        "\n| ingest | objects there | objects/s | beside a fresh index | ratio | CPU, us an object | fresh | "
        "ratio |\n|---|---|---|---|---|---|---|---|");
    for (size_t r = 0; r < count; r++) {
        print_ingest(&runs[r], "objects stored", offsetof(Size, objects_stored));
        print_ingest(&runs[r], "CT of 527 KB stored", offsetof(Size, ct_stored));
        print_ingest(&runs[r], "rows alone, groups of 8", offsetof(Size, senders));
        print_ingest(&runs[r], "rows alone, groups of 64", offsetof(Size, files));
    }
    for (size_t r = 0; r < count; r++) {
        const Size *large = &runs[r].sizes[runs[r].size_count - 1];
        printf("\n%s: %.0f bytes an object", title(&runs[r]), (double)large->bytes / (double)large->objects);
        if (runs[r].fill_seconds > 0)
            printf("; filled in %.0f s", runs[r].fill_seconds);
        puts(".");
    }
    print_queries(runs, count);
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
    json_number(w, "ratio", in->ratio);
    json_number(w, "cpuMicroseconds", in->cpu_us);
    json_number(w, "freshCpuMicroseconds", in->fresh_cpu_us);
    json_number(w, "cpuRatio", in->cpu_ratio);
    json_end_object(w);
}

static void json_size(JsonWriter *w, const Size *size)
{
    json_begin_object(w);
    json_member_int(w, "objects", (int64_t)size->objects);
    json_member_int(w, "bytes", (int64_t)size->bytes);
    json_ingest(w, "objectsStored", &size->objects_stored);
    json_ingest(w, "ctStored", &size->ct_stored);
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
    "usage: ./dev bench index [--objects N] [--engine sqlite|postgresql] [--folder DIR] [--json FILE]\n"
    "       ./dev bench index --into FILE [--objects N]\n"
    "       ./dev bench index --filled FILE [--folder DIR] [--json FILE]\n"
    "  --objects N     how many there are at the last (default 1000000; ten to a study)\n"
    "  --engine NAME   only this database; otherwise both\n"
    "  --folder DIR    where SQLite's file lies (default /tmp); PostgreSQL lies in /tmp\n"
    "  --json FILE     also writes the figures there\n"
    "  --into FILE     measures nothing: fills this index of SQLite, which is empty or not there yet\n"
    "  --filled FILE   measures only beside this one, made by --into, and adds to it\n";

static Options read_options(int argc, char **argv)
{
    static const struct option names[] = {{"objects", required_argument, NULL, 'n'},
                                          {"engine", required_argument, NULL, 'e'},
                                          {"folder", required_argument, NULL, 'f'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"into", required_argument, NULL, 'i'},
                                          {"filled", required_argument, NULL, 'd'},
                                          {0}};
    Options o = {.objects = 1000000, .folder = "/tmp"};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 'n':
            o.objects = strtoull(optarg, NULL, 10);
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
        case 'i':
            o.into = optarg;
            break;
        case 'd':
            o.filled = optarg;
            o.engine = "sqlite";
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    bool known = !o.engine || !strcmp(o.engine, "sqlite") || !strcmp(o.engine, "postgresql");
    if (optind < argc || !known || o.objects < 1000 || o.objects > 100000000) {
        fputs(usage, stderr);
        exit(2);
    }
    return o;
}

static void prepare(Run *run, const Options *options, const char *engine, const char *folder)
{
    *run = (Run){.options = options, .engine = engine, .folder = folder};
    run->studies = (uint32_t)(options->objects / CATALOGUE_PER_STUDY);
    run->settings = (IdxSettings){.busy_timeout_ms = 30000};
    if (options->filled)
        snprintf(run->path, sizeof run->path, "%s", options->filled);
    else
        snprintf(run->path, sizeof run->path, "%s/index.sqlite", folder);
    snprintf(run->fresh_path, sizeof run->fresh_path, "%s/fresh.sqlite", folder);
    if (!strcmp(engine, "sqlite"))
        return;
    run->server = server_get();
    if (!run->server)
        exit(1);
    on_server(run, "ALTER ROLE gantry SUPERUSER"); /* bulk_fill turns foreign keys off */
    run->settings.engine = IDX_POSTGRESQL;
    run->settings.postgres = (IdxPostgres){.host = run->server->folder,
                                           .port = run->server->port,
                                           .database = "postgres",
                                           .login = "gantry",
                                           .statement_timeout_ms = FILL_MS,
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

static int fill_only(const Options *options)
{
    IdxSettings settings = {.sqlite_path = options->into, .busy_timeout_ms = 30000};
    uint32_t studies = (uint32_t)(options->objects / CATALOGUE_PER_STUDY);
    Err err;
    if (!bulk_fill(&settings, studies, studies, &err))
        die("filling", &err);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const engines[] = {"sqlite", "postgresql"};
    Options options = read_options(argc, argv);
    if (options.into)
        return fill_only(&options);
    char folder[128];
    Run runs[2];
    size_t count = 0;
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
        Run *run = &runs[count++];
        prepare(run, &options, engines[i], folder);
        measure_engine(run);
        json_run(&w, run);
    }
    json_end_array(&w);
    print_runs(runs, count);
    rmdir(folder);
    bool ok = !options.json || write_json(options.json, &json);
    buf_free(&json);
    return ok ? 0 : 1;
}
