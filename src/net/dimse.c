// SPDX-License-Identifier: MIT
/*
 * Command sets, PS3.7 §6.3.1, E.1: elements of group 0000 in implicit VR little endian: group (2), element (2), length (4), value.
 *
 * `elements` is the one table: tag, type, member of NetCommand, and the fields that use the element (PS3.7 tables 9.3-1 to 9.3-14 and 10.3-1 to
 * 10.3-12). Encoding walks it in tag order; decoding looks an element up in it. (0000,0000) and (0000,0800) are computed.
 */
#include "net/dimse.h"

#include "base/cursor.h"
#include "dicom/tag.h"

#include <stdio.h>
#include <string.h>

enum { TAG_GROUP_LENGTH = 0x0000, TAG_DATA_SET_TYPE = 0x0800 };
enum { NO_DATA_SET = 0x0101, WITH_DATA_SET = 0x0001 };

typedef enum Kind { NUMBER, TEXT, COMMENT, TAGS } Kind;

/* Bits of the fields that use an element: an operation has one for its request and one for its response. */
enum {
    STORE = 1 << 0,
    FIND = 1 << 1,
    GET = 1 << 2,
    MOVE = 1 << 3,
    ECHO = 1 << 4,
    REPORT = 1 << 5,
    N_GET = 1 << 6,
    SET = 1 << 7,
    ACTION = 1 << 8,
    CREATE = 1 << 9,
    DELETE = 1 << 10,
    ALL = (1 << 11) - 1,
    CANCEL = 1 << 30,
    C_ALL = STORE | FIND | GET | MOVE | ECHO,
    N_ALL = ALL & ~C_ALL,
    N_REQUESTED = N_GET | SET | ACTION | DELETE, /* operate on a *requested* instance */
};
#define RQ(operations)  ((uint32_t)(operations))
#define RSP(operations) ((uint32_t)(operations) << 11)

typedef struct Element {
    uint16_t tag; /* in group 0000 */
    Kind kind;
    size_t member, size;
    size_t present; /* of a bool that says whether the number is there; ALWAYS or IF_NOT_EMPTY otherwise */
    uint32_t fields;
    const char *name;
} Element;

#define ALWAYS    SIZE_MAX
#define M(name)   offsetof(NetCommand, name), sizeof(((NetCommand *)0)->name)
#define HAS(name) offsetof(NetCommand, name)

/* clang-format off */
static const Element elements[] = {
    {0x0002, TEXT, M(sop_class), 0, RQ(C_ALL | REPORT | CREATE) | RSP(ALL), "AffectedSOPClassUID"},
    {0x0003, TEXT, M(sop_class), 0, RQ(N_REQUESTED), "RequestedSOPClassUID"},
    {0x0100, NUMBER, M(field), ALWAYS, RQ(ALL) | RSP(ALL) | CANCEL, "CommandField"},
    {0x0110, NUMBER, M(message_id), ALWAYS, RQ(ALL), "MessageID"},
    {0x0120, NUMBER, M(responded_to), ALWAYS, RSP(ALL) | CANCEL, "MessageIDBeingRespondedTo"},
    {0x0600, TEXT, M(move_destination), 0, RQ(MOVE), "MoveDestination"},
    {0x0700, NUMBER, M(priority), ALWAYS, RQ(STORE | FIND | GET | MOVE), "Priority"},
    {0x0900, NUMBER, M(status), ALWAYS, RSP(ALL), "Status"},
    {0x0901, TAGS, M(offending_elements), 0, RSP(ALL), "OffendingElement"},
    {0x0902, COMMENT, M(error_comment), 0, RSP(ALL), "ErrorComment"},
    {0x0903, NUMBER, M(error_id), 0, RSP(N_ALL), "ErrorID"},
    {0x1000, TEXT, M(sop_instance), 0, RQ(STORE | REPORT | CREATE) | RSP(STORE | N_ALL), "AffectedSOPInstanceUID"},
    {0x1001, TEXT, M(sop_instance), 0, RQ(N_REQUESTED), "RequestedSOPInstanceUID"},
    {0x1002, NUMBER, M(event_type), HAS(has_event_type), RQ(REPORT) | RSP(REPORT), "EventTypeID"},
    {0x1005, TAGS, M(attribute_list), 0, RQ(N_GET), "AttributeIdentifierList"},
    {0x1008, NUMBER, M(action_type), HAS(has_action_type), RQ(ACTION) | RSP(ACTION), "ActionTypeID"},
    {0x1020, NUMBER, M(remaining), HAS(has_remaining), RSP(GET | MOVE), "NumberOfRemainingSuboperations"},
    {0x1021, NUMBER, M(completed), HAS(has_counters), RSP(GET | MOVE), "NumberOfCompletedSuboperations"},
    {0x1022, NUMBER, M(failed), HAS(has_counters), RSP(GET | MOVE), "NumberOfFailedSuboperations"},
    {0x1023, NUMBER, M(warning), HAS(has_counters), RSP(GET | MOVE), "NumberOfWarningSuboperations"},
    {0x1030, TEXT, M(move_originator), 0, RQ(STORE), "MoveOriginatorApplicationEntityTitle"},
    {0x1031, NUMBER, M(move_originator_id), HAS(has_originator), RQ(STORE), "MoveOriginatorMessageID"},
};

