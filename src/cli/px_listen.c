// SPDX-License-Identifier: MIT
/*
 * px-listen: the archive below a BASEMOUNT served over DICOM until SIGINT or SIGTERM. Objects go under their names in the packed tree as they come; they are in the
 * px database before their sender is told. storescp.sh is the same with the few options of pypx's script of that name.
 */
#include "base/log.h"
#include "base/log_format.h"
#include "cli/confining.h"
#include "cli/notify.h"
#include "cli/px.h"
#include "cli/px_poke.h"
#include "cli/px_received.h"
#include "cli/px_templates.h"
#include "cli/serving.h"
#include "cli/tls.h"
#include "scp/scp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { STOP_GRACE_MS = 15000, LOG_BYTES = 10 << 20, LOG_KEPT = 5 };

typedef struct Args {
    PxAsk ask;
    const char *temp, *log, *data, *executable, *aet, *address, *white_list;
    int64_t port, service_port, associations, pdu;
    const char *layout, *confine, *cert, *key, *ca, *crl, *clients;
    bool tree, debug, tls;
    PxTemplateArgs templates;
} Args;

static const Args defaults = {.ask = PX_ASK_DEFAULTS,
                              .log = "/tmp/log",
                              .aet = "CHRIS-ULTRON-AET",
                              .port = 11113,
                              .associations = 100,
                              .layout = "templates",
                              .clients = "none",
                              .confine = "auto",
                              .templates = PX_TEMPLATE_DEFAULTS};
static const Option options[] = {
    {OPT_INT, .name = "port", .value = "PORT", .help = "where to listen", .max = 65535,
     .at = offsetof(Args, port)},
    {OPT_TEXT, .name = "address", .value = "ADDRESS", .help = "listen on this address only",
     .at = offsetof(Args, address)},
    {OPT_TEXT, .name = "aet", .value = "AET", .help = "our AE title; peers may call any",
     .at = offsetof(Args, aet)},
    {OPT_TEXT, .brief = "l", .name = "logdir", .value = "PATH", .help = "folder of the px database",
     .at = offsetof(Args, log)},
    {OPT_TEXT, .brief = "d", .name = "datadir", .value = "PATH",
     .help = "the packed tree; without it, the folder data beside --logdir", .at = offsetof(Args, data)},
    {OPT_TEXT, .name = "white-list", .value = "PATH",
     .help = "file or folder that says which AE titles may speak from where (as app/white_list of an "
             "archive), and where C-MOVE may send; without it everybody may speak",
     .at = offsetof(Args, white_list)},
    {OPT_FLAG, .name = "tree", .help = "keep pypx's tree of JSON records in --logdir up to date",
     .at = offsetof(Args, tree)},
    {OPT_TEXT, .name = "layout", .value = "LAYOUT",
     .help = "legacy: the folders, .info and map files of pypx's old px-listen, in place of templates",
     .at = offsetof(Args, layout), .choices = "templates legacy"},
    PX_TEMPLATE_OPTIONS(Args),
    {OPT_INT, .name = "servicePort", .value = "PORT",
     .help =
         "accept and close connections here, for scripts that wake the listener of pypx's container (10502)",
     .max = 65535, .at = offsetof(Args, service_port)},
    {OPT_INT, .name = "max-associations", .value = "N", .help = "associations at one time", .min = 1,
     .max = 10000, .at = offsetof(Args, associations)},
    {OPT_INT, .name = "max-pdu", .value = "BYTES", .help = "largest PDU that is taken", .max = 1 << 20,
     .at = offsetof(Args, pdu)},
    {OPT_FLAG, .name = "tls", .help = "the port speaks TLS only", .at = offsetof(Args, tls)},
    {OPT_TEXT, .name = "cert", .value = "FILE",
     .help = "PEM of our certificate; it is read again when it changes, as are the others",
     .at = offsetof(Args, cert)},
    {OPT_TEXT, .name = "key", .value = "FILE", .help = "PEM of its key, if not in the same file",
     .at = offsetof(Args, key)},
    {OPT_TEXT, .name = "ca", .value = "FILE", .help = "PEM of the authorities that peers are trusted by",
     .at = offsetof(Args, ca)},
    {OPT_TEXT, .name = "crl", .value = "FILE", .help = "PEM of these authorities' revocation lists",
     .at = offsetof(Args, crl)},
    {OPT_TEXT, .name = "clients", .value = "HOW", .choices = "none verify require",
     .help = "certificates of those who call: none, nobody is asked; verify, who shows one needs a trusted "
             "one; require, everybody does",
     .at = offsetof(Args, clients)},
    {OPT_TEXT, .name = "confine", .value = "HOW",
     .help = "auto: gives up what it does not need (writing elsewhere, starting programs), as far as this "
             "machine can; off; require: all of it, or it does not start",
     .choices = CONFINE_CHOICES, .at = offsetof(Args, confine)},
    {OPT_FLAG, .name = "debug", .help = "write everything into LOG/listen.log", .at = offsetof(Args, debug)},
    {OPT_TEXT, .brief = "t", .name = "tmpdir", .value = "PATH",
     .help = "accepted; temporary files lie in the packed tree, so that nothing is copied",
     .at = offsetof(Args, temp)},
    {OPT_TEXT, .brief = "e", .name = "executable", .value = "PATH", .help = "accepted; no program is run",
     .at = offsetof(Args, executable)},
    PX_ASK_OPTIONS(Args),
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    size_t n = strlen(a->aet);
    if (a->tls && !a->cert)
        return "--tls needs --cert";
    return n && n <= 16 ? NULL : "argument --aet: an AE title has 1 to 16 characters";
}

