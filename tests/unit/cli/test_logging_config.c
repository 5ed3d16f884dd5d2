// SPDX-License-Identifier: MIT
/* cli/logging_config and cli/logs: the words of Python's dictConfig, problems with their place, what stands in. */
#include "base/log_format.h"
#include "cli/logging_config.h"
#include "house.h"

static char *folder;
static Arena *arena;
static LogPlan plan;
static bool replace;
static Buf problems;

static int setup(void **state)
{
    folder = house_folder();
    arena = arena_new(0);
    buf_init(&problems, 0);
    return 0;
}

static int teardown(void **state)
{
    log_close();
    buf_free(&problems);
    arena_free(arena);
    house_remove(folder);
    return 0;
}

static bool load(const char *text)
{
    house_write(folder, "app/logging_config.yml", text);
    buf_clear(&problems);
    LoggingTerms terms = {.folder = folder};
    return logging_config_load(arena, arena_printf(arena, "%s/app/logging_config.yml", folder), &terms, &plan,
                               &replace, &problems);
}

static void load_well(const char *text)
{
    if (!load(text))
        fail_msg("%s", buf_cstr(&problems));
}

static const char *rendered(const LogFormat *format)
{
    static char out[256];
    LogRecord record = {
        .level = LOG_INFO, .logger = "x", .file = "f.c", .function = "f", .line = 7, .message = "m"};
    out[log_format_render(format, &record, false, out, sizeof out - 1) - 1] = 0;
    return out;
}

static void everything_that_there_is(void **state)
{
    load_well("version: 1\n"
              "disable_existing_loggers: no\n"
              "formatters:\n"
              "  a: {format: '%(name)s %(message)s', style: '%', datefmt: '%H:%M'}\n"
              "  b: {(): colorlog.ColoredFormatter, format: '%(log_color)s%(lineno)d', log_colors: {INFO: "
              "'cyan'}}\n"
              "  c: {class: logging.Formatter}\n"
              "handlers:\n"
              "  out: {class: logging.StreamHandler, stream: ext://sys.stdout, level: error, formatter: a}\n"
              "  err: {class: logging.StreamHandler, level: 15, formatter: b}\n"
              "  plain: {class: logging.FileHandler, filename: log/plain.log, encoding: UTF-8, mode: a, "
              "delay: yes}\n"
              "  size: {class: logging.handlers.RotatingFileHandler, filename: ./size.log, maxBytes: 1000, "
              "backupCount: 3, level: WARN}\n"
              "  time: {class: logging.handlers.TimedRotatingFileHandler, filename: /var/x.log, when: w6, "
              "utc: yes, "
              "backupCount: 9}\n"
              "  hours: {class: logging.handlers.TimedRotatingFileHandler, filename: h, interval: 6}\n"
              "  none: {class: logging.NullHandler, level: DEBUG}\n"
              "loggers:\n"
              "  pacs: {level: INFO, handlers: [size, time], propagate: no}\n"
              "  pacs.database: {handlers: [plain]}\n"
              "root: {level: CRITICAL, handlers: [err]}\n");
    assert_false(replace);
    assert_int_equal(plan.handler_count, 7);
    const LogHandler *h = plan.handlers;
    assert_int_equal(h[0].to, LOG_TO_STDOUT);
    assert_int_equal(h[0].level, LOG_ERROR);
    assert_string_equal(rendered(h[0].format), "x m");
    assert_int_equal(h[1].to, LOG_TO_STDERR);
    assert_int_equal(h[1].level, 15);
    assert_string_equal(rendered(h[1].format), "7");
    assert_int_equal(h[2].to, LOG_TO_FILE);
    assert_true(h[2].file.late);
    assert_null(h[2].format);
    assert_string_equal(h[2].file.path, arena_printf(arena, "%s/log/plain.log", folder));
    assert_string_equal(h[3].file.path, arena_printf(arena, "%s/size.log", folder));
    assert_int_equal(h[3].file.turn, LOG_TURN_BY_SIZE);
    assert_int_equal(h[3].file.max_bytes, 1000);
    assert_int_equal(h[3].file.keep, 3);
    assert_int_equal(h[3].level, LOG_WARNING);
    assert_string_equal(h[4].file.path, "/var/x.log");
    assert_int_equal(h[4].file.turn, LOG_TURN_SUNDAY);
    assert_int_equal(h[4].file.keep, 9);
    assert_true(h[4].file.utc);
    assert_int_equal(h[5].file.turn, LOG_TURN_HOURS);
    assert_int_equal(h[5].file.interval, 6);
    assert_int_equal(h[6].to, LOG_TO_NOTHING);
    assert_int_equal(plan.logger_count, 3);
    const LogLogger *l = plan.loggers;
    assert_string_equal(l[0].name, "pacs");
    assert_int_equal(l[0].level, LOG_INFO);
    assert_int_equal(l[0].handlers, 1 << 3 | 1 << 4);
    assert_false(l[0].propagate);
    assert_int_equal(l[1].level, LOG_NOTSET);
    assert_true(l[1].propagate);
    assert_string_equal(l[2].name, "");
    assert_int_equal(l[2].level, LOG_CRITICAL);
}

