// SPDX-License-Identifier: MIT
/*
 * Every cell of PS3.8 table 9-10, as the standard prints it: a row per event, a column per state. What an action means is written down here from
 * tables 9-6 to 9-9, apart from the sources.
 */
#include "net/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    NetEvent event;
    const char *row;
} table_9_10[] = {
    {NET_EV_ASSOCIATE_REQUEST, "AE-1 - - - - - - - - - - - -"},
    {NET_EV_CONNECTED, "- - - AE-2 - - - - - - - - -"},
    {NET_EV_PDU_ASSOCIATE_AC, "- AA-1 AA-8 - AE-3 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6"},
    {NET_EV_PDU_ASSOCIATE_RJ, "- AA-1 AA-8 - AE-4 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6"},
    {NET_EV_ACCEPTED_CONNECTION, "AE-5 - - - - - - - - - - - -"},
    {NET_EV_PDU_ASSOCIATE_RQ, "- AE-6 AA-8 - AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-7"},
    {NET_EV_ACCEPT, "- - AE-7 - - - - - - - - - -"},
    {NET_EV_REJECT, "- - AE-8 - - - - - - - - - -"},
    {NET_EV_PDATA_REQUEST, "- - - - - DT-1 - AR-7 - - - - -"},
    {NET_EV_PDU_PDATA, "- AA-1 AA-8 - AA-8 DT-2 AR-6 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6"},
    {NET_EV_RELEASE_REQUEST, "- - - - - AR-1 - - - - - - -"},
    {NET_EV_PDU_RELEASE_RQ, "- AA-1 AA-8 - AA-8 AR-2 AR-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6"},
    {NET_EV_PDU_RELEASE_RP, "- AA-1 AA-8 - AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6"},
    {NET_EV_RELEASE_RESPONSE, "- - - - - - - AR-4 AR-9 - - AR-4 -"},
    {NET_EV_ABORT_REQUEST, "- - AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 -"},
    {NET_EV_PDU_ABORT, "- AA-2 AA-3 - AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-2"},
    {NET_EV_CLOSED, "- AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AR-5"},
    {NET_EV_ARTIM, "- AA-2 - - - - - - - - - - AA-2"},
    {NET_EV_PDU_INVALID, "- AA-1 AA-8 - AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-7"},
};

static const struct {
    const char *name;
    unsigned what;
    int next; /* 0: stays; 9: Sta9 for the requestor, Sta10 for the acceptor */
} actions[] = {
    {"-", NET_DO_ILLEGAL, 0},
    {"AE-1", NET_DO_CONNECT, 4},
    {"AE-2", NET_DO_SEND, 5},
    {"AE-3", NET_DO_INDICATE, 6},
    {"AE-4", NET_DO_INDICATE | NET_DO_CLOSE, 1},
    {"AE-5", NET_DO_START_ARTIM, 2},
    {"AE-6", NET_DO_STOP_ARTIM | NET_DO_INDICATE, 3},
    {"AE-7", NET_DO_SEND, 6},
    {"AE-8", NET_DO_SEND | NET_DO_START_ARTIM, 13},
    {"DT-1", NET_DO_SEND, 6},
    {"DT-2", NET_DO_INDICATE, 6},
    {"AR-1", NET_DO_SEND, 7},
    {"AR-2", NET_DO_INDICATE, 8},
    {"AR-3", NET_DO_INDICATE | NET_DO_CLOSE, 1},
    {"AR-4", NET_DO_SEND_RELEASE_RP | NET_DO_START_ARTIM, 13},
    {"AR-5", NET_DO_STOP_ARTIM, 1},
    {"AR-6", NET_DO_INDICATE, 7},
    {"AR-7", NET_DO_SEND, 8},
    {"AR-8", NET_DO_INDICATE, 9},
    {"AR-9", NET_DO_SEND_RELEASE_RP, 11},
    {"AR-10", NET_DO_INDICATE, 12},
    {"AA-1", NET_DO_SEND_ABORT | NET_DO_START_ARTIM, 13},
    {"AA-2", NET_DO_STOP_ARTIM | NET_DO_CLOSE, 1},
    {"AA-3", NET_DO_INDICATE_ABORT | NET_DO_CLOSE, 1},
    {"AA-4", NET_DO_INDICATE_ABORT, 1},
    {"AA-5", NET_DO_STOP_ARTIM, 1},
    {"AA-6", NET_DO_IGNORE, 13},
    {"AA-7", NET_DO_SEND_ABORT, 13},
    {"AA-8", NET_DO_SEND_ABORT | NET_DO_INDICATE_ABORT | NET_DO_START_ARTIM, 13},
};

