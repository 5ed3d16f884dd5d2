// SPDX-License-Identifier: MIT
/* The whole program in this process: sphere-admin, the top level of manage, settings, what needs no peer. */
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

static const char *in(const char *name)
{
    static char paths[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static void expect(Outcome outcome, int code, const char *out, const char *err)
{
    if (outcome.code != code)
        fail_msg("exit code %d instead of %d\n%s\n%s", outcome.code, code, buf_cstr(&outcome.out),
                 buf_cstr(&outcome.err));
    if (out)
        assert_contains(&outcome.out, out);
    if (err)
        assert_contains(&outcome.err, err);
    outcome_free(&outcome);
}

static void make_archive(const char *name)
{
    expect(RUN(folder, "sphere-admin", in(name)), EXIT_OK, NULL, NULL);
}

static void admin_makes_the_tree(void **state)
{
    static const char *const files[] = {"app/settings.yml",
                                        "app/contexts.yml",
                                        "app/logging_config.yml",
                                        "app/tags.yml",
                                        "app/all_dicom_elements.csv",
                                        "app/white_list/example.yml",
                                        "version_pacs.py",
                                        "manage",
                                        "manage.py"};
    make_archive("deep/er/pacs");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!house_has(in("deep/er/pacs"), files[i]))
            fail_msg("%s is missing", files[i]);
    assert_false(house_has(in("deep/er/pacs"), "data"));
}

static void admin_refuses_what_is_there(void **state)
{
    house_write(folder, "pacs/precious", "1");
    expect(RUN(folder, "sphere-admin", in("pacs")), EXIT_FAILED, NULL, "exists already");
    assert_true(house_has(folder, "pacs/precious"));
    assert_false(house_has(folder, "pacs/app"));
    expect(RUN(folder, "sphere-admin", "-f", in("pacs/")), EXIT_OK, NULL, NULL);
    assert_false(house_has(folder, "pacs/precious"));
    assert_true(house_has(folder, "pacs/app/settings.yml"));
    expect(RUN(folder, "sphere-admin", "--force", in("new")), EXIT_OK, NULL, NULL);
}

static void admin_force_spares_home(void **state)
{
    char *home = strdup(getenv("HOME") ? getenv("HOME") : "");
    house_write(folder, "home/user/precious", "1");
    setenv("HOME", in("home/user"), 1);
    expect(RUN(folder, "sphere-admin", "-f", in("home")), EXIT_FAILED, NULL, "not done");
    assert_true(house_has(folder, "home/user/precious"));
    setenv("HOME", home, 1);
    free(home);
}

static void admin_environment_link(void **state)
{
    house_write(folder, "env; touch x/bin/python", "");
    expect(RUN(folder, "sphere-admin", "-env", in("env; touch x"), in("pacs")), EXIT_OK, NULL, NULL);
    char target[512];
    ssize_t n = readlink(in("pacs/env_sphere"), target, sizeof target - 1);
    assert_true(n > 0);
    target[n] = 0;
    assert_string_equal(target, in("env; touch x"));
    expect(RUN(folder, "sphere-admin", "-env", in("nowhere"), in("other")), EXIT_FAILED, NULL, "nowhere");
    assert_false(house_has(folder, "other"));
}

static void usage(void **state)
{
    expect(RUN(folder, "sphere-admin"), EXIT_USAGE, NULL, "required: dirpath");
    expect(RUN(folder, "sphere-admin", "-q", "x"), EXIT_USAGE, NULL, "usage: sphere-admin");
    expect(RUN(folder, "sphere-admin", "-h"), EXIT_OK, "usage: sphere-admin [-h] [-f]", NULL);
    expect(RUN(folder, "manage"), EXIT_USAGE, NULL, "a command is required");
    expect(RUN(folder, "manage", "dance"), EXIT_USAGE, NULL, "invalid choice: 'dance'");
    expect(RUN(folder, "manage", "-h"), EXIT_OK, "runserver", NULL);
    expect(RUN(folder, "manage", "find", "-h"), EXIT_OK, "usage: manage find", NULL);
    expect(RUN(folder, "gantry", "manage", "find", "--help"), EXIT_OK, "usage: gantry manage find", NULL);
    expect(RUN(folder, "gantry", "sphere-admin"), EXIT_USAGE, NULL, "gantry sphere-admin: error");
    expect(RUN(folder, "manage", "store", "-aec", "X", "-sp", "fs", "h", "1"), EXIT_USAGE, NULL,
           "-sp fs needs -pd");
    expect(RUN(folder, "manage", "store", "-aec", "X", "-sp", "db", "h", "1"), EXIT_USAGE, NULL,
           "needs -UID or -fUID");
    expect(RUN(folder, "manage", "store", "-aec", "X", "-sp", "db", "-UID", "1", "-fUID", "f", "h", "1"),
           EXIT_USAGE, NULL, "exclude each other");
    expect(RUN(folder, "manage", "move", "-aec", "X", "-aes", "Y", "h", "1"), EXIT_USAGE, NULL,
           "needs -stUID");
}

static void versions(void **state)
{
    make_archive("pacs");
    expect(RUN(folder, in("pacs/manage.py"), "-v"), EXIT_OK, "sphere " GANTRY_VERSION "\n", NULL);
    expect(RUN(folder, in("pacs/manage"), "-vp"), EXIT_OK, "Version pacs : " GANTRY_VERSION "\n", NULL);
    house_write(folder, "pacs/version_pacs.py", "__version__ = \"1.11.2\"\n");
    expect(RUN(folder, in("pacs/manage"), "--version_pacs"), EXIT_OK, "Version pacs : 1.11.2\n", NULL);
    unlink(in("pacs/version_pacs.py"));
    expect(RUN(folder, in("pacs/manage"), "-vp"), EXIT_OK, "no record", NULL);
}

static void help_has_no_side_effects(void **state)
{
    make_archive("pacs");
    expect(RUN(folder, in("pacs/manage"), "echo", "-h"), EXIT_OK, "usage: manage echo", NULL);
    expect(RUN(folder, in("pacs/manage"), "-v"), EXIT_OK, NULL, NULL);
    assert_false(house_has(in("pacs"), "log"));
    assert_false(house_has(in("pacs"), "data"));
}

static void first_run_makes_folders(void **state)
{
    make_archive("pacs");
    expect(RUN(folder, in("pacs/manage"), "settings", "check"), EXIT_OK, "no problem found", NULL);
    static const char *const made[] = {"log/command_event.log", "log/pacs.log", "log/settings.log", "data",
                                       ".tmp_data"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (!house_has(in("pacs"), made[i]))
            fail_msg("%s is missing", made[i]);
    Buf journal;
    buf_init(&journal, 0);
    assert_true(file_read_all(in("pacs/log/command_event.log"), 1 << 20, &journal, NULL));
    assert_contains(&journal, "command settings");
    assert_contains(&journal, "OUTGOING kwargs");
    assert_contains(&journal, "VERB = check");
    buf_free(&journal);
}

static void settings_show(void **state)
{
    make_archive("pacs");
    setenv("DICOM_PORT", "12345", 1);
    expect(RUN(folder, in("pacs/manage"), "settings", "show"), EXIT_OK, "(environment DICOM_PORT)", NULL);
    unsetenv("DICOM_PORT");
    expect(RUN(folder, in("pacs/manage"), "settings", "show", "--json"), EXIT_OK,
           "\"AET\":{\"value\":\"PExport\",", NULL);
}

static void outside_an_archive(void **state)
{
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder), 0);
    expect(RUN(folder, "manage", "echo", "-aec", "X", "127.0.0.1", "1"), EXIT_FAILED, NULL,
           "no archive here");
    make_archive("pacs");
    assert_int_equal(chdir(in("pacs")), 0);
    expect(RUN(folder, "manage", "settings", "check"), EXIT_OK, "pacs/app/settings.yml", NULL);
    assert_int_equal(chdir(here), 0);
}

