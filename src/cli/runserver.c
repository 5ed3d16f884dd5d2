// SPDX-License-Identifier: MIT
/*
 * `manage runserver`: the archive served over DICOM until SIGINT or SIGTERM.
 *
 * Signals are blocked in every thread and waited for in this one, so that a stop is orderly: no new associations, running
 * operations finish (for stop_grace seconds), the index is up to date, exit code 0. SIGHUP opens the log files again.
 */
#include "archive/scrub.h"
#include "archive/seal.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/api.h"
#include "cli/audit_watch.h"
#include "cli/auth.h"
#include "cli/banner.h"
#include "cli/block.h"
#include "cli/cli.h"
#include "cli/confining.h"
#include "cli/console.h"
#include "cli/notify.h"
#include "cli/serving.h"
#include "cli/tls.h"
#include "scp/scp.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SYSLOG_GRACE_MS = 3000 };

typedef struct Args {
    int64_t verbosity;
} Args;

static const Args defaults = {.verbosity = -1};
static const Option options[] = {
    {OPT_INT, "v", "verbosity", "{0,1,2}", "0 no block, 1 the final ones, 2 one for each step", .max = 2,
     .at = offsetof(Args, verbosity)},
    {OPT_END},
};

/* Where it is told what happens: the console, the UID journal, the audit trail. Shared by the association threads and those that store what comes over HTTP. */
typedef struct Reporting {
    const Settings *settings;
    int verbosity;
    LogFile *journal; /* NULL = none */
    Audit *audit;     /* NULL = none */
} Reporting;

/* "YYYY-MM-DD | study | series | instance" */
static void write_journal(const Reporting *reporting, const char *study, const char *series,
                          const char *instance)
{
    char when[32], entry[256];
    clock_format(clock_wall_us(), false, when);
    snprintf(entry, sizeof entry - 1, "%.10s | %s | %s | %s", when, study, series ? series : "",
             instance ? instance : "");
    log_make_printable(entry); /* one line, whatever a peer calls an object */
    size_t n = strlen(entry);
    entry[n++] = '\n';
    Err err = {0};
    if (!log_file_write(reporting->journal, entry, n, &err))
        log_warning("pacs.event_sphere", "UID journal: %s", err.text);
}

static void show_block(const Reporting *reporting, const Block *block)
{
    Buf out;
    buf_init(&out, 0);
    block_format(block, reporting->verbosity, &out);
    bool any = out.n > 0;
    cli_put(stdout, &out);
    if (any)
        console_show();
}

static void show_event(void *ctx, const ScpEvent *event)
{
    const Reporting *reporting = ctx;
    bool received = !strcmp(event->action, "CSTORE") && event->committed && event->success;
    if (received && event->study && reporting->journal)
        write_journal(reporting, event->study, event->series, event->instance);
    Block block = {.service = "SCP",
                   .action = event->action,
                   .committed = event->committed,
                   .simultaneous = event->simultaneous,
                   .has_status = event->has_status,
                   .status = event->status,
                   .study = event->study,
                   .series = event->series,
                   .instance = event->instance,
                   .now_us = clock_wall_us(),
                   .began_us = event->began_us,
                   .peer_ae = event->calling_ae,
                   .own_ae = reporting->settings->aet,
                   .success = event->success,
                   .context_id = event->context_id,
                   .abstract_syntax = event->abstract_syntax,
                   .transfer_syntax = event->transfer_syntax,
                   .last_log = event->last_log,
                   .data_set = event->data_set};
    show_block(reporting, &block);
}

/* An object of a STOW request, as one of a C-STORE. */
static void show_stored(void *ctx, const WebStored *what)
{
    const Reporting *reporting = ctx;
    if (what->stored && reporting->journal)
        write_journal(reporting, what->stored->study, what->stored->series, what->stored->sop_instance);
    show_block(reporting, &(Block){.service = "SCP",
                                   .action = "STOW",
                                   .committed = true,
                                   .has_status = true,
                                   .status = what->status,
                                   .study = what->stored ? what->stored->study : NULL,
                                   .series = what->stored ? what->stored->series : NULL,
                                   .instance = what->instance,
                                   .now_us = clock_wall_us(),
                                   .began_us = what->began_us,
                                   .peer_ae = what->client,
                                   .own_ae = reporting->settings->aet,
                                   .success = what->stored,
                                   .transfer_syntax = what->transfer_syntax,
                                   .last_log = what->what});
}

static unsigned services_of(const Settings *s)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"c-echo", SCP_ECHO},
                 {"c-store", SCP_STORE},
                 {"c-find", SCP_FIND},
                 {"c-move", SCP_MOVE},
                 {"c-get", SCP_GET}};
    unsigned bits = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (settings_list_has(&s->scp_services, names[i].name))
            bits |= names[i].bit;
    return bits;
}