/* -- the log -- */

static uint32_t add_handler(LogPlan *plan, LogHandler handler)
{
    plan->handlers[plan->handler_count] = handler;
    return UINT32_C(1) << plan->handler_count++;
}

/* The console has a line for each association and series; one for each object is for the file. */
static bool start_log(Cli *cli, const Args *a, Err *err)
{
    LogPlan plan = {0};
    const LogFormat *lines = log_format_compile(
        cli->arena, &(LogFormatText){.format = "%(asctime)s %(levelname)-8s %(message)s"}, err);
    const LogFormat *full = log_format_compile(cli->arena, &(LogFormatText){0}, err);
    if (!lines || !full)
        return false;
    LogLevel level = a->ask.verbosity ? LOG_INFO : LOG_WARNING;
    uint32_t console = add_handler(&plan, (LogHandler){.to = LOG_TO_STDERR, .level = level, .format = lines});
    uint32_t quiet =
        add_handler(&plan, (LogHandler){.to = LOG_TO_STDERR, .level = LOG_WARNING, .format = lines});
    uint32_t file = 0;
    if (a->debug)
        file = add_handler(&plan,
                           (LogHandler){.to = LOG_TO_FILE,
                                        .level = LOG_DEBUG,
                                        .format = full,
                                        .file = {.path = arena_printf(cli->arena, "%s/listen.log", a->log),
                                                 .max_bytes = LOG_BYTES,
                                                 .keep = LOG_KEPT}});
    int lowest = a->debug ? LOG_DEBUG : (int)level;
    plan.loggers[plan.logger_count++] = (LogLogger){.name = "", .level = lowest, .handlers = console | file};
    plan.loggers[plan.logger_count++] = (LogLogger){
        .name = "pacs.file_dicom", .level = a->debug ? LOG_DEBUG : LOG_WARNING, .handlers = quiet | file};
    return log_start(&plan, err);
}

static void notice(void *ctx, int level, const char *logger, const char *detail)
{
    log_write((LogLevel)level, logger, "%s", detail);
}

/* -- serving -- */

static bool is_legacy(const Args *a)
{
    return !strcmp(a->layout, "legacy");
}

static bool is_loopback(const char *address)
{
    struct in_addr four;
    return address && (!strcmp(address, "localhost") || !strcmp(address, "::1") ||
                       (inet_pton(AF_INET, address, &four) == 1 && ntohl(four.s_addr) >> 24 == 127));
}

static ScpSettings server_settings(const Args *a, PxReceived *received)
{
    enum { MIN_RATE = 256 }; /* bytes a second */
    return (ScpSettings){.ae_title = a->aet,
                         .address = a->address,
                         .port = (uint16_t)a->port,
                         .services = SCP_ECHO | SCP_STORE | SCP_FIND | SCP_MOVE | SCP_GET,
                         .max_associations = (unsigned)a->associations,
                         .timeouts = {.min_rate = MIN_RATE},
                         .max_pdu = (uint32_t)a->pdu,
                         .peers_path = a->white_list,
                         .accept_unknown_classes = true,
                         .find_fold_names = true,
                         .event = px_received_event,
                         .ended = px_received_ended,
                         .event_ctx = received};
}

static bool tls_of_args(const Args *a, ScpTls *out, Err *err)
{
    *out = (ScpTls){.serve = a->tls, .only = a->tls};
    out->server =
        (NetTlsSettings){.certificate = a->cert, .key = a->key, .ca = a->ca, .crl = a->crl, .server = true};
    out->client = (NetTlsSettings){
        .certificate = a->cert, .key = a->key, .ca = a->ca, .crl = a->crl, .verify_peer = true};
    return !a->tls || tls_clients(a->clients, "--clients", &out->server, err);
}

static int wait_for_stop(const sigset_t *signals)
{
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGHUP)
            log_reopen();
        else if (number > 0)
            return number;
        else if (errno != EINTR)
            return SIGTERM;
    }
}

static bool begin_confined(Cli *cli, const Args *a, const PxBase *base, Err *err)
{
    const char *folders[] = {px_base_log_path(base), px_base_data_path(base)};
    Confining wish = {.how = a->confine,
                      .folders = {folders, 2},
                      .temp = px_base_log_path(base),
                      .logger = "px.listen",
                      .level = LOG_DEBUG};
    if (a->port)
        wish.ports[wish.port_count++] = (uint16_t)a->port;
    if (a->port && a->service_port)
        wish.ports[wish.port_count++] = (uint16_t)a->service_port;
    return confining_begin(cli->arena, &wish, err);
}

