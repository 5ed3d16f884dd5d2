// SPDX-License-Identifier: MIT
/* px/place: files come whole or not at all, and no name leads out of the folder. */
#include "px/place.h"

#include "base/arena.h"
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
        cmocka_unit_test_setup_teardown(names_that_lead_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
