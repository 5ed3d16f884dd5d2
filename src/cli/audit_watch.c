// SPDX-License-Identifier: MIT
#include "cli/audit_watch.h"

#include "archive/audit_key.h"
#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMES_MAX = 512, CHANGED_MAX = 48, FILE_LIMIT = 16 << 20 };

struct AuditWatch {
    const Cli *cli;
    Audit *audit;
    AuditKey *key;
    char *path;
    Arena *arena;   /* of a look */
    uint64_t stamp; /* of the files, as last seen */
};

typedef struct Entry {
    const char *name, *hash;
} Entry;

typedef struct Entries {
    Entry items[NAMES_MAX];
    size_t count;
} Entries;

static void add(Entries *list, const char *name, const char *hash)
{
    if (list->count < NAMES_MAX)
        list->items[list->count++] = (Entry){name, hash};
}

/* -- what there is -- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

/* "app/users.yml", "app/white_list/a.yml" … in order: names only. */
static void list_files(const AuditWatch *w, Entries *out)
{
    static const char *const own[] = {"app/users.yml", "app/tags.yml", "app/logging_config.yml",
                                      "app/contexts.yml"};
    const char *lists = w->cli->settings->path_white_list;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        add(out, own[i], arena_printf(w->arena, "%s/%s", w->cli->folder, own[i]));
    size_t first = out->count;
    DIR *dir = opendir(lists);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            add(out, arena_printf(w->arena, "white_list/%s", entry->d_name),
                arena_printf(w->arena, "%s/%s", lists, entry->d_name));
    if (dir)
        closedir(dir);
    qsort(out->items + first, out->count - first, sizeof *out->items, by_name);
}

/* Different when a file is another one, or another time. */
static uint64_t stamp_of(const Entries *files)
{
    uint64_t stamp = 1;
    for (size_t i = 0; i < files->count; i++) {
        struct stat st = {0};
        char text[160] = "-";
        if (stat(files->items[i].hash, &st) == 0)
            snprintf(text, sizeof text, "%lld %lld.%09ld %lld", (long long)st.st_ino,
                     (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_size);
        stamp = audit_key(AUDIT_SETTINGS_CHANGED, (const char *[]){files->items[i].name, text}, 2) ^
                (stamp << 1 | stamp >> 63);
    }
    return stamp;
}

static void hash_settings(const AuditWatch *w, Entries *out)
{
    for (size_t i = 0; i < settings_key_count; i++) {
        const SettingsKey *key = &settings_keys[i];
        const char *const *text =
            (const char *const *)(const void *)((const char *)w->cli->settings + key->at);
        const char *value =
            key->secret ? *text ? *text : "" : settings_value_text(w->arena, w->cli->settings, key);
        add(out, key->path, audit_key_hash(w->key, w->arena, value));
    }
}

/* Bytes that are no text count up to the first NUL, which such files do not have. */
static void hash_files(const AuditWatch *w, const Entries *files, Entries *out)
{
    for (size_t i = 0; i < files->count; i++) {
        Buf text;
        buf_init(&text, 0);
        if (file_read_all(files->items[i].hash, FILE_LIMIT, &text, NULL))
            add(out, files->items[i].name, audit_key_hash(w->key, w->arena, buf_cstr(&text)));
        buf_free(&text);
    }
}

/* -- what there was -- */

static bool read_before(const AuditWatch *w, Entries *out)
{
    Buf text;
    buf_init(&text, 0);
    bool ok = file_read_all(w->path, FILE_LIMIT, &text, NULL);
    Span rest = buf_span(&text), line;
    bool more = ok;
    while (span_split(&rest, '\n', &line, &more)) {
        size_t blank = span_index(line, ' ');
        if (blank != SIZE_MAX)
            add(out, arena_span_cstr(w->arena, span_sub(line, blank + 1, SIZE_MAX)),
                arena_span_cstr(w->arena, span_sub(line, 0, blank)));
    }
    buf_free(&text);
    return ok;
}

static void write_now(const AuditWatch *w, const Entries *now)
{
    Err err = {0};
    Buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < now->count; i++)
        buf_printf(&text, "%s %s\n", now->items[i].hash, now->items[i].name);
    if (!file_replace(w->path, buf_span(&text), 0600, &err))
        log_error("pacs.audit", "%s", err.text);
    buf_free(&text);
}

static const char *find(const Entries *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].name, name))
            return list->items[i].hash;
    return NULL;
}

static size_t compare(const Entries *before, const Entries *now, AuditDetail out[CHANGED_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < now->count && n < CHANGED_MAX; i++) {
        const char *was = find(before, now->items[i].name);
        if (!was || strcmp(was, now->items[i].hash) != 0)
            out[n++] = (AuditDetail){was ? "Changed" : "New", now->items[i].name};
    }
    for (size_t i = 0; i < before->count && n < CHANGED_MAX; i++)
        if (!find(now, before->items[i].name))
            out[n++] = (AuditDetail){"Gone", before->items[i].name};
    return n;
}

static void tell(const AuditWatch *w, const AuditDetail *changed, size_t n)
{
    AuditWho who = {.title = w->cli->settings->aet, .role = AUDIT_APPLICATION};
    AuditWhat what = {
        .thing = AUDIT_FILE, .id = w->cli->settings->file, .details = changed, .detail_count = n};
    audit_record(
        w->audit,
        &(AuditEvent){
            .kind = AUDIT_SETTINGS_CHANGED, .who = &who, .who_count = 1, .what = &what, .what_count = 1},
        NULL);
}

void audit_watch_look(AuditWatch *w)
{
    if (!w)
        return;
    arena_reset(w->arena);
    Entries *lists = arena_alloc(w->arena, 3 * sizeof *lists), *files = &lists[0], *now = &lists[1],
            *before = &lists[2];
    list_files(w, files);
    uint64_t stamp = stamp_of(files);
    if (stamp == w->stamp)
        return;
    w->stamp = stamp;
    hash_settings(w, now);
    hash_files(w, files, now);
    AuditDetail changed[CHANGED_MAX];
    bool first = !read_before(w, before);
    size_t n = first ? 0 : compare(before, now, changed);
    if (n)
        tell(w, changed, n);
    if (n || first)
        write_now(w, now);
}

AuditWatch *audit_watch_new(const Cli *cli, Audit *audit)
{
    Err err = {0};
    if (!audit)
        return NULL;
    AuditWatch *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    *w = (AuditWatch){.cli = cli,
                      .audit = audit,
                      .key = audit_key_open(cli->settings->audit_folder, true, &err),
                      .path = file_join(cli->settings->audit_folder, "audit.configuration"),
                      .arena = arena_new(0)};
    if (w->key)
        return w;
    log_error("pacs.audit", "%s; changes of the settings are not recorded", err.text);
    audit_watch_free(w);
    return NULL;
}

void audit_watch_free(AuditWatch *w)
{
    if (!w)
        return;
    audit_key_free(w->key);
    free(w->path);
    arena_free(w->arena);
    free(w);
}
