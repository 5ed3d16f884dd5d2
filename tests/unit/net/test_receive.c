// SPDX-License-Identifier: MIT
/* receive.c, upper.c and accept.c against a raw requestor: what a peer may do, what it may not, and what happens when it does nothing. */
#include "peers.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static atomic_int receptions;

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    atomic_fetch_add(&receptions, 1);
    return syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);
}

static const char echo_pdu[] =
    "04000000004a 00000046 01 03 0000000004000000380000000000020012000000312e322e3834302e31303030382e312e3100"
    "000000010200000030000000100102000000010000000008020000000101";
static const char release_pdu[] = "050000000004 00000000";

static Service service_with(int64_t acse_ms, int64_t dimse_ms)
{
    return (Service){.policy = {.max_pdu = 20000, .timeouts = {.acse_ms = acse_ms, .dimse_ms = dimse_ms}}};
}

/* -- what a peer may do -- */

static void every_byte_in_a_segment_of_its_own(void **unused)
{
    Service s = {0};
    int fd = service_over_pair(&s);
    Buf all;
    buf_init(&all, 0);
    NetContext context = {.id = 1,
                          .abstract_syntax = SPAN(VERIFICATION),
                          .transfer_syntaxes = &(Span){(const uint8_t *)IMPLICIT, sizeof IMPLICIT - 1},
                          .transfer_syntax_count = 1};
    NetAssociate rq = {.protocol_version = 1,
                       .called_ae = SPAN("CALLED"),
                       .calling_ae = SPAN("SLOW"),
                       .application_context = SPAN("1.2.840.10008.3.1.1.1"),
                       .contexts = &context,
                       .context_count = 1};
    net_associate_encode(&all, NET_A_ASSOCIATE_RQ, &rq, NULL);
    hex(&all, echo_pdu);
    hex(&all, echo_pdu);
    hex(&all, release_pdu);
    for (size_t i = 0; i < all.n; i++) {
        raw_write(fd, all.p + i, 1);
        if (i % 16 == 0)
            sched_yield();
    }
    raw_expect_type(fd, NET_A_ASSOCIATE_AC);
    raw_expect_type(fd, NET_P_DATA_TF);
    raw_expect_type(fd, NET_P_DATA_TF);
    raw_expect_type(fd, NET_A_RELEASE_RP);
    close(fd);
    service_join(&s);
    assert_int_equal(s.commands, 2);
    assert_int_equal(s.end, NET_GOT_RELEASE);
    buf_free(&all);
}

static void fragments_of_all_sizes(void **unused)
{
    Service s = {0};
    int fd = service_over_pair(&s);
    raw_associate(fd, 0);
    NetCommand rq = {.field = NET_C_STORE_RQ,
                     .context_id = CT_ID,
                     .message_id = 1,
                     .has_data_set = true,
                     .sop_class = CT_STORAGE,
                     .sop_instance = "1.2.3"};
    Buf command;
    buf_init(&command, 0);
    net_command_encode(&command, &rq, NULL);
    /* The command in fragments of seven bytes, the data in growing ones, several PDVs per PDU, an empty last one. */
    for (size_t at = 0; at < command.n; at += 7)
        raw_pdv(fd, CT_ID, true, at + 7 >= command.n, span_sub(buf_span(&command), at, 7));
    uint8_t data[5000];
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31);
        sum += data[i] * (uint64_t)(i + 1);
    }
    raw_pdv(fd, CT_ID, false, false, span_of(data, 1));
    raw_pdv(fd, CT_ID, false, false, span_of(data + 1, 999));
    Buf pdu;
    buf_init(&pdu, 0);
    hex(&pdu, "040000000fb2"); /* 6 + 2000, 6 + 2000, 6: two pieces and an empty end */
    for (int i = 0; i < 2; i++) {
        hex(&pdu, "000007d2 03 00");
        buf_append(&pdu, data + 1000 + 2000 * i, 2000);
    }
    hex(&pdu, "00000002 03 02");
    raw_write(fd, pdu.p, pdu.n);
    raw_expect_type(fd, NET_P_DATA_TF);
    raw_send(fd, release_pdu);
    raw_expect_type(fd, NET_A_RELEASE_RP);
    close(fd);
    service_join(&s);
    assert_int_equal(s.commands, 1);
    assert_int_equal(s.bytes, sizeof data);
    assert_true(s.sum == sum);
    assert_string_equal(s.last.sop_instance, "1.2.3");
    buf_free(&command);
    buf_free(&pdu);
}

