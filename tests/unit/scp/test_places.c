// SPDX-License-Identifier: MIT
/* Who has to make room, of many that say nothing, without any of them being there. */
#include "scp/server_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static ScpServer server;
static Connection all[3 * MAX_WAITING];

/* The next one, before the others on the list. */
static Connection *come(const char *network, unsigned number)
{
    Connection *c = &all[server.connection_count++];
    *c = (Connection){.server = &server, .fd = -1, .next = server.connections};
    snprintf(c->from.host, sizeof c->from.host, "%s%x", network, number);
    places_know(c);
    server.connections = c;
    return c;
}

static int setup(void **state)
{
    server = (ScpServer){.connection_count = 0};
    return 0;
}

static bool room_for(const char *host)
{
    NetAddress from = {.port = 1};
    snprintf(from.host, sizeof from.host, "%s", host);
    return places_for_silent(&server, &from);
}

static unsigned cut(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < server.connection_count; i++)
        n += all[i].cut;
    return n;
}

static void the_oldest_of_the_greediest_address(void **state)
{
    Connection *quiet = come("10.0.0.", 1), *first = come("10.0.0.", 2);
    while (server.connection_count < MAX_WAITING - 1)
        come("10.0.0.", 2);
    assert_true(room_for("10.0.0.3"));
    assert_int_equal(cut(), 0);
    come("10.0.0.", 3);
    assert_true(room_for("10.0.0.2"));
    assert_true(first->cut && !quiet->cut);
    assert_int_equal(cut(), 1);
}

/* It has each address once, as the quiet one has. */
static void one_with_many_addresses_of_its_network(void **state)
{
    Connection *quiet = come("10.0.0.", 1), *neighbour = come("fd00:0:0:1::", 1);
    while (server.connection_count < MAX_WAITING + 20) {
        come("fd00::", server.connection_count);
        if (server.connection_count > MAX_WAITING)
            assert_true(room_for("fd00::ffff"));
    }
    assert_int_equal(cut(), 20);
    assert_false(quiet->cut || neighbour->cut);
}

/* In one network it is the address that has most, as among networks. */
static void one_address_among_its_neighbours(void **state)
{
    Connection *neighbour = come("fd00::", 1), *first = come("fd00::", 2);
    while (server.connection_count < MAX_WAITING)
        come("fd00::", 2);
    assert_true(room_for("fd00::3"));
    assert_true(first->cut && !neighbour->cut);
}

/* Who lingers holds no place and is nobody that says nothing; of those beyond so many each keeps its place. */
static void only_so_many_linger(void **state)
{
    ScpAssociation a = {.server = &server};
    server.open_now = metric_gauge("test_places", "For this test.", "");
    for (unsigned i = 0; i < 3 * MAX_WAITING; i++) {
        Connection *c = come("10.0.0.", 1);
        c->counted = true;
        atomic_fetch_add(&server.associations, 1);
        a.connection = c;
        assert_int_equal(scp_give_place_back(&a), i < MAX_LINGERING);
    }
    assert_int_equal(scp_associations(&server), 3 * MAX_WAITING - MAX_LINGERING);
    assert_true(room_for("10.0.0.1"));
    assert_int_equal(cut(), 0);
    for (unsigned i = 0; i < 3 * MAX_WAITING; i++)
        places_leave(&all[i]);
    assert_int_equal(scp_associations(&server), 0);
    assert_int_equal(server.lingering, 0);
}

static void who_has_one_waits_where_there_are_too_many(void **state)
{
    while (server.connection_count < 2 * MAX_WAITING)
        come("10.0.0.", 1);
    assert_false(room_for("10.0.0.1"));
    assert_true(room_for("10.0.0.2"));
    while (server.connection_count < 3 * MAX_WAITING)
        come("10.0.0.", 2);
    assert_false(room_for("10.0.0.3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_oldest_of_the_greediest_address, setup),
        cmocka_unit_test_setup(one_with_many_addresses_of_its_network, setup),
        cmocka_unit_test_setup(one_address_among_its_neighbours, setup),
        cmocka_unit_test_setup(only_so_many_linger, setup),
        cmocka_unit_test_setup(who_has_one_waits_where_there_are_too_many, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
