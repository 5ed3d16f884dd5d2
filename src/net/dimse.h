// SPDX-License-Identifier: MIT
/* DIMSE commands, PS3.7 §6.3, §9, §10, E. A command set is always implicit VR little endian. */
#ifndef GANTRY_NET_DIMSE_H
#define GANTRY_NET_DIMSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum NetField {
    NET_C_STORE_RQ = 0x0001,
    NET_C_STORE_RSP = 0x8001,
    NET_C_GET_RQ = 0x0010,
    NET_C_GET_RSP = 0x8010,
    NET_C_FIND_RQ = 0x0020,
    NET_C_FIND_RSP = 0x8020,
    NET_C_MOVE_RQ = 0x0021,
    NET_C_MOVE_RSP = 0x8021,
    NET_C_ECHO_RQ = 0x0030,
    NET_C_ECHO_RSP = 0x8030,
    NET_C_CANCEL_RQ = 0x0FFF,
    NET_N_EVENT_REPORT_RQ = 0x0100,
    NET_N_EVENT_REPORT_RSP = 0x8100,
    NET_N_GET_RQ = 0x0110,
    NET_N_GET_RSP = 0x8110,
    NET_N_SET_RQ = 0x0120,
    NET_N_SET_RSP = 0x8120,
    NET_N_ACTION_RQ = 0x0130,
    NET_N_ACTION_RSP = 0x8130,
    NET_N_CREATE_RQ = 0x0140,
    NET_N_CREATE_RSP = 0x8140,
    NET_N_DELETE_RQ = 0x0150,
    NET_N_DELETE_RSP = 0x8150
} NetField;

#define NET_IS_RESPONSE(field) (((field)&0x8000) != 0)

/* Every element of a command set; only those that the field uses (PS3.7 §9.3, §10.3) are written. Absent text is "". */
typedef struct NetCommand {
    uint16_t field;
    uint8_t context_id;    /* presentation context it came or goes on */
    uint16_t message_id;   /* of a request */
    uint16_t responded_to; /* of a response or C-CANCEL: the request's message id */
    bool has_data_set;
    uint16_t status;
    uint16_t priority;  /* 0 medium, 1 high, 2 low */
    char sop_class[65]; /* affected, or requested in N-GET, N-SET, N-ACTION, N-DELETE requests */
    char sop_instance[65];
    char move_destination[17];
    char move_originator[17];
    uint16_t move_originator_id;
    bool has_originator;
    bool has_counters;
    bool has_remaining; /* (0000,1020) may only stand in pending and cancel responses */
    uint16_t remaining, completed, failed, warning;
    char error_comment[65];
    uint16_t error_id;
    uint16_t event_type, action_type;
    bool has_event_type, has_action_type;
    Span offending_elements; /* raw AT list; a view */
    Span attribute_list;     /* raw AT list of N-GET; a view */
} NetCommand;

/* Parses a command set. Tolerates missing group length, wrong order, explicit VR. Errors name the element. */
bool net_command_decode(Arena *arena, Span bytes, NetCommand *out, Err *err);
/* Appends the encoded command set with its group length. */
bool net_command_encode(Buf *out, const NetCommand *command, Err *err);
/* "C-STORE-RQ"; never NULL. */
const char *net_field_name(uint16_t field);
/* The response that answers a request: field, responded_to, class, instance, context filled; status as given. */
NetCommand net_response_to(const NetCommand *request, uint16_t status);

#endif
