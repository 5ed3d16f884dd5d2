// SPDX-License-Identifier: MIT
/* app/users.yml: what is written is read again, what is wrong is said with its line and without its value. */
#include "auth/users.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static Arena *arena;
static char path[64];

static int setup(void **state)
{
    arena = arena_new(0);
    snprintf(path, sizeof path, "/tmp/test_users_XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int teardown(void **state)
{
    unlink(path);
    arena_free(arena);
    return 0;
}

static void round_trip(void **state)
{
    Err err = {0};
    Users users;
    char text[USER_TOKEN_SIZE];
    assert_true(users_read(arena, "/tmp/no/such/users.yml", &users, &err));
    assert_int_equal(users.count, 0);
    users.items[0] = (User){.name = "anna", .role = USER_DELETE};
    users.items[0].password = users_hash_password(arena, "eight letters", &err);
    assert_non_null(users.items[0].password);
    users.items[1] =
        (User){.name = "yes", .role = USER_READ, .tokens = arena_alloc(arena, 2 * sizeof(UserToken))};
    for (size_t i = 0; i < 2; i++) {
        users.items[1].tokens[i].label = i ? "007" : "null";
        assert_true(users_make_token(text, users.items[1].tokens[i].sha256, &err));
    }
    users.items[1].token_count = users.count = 2;
    assert_true(users_write(path, &users, &err));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    Users again;
    assert_true(users_read(arena, path, &again, &err));
    assert_int_equal(again.count, 2);
    const User *anna = users_find(&again, "anna"), *yes = users_find(&again, "yes");
    assert_non_null(anna);
    assert_non_null(yes);
    assert_int_equal(anna->role, USER_DELETE);
    assert_true(users_password_is(anna->password, "eight letters"));
    assert_false(users_password_is(anna->password, "eight Letters"));
    assert_null(yes->password);
    assert_string_equal(yes->tokens[1].label, "007");
    uint8_t digest[USER_DIGEST];
    users_token_digest(span_cstr(text), digest);
    assert_ptr_equal(users_find_token(&again, digest), yes);
    digest[31] ^= 1;
    assert_null(users_find_token(&again, digest));
}

#define SHA "'9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'"

static void bad_files(void **state)
{
    const struct {
        const char *text, *word;
    } cases[] = {
        {"- anna\n", "names of users"},
        {"anna\n", "names of users"},
        {"anna:\n", "needs the line"},
        {"anna: write\n", "needs the line"},
        {"anna:\n  password: $y$j9T$a$b\n", "no role"},
        {"anna:\n  role: king\n", ":2: role: one of"},
        {"anna:\n  role: [read]\n", ":2: role: one of"},
        {"anna:\n  role: read\n  secret: x\n", ":3: unknown key"},
        {"anna:\n  role: read\n  password: sesame\n", ":3: password"},
        {"anna:\n  role: read\n  password: $6$x$sesame\n", ":3: password"},
        {"anna:\n  role: read\nanna:\n  role: admin\n", "anna"},
        {"'an na':\n  role: read\n", "letters"},
        {"../anna:\n  role: read\n", "letters"},
        {"anna:\n  role: read\n  tokens: x\n", "label"},
        {"anna:\n  role: read\n  tokens:\n    a: sesame\n", ":4: a token"},
        {"anna:\n  role: read\n  tokens:\n    'a b': " SHA "\n", ":4: the label"},
        {"anna: &a\n  role: read\nb: *a\n", ""},
        {"anna: {role: read\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        Users users;
        assert_true(file_replace(path, span_cstr(cases[i].text), 0600, &err));
        assert_false(users_read(arena, path, &users, &err));
        if (!strstr(err.text, cases[i].word))
            fail_msg("'%s' is not in '%s'", cases[i].word, err.text);
        assert_null(strstr(err.text, "sesame"));
    }
}

static void others_may_not_read(void **state)
{
    static const unsigned modes[] = {0604, 0640, 0610, 0602};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        Err err = {0};
        Users users;
        assert_true(file_replace(path, SPAN("anna:\n  role: read\n"), modes[i], &err));
        assert_false(users_read(arena, path, &users, &err));
        assert_non_null(strstr(err.text, "chmod 600"));
    }
}

static void passwords(void **state)
{
    Err err = {0};
    char longest[USER_PASSWORD_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[USER_PASSWORD_MAX + 1] = 0;
    assert_null(users_hash_password(arena, longest, &err));
    assert_null(users_hash_password(arena, "7 bytes", &err));
    const char *a = users_hash_password(arena, "the same one", &err),
               *b = users_hash_password(arena, "the same one", &err);
    assert_string_not_equal(a, b);
    assert_int_equal(strncmp(a, "$y$", 3), 0);
    assert_false(users_password_is(NULL, "the same one"));
    assert_false(users_password_is("*0", "the same one"));
    assert_false(users_password_is("$y$", "the same one"));
}

static void names(void **state)
{
    assert_true(users_is_name("a"));
    assert_true(users_is_name("Anna.B_c-d@example.org"));
    assert_false(users_is_name(""));
    assert_false(users_is_name("-a"));
    assert_false(users_is_name("a:b"));
    assert_false(users_is_name("a b"));
    assert_false(users_is_name("\xC3\xA9"));
    assert_false(users_is_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    UserRole role;
    assert_true(users_role_parse("delete", &role));
    assert_int_equal(role, USER_DELETE);
    assert_false(users_role_parse("anybody", &role));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(bad_files),
                                       cmocka_unit_test(others_may_not_read), cmocka_unit_test(passwords),
                                       cmocka_unit_test(names)};
    return cmocka_run_group_tests_name("users", tests, setup, teardown);
}
