// SPDX-License-Identifier: MIT
/*
 * How the program logs: as app/logging_config.yml says. When that cannot be used, one file and the console by the keys log.* of the
 * settings, or nothing when log.default_log is off; when no file can be written either, the console alone.
 *
 * Two loggers are there before that file is read, `settings` and `extended_db`: log/settings.log and warnings on the
 * console. The file may define them anew, or silence them with disable_existing_loggers.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_format.h"
#include "cli/cli.h"
#include "cli/logging_config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEN_MIB = 10485760, KEPT = 2 };

static bool make_folders(const Settings *settings, Err *err)
{
    const char *const folders[] = {settings->log_path_folder, settings->tmp_path, settings->fs_path,
                                   settings->path_white_list};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!file_make_dirs(folders[i], err))
            return false;
    return true;
}

static const char *in_log_folder(const Cli *cli, const char *name)
{
    char *joined = file_join(cli->settings->log_path_folder, name);
    const char *path = arena_strdup(cli->arena, joined);
    free(joined);
    return path;
}

static const LogFormat *format_of(const Cli *cli, const char *text, bool coloured)
{
    LogFormatText layout = {.format = *text      ? text
                                      : coloured ? LOG_FORMAT_DEFAULT_COLOURED
                                                 : LOG_FORMAT_DEFAULT,
                            .coloured = coloured};
    return log_format_compile(cli->arena, &layout, NULL);
}

static LogHandler console_handler(const Cli *cli, LogLevel level, const char *format)
{
    return (LogHandler){.to = LOG_TO_STDERR,
                        .level = (int)level,
                        .format = format_of(cli, format, true),
                        .colour = cli->settings->log_color_message && cli_colour(STDERR_FILENO)};
}

static uint32_t add_handler(LogPlan *plan, LogHandler handler)
{
    plan->handlers[plan->handler_count] = handler;
    return UINT32_C(1) << plan->handler_count++;
}

static LogLogger *logger_named(LogPlan *plan, const char *name)
{
    for (size_t i = 0; i < plan->logger_count; i++)
        if (!strcmp(plan->loggers[i].name, name))
            return &plan->loggers[i];
    return NULL;
}

/* What fails a command prints itself (cli_fail): whatever the file says, its logger leaves the consoles alone. */
static void spare_consoles(LogPlan *plan)
{
    LogLogger *own = logger_named(plan, "command_event"), *root = logger_named(plan, "");
    if (!own && plan->logger_count < LOG_MAX_LOGGERS) {
        own = &plan->loggers[plan->logger_count++];
        *own = (LogLogger){.name = "command_event", .propagate = true};
    }
    if (!own)
        return;
    if (own->propagate && root)
        own->handlers |= root->handlers;
    own->propagate = false;
    for (size_t i = 0; i < plan->handler_count; i++)
        if (plan->handlers[i].to == LOG_TO_STDERR || plan->handlers[i].to == LOG_TO_STDOUT)
            own->handlers &= ~(UINT32_C(1) << i);
}

/* The two loggers that are there without the file. */
static void add_own(const Cli *cli, LogPlan *plan, bool silenced)
{
    static const char *const names[LOGGING_OWN_LOGGERS] = {"settings", "extended_db"};
    uint32_t handlers = add_handler(
        plan, (LogHandler){
                  .to = LOG_TO_FILE,
                  .level = LOG_DEBUG,
                  .format = format_of(cli, "", false),
                  .file = {.path = in_log_folder(cli, "settings.log"), .max_bytes = TEN_MIB, .keep = KEPT}});
    handlers |= add_handler(plan, console_handler(cli, LOG_WARNING, ""));
    for (size_t i = 0; i < LOGGING_OWN_LOGGERS; i++)
        if (!logger_named(plan, names[i]))
            plan->loggers[plan->logger_count++] =
                (LogLogger){.name = names[i], .level = LOG_DEBUG, .handlers = handlers, .disabled = silenced};
}

/* Files may lie anywhere below the archive; their folders come with them. */
static bool start_files(const LogPlan *plan, Err *err)
{
    for (size_t i = 0; i < plan->handler_count; i++) {
        const char *path = plan->handlers[i].file.path, *slash = path ? strrchr(path, '/') : NULL;
        if (!slash || slash == path)
            continue;
        char *folder = strndup(path, (size_t)(slash - path));
        bool made = !folder || file_make_dirs(folder, err);
        free(folder);
        if (!made)
            return false;
    }
    return log_start(plan, err);
}