static const struct FieldRow {
    uint16_t field;
    uint32_t bit;
    const char *name;
} fields[] = {
    {NET_C_STORE_RQ, RQ(STORE), "C-STORE-RQ"},          {NET_C_STORE_RSP, RSP(STORE), "C-STORE-RSP"},
    {NET_C_GET_RQ, RQ(GET), "C-GET-RQ"},                {NET_C_GET_RSP, RSP(GET), "C-GET-RSP"},
    {NET_C_FIND_RQ, RQ(FIND), "C-FIND-RQ"},             {NET_C_FIND_RSP, RSP(FIND), "C-FIND-RSP"},
    {NET_C_MOVE_RQ, RQ(MOVE), "C-MOVE-RQ"},             {NET_C_MOVE_RSP, RSP(MOVE), "C-MOVE-RSP"},
    {NET_C_ECHO_RQ, RQ(ECHO), "C-ECHO-RQ"},             {NET_C_ECHO_RSP, RSP(ECHO), "C-ECHO-RSP"},
    {NET_C_CANCEL_RQ, CANCEL, "C-CANCEL-RQ"},
    {NET_N_EVENT_REPORT_RQ, RQ(REPORT), "N-EVENT-REPORT-RQ"},
    {NET_N_EVENT_REPORT_RSP, RSP(REPORT), "N-EVENT-REPORT-RSP"},
    {NET_N_GET_RQ, RQ(N_GET), "N-GET-RQ"},              {NET_N_GET_RSP, RSP(N_GET), "N-GET-RSP"},
    {NET_N_SET_RQ, RQ(SET), "N-SET-RQ"},                {NET_N_SET_RSP, RSP(SET), "N-SET-RSP"},
    {NET_N_ACTION_RQ, RQ(ACTION), "N-ACTION-RQ"},       {NET_N_ACTION_RSP, RSP(ACTION), "N-ACTION-RSP"},
    {NET_N_CREATE_RQ, RQ(CREATE), "N-CREATE-RQ"},       {NET_N_CREATE_RSP, RSP(CREATE), "N-CREATE-RSP"},
    {NET_N_DELETE_RQ, RQ(DELETE), "N-DELETE-RQ"},       {NET_N_DELETE_RSP, RSP(DELETE), "N-DELETE-RSP"},
};
/* clang-format on */

enum { ELEMENT_COUNT = sizeof elements / sizeof *elements, FIELD_COUNT = sizeof fields / sizeof *fields };

static const struct FieldRow *field_row(uint16_t field)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].field == field)
            return &fields[i];
    return NULL;
}

const char *net_field_name(uint16_t field)
{
    const struct FieldRow *row = field_row(field);
    return row ? row->name : "unknown command";
}

static const Element *element_of(uint16_t tag)
{
    for (size_t i = 0; i < ELEMENT_COUNT; i++)
        if (elements[i].tag == tag)
            return &elements[i];
    return NULL;
}

/* -- decoding -- */

typedef struct Decoder {
    NetCommand *out;
    bool has_field, has_message_id, has_responded_to, has_type;
    Arena *arena;
    Err *err;
} Decoder;

static bool bad(Decoder *d, uint16_t tag, const char *name, const char *what)
{
    return err_set(d->err, ERR_FORMAT, "command set: (0000,%04X) %s %s", tag, name, what);
}

