// SPDX-License-Identifier: MIT
/* `manage users`: who may use the archive over HTTP (app/users.yml). A running server sees each change at once. */
#include "auth/users.h"

#include "base/file.h"
#include "base/log.h"
#include "cli/auditing.h"
#include "cli/auth.h"
#include "cli/cli.h"
#include "cli/secret_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct Args {
    const char *name, *role, *label;
    bool no_password, remove, json;
} Args;

static const Args defaults = {.label = "token"};

#define NAME_OPTION                                                                                          \
    {                                                                                                        \
        OPT_TEXT, .value = "NAME", .help = "letters, digits and ._@-, 64 at most",                           \
                  .at = offsetof(Args, name)                                                                 \
    }

static const char *check_name(const void *args)
{
    const Args *a = args;
    return users_is_name(a->name) && users_is_name(a->label)
               ? NULL
               : "a name is letters, digits and ._@-, 64 at most, and begins with a letter or digit";
}

/* -- the file, read, changed and written by one command at a time -- */

typedef struct Book {
    char *path;
    int lock; /* the folder of the file */
    Users users;
} Book;

static void book_close(Book *book)
{
    if (book->lock >= 0)
        close(book->lock);
    free(book->path);
}

static bool book_open(const Cli *cli, Book *book, Err *err)
{
    *book = (Book){.path = file_join(cli->folder, AUTH_USERS_FILE), .lock = -1};
    char *folder = file_join(cli->folder, "app");
    book->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = book->lock >= 0 && flock(book->lock, LOCK_EX) == 0;
    if (!ok)
        err_errno(err, errno, "cannot lock %s", folder);
    free(folder);
    return ok && users_read(cli->arena, book->path, &book->users, err);
}

typedef bool (*Change)(const Cli *cli, const Args *a, Users *users, Err *err);

static int change(Cli *cli, const Args *a, Change how)
{
    Book book;
    Err err = {0};
    auditing_about(cli, AUDIT_NODE, a->name);
    auditing_detail(cli, "Role", a->role);
    bool ok = book_open(cli, &book, &err) && how(cli, a, &book.users, &err) &&
              users_write(book.path, &book.users, &err);
    book_close(&book);
    return ok ? EXIT_OK : cli_fail(cli, "%s", err.text);
}

static User *known(const Args *a, Users *users, Err *err)
{
    User *user = users_find(users, a->name);
    if (!user)
        err_set(err, ERR_NOT_FOUND, "there is no user %s; 'manage users list' shows those there are",
                a->name);
    return user;
}

static const char *ask_password(const Cli *cli, const Args *a, Err *err)
{
    char *password =
        secret_line(cli->arena, arena_printf(cli->arena, "Password of %s", a->name), USER_PASSWORD_MAX, err);
    const char *hash = password ? users_hash_password(cli->arena, password, err) : NULL;
    if (password)
        explicit_bzero(password, strlen(password));
    return hash;
}

/* -- add -- */

static bool add(const Cli *cli, const Args *a, Users *users, Err *err)
{
    if (users_find(users, a->name))
        return err_set(err, ERR_EXISTS,
                       "there is a user %s already; 'manage users passwd' changes the password", a->name);
    if (users->count == USERS_MAX)
        return err_set(err, ERR_LIMIT, "there are %d users already", USERS_MAX);
    User *user = &users->items[users->count];
    *user = (User){.name = a->name};
    users_role_parse(a->role, &user->role);
    if (!a->no_password && !(user->password = ask_password(cli, a, err)))
        return false;
    users->count++;
    log_info("pacs.audit", "user %s was added role=%s", a->name, a->role);
    return true;
}

static int run_add(Cli *cli, const void *args)
{
    return change(cli, args, add);
}

static const Option add_options[] = {
    NAME_OPTION,
    {OPT_TEXT, "r", "role", "ROLE", "what the user may; each role may what those before it may",
     .choices = USER_ROLES, .required = true, .at = offsetof(Args, role)},
    {OPT_FLAG, "n", "no_password", .help = "the user has tokens only", .at = offsetof(Args, no_password)},
    {OPT_END},
};