static bool start_configured(const Cli *cli, const char *file, bool data_on_stdout, LogPlan *plan,
                             Buf *problems)
{
    bool replace;
    LoggingTerms terms = {
        .folder = cli->folder, .colour = cli->settings->log_color_message, .stdout_taken = data_on_stdout};
    if (!logging_config_load(cli->arena, file, &terms, plan, &replace, problems))
        return false;
    add_own(cli, plan, replace);
    spare_consoles(plan);
    Err err = {0};
    return start_files(plan, &err) || (buf_printf(problems, "%s: %s\n", file, err.text) && false);
}

/* Everything into one file, and the console; what fails a command prints itself (cli_fail). */
static bool start_default(const Cli *cli, LogPlan *plan, Err *err)
{
    const Settings *s = cli->settings;
    *plan = (LogPlan){0};
    uint32_t file = add_handler(plan, (LogHandler){.to = LOG_TO_FILE,
                                                   .level = (int)s->log_file_level,
                                                   .format = format_of(cli, s->log_formatter, false),
                                                   .file = {.path = in_log_folder(cli, s->log_file_log_main),
                                                            .max_bytes = (uint64_t)s->log_max_bytes,
                                                            .keep = (int)s->log_backup_count}});
    uint32_t console = add_handler(plan, console_handler(cli, s->log_stream_level, s->log_formatter_color));
    plan->loggers[plan->logger_count++] = (LogLogger){.name = "", .handlers = file | console};
    plan->loggers[plan->logger_count++] = (LogLogger){.name = "command_event", .handlers = file};
    add_own(cli, plan, false);
    return start_files(plan, err);
}

static void start_console(const Cli *cli, LogPlan *plan)
{
    *plan = (LogPlan){0};
    uint32_t console = add_handler(plan, console_handler(cli, LOG_WARNING, ""));
    plan->loggers[plan->logger_count++] = (LogLogger){.name = "", .handlers = console};
    log_start(plan, NULL);
}

/* Each problem as a line of log.file_log_config_logging. */
static void keep_problems(const Cli *cli, const Buf *problems)
{
    const Settings *s = cli->settings;
    LogFile *file =
        log_file_open(&(LogFileSettings){.path = in_log_folder(cli, s->log_file_log_config_logging),
                                         .max_bytes = (uint64_t)s->log_max_bytes,
                                         .keep = (int)s->log_backup_count},
                      NULL);
    const LogFormat *format = format_of(cli, "", false);
    Span rest = buf_span(problems), text;
    bool more = true;
    while (file && span_split(&rest, '\n', &text, &more)) {
        char line[1024];
        LogRecord record = {.level = LOG_ERROR,
                            .logger = "config_logging",
                            .file = "",
                            .function = "",
                            .wall_us = clock_wall_us(),
                            .message = arena_span_cstr(cli->arena, text)};
        if (text.n)
            log_file_write(file, line, log_format_render(format, &record, false, line, sizeof line), NULL);
    }
    log_file_close(file);
}

/* One line for people: the first problem, and where the others are. */
static void tell(Cli *cli, const Buf *problems, const char *instead)
{
    Span all = buf_span(problems);
    size_t end = span_index(all, '\n');
    Span first = span_sub(all, 0, end);
    size_t others = 0;
    for (size_t i = end + 1; i < all.n; i++)
        others += all.p[i] == '\n';
    const char *where = in_log_folder(cli, cli->settings->log_file_log_config_logging);
    cli->logging_problem = arena_printf(
        cli->arena, "%.*s; %s%s", SPAN_FMT(first), instead,
        others ? arena_printf(cli->arena, " (%zu more such problems are in %s)", others, where) : "");
    fprintf(stderr, "%s: %s\n", cli->program, cli->logging_problem);
}

static void start_instead(Cli *cli, LogPlan *plan, Buf *problems)
{
    if (!cli->settings->log_default_log) {
        log_start(plan, NULL);
        tell(cli, problems, "nothing is logged (log.default_log is off)");
        return;
    }
    Err err = {0};
    if (start_default(cli, plan, &err)) {
        tell(cli, problems,
             arena_printf(cli->arena, "until then all goes to %s", plan->handlers[0].file.path));
    } else {
        buf_printf(problems, "%s\n", err.text);
        tell(cli, problems, "warnings go to the console alone");
        start_console(cli, plan);
    }
}

bool cli_logs_start(Cli *cli, bool data_on_stdout, Err *err)
{
    if (!make_folders(cli->settings, err))
        return false;
    LogPlan *plan = arena_alloc(cli->arena, sizeof *plan);
    Buf problems;
    buf_init(&problems, 0);
    const char *file = arena_printf(cli->arena, "%s/app/logging_config.yml", cli->folder);
    if (!start_configured(cli, file, data_on_stdout, plan, &problems)) {
        keep_problems(cli, &problems);
        *plan = (LogPlan){0};
        start_instead(cli, plan, &problems);
    }
    buf_free(&problems);
    return true;
}