static int64_t milliseconds(int64_t seconds)
{
    return seconds > 0 ? seconds * 1000 : -1;
}

static ScpIdentities identities_of(const Settings *s)
{
    return !strcmp(s->user_identity, "off")      ? SCP_IDENTITY_OFF
           : !strcmp(s->user_identity, "accept") ? SCP_IDENTITY_ACCEPT
                                                 : SCP_IDENTITY_REQUIRE;
}

static ScpSettings server_settings(const Settings *s, Reporting *reporting)
{
    return (ScpSettings){.ae_title = s->aet,
                         .address = *s->listen_address ? s->listen_address : NULL,
                         .port = (uint16_t)s->port,
                         .require_called_ae = s->required_call_aet,
                         .services = services_of(s),
                         .identities = identities_of(s),
                         .max_associations = (unsigned)s->max_assoc,
                         .max_of_address = (unsigned)s->max_assoc_per_address,
                         .max_of_title = (unsigned)s->max_assoc_per_title,
                         .idle_ms = s->max_assoc_idle_second * 1000,
                         .request_ms = s->request_timeout * 1000,
                         .max_pdu = (uint32_t)s->pdu_size,
                         .async_window = (uint16_t)s->async_window,
                         .timeouts = {.connect_ms = milliseconds(s->acse_timeout),
                                      .acse_ms = milliseconds(s->acse_timeout),
                                      .dimse_ms = milliseconds(s->dimse_timeout),
                                      .network_ms = milliseconds(s->network_timeout),
                                      .min_rate = (uint32_t)s->min_rate,
                                      .rate_ms = s->rate_window * 1000},
                         .peers_path = s->path_white_list,
                         .accept_unknown_classes = s->accept_unknown_classes,
                         .find_limit = (uint64_t)s->find_limit,
                         .find_fold_names = s->find_fold_names,
                         .find_extended = s->send_extended_db_of_find,
                         .audit = reporting->audit,
                         .event = show_event,
                         .event_ctx = reporting};
}

static void show_banner(const Settings *s, Archive *archive, const ScpServer *server, bool saving, bool web)
{
    unsigned services = services_of(s);
    Buf out;
    buf_init(&out, 0);
    banner_format(&(Banner){.ae_title = s->aet,
                            .port = scp_port(server),
                            .tls_port = scp_tls_port(server),
                            .echo = services & SCP_ECHO,
                            .store = services & SCP_STORE,
                            .find = services & SCP_FIND,
                            .move = services & SCP_MOVE,
                            .get = services & SCP_GET,
                            .saving = saving,
                            .api_dicomweb = web && s->api_dicomweb_start,
                            .api_annotation = web && s->api_annotation_start,
                            .extended_database = idx_extended_count(arc_index(archive)) > 0,
                            .colour = cli_colour(STDOUT_FILENO)},
                  &out);
    cli_put(stdout, &out);
    fflush(stdout);
}

/* Extended tags that are new have no values yet for what was stored before. */
static void tell_waiting(Archive *archive)
{
    IdxFilling filling;
    if (!idx_filling(arc_index(archive), &filling, NULL) || !filling.waiting)
        return;
    static const char text[] = "%zu of %zu extended tags are not filled for what was stored before; "
                               "'manage database migrate' does that, also while the server runs";
    fprintf(stderr, text, filling.waiting, filling.extended);
    fputc('\n', stderr);
    log_warning("extended_db", text, filling.waiting, filling.extended);
}

static void reopen_logs(const Reporting *reporting)
{
    log_reopen();
    if (reporting->journal)
        log_file_reopen(reporting->journal);
    log_info("pacs.event_sphere", "log files were opened again (SIGHUP)");
}

/* SIGHUP comes from who moved the log files; or from a terminal that has gone, and with it who watched the server. At
   verbosity 2, how much waits for the index, every save_delay seconds when it changed. */