static const Command command_add = {
    .name = "add",
    .summary = "add a user",
    .details = "The password is asked for on the terminal, or is the first line of stdin.",
    .options = add_options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check_name,
    .run = run_add,
};

/* -- remove -- */

static bool take_out(const Cli *cli, const Args *a, Users *users, Err *err)
{
    User *user = known(a, users, err);
    if (!user)
        return false;
    memmove(user, user + 1, (size_t)(users->items + users->count - (user + 1)) * sizeof *user);
    users->count--;
    log_info("pacs.audit", "user %s was removed", a->name);
    return true;
}

static int run_remove(Cli *cli, const void *args)
{
    return change(cli, args, take_out);
}

static const Option name_options[] = {NAME_OPTION, {OPT_END}};
static const Command command_remove = {
    .name = "remove",
    .summary = "remove a user with all tokens",
    .options = name_options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check_name,
    .run = run_remove,
};

/* -- passwd -- */

static bool passwd(const Cli *cli, const Args *a, Users *users, Err *err)
{
    User *user = known(a, users, err);
    const char *hash = user ? ask_password(cli, a, err) : NULL;
    if (!hash)
        return false;
    user->password = hash;
    log_info("pacs.audit", "user %s has another password", a->name);
    return true;
}

static int run_passwd(Cli *cli, const void *args)
{
    return change(cli, args, passwd);
}

static const Command command_passwd = {
    .name = "passwd",
    .summary = "give a user another password",
    .details = "The password is asked for on the terminal, or is the first line of stdin.",
    .options = name_options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check_name,
    .run = run_passwd,
};

/* -- role -- */

static bool set_role(const Cli *cli, const Args *a, Users *users, Err *err)
{
    User *user = known(a, users, err);
    if (!user)
        return false;
    users_role_parse(a->role, &user->role);
    log_info("pacs.audit", "user %s has another role=%s", a->name, a->role);
    return true;
}

static int run_role(Cli *cli, const void *args)
{
    return change(cli, args, set_role);
}

static const Option role_options[] = {
    NAME_OPTION,
    {OPT_TEXT, .value = "ROLE", .choices = USER_ROLES, .help = "what the user may from now on",
     .at = offsetof(Args, role)},
    {OPT_END},
};
static const Command command_role = {
    .name = "role",
    .summary = "give a user another role",
    .options = role_options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check_name,
    .run = run_role,
};

/* -- token -- */

static UserToken *find_label(const User *user, const char *label)
{
    for (size_t i = 0; i < user->token_count; i++)
        if (!strcmp(user->tokens[i].label, label))
            return &user->tokens[i];
    return NULL;
}

static bool remove_token(const Args *a, User *user, Err *err)
{
    UserToken *token = find_label(user, a->label);
    if (!token)
        return err_set(err, ERR_NOT_FOUND, "%s has no token %s", a->name, a->label);
    *token = user->tokens[--user->token_count];
    log_info("pacs.audit", "token %s of user %s was removed", a->label, a->name);
    return true;
}

static bool add_token(const Cli *cli, const Args *a, User *user, char text[USER_TOKEN_SIZE], Err *err)
{
    if (find_label(user, a->label))
        return err_set(err, ERR_EXISTS,
                       "%s has a token %s already; take another -l, or --remove that one first", a->name,
                       a->label);
    if (user->token_count == USER_TOKENS_MAX)
        return err_set(err, ERR_LIMIT, "%s has %d tokens already", a->name, USER_TOKENS_MAX);
    if (!user->tokens)
        user->tokens = arena_alloc(cli->arena, USER_TOKENS_MAX * sizeof *user->tokens);
    UserToken *token = &user->tokens[user->token_count];
    token->label = a->label;
    if (!users_make_token(text, token->sha256, err))
        return false;
    user->token_count++;
    log_info("pacs.audit", "token %s of user %s was made", a->label, a->name);
    return true;
}