/* Python's own rules where a key is left out; handlers of our first version had no class. */
static void what_is_left_out(void **state)
{
    load_well("version: 1\n"
              "handlers:\n"
              "  a: {stream: stderr}\n"
              "  b: {filename: b.log}\n"
              "  c: {filename: c.log, maxBytes: 5, backupCount: 1}\n"
              "  d: {filename: d.log, when: D}\n"
              "root: {handlers: [a]}\n"
              "formatters:\n");
    assert_true(replace);
    assert_int_equal(plan.handlers[0].to, LOG_TO_STDERR);
    assert_int_equal(plan.handlers[0].level, LOG_NOTSET);
    assert_int_equal(plan.handlers[1].file.max_bytes, 0);
    assert_int_equal(plan.handlers[2].file.max_bytes, 5);
    assert_int_equal(plan.handlers[3].file.turn, LOG_TURN_DAYS);
    assert_int_equal(plan.loggers[0].level, LOG_WARNING);
}

#define HEAD "version: 1\n"

static void problems_name_their_place(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "logging_config.yml:1: logging: expected are the keys version"},
        {"formatters: {}\n", "version: this key must be there; allowed is 1"},
        {"version: 2\n", "yml:1: version: allowed is a whole number from 1 to 1"},
        {"version: [\n", "logging_config.yml:2:"},
        {HEAD "handelrs: {}\n",
         "yml:2: handelrs: unknown key; allowed are version, disable_existing_loggers, formatters"},
        {HEAD "incremental: yes\n", "yml:2: incremental: allowed is no"},
        {HEAD "disable_existing_loggers: perhaps\n", "yml:2: disable_existing_loggers: allowed is yes or no"},
        {HEAD "filters: {a: {}}\n", "yml:2: filters: filters are not supported"},
        {HEAD "handlers: 3\n", "yml:2: handlers: a section is expected here"},
        {HEAD "handlers: [{class: logging.StreamHandler}]\n", "yml:2: handlers: a section is expected here"},
        {HEAD "loggers: [pacs]\n", "yml:2: loggers: a section is expected here"},
        {HEAD "formatters:\n  a: {(): colorlog.ColoredFormatter, log_colors: [red]}\n",
         "yml:3: formatters.a.log_colors: lines of the form 'DEBUG: cyan' are expected here"},
        {HEAD "loggers: {pacs: 3}\n", "yml:2: loggers.pacs: a section is expected here"},
        {HEAD "formatters:\n  a: {format: '%(nmae)s'}\n",
         "yml:3: formatters.a: '%(nmae)' is no field; there are asctime"},
        {HEAD "formatters:\n  a: {format: 'x', style: '{'}\n", "yml:3: formatters.a.style: allowed is '%'"},
        {HEAD "formatters:\n  a: {class: my.Formatter}\n",
         "yml:3: formatters.a.class: 'my.Formatter' is not known; allowed is logging.Formatter or colorlog"},
        {HEAD "formatters:\n  a: {(): colorlog.ColoredFormatter, log_colors: {DEBUG: puce}}\n",
         "yml:3: formatters.a: 'puce' is no colour; allowed are black"},
        {HEAD "formatters:\n  a: {colour: yes}\n",
         "yml:3: formatters.a.colour: unknown key; allowed are class, (), format"},
        {HEAD "formatters: {a: {}}\nhandlers:\n  c: {formatter: b}\n",
         "yml:4: handlers.c.formatter: there is no formatter 'b'; there are: a"},
        {HEAD "handlers:\n  c: {level: LOUD}\n",
         "yml:3: handlers.c.level: 'LOUD'; allowed is one of NOTSET, DEBUG"},
        {HEAD "handlers:\n  c: {class: logging.handlers.SMTPHandler}\n",
         "yml:3: handlers.c.class: 'logging.handlers.SMTPHandler' is not known; allowed is one of "
         "logging.StreamHandler, "},
        {HEAD "handlers:\n  c: {class: logging.StreamHandler, filename: x}\n",
         "yml:3: handlers.c.filename: unknown key for this class; allowed are class, (), level, formatter, "
         "filters, stream"},
        {HEAD "handlers:\n  c: {class: logging.FileHandler}\n",
         "yml:3: handlers.c: the key filename must be there"},
        {HEAD "handlers:\n  c: {class: logging.FileHandler, filename: log/}\n",
         "yml:3: handlers.c.filename: the name of a file"},
        {HEAD "handlers:\n  c: {filename: x, mode: w}\n", "yml:3: handlers.c.mode: allowed is a"},
        {HEAD "handlers:\n  c: {filename: x, encoding: latin-1}\n",
         "yml:3: handlers.c.encoding: allowed is utf-8"},
        {HEAD "handlers:\n  c: {filename: x, maxBytes: -1}\n",
         "yml:3: handlers.c.maxBytes: allowed is a whole number from 0 to 1099511627776"},
        {HEAD "handlers:\n  c: {filename: x, when: noon}\n",
         "yml:3: handlers.c.when: 'noon'; allowed is S, M, H, D, midnight"},
        {HEAD "handlers:\n  c: {stream: ext://my.stream}\n",
         "yml:3: handlers.c.stream: 'ext://my.stream'; allowed is ext://sys.stderr or ext://sys.stdout"},
        {HEAD "handlers: {c: {}}\nloggers:\n  pacs: {handlers: [d]}\n",
         "yml:4: loggers.pacs.handlers: there is no handler 'd'; there are: c"},
        {HEAD "loggers:\n  pacs: {handlers: d}\n",
         "yml:3: loggers.pacs.handlers: a list of handlers is expected here"},
        {HEAD "loggers:\n  pacs: {levle: INFO}\n",
         "yml:3: loggers.pacs.levle: unknown key; allowed are level, handlers, propagate"},
        {HEAD "root: {propagate: no}\n", "yml:2: root.propagate: unknown key; allowed are level, handlers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(load(cases[i].text));
        assert_contains(&problems, cases[i].problem);
    }
    assert_false(load(HEAD "handlers: {a: {level: LOUD}, b: {level: LOUD}}\nroot: {level: LOUD}\n"));
    size_t lines = 0;
    for (size_t i = 0; i < problems.n; i++)
        lines += problems.p[i] == '\n';
    assert_int_equal(lines, 3);
}