/* -- what it may not, once associated -- */

static const struct {
    const char *bytes;
    uint8_t reason;
    const char *says;
} violations[] = {
    {"63000000000400000000", NET_ABORT_UNRECOGNISED_PDU, "no DICOM PDU"},
    {"474554202f20485454502f312e31", NET_ABORT_UNRECOGNISED_PDU, "no DICOM PDU"},
    {"0100000000cd", NET_ABORT_UNEXPECTED_PDU, "A-ASSOCIATE-RQ"},
    {"0200000000cd", NET_ABORT_UNEXPECTED_PDU, "A-ASSOCIATE-AC"},
    {"0100ffffffff", NET_ABORT_UNEXPECTED_PDU, "A-ASSOCIATE-RQ"},
    {"03000000000400010101", NET_ABORT_UNEXPECTED_PDU, "A-ASSOCIATE-RJ"},
    {"06000000000400000000", NET_ABORT_UNEXPECTED_PDU, "A-RELEASE-RP"},
    {"05000000000500000000", NET_ABORT_INVALID_PARAMETER, "A-RELEASE-RQ of 5 bytes"},
    {"07000000000000000000", NET_ABORT_INVALID_PARAMETER, "A-ABORT of 0 bytes"},
    {"0400ffffffff", NET_ABORT_INVALID_PARAMETER, "P-DATA-TF of 4294967295 bytes"},
    {"040000010000", NET_ABORT_INVALID_PARAMETER, "P-DATA-TF of 65536 bytes"},
    {"040000000000", NET_ABORT_INVALID_PARAMETER, "P-DATA-TF of 0 bytes"},
    {"040000000005 0000000101", NET_ABORT_INVALID_PARAMETER, "P-DATA-TF of 5 bytes"},
    {"04000000000a 00000007 01 03 00000000", NET_ABORT_INVALID_PARAMETER, "claims 7 bytes where 6"},
    {"04000000000a 00000001 01 03 00000000", NET_ABORT_INVALID_PARAMETER, "claims 1 bytes"},
    {"04000000000a ffffffff 01 03 00000000", NET_ABORT_INVALID_PARAMETER, "claims 4294967295"},
    /* a second PDV with less than a header */
    {"04000000000c 00000004 01 01 00000000 0000", NET_ABORT_INVALID_PARAMETER, "too few for a PDV"},
    {"040000000006 00000002 05 03", NET_ABORT_INVALID_PARAMETER, "not accepted (context 5)"},
    {"040000000006 00000002 00 03", NET_ABORT_INVALID_PARAMETER, "not accepted"},
    {"040000000008 00000004 03 02 0000", NET_ABORT_UNEXPECTED_PARAMETER, "data set without a command"},
    {"040000000008 00000004 03 01 0000 040000000008 00000004 01 01 0000", NET_ABORT_UNEXPECTED_PARAMETER,
     "mixed"},
    {"040000000008 00000004 03 01 0000 040000000008 00000004 03 00 0000", NET_ABORT_UNEXPECTED_PARAMETER,
     "data set without"},
    {"040000000008 00000004 03 01 0000 050000000004 00000000", NET_ABORT_UNEXPECTED_PDU,
     "release in the middle"},
    /* a command that is none */
    {"040000000006 00000002 03 03", NET_ABORT_INVALID_PARAMETER, "CommandField is missing"},
    {"04000000000a 00000006 03 03 deadbeef", NET_ABORT_INVALID_PARAMETER, "command set"},
};

static void violations_are_answered_by_abort(void **unused)
{
    for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
        Service s = service_with(2000, 2000);
        int fd = service_over_pair(&s);
        raw_associate(fd, 0);
        raw_send(fd, violations[i].bytes);
        raw_expect_abort(fd, NET_ABORT_BY_PROVIDER, violations[i].reason);
        close(fd);
        service_join(&s);
        assert_int_equal(s.end, NET_GOT_END);
        if (!strstr(s.err.text, violations[i].says))
            fail_msg("case %zu: expected \"%s\" in \"%s\"", i, violations[i].says, s.err.text);
    }
}

