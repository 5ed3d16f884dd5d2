// SPDX-License-Identifier: MIT
/* base/yaml: the tree, its line numbers, and what is refused with a place. */
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static const YamlNode *load(Arena *arena, const char *text, Err *err)
{
    return yaml_load(arena, span_cstr(text), "test.yml", err);
}

static void tree_and_lines(void **state)
{
    const YamlNode *root = load(*state,
                                "# comment\n"
                                "port: 11112\n"
                                "AET: 'PACS ONE'\n"
                                "empty:\n"
                                "nothing: ~\n"
                                "quoted_null: \"~\"\n"
                                "db:\n"
                                "  params:\n"
                                "    ip: 127.0.0.1\n"
                                "list:\n"
                                "  - c-echo\n"
                                "  - [a, b]\n",
                                NULL);
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_MAP);
    const YamlNode *port = yaml_get(root, "port");
    assert_string_equal(port->text, "11112");
    assert_false(port->quoted);
    assert_int_equal(port->line, 2);
    assert_int_equal(port->column, 7);
    assert_string_equal(yaml_get(root, "AET")->text, "PACS ONE");
    assert_true(yaml_get(root, "AET")->quoted);
    assert_int_equal(yaml_get(root, "empty")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "empty")->line, 4);
    assert_int_equal(yaml_get(root, "nothing")->kind, YAML_NULL);
    assert_int_equal(yaml_get(root, "quoted_null")->kind, YAML_SCALAR);
    assert_string_equal(yaml_get(root, "quoted_null")->text, "~");
    const YamlNode *ip = yaml_get(yaml_get(yaml_get(root, "db"), "params"), "ip");
    assert_string_equal(ip->text, "127.0.0.1");
    assert_int_equal(ip->line, 9);
    const YamlNode *list = yaml_get(root, "list");
    assert_int_equal(list->kind, YAML_LIST);
    assert_string_equal(list->first->text, "c-echo");
    assert_int_equal(list->first->next->kind, YAML_LIST);
    assert_string_equal(list->first->next->first->next->text, "b");
    assert_null(list->first->next->next);
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(port, "port"));
    assert_null(yaml_get(NULL, "port"));
}

static void empty_documents(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const YamlNode *root = load(*state, texts[i], NULL);
        assert_non_null(root);
        assert_int_equal(root->kind, YAML_NULL);
    }
}

static void refused_with_place(void **state)
{
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "test.yml:3:1: key 'a' is here twice (first in line 1)"},
        {"a: &x 1\nb: *x\n", "test.yml:2:4: aliases"},
        {"a: [1, 2\nb: 3\n", "test.yml:2:"},
        {"\tport: 1\n", "test.yml:1:"},
        {"? [a, b]\n: 1\n", "test.yml:1:3: a key must be plain text"},
        {"a: 1\n---\nb: 2\n", "test.yml:2:1: a second document"},
        {"a: \"x\\0y\"\n", "test.yml:1:4: a NUL character"},
        {"a: \xff\xfe\n", "test.yml:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        assert_null(load(*state, cases[i].text, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        if (strncmp(err.text, cases[i].place, strlen(cases[i].place)))
            fail_msg("'%s' does not begin with '%s'", err.text, cases[i].place);
    }
}

static void limits(void **state)
{
    Err err = {0};
    char deep[200];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_null(yaml_load(*state, span_of(deep, sizeof deep), "test.yml", &err));
    assert_non_null(strstr(err.text, "nested too deeply"));

    size_t n = 450000;
    char *wide = malloc(n);
    memset(wide, ',', n);
    for (size_t i = 1; i < n; i += 2)
        wide[i] = '1';
    wide[0] = '[';
    wide[n - 1] = ']';
    assert_null(yaml_load(*state, span_of(wide, n), "test.yml", &err));
    assert_non_null(strstr(err.text, "too many values"));
    free(wide);

    size_t big = (4 << 20) + 1;
    char *spaces = malloc(big);
    memset(spaces, ' ', big);
    assert_null(yaml_load(*state, span_of(spaces, big), "test.yml", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(spaces);
}

static void files(void **state)
{
    char path[] = "/tmp/test_yaml_XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("port: 1\nbad\n", file);
    fclose(file);
    Err err = {0};
    assert_null(yaml_load_file(*state, path, &err));
    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
    assert_int_equal(strncmp(err.text + strlen(path), ":3:", 3), 0);
    remove(path);
    assert_null(yaml_load_file(*state, path, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void boolean_words(void **state)
{
    static const struct {
        const char *text;
        int expected;
    } cases[] = {
        {"yes", 1}, {"TRUE", 1}, {"t", 1}, {"Y", 1},   {"1", 1},  {"on", 1},   {"No", 0}, {"false", 0},
        {"f", 0},   {"n", 0},    {"0", 0}, {"off", 0}, {"2", -1}, {"oui", -1}, {"~", -1}, {"[yes]", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool value = cases[i].expected != 1;
        bool understood = yaml_bool(load(*state, cases[i].text, NULL), &value);
        assert_int_equal(understood, cases[i].expected >= 0);
        if (understood)
            assert_int_equal(value, cases[i].expected);
    }
    assert_false(yaml_bool(NULL, &(bool){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tree_and_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_with_place, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test_setup_teardown(boolean_words, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
