// SPDX-License-Identifier: MIT
/* px/place: files come whole or not at all, and no name leads out of the folder. */
#include "px/place.h"

#include "base/arena.h"
#include "base/file.h"

#include <fcntl.h>
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

typedef struct Room {
    Arena *arena;
    char folder[24];
    PxPlace place;
} Room;

static int set_up(void **state)
{
    Room *room = calloc(1, sizeof *room);
    room->arena = arena_new(0);
    span_copy(span_cstr("/tmp/place-XXXXXX"), room->folder, sizeof room->folder);
    assert_non_null(mkdtemp(room->folder));
    assert_true(px_place_open(&room->place, arena_printf(room->arena, "%s/in", room->folder), true, NULL));
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    Room *room = *state;
    px_place_close(&room->place);
    rmdir(arena_printf(room->arena, "%s/in", room->folder));
    rmdir(room->folder);
    arena_free(room->arena);
    free(room);
    return 0;
}

static bool put(Room *room, const char *name, const char *text, Err *err)
{
    PxPlaced placed;
    return px_placed_begin(&room->place, name, &placed, err) &&
           px_placed_write(&placed, span_cstr(text), err) && px_placed_end(&placed, err);
}

static char *get(Room *room, const char *name)
{
    int fd;
    uint64_t size;
    char *text = arena_alloc(room->arena, 100);
    assert_true(px_place_read(&room->place, name, &fd, &size, NULL));
    if (fd < 0)
        return NULL;
    assert_true(size < 100 && read(fd, text, 99) == (ssize_t)size);
    close(fd);
    return text;
}

static size_t count_hidden;
static bool count(void *ctx, const char *path, Err *err)
{
    count_hidden += strrchr(path, '/')[1] == '.';
    return true;
}

static void in_its_place(void **state)
{
    Room *room = *state;
    assert_true(put(room, "a/b/c.txt", "one", NULL));
    assert_true(put(room, "a/b/d.txt", "two", NULL));
    assert_true(put(room, "top.txt", "three", NULL));
    assert_true(put(room, "a/b/c.txt", "four", NULL));
    assert_true(px_place_settle(&room->place, NULL));
    assert_string_equal(get(room, "a/b/c.txt"), "four");
    assert_string_equal(get(room, "top.txt"), "three");
    assert_null(get(room, "a/b/x.txt"));
    assert_null(get(room, "no/where"));
    count_hidden = 0;
    assert_true(file_walk(room->folder, false, count, NULL, NULL));
    assert_int_equal(count_hidden, 0);
    assert_true(px_place_remove(&room->place, "a/b/c.txt", NULL));
    assert_string_equal(get(room, "a/b/d.txt"), "two");
    assert_true(px_place_remove(&room->place, "a/b/d.txt", NULL));
    assert_int_not_equal(access(arena_printf(room->arena, "%s/in/a", room->folder), F_OK), 0);
    assert_true(px_place_remove(&room->place, "top.txt", NULL));
    assert_true(px_place_remove(&room->place, "top.txt", NULL));
}

static void what_is_given_up_leaves_nothing(void **state)
{
    Room *room = *state;
    PxPlaced placed;
    assert_true(px_placed_begin(&room->place, "x", &placed, NULL));
    assert_true(px_placed_write(&placed, SPAN("half"), NULL));
    assert_true(px_placed_restart(&placed, NULL));
    assert_true(px_placed_write(&placed, SPAN("no"), NULL));
    px_placed_abandon(&placed);
    assert_null(get(room, "x"));
    assert_true(px_placed_begin(&room->place, "y", &placed, NULL));
    assert_true(px_placed_write(&placed, SPAN("longer"), NULL));
    assert_true(px_placed_restart(&placed, NULL));
    assert_true(px_placed_write(&placed, SPAN("ok"), NULL));
    assert_true(px_placed_end(&placed, NULL));
    assert_string_equal(get(room, "y"), "ok");
    count_hidden = 0;
    assert_true(file_walk(room->folder, false, count, NULL, NULL));
    assert_int_equal(count_hidden, 0);
    assert_true(px_place_remove(&room->place, "y", NULL));
}

static size_t hidden_in(Room *room)
{
    count_hidden = 0;
    assert_true(file_walk(room->folder, false, count, NULL, NULL));
    return count_hidden;
}