static void raw_store_command(int fd)
{
    NetCommand rq = {.field = NET_C_STORE_RQ,
                     .context_id = CT_ID,
                     .message_id = 1,
                     .has_data_set = true,
                     .sop_class = CT_STORAGE,
                     .sop_instance = "1.2.3"};
    raw_command(fd, &rq);
}

static void violations_inside_a_data_set(void **unused)
{
    static const struct {
        const char *bytes;
        uint8_t reason;
        const char *says;
    } cases[] = {
        {"040000000008 00000004 03 03 0000", NET_ABORT_UNEXPECTED_PARAMETER, "a command before the end"},
        {"040000000008 00000004 01 00 0000", NET_ABORT_UNEXPECTED_PARAMETER, "mixed"},
        {"050000000004 00000000", NET_ABORT_UNEXPECTED_PDU, "release in the middle"},
        {"04000000000a 000000ff 03 00 0000", NET_ABORT_INVALID_PARAMETER, "claims 255"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Service s = service_with(2000, 2000);
        int fd = service_over_pair(&s);
        raw_associate(fd, 0);
        raw_store_command(fd);
        raw_pdv(fd, CT_ID, false, false, SPAN("some"));
        raw_send(fd, cases[i].bytes);
        raw_expect_abort(fd, NET_ABORT_BY_PROVIDER, cases[i].reason);
        close(fd);
        service_join(&s);
        assert_int_equal(s.bytes, 4);
        assert_non_null(strstr(s.err.text, cases[i].says));
    }
}

static void a_command_without_end(void **unused)
{
    Service s = service_with(2000, 2000);
    int fd = service_over_pair(&s);
    raw_associate(fd, 0);
    static uint8_t zeros[10000];
    for (int i = 0; i < 7; i++)
        raw_pdv(fd, CT_ID, true, false, span_of(zeros, sizeof zeros));
    raw_expect_abort(fd, NET_ABORT_BY_PROVIDER, NET_ABORT_INVALID_PARAMETER);
    close(fd);
    service_join(&s);
    assert_int_equal(s.err.code, ERR_LIMIT);
}

/* -- before the association -- */

static void no_request_at_all(void **unused)
{
    /* Table 9-10, Sta2: AA-1, an abort whose source is the service user. */
    static const char *const first[] = {
        "16030100c8010000c4", /* a TLS hello */
        "0400000000080000000403030000",
        "050000000004",
        "0200000000cd",
        "01000fffffff",
        "010000000044 0001", /* the fixed part and no item: its zeros are sent below */
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        Service s = service_with(2000, 2000);
        int fd = service_over_pair(&s);
        raw_send(fd, first[i]);
        if (i == 5) {
            static uint8_t zeros[0x42];
            raw_write(fd, zeros, sizeof zeros);
            raw_expect_type(fd, NET_A_ASSOCIATE_RJ); /* version 1, but no application context */
        } else {
            raw_expect_abort(fd, NET_ABORT_BY_USER, NET_ABORT_NO_REASON);
        }
        close(fd);
        service_join(&s);
        assert_false(s.associated);
        assert_true(s.err.text[0] != 0);
    }
}

static void requests_that_lie(void **unused)
{
    static const char *const bodies[] = {
        "010000000010 00010000000000000000000000000000",
        /* fixed part right, then an item that claims too much */
        "01000000004a 0001 0000 41524348495645202020202020202020 4d4f44414c4954592020202020202020"
        "0000000000000000000000000000000000000000000000000000000000000000 10000099 3131",
    };
    for (size_t i = 0; i < 2; i++) {
        Service s = service_with(2000, 2000);
        int fd = service_over_pair(&s);
        raw_send(fd, bodies[i]);
        raw_expect_abort(fd, NET_ABORT_BY_USER, NET_ABORT_NO_REASON);
        close(fd);
        service_join(&s);
        assert_int_equal(s.err.code, ERR_FORMAT);
    }
}

static void requests_that_are_not_ours_to_serve(void **unused)
{
    static const struct {
        uint16_t version;
        const char *context;
        uint32_t max_pdu;
        NetReject reject;
    } cases[] = {
        {2, "1.2.840.10008.3.1.1.1", 16384, {1, 2, 2}}, {0, "1.2.840.10008.3.1.1.1", 16384, {1, 2, 2}},
        {1, "1.2.840.10008.3.1.1.2", 16384, {1, 1, 2}}, {1, "", 16384, {1, 1, 2}},
        {1, "1.2.840.10008.3.1.1.1", 7, {1, 2, 1}},     {1, "1.2.840.10008.3.1.1.1", 1, {1, 2, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Service s = service_with(2000, 2000);
        int fd = service_over_pair(&s);
        NetAssociate rq = {.protocol_version = cases[i].version,
                           .called_ae = SPAN("A"),
                           .calling_ae = SPAN("B"),
                           .application_context = span_cstr(cases[i].context),
                           .max_pdu = cases[i].max_pdu};
        Buf pdu;
        buf_init(&pdu, 0);
        net_associate_encode(&pdu, NET_A_ASSOCIATE_RQ, &rq, NULL);
        raw_write(fd, pdu.p, pdu.n);
        assert_true(raw_pdu(fd, &pdu));
        assert_int_equal(pdu.p[0], NET_A_ASSOCIATE_RJ);
        assert_memory_equal(pdu.p + 7, &cases[i].reject, 3);
        close(fd);
        service_join(&s);
        assert_int_equal(s.err.code, ERR_REFUSED);
        buf_free(&pdu);
    }
}

/* -- time -- */

static void a_peer_that_never_asks(void **unused)
{
    static const char *const begun[] = {"", "01", "0100000000cd 0001"};
    for (size_t i = 0; i < 3; i++) {
        Service s = service_with(100, 5000);
        int64_t start = clock_ms();
        int fd = service_over_pair(&s);
        raw_send(fd, begun[i]);
        raw_expect_end(fd); /* ARTIM in Sta2: closed without a word */
        assert_true(clock_ms() - start >= 90);
        close(fd);
        service_join(&s);
        assert_int_equal(s.err.code, ERR_TIMEOUT);
    }
}

static void a_message_that_stops(void **unused)
{
    static const char *const begun[] = {"0400", "04000000004a", "04000000004a 00000046 01 03 0000",
                                        "040000000008 00000004 01 01 0000"};
    for (size_t i = 0; i < 4; i++) {
        Service s = service_with(2000, 100);
        int fd = service_over_pair(&s);
        raw_associate(fd, 0);
        raw_send(fd, begun[i]);
        raw_expect_abort(fd, NET_ABORT_BY_PROVIDER, NET_ABORT_NO_REASON);
        close(fd);
        service_join(&s);
        assert_int_equal(s.end, NET_GOT_END);
        assert_int_equal(s.err.code, ERR_TIMEOUT);
        assert_non_null(strstr(s.err.text, "in the middle of"));
    }
}

static void a_message_that_is_cut(void **unused)
{
    static const char *const begun[] = {"04", "04000000004a", "04000000004a 00000046 01 03 0000", ""};
    for (size_t i = 0; i < 4; i++) {
        Service s = service_with(2000, 2000);
        int fd = service_over_pair(&s);
        raw_associate(fd, 0);
        raw_send(fd, begun[i]);
        close(fd);
        service_join(&s);
        assert_int_equal(s.end, NET_GOT_END);
        assert_int_equal(s.err.code, ERR_CLOSED);
    }
}

static void idle_then_go_on(void **unused)
{
    Service s = {0};
    NetAssociation *a = associate_over(service_over_pair(&s));
    NetCommand c;
    Err err = {0};
    int64_t start = clock_ms();
    assert_int_equal(net_receive(a, &c, deadline_in(50), &err), NET_GOT_NOTHING);
    assert_true(clock_ms() - start >= 45);
    assert_int_equal(net_receive(a, &c, deadline_in(0), NULL), NET_GOT_NOTHING);
    expect_echo(a);
    release_and_free(a);
    service_join(&s);
}

static void *interrupt_soon(void *a)
{
    clock_sleep_ms(50);
    net_association_interrupt(a);
    return NULL;
}

static void interrupted_by_another_thread(void **unused)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    raw_request(fds[1], 0);
    NetPolicy policy = {.admit = take_everyone, .decide = take_first};
    Err err = {0};
    NetAssociation *a = net_accept(net_stream_of_fd(fds[0]), &policy, &err);
    assert_non_null(a);
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt_soon, a);
    NetCommand c;
    assert_int_equal(net_receive(a, &c, CLOCK_NEVER, &err), NET_GOT_END);
    assert_int_equal(err.code, ERR_CLOSED);
    pthread_join(thread, NULL);
    net_association_free(a);
    close(fds[1]);
}

/* -- data sets -- */

typedef struct Room {
    size_t n;                /* as the test wants it */
    size_t there, elsewhere; /* bytes that came, and where */
    int wrong, objects;
} Room;

static uint8_t made_up(size_t at)
{
    return (uint8_t)(at * 2654435761u >> 13);
}

static void talk_into_room(Service *s, NetAssociation *a)
{
    Room *room = s->ctx;
    uint8_t *p = malloc(room->n + 1);
    while ((s->end = net_receive(a, &s->last, deadline_in(20000), &s->err)) == NET_GOT_COMMAND) {
        size_t at = 0;
        Span piece;
        while (net_data_next_into(a, room->n ? p : NULL, room->n, &piece, &s->err) && piece.n) {
            bool there = piece.p == p;
            *(there ? &room->there : &room->elsewhere) += piece.n;
            room->wrong += there && piece.n > room->n;
            for (size_t i = 0; i < piece.n; i++)
                room->wrong += piece.p[i] != made_up(at + i);
            at += piece.n;
        }
        room->objects++;
        NetCommand response = net_response_to(&s->last, 0);
        if (!net_send(a, &response, NULL, &s->err))
            break;
    }
    free(p);
}

/* Fragments of 32 KiB and more come to the room that is offered, but for what came with a header; those of less never do. */
static void large_fragments_come_to_the_room(void **unused)
{
    enum { SIZE = 1000000, SMALL = 700, MOST_ELSEWHERE = 2000 };
    static const struct {
        size_t room;
        uint32_t max_pdu;
        bool there;
    } cases[] = {{4096, 0, true},
                 {300000, 0, true},
                 {999, 40000, true},
                 {0, 0, false},
                 {300000, 20000, false},
                 {100, 32 * 1024 + 5, false},
                 {SIZE + 1, 32 * 1024 + 6, true}};
    uint8_t *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = made_up(i);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Room room = {.n = cases[i].room};
        Service s = {.talk = talk_into_room, .ctx = &room, .policy = {.max_pdu = cases[i].max_pdu}};
        NetAssociation *a = associate_over(service_over_pair(&s));
        size_t sizes[] = {SIZE, SMALL, SIZE, 0, SIZE}, sum = 0;
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            Span data = span_of(bytes, sizes[k]);
            NetCommand rq = store_request(a);
            assert_true(net_send(a, &rq, &data, NULL));
            expect_response(a, NET_C_STORE_RSP, rq.message_id);
            sum += sizes[k];
        }
        release_and_free(a);
        service_join(&s);
        assert_int_equal(room.objects, sizeof sizes / sizeof *sizes);
        assert_int_equal(room.wrong, 0);
        assert_int_equal(room.there + room.elsewhere, sum);
        if (cases[i].there)
            assert_true(room.elsewhere <= 3 * MOST_ELSEWHERE + SMALL);
        else
            assert_int_equal(room.there, 0);
    }
    free(bytes);
}

