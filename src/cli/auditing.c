// SPDX-License-Identifier: MIT
#include "cli/auditing.h"

#include "base/log.h"

#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static void notice(void *ctx, int level, const char *logger, const char *detail)
{
    log_write((LogLevel)level, logger, "%s", detail);
}

bool auditing_open(const Cli *cli, Audit **out, Err *err)
{
    const Settings *s = cli->settings;
    Err why = {0};
    *out = NULL;
    if (!s->audit_start)
        return true;
    *out = audit_open(&(AuditSettings){.folder = s->audit_folder,
                                       .source = s->aet,
                                       .site = s->audit_site,
                                       .hash_identifiers = !strcmp(s->audit_identifiers, "hash"),
                                       .required = s->audit_required,
                                       .max_bytes = (uint64_t)s->audit_max_bytes,
                                       .keep = (int)s->audit_backup_count,
                                       .notice = notice},
                      &why);
    if (*out)
        return true;
    if (s->audit_required) {
        *err = why;
        return err_wrap(err, "audit.required is on");
    }
    cli_tell(cli, "%s; nothing is recorded", why.text);
    log_error("pacs.audit", "%s; nothing is recorded", why.text);
    return true;
}

const char *auditing_user(Arena *arena)
{
    struct passwd user, *found = NULL;
    char room[4096];
    if (getpwuid_r(getuid(), &user, room, sizeof room, &found) == 0 && found)
        return arena_strdup(arena, user.pw_name);
    return arena_printf(arena, "uid %u", (unsigned)getuid());
}

const char *auditing_host(Arena *arena)
{
    char name[HOST_NAME_MAX + 1] = "";
    gethostname(name, sizeof name - 1);
    return arena_strdup(arena, *name ? name : "localhost");
}

static bool record(const Cli *cli, Audit *audit, AuditEvent event, Err *err)
{
    AuditWho who[] = {
        {.user = auditing_user(cli->arena), .address = auditing_host(cli->arena), .requestor = true},
        {.user = cli->program, .title = cli->settings->aet, .role = AUDIT_APPLICATION}};
    event.who = who;
    event.who_count = sizeof who / sizeof *who;
    return audit_record(audit, &event, err);
}

bool auditing_tell(const Cli *cli, AuditEvent event, Err *err)
{
    Audit *audit;
    bool ok = auditing_open(cli, &audit, err) && record(cli, audit, event, err);
    audit_close(audit);
    return ok;
}

/* -- commands -- */

enum { ABOUT_MAX = 24, DETAILS_MAX = 8 };

struct Auditing {
    Audit *audit;
    AuditKind kind;
    char action;
    bool nothing;
    AuditWhat what[ABOUT_MAX];
    size_t count;
    AuditDetail details[DETAILS_MAX];
    size_t detail_count;
};

static const struct {
    const char *command;
    AuditKind kind;
    char action;
} commands[] = {
    {"data delete", AUDIT_ACCESSED, 'D'},       {"data undelete", AUDIT_ACCESSED, 'C'},
    {"data trash", AUDIT_STUDY_DELETED, 'D'},   {"data export", AUDIT_EXPORT, 'R'},
    {"data index", AUDIT_IMPORT, 'C'},          {"backup", AUDIT_EXPORT, 'R'},
    {"database find", AUDIT_QUERY, 'E'},        {"database drop", AUDIT_ACCESSED, 'D'},
    {"database clean", AUDIT_ACCESSED, 'D'},    {"get", AUDIT_TRANSFERRED, 'C'},
    {"store", AUDIT_TRANSFERRED, 'R'},          {"users add", AUDIT_USERS_CHANGED, 'E'},
    {"users remove", AUDIT_USERS_CHANGED, 'E'}, {"users passwd", AUDIT_USERS_CHANGED, 'E'},
    {"users role", AUDIT_USERS_CHANGED, 'E'},   {"users token", AUDIT_USERS_CHANGED, 'E'},
};

bool auditing_begin(Cli *cli, Err *err)
{
    const char *words = strchr(cli->program, ' ');
    for (size_t i = 0; words && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(words + 1, commands[i].command) != 0)
            continue;
        struct Auditing *auditing = arena_alloc(cli->arena, sizeof *auditing);
        auditing->kind = commands[i].kind;
        auditing->action = commands[i].action;
        cli->auditing = auditing;
        return auditing_open(cli, &auditing->audit, err);
    }
    return true;
}

bool auditing_end(Cli *cli, bool ok, Err *err)
{
    struct Auditing *a = cli->auditing;
    if (!a || !a->audit)
        return true;
    if (!a->count)
        auditing_about(cli, AUDIT_FILE, cli->settings->folder);
    a->what[0].details = a->details;
    a->what[0].detail_count = a->detail_count;
    AuditEvent event = {.kind = a->kind,
                        .action = a->action,
                        .outcome = ok ? AUDIT_SUCCESS : AUDIT_SERIOUS_FAILURE,
                        .what = a->what,
                        .what_count = a->count};
    bool told = a->nothing || record(cli, a->audit, event, err);
    audit_close(a->audit);
    cli->auditing = NULL;
    return told;
}

void auditing_about(const Cli *cli, AuditThing thing, const char *id)
{
    struct Auditing *a = cli->auditing;
    if (a && id && a->count < ABOUT_MAX)
        a->what[a->count++] = (AuditWhat){.thing = thing, .id = arena_strdup(cli->arena, id)};
}

void auditing_detail(const Cli *cli, const char *type, const char *value)
{
    struct Auditing *a = cli->auditing;
    if (a && value && a->detail_count < DETAILS_MAX)
        a->details[a->detail_count++] = (AuditDetail){type, arena_strdup(cli->arena, value)};
}

void auditing_is(const Cli *cli, AuditKind kind, char action)
{
    if (cli->auditing) {
        cli->auditing->kind = kind;
        cli->auditing->action = action;
    }
}

void auditing_nothing(const Cli *cli)
{
    if (cli->auditing)
        cli->auditing->nothing = true;
}

/* -- syslog -- */

static const char *or_none(const char *text)
{
    return *text ? text : NULL;
}

bool auditing_syslog(const Cli *cli, AuditSyslog **out, Err *err)
{
    const Settings *s = cli->settings;
    *out = NULL;
    if (!s->audit_start || !*s->audit_syslog_address)
        return true;
    *out = audit_syslog_start(&(AuditSyslogSettings){.folder = s->audit_folder,
                                                     .address = s->audit_syslog_address,
                                                     .json = !strcmp(s->audit_syslog_format, "json"),
                                                     .ca = or_none(s->audit_syslog_ca),
                                                     .certificate = or_none(s->audit_syslog_certificate),
                                                     .key = or_none(s->audit_syslog_key),
                                                     .host = auditing_host(cli->arena),
                                                     .notice = notice},
                              err);
    return *out != NULL;
}