static void too_many(void **state)
{
    Buf text;
    buf_init(&text, 0);
    buf_append_cstr(&text, HEAD "handlers:\n");
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "  h%d: {}\n", i);
    assert_false(load(buf_cstr(&text)));
    assert_contains(&problems, "handlers.h30: at most 30 handlers");
    buf_clear(&text);
    buf_append_cstr(&text, HEAD "loggers:\n");
    for (int i = 0; i < 70; i++)
        buf_printf(&text, "  l%d: {}\n", i);
    assert_false(load(buf_cstr(&text)));
    assert_contains(&problems, "loggers.l62: at most 62 loggers");
    buf_free(&text);
}

/* -- cli/logs -- */

static Cli start(const char *settings, const char *config)
{
    house_write(folder, "app/settings.yml", settings);
    if (config)
        house_write(folder, "app/logging_config.yml", config);
    Cli cli = {.program = "test", .folder = folder, .arena = arena};
    buf_clear(&problems);
    cli.settings = settings_load(arena, folder, NULL, &problems);
    if (!cli.settings)
        fail_msg("%s", buf_cstr(&problems));
    Err err = {0};
    fflush(NULL);
    int saved = dup(2), null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    close(null);
    bool ok = cli_logs_start(&cli, false, &err);
    dup2(saved, 2);
    close(saved);
    assert_true(ok);
    return cli;
}