/* A large fragment, a small one in the same PDU and another in the next, byte by byte. */
static void fragments_into_room_in_drips(void **unused)
{
    enum { LARGE = 40000, SMALL = 5, LAST = 3 };
    Room room = {.n = 1000};
    Service s = {.talk = talk_into_room, .ctx = &room};
    int fd = service_over_pair(&s);
    raw_associate(fd, 0);
    raw_store_command(fd);
    Buf all;
    buf_init(&all, 0);
    buf_u8(&all, NET_P_DATA_TF);
    buf_u8(&all, 0);
    buf_u32be(&all, 6 + LARGE + 6 + SMALL);
    size_t sizes[] = {LARGE, SMALL, LAST}, at = 0;
    for (size_t k = 0; k < 3; k++) {
        if (k == 2)
            hex(&all, "040000000009");
        buf_u32be(&all, (uint32_t)(2 + sizes[k]));
        buf_u8(&all, CT_ID);
        buf_u8(&all, k == 2 ? 2 : 0);
        for (size_t i = 0; i < sizes[k]; i++)
            buf_u8(&all, made_up(at++));
    }
    size_t whole = all.n - 100; /* the end of the large one, and what follows */
    raw_write(fd, all.p, whole);
    for (size_t i = whole; i < all.n; i++) {
        raw_write(fd, all.p + i, 1);
        sched_yield();
    }
    raw_expect_type(fd, NET_P_DATA_TF);
    raw_send(fd, release_pdu);
    raw_expect_type(fd, NET_A_RELEASE_RP);
    close(fd);
    service_join(&s);
    assert_int_equal(room.objects, 1);
    assert_int_equal(room.wrong, 0);
    assert_int_equal(room.there + room.elsewhere, LARGE + SMALL + LAST);
    assert_true(room.there > LARGE - 1000);
    buf_free(&all);
}

