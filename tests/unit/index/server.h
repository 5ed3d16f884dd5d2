// SPDX-License-Identifier: MIT
/*
 * A PostgreSQL of the test's own: one for the whole program, in a folder of its own, on 127.0.0.1 and a socket in that folder, stopped by its
 * process number when the program ends (or dies). Programs come from Debian's package postgresql-15, or from GANTRY_TEST_PG_BIN.
 */
#ifndef GANTRY_TESTS_INDEX_SERVER_H
#define GANTRY_TESTS_INDEX_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER_PASSWORD "Se'cret \\word"

typedef struct TestServer {
    char folder[64], data[80];
    uint16_t port;
    pid_t pid;
} TestServer;

static TestServer the_server;

static const char *server_program(const char *name)
{
    static char path[256];
    const char *folder = getenv("GANTRY_TEST_PG_BIN");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "/usr/lib/postgresql/15/bin", name);
    return path;
}

enum { SERVER_ARGUMENTS = 32 };

/* Runs one of the programs, as user postgres when we are root (the server refuses to run as root). It ends when we die. */
static pid_t server_run(const char *log, const char *const *arguments)
{
    char path[256];
    const char *all[SERVER_ARGUMENTS + 8] = {"setpriv", "--pdeathsig=QUIT"};
    int n = 2;
    pid_t pid = -1;
    if (getuid() == 0) {
        all[n++] = "--reuid=postgres";
        all[n++] = "--regid=postgres";
        all[n++] = "--clear-groups";
    }
    snprintf(path, sizeof path, "%s", server_program(arguments[0]));
    all[n++] = path;
    for (int i = 1; arguments[i] && i < SERVER_ARGUMENTS; i++)
        all[n++] = arguments[i];
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    setenv("LC_ALL", "C.UTF-8", 1);
    if (posix_spawnp(&pid, "setpriv", &files, NULL, (char *const *)all, environ))
        pid = -1;
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static uint16_t server_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bind(fd, (struct sockaddr *)&address, n);
    getsockname(fd, (struct sockaddr *)&address, &n);
    close(fd);
    return ntohs(address.sin_port);
}

static int server_remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    return remove(path);
}

