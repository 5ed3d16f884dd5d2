// SPDX-License-Identifier: MIT
/* What several commands share: the archive's folder, its index, peers, list files, failing politely. */
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/tags.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Absolute `folder` if it has app/settings.yml. */
static const char *archive_at(Arena *arena, const char *folder)
{
    char *real = realpath(folder, NULL);
    if (!real)
        return NULL;
    const char *settings = arena_printf(arena, "%s/app/settings.yml", real);
    const char *found = access(settings, F_OK) == 0 ? arena_strdup(arena, real) : NULL;
    free(real);
    return found;
}

const char *cli_find_archive(Arena *arena, const char *invoked, Err *err)
{
    const char *slash = strrchr(invoked, '/');
    const char *beside = NULL, *found = NULL;
    if (slash) {
        beside = slash == invoked ? "/" : arena_span_cstr(arena, span_of(invoked, (size_t)(slash - invoked)));
        found = archive_at(arena, beside);
    }
    if (!found)
        found = archive_at(arena, ".");
    if (found)
        return found;
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here))
        snprintf(here, sizeof here, "the current directory");
    if (beside)
        err_set(err, ERR_NOT_FOUND,
                "no archive here: neither %s nor %s has app/settings.yml; call DIR/manage of a folder made "
                "by 'sphere-admin DIR'",
                beside, here);
    else
        err_set(err, ERR_NOT_FOUND,
                "no archive here: %s has no app/settings.yml; call DIR/manage of a folder made by "
                "'sphere-admin DIR'",
                here);
    return NULL;
}

void cli_tell(const Cli *cli, const char *format, ...)
{
    char text[4800]; /* two paths */
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    log_make_printable(text);
    fprintf(stderr, "%s: %s\n", cli->program, text);
}

int cli_fail(const Cli *cli, const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    log_make_printable(text);
    fflush(stdout); /* what was said before comes before */
    fprintf(stderr, "%s: %s\n", cli->program, text);
    if (cli->settings)
        log_error("command_event", "%s: %s", cli->program, text);
    return EXIT_FAILED;
}

int cli_verbosity(const Cli *cli, int64_t given)
{
    return (int)(given >= 0 ? given : cli->settings->console_verbose_level);
}

/* Settings have seconds, 0 = no limit. */
static int64_t milliseconds(int64_t seconds)
{
    return seconds > 0 ? seconds * 1000 : -1;
}

ScuPeer cli_peer(const Settings *settings, const char *host, int64_t port, const char *called_ae)
{
    enum { CONNECT_MS = 20000 };
    int64_t acse = milliseconds(settings->acse_timeout);
    return (ScuPeer){
        .host = host,
        .port = (uint16_t)port,
        .called_ae = called_ae,
        .calling_ae = settings->aet,
        .max_pdu = (uint32_t)settings->pdu_size,
        .timeouts = {.connect_ms = acse > 0 && acse < CONNECT_MS ? acse : CONNECT_MS,
                     .acse_ms = acse,
                     .dimse_ms = milliseconds(settings->dimse_timeout),
                     .network_ms = milliseconds(settings->network_timeout)},
    };
}

bool cli_check_engines(const Settings *settings, Err *err)
{
    if (strcmp(settings->storage_method, "FS"))
        return err_set(
            err, ERR_UNSUPPORTED,
            "%s: storage_method: %s is not supported: objects are kept as files in a folder; set it to FS",
            settings->file, settings->storage_method);
    return true;
}

size_t cli_settings_without_effect(const Settings *settings, const char *out[CLI_WITHOUT_EFFECT_MAX])
{
    size_t n = 0;
    if (settings->hdfs_start_move)
        out[n++] = "hdfs.start_move_hdfs is on, but this version does not fetch from HDFS; it has no effect";
    if (settings_list_has(&settings->scp_services, "n-get"))
        out[n++] = "scp_services has n-get, but this version has no such service; it has no effect";
    return n;
}

/* `server`: many queries at one time. */
static IdxSettings index_settings(const Settings *settings, bool server)
{
    enum { COMMAND_BUSY_MS = 10000, SERVER_BUSY_MS = 30000, READERS = 2 };
    IdxSettings index = {.sqlite_path = settings->db_filepath,
                         .busy_timeout_ms = server ? SERVER_BUSY_MS : COMMAND_BUSY_MS,
                         .readers = server ? 2 * READERS : READERS};
    if (strcmp(settings->db_engine, "postgresql"))
        return index;
    index.engine = IDX_POSTGRESQL;
    index.postgres = (IdxPostgres){.host = settings->db_ip,
                                   .port = (uint16_t)settings->db_port,
                                   .database = settings->db_database,
                                   .schema = settings->db_schema,
                                   .login = settings->db_login,
                                   .password = settings->db_password};
    index.readers = server ? (size_t)settings->db_pool_size : READERS;
    index.readers_more = (size_t)settings->db_pool_overflow;
    index.no_more_readers = server && !settings->db_pool_overflow;
    index.reader_age_ms = settings->db_pool_recycle * 1000;
    index.reader_timeout_ms = settings->db_pool_timeout * 1000;
    return index;
}