static void talk_taking_the_room_away(Service *s, NetAssociation *a)
{
    uint8_t room[1000];
    int *more = s->ctx;
    Span piece = {0};
    net_receive(a, &s->last, deadline_in(5000), &s->err);
    while (piece.p != room && net_data_next_into(a, room, sizeof room, &piece, &s->err) && piece.n)
        s->bytes += piece.n;
    int before = atomic_load(&receptions);
    if (net_data_skip(a, &s->err))
        *more = atomic_load(&receptions) - before;
    s->end = net_receive(a, &s->last, deadline_in(5000), &s->err);
}

/* Who gives up in the middle of a large fragment has the rest read in large pieces all the same. */
static void room_that_is_taken_away(void **unused)
{
    enum { SIZE = 200000, MANY = 1000 };
    int more = MANY;
    Service s = {.talk = talk_taking_the_room_away, .ctx = &more};
    NetAssociation *a = associate_over(service_over_pair(&s));
    uint8_t *bytes = calloc(1, SIZE);
    Span data = span_of(bytes, SIZE);
    NetCommand rq = store_request(a);
    assert_true(net_send(a, &rq, &data, NULL));
    release_and_free(a);
    service_join(&s);
    assert_true(s.bytes > 0 && s.bytes < SIZE);
    assert_true(more < MANY);
    assert_int_equal(s.end, NET_GOT_RELEASE);
    free(bytes);
}