static void assert_line(const char *name, const char *part, bool there)
{
    Buf text;
    buf_init(&text, 1 << 20);
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bool readable = file_read_all(path, 1 << 20, &text, NULL);
    bool found = readable && strstr(buf_cstr(&text), part);
    if (found != there)
        fail_msg("%s in %s: %s", part, name, readable ? buf_cstr(&text) : "no such file");
    buf_free(&text);
}

#define MINIMAL "port: 104\nAET: ME\n"

static void the_settings_logger_is_there_before_the_file(void **state)
{
    Cli cli = start(MINIMAL, HEAD "disable_existing_loggers: no\nhandlers: {a: {filename: deep/er/a.log}}\n"
                                  "root: {level: DEBUG, handlers: [a]}\n");
    assert_null(cli.logging_problem);
    log_debug("settings", "a setting");
    log_debug("pacs", "an event");
    assert_line("log/settings.log", "a setting", true);
    assert_line("deep/er/a.log", "a setting", false);
    assert_line("deep/er/a.log", "an event", true);
    start(MINIMAL, HEAD "handlers: {a: {filename: a.log}}\nroot: {level: DEBUG, handlers: [a]}\n");
    log_debug("settings", "silenced");
    assert_line("log/settings.log", "silenced", false);
    start(MINIMAL,
          HEAD "handlers: {a: {filename: a.log}}\nloggers: {settings: {level: DEBUG, handlers: [a]}}\n");
    log_debug("settings", "moved");
    assert_line("log/settings.log", "moved", false);
    assert_line("a.log", "moved", true);
}

static void defaults_stand_in(void **state)
{
    Cli cli =
        start(MINIMAL "log:\n  file_log_main: my.log\n  log_file_level: INFO\n  formatter: '<%(message)s>'\n"
                      "  max_bytes: 40\n  backup_count: 1\n",
              "version: 3\n");
    assert_non_null(strstr(cli.logging_problem, "logging_config.yml:1: version: allowed is"));
    assert_non_null(strstr(cli.logging_problem, "/log/my.log"));
    assert_line("log/config_logging.log", "logging_config.yml:1: version: allowed is", true);
    log_info("pacs.database", "a line of twenty-odd characters");
    log_info("pynetdicom", "another");
    log_debug("command_event", "too detailed");
    assert_line("log/my.log.1", "<a line of twenty-odd characters>\n", true);
    assert_line("log/my.log", "<another>\n", true);
    assert_line("log/my.log", "detailed", false);
}

static void without_defaults_there_is_no_log(void **state)
{
    Cli cli = start(MINIMAL "log: {default_log: no}\n", NULL);
    assert_non_null(strstr(cli.logging_problem, "nothing is logged"));
    log_critical("pacs", "unheard");
    assert_false(log_enabled(LOG_CRITICAL, "settings"));
    assert_false(house_has(folder, "log/main.log"));
}

static void when_no_file_can_be_written_the_console_is_left(void **state)
{
    house_write(folder, "log/main.log/in_the_way", "");
    Cli cli = start(MINIMAL, HEAD "handlers: {a: {filename: log/main.log}}\n");
    assert_non_null(strstr(cli.logging_problem, "main.log"));
    assert_non_null(strstr(cli.logging_problem, "warnings go to the console alone (1 more"));
    assert_true(log_enabled(LOG_WARNING, "pacs"));
    assert_false(log_enabled(LOG_INFO, "pacs"));
}

#define LOGGING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOGGING_TEST(everything_that_there_is),
        LOGGING_TEST(what_is_left_out),
        LOGGING_TEST(problems_name_their_place),
        LOGGING_TEST(too_many),
        LOGGING_TEST(the_settings_logger_is_there_before_the_file),
        LOGGING_TEST(defaults_stand_in),
        LOGGING_TEST(without_defaults_there_is_no_log),
        LOGGING_TEST(when_no_file_can_be_written_the_console_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