static size_t action_named(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0)
            return i;
    fail_msg("no action %s", name);
    return 0;
}

static void check_cell(NetEvent event, int state, const char *name, bool requestor)
{
    size_t action = action_named(name);
    int next = actions[action].next;
    if (next == 0)
        next = state;
    else if (strcmp(name, "AR-8") == 0)
        next = requestor ? 9 : 10;
    NetMachine machine = {(NetState)state, requestor};
    unsigned got = net_machine_event(&machine, event);
    if (got != actions[action].what || (int)machine.state != next)
        fail_msg("%s in %s: expected %s (%x, Sta%d), got %x, Sta%d", net_event_name(event),
                 net_state_name((NetState)state), name, actions[action].what, next, got, machine.state);
    assert_int_equal(machine.requestor, requestor);
}

static void every_cell_of_table_9_10(void **unused)
{
    size_t rows = sizeof table_9_10 / sizeof *table_9_10;
    assert_int_equal(rows, NET_EVENT_COUNT);
    for (size_t i = 0; i < rows; i++) {
        char row[128], *rest = row;
        snprintf(row, sizeof row, "%s", table_9_10[i].row);
        for (int state = 1; state <= 13; state++) {
            const char *name = strsep(&rest, " ");
            assert_non_null(name);
            check_cell(table_9_10[i].event, state, name, true);
            check_cell(table_9_10[i].event, state, name, false);
        }
        assert_null(rest);
    }
}

static void a_whole_life(void **unused)
{
    static const struct {
        bool requestor;
        NetEvent events[8];
        int states[8];
    } lives[] = {
        {true,
         {NET_EV_ASSOCIATE_REQUEST, NET_EV_CONNECTED, NET_EV_PDU_ASSOCIATE_AC, NET_EV_PDATA_REQUEST,
          NET_EV_PDU_PDATA, NET_EV_RELEASE_REQUEST, NET_EV_PDU_RELEASE_RP},
         {4, 5, 6, 6, 6, 7, 1}},
        {false,
         {NET_EV_ACCEPTED_CONNECTION, NET_EV_PDU_ASSOCIATE_RQ, NET_EV_ACCEPT, NET_EV_PDU_PDATA,
          NET_EV_PDU_RELEASE_RQ, NET_EV_PDATA_REQUEST, NET_EV_RELEASE_RESPONSE, NET_EV_CLOSED},
         {2, 3, 6, 6, 8, 8, 13, 1}},
        /* Collision as each side lives it. */
        {true,
         {NET_EV_ASSOCIATE_REQUEST, NET_EV_CONNECTED, NET_EV_PDU_ASSOCIATE_AC, NET_EV_RELEASE_REQUEST,
          NET_EV_PDU_RELEASE_RQ, NET_EV_RELEASE_RESPONSE, NET_EV_PDU_RELEASE_RP},
         {4, 5, 6, 7, 9, 11, 1}},
        {false,
         {NET_EV_ACCEPTED_CONNECTION, NET_EV_PDU_ASSOCIATE_RQ, NET_EV_ACCEPT, NET_EV_RELEASE_REQUEST,
          NET_EV_PDU_RELEASE_RQ, NET_EV_PDU_RELEASE_RP, NET_EV_RELEASE_RESPONSE, NET_EV_CLOSED},
         {2, 3, 6, 7, 10, 12, 13, 1}},
    };
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        NetMachine machine;
        net_machine_init(&machine, lives[i].requestor);
        assert_int_equal(machine.state, NET_STA1_IDLE);
        for (size_t step = 0; step < 8 && lives[i].states[step]; step++) {
            unsigned what = net_machine_event(&machine, lives[i].events[step]);
            assert_false(what & NET_DO_ILLEGAL);
            assert_int_equal(machine.state, lives[i].states[step]);
        }
    }
}

static void every_state_and_event_has_a_name(void **unused)
{
    for (int state = 1; state <= 13; state++) {
        char begins[8];
        snprintf(begins, sizeof begins, "Sta%d ", state);
        assert_memory_equal(net_state_name((NetState)state), begins, strlen(begins));
    }
    assert_string_equal(net_state_name((NetState)14), "?");
    for (int event = 0; event < NET_EVENT_COUNT; event++)
        for (int other = 0; other < event; other++)
            assert_string_not_equal(net_event_name((NetEvent)event), net_event_name((NetEvent)other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_table_9_10),
        cmocka_unit_test(a_whole_life),
        cmocka_unit_test(every_state_and_event_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