/* Waiting for what is to come there ends as it does elsewhere: the peer is gone, or says nothing more. */
static void a_large_fragment_that_stops(void **unused)
{
    for (int gone = 0; gone < 2; gone++) {
        Room room = {.n = 100000};
        Service s = service_with(2000, 100);
        s.policy.max_pdu = 0;
        s.talk = talk_into_room;
        s.ctx = &room;
        int fd = service_over_pair(&s);
        raw_associate(fd, 0);
        raw_store_command(fd);
        raw_send(fd, "04000000ea66 0000ea62 03 00 00");
        if (gone)
            close(fd);
        else
            raw_expect_type(fd, NET_A_ABORT);
        service_join(&s);
        assert_int_equal(s.err.code, gone ? ERR_CLOSED : ERR_TIMEOUT);
        assert_int_equal(room.there + room.elsewhere, 1);
        if (!gone)
            close(fd);
    }
}

static void talk_limits(Service *s, NetAssociation *a)
{
    Buf out;
    buf_init(&out, 0);
    int *results = s->ctx;
    NetCommand c;
    /* The first is taken whole, the second is too long, the third is left unread. */
    net_receive(a, &c, deadline_in(5000), NULL);
    results[0] = net_data_all(a, 100, &out, &s->err) && span_eq_cstr(buf_span(&out), "0123456789");
    net_receive(a, &c, deadline_in(5000), NULL);
    results[1] = !net_data_all(a, 9, &out, &s->err) && s->err.code == ERR_LIMIT;
    results[2] = net_is_open(a);
    net_receive(a, &c, deadline_in(5000), NULL);
    results[3] = net_receive(a, &c, deadline_in(5000), NULL) == NET_GOT_COMMAND && c.field == NET_C_ECHO_RQ;
    Span none;
    results[4] = net_data_next(a, &none, NULL) && none.n == 0;
    s->end = net_receive(a, &c, deadline_in(5000), &s->err);
    buf_free(&out);
}