/* `signal`: SIGINT ends connections, SIGQUIT does not even write. */
__attribute__((unused)) static void server_stop(TestServer *server, int signal_number)
{
    if (server->pid <= 0)
        return;
    kill(server->pid, signal_number);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static pid_t server_owner;

static void server_end(void)
{
    if (getpid() != server_owner)
        return;
    server_stop(&the_server, SIGQUIT);
    nftw(the_server.folder, server_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static PGconn *server_try(const TestServer *server)
{
    char port[16];
    snprintf(port, sizeof port, "%d", server->port);
    const char *const names[] = {"host", "port", "dbname", "user", "gssencmode", "connect_timeout", NULL};
    const char *const values[] = {server->folder, port, "postgres", "owner", "disable", "5", NULL};
    return PQconnectdbParams(names, values, 0);
}

static PGconn *server_connect(const TestServer *server, const char *schema)
{
    char sql[96];
    PGconn *db = server_try(server);
    snprintf(sql, sizeof sql, "SET search_path TO \"%s\", compat", schema);
    if (PQstatus(db) != CONNECTION_OK)
        fprintf(stderr, "%s", PQerrorMessage(db));
    PQclear(PQexec(db, sql));
    return db;
}

/* Starts it (again). */
__attribute__((unused)) static bool server_start(TestServer *server)
{
    char port[16], log[128];
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(log, sizeof log, "%s/log", server->folder);
    const char *const arguments[] = {"postgres",
                                     "-D",
                                     server->data,
                                     "-p",
                                     port,
                                     "-k",
                                     server->folder,
                                     "-c",
                                     "listen_addresses=127.0.0.1",
                                     "-c",
                                     getenv("GANTRY_TEST_PG_FSYNC") ? "fsync=on" : "fsync=off",
                                     "-c",
                                     "max_connections=200",
                                     "-c",
                                     "log_min_messages=warning",
                                     NULL};
    server->pid = server_run(log, arguments);
    for (int i = 0; i < 600; i++) {
        PGconn *db = server_try(server);
        bool up = PQstatus(db) == CONNECTION_OK;
        PQfinish(db);
        if (up)
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            break;
        usleep(50000);
    }
    fprintf(stderr, "PostgreSQL did not start; its log is %s\n", log);
    return false;
}

/* Functions that the other database has, for the tests that look behind the index; a login with a password for the index. */
static bool server_furnish(const TestServer *server)
{
    static const char sql[] =
        "CREATE SCHEMA compat; GRANT USAGE ON SCHEMA compat TO public; "
        "CREATE FUNCTION compat.instr(text, text) RETURNS integer LANGUAGE sql AS 'SELECT strpos($1, $2)'; "
        "CREATE FUNCTION compat.joined(text, text) RETURNS text LANGUAGE sql AS "
        "$$SELECT CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1 ELSE $1 || ',' || $2 END$$; "
        "CREATE AGGREGATE compat.group_concat(text) (sfunc = compat.joined, stype = text); "
        "CREATE AGGREGATE compat.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0'); "
        "CREATE ROLE gantry LOGIN; GRANT CREATE ON DATABASE postgres TO gantry;";
    PGconn *db = server_connect(server, "compat");
    char *password = PQescapeLiteral(db, SERVER_PASSWORD, strlen(SERVER_PASSWORD)), set[128];
    snprintf(set, sizeof set, "ALTER ROLE gantry PASSWORD %s", password);
    PGresult *made = PQexec(db, sql), *changed = PQexec(db, set);
    bool ok = PQresultStatus(made) == PGRES_COMMAND_OK && PQresultStatus(changed) == PGRES_COMMAND_OK;
    if (!ok)
        fprintf(stderr, "%s", PQerrorMessage(db));
    PQclear(made);
    PQclear(changed);
    PQfreemem(password);
    PQfinish(db);
    return ok;
}

static bool server_init(TestServer *server)
{
    char log[128], hba[128];
    int status = -1;
    snprintf(log, sizeof log, "%s/log", server->folder);
    const char *const arguments[] = {"initdb", "-D",   server->data,       "-U", "owner", "-A", "trust", "-N",
                                     "-E",     "UTF8", "--locale=C.UTF-8", NULL};
    pid_t pid = server_run(log, arguments);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "initdb failed; its log is %s\n", log);
        return false;
    }
    snprintf(hba, sizeof hba, "%s/pg_hba.conf", server->data);
    FILE *file = fopen(hba, "w");
    if (!file)
        return false;
    fputs("local all gantry scram-sha-256\nhost all gantry 127.0.0.1/32 scram-sha-256\nlocal all all trust\n",
          file);
    return fclose(file) == 0;
}

/* The server, started when it is first asked for. NULL on failure. Where there is no PostgreSQL the test is skipped (77), with a note. */
__attribute__((unused)) static TestServer *server_get(void)
{
    TestServer *server = &the_server;
    if (server->pid > 0)
        return server;
    if (access(server_program("initdb"), X_OK)) {
        printf("1..0 # SKIP no %s; install the Debian package postgresql\n", server_program("initdb"));
        exit(77);
    }
    snprintf(server->folder, sizeof server->folder, "/tmp/gantry-pg-XXXXXX");
    if (!mkdtemp(server->folder))
        return NULL;
    snprintf(server->data, sizeof server->data, "%s/data", server->folder);
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && chown(server->folder, user->pw_uid, user->pw_gid))
        return NULL;
    server_owner = getpid();
    atexit(server_end);
    server->port = server_free_port();
    return server_init(server) && server_start(server) && server_furnish(server) ? server : NULL;
}

#endif
