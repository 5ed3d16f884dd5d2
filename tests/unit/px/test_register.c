// SPDX-License-Identifier: MIT
/* px/register through the library alone: several requests at a time to a small CUBE in this process; marks, the record, and again. */
#include "px/register.h"

#include "dicom/part10.h"

#include "base_fixture.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { IMAGES = 40, CONNECTIONS = 200 };

/* Takes whatever is posted; its searches find all of that. A connection is one request. */
typedef struct Cube {
    int listener;
    pthread_t thread, handlers[CONNECTIONS];
    size_t count;
    char url[64];
    pthread_mutex_t lock; /* guards all below */
    json_t *items;
    size_t posts;
} Cube;

/* -- the server -- */

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static bool read_request(int fd, Buf *in)
{
    for (;;) {
        const char *text = buf_cstr(in), *end = strstr(text, "\r\n\r\n");
        if (end && in->n >= (size_t)(end - text) + 4 + content_length(text))
            return true;
        ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, 0);
        if (n <= 0)
            return false;
        in->n += (size_t)n;
    }
}

static json_t *post(Cube *cube, const char *body)
{
    json_t *document = json_loads(body, 0, NULL);
    json_t *data = json_incref(json_object_get(json_object_get(document, "template"), "data"));
    json_decref(document);
    size_t i;
    json_t *pair;
    json_array_foreach(data, i, pair)
    {
        if (!strcmp(json_string_value(json_object_get(pair, "name")), "path"))
            json_object_set_new(pair, "name", json_string("fname"));
    }
    cube->posts++;
    json_array_append_new(cube->items, json_pack("{so}", "data", data));
    return json_pack("{s[O]}", "items", json_array_get(cube->items, json_array_size(cube->items) - 1));
}

static json_t *get(Cube *cube, const char *path)
{
    if (!strcmp(path, "/api/"))
        return json_pack("{s[{ssss}]}", "links", "rel", "pacsfiles", "href", "/api/p/");
    if (!strcmp(path, "/api/s/"))
        return json_pack("{sO}", "items", cube->items);
    return json_pack("{s[{ssss s[{ss}{ss}{ss}]}] s{s[{ss}]}}", "queries", "rel", "search", "href", "/api/s/",
                     "data", "name", "SeriesInstanceUID", "name", "pacs_identifier", "name", "fname_exact",
                     "template", "data", "name", "path");
}

static void answer(Cube *cube, int fd, char *request)
{
    bool posts = *request == 'P';
    char *path = strchr(request, ' ') + 1;
    const char *body = strstr(request, "\r\n\r\n") + 4;
    path[strcspn(path, " ?")] = '\0';
    pthread_mutex_lock(&cube->lock);
    json_t *document = json_pack("{so}", "collection", posts ? post(cube, body) : get(cube, path));
    char *text = json_dumps(document, 0);
    json_decref(document);
    pthread_mutex_unlock(&cube->lock);
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(text),
               text);
    send(fd, out.p, out.n, MSG_NOSIGNAL);
    buf_free(&out);
    free(text);
}

typedef struct Connection {
    Cube *cube;
    int fd;
} Connection;

static void *handle(void *ctx)
{
    Connection *c = ctx;
    Buf in;
    buf_init(&in, 1 << 20);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 10}, sizeof(struct timeval));
    if (read_request(c->fd, &in))
        answer(c->cube, c->fd, (char *)in.p);
    buf_free(&in);
    close(c->fd);
    free(c);
    return NULL;
}

static void *serve(void *ctx)
{
    Cube *cube = ctx;
    while (cube->count < CONNECTIONS) {
        int fd = accept(cube->listener, NULL, NULL);
        if (fd < 0)
            break;
        Connection *c = malloc(sizeof *c);
        *c = (Connection){cube, fd};
        pthread_create(&cube->handlers[cube->count++], NULL, handle, c);
    }
    return NULL;
}

static void start(Cube *cube)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    cube->items = json_array();
    pthread_mutex_init(&cube->lock, NULL);
    cube->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(cube->listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(cube->listener, 64), 0);
    assert_int_equal(getsockname(cube->listener, (struct sockaddr *)&at, &n), 0);
    snprintf(cube->url, sizeof cube->url, "http://127.0.0.1:%u/api", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&cube->thread, NULL, serve, cube), 0);
}