static void data_sets_to_a_limit(void **unused)
{
    int results[5] = {0};
    Service s = {.talk = talk_limits, .ctx = results};
    NetAssociation *a = associate_over(service_over_pair(&s));
    Span data = SPAN("0123456789");
    for (int i = 0; i < 3; i++) {
        NetCommand rq = store_request(a);
        assert_true(net_send(a, &rq, &data, NULL));
    }
    NetCommand echo = echo_request(a);
    assert_true(net_send(a, &echo, NULL, NULL));
    release_and_free(a);
    service_join(&s);
    for (int i = 0; i < 5; i++)
        if (!results[i])
            fail_msg("step %d", i);
    assert_int_equal(s.end, NET_GOT_RELEASE);
}

/* -- drips -- */

/* `n` bytes of a data set, 20 ms apart: as many as it takes, at most 500. False when the service cut it off. */
static bool drips(int fd, size_t n, int times)
{
    static const uint8_t data[1000];
    NetCommand rq = {.field = NET_C_STORE_RQ,
                     .context_id = CT_ID,
                     .message_id = 1,
                     .has_data_set = true,
                     .sop_class = CT_STORAGE,
                     .sop_instance = "1.2.3"};
    raw_command(fd, &rq);
    for (int i = 0; i < times; i++) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        raw_pdv(fd, CT_ID, false, i == times - 1, span_of(data, n));
        if (poll(&one, 1, 20) > 0)
            return i == times - 1;
    }
    return true;
}

static void senders_that_drip(void **unused)
{
    for (int fast = 0; fast < 2; fast++) {
        Service s = service_with(20000, 20000);
        s.policy.timeouts.min_rate = 1000;
        s.policy.timeouts.rate_ms = 200;
        int fd = service_over_pair(&s);
        raw_associate(fd, 0);
        assert_int_equal(drips(fd, fast ? 1000 : 1, fast ? 40 : 500), fast);
        raw_expect_type(fd, fast ? NET_P_DATA_TF : NET_A_ABORT);
        close(fd);
        service_join(&s);
        if (!fast)
            assert_non_null(strstr(s.err.text, "too slowly"));
    }
}

/* -- cancel -- */

static NetCommand cancel_of(uint16_t message_id)
{
    return (NetCommand){.field = NET_C_CANCEL_RQ, .context_id = 1, .responded_to = message_id};
}

typedef struct Accepted {
    int fd;
    NetAssociation *a;
} Accepted;

/* Our acceptor and a raw requestor in one thread: what the raw side wrote lies in the socket. */
static Accepted accepted(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    raw_request(fds[1], 0);
    NetPolicy policy = {
        .admit = take_everyone, .decide = take_first, .timeouts = {.acse_ms = 1000, .dimse_ms = 1000}};
    NetAssociation *a = net_accept(net_stream_of_fd(fds[0]), &policy, NULL);
    assert_non_null(a);
    raw_expect_type(fds[1], NET_A_ASSOCIATE_AC);
    return (Accepted){fds[1], a};
}

static void done_with(Accepted t)
{
    close(t.fd);
    net_association_free(t.a);
}

static void cancel_is_seen_without_waiting(void **unused)
{
    Accepted t = accepted();
    bool ended = true;
    int64_t start = clock_ms();
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_false(ended);
    assert_true(clock_ms() - start < 500);
    NetCommand cancel = cancel_of(5);
    raw_command(t.fd, &cancel);
    assert_true(net_cancelled(t.a, 5, &ended));
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_false(ended);
    done_with(t);
}

static void cancel_that_comes_in_pieces(void **unused)
{
    Accepted t = accepted();
    Buf out;
    buf_init(&out, 0);
    NetCommand cancel = cancel_of(5);
    uint8_t header[12];
    bool ended;
    buf_reserve(&out, 12);
    out.n = 12;
    net_command_encode(&out, &cancel, NULL);
    net_pdata_header(header, 1, true, true, (uint32_t)out.n - 12);
    memcpy(out.p, header, 12);
    for (size_t i = 0; i + 1 < out.n; i++) {
        raw_write(t.fd, out.p + i, 1);
        assert_false(net_cancelled(t.a, 5, &ended));
        assert_false(ended);
    }
    raw_write(t.fd, out.p + out.n - 1, 1);
    assert_true(net_cancelled(t.a, 5, &ended));
    buf_free(&out);
    done_with(t);
}