static bool is_vr(Span two)
{
    static const char known[] = "UI US UL AE AT LO SH IS DS CS UN";
    for (const char *vr = known; two.n == 2; vr += 3) {
        if (memcmp(vr, two.p, 2) == 0)
            return true;
        if (vr[2] == 0)
            break;
    }
    return false;
}

/* The length behind a tag. Two letters where it should stand are the VR of a peer that writes explicit VR by mistake. */
static uint32_t take_length(Cursor *c)
{
    if (!is_vr(cur_peek(c, 2)))
        return cur_u32(c);
    Cursor implicit = *c;
    uint32_t n = cur_u32(&implicit);
    if (!implicit.failed && n <= cur_left(&implicit))
        return cur_u32(c);
    bool is_long = span_eq_cstr(cur_take(c, 2), "UN");
    if (!is_long)
        return cur_u16(c);
    cur_skip(c, 2);
    return cur_u32(c);
}

static bool take_text(Decoder *d, const Element *e, Span value)
{
    char *member = (char *)d->out + e->member;
    Span text = span_trim(value);
    if (text.n >= e->size && e->kind == COMMENT)
        text.n = e->size - 1; /* for people to read: the beginning serves */
    if (text.n && memchr(text.p, 0, text.n))
        return bad(d, e->tag, e->name, "holds a NUL character");
    return span_copy(text, member, e->size) ? true : bad(d, e->tag, e->name, "is too long");
}

static bool take_number(Decoder *d, const Element *e, Span value)
{
    if (value.n == 0)
        return true;
    if (value.n != 2)
        return bad(d, e->tag, e->name, "is not one 2-byte number");
    uint16_t number = (uint16_t)(value.p[0] | value.p[1] << 8);
    memcpy((char *)d->out + e->member, &number, sizeof number);
    if (e->present != ALWAYS && e->present != 0)
        *((bool *)((char *)d->out + e->present)) = true;
    d->has_field |= e->tag == 0x0100;
    d->has_message_id |= e->tag == 0x0110;
    d->has_responded_to |= e->tag == 0x0120;
    return true;
}

static bool take_tags(Decoder *d, const Element *e, Span value)
{
    if (value.n % 4)
        return bad(d, e->tag, e->name, "is not a list of tags");
    Span copy = arena_span(d->arena, value);
    memcpy((char *)d->out + e->member, &copy, sizeof copy);
    return true;
}

static bool take_data_set_type(Decoder *d, Span value)
{
    if (value.n != 2)
        return bad(d, TAG_DATA_SET_TYPE, "CommandDataSetType", "is not one 2-byte number");
    d->has_type = true;
    d->out->has_data_set = (value.p[0] | value.p[1] << 8) != NO_DATA_SET;
    return true;
}

static bool take_element(Decoder *d, Cursor *c)
{
    uint16_t group = cur_u16(c);
    uint16_t tag = cur_u16(c);
    uint32_t n = take_length(c);
    Span value = cur_take(c, n);
    if (c->failed)
        return err_set(d->err, ERR_FORMAT, "command set: (%04X,%04X) claims %u bytes, more than there are",
                       group, tag, n);
    if (group != 0)
        return err_set(d->err, ERR_FORMAT, "command set: (%04X,%04X) is not an element of group 0000", group,
                       tag);
    if (tag == TAG_DATA_SET_TYPE)
        return take_data_set_type(d, value);
    const Element *e = element_of(tag);
    if (!e)
        return true;
    return e->kind == NUMBER ? take_number(d, e, value)
           : e->kind == TAGS ? take_tags(d, e, value)
                             : take_text(d, e, value);
}

static bool is_whole(Decoder *d)
{
    if (!d->has_field)
        return bad(d, 0x0100, "CommandField", "is missing");
    if (!field_row(d->out->field))
        return err_set(d->err, ERR_UNSUPPORTED, "command set: (0000,0100) CommandField %04X is not known",
                       d->out->field);
    if (!d->has_type)
        return bad(d, TAG_DATA_SET_TYPE, "CommandDataSetType", "is missing");
    bool answers = NET_IS_RESPONSE(d->out->field) || d->out->field == NET_C_CANCEL_RQ;
    if (answers && !d->has_responded_to)
        return bad(d, 0x0120, "MessageIDBeingRespondedTo", "is missing");
    if (!answers && !d->has_message_id)
        return bad(d, 0x0110, "MessageID", "is missing");
    return true;
}