static int wait_for_stop(const Cli *cli, const Reporting *reporting, Archive *archive, AuditWatch *watch,
                         const sigset_t *signals)
{
    bool had_terminal = isatty(STDIN_FILENO);
    double delay = cli->settings->db_save_delay > 0.1 ? cli->settings->db_save_delay : 0.1;
    int64_t period = (int64_t)(delay * 1000), wait_ms = period < CONSOLE_REST_MS ? period : CONSOLE_REST_MS;
    struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    Deadline look = deadline_in(period);
    size_t shown = SIZE_MAX;
    bool away = arc_index_is_away(archive, NULL);
    for (;;) {
        console_show_rest();
        int number = sigtimedwait(signals, NULL, &wait);
        if (number == SIGHUP && (!had_terminal || isatty(STDIN_FILENO))) {
            reopen_logs(reporting);
            continue;
        }
        if (number > 0)
            return number;
        if (number < 0 && errno != EAGAIN && errno != EINTR)
            return SIGTERM;
        if (!deadline_passed(look))
            continue;
        look = deadline_in(period);
        audit_watch_look(watch);
        if (arc_index_is_away(archive, NULL) != away) {
            away = !away;
            printf("# Thread database save\t%s\n", away ? "OFF" : "ON");
        }
        size_t waiting = reporting->verbosity >= 2 ? arc_ingest_waiting(archive) : shown;
        if (waiting != shown)
            printf("=========== SIZE QUEUE %s : %zu\n", cli->settings->aet, waiting);
        shown = waiting;
    }
}

/* A hundred megabytes are two thirds of a million objects; twenty such files are kept beside the current one. */
static bool open_journal(const Settings *s, LogFile **out, Err *err)
{
    enum { JOURNAL_BYTES = 100000000, JOURNAL_FILES = 20 };
    if (!s->log_create_file_uid)
        return true;
    char *path = file_join(s->log_path_folder, s->log_file_name_uid);
    LogFileSettings journal = {.path = path, .max_bytes = JOURNAL_BYTES, .keep = JOURNAL_FILES};
    *out = log_file_open(&journal, err);
    free(path);
    return *out || err_wrap(err, "UID journal");
}

static void log_remark(void *ctx, LogLevel level, const char *text)
{
    log_write(level, "settings", "%s", text);
}

static void log_settings(Cli *cli)
{
    settings_remarks(cli->arena, cli->settings, cli->origins, log_remark, NULL);
    for (size_t i = 0; i < settings_key_count; i++)
        log_debug("settings", "%s = %s", settings_keys[i].path,
                  settings_value_text(cli->arena, cli->settings, &settings_keys[i]));
    const char *idle[CLI_WITHOUT_EFFECT_MAX];
    size_t n = cli_settings_without_effect(cli->settings, idle);
    for (size_t i = 0; i < n; i++)
        log_warning("settings", "%s: %s", cli->settings->file, idle[i]);
}

typedef struct Stopping {
    Api *api;
    int64_t grace_ms;
} Stopping;

static void *stop_api(void *ctx)
{
    const Stopping *stopping = ctx;
    api_stop(stopping->api, stopping->grace_ms);
    return NULL;
}

/* Application Start and Stop: the program, and who runs it. */
static bool audit_application(const Cli *cli, const Reporting *reporting, AuditKind kind, Err *err)
{
    const Settings *s = cli->settings;
    AuditWho who[] = {{.user = auditing_user(cli->arena),
                       .address = auditing_host(cli->arena),
                       .requestor = true,
                       .role = AUDIT_LAUNCHER},
                      {.title = s->aet, .address = auditing_host(cli->arena), .role = AUDIT_APPLICATION}};
    AuditWhat what = {.thing = AUDIT_FILE, .id = s->folder};
    return audit_record(
        reporting->audit,
        &(AuditEvent){.kind = kind, .who = who, .who_count = 2, .what = &what, .what_count = 1}, err);
}

/* At one time, so that neither takes new work while the other finishes. */
static void stop_both(Api *api, ScpServer *server, int64_t grace_ms)
{
    pthread_t thread;
    Stopping stopping = {api, grace_ms};
    bool apart = api->web && pthread_create(&thread, NULL, stop_api, &stopping) == 0;
    scp_stop(server, grace_ms);
    if (apart)
        pthread_join(thread, NULL);
    else
        stop_api(&stopping);
}

/* What looks after the objects while the server works. */
typedef struct Caring {
    ArcScrub *scrub;
    ArcSeal *seal;
} Caring;

static Caring start_caring(const Settings *s, Archive *archive)
{
    ArcScrubbing scrubbing = {.bytes_per_second = (uint64_t)(s->scrub_rate * 1e6),
                              .interval_ms = (int64_t)(s->scrub_interval * 86400000)};
    ArcSealing sealing = {.quiet_ms = (int64_t)(s->seal_after * 1000 + 0.999)};
    return (Caring){arc_scrub_start(archive, &scrubbing), arc_seal_start(archive, &sealing)};
}

static void stop_caring(Caring *caring)
{
    arc_seal_stop(caring->seal);
    arc_scrub_stop(caring->scrub);
}

