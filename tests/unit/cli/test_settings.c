// SPDX-License-Identifier: MIT
/* cli/settings: fallbacks, types, bounds, environment, problems with their place, and the shipped file. */
#include "house.h"

static char *folder;

static int setup(void **state)
{
    folder = house_folder();
    return 0;
}

static int teardown(void **state)
{
    house_remove(folder);
    return 0;
}

static const Settings *load(Arena *arena, const char *text, Buf *problems)
{
    house_write(folder, "app/settings.yml", text);
    buf_init(problems, 0);
    return settings_load(arena, folder, NULL, problems);
}

static void fallbacks(void **state)
{
    Arena *arena = arena_new(0);
    Buf problems;
    const Settings *s = load(arena, "port: 104\nAET: ' ME '\n", &problems);
    if (!s)
        fail_msg("%s", buf_cstr(&problems));
    assert_int_equal(s->port, 104);
    assert_string_equal(s->aet, "ME");
    assert_int_equal(s->max_assoc, 50);
    assert_int_equal(s->acse_timeout, 120);
    assert_int_equal(s->scp_services.count, 1);
    assert_true(settings_list_has(&s->scp_services, "C-ECHO"));
    assert_string_equal(s->db_engine, "sqlite");
    char expected[600];
    snprintf(expected, sizeof expected, "%s/index.sqlite", folder);
    assert_string_equal(s->db_filepath, expected);
    snprintf(expected, sizeof expected, "%s/log", folder);
    assert_string_equal(s->log_path_folder, expected);
    assert_int_equal(s->log_stream_level, LOG_WARNING);
    buf_free(&problems);
    arena_free(arena);
}

static void secrets_that_everybody_can_read(void **state)
{
    static const struct {
        const char *text;
        unsigned file, above;
        const char *says;
    } cases[] = {{"db: {engine: postgresql, params: {password: x}}", 0644, 0755,
                  "settings.yml:2: db.params.password: everybody on this machine"},
                 {"db: {engine: postgresql, params: {password: x}}", 0640, 0755, NULL},
                 {"db: {engine: postgresql, params: {password: x}}", 0644, 0750, NULL},
                 {"db: {engine: postgresql, params: {password: ''}}", 0644, 0755, NULL},
                 {"db: {engine: sqlite, params: {password: x}}", 0644, 0755, NULL},
                 {"api: {auth: {jwt_secret: x}}", 0644, 0755, "API_JWT_SECRET"}};
    char path[600], app[600];
    snprintf(path, sizeof path, "%s/app/settings.yml", folder);
    snprintf(app, sizeof app, "%s/app", folder);
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf problems;
        char text[200];
        snprintf(text, sizeof text, "{port: 104, AET: ME,\n%s}\n", cases[i].text);
        house_write(folder, "app/settings.yml", text);
        assert_int_equal(chmod(path, cases[i].file), 0);
        assert_int_equal(chmod(folder, cases[i].above), 0);
        assert_int_equal(chmod(app, 0755), 0);
        buf_init(&problems, 0);
        const Settings *s = settings_load(arena, folder, NULL, &problems);
        if ((s != NULL) != !cases[i].says)
            fail_msg("%zu: %s", i, buf_cstr(&problems));
        if (cases[i].says) {
            assert_contains(&problems, cases[i].says);
            assert_contains(&problems, "chmod 640 ");
            assert_null(strstr(buf_cstr(&problems), "'x'"));
        }
        buf_free(&problems);
    }
    arena_free(arena);
}

static void folders_among_the_objects(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {{"trash_path: ./data", "settings.yml:2: trash_path: it lies in the folder"},
                 {"trash_path: data/./trash/", "trash_path: it lies in the folder"},
                 {"trash_path: link/trash", "trash_path: it lies in the folder"},
                 {"quarantine_path: ./data/q", "quarantine_path: it lies in the folder"},
                 {"log: {path_folder: ./data/log}", "log.path_folder: it lies in the folder"},
                 {"fs: {path: .}", "path_white_list: it lies in the folder"},
                 {"tmp_path: ./data/.tmp", NULL}, /* as px-listen has it */
                 {"trash_path: ./database", NULL},
                 {"trash_path: ./data/../trash", NULL}};
    char path[600], there[600];
    Arena *arena = arena_new(0);
    snprintf(there, sizeof there, "%s/data", folder);
    snprintf(path, sizeof path, "%s/link", folder);
    assert_int_equal(mkdir(there, 0755), 0);
    assert_int_equal(symlink(there, path), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf problems;
        char text[200];
        snprintf(text, sizeof text, "{port: 104, AET: ME,\n%s}\n", cases[i].text);
        house_write(folder, "app/settings.yml", text);
        buf_init(&problems, 0);
        const Settings *s = settings_load(arena, folder, NULL, &problems);
        if ((s != NULL) != !cases[i].says)
            fail_msg("%zu: %s", i, buf_cstr(&problems));
        if (cases[i].says)
            assert_contains(&problems, cases[i].says);
        buf_free(&problems);
    }
    unlink(path);
    rmdir(there);
    arena_free(arena);
}