/* Puts the extended tags in. What is wrong with some of them is told, and the others are taken. */
static bool take_tags(Arena *arena, const Settings *settings, IdxSettings *index, Err *err)
{
    Tags tags;
    Buf problems;
    buf_init(&problems, 0);
    bool ok = tags_load(arena, settings->folder, &tags, &problems, err);
    Span rest = buf_span(&problems), line;
    bool more = true;
    while (span_split(&rest, '\n', &line, &more))
        if (line.n) {
            fprintf(stderr, "WARNING: %.*s\n", SPAN_FMT(line));
            log_warning("extended_db", "%.*s", SPAN_FMT(line));
        }
    buf_free(&problems);
    if (ok) {
        index->extended = tags_for_index(arena, &tags);
        index->extended_count = tags.count;
    }
    return ok;
}

Index *cli_open_index(const Settings *settings, Err *err)
{
    Arena *arena = arena_new(0);
    IdxSettings wish = index_settings(settings, false);
    bool ok = cli_check_engines(settings, err) && take_tags(arena, settings, &wish, err);
    Index *index = ok ? idx_open(&wish, err) : NULL;
    arena_free(arena);
    return index;
}

static void notice(void *ctx, int level, const char *logger, const char *detail)
{
    log_write((LogLevel)level, logger, "%s", detail);
}

static Archive *open_archive(const Settings *settings, bool server, size_t group_max, Err *err)
{
    /* A sender gives up after half a minute, as a rule: by then it should have been told. */
    enum { SENDER_BUSY_MS = 10000, SENDER_STATEMENT_MS = 15000 };
    IdxSettings index = index_settings(settings, true);
    Arena *arena = arena_new(0);
    Archive *archive = NULL;
    if (!cli_check_engines(settings, err) || !take_tags(arena, settings, &index, err))
        goto done;
    if (server) {
        index.busy_timeout_ms = SENDER_BUSY_MS;
        index.postgres.statement_timeout_ms = SENDER_STATEMENT_MS;
    }
    ArcDuplicates duplicates = !strcmp(settings->duplicates, "keep_first")  ? ARC_KEEP_FIRST
                               : !strcmp(settings->duplicates, "keep_both") ? ARC_KEEP_BOTH
                                                                            : ARC_REPLACE;
    archive = arc_open(&(ArcSettings){.data_path = settings->fs_path,
                                      .temp_path = settings->tmp_path,
                                      .quarantine_path = settings->quarantine_path,
                                      .index = &index,
                                      .duplicates = duplicates,
                                      .group_max = group_max,
                                      .check_class = true,
                                      .outlasts_index = server,
                                      .search_in_file = settings->search_in_file,
                                      .min_free_bytes = (uint64_t)settings->min_free_space << 20,
                                      .through_cache = !settings->direct_io,
                                      .min_free_percent = (unsigned)settings->min_free_percent,
                                      .notice = notice},
                       err);
done:
    arena_free(arena);
    return archive;
}

Archive *cli_open_archive(const Settings *settings, Err *err)
{
    return open_archive(settings, false, 0, err);
}

Archive *cli_open_archive_to_fill(const Settings *settings, Err *err)
{
    enum { LARGE_GROUP = 512 };
    return open_archive(settings, false, LARGE_GROUP, err);
}

Archive *cli_serve_archive(const Settings *settings, Err *err)
{
    return open_archive(settings, true, 0, err);
}

bool cli_read_list(Arena *arena, const char *path, TextList *out, Err *err)
{
    enum { MAX_LIST = 256 << 20 };
    Buf text;
    buf_init(&text, 0);
    bool ok = file_read_all(path, MAX_LIST, &text, err);
    if (ok) {
        size_t lines = 1;
        for (size_t i = 0; i < text.n; i++)
            lines += text.p[i] == '\n';
        const char **items = arena_alloc(arena, lines * sizeof *items);
        size_t n = 0;
        Span rest = buf_span(&text), line;
        bool more = true;
        while (span_split(&rest, '\n', &line, &more)) {
            while (line.n && line.p[line.n - 1] == '\r')
                line.n--;
            line = span_trim(line);
            if (line.n)
                items[n++] = arena_span_cstr(arena, line);
        }
        *out = (TextList){items, n};
    }
    buf_free(&text);
    return ok;
}

void cli_json_outcome(JsonWriter *w, bool ok, const ScuResult *result, const Err *err)
{
    json_key(w, "ok");
    json_bool(w, ok);
    json_key(w, "status");
    if (result->answered)
        json_int(w, result->status);
    else
        json_nothing(w);
    json_member(w, "error", ok ? NULL : err->text);
}

void cli_put(FILE *to, Buf *text)
{
    if (text->n)
        fwrite(text->p, 1, text->n, to);
    buf_free(text);
}

bool cli_colour(int fd)
{
    const char *no = getenv("NO_COLOR");
    return isatty(fd) && !(no && *no);
}
