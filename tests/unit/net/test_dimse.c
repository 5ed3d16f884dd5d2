// SPDX-License-Identifier: MIT
/* dimse.c: commands recorded from DCMTK 3.6.7, every field there and back, what PS3.7 lets each field carry, and lies. */
#include "net/dimse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"

static const char echo_rq[] =
    "00000000 04000000 38000000 00000200 12000000 312e322e3834302e31303030382e312e3100"
    "00000001 02000000 3000 00001001 02000000 0100 00000008 02000000 0101";
static const char echo_rsp[] =
    "00000000 04000000 42000000 00000200 12000000 312e322e3834302e31303030382e312e3100"
    "00000001 02000000 3080 00002001 02000000 0100 00000008 02000000 0101 00000009 02000000 0000";

static NetCommand decode(Arena *arena, Span bytes)
{
    NetCommand out = {0};
    Err err = {0};
    if (!net_command_decode(arena, bytes, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static void commands_of_dcmtk(void **unused)
{
    static const char *const recorded[] = {echo_rq, echo_rsp};
    for (int i = 0; i < 2; i++) {
        Buf bytes, again;
        buf_init(&bytes, 0);
        buf_init(&again, 0);
        Arena *arena = arena_new(0);
        NetCommand c = decode(arena, hex(&bytes, recorded[i]));
        assert_int_equal(c.field, i == 0 ? NET_C_ECHO_RQ : NET_C_ECHO_RSP);
        assert_string_equal(c.sop_class, "1.2.840.10008.1.1");
        assert_int_equal(i == 0 ? c.message_id : c.responded_to, 1);
        assert_false(c.has_data_set);
        assert_int_equal(c.status, 0);
        assert_true(net_command_encode(&again, &c, NULL));
        assert_int_equal(again.n, bytes.n);
        assert_memory_equal(again.p, bytes.p, bytes.n);
        arena_free(arena);
        buf_free(&bytes);
        buf_free(&again);
    }
}

static const NetCommand full = {
    .message_id = 7,
    .responded_to = 6,
    .has_data_set = true,
    .status = 0xB000,
    .priority = 2,
    .sop_class = "1.2.840.10008.5.1.4.1.1.2",
    .sop_instance = "1.2.3.4",
    .move_destination = "ELSEWHERE",
    .move_originator = "MOVER",
    .move_originator_id = 99,
    .has_originator = true,
    .has_counters = true,
    .has_remaining = true,
    .remaining = 1,
    .completed = 2,
    .failed = 3,
    .warning = 4,
    .error_comment = "odd",
    .error_id = 5,
    .event_type = 8,
    .action_type = 9,
    .has_event_type = true,
    .has_action_type = true,
    .offending_elements = {(const uint8_t *)"\x10\0\x10\0", 4},
    .attribute_list = {(const uint8_t *)"\x10\0\x20\0\x10\0\x30\0", 8},
};

/* Tags of group 0000 that each field carries when all are set, PS3.7 §9.3 and §10.3. */
static const struct {
    uint16_t field;
    const char *name;
    uint16_t tags[20];
} carried[] = {
    {NET_C_STORE_RQ, "C-STORE-RQ", {0x0002, 0x0100, 0x0110, 0x0700, 0x0800, 0x1000, 0x1030, 0x1031}},
    {NET_C_STORE_RSP, "C-STORE-RSP", {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x1000}},
    {NET_C_FIND_RQ, "C-FIND-RQ", {0x0002, 0x0100, 0x0110, 0x0700, 0x0800}},
    {NET_C_FIND_RSP, "C-FIND-RSP", {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902}},
    {NET_C_GET_RQ, "C-GET-RQ", {0x0002, 0x0100, 0x0110, 0x0700, 0x0800}},
    {NET_C_GET_RSP,
     "C-GET-RSP",
     {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x1020, 0x1021, 0x1022, 0x1023}},
    {NET_C_MOVE_RQ, "C-MOVE-RQ", {0x0002, 0x0100, 0x0110, 0x0600, 0x0700, 0x0800}},
    {NET_C_MOVE_RSP,
     "C-MOVE-RSP",
     {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x1020, 0x1021, 0x1022, 0x1023}},
    {NET_C_ECHO_RQ, "C-ECHO-RQ", {0x0002, 0x0100, 0x0110, 0x0800}},
    {NET_C_ECHO_RSP, "C-ECHO-RSP", {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902}},
    {NET_C_CANCEL_RQ, "C-CANCEL-RQ", {0x0100, 0x0120, 0x0800}},
    {NET_N_EVENT_REPORT_RQ, "N-EVENT-REPORT-RQ", {0x0002, 0x0100, 0x0110, 0x0800, 0x1000, 0x1002}},
    {NET_N_EVENT_REPORT_RSP,
     "N-EVENT-REPORT-RSP",
     {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903, 0x1000, 0x1002}},
    {NET_N_GET_RQ, "N-GET-RQ", {0x0003, 0x0100, 0x0110, 0x0800, 0x1001, 0x1005}},
    {NET_N_GET_RSP, "N-GET-RSP", {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903, 0x1000}},
    {NET_N_SET_RQ, "N-SET-RQ", {0x0003, 0x0100, 0x0110, 0x0800, 0x1001}},
    {NET_N_SET_RSP, "N-SET-RSP", {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903, 0x1000}},
    {NET_N_ACTION_RQ, "N-ACTION-RQ", {0x0003, 0x0100, 0x0110, 0x0800, 0x1001, 0x1008}},
    {NET_N_ACTION_RSP,
     "N-ACTION-RSP",
     {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903, 0x1000, 0x1008}},
    {NET_N_CREATE_RQ, "N-CREATE-RQ", {0x0002, 0x0100, 0x0110, 0x0800, 0x1000}},
    {NET_N_CREATE_RSP,
     "N-CREATE-RSP",
     {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903, 0x1000}},
    {NET_N_DELETE_RQ, "N-DELETE-RQ", {0x0003, 0x0100, 0x0110, 0x0800, 0x1001}},
    {NET_N_DELETE_RSP,
     "N-DELETE-RSP",
     {0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903, 0x1000}},
};

static void check_order_and_length(const Buf *out, const uint16_t *tags)
{
    uint32_t group = (uint32_t)out->p[8] | (uint32_t)out->p[9] << 8;
    assert_int_equal(group, out->n - 12);
    size_t at = 12;
    for (size_t i = 0; i < 20 && tags[i]; i++) {
        assert_true(at + 8 <= out->n);
        assert_int_equal(out->p[at] | out->p[at + 1] << 8, 0);
        assert_int_equal(out->p[at + 2] | out->p[at + 3] << 8, tags[i]);
        size_t n = out->p[at + 4];
        assert_int_equal(n % 2, 0);
        at += 8 + n;
    }
    assert_int_equal(at, out->n);
}

static void each_field_carries_its_elements(void **unused)
{
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
        NetCommand c = full;
        c.field = carried[i].field;
        Buf out, again;
        buf_init(&out, 0);
        buf_init(&again, 0);
        Err err = {0};
        assert_true(net_command_encode(&out, &c, &err));
        check_order_and_length(&out, carried[i].tags);
        assert_string_equal(net_field_name(c.field), carried[i].name);
        /* Decoded and encoded again it is the same. */
        Arena *arena = arena_new(0);
        NetCommand back = decode(arena, buf_span(&out));
        assert_int_equal(back.field, c.field);
        assert_true(back.has_data_set);
        assert_true(net_command_encode(&again, &back, &err));
        assert_int_equal(again.n, out.n);
        assert_memory_equal(again.p, out.p, out.n);
        arena_free(arena);
        buf_free(&out);
        buf_free(&again);
    }
}

static void values_there_and_back(void **unused)
{
    Arena *arena = arena_new(0);
    Buf out;
    buf_init(&out, 0);
    NetCommand c = full, back;
    c.field = NET_C_STORE_RQ;
    assert_true(net_command_encode(&out, &c, NULL));
    back = decode(arena, buf_span(&out));
    assert_string_equal(back.sop_class, full.sop_class);
    assert_string_equal(back.sop_instance, full.sop_instance);
    assert_string_equal(back.move_originator, "MOVER");
    assert_int_equal(back.move_originator_id, 99);
    assert_true(back.has_originator);
    assert_int_equal(back.priority, 2);
    assert_int_equal(back.message_id, 7);
    buf_clear(&out);
    c.field = NET_C_MOVE_RSP;
    assert_true(net_command_encode(&out, &c, NULL));
    back = decode(arena, buf_span(&out));
    assert_true(back.has_counters && back.has_remaining);
    assert_int_equal(back.remaining * 1000 + back.completed * 100 + back.failed * 10 + back.warning, 1234);
    assert_int_equal(back.status, 0xB000);
    assert_string_equal(back.error_comment, "odd");
    assert_int_equal(back.offending_elements.n, 4);
    assert_memory_equal(back.offending_elements.p, "\x10\0\x10\0", 4);
    /* A final response has no "remaining". */
    buf_clear(&out);
    c.has_remaining = false;
    assert_true(net_command_encode(&out, &c, NULL));
    back = decode(arena, buf_span(&out));
    assert_true(back.has_counters);
    assert_false(back.has_remaining);
    arena_free(arena);
    buf_free(&out);
}

static void the_longest_values(void **unused)
{
    Arena *arena = arena_new(0);
    Buf out;
    buf_init(&out, 0);
    NetCommand c = {.field = NET_C_MOVE_RQ, .message_id = 1}, back;
    memset(c.sop_class, '1', 64);
    memset(c.move_destination, 'A', 16);
    assert_true(net_command_encode(&out, &c, NULL));
    back = decode(arena, buf_span(&out));
    assert_string_equal(back.sop_class, c.sop_class);
    assert_string_equal(back.move_destination, "AAAAAAAAAAAAAAAA");
    arena_free(arena);
    buf_free(&out);
}

static void what_is_tolerated(void **unused)
{
    static const char *const odd[] = {
        /* no group length */
        "00000200 12000000 312e322e3834302e31303030382e312e3100 00000001 02000000 3000 00001001 02000000 0100"
        "00000008 02000000 0101",
        /* a wrong one, and the order turned round */
        "00000000 04000000 ffff0000 00000008 02000000 0101 00001001 02000000 0100 00000001 02000000 3000"
        "00000200 12000000 312e322e3834302e31303030382e312e3100",
        /* explicit VR */
        "00000000 554c0400 38000000 00000200 55491200 312e322e3834302e31303030382e312e3100"
        "00000001 55530200 3000 00001001 55530200 0100 00000008 55530200 0101",
        /* a retired element, an unknown one, an empty one */
        "00000100 04000000 00000000 00000200 12000000 312e322e3834302e31303030382e312e3120"
        "00000001 02000000 3000 00001001 02000000 0100 00000007 00000000 00000008 02000000 0101"
        "0000ffff 02000000 abcd",
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        Buf bytes;
        buf_init(&bytes, 0);
        NetCommand c = decode(arena, hex(&bytes, odd[i]));
        assert_int_equal(c.field, NET_C_ECHO_RQ);
        assert_int_equal(c.message_id, 1);
        assert_string_equal(c.sop_class, "1.2.840.10008.1.1");
        buf_free(&bytes);
    }
    /* An error comment that is too long is cut, not refused. */
    Buf out;
    buf_init(&out, 0);
    hex(&out, "00000001 02000000 3080 00002001 02000000 0100 00000008 02000000 0101 00000209 64000000");
    for (int i = 0; i < 100; i++)
        buf_u8(&out, 'x');
    assert_int_equal(strlen(decode(arena, buf_span(&out)).error_comment), 64);
    buf_free(&out);
    arena_free(arena);
}

static void what_is_refused(void **unused)
{
    static const struct {
        const char *bytes, *says;
    } bad[] = {
        {"", "CommandField is missing"},
        {"00001001 02000000 0100 00000008 02000000 0101", "CommandField is missing"},
        {"00000001 02000000 3000 00000008 02000000 0101", "MessageID is missing"},
        {"00000001 02000000 3080 00001001 02000000 0100 00000008 02000000 0101",
         "MessageIDBeingRespondedTo is missing"},
        {"00000001 02000000 FF0F 00000008 02000000 0101", "MessageIDBeingRespondedTo is missing"},
        {"00000001 02000000 3000 00001001 02000000 0100", "CommandDataSetType is missing"},
        {"00000001 02000000 3412 00001001 02000000 0100 00000008 02000000 0101", "1234 is not known"},
        {"00000001 04000000 30000000", "CommandField is not one 2-byte number"},
        {"00000008 01000000 01", "CommandDataSetType is not one"},
        {"00000001 02000000 30", "claims 2 bytes"},
        {"00000001 ffffffff 3000", "claims 4294967295 bytes"},
        {"000000", "more than there are"},
        {"10000000 02000000 3000", "is not an element of group 0000"},
        {"00000200 42000000 "
         "3131313131313131313131313131313131313131313131313131313131313131313131313131313131"
         "31313131313131313131313131313131313131313131313131",
         "AffectedSOPClassUID is too long"},
        {"00000200 04000000 31002e31", "holds a NUL"},
        {"00000109 03000000 000000", "OffendingElement is not a list of tags"},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Buf bytes;
        buf_init(&bytes, 0);
        NetCommand c = {.priority = 77};
        Err err = {0};
        assert_false(net_command_decode(arena, hex(&bytes, bad[i].bytes), &c, &err));
        if (!strstr(err.text, bad[i].says))
            fail_msg("case %zu: expected \"%s\" in \"%s\"", i, bad[i].says, err.text);
        assert_int_equal(c.priority, 77);
        buf_free(&bytes);
    }
    arena_free(arena);
    Buf out;
    buf_init(&out, 0);
    Err err = {0};
    assert_false(net_command_encode(&out, &(NetCommand){.field = 0x1234}, &err));
    assert_int_equal(err.code, ERR_USAGE);
    NetCommand odd = {.field = NET_N_GET_RQ, .attribute_list = {(const uint8_t *)"abc", 3}};
    assert_false(net_command_encode(&out, &odd, &err));
    buf_free(&out);
}

static void cut_at_every_byte(void **unused)
{
    NetCommand c = full;
    c.field = NET_C_STORE_RQ;
    Buf out;
    buf_init(&out, 0);
    assert_true(net_command_encode(&out, &c, NULL));
    size_t whole = 0;
    for (size_t n = 0; n < out.n; n++) {
        Arena *arena = arena_new(0);
        uint8_t *tight = malloc(n ? n : 1);
        memcpy(tight, out.p, n);
        NetCommand back = {0};
        Err err = {0};
        whole += net_command_decode(arena, span_of(tight, n), &back, &err);
        assert_true(back.field == NET_C_STORE_RQ || err.code != ERR_NONE);
        free(tight);
        arena_free(arena);
    }
    /* It may end behind the data set type, the instance or the originator; each of those is an element that nothing else needs. */
    assert_int_equal(whole, 3);
    buf_free(&out);
}

static void responses(void **unused)
{
    NetCommand rq = full;
    rq.field = NET_N_ACTION_RQ;
    rq.context_id = 9;
    NetCommand rsp = net_response_to(&rq, 0x0110);
    assert_int_equal(rsp.field, NET_N_ACTION_RSP);
    assert_int_equal(rsp.context_id, 9);
    assert_int_equal(rsp.responded_to, 7);
    assert_int_equal(rsp.status, 0x0110);
    assert_string_equal(rsp.sop_class, rq.sop_class);
    assert_string_equal(rsp.sop_instance, rq.sop_instance);
    assert_true(rsp.has_action_type);
    assert_int_equal(rsp.action_type, 9);
    assert_false(rsp.has_data_set || rsp.has_counters);
    assert_string_equal(net_field_name(0x7777), "unknown command");
    assert_true(NET_IS_RESPONSE(rsp.field));
    assert_false(NET_IS_RESPONSE(rq.field));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_dcmtk),     cmocka_unit_test(each_field_carries_its_elements),
        cmocka_unit_test(values_there_and_back), cmocka_unit_test(the_longest_values),
        cmocka_unit_test(what_is_tolerated),     cmocka_unit_test(what_is_refused),
        cmocka_unit_test(cut_at_every_byte),     cmocka_unit_test(responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
