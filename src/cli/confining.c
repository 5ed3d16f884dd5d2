// SPDX-License-Identifier: MIT
#include "cli/confining.h"

#include "base/confine.h"
#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Paths {
    Arena *arena;
    const char **items;
    size_t count, room;
} Paths;

static void add(Paths *paths, const char *path)
{
    if (!path || !*path)
        return;
    if (paths->count == paths->room) {
        size_t room = paths->room ? 2 * paths->room : 16;
        const char **items = arena_alloc(paths->arena, room * sizeof *items);
        if (paths->count)
            memcpy(items, paths->items, paths->count * sizeof *items);
        paths->items = items;
        paths->room = room;
    }
    paths->items[paths->count++] = path;
}

static void add_folder_of(void *ctx, const char *file)
{
    Paths *paths = ctx;
    const char *slash = strrchr(file, '/');
    if (slash && slash > file)
        add(paths, arena_span_cstr(paths->arena, span_of(file, (size_t)(slash - file))));
}

/* Folders that come with their first file must be there for a rule on them. Those that cannot be made are missed where they are needed. */
static void make_folders(const Paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        if (access(paths->items[i], F_OK) != 0)
            file_make_dirs(paths->items[i], NULL);
}

/* -- any server -- */

/* Where the C library, name services, certificates and the clock's zones are. */
static void add_system(Paths *reads)
{
    static const char *const system[] = {"/etc", "/usr", "/lib", "/lib64",  "/proc",
                                         "/sys", "/dev", "/run", "/var/run"};
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        add(reads, system[i]);
}

static void tell(const Confining *wish, const Paths *writes, const char *lacking)
{
    for (size_t i = 0; i < writes->count; i++)
        log_debug(wish->logger, "confined: may write below %s", writes->items[i]);
    if (*lacking)
        log_warning(wish->logger, "confined as far as this machine can (confine: auto); it lacks %s",
                    lacking);
    else
        log_write(wish->level, wish->logger,
                  "confined: writes below its own folders only, starts no program, opens no other port");
}

static bool take_rights(const Confining *wish, const Paths *writes, const Paths *reads, Err *err)
{
    Buf lacking;
    buf_init(&lacking, 0);
    Confine rights = {.writes = writes->items,
                      .write_count = writes->count,
                      .reads = reads->items,
                      .read_count = reads->count,
                      .ports = wish->port_count ? wish->ports : NULL,
                      .port_count = wish->port_count};
    bool required = !strcmp(wish->how, "require");
    bool ok = confine(&rights, &lacking, err);
    if (ok && required && lacking.n)
        ok = err_set(err, ERR_UNSUPPORTED,
                     "confine: require, but this machine lacks %s; `confine: auto` does without",
                     buf_cstr(&lacking));
    else if (ok)
        tell(wish, writes, buf_cstr(&lacking));
    else if (!required) {
        log_warning(wish->logger, "the server is not confined, or not wholly: %s", err->text);
        err_clear(err);
        ok = true;
    }
    buf_free(&lacking);
    return ok;
}

bool confining_begin(Arena *arena, const Confining *wish, Err *err)
{
    const char *obstacle = confine_obstacle();
    if (!strcmp(wish->how, "off") || (obstacle && strcmp(wish->how, "require") != 0)) {
        log_write(wish->level, wish->logger, "the server is not confined: %s",
                  obstacle ? obstacle : "confine: off");
        return true;
    }
    if (obstacle)
        return err_set(err, ERR_UNSUPPORTED, "confine: require, but %s", obstacle);
    Paths writes = {.arena = arena}, reads = {.arena = arena};
    for (size_t i = 0; i < wish->folders.count; i++)
        add(&writes, wish->folders.items[i]);
    setenv("SQLITE_TMPDIR", wish->temp, 0); /* in a folder of everybody's otherwise */
    add(&writes, getenv("SQLITE_TMPDIR"));
    log_each_file(add_folder_of, &writes);
    make_folders(&writes);
    for (size_t i = 0; i < wish->reads.count; i++)
        add(&reads, wish->reads.items[i]);
    if (reads.count)
        add_system(&reads);
    return take_rights(wish, &writes, &reads, err);
}

/* -- the server of an archive -- */

bool confining_become(const Settings *s, Err *err)
{
    if (!*s->user)
        return true;
    bool low_ports =
        s->port < 1024 || (s->tls_port && s->tls_port < 1024) || (s->api_start && s->api_port < 1024);
    return confine_become(s->user, low_ports, err) || err_wrap(err, "%s: user", s->file);
}

static TextList folders_of(Arena *arena, const Settings *s)
{
    Paths paths = {.arena = arena};
    const char *const own[] = {s->fs_path, s->tmp_path, s->quarantine_path, s->trash_path,
                               s->log_path_folder};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        add(&paths, own[i]);
    if (!strcmp(s->db_engine, "sqlite"))
        add_folder_of(&paths, s->db_filepath);
    if (s->audit_start)
        add(&paths, s->audit_folder);
    if (s->api_start && s->api_annotation_start)
        add(&paths, s->api_annotation_path_data);
    if (s->log_create_file_uid) {
        char *journal = file_join(s->log_path_folder, s->log_file_name_uid);
        add_folder_of(&paths, arena_strdup(arena, journal));
        free(journal);
    }
    return (TextList){paths.items, paths.count};
}

static TextList reads_of(Arena *arena, const Settings *s)
{
    Paths paths = {.arena = arena};
    if (!s->confine_read.count)
        return (TextList){0};
    /* Their folders, because files that are replaced are read again, and the new one is another file. */
    const char *const files[] = {s->tls_certificate,
                                 s->tls_key,
                                 s->tls_ca,
                                 s->tls_crl,
                                 s->api_tls_certificate,
                                 s->api_tls_key,
                                 s->api_auth_jwt_keys_file,
                                 s->audit_syslog_ca,
                                 s->audit_syslog_certificate,
                                 s->audit_syslog_key};
    add(&paths, s->folder);
    add(&paths, s->path_white_list);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        add_folder_of(&paths, files[i]);
    const TextList *const lists[] = {&s->confine_read, &s->api_annotation_folders};
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            char *path = file_join(s->folder, lists[l]->items[i]);
            add(&paths, arena_strdup(arena, path));
            free(path);
        }
    return (TextList){paths.items, paths.count};
}

bool confining_server(Arena *arena, const Settings *s, Err *err)
{
    Confining wish = {.how = s->confine,
                      .folders = folders_of(arena, s),
                      .reads = reads_of(arena, s),
                      .temp = s->tmp_path,
                      .logger = "pacs.event_sphere",
                      .level = LOG_INFO};
    wish.ports[wish.port_count++] = (uint16_t)s->port;
    if (s->tls_port)
        wish.ports[wish.port_count++] = (uint16_t)s->tls_port;
    if (s->api_start)
        wish.ports[wish.port_count++] = (uint16_t)s->api_port;
    if (geteuid() == 0)
        log_info("pacs.event_sphere",
                 "the server runs as root; start it as a user of its own, or name one by the key `user`");
    return confining_begin(arena, &wish, err);
}