/* Who is killed while writing leaves nothing, where the file system has files without names. */
static void what_is_not_ended_has_no_name(void **state)
{
    Room *room = *state;
    PxPlaced placed;
    int probe = open(room->folder, O_TMPFILE | O_RDWR, 0600);
    if (probe < 0)
        skip();
    close(probe);
    assert_true(put(room, "x", "old", NULL));
    assert_true(px_placed_begin(&room->place, "x", &placed, NULL));
    assert_true(px_placed_write(&placed, SPAN("new"), NULL));
    assert_int_equal(hidden_in(room), 0);
    assert_string_equal(get(room, "x"), "old");
    assert_true(px_placed_end(&placed, NULL));
    assert_int_equal(hidden_in(room), 0);
    assert_string_equal(get(room, "x"), "new");
    assert_true(px_place_remove(&room->place, "x", NULL));
}

static void another_name_of_a_file(void **state)
{
    Room *room = *state;
    const char *path = arena_printf(room->arena, "%s/in/source", room->folder);
    PxPlaced placed;
    struct stat one, other;
    assert_true(put(room, "source", "text", NULL));
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    for (int again = 0; again < 2; again++) { /* the second time both are names of it already */
        assert_true(px_placed_begin(&room->place, "link", &placed, NULL));
        assert_true(px_placed_link(&placed, fd));
        assert_true(px_placed_end(&placed, NULL));
        assert_int_equal(hidden_in(room), 0);
    }
    assert_int_equal(stat(path, &one), 0);
    assert_int_equal(stat(arena_printf(room->arena, "%s/in/link", room->folder), &other), 0);
    assert_int_equal(one.st_ino, other.st_ino);
    close(fd);
    fd = open("/proc/self/status", O_RDONLY); /* elsewhere: nothing has changed */
    assert_true(px_placed_begin(&room->place, "copy", &placed, NULL));
    assert_false(px_placed_link(&placed, fd));
    assert_true(px_placed_write(&placed, SPAN("copy"), NULL));
    assert_true(px_placed_end(&placed, NULL));
    assert_string_equal(get(room, "copy"), "copy");
    close(fd);
    static const char *const names[] = {"source", "link", "copy"};
    for (size_t i = 0; i < 3; i++)
        assert_true(px_place_remove(&room->place, names[i], NULL));
}

/* The reason is why it cannot be made, not that it is not there; and no name is told. */
static void folders_that_cannot_be_made(void **state)
{
    Room *room = *state;
    Err err = {0};
    const char *in = arena_printf(room->arena, "%s/in", room->folder);
    uid_t we = geteuid();
    assert_int_equal(chmod(in, 0555), 0);
    if (we == 0)
        assert_int_equal(seteuid(65534), 0);
    bool made = put(room, "Doe^John/x", "x", &err);
    assert_int_equal(seteuid(we), 0);
    assert_int_equal(chmod(in, 0755), 0);
    assert_false(made);
    assert_non_null(strstr(err.text, "Permission denied"));
    assert_null(strstr(err.text, "Doe"));
    assert_true(put(room, "Doe^John", "x", &err));
    int fd;
    uint64_t size;
    err = (Err){0};
    assert_false(px_place_read(&room->place, "Doe^John/x", &fd, &size, &err));
    assert_null(strstr(err.text, "Doe"));
    assert_true(px_place_remove(&room->place, "Doe^John", NULL));
}

static void names_that_lead_out(void **state)
{
    static const char *const names[] = {"",      "/etc/x", "../x",   "a/../../x",
                                        "a/./b", "a//b",   "link/x", "linkfile/x"};
    Room *room = *state;
    const char *link = arena_printf(room->arena, "%s/in/link", room->folder);
    const char *file = arena_printf(room->arena, "%s/in/linkfile", room->folder);
    assert_int_equal(symlink("/tmp", link), 0);
    assert_int_equal(symlink("/etc/passwd", file), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Err err = {0};
        int fd = -1;
        uint64_t size;
        assert_false(put(room, names[i], "x", &err));
        assert_true(*err.text);
        if (px_place_read(&room->place, names[i], &fd, &size, NULL))
            assert_int_equal(fd, -1);
    }
    int fd = -1;
    uint64_t size;
    assert_false(px_place_read(&room->place, "linkfile", &fd, &size, NULL));
    assert_true(put(room, "linkfile", "mine", NULL)); /* the link is replaced, not followed */
    assert_string_equal(get(room, "linkfile"), "mine");
    unlink(link);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_given_up_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_ended_has_no_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_name_of_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_that_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_lead_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
