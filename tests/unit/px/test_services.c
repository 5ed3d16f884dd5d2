// SPDX-License-Identifier: MIT
/* px/services: the shapes of pypx and pfdcm, files that cannot be used, what is written and what is shown of it. */
#include "px/services.h"

#include "base/file.h"
#include "base/span.h"
#include "px/document.h"

#include <pthread.h>
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

typedef struct Base {
    Arena *arena;
    char folder[32];
    const char *log, *services;
} Base;

static int set_up(void **state)
{
    Base *base = calloc(1, sizeof *base);
    base->arena = arena_new(0);
    span_copy(span_cstr("/tmp/services-XXXXXX"), base->folder, sizeof base->folder);
    assert_non_null(mkdtemp(base->folder));
    base->log = arena_printf(base->arena, "%s/log", base->folder);
    base->services = arena_printf(base->arena, "%s/services", base->folder);
    *state = base;
    return 0;
}

static bool remove_file(void *ctx, const char *path, Err *err)
{
    return unlink(path) == 0;
}

static int tear_down(void **state)
{
    Base *base = *state;
    if (access(base->services, F_OK) == 0) {
        file_walk(base->services, false, remove_file, NULL, NULL);
        rmdir(base->services);
    }
    assert_int_equal(rmdir(base->folder), 0);
    arena_free(base->arena);
    free(base);
    return 0;
}

static void put(Base *base, const char *name, const char *text)
{
    assert_true(file_make_dirs(base->services, NULL));
    assert_true(
        file_replace(arena_printf(base->arena, "%s/%s", base->services, name), span_cstr(text), 0644, NULL));
}

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static void assert_json(json_t *value, const char *expected)
{
    json_t *other = json(expected);
    assert_non_null(value);
    if (!json_equal(value, other)) {
        char *text = json_dumps(value, 0);
        fail_msg("%s", text);
    }
    json_decref(other);
    json_decref(value);
}