/* The archive is the folder the link was called in, not that of the program. */
static void archive_of_the_launcher(void **state)
{
    make_archive("a");
    make_archive("b");
    expect(RUN(folder, in("a/manage"), "settings", "check"), EXIT_OK, "/a/app/settings.yml", NULL);
    expect(RUN(folder, in("b/manage"), "settings", "check"), EXIT_OK, "/b/app/settings.yml", NULL);
}

static void broken_settings(void **state)
{
    make_archive("pacs");
    house_write(folder, "pacs/app/settings.yml", "port: 104\nAET: X\nprot: 3\n");
    expect(RUN(folder, in("pacs/manage"), "echo", "-aec", "X", "127.0.0.1", "1"), EXIT_FAILED, NULL,
           "settings.yml:3: prot: unknown key; is 'port' meant?");
    assert_false(house_has(in("pacs"), "log"));
    house_write(folder, "pacs/app/settings.yml", "port: 104\nAET: X\nstorage_method: HDFS\n");
    expect(RUN(folder, in("pacs/manage"), "runserver"), EXIT_FAILED, NULL,
           "storage_method: HDFS is not supported");
}

static void store_without_peer(void **state)
{
    make_archive("pacs");
    const char *manage = in("pacs/manage");
    house_write(folder, "none.txt", "\n \n");
    expect(RUN(folder, manage, "store", "-aec", "X", "-sp", "db", "-fUID", in("none.txt"), "127.0.0.1", "1"),
           EXIT_EMPTY_LIST, NULL, "no UID in");
    manage = in("pacs/manage");
    expect(RUN(folder, manage, "store", "-aec", "X", "-sp", "db", "-UID", "1.2.3", "127.0.0.1", "1"),
           EXIT_FAILED, NULL, "the archive has no study 1.2.3");
    manage = in("pacs/manage");
    expect(RUN(folder, manage, "store", "-aec", "X", "-sp", "fs", "-pd", in("missing"), "127.0.0.1", "1"),
           EXIT_FAILED, NULL, "No such file");
    manage = in("pacs/manage");
    expect(RUN(folder, manage, "store", "-aec", "X", "-sp", "fs", "-pd", in("none.txt"), "127.0.0.1", "1"),
           EXIT_FAILED, NULL, "is not a DICOM regular file");
    manage = in("pacs/manage");
    expect(RUN(folder, manage, "store", "-context", "nope", "-aec", "X", "-sp", "fs", "-pd", in("none.txt"),
               "127.0.0.1", "1"),
           EXIT_FAILED, "Info: the context set 'nope' is not known", NULL);
}