static void values_of_every_type(void **state)
{
    Arena *arena = arena_new(0);
    Buf problems;
    const Settings *s = load(arena,
                             "port: '11112'\nAET: PACS\nconsole_verbose_level: 2.0\n"
                             "log: {create_file_uid: Yes, max_bytes: 5, log_file_level: notset}\n"
                             "ae_params:\n"
                             "fs:\n  path: /srv/data/\n"
                             "scp_services: [C-STORE, c-find]\n"
                             "sleep_in_store: 0.5\nduplicates: KEEP_BOTH\n"
                             "tmp_path:\n",
                             &problems);
    if (!s)
        fail_msg("%s", buf_cstr(&problems));
    assert_int_equal(s->port, 11112);
    assert_int_equal(s->console_verbose_level, 2);
    assert_true(s->log_create_file_uid);
    assert_int_equal(s->log_max_bytes, 5);
    assert_int_equal(s->log_file_level, LOG_NOTSET);
    assert_string_equal(s->fs_path, "/srv/data");
    assert_int_equal(s->scp_services.count, 2);
    assert_string_equal(s->scp_services.items[0], "c-store");
    assert_true(s->sleep_in_store == 0.5);
    assert_string_equal(s->duplicates, "keep_both");
    buf_free(&problems);
    arena_free(arena);
}

static void problems_name_their_place(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"AET: X\n", "settings.yml: port: this key must be there; allowed is a whole number from 1 to 65535"},
        {"port: 1\n", "settings.yml: AET: this key must be there; allowed is a text of 1 to 16 characters"},
        {"AET: X\nport: 70000\n", "settings.yml:2: port: '70000'; allowed is a whole number from 1 to 65535"},
        {"AET: X\nport: 10.5\n", "settings.yml:2: port: '10.5'"},
        {"AET: X\nport: [1]\n", "settings.yml:2: port: a list stands here"},
        {"port: 1\nAET: ABCDEFGHIJKLMNOPQ\n", "settings.yml:2: AET: 'ABCDEFGHIJKLMNOPQ'"},
        {"port: 1\nAET: 'A\\B'\n", "settings.yml:2: AET:"},
        {"port: 1\nAET: "
         "K\xC3\x96LN\n",
         "settings.yml:2: AET:"},
        {"port: 1\nAET: X\nPort: 2\n", "settings.yml:3: Port: unknown key; is 'port' meant?"},
        {"port: 1\nAET: X\nae_params:\n  max_asoc: 3\n",
         "settings.yml:4: ae_params.max_asoc: unknown key; is 'ae_params.max_assoc' meant?"},
        {"port: 1\nAET: X\nmax_assoc: 3\n",
         "settings.yml:3: max_assoc: unknown key; is 'ae_params.max_assoc' meant?"},
        {"port: 1\nAET: X\nzebra_stripes: 3\n",
         "settings.yml:3: zebra_stripes: unknown key; 'manage settings show'"},
        {"port: 1\nAET: X\nlog: 3\n", "settings.yml:3: log: a section is expected"},
        {"port: 1\nAET: X\nlog:\n  log_stream_level: LOUD\n",
         "settings.yml:4: log.log_stream_level: 'LOUD'; allowed is one of NOTSET, DEBUG"},
        {"port: 1\nAET: X\nscp_services: [c-echo, c-dance]\n",
         "settings.yml:3: scp_services: 'c-dance'; allowed is a list of c-echo, c-store"},
        {"port: 1\nAET: X\ndb:\n  engine: oracle\n",
         "settings.yml:4: db.engine: 'oracle'; allowed is one of sqlite, postgresql"},
        {"port: 1\nAET: X\nae_params: {pdu_size: 100}\n", "settings.yml:3: ae_params.pdu_size: allowed is 0"},
        {"port: 1\nAET: X\nlog:\n  max_baytes: 1\n  max_bytes: 2\n",
         "settings.yml:5: log.max_bytes: is here under two spellings (also in line 4)"},
        {"port: 1\nAET: X\nport: 2\n", "settings.yml:3:1: key 'port' is here twice"},
        {"port: [1\n", "settings.yml:2:"},
        {"- port\n", "settings.yml:1: settings: expected are lines"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Arena *arena = arena_new(0);
        Buf problems;
        assert_null(load(arena, cases[i].text, &problems));
        assert_contains(&problems, cases[i].problem);
        buf_free(&problems);
        arena_free(arena);
    }
}

