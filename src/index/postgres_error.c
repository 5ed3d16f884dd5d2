// SPDX-License-Identifier: MIT
/*
 * What PostgreSQL says, for people: by SQLSTATE (PostgreSQL 15, appendix A). Messages about values are left out, because
 * they repeat the value; DETAIL is never shown for the same reason.
 */
#include "index/postgres.h"

#include <string.h>

enum { MESSAGE = 200, SQLSTATE = 5 };

static void one_line(Span text, char out[MESSAGE])
{
    size_t end = span_index(text, '\n');
    span_copy(span_trim(end == SIZE_MAX ? text : span_sub(text, 0, end)), out, MESSAGE);
}

/* The first line, without "FATAL:" and the like. */
static void first_line(const char *text, char out[MESSAGE])
{
    Span s = span_cstr(text ? text : "");
    static const char *const marks[] = {"FATAL:  ", "ERROR:  "};
    for (size_t i = 0; i < 2; i++) {
        const char *mark = text ? strstr(text, marks[i]) : NULL;
        if (mark)
            s = span_cstr(mark + strlen(marks[i]));
    }
    one_line(s, out);
}

/* "FATAL:  28P01: password …", with the first word and the text in the language of the server. The SQLSTATE; NULL when the words are not the server's. */
static const char *state_said(const char *all)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *at = all ? strstr(all, ":  ") : NULL;
    at = at ? at + 3 : NULL;
    return at && strspn(at, digits) == SQLSTATE && at[SQLSTATE] == ':' ? at : NULL;
}

static bool begins(const char *state, const char *with)
{
    return state && strncmp(state, with, strlen(with)) == 0;
}

static bool says(const char *text, const char *what)
{
    return text && strstr(text, what);
}

/* A connection that failed has no result, whose fields could be asked. */
bool pg_fail_connect(const PgSource *source, PGconn *conn, Err *err)
{
    char line[MESSAGE];
    const char *all = conn ? PQerrorMessage(conn) : NULL;
    const char *name = source->base.name, *state = state_said(all);
    if (state)
        one_line(span_cstr(state + SQLSTATE + 1), line);
    else
        first_line(all, line);
    if (begins(state, "28") || begins(state, "42501") || says(all, "no password supplied") ||
        says(all, "authentication failed"))
        return err_set(err, ERR_UNAVAILABLE,
                       "index: %s refuses the login '%s' (%s); see db.params.login and "
                       "db.params.password, and pg_hba.conf of the server",
                       name, source->login, line);
    if (begins(state, "3D000"))
        return err_set(err, ERR_UNAVAILABLE, "index: %s: %s; see db.params.database and db.params.login",
                       name, line);
    if (begins(state, "53300"))
        return err_set(err, ERR_LIMIT,
                       "index: %s: %s; raise max_connections there or lower db.engine_pool_size", name, line);
    return err_set(err, ERR_CLOSED,
                   "index: cannot reach %s: %s; is PostgreSQL running? see db.params.ip and "
                   "db.params.port",
                   name, *line ? line : "no connection");
}

bool pg_fail_connection(Pg *pg, Err *err)
{
    char line[MESSAGE];
    first_line(PQerrorMessage(pg->conn), line);
    pg->broken = true;
    return err_set(err, ERR_CLOSED, "index: the connection to %s broke: %s", db_name(&pg->base),
                   *line ? line : "closed by the server");
}

bool pg_fail_timeout(Pg *pg, Err *err)
{
    pg->broken = true;
    return err_set(err, ERR_TIMEOUT, "index: %s did not answer for %lld s", db_name(&pg->base),
                   (long long)pg->patience_ms / 1000);
}

bool pg_fail_stopped(Pg *pg, Err *err)
{
    pg->broken = true;
    return err_set(err, ERR_CANCELLED, "index: the query was cancelled");
}

typedef struct State {
    const char *begins;
    ErrCode code;
    const char *advice;
} State;

static const State states[] = {
    {"55P03", ERR_TIMEOUT,
     "another server has been writing for too long; look at it, and try again when it is done"},
    {"57014", ERR_TIMEOUT, "it took too long and was ended"},
    {"53100", ERR_NO_SPACE, "its disk is full; make room there"},
    {"53200", ERR_UNAVAILABLE, "it is out of memory"},
    {"53300", ERR_UNAVAILABLE, "raise max_connections there or lower db.engine_pool_size"},
    {"42501", ERR_UNAVAILABLE, "the login may not do that; GRANT it, see db.params.login"},
    {"25006", ERR_UNAVAILABLE, "it is read-only: a standby, or set so"},
    {"3F000", ERR_UNAVAILABLE, "see db.params.schema"},
    {"42P01", ERR_UNAVAILABLE,
     "a table of the index is gone; bring it back, or rename the schema and restart the server, which makes "
     "the index anew from the files"},
    {"42703", ERR_UNAVAILABLE, "a column of the index is gone; bring it back"},
    {"58", ERR_UNAVAILABLE, "its disk or its system fails it; see its log"},
    {"53", ERR_UNAVAILABLE, "it lacks something; see its log"},
    {"40", ERR_TIMEOUT, "others were in the way; again later"},
    {"57P", ERR_CLOSED, "it is being stopped or started"},
    {"08", ERR_CLOSED, "the connection broke"},
    {"XX001", ERR_DAMAGED, "its data are damaged; rebuild the index from the files with 'manage data index'"},
    {"XX002", ERR_DAMAGED, "its index is damaged; REINDEX it there, then 'manage data index'"},
};

bool pg_fail_result(const PgSource *source, const PGresult *result, Err *err)
{
    char line[MESSAGE];
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    first_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), line);
    state = state ? state : "?????";
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strncmp(state, states[i].begins, strlen(states[i].begins)) == 0)
            return err_set(err, states[i].code, "index: %s: %s (%s)", source->base.name, line,
                           states[i].advice);
    if (state[0] == '2')
        return err_set(err, ERR_INTERNAL, "index: %s refuses a value (SQLSTATE %s)", source->base.name,
                       state);
    return err_set(err, ERR_INTERNAL, "index: %s: %s (SQLSTATE %s)", source->base.name, line, state);
}