static int serve(Cli *cli, const Args *a, PxBase *base, const sigset_t *signals)
{
    Err err = {0};
    if (!begin_confined(cli, a, base, &err))
        return px_fail(cli, &err);
    Archive *archive = px_base_archive(base, &err);
    if (!archive)
        return px_fail(cli, &err);
    PxReceived *received = px_received_new(base, is_legacy(a));
    ScpSettings settings = server_settings(a, received);
    if (!tls_of_args(a, &settings.tls, &err)) {
        px_received_free(received);
        return px_fail(cli, &err);
    }
    PxPoke *poke = a->service_port ? px_poke_start(a->address, (uint16_t)a->service_port, &err) : NULL;
    ScpServer *server = poke || !a->service_port ? scp_start(&settings, archive, &err) : NULL;
    bool ok = server != NULL;
    if (ok) {
        if (!a->white_list && !is_loopback(a->address))
            log_warning(
                "px.listen",
                "everybody who reaches port %u may store and read here; see --white-list and --address",
                scp_port(server));
        log_info("px.listen", "%s listens on port %u, data in %s", a->aet, scp_port(server),
                 px_base_data_path(base));
        notify_manager("READY=1");
        int number = wait_for_stop(signals);
        notify_manager("STOPPING=1");
        log_info("px.listen", "%s: stops, %u associations are open", strsignal(number),
                 scp_associations(server));
    }
    px_poke_stop(poke);
    scp_stop(server, STOP_GRACE_MS);
    px_received_free(received);
    return ok ? EXIT_OK : px_fail(cli, &err);
}

/* A white list that is not there would be one that nobody is on. */
static bool white_list_is_there(const Args *a, Err *err)
{
    if (!a->white_list || access(a->white_list, R_OK) == 0)
        return true;
    return err_errno(err, errno, "the white list %s cannot be read", a->white_list);
}

static int listen_as(Cli *cli, const Args *a)
{
    Err err = {0};
    if (!white_list_is_there(a, &err))
        return px_fail(cli, &err);
    sigset_t signals;
    serving_begin(&signals);
    PxTemplates *templates = px_templates_given(&a->templates, &err);
    PxBaseSettings wish = {.log_path = a->log,
                           .data_path = a->data,
                           .templates = templates,
                           .legacy = is_legacy(a),
                           .create = true,
                           .tree = a->tree,
                           .serves = true,
                           .notice = notice};
    PxBase *base = templates ? px_base_open(&wish, &err) : NULL;
    int code = base && start_log(cli, a, &err) ? serve(cli, a, base, &signals) : px_fail(cli, &err);
    px_base_close(base);
    px_templates_free(templates);
    return code;
}

static int run(Cli *cli, const void *args)
{
    const Args *a = args;
    if (px_asked(cli, &command_px_listen, &a->ask, "1.2.0"))
        return EXIT_OK;
    return listen_as(cli, a);
}

const Command command_px_listen = {
    .name = "px-listen",
    .summary = "receive DICOM objects into the packed tree and the px database",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .serves = true,
    .check = check,
    .run = run,
};

/* -- storescp.sh -- */

typedef struct ScriptArgs {
    const char *incoming, *executables, *root;
    int64_t port;
} ScriptArgs;

static const ScriptArgs script_defaults = {.port = 10402, .root = "/home/dicom"};
static const Option script_options[] = {
    {OPT_INT, .brief = "p", .value = "PORT", .help = "where to listen", .max = 65535,
     .at = offsetof(ScriptArgs, port)},
    {OPT_TEXT, .brief = "D", .value = "PATH", .help = "BASEMOUNT: the database in log, the tree in data",
     .at = offsetof(ScriptArgs, root)},
    {OPT_TEXT, .brief = "t", .value = "PATH", .help = "accepted; nothing waits in a folder to be packed",
     .at = offsetof(ScriptArgs, incoming)},
    {OPT_TEXT, .brief = "E", .value = "PATH", .help = "accepted; no program is run",
     .at = offsetof(ScriptArgs, executables)},
    {OPT_END},
};

static int run_script(Cli *cli, const void *args)
{
    const ScriptArgs *s = args;
    Args a = defaults;
    a.port = s->port;
    a.log = arena_printf(cli->arena, "%s/log", s->root);
    a.data = arena_printf(cli->arena, "%s/data", s->root);
    return listen_as(cli, &a);
}

const Command command_storescp_sh = {
    .name = "storescp.sh",
    .summary = "px-listen with the options of pypx's script of this name",
    .options = script_options,
    .defaults = &script_defaults,
    .size = sizeof(ScriptArgs),
    .serves = true,
    .run = run_script,
};