/* The token is shown only when the file has it: the other way round it would be of no use. */
static int run_token(Cli *cli, const void *args)
{
    const Args *a = args;
    Book book;
    Err err = {0};
    char text[USER_TOKEN_SIZE] = "";
    bool ok = book_open(cli, &book, &err);
    User *user = ok ? known(a, &book.users, &err) : NULL;
    ok = user && (a->remove ? remove_token(a, user, &err) : add_token(cli, a, user, text, &err)) &&
         users_write(book.path, &book.users, &err);
    book_close(&book);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    if (!a->remove) {
        printf("%s\n", text);
        fprintf(stderr, "It is shown this once. Requests carry it as: Authorization: Bearer TOKEN\n");
    }
    return EXIT_OK;
}

static const Option token_options[] = {
    NAME_OPTION,
    {OPT_TEXT, "l", "label", "LABEL", "what the token is for (token)", .at = offsetof(Args, label)},
    {OPT_FLAG, NULL, "remove", .help = "take it away instead", .at = offsetof(Args, remove)},
    {OPT_END},
};
static const Command command_token = {
    .name = "token",
    .summary = "make a token for a program, with the user's role",
    .options = token_options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .check = check_name,
    .run = run_token,
};

/* -- list -- */

static const char *labels(Arena *arena, const User *user)
{
    const char *text = user->token_count ? "" : "-";
    for (size_t i = 0; i < user->token_count; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? "," : "", user->tokens[i].label);
    return text;
}

static void list_json(const Users *users, Buf *out)
{
    JsonWriter w = json_writer(out);
    json_begin_array(&w);
    for (size_t i = 0; i < users->count; i++) {
        const User *user = &users->items[i];
        json_begin_object(&w);
        json_member(&w, "name", user->name);
        json_member(&w, "role", users_role_name(user->role));
        json_key(&w, "password");
        json_bool(&w, user->password != NULL);
        json_key(&w, "tokens");
        json_begin_array(&w);
        for (size_t k = 0; k < user->token_count; k++)
            json_cstr(&w, user->tokens[k].label);
        json_end_array(&w);
        json_end_object(&w);
    }
    json_end_array(&w);
    buf_append_cstr(out, "\n");
}

static int run_list(Cli *cli, const void *args)
{
    const Args *a = args;
    Book book;
    Err err = {0};
    bool ok = book_open(cli, &book, &err);
    book_close(&book);
    if (!ok)
        return cli_fail(cli, "%s", err.text);
    Buf out;
    buf_init(&out, 0);
    if (a->json)
        list_json(&book.users, &out);
    else if (!book.users.count)
        buf_append_cstr(&out, "There are no users.\n");
    else
        buf_printf(&out, "%-24s %-8s %-9s %s\n", "NAME", "ROLE", "PASSWORD", "TOKENS");
    for (size_t i = 0; !a->json && i < book.users.count; i++) {
        const User *user = &book.users.items[i];
        buf_printf(&out, "%-24s %-8s %-9s %s\n", user->name, users_role_name(user->role),
                   user->password ? "yes" : "no", labels(cli->arena, user));
    }
    cli_put(stdout, &out);
    return EXIT_OK;
}

static const Option list_options[] = {
    {OPT_FLAG, .name = "json", .help = "as JSON", .at = offsetof(Args, json)},
    {OPT_END},
};
static const Command command_list = {
    .name = "list",
    .summary = "list the users",
    .options = list_options,
    .defaults = &defaults,
    .size = sizeof(Args),
    .needs_archive = true,
    .run = run_list,
};

static const Option no_options[] = {{OPT_END}};
static const Command *const commands[] = {&command_add,  &command_remove, &command_list, &command_passwd,
                                          &command_role, &command_token,  NULL};

const Command command_users = {
    .name = "users",
    .summary = "who may use the archive over HTTP",
    .options = no_options,
    .subcommands = commands,
};