static void reading_makes_nothing(void **state)
{
    Base *base = *state;
    Err err = {0};
    assert_json(px_services_read(base->log, PX_SERVICE_STORAGE, &err), "{}");
    assert_null(px_service(base->log, PX_SERVICE_CUBE, "local", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/services/cube.json (there: none); px-smdb --action CUBE sets it"));
    assert_int_not_equal(access(base->services, F_OK), 0);
}

static void both_files_of_storage(void **state)
{
    Base *base = *state;
    Err err = {0};
    put(base, "swift.json", "{\"old\": {\"ip\": \"h\"}, \"both\": {\"ip\": \"swift\"}}");
    put(base, "storage.json", "{\"both\": {\"ip\": \"storage\"}, \"nfs\": {\"storagetype\": \"fs\"}}");
    assert_json(
        px_services_read(base->log, PX_SERVICE_SWIFT, &err),
        "{\"both\": {\"ip\": \"storage\"}, \"nfs\": {\"storagetype\": \"fs\"}, \"old\": {\"ip\": \"h\"}}");
    assert_json(px_service(base->log, PX_SERVICE_STORAGE, "old", &err), "{\"ip\": \"h\"}");
}

static void both_shapes_of_pacs(void **state)
{
    Base *base = *state;
    Err err = {0};
    put(base, "pacs.json",
        "{\"services\": {\"orthanc\": {\"info\": {\"aet\": \"A\", \"aet_listener\": \"L\", \"aec\": \"B\", "
        "\"serverIP\": \"10.0.0.1\", \"serverPort\": \"4242\"}}}}");
    json_t *record = px_service(base->log, PX_SERVICE_PACS, "orthanc", &err);
    PxPacsService pacs;
    assert_true(px_pacs_service(base->arena, record, "x", &pacs, &err));
    json_decref(record);
    assert_string_equal(pacs.host, "10.0.0.1");
    assert_int_equal(pacs.port, 4242);
    assert_string_equal(pacs.listener, "L");
    json_t *more = json("{\"b\": {\"aet\": \"A\", \"aec\": \"C\", \"ip\": \"h\", \"port\": 104}}");
    assert_true(px_services_set(base->log, PX_SERVICE_PACS, more, &err));
    json_decref(more);
    json_t *file = json_load_file(arena_printf(base->arena, "%s/pacs.json", base->services), 0, NULL);
    assert_string_equal(
        json_string_value(json_object_get(
            json_object_get(json_object_get(json_object_get(file, "services"), "b"), "info"), "aec")),
        "C");
    json_decref(file);
    record = px_service(base->log, PX_SERVICE_PACS, "b", &err);
    assert_true(px_pacs_service(base->arena, record, "x", &pacs, &err));
    json_decref(record);
    assert_int_equal(pacs.port, 104);
    assert_string_equal(pacs.listener, "A");
}

static void files_that_cannot_be_used(void **state)
{
    static const char *const texts[] = {"{\"a\": ", "[]", "{\"a\": 5}", "{\"a\": {\"ip\": \"x\"}, \"a\": {}}",
                                        "\xff\xfe"};
    Base *base = *state;
    json_t *good = json("{\"k\": {\"url\": \"http://h/\", \"username\": \"u\", \"password\": \"p\"}}");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Err err = {0};
        put(base, "cube.json", texts[i]);
        assert_null(px_services_read(base->log, PX_SERVICE_CUBE, &err));
        assert_int_equal(err.code, ERR_FORMAT);
        assert_non_null(strstr(err.text, "cube.json"));
        assert_false(px_services_set(base->log, PX_SERVICE_CUBE, good, &err));
    }
    json_decref(good);
}

static void set_is_private_and_whole(void **state)
{
    Base *base = *state;
    Err err = {0};
    json_t *one = json("{\"local\": {\"ip\": \"h\", \"port\": 8080, \"login\": \"chris:pw\", \"note\": 1}}");
    assert_true(px_services_set(base->log, PX_SERVICE_SWIFT, one, &err));
    struct stat st;
    const char *path = arena_printf(base->arena, "%s/swift.json", base->services);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    json_decref(one);
    one = json("{\"other\": {\"storagetype\": \"fs\", \"storepath\": \"/mnt\"}}");
    assert_true(px_services_set(base->log, PX_SERVICE_SWIFT, one, &err));
    json_decref(one);
    assert_json(px_services_read(base->log, PX_SERVICE_STORAGE, &err),
                "{\"local\": {\"ip\": \"h\", \"port\": 8080, \"login\": \"chris:pw\", \"note\": 1}, "
                "\"other\": {\"storagetype\": \"fs\", \"storepath\": \"/mnt\"}}");
    assert_int_not_equal(access(arena_printf(base->arena, "%s/storage.json", base->services), F_OK), 0);
}

static void secrets_are_masked_and_kept(void **state)
{
    Base *base = *state;
    Err err = {0};
    json_t *one =
        json("{\"l\": {\"url\": \"https://u:pw@h/v3\", \"login\": \"a:b:c\", \"key\": \"k\", \"segment\": "
             "2000000, \"port\": 1, \"deep\": [{\"password\": 5}]}}");
    assert_json(
        px_service_masked(one),
        "{\"l\": {\"url\": \"https://u:***@h/v3\", \"login\": \"a:***\", \"key\": \"***\", \"segment\": "
        "2000000, \"port\": 1, \"deep\": [{\"password\": \"***\"}]}}");
    json_t *options =
        json("[{\"CUBE\": \"k\", \"CUBEuserpasswd\": \"p\", \"swiftLogin\": \"a:b\", \"SWIFTKEY\": "
             "\"local\"}]");
    assert_json(px_service_masked(options),
                "[{\"CUBE\": \"k\", \"CUBEuserpasswd\": \"***\", \"swiftLogin\": \"a:***\", \"SWIFTKEY\": "
                "\"local\"}]");
    json_decref(options);
    assert_true(px_services_set(base->log, PX_SERVICE_STORAGE, one, &err));
    json_t *shown = px_service_masked(one);
    json_object_set_new(json_object_get(shown, "l"), "region", json_string("north"));
    assert_true(px_services_set(base->log, PX_SERVICE_STORAGE, shown, &err));
    json_decref(shown);
    json_object_set_new(json_object_get(one, "l"), "region", json_string("north"));
    json_t *record = px_service(base->log, PX_SERVICE_STORAGE, "l", &err);
    assert_string_equal(json_string_value(json_object_get(record, "key")), "k");
    assert_string_equal(json_string_value(json_object_get(record, "login")), "a:b:c");
    assert_string_equal(json_string_value(json_object_get(record, "region")), "north");
    json_decref(record);
    json_decref(one);
    one = json("{\"new\": {\"ip\": \"h\", \"port\": \"1\", \"login\": \"a:***\"}}");
    assert_false(px_services_set(base->log, PX_SERVICE_STORAGE, one, &err));
    assert_non_null(strstr(err.text, "masked"));
    json_decref(one);
}

static void logins_of_swift(void **state)
{
    Base *base = *state;
    Err err = {0};
    PxStorageService s;
    json_t *one = json("{\"ip\": \"10.0.0.2\", \"port\": \"8080\", \"login\": \"chris:chris1234\"}");
    assert_true(px_storage_service(base->arena, one, "x", &s, &err));
    json_decref(one);
    assert_string_equal(s.swift.url, "http://10.0.0.2:8080/auth/v1.0");
    assert_string_equal(s.swift.user, "chris:chris1234");
    assert_string_equal(s.swift.secret, "chris1234");
    assert_string_equal(s.swift.container, "users");
    assert_true(s.swift.create && !s.swift.keystone);
    one = json("{\"ip\": \"::1\", \"port\": 443, \"login\": \"chris:chris1234\", \"key\": \"testing\", "
               "\"create\": false}");
    assert_true(px_storage_service(base->arena, one, "x", &s, &err));
    json_decref(one);
    assert_string_equal(s.swift.url, "https://[::1]:443/auth/v1.0");
    assert_string_equal(s.swift.secret, "testing");
    assert_false(s.swift.create);
    one = json("{\"url\": \"https://keys:5000/v3\", \"login\": \"demo:a:b\", \"project\": \"p\", \"domain\": "
               "\"d\"}");
    assert_true(px_storage_service(base->arena, one, "x", &s, &err));
    json_decref(one);
    assert_true(s.swift.keystone);
    assert_string_equal(s.swift.user, "demo");
    assert_string_equal(s.swift.secret, "a:b");
    assert_string_equal(s.swift.user_domain, "d");
}

static void records_that_cannot_be_used(void **state)
{
    static const struct {
        const char *record, *says;
    } cases[] = {
        {"{\"port\": 80, \"login\": \"a:b\"}", "no 'ip'"},
        {"{\"ip\": \"h\", \"login\": \"a:b\"}", "no 'port'"},
        {"{\"ip\": \"h/x\", \"port\": 80, \"login\": \"a:b\"}", "no address"},
        {"{\"ip\": \"h\", \"port\": 65536, \"login\": \"a:b\"}", "1 to 65535"},
        {"{\"ip\": \"h\", \"port\": \"8x\", \"login\": \"a:b\"}", "1 to 65535"},
        {"{\"ip\": \"h\", \"port\": true, \"login\": \"a:b\"}", "must be text"},
        {"{\"ip\": \"h\", \"port\": 80}", "no 'login'"},
        {"{\"ip\": \"h\", \"port\": 80, \"login\": \"chris\"}", "no secret"},
        {"{\"ip\": \"h\", \"port\": 80, \"login\": \"a:b\\r\\nX: y\"}", "control character"},
        {"{\"ip\": \"h\", \"port\": 80, \"login\": \"a:b\", \"container\": \"a/b\"}", "'container'"},
        {"{\"ip\": \"h\", \"port\": 80, \"login\": \"a:b\", \"segment\": 5}", "'segment'"},
        {"{\"ip\": \"h\", \"port\": 80, \"login\": \"a:b\", \"create\": \"no\"}", "'create'"},
        {"{\"url\": \"ftp://h\", \"login\": \"a:b\"}", "http://"},
        {"{\"storagetype\": \"fs\"}", "'storepath'"},
        {"{\"storagetype\": \"fs\", \"storepath\": \"mnt\"}", "absolute"},
        {"{\"storagetype\": \"tape\"}", "swift, fs or pacs"},
        {"{\"storagetype\": \"pacs\", \"aet\": \"A\", \"aec\": \"12345678901234567\", \"ip\": \"h\", "
         "\"port\": 1}",
         "AE title"},
    };
    Base *base = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        PxStorageService s;
        json_t *one = json(cases[i].record);
        assert_false(px_storage_service(base->arena, one, "service 'x'", &s, &err));
        if (!strstr(err.text, cases[i].says) || strncmp(err.text, "service 'x'", 11) != 0)
            fail_msg("%s: %s", cases[i].record, err.text);
        json_decref(one);
    }
}