bool net_command_decode(Arena *arena, Span bytes, NetCommand *out, Err *err)
{
    NetCommand command = {.field = 0};
    Decoder d = {.out = &command, .arena = arena, .err = err};
    Cursor c = cur_of(bytes, false);
    while (cur_left(&c) > 0)
        if (!take_element(&d, &c))
            return false;
    if (!is_whole(&d))
        return false;
    *out = command;
    return true;
}

/* -- encoding -- */

static void put_header(Buf *out, uint16_t tag, size_t n)
{
    buf_u16le(out, 0);
    buf_u16le(out, tag);
    buf_u32le(out, (uint32_t)n);
}

static void put_u16(Buf *out, uint16_t tag, uint16_t value)
{
    put_header(out, tag, 2);
    buf_u16le(out, value);
}

static void put_number(Buf *out, const NetCommand *command, const Element *e)
{
    uint16_t value;
    memcpy(&value, (const char *)command + e->member, sizeof value);
    bool wanted = e->present == ALWAYS ? true
                  : e->present         ? *((const bool *)((const char *)command + e->present))
                                       : value != 0;
    if (wanted)
        put_u16(out, e->tag, value);
}

static void put_text(Buf *out, const NetCommand *command, const Element *e)
{
    const char *text = (const char *)command + e->member;
    size_t n = strnlen(text, e->size);
    if (n == 0)
        return;
    /* UIDs are padded with NUL, all other text with a blank, PS3.5 §6.2. */
    bool uid = e->size == 65 && e->kind == TEXT;
    put_header(out, e->tag, n + n % 2);
    buf_append(out, text, n);
    if (n % 2)
        buf_u8(out, uid ? 0 : ' ');
}

static void put_tags(Buf *out, const NetCommand *command, const Element *e)
{
    Span list;
    memcpy(&list, (const char *)command + e->member, sizeof list);
    if (list.n == 0)
        return;
    put_header(out, e->tag, list.n);
    buf_append_span(out, list);
}

static void put_element(Buf *out, const NetCommand *command, const Element *e)
{
    if (e->kind == NUMBER)
        put_number(out, command, e);
    else if (e->kind == TAGS)
        put_tags(out, command, e);
    else
        put_text(out, command, e);
}

bool net_command_encode(Buf *out, const NetCommand *command, Err *err)
{
    const struct FieldRow *row = field_row(command->field);
    if (!row)
        return err_set(err, ERR_USAGE, "command set: field %04X is not known", command->field);
    if (command->offending_elements.n % 4 || command->attribute_list.n % 4)
        return err_set(err, ERR_USAGE, "command set: a list of tags is not a multiple of 4 bytes");
    put_header(out, TAG_GROUP_LENGTH, 4);
    size_t length_at = out->n;
    buf_u32le(out, 0);
    bool typed = false;
    for (size_t i = 0; i < ELEMENT_COUNT; i++) {
        if (!typed && elements[i].tag > TAG_DATA_SET_TYPE) {
            put_u16(out, TAG_DATA_SET_TYPE, command->has_data_set ? WITH_DATA_SET : NO_DATA_SET);
            typed = true;
        }
        if (elements[i].fields & row->bit)
            put_element(out, command, &elements[i]);
    }
    if (out->failed)
        return err_set(err, ERR_LIMIT, "command set: longer than %zu bytes", out->limit);
    uint32_t n = (uint32_t)(out->n - length_at - 4);
    for (int i = 0; i < 4; i++)
        out->p[length_at + (size_t)i] = (uint8_t)(n >> 8 * i);
    return true;
}

NetCommand net_response_to(const NetCommand *request, uint16_t status)
{
    NetCommand response = {
        .field = request->field | 0x8000,
        .context_id = request->context_id,
        .responded_to = request->message_id,
        .status = status,
        .event_type = request->event_type,
        .has_event_type = request->has_event_type,
        .action_type = request->action_type,
        .has_action_type = request->has_action_type,
    };
    memcpy(response.sop_class, request->sop_class, sizeof response.sop_class);
    memcpy(response.sop_instance, request->sop_instance, sizeof response.sop_instance);
    return response;
}
