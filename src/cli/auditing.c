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

bool auditing_record(const Cli *cli, Audit *audit, AuditEvent event, Err *err)
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
    bool ok = auditing_open(cli, &audit, err) && auditing_record(cli, audit, event, err);
    audit_close(audit);
    return ok;
}