static void unreachable_peer(void **state)
{
    make_archive("pacs");
    expect(RUN(folder, in("pacs/manage"), "echo", "-aec", "X", "127.0.0.1", "1"), EXIT_FAILED,
           "# final_status\t\t: 0xa801 : Association aborted \n", "connect to 127.0.0.1:1");
    expect(RUN(folder, in("pacs/manage"), "find", "-aec", "X", "127.0.0.1", "1"), EXIT_FAILED,
           "last_log\t: Association rejected, aborted or never connected", "connect to 127.0.0.1:1");
    expect(
        RUN(folder, in("pacs/manage"), "move", "-aec", "X", "-aes", "Y", "-stUID", "1.2", "127.0.0.1", "1"),
        EXIT_FAILED, "study_uid    :1.2", "1 of 1 requests failed");
    expect(RUN(folder, in("pacs/manage"), "find", "-aec", "X", "-k", "NoSuchKeyword", "127.0.0.1", "1"),
           EXIT_FAILED, NULL, "'NoSuchKeyword' is no tag");
    expect(RUN(folder, in("pacs/manage"), "find", "--json", "-aec", "X", "127.0.0.1", "1"), EXIT_FAILED,
           "[]\n", "qr_level");
}

int main(void)
{
    setenv("CONFINE", "off", 1); /* `runserver` runs in this process, which has to go on */
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(admin_makes_the_tree),
        CASE(admin_refuses_what_is_there),
        CASE(admin_force_spares_home),
        CASE(admin_environment_link),
        CASE(usage),
        CASE(versions),
        CASE(help_has_no_side_effects),
        CASE(first_run_makes_folders),
        CASE(settings_show),
        CASE(outside_an_archive),
        CASE(archive_of_the_launcher),
        CASE(broken_settings),
        CASE(store_without_peer),
        CASE(unreachable_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