static void stop(Cube *cube)
{
    shutdown(cube->listener, SHUT_RDWR);
    pthread_join(cube->thread, NULL);
    for (size_t i = 0; i < cube->count; i++)
        pthread_join(cube->handlers[i], NULL);
    close(cube->listener);
    json_decref(cube->items);
}

/* -- the images -- */

static void put_image(Arena *arena, int number)
{
    Err err = {0};
    char instance[32];
    snprintf(instance, sizeof instance, "1.2.3.4.%d", number);
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_SOPClassUID, CT_CLASS);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, instance);
    dcm_put_utf8(ds, DCM_StudyDate, "20130308");
    dcm_put_utf8(ds, DCM_PatientID, "P1");
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2.3");
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, "1.2.3.4");
    Buf file;
    buf_init(&file, 0);
    assert_true(dcm_file_meta_write(&file, CT_CLASS, instance, "1.2.840.10008.1.2.1", NULL, &err));
    assert_true(dcm_write(&file, ds, dcm_transfer_syntax(SPAN("1.2.840.10008.1.2.1")), &err));
    const char *path = arena_printf(arena, "%s/in.dcm", top);
    ArcStored stored;
    assert_true(file_replace(path, buf_span(&file), 0600, &err));
    if (!arc_ingest_file(archive, path, NULL, &stored, &err))
        fail_msg("%s", err.text);
    buf_free(&file);
}

static void run_it(const PxRegister *ask, const char *word)
{
    Err err = {0};
    json_t *result;
    Arena *arena = arena_new(0);
    PxRegisterFiles files = {0};
    assert_true(px_register_objects(&files, arena, base, &(PxSelection){.series = "1.2.3.4"}, "", &err));
    assert_int_equal(files.count, IMAGES);
    if (!px_register(ask, &files, &result, &err))
        fail_msg("%s", err.text);
    size_t i;
    json_t *entry;
    assert_true(json_is_true(json_object_get(result, "status")));
    json_array_foreach(json_object_get(result, "run"), i, entry)
    {
        assert_string_equal(json_string_value(json_object_get(entry, "outcome")), word);
    }
    assert_int_equal(i, IMAGES);
    json_decref(result);
    arena_free(arena);
}

static void count_warning(void *ctx, const char *text)
{
    assert_non_null(strstr(text, "40 of 40 images are not known to be pushed as SERVICES/PACS/NORTH/"));
    ++*(int *)ctx;
}

static void several_at_a_time_and_again(void **state)
{
    Err err = {0};
    int warnings = 0;
    Cube *cube = calloc(1, sizeof *cube);
    Arena *arena = arena_new(0);
    for (int i = 0; i < IMAGES; i++)
        put_image(arena, i);
    start(cube);
    PxRegister ask = {.cube = {.url = cube->url, .user = "chris", .password = "secret", .pause_ms = 1},
                      .pacs_name = "NORTH",
                      .templates = plain_names(),
                      .base = base,
                      .jobs = 8,
                      .warn = count_warning,
                      .warn_ctx = &warnings};
    run_it(&ask, "registered");
    assert_int_equal(cube->posts, IMAGES);
    PxCounts counts;
    assert_true(px_base_counts(base, "1.2.3.4", &counts, &err));
    assert_int_equal(counts.registered, IMAGES);
    run_it(&ask, "already registered");
    assert_int_equal(cube->posts, IMAGES);
    assert_int_equal(warnings, 2);
    json_t *record;
    assert_true(px_record_read(base, PX_TABLE_REGISTER, "1.2.3.4", &record, &err));
    char *text = json_dumps(record, 0);
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, "{\"current\": 40, \"total\": 40}"));
    free(text);
    json_decref(record);
    stop(cube);
    free(cube);
    arena_free(arena);
}

static void nothing_to_register(void **state)
{
    Err err = {0};
    json_t *result;
    PxRegisterFiles none = {0};
    PxRegister ask = {.cube = {.url = "http://127.0.0.1:9/", .user = "u", .password = "p"},
                      .templates = plain_names()};
    assert_false(px_register(&ask, &none, &result, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(json_is_false(json_object_get(result, "status")));
    assert_int_equal(json_array_size(json_object_get(result, "run")), 0);
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(several_at_a_time_and_again, make_base, drop_base),
        cmocka_unit_test(nothing_to_register),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
