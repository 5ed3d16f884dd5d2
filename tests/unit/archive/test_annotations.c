// SPDX-License-Identifier: MIT
/* Annotations: file and rows, both or neither; on both drivers (GANTRY_TEST_ENGINE=postgresql). */
#include "archive/annotation_note.h"
#include "archive/annotations.h"

#include "../index/server.h"

#include "archive_fixture.h"

#include <sys/file.h>

static TestServer *server; /* NULL: SQLite */
static IdxSettings index_settings;
static ArcAnnotations *annotations;
static Arena *arena;
static Err err;

static int make_annotated(void **state)
{
    static char path[80], schema[32];
    static int number;
    const char *engine = getenv("GANTRY_TEST_ENGINE");
    if (engine && strcmp(engine, "postgresql") == 0 && !(server = server_get()))
        return -1;
    memcpy(top, "/tmp/gantry-archive-XXXXXX", sizeof "/tmp/gantry-archive-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(path, sizeof path, "%s/index.sqlite", top);
    snprintf(schema, sizeof schema, "annotated_%d", ++number);
    index_settings = (IdxSettings){.sqlite_path = path, .busy_timeout_ms = 10000, .readers = 2};
    if (server) {
        index_settings.engine = IDX_POSTGRESQL;
        index_settings.postgres = (IdxPostgres){.host = server->folder,
                                                .port = server->port,
                                                .database = "postgres",
                                                .schema = schema,
                                                .login = "gantry",
                                                .password = SERVER_PASSWORD};
    }
    settings = (ArcSettings){.duplicates = ARC_REPLACE, .check_class = true, .index = &index_settings};
    notices[0] = 0;
    open_archive();
    Spec spec = SPEC("1.2.3.4.5");
    store_spec(&spec);
    arena = arena_new(0);
    err = (Err){0};
    annotations = arc_annotations_open(archive, at("notes/deep"), &err);
    return annotations ? 0 : -1;
}

static int drop_annotated(void **state)
{
    arc_annotations_close(annotations);
    annotations = NULL;
    arena_free(arena);
    return drop_archive(state);
}

static void reopen(void)
{
    arc_annotations_close(annotations);
    annotations = arc_annotations_open(archive, at("notes/deep"), &err);
    assert_non_null(annotations);
}

static const IdxAnnotation of_instance = {.source = "1.2.3.4.5",
                                          .level = DCM_LEVEL_IMAGE,
                                          .media_type = "text/plain",
                                          .name = "größe \"x\".txt",
                                          .author = "jane"};

static ArcAnnotationPut *begin(const char *uid, const char *content)
{
    ArcAnnotationPut *put = arc_annotation_begin(annotations, uid, &err);
    if (!put || !arc_annotation_write(put, span_cstr(content), &err))
        fail_msg("%s", err.text);
    return put;
}

static IdxAnnotation keep(const char *uid, const char *content)
{
    IdxAnnotation out;
    if (!arc_annotation_commit(begin(uid, content), arena, &of_instance, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static bool is_known(const char *uid)
{
    IdxAnnotation a;
    return idx_annotation(arc_index(archive), arena, uid, &a, &err);
}

static void assert_content(const char *uid, const char *content)
{
    IdxAnnotation a;
    char text[256] = "";
    assert_true(idx_annotation(arc_index(archive), arena, uid, &a, &err));
    int fd = arc_annotation_open_file(annotations, &a, &err);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    assert_string_equal(text, content);
}

static void kept_and_given_back(void **state)
{
    IdxAnnotation a = keep("2.25.1", "abc");
    assert_string_equal(a.uid, "2.25.1");
    assert_string_equal(a.path, at("notes/deep/2.25.1"));
    assert_int_equal(a.size, 3);
    assert_int_equal(a.sha256[0], 0xba); /* FIPS 180-4: ba7816bf … */
    assert_int_equal(a.sha256[1], 0x78);
    assert_true(a.begin_us > 0 && a.end_us >= a.begin_us);
    assert_content("2.25.1", "abc");
    assert_int_equal(count_files("notes/deep"), 2);
    reopen();
    assert_content("2.25.1", "abc");
}

static void nothing_is_left_of_what_failed(void **state)
{
    IdxAnnotation unknown = of_instance;
    unknown.source = "9.9";
    assert_false(arc_annotation_commit(begin("2.25.1", "abc"), arena, &unknown, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(count_files("notes/deep"), 0);
    arc_annotation_abandon(begin("2.25.1", "abc"));
    arc_annotation_abandon(NULL);
    assert_int_equal(count_files("notes/deep"), 0);
    assert_false(is_known("2.25.1"));
}

static void a_uid_is_used_once(void **state)
{
    keep("2.25.1", "abc");
    assert_null(arc_annotation_begin(annotations, "2.25.1", &err));
    assert_int_equal(err.code, ERR_EXISTS);
    ArcAnnotationPut *put = begin("2.25.2", "first");
    assert_null(arc_annotation_begin(annotations, "2.25.2", &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_true(arc_annotation_commit(put, arena, &of_instance, NULL, &err));
    assert_content("2.25.2", "first");
    /* Its file is gone, its row is not. */
    assert_int_equal(unlink(at("notes/deep/2.25.2")), 0);
    assert_false(arc_annotation_commit(begin("2.25.2", "second"), arena, &of_instance, NULL, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_content("2.25.1", "abc");
}

static void names_that_are_no_uid(void **state)
{
    static const char *const names[] = {"", ".", "..", "../x", "1/2", ".in-1", "1.2.json", "1..2", "a"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_null(arc_annotation_begin(annotations, names[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_false(arc_annotation_remove(annotations, names[i], &err));
    }
}

static void copies(void **state)
{
    static const char name[] = "source";
    FILE *file = fopen(at(name), "w");
    for (int i = 0; i < 100000; i++)
        fprintf(file, "%08d", i);
    fclose(file);
    int fd = open(at(name), O_RDONLY | O_CLOEXEC);
    ArcAnnotationPut *put = arc_annotation_begin(annotations, "2.25.1", &err);
    assert_true(arc_annotation_copy(put, fd, 800000, &err));
    assert_int_equal(arc_annotation_size(put), 800000);
    assert_string_equal(arc_annotation_uid(put), "2.25.1");
    assert_true(arc_annotation_commit(put, arena, &of_instance, NULL, &err));
    put = arc_annotation_begin(annotations, "2.25.2", &err);
    lseek(fd, 0, SEEK_SET);
    assert_false(arc_annotation_copy(put, fd, 799999, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    arc_annotation_abandon(put);
    close(fd);
    assert_int_equal(count_files("notes/deep"), 2);
}

static void removing(void **state)
{
    keep("2.25.1", "abc");
    keep("2.25.2", "def");
    assert_true(arc_annotation_remove(annotations, "2.25.1", &err));
    assert_false(is_known("2.25.1"));
    assert_int_equal(count_files("notes/deep"), 2);
    assert_false(arc_annotation_remove(annotations, "2.25.1", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(unlink(at("notes/deep/2.25.2")), 0);
    assert_true(arc_annotation_remove(annotations, "2.25.2", &err));
    assert_false(is_known("2.25.2"));
    keep("2.25.1", "again");
    assert_content("2.25.1", "again");
}

/* What a process leaves that dies on the way in or out. */
static void what_was_left_is_settled(void **state)
{
    keep("2.25.1", "abc");
    assert_int_equal(link(at("notes/deep/2.25.1"), at("notes/deep/.in-2.25.1")), 0);
    arc_annotation_abandon(begin("2.25.2", "half"));
    FILE *file = fopen(at("notes/deep/.in-2.25.2"), "w");
    fputs("half", file);
    fclose(file);
    assert_int_equal(link(at("notes/deep/.in-2.25.2"), at("notes/deep/2.25.2")), 0);
    file = fopen(at("notes/deep/2.25.2.json"), "w");
    fputs("{\"uid_anno", file);
    fclose(file);
    assert_int_equal(symlink("/etc/passwd", at("notes/deep/.in-2.25.3")), 0);
    reopen();
    assert_int_equal(unlink(at("notes/deep/.in-2.25.3")), 0);
    assert_int_equal(count_files("notes/deep"), 2);
    assert_content("2.25.1", "abc");
}

/* The same when it is asked for again before a restart; what somebody is at is left alone. */
static void what_was_left_is_no_obstacle(void **state)
{
    keep("2.25.1", "abc");
    assert_int_equal(link(at("notes/deep/2.25.1"), at("notes/deep/.in-2.25.1")), 0);
    int fd = open(at("notes/deep/.in-2.25.1"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_false(arc_annotation_remove(annotations, "2.25.1", &err));
    assert_int_equal(err.code, ERR_EXISTS);
    reopen();
    assert_int_equal(count_files("notes/deep"), 3);
    close(fd);
    assert_true(arc_annotation_remove(annotations, "2.25.1", &err));
    assert_int_equal(count_files("notes/deep"), 0);
}

static void forget_rows(const char *uid)
{
    IdxSettings like = index_settings;
    Index *index = idx_open(&like, &err);
    assert_non_null(index);
    assert_true(idx_begin(index, &err));
    assert_true(idx_annotation_remove(index, uid, &err));
    assert_true(idx_note_set(index, arena_printf(arena, "annotations:%s", at("notes/deep")), "", &err));
    assert_true(idx_commit(index, &err));
    idx_close(index);
}

static void rows_that_were_lost_come_again(void **state)
{
    IdxAnnotation before = keep("2.25.1", "abc"), after;
    keep("2.25.2", "def");
    forget_rows("2.25.1");
    assert_false(is_known("2.25.1"));
    /* Even one that was on its way when the power failed. */
    assert_int_equal(link(at("notes/deep/2.25.1"), at("notes/deep/.in-2.25.1")), 0);
    reopen();
    assert_true(idx_annotation(arc_index(archive), arena, "2.25.1", &after, &err));
    assert_string_equal(after.name, before.name);
    assert_string_equal(after.media_type, before.media_type);
    assert_string_equal(after.author, before.author);
    assert_string_equal(after.source, before.source);
    assert_int_equal(after.level, before.level);
    assert_int_equal(after.end_us, before.end_us);
    assert_memory_equal(after.sha256, before.sha256, sizeof after.sha256);
    assert_content("2.25.1", "abc");
    assert_int_equal(count_files("notes/deep"), 4);
}

static void notes(void **state)
{
    IdxAnnotation a = of_instance, b;
    a.uid = "2.25.1";
    a.size = 5000000000;
    a.begin_us = 1;
    a.end_us = 2;
    memset(a.sha256, 0xA5, sizeof a.sha256);
    Buf text;
    buf_init(&text, 0);
    annotation_note_write(&a, &text);
    assert_true(annotation_note_read(arena, buf_span(&text), &b));
    assert_string_equal(b.name, a.name);
    assert_int_equal(b.size, a.size);
    assert_memory_equal(a.sha256, b.sha256, sizeof a.sha256);
    for (size_t n = 0; n + 2 < text.n; n++)
        assert_false(annotation_note_read(arena, span_sub(buf_span(&text), 0, n), &b));
    static const char *const spoil[] = {"2.25.1", "instance", "1.2.3.4.5", "5000000000", "a5a5", "jane"};
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        char *copy = arena_span_cstr(arena, buf_span(&text));
        char *found = strstr(copy, spoil[i]);
        assert_non_null(found);
        memset(found, '"', 1);
        assert_false(annotation_note_read(arena, span_cstr(copy), &b));
    }
    buf_free(&text);
}

static void a_database_that_was_restarted(void **state)
{
    keep("2.25.1", "abc");
    if (server) {
        server_stop(server, SIGQUIT);
        assert_true(server_start(server));
    }
    keep("2.25.2", "def");
    assert_true(arc_annotation_remove(annotations, "2.25.1", &err));
}

enum { WRITERS = 6, EACH = 8 };

static void *write_many(void *ctx)
{
    Arena *own = arena_new(0);
    for (int i = 0; i < EACH; i++) {
        Err why = {0};
        char *uid = arena_printf(own, "2.25.%d%d", *(int *)ctx, i);
        ArcAnnotationPut *put = arc_annotation_begin(annotations, uid, &why);
        IdxAnnotation a;
        bool wrong = *(int *)ctx == WRITERS; /* of nothing that is there: it fails, and nobody with it */
        IdxAnnotation what = of_instance;
        what.source = wrong ? "9.9.9" : what.source;
        bool ok = put && arc_annotation_write(put, span_cstr(uid), &why) &&
                  arc_annotation_commit(put, own, &what, &a, &why) != wrong &&
                  (wrong || i % 2 || arc_annotation_remove(annotations, uid, &why));
        if (!ok)
            return ctx;
    }
    arena_free(own);
    return NULL;
}

static void many_at_a_time(void **state)
{
    pthread_t threads[WRITERS];
    int numbers[WRITERS];
    void *said;
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], &said), 0);
        assert_null(said);
    }
    assert_int_equal(count_files("notes/deep"), (WRITERS - 1) * EACH);
    assert_content("2.25.11", "2.25.11");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_annotated, drop_annotated)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kept_and_given_back),
        TEST(nothing_is_left_of_what_failed),
        TEST(a_uid_is_used_once),
        TEST(names_that_are_no_uid),
        TEST(copies),
        TEST(removing),
        TEST(what_was_left_is_settled),
        TEST(what_was_left_is_no_obstacle),
        TEST(rows_that_were_lost_come_again),
        TEST(notes),
        TEST(a_database_that_was_restarted),
        TEST(many_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