static int serve_as(Cli *cli, Reporting *reporting, Archive *archive, Auth *auth, const sigset_t *signals)
{
    const Settings *s = cli->settings;
    Err err = {0};
    Api api = {0};
    if (s->api_start && !api_start(&api, cli->arena, s, archive, auth,
                                   &(ApiEvents){show_stored, reporting, reporting->audit}, &err))
        return cli_fail(cli, "%s", err.text);
    ScpSettings settings = server_settings(s, reporting);
    settings.auth = auth;
    ScpServer *server = tls_of_settings(s, &settings.tls, &err) ? scp_start(&settings, archive, &err) : NULL;
    if (!server) {
        api_stop(&api, 0);
        return cli_fail(cli, "%s", err.text);
    }
    bool away = arc_index_is_away(archive, &err);
    if (away)
        fprintf(stderr,
                "%s: %s; objects are kept and will be indexed when it is there, queries fail until then\n",
                cli->program, err.text);
    else
        printf("Starting thread_db_save\n");
    show_banner(s, archive, server, !away, api.web != NULL);
    if (!away) {
        tell_waiting(archive);
        log_info("pacs.database", "the index is open: engine=%s at %s", s->db_engine,
                 strcmp(s->db_engine, "sqlite") ? s->db_ip : s->db_filepath);
    }
    log_info("pacs.event_sphere", "server started ae=%s port=%u data=%s", s->aet, scp_port(server),
             s->fs_path);
    Caring caring = start_caring(s, archive);
    AuditWatch *watch = audit_watch_new(cli, reporting->audit);
    audit_watch_look(watch);
    notify_manager("READY=1");

    int number = wait_for_stop(cli, reporting, archive, watch, signals);
    notify_manager("STOPPING=1");
    stop_caring(&caring);
    printf("\nDICOM Server %s has been stopped\n", s->aet);
    fflush(stdout);
    log_info("pacs.event_sphere", "server stops signal=%s associations=%u", strsignal(number),
             scp_associations(server));
    stop_both(&api, server, s->stop_grace * 1000);
    audit_watch_free(watch);
    return EXIT_OK;
}

/* Users and tokens are for HTTP and DICOM alike. */
static bool open_auth(Cli *cli, Auth **out, Err *err)
{
    const Settings *s = cli->settings;
    bool required = identities_of(s) == SCP_IDENTITY_REQUIRE;
    *out = NULL;
    if (!api_asks(s) && identities_of(s) == SCP_IDENTITY_OFF)
        return true;
    if (!(*out = auth_of_settings(cli->arena, s, err)))
        return false;
    const Users *users = auth_users(*out);
    bool any = users->count || auth_takes_tokens(*out);
    auth_done(*out, users);
    return any || !required ||
           err_set(err, ERR_USAGE,
                   "user_identity is require, but there is no user, and nothing that judges tokens: 'manage "
                   "users add NAME --role read' makes a user");
}

static int serve(Cli *cli, Reporting *reporting, Archive *archive, const sigset_t *signals)
{
    Err err = {0};
    Auth *auth;
    int code = open_auth(cli, &auth, &err) ? serve_as(cli, reporting, archive, auth, signals)
                                           : cli_fail(cli, "%s", err.text);
    auth_free(auth);
    return code;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    sigset_t signals;
    serving_begin(&signals);
    console_begin();
    log_settings(cli);

    Err err = {0};
    if (!confining_server(cli->arena, cli->settings, &err))
        return cli_fail(cli, "%s", err.text);
    Reporting reporting = {.settings = cli->settings, .verbosity = cli_verbosity(cli, a->verbosity)};
    if (!open_journal(cli->settings, &reporting.journal, &err))
        return cli_fail(cli, "%s", err.text);
    int code;
    AuditSyslog *syslog = NULL;
    bool audited = auditing_open(cli, &reporting.audit, &err) && auditing_syslog(cli, &syslog, &err) &&
                   audit_application(cli, &reporting, AUDIT_APPLICATION_START, &err);
    Archive *archive = audited ? cli_serve_archive(cli->settings, &err) : NULL;
    if (archive) {
        code = serve(cli, &reporting, archive, &signals);
        arc_close(archive);
        if (code == EXIT_OK)
            printf("Exiting thread_db_save\n");
        log_info("pacs.event_sphere", "server stopped");
    } else {
        code = cli_fail(cli, "%s", err.text);
    }
    if (audited)
        audit_application(cli, &reporting, AUDIT_APPLICATION_STOP, NULL);
    audit_close(reporting.audit);
    audit_syslog_stop(syslog, SYSLOG_GRACE_MS);
    log_file_close(reporting.journal);
    return code;
}

const Command command_runserver = {
    .name = "runserver",
    .summary = "serve this archive over DICOM until Ctrl-C or SIGTERM",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .serves = true,
    .run = run,
};