static void other_commands_wait_their_turn(void **unused)
{
    Accepted t = accepted();
    bool ended;
    NetCommand other = cancel_of(4), cancel = cancel_of(5), c;
    raw_send(t.fd, echo_pdu);
    raw_command(t.fd, &other);
    raw_command(t.fd, &cancel);
    raw_store_command(t.fd);
    raw_pdv(t.fd, CT_ID, false, true, SPAN("data"));
    assert_true(net_cancelled(t.a, 5, &ended));
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_true(net_cancelled(t.a, 4, &ended)); /* was queued */
    assert_int_equal(net_receive(t.a, &c, deadline_in(1000), NULL), NET_GOT_COMMAND);
    assert_int_equal(c.field, NET_C_ECHO_RQ);
    assert_true(net_data_skip(t.a, NULL)); /* it has none: the data set behind the next command stays */
    assert_int_equal(net_receive(t.a, &c, deadline_in(1000), NULL), NET_GOT_COMMAND);
    assert_int_equal(c.field, NET_C_STORE_RQ);
    Buf data;
    buf_init(&data, 0);
    assert_true(net_data_all(t.a, 100, &data, NULL));
    assert_true(span_eq_cstr(buf_span(&data), "data"));
    assert_int_equal(net_receive(t.a, &c, deadline_in(0), NULL), NET_GOT_NOTHING);
    buf_free(&data);
    done_with(t);
}

static void too_many_commands_meanwhile(void **unused)
{
    Accepted t = accepted();
    bool ended;
    for (int i = 0; i < 16; i++)
        raw_send(t.fd, echo_pdu);
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_false(ended);
    raw_send(t.fd, echo_pdu);
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_true(ended);
    raw_expect_abort(t.fd, NET_ABORT_BY_PROVIDER, NET_ABORT_NO_REASON);
    done_with(t);
}

static void the_end_while_working(void **unused)
{
    Accepted t = accepted();
    bool ended;
    raw_send(t.fd, "070000000004 00000000");
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_true(ended);
    NetCommand c;
    Err err = {0};
    assert_int_equal(net_receive(t.a, &c, deadline_in(0), &err), NET_GOT_END);
    assert_non_null(strstr(err.text, "aborted by service user"));
    done_with(t);

    t = accepted();
    close(t.fd);
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_true(ended);
    net_association_free(t.a);

    /* A release that comes early is answered when net_receive is called; until then responses can go out. */
    t = accepted();
    raw_send(t.fd, release_pdu);
    assert_false(net_cancelled(t.a, 5, &ended));
    assert_false(ended);
    assert_true(net_is_open(t.a));
    NetCommand rsp = {.field = NET_C_ECHO_RSP, .context_id = 1, .responded_to = 1};
    assert_true(net_send(t.a, &rsp, NULL, &err));
    shutdown(t.fd, SHUT_WR);
    assert_int_equal(net_receive(t.a, &c, deadline_in(0), &err), NET_GOT_RELEASE);
    raw_expect_type(t.fd, NET_P_DATA_TF);
    raw_expect_type(t.fd, NET_A_RELEASE_RP);
    done_with(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_in_a_segment_of_its_own),
        cmocka_unit_test(senders_that_drip),
        cmocka_unit_test(fragments_of_all_sizes),
        cmocka_unit_test(violations_are_answered_by_abort),
        cmocka_unit_test(violations_inside_a_data_set),
        cmocka_unit_test(a_command_without_end),
        cmocka_unit_test(no_request_at_all),
        cmocka_unit_test(requests_that_lie),
        cmocka_unit_test(requests_that_are_not_ours_to_serve),
        cmocka_unit_test(a_peer_that_never_asks),
        cmocka_unit_test(a_message_that_stops),
        cmocka_unit_test(a_message_that_is_cut),
        cmocka_unit_test(idle_then_go_on),
        cmocka_unit_test(interrupted_by_another_thread),
        cmocka_unit_test(data_sets_to_a_limit),
        cmocka_unit_test(large_fragments_come_to_the_room),
        cmocka_unit_test(fragments_into_room_in_drips),
        cmocka_unit_test(a_large_fragment_that_stops),
        cmocka_unit_test(room_that_is_taken_away),
        cmocka_unit_test(cancel_is_seen_without_waiting),
        cmocka_unit_test(cancel_that_comes_in_pieces),
        cmocka_unit_test(other_commands_wait_their_turn),
        cmocka_unit_test(too_many_commands_meanwhile),
        cmocka_unit_test(the_end_while_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