static void all_problems_at_once(void **state)
{
    Arena *arena = arena_new(0);
    Buf problems;
    assert_null(load(arena, "port: x\nnonsense: 1\ntar_size: -1\n", &problems));
    size_t lines = 0;
    for (size_t i = 0; i < problems.n; i++)
        lines += problems.p[i] == '\n';
    assert_int_equal(lines, 4); /* AET is missing too */
    buf_free(&problems);
    arena_free(arena);
}

static void environment_overrides(void **state)
{
    Arena *arena = arena_new(0);
    Buf problems;
    setenv("DICOM_PORT", "4711", 1);
    setenv("DICOM_AET", "ENV", 1);
    setenv("ALLOWED_HOSTS", "a.example, b.example", 1);
    const Settings *s = load(arena, "port: 1\n", &problems);
    if (!s)
        fail_msg("%s", buf_cstr(&problems));
    assert_int_equal(s->port, 4711);
    assert_string_equal(s->aet, "ENV");
    assert_int_equal(s->api_allowed_hosts.count, 2);
    assert_string_equal(s->api_allowed_hosts.items[1], "b.example");
    buf_free(&problems);
    setenv("DICOM_PORT", "many", 1);
    assert_null(load(arena, "port: 1\n", &problems));
    assert_contains(&problems, "environment variable DICOM_PORT (port): 'many'; allowed is");
    unsetenv("DICOM_PORT");
    unsetenv("DICOM_AET");
    unsetenv("ALLOWED_HOSTS");
    buf_free(&problems);
    arena_free(arena);
}

static void secrets_stay_hidden(void **state)
{
    Arena *arena = arena_new(0);
    Buf problems;
    const Settings *s = load(arena, "port: 1\nAET: X\ndb:\n  params:\n    password: hunter2\n", &problems);
    assert_non_null(s);
    assert_string_equal(s->db_password, "hunter2");
    for (size_t i = 0; i < settings_key_count; i++)
        assert_null(strstr(settings_value_text(arena, s, &settings_keys[i]), "hunter2"));
    buf_free(&problems);
    assert_null(load(arena, "port: 1\nAET: X\ndb:\n  params:\n    password: [hunter2]\n", &problems));
    assert_null(strstr(buf_cstr(&problems), "hunter2"));
    buf_free(&problems);
    arena_free(arena);
}

/* The file that sphere-admin writes has every key, and is accepted as it is. */
static void shipped_file(void **state)
{
    Arena *arena = arena_new(0);
    const TemplateFile *file = NULL;
    for (size_t i = 0; i < cli_template_count; i++)
        if (!strcmp(cli_templates[i].name, "app/settings.yml"))
            file = &cli_templates[i];
    assert_non_null(file);
    house_write(folder, "app/settings.yml", arena_span_cstr(arena, span_of(file->bytes, file->n)));
    SettingsOrigin *origins = arena_alloc(arena, settings_key_count * sizeof *origins);
    Buf problems;
    buf_init(&problems, 0);
    const Settings *s = settings_load(arena, folder, origins, &problems);
    if (!s)
        fail_msg("%s", buf_cstr(&problems));
    for (size_t i = 0; i < settings_key_count; i++)
        if (!origins[i].line)
            fail_msg("%s is not in the shipped file", settings_keys[i].path);
    assert_int_equal(s->port, 11112);
    assert_string_equal(s->aet, "PExport");
    assert_int_equal(s->scp_services.count, 5);
    buf_free(&problems);
    arena_free(arena);
}

/* Each fallback is a value that its own key accepts, so that no field is left unset. */
static void fallbacks_are_legal(void **state)
{
    for (size_t i = 0; i < settings_key_count; i++) {
        const SettingsKey *key = &settings_keys[i];
        if (!key->fallback)
            continue;
        int64_t number = 0;
        double real = 0;
        if (key->type == SET_INT)
            assert_true(span_to_i64(span_cstr(key->fallback), key->min, key->max, &number));
        if (key->type == SET_NUMBER)
            assert_true(span_to_double(span_cstr(key->fallback), &real) && real >= (double)key->min &&
                        real <= (double)key->max);
        if (key->type == SET_CHOICE)
            assert_non_null(strstr(key->choices, key->fallback));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(secrets_that_everybody_can_read, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_among_the_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(fallbacks, setup, teardown),
        cmocka_unit_test_setup_teardown(values_of_every_type, setup, teardown),
        cmocka_unit_test_setup_teardown(problems_name_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(all_problems_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(environment_overrides, setup, teardown),
        cmocka_unit_test_setup_teardown(secrets_stay_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(shipped_file, setup, teardown),
        cmocka_unit_test(fallbacks_are_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
