// SPDX-License-Identifier: MIT
#include "auth/users.h"

#include "base/file.h"
#include "base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- names and roles -- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool users_is_name(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > USER_NAME_MAX || !is_word(text[0]))
        return false;
    for (const char *p = text; *p; p++)
        if (!is_word(*p) && !strchr("._@-", *p))
            return false;
    return true;
}

static const char *const role_names[] = {"anybody", "read", "write", "delete", "admin"};

const char *users_role_name(UserRole role)
{
    return role_names[role];
}

bool users_role_parse(const char *name, UserRole *out)
{
    for (UserRole role = USER_READ; role <= USER_ADMIN; role++)
        if (!strcmp(name, role_names[role])) {
            *out = role;
            return true;
        }
    return false;
}

User *users_find(const Users *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++)
        if (!strcmp(users->items[i].name, name))
            return &users->items[i];
    return NULL;
}

/* The digest of a secret nobody can choose: how long the comparison takes tells nothing. */
const User *users_find_token(const Users *users, const uint8_t sha256[USER_DIGEST])
{
    for (size_t i = 0; i < users->count; i++)
        for (size_t k = 0; k < users->items[i].token_count; k++)
            if (!memcmp(users->items[i].tokens[k].sha256, sha256, USER_DIGEST))
                return &users->items[i];
    return NULL;
}

/* -- reading -- */

typedef struct Reader {
    Arena *arena;
    const char *path;
    Err *err;
} Reader;

static bool wrong(const Reader *r, const YamlNode *node, const char *what)
{
    return err_set(r->err, ERR_FORMAT, "%s:%d: %s", r->path, node->line, what);
}

static bool hex_digest(const char *text, uint8_t out[USER_DIGEST])
{
    if (strlen(text) != 2 * USER_DIGEST)
        return false;
    for (size_t i = 0; i < 2 * USER_DIGEST; i++) {
        char c = text[i];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (v < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
    }
    return true;
}

static bool read_tokens(const Reader *r, const YamlNode *node, User *user)
{
    if (node->kind == YAML_NULL)
        return true;
    if (node->kind != YAML_MAP)
        return wrong(r, node, "tokens: expected are lines of the form 'label: digest'");
    user->tokens = arena_alloc(r->arena, USER_TOKENS_MAX * sizeof *user->tokens);
    for (const YamlNode *one = node->first; one; one = one->next) {
        if (user->token_count == USER_TOKENS_MAX)
            return wrong(r, one, "more than 32 tokens of one user");
        UserToken *token = &user->tokens[user->token_count];
        if (!users_is_name(one->key))
            return wrong(r, one, "the label of a token is letters, digits and ._@-");
        if (one->kind != YAML_SCALAR || !hex_digest(one->text, token->sha256))
            return wrong(r, one, "a token is kept as 64 digits of a SHA-256; 'manage users token' makes one");
        token->label = one->key;
        user->token_count++;
    }
    return true;
}

static bool read_password(const Reader *r, const YamlNode *node, User *user)
{
    if (node->kind == YAML_NULL)
        return true;
    if (node->kind != YAML_SCALAR || strncmp(node->text, "$y$", 3) != 0 || strlen(node->text) > 300)
        return wrong(r, node, "password: not a hash that 'manage users passwd' makes ($y$…)");
    user->password = node->text;
    return true;
}

static bool read_user(const Reader *r, const YamlNode *node, User *user)
{
    *user = (User){.name = node->key};
    if (!users_is_name(node->key))
        return wrong(r, node, "the name of a user is letters, digits and ._@-, 64 at most");
    if (node->kind != YAML_MAP)
        return wrong(r, node, "a user needs the line 'role:' below its name");
    for (const YamlNode *one = node->first; one; one = one->next) {
        bool ok;
        if (!strcmp(one->key, "role"))
            ok = (one->kind == YAML_SCALAR && users_role_parse(one->text, &user->role)) ||
                 wrong(r, one, "role: one of read, write, delete, admin");
        else if (!strcmp(one->key, "password"))
            ok = read_password(r, one, user);
        else if (!strcmp(one->key, "tokens"))
            ok = read_tokens(r, one, user);
        else
            ok = wrong(r, one, "unknown key; there are role, password and tokens");
        if (!ok)
            return false;
    }
    return user->role != USER_ANYBODY ||
           wrong(r, node, "the user has no role; it is read, write, delete or admin");
}

static bool check_mode(const char *path, bool *there, Err *err)
{
    struct stat st;
    *there = stat(path, &st) == 0;
    if (!*there)
        return errno == ENOENT || err_errno(err, errno, "cannot read %s", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(err, ERR_REFUSED,
                       "%s can be reached by other accounts of this machine; say: chmod 600 %s", path, path);
    return true;
}

bool users_read(Arena *arena, const char *path, Users *out, Err *err)
{
    bool there;
    *out = (Users){.items = arena_try_array(arena, USERS_MAX, sizeof(User))};
    if (!out->items)
        return err_set(err, ERR_LIMIT, "no memory for %s", path);
    if (!check_mode(path, &there, err))
        return false;
    if (!there)
        return true;
    const YamlNode *root = yaml_load_file(arena, path, err);
    Reader reader = {arena, path, err};
    if (!root)
        return false;
    if (root->kind == YAML_NULL)
        return true;
    if (root->kind != YAML_MAP)
        return wrong(&reader, root, "expected are names of users with their keys below");
    for (const YamlNode *node = root->first; node; node = node->next) {
        if (out->count == USERS_MAX)
            return wrong(&reader, node, "more than 1000 users");
        if (!read_user(&reader, node, &out->items[out->count]))
            return false;
        out->count++;
    }
    return true;
}

/* -- writing -- */

static void write_user(Buf *out, const User *user)
{
    buf_printf(out, "'%s':\n  role: %s\n", user->name, users_role_name(user->role));
    if (user->password)
        buf_printf(out, "  password: %s\n", user->password);
    if (user->token_count)
        buf_append_cstr(out, "  tokens:\n");
    for (size_t i = 0; i < user->token_count; i++) {
        char digest[2 * USER_DIGEST + 1];
        buf_printf(out, "    '%s': '%s'\n", user->tokens[i].label,
                   span_hex(span_of(user->tokens[i].sha256, USER_DIGEST), digest));
    }
}

/* An administrator may write for a server that runs under another account. */
static bool give_to_owner(const char *path, Err *err)
{
    struct stat folder;
    char parent[4096];
    const char *slash = strrchr(path, '/');
    if (geteuid() != 0 || !slash ||
        !span_copy(span_of(path, (size_t)(slash - path)), parent, sizeof parent) ||
        stat(parent, &folder) != 0)
        return true;
    return chown(path, folder.st_uid, folder.st_gid) == 0 ||
           err_errno(err, errno, "cannot give %s to the owner of its folder", path);
}

bool users_write(const char *path, const Users *users, Err *err)
{
    Buf out;
    buf_init(&out, 0);
    buf_append_cstr(&out, "# Who may use the archive; 'manage users' writes this file. The server sees "
                          "a change at once.\n");
    for (size_t i = 0; i < users->count; i++)
        write_user(&out, &users->items[i]);
    bool ok = file_replace(path, buf_span(&out), S_IRUSR | S_IWUSR, err) && give_to_owner(path, err);
    buf_free(&out);
    return ok;
}