enum { WRITERS = 8 };
typedef struct Writer {
    const Base *base;
    int number;
} Writer;

static void *write_one(void *ctx)
{
    const Writer *w = ctx;
    char text[120];
    snprintf(text, sizeof text,
             "{\"k%d\": {\"url\": \"http://h/\", \"username\": \"u\", \"password\": \"p\"}}", w->number);
    json_t *one = json_loads(text, 0, NULL);
    bool ok = px_services_set(w->base->log, PX_SERVICE_TELEMETRY, one, NULL);
    json_decref(one);
    return ok ? (void *)w : NULL;
}

static void writers_do_not_lose_each_other(void **state)
{
    Base *base = *state;
    pthread_t threads[WRITERS];
    Writer writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (Writer){base, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_one, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    json_t *all = px_services_read(base->log, PX_SERVICE_TELEMETRY, NULL);
    assert_int_equal(json_object_size(all), WRITERS);
    json_decref(all);
}

static void the_folder_beside(void **state)
{
    Base *base = *state;
    assert_string_equal(px_beside_log(base->arena, "/no/where/log/", "data"), "/no/where/data");
    assert_string_equal(px_beside_log(base->arena, "/log", "data"), "/data");
    char link[64];
    snprintf(link, sizeof link, "%s/link", base->folder);
    assert_int_equal(symlink("/usr/lib", link), 0);
    assert_string_equal(px_beside_log(base->arena, link, "data"), "/usr/data");
    unlink(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reading_makes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_files_of_storage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_shapes_of_pacs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_is_private_and_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_masked_and_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logins_of_swift, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_that_cannot_be_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writers_do_not_lose_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_folder_beside, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
